//! The machine against a cluster that fails as it likes, under virtual time. Clients write to whatever
//! takes writes and remember what was acknowledged; the controller is killed between any two of its
//! steps. When the trouble ends, all must be well again soon. A failing seed is printed; `TERRACE_SEED=…` runs
//! it alone, with a trace, and `TERRACE_SEEDS=…` runs as many as that.

mod cluster;
mod world;

use std::env;

use world::{Scenario, World};

/// Of each scenario, unless asked for more.
const SEEDS: u64 = 700;

/// A xorshift generator: the whole run follows from its seed.
pub(super) struct Random(u64);

impl Random {
    fn new(seed: u64) -> Self {
        let mut random = Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
        for _ in 0..8 {
            random.next();
        }
        random
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// A number below the limit.
    fn below(&mut self, limit: u64) -> u64 {
        (self.next() >> 11) % limit
    }

    /// True so many times in a thousand.
    fn chance(&mut self, per_mille: u64) -> bool {
        self.below(1000) < per_mille
    }

    fn pick<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        let index = usize::try_from(self.below(all.len() as u64)).unwrap();
        &all[index]
    }
}

fn check(scenario: Scenario) {
    let number = |name| env::var(name).ok().map(|text| text.parse::<u64>().unwrap());
    let one = number("TERRACE_SEED");
    let count = number("TERRACE_SEEDS").unwrap_or(SEEDS);
    let seeds: Vec<u64> = one.map_or_else(|| (0..count).collect(), |one| vec![one]);
    let workers = if one.is_some() { 1 } else { 2 };
    let totals = std::thread::scope(|scope| {
        let threads: Vec<_> = seeds
            .chunks(seeds.len().div_ceil(workers))
            .map(|seeds| {
                let trace = one.is_some();
                scope.spawn(move || {
                    let mut totals = world::Totals::default();
                    for seed in seeds {
                        totals.add(&World::run(scenario, *seed, trace));
                    }
                    totals
                })
            })
            .collect();
        let mut totals = world::Totals::default();
        for thread in threads {
            totals.add(&thread.join().expect("a seed failed: see above"));
        }
        totals
    });
    eprintln!("{scenario:?}: {totals:?}");
    if one.is_none() && count >= SEEDS {
        totals.assert_all_happened(scenario, count);
    }
}

#[test]
fn an_operator_moves_the_primary_and_nothing_acknowledged_is_lost() {
    check(Scenario::Operator);
}

#[test]
fn a_majority_replaces_the_primary_and_nothing_acknowledged_is_lost() {
    check(Scenario::Automatic);
}

#[test]
fn after_accepted_loss_there_is_one_primary_again() {
    check(Scenario::Loss);
}
