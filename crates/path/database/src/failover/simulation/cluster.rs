//! Servers as MariaDB behaves: semi-sync that waits, replicas that lose what they received and did not
//! apply, a restart that commits what nobody acknowledged, or rolls it back.

use std::collections::{BTreeMap, BTreeSet};

use crate::failover::{Answer, Command, Link, Report, Run, Standing, Token};
use crate::gtid::Position;

/// One database server and its process.
pub(super) struct Server {
    pub number: u32,
    pub frozen: bool,
    /// The whole server is off until then.
    pub off_until: u64,
    /// Its process runs.
    pub up: bool,
    /// It stays down until told.
    pub fenced: bool,
    pub starts_at: u64,
    run: u32,
    pub writable: bool,
    pub semi_sync: bool,
    /// Committed here, in the order of the binary log.
    pub log: Vec<u64>,
    /// Received, not applied.
    pub relay: Vec<u64>,
    /// Commits that wait for a replica: the place in the log, and the write.
    pub waiting: Vec<(usize, u64)>,
    pub source: Option<(String, bool)>,
    /// Receiving.
    pub receives: bool,
    /// What it had when it was connected: that is not sent again, and never acknowledged over this link.
    pub asked_from: Option<usize>,
    pub diverged: bool,
    pub barred: BTreeSet<String>,
    /// Its applier met an error, and does nothing until it is started again.
    pub stopped: bool,
    /// Until then its disk is full.
    pub full_until: u64,
    /// Until then its connection stands, and nothing comes over it: the source still sends to the one before.
    pub deaf_until: u64,
    /// Applies so many a step.
    pub speed: u64,
    highest: Option<Token>,
    /// A command that takes its time.
    pub busy: Option<(u64, Token, Command)>,
}

impl Server {
    pub fn new(number: u32) -> Self {
        Self {
            number,
            frozen: false,
            off_until: 0,
            up: true,
            fenced: false,
            starts_at: 0,
            run: 1,
            writable: false,
            semi_sync: false,
            log: Vec::new(),
            relay: Vec::new(),
            waiting: Vec::new(),
            source: None,
            receives: false,
            asked_from: None,
            diverged: false,
            barred: BTreeSet::new(),
            stopped: false,
            full_until: 0,
            deaf_until: 0,
            speed: 20,
            highest: None,
            busy: None,
        }
    }

    pub fn received(&self) -> usize {
        self.log.len() + self.relay.len()
    }

    pub fn position(&self) -> Position {
        let length = self.received() as u64;
        let mut last = BTreeMap::new();
        if length > 0 {
            last.insert(0, (self.number, length));
        }
        Position::Mariadb(last)
    }

    pub fn run(&self) -> Run {
        Run(format!("{}.{}", self.number, self.run))
    }

    fn at(&self) -> Answer {
        Answer::At {
            run: self.run(),
            position: self.position(),
        }
    }

    pub fn has(&self, position: &Position) -> bool {
        let Position::Mariadb(last) = position else {
            panic!("one engine");
        };
        last.get(&0)
            .is_none_or(|(_, number)| self.log.len() as u64 >= *number)
    }

    /// The process is killed. What waits for a replica is in the log, and was never answered.
    pub fn kill(&mut self, starts_at: u64) {
        self.up = false;
        self.writable = false;
        self.semi_sync = false;
        self.receives = false;
        self.stopped = false;
        self.relay.clear();
        self.starts_at = starts_at;
        self.busy = None;
    }

    /// The whole server: what it remembered of commands is gone too.
    pub fn crash(&mut self, starts_at: u64) {
        self.kill(starts_at);
        self.off_until = starts_at;
        self.frozen = false;
        self.fenced = false;
        self.highest = None;
    }

    pub fn start(&mut self, replica: bool) {
        if replica && let Some((first, _)) = self.waiting.first() {
            self.log.truncate(*first);
        }
        self.waiting.clear();
        self.up = true;
        self.fenced = false;
        self.run += 1;
    }

    /// Its disk is full: all that is written waits, and so does whoever asks how far it is.
    pub fn is_full(&self, now: u64) -> bool {
        self.up && now < self.full_until
    }

    pub fn report(&self, now: u64, connected: BTreeSet<String>, source: Option<&Server>) -> Report {
        if !self.up {
            return Report::Down;
        }
        if self.is_full(now) {
            return Report::Full(self.run());
        }
        // An applier that has nothing to do says that it is not behind.
        let behind = match source {
            Some(one) if self.deaf_until <= now => one.log.len().saturating_sub(self.log.len()),
            _ => self.relay.len(),
        };
        let running = source.is_some() && self.receives && !self.stopped;
        let link = self.source.as_ref().map(|(name, acks)| Link {
            source: name.clone(),
            acks: *acks,
            running,
            diverged: self.diverged,
            trouble: self.stopped.then(|| "its disk is full".into()),
            unapplied: self.relay.len() as u64,
            lag: running.then(|| std::time::Duration::from_millis(behind as u64 * 40)),
        });
        Report::Up(Standing {
            run: self.run(),
            writable: self.writable,
            semi_sync: self.semi_sync,
            waits: !self.waiting.is_empty(),
            position: self.position(),
            link,
            replicas: connected,
            barred: self.barred.clone(),
        })
    }

    /// Its node can be spoken to.
    pub fn listens(&self, now: u64) -> bool {
        !self.frozen && self.off_until <= now
    }

    /// True: an older one, or one that came twice.
    pub fn is_stale(&mut self, token: Token) -> bool {
        let stale = self.highest.is_some_and(|highest| token <= highest);
        if !stale {
            self.highest = Some(token);
        }
        stale
    }

    /// Does what can be done at once; `None`: it takes its time.
    pub fn obey(&mut self, command: &Command, now: u64) -> Option<Answer> {
        if !self.up && !matches!(command, Command::Start { .. } | Command::Fence) {
            return Some(Answer::Failed("it does not run".into()));
        }
        match command {
            Command::Promote { semi_sync, .. } => {
                self.source = None;
                self.receives = false;
                self.relay.clear();
                self.diverged = false;
                self.semi_sync = *semi_sync;
                self.writable = true;
            }
            Command::Release => {}
            Command::SemiSync(on) => {
                self.semi_sync = *on;
                if !on {
                    // What waited goes on: the caller counts it as acknowledged.
                    return Some(self.at());
                }
            }
            Command::Close => return self.close(),
            Command::Collect => self.receives = false,
            Command::Bar(name) => {
                self.barred.insert(name.clone());
            }
            Command::Admit(name) => {
                self.barred.remove(name);
            }
            Command::Fence => {
                self.kill(now);
                self.fenced = true;
                return Some(Answer::Ended);
            }
            Command::Start { replica } => {
                if !self.up {
                    self.start(*replica);
                }
            }
            Command::Apply(position) => {
                self.stopped = false;
                if !self.has(position) {
                    return None;
                }
            }
            Command::Attach { .. } | Command::Reclone { .. } => {
                self.busy = None;
                return None;
            }
        }
        Some(self.at())
    }

    /// New writes wait at the door; it closes when those under way are answered.
    pub fn close(&mut self) -> Option<Answer> {
        if !self.waiting.is_empty() {
            return None;
        }
        self.writable = false;
        Some(self.at())
    }

    /// What it has is a beginning of this history.
    pub fn is_prefix_of(&self, history: &[u64]) -> bool {
        let after = history.get(self.log.len()..);
        after.is_some_and(|after| after.starts_with(&self.relay) && history.starts_with(&self.log))
    }

    /// A source is found for it: the link is made, unless it is seen (`None`: it is locked out, and sees nothing) to
    /// have writes of its own.
    pub fn attach(
        &mut self,
        name: &str,
        source: Option<&[u64]>,
        acks: bool,
        run: &Run,
    ) -> Option<Answer> {
        self.asked_from = None;
        if self.run() != *run || self.writable {
            return Some(Answer::Failed("not as it was".into()));
        }
        self.receives = false;
        self.stopped = false;
        if !self.relay.is_empty() {
            return None;
        }
        self.source = Some((name.to_owned(), acks));
        self.semi_sync = false;
        if source.is_some_and(|source| !source.starts_with(&self.log)) {
            self.diverged = true;
            return Some(Answer::Diverged);
        }
        self.diverged = false;
        self.receives = true;
        Some(self.at())
    }

    pub fn clone_from_donor(&mut self, donor: &[u64], barred: &BTreeSet<String>) -> Answer {
        self.kill(0);
        self.log = donor.to_vec();
        self.waiting.clear();
        self.barred = barred.clone();
        self.source = None;
        self.diverged = false;
        self.start(false);
        self.at()
    }
}
