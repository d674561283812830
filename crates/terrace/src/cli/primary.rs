//! `terrace switchover` and `terrace failover`: another server becomes the primary database.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use clap::Args;
use terrace_protocol::control::{Reply, Request};
use terrace_protocol::node::Order;

use super::Outcome;
use super::client::{ask, runtime, unexpected};
use super::output::{Output, say, span};
use super::site_file::running;

/// Makes a replica the primary, while both work: writes wait for a moment, nothing is lost.
#[derive(Args)]
#[command(after_help = "Example:\n  terrace switchover web-02")]
pub(crate) struct Switchover {
    /// The server that becomes primary.
    server: String,
    /// The site's file.
    #[arg(long)]
    file: Option<PathBuf>,
}

/// Makes a replica the primary in place of one that is gone.
///
/// Refused, with the reason, where writes that were acknowledged would be lost.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  terrace failover web-02\n  terrace failover web-02 --accept-data-loss"
)]
pub(crate) struct Failover {
    /// The server that becomes primary.
    server: String,
    /// The site's file.
    #[arg(long)]
    file: Option<PathBuf>,
    /// Even if acknowledged writes are lost.
    #[arg(long)]
    accept_data_loss: bool,
}

impl Switchover {
    pub(super) fn run(self, out: &mut Output) -> Outcome {
        change(out, self.file, Order::Switchover { to: self.server })
    }
}

impl Failover {
    pub(super) fn run(self, out: &mut Output) -> Outcome {
        let order = Order::Failover {
            to: self.server,
            accept_data_loss: self.accept_data_loss,
        };
        change(out, self.file, order)
    }
}

fn change(out: &mut Output, file: Option<PathBuf>, order: Order) -> Outcome {
    let site = running(out, file.as_deref())?;
    let begun = Instant::now();
    match runtime()?.block_on(ask(&site, Request::Order(order)))? {
        Reply::Done(done) => say!(out, "{done}, after {}", span(begun.elapsed())),
        other => return unexpected(out, other),
    }
    Ok(ExitCode::SUCCESS)
}
