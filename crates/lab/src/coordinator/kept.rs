//! What the coordinator keeps on the disk: what is remembered of the site, the plans for whoever looks at them, and its entry
//! in the list of what runs. None of it is needed for the site to run on, so what cannot be written is written later.

use std::time::{Duration, Instant};

use terrace_service::clock;
use terrace_service::kept::{self, Damaged};

use super::Coordinator;
use crate::Location;
use crate::registry::{Entry, Running};

/// What could not be written is tried again after this.
const AGAIN: Duration = Duration::from_secs(1);

/// What is to be written.
pub(super) struct Kept {
    /// The site's entry in the list.
    entry: Entry,
    /// What it is to say, until it does.
    listed: Option<Running>,
    /// Memory and plans have changed.
    changed: bool,
    again: Instant,
    /// Why it could not be written, as was said last.
    said: Option<String>,
}

impl Kept {
    pub(super) fn new(entry: Entry, location: Location) -> Self {
        let since = clock::unix_millis();
        Self {
            entry,
            listed: Some(Running { location, since }),
            changed: false,
            again: Instant::now(),
            said: None,
        }
    }

    /// Why it is not written, if it is not.
    pub(super) fn why_not(&self) -> Option<String> {
        self.said.clone()
    }

    /// There is something new to write, at once.
    pub(super) fn is_due(&mut self) {
        self.changed = true;
        self.again = Instant::now();
    }
}

impl Coordinator {
    /// Writes what is due, if it can.
    pub(super) fn keep(&mut self) {
        let kept = &self.kept;
        if (kept.listed.is_none() && !kept.changed) || Instant::now() < kept.again {
            return;
        }
        match self.write_kept() {
            Ok(()) => self.kept.said = None,
            Err(error) => {
                let error = format!("{error:#}");
                if self.kept.said.as_ref() != Some(&error) {
                    tracing::warn!(
                        error,
                        "what is remembered of the site cannot be written yet"
                    );
                    self.kept.said = Some(error);
                }
                self.kept.again = Instant::now() + AGAIN;
            }
        }
    }

    fn write_kept(&mut self) -> anyhow::Result<()> {
        if let Some(listed) = &self.kept.listed {
            self.kept.entry.write(listed)?;
            self.kept.listed = None;
        }
        if let (true, Some(memory)) = (self.kept.changed, &mut self.memory) {
            // What could not be made when it was needed first, for want of room.
            let plans = self.servers.values().map(|server| &server.plan);
            memory.make_secrets(&self.location, plans)?;
            memory.save(&self.location)?;
            self.write_plans()?;
        }
        self.kept.changed = false;
        Ok(())
    }

    fn write_plans(&self) -> anyhow::Result<()> {
        let directory = self.location.state().join("plans");
        kept::directory(&directory)?;
        for server in self.servers.values() {
            let plan = &server.plan;
            let path = directory.join(format!("{}.json", plan.server));
            let remedy = "remove it, it is made anew";
            let text = serde_json::to_vec_pretty(plan)?;
            kept::replace(&path, &text).map_err(Damaged::unusable(&path, remedy))?;
        }
        Ok(())
    }
}
