//! One build command: run by `sh -c`, its output told line by line.

use std::collections::VecDeque;
use std::ffi::OsStr;
use std::io::{self, BufRead, BufReader, PipeReader, Read};
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};

/// How many lines of a command's end are kept for a person.
const KEPT_LINES: usize = 20;
/// Longer lines are told in pieces.
const LINE_LENGTH: u64 = 8 * 1024;

/// What came of a command.
pub(super) struct Finished {
    pub status: ExitStatus,
    /// The last lines that it wrote.
    pub lines: Vec<String>,
}

/// Runs a command in a directory with this PATH, and tells each line as it comes.
pub(super) fn run(
    command: &str,
    directory: &Path,
    path: &OsStr,
    tell: &mut dyn FnMut(&str),
) -> io::Result<Finished> {
    let (output, writer) = io::pipe()?;
    let mut shell = Command::new("/bin/sh");
    shell
        .args(["-c", command])
        .current_dir(directory)
        .env("PATH", path)
        .stdin(Stdio::null())
        .stdout(writer.try_clone()?)
        .stderr(writer);
    let mut child = shell.spawn()?;
    // It holds the pipe's other end, which must close for the reading to end.
    drop(shell);
    let lines = listen(output, tell)?;
    let status = child.wait()?;
    Ok(Finished { status, lines })
}

fn listen(output: PipeReader, tell: &mut dyn FnMut(&str)) -> io::Result<Vec<String>> {
    let mut output = BufReader::new(output);
    let mut last = VecDeque::with_capacity(KEPT_LINES);
    let mut bytes = Vec::new();
    loop {
        bytes.clear();
        (&mut output)
            .take(LINE_LENGTH)
            .read_until(b'\n', &mut bytes)?;
        if bytes.is_empty() {
            return Ok(last.into());
        }
        let text = String::from_utf8_lossy(&bytes);
        let line = text.trim_end();
        tell(line);
        if line.is_empty() {
            continue;
        }
        if last.len() == KEPT_LINES {
            last.pop_front();
        }
        last.push_back(line.to_owned());
    }
}
