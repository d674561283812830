//! How an app's copies stand, and when somebody is told that all of them answer.

use std::time::Instant;

use terrace_protocol::build::short;
use terrace_protocol::report::{Outdated, RoleReport, State};
use terrace_service::clock;

use super::{App, Ready};

impl App {
    /// Says how each copy stands, in the plan's order.
    pub(super) fn report(&mut self) {
        let (now, clock) = (Instant::now(), clock::unix_millis());
        let mut ids = self.ids();
        let place = |id: &String| self.plan.copies.iter().position(|copy| copy.id == *id);
        ids.sort_by_key(|id| place(id).unwrap_or(usize::MAX));
        let reports: Vec<RoleReport> = ids
            .iter()
            .filter_map(|id| self.one(id, now, clock))
            .collect();
        if matches!(self.ready, Ready::Yes { .. }) && !reports.is_empty() {
            self.tell_once(&reports);
        }
        self.part.reports.tell(reports);
    }

    fn tell_once(&mut self, reports: &[RoleReport]) {
        let all = reports.len();
        if self.told || reports.iter().any(|report| report.state != State::Serving) {
            return;
        }
        self.told = true;
        let asked = match &self.plan.health.path {
            Some(path) => format!(" {path}"),
            None => String::new(),
        };
        let verb = if all == 1 { "answers" } else { "answer" };
        let text = format!("{all} of {all} copies {verb}{asked}");
        // `app`, or `app-api` where there are several.
        let word = self.part.id.rsplit('/').next().unwrap_or("app");
        let took = Some(self.begun.elapsed());
        self.part.context.step(word, text, took, true);
    }

    fn one(&self, id: &str, now: Instant, clock: u64) -> Option<RoleReport> {
        let mut report = self.copies.get(id)?.machine.report(id, now, clock);
        report.app.clone_from(&self.plan.name);
        report.generation = self.generation;
        if let Some(release) = &self.plan.release
            && report.what.is_empty()
        {
            report.what = format!("release {}", short(release));
        }
        if report.state == State::Waiting {
            match (&self.ready, &self.plan.release, &self.unprepared) {
                (_, None, _) => report.reason = "its release is being built".to_owned(),
                (_, Some(_), Some(unprepared)) => {
                    // It is tried again and again, which is no reason to wait for it.
                    report.state = State::Failing;
                    report.since = unprepared.since;
                    report.reason.clone_from(&unprepared.trouble);
                    report.log = unprepared.log.clone();
                }
                (Ready::No { .. } | Ready::Underway, _, None) => {
                    report.reason = "the database is being prepared".to_owned();
                }
                (Ready::Yes { .. }, _, None) => report.reason = "its turn comes".to_owned(),
            }
        } else if let Some(outdated) = self.outdated(id) {
            report.outdated = Some(Box::new(outdated));
            report.log = self.unprepared.as_ref().and_then(|one| one.log.clone());
        }
        Some(report)
    }

    /// Why a copy that has a process does not run yet what the plan says; `None`: it does, or was told to.
    fn outdated(&self, id: &str) -> Option<Outdated> {
        let machine = &self.copies.get(id)?.machine;
        let planned = self.plan.copies.iter().any(|copy| copy.id == *id);
        if !planned {
            return None;
        }
        let (reason, failed) = match (&self.ready, &self.unprepared) {
            (_, Some(unprepared)) => (unprepared.trouble.clone(), true),
            (Ready::No { .. } | Ready::Underway, None) => {
                ("what its plan needs is being prepared".to_owned(), false)
            }
            (Ready::Yes { .. }, None) => {
                let told = self.wanted.get(id).is_some_and(|one| machine.is_told(one));
                if told {
                    return None;
                }
                ("its turn to start anew comes".to_owned(), false)
            }
        };
        Some(Outdated { reason, failed })
    }
}
