//! Another file for a site that runs: what running roles can take over is taken over at once, all else is refused
//! by name, and then nothing is changed.

use std::path::Path;

use terrace_protocol::Outbox;
use terrace_protocol::control::Reply;
use terrace_site::model::Site;
use terrace_site::plan::{Change, difference, plan};
use terrace_site::{FileChange, changes};

use super::Coordinator;
use super::bring_up::refused;
use crate::Location;

/// What a file says now.
pub(super) struct New {
    location: Location,
    site: Site,
    source: String,
    /// What that changes for the servers.
    pub(super) changes: Vec<Change>,
}

impl Coordinator {
    /// Takes over what a file says. A file that cannot be taken over changes nothing. `None`: the answer comes when every server
    /// runs it, or does not.
    pub(super) fn apply(&mut self, file: &Path, reply: &Outbox<Reply>) -> Option<Reply> {
        let new = match self.changes(file) {
            Ok(new) => new,
            Err(refusal) => return Some(*refusal),
        };
        let changes = changes(&self.source, &new.source);
        let changes = changes.iter().map(FileChange::to_string).collect();
        if new.changes.is_empty() {
            // No server is to run anything else: what changed describes, or is written otherwise.
            self.location = new.location;
            self.site = Some(new.site);
            self.source = new.source;
        } else {
            self.take_over(new);
        }
        // What an app without a release is made of may be what has changed.
        let unborn: Vec<String> = self.unborn().map(str::to_owned).collect();
        self.start_builds(|app| unborn.iter().any(|one| one == app));
        if self.is_taking_time() {
            self.wait_for_rollout(reply.clone(), changes);
            return None;
        }
        self.roll_out();
        let troubles = Vec::new();
        Some(Reply::Applied { changes, troubles })
    }

    /// Has the nodes run what the file says, each when its turn comes.
    pub(super) fn take_over(&mut self, new: New) {
        self.location = new.location;
        self.site = Some(new.site);
        self.source = new.source;
        self.replan();
    }

    /// The apps that have no release, because their build failed.
    fn unborn(&self) -> impl Iterator<Item = &str> {
        let failed = self.builds.failed().map(|(app, _)| app);
        failed.filter(|app| !self.releases.contains_key(*app))
    }

    /// This role is a copy of an app that has no release.
    fn is_unborn(&self, role: &str) -> bool {
        let app = self.app_of(role);
        app.is_some_and(|app| self.unborn().any(|unborn| unborn == app))
    }

    /// What the file says now, and what that changes; or why a running site cannot take it over.
    pub(super) fn changes(&self, file: &Path) -> Result<New, Box<Reply>> {
        let Some(inputs) = self.inputs() else {
            return Err(no("the site is not up yet", Some("terrace up")));
        };
        if let Some((app, _)) = self.builds.underway() {
            let wait = "`terrace status` shows how far it is; `terrace down` ends it";
            return Err(no(format!("a release of {app} is being built"), Some(wait)));
        }
        let source = std::fs::read_to_string(file)
            .map_err(|error| no(format!("{}: {error}", file.display()), None))?;
        let site = terrace_site::load(&source).site;
        let site = site.ok_or_else(|| no("the file has mistakes", Some("terrace check")))?;
        let location =
            Location::of(file, site.name().as_str()).map_err(|error| refused(error, None))?;
        let before: Vec<_> = self
            .order
            .iter()
            .map(|name| self.servers[name].plan.clone())
            .collect();
        let found = difference(&before, &plan(&site, &inputs));
        let is_unborn = |role: &str| self.is_unborn(role);
        let fixed = found.iter().any(|change| is_fixed(change, &is_unborn));
        if !fixed {
            return Ok(New {
                location,
                site,
                source,
                changes: found,
            });
        }
        Err(no(
            format!(
                "a running site cannot take this over: {}",
                to_blame(&self.source, &source)
            ),
            Some("nothing was changed; `terrace down` and `terrace up` do, and keep the data"),
        ))
    }
}

fn no(cause: impl std::fmt::Display, remedy: Option<&str>) -> Box<Reply> {
    Box::new(refused(cause, remedy))
}

/// No running role can take it over. An app without a release runs nothing yet, and can take over what one is made of.
fn is_fixed(change: &Change, is_unborn: &dyn Fn(&str) -> bool) -> bool {
    let made_of = match change {
        Change::Setting { role, setting, .. } => is_unborn(role) && setting != "index",
        _ => false,
    };
    change.is_at_birth() && !made_of
}

/// What of a file's changes no running site can take over, in the words of the file.
fn to_blame(before: &str, after: &str) -> String {
    let all = changes(before, after);
    let fixed: Vec<&FileChange> = all.iter().filter(|change| change.at_birth).collect();
    let told = if fixed.is_empty() {
        all.iter().collect()
    } else {
        fixed
    };
    let told: Vec<String> = told.iter().map(ToString::to_string).collect();
    told.join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_unborn_app_is_made_of_can_change() {
        let setting = |role: &str, setting: &str| Change::Setting {
            role: role.into(),
            setting: setting.into(),
            before: 1.into(),
            after: 2.into(),
        };
        let unborn = |role: &str| role == "web-01/app";
        assert!(!is_fixed(&setting("web-01/app", "code"), &unborn));
        assert!(is_fixed(&setting("web-01/app", "index"), &unborn));
        assert!(is_fixed(&setting("web-02/app", "code"), &unborn));
        assert!(!is_fixed(&setting("web-02/app", "health.path"), &unborn));
    }

    #[test]
    fn what_is_refused_is_told_in_the_words_of_the_file() {
        let before = "site \"www.foobar.com\" {\n server web-01 \"10.0.0.21\"\n web web-01 static=\"p\" { timeouts idle=\"5s\"; }\n}";
        let after = before.replace("\"p\"", "\"q\"").replace("5s", "6s");
        assert_eq!(
            to_blame(before, &after),
            "~ web web-01 static: \"p\" → \"q\""
        );
    }
}
