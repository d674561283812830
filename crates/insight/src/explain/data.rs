//! The databases: what they are for, how primary and replica work together, and what the app sees of that.

use terrace_site::model::{Ack, Reads};
use terrace_site::times;

use super::prose::{Block, paragraph};
use super::{and, parts};
use crate::design::{Design, Tier};
use crate::failures::{Recovery, seconds};

pub(super) fn database(design: &Design) -> Vec<Block> {
    let name = design
        .tier(Tier::Database)
        .next()
        .map_or("", |element| element.name.as_str());
    let engine = match design.engine {
        Some(engine) => engine.title(),
        None => "MySQL or MariaDB, which speak the same language",
    };
    vec![paragraph(format!(
        "The database keeps what must outlive a request: entries, accounts, orders. The app asks it in SQL, to find, to count, to change. \
         It sees to it that two changes at the same time do not spoil each other, and that what it has confirmed is still there after a \
         power cut. Here it is {engine}, on {}, and holds the database {name}.",
        parts::places(design, Tier::Database)
    ))]
}

pub(super) fn primary_replica(design: &Design) -> Vec<Block> {
    let databases = design.servers_of(Tier::Database);
    let mut blocks = vec![paragraph(
        "In a primary-replica cluster one database server, the primary, accepts all changes and writes each to a log, under a number. The \
         others, the replicas, copy that log over a connection to the primary and make the same changes in the same order, so they hold \
         the same data, moments later. Reading can be asked of any of them; writing only of the primary: a change made on a replica would \
         be in no other copy.",
    )];
    match databases.as_slice() {
        [] => blocks.push(paragraph("This site has no database.")),
        [only] => blocks.push(paragraph(format!(
            "Here {only} is alone, so it is the primary. It writes its log from the first day, so that a replica can join later without \
             starting over. When its disk is full, writes wait until there is room, and `terrace status` says so; logs stop before that."
        ))),
        [primary, replicas @ ..] => {
            blocks.push(paragraph(format!(
                "Here {primary} is the primary at birth (the first on the line `database`), and {} its replica, which dials {}. Afterwards \
                 `terrace status` says who is what. {}",
                and(replicas),
                replication(design),
                acknowledged(design)
            )));
            blocks.push(succession(design, primary, replicas));
        }
    }
    blocks
}

/// Where a replica fetches the log: `10.0.0.21:3307`.
fn replication(design: &Design) -> String {
    let primary = design.tier(Tier::Database).next();
    let outside = primary.and_then(|one| one.listens.iter().find(|at| !at.starts_with("127.")));
    outside.cloned().unwrap_or_else(|| "the primary".to_owned())
}

fn acknowledged(design: &Design) -> String {
    match design.ack {
        Some(Ack::Always) => {
            "A write is confirmed to the app only when a replica has received it (`ack=always`); while no replica answers, writes wait.".to_owned()
        }
        Some(Ack::None) => {
            "A write is confirmed as soon as the primary has it (`ack=none`): one that no replica has received yet is lost with the primary.".to_owned()
        }
        _ => {
            let alone = Recovery::Alone.within(design).map_or_else(String::new, seconds);
            format!(
                "A write is confirmed to the app only when a replica has received it, too (`ack=replica`), so a confirmed write outlives \
                 the loss of either server. While no replica answers, the primary waits for up to {alone}, then goes on alone, and \
                 `terrace status` says that it must not be lost now."
            )
        }
    }
}

/// Who follows a primary that is lost, and how.
fn succession(design: &Design, primary: &str, replicas: &[&str]) -> Block {
    let heir = replicas.first().copied().unwrap_or(primary);
    if design.has(Tier::Quorum) {
        return paragraph(format!(
            "When {primary} is lost, {heir} becomes the primary by itself, as soon as a majority of the quorum ({}) agrees: a primary that \
             the majority cannot hear stops writing, so there are never two. For planned work, `terrace switchover {heir}` swaps them.",
            and(&design.servers_of(Tier::Quorum))
        ));
    }
    let keeper = design.controller.as_deref().unwrap_or(primary);
    let why = if design.servers_of(Tier::Database).contains(&keeper) {
        "every other server carries a database, too"
    } else {
        "it carries no database itself"
    };
    paragraph(format!(
        "When {primary} is lost, {heir} does not take its place by itself: seen from {heir}, a dead primary and one behind a broken cable \
         look the same, and two primaries would ruin the data. An operator, who knows which it is, runs `terrace failover {heir}`; that \
         is refused where confirmed writes would be lost. The same helps when the disk of {primary} is full, where writes wait until there \
         is room: `terrace status` says so, and `terrace failover` kills the database that hangs first. For planned work, `terrace switchover {heir}` swaps the two and loses nothing. \
         Who is primary is decided and recorded on {keeper} ({why}): while that server is away the primary serves on and cannot be changed."
    ))
}

/// What the app sees of all this.
pub(super) fn router(design: &Design) -> Vec<Block> {
    let Some(router) = design.tier(Tier::Router).next() else {
        return Vec::new();
    };
    let listen = router.listens.first().map_or("", String::as_str);
    let apps = design.servers_of(Tier::App);
    let mut blocks = vec![paragraph(format!(
        "One database. The app gets one DATABASE_URL, mysql://…@{listen}/{}, {}, and connects to it as to any MySQL server. On that port \
         of its own machine the SQL router listens, which knows who is the primary at the moment. The URL never changes, not when a \
         replica joins and not when another server becomes the primary.",
        router.name,
        match apps.as_slice() {
            [_] => "at every stage of the site's growth".to_owned(),
            many => format!("the same on {}", and(many)),
        }
    ))];
    let databases = design.servers_of(Tier::Database);
    match databases.split_first() {
        Some((primary, [])) => blocks.push(paragraph(format!(
            "Here there is one database server, {primary}: it gets everything."
        ))),
        Some((primary, replicas)) => blocks.push(paragraph(split(design, primary, replicas))),
        None => {}
    }
    blocks
}

fn split(design: &Design, primary: &str, replicas: &[&str]) -> String {
    let replicas = and(replicas);
    match design.reads {
        Some(Reads::Primary) => format!(
            "Here everything goes to the primary on {primary} (`reads=primary`); {replicas} only keeps a copy."
        ),
        Some(Reads::Any) => format!(
            "Writes, and everything inside a transaction, go to the primary on {primary}. Reads go to the replica on {replicas}, whatever it \
             has so far (`reads=any`): right after a write, the page may not show it yet. Reading goes on without a primary."
        ),
        _ => format!(
            "Writes, transactions, and every statement that is not surely a read go to the primary on {primary}; plain reads go to the \
             replica on {replicas}. Everyone reads what they wrote (`reads=own-writes`): where the replica has not made those changes yet, \
             the primary is asked instead. Reading goes on without a primary: then the replica is asked that has received everything \
             that was confirmed, as soon as it has made those changes. A write waits up to {} for a primary that does not answer, and \
             up to {} while another one takes its place; it is given up at once when its client has gone.",
            seconds(times::DATABASE_AWAY),
            seconds(times::PRIMARY_CHANGES)
        ),
    }
}
