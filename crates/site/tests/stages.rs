//! What follows from the four stage files: wiring, openings, records, plans.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use terrace_site::model::Site;
use terrace_site::plan::{Inputs, ServerPlan, plan};
use terrace_site::wiring::{Source, openings, wire};
use terrace_site::{load, not_yet, records};

const STAGES: [&str; 4] = [
    "0-simple_web_stack",
    "1-distributed_web_infrastructure",
    "2-secured_and_monitored_web_infrastructure",
    "3-scale_up",
];

fn source(stage: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../../stacks/{stage}.kdl"));
    fs::read_to_string(path).unwrap()
}

fn site(stage: &str) -> Site {
    let loaded = load(&source(stage));
    assert_eq!(loaded.problems, [], "{stage}");
    loaded.site.unwrap()
}

fn inputs(site: &Site) -> Inputs {
    let ids = site
        .servers()
        .iter()
        .zip(1..)
        .map(|(server, id)| (server.name().to_string(), id));
    Inputs {
        generation: 1,
        base: PathBuf::from("/stacks"),
        releases: BTreeMap::from([("foobar".to_owned(), "4f2c19a".to_owned())]),
        server_ids: ids.collect(),
        workers: 1,
        lab: true,
    }
}

#[test]
fn stage_files_are_laid_out_as_fmt_does() {
    for stage in STAGES {
        let source = source(stage);
        assert_eq!(terrace_site::read::fmt(&source).unwrap(), source, "{stage}");
    }
}

#[test]
fn wiring_of_each_stage() {
    for stage in STAGES {
        insta::assert_snapshot!(format!("wiring_{stage}"), wiring_text(&site(stage)));
    }
}

fn wiring_text(site: &Site) -> String {
    let wiring = wire(site);
    let mut text = format!(
        "entry: {:?} at {:?}\n\n",
        wiring.entry.unwrap(),
        wiring.addresses
    );
    for instance in &wiring.instances {
        let listens: Vec<String> = instance.listens.iter().map(ToString::to_string).collect();
        writeln!(text, "{:<20} {}", instance.id, listens.join(" ")).unwrap();
    }
    text += "\n";
    for flow in &wiring.flows {
        writeln!(text, "{flow}").unwrap();
    }
    text += "\n";
    for opening in openings(site, &wiring) {
        let port = opening.port.map_or("vrrp".to_owned(), |port| {
            format!("{}/{:?}", port.number, port.transport).to_lowercase()
        });
        let from = match opening.from {
            Source::Everywhere => "everywhere".to_owned(),
            Source::Network(network) => network.to_string(),
            Source::Servers(servers) => servers
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join(" "),
        };
        writeln!(
            text,
            "{:<7} {port:<9} from {from}: {}",
            opening.server, opening.purpose
        )
        .unwrap();
    }
    text + "\n" + &records(site).to_string()
}

#[test]
fn plans_of_each_stage() {
    for stage in STAGES {
        let site = site(stage);
        let plans = plan(&site, &inputs(&site));
        insta::assert_snapshot!(
            format!("plans_{stage}"),
            serde_json::to_string_pretty(&plans).unwrap()
        );
    }
}

#[test]
fn stages_0_and_1_can_run_and_the_others_say_why_not() {
    let refused = |stage| {
        let site = site(stage);
        let source = source(stage);
        let lines: Vec<usize> = not_yet(&site)
            .iter()
            .map(|problem| problem.line(&source))
            .collect();
        lines
    };
    for runs in &STAGES[..2] {
        assert_eq!(refused(runs), [0_usize; 0], "{runs}");
    }
    for stage in &STAGES[2..] {
        let source = source(stage);
        let firewall = source
            .lines()
            .position(|line| line.trim_start().starts_with("firewall"))
            .unwrap()
            + 1;
        assert!(refused(stage).contains(&firewall), "{stage}");
    }
}

#[test]
fn a_plan_survives_its_way_as_json() {
    for stage in STAGES {
        let site = site(stage);
        let plans = plan(&site, &inputs(&site));
        let text = serde_json::to_string(&plans).unwrap();
        assert_eq!(
            serde_json::from_str::<Vec<ServerPlan>>(&text).unwrap(),
            plans
        );
    }
}

#[test]
fn the_hash_follows_the_content_and_not_the_generation() {
    let site = site(STAGES[0]);
    let first = inputs(&site);
    let later = Inputs {
        generation: 2,
        ..first.clone()
    };
    let released = Inputs {
        releases: BTreeMap::from([("foobar".to_owned(), "9999999".to_owned())]),
        ..first.clone()
    };
    let hash = |inputs: &Inputs| plan(&site, inputs)[0].hash.clone();
    assert_eq!(hash(&first), hash(&later));
    assert_ne!(hash(&first), hash(&released));
}
