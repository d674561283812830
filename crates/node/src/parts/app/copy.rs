//! One copy, as the node has it: its machine, and what the machine's actions need.

use std::fs;
use std::path::PathBuf;

use terrace_app::launch::{self, Secrets, Surroundings};
use terrace_app::{Event, Machine, Verdict, Wanted, health, listening};
use terrace_protocol::keeper::Spawn;
use terrace_service::kept::{self, Damaged};
use terrace_site::plan::{AppPlan, CopyPlan};
use tokio::sync::mpsc;

use super::{Heard, LAST_LINES};
use crate::logs::Writer;
use crate::node::Context;

/// So many checks that find it are no moment between two sockets.
const SURE: u32 = 3;

pub(super) struct Copy {
    pub(super) plan: CopyPlan,
    pub(super) machine: Machine,
    /// How much it had printed when it was last started.
    log_from: u64,
    /// Checks that found it listening elsewhere, since it last answered.
    elsewhere: u32,
    /// What it runs, until that is noted.
    unnoted: Option<(Notes, Wanted)>,
}

impl Copy {
    pub(super) fn new(plan: CopyPlan, machine: Machine) -> Self {
        Self {
            plan,
            machine,
            log_from: 0,
            elsewhere: 0,
            unnoted: None,
        }
    }

    /// Starts its process and returns its number.
    pub(super) async fn spawn(
        &mut self,
        context: &Context,
        app: &AppPlan,
        surroundings: &Surroundings,
        secrets: &Secrets,
        wanted: &Wanted,
    ) -> anyhow::Result<u32> {
        let id = self.plan.id.clone();
        let spawn = launch::copy(app, &self.plan, &wanted.release, surroundings, secrets);
        self.unnoted = Some((Notes(surroundings.state.join("copies")), wanted.clone()));
        self.note();
        let output = Some(context.keep_log(&id, Writer::Foreign).await?);
        self.log_from = context.outputs.mark(&id);
        context
            .keeper
            .spawn(Spawn {
                output,
                open_files: Some(20_000),
                ..spawn
            })
            .await
    }

    /// What a person who waits for it should know at once: it listens elsewhere, and that is no moment of its start.
    pub(super) fn news(&mut self, event: &Event) -> Option<String> {
        let Event::Checked { verdict, .. } = event else {
            return None;
        };
        let reason = match verdict {
            Verdict::Elsewhere(reason) => reason,
            // Once is enough, however often it is started anew.
            Verdict::Refused(_) | Verdict::Silent(_) => return None,
            Verdict::Good(_) | Verdict::Wrong(_) => {
                self.elsewhere = 0;
                return None;
            }
        };
        self.elsewhere = self.elsewhere.saturating_add(1);
        (self.elsewhere == SURE).then(|| format!("{} is not reached: {reason}", self.plan.id))
    }

    /// Notes what it runs, if that is not noted yet: without a note it would be started anew with the next node.
    pub(super) fn note(&mut self) {
        let Some((notes, wanted)) = self.unnoted.take() else {
            return;
        };
        if let Err(error) = notes.write(&self.plan.id, &wanted) {
            let (id, error) = (&self.plan.id, format!("{error:#}"));
            tracing::warn!(id, error, "what a copy runs cannot be noted yet");
            notes.forget(id);
            self.unnoted = Some((notes, wanted));
        }
    }

    /// Has its end heard, with its last lines.
    pub(super) fn await_exit(&self, context: &Context, heard: &mpsc::UnboundedSender<Heard>) {
        let (context, heard) = (context.clone(), heard.clone());
        let (id, from) = (self.plan.id.clone(), self.log_from);
        tokio::spawn(async move {
            let exit = context.keeper.exited(&id).await;
            let text = context.outputs.since(&id, from);
            let lines: Vec<String> = text.lines().map(str::to_owned).collect();
            let lines = lines[lines.len().saturating_sub(LAST_LINES)..].to_vec();
            // Nobody hears: then the role has ended.
            let _ = heard.send(Heard::Copy(id, Event::Exited { exit, lines }));
        });
    }

    /// Has it checked once.
    pub(super) fn check(
        &self,
        number: u64,
        site: &str,
        app: &AppPlan,
        heard: &mpsc::UnboundedSender<Heard>,
    ) {
        let (id, address, plan) = (self.plan.id.clone(), self.plan.listen, app.health.clone());
        let (site, heard, leader) = (site.to_owned(), heard.clone(), self.machine.pid());
        tokio::spawn(async move {
            let mut verdict: Verdict = health::check(address, &site, &plan).await;
            if let (Verdict::Refused(_), Some(leader)) = (&verdict, leader) {
                let search =
                    tokio::task::spawn_blocking(move || listening::elsewhere(leader, address));
                if let Ok(Some(elsewhere)) = search.await {
                    verdict = Verdict::Elsewhere(elsewhere);
                }
            }
            let _ = heard.send(Heard::Copy(id, Event::Checked { number, verdict }));
        });
    }
}

/// What each copy was started as, for a node that comes after this one.
pub(super) struct Notes(pub(super) PathBuf);

impl Notes {
    fn path(&self, id: &str) -> PathBuf {
        self.0.join(format!("{}.json", id.replace('/', ".")))
    }

    fn write(&self, id: &str, wanted: &Wanted) -> anyhow::Result<()> {
        kept::directory(&self.0)?;
        let text = serde_json::to_vec(&(&wanted.release, &wanted.revision))?;
        let path = self.path(id);
        let remedy = "the copy is started anew when its node is";
        Ok(kept::replace(&path, &text).map_err(Damaged::unusable(&path, remedy))?)
    }

    /// What is noted is of the past.
    fn forget(&self, id: &str) {
        // It may not be there, and a node that finds it starts the copy anew.
        let _ = fs::remove_file(self.path(id));
    }

    /// Without a note nothing is known of it, and it is not what is wanted.
    pub(super) fn read(&self, id: &str) -> Wanted {
        let read = kept::json(&self.path(id), "the copy is started anew");
        let noted: Option<(String, String)> = read.unwrap_or_else(|damaged| {
            tracing::warn!(id, %damaged, "what a copy runs is not known");
            None
        });
        let (release, revision) = noted.unwrap_or_default();
        Wanted { release, revision }
    }
}
