//! What must change for the wanted roles to be the ones that run. Pure.

use terrace_site::plan::RolePlan;

/// One thing to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// It is new.
    Start(RolePlan),
    /// It runs, by another plan.
    Update(RolePlan),
    /// It is no longer wanted.
    Stop(String),
}

/// The changes, in the order in which they are made: what goes, from the entry to the database; then what comes
/// or changes, from the database to the entry. A role whose plan is the same is not touched.
pub(super) fn changes(running: &[RolePlan], wanted: &[RolePlan]) -> Vec<Change> {
    let of = |roles: &'_ [RolePlan], id: &str| roles.iter().find(|role| role.id == id).cloned();
    let same_kind = |one: &RolePlan, other: &RolePlan| one.part.word() == other.part.word();
    let goes =
        |role: &&RolePlan| !of(wanted, &role.id).is_some_and(|wanted| same_kind(role, &wanted));
    let stops = running
        .iter()
        .rev()
        .filter(goes)
        .map(|role| Change::Stop(role.id.clone()));
    let comes = wanted
        .iter()
        .filter_map(|role| match of(running, &role.id) {
            Some(before) if before == *role => None,
            Some(before) if same_kind(&before, role) => Some(Change::Update(role.clone())),
            _ => Some(Change::Start(role.clone())),
        });
    stops.chain(comes).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use terrace_site::plan::{DatabasePlan, DnsPlan, Part};

    use super::*;

    fn dns(id: &str, port: u16) -> RolePlan {
        let listen = vec![([127, 0, 0, 1], port).into()];
        RolePlan {
            id: id.into(),
            part: Part::Dns(DnsPlan {
                listen,
                zones: Vec::new(),
            }),
        }
    }

    fn database(id: &str) -> RolePlan {
        let part = DatabasePlan {
            engine: None,
            listen: Vec::new(),
            port: 3307,
            own_port: 3308,
            server_id: 1,
            report_host: "db-01".into(),
            database: "foobar".into(),
            users: Vec::new(),
            primary_at_birth: true,
            cluster: None,
        };
        RolePlan {
            id: id.into(),
            part: Part::Database(part),
        }
    }

    #[test]
    fn from_nothing_everything_starts_in_order() {
        let wanted = [database("a/database"), dns("a/dns", 53)];
        assert_eq!(
            changes(&[], &wanted),
            [
                Change::Start(wanted[0].clone()),
                Change::Start(wanted[1].clone())
            ]
        );
    }

    #[test]
    fn what_is_the_same_is_not_touched() {
        let roles = [database("a/database"), dns("a/dns", 53)];
        assert_eq!(changes(&roles, &roles), []);
        let changed = [roles[0].clone(), dns("a/dns", 54)];
        assert_eq!(
            changes(&roles, &changed),
            [Change::Update(changed[1].clone())]
        );
    }

    #[test]
    fn another_kind_under_the_same_id_is_another_role() {
        let (before, after) = ([dns("a/x", 53)], [database("a/x")]);
        assert_eq!(
            changes(&before, &after),
            [Change::Stop("a/x".into()), Change::Start(after[0].clone())]
        );
    }

    /// Carrying the changes out makes what runs what is wanted, from any state to any other.
    #[test]
    fn after_the_changes_what_runs_is_what_is_wanted() {
        let pool = [
            database("a/database"),
            dns("a/dns", 53),
            dns("a/dns", 54),
            dns("b/dns", 53),
            database("b/dns"),
        ];
        let subsets: Vec<Vec<RolePlan>> = (0..1_u32 << pool.len())
            .map(|bits| {
                pool.iter()
                    .enumerate()
                    .filter(|(index, _)| bits >> index & 1 == 1)
                    .map(|(_, role)| role.clone())
                    .collect()
            })
            .filter(|roles: &Vec<RolePlan>| {
                let ids: std::collections::BTreeSet<_> =
                    roles.iter().map(|role| &role.id).collect();
                ids.len() == roles.len()
            })
            .collect();
        for before in &subsets {
            for wanted in &subsets {
                let mut running: BTreeMap<String, RolePlan> = before
                    .iter()
                    .map(|role| (role.id.clone(), role.clone()))
                    .collect();
                for change in changes(before, wanted) {
                    match change {
                        Change::Start(role) => {
                            assert!(running.insert(role.id.clone(), role).is_none());
                        }
                        Change::Update(role) => {
                            assert!(running.insert(role.id.clone(), role).is_some());
                        }
                        Change::Stop(id) => assert!(running.remove(&id).is_some()),
                    }
                }
                let wanted: BTreeMap<String, RolePlan> = wanted
                    .iter()
                    .map(|role| (role.id.clone(), role.clone()))
                    .collect();
                assert_eq!(running, wanted);
            }
        }
    }
}
