use super::*;

#[tokio::test]
async fn what_is_late_is_ended_by_a_tick_and_not_before() {
    let wheel = Wheel::default();
    let slot = wheel.slot();
    let start = Instant::now();
    let limit = Duration::from_secs(5);
    assert_eq!(slot.within(limit, async { 7 }).await, Ok(7));
    let mut waits = std::pin::pin!(slot.within(limit, std::future::pending::<()>()));
    let poll = |waits: Pin<&mut _>| {
        let mut context = Context::from_waker(Waker::noop());
        Future::poll(waits, &mut context)
    };
    assert_eq!(poll(waits.as_mut()), Poll::Pending);
    wheel.tick(start + limit - TICK);
    assert_eq!(poll(waits.as_mut()), Poll::Pending);
    wheel.tick(start + limit + 2 * TICK);
    assert_eq!(poll(waits.as_mut()), Poll::Ready(Err(Late)));
}

#[tokio::test]
async fn what_moves_in_between_waits_longer() {
    let wheel = Wheel::default();
    let slot = wheel.slot();
    let (start, limit) = (Instant::now(), Duration::from_secs(5));
    let waits = slot.within(limit, std::future::pending::<()>());
    let moves = async {
        tokio::task::yield_now().await;
        slot.postpone(start + limit * 2);
        wheel.tick(start + limit + 2 * TICK);
        let waits_on = !slot.late.get();
        wheel.tick(start + limit * 2);
        waits_on
    };
    assert_eq!(tokio::join!(waits, moves), (Err(Late), true));
}

#[tokio::test]
async fn a_tick_wakes_who_waits() {
    let wheel = Wheel::default();
    let slot = wheel.slot();
    let waits = slot.within(Duration::from_secs(5), std::future::pending::<()>());
    let ticks = async {
        tokio::task::yield_now().await;
        wheel.tick(Instant::now() + Duration::from_secs(6));
    };
    let (ended, ()) = tokio::join!(waits, ticks);
    assert_eq!(ended, Err(Late));
}

#[tokio::test]
async fn a_count_that_moves_ends_the_wait() {
    let wheel = Wheel::default();
    let slot = wheel.slot();
    let count = Arc::new(AtomicU32::new(7));
    slot.watch(&count);
    let waits = slot.within(Duration::from_secs(5), std::future::pending::<()>());
    let moves = async {
        tokio::task::yield_now().await;
        wheel.tick(Instant::now());
        count.fetch_add(1, Ordering::Relaxed);
        wheel.tick(Instant::now());
    };
    let (ended, ()) = tokio::join!(waits, moves);
    assert_eq!(ended, Err(Late));
    assert!(slot.has_moved());
    slot.unwatch();
    assert!(!slot.has_moved());
}

#[test]
fn what_drips_is_late_and_what_flows_never_is() {
    let (start, second) = (Instant::now(), Duration::from_secs(1));
    let lives = |bytes: usize, every: Duration| {
        let mut pace = Pace::new(second * 60, 500, start);
        (1..2_000).all(|step| {
            let now = start + every * step;
            let alive = now <= pace.until();
            pace.moved(bytes, now);
            alive
        })
    };
    assert!(!lives(10, second), "10 bytes a second");
    assert!(!lives(30_000, second * 61), "nothing for a minute");
    assert!(lives(600, second) && lives(120_000, second));
    assert!(lives(30_000, second * 59));
    let mut pace = Pace::new(second, 0, start);
    pace.moved(1, start + second / 2);
    assert_eq!(pace.until(), start + second * 3 / 2);
    pace.resume(start + second * 9);
    assert_eq!(pace.until(), start + second * 10);
}

#[test]
fn strangers_that_wait_longest_for_nothing_go_first() {
    let wheel = Wheel::default();
    let start = wheel.now.get();
    let slot = |address: u8, trusted: bool, stage: Stage, second: u64| {
        wheel.now.set(start + Duration::from_secs(second));
        let address = IpAddr::from([203, 0, 113, address]);
        let slot = wheel.slot_of(Owner { address, trusted });
        slot.set_stage(stage);
        slot
    };
    let busy = slot(1, false, Stage::Busy, 0);
    let ours = slot(9, true, Stage::Idle, 0);
    let half = slot(1, false, Stage::Head, 0);
    let newer = slot(2, false, Stage::Idle, 2);
    let older = slot(1, false, Stage::Idle, 1);
    let ended = || [&older, &newer, &half, &ours, &busy].map(|slot| slot.is_ended());
    assert_eq!(wheel.end_oldest(1, None), 1);
    assert_eq!(ended(), [true, false, false, false, false]);
    let one = IpAddr::from([203, 0, 113, 1]);
    assert_eq!(
        wheel.end_oldest(8, Some(one)),
        1,
        "the other two are of others, or busy"
    );
    assert_eq!(ended(), [true, false, true, false, false]);
    assert_eq!(wheel.end_oldest(1, None), 1);
    assert_eq!(ended(), [true, true, true, false, false]);
    assert_eq!(wheel.end_oldest(8, None), 1);
    assert_eq!(ended(), [true, true, true, true, false]);
    assert_eq!(wheel.end_oldest(8, None), 0);
}

#[test]
fn slots_that_are_gone_are_forgotten() {
    let wheel = Wheel::default();
    drop(wheel.slot());
    let kept = wheel.slot();
    wheel.tick(Instant::now());
    assert_eq!(wheel.slots.borrow().len(), 1);
    drop(kept);
}
