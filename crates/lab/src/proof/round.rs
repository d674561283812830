//! One case: the load begins, something breaks, is mended where it must be, and the load ends.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::Context;
use terrace_insight::failures::Function;
use terrace_protocol::control::{Reply, Request, Status};
use terrace_service::clock;
use terrace_site::model::Site;
use terrace_site::wiring::{HTTP, wire};

use super::{Case, Row, Written, row, written};
use crate::Location;
use crate::client::ask;
use crate::load::{Kind, Load, Record, outage};

/// What takes longer has failed: visitors do not wait for ever.
const PATIENCE: Duration = Duration::from_secs(6);
/// From the start of the load to the fault: connections are warm then.
const BEFORE: Duration = Duration::from_millis(1_500);
/// How long a fault lasts that takes everything away until it is mended: it has nothing more to show.
pub const SHORT: Duration = Duration::from_secs(8);
/// Between two kills of a process that is not to stay up.
const AGAIN: Duration = Duration::from_millis(100);
/// From a fault, or its end, to the end of the load.
const AFTER: Duration = Duration::from_secs(6);
/// So many numbers belong to a round.
const NUMBERS: u64 = 10_000;
/// A site that is not well again by then has not recovered.
const WELL_WITHIN: Duration = Duration::from_secs(90);

/// What visitors do.
#[derive(Clone, Debug)]
pub struct Visits {
    /// The page that reads the database.
    pub read: String,
    /// What is posted, and where: path and form. `None`: nobody writes.
    pub write: Option<(String, String)>,
}

/// The load of a proof: the functions that it exercises, in the order of its kinds.
pub fn load(site: &Site, base: &Path, visits: &Visits) -> anyhow::Result<(Load, Vec<Function>)> {
    let wiring = wire(site);
    let entry = wiring.addresses.first().context("the site has no entry")?;
    let kind = |name: &str, path: &str, rate| Kind::reading(name, path, rate).kept_alive();
    let mut kinds = Vec::new();
    if let Some(path) = file(site, base) {
        kinds.push((Function::Files, kind("files", &path, 40.0)));
    }
    if let Some(health) = site.apps().first().and_then(|app| app.health().path()) {
        kinds.push((Function::Pages, kind("pages", &health.to_string(), 20.0)));
    }
    if site.database().is_some() && !site.apps().is_empty() {
        kinds.push((Function::Reads, kind("reads", &visits.read, 20.0)));
        if let Some((path, form)) = &visits.write {
            let kind = Kind {
                form: Some(form.clone()),
                ..kind("writes", path, 10.0)
            };
            kinds.push((Function::Writes, kind));
        }
    }
    let (functions, kinds) = kinds.into_iter().unzip();
    let load = Load {
        target: (*entry, HTTP).into(),
        host: site.name().to_string(),
        lasts: Duration::ZERO,
        patience: PATIENCE,
        first: 0,
        kinds,
    };
    Ok((load, functions))
}

/// The path of some file that the web servers send.
fn file(site: &Site, base: &Path) -> Option<String> {
    let directory = base.join(site.web()?.files()?.as_path());
    let mut names: Vec<PathBuf> = std::fs::read_dir(directory)
        .ok()?
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.is_file())
        .collect();
    names.sort();
    let sent = |path: &PathBuf| {
        let extension = path.extension().and_then(|extension| extension.to_str());
        matches!(extension, Some("css" | "js" | "svg" | "png" | "html"))
    };
    let name = names.into_iter().find(sent)?;
    Some(format!("/{}", name.file_name()?.to_str()?))
}

/// Carries a case out. `program`: this binary; `jitter`: how much later than usual the fault comes; `held`: how long it
/// lasts where it must be mended.
///
/// # Errors
/// When the load or the fault cannot be started, or the site is not well before or after it.
pub async fn round(
    location: &Location,
    program: &Path,
    load: &(Load, Vec<Function>),
    case: &Case,
    (jitter, held): (Duration, Duration),
) -> anyhow::Result<Vec<Row>> {
    well(location).await?;
    // No two rounds post the same, and what belongs to one is found by how its numbers begin.
    let prefix = clock::unix_millis();
    let first = prefix * NUMBERS;
    let held = if case.lasts() { held } else { Duration::ZERO };
    let lasts = BEFORE + jitter + held + AFTER;
    let (mut child, functions) = (
        start(
            location,
            program,
            &Load {
                lasts,
                first,
                ..load.0.clone()
            },
        )?,
        &load.1,
    );
    tokio::time::sleep(BEFORE + jitter).await;
    let at = broken(location, Request::Break(case.fault.clone())).await?;
    let mended = hold(location, case, held).await?;
    let mended = mended.map(|mended| mended.saturating_sub(at));
    let records = tokio::task::spawn_blocking(move || records(&mut child)).await??;
    well(location).await?;
    let lost = lost(location, load, &records, prefix).await?;
    let judged = functions.iter().enumerate().filter_map(|(kind, function)| {
        let mut expected = case.expected.iter();
        let predicted = expected.find(|one| one.function == *function)?;
        let outage = outage::since(&records, at, Some(kind));
        let written = lost.filter(|_| *function == Function::Writes);
        Some(row(case, predicted.clone(), outage, mended, written))
    });
    Ok(judged.collect())
}

/// Keeps it broken for as long as it is to last, and mends it: when that was.
async fn hold(location: &Location, case: &Case, held: Duration) -> anyhow::Result<Option<u64>> {
    if !case.lasts() {
        return Ok(None);
    }
    let until = tokio::time::Instant::now() + held;
    if !case.again {
        tokio::time::sleep_until(until).await;
        return Ok(Some(broken(location, Request::Mend).await?));
    }
    while tokio::time::Instant::now() < until {
        tokio::time::sleep(AGAIN).await;
        // It may be down already.
        ask(location, Request::Break(case.fault.clone())).await?;
    }
    Ok(Some(clock::unix_micros()))
}

/// What became of the writes that were acknowledged. `None`: nothing is written that could be told apart.
async fn lost(
    location: &Location,
    load: &(Load, Vec<Function>),
    records: &[Record],
    prefix: u64,
) -> anyhow::Result<Option<Written>> {
    let kind = load
        .1
        .iter()
        .position(|function| *function == Function::Writes);
    let numbered = |kind: &usize| {
        let form = load.0.kinds[*kind].form.as_deref();
        form.is_some_and(|form| form.contains("{number}"))
    };
    let Some(kind) = kind.filter(numbered) else {
        return Ok(None);
    };
    let text = prefix.to_string();
    let found = match ask(location, Request::Find { text }).await? {
        Reply::Found(found) => found,
        Reply::Failed { cause, .. } => anyhow::bail!(cause),
        Reply::Refused(refused) => anyhow::bail!(refused.reason),
        other => anyhow::bail!("the coordinator answered with something else: {other:?}"),
    };
    let of_kind = records.iter().filter(|record| record.kind == kind);
    let acknowledged = of_kind.filter(|record| record.outcome.is_done());
    Ok(Some(written(
        acknowledged.map(|record| record.number),
        &found,
    )))
}

/// From the visitor's host: the program enters it by itself.
fn start(location: &Location, program: &Path, load: &Load) -> anyhow::Result<Child> {
    let mut command = Command::new(program);
    command
        .args(["exec", "internet", "--file"])
        .arg(location.file())
        .args(["--", "/proc/self/exe", "internal", "load"])
        .arg(serde_json::to_string(load)?);
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .context("the load cannot be started")
}

fn records(child: &mut Child) -> anyhow::Result<Vec<Record>> {
    let mut text = String::new();
    if let Some(output) = &mut child.stdout {
        output.read_to_string(&mut text)?;
    }
    anyhow::ensure!(child.wait()?.success(), "the load failed");
    Ok(serde_json::from_str(&text)?)
}

async fn broken(location: &Location, request: Request) -> anyhow::Result<u64> {
    match ask(location, request).await? {
        Reply::Broken { at } => Ok(at),
        Reply::Failed { cause, .. } => anyhow::bail!(cause),
        Reply::Refused(refused) => anyhow::bail!(refused.reason),
        other => anyhow::bail!("the coordinator answered with something else: {other:?}"),
    }
}

/// How the site stands.
///
/// # Errors
/// When it is not up.
pub async fn status(location: &Location) -> anyhow::Result<Status> {
    match ask(location, Request::Status).await? {
        Reply::Status(status) => Ok(*status),
        other => anyhow::bail!("the coordinator answered with something else: {other:?}"),
    }
}

/// Waits until every role serves and finds those behind it well.
async fn well(location: &Location) -> anyhow::Result<()> {
    let begun = tokio::time::Instant::now();
    loop {
        let status = status(location).await?;
        let ill: Vec<String> = status.servers.iter().flat_map(ills).collect();
        if ill.is_empty() {
            return Ok(());
        }
        anyhow::ensure!(
            begun.elapsed() < WELL_WITHIN,
            "the site did not recover: {}",
            ill.join("; ")
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

fn ills(server: &terrace_protocol::control::ServerStatus) -> Vec<String> {
    let Some(report) = server.report.as_ref().filter(|_| server.up) else {
        return vec![format!("{} is down", server.name)];
    };
    let roles = report.roles.iter().filter(|role| !role.is_well());
    roles
        .map(|role| format!("{}: {}", role.id, role.reason))
        .collect()
}
