//! What runs out on our own side: descriptors, memory, ports and places of the roles, and the places at the front door.

use std::time::Duration;

use terrace_protocol::control::{DoorReport, Status};
use terrace_protocol::report::{LackReport, RoleReport};

use super::span;

/// What was missing is shown for so long: milliseconds.
const RECENT: u64 = 60_000;

/// How the front door stands, where it has to choose.
pub(crate) fn crowd(door: &DoorReport) -> Option<String> {
    let DoorReport {
        open, most, closed, ..
    } = door;
    match closed {
        0 if open < most => None,
        0 => Some(format!(
            "{open} of {most} connections are open: others wait until one ends"
        )),
        _ => Some(format!(
            "{open} of {most} connections are open; {closed} idle ones were closed to make room for others"
        )),
    }
}

/// A line for each part that had something missing of late.
pub(crate) fn recent(status: &Status, now: u64) -> Vec<String> {
    let servers = status
        .servers
        .iter()
        .filter_map(|server| server.report.as_ref());
    let roles = servers.flat_map(|report| &report.roles);
    let of_role = |role: &RoleReport| {
        let mut all = lines(&role.id, &role.lacks, now);
        all.extend(pressure(role, now));
        all
    };
    let mut all: Vec<String> = roles.flat_map(of_role).collect();
    if let Some(door) = &status.door {
        all.extend(lines("the front door", &door.lacks, now));
    }
    all
}

/// Which connections of a role went of late, so that others have room.
fn pressure(role: &RoleReport, now: u64) -> Option<String> {
    let traffic = role.traffic.as_ref()?;
    let age = now.saturating_sub(traffic.pressed_at);
    if traffic.pressed + traffic.turned_away == 0 || age >= RECENT {
        return None;
    }
    Some(format!(
        "{}  too many connections: {} idle ones were closed to make room, {} were refused as their address had its share; the last {} \
         ago",
        role.id,
        traffic.pressed,
        traffic.turned_away,
        span(Duration::from_millis(age))
    ))
}

fn lines(whose: &str, lacks: &[LackReport], now: u64) -> Vec<String> {
    let age = |lack: &LackReport| now.saturating_sub(lack.last);
    let line = |lack: &LackReport| {
        let ago = span(Duration::from_millis(age(lack)));
        format!(
            "{whose}  {}: {} times, the last {ago} ago; no fault of those that it asks",
            lack.what.words(),
            lack.times
        )
    };
    let recent = lacks.iter().filter(|lack| age(lack) < RECENT);
    recent.map(line).collect()
}

#[cfg(test)]
mod tests {
    use terrace_protocol::control::ServerStatus;
    use terrace_protocol::report::{Lack, ServerReport, Traffic};

    use super::*;

    #[test]
    fn what_was_missing_of_late_is_told_with_whose_it_is() {
        let lack = |what, last| LackReport {
            what,
            times: 7,
            last,
        };
        let role = RoleReport {
            id: "web-01/web".into(),
            lacks: vec![lack(Lack::Descriptors, 97_000), lack(Lack::Ports, 1_000)],
            ..RoleReport::default()
        };
        let report = ServerReport {
            roles: vec![role],
            ..ServerReport::default()
        };
        let status = Status {
            servers: vec![ServerStatus {
                report: Some(report),
                ..ServerStatus::default()
            }],
            ..Status::default()
        };
        let told = "web-01/web  this process has no file descriptor left: 7 times, the last 3.0 s ago; no fault of those that it asks";
        assert_eq!(recent(&status, 100_000), [told]);
    }

    #[test]
    fn a_role_tells_whom_it_let_go_for_others_while_that_is_news() {
        let mut role = RoleReport {
            id: "web-01/web".into(),
            traffic: Some(Traffic {
                pressed: 70,
                turned_away: 3,
                pressed_at: 97_000,
                ..Traffic::default()
            }),
            ..RoleReport::default()
        };
        let told = "web-01/web  too many connections: 70 idle ones were closed to make room, 3 were refused as their address had its \
                    share; the last 3.0 s ago";
        assert_eq!(pressure(&role, 100_000).as_deref(), Some(told));
        assert_eq!(pressure(&role, 97_000 + RECENT), None);
        role.traffic = Some(Traffic::default());
        assert_eq!(pressure(&role, 100), None);
    }

    #[test]
    fn the_front_door_says_whether_it_is_full_and_who_made_room() {
        let door = |open, closed| DoorReport {
            open,
            most: 368,
            closed,
            ..DoorReport::default()
        };
        assert_eq!(crowd(&door(12, 0)), None);
        let full = crowd(&door(368, 0)).unwrap();
        assert!(full.starts_with("368 of 368") && full.ends_with("others wait until one ends"));
        let made_room = crowd(&door(12, 232)).unwrap();
        assert!(made_room.contains("12 of 368") && made_room.contains("232 idle ones"));
    }
}
