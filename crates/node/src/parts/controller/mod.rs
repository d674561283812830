//! The controller: says which of several databases takes writes, tells their nodes what to do, and the SQL routers
//! where statements go.
//!
//! What is decided is decided by the [`Machine`]; here are its ears and hands: letters of the databases' nodes become
//! its events, its actions become letters, and its record is kept on this server. While this server is away the sync
//! set cannot change and there is no switchover; the site serves on.

mod birth;
mod record;
mod words;

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use terrace_database::failover::{self, Action, Epoch, Event, Machine, Phase, Record, Report};
use terrace_protocol::node::{Order, Refused};
use terrace_protocol::report::{RoleReport, State, Succession};
use terrace_service::clock;
use terrace_site::model::Ack;
use terrace_site::plan::{ControllerPlan, Part as Kind};
use terrace_site::times;

use super::{Part, ended};
use crate::node::letters::{self, Letter, Member, Received, Routing};
use record::Store;

/// How often silence is noticed and routers are told again.
const TICK: Duration = times::TELL;
/// A database that has said nothing for this long is silent.
const SILENT: Duration = times::SILENT;

/// Runs the controller until it is to end.
pub(crate) async fn run(part: Part) -> String {
    let mut stopped = part.stopped.clone();
    let report = RoleReport {
        id: part.id.clone(),
        role: "controller".to_owned(),
        since: clock::unix_millis(),
        state: State::Starting,
        ..RoleReport::default()
    };
    let mut controller = Controller {
        part,
        report,
        plan: None,
        store: None,
        machine: None,
        heard: BTreeMap::new(),
        routing: None,
        hold: false,
    };
    tokio::select! {
        () = controller.serve() => {}
        () = ended(&mut stopped) => {}
    }
    controller.leave_machine();
    "controller".to_owned()
}

/// What a database said last, and when.
struct Heard {
    member: Member,
    at: Instant,
}

struct Controller {
    part: Part,
    report: RoleReport,
    plan: Option<ControllerPlan>,
    store: Option<Store>,
    /// `None`: nothing is recorded, and not all databases have spoken.
    machine: Option<Machine>,
    heard: BTreeMap<String, Heard>,
    /// Who takes writes, as routers were told last.
    routing: Option<(Epoch, String)>,
    hold: bool,
}

impl Controller {
    async fn serve(&mut self) {
        let post = self.part.context.post.clone();
        let (mut letters, mut orders) = (post.letters(), post.orders());
        let mut tick = tokio::time::interval(TICK);
        self.planned();
        loop {
            tokio::select! {
                received = letters::next(&mut letters) => self.received(received),
                (number, order) = letters::next(&mut orders) => self.ordered(number, order),
                _ = tick.tick() => self.tick(),
                changed = self.part.plans.changed() => match changed {
                    Ok(()) => self.planned(),
                    Err(_) => return,
                },
            }
            self.show();
        }
    }

    /// Takes the plan; other members or another `ack` need a machine that knows them.
    fn planned(&mut self) {
        let Kind::Controller(plan) = self.part.plans.borrow_and_update().part.clone() else {
            return;
        };
        let before = self.plan.replace(plan.clone());
        let same =
            |before: ControllerPlan| before.members == plan.members && before.ack == plan.ack;
        if before.is_some_and(same) {
            return;
        }
        if self.store.is_none() {
            self.open_store(&plan);
        } else if let Some(record) = self.leave_machine() {
            self.machine = Some(machine(&plan, record));
        }
    }

    /// Finds the record. What keeps it from that may pass, as a full disk does.
    fn open_store(&mut self, plan: &ControllerPlan) {
        match Store::open(&self.part.context.home.state) {
            Ok((store, record)) => {
                self.store = Some(store);
                if let Some(record) = &record {
                    (self.routing, self.hold) = first_word(record);
                }
                self.machine = record.map(|record| machine(plan, record));
            }
            Err(error) => self.say(State::Failing, error.to_string()),
        }
    }

    /// Ends the machine: whoever waits for it is answered. What it has recorded, another one goes on from.
    fn leave_machine(&mut self) -> Option<Record> {
        let mut machine = self.machine.take()?;
        for action in machine.end() {
            self.act(action);
        }
        Some(machine.record().clone())
    }

    fn received(&mut self, received: Received) {
        let Received { from, letter } = received;
        match letter {
            Letter::Standing(member) => {
                let report = member.report.clone();
                if member.lost && self.has_data_of(&from) {
                    self.part.context.post.send(&from, Letter::BeBorn);
                }
                let at = Instant::now();
                self.heard.insert(from.clone(), Heard { member, at });
                self.be_born();
                self.happened(Event::Report(from, report));
            }
            Letter::Answered(token, answer) => {
                self.happened(Event::Answered(from, token, answer));
            }
            _ => {}
        }
    }

    /// The primary is another one than this, which has lost its data, and is up.
    fn has_data_of(&self, lost: &str) -> bool {
        let Some(machine) = &self.machine else {
            return false;
        };
        let record = machine.record();
        let primary = self.heard.get(&record.primary);
        let is_up = primary.is_some_and(|one| matches!(one.member.report, Report::Up(_)));
        record.primary != lost && record.phase == Phase::Stable && is_up
    }

    /// Makes the first record, once it is clear who is primary.
    fn be_born(&mut self) {
        if self.machine.is_some() || self.store.is_none() {
            return;
        }
        let Some(plan) = &self.plan else { return };
        if let Ok(primary) = birth::primary(&plan.members, &self.members()) {
            self.machine = Some(machine(plan, Record::birth(primary)));
        }
    }

    fn members(&self) -> BTreeMap<String, Member> {
        let each = self.heard.iter();
        each.map(|(name, heard)| (name.clone(), heard.member.clone()))
            .collect()
    }

    fn ordered(&mut self, number: u64, order: Order) {
        if self.machine.is_none() {
            let reason = format!("who is primary is not known: {}", self.report.reason);
            let refused = Refused::new("unknown-primary", reason);
            return self.part.context.post.answer(number, Err(refused));
        }
        self.happened(Event::Order(number, order));
    }

    /// Reports are the machine's clock: who says nothing is reported as silent.
    fn tick(&mut self) {
        if self.report.state == State::Failing
            && self.store.is_none()
            && let Some(plan) = self.plan.clone()
        {
            self.open_store(&plan);
        }
        let members = self.plan.iter().flat_map(|plan| plan.members.clone());
        for name in members.collect::<Vec<_>>() {
            let heard = self.heard.get(&name);
            if heard.is_none_or(|heard| heard.at.elapsed() >= SILENT) {
                self.happened(Event::Report(name, Report::Silent));
            }
        }
        self.tell_routers();
    }

    /// Lets the machine hear, and does what it says, until it says no more.
    fn happened(&mut self, event: Event) {
        let mut events = VecDeque::from([event]);
        while let Some(event) = events.pop_front() {
            let Some(machine) = &mut self.machine else {
                return;
            };
            for action in machine.handle(event, Instant::now()) {
                events.extend(self.act(action));
            }
        }
    }

    fn act(&mut self, action: Action) -> Option<Event> {
        let post = &self.part.context.post;
        match action {
            Action::StoreRecord(record) => return Some(self.keep(&record)),
            Action::Command(name, token, command) => {
                tracing::debug!(name, ?token, ?command, "commanded");
                post.send(&name, Letter::Command(token, command));
            }
            Action::Hold => {
                self.hold = true;
                self.tell_routers();
            }
            Action::Publish { epoch, primary } => self.routing = Some((epoch, primary)),
            Action::Release => {
                self.hold = false;
                self.tell_routers();
            }
            Action::Reply(number, outcome) => {
                let primary = self.machine.as_ref().map(|machine| machine.record());
                let primary = primary.map(|record| record.primary.clone());
                let primary = primary.unwrap_or_default();
                let outcome = outcome
                    .map(|epoch| format!("{primary} is the primary (epoch {epoch})"))
                    .map_err(|refusal| Refused::new(refusal.code(), refusal.to_string()));
                post.answer(number, outcome);
            }
            Action::StandDown => {
                self.leave_machine();
                self.store = None;
                let why = "another controller has taken over".to_owned();
                self.say(State::Stopped, why);
            }
        }
        None
    }

    fn keep(&self, record: &Record) -> Event {
        let Some(store) = &self.store else {
            return Event::StoreFailed;
        };
        match store.put(record) {
            Ok(()) => {
                tracing::info!(?record, "recorded");
                Event::Stored
            }
            Err(record::Error::Superseded(stands)) => Event::Superseded(stands),
            Err(error) => {
                tracing::error!(%error, "nothing changes until it can be kept");
                Event::StoreFailed
            }
        }
    }

    /// Tells every router, also what it was told before: a letter may be lost.
    fn tell_routers(&self) {
        let (Some((epoch, primary)), Some(plan)) = (&self.routing, &self.plan) else {
            return;
        };
        let replica = |(name, heard): (&String, &Heard)| {
            let Report::Up(standing) = &heard.member.report else {
                return None;
            };
            let link = standing.link.as_ref();
            let link = link.filter(|link| link.source == *primary && !link.diverged)?;
            let follows = link.running && heard.at.elapsed() < SILENT;
            let millis = |lag: Duration| u64::try_from(lag.as_millis()).unwrap_or(u64::MAX);
            Some((name.clone(), link.lag.filter(|_| follows).map(millis)))
        };
        let safe = |machine: &Machine| machine.record().is_safe();
        let routing = Routing {
            epoch: *epoch,
            primary: primary.clone(),
            hold: self.hold,
            replicas: self.heard.iter().filter_map(replica).collect(),
            vouched: plan.ack != Ack::None && self.machine.as_ref().is_some_and(safe),
        };
        for router in &plan.routers {
            let post = &self.part.context.post;
            post.send(router, Letter::Routing(routing.clone()));
        }
    }

    fn show(&mut self) {
        let Some(plan) = &self.plan else { return };
        let (state, reason) = match &self.machine {
            Some(machine) => words::standing(machine, plan.ack),
            None if self.store.is_none() => return,
            None => match birth::primary(&plan.members, &self.members()) {
                Ok(primary) => (State::Starting, format!("{primary} becomes the primary")),
                Err(why) => (State::Starting, why),
            },
        };
        self.report.succession = self.machine.as_ref().map(|machine| {
            let record = machine.record();
            let heirs = record.is_safe().then(|| record.sync_set.keys().cloned());
            Box::new(Succession {
                primary: record.primary.clone(),
                heirs: heirs.into_iter().flatten().collect(),
                changes: record.phase != Phase::Stable,
            })
        });
        self.say(state, reason);
    }

    fn say(&mut self, state: State, reason: String) {
        if self.report.state != state {
            self.report.since = clock::unix_millis();
        }
        self.report.state = state;
        self.report.reason = reason;
        self.part.reports.tell(vec![self.report.clone()]);
    }
}

/// What routers are told before anybody has been heard, perhaps by a controller that was started while the primary is
/// away: without a word they neither hold nor read.
fn first_word(record: &Record) -> (Option<(Epoch, String)>, bool) {
    let routing = (record.epoch, record.primary.clone());
    (Some(routing), record.phase != Phase::Stable)
}

fn machine(plan: &ControllerPlan, record: Record) -> Machine {
    let members = plan.members.iter().cloned().collect();
    // Without a majority a dead primary is replaced on an operator's word alone.
    let settings = failover::Settings::new(members, plan.ack, false);
    Machine::new(settings, record, Instant::now())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn routers_hear_at_once_who_is_recorded_and_hold_while_it_changes() {
        let mut record = Record::birth("web-01");
        record.epoch = Epoch(7);
        let routing = Some((Epoch(7), "web-01".to_owned()));
        assert_eq!(first_word(&record), (routing.clone(), true));
        record.phase = Phase::Stable;
        assert_eq!(first_word(&record), (routing, false));
    }
}
