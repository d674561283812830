//! `terrace fault`: breaks something of a rehearsal by hand, and mends it.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use terrace_protocol::control::{self, Reply, Request};

use super::Outcome;
use super::client::{ask, runtime, unexpected};
use super::output::{Output, say};
use super::site_file::running;

/// Breaks something of a rehearsal, to see what becomes of the site; `prove` does it with all that can break.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  terrace fault kill web-01/app/1\n  terrace fault power-off web-01\n  terrace fault mend"
)]
pub(crate) struct Fault {
    #[command(subcommand)]
    kind: Kind,
    /// The site's file.
    #[arg(long, global = true)]
    file: Option<PathBuf>,
}

#[derive(Subcommand)]
enum Kind {
    /// Kills a role's process: its node starts it again.
    Kill {
        /// As `status` shows it: web-01/app/1.
        role: String,
    },
    /// Kills everything on a server at once: it comes back, as after a reboot.
    Crash {
        /// The server.
        server: String,
    },
    /// Switches a server off, which is silent then, until it is mended.
    PowerOff {
        /// The server.
        server: String,
    },
    /// Pulls a server's cable, until it is mended; everything on it runs.
    Partition {
        /// The server.
        server: String,
    },
    /// Has a server's processes stand still, until it is mended.
    Freeze {
        /// The server.
        server: String,
    },
    /// Mends everything that was broken and does not mend itself.
    Mend,
}

impl Fault {
    pub(super) fn run(self, out: &mut Output) -> Outcome {
        let site = running(out, self.file.as_deref())?;
        let (request, done) = match self.kind {
            Kind::Kill { role } => {
                breaks(format!("{role} is killed"), control::Fault::Kill { role })
            }
            Kind::Crash { server } => breaks(
                format!("{server} has crashed"),
                control::Fault::Crash { server },
            ),
            Kind::PowerOff { server } => breaks(
                format!("{server} is off, until `terrace fault mend`"),
                control::Fault::PowerOff { server },
            ),
            Kind::Partition { server } => breaks(
                format!("{server} is cut off, until `terrace fault mend`"),
                control::Fault::Partition { server },
            ),
            Kind::Freeze { server } => breaks(
                format!("{server} stands still, until `terrace fault mend`"),
                control::Fault::Freeze { server },
            ),
            Kind::Mend => (Request::Mend, "mended".to_owned()),
        };
        match runtime()?.block_on(ask(&site, request))? {
            Reply::Broken { .. } => say!(out, "{done}"),
            other => return unexpected(out, other),
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn breaks(done: String, fault: control::Fault) -> (Request, String) {
    (Request::Break(fault), done)
}
