//! The process: listeners and plans from the node, one thread, reports back.

use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use terrace_protocol::report::{RoleReport, State};
use terrace_service::{Order, Role};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::report::Reporter;
use super::shared::{CLIENTS, Known, Shared, Told};
use super::{newest, session};

/// Connections at once, with those of clients that have not logged in or are about to go; more wait in the listener's
/// queue.
const CONNECTIONS: usize = CLIENTS + 1024;

/// Serves for as long as plans may come. When the sender of the plans is dropped, no new client is taken, and it
/// returns when the last one has left.
///
/// # Errors
/// When a listener cannot be used.
pub async fn serve(
    plans: watch::Receiver<Arc<Known>>,
    listeners: Vec<TcpListener>,
) -> io::Result<()> {
    serve_shared(Arc::new(Shared::new(plans)), listeners).await
}

async fn serve_shared(shared: Arc<Shared>, listeners: Vec<TcpListener>) -> io::Result<()> {
    let mut accepting = JoinSet::new();
    // For as long as anybody reads: until this returns.
    let mut answering = JoinSet::new();
    answering.spawn(newest::answer(Arc::clone(&shared)));
    answering.spawn(newest::look_out(Arc::clone(&shared)));
    let places = Arc::new(tokio::sync::Semaphore::new(CONNECTIONS));
    for listener in listeners {
        listener.set_nonblocking(true)?;
        let listener = tokio::net::TcpListener::from_std(listener)?;
        accepting.spawn(accept(Arc::clone(&shared), listener, Arc::clone(&places)));
    }
    let mut plans = shared.known.clone();
    while plans.changed().await.is_ok() {}
    accepting.abort_all();
    // All places are free again when all clients have left.
    let _all = places.acquire_many(CONNECTIONS as u32).await;
    Ok(())
}

async fn accept(
    shared: Arc<Shared>,
    listener: tokio::net::TcpListener,
    places: Arc<tokio::sync::Semaphore>,
) {
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else {
            return;
        };
        match listener.accept().await {
            Ok((stream, _)) => {
                let shared = Arc::clone(&shared);
                tokio::spawn(async move {
                    session::serve(shared, stream).await;
                    drop(place);
                });
            }
            Err(error) => {
                // Out of descriptors, most likely, which is counted: those that are served free some.
                if shared.lacks.of(&error).is_none() {
                    tracing::warn!(%error, "a client cannot be accepted");
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

/// Why the router cannot serve.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A descriptor.
    #[error("a descriptor cannot be used: {0}")]
    Descriptor(io::Error),
    /// It was given nothing to listen on.
    #[error("no listener was inherited")]
    NoListener,
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        Self::Descriptor(error)
    }
}

struct Running {
    plans: watch::Sender<Arc<Known>>,
    shared: Arc<Shared>,
    serving: tokio::task::JoinHandle<io::Result<()>>,
}

/// Serves until it is told to drain.
///
/// # Errors
/// When what was inherited is of no use.
pub async fn run(mut role: Role) -> Result<(), Error> {
    let inherited = role.descriptors.take_all("listen ");
    let mut listeners: Vec<_> = inherited
        .into_iter()
        .map(|(_, one)| TcpListener::from(one))
        .collect();
    if listeners.is_empty() {
        return Err(Error::NoListener);
    }
    let mut running: Option<Running> = None;
    let mut generation = 0;
    let mut reporter = Reporter::new(&role.id);
    let mut every = tokio::time::interval(Duration::from_secs(1));
    loop {
        let order = tokio::select! {
            order = role.control.next() => order,
            _ = every.tick() => {
                role.control.report(reporter.report(shared(running.as_ref()), generation));
                continue;
            }
        };
        match order {
            Order::Configure {
                generation: number,
                plan,
            } => match configure(plan.get(), &mut running, &mut listeners) {
                Ok(()) => {
                    generation = number;
                    role.control
                        .report(reporter.report(shared(running.as_ref()), generation));
                }
                Err(reason) => role.control.refuse(number, reason),
            },
            Order::Divert(_) | Order::Facts(_) | Order::Log(_) => {}
            Order::Drain(within) => {
                let state = State::Draining;
                role.control.report(RoleReport {
                    state,
                    ..reporter.report(shared(running.as_ref()), generation)
                });
                if let Some(Running {
                    plans,
                    shared,
                    serving,
                }) = running
                {
                    drop((plans, shared));
                    // Who is still in a session after this time is cut off with the process.
                    let _ = tokio::time::timeout(within, serving).await;
                }
                return Ok(());
            }
        }
    }
}

fn configure(
    plan: &str,
    running: &mut Option<Running>,
    listeners: &mut Vec<TcpListener>,
) -> Result<(), String> {
    let told: Told = serde_json::from_str(plan)
        .map_err(|error| format!("it is no plan of a router: {error}"))?;
    let known = Known::from(told);
    match running {
        Some(running) => {
            let now = running.shared.known().plan.epoch;
            if known.plan.epoch < now {
                return Err(format!(
                    "epoch {} is over: this router is in epoch {now}",
                    known.plan.epoch
                ));
            }
            running.plans.send_replace(Arc::new(known));
        }
        None => {
            let (plans, known) = watch::channel(Arc::new(known));
            let shared = Arc::new(Shared::new(known));
            let serving =
                tokio::spawn(serve_shared(Arc::clone(&shared), std::mem::take(listeners)));
            *running = Some(Running {
                plans,
                shared,
                serving,
            });
        }
    }
    Ok(())
}

fn shared(running: Option<&Running>) -> Option<&Shared> {
    running.map(|running| &*running.shared)
}
