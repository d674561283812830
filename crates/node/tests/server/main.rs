//! One server with real processes: a keeper, its node, roles, an app, a database.
//!
//! The keeper starts our own processes by executing its own binary. Here that is this test, which therefore has
//! a `main` of its own: told to be a process of the server it is that one, else it runs the stories.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test says what went wrong by panicking"
)]

mod live;
mod processes;
mod programs;
mod server;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::time::Instant;

/// What is told, and the story.
type Story = (&'static str, fn());

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        ["internal", "keeper", home] => programs::keeper(home),
        ["internal", "node", home] => programs::node(home),
        ["internal", "role", _, id] => programs::role(id),
        ["internal", "app"] => programs::app(),
        _ => run(&words),
    }
}

fn run(words: &[&str]) -> ExitCode {
    let filters: Vec<&&str> = words.iter().filter(|word| !word.starts_with('-')).collect();
    let stories: Vec<Story> = [processes::STORIES, live::STORIES].concat();
    if words.contains(&"--list") {
        stories
            .iter()
            .for_each(|(name, _)| println!("{name}: test"));
        return ExitCode::SUCCESS;
    }
    let mut failed = 0;
    for (name, story) in stories {
        if !filters.is_empty() && !filters.iter().any(|filter| name.contains(**filter)) {
            continue;
        }
        let begun = Instant::now();
        let fine = catch_unwind(AssertUnwindSafe(story)).is_ok();
        let word = if fine { "ok" } else { "FAILED" };
        println!(
            "test {name} ... {word} ({:.2} s)",
            begun.elapsed().as_secs_f64()
        );
        failed += u32::from(!fine);
    }
    println!("{failed} failed");
    ExitCode::from(u8::from(failed > 0))
}
