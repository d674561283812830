//! Asking an instance how it is, again and again.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use terrace_service::Lacks;
use terrace_site::plan::HealthPlan;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::health::Check;
use super::{Instance, Transport};

/// One that refuses connections is being started, and costs nothing to ask: this often, so that it is used again as
/// soon as it takes them. One that answers badly or not at all is asked as the plan says.
const EAGER: Duration = Duration::from_millis(50);
/// A status line is longer than this only by mistake.
const LINE: usize = 1024;

/// Checks until the future is dropped; `host` is the name that the instance is asked by.
/// A check that cannot be made because something is missing here says nothing of the instance, and changes nothing.
pub async fn keep_checking(
    instance: Arc<Instance>,
    plan: HealthPlan,
    host: String,
    lacks: Arc<Lacks>,
) {
    let mut starts = false;
    loop {
        let begun = Instant::now();
        let asked = tokio::time::timeout(plan.within, ask(instance.transport, &plan, &host)).await;
        if let Ok(Err(error)) = &asked
            && lacks.of(error).is_some()
        {
            tokio::time::sleep(plan.every.saturating_sub(begun.elapsed())).await;
            continue;
        }
        let refused = |error: &io::Error| error.kind() == io::ErrorKind::ConnectionRefused;
        let (check, reason) = judge(&asked, &plan, begun);
        // One that takes connections again may have to show that more than once.
        starts =
            matches!(&asked, Ok(Err(error)) if refused(error)) || (starts && check == Check::Good);
        instance.checked(check, reason);
        let pause = if starts && !instance.is_healthy() {
            EAGER.min(plan.every)
        } else {
            plan.every
        };
        // From the beginning of one to the beginning of the next: silence is noticed within `every` × `fall` + `within`.
        tokio::time::sleep(pause.saturating_sub(begun.elapsed())).await;
    }
}

/// What came of asking: the status, nothing where connecting was all, an error, or silence.
type Asked = Result<io::Result<Option<u16>>, tokio::time::error::Elapsed>;

fn judge(asked: &Asked, plan: &HealthPlan, begun: Instant) -> (Check, String) {
    let took = begun.elapsed().as_millis();
    match asked {
        Err(_) => {
            let within = plan.within.as_millis();
            (Check::Silent, format!("no answer within {within} ms"))
        }
        Ok(Err(error)) => (refusal(error), plainly(error)),
        Ok(Ok(None)) => (Check::Good, format!("connected in {took} ms")),
        Ok(Ok(Some(status))) => {
            let usual = || (200..400).contains(status);
            let good = plan.expect.map_or_else(usual, |wanted| *status == wanted);
            let check = if good { Check::Good } else { Check::Bad };
            (check, format!("{status} in {took} ms"))
        }
    }
}

async fn ask(transport: Transport, plan: &HealthPlan, host: &str) -> io::Result<Option<u16>> {
    let Transport::Tcp(address) = transport;
    let mut stream = TcpStream::connect(address).await?;
    let Some(path) = &plan.path else {
        return Ok(None);
    };
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: terrace-check\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await?;
    let mut line = Vec::new();
    while !line.contains(&b'\n') && line.len() < LINE {
        if stream.read_buf(&mut line).await? == 0 {
            break;
        }
    }
    let status = line
        .strip_prefix(b"HTTP/1.")
        .and_then(|rest| std::str::from_utf8(rest.get(2..5)?).ok()?.parse().ok());
    status
        .map(Some)
        .ok_or_else(|| io::Error::other("it does not answer in HTTP"))
}

/// A machine that is gone is silent even when our own kernel says so at last.
fn refusal(error: &io::Error) -> Check {
    match error.kind() {
        io::ErrorKind::TimedOut
        | io::ErrorKind::HostUnreachable
        | io::ErrorKind::NetworkUnreachable => Check::Silent,
        _ => Check::Bad,
    }
}

/// An error in the words of a person.
pub(crate) fn plainly(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "connection refused".to_owned(),
        io::ErrorKind::ConnectionReset => "connection reset".to_owned(),
        io::ErrorKind::TimedOut => "no answer".to_owned(),
        _ => error.to_string(),
    }
}
