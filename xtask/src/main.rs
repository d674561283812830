//! Chores of the project. `cargo xtask tidy` holds the layout that ARCHITECTURE.md describes; `cargo xtask bench`
//! measures Terrace beside its peers; `cargo xtask acceptance` repeats the tests in their full counts.

mod acceptance;
mod bench;
mod machine;
mod rehearsal;
mod statistics;
mod tidy;

use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let task = std::env::args().nth(1);
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    match task.as_deref() {
        Some("tidy") => report(&tidy::check(&root)),
        Some("bench") => ended("bench", bench(&root)),
        Some("reloads") => ended("reloads", acceptance::reloads::run(&root)),
        Some("acceptance") => ended("acceptance", acceptance(&root)),
        _ => {
            eprintln!(
                "usage: cargo xtask tidy | bench [balancer | router | paired BINARY] | acceptance [PART]"
            );
            ExitCode::from(2)
        }
    }
}

/// All of it, written down; or one part of it, printed.
fn bench(root: &Path) -> std::io::Result<()> {
    match std::env::args().nth(2).as_deref() {
        Some("balancer") => bench::balancer(root),
        Some("paired") => match std::env::args_os().nth(3) {
            Some(before) => bench::paired(root, Path::new(&before)),
            None => Err(std::io::Error::other("which binary is to be beside ours?")),
        },
        Some("router") => bench::router::measure(root).map(drop),
        _ => bench::run(root),
    }
}

/// All of it, or one part of it.
fn acceptance(root: &Path) -> std::io::Result<()> {
    acceptance::run(root, std::env::args().nth(2).as_deref())
}

fn ended(task: &str, result: std::io::Result<()>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{task}: {error}");
            ExitCode::FAILURE
        }
    }
}

fn report(found: &std::io::Result<Vec<String>>) -> ExitCode {
    match found {
        Ok(found) if found.is_empty() => {
            println!("tidy: nothing to say");
            ExitCode::SUCCESS
        }
        Ok(found) => {
            for one in found {
                eprintln!("{one}");
            }
            eprintln!("tidy: {} to mend", found.len());
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("tidy: cannot read the tree: {error}");
            ExitCode::from(2)
        }
    }
}
