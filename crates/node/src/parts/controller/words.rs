//! How the databases stand together, in words for a person.

use terrace_database::failover::{Machine, Phase};
use terrace_protocol::report::State;
use terrace_site::model::Ack;

/// What the controller is at, and whether the site may lose its primary.
pub(super) fn standing(machine: &Machine, ack: Ack) -> (State, String) {
    let record = machine.record();
    let (primary, epoch) = (&record.primary, record.epoch);
    match &record.phase {
        Phase::Switch { target } => {
            let text = format!("moves the primary from {primary} to {target}");
            (State::Starting, text)
        }
        Phase::Fence { .. } => {
            let text = format!("replaces {primary}: its replicas are asked what they hold");
            (State::Starting, text)
        }
        _ if machine.is_full() => {
            let heirs: Vec<&str> = record.sync_set.keys().map(String::as_str).collect();
            let instead = if record.is_safe() {
                format!(
                    ", or replace it: `terrace failover {}` loses nothing that was acknowledged",
                    heirs.join("` or `terrace failover ")
                )
            } else {
                String::new()
            };
            let text = format!(
                "nothing is written: the disk of {primary} is full; make room on it{instead}"
            );
            (State::Failing, text)
        }
        _ if !machine.is_open() => {
            let text = format!("opens {primary} as soon as it answers (epoch {epoch})");
            (State::Starting, text)
        }
        _ if ack == Ack::None => {
            let text = format!(
                "{primary} takes writes (epoch {epoch}); no write waits for a replica: ack=none"
            );
            (State::Serving, text)
        }
        _ if record.is_safe() => {
            let names: Vec<&str> = record.sync_set.keys().map(String::as_str).collect();
            let text = format!(
                "{primary} takes writes (epoch {epoch}); every acknowledged write is on {} too",
                names.join(" or ")
            );
            (State::Serving, text)
        }
        _ => {
            let text = format!(
                "not safe to lose {primary}: no replica holds what it acknowledges (epoch {epoch})"
            );
            (State::Waiting, text)
        }
    }
}
