//! What was measured, in words: for the terminal, and as docs/benchmarks.md.

use super::network::CONGESTION_CONTROL;
use super::phases::Phases;
use super::{BUSY, Outcome, PAIRS, Round};
use crate::machine::{described, first_line, peer};
use crate::statistics::median;

/// One case in a line.
pub(crate) fn line(outcome: &Outcome) -> String {
    let Outcome {
        case,
        ratio,
        ours,
        theirs,
        ..
    } = outcome;
    format!(
        "{:16} {:5.1} µs / nginx {:5.1} µs  ratio {:.2} ({:.2} to {:.2})  aim {:.2}  {}",
        case.name,
        middle(ours, |round| round.cpu),
        middle(theirs, |round| round.cpu),
        ratio.median,
        ratio.low,
        ratio.high,
        case.target,
        verdict(outcome)
    )
}

fn verdict(outcome: &Outcome) -> &'static str {
    if outcome.ratio.median <= outcome.case.target {
        "met"
    } else {
        "falls short"
    }
}

fn middle(rounds: &[Round], field: impl Fn(&Round) -> f64) -> f64 {
    median(&rounds.iter().map(field).collect::<Vec<_>>())
}

/// The phases, a line each.
pub(crate) fn phases(phases: &Phases) -> String {
    let row = |name: &str, took: f64, aim: f64| {
        let verdict = if took <= aim { "met" } else { "falls short" };
        format!("| {name} | {took:.2} s | {aim:.1} s | {verdict} |\n")
    };
    row("first `up`, without the app's build", phases.first, 8.0)
        + &row(
            "warm `up`, until the app has answered a visitor",
            phases.warm,
            2.5,
        )
        + &row("`down`", phases.down, 3.0)
}

/// The whole page.
pub(crate) fn page(outcomes: &[Outcome], measured: &Phases) -> String {
    let mut text = format!(
        "# Benchmarks\n\n<!-- Written by `make bench`: do not edit. -->\n\n\
         CPU time of all processes of the server under test, per request answered: ours beside nginx's, in one run. One core \
         for the server, the other for load ({}) and upstream; rounds of 3 s alternate (A B, B A, …), {PAIRS} pairs a case; 64 \
         connections kept alive on loopback ({CONGESTION_CONTROL}, no pacing), a browser's request fields, both write their access log. The ratio is the median over pairs, with \
         its 95 % bootstrap interval; less than 1 is less CPU than nginx.\n\n{}\n\n\
         | case | ours, µs | nginx, µs | ratio | 95 % | aim | | requests/s ours, nginx | p99 ours, nginx |\n|---|---|---|---|---|---|---|---|---|\n",
        first_line("wrk", &["-v"])
            .split(" [")
            .next()
            .unwrap_or("wrk"),
        described(&[("nginx", &peer("nginx"), "-v")])
    );
    for outcome in outcomes {
        text += &row(outcome);
    }
    let busiest = outcomes
        .iter()
        .flat_map(|outcome| outcome.ours.iter().chain(&outcome.theirs))
        .map(|round| round.background);
    let repeated: usize = outcomes.iter().map(|outcome| outcome.repeated).sum();
    text += &format!(
        "\nEverything else on the machine used {:.2} cores in the median round and {:.2} in the busiest; pairs with more than {BUSY} \
         were repeated ({repeated}).\n\n",
        median(&busiest.clone().collect::<Vec<_>>()),
        busiest.fold(0.0, f64::max)
    );
    text += &shortfalls(outcomes);
    text += "## How long a person waits\n\n| | measured | aim | |\n|---|---|---|---|\n";
    text += &phases(measured);
    text += &format!(
        "\nThe app's build (pip) took {:.1} s of the first `up`, once. The steps of a warm one:\n\n",
        measured.build
    );
    for (what, took) in &measured.steps {
        text += &format!("- {what}: {took} ms\n");
    }
    text + SETTINGS
}

fn row(outcome: &Outcome) -> String {
    let Outcome {
        case,
        ours,
        theirs,
        ratio,
        ..
    } = outcome;
    format!(
        "| {} | {:.1} | {:.1} | **{:.2}** | {:.2} to {:.2} | {:.2} | {} | {:.0}, {:.0} | {:.1} ms, {:.1} ms |\n",
        case.name,
        middle(ours, |round| round.cpu),
        middle(theirs, |round| round.cpu),
        ratio.median,
        ratio.low,
        ratio.high,
        case.target,
        verdict(outcome),
        middle(ours, |round| round.rate),
        middle(theirs, |round| round.rate),
        middle(ours, |round| round.p99),
        middle(theirs, |round| round.p99),
    )
}

fn shortfalls(outcomes: &[Outcome]) -> String {
    let short: Vec<&str> = outcomes
        .iter()
        .filter(|outcome| verdict(outcome) != "met")
        .map(|outcome| outcome.case.name)
        .collect();
    if short.is_empty() {
        "Every case meets its aim.\n\n".to_owned()
    } else {
        format!("**Falls short of its aim: {}.**\n\n", short.join(", "))
    }
}

const SETTINGS: &str = "\n## Settings\n\n\
nginx: `worker_processes 1`, `sendfile`, `tcp_nopush`, `open_file_cache max=1000`, upstream `keepalive 256`, \
`proxy_http_version 1.1` with an empty `Connection`; it passes on the fields that we do (`X-Forwarded-For`, `-Proto`, `-Host`, \
`X-Request-Id`) and logs the facts that we log (a `log_format` with request id, upstream and times, `buffer=64k flush=1s`). Ours: \
one worker, defaults. The upstream is an nginx of its own that returns 128 bytes. Repeat it with `make bench`.\n";
