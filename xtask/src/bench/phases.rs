//! How long a person waits: the first `up`, a warm one until the app has answered, and `down`.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use crate::statistics::median;

/// Warm rounds.
const ROUNDS: usize = 5;

/// In seconds.
pub(crate) struct Phases {
    /// The first `up`: without the app's build, which is pip's time.
    pub(crate) first: f64,
    /// What the build took.
    pub(crate) build: f64,
    /// Medians: `up` until a visitor has had a page of the app.
    pub(crate) warm: f64,
    /// `down`.
    pub(crate) down: f64,
    /// The steps of the last warm `up`, as it printed them.
    pub(crate) steps: Vec<(String, u64)>,
}

/// Drives the release binary on a copy of stage 0.
///
/// # Errors
/// When a command fails; what it said is in the error.
pub(crate) fn measure(root: &Path) -> io::Result<Phases> {
    let site = Copy::new(root)?;
    let (first, steps) = site.up()?;
    let build = steps
        .iter()
        .filter(|(what, _)| what.contains("build"))
        .map(|(_, took)| *took as f64 / 1e3)
        .sum();
    let (mut warm, mut down, mut last) = (Vec::new(), vec![site.down()?], Vec::new());
    for _ in 0..ROUNDS {
        let (took, steps) = site.up()?;
        warm.push(took);
        last = steps;
        down.push(site.down()?);
    }
    Ok(Phases {
        first: first - build,
        build,
        warm: median(&warm),
        down: median(&down),
        steps: last,
    })
}

struct Copy {
    directory: PathBuf,
    binary: PathBuf,
}

impl Copy {
    fn new(root: &Path) -> io::Result<Self> {
        let directory = std::env::temp_dir().join(format!("terrace-phases-{}", std::process::id()));
        fs::create_dir_all(&directory)?;
        let made = Command::new("cp")
            .arg("-r")
            .arg(root.join("stacks"))
            .arg(&directory)
            .status()?;
        let _ = fs::remove_dir_all(directory.join("stacks/.terrace"));
        let binary = root.join("target/release/terrace");
        if made.success() {
            Ok(Self { directory, binary })
        } else {
            Err(io::Error::other("cp failed"))
        }
    }

    fn run(&self, arguments: &[&str], after: &[&str]) -> io::Result<String> {
        let mut command = Command::new(&self.binary);
        command
            .args(arguments)
            .arg(self.directory.join("stacks/0-simple_web_stack.kdl"))
            .args(after);
        // A cache of its own: the first `up` is really the first.
        let output = command
            .env("XDG_CACHE_HOME", self.directory.join("cache"))
            .output()?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        Err(io::Error::other(format!(
            "{arguments:?} failed: {}",
            String::from_utf8_lossy(&output.stderr)
        )))
    }

    /// Until a visitor has had a page of the app; and the steps that `up` printed, in ms.
    fn up(&self) -> io::Result<(f64, Vec<(String, u64)>)> {
        let start = Instant::now();
        let said = self.run(&["up", "--detach", "--json"], &[])?;
        self.run(
            &["exec", "internet", "--file"],
            &[
                "--",
                "curl",
                "-sf",
                "-o",
                "/dev/null",
                "http://www.foobar.com/",
            ],
        )?;
        let took = start.elapsed();
        let steps = said.lines().filter_map(step).collect();
        Ok((took.as_secs_f64(), steps))
    }

    fn down(&self) -> io::Result<f64> {
        let start = Instant::now();
        self.run(&["down"], &[])?;
        Ok(Duration::as_secs_f64(&start.elapsed()))
    }
}

impl Drop for Copy {
    fn drop(&mut self) {
        let _ = self.run(&["down"], &["--wipe"]);
        let _ = fs::remove_dir_all(&self.directory);
    }
}

/// A step from a line of `up --json`.
fn step(line: &str) -> Option<(String, u64)> {
    let value: serde_json::Value = serde_json::from_str(line).ok()?;
    let step = value.get("step")?;
    let text = format!(
        "{}: {}",
        step.get("what")?.as_str()?,
        step.get("text")?.as_str()?
    );
    Some((text, step.get("took")?.as_u64()?))
}
