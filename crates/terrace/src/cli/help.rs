//! `terrace help`: the words of the file, from the vocabulary that the file is read by.

use std::process::ExitCode;

use clap::{Args, CommandFactory};
use terrace_site::reference::{self, Answer};

use super::output::{Output, say};
use super::{Cli, Outcome, WrongCall};

/// Shows the words of the file; a word with its settings, their values and defaults, and an example.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  terrace help\n  terrace help load-balancer\n  terrace help app timeouts\n  terrace help balance"
)]
pub(crate) struct Help {
    /// A word, a word inside another, or a setting; or a command.
    names: Vec<String>,
}

impl Help {
    pub(super) fn run(self, out: &mut Output) -> Outcome {
        let names: Vec<&str> = self.names.iter().map(String::as_str).collect();
        if names.is_empty() {
            out.print(reference::overview());
            return Ok(ExitCode::SUCCESS);
        }
        let command = command(&names);
        match reference::answer(&names) {
            Answer::Known(text) => {
                out.print(text);
                if command.is_some() {
                    let help = format!("terrace {} --help", names.join(" "));
                    say!(out, "\nThere is a command of this name, too: {help}");
                }
            }
            Answer::Unknown(near) => match command {
                Some(mut command) => out.print(command.render_help()),
                None => return Err(unknown(&names.join(" "), near.as_deref()).into()),
            },
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// The command that a name means.
fn command(names: &[&str]) -> Option<clap::Command> {
    let [name] = names else { return None };
    let mut all = Cli::command().bin_name("terrace");
    all.build();
    let found = all.find_subcommand(name)?;
    (!found.is_hide_set()).then(|| found.clone())
}

fn unknown(name: &str, near: Option<&str>) -> WrongCall {
    let hint = match near {
        Some(near) => format!("did you mean `{near}`?"),
        None => "`terrace help` lists the words, `terrace` the commands".to_owned(),
    };
    const LONGEST: usize = 40;
    let name = match name.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &name[..end]),
        None => name.to_owned(),
    };
    WrongCall(format!(
        "there is no word, setting or command `{name}`: {hint}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_a_word_a_setting_or_a_command_that_people_call() {
        assert!(command(&["up"]).is_some());
        assert!(command(&["internal"]).is_none());
        assert!(command(&["app", "health"]).is_none());
        assert!(matches!(reference::answer(&["up"]), Answer::Unknown(_)));
        assert_eq!(
            unknown("webb", Some("web")).to_string(),
            "there is no word, setting or command `webb`: did you mean `web`?"
        );
        let long = unknown(&"ä".repeat(300), None).to_string();
        assert!(long.contains(&format!("`{}…`", "ä".repeat(40))), "{long}");
    }
}
