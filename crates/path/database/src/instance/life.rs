//! The life of one instance: prepared, started, asked, changed, stopped.
//!
//! Every step may be taken again: a start finds the data that an earlier one left, an account that stands
//! is left as it is. Who calls decides when; nothing here starts a server by itself.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use terrace_protocol::keeper::{Exit, Program, Spawn, User};
use terrace_service::SecretStore;
use terrace_site::plan::{DatabasePlan, Engine};

use super::accounts::{self, CONTROL_SECRET};
use super::config::{self, Paths};
use super::control::{Control, Health};
use super::door::Door;
use super::engine::{self, Found};
use super::error::Error;
use super::failure;
use super::files::{self, Directories};
use super::home::{self, Record};
use super::processes::Processes;
use super::template::{self, Origin};
use crate::failover::Run;

/// Between two looks whether a starting server answers.
const LOOK: Duration = Duration::from_millis(15);

/// What an instance is made of.
#[derive(Clone)]
pub struct Settings {
    /// The role's id, which is that of its process: `web-01/database`.
    pub id: String,
    /// Where its files are.
    pub directories: Directories,
    /// As whom the server runs; `None`: as the keeper does, which must not be root.
    pub user: Option<User>,
    /// Where to look for the program: [`engine::search_path`].
    pub search: Vec<PathBuf>,
    /// Where its passwords are.
    pub secrets: SecretStore,
    /// It has data: where that is missing it was lost, and no empty directory takes its place.
    pub had_data: bool,
}

/// A server that answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Started {
    /// From the start of the process to the first answer.
    pub took: Duration,
}

/// How a server came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stopped {
    /// It ended by itself when asked to, after this time.
    Clean(Duration),
    /// It was killed, or died: the next start recovers its data.
    Killed(Exit),
}

/// What a new plan took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Updated {
    /// It is in force.
    Done,
    /// The configuration changed: it is in force after a stop and a start.
    NeedsRestart,
}

/// One database server.
pub struct Instance {
    pub(super) settings: Settings,
    pub(super) plan: DatabasePlan,
    pub(super) processes: Arc<dyn Processes>,
    pub(super) found: Found,
    pub(super) record: Record,
    origin: Option<Origin>,
    pub(super) control: Control,
    /// A controller decides who takes writes.
    pub(super) controlled: bool,
    /// The next start rolls back what nobody acknowledged.
    rolls_back: bool,
}

impl Instance {
    /// Finds the program and the data, or gives birth to it. Starts nothing that stays.
    ///
    /// # Errors
    /// What stands in the way, with its remedy; data that is there is never changed.
    pub async fn prepare(
        settings: Settings,
        plan: DatabasePlan,
        processes: Arc<dyn Processes>,
    ) -> Result<Self, Error> {
        check_names(&plan)?;
        let directories = &settings.directories;
        let record = home::read(directories)?;
        let data = directories.data();
        if record.is_none() && settings.had_data {
            let several = plan.cluster.is_some();
            return Err(Error::Lost { data, several });
        }
        let wanted = home::wanted(plan.engine, record.as_ref(), &data)?;
        let found = engine::discover(
            &*processes,
            &settings.id,
            &settings.search,
            wanted,
            settings.user,
        )
        .await?;
        directories.make(settings.user)?;
        let password = settings.secrets.read_or_generate(CONTROL_SECRET)?;
        let control = Control::new(directories.socket(), plan.own_door(), &password);
        let (record, origin) = match record {
            Some(record) => {
                record.admits(&found, &data)?;
                (record, None)
            }
            None => {
                let (record, origin) = born(&settings, &plan, &*processes, &found).await?;
                (record, Some(origin))
            }
        };
        Ok(Self {
            settings,
            plan,
            processes,
            found,
            record,
            origin,
            control,
            controlled: false,
            rolls_back: false,
        })
    }

    /// From now on it stays read-only after a start, primary or not, until the controller opens it.
    pub fn leave_closed(&mut self) {
        self.controlled = true;
    }

    /// As [`Self::start`], for a server that becomes a replica: commits that no replica acknowledged are
    /// rolled back. Never for one that stays primary, whose replicas may hold them.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub async fn start_as_replica(&mut self) -> Result<Started, Error> {
        self.rolls_back = true;
        let started = self.start().await;
        self.rolls_back = false;
        started
    }

    /// The number of its process; `None`: it does not run.
    pub fn pid(&self) -> Option<u32> {
        let path = self.settings.directories.pid();
        std::fs::read_to_string(path).ok()?.trim().parse().ok()
    }

    /// The run of its process; `None`: it has none.
    pub fn run(&self) -> Option<Run> {
        let pid = self.pid()?;
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // After the name, which may hold blanks, the start is the 20th field.
        let started = stat.rsplit_once(')')?.1.split_whitespace().nth(19)?;
        let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
        Some(Run(format!("{}/{pid}/{started}", boot.trim())))
    }

    /// How the control account logs in, for [`crate::replication::Member`]; stale after a start.
    pub fn control_options(&self) -> mysql_async::Opts {
        self.control.door().options()
    }

    /// The control account's ways in, for [`crate::replication::Member`]; stale after a start.
    pub fn door(&self) -> Door {
        self.control.door().clone()
    }

    /// Which server it is: shows as `MariaDB 10.11.19`.
    pub fn found(&self) -> &Found {
        &self.found
    }

    /// Its MySQL server-id.
    pub fn server_id(&self) -> u32 {
        self.plan.server_id
    }

    /// Where it listens.
    pub fn listens(&self) -> &[std::net::IpAddr] {
        &self.plan.listen
    }

    /// Where its data came from when it was born just now; `None`: it was there.
    pub fn born(&self) -> Option<Origin> {
        self.origin
    }

    /// It is the one that takes writes.
    pub fn is_primary(&self) -> bool {
        self.record.primary
    }

    /// Starts the server and waits until it answers and its accounts stand. It recovers its data by itself
    /// after a crash; however long that takes, it is not cut short.
    ///
    /// # Errors
    /// [`Error::Died`] says why it ended, from its log.
    pub async fn start(&mut self) -> Result<Started, Error> {
        self.control.forget();
        self.write_files()?;
        let begun = Instant::now();
        self.processes.start(self.spawn()).await?;
        self.answered().await?;
        let took = begun.elapsed();
        self.settle().await?;
        Ok(Started { took })
    }

    /// Takes over a server that runs already: after its node was started again, or to repeat what a start
    /// could not finish.
    ///
    /// # Errors
    /// As [`Self::start`]; [`Error::ControlRefused`] when the control password is no longer the server's.
    pub async fn attach(&mut self) -> Result<Started, Error> {
        let begun = Instant::now();
        self.answered().await?;
        let took = begun.elapsed();
        self.settle().await?;
        Ok(Started { took })
    }

    /// Asks it how it is.
    pub async fn probe(&mut self) -> Health {
        self.control.probe().await
    }

    /// Waits until its process has ended.
    ///
    /// # Errors
    /// When the processes cannot be asked.
    pub async fn exited(&self) -> Result<Exit, Error> {
        Ok(self.processes.exited(&self.settings.id).await?)
    }

    /// Takes a new plan: accounts and passwords at once, all else at the next start.
    ///
    /// # Errors
    /// When the server does not carry it out; calling again goes on.
    pub async fn update(&mut self, plan: DatabasePlan) -> Result<Updated, Error> {
        check_names(&plan)?;
        home::wanted(
            plan.engine,
            Some(&self.record),
            &self.settings.directories.data(),
        )?;
        let before = self.rendered();
        self.plan = plan;
        self.settle().await?;
        Ok(if self.rendered() == before {
            Updated::Done
        } else {
            Updated::NeedsRestart
        })
    }

    /// Asks the server to end, and kills it when it has not within this time. What was committed is kept
    /// either way.
    ///
    /// # Errors
    /// When the processes cannot be asked.
    pub async fn stop(&mut self, within: Duration) -> Result<Stopped, Error> {
        self.control.forget();
        let id = &self.settings.id;
        let begun = Instant::now();
        let terminate = rustix::process::Signal::TERM.as_raw();
        self.processes.signal(id, terminate).await?;
        if let Ok(exit) = tokio::time::timeout(within, self.processes.exited(id)).await {
            return Ok(match exit? {
                Exit::Code(0) => Stopped::Clean(begun.elapsed()),
                other => Stopped::Killed(other),
            });
        }
        let kill = rustix::process::Signal::KILL.as_raw();
        self.processes.signal(id, kill).await?;
        Ok(Stopped::Killed(self.processes.exited(id).await?))
    }

    fn rendered(&self) -> String {
        let directories = &self.settings.directories;
        let paths = Paths {
            data: &directories.data(),
            temporary: &directories.temporary(),
            socket: &directories.socket(),
            pid: &directories.pid(),
        };
        config::render(self.found.engine, &self.plan, paths)
    }

    fn write_files(&mut self) -> Result<(), Error> {
        let Settings {
            directories,
            user,
            secrets,
            ..
        } = &self.settings;
        directories.make(*user)?;
        files::write(&directories.config(), &self.rendered(), 0o644, None)?;
        let password = secrets.read_or_generate(CONTROL_SECRET)?;
        let statements = accounts::before_anybody(self.found.engine, &password);
        files::write(&directories.init(), &statements, 0o600, *user)?;
        self.control = Control::new(directories.socket(), self.plan.own_door(), &password);
        let socket = directories.socket();
        files::remove(&socket).map_err(Error::io("remove", &socket))
    }

    fn spawn(&self) -> Spawn {
        let directories = &self.settings.directories;
        let mut arguments = vec![
            format!("--defaults-file={}", directories.config().display()),
            format!("--init-file={}", directories.init().display()),
        ];
        if self.rolls_back && self.found.engine == Engine::Mariadb {
            arguments.push("--init-rpl-role=SLAVE".into());
        }
        Spawn {
            id: self.settings.id.clone(),
            program: Program::File(self.found.binary.clone()),
            arguments,
            environment: engine::environment(),
            directory: Some(directories.home.clone()),
            user: self.settings.user,
            ..Spawn::default()
        }
    }

    /// Waits until the server lets the control account in, or has ended.
    async fn answered(&mut self) -> Result<(), Error> {
        let id = &self.settings.id;
        let outcome = tokio::select! {
            biased;
            exit = self.processes.exited(id) => Err(exit?),
            entered = self.control.wait(LOOK) => Ok(entered),
        };
        let init = self.settings.directories.init();
        files::remove(&init).map_err(Error::io("remove", &init))?;
        match outcome {
            Ok(entered) => entered,
            Err(exit) => Err(Error::Died {
                what: self.found.to_string(),
                exit,
                failure: failure::diagnose(&self.processes.output(id).await),
            }),
        }
    }
}

fn check_names(plan: &DatabasePlan) -> Result<(), Error> {
    let users = plan.users.iter().map(|user| user.name.as_str());
    accounts::check_names(&plan.database, users)
}

async fn born(
    settings: &Settings,
    plan: &DatabasePlan,
    processes: &dyn Processes,
    found: &Found,
) -> Result<(Record, Origin), Error> {
    let Settings {
        id,
        directories,
        user,
        ..
    } = settings;
    let unborn = home::clear(directories)?;
    let templates = &directories.templates;
    let origin = template::lay(processes, id, found, templates, &unborn, *user).await?;
    let record = Record::new(found, plan.primary_at_birth);
    home::settle(directories, &record)?;
    Ok((record, origin))
}
