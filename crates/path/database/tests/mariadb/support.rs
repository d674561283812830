//! A database of the test's own: processes of this test, a directory and a port that nobody else has.

use std::collections::HashMap;
use std::fs::{self, File};
use std::hash::{BuildHasher, RandomState};
use std::net::{Ipv4Addr, TcpListener};
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use mysql_async::{Conn, OptsBuilder};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use terrace_database::instance::engine;
use terrace_database::{
    Directories, Error, Finished, Health, Instance, ProcessError, Processes, Settings,
};
use terrace_protocol::keeper::{Exit, Program, Spawn, User};
use terrace_service::{SecretStore, users};
use terrace_site::plan::{DatabasePlan, DatabaseUser, Engine, SecretName};
use tokio::process::Command;
use tokio::sync::watch;

/// The processes of one test. They are killed with it, however it ends.
pub struct Local {
    logs: PathBuf,
    running: Mutex<HashMap<String, Running>>,
}

struct Running {
    pid: u32,
    exit: watch::Receiver<Option<Exit>>,
}

impl Drop for Local {
    fn drop(&mut self) {
        for running in self.running.get_mut().unwrap().values() {
            if running.exit.borrow().is_none() {
                send(running.pid, Signal::KILL);
            }
        }
    }
}

fn send(pid: u32, signal: Signal) {
    let pid = Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    // It may have ended just now.
    let _ = kill_process(pid, signal);
}

impl Local {
    fn log(&self, id: &str) -> PathBuf {
        self.logs.join(format!("{}.log", id.replace('/', "-")))
    }

    fn command(&self, spawn: &Spawn, input: Option<OwnedFd>) -> std::io::Result<Command> {
        let Program::File(program) = &spawn.program else {
            panic!("a database runs a program of the machine");
        };
        let log = File::create(self.log(&spawn.id))?;
        let mut command = Command::new(program);
        command
            .args(&spawn.arguments)
            .env_clear()
            .envs(spawn.environment.iter().cloned())
            .current_dir(spawn.directory.as_deref().unwrap_or(Path::new("/")))
            .stdin(input.map_or_else(Stdio::null, Stdio::from))
            .stdout(log.try_clone()?)
            .stderr(log)
            .process_group(0)
            .kill_on_drop(true);
        if let Some(User { id }) = spawn.user {
            command.uid(id).gid(id);
        }
        Ok(command)
    }
}

fn ended(status: ExitStatus) -> Exit {
    match status.signal() {
        Some(signal) => Exit::Signal(signal),
        None => Exit::Code(status.code().unwrap_or(-1)),
    }
}

fn failed(error: std::io::Error) -> ProcessError {
    ProcessError(error.to_string())
}

#[async_trait]
impl Processes for Local {
    async fn run(&self, spawn: Spawn, input: Option<OwnedFd>) -> Result<Finished, ProcessError> {
        let mut command = self.command(&spawn, input).map_err(failed)?;
        let exit = ended(command.status().await.map_err(failed)?);
        let output = self.output(&spawn.id).await;
        Ok(Finished { exit, output })
    }

    async fn start(&self, spawn: Spawn) -> Result<u32, ProcessError> {
        let mut child = self
            .command(&spawn, None)
            .and_then(|mut command| command.spawn())
            .map_err(failed)?;
        let pid = child.id().unwrap();
        let (tell, exit) = watch::channel(None);
        tokio::spawn(async move {
            let status = child.wait().await.unwrap();
            tell.send_replace(Some(ended(status)));
        });
        self.running
            .lock()
            .unwrap()
            .insert(spawn.id, Running { pid, exit });
        Ok(pid)
    }

    async fn signal(&self, id: &str, signal: i32) -> Result<(), ProcessError> {
        let running = self.running.lock().unwrap();
        let one = running
            .get(id)
            .ok_or_else(|| ProcessError("not started".into()))?;
        if one.exit.borrow().is_none() {
            send(one.pid, Signal::from_named_raw(signal).unwrap());
        }
        Ok(())
    }

    async fn exited(&self, id: &str) -> Result<Exit, ProcessError> {
        let exit = self
            .running
            .lock()
            .unwrap()
            .get(id)
            .map(|one| one.exit.clone());
        let mut exit = exit.ok_or_else(|| ProcessError("not started".into()))?;
        let exit = exit
            .wait_for(Option::is_some)
            .await
            .map_err(|error| ProcessError(error.to_string()))?;
        Ok(exit.unwrap())
    }

    async fn output(&self, id: &str) -> String {
        let bytes = fs::read(self.log(id)).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

/// One database and its place on the disk.
pub struct Bench {
    pub place: TempDir,
    pub processes: Arc<Local>,
    pub settings: Settings,
    pub plan: DatabasePlan,
}

/// Which server the tests run: `TERRACE_ENGINE=mysql` takes the one that scripts/mysql unpacks.
pub fn flavour() -> Engine {
    match std::env::var("TERRACE_ENGINE").as_deref() {
        Ok("mysql") => Engine::Mysql,
        Ok("mariadb") | Err(_) => Engine::Mariadb,
        Ok(other) => panic!("TERRACE_ENGINE={other}: write `mariadb` or `mysql`"),
    }
}

/// Where its programs are.
pub fn search() -> Vec<PathBuf> {
    match flavour() {
        Engine::Mariadb => engine::search_path(std::env::var_os("PATH").as_deref()),
        Engine::Mysql => {
            let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(3);
            vec![root.unwrap().join("target/mysql/bin")]
        }
    }
}

/// The role that the tests run.
pub const ID: &str = "web-01/database";

impl Bench {
    /// A place with templates of its own: its first birth is a cold one. `None`: this machine has no
    /// server of the flavour, which is said.
    pub async fn cold() -> Option<Self> {
        let place = tempfile::tempdir().unwrap();
        // The server's own user must be able to pass.
        fs::set_permissions(place.path(), PermissionsExt::from_mode(0o755)).unwrap();
        let root = rustix::process::geteuid().is_root();
        let processes = Arc::new(Local {
            logs: place.path().to_owned(),
            running: Mutex::default(),
        });
        let bench = Self {
            settings: Settings {
                had_data: false,
                id: ID.to_owned(),
                directories: Directories {
                    home: place.path().join("home"),
                    run: place.path().join("run"),
                    templates: place.path().join("templates"),
                },
                user: root.then_some(users::DATABASE),
                search: search(),
                secrets: SecretStore::new(place.path().join("secrets")),
            },
            plan: plan(free_port()),
            place,
            processes,
        };
        let wanted = Some(flavour());
        let Settings { search, user, .. } = &bench.settings;
        match engine::discover(&*bench.processes, ID, search, wanted, *user).await {
            Ok(_) => Some(bench),
            Err(error) => {
                eprintln!("skipped: {error}");
                None
            }
        }
    }

    /// A place that shares its templates with the other tests of this build.
    pub async fn warm() -> Option<Self> {
        let mut bench = Self::cold().await?;
        bench.settings.directories.templates =
            Path::new(env!("CARGO_TARGET_TMPDIR")).join("templates");
        Some(bench)
    }

    pub async fn prepare(&self) -> Result<Instance, Error> {
        let processes = Arc::clone(&self.processes) as Arc<dyn Processes>;
        Instance::prepare(self.settings.clone(), self.plan.clone(), processes).await
    }

    /// A server that answers.
    pub async fn started(&self) -> Instance {
        let mut instance = self
            .prepare()
            .await
            .unwrap_or_else(|error| panic!("{error}"));
        if let Err(error) = instance.start().await {
            panic!("{error}\n{}", self.processes.output(ID).await);
        }
        instance
    }

    /// Logs in as the app does: over TCP, with the password of the secret.
    pub async fn app(&self) -> Result<Conn, mysql_async::Error> {
        let password = self
            .settings
            .secrets
            .read("database/app")
            .unwrap_or_else(|error| panic!("{error}"));
        self.log_in("app", password.expose(), Some("my_site")).await
    }

    pub async fn log_in(
        &self,
        user: &str,
        password: &str,
        database: Option<&str>,
    ) -> Result<Conn, mysql_async::Error> {
        let options = OptsBuilder::default()
            .ip_or_hostname("127.0.0.1")
            .tcp_port(self.plan.port)
            .prefer_socket(false)
            .user(Some(user))
            .pass(Some(password))
            .db_name(database);
        Conn::new(options).await
    }
}

/// Asks until the health is as expected; a server that never gets there fails the test.
pub async fn until(instance: &mut Instance, expected: impl Fn(&Health) -> bool) -> Health {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
    loop {
        let health = instance.probe().await;
        if expected(&health) {
            return health;
        }
        assert!(tokio::time::Instant::now() < deadline, "still: {health}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

fn plan(port: u16) -> DatabasePlan {
    DatabasePlan {
        engine: None,
        listen: vec![Ipv4Addr::LOCALHOST.into()],
        port,
        own_port: free_port(),
        server_id: 11,
        report_host: "web-01".into(),
        database: "my_site".into(),
        users: vec![DatabaseUser {
            name: "app".into(),
            password: SecretName("database/app".into()),
        }],
        primary_at_birth: true,
        cluster: None,
    }
}

/// A port that no other test of this run is given, below those that the kernel gives to whoever connects: one of those may
/// be taken before the server listens.
pub fn free_port() -> u16 {
    static NEXT: OnceLock<AtomicU16> = OnceLock::new();
    // Another run on this machine begins elsewhere.
    let begins = || AtomicU16::new(RandomState::new().hash_one(0) as u16);
    let next = NEXT.get_or_init(begins);
    loop {
        let port = 10_000 + next.fetch_add(1, Ordering::Relaxed) % 20_000;
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
}
