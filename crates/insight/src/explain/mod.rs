//! Answers to a newcomer's questions, with this site's own names, addresses and ports.
//!
//! A topic is a question; [`overview`] is what `terrace explain` prints without one. Answers are blocks of
//! text, which a terminal and a page show in their own way ([`prose`]). Nothing is known here of what runs.

mod balance;
mod data;
mod elements;
mod guard;
mod parts;
pub mod prose;
mod server;
mod topics;
mod walk;
mod words;

pub use prose::and;
use prose::{Block, paragraph, terminal};
pub use topics::{Topic, topics};

use crate::design::{Design, Tier};
use crate::failures::{Fault, Prediction, lose, predict};
use crate::findings::findings;

/// The answer to a topic, for a terminal; `None`: there is no such topic.
pub fn answer(design: &Design, topic: &str) -> Option<String> {
    let (question, blocks) = blocks(design, topic)?;
    Some(format!(
        "{question}\n\n{}{}",
        left_out(design),
        terminal(&blocks)
    ))
}

/// The question of a topic, and the answer; `None`: there is no such topic.
pub fn blocks(design: &Design, topic: &str) -> Option<(String, Vec<Block>)> {
    topics::find(design, topic)
}

/// The way of a request, what fails when it fails, what to worry about, and what else can be asked.
pub fn overview(design: &Design) -> String {
    let rows = topics(design).into_iter();
    let rows = rows.map(|topic| (topic.name, topic.question)).collect();
    let sections = [
        ("How a request travels", walk::answer(design)),
        ("What fails when it fails", failing(design)),
        ("What is wrong with this design", issues(design)),
        ("Ask: terrace explain TOPIC", vec![Block::Rows(rows)]),
    ];
    let section = |(title, blocks): &(&str, Vec<Block>)| format!("{title}\n\n{}", terminal(blocks));
    let sections: Vec<String> = sections.iter().map(section).collect();
    left_out(design) + &sections.join("\n")
}

/// Which servers stand for others, where there are too many to speak of each.
fn left_out(design: &Design) -> String {
    let others: usize = design.stands_for.values().sum();
    if others == 0 {
        return String::new();
    }
    let each = design.stands_for.iter();
    let each: Vec<String> = each
        .map(|(name, count)| format!("{name} for {count} more"))
        .collect();
    let text = format!(
        "This site has {} servers. Of those that carry the same a few stand for all: {}. `terrace explain` with a server's name tells \
         of any of them.",
        design.servers.len() + others,
        and(&each)
    );
    terminal(&[paragraph(text)]) + "\n"
}

/// A row for each single fault; faults of a server that do the same share one.
fn failing(design: &Design) -> Vec<Block> {
    let mut rows = role_fates(design);
    for server in &design.servers {
        let fates = server_fates(design, &server.name).into_iter();
        rows.extend(fates.map(|(how, lost)| (format!("{}: {how}", server.name), lost)));
    }
    vec![
        Block::Rows(rows),
        paragraph(
            "Files are sent by the web server alone; pages are made by the app; reading and writing are pages that ask the database, or change it. Again \
             and again: the database dies whenever it is started. Crash: every process of the server dies at once, and its service \
             manager starts them again. Partition: it is cut from the network. \
             Freeze: it stands still, neither dead nor answering. This is about the requests that come after the fault; those under way \
             in the very part that fails may break with it.",
        ),
    ]
}

/// What is lost with a role; servers on which it does the same share a row.
fn role_fates(design: &Design) -> Vec<(String, String)> {
    let mut found: Vec<(&str, Tier, Vec<&str>, String)> = Vec::new();
    for fault in Fault::all(design) {
        let (Fault::Kill(id) | Fault::Loop(id)) = &fault else {
            continue;
        };
        let how = match fault {
            Fault::Loop(_) => ", again and again",
            _ => "",
        };
        let Some(element) = design.element(id) else {
            continue;
        };
        let lost = lose(design, &predict(design, fault));
        let same = |row: &&mut (&str, Tier, Vec<&str>, String)| {
            (row.0, row.1) == (how, element.tier) && row.3 == lost
        };
        match found.iter_mut().find(same) {
            Some((_, _, servers, _)) => servers.push(&element.server),
            None => found.push((how, element.tier, vec![&element.server], lost)),
        }
    }
    let row = |(how, tier, servers, lost): (&str, Tier, Vec<&str>, String)| {
        let servers = prose::or(&servers);
        (format!("{} on {servers}{how}", tier.title()), lost)
    };
    found.into_iter().map(row).collect()
}

/// What is lost with a server, by the way that it fails.
fn server_fates(design: &Design, server: &str) -> Vec<(String, String)> {
    let kinds: [fn(String) -> Fault; 4] = [
        Fault::Crash,
        Fault::PowerOff,
        Fault::Partition,
        Fault::Freeze,
    ];
    let mut rows: Vec<(String, String)> = Vec::new();
    for kind in kinds {
        let fault = kind(server.to_owned());
        let word = fault.word();
        let prediction: Prediction = predict(design, fault);
        let lost = lose(design, &prediction);
        match rows.iter_mut().find(|(_, other)| *other == lost) {
            Some((words, _)) => *words = format!("{words}, {word}"),
            None => rows.push((word.to_owned(), lost)),
        }
    }
    rows
}

/// The findings, each with its line and what mends it.
fn issues(design: &Design) -> Vec<Block> {
    let found = findings(design);
    if found.is_empty() {
        return vec![paragraph("Nothing that we know of.")];
    }
    let point = |finding: crate::findings::Finding| {
        let line = finding
            .line
            .map(|line| format!(" (line {line})"))
            .unwrap_or_default();
        let remedy = format!("{}.", finding.remedy);
        (
            format!("{}{line}", finding.title),
            vec![finding.text, remedy],
        )
    };
    vec![Block::Points(found.into_iter().map(point).collect())]
}
