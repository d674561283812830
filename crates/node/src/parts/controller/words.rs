//! How the databases stand together, in words for a person.

use terrace_database::failover::{Machine, Phase, Record};
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
            let instead = instead(record).map(|instead| format!(", or replace it: {instead}"));
            let text = format!(
                "nothing is written: the disk of {primary} is full; make room on it{}",
                instead.unwrap_or_default()
            );
            (State::Failing, text)
        }
        _ if !machine.is_open() => {
            let instead = instead(record).map(|instead| format!("; if it does not, {instead}"));
            let text = format!(
                "opens {primary} as soon as it answers (epoch {epoch}){}",
                instead.unwrap_or_default()
            );
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

/// The command that replaces the primary, where that loses nothing.
fn instead(record: &Record) -> Option<String> {
    let heirs: Vec<&str> = record.sync_set.keys().map(String::as_str).collect();
    record.is_safe().then(|| {
        format!(
            "`terrace failover {}` loses nothing that was acknowledged",
            heirs.join("` or `terrace failover ")
        )
    })
}
