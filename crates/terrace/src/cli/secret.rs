//! `terrace secret`: passwords and keys of the site.

use std::collections::BTreeSet;
use std::io::{self, IsTerminal, Read};
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::{Args, Subcommand};
use nix::sys::termios::{LocalFlags, SetArg, tcgetattr, tcsetattr};
use terrace_service::SecretStore;
use terrace_site::model::Site;

use super::Outcome;
use super::output::{Output, note, say};
use super::site_file::{SiteFile, running};

/// Keeps passwords and keys of the site outside of its file.
#[derive(Args)]
#[command(after_help = "Example:\n  terrace secret set STRIPE_KEY < key.txt")]
pub(crate) struct Secret {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Sets a secret to what standard input says, without the line's end; on a terminal it asks, and does not show what is typed.
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
        let value = read(out, &name).context("cannot read the secret from standard input")?;
        let value = value.strip_suffix('\n').map_or(value.as_str(), |value| {
            value.strip_suffix('\r').unwrap_or(value)
        });
        SecretStore::new(location.secrets())
            .write(&name, &terrace_service::Secret::new(value.to_owned()))?;
        let site = SiteFile::read_or_last_good(out, file.as_deref())
            .ok()
            .and_then(|file| terrace_site::load(&file.source).site);
        if let Some(site) = site {
            let named = names(&site);
            if !named.contains(&name) && !name.contains('/') {
                note!(out, "warning: {}", unnamed(&name, &named));
            }
        }
        say!(
            out,
            "{name} is set; a program that runs sees it when it is started again"
        );
        Ok(ExitCode::SUCCESS)
    }
}

/// What standard input says: all of it, or a line that a person is asked for.
fn read(out: &mut Output, name: &str) -> io::Result<String> {
    let mut value = String::new();
    let mut input = io::stdin();
    if !input.is_terminal() {
        input.read_to_string(&mut value)?;
        return Ok(value);
    }
    out.warn(format_args!("{name}: "));
    unseen(&input, || io::stdin().read_line(&mut value))?;
    out.note("");
    Ok(value)
}

/// Reads while the terminal does not show what is typed.
fn unseen<T>(terminal: impl AsFd, read: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    let before = tcgetattr(&terminal)?;
    let mut quiet = before.clone();
    quiet.local_flags.remove(LocalFlags::ECHO);
    tcsetattr(&terminal, SetArg::TCSAFLUSH, &quiet)?;
    let line = read();
    tcsetattr(&terminal, SetArg::TCSAFLUSH, &before)?;
    line
}

/// The secrets that the apps of a site are given.
pub(crate) fn names(site: &Site) -> BTreeSet<String> {
    let secrets = site.apps().iter().flat_map(|app| app.secrets());
    secrets.map(ToString::to_string).collect()
}

/// What is said of one that no app is given.
fn unnamed(name: &str, named: &BTreeSet<String>) -> String {
    let named: Vec<&str> = named.iter().map(String::as_str).collect();
    let there = match named[..] {
        [] => "it names none".to_owned(),
        _ => format!("it names {}", named.join(", ")),
    };
    format!("no app of the file has `secret {name}`, so nothing reads it: {there}")
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::{BufRead, BufReader, Write};

    use super::*;

    #[test]
    fn what_is_typed_is_read_and_not_shown() {
        let pair = nix::pty::openpty(None, None).unwrap();
        let (mut person, terminal) = (File::from(pair.master), File::from(pair.slave));
        let typed = unseen(&terminal, || {
            person.write_all(b"hunter2\n")?;
            let mut line = String::new();
            BufReader::new(&terminal).read_line(&mut line)?;
            Ok(line)
        });
        assert_eq!(typed.unwrap(), "hunter2\n");
        // What comes next is shown again.
        person.write_all(b"x\n").unwrap();
        let mut shown = String::new();
        BufReader::new(person).read_line(&mut shown).unwrap();
        assert!(
            shown.ends_with("x\r\n") && !shown.contains("hunter2"),
            "{shown:?}"
        );
    }

    #[test]
    fn a_secret_that_no_app_is_given_is_told_with_those_that_are() {
        let named = BTreeSet::from(["MAIL".to_owned(), "STRIPE".to_owned()]);
        let said = unnamed("NOSUCH", &named);
        assert!(
            said.contains("`secret NOSUCH`") && said.ends_with("it names MAIL, STRIPE"),
            "{said}"
        );
        assert!(unnamed("X", &BTreeSet::new()).ends_with("it names none"));
    }
}
