//! Who may do what: the statements, and how far the server is from them.
//!
//! The control account is Terrace's own: all rights, from this server alone, over its socket or loopback, with a generated
//! password, made valid by the statements that a server carries out before it lets anybody in. An app's
//! account has all rights on the site's database and none elsewhere: one with rights on everything would
//! write to a replica in spite of `read_only`. Whether an app's account stands is asked by logging in as
//! it, so nothing is written where nothing is to change.

use std::collections::BTreeSet;
use std::net::IpAddr;

use terrace_service::Secret;
use terrace_site::plan::Engine;

use super::error::Error;

/// The control account's name.
pub const CONTROL: &str = "terrace";

/// The control account's password among the site's secrets.
pub use terrace_site::plan::CONTROL_SECRET;

/// Names of accounts that are the server's or ours.
const RESERVED_USERS: [&str; 3] = [CONTROL, "root", "mariadb.sys"];

/// Names of databases that are the server's.
const RESERVED_DATABASES: [&str; 4] = ["mysql", "sys", "information_schema", "performance_schema"];

/// Refuses names that belong to the server.
///
/// # Errors
/// [`Error::ReservedName`].
pub fn check_names<'a>(
    database: &'a str,
    users: impl IntoIterator<Item = &'a str>,
) -> Result<(), Error> {
    let reserved =
        |name: &str, list: &[&str]| list.iter().any(|one| one.eq_ignore_ascii_case(name));
    if reserved(database, &RESERVED_DATABASES) {
        return Err(Error::ReservedName(database.to_owned()));
    }
    let taken = |name: &&str| reserved(name, &RESERVED_USERS) || name.starts_with("mysql.");
    match users.into_iter().find(taken) {
        Some(name) => Err(Error::ReservedName(name.to_owned())),
        None => Ok(()),
    }
}

/// From where an app's account may log in, `localhost` (the socket) last: it is the one that is tried, so
/// when it stands the others do. Other servers may only where the database listens for them.
pub fn hosts(listen: &[IpAddr]) -> Vec<&'static str> {
    let mut hosts = vec!["127.0.0.1", "::1"];
    if listen.iter().any(|address| !address.is_loopback()) {
        hosts.push("%");
    }
    hosts.push("localhost");
    hosts
}

/// What a server carries out before it lets anybody in, one statement a line. None of it is logged for
/// replicas: each server has these accounts of its own.
pub fn before_anybody(engine: Engine, password: &Secret) -> String {
    let password = quote(password.expose());
    let mut lines = vec!["SET SESSION sql_log_bin=0".to_owned()];
    if engine == Engine::Mysql {
        lines.push("SET GLOBAL super_read_only=0".to_owned());
        // The initial `root` has no password, and nobody is to find it.
        lines.push("ALTER USER 'root'@'localhost' ACCOUNT LOCK".to_owned());
    }
    for host in ["localhost", "127.0.0.1"] {
        let control = account(CONTROL, host);
        lines.extend([
            format!("CREATE USER IF NOT EXISTS {control} IDENTIFIED BY {password}"),
            format!("ALTER USER {control} IDENTIFIED BY {password}"),
            format!("GRANT ALL PRIVILEGES ON *.* TO {control} WITH GRANT OPTION"),
        ]);
    }
    if engine == Engine::Mysql {
        lines.push("SET GLOBAL super_read_only=1".to_owned());
    }
    lines.iter().map(|line| format!("{line};\n")).collect()
}

/// Makes the site's database.
pub fn create_database(database: &str) -> String {
    format!("CREATE DATABASE IF NOT EXISTS {}", identifier(database))
}

/// Asks from where an account may log in now.
pub fn current_hosts(user: &str) -> String {
    format!("SELECT Host FROM mysql.user WHERE User={}", quote(user))
}

/// Brings one account to its password and rights on every host, and takes it from other hosts.
pub fn settle_user(
    database: &str,
    user: &str,
    password: &Secret,
    hosts: &[&str],
    current: &BTreeSet<String>,
) -> Vec<String> {
    let password = quote(password.expose());
    let mut statements = drop_user(
        user,
        current
            .iter()
            .map(String::as_str)
            .filter(|host| !hosts.contains(host)),
    );
    for host in hosts {
        let account = account(user, host);
        statements.extend([
            format!("CREATE USER IF NOT EXISTS {account} IDENTIFIED BY {password}"),
            format!("ALTER USER {account} IDENTIFIED BY {password}"),
            format!("REVOKE ALL PRIVILEGES, GRANT OPTION FROM {account}"),
            format!(
                "GRANT ALL PRIVILEGES ON {}.* TO {account}",
                pattern(database)
            ),
        ]);
    }
    statements
}

/// Removes an account from these hosts.
pub fn drop_user<'a>(user: &str, hosts: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    hosts
        .into_iter()
        .map(|host| format!("DROP USER IF EXISTS {}", account(user, host)))
        .collect()
}

pub(crate) fn account(user: &str, host: &str) -> String {
    format!("{}@{}", quote(user), quote(host))
}

/// A text as a literal, on one line.
pub(crate) fn quote(text: &str) -> String {
    let escaped = text
        .replace('\\', "\\\\")
        .replace('\'', "\\'")
        .replace('\n', "\\n")
        .replace('\r', "\\r")
        .replace('\0', "\\0");
    format!("'{escaped}'")
}

/// A name of a table or database.
fn identifier(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

/// A database's name where rights are given: there `_` and `%` stand for other letters unless escaped.
fn pattern(name: &str) -> String {
    identifier(&name.replace('_', "\\_").replace('%', "\\%"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rights_on_a_database_do_not_reach_its_neighbours() {
        let secret = Secret::new("it's \\ \n".into());
        let statements = settle_user("my_site", "app", &secret, &["localhost"], &BTreeSet::new());
        assert_eq!(
            statements,
            [
                r"CREATE USER IF NOT EXISTS 'app'@'localhost' IDENTIFIED BY 'it\'s \\ \n'",
                r"ALTER USER 'app'@'localhost' IDENTIFIED BY 'it\'s \\ \n'",
                "REVOKE ALL PRIVILEGES, GRANT OPTION FROM 'app'@'localhost'",
                r"GRANT ALL PRIVILEGES ON `my\_site`.* TO 'app'@'localhost'",
            ]
        );
    }

    #[test]
    fn an_account_leaves_hosts_that_are_no_longer_asked_for() {
        let current = ["localhost", "%"].map(str::to_owned).into();
        let statements = settle_user(
            "db",
            "app",
            &Secret::new("x".into()),
            &["localhost"],
            &current,
        );
        assert_eq!(statements[0], "DROP USER IF EXISTS 'app'@'%'");
        assert_eq!(statements.len(), 5);
    }

    #[test]
    fn other_servers_are_let_in_only_where_they_can_reach() {
        let hosts = |listen: &[&str]| {
            hosts(
                &listen
                    .iter()
                    .map(|one| one.parse().unwrap())
                    .collect::<Vec<_>>(),
            )
        };
        assert_eq!(
            hosts(&["127.0.0.1", "::1"]),
            ["127.0.0.1", "::1", "localhost"]
        );
        assert_eq!(
            hosts(&["127.0.0.1", "10.0.0.4"]),
            ["127.0.0.1", "::1", "%", "localhost"]
        );
    }

    #[test]
    fn names_of_the_server_are_refused() {
        assert!(check_names("foobar", ["app", "reader"]).is_ok());
        for (database, user) in [
            ("MySQL", "app"),
            ("foobar", "root"),
            ("foobar", "Terrace"),
            ("foobar", "mysql.sys"),
        ] {
            assert!(check_names(database, [user]).is_err(), "{database} {user}");
        }
    }

    #[test]
    fn what_runs_before_anybody_has_one_statement_a_line() {
        for engine in [Engine::Mariadb, Engine::Mysql] {
            let text = before_anybody(engine, &Secret::new("a\nb".into()));
            assert!(text.lines().all(|line| line.ends_with(';')), "{text}");
            assert!(
                text.starts_with("SET SESSION sql_log_bin=0;"),
                "replicas must not hear of it"
            );
        }
    }
}
