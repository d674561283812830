//! A database that ended or does not begin, and is tried again after a pause. Whose data is gone begins with none only when another
//! server is the primary and has the same data.

use std::time::{Duration, Instant};

use terrace_database::failover::Report;
use terrace_protocol::report::State;
use terrace_site::times;

use super::{CALM, Database, LOOP};
use crate::node::letters::{self, Letter, Received};

impl Database {
    /// It ended, or did not begin.
    pub(super) fn failed(&mut self, cause: String, begun: Instant) {
        self.failures = if self.lost {
            // That does not pass by itself.
            LOOP
        } else if begun.elapsed() >= CALM {
            1
        } else {
            self.failures + 1
        };
        if !self.lost || self.report.reason != cause {
            tracing::warn!(id = self.part.id, cause, "the database ended");
        }
        self.report.pid = 0;
        if self.failures == LOOP && !self.told {
            self.told = self.lost;
            self.part
                .context
                .step("database", cause.clone(), None, false);
        }
        self.show(
            if self.failures >= LOOP {
                State::Failing
            } else {
                State::Restarting
            },
            cause,
        );
    }

    /// Until it is tried again. Whose data is gone says so meanwhile, and may hear that another server has it.
    pub(super) async fn pause(&mut self, pause: Duration) {
        let pause = tokio::time::sleep(pause);
        if !self.lost {
            return pause.await;
        }
        tokio::pin!(pause);
        let mut tick = tokio::time::interval(times::TELL);
        loop {
            tokio::select! {
                () = &mut pause => return,
                // It cannot be started, so it is not told as one that is down.
                _ = tick.tick() => self.tell(Report::Silent, false),
                received = letters::next(&mut self.letters) => {
                    let Received { from, letter } = received;
                    let controls = self.cluster().is_some_and(|one| one.controller == from);
                    if controls && matches!(letter, Letter::BeBorn) {
                        tracing::warn!(id = self.part.id, "the data is gone: it is copied from the primary");
                        let text = "its data is gone: it is copied from the primary".to_owned();
                        self.part.context.step("database", text, None, true);
                        (self.had_data, self.lost) = (false, false);
                        return;
                    }
                }
            }
        }
    }
}
