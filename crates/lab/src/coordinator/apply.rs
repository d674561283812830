//! Another file for a site that runs: what running roles can take over is taken over at once, all else is refused
//! by name, and then nothing is changed.

use std::path::Path;

use terrace_protocol::control::Reply;
use terrace_site::model::Site;
use terrace_site::plan::{Change, difference, plan};

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
    /// Takes over what a file says. A file that cannot be taken over changes nothing.
    pub(super) async fn apply(&mut self, file: &Path) -> Reply {
        match self.changes(file) {
            Ok(new) if new.changes.is_empty() => {
                self.source = new.source;
                Reply::Applied {
                    changes: Vec::new(),
                }
            }
            Ok(new) => {
                let changes = new.changes.iter().map(Change::to_string).collect();
                self.take_over(new).await;
                // What an app without a release is made of may be what has changed.
                let unborn: Vec<String> = self.unborn().map(str::to_owned).collect();
                self.start_builds(|app| unborn.iter().any(|one| one == app));
                Reply::Applied { changes }
            }
            Err(refusal) => *refusal,
        }
    }

    /// Has the nodes run what the file says.
    pub(super) async fn take_over(&mut self, new: New) {
        self.location = new.location;
        self.site = Some(new.site);
        self.source = new.source;
        self.replan();
        for server in self.order.clone() {
            self.send_plan(&server).await;
        }
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
        let changes = difference(&before, &plan(&site, &inputs));
        let fixed: Vec<String> = changes
            .iter()
            .filter_map(|change| cannot(change, &|role| self.is_unborn(role)))
            .collect();
        if fixed.is_empty() {
            return Ok(New {
                location,
                site,
                source,
                changes,
            });
        }
        Err(no(
            format!("a running site cannot take this over: {}", fixed.join("; ")),
            Some("nothing was changed; `terrace down` and `terrace up` do, and keep the data"),
        ))
    }
}

fn no(cause: impl std::fmt::Display, remedy: Option<&str>) -> Box<Reply> {
    Box::new(refused(cause, remedy))
}

/// What no running role can take over, by name. An app without a release runs nothing yet, and can take over what one is made of.
fn cannot(change: &Change, is_unborn: &dyn Fn(&str) -> bool) -> Option<String> {
    match change {
        Change::NewServer(name) => Some(format!("a new server, {name}")),
        Change::LostServer(name) => Some(format!("{name} would go")),
        Change::Addresses(name) => Some(format!("other addresses of {name}")),
        Change::NewRole(id) => Some(format!("{id} is new")),
        Change::LostRole(id) => Some(format!("{id} would go")),
        Change::Setting { role, setting, .. } => {
            let word = role.split('/').nth(1).unwrap_or_default();
            let outermost = setting.split('.').next().unwrap_or_default();
            let fixed = match word {
                "database" => true,
                "app" if is_unborn(role) => outermost == "index",
                "app" => ["code", "build", "keep", "index"].contains(&outermost),
                // The process that serves has the directory open from its birth.
                "web" => ["listen", "files"].contains(&outermost),
                _ => outermost == "listen",
            };
            fixed.then(|| format!("`{setting}` of {role}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn setting(role: &str, setting: &str) -> Change {
        Change::Setting {
            role: role.into(),
            setting: setting.into(),
            before: 1.into(),
            after: 2.into(),
        }
    }

    #[test]
    fn settings_of_running_roles_can_change() {
        for (role, name) in [
            ("web-01/web", "timeouts.idle"),
            ("lb-01/load-balancer", "balance"),
            ("web-01/app", "health.path"),
            ("web-01/app", "env.0.1"),
        ] {
            assert_eq!(
                cannot(&setting(role, name), &|_| false),
                None,
                "{role} {name}"
            );
        }
    }

    #[test]
    fn what_would_need_another_birth_is_refused_by_name() {
        for change in [
            Change::NewServer("web-02".into()),
            Change::LostRole("web-01/app".into()),
            setting("web-01/database", "database"),
            setting("web-01/app", "code"),
            setting("web-01/web", "listen.0"),
        ] {
            let said = cannot(&change, &|_| false).unwrap_or_default();
            assert!(said.contains("web-0"), "{change}: {said}");
        }
    }
}
