//! Visitors by the hundred: requests at a fixed rate, whatever becomes of the ones before.
//!
//! The loop is open: a site that stands still is asked all the same, and what waits counts from the moment when
//! it was due. So an outage shows as what visitors had of it, and not as a load that politely paused. Every
//! request leaves one [`Record`]; what they come to is counted in [`outage`], which is pure. Here it is only
//! asked; what is broken meanwhile is somebody else's business.

mod ask;
pub mod outage;

use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use tokio::task::LocalSet;
use tokio::time::Instant;

use ask::Visitor;

/// What is asked, how often and for how long.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Load {
    /// Where the site is.
    pub target: SocketAddr,
    /// The name that visitors use.
    pub host: String,
    /// For how long requests are begun.
    pub lasts: Duration,
    /// What takes longer has failed.
    pub patience: Duration,
    /// The number of the first request of each kind; the others follow.
    #[serde(default)]
    pub first: u64,
    /// Kinds of requests, side by side.
    pub kinds: Vec<Kind>,
}

/// Requests of one kind.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Kind {
    /// What they are called in a table: `static`.
    pub name: String,
    /// The path, with its query.
    pub path: String,
    /// What is posted, as a form; `None`: it is read. `{number}` becomes the number of the request.
    pub form: Option<String>,
    /// Requests a second.
    pub rate: f64,
    /// Connections are used again, as browsers do; else each request has its own.
    pub keep_alive: bool,
}

impl Kind {
    /// Requests that only read, so often a second, each over a connection of its own.
    pub fn reading(name: &str, path: &str, rate: f64) -> Self {
        Self {
            name: name.to_owned(),
            path: path.to_owned(),
            form: None,
            rate,
            keep_alive: false,
        }
    }

    /// The same, over connections that are used again.
    pub fn kept_alive(self) -> Self {
        Self {
            keep_alive: true,
            ..self
        }
    }
}

/// One request, from when it was due to its end. Times are in µs since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// The place of its kind in [`Load::kinds`].
    pub kind: usize,
    /// Its number, which stands for `{number}` in what is posted.
    pub number: u64,
    /// When it was to be sent, and was, but for the delay of a busy machine.
    pub due: u64,
    /// When its answer was whole, or it was given up.
    pub end: u64,
    /// What became of it.
    pub outcome: Outcome,
    /// The connection that it was to use was closed just then, and it was sent again over a new one: browsers do so
    /// without a word, other programs fail.
    pub again: bool,
}

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// A whole answer with this status.
    Answered(u16),
    /// Nobody listened.
    Refused,
    /// No connection came about for another reason.
    Unreachable,
    /// The connection ended before anything of an answer came.
    Cut,
    /// The connection ended within an answer.
    Broken,
    /// It took longer than visitors wait.
    Late,
}

impl Outcome {
    /// The site has said that it has done what it was asked.
    pub fn is_done(self) -> bool {
        matches!(self, Outcome::Answered(status) if status < 400)
    }

    /// A visitor would call it an answer: not a failure, not an error of the site.
    pub fn is_fine(self) -> bool {
        matches!(self, Outcome::Answered(status) if status < 500)
    }
}

/// Asks from this thread's network until the time is over and every answer has come or is given up.
///
/// # Errors
/// When no event loop can be made.
pub fn run(load: &Load) -> std::io::Result<Vec<Record>> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let load = Rc::new(load.clone());
    let mut records = LocalSet::new().block_on(&runtime, async {
        let clock = Clock::now();
        let kinds = (0..load.kinds.len()).map(|kind| stream(load.clone(), kind, clock));
        futures_util::future::join_all(kinds).await.concat()
    });
    records.sort_by_key(|record| record.due);
    Ok(records)
}

/// The requests of one kind, each at its time.
async fn stream(load: Rc<Load>, number: usize, clock: Clock) -> Vec<Record> {
    let kind = &load.kinds[number];
    let visitor = Rc::new(Visitor::new(load.clone(), number));
    let count = (load.lasts.as_secs_f64() * kind.rate) as u32;
    let mut asked = Vec::new();
    for request in 0..count {
        let due = clock.start + Duration::from_secs_f64(f64::from(request) / kind.rate);
        tokio::time::sleep_until(due).await;
        let visitor = visitor.clone();
        asked.push(tokio::task::spawn_local(async move {
            let own = visitor.number(request);
            let (outcome, again) = visitor.ask(own).await;
            Record {
                kind: number,
                number: own,
                due: clock.micros(due),
                end: clock.micros(Instant::now()),
                outcome,
                again,
            }
        }));
    }
    let ended = futures_util::future::join_all(asked).await;
    // A task of ours that panicked is an error of ours, not of the site: it leaves no record.
    ended.into_iter().flatten().collect()
}

/// Instants as times that other processes understand.
#[derive(Clone, Copy)]
struct Clock {
    start: Instant,
    unix: Duration,
}

impl Clock {
    fn now() -> Self {
        Self {
            start: Instant::now(),
            unix: SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .unwrap_or_default(),
        }
    }

    fn micros(self, at: Instant) -> u64 {
        let since = self.unix + at.saturating_duration_since(self.start);
        u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
    }
}
