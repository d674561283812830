//! What a role that serves is, in words for a person who waits for it.

use terrace_site::plan::{Algorithm, Part as Kind, RecordData, RolePlan, TierPlan};

/// The part, and what it does: `web`, `foobar/public; everything else goes to app`.
pub(super) fn serving(plan: &RolePlan, site: &str, server: &str) -> Option<(String, String)> {
    let words = match &plan.part {
        Kind::Web(web) => {
            let files = web.files.as_deref().and_then(|files| {
                let parts: Vec<_> = files
                    .iter()
                    .rev()
                    .take(2)
                    .map(|part| part.to_string_lossy())
                    .collect();
                (!parts.is_empty()).then(|| parts.into_iter().rev().collect::<Vec<_>>().join("/"))
            });
            let app = (!web.routes.is_empty()).then_some("everything else goes to app");
            let text: Vec<String> = files.into_iter().chain(app.map(str::to_owned)).collect();
            ("web".to_owned(), text.join("; "))
        }
        Kind::LoadBalancer(balancer) => {
            let each = |tier: &TierPlan| {
                let members = tier.members.iter().map(|member| &*member.instance);
                members.collect::<Vec<_>>().join(", ")
            };
            let tiers = balancer.tiers.iter().map(each);
            let tiers = tiers.collect::<Vec<_>>().join("; ");
            let how = balancer.tiers.first().map(|tier| tier.algorithm);
            let how = how.map_or("", Algorithm::word);
            ("balancer".to_owned(), format!("{how} over {tiers}"))
        }
        Kind::Dns(dns) => {
            let records = dns
                .zones
                .iter()
                .flat_map(|zone| &zone.records)
                .filter(|record| record.name == site);
            let words = records.filter_map(|record| match &record.data {
                RecordData::A(address) => Some(format!("A {address}")),
                RecordData::Aaaa(address) => Some(format!("AAAA {address}")),
                _ => None,
            });
            (
                server.to_owned(),
                format!("{site} {}", words.collect::<Vec<_>>().join(", ")),
            )
        }
        // Nobody waits for an agent; apps and databases have words of their own.
        Kind::Agent(_)
        | Kind::Router(_)
        | Kind::App(_)
        | Kind::Database(_)
        | Kind::Controller(_) => return None,
    };
    Some(words)
}

#[cfg(test)]
mod tests {
    use terrace_site::plan::{DnsPlan, RecordPlan, ZonePlan};

    use super::*;

    #[test]
    fn a_name_server_shows_where_the_site_is() {
        let record = |name: &str, data| RecordPlan {
            name: name.into(),
            ttl: 60,
            data,
        };
        let zone = ZonePlan {
            name: "foobar.com".into(),
            serial: 1,
            primary: "ns.foobar.com".into(),
            mailbox: "hostmaster.foobar.com".into(),
            negative_ttl: 60,
            records: vec![
                record("www.foobar.com", RecordData::A([8, 8, 8, 8].into())),
                record("ns.foobar.com", RecordData::A([192, 0, 2, 53].into())),
            ],
        };
        let part = Kind::Dns(DnsPlan {
            listen: Vec::new(),
            zones: vec![zone],
        });
        let plan = RolePlan {
            id: "internet/dns".into(),
            part,
        };
        let said = serving(&plan, "www.foobar.com", "internet");
        assert_eq!(
            said,
            Some(("internet".to_owned(), "www.foobar.com A 8.8.8.8".to_owned()))
        );
    }
}
