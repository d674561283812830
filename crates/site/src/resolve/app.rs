//! `app`: the site's own program.

use std::collections::HashMap;
use std::time::Duration;

use crate::model::{
    App, Command, Cpu, FilePath, FromText, Health, HttpPath, KeepDirectory, Label, Launch,
    Schedule, StopStart, Variable, VariableName, Worker,
};
use crate::problem::Problem;
use crate::read::tree::{Node, Value};

use super::context::Context;
use super::values::{child, children};
use super::vocabulary::Word;

/// A hundred ports for each app, of which some are left for what comes.
pub(super) const COPIES: std::ops::RangeInclusive<u32> = 1..=64;
pub(super) const PHP_WORKERS: std::ops::RangeInclusive<u32> = 1..=1000;
const START_WITHIN: Duration = Duration::from_secs(30);
const STOP_WITHIN: Duration = Duration::from_secs(10);
/// What such commands are written like.
const BUILD: &str = "\"npm ci && npm run build\"";
const MIGRATE: &str = "\"python3 manage.py migrate\"";

impl Context<'_> {
    pub(super) fn app(&mut self, node: &Node, word: &Word) -> Option<App> {
        if node.property("code").is_none() {
            self.missing(node, "`code`", "code=\"foobar\"", word);
        }
        let code = self.property::<FilePath>(node, "code");
        let launch = self.launch(node, word);
        let name = self.app_name(node, code.as_ref());
        let stop_start = StopStart {
            start_within: self.property(node, "start-within").unwrap_or(START_WITHIN),
            stop_within: self.property(node, "stop-within").unwrap_or(STOP_WITHIN),
        };
        let rest = App {
            members: self.members(node, word),
            name: name.unwrap_or_else(|| Label("app".to_owned())),
            code: code.clone().unwrap_or_else(|| FilePath(".".into())),
            path: self
                .property(node, "path")
                .unwrap_or_else(|| HttpPath("/".to_owned())),
            copies: self.number(node, "copies", COPIES).unwrap_or(1),
            memory: self.property(node, "memory"),
            cpu: self.cpu(node),
            build: children(node, "build")
                .filter_map(|build| self.first_like(build, BUILD))
                .collect(),
            launch: launch
                .clone()
                .unwrap_or_else(|| Launch::Run(Command(String::new()))),
            migrate: child(node, "migrate").and_then(|migrate| self.first_like(migrate, MIGRATE)),
            env: self.env(node),
            secrets: self.all_of(node, "secret"),
            keep: self.keep(node, word),
            reaches: self.all_of(node, "reaches"),
            workers: self.workers(node),
            schedules: self.schedules(node),
            health: self.app_health(node),
            timeouts: self.timeouts(node),
            stream: self.property(node, "stream"),
            stop_start,
            origin: self.origin(node.span),
        };
        // What is missing was reported; the stand-ins above only let the rest be looked at.
        (code.is_some() && launch.is_some()).then_some(rest)
    }

    fn app_name(&mut self, node: &Node, code: Option<&FilePath>) -> Option<Label> {
        if node.property("name").is_some() {
            return self.property(node, "name");
        }
        let last = code?
            .as_path()
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or_default();
        let name = Label::from_text(&last.to_lowercase());
        if let (Err(why), Some(property)) = (&name, node.property("code")) {
            let message = match last {
                "" => "the app has no name: it is called after the last part of `code`, which has none".to_owned(),
                last => format!("`{last}` cannot be the app's name: {why}"),
            };
            self.report(Problem::error(
                "missing",
                message,
                property.value_span,
                "add name=foobar",
            ));
        }
        name.ok()
    }

    fn launch(&mut self, node: &Node, word: &Word) -> Option<Launch> {
        match (child(node, "run"), child(node, "php")) {
            (Some(run), None) => self.first::<Command>(run).map(Launch::Run),
            (None, Some(php)) => {
                let workers = self.number(php, "workers", PHP_WORKERS).unwrap_or(8);
                self.first::<FilePath>(php)
                    .map(|entry| Launch::Php { entry, workers })
            }
            (Some(run), Some(php)) => {
                let message = "an app is started by `run` or by `php`";
                let problem =
                    Problem::error("given-twice", message, php.name.span, "keep one of the two");
                self.report(problem.and(run.name.span, "here too"));
                None
            }
            (None, None) => {
                self.missing(
                    node,
                    "`run`",
                    "run \"…\" inside { }: the command that listens on $HOST:$PORT",
                    word,
                );
                None
            }
        }
    }

    fn app_health(&mut self, node: &Node) -> Health {
        match child(node, "health") {
            Some(health) => self.health(health),
            None => Health {
                path: self.property(node, "health"),
                ..Health::default()
            },
        }
    }

    /// `cpu=0.5`: a number, not more than the largest machines have.
    fn cpu(&mut self, node: &Node) -> Option<Cpu> {
        let property = node.property("cpu")?;
        let thousandths = match property.value {
            Value::Integer(whole) => u32::try_from(whole)
                .ok()
                .and_then(|whole| whole.checked_mul(1000)),
            #[allow(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "the range is checked beside it"
            )]
            Value::Decimal(part) if (0.0..1000.0).contains(&part) => {
                Some((part * 1000.0).round() as u32)
            }
            _ => None,
        };
        let good = thousandths.filter(|thousandths| (10..=1_000_000).contains(thousandths));
        if good.is_none() {
            let written = self.slice(property.value_span).to_owned();
            let message = format!("`{written}` is not a share of the processors");
            self.report(Problem::error(
                "wrong-value",
                message,
                property.value_span,
                "a number is expected, such as 0.5 or 2",
            ));
        }
        good.map(Cpu)
    }

    fn env(&mut self, node: &Node) -> Vec<Variable> {
        let mut found: Vec<Variable> = Vec::new();
        let mut seen: HashMap<VariableName, usize> = HashMap::new();
        for property in children(node, "env").flat_map(|env| &env.properties) {
            let name = Value::Word(property.name.value.clone());
            let Some(name) = self.text::<VariableName>(&name, property.name.span) else {
                continue;
            };
            if let Some(first) = seen.get(&name).map(|index: &usize| &found[*index]) {
                let message = format!("`{name}` is given twice");
                let problem = Problem::error(
                    "given-twice",
                    message,
                    property.name.span,
                    "keep one of the two",
                );
                self.problems
                    .push(problem.and(first.origin.span, "here first"));
                continue;
            }
            let value = match &property.value {
                Value::Word(text) | Value::Text(text) if !text.contains('\0') => text.clone(),
                Value::Bool(value) => value.to_string(),
                Value::Integer(value) => value.to_string(),
                // As written: `1.50` stays `1.50`.
                Value::Decimal(_) => self.slice(property.value_span).to_owned(),
                _ => {
                    let message = format!("`{name}` has no value");
                    self.report(Problem::error(
                        "wrong-value",
                        message,
                        property.value_span,
                        "write a text, or \"\" for an empty one",
                    ));
                    continue;
                }
            };
            let origin = self.origin(property.span);
            seen.insert(name.clone(), found.len());
            found.push(Variable {
                name,
                value,
                origin,
            });
        }
        found
    }

    fn keep(&mut self, node: &Node, word: &Word) -> Vec<KeepDirectory> {
        let mut found: Vec<KeepDirectory> = Vec::new();
        for keep in children(node, "keep") {
            let origin = self.origin(keep.span);
            let Some(name) = self.first::<Label>(keep) else {
                continue;
            };
            let at = match keep.property("at") {
                Some(_) => self.property(keep, "at"),
                None => Some(FilePath(name.as_str().into())),
            };
            let Some(at) = at else { continue };
            let inside = at.as_path().is_relative()
                && !at
                    .as_path()
                    .components()
                    .any(|part| part == std::path::Component::ParentDir);
            if !inside {
                let span = keep.property("at").map_or(keep.span, |at| at.value_span);
                let message = format!("`{at}` is not inside the release");
                let problem = Problem::error(
                    "wrong-value",
                    message,
                    span,
                    "a path in the code base is expected",
                );
                let keep = word.child("keep").map_or("", |keep| keep.example);
                self.report(problem.help(format!("it is written: {keep}")));
            } else if let Some(first) = found
                .iter()
                .find(|first| first.name == name || first.at == at)
            {
                let message = format!("`{name}` is kept twice");
                let problem = Problem::error(
                    "given-twice",
                    message,
                    keep.span,
                    "another name and place are needed",
                );
                self.problems
                    .push(problem.and(first.origin.span, "here first"));
            } else {
                found.push(KeepDirectory { name, at, origin });
            }
        }
        found
    }

    fn workers(&mut self, node: &Node) -> Vec<Worker> {
        let nodes = children(node, "worker");
        nodes
            .filter_map(|worker| {
                let (name, command) = self.name_and_command(worker)?;
                let copies = self.number(worker, "copies", COPIES).unwrap_or(1);
                Some(Worker {
                    name,
                    command,
                    copies,
                    origin: self.origin(worker.span),
                })
            })
            .collect()
    }

    fn schedules(&mut self, node: &Node) -> Vec<Schedule> {
        let nodes = children(node, "schedule");
        nodes
            .filter_map(|schedule| {
                if schedule.property("every").is_none() {
                    let message = "`schedule` needs `every`";
                    self.report(Problem::error(
                        "missing",
                        message,
                        schedule.name.span,
                        "add every=\"1d\"",
                    ));
                }
                let every = self.property(schedule, "every");
                let (name, command) = self.name_and_command(schedule)?;
                Some(Schedule {
                    name,
                    command,
                    every: every?,
                    origin: self.origin(schedule.span),
                })
            })
            .collect()
    }

    fn name_and_command(&mut self, node: &Node) -> Option<(Label, Command)> {
        let name = self.first(node);
        let command = node
            .arguments
            .get(1)
            .and_then(|command| self.argument(command));
        Some((name?, command?))
    }
}
