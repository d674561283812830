//! The plan that runs, kept for the node that comes next.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use terrace_site::plan::{FORMAT, ServerPlan};

const NAME: &str = "plan.json";

/// Understands a plan, or says why it cannot be run, with the generation as far as it can be read.
pub(super) fn parse_plan(text: &str) -> Result<ServerPlan, (u64, String)> {
    #[derive(serde::Deserialize)]
    struct Envelope {
        format: u32,
        generation: u64,
    }
    let envelope: Envelope =
        serde_json::from_str(text).map_err(|error| (0, format!("it is no plan: {error}")))?;
    if envelope.format != FORMAT {
        let why = format!(
            "it has format {}, this binary knows {FORMAT}: run one binary everywhere",
            envelope.format
        );
        return Err((envelope.generation, why));
    }
    serde_json::from_str(text)
        .map_err(|error| (envelope.generation, format!("it cannot be read: {error}")))
}

/// The plan that was kept.
pub(super) fn read_plan(state: &Path) -> io::Result<Option<ServerPlan>> {
    let text = match fs::read_to_string(state.join(NAME)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        text => text?,
    };
    parse_plan(&text)
        .map(Some)
        .map_err(|(_, why)| io::Error::other(why))
}

/// Keeps a plan: whole, or not at all.
pub(super) fn write_plan(state: &Path, text: &str) -> io::Result<()> {
    let fresh = state.join("plan.json.new");
    let write = || {
        let mut file = File::create(&fresh)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&fresh, state.join(NAME))
    };
    let written = write();
    if written.is_err() {
        // Half a plan is of no use, and takes room.
        let _ = fs::remove_file(&fresh);
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAN: &str = r#"{"format":1,"site":"s","server":"web-01","generation":7,"hash":"","addresses":[],"roles":[]}"#;

    #[test]
    fn a_plan_is_kept_whole() {
        let state = tempfile::tempdir().unwrap();
        assert!(read_plan(state.path()).unwrap().is_none());
        write_plan(state.path(), PLAN).unwrap();
        assert_eq!(read_plan(state.path()).unwrap().unwrap().generation, 7);
    }

    #[test]
    fn a_plan_of_another_format_is_refused_by_its_number() {
        let (generation, why) =
            parse_plan(&PLAN.replace("\"format\":1", "\"format\":9")).unwrap_err();
        assert_eq!(generation, 7);
        assert!(why.contains("format 9"), "{why}");
    }
}
