//! `terrace explain`: why each part is there, how a request travels, what fails when it fails.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use serde::Serialize;
use terrace_insight::{Design, explain, failures, findings};

use super::output::Output;
use super::site_file::SiteFile;
use super::{Outcome, WRONG_CALL, WrongCall};

/// Explains the design: why each part is there, how a request travels, what fails when it fails.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  terrace explain\n  terrace explain database\n  terrace explain web-01 --file site.kdl"
)]
pub(crate) struct Explain {
    /// A topic or a server's name; without it, the whole and the list of topics.
    topic: Option<String>,
    /// The site's file.
    #[arg(long, short)]
    file: Option<PathBuf>,
    /// Print facts for a program.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Facts {
    site: String,
    failures: Vec<failures::Prediction>,
    findings: Vec<findings::Finding>,
    topics: Vec<explain::Topic>,
    /// The servers that stand for others which are left out, each with how many those are.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    stands_for: BTreeMap<String, usize>,
}

impl Explain {
    pub(super) fn run(self, out: &mut Output) -> Outcome {
        // `terrace explain stacks/0-….kdl` means the file, not a topic of that name.
        let (topic, named) = match self.topic {
            Some(topic) if topic.ends_with(".kdl") && self.file.is_none() => {
                (None, Some(PathBuf::from(topic)))
            }
            topic => (topic, self.file),
        };
        let file = SiteFile::read_or_last_good(out, named.as_deref())?;
        let Some(site) = file.site(out) else {
            return Ok(ExitCode::from(WRONG_CALL));
        };
        let design = Design::excerpt(&site, topic.as_deref().map(str::to_lowercase).as_deref());
        if self.json {
            out.json(&Facts {
                site: design.site.clone(),
                failures: failures::predictions(&design),
                findings: findings::findings(&design),
                topics: explain::topics(&design),
                stands_for: design.stands_for.clone(),
            })?;
            return Ok(ExitCode::SUCCESS);
        }
        match topic {
            None => out.print(explain::overview(&design)),
            Some(topic) => match explain::answer(&design, &topic) {
                Some(answer) => out.print(answer),
                None => return Err(unknown(&design, &topic).into()),
            },
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn unknown(design: &Design, topic: &str) -> WrongCall {
    let names: Vec<String> = explain::topics(design)
        .into_iter()
        .map(|topic| topic.name)
        .collect();
    WrongCall(format!(
        "nothing is known of `{topic}`: ask for one of {}",
        names.join(", ")
    ))
}
