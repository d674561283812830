//! `up` for a site that is up: what has failed is tried again, with what the file and the code are now.

use std::collections::BTreeSet;
use std::path::Path;

use terrace_protocol::control::Reply;
use terrace_protocol::report::RoleReport;

use super::Coordinator;
use super::bring_up::refused;

impl Coordinator {
    /// Begins what has failed anew; what comes of it is heard later, by all who wait. The reply of an error says why there is
    /// nothing to try.
    pub(super) fn try_again(&mut self, file: &Path) -> Result<(), Reply> {
        if let Some(lost) = self.ground.lost().first() {
            let cause = format!("{} runs, but {lost}", self.location.name());
            let next = match lost.moved {
                Some(_) => "move it back, and the site goes on",
                None => "save what you can (`terrace exec`), then `terrace down` and `terrace up`",
            };
            return Err(refused(cause, Some(next)));
        }
        if self.builds.are_underway() {
            return Ok(());
        }
        let failed: BTreeSet<String> = self.failed_apps().map(str::to_owned).collect();
        if failed.is_empty() && self.is_ready() {
            let cause = format!("{} runs already", self.location.name());
            let next = "look at it with `terrace status`; stop it with `terrace down`";
            return Err(refused(cause, Some(next)));
        }
        let new = self.changes(file).map_err(|refusal| *refusal)?;
        if !new.changes.is_empty() {
            self.take_over(new);
        }
        for waiting in &mut self.waiting {
            waiting.told = false;
        }
        self.start_builds(|app| failed.contains(app));
        Ok(())
    }

    /// The apps whose build failed, or that have a copy that does.
    fn failed_apps(&self) -> impl Iterator<Item = &str> {
        let unbuilt = self.builds.failed().map(|(app, _)| app);
        let failing = self.roles().filter(|role| RoleReport::has_failed(role));
        unbuilt.chain(failing.filter_map(|role| self.app_of(&role.id)))
    }
}
