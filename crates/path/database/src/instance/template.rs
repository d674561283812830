//! Empty data directories: made by the server once, and copied ever after.
//!
//! A copy takes a tenth of the making. A template holds no account but the ones that the server needs for
//! itself, no password and no identity, so all sites of a user may share it. Its key holds the program's
//! path, version and age: another program never gets it.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Seek, Write};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use rustix::fs::{FlockOperation, MemfdFlags, flock, memfd_create};
use terrace_protocol::keeper::{Program, Spawn, User};
use terrace_site::plan::Engine;

use super::copy;
use super::engine::{Found, environment};
use super::error::Error;
use super::files::make_directory;
use super::processes::Processes;

/// Counts changes to how a template is made.
const RECIPE: u32 = 1;

/// MariaDB's own scripts, in the order in which its installer feeds them.
const SCRIPTS: [&str; 6] = [
    "mysql_system_tables.sql",
    "mysql_performance_tables.sql",
    "mysql_system_tables_data.sql",
    "fill_help_tables.sql",
    "maria_add_gis_sp_bootstrap.sql",
    "mysql_sys_schema.sql",
];

/// `root` is who connects as root over the unix socket, and has no password. Statements on lines of their own.
const BEFORE: &str =
    "create database if not exists mysql;\nuse mysql;\nSET @auth_root_socket='root';\n";

/// The scripts let the making machine's `root` act for others: its name has no place in a template.
const AFTER: &str = "\nDELETE FROM mysql.proxies_priv WHERE Host<>'localhost';\n";

/// Where a data directory came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Copied from a template.
    Template,
    /// Made by the server.
    Made,
}

/// Puts an empty data directory at `target`, which does not exist: copied from the template, else made
/// and kept as the template. A cache that cannot be written costs time, nothing else.
///
/// # Errors
/// When the server cannot make it, or the disk cannot take it.
pub async fn lay(
    processes: &dyn Processes,
    id: &str,
    found: &Found,
    templates: &Path,
    target: &Path,
    user: Option<User>,
) -> Result<Origin, Error> {
    let template = key(found).map(|key| templates.join(key));
    if let Some(template) = template.clone().filter(|template| template.is_dir()) {
        match copied(template, target, user).await {
            Ok(()) => return Ok(Origin::Template),
            Err(error) => tracing::warn!(%error, "the template is of no use: made anew"),
        }
    }
    make(processes, id, found, target, user).await?;
    let from = target.to_owned();
    let kept = blocking(target, move || {
        strip(&from)?;
        rustix::fs::syncfs(File::open(&from)?)?;
        Ok(template.map(|template| (keep(&from, &template), template)))
    })
    .await?;
    if let Some((Err(error), template)) = kept {
        tracing::warn!(%error, template = %template.display(), "the template is not kept: the next birth takes longer");
    }
    Ok(Origin::Made)
}

/// Copies the template; what a failed copy leaves behind is removed.
async fn copied(template: PathBuf, target: &Path, user: Option<User>) -> Result<(), Error> {
    let to = target.to_owned();
    blocking(target, move || {
        copy::tree(&template, &to, user, &shared).inspect_err(|_| {
            // Where it cannot be removed, the next step says so.
            let _ = fs::remove_dir_all(&to);
        })
    })
    .await
}

async fn blocking<T: Send + 'static>(
    target: &Path,
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, Error> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|error| Err(io::Error::other(error)))
        .map_err(Error::io("fill", target))
}

/// What tells one program's template from another's.
fn key(found: &Found) -> Option<String> {
    let changed = fs::metadata(&found.binary)
        .and_then(|meta| meta.modified())
        .ok()?;
    let age = changed.duration_since(UNIX_EPOCH).ok()?.as_nanos();
    let text = format!("{RECIPE}|{found}|{}|{age}", found.binary.display());
    let hash = blake3::hash(text.as_bytes()).to_hex();
    let name = found.engine.title().to_lowercase();
    Some(format!("{name}-{}-{}", found.version, &hash[..12]))
}

/// MySQL writes its identity and keys into the directory: each server makes its own.
fn shared(name: &OsStr) -> bool {
    let name = name.to_string_lossy();
    name != "auto.cnf" && !name.ends_with(".pem")
}

fn strip(directory: &Path) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if !shared(&entry.file_name()) {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// Keeps a copy as the template. Of several births at once, one does.
fn keep(from: &Path, template: &Path) -> io::Result<()> {
    let templates = template.parent().unwrap_or(Path::new("/"));
    make_directory(templates, 0o755, None)?;
    let lock = File::create(template.with_extension("lock"))?;
    if flock(&lock, FlockOperation::NonBlockingLockExclusive).is_err() || template.is_dir() {
        return Ok(());
    }
    let fresh = template.with_extension("new");
    match fs::remove_dir_all(&fresh) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    copy::tree(from, &fresh, None, &shared)?;
    fs::rename(&fresh, template)
}

async fn make(
    processes: &dyn Processes,
    id: &str,
    found: &Found,
    target: &Path,
    user: Option<User>,
) -> Result<(), Error> {
    make_directory(target, 0o700, user).map_err(Error::io("make", target))?;
    let (arguments, input) = match found.engine {
        Engine::Mariadb => mariadb(found, target)?,
        Engine::Mysql => (mysql(target), None),
    };
    let spawn = Spawn {
        id: format!("{id} birth"),
        program: Program::File(found.binary.clone()),
        arguments,
        environment: environment(),
        user,
        ..Spawn::default()
    };
    let finished = processes.run(spawn, input).await?;
    if finished.succeeded() {
        return Ok(());
    }
    Err(Error::Bootstrap {
        found: found.clone(),
        exit: finished.exit,
        output: super::failure::diagnose(&finished.output).to_string(),
    })
}

/// What MariaDB's installer does, without the installer: it flushes a thousand times, and changes the
/// owner of a file of the system. Nothing is flushed here: a birth that is cut short is made again, and
/// one that is whole is flushed as a whole.
fn mariadb(found: &Found, target: &Path) -> Result<(Vec<String>, Option<OwnedFd>), Error> {
    let base = found.binary.ancestors().nth(2).unwrap_or(Path::new("/usr"));
    let share = scripts(found, base)?;
    let mut arguments = vec![
        "--no-defaults".to_owned(),
        "--bootstrap".to_owned(),
        format!("--basedir={}", base.display()),
        format!("--datadir={}", target.display()),
        // In a common one a server that starts removes what looks like another's temporary tables.
        format!("--tmpdir={}", target.display()),
    ];
    arguments.extend(
        [
            "--silent-startup",
            "--log-warnings=0",
            "--enforce-storage-engine=",
            "--max_allowed_packet=8M",
            "--net_buffer_length=16K",
            "--innodb-log-file-size=8M",
            "--innodb-undo-tablespaces=0",
            "--loose-innodb-flush-method=nosync",
            "--loose-debug-no-sync",
        ]
        .map(str::to_owned),
    );
    let input = script(&share).map_err(Error::io("read the SQL files of", &share))?;
    Ok((arguments, Some(input)))
}

fn scripts(found: &Found, base: &Path) -> Result<PathBuf, Error> {
    ["share/mysql", "share/mariadb", "share"]
        .map(|share| base.join(share))
        .into_iter()
        .find(|share| share.join(SCRIPTS[0]).is_file())
        .ok_or_else(|| Error::NoScripts {
            binary: found.binary.clone(),
            share: base.join("share"),
        })
}

/// The scripts, one after the other, in memory.
fn script(share: &Path) -> io::Result<OwnedFd> {
    let mut input = File::from(memfd_create("bootstrap.sql", MemfdFlags::CLOEXEC)?);
    input.write_all(BEFORE.as_bytes())?;
    for name in SCRIPTS {
        io::copy(&mut File::open(share.join(name))?, &mut input)?;
        input.write_all(b"\n")?;
    }
    input.write_all(AFTER.as_bytes())?;
    input.rewind()?;
    Ok(input.into())
}

fn mysql(target: &Path) -> Vec<String> {
    vec![
        "--no-defaults".to_owned(),
        "--initialize-insecure".to_owned(),
        format!("--datadir={}", target.display()),
        format!("--tmpdir={}", target.display()),
        "--innodb-redo-log-capacity=8388608".to_owned(),
    ]
}

#[cfg(test)]
mod tests {
    use super::super::engine::Version;
    use super::*;

    fn found(binary: &Path) -> Found {
        let version = Version {
            major: 10,
            minor: 11,
            patch: 19,
        };
        Found {
            engine: Engine::Mariadb,
            version,
            binary: binary.to_owned(),
        }
    }

    #[test]
    fn another_program_gets_another_template() {
        let place = tempfile::tempdir().unwrap();
        let (one, two) = (place.path().join("one"), place.path().join("two"));
        fs::write(&one, "").unwrap();
        fs::write(&two, "").unwrap();
        let first = key(&found(&one)).unwrap();
        assert!(first.starts_with("mariadb-10.11.19-"), "{first}");
        assert_eq!(key(&found(&one)), Some(first.clone()));
        assert_ne!(key(&found(&two)), Some(first.clone()));
        let later =
            fs::metadata(&one).unwrap().modified().unwrap() + std::time::Duration::from_secs(1);
        File::options()
            .write(true)
            .open(&one)
            .unwrap()
            .set_modified(later)
            .unwrap();
        assert_ne!(key(&found(&one)), Some(first));
        assert_eq!(key(&found(Path::new("/nonexistent"))), None);
    }

    #[test]
    fn a_template_is_kept_once_and_without_identity() {
        let place = tempfile::tempdir().unwrap();
        let (from, template) = (place.path().join("from"), place.path().join("cache/key"));
        fs::create_dir_all(from.join("mysql")).unwrap();
        for name in ["ibdata1", "auto.cnf", "server-key.pem", "mysql/user.frm"] {
            fs::write(from.join(name), name).unwrap();
        }
        fs::create_dir_all(template.with_extension("new")).unwrap();
        keep(&from, &template).unwrap();
        assert!(template.join("ibdata1").exists() && template.join("mysql/user.frm").exists());
        assert!(!template.join("auto.cnf").exists() && !template.join("server-key.pem").exists());
        fs::write(from.join("ibdata1"), "changed").unwrap();
        keep(&from, &template).unwrap();
        assert_eq!(
            fs::read_to_string(template.join("ibdata1")).unwrap(),
            "ibdata1"
        );
    }
}
