//! What a report says about the machine and the programs that were measured.

use std::path::{Path, PathBuf};
use std::process::Command;

/// A sentence: cores, processor, kernel, then each program (title, command, argument) with its version, and rustc.
pub(crate) fn described(programs: &[(&str, &Path, &str)]) -> String {
    let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu
        .lines()
        .find_map(|line| line.strip_prefix("model name"))
        .unwrap_or("")
        .trim_start_matches(['\t', ':', ' ']);
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let kernel = first_line("uname", &["-r"]);
    let kernel = kernel.split('-').next().unwrap_or_default();
    let mut text = format!("Machine: {cores} cores, {model}, Linux {kernel}.");
    for (title, program, argument) in programs {
        text += &format!(" {title}: {}.", first_line(program, &[argument]));
    }
    text + &format!(" {}.", first_line("rustc", &["--version"]))
}

/// A peer's program, the newest stable one: `scripts/peers` has unpacked it.
pub(crate) fn peer(program: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    root.join("target/peers")
        .join(program)
        .join("bin")
        .join(program)
}

/// What a program says of itself.
pub(crate) fn first_line(program: impl AsRef<Path>, arguments: &[&str]) -> String {
    let program = program.as_ref();
    let Ok(output) = Command::new(program).args(arguments).output() else {
        return format!("{} unknown", program.display());
    };
    let text = [output.stdout, output.stderr].concat();
    String::from_utf8_lossy(&text)
        .lines()
        .next()
        .unwrap_or_default()
        .trim()
        .to_owned()
}
