//! What a person sees while a site comes up, and when it is there.

use std::path::Path;

use terrace_protocol::control::Status;
use terrace_protocol::node::Step;
use unicode_width::UnicodeWidthStr;

use super::{good, quiet, standing, wrong};

/// Where the times stand.
const COLUMN: usize = 66;

/// `Rehearsal of www.foobar.com      stacks/0-simple_web_stack.kdl`.
pub(crate) fn title(site: &str, file: &Path) -> String {
    format!("Rehearsal of {site}      {}", file.display())
}

/// One thing that was done, with its time.
pub(crate) fn step(step: &Step) -> String {
    let mark = if step.fine {
        good("✓").to_string()
    } else {
        wrong("✗").to_string()
    };
    let text = format!("{:<9} {}", step.what, step.text);
    match step.took {
        None => format!("  {mark} {text}"),
        Some(took) => {
            let gap = " ".repeat(COLUMN.saturating_sub(text.width()).max(1));
            let time = format!("{}.{} s", took / 1_000, took % 1_000 / 100);
            format!("  {mark} {text}{gap}{}", quiet(time))
        }
    }
}

/// How to look at it, what it means, and how it stands. `which` names the site to commands, where that is needed.
pub(crate) fn ready(
    status: &Status,
    sentence: &str,
    next: Option<&str>,
    which: &str,
    now: u64,
) -> String {
    let mut text = String::from("\n");
    if let Some(open) = &status.front_door {
        text += &format!("Open         {open}\n");
    }
    let me = program();
    text += &format!(
        "As a visitor {me} exec internet{which} -- dig +short {site}\n             {me} exec internet{which} -- curl http://{site}/\n",
        site = status.site
    );
    text += &format!("This design  {sentence}. {me} explain\n");
    if let Some(next) = next {
        text += &format!("Next         {next}\n");
    }
    text + &format!("\n{}", standing::table(status, now))
}

/// As the person called this program.
pub(crate) fn program() -> String {
    let called = std::env::args().next().unwrap_or_default();
    // The wrapper of a checkout runs the binary under target/.
    if called.contains("/target/") && Path::new("./terrace").is_file() {
        "./terrace".to_owned()
    } else {
        called
    }
}
