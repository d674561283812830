//! How a server stands, read from what it says of itself.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Row};
use terrace_protocol::report::Level;
use terrace_service::disk;
use terrace_site::plan::Engine;

use super::member::{Error, Member};
use super::statements;
use crate::failover::{self, Run, Standing};
use crate::gtid::{History, Position};
use crate::instance::failure::{self, Cause};

/// A replica's link to its source, as the server shows it.
pub(super) struct Link {
    pub host: String,
    pub port: u16,
    pub receives: bool,
    pub applies: bool,
    pub receive_error: (u32, String),
    pub apply_error: (u32, String),
    pub seconds: Option<u64>,
    pub received: Position,
}

pub(super) async fn link(engine: Engine, conn: &mut Conn) -> Result<Option<Link>, Error> {
    let Some(row) = conn
        .query_first::<Row, _>(statements::status(engine))
        .await?
    else {
        return Ok(None);
    };
    let text = |mariadb: &str, mysql: &str| -> String {
        let name = match engine {
            Engine::Mariadb => mariadb,
            Engine::Mysql => mysql,
        };
        let value: Option<Option<String>> =
            row.get_opt::<Option<String>, _>(name).and_then(Result::ok);
        value.flatten().unwrap_or_default()
    };
    let received = text("Gtid_IO_Pos", "Retrieved_Gtid_Set");
    let receive_error = text("Last_IO_Errno", "Last_IO_Errno").parse().unwrap_or(0);
    let apply_error = text("Last_SQL_Errno", "Last_SQL_Errno")
        .parse()
        .unwrap_or(0);
    Ok(Some(Link {
        host: text("Master_Host", "Source_Host"),
        port: text("Master_Port", "Source_Port").parse().unwrap_or(0),
        receives: text("Slave_IO_Running", "Replica_IO_Running") == "Yes",
        applies: text("Slave_SQL_Running", "Replica_SQL_Running") == "Yes",
        receive_error: (receive_error, text("Last_IO_Error", "Last_IO_Error")),
        apply_error: (apply_error, text("Last_SQL_Error", "Last_SQL_Error")),
        seconds: text("Seconds_Behind_Master", "Seconds_Behind_Source")
            .parse()
            .ok(),
        received: Position::parse(engine, &received)?,
    }))
}

pub(super) async fn applied(engine: Engine, conn: &mut Conn) -> Result<Position, Error> {
    let question = match engine {
        Engine::Mariadb => "SELECT @@GLOBAL.gtid_current_pos",
        Engine::Mysql => "SELECT @@GLOBAL.gtid_executed",
    };
    ask(engine, conn, question).await
}

/// What is in the binary log, and so may be on others: also what waits for a replica.
pub(super) async fn logged(engine: Engine, conn: &mut Conn) -> Result<Position, Error> {
    let question = match engine {
        Engine::Mariadb => "SELECT @@GLOBAL.gtid_binlog_pos",
        Engine::Mysql => "SELECT REGEXP_REPLACE(@@GLOBAL.gtid_owned, '#[0-9]+', '')",
    };
    let waits = ask(engine, conn, question).await?;
    Ok(applied(engine, conn).await?.union(waits))
}

/// All that is in its data, or may be on others.
pub(super) async fn history(engine: Engine, conn: &mut Conn) -> Result<History, Error> {
    // A copy has not logged what it was made of: it replicated that.
    let question = "SELECT CONCAT_WS(',', @@GLOBAL.gtid_binlog_state, @@GLOBAL.gtid_slave_pos)";
    Ok(match engine {
        Engine::Mariadb => {
            let text: Option<String> = conn.query_first(question).await?;
            History::mariadb(&text.unwrap_or_default())?
        }
        Engine::Mysql => History::Mysql(logged(engine, conn).await?),
    })
}

async fn ask(engine: Engine, conn: &mut Conn, question: &str) -> Result<Position, Error> {
    let text: Option<Option<String>> = conn.query_first(question).await?;
    Ok(Position::parse(
        engine,
        &text.flatten().unwrap_or_default(),
    )?)
}

pub(super) async fn position(engine: Engine, conn: &mut Conn) -> Result<Position, Error> {
    let logged = logged(engine, conn).await?;
    Ok(match link(engine, conn).await? {
        Some(link) => logged.union(link.received),
        None => logged,
    })
}

pub(super) async fn read(member: &Member, conn: &mut Conn, run: Run) -> Result<Standing, Error> {
    let engine = member.engine;
    let question = match engine {
        Engine::Mariadb => {
            "SELECT @@GLOBAL.datadir, @@GLOBAL.read_only+0, @@GLOBAL.rpl_semi_sync_master_enabled+0, \
             @@GLOBAL.rpl_semi_sync_slave_enabled+0"
        }
        Engine::Mysql => {
            "SELECT @@GLOBAL.datadir, @@GLOBAL.super_read_only+0, @@GLOBAL.rpl_semi_sync_source_enabled+0, \
             @@GLOBAL.rpl_semi_sync_replica_enabled+0"
        }
    };
    let flags: Option<(String, u8, u8, u8)> = conn.query_first(question).await?;
    let (data, read_only, semi_sync, acks) =
        flags.ok_or_else(|| Error::State("it says nothing of itself".into()))?;
    if is_full(&data) {
        return Err(Error::DiskFull(data));
    }
    let waiting: Option<(String, u64)> = conn.query_first(statements::waiting(engine)).await?;
    let locked: Vec<String> = conn.query(statements::locked_accounts(engine)).await?;
    let rows: Vec<Row> = conn.query(statements::replicas(engine)).await?;
    let connected: BTreeSet<u32> = rows
        .iter()
        .filter_map(|row| row.get_opt::<u32, _>(0)?.ok())
        .collect();
    let named = |wanted: &dyn Fn(u32) -> bool| -> BTreeSet<String> {
        let peers = member.peers.iter();
        peers
            .filter(|(_, peer)| wanted(peer.server_id))
            .map(|(name, _)| name.clone())
            .collect()
    };
    let link = link(engine, conn).await?;
    let own = logged(engine, conn).await?;
    let unapplied = link.as_ref().map_or(0, |link| own.behind(&link.received));
    let position = match &link {
        Some(link) => own.union(link.received.clone()),
        None => own,
    };
    Ok(Standing {
        run,
        writable: read_only == 0,
        semi_sync: semi_sync == 1,
        waits: waiting.is_some_and(|(_, sessions)| sessions > 0),
        position,
        link: link.map(|link| said(member, &link, acks == 1, unapplied)),
        replicas: named(&|id| connected.contains(&id)),
        barred: named(&|id| locked.contains(&statements::replica_user(id))),
    })
}

/// A server whose disk is full holds up whoever asks how far it has received, for as long as that lasts: so
/// it is not asked.
fn is_full(data: &str) -> bool {
    // A disk that says nothing of itself may have room.
    disk::of(Path::new(data)).is_ok_and(|disk| disk.level == Level::Full)
}

/// What an applier says that met a transaction which cannot follow on what it has.
const OUT_OF_ORDER: [u32; 3] = [1950, 1032, 1062];

fn said(member: &Member, link: &Link, acks: bool, unapplied: u64) -> failover::Link {
    let mut peers = member.peers.iter();
    let source = peers.find(|(_, peer)| peer.host == link.host && peer.port == link.port);
    let source = source.map_or_else(
        || format!("{}:{}", link.host, link.port),
        |(name, _)| name.clone(),
    );
    failover::Link {
        source,
        acks,
        running: link.receives && link.applies,
        diverged: link.receive_error.0 == 1236 || OUT_OF_ORDER.contains(&link.apply_error.0),
        trouble: trouble(link),
        lag: link.seconds.map(Duration::from_secs),
        unapplied,
    }
}

/// What keeps a replica from receiving or applying, and what helps.
fn trouble(link: &Link) -> Option<String> {
    let (doing, (code, text)) = if link.receive_error.0 != 0 {
        ("receive", &link.receive_error)
    } else if link.apply_error.0 != 0 {
        ("apply", &link.apply_error)
    } else {
        return None;
    };
    let failure = failure::diagnose(text);
    Some(match failure.cause {
        Cause::DiskFull => format!("{FULL}: {text}"),
        _ => format!("it cannot {doing} (error {code}): {text}"),
    })
}

/// What helps where a disk is full.
pub const FULL: &str = "its disk is full: make room, and it goes on by itself within a minute";

#[cfg(test)]
mod tests {
    use super::*;

    fn link(receive: (u32, &str), apply: (u32, &str)) -> Link {
        Link {
            host: "10.0.0.13".into(),
            port: 3307,
            receives: false,
            applies: false,
            receive_error: (receive.0, receive.1.into()),
            apply_error: (apply.0, apply.1.into()),
            seconds: None,
            received: Position::start(Engine::Mariadb),
        }
    }

    #[test]
    fn trouble_names_the_cause_and_what_helps() {
        assert_eq!(trouble(&link((0, ""), (0, ""))), None);
        let full = "Error writing file './a/b.frm' (Errcode: 28 \"No space left on device\")";
        let said = trouble(&link((0, ""), (3, full))).unwrap();
        assert!(said.starts_with(FULL) && said.ends_with(full), "{said}");
        let said = trouble(&link((1045, "Access denied"), (0, ""))).unwrap();
        assert_eq!(said, "it cannot receive (error 1045): Access denied");
    }
}
