//! `terrace secret`: passwords and keys of the site.

use std::io::Read;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::{Args, Subcommand};
use terrace_service::SecretStore;

use super::Outcome;
use super::output::{Output, say};
use super::site_file::running;

/// Keeps passwords and keys of the site outside of its file.
#[derive(Args)]
#[command(after_help = "Example:\n  terrace secret set STRIPE_KEY < key.txt")]
pub(crate) struct Secret {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Sets a secret to what standard input says, without the line's end.
    Set {
        /// The name that the file gives it.
        name: String,
        /// The site's file.
        #[arg(long)]
        file: Option<PathBuf>,
    },
}

impl Secret {
    pub(super) fn run(self, out: &mut Output) -> Outcome {
        let Action::Set { name, file } = self.action;
        let location = running(out, file.as_deref())?;
        let mut value = String::new();
        std::io::stdin()
            .read_to_string(&mut value)
            .context("cannot read the secret from standard input")?;
        let value = value.strip_suffix('\n').map_or(value.as_str(), |value| {
            value.strip_suffix('\r').unwrap_or(value)
        });
        SecretStore::new(location.secrets())
            .write(&name, &terrace_service::Secret::new(value.to_owned()))?;
        say!(
            out,
            "{name} is set; a program that runs sees it when it is started again"
        );
        Ok(ExitCode::SUCCESS)
    }
}
