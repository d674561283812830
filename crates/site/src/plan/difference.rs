//! What changes when one set of plans takes the place of another, and whether running roles can take it over. What a person
//! reads of it is in the words of the file: [`crate::changes`].

use std::fmt;

use serde::Serialize;
use serde_json::Value;

use super::{RolePlan, ServerPlan};

/// One change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Change {
    /// A server that was not there.
    NewServer(String),
    /// A server that is gone.
    LostServer(String),
    /// A server has other addresses.
    Addresses(String),
    /// A role that was not there, by its id.
    NewRole(String),
    /// A role that is gone, by its id.
    LostRole(String),
    /// A running role has another setting.
    Setting {
        /// The role's id: `lb-01/load-balancer`.
        role: String,
        /// The setting, from the outermost: `routes.0.timeouts.idle`.
        setting: String,
        /// What it was; `null`: nothing.
        before: Value,
        /// What it is; `null`: nothing.
        after: Value,
    },
}

impl fmt::Display for Change {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Change::NewServer(name) => write!(out, "+ server {name}"),
            Change::LostServer(name) => write!(out, "- server {name}"),
            Change::Addresses(name) => write!(out, "~ server {name}: other addresses"),
            Change::NewRole(id) => write!(out, "+ {id}"),
            Change::LostRole(id) => write!(out, "- {id}"),
            Change::Setting {
                role,
                setting,
                before,
                after,
            } => match (before, after) {
                (Value::Null, after) => write!(out, "~ {role}  {setting}: {after}, new"),
                (before, Value::Null) => write!(out, "~ {role}  {setting}: {before}, gone"),
                (before, after) => write!(out, "~ {role}  {setting}: {before} → {after}"),
            },
        }
    }
}

impl Change {
    /// What runs was born with it, and cannot take it over.
    pub fn is_at_birth(&self) -> bool {
        let Change::Setting { role, setting, .. } = self else {
            return true;
        };
        let word = role.split('/').nth(1).unwrap_or_default();
        let outermost = setting.split('.').next().unwrap_or_default();
        match word {
            "database" => true,
            _ if word == "app" || word.starts_with("app-") => {
                ["name", "code", "build", "keep", "index", "release"].contains(&outermost)
            }
            // The process that serves has the directory open from its birth.
            "web" => ["listen", "files"].contains(&outermost),
            _ => outermost == "listen",
        }
    }
}

/// Every change, in the order of the servers. Generations do not count.
pub fn difference(before: &[ServerPlan], after: &[ServerPlan]) -> Vec<Change> {
    let of = |plans: &[ServerPlan], name: &str| plans.iter().position(|plan| plan.server == name);
    let mut changes = Vec::new();
    for old in before {
        match of(after, &old.server) {
            None => changes.push(Change::LostServer(old.server.clone())),
            Some(index) => of_server(old, &after[index], &mut changes),
        }
    }
    let new = after
        .iter()
        .filter(|plan| of(before, &plan.server).is_none());
    changes.extend(new.map(|plan| Change::NewServer(plan.server.clone())));
    changes
}

fn of_server(before: &ServerPlan, after: &ServerPlan, changes: &mut Vec<Change>) {
    if before.addresses != after.addresses {
        changes.push(Change::Addresses(before.server.clone()));
    }
    let kind = |one: &RolePlan, other: &RolePlan| {
        one.id == other.id && one.part.word() == other.part.word()
    };
    for old in &before.roles {
        match after.roles.iter().find(|new| kind(old, new)) {
            None => changes.push(Change::LostRole(old.id.clone())),
            Some(new) => of_role(old, new, changes),
        }
    }
    let new = after
        .roles
        .iter()
        .filter(|new| !before.roles.iter().any(|old| kind(old, new)));
    changes.extend(new.map(|role| Change::NewRole(role.id.clone())));
}

fn of_role(before: &RolePlan, after: &RolePlan, changes: &mut Vec<Change>) {
    let mut settings = Vec::new();
    compare("", &settings_of(before), &settings_of(after), &mut settings);
    changes.extend(
        settings
            .into_iter()
            .map(|(setting, before, after_value)| Change::Setting {
                role: after.id.clone(),
                setting,
                before,
                after: after_value,
            }),
    );
}

/// A role's settings, without the word for its kind around them.
fn settings_of(role: &RolePlan) -> Value {
    match serde_json::to_value(&role.part) {
        Ok(Value::Object(parts)) => parts
            .into_iter()
            .next()
            .map_or(Value::Null, |(_, settings)| settings),
        _ => Value::Null,
    }
}

/// Walks both at once; lists of the same length are compared one by one, others as a whole.
fn compare(path: &str, before: &Value, after: &Value, found: &mut Vec<(String, Value, Value)>) {
    let under = |name: &str| match path {
        "" => name.to_owned(),
        path => format!("{path}.{name}"),
    };
    match (before, after) {
        (Value::Object(old), Value::Object(new)) => {
            let gone = old.keys().filter(|name| !new.contains_key(*name));
            for name in new.keys().chain(gone) {
                let of = |all: &serde_json::Map<String, Value>| {
                    all.get(name).cloned().unwrap_or_default()
                };
                compare(&under(name), &of(old), &of(new), found);
            }
        }
        (Value::Array(old), Value::Array(new)) if old.len() == new.len() => {
            for (index, (old, new)) in old.iter().zip(new).enumerate() {
                compare(&under(&index.to_string()), old, new, found);
            }
        }
        _ if before != after => found.push((path.to_owned(), before.clone(), after.clone())),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::path::PathBuf;

    use super::*;
    use crate::plan::{Inputs, plan};

    const STAGE: &str = r#"site "www.foobar.com" {
    server web-01 "10.0.0.21"
    web web-01 static="public"
    app web-01 code="foobar" health="/health" { run "serve"; }
}"#;

    fn plans(source: &str) -> Vec<ServerPlan> {
        let site = crate::load(source).site.expect("the file is right");
        let inputs = Inputs {
            generation: 1,
            base: PathBuf::from("/stacks"),
            releases: BTreeMap::new(),
            server_ids: BTreeMap::new(),
            workers: 1,
            lab: false,
        };
        plan(&site, &inputs)
    }

    /// The roles and settings that change; other changes as they are.
    fn found(after: &str) -> Vec<String> {
        let changes = difference(&plans(STAGE), &plans(after));
        let words = |change: &Change| match change {
            Change::Setting { role, setting, .. } => format!("{role} {setting}"),
            other => format!("{other:?}"),
        };
        changes.iter().map(words).collect()
    }

    #[test]
    fn nothing_changes_when_nothing_did() {
        assert_eq!(found(STAGE), [""; 0]);
        assert_eq!(found(&format!("// A comment.\n{STAGE}")), [""; 0]);
    }

    #[test]
    fn a_setting_changes_where_it_counts() {
        let after = STAGE.replace("health=\"/health\"", "health=\"/ready\"");
        let wanted = ["web-01/app health.path", "web-01/web routes.0.health.path"];
        assert_eq!(found(&after), wanted);
    }

    #[test]
    fn servers_and_roles_that_come_and_go_are_named() {
        let after = STAGE
            .replace(
                "server web-01 \"10.0.0.21\"",
                "server web-01 \"10.0.0.21\"; server db-01 \"10.0.0.41\"",
            )
            .replace("web web-01 static=\"public\"", "database db-01");
        let found = found(&after);
        for change in ["LostRole(\"web-01/web\")", "NewServer(\"db-01\")"] {
            assert!(found.iter().any(|found| found == change), "{found:?}");
        }
    }

    #[test]
    fn settings_of_running_roles_can_change_and_what_they_were_born_with_cannot() {
        for (role, name, at_birth) in [
            ("web-01/web", "timeouts.idle", false),
            ("lb-01/load-balancer", "balance", false),
            ("web-01/app", "health.path", false),
            ("web-01/app-api", "env.0.1", false),
            ("web-01/database", "database", true),
            ("web-01/app-api", "code", true),
            ("web-01/web", "listen.0", true),
        ] {
            let change = Change::Setting {
                role: role.into(),
                setting: name.into(),
                before: 1.into(),
                after: 2.into(),
            };
            assert_eq!(change.is_at_birth(), at_birth, "{role} {name}");
        }
        assert!(Change::NewServer("web-02".into()).is_at_birth());
        assert!(Change::LostRole("web-01/app".into()).is_at_birth());
    }
}
