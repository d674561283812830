//! A load from the visitor's host, beside whatever a story does.

use std::fs::File;
use std::io::Seek;
use std::process::{Child, Stdio};
use std::time::Duration;

use terrace_lab::load::{Load, Record};

use crate::harness::{Site, wait};

/// A load that runs.
pub(crate) struct Underway {
    child: Child,
    records: File,
}

impl Underway {
    /// Begins it; a site must be up.
    pub(crate) fn start(site: &Site, load: &Load) -> Self {
        let records = tempfile::tempfile().unwrap();
        let order = serde_json::to_string(load).unwrap();
        let mut command = site.command(&[
            "exec",
            "internet",
            "--",
            // By its own link: the host need not see where the binary lies.
            "/proc/self/exe",
            "internal",
            "load",
            &order,
        ]);
        let child = command
            .stdin(Stdio::null())
            .stdout(records.try_clone().unwrap())
            .spawn()
            .unwrap();
        Self { child, records }
    }

    /// Waits for its end, and returns every request.
    pub(crate) fn records(mut self) -> Vec<Record> {
        assert!(wait(&mut self.child, Duration::from_secs(180)).success());
        self.records.rewind().unwrap();
        serde_json::from_reader(&self.records).unwrap()
    }

    /// Whether it still asks.
    pub(crate) fn goes_on(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }
}
