//! The agent: a role on every server that shows `/metrics` to whoever collects them.
//!
//! It has no privilege and asks nobody: the node tells it once a second how its server stands, and it hands out
//! the newest of that. A figure that is old shows its age, because the node that would have told a newer one is away.

mod metrics;

use std::convert::Infallible;
use std::net::TcpListener;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{ALLOW, CONTENT_TYPE};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use terrace_protocol::report::{RoleReport, ServerReport, State};
use terrace_service::{Order, Role, clock};
use terrace_site::plan::AgentPlan;

pub use metrics::text;

/// A collector that has not asked by then is gone.
const HEAD_WITHIN: Duration = Duration::from_secs(5);
const REPORT: Duration = Duration::from_secs(1);

/// Why the agent cannot run.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It was given nothing to listen on.
    #[error("no listener was inherited: there is nobody to show anything to")]
    Deaf,
    /// A listener.
    #[error("a listener cannot be used")]
    Listener(#[from] std::io::Error),
}

/// The newest facts, and when they came.
type Facts = Arc<Mutex<Option<(ServerReport, Instant)>>>;

/// Serves until it is told to drain. Descriptors: `listen <address> #<n>`.
///
/// # Errors
/// When its listeners cannot be used.
pub async fn run(mut role: Role) -> Result<(), Error> {
    let facts = Facts::default();
    let listeners = role.descriptors.take_all("listen ");
    if listeners.is_empty() {
        return Err(Error::Deaf);
    }
    for (_, listener) in listeners {
        let listener = TcpListener::from(listener);
        listener.set_nonblocking(true)?;
        let listener = tokio::net::TcpListener::from_std(listener)?;
        tokio::spawn(accept(listener, Arc::clone(&facts)));
    }
    let mut report = RoleReport {
        id: role.id.clone(),
        role: "agent".to_owned(),
        state: State::Starting,
        since: clock::unix_millis(),
        pid: std::process::id(),
        ..RoleReport::default()
    };
    let mut every = tokio::time::interval(REPORT);
    loop {
        tokio::select! {
            order = role.control.next() => match order {
                Order::Configure { generation, plan } => match serde_json::from_str::<AgentPlan>(plan.get()) {
                    Ok(plan) => {
                        report.state = State::Serving;
                        report.generation = generation;
                        let places: Vec<_> = plan.listen.iter().map(ToString::to_string).collect();
                        report.what = format!("http://{}/metrics", places.join(" "));
                        role.control.report(report.clone());
                    }
                    Err(error) => role.control.refuse(generation, format!("it is no plan of an agent: {error}")),
                },
                Order::Facts(newest) => {
                    *facts.lock().unwrap_or_else(PoisonError::into_inner) = Some((*newest, Instant::now()));
                }
                Order::Divert(_) | Order::Log(_) => {}
                Order::Drain(_) => return Ok(()),
            },
            _ = every.tick() => role.control.report(report.clone()),
        }
    }
}

async fn accept(listener: tokio::net::TcpListener, facts: Facts) {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            // Out of descriptors, most likely: it passes.
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        let facts = Arc::clone(&facts);
        tokio::spawn(async move {
            let service = service_fn(|request| {
                let response = answer(&request, &facts);
                async move { Ok::<_, Infallible>(response) }
            });
            let served = hyper::server::conn::http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEAD_WITHIN)
                .serve_connection(TokioIo::new(stream), service)
                .await;
            if let Err(error) = served {
                tracing::debug!(%error, "a collector's connection ended");
            }
        });
    }
}

fn answer(request: &Request<Incoming>, facts: &Facts) -> Response<Full<Bytes>> {
    let plain = |status: StatusCode, text: String| {
        let mut response = Response::new(Full::from(text));
        *response.status_mut() = status;
        let kind = "text/plain; version=0.0.4; charset=utf-8";
        response
            .headers_mut()
            .insert(CONTENT_TYPE, hyper::header::HeaderValue::from_static(kind));
        response
    };
    if request.uri().path() != "/metrics" {
        return plain(StatusCode::NOT_FOUND, "look at /metrics\n".to_owned());
    }
    if ![Method::GET, Method::HEAD].contains(request.method()) {
        let mut refused = plain(
            StatusCode::METHOD_NOT_ALLOWED,
            "metrics can only be read\n".to_owned(),
        );
        let allowed = hyper::header::HeaderValue::from_static("GET, HEAD");
        refused.headers_mut().insert(ALLOW, allowed);
        return refused;
    }
    let facts = facts.lock().unwrap_or_else(PoisonError::into_inner);
    match &*facts {
        Some((report, at)) => plain(StatusCode::OK, text(report, at.elapsed())),
        None => plain(
            StatusCode::SERVICE_UNAVAILABLE,
            "the node has told nothing yet\n".to_owned(),
        ),
    }
}
