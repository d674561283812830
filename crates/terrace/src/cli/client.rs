//! Talking to the coordinator of a site that runs.

use std::process::ExitCode;

use anyhow::{Context, bail};
pub(crate) use terrace_lab::client::ask;
use terrace_protocol::control::Reply;
use tokio::runtime::Runtime;

use super::output::{Output, note};
use super::up::tell;
use super::{FELL_SHORT, Outcome};

/// A runtime for one command; it has no threads of its own.
pub(crate) fn runtime() -> anyhow::Result<Runtime> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("no event loop can be made")
}

/// What is said of an answer that no coordinator of this version gives.
pub(crate) const OTHER_ANSWER: &str = "the coordinator answers something that was not asked: another version of terrace runs the site; \
     `terrace down` and `terrace up` with one and the same";

/// An answer that is no answer to what was asked: most likely why it cannot be.
pub(crate) fn unexpected(out: &mut Output, reply: Reply) -> Outcome {
    match reply {
        Reply::Failed { cause, remedy } => {
            note!(out, "terrace: {cause}");
            if let Some(remedy) = remedy {
                note!(out, "         {remedy}");
            }
            Ok(ExitCode::from(FELL_SHORT))
        }
        Reply::Refused(refused) => {
            note!(out, "terrace: {} ({})", refused.reason, refused.code);
            Ok(ExitCode::from(FELL_SHORT))
        }
        Reply::Incomplete(troubles) => {
            tell(out, &troubles);
            Ok(ExitCode::from(FELL_SHORT))
        }
        _ => bail!(OTHER_ANSWER),
    }
}
