//! Chores of the project. `cargo xtask tidy` holds the layout that ARCHITECTURE.md describes; `cargo xtask bench`
//! measures Terrace beside its peers.

mod bench;
mod tidy;

use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let task = std::env::args().nth(1);
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    match task.as_deref() {
        Some("tidy") => report(&tidy::check(&root)),
        Some("bench") => match bench::run(&root) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("bench: {error}");
                ExitCode::FAILURE
            }
        },
        _ => {
            eprintln!("usage: cargo xtask tidy | bench");
            ExitCode::from(2)
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
