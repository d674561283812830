//! The tier's decisions, one by one.

use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use terrace_http::upstream::drain;
use terrace_http::upstream::health::Check;
use terrace_http::upstream::policy::{Again, Ended, Failed, Next, Policy, Why};
use terrace_protocol::role::Divert;
use terrace_site::plan::{
    Algorithm, EjectionPlan, HealthPlan, MemberPlan, QueuePlan, TierPlan, Timeouts,
};

use super::*;

pub(super) fn plan(weights: &[u32]) -> TierPlan {
    let member = |(index, weight): (usize, &u32)| MemberPlan {
        instance: format!("web-{index}/web"),
        address: ([127, 0, 0, 1], 8000 + index as u16).into(),
        weight: *weight,
        backup: false,
    };
    TierPlan {
        prefix: "/".to_owned(),
        name: "web".to_owned(),
        algorithm: Algorithm::RoundRobin,
        members: weights.iter().enumerate().map(member).collect(),
        health: HealthPlan {
            rise: 1,
            fall: 1,
            ..HealthPlan::default()
        },
        ejection: EjectionPlan::default(),
        queue: QueuePlan::default(),
        slow_start: Duration::ZERO,
        streams: Vec::new(),
        timeouts: Timeouts::default(),
    }
}

fn go(tier: &Tier, tried: &[usize], now: Instant) -> Option<usize> {
    match tier.next(tried, now) {
        Next::Go(index) => {
            tier.ended(index, Ended::Answered(200), now);
            Some(index)
        }
        _ => None,
    }
}

fn failed(index: usize, why: Why) -> Failed {
    Failed {
        index,
        sent: why != Why::Unreachable,
        idempotent: true,
        replayable: true,
        bodiless: true,
        why,
    }
}

/// Empties these servers and uses all others, as the role does.
pub(super) fn divert(tier: &Tier, servers: &[&str], now: Instant) {
    let order = |server: &&str| Divert {
        server: (*server).to_owned(),
        number: 1,
        within: 30_000,
    };
    let orders: Vec<Divert> = servers.iter().map(order).collect();
    drain::divert(tier.instances(), &orders, now);
}

fn check(tier: &Tier, index: usize, check: Check) {
    tier.members[index]
        .server
        .instance
        .checked(check, String::new());
}

#[test]
fn backups_serve_while_no_active_one_is_well() {
    let now = Instant::now();
    let mut plan = plan(&[1, 1, 1]);
    plan.members[2].backup = true;
    let tier = Tier::new(plan, None, now);
    assert_eq!(
        [(); 4].map(|()| go(&tier, &[], now)),
        [0, 1, 0, 1].map(Some)
    );
    check(&tier, 0, Check::Bad);
    check(&tier, 1, Check::Bad);
    assert_eq!(go(&tier, &[], now), Some(2));
    check(&tier, 2, Check::Bad);
    let all: Vec<_> = (0..3).filter_map(|_| go(&tier, &[], now)).collect();
    assert!((0..3).all(|index| all.contains(&index)), "{all:?}");
    check(&tier, 1, Check::Good);
    assert_eq!(go(&tier, &[], now), Some(1));
}

#[test]
fn failures_in_a_row_take_a_server_out_for_a_while() {
    let now = Instant::now();
    let tier = Tier::new(plan(&[1, 1]), None, now);
    let answer = |index: usize, status, now| {
        tier.members[index].server.instance.enter();
        tier.ended(index, Ended::Answered(status), now);
    };
    (0..5).for_each(|_| answer(0, 500, now));
    assert_eq!([(); 3].map(|()| go(&tier, &[], now)), [1, 1, 1].map(Some));
    let report = tier.reports(now).next().unwrap();
    assert!(
        !report.healthy && report.reason.contains("an answer of 500"),
        "{}",
        report.reason
    );
    (0..5).for_each(|_| answer(1, 503, now));
    let both: Vec<_> = (0..2).filter_map(|_| go(&tier, &[], now)).collect();
    assert!(
        both.contains(&0) && both.contains(&1),
        "with both out both are tried"
    );
    assert_eq!(go(&tier, &[], now + Duration::from_millis(999)), Some(0));
    let later = now + Duration::from_secs(1);
    assert!(tier.reports(later).all(|report| report.healthy));
}

#[test]
fn a_server_that_comes_back_is_spared_at_first() {
    let now = Instant::now();
    let mut plan = plan(&[1, 1]);
    plan.slow_start = Duration::from_secs(10);
    let tier = Tier::new(plan, None, now);
    (0..2).for_each(|index| check(&tier, index, Check::Good));
    assert_eq!([(); 2].map(|()| go(&tier, &[], now)), [0, 1].map(Some));
    check(&tier, 0, Check::Bad);
    check(&tier, 0, Check::Good);
    let share = |now| (0..100).filter(|_| go(&tier, &[], now) == Some(0)).count();
    let first = share(now);
    assert!((2..=12).contains(&first), "{first}");
    let half = share(now + Duration::from_secs(5));
    assert!((25..=45).contains(&half), "{half}");
    assert_eq!(share(now + Duration::from_secs(10)), 50);
}

#[test]
fn what_failed_goes_elsewhere_and_a_stale_connection_is_no_failure() {
    let now = Instant::now();
    let tier = Tier::new(plan(&[1, 1]), None, now);
    assert_eq!(
        tier.again(&failed(0, Why::Lost), &[], now),
        Again::Elsewhere
    );
    assert_eq!(tier.again(&failed(0, Why::Lost), &[1], now), Again::No);
    assert_eq!(
        tier.again(&failed(0, Why::Stale), &[], now),
        Again::Elsewhere
    );
    assert_eq!(tier.again(&failed(0, Why::Stale), &[1], now), Again::Fresh);
    check(&tier, 1, Check::Bad);
    assert_eq!(tier.again(&failed(0, Why::Stale), &[], now), Again::Fresh);
    check(&tier, 1, Check::Good);
    let form = Failed {
        idempotent: false,
        ..failed(0, Why::Lost)
    };
    assert_eq!(tier.again(&form, &[], now), Again::No);
    let unsent = Failed {
        sent: false,
        ..form
    };
    assert_eq!(tier.again(&unsent, &[], now), Again::Elsewhere);
}

#[test]
fn a_server_is_emptied_and_used_again() {
    let now = Instant::now();
    let tier = Tier::new(plan(&[1, 1]), None, now);
    let Next::Go(busy) = tier.next(&[], now) else {
        panic!("nobody")
    };
    divert(&tier, &["web-9", "web-0"], now);
    assert_eq!([(); 3].map(|()| go(&tier, &[], now)), [1, 1, 1].map(Some));
    let drain = || tier.reports(now).next().unwrap().drain.unwrap();
    assert!(!drain().done && drain().left == 30_000);
    tier.ended(busy, Ended::Answered(200), now);
    assert!(drain().done);

    divert(&tier, &["web-0", "web-1"], now);
    assert_eq!(go(&tier, &[], now), None);
    divert(&tier, &["web-1"], now);
    assert_eq!(go(&tier, &[], now), Some(0));
}

#[test]
fn a_new_plan_keeps_what_is_known_of_the_servers() {
    let now = Instant::now();
    let tier = Tier::new(plan(&[1, 1, 1]), None, now);
    check(&tier, 0, Check::Bad);
    divert(&tier, &["web-1"], now);
    let Next::Go(2) = tier.next(&[], now) else {
        panic!("nobody")
    };
    let next = Tier::new(plan(&[3, 2, 1]), Some(&tier), now);
    assert_eq!([(); 2].map(|()| go(&next, &[], now)), [2, 2].map(Some));
    let reports: Vec<_> = next.reports(now).collect();
    assert_eq!(reports[2].in_flight, 1);
    tier.ended(2, Ended::Answered(200), now);
    assert_eq!(next.reports(now).nth(2).unwrap().in_flight, 0);
}

#[test]
fn who_finds_no_room_waits_in_line() {
    let now = Instant::now();
    let mut plan = plan(&[1, 1]);
    plan.queue = QueuePlan {
        in_flight: Some(1),
        waiting: 2,
        within: Duration::from_secs(5),
    };
    let tier = Tier::new(plan, None, now);
    assert!(matches!(tier.next(&[], now), Next::Go(0)));
    assert!(matches!(tier.next(&[], now), Next::Go(1)));
    let Next::Wait(first, within) = tier.next(&[], now) else {
        panic!("there is room")
    };
    assert_eq!(within, Duration::from_secs(5));
    let Next::Wait(mut second, _) = tier.next(&[], now) else {
        panic!("there is room")
    };
    assert!(matches!(tier.next(&[], now), Next::Full));
    let mut context = Context::from_waker(std::task::Waker::noop());
    assert_eq!(second.as_mut().poll(&mut context), Poll::Pending);
    // The first is given the place, and leaves without having seen it.
    tier.ended(1, Ended::Answered(200), now);
    drop(first);
    assert_eq!(second.as_mut().poll(&mut context), Poll::Ready(1));
    drop(second);
    assert!(
        matches!(tier.next(&[], now), Next::Wait(..)),
        "the place was given on, not freed"
    );
    tier.ended(0, Ended::Answered(200), now);
    assert!(matches!(tier.next(&[], now), Next::Go(0)));
}
