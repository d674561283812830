//! What works without the SQL router works through it: SQLAlchemy's own tests of MySQL, and sysbench's.
//!
//! On a site with a primary and a replica, from the app's server: first straight to the primary, then through the
//! router. A test that fails there must fail here, and no other. The tests need more rights than an app has, so the
//! account gets them in this file alone.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use super::Records;
use crate::rehearsal::{Rehearsal, said};

/// The version whose tests are run.
const SQLALCHEMY: &str = "2.0.44";
const SYSBENCH: [&str; 3] = ["oltp_read_write", "oltp_read_only", "oltp_write_only"];
const NAME: &str = "suite.test";
/// As a file names them, and as people do.
const ENGINES: [(&str, &str); 2] = [("mariadb", "MariaDB"), ("mysql", "MySQL")];

fn file(engine: &str) -> String {
    format!(
        r#"site "{NAME}" {{
    server db-01 "10.0.0.1"
    server db-02 "10.0.0.2"
    web      db-01
    app      db-01 code="app" {{ run "python3 -m http.server --bind $HOST $PORT"; }}
    database db-01 db-02 name="test" engine={engine} {{ user "suite"; }}
}}
"#
    )
}

/// Runs them on both engines, unless that was done for this tree.
pub(super) fn run(root: &Path, records: &Records) -> io::Result<()> {
    for (engine, title) in ENGINES {
        let kept = kept(records, engine);
        if !kept.exists() {
            println!(
                "suites on {title}: SQLAlchemy {SQLALCHEMY} and sysbench, direct and through the router"
            );
            fs::write(kept, on(root, engine)?.to_string())?;
        }
    }
    Ok(())
}

fn kept(records: &Records, engine: &str) -> PathBuf {
    records.directory.join(format!("suites-{engine}.json"))
}

fn on(root: &Path, engine: &str) -> io::Result<Value> {
    let place = root.join("target/suite");
    let source = sqlalchemy(&place)?;
    let site = Rehearsal::up(root, "quick", NAME, &file(engine))?;
    grant(&site)?;
    let direct = suite(&site, &place, &source, 3307)?;
    let routed = suite(&site, &place, &source, 3306)?;
    let only_routed: Vec<&String> = routed.failures.difference(&direct.failures).collect();
    let only_direct: Vec<&String> = direct.failures.difference(&routed.failures).collect();
    if !only_routed.is_empty() || !only_direct.is_empty() {
        let text =
            format!("only through the router fail {only_routed:#?}, only direct {only_direct:#?}");
        return Err(io::Error::other(text));
    }
    for script in SYSBENCH {
        sysbench(&site, script)?;
    }
    Ok(json!({
        "direct": direct.summary,
        "routed": routed.summary,
        "failures": direct.failures,
    }))
}

/// The section of the page.
pub(super) fn section(records: &Records) -> io::Result<String> {
    let mut text = format!(
        "\n## The SQL router beside no router\n\nSQLAlchemy {SQLALCHEMY}, `test/dialect/test_suite.py` and `test/dialect/mysql`, on a primary with a \
         replica: straight to the primary, and through the router. The same tests fail both ways. sysbench's {} run through it without an \
         error (deadlocks between its own transactions apart).\n\n| | direct | through the router | which fail |\n|---|---|---|---|\n",
        SYSBENCH.join(", "),
    );
    for (engine, title) in ENGINES {
        let found: Value = serde_json::from_slice(&fs::read(kept(records, engine))?)?;
        let count = |name: &str| found[name].as_str().unwrap_or_default().to_owned();
        let failures = found["failures"].as_array().into_iter().flatten();
        let failures: Vec<String> = failures
            .filter_map(|name| Some(format!("`{}`", name.as_str()?)))
            .collect();
        text += &format!(
            "| {title} | {} | {} | {} |\n",
            count("direct"),
            count("routed"),
            if failures.is_empty() {
                "none".to_owned()
            } else {
                failures.join(", ")
            },
        );
    }
    Ok(text)
}

/// The source with its tests, and a Python that has it; made once.
fn sqlalchemy(place: &Path) -> io::Result<PathBuf> {
    let source = place.join(format!("sqlalchemy-{SQLALCHEMY}"));
    let done = place.join("done");
    if !done.exists() {
        fs::create_dir_all(place)?;
        let python = place.join("venv/bin/python3");
        run_in(
            place,
            Path::new("/usr/bin/python3"),
            &["-m", "venv", "venv"],
        )?;
        let wanted = format!("sqlalchemy=={SQLALCHEMY}");
        let download = [
            "-m",
            "pip",
            "download",
            "--quiet",
            "--no-deps",
            "--no-binary",
            ":all:",
            &wanted,
        ];
        run_in(place, &python, &download)?;
        let archive = format!("sqlalchemy-{SQLALCHEMY}.tar.gz");
        run_in(place, Path::new("tar"), &["xzf", &archive])?;
        let source = source.to_string_lossy();
        let install = [
            "-m",
            "pip",
            "install",
            "--quiet",
            "pytest",
            "pytest-xdist",
            "pymysql[rsa]",
            &*source,
        ];
        run_in(place, &python, &install)?;
        fs::write(done, "")?;
    }
    Ok(source)
}

fn run_in(place: &Path, program: &Path, arguments: &[&str]) -> io::Result<()> {
    let output = Command::new(program)
        .args(arguments)
        .current_dir(place)
        .output()?;
    said(output).map(drop)
}

/// The tests make databases of their own.
fn grant(site: &Rehearsal) -> io::Result<()> {
    let password = format!("-p{}", site.secret("database/control")?);
    let sql = |statement: &str| {
        let socket = "--socket=/run/terrace/database/mysqld.sock";
        let client = [
            "mariadb",
            "--no-defaults",
            socket,
            "-u",
            "terrace",
            &password,
            "-N",
            "-e",
            statement,
        ];
        said(site.on("db-01", &client).output()?)
    };
    let hosts = sql("SELECT Host FROM mysql.user WHERE User='suite'")?;
    for host in hosts.lines() {
        sql(&format!("GRANT ALL ON *.* TO suite@'{host}'"))?;
    }
    sql("CREATE DATABASE test_schema; CREATE DATABASE test_schema_2").map(drop)
}

/// What one run of the tests came to.
struct Run {
    /// `2445 passed, 101 skipped`.
    summary: String,
    failures: BTreeSet<String>,
}

fn suite(site: &Rehearsal, place: &Path, source: &Path, port: u16) -> io::Result<Run> {
    let password = site.secret("database/suite")?;
    let address = format!("mysql+pymysql://suite:{password}@127.0.0.1:{port}/test?charset=utf8mb4");
    let python = place.join("venv/bin/python3");
    let script = format!(
        "cd '{}' && exec '{}' -m pytest test/dialect/test_suite.py test/dialect/mysql -p no:cacheprovider -q -rfE --tb=no \
         --color=no --dburi '{address}'",
        source.display(),
        python.display()
    );
    let output = site.on("db-01", &["sh", "-c", &script]).output()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    parse(&text).ok_or_else(|| {
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        io::Error::other(format!("the tests did not run: {text}{error}"))
    })
}

fn parse(text: &str) -> Option<Run> {
    let summary = text.lines().rfind(|line| line.contains(" passed"))?;
    let summary = summary.trim_matches(|c: char| c == '=' || c == ' ');
    let failure = |line: &str| {
        let rest = line
            .strip_prefix("FAILED ")
            .or_else(|| line.strip_prefix("ERROR "))?;
        Some(rest.split(" - ").next().unwrap_or(rest).to_owned())
    };
    Some(Run {
        summary: summary.split(" in ").next().unwrap_or(summary).to_owned(),
        failures: text.lines().filter_map(failure).collect(),
    })
}

fn sysbench(site: &Rehearsal, script: &str) -> io::Result<()> {
    let password = format!("--mysql-password={}", site.secret("database/suite")?);
    for what in ["prepare", "run", "cleanup"] {
        let fixed = [
            "sysbench",
            script,
            "--mysql-host=127.0.0.1",
            "--mysql-port=3306",
            "--mysql-user=suite",
            "--mysql-db=test",
        ];
        let more = [
            "--tables=4",
            "--table-size=10000",
            "--threads=8",
            "--time=10",
            &password,
            what,
        ];
        let text = said(site.on("db-01", &[&fixed[..], &more].concat()).output()?)?;
        // Deadlocks between its own transactions are the database's to end and sysbench's to begin again.
        let fine = what != "run" || (text.contains("transactions:") && !text.contains("FATAL"));
        if !fine {
            return Err(io::Error::other(format!(
                "{script} through the router: {text}"
            )));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_told_by_name() {
        let run = parse("FAILED test/a.py::T::b - assert 1\nERROR test/c.py::D\n=== 1 failed, 2445 passed, 101 skipped in 80.1s (0:01:20) ===\n").unwrap();
        assert_eq!(run.summary, "1 failed, 2445 passed, 101 skipped");
        assert_eq!(
            run.failures.into_iter().collect::<Vec<_>>(),
            ["test/a.py::T::b", "test/c.py::D"]
        );
    }
}
