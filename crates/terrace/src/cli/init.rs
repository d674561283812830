//! `terrace init`: a file to start from.

use std::io::{ErrorKind, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::output::{Output, note, say};
use super::{Outcome, WrongCall};

/// Writes a site.kdl to start from: one server with web, app and database.
#[derive(Args)]
#[command(after_help = "Example:\n  terrace init www.example.org\n  terrace check")]
pub(crate) struct Init {
    /// The site's name.
    #[arg(default_value = "www.example.org")]
    name: String,
    /// Where to write it. A file that is there is not touched.
    #[arg(long, default_value = "site.kdl")]
    file: PathBuf,
}

impl Init {
    pub(super) fn run(self, out: &mut Output) -> Outcome {
        let text = starter(&self.name);
        let mut file = std::fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(&self.file)
            .map_err(|error| self.refused(error))?;
        file.write_all(text.as_bytes())?;
        say!(
            out,
            "{} is written. Next: put your code into app/ and your static files into public/",
            self.file.display()
        );
        say!(
            out,
            "(or change the two paths), then: terrace check, terrace up"
        );
        if out.failure().is_some() {
            note!(
                out,
                "terrace: {} is written all the same",
                self.file.display()
            );
        }
        Ok(ExitCode::SUCCESS)
    }

    fn refused(&self, error: std::io::Error) -> anyhow::Error {
        let file = self.file.display();
        if error.kind() == ErrorKind::AlreadyExists {
            let next = "look at it with `terrace check`, or name another one with --file";
            return WrongCall(format!(
                "{file} is there already, and is not touched: {next}"
            ))
            .into();
        }
        anyhow::Error::from(error).context(format!("cannot write {file}: nothing was changed"))
    }
}

/// One server does it all; the comments say what to change.
fn starter(name: &str) -> String {
    format!(
        r#"// One server does it all. `terrace explain` says why each line is here.
site "{name}" {{
    server web-01 "192.0.2.10"   // the address that the world dials

    web web-01 static="public"
    app web-01 code="app" health="/health" {{
        build "python3 -m venv .venv && .venv/bin/pip install -r requirements.txt"
        run ".venv/bin/granian --interface wsgi --host $HOST --port $PORT app:app"
    }}
    database web-01
}}
"#
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_starter_is_a_good_file() {
        let source = starter("www.example.org");
        let loaded = terrace_site::load(&source);
        assert!(
            loaded.site.is_some() && loaded.problems.is_empty(),
            "{:?}",
            loaded.problems
        );
        assert_eq!(terrace_site::read::fmt(&source).unwrap(), source);
    }
}
