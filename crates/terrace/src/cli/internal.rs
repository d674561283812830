//! The processes that the binary runs as. Not for people: each is started by another of ours, with what it
//! must know as JSON.

use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use serde::de::DeserializeOwned;
use terrace_http::spool::Spool;
use terrace_lab::Location;
use terrace_service::{Diagnostics, Role};

use super::client::runtime;
use super::{FELL_SHORT, Outcome};

/// A process of Terrace's own.
#[derive(Args)]
pub(crate) struct Internal {
    #[command(subcommand)]
    process: Process,
}

#[derive(Subcommand)]
enum Process {
    /// Owns a rehearsal.
    Coordinator { start: String },
    /// The first process of a host: makes it one, then is its keeper.
    Host { host: String },
    /// Reconciles what runs on a server with its plan.
    Node { home: String },
    /// A role of our own, without privilege.
    Role { word: String, id: String },
    /// Asks as many visitors would, from the network that it is started in, and prints what came of it.
    Load { load: String },
    /// The web server alone, on this address: for benchmarks.
    Web {
        #[arg(long)]
        plan: PathBuf,
        #[arg(long)]
        files: Option<PathBuf>,
        #[arg(long)]
        access_log: Option<PathBuf>,
    },
    /// The load balancer alone, on this address: for benchmarks.
    Balancer {
        #[arg(long)]
        plan: PathBuf,
        #[arg(long)]
        access_log: Option<PathBuf>,
    },
    /// Makes a release.
    Build { releases: PathBuf },
}

impl Internal {
    /// Runs the process to its end. Why it fails is said here: where it says it may have no room, and nobody may read it.
    pub(super) fn run(self) -> ExitCode {
        let diagnostics = Diagnostics::begin();
        let filter =
            tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "info".into());
        let lines = diagnostics.clone();
        tracing_subscriber::fmt()
            .with_env_filter(filter)
            .with_writer(move || lines.clone())
            .log_internal_errors(false)
            .with_ansi(false)
            .init();
        self.process.run(&diagnostics).unwrap_or_else(|error| {
            diagnostics.last_words(&format!("terrace: {error:#}"));
            ExitCode::from(FELL_SHORT)
        })
    }
}

impl Process {
    fn run(self, diagnostics: &Diagnostics) -> Outcome {
        match self {
            Process::Coordinator { start } => {
                let start: terrace_lab::client::Start = told(&start)?;
                diagnostics.move_to(&Location::of(&start.file, &start.site)?.log());
                terrace_lab::coordinator::run(start, diagnostics)
            }
            Process::Host { host } => {
                let host: terrace_lab::hosts::Host = told(&host)?;
                terrace_lab::hosts::become_host(&host)?;
                let home = host.home();
                diagnostics.move_to(&home.logs.join("keeper.log"));
                diagnostics.write_in_background()?;
                terrace_node::keeper::run(&home)
            }
            Process::Node { home } => {
                let home: terrace_protocol::node::Home = told(&home)?;
                diagnostics.move_to(&home.logs.join("node.log"));
                diagnostics.write_in_background()?;
                terrace_node::node::run(home)
            }
            Process::Role { word, id } => role(&word, id),
            Process::Load { load } => {
                let records = terrace_lab::load::run(&told(&load)?)?;
                serde_json::to_writer(std::io::stdout().lock(), &records)?;
                Ok(ExitCode::SUCCESS)
            }
            Process::Web {
                plan,
                files,
                access_log,
            } => web_alone(&plan, files, access_log),
            Process::Balancer { plan, access_log } => balancer_alone(&plan, access_log),
            Process::Build { releases } => {
                terrace_lab::hosts::become_builder(&releases)?;
                Ok(terrace_app::build::main(
                    &terrace_lab::hosts::end_all_others,
                ))
            }
        }
    }
}

fn told<T: DeserializeOwned>(text: &str) -> anyhow::Result<T> {
    serde_json::from_str(text).context("this process was not started by one of ours")
}

fn role(word: &str, id: String) -> Outcome {
    runtime()?.block_on(async {
        let role = Role::inherited(id)?;
        match word {
            "load-balancer" => terrace_balancer::run(role).await?,
            "web" => terrace_web::run(role).await?,
            "router" => terrace_database::router::run(role).await?,
            "dns" => terrace_dns::run(role).await?,
            "agent" => terrace_monitor::agent::run(role).await?,
            other => bail!("no role is called {other}"),
        }
        Ok(ExitCode::SUCCESS)
    })
}

fn web_alone(plan: &Path, files: Option<PathBuf>, access_log: Option<PathBuf>) -> Outcome {
    let plan: terrace_site::plan::WebPlan = told(&std::fs::read_to_string(plan)?)?;
    let listeners = listeners(&plan.listen)?;
    let files = files.map(std::fs::File::open).transpose()?.map(Into::into);
    let access_log = access_log.map(appended).transpose()?;
    let spool = Spool::temporary()?;
    runtime()?.block_on(terrace_web::serve(
        plan, listeners, files, access_log, spool,
    ))?;
    Ok(ExitCode::SUCCESS)
}

fn balancer_alone(plan: &Path, access_log: Option<PathBuf>) -> Outcome {
    let plan: terrace_site::plan::BalancerPlan = told(&std::fs::read_to_string(plan)?)?;
    let listeners = listeners(&plan.listen)?;
    let access_log = access_log.map(appended).transpose()?;
    let spool = Spool::temporary()?;
    runtime()?.block_on(terrace_balancer::serve(plan, listeners, access_log, spool))?;
    Ok(ExitCode::SUCCESS)
}

fn listeners(addresses: &[SocketAddr]) -> std::io::Result<Vec<TcpListener>> {
    let listeners = addresses.iter().copied();
    listeners.map(terrace_service::socket::listen).collect()
}

fn appended(path: PathBuf) -> std::io::Result<OwnedFd> {
    let opened = std::fs::File::options()
        .append(true)
        .create(true)
        .open(path);
    opened.map(Into::into)
}
