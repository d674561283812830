//! The plan that runs, kept for the node that comes next.

use std::path::Path;

use terrace_service::kept::{self, Damaged, Wrong};
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

/// What is done about a plan that cannot be read.
const REMEDY: &str = "the coordinator tells it anew";

/// The plan that was kept.
pub(super) fn read_plan(state: &Path) -> Result<Option<ServerPlan>, Damaged> {
    let path = state.join(NAME);
    let Some(text) = kept::text(&path, REMEDY)? else {
        return Ok(None);
    };
    let damaged = |(_, why)| Damaged::new(&path, Wrong::Content(why), REMEDY);
    parse_plan(&text).map(Some).map_err(damaged)
}

/// Keeps a plan: whole, or not at all.
pub(super) fn write_plan(state: &Path, text: &str) -> Result<(), Damaged> {
    let path = state.join(NAME);
    let remedy = "it runs all the same, and is written when that can be done";
    kept::replace(&path, text.as_bytes()).map_err(Damaged::unusable(&path, remedy))
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
    fn a_plan_that_is_damaged_is_named_and_not_taken_for_none() {
        let state = tempfile::tempdir().unwrap();
        let path = state.path().join(NAME);
        for damage in [&b""[..], b"{", b"\xff", b"[]", &PLAN.as_bytes()[..40]] {
            std::fs::write(&path, damage).unwrap();
            let said = read_plan(state.path()).unwrap_err().to_string();
            assert!(said.starts_with(&path.display().to_string()), "{said}");
        }
        std::fs::remove_file(&path).unwrap();
        std::fs::create_dir(&path).unwrap();
        assert!(read_plan(state.path()).is_err());
        let said = write_plan(state.path(), PLAN).unwrap_err().to_string();
        assert!(said.starts_with(&path.display().to_string()), "{said}");
    }

    #[test]
    fn a_plan_of_another_format_is_refused_by_its_number() {
        let (generation, why) =
            parse_plan(&PLAN.replace("\"format\":1", "\"format\":9")).unwrap_err();
        assert_eq!(generation, 7);
        assert!(why.contains("format 9"), "{why}");
    }
}
