//! A command's side of its connection to the coordinator.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use terrace_protocol::Channel;
use terrace_protocol::control::{Reply, Request};
use terrace_protocol::report::Level;
use terrace_service::disk;
use tokio::net::UnixStream;

use crate::{Location, LocationError, registry};

/// How long a coordinator may take to listen.
const PATIENCE: Duration = Duration::from_secs(10);

/// A connection to the coordinator.
pub type Connection = Channel<Request, Reply>;

/// What a coordinator is started with.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Start {
    /// The site's file.
    pub file: PathBuf,
    /// The site's name.
    pub site: String,
    /// Where on 127.0.0.1 a browser finds the site; the next free port when it is taken.
    pub port: u16,
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Where the site is.
    #[error(transparent)]
    Location(#[from] LocationError),
    /// The socket, or what is said on it.
    #[error(transparent)]
    Channel(#[from] terrace_protocol::Error),
    /// It ended before it had answered.
    #[error("the coordinator has ended: its log is {}{}", .0.display(), last_words(.0))]
    Gone(PathBuf),
    /// It listens, and says nothing.
    #[error("the coordinator does not answer: it is very busy, or stopped; its log is {}", .0.display())]
    Silent(PathBuf),
    /// None runs.
    #[error("{0} is not up: start it with `terrace up`")]
    Down(String),
    /// The process.
    #[error("the coordinator cannot be started: {0}")]
    Start(io::Error),
    /// It ended before it listened.
    #[error("the coordinator ended at once: {0}")]
    Ended(String),
}

/// Dials the coordinator of a site; `None`: none runs.
///
/// # Errors
/// When one runs and cannot be spoken to.
pub async fn connect(location: &Location) -> Result<Option<Connection>, Error> {
    // The state directory may be gone; the run directory may be another one than the coordinator's.
    for socket in [location.socket(), registry::socket_of(location)?] {
        if let Ok(stream) = dial(&socket).await {
            let greeted = tokio::time::timeout(PATIENCE, Channel::open_own(stream)).await;
            let greeted = greeted.map_err(|_| Error::Silent(location.log()))?;
            return Ok(Some(greeted?));
        }
    }
    Ok(None)
}

async fn dial(socket: &Path) -> io::Result<UnixStream> {
    // By way of the directory's descriptor: a socket's path has at most 107 bytes.
    let directory = File::open(socket.parent().unwrap_or(Path::new("/")))?;
    let name = socket.file_name().unwrap_or_default().display();
    UnixStream::connect(format!("/proc/self/fd/{}/{name}", directory.as_raw_fd())).await
}

/// One request, one answer.
///
/// # Errors
/// When no coordinator runs, or it cannot be spoken to.
pub async fn ask(location: &Location, request: Request) -> Result<Reply, Error> {
    let connection = connect(location).await?;
    let mut connection = connection.ok_or_else(|| Error::Down(location.name().to_owned()))?;
    let gone = |error| match error {
        terrace_protocol::Error::Closed => Error::Gone(location.log()),
        error => Error::Channel(error),
    };
    connection.sender.send(&request).await.map_err(gone)?;
    let answer = connection.receiver.receive().await;
    Ok(answer.map_err(gone)?.message)
}

/// What a log ends with, on lines of their own.
fn last_words(log: &Path) -> String {
    const MOST: usize = 3;
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    let last = lines[lines.len().saturating_sub(MOST)..].iter();
    last.map(|line| format!("\n    {line}")).collect()
}

/// Starts a coordinator, in a session of its own, or finds the one that runs, and dials it.
///
/// # Errors
/// When it does not begin to listen; what it said is in the error.
pub async fn start(start: &Start) -> Result<Connection, Error> {
    let location = Location::of(&start.file, &start.site)?;
    if let Some(connection) = connect(&location).await? {
        return Ok(connection);
    }
    location.make()?;
    // A coordinator without a log runs all the same; why it ends would not be known.
    let log = File::create(location.log()).ok();
    let start = Start {
        file: location.file().to_owned(),
        ..start.clone()
    };
    let mut command = Command::new("/proc/self/exe");
    command
        .arg0("terrace")
        .args(["internal", "coordinator"])
        .arg(serde_json::to_string(&start).unwrap_or_default());
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log.map_or_else(Stdio::null, Stdio::from));
    in_own_session(&mut command);
    let mut child = command.spawn().map_err(Error::Start)?;
    let begun = Instant::now();
    loop {
        if let Some(connection) = connect(&location).await? {
            return Ok(connection);
        }
        let ended = child.try_wait().map_err(Error::Start)?.is_some();
        if ended || begun.elapsed() > PATIENCE {
            let said = std::fs::read_to_string(location.log()).unwrap_or_default();
            let said = said.trim();
            return Err(Error::Ended(if said.is_empty() {
                without_words(&location)
            } else {
                said.to_owned()
            }));
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Why a coordinator that said nothing has ended, as far as that can be seen.
fn without_words(location: &Location) -> String {
    let state = location.state();
    match disk::of(&state) {
        Ok(disk) if disk.worst() != Level::Fine => format!(
            "there is no room on the disk of {}: make some, and start it again",
            state.display()
        ),
        _ => format!("it said nothing in {}", location.log().display()),
    }
}

#[allow(
    unsafe_code,
    reason = "a session is left between fork and exec, for which there is no safe form"
)]
fn in_own_session(command: &mut Command) {
    // SAFETY: setsid(2) is async-signal-safe and touches no memory.
    unsafe { command.pre_exec(|| Ok(rustix::process::setsid().map(drop)?)) };
}
