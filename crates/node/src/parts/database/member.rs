//! One of several databases: it tells the controller how it stands, and does what that says.
//!
//! Commands are carried out one at a time. Meanwhile it is asked on how it stands; an answer that was on its way when
//! a command was done is dropped, so reports and answers leave in the order in which they were true.

use std::time::Duration;

use terrace_database::failover::{Answer, Command, Report, Run, Standing, Token};
use terrace_database::replication::{self, Passwords, Peer};
use terrace_database::{Error, Instance, Processes, Updated};
use terrace_site::plan::{ClusterPlan, REPLICATION_SECRET};
use tokio::task::JoinHandle;
use tokio::time::{Interval, MissedTickBehavior};

use super::standing::Unsaid;
use super::{Database, Life, PROBE, STOP_WITHIN, Start, ended, words};
use crate::node::letters::{self, Letter, Member, Received};

/// How often it says how it stands.
const TELL: Duration = terrace_site::times::TELL;
/// A server that has not said by then how it stands is silent.
const ANSWERS_WITHIN: Duration = Duration::from_secs(1);

/// What happened.
enum Event {
    Received(Box<Received>),
    Sought(u64, String),
    Tick,
    Exited(terrace_protocol::keeper::Exit),
    Planned,
    Stop,
}

impl Database {
    /// Serves the controller until it ends, is to end, or has another plan.
    pub(super) async fn follow(
        &mut self,
        mut instance: Instance,
        start: Option<Start>,
    ) -> Result<Life, Error> {
        if let Some(start) = start {
            let answer = self.at(&instance).await;
            self.answer(start.token, answer);
        }
        let mut tick = ticks();
        loop {
            match self.next(&mut tick).await? {
                Event::Received(received) => {
                    if let Some(life) = self.received(&mut instance, *received).await? {
                        return Ok(life);
                    }
                }
                Event::Sought(number, text) => self.find(&mut instance, number, &text).await,
                Event::Tick => self.look(&instance).await,
                Event::Exited(exit) => return Ok(Life::Exited(exit)),
                Event::Stop => return Ok(Life::ToStop(Some(Box::new(instance)))),
                Event::Planned => {
                    if let Some(plan) = self.plan()
                        && let Updated::NeedsRestart = instance.update(plan).await?
                    {
                        instance.stop(STOP_WITHIN).await?;
                        return Ok(Life::NeedsRestart);
                    }
                }
            }
        }
    }

    async fn next(&mut self, tick: &mut Interval) -> Result<Event, Error> {
        let (processes, id) = (self.processes.clone(), self.part.id.clone());
        let mut stopped = self.part.stopped.clone();
        Ok(tokio::select! {
            received = letters::next(&mut self.letters) => Event::Received(Box::new(received)),
            (number, text) = letters::next(&mut self.searches) => Event::Sought(number, text),
            exit = processes.exited(&id) => Event::Exited(exit?),
            () = ended(&mut stopped) => Event::Stop,
            changed = self.part.plans.changed() => if changed.is_ok() { Event::Planned } else { Event::Stop },
            _ = tick.tick() => Event::Tick,
        })
    }

    async fn received(
        &mut self,
        instance: &mut Instance,
        received: Received,
    ) -> Result<Option<Life>, Error> {
        let Received { from, letter } = received;
        match letter {
            Letter::Command(token, command) if self.obeys(&from, token) => {
                self.carry_out(instance, token, command).await
            }
            Letter::CopyWanted => {
                self.hand_out_copy(instance, from);
                Ok(None)
            }
            _ => Ok(None),
        }
    }

    /// It comes from the controller, and from none that has been followed by another.
    fn obeys(&mut self, from: &str, token: Token) -> bool {
        let controls = self.cluster().is_some_and(|one| one.controller == from);
        let is_new = self.heard.is_none_or(|heard| heard < token);
        if controls && is_new {
            self.heard = Some(token);
        }
        controls && is_new
    }

    async fn carry_out(
        &mut self,
        instance: &mut Instance,
        token: Token,
        command: Command,
    ) -> Result<Option<Life>, Error> {
        tracing::info!(?token, ?command, "the controller commands");
        let answer = match command {
            Command::Fence => {
                self.fence().await?;
                self.answer(token, Answer::Ended);
                return Ok(Some(Life::Fenced));
            }
            Command::Start { replica } => match instance.run() {
                run if replica && run != self.reborn => {
                    Answer::Failed("it runs, and was not started as a replica".to_owned())
                }
                _ => self.at(instance).await,
            },
            Command::Reclone { donor, epoch } => {
                match self.reclone(instance, &donor, epoch).await {
                    Ok(()) => self.at(instance).await,
                    Err(error) => {
                        self.answer(token, Answer::Failed(format!("{error:#}")));
                        return match instance.run() {
                            Some(_) => Ok(None),
                            // Its own data is what it was: it is started again on that.
                            None => Ok(Some(Life::NeedsRestart)),
                        };
                    }
                }
            }
            command => self.obey(instance, &command).await,
        };
        tracing::info!(?token, ?answer, "done");
        self.not_done = match &answer {
            Answer::Failed(reason) => Some(reason.clone()),
            _ => None,
        };
        // The controller decides by the last report: one from before the command would mislead it.
        self.look(instance).await;
        self.answer(token, answer);
        Ok(None)
    }

    /// What a connection is enough for.
    async fn obey(&mut self, instance: &mut Instance, command: &Command) -> Answer {
        let (Some(run), Some(member)) = (instance.run(), self.member(instance)) else {
            return Answer::Failed("it does not run".to_owned());
        };
        if let Command::Promote { .. } = command
            && let Err(error) = self.make_ready(instance, &member).await
        {
            return Answer::Failed(error);
        }
        let answer = {
            let work = member.obey(command, &run);
            tokio::pin!(work);
            let mut tick = ticks();
            loop {
                tokio::select! {
                    biased;
                    answer = &mut work => break answer,
                    _ = tick.tick() => self.look(instance).await,
                }
            }
        };
        if let (Command::Attach { .. }, Answer::At { .. }) = (command, &answer)
            && let Err(error) = instance.demoted()
        {
            return Answer::Failed(words(&error));
        }
        answer
    }

    /// Database and accounts stand before anybody writes; on a site that has them this changes nothing.
    async fn make_ready(
        &self,
        instance: &mut Instance,
        member: &replication::Member,
    ) -> Result<(), String> {
        instance.opens().await.map_err(|error| words(&error))?;
        member.make_accounts().await.map_err(|error| words(&error))
    }

    async fn fence(&mut self) -> Result<(), Error> {
        let kill = nix::sys::signal::Signal::SIGKILL as i32;
        self.processes.signal(&self.part.id, kill).await?;
        self.processes.exited(&self.part.id).await?;
        self.report.pid = 0;
        let reason = "kept down: another one is made primary".to_owned();
        self.show(terrace_protocol::report::State::Stopped, reason);
        Ok(())
    }

    /// Fenced: says so until the controller wants it back. `None`: it is to end.
    pub(super) async fn stay_down(&mut self) -> Option<Start> {
        let mut stopped = self.part.stopped.clone();
        let mut tick = ticks();
        loop {
            tokio::select! {
                received = letters::next(&mut self.letters) => {
                    let Received { from, letter } = received;
                    match letter {
                        Letter::Command(token, command) if self.obeys(&from, token) => match command {
                            Command::Start { replica } => return Some(Start { token, replica }),
                            Command::Fence => self.answer(token, Answer::Ended),
                            _ => self.answer(token, Answer::Failed("it is kept down".to_owned())),
                        },
                        _ => {}
                    }
                }
                _ = tick.tick() => self.tell(Report::Down, false),
                () = ended(&mut stopped) => return None,
            }
        }
    }

    /// The way to the server for one command.
    pub(super) fn member(&self, instance: &Instance) -> Option<replication::Member> {
        let ClusterPlan { peers, .. } = self.cluster()?;
        let peers = peers.into_iter().map(|peer| {
            let about = Peer {
                host: peer.address.ip().to_string(),
                port: peer.address.port(),
                server_id: peer.server_id,
            };
            (peer.server, about)
        });
        let secrets = self.part.context.secrets();
        let read = |name| secrets.read_or_generate(name);
        let passwords = match (read(REPLICATION_SECRET), read(replication::ROUTER_SECRET)) {
            (Ok(replicas), Ok(routers)) => Passwords { replicas, routers },
            (Err(error), _) | (_, Err(error)) => {
                tracing::error!(%error, "replicas cannot log in");
                return None;
            }
        };
        Some(replication::Member::new(
            instance.found().engine,
            instance.door(),
            instance.server_id(),
            peers.collect(),
            passwords,
        ))
    }

    /// Its run and position now.
    async fn at(&mut self, instance: &Instance) -> Answer {
        match self.standing(instance).await {
            Ok(Report::Up(standing)) => Answer::At {
                run: standing.run,
                position: standing.position,
            },
            Ok(_) => Answer::Failed(replication::FULL.to_owned()),
            Err(unsaid) => Answer::Failed(unsaid.into()),
        }
    }

    /// How it stands, or why it does not say. One that was full is asked again only when it has answered: whoever asks hangs
    /// until it goes on, which is later than there is room.
    async fn standing(&mut self, instance: &Instance) -> Result<Report, Unsaid> {
        let silent = || Unsaid::Silent("it does not say how it stands".to_owned());
        let run = instance.run().ok_or_else(silent)?;
        let was_full = self.full.as_ref() == Some(&run);
        let mut asked = match self.asked.take().filter(|_| was_full) {
            Some(asked) => asked,
            None => {
                let member = self.member(instance).ok_or_else(silent)?;
                let run = run.clone();
                AbortOnDrop(tokio::spawn(async move { member.standing(&run).await }))
            }
        };
        let answer = match tokio::time::timeout(ANSWERS_WITHIN, &mut asked.0).await {
            Err(_) if was_full => {
                self.asked = Some(asked);
                return Ok(Report::Full(run));
            }
            Err(_) => return Err(silent()),
            Ok(answer) => answer.map_err(|error| Unsaid::Silent(error.to_string()))?,
        };
        match answer {
            Ok(standing) => {
                // Of one that takes writes it is not over before they get through.
                self.full = self.full.take().filter(|_| standing.writable);
                self.last = Some(standing.clone());
                Ok(Report::Up(standing))
            }
            Err(replication::Error::DiskFull(_)) => {
                self.full = Some(run.clone());
                Ok(Report::Full(run))
            }
            Err(replication::Error::Slow) if was_full => Ok(Report::Full(run)),
            Err(error) if error.is_busy() => Err(Unsaid::Busy(error.to_string())),
            Err(error) => Err(Unsaid::Silent(error.to_string())),
        }
    }

    async fn look(&mut self, instance: &Instance) {
        self.hurry(instance).await;
        let (report, why) = match self.standing(instance).await {
            Ok(report) => (report, String::new()),
            Err(unsaid) => (
                unsaid.report(self.last.as_ref(), instance.run()),
                unsaid.into(),
            ),
        };
        self.show_member(&report, why);
        self.tell(report, instance.is_primary());
    }

    /// Tells the controller how it stands.
    pub(super) fn tell(&self, report: Report, claims: bool) {
        let Some(cluster) = self.cluster() else {
            return;
        };
        let member = Member {
            report,
            claims,
            newborn: self.newborn,
            lost: self.lost,
        };
        let post = &self.part.context.post;
        post.send(&cluster.controller, Letter::Standing(member));
    }

    fn answer(&self, token: Token, answer: Answer) {
        if let Some(cluster) = self.cluster() {
            let post = &self.part.context.post;
            post.send(&cluster.controller, Letter::Answered(token, answer));
        }
    }

    /// The run that began as a replica, for one that was cloned just now.
    pub(super) fn was_reborn(&mut self, run: Option<Run>) {
        self.reborn = run;
    }
}

/// A question that ends with whoever asked it.
pub(super) struct AbortOnDrop(JoinHandle<Result<Standing, replication::Error>>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

fn ticks() -> Interval {
    let mut tick = tokio::time::interval(TELL.min(PROBE));
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    tick
}
