//! An app: the site's own program, how it is made, started, checked and stopped.

use std::time::Duration;

use super::{
    Command, Cpu, FilePath, HostPort, HttpPath, Label, Member, Rate, Size, VariableName, part,
};

part! {
    /// The site's own program.
    App {
        /// Its name: `name=`, else the last part of `code=`.
        one name: Label,
        /// The servers that it stands on; never empty.
        list members: Member,
        /// The code base.
        one code: FilePath,
        /// The paths that it answers for: `/`, or what `path=` says.
        one path: HttpPath,
        /// Copies on each server.
        copy copies: u32,
        /// What a copy may take of the memory.
        maybe memory: Size,
        /// What a copy may take of the processors.
        maybe cpu: Cpu,
        /// What makes a release, in order.
        list build: Command,
        /// How a copy is started.
        one launch: Launch,
        /// What is run once per release, on one server.
        maybe migrate: Command,
        /// The environment that the file gives.
        list env: Variable,
        /// Variables whose values are secrets.
        list secrets: VariableName,
        /// Directories that survive releases.
        list keep: KeepDirectory,
        /// What it dials outside the site.
        list reaches: HostPort,
        /// Programs that run beside it.
        list workers: Worker,
        /// Programs that run now and then.
        list schedules: Schedule,
        /// When a copy counts as healthy.
        one health: Health,
        /// What a request to it may take.
        one timeouts: Timeouts,
        /// Bodies larger than this go on to it as they come.
        maybe stream: Size,
        /// How long it may take to start and to stop.
        copy stop_start: StopStart,
    }
}

/// How a copy of an app is started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Launch {
    /// A command that listens on `$HOST:$PORT`.
    Run(Command),
    /// PHP, by FastCGI.
    Php {
        /// The script that answers for every path that is no file.
        entry: FilePath,
        /// Processes.
        workers: u32,
    },
}

/// How long a copy may take to start and to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StopStart {
    pub(crate) start_within: Duration,
    pub(crate) stop_within: Duration,
}

impl StopStart {
    /// A copy that does not answer within this has failed to start.
    pub fn start_within(self) -> Duration {
        self.start_within
    }

    /// From SIGTERM to SIGKILL.
    pub fn stop_within(self) -> Duration {
        self.stop_within
    }
}

part! {
    /// A variable of the environment.
    Variable {
        /// Its name.
        one name: VariableName,
        /// Its value.
        one value: String,
    }
}

part! {
    /// A directory that survives releases.
    KeepDirectory {
        /// Its name in the server's state: `uploads`.
        one name: Label,
        /// Where the release sees it, relative to the release.
        one at: FilePath,
    }
}

part! {
    /// A program that runs beside the app.
    Worker {
        /// Its name.
        one name: Label,
        /// What is run.
        one command: Command,
        /// Copies on each server.
        copy copies: u32,
    }
}

part! {
    /// A program that runs now and then.
    Schedule {
        /// Its name.
        one name: Label,
        /// What is run.
        one command: Command,
        /// From one start to the next.
        copy every: Duration,
    }
}

/// How an instance is checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Health {
    pub(crate) path: Option<HttpPath>,
    pub(crate) every: Duration,
    pub(crate) within: Duration,
    pub(crate) rise: u32,
    pub(crate) fall: u32,
    pub(crate) expect: Option<u16>,
}

impl Default for Health {
    fn default() -> Self {
        let second = Duration::from_secs(1);
        Self {
            path: None,
            every: second,
            within: second,
            rise: 2,
            fall: 2,
            expect: None,
        }
    }
}

impl Health {
    /// The path that is asked; `None`: a connection is enough.
    pub fn path(&self) -> Option<&HttpPath> {
        self.path.as_ref()
    }

    /// Between two checks.
    pub fn every(&self) -> Duration {
        self.every
    }

    /// For one check.
    pub fn within(&self) -> Duration {
        self.within
    }

    /// Good checks in a row that bring an instance in.
    pub fn rise(&self) -> u32 {
        self.rise
    }

    /// Bad checks in a row that take it out.
    pub fn fall(&self) -> u32 {
        self.fall
    }

    /// The status that is expected; `None`: any of 200 to 399.
    pub fn expect(&self) -> Option<u16> {
        self.expect
    }
}

/// How long each phase of a request may take; `None`: as the engine has it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timeouts {
    pub(crate) connect: Option<Duration>,
    pub(crate) first_byte: Option<Duration>,
    pub(crate) idle: Option<Duration>,
    pub(crate) total: Option<Duration>,
    pub(crate) rate: Option<Rate>,
}

impl Timeouts {
    /// To connect.
    pub fn connect(self) -> Option<Duration> {
        self.connect
    }

    /// From the request sent to the first byte of the answer.
    pub fn first_byte(self) -> Option<Duration> {
        self.first_byte
    }

    /// Without any byte in either direction.
    pub fn idle(self) -> Option<Duration> {
        self.idle
    }

    /// For the whole request.
    pub fn total(self) -> Option<Duration> {
        self.total
    }

    /// Bytes that a visitor has to send or take, while it is waited for.
    pub fn rate(self) -> Option<Rate> {
        self.rate
    }
}
