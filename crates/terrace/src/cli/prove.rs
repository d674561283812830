//! `terrace prove`: every predicted fault is injected, under load, and the outage stands beside the prediction.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use terrace_insight::Design;
use terrace_insight::failures::Effect;
use terrace_lab::client::{self, Start};
use terrace_lab::proof::{Case, Row, Verdict, cases, round, settle, summary, unseen};
use terrace_protocol::control::{Reply, Request};
use terrace_site::model::Site;

use super::client::{runtime, unexpected};
use super::output::{self, Output, Table, note, say};
use super::site_file::{SiteFile, running};
use super::up::{is_missing, is_refused, tell};
use super::{FELL_SHORT, Outcome, WRONG_CALL, WrongCall};

/// A failure that is predicted has so many rounds to show.
const ROUNDS: usize = 3;

/// Proves the design: brings the site up where it is not, loads it, injects every single fault, and prints what
/// was predicted beside what visitors had of it. A failure or a wait that was predicted and shows in no round, and one that
/// lasts longer than its bound, are wrong predictions too. Exit code 1: a prediction was wrong.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  terrace prove\n  terrace prove --fault 'kill web-01/web' --fault 'power-off web-01'\n  \
                  terrace prove site.kdl --write '/ name=Prove&message=entry+{number}'"
)]
pub(crate) struct Prove {
    /// The site's file.
    file: Option<PathBuf>,
    /// Only faults whose title contains this: `kill`, `web-02`, `power-off web-01`.
    #[arg(long)]
    fault: Vec<String>,
    /// The page that reads the database.
    #[arg(long, default_value = "/")]
    read: String,
    /// What visitors post: a path and a form; {number} becomes a number, by which each write that was acknowledged is looked
    /// for in the database afterwards.
    #[arg(long, value_name = "PATH FORM")]
    write: Option<String>,
    /// For how many seconds a fault lasts that must be mended, where something is promised to stay up meanwhile.
    #[arg(long, default_value_t = 60, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=3600))]
    held: u64,
    /// The order and the moments of the faults follow from this number.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Print facts for a program, one a line.
    #[arg(long)]
    json: bool,
}

impl Prove {
    pub(super) fn run(self, out: &mut Output) -> Outcome {
        let file = SiteFile::read_or_running(self.file.as_deref())?;
        let Some(site) = file.site(out) else {
            return Ok(ExitCode::from(WRONG_CALL));
        };
        if is_refused(out, &file, &site) {
            return Ok(ExitCode::from(WRONG_CALL));
        }
        let write = self.write.as_deref().map(written).transpose()?;
        let visits = round::Visits {
            read: self.read.clone(),
            write,
        };
        runtime()?.block_on(self.prove(out, &file, &site, &visits))
    }

    async fn prove(
        &self,
        out: &mut Output,
        file: &SiteFile,
        site: &Site,
        visits: &round::Visits,
    ) -> Outcome {
        let started = match start(out, file, site).await? {
            Ok(started) => started,
            Err(refused) => return unexpected(out, refused),
        };
        let location = running(out, Some(&file.path))?;
        let load = round::load(site, location.base(), visits)?;
        let status = round::status(&location).await?;
        let mut cases = cases(&Design::of(site), &status);
        cases.retain(|case| self.wants(case));
        let mut dice = Dice(self.seed);
        dice.shuffle(&mut cases);
        let mut rows = Vec::new();
        let program = std::env::current_exe()?;
        for (number, case) in cases.iter().enumerate() {
            note!(out, "{} of {}: {}", number + 1, cases.len(), case.title());
            let mut rounds = Vec::new();
            // What was predicted may have met nobody: it has as many chances to show.
            while rounds.len() < ROUNDS && unseen(&rounds) {
                let jitter = Duration::from_millis(dice.below(1_000));
                let held = self.held(case, rounds.len());
                rounds.push(round::round(&location, &program, &load, case, (jitter, held)).await?);
            }
            rows.extend(summary(rounds));
        }
        settle(&mut rows);
        if started {
            stop(&location).await?;
        }
        if self.json {
            for row in &rows {
                say!(out, "{}", serde_json::to_string(row)?);
            }
        } else {
            out.print(table(&rows));
            say!(out, "{}", sentence(&rows, self.seed));
        }
        let agree = rows.iter().all(|row| row.verdict == Verdict::Agrees);
        Ok(ExitCode::from(if agree { 0 } else { FELL_SHORT }))
    }

    /// How long a fault lasts: what stays up is held for the whole time, once.
    fn held(&self, case: &Case, round: usize) -> Duration {
        if case.promises() && round == 0 {
            Duration::from_secs(self.held)
        } else {
            round::SHORT
        }
    }

    fn wants(&self, case: &Case) -> bool {
        self.fault.is_empty()
            || self
                .fault
                .iter()
                .any(|wanted| case.title().contains(wanted))
    }
}

/// `/path form`.
fn written(text: &str) -> anyhow::Result<(String, String)> {
    match text.split_once(' ') {
        Some((path, form)) if path.starts_with('/') && form.contains("{number}") => {
            Ok((path.to_owned(), form.to_owned()))
        }
        _ => Err(WrongCall(format!(
            "--write takes a path and a form with a number, `/ name=Prove&message=entry+{{number}}`, and not `{text}`"
        ))
        .into()),
    }
}

/// Brings the site up where it is not; `true`: it was not.
async fn start(
    out: &mut Output,
    file: &SiteFile,
    site: &Site,
) -> anyhow::Result<Result<bool, Reply>> {
    let start = Start {
        file: file.path.clone(),
        site: site.name().to_string(),
        port: 8080,
    };
    let location = terrace_lab::Location::of(&file.path, &start.site)?;
    if client::connect(&location).await?.is_some() {
        return Ok(Ok(false));
    }
    if is_missing(out, file) {
        return Err(WrongCall("the site cannot come up".to_owned()).into());
    }
    let mut connection = client::start(&start).await?;
    connection
        .sender
        .send(&Request::Up {
            file: location.file().to_owned(),
            detach: true,
        })
        .await?;
    loop {
        match connection.receiver.receive().await?.message {
            Reply::Step(_) => {}
            Reply::Ready(_) => return Ok(Ok(true)),
            Reply::Incomplete(troubles) => {
                tell(out, &troubles);
                return Err(anyhow::anyhow!(
                    "a site that does not come up proves nothing"
                ));
            }
            refused => return Ok(Err(refused)),
        }
    }
}

async fn stop(location: &terrace_lab::Location) -> anyhow::Result<()> {
    if let Some(mut connection) = client::connect(location).await? {
        connection.sender.send(&Request::Down).await?;
        // It ends with the coordinator.
        while connection.receiver.receive().await.is_ok() {}
    }
    Ok(())
}

fn table(rows: &[Row]) -> Table {
    let headings = [
        "FAULT",
        "FUNCTION",
        "PREDICTED",
        "MEASURED",
        "FAILED",
        "OF",
        "IN FLIGHT",
        "BACK AFTER",
        "LONGEST WAIT",
        "LOST",
        "AGREE",
    ];
    let mut table = Table::new(&headings, &[4, 5, 6, 7, 8, 9]);
    let mut sorted: Vec<&Row> = rows.iter().collect();
    sorted.sort_by(|one, other| one.fault.cmp(&other.fault));
    for row in sorted {
        table.row(vec![
            row.fault.clone(),
            row.function.title().to_owned(),
            row.predicted.to_string(),
            word(row.seen).to_owned(),
            row.outage.failed.to_string(),
            row.outage.requests.to_string(),
            row.outage.in_flight.to_string(),
            row.outage
                .back
                .map_or_else(|| "never".to_owned(), output::latency),
            output::latency(row.outage.longest),
            row.written
                .map_or_else(String::new, |written| written.lost.to_string()),
            agrees(row.verdict),
        ]);
    }
    table
}

fn agrees(verdict: Verdict) -> String {
    match verdict {
        Verdict::Agrees => "yes".to_owned(),
        Verdict::Otherwise => "NO".to_owned(),
        Verdict::Longer => "NO: longer".to_owned(),
        Verdict::Unseen(rounds) => format!("NO: not seen in {rounds} rounds"),
        Verdict::Lost => "NO: writes are lost".to_owned(),
    }
}

fn word(effect: Effect) -> &'static str {
    match effect {
        Effect::Kept => "kept",
        Effect::Pause => "a pause",
        Effect::Lost => "lost",
    }
}

fn sentence(rows: &[Row], seed: u64) -> String {
    let agree = rows
        .iter()
        .filter(|row| row.verdict == Verdict::Agrees)
        .count();
    let written = || rows.iter().filter_map(|row| row.written);
    let mut sentence = format!(
        "{agree} of {} predictions agree with what was measured (seed {seed})",
        rows.len()
    );
    if written().next().is_some() {
        let acknowledged: u64 = written().map(|one| one.acknowledged).sum();
        let lost: u64 = written().map(|one| one.lost).sum();
        sentence += &format!("; of {acknowledged} acknowledged writes {lost} are lost");
    }
    sentence
}

/// Numbers that follow from the seed: a small generator of Marsaglia's, xorshift64*.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u64) -> u64 {
        // Its only forbidden state is zero.
        self.0 = self.0.max(1);
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % limit.max(1)
    }

    fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            let chosen = self.below(last as u64 + 1) as usize;
            items.swap(last, chosen);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_write_that_could_not_be_looked_for_is_refused() {
        let form = written("/ name=Prove&message=entry+{number}").unwrap();
        assert_eq!(
            form,
            ("/".into(), "name=Prove&message=entry+{number}".into())
        );
        for text in ["/ name=Prove&message=entry", "name={number}", "/{number}"] {
            let error = written(text).unwrap_err();
            assert!(error.is::<WrongCall>(), "{text}: {error}");
        }
    }
}
