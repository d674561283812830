//! A site that a story has to itself, and a visitor to it.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use crate::processes::{self, Traces};

/// How long a single command may take before it counts as hung. The first `up` builds the app.
pub(crate) const PATIENCE: Duration = Duration::from_secs(180);

/// Which database stage 1 runs on, where it is not what PATH offers.
const ENGINE: &str = "TERRACE_ENGINE";

/// The binary under test.
pub(crate) fn binary() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_terrace"))
}

/// Where the stories have their sites.
fn place() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("stories")
}

/// A call of the binary that sees the stories' sites, and nobody else's.
pub(crate) fn program() -> Command {
    let mut command = Command::new(binary());
    command.env(terrace_lab::RUN, place().join("run"));
    command
}

/// Hosts are network namespaces: they need root here. Says so where a story cannot be told.
pub(crate) fn is_root() -> bool {
    let root = fs::metadata("/proc/self")
        .is_ok_and(|meta| std::os::unix::fs::MetadataExt::uid(&meta) == 0);
    if !root {
        eprintln!("skipped: this story needs root");
    }
    root
}

/// A directory with a copy of the stacks. Stopped when it is dropped.
pub(crate) struct Site {
    pub(crate) directory: PathBuf,
    pub(crate) file: PathBuf,
    /// Where it is listed while it runs.
    run: PathBuf,
    /// Locked while this story has the place: stories take turns, in this process and in others.
    _turn: File,
}

impl Site {
    /// Stage 0 with its guest book, not yet up. The directory stays from story to story, so the release is
    /// built once; the data goes.
    pub(crate) fn stage0() -> Self {
        let site = Self::of("stage0", "stacks/0-simple_web_stack.kdl");
        site.without_data();
        site
    }

    /// Stage 1 with its guest book, not yet up, without data. On MySQL where `TERRACE_ENGINE=mysql` asks for it.
    pub(crate) fn stage1() -> Self {
        let site = Self::of("stage1", "stacks/1-distributed_web_infrastructure.kdl");
        site.without_data();
        if let Ok(engine) = std::env::var(ENGINE) {
            let text = fs::read_to_string(&site.file).unwrap();
            let line = "database web-01 web-02";
            assert!(text.contains(line), "{text}");
            let named = text.replace(line, &format!("{line} engine={engine}"));
            fs::write(&site.file, named).unwrap();
        }
        site
    }

    fn of(name: &str, stack: &str) -> Self {
        Self::at(&place(), name, stack)
    }

    fn at(place: &Path, name: &str, stack: &str) -> Self {
        fs::create_dir_all(place).unwrap();
        let turn = File::create(place.join("turn")).unwrap();
        turn.lock().unwrap();
        let directory = place.join(name);
        let stacks = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../stacks");
        copy(&stacks, &directory.join("stacks"));
        let site = Self {
            file: directory.join(stack),
            directory,
            run: place.join("run"),
            _turn: turn,
        };
        site.terrace(&["down"]);
        site
    }

    /// Another file in the same place: a story of its own about one site.
    pub(crate) fn with_file(name: &str, text: &str) -> Self {
        Self::of(name, "stacks/0-simple_web_stack.kdl").described(text)
    }

    /// The site of somebody else on this machine: beside the one that a story has.
    pub(crate) fn neighbour(text: &str) -> Self {
        let place = place().join("neighbour");
        Self::at(&place, "site", "stacks/0-simple_web_stack.kdl").described(text)
    }

    /// Removes all data, and that there was any; secrets, releases and logs of builds stay.
    pub(crate) fn without_data(&self) {
        let _ = fs::remove_dir_all(self.state().join("servers"));
        let _ = fs::remove_file(self.state().join("site.json"));
    }

    fn described(mut self, text: &str) -> Self {
        self.file = self.directory.join("stacks/site.kdl");
        fs::write(&self.file, text).unwrap();
        self
    }

    /// Where its data, logs and secrets are.
    pub(crate) fn state(&self) -> PathBuf {
        self.directory.join("stacks/.terrace/www.foobar.com")
    }

    /// Runs a command on this site's file and waits for its end.
    pub(crate) fn terrace(&self, arguments: &[&str]) -> Output {
        finish(self.command(arguments))
    }

    /// A call of the binary that sees this site.
    pub(crate) fn program(&self) -> Command {
        let mut command = program();
        command.env(terrace_lab::RUN, &self.run);
        command
    }

    /// A command on this site's file: `["exec", "web-01", "--", "true"]`.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.program();
        let (before, after) = match arguments.iter().position(|argument| *argument == "--") {
            Some(end) => arguments.split_at(end),
            None => (arguments, &[][..]),
        };
        command.args(before);
        let named = [
            "exec",
            "logs",
            "secret",
            "explain",
            "drain",
            "undrain",
            "switchover",
            "failover",
            "fault",
        ];
        if named.contains(&before[0]) {
            command.arg("--file");
        }
        command
            .arg(&self.file)
            .args(after)
            .current_dir(&self.directory);
        if std::env::var_os(ENGINE).is_some() {
            command.env("PATH", search_path());
        }
        command
    }

    /// Brings it up, and panics with what it said when it does not come.
    pub(crate) fn up(&self) -> String {
        let output = self.terrace(&["up", "--detach"]);
        let text = both(&output);
        assert!(
            output.status.success(),
            "`up` failed: {text}\nlogs in {}",
            self.state().display()
        );
        text
    }

    /// A command of ours that has to succeed.
    pub(crate) fn does(&self, arguments: &[&str]) {
        let output = self.terrace(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", both(&output));
    }

    /// What a program prints on a host: `internet` is the visitor's.
    pub(crate) fn on(&self, host: &str, command: &[&str]) -> String {
        let mut arguments = vec!["exec", host, "--"];
        arguments.extend(command);
        let output = self.terrace(&arguments);
        assert!(
            output.status.success(),
            "{command:?} on {host}: {}",
            both(&output)
        );
        String::from_utf8(output.stdout).unwrap()
    }

    /// The facts of `terrace status`.
    pub(crate) fn status(&self) -> serde_json::Value {
        let output = self.terrace(&["status", "--json"]);
        serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|error| panic!("{error}: {}", both(&output)))
    }

    /// How each server stands.
    pub(crate) fn servers(&self) -> Vec<serde_json::Value> {
        self.status()["servers"].as_array().unwrap().clone()
    }

    /// How one server stands.
    pub(crate) fn server(&self, name: &str) -> serde_json::Value {
        let found = self.servers().into_iter().find(|one| one["name"] == name);
        found.unwrap_or_else(|| panic!("no server {name}"))
    }

    /// Every role.
    pub(crate) fn roles(&self) -> Vec<serde_json::Value> {
        self.servers().iter().flat_map(roles).cloned().collect()
    }

    /// The machine's number of the first process of a server.
    pub(crate) fn keeper(&self, server: &str) -> u32 {
        let found = self.found_keeper(server);
        found.unwrap_or_else(|| panic!("{server} has no keeper"))
    }

    /// The same; `None`: the server is down.
    pub(crate) fn found_keeper(&self, server: &str) -> Option<u32> {
        let name = format!("\"name\":\"{server}\"");
        self.process(&[" internal host ", &name])
    }

    /// The machine's number of a role's process, by the role's id.
    pub(crate) fn pid(&self, server: &str, id: &str) -> u32 {
        let roles = self.roles();
        let role = roles.iter().find(|role| role["id"] == id);
        let role = role.unwrap_or_else(|| panic!("no role {id}: {roles:#?}"));
        let inner = role["pid"].as_u64().unwrap();
        processes::within(self.keeper(server))
            .into_iter()
            .find(|(pid, _)| processes::inner_number(*pid) == Some(inner))
            .unwrap_or_else(|| panic!("no process {inner} on {server}"))
            .0
    }

    /// The machine's number of a process on a server whose arguments contain `word`.
    pub(crate) fn beside(&self, server: &str, word: &str) -> u32 {
        let found = self.found(server, word);
        found.unwrap_or_else(|| panic!("no {word} on {server}"))
    }

    /// The same; `None`: there is none now.
    pub(crate) fn found(&self, server: &str, word: &str) -> Option<u32> {
        processes::within(self.keeper(server))
            .into_iter()
            .find(|(_, line)| line.contains(word))
            .map(|(pid, _)| pid)
    }

    /// The machine's number of the coordinator or a keeper of this site, by words of its arguments.
    pub(crate) fn process(&self, words: &[&str]) -> Option<u32> {
        let own = processes::of_directory(&self.directory);
        own.into_iter()
            .find(|(_, line)| words.iter().all(|word| line.contains(word)))
            .map(|(pid, _)| pid)
    }

    /// What it has on this machine now, to be looked for when it is down.
    pub(crate) fn traces(&self) -> Traces {
        Traces::of(&self.directory)
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        let output = self.terrace(&["down"]);
        if std::thread::panicking() {
            eprintln!(
                "logs: {}\ndown: {}",
                self.state().join("servers").display(),
                both(&output)
            );
        }
    }
}

/// Where programs are sought: also where `scripts/mysql` unpacks a server.
fn search_path() -> std::ffi::OsString {
    let mysql = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/mysql/bin");
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::join_paths(std::env::split_paths(&path).chain([mysql])).unwrap()
}

/// A count of `make acceptance`; else what is enough to see that it works.
pub(crate) fn from_environment(name: &str, usual: usize) -> usize {
    std::env::var(name).map_or(usual, |text| text.parse().unwrap())
}

/// Prints what was measured, and keeps it where `make acceptance` looks for it.
pub(crate) fn record(line: &serde_json::Value) {
    println!("{line}");
    if let Some(path) = std::env::var_os("TERRACE_RECORDS") {
        let file = File::options().append(true).create(true).open(path);
        writeln!(file.unwrap(), "{line}").unwrap();
    }
}

/// The roles of a server, as its last report says.
pub(crate) fn roles(server: &serde_json::Value) -> impl Iterator<Item = &serde_json::Value> {
    let roles = server["report"]["roles"].as_array();
    roles.into_iter().flatten()
}

/// A server is up, and every role on it serves.
pub(crate) fn serves(server: &serde_json::Value) -> bool {
    let reported = server["up"] == true && server["report"].is_object();
    reported && roles(server).all(|role| role["state"] == "serving")
}

/// Waits until `reached`, and panics with `what` when that takes longer than any honest machine needs.
pub(crate) fn wait_until(what: &str, mut reached: impl FnMut() -> bool) {
    let start = Instant::now();
    while !reached() {
        assert!(
            start.elapsed() < Duration::from_secs(30),
            "not reached: {what}"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Runs a command to its end; one that hangs is killed and fails the story.
pub(crate) fn finish(mut command: Command) -> Output {
    let output = tempfile::tempfile().unwrap();
    let errors = tempfile::tempfile().unwrap();
    command
        .stdin(Stdio::null())
        .stdout(output.try_clone().unwrap())
        .stderr(errors.try_clone().unwrap());
    let mut child = command.spawn().unwrap();
    let status = wait(&mut child, PATIENCE);
    Output {
        status,
        stdout: whole(output),
        stderr: whole(errors),
    }
}

/// Waits for a process; one that hangs is killed and fails the story.
pub(crate) fn wait(child: &mut Child, patience: Duration) -> std::process::ExitStatus {
    let start = Instant::now();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status;
        }
        if start.elapsed() > patience {
            child.kill().unwrap();
            child.wait().unwrap();
            panic!("process {} did not end within {patience:?}", child.id());
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn whole(mut file: File) -> Vec<u8> {
    std::io::Seek::rewind(&mut file).unwrap();
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).unwrap();
    bytes
}

/// What a command said, on both of its outputs.
pub(crate) fn both(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    format!("{}{}", text(&output.stdout), text(&output.stderr))
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name();
        if [".terrace", ".venv", "__pycache__"]
            .iter()
            .any(|skipped| name == *skipped)
        {
            continue;
        }
        let target = to.join(&name);
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}
