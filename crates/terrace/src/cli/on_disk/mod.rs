//! Whether what a file names is there: directories, files, programs. `check` warns of what is missing, `up` refuses it
//! before anything is started.

mod programs;
mod said;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use terrace_app::launch;
use terrace_app::release::SearchPath;
use terrace_site::outside::{Code, Kind, Outside, outside};
use terrace_site::problem::{Problem, Severity};

use super::site_file::SiteFile;
use said::{is_open, kind, may_be_built, missing, not_executable, plain, unseen};

#[cfg(test)]
pub(super) use programs::words as words_of;

/// Where a host has something of its own: what the machine has there is not seen by its servers.
const OWN: [&str; 3] = ["/tmp", "/run", "/var/lib/terrace"];
/// Where releases are seen while they are built, and run.
const RELEASES: &str = "/srv";

/// What the file names and is not there, or is not what it has to be. An error: the site cannot come up without it.
pub(crate) fn look(file: &SiteFile) -> Vec<Problem> {
    let path = fs::canonicalize(&file.path).unwrap_or_else(|_| file.path.clone());
    let look = Look {
        base: path.parent().unwrap_or(Path::new("/")).to_owned(),
        other_user: rustix::process::geteuid().is_root(),
        path: std::env::var_os("PATH").unwrap_or_default(),
        codes: Vec::new(),
    };
    look.all(&outside(&file.source))
}

/// The same, as warnings: the file itself is good.
pub(crate) fn warnings(file: &SiteFile) -> Vec<Problem> {
    let warn = |problem| Problem {
        severity: Severity::Warning,
        ..problem
    };
    look(file).into_iter().map(warn).collect()
}

struct Look {
    /// What paths are relative to.
    base: PathBuf,
    /// Roles and apps run as users of their own.
    other_user: bool,
    /// The caller's PATH.
    path: std::ffi::OsString,
    /// The directories of `code=`.
    codes: Vec<PathBuf>,
}

impl Look {
    fn all(mut self, named: &[Outside]) -> Vec<Problem> {
        let codes = named.iter().filter(|one| one.kind == Kind::Code);
        self.codes = codes.map(|one| self.base.join(&one.text)).collect();
        named.iter().filter_map(|one| self.one(one)).collect()
    }

    fn one(&self, named: &Outside) -> Option<Problem> {
        match &named.kind {
            Kind::Files => self.files(named),
            Kind::Code => self.code(named),
            Kind::Document(code) => self.document(named, code),
            Kind::Keep(code) => self.keep(named, code),
            Kind::Command { word, code } => self.command(named, word, code),
            Kind::Pem(word) => self.pem(named, word),
            Kind::Backup => self.backup(named),
        }
    }

    fn files(&self, named: &Outside) -> Option<Problem> {
        let path = self.base.join(&named.text);
        let problem = self.directory(named, "static", &path).or_else(|| {
            self.unseen(&path, &OWN)
                .map(|own| unseen(named, "static", own))
        });
        if problem.is_none() && self.holds_the_site(&path) {
            let message = format!("`static`: `{}` holds the file of the site", named.text);
            let label = "name a directory of its own for what visitors may have, such as public";
            let problem = Problem::warning("holds-the-site", message, named.span, label);
            return Some(problem.help(
                "all that lies there is sent to whoever asks for it, but for sources and what begins with a dot",
            ));
        }
        if problem.is_none() && self.other_user && !is_open(&path) {
            let message = format!("`static`: the web server cannot read `{}`", named.text);
            let label = format!("chmod o+rx {}", plain(&path).display());
            let problem = Problem::warning("not-readable", message, named.span, label);
            return Some(problem.help("it runs as a user of its own"));
        }
        let inside = self.codes.iter().find(|code| path.starts_with(code));
        let missing = problem
            .as_ref()
            .is_some_and(|problem| problem.code == "not-there");
        match (problem, inside.filter(|code| code.is_dir() && missing)) {
            (Some(problem), Some(code)) => Some(problem.help(format!(
                "the web server reads it where it stands, in {}: what `build` makes is in the release, which it does not see. \
                 Make it there once, or have the app serve it",
                code.display()
            ))),
            (problem, _) => problem,
        }
    }

    fn code(&self, named: &Outside) -> Option<Problem> {
        let path = self.base.join(&named.text);
        if let Some(problem) = self.directory(named, "code", &path) {
            return Some(problem);
        }
        if path.starts_with(RELEASES) {
            return Some(unseen(named, "code", RELEASES));
        }
        if self.holds_the_site(&path) {
            let message = format!("`code`: `{}` holds the file of the site", named.text);
            let label = "put the code into a directory of its own, such as app";
            let problem = Problem::warning("holds-the-site", message, named.span, label);
            return Some(problem.help(
                "a release is a copy of all that lies there: with every change of that file another one is made",
            ));
        }
        let mut entries = fs::read_dir(&path).into_iter().flatten().flatten();
        let is_empty = entries.all(|entry| entry.file_name() == ".git");
        is_empty.then(|| {
            let message = format!("`code`: `{}` is empty", named.text);
            let label = format!("put the code of the app into {}", plain(&path).display());
            Problem::error("empty", message, named.span, label)
        })
    }

    /// A directory that has to be there and to be readable.
    fn directory(&self, named: &Outside, word: &str, path: &Path) -> Option<Problem> {
        let text = &named.text;
        let problem = |code, message: String, label: String| {
            Some(Problem::error(code, message, named.span, label))
        };
        match fs::metadata(path) {
            Err(error) => Some(missing(named, word, path, &error)),
            Ok(found) if !found.is_dir() => problem(
                "not-a-directory",
                format!("`{word}`: `{text}` is {}, not a directory", kind(&found)),
                self.instead(word, text),
            ),
            Ok(_) => match fs::read_dir(path) {
                Err(error) => problem(
                    "not-readable",
                    format!("`{word}`: `{text}` cannot be read: {error}"),
                    format!("look at it with: ls -ld {}", plain(path).display()),
                ),
                Ok(_) => None,
            },
        }
    }

    /// The file of the site lies in it.
    fn holds_the_site(&self, path: &Path) -> bool {
        fs::canonicalize(path).is_ok_and(|real| self.base.starts_with(real))
    }

    /// What to name instead of something that is no directory: the one that it lies in, unless that is the site's.
    fn instead(&self, word: &str, text: &str) -> String {
        let parent = Path::new(text).parent();
        let usable = parent.filter(|parent| !self.holds_the_site(&self.base.join(parent)));
        let usual = if word == "static" { "public" } else { "app" };
        match usable {
            Some(parent) => format!("name the directory, such as {}", parent.display()),
            None if text == usual => "move it away, and make a directory of this name".to_owned(),
            None => format!("name a directory of its own, such as {usual}"),
        }
    }

    /// Where the hosts have something of their own in the place of this path.
    fn unseen(&self, path: &Path, own: &[&'static str]) -> Option<&'static str> {
        let real = fs::canonicalize(path).ok()?;
        let over = |own: &&&str| real.starts_with(own) && !real.starts_with(&self.base);
        own.iter().find(over).copied()
    }

    fn document(&self, named: &Outside, code: &Code) -> Option<Problem> {
        let directory = self.code_of(code)?;
        let path = directory.join(&named.text);
        let error = fs::metadata(&path).err()?;
        let problem = missing(named, "php", &path, &error);
        Some(may_be_built(problem, code))
    }

    /// A file of the code, or a directory with files, stands where a kept directory is to be.
    fn keep(&self, named: &Outside, code: &Code) -> Option<Problem> {
        let path = self.code_of(code)?.join(&named.text);
        let found = fs::metadata(&path).ok()?;
        let mut names = fs::read_dir(&path).into_iter().flatten().flatten();
        let is_plain = |name: &std::ffi::OsString| !name.as_encoded_bytes().starts_with(b".");
        let holds = names.find(|entry| is_plain(&entry.file_name()));
        let what = match holds {
            None if found.is_dir() => return None,
            None => kind(&found).to_owned(),
            Some(entry) => format!("a directory with {}", entry.file_name().display()),
        };
        let message = format!("`keep`: the code has {what} at `{}`", named.text);
        let label = "move it away, or let .gitignore name it";
        Some(Problem::warning("place-taken", message, named.span, label))
    }

    fn command(&self, named: &Outside, word: &str, code: &Code) -> Option<Problem> {
        let required = programs::required(&named.text)?;
        let directory = self.code_of(code)?;
        let search = match word {
            "build" => SearchPath::new(&self.path, self.other_user),
            _ => SearchPath::new(launch::SEARCH_PATH.as_ref(), false),
        };
        // A PATH of its own is for what runs.
        let known = word == "build" || !code.has_path;
        required.iter().find_map(|program| {
            let path = match program.contains('/') {
                false if !known || search.find(program).is_some() => return None,
                false => return Some(self.no_program(named, word, program, &search)),
                true => directory.join(program),
            };
            let is_own = OWN
                .iter()
                .chain([&RELEASES])
                .any(|own| Path::new(program).starts_with(own));
            let error = fs::metadata(&path).err();
            match error {
                // The release may bring it, once it is built.
                _ if is_own || (code.is_built && !Path::new(program).is_absolute()) => None,
                Some(error) => Some(missing(named, word, &path, &error)),
                None => not_executable(named, word, program, &path),
            }
        })
    }

    fn no_program(
        &self,
        named: &Outside,
        word: &str,
        program: &str,
        search: &SearchPath,
    ) -> Problem {
        let message = format!("`{word}`: there is no program `{program}`");
        let label = format!("install {program}, or correct its name");
        let problem = Problem::error("no-such-program", message, named.span, label);
        let all = SearchPath::new(&self.path, false);
        match all.find(program) {
            Some(own) if word == "build" => problem.help(format!(
                "{} is yours alone: the app runs as a user of its own, who cannot reach it",
                own.display()
            )),
            Some(own) => problem.help(format!(
                "an app's PATH is {}: name {} with its whole path, or give the app another PATH with `env`",
                launch::SEARCH_PATH,
                own.display()
            )),
            None => {
                let directories = search.directories.iter();
                let listed: Vec<_> = directories.map(|one| one.display().to_string()).collect();
                problem.help(format!("it is sought in {}", listed.join(", ")))
            }
        }
    }

    fn pem(&self, named: &Outside, word: &str) -> Option<Problem> {
        let path = self.base.join(&named.text);
        let problem = |error: io::Error| missing(named, word, &path, &error);
        match fs::metadata(&path) {
            Err(error) => Some(problem(error)),
            Ok(found) if !found.is_file() => {
                let message = format!("`{word}`: `{}` is {}", named.text, kind(&found));
                let label = "a file in PEM format is expected";
                Some(Problem::error("not-a-file", message, named.span, label))
            }
            Ok(_) => fs::File::open(&path).err().map(problem),
        }
    }

    fn backup(&self, named: &Outside) -> Option<Problem> {
        let path = self.base.join(&named.text);
        fs::metadata(&path)
            .is_ok()
            .then(|| self.directory(named, "to", &path))?
    }

    /// The directory of an app's code. `None`: it is not there, which is reported once.
    fn code_of(&self, code: &Code) -> Option<PathBuf> {
        Some(self.base.join(&code.path)).filter(|path| path.is_dir())
    }
}

#[cfg(test)]
mod tests;
