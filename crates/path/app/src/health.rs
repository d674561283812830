//! One health check: is this instance fit for requests now?
//!
//! How many checks in a row bring a copy in or take it out is the machine's to know.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use terrace_service::lack;
use terrace_site::plan::HealthPlan;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A status line is longer than this only by mistake.
const LINE_LENGTH: usize = 1024;

/// What came of a check, with the reason in words for a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// As it should be: `200 in 1 ms`.
    Good(String),
    /// It answers, and not as it should: `500 in 2 ms, 200 to 399 expected`.
    Wrong(String),
    /// It does not answer: `no answer within 1 s`.
    Silent(String),
    /// Nothing takes connections there: `connection refused`.
    Refused(String),
    /// It takes connections, and not there: `it listens on 9999, not on $PORT (8000)`.
    Elsewhere(String),
}

impl Verdict {
    /// Why, in words.
    pub fn reason(&self) -> &str {
        match self {
            Verdict::Good(reason)
            | Verdict::Wrong(reason)
            | Verdict::Silent(reason)
            | Verdict::Refused(reason)
            | Verdict::Elsewhere(reason) => reason,
        }
    }
}

/// Checks the instance at `address` once; `host` is the name that it is asked by. Ends within `plan.within`, once it can be asked:
/// what is missing on this side says nothing of it.
pub async fn check(address: SocketAddr, host: &str, plan: &HealthPlan) -> Verdict {
    loop {
        let begun = Instant::now();
        let asked = tokio::time::timeout(plan.within, ask(address, host, plan)).await;
        let lack = match &asked {
            Ok(Err(error)) => lack::of(error),
            _ => None,
        };
        let Some(lack) = lack else {
            return judge(asked, plan, begun);
        };
        tracing::warn!(%address, "it cannot be checked: {}", lack.words());
        tokio::time::sleep(plan.every).await;
    }
}

/// What came of asking: the status, nothing where connecting was all, an error, or silence.
type Asked = Result<io::Result<Option<u16>>, tokio::time::error::Elapsed>;

fn judge(asked: Asked, plan: &HealthPlan, begun: Instant) -> Verdict {
    match asked {
        Err(_) => Verdict::Silent(format!("no answer within {}", words(plan.within))),
        Ok(Err(error)) if error.kind() == io::ErrorKind::ConnectionRefused => {
            Verdict::Refused(plainly(&error))
        }
        Ok(Err(error)) => Verdict::Silent(plainly(&error)),
        Ok(Ok(None)) => Verdict::Good(format!("connected in {}", words(begun.elapsed()))),
        Ok(Ok(Some(status))) => {
            let heard = format!("{status} in {}", words(begun.elapsed()));
            match plan.expect {
                Some(expected) if status == expected => Verdict::Good(heard),
                None if (200..400).contains(&status) => Verdict::Good(heard),
                Some(expected) => Verdict::Wrong(format!("{heard}, {expected} expected")),
                None => Verdict::Wrong(format!("{heard}, 200 to 399 expected")),
            }
        }
    }
}

/// The status that it answers with; `None` where a connection is enough.
async fn ask(address: SocketAddr, host: &str, plan: &HealthPlan) -> io::Result<Option<u16>> {
    let mut stream = TcpStream::connect(address).await?;
    let Some(path) = &plan.path else {
        return Ok(None);
    };
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: terrace-health\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await?;
    let mut line = Vec::with_capacity(LINE_LENGTH);
    while !line.contains(&b'\n') && line.len() < LINE_LENGTH {
        if stream.read_buf(&mut line).await? == 0 {
            break;
        }
    }
    if line.is_empty() {
        return Err(io::Error::other("it closed the connection without a word"));
    }
    status(&line)
        .map(Some)
        .ok_or_else(|| io::Error::other("what it answers is not HTTP/1.1"))
}

/// The status of `HTTP/1.1 200 OK` (RFC 9112 §4).
fn status(line: &[u8]) -> Option<u16> {
    let rest = line
        .strip_prefix(b"HTTP/1.1 ")
        .or_else(|| line.strip_prefix(b"HTTP/1.0 "))?;
    let (digits, after) = rest.split_at_checked(3)?;
    let ends = after.first().is_some_and(|next| b" \r\n".contains(next));
    let number: u16 = std::str::from_utf8(digits).ok()?.parse().ok()?;
    (ends && (100..600).contains(&number)).then_some(number)
}

fn plainly(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "connection refused".to_owned(),
        io::ErrorKind::ConnectionReset => "connection reset".to_owned(),
        _ => error.to_string(),
    }
}

/// `0.4 ms`, `12 ms`, `1.5 s`.
fn words(time: Duration) -> String {
    let millis = time.as_secs_f64() * 1e3;
    match millis {
        _ if millis >= 1000.0 => format!("{:.1} s", millis / 1e3),
        _ if millis >= 1.0 => format!("{millis:.0} ms"),
        _ => format!("{millis:.1} ms"),
    }
}

#[cfg(test)]
mod tests;
