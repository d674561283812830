//! The statements of replication, per flavour.
//!
//! Pure. Passwords stand in the texts, so a text is never logged.

use terrace_service::Secret;
use terrace_site::plan::Engine;

use crate::instance::accounts::{account, quote};

/// Where a replica finds its source, and as whom it logs in.
pub struct Source<'a> {
    /// Its address, as other servers dial it.
    pub host: &'a str,
    /// Its port.
    pub port: u16,
    /// The replica's own account there.
    pub user: &'a str,
    /// The password of that account.
    pub password: &'a Secret,
}

/// The account with which the server of this id replicates: one for each, so that one can be locked out.
pub fn replica_user(server_id: u32) -> String {
    format!("terrace_replica_{server_id}")
}

/// Asks for the replication accounts that there are.
pub const REPLICA_USERS: &str =
    "SELECT DISTINCT User FROM mysql.user WHERE User LIKE 'terrace\\_replica\\_%'";

/// The account over which servers compare themselves with their source, and MySQL's copy it. It is never locked: who is
/// locked out as a replica must still find out whether it may come back, and take a copy where it may not.
pub const COPY_USER: &str = "terrace_copy";

/// Makes a replication account, with the right to replicate and no other. Runs on the primary and reaches
/// the others as replication.
pub fn make_account(user: &str, password: &Secret) -> Vec<String> {
    make_account_with("REPLICATION SLAVE", user, password)
}

/// The same of [`COPY_USER`], with the right to copy and no other; MariaDB's copies take another way.
pub fn make_copy_account(engine: Engine, password: &Secret) -> Vec<String> {
    let right = match engine {
        Engine::Mariadb => "USAGE",
        Engine::Mysql => "BACKUP_ADMIN",
    };
    make_account_with(right, COPY_USER, password)
}

/// The account over which SQL routers ask a replica how far it has received.
pub const ROUTER_USER: &str = "terrace_router";

/// The same of [`ROUTER_USER`], with the right to ask that and no other.
pub fn make_router_account(engine: Engine, password: &Secret) -> Vec<String> {
    let right = match engine {
        Engine::Mariadb => "SLAVE MONITOR",
        Engine::Mysql => "REPLICATION CLIENT",
    };
    make_account_with(right, ROUTER_USER, password)
}

fn make_account_with(right: &str, user: &str, password: &Secret) -> Vec<String> {
    let who = account(user, "%");
    let password = quote(password.expose());
    vec![
        format!("CREATE USER IF NOT EXISTS {who} IDENTIFIED BY {password}"),
        format!("ALTER USER {who} IDENTIFIED BY {password}"),
        format!("GRANT {right} ON *.* TO {who}"),
    ]
}

/// Locks a replica's account on this server alone, or lets it in again.
pub fn lock_account(user: &str, lock: bool) -> Vec<String> {
    let state = if lock { "LOCK" } else { "UNLOCK" };
    vec![
        "SET SESSION sql_log_bin=0".to_owned(),
        format!("ALTER USER {} ACCOUNT {state}", account(user, "%")),
        "SET SESSION sql_log_bin=1".to_owned(),
    ]
}

/// Sets a closed server ajar for Terrace alone, or closes it again: `read_only` keeps the apps out meanwhile.
/// `None`: what is closed to apps is open to Terrace anyway.
pub fn set_ajar(engine: Engine, ajar: bool) -> Option<String> {
    let super_read_only = u8::from(!ajar);
    (engine == Engine::Mysql).then(|| format!("SET GLOBAL super_read_only={super_read_only}"))
}

/// Asks whether it takes no writes at all.
pub fn is_closed(engine: Engine) -> &'static str {
    match engine {
        Engine::Mariadb => "SELECT @@GLOBAL.read_only+0",
        Engine::Mysql => "SELECT @@GLOBAL.super_read_only+0",
    }
}

/// Asks for the connections over which a user receives.
pub fn connections(user: &str) -> String {
    format!(
        "SELECT ID FROM information_schema.PROCESSLIST WHERE USER={}",
        quote(user)
    )
}

/// Asks which accounts are locked out here.
pub fn locked_accounts(engine: Engine) -> &'static str {
    match engine {
        Engine::Mariadb => {
            "SELECT User FROM mysql.global_priv WHERE JSON_VALUE(Priv,'$.account_locked')=1"
        }
        Engine::Mysql => "SELECT User FROM mysql.user WHERE account_locked='Y'",
    }
}

/// Takes its source from a replica that does not receive.
pub fn unlink(engine: Engine) -> &'static str {
    match engine {
        Engine::Mariadb => "RESET SLAVE ALL",
        Engine::Mysql => "RESET REPLICA ALL",
    }
}

/// Lets a replica receive from this source. On MariaDB `demote` takes up the transactions that it wrote
/// itself as a primary.
pub fn attach(engine: Engine, source: &Source<'_>, demote: bool) -> Vec<String> {
    let host = quote(source.host);
    let port = source.port;
    let user = quote(source.user);
    let password = quote(source.password.expose());
    match engine {
        Engine::Mariadb => {
            let demote = if demote {
                ",MASTER_DEMOTE_TO_SLAVE=1"
            } else {
                ""
            };
            vec![
                format!(
                    "CHANGE MASTER TO MASTER_HOST={host},MASTER_PORT={port},MASTER_USER={user},\
                     MASTER_PASSWORD={password},MASTER_USE_GTID=slave_pos,MASTER_CONNECT_RETRY=1,\
                     MASTER_HEARTBEAT_PERIOD=1{demote}"
                ),
                "START SLAVE".to_owned(),
            ]
        }
        Engine::Mysql => vec![
            format!(
                "CHANGE REPLICATION SOURCE TO SOURCE_HOST={host},SOURCE_PORT={port},\
                 SOURCE_USER={user},SOURCE_PASSWORD={password},SOURCE_AUTO_POSITION=1,SOURCE_SSL=1,\
                 SOURCE_CONNECT_RETRY=1,SOURCE_HEARTBEAT_PERIOD=1"
            ),
            "START REPLICA".to_owned(),
        ],
    }
}

/// Stops receiving and goes on applying.
pub fn stop_receiving(engine: Engine) -> &'static str {
    match engine {
        Engine::Mariadb => "STOP SLAVE IO_THREAD",
        Engine::Mysql => "STOP REPLICA IO_THREAD",
    }
}

/// Applies what was received.
pub fn start_applying(engine: Engine) -> &'static str {
    match engine {
        Engine::Mariadb => "START SLAVE SQL_THREAD",
        Engine::Mysql => "START REPLICA SQL_THREAD",
    }
}

/// Receives again, after [`stop_receiving`].
pub fn start_receiving(engine: Engine) -> &'static str {
    match engine {
        Engine::Mariadb => "START SLAVE",
        Engine::Mysql => "START REPLICA",
    }
}

/// Stops both threads. Only once all that was received is applied: the next start throws it away.
pub fn stop(engine: Engine) -> &'static str {
    match engine {
        Engine::Mariadb => "STOP SLAVE",
        Engine::Mysql => "STOP REPLICA",
    }
}

/// How a replica stands.
pub fn status(engine: Engine) -> &'static str {
    match engine {
        Engine::Mariadb => "SHOW SLAVE STATUS",
        Engine::Mysql => "SHOW REPLICA STATUS",
    }
}

/// Where the binary log ends: it is told between two commits.
pub fn log_status(engine: Engine) -> &'static str {
    match engine {
        Engine::Mariadb => "SHOW MASTER STATUS",
        Engine::Mysql => "SHOW BINARY LOG STATUS",
    }
}

/// Who is connected as a replica.
pub fn replicas(engine: Engine) -> &'static str {
    match engine {
        Engine::Mariadb => "SHOW SLAVE HOSTS",
        Engine::Mysql => "SHOW REPLICAS",
    }
}

/// Waiting until a position is applied; answers 0 when it is.
pub fn wait_for(engine: Engine, position: &str, seconds: u64) -> String {
    let position = quote(position);
    match engine {
        Engine::Mariadb => format!("SELECT MASTER_GTID_WAIT({position},{seconds})"),
        Engine::Mysql => format!("SELECT WAIT_FOR_EXECUTED_GTID_SET({position},{seconds})"),
    }
}

/// From a replica, or a primary that was started again, to a primary that takes writes.
pub fn promote(engine: Engine, semi_sync: bool) -> Vec<String> {
    let on = u8::from(semi_sync);
    let statements: Vec<String> = match engine {
        Engine::Mariadb => vec![
            "STOP SLAVE".into(),
            "RESET SLAVE ALL".into(),
            "SET GLOBAL rpl_semi_sync_slave_enabled=0".into(),
            format!("SET GLOBAL rpl_semi_sync_master_enabled={on}"),
            "SET GLOBAL read_only=0".into(),
        ],
        Engine::Mysql => vec![
            "STOP REPLICA".into(),
            "RESET REPLICA ALL".into(),
            "SET GLOBAL rpl_semi_sync_replica_enabled=0".into(),
            format!("SET GLOBAL rpl_semi_sync_source_enabled={on}"),
            "SET GLOBAL super_read_only=0".into(),
            "SET GLOBAL read_only=0".into(),
        ],
    };
    statements
}

/// Commits wait for a replica, or no longer do.
pub fn semi_sync(engine: Engine, on: bool) -> String {
    let role = match engine {
        Engine::Mariadb => "master",
        Engine::Mysql => "source",
    };
    format!("SET GLOBAL rpl_semi_sync_{role}_enabled={}", u8::from(on))
}

/// Asks how many sessions wait for an acknowledgement.
pub fn waiting(engine: Engine) -> &'static str {
    match engine {
        Engine::Mariadb => "SHOW GLOBAL STATUS LIKE 'Rpl_semi_sync_master_wait_sessions'",
        Engine::Mysql => "SHOW GLOBAL STATUS LIKE 'Rpl_semi_sync_source_wait_sessions'",
    }
}

/// What a replica receives from now on it acknowledges, or not. Takes effect when receiving starts.
pub fn acknowledge(engine: Engine, on: bool) -> String {
    let role = match engine {
        Engine::Mariadb => "slave",
        Engine::Mysql => "replica",
    };
    format!("SET GLOBAL rpl_semi_sync_{role}_enabled={}", u8::from(on))
}

/// The transactions that are open and would be cut short by a close: those that wrote or locked something, and those
/// that have only read, but not for long: a dump reads for minutes and writes nothing.
pub const OPEN_TRANSACTIONS: &str = "SELECT trx_mysql_thread_id, CAST(trx_started AS CHAR), \
     TIMESTAMPDIFF(SECOND, trx_started, NOW()) FROM information_schema.INNODB_TRX \
     WHERE trx_mysql_thread_id NOT IN (0, CONNECTION_ID()) AND trx_autocommit_non_locking=0 AND \
     (trx_rows_modified>0 OR trx_lock_structs>0 OR (trx_is_read_only=0 AND trx_started>NOW()-INTERVAL 2 SECOND))";

/// Refuses writes once those under way have ended; gives up after a second (error 1205), for a commit
/// that waits for its replica would hold it up for ever.
pub fn close(engine: Engine) -> Vec<String> {
    let name = match engine {
        Engine::Mariadb => "read_only",
        Engine::Mysql => "super_read_only",
    };
    vec![
        "SET SESSION lock_wait_timeout=1".to_owned(),
        format!("SET GLOBAL {name}=1"),
        "SET SESSION lock_wait_timeout=DEFAULT".to_owned(),
    ]
}

/// Copies MySQL's donor into this directory, which does not exist. What the server has is left as it is.
pub fn clone_into(donor: &Source<'_>, directory: &str) -> Vec<String> {
    let address = format!("{}:{}", donor.host, donor.port);
    vec![
        format!("SET GLOBAL clone_valid_donor_list={}", quote(&address)),
        format!(
            "CLONE INSTANCE FROM {}@{}:{} IDENTIFIED BY {} DATA DIRECTORY={} REQUIRE SSL",
            quote(donor.user),
            quote(donor.host),
            donor.port,
            quote(donor.password.expose()),
            quote(directory)
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_password_stands_quoted_and_the_old_primary_is_demoted() {
        let password = Secret::new("it's".into());
        let source = Source {
            host: "10.0.0.13",
            port: 3307,
            user: "terrace_replica_12",
            password: &password,
        };
        let statements = attach(Engine::Mariadb, &source, true);
        assert_eq!(
            statements,
            [
                r"CHANGE MASTER TO MASTER_HOST='10.0.0.13',MASTER_PORT=3307,MASTER_USER='terrace_replica_12',MASTER_PASSWORD='it\'s',MASTER_USE_GTID=slave_pos,MASTER_CONNECT_RETRY=1,MASTER_HEARTBEAT_PERIOD=1,MASTER_DEMOTE_TO_SLAVE=1",
                "START SLAVE",
            ]
        );
        let statements = attach(Engine::Mysql, &source, true);
        assert!(
            statements[0].contains("SOURCE_AUTO_POSITION=1"),
            "{statements:?}"
        );
        assert!(!statements[0].contains("DEMOTE"), "MySQL has no such word");
    }

    #[test]
    fn a_primary_opens_last_of_all() {
        for engine in [Engine::Mariadb, Engine::Mysql] {
            let statements = promote(engine, true);
            assert!(statements[0].starts_with("STOP"), "{statements:?}");
            assert_eq!(statements.last().unwrap(), "SET GLOBAL read_only=0");
            let semi_sync = statements
                .iter()
                .position(|one| one.ends_with("_enabled=1"));
            assert!(semi_sync.unwrap() < statements.len() - 1, "{statements:?}");
        }
    }
}
