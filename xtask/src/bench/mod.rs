//! `cargo xtask bench`: Terrace beside its peers, in one run, as ratios.
//!
//! One core for the server under test, the other for load and upstream. Rounds of the two alternate (A B, B A,
//! …), so a machine that drifts drifts for both. The figure is the CPU time of all processes of the server
//! under test, per request answered: it hardly moves with the neighbours' load. What is written to
//! docs/benchmarks.md comes from here alone.

pub(crate) mod balancer;
mod cpu;
mod load;
pub(crate) mod network;
mod paired;
mod phases;
mod profile;
mod report;
pub(crate) mod router;
pub(crate) mod servers;
mod steady;

use std::io;
use std::path::Path;

use servers::{Bench, Kind};

use crate::statistics::{self, Ratio};

/// Pairs of rounds per case.
const PAIRS: usize = 15;
/// A round during which others used more than this share of a core is repeated.
const BUSY: f64 = 0.25;
/// How many rounds of a case may be repeated.
const REPEATS: usize = 8;

/// What is compared.
pub(crate) struct Case {
    /// As the report calls it.
    pub(crate) name: &'static str,
    /// What is asked for.
    pub(crate) path: &'static str,
    /// The ratio of CPU per request that we aim at.
    pub(crate) target: f64,
}

const CASES: [Case; 3] = [
    Case {
        name: "static 1 KB",
        path: "/1k.html",
        target: 0.40,
    },
    Case {
        name: "static 100 KB",
        path: "/100k.bin",
        target: 0.65,
    },
    Case {
        name: "proxying 128 B",
        path: "/app",
        target: 0.55,
    },
];

/// One round of one server.
#[derive(Clone, Debug)]
pub(crate) struct Round {
    /// CPU time of the server per request, in µs.
    pub(crate) cpu: f64,
    /// Requests per second.
    pub(crate) rate: f64,
    /// The 99th percentile, in ms.
    pub(crate) p99: f64,
    /// What everything else on the machine used, in cores.
    pub(crate) background: f64,
}

/// A case, measured.
pub(crate) struct Outcome {
    pub(crate) case: &'static Case,
    pub(crate) ours: Vec<Round>,
    pub(crate) theirs: Vec<Round>,
    pub(crate) ratio: Ratio,
    pub(crate) repeated: usize,
}

/// Measures everything and writes docs/benchmarks.md.
///
/// # Errors
/// When a server cannot be started, or a round had errors.
pub(crate) fn run(root: &Path) -> io::Result<()> {
    // Before the network is left behind: the first `up` builds the app, and pip wants the world.
    let phases = phases::measure(root)?;
    print!("{}", report::phases(&phases));
    let routers = router::measure(root)?;
    network::enter()?;
    let bench = Bench::start(root)?;
    let mut outcomes = Vec::new();
    for case in &CASES {
        let outcome = measure(&bench, case)?;
        println!("{}", report::line(&outcome));
        outcomes.push(outcome);
    }
    drop(bench);
    let balancers = balancer::measure(root)?;
    std::fs::write(
        root.join("docs/benchmarks.md"),
        report::page(&outcomes, &phases)
            + &balancer::section(&balancers)
            + &router::section(&routers),
    )
}

/// The balancer alone, printed.
///
/// # Errors
/// As [`run`].
pub(crate) fn balancer(root: &Path) -> io::Result<()> {
    network::enter()?;
    balancer::measure(root).map(drop)
}

/// This tree's binary beside another of ours, printed.
///
/// # Errors
/// As [`run`].
pub(crate) fn paired(root: &Path, before: &Path) -> io::Result<()> {
    network::enter()?;
    paired::measure(root, before)
}

fn measure(bench: &Bench, case: &'static Case) -> io::Result<Outcome> {
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    let mut repeated = 0;
    while ours.len() < PAIRS {
        let order = if ours.len() % 2 == 0 {
            [Kind::Ours, Kind::Nginx]
        } else {
            [Kind::Nginx, Kind::Ours]
        };
        let first = bench.round(order[0], case.path)?;
        let second = bench.round(order[1], case.path)?;
        if first.background.max(second.background) > BUSY && repeated < REPEATS {
            repeated += 1;
            continue;
        }
        let (our, their) = if order[0] == Kind::Ours {
            (first, second)
        } else {
            (second, first)
        };
        ours.push(our);
        theirs.push(their);
    }
    let ratios: Vec<f64> = ours
        .iter()
        .zip(&theirs)
        .map(|(our, their)| our.cpu / their.cpu)
        .collect();
    Ok(Outcome {
        case,
        ratio: statistics::ratio(&ratios),
        ours,
        theirs,
        repeated,
    })
}
