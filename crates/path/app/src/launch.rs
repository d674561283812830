//! How a copy is started: from its plan to the process that the keeper is asked for. Pure.
//!
//! The environment is clean: nothing of the keeper's reaches the app, only what its plan says and what every
//! program expects.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use blake3::Hasher;
use terrace_protocol::build::short;
use terrace_protocol::keeper::{Program, Spawn};
use terrace_service::{Secret, SecretStore, secret, users};
use terrace_site::plan::{AppPlan, CopyPlan, DatabaseAccess, Launch};

use crate::release;

/// Where what runs finds its programs, unless the file gives it another PATH.
pub const SEARCH_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// What a server is to the copies on it.
#[derive(Clone, Debug)]
pub struct Surroundings {
    /// The site's name: `SITE`.
    pub site: String,
    /// The server's name: `SERVER`.
    pub server: String,
    /// Where releases are: `/srv`.
    pub releases: PathBuf,
    /// The server's state: `/var/lib/terrace`.
    pub state: PathBuf,
}

/// The values of the secrets that an app is given.
pub struct Secrets {
    variables: BTreeMap<String, Secret>,
    password: Option<Secret>,
}

impl Secrets {
    /// Names in the place of values: what a process is made of, whatever its secrets are now.
    pub fn unread(plan: &AppPlan) -> Self {
        let name = |name: &terrace_site::plan::SecretName| Secret::new(name.0.clone());
        let variables = plan.secrets.iter();
        Self {
            variables: variables
                .map(|(variable, secret)| (variable.clone(), name(secret)))
                .collect(),
            password: plan.database.as_ref().map(|one| name(&one.password)),
        }
    }

    /// Reads them; those that are missing are made.
    ///
    /// # Errors
    /// When the store cannot be read or written.
    pub fn of(plan: &AppPlan, store: &SecretStore) -> Result<Self, secret::Error> {
        let mut variables = BTreeMap::new();
        for (variable, name) in &plan.secrets {
            variables.insert(variable.clone(), store.read_or_generate(&name.0)?);
        }
        let password = match &plan.database {
            Some(database) => Some(store.read_or_generate(&database.password.0)?),
            None => None,
        };
        Ok(Self {
            variables,
            password,
        })
    }
}

/// The process of one copy. Where its output goes is the node's to add.
pub fn copy(
    plan: &AppPlan,
    copy: &CopyPlan,
    release: &str,
    surroundings: &Surroundings,
    secrets: &Secrets,
) -> Spawn {
    let Launch::Run(command) = &plan.launch;
    let mut environment = environment(plan, release, surroundings, secrets);
    environment.insert("HOST".to_owned(), copy.listen.ip().to_string());
    environment.insert("PORT".to_owned(), copy.listen.port().to_string());
    Spawn {
        id: copy.id.clone(),
        environment: environment.into_iter().collect(),
        ..shell(plan, command, release, surroundings)
    }
}

/// The process that prepares the database for a release, called `id`.
pub fn migration(
    plan: &AppPlan,
    command: &str,
    id: &str,
    release: &str,
    surroundings: &Surroundings,
    secrets: &Secrets,
) -> Spawn {
    Spawn {
        id: id.to_owned(),
        environment: environment(plan, release, surroundings, secrets)
            .into_iter()
            .collect(),
        ..shell(plan, command, release, surroundings)
    }
}

/// Differs whenever a copy must be started anew to be what its plan says. Shows nothing of the secrets in it.
pub fn revision(spawn: &Spawn) -> String {
    let mut hasher = Hasher::new();
    hasher.update(&serde_json::to_vec(spawn).unwrap_or_default());
    let mut hash = hasher.finalize().to_hex().to_string();
    hash.truncate(24);
    hash
}

/// The directories that must be there, the app's own, before a copy starts: its home, and those that survive releases.
pub fn directories(plan: &AppPlan, surroundings: &Surroundings) -> Vec<PathBuf> {
    let kept = plan
        .keep
        .iter()
        .map(|keep| kept(&surroundings.state, &plan.name, &keep.name));
    std::iter::once(home(plan, surroundings))
        .chain(kept)
        .collect()
}

/// Where a kept directory is: a release has a link to it.
pub fn kept(state: &Path, app: &str, name: &str) -> PathBuf {
    state.join("keep").join(app).join(name)
}

fn home(plan: &AppPlan, surroundings: &Surroundings) -> PathBuf {
    surroundings.state.join("home").join(&plan.name)
}

fn shell(plan: &AppPlan, command: &str, release: &str, surroundings: &Surroundings) -> Spawn {
    Spawn {
        program: Program::File(PathBuf::from("/bin/sh")),
        arguments: vec!["-c".to_owned(), replacing_the_shell(command)],
        directory: Some(release::directory(
            &surroundings.releases,
            &plan.name,
            release,
        )),
        user: Some(users::app(plan.index)),
        ..Spawn::default()
    }
}

/// `exec` before a simple command, so that signals reach the app and not a shell. What is more than one command
/// needs its shell.
fn replacing_the_shell(command: &str) -> String {
    let command = command.trim();
    let compound = command.contains([';', '&', '|', '\n', '(', '{']);
    let assigns = command
        .split_whitespace()
        .next()
        .is_some_and(|word| word.contains('='));
    if compound || assigns || command.starts_with("exec ") {
        command.to_owned()
    } else {
        format!("exec {command}")
    }
}

/// Later entries win: what every program expects, then the file's own, then what we promise.
fn environment(
    plan: &AppPlan,
    release: &str,
    surroundings: &Surroundings,
    secrets: &Secrets,
) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    let mut set = |name: &str, value: &str| {
        all.insert(name.to_owned(), value.to_owned());
    };
    set("PATH", SEARCH_PATH);
    set("HOME", &home(plan, surroundings).to_string_lossy());
    set("LANG", "C.UTF-8");
    set("TZ", "UTC");
    set("TMPDIR", "/tmp");
    if let (Some(database), Some(password)) = (&plan.database, &secrets.password) {
        set("DATABASE_URL", &database_url(database, password));
    }
    for (name, value) in &plan.env {
        set(name, value);
    }
    for (name, value) in &secrets.variables {
        set(name, value.expose());
    }
    set("SITE", &surroundings.site);
    set("SERVER", &surroundings.server);
    set("RELEASE", short(release));
    all
}

/// `mysql://user:password@host:port/name`, its parts percent-encoded (RFC 3986 §2.1).
fn database_url(database: &DatabaseAccess, password: &Secret) -> String {
    format!(
        "mysql://{}:{}@{}/{}",
        encoded(&database.user),
        encoded(password.expose()),
        database.address,
        encoded(&database.name)
    )
}

fn encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes()
        .map(|byte| match byte {
            _ if plain(byte) => char::from(byte).to_string(),
            _ => format!("%{byte:02X}"),
        })
        .collect()
}

#[cfg(test)]
mod tests;
