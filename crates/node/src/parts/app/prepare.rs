//! What must be there before copies of a release start: their directories, and a database that is ready for
//! them. Runs beside the copies that serve, which are looked after meanwhile.

use std::fs;
use std::os::unix::fs::{DirBuilderExt, chown};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use terrace_app::launch::{self, Secrets, Surroundings};
use terrace_app::migrate;
use terrace_protocol::keeper::{Exit, Spawn};
use terrace_protocol::report::LogOf;
use terrace_service::{clock, users};
use terrace_site::plan::AppPlan;
use tokio::net::TcpStream;

use super::{App, Heard, LAST_LINES, Ready, Unprepared};
use crate::logs::Writer;
use crate::node::Context;

/// Between two looks whether the database listens.
const LOOK: Duration = Duration::from_millis(50);

impl App {
    /// Begins what must be done before copies of the wanted release may start.
    pub(super) fn prepare(&mut self) {
        let due = matches!(self.ready, Ready::No { again } if Instant::now() >= again);
        let Some(release) = self.plan.release.clone().filter(|_| due) else {
            return;
        };
        let preparation = Preparation {
            context: self.part.context.clone(),
            id: self.part.id.clone(),
            plan: self.plan.clone(),
            release: release.clone(),
            surroundings: self.surroundings.clone(),
        };
        self.ready = Ready::Underway;
        let heard = self.heard_in.clone();
        tokio::spawn(async move {
            let outcome = preparation.carry_out().await;
            let _ = heard.send(Heard::Prepared(preparation.release, outcome));
        });
    }

    /// One that failed is tried again after a pause.
    pub(super) fn prepared(&mut self, release: String, outcome: anyhow::Result<()>) {
        let trouble = match outcome {
            Ok(()) => {
                self.begun = Instant::now();
                // It may no longer be the one that is wanted: then it is the other's turn.
                let wanted = self.plan.release.as_ref() == Some(&release);
                self.ready = if wanted {
                    Ready::Yes { release }
                } else {
                    Ready::now()
                };
                return;
            }
            Err(trouble) => trouble,
        };
        let log = match trouble.is::<FailedMigration>() {
            true => Some(LogOf::Process(migration_id(&self.part.id))),
            false => None,
        };
        self.not_prepared(format!("{trouble:#}"), log);
    }

    /// What failed is tried again after a pause; it is told at once, and once.
    pub(super) fn not_prepared(&mut self, trouble: String, log: Option<LogOf>) {
        tracing::warn!(
            id = self.part.id,
            error = trouble,
            "the release cannot start yet"
        );
        let since = match &self.unprepared {
            Some(before) => before.since,
            None => {
                self.part.context.step("app", trouble.clone(), None, false);
                clock::unix_millis()
            }
        };
        self.unprepared = Some(Unprepared {
            since,
            trouble,
            log: log.map(Box::new),
        });
        let again = Instant::now() + self.pauses.pause(Duration::ZERO);
        self.ready = Ready::No { again };
    }
}

/// The migration ended, and not well.
#[derive(Debug, thiserror::Error)]
#[error("the migration `{command}` ended with {exit}:\n{last}")]
struct FailedMigration {
    command: String,
    exit: Exit,
    /// What it wrote last.
    last: String,
}

/// Everything that a preparation is made of.
struct Preparation {
    context: Context,
    /// The role's id.
    id: String,
    plan: AppPlan,
    release: String,
    surroundings: Surroundings,
}

/// The id of the migration's process.
pub(super) fn migration_id(role: &str) -> String {
    format!("{role}/migrate")
}

impl Preparation {
    /// Makes the directories and runs the migration, if this release has not had its own.
    async fn carry_out(&self) -> anyhow::Result<()> {
        self.make_directories()?;
        let record = migrate::Record::of(&self.surroundings.state, &self.plan.name);
        let Some(command) = record.due(&self.plan, &self.release)? else {
            return Ok(());
        };
        self.database_listens().await;
        let begun = Instant::now();
        self.migrate(command).await?;
        record.done(command, &self.release)?;
        let text = format!("migration `{command}`, once for this release");
        self.context.step("app", text, Some(begun.elapsed()), true);
        Ok(())
    }

    fn make_directories(&self) -> anyhow::Result<()> {
        let owner = Some(users::app(self.plan.index).id);
        for directory in launch::directories(&self.plan, &self.surroundings) {
            let made = fs::DirBuilder::new()
                .recursive(true)
                .mode(0o755)
                .create(&directory);
            made.with_context(|| format!("{} cannot be made", directory.display()))?;
            match chown(&directory, owner, owner) {
                // Where only one user is mapped everything is that user's already.
                Err(error) if error.raw_os_error() != Some(nix::libc::EINVAL) => {
                    return Err(error).with_context(|| {
                        format!("{} cannot be given to the app", directory.display())
                    });
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// All roles start at once: a migration that comes before its database would only fail.
    async fn database_listens(&self) {
        let Some(database) = &self.plan.database else {
            return;
        };
        while TcpStream::connect(database.address).await.is_err() {
            tokio::time::sleep(LOOK).await;
        }
    }

    async fn migrate(&self, command: &str) -> anyhow::Result<()> {
        let secrets = Secrets::of(&self.plan, &self.context.secrets())?;
        let id = migration_id(&self.id);
        let spawn = launch::migration(
            &self.plan,
            command,
            &id,
            &self.release,
            &self.surroundings,
            &secrets,
        );
        let output = Some(self.context.keep_log(&id, Writer::Foreign).await?);
        let outputs = &self.context.outputs;
        let from = outputs.mark(&id);
        let keeper = &self.context.keeper;
        keeper.spawn(Spawn { output, ..spawn }).await?;
        let exit = keeper.exited(&id).await;
        if exit != Exit::Code(0) {
            let output = outputs.since(&id, from);
            let lines: Vec<&str> = output.lines().collect();
            let last = lines[lines.len().saturating_sub(LAST_LINES)..].join("\n");
            return Err(FailedMigration {
                command: command.to_owned(),
                exit,
                last,
            }
            .into());
        }
        Ok(())
    }
}
