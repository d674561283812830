//! One server: its keeper, and its node, which reconciles what runs with the plan.
//!
//! The [`keeper`] holds processes and descriptors and decides nothing. The [`node`] decides, and holds nothing
//! that it cannot ask for again: killing it costs no request. What each kind of role needs is in `parts`.

pub mod keeper;
pub mod logs;
pub mod node;
mod parts;

/// What every process of ours gets as its environment: nothing of the caller's but how talkative it is to be.
fn environment() -> Vec<(String, String)> {
    let kept = ["RUST_LOG", "RUST_BACKTRACE"];
    let kept = kept
        .iter()
        .filter_map(|name| Some(((*name).to_owned(), std::env::var(name).ok()?)));
    kept.chain([(
        "PATH".to_owned(),
        "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".to_owned(),
    )])
    .collect()
}
