//! More visitors than places at the balancer.

use std::time::{Duration, Instant};

use crate::harness::{Balancer, GET, named};
use crate::visitor::{PATIENCE, Visitor};

const CROWD: usize = 8_192;
/// On a busy machine.
const AT_ONCE: Duration = Duration::from_secs(2);

#[test]
fn a_crowd_of_one_address_keeps_no_newcomer_out() {
    terrace_service::descriptors::allow(3 * CROWD as u64).unwrap();
    let one = named("one");
    let balancer = Balancer::under(&[&one], |plan| plan.timeouts.idle = PATIENCE);
    let newcomer = |number: u8| {
        let begun = Instant::now();
        assert_eq!(Visitor::at(number, balancer.address).ask(GET).text(), "one");
        let took = begun.elapsed();
        assert!(took < AT_ONCE, "{number} waited for {took:?}");
    };
    let mut crowd = Vec::new();
    for number in 0..CROWD {
        crowd.push(Visitor::at(2, balancer.address));
        if number % 1_024 == 0 {
            newcomer(9);
        }
    }
    newcomer(10);
    let (first, last) = (crowd.remove(0), crowd.pop().unwrap());
    for (mut one, closed) in [(first, true), (last, false)] {
        one.stream.set_nonblocking(true).unwrap();
        assert_eq!(one.stream.peek(&mut [0]).is_ok(), closed);
        if !closed {
            one.stream.set_nonblocking(false).unwrap();
            assert_eq!(one.ask(GET).status, 200, "its address still has its share");
        }
    }
}
