//! What a person must know of builds, and of a state that was removed under a site.

use std::time::Duration;

use terrace_protocol::control::{BuildState, BuildStatus, Lost, Status};

use super::shell::quoted_path;
use super::span;

/// A paragraph for each server that waits for its turn, each directory that is lost, and each build that has failed or is underway.
pub(crate) fn text(status: &Status, now: u64) -> String {
    let builds: String = status.builds.iter().map(|build| one(build, now)).collect();
    waiting(status) + &lost(status) + &builds
}

fn one(build: &BuildStatus, now: u64) -> String {
    let ago = span(Duration::from_millis(now.saturating_sub(build.since)));
    let app = &build.app;
    let log = match &build.log {
        Some(path) => format!("  terrace logs --build {app}    {}\n", path.display()),
        None => String::new(),
    };
    match (build.state, &build.failure) {
        (BuildState::Built, _) => String::new(),
        (BuildState::Building, _) => {
            format!("\n{app}  its release is being built, for {ago} now\n{log}")
        }
        (BuildState::Failed, failure) => {
            let failure = failure.clone().unwrap_or_default();
            let lines = failure.lines.iter().map(|line| format!("    {line}\n"));
            let lines: String = lines.collect();
            let remedy = failure.remedy.map(|remedy| format!("{remedy}; "));
            format!(
                "\n! {app}  its build failed {ago} ago: {}\n{lines}  {}`terrace up` tries again\n{log}",
                failure.cause,
                remedy.unwrap_or_default()
            )
        }
    }
}

/// The servers that keep what they ran before the file changed.
fn waiting(status: &Status) -> String {
    let waiting = status.servers.iter().filter(|server| server.waits);
    let lines = waiting.map(|server| {
        let name = &server.name;
        format!(
            "\n! {name} waits: it runs what it ran before, until the servers before it are ready\n"
        )
    });
    lines.collect()
}

/// A paragraph for each directory of the state that was removed or moved while the site runs, and for what cannot be written there.
fn lost(status: &Status) -> String {
    let one = |lost: &Lost| {
        let next = match &lost.moved {
            Some(moved) => {
                let (moved, path) = (quoted_path(moved), quoted_path(&lost.path));
                format!("the site needs it where it was: mv {moved} {path}")
            }
            None => "what is written there is lost\n  \
                 save what you can with `terrace exec`, then `terrace down` and `terrace up`"
                .to_owned(),
        };
        format!("\n! {lost} while the site runs: {next}\n")
    };
    let unkept = status.unkept.iter();
    let unkept =
        unkept.map(|why| format!("\n! what is remembered of the site is not written: {why}\n"));
    status.lost.iter().map(one).chain(unkept).collect()
}

#[cfg(test)]
mod tests {
    use terrace_protocol::build::Failure;

    use super::*;

    #[test]
    fn what_is_not_written_is_said() {
        let status = Status {
            unkept: Some("/x/plans/web-01.json is a directory: remove it".into()),
            ..Status::default()
        };
        assert!(lost(&status).contains("is not written: /x/plans/web-01.json"));
    }

    #[test]
    fn a_state_that_was_moved_is_not_said_to_be_removed() {
        let mut status = Status::default();
        status.lost.push(Lost {
            path: "/x/.terrace".into(),
            moved: Some("/my x/.terrace".into()),
        });
        assert_eq!(
            lost(&status),
            "\n! /x/.terrace was moved to /my x/.terrace while the site runs: \
             the site needs it where it was: mv '/my x/.terrace' /x/.terrace\n"
        );
        status.lost[0].moved = None;
        let said = lost(&status);
        assert!(said.starts_with("\n! /x/.terrace was removed"), "{said}");
    }

    #[test]
    fn a_failed_build_is_shown_with_its_age_its_last_lines_and_its_log() {
        let mut build = BuildStatus {
            app: "foobar".into(),
            state: BuildState::Failed,
            since: 1_000,
            failure: Some(Failure {
                cause: "the build command `npm ci` ended with exit code 1".into(),
                remedy: Some("mend it".into()),
                lines: vec!["first".into(), "last".into()],
            }),
            log: Some("/x/builds/foobar.log".into()),
        };
        let said = one(&build, 181_000);
        assert_eq!(
            said,
            "\n! foobar  its build failed 3 min ago: the build command `npm ci` ended with exit code 1\n    first\n    last\n  \
             mend it; `terrace up` tries again\n  terrace logs --build foobar    /x/builds/foobar.log\n"
        );
        build.state = BuildState::Building;
        assert!(one(&build, 15_000).contains("is being built, for 14 s now"));
        build.state = BuildState::Built;
        assert_eq!(one(&build, 15_000), "");
    }
}
