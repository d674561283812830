//! The reader of the file beside the `kdl` crate, on generated documents.

use std::fs;
use std::io;
use std::path::Path;

use super::{Records, cargo, finish};

/// Generated documents per property.
const DOCUMENTS: &str = "20000";

/// Runs it, unless that was done for this tree.
pub(super) fn run(root: &Path, records: &Records) -> io::Result<()> {
    let done = records.directory.join("reader");
    if done.exists() {
        return Ok(());
    }
    println!("reader: {DOCUMENTS} documents per property");
    let mut command = cargo(root, "terrace-site");
    command
        .args(["--lib", "oracle"])
        .env("PROPTEST_CASES", DOCUMENTS);
    finish(command)?;
    fs::write(done, "")
}

/// The section of the page.
pub(super) fn section(_: &Records) -> io::Result<String> {
    Ok(format!(
        "## The file\n\nThe reader agrees with the `kdl` crate on {DOCUMENTS} generated documents per property.\n"
    ))
}
