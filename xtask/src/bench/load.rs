//! Load: wrk, on the other core, with the request fields of a browser.

use std::io;
use std::process::Command;

/// Seconds of a round.
const SECONDS: &str = "3";

/// What the load saw.
#[derive(Debug, PartialEq)]
pub(crate) struct Seen {
    pub(crate) requests: f64,
    pub(crate) rate: f64,
    /// In milliseconds.
    pub(crate) p99: f64,
}

/// What a browser says of itself.
pub(crate) const FIELDS: [&str; 5] = [
    "Host: www.foobar.com",
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
    "Accept-Language: en-US,en;q=0.5",
    "Accept-Encoding: gzip, deflate, br",
];

/// One round over so many connections.
///
/// # Errors
/// When wrk is missing, or a request failed: a figure with failures in it says nothing.
pub(crate) fn round(url: &str, connections: u32) -> io::Result<Seen> {
    let mut command = Command::new("taskset");
    command.args([
        "-c",
        "1",
        "wrk",
        "-t",
        "1",
        "-c",
        &connections.to_string(),
        "-d",
        SECONDS,
        "--latency",
    ]);
    for field in FIELDS {
        command.args(["-H", field]);
    }
    let output = command.arg(url).output()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    parse(&text).ok_or_else(|| {
        io::Error::other(format!(
            "{url} had failures, or wrk said something new:\n{text}"
        ))
    })
}

fn parse(text: &str) -> Option<Seen> {
    if text.contains("Socket errors") || text.contains("Non-2xx") {
        return None;
    }
    let field = |label: &str| {
        text.lines()
            .find_map(|line| line.trim().strip_prefix(label))
            .map(str::trim)
    };
    let requests = text
        .lines()
        .find(|line| line.contains(" requests in "))?
        .split_whitespace()
        .next()?;
    Some(Seen {
        requests: requests.parse().ok()?,
        rate: field("Requests/sec:")?.parse().ok()?,
        p99: millis(field("99%")?)?,
    })
}

fn millis(text: &str) -> Option<f64> {
    let unit =
        |suffix: &str, factor: f64| Some(text.strip_suffix(suffix)?.parse::<f64>().ok()? * factor);
    unit("us", 0.001)
        .or_else(|| unit("ms", 1.0))
        .or_else(|| unit("s", 1_000.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "  Latency Distribution\n     50%  400.00us\n     99%    1.20ms\n  30000 requests in 3.00s, 40.00MB read\nRequests/sec:  10000.50\n";

    #[test]
    fn what_wrk_says_is_understood() {
        assert_eq!(
            parse(GOOD),
            Some(Seen {
                requests: 30_000.0,
                rate: 10_000.5,
                p99: 1.2
            })
        );
        assert_eq!(millis("400.00us"), Some(0.4));
    }

    #[test]
    fn a_round_with_failures_is_none() {
        assert_eq!(
            parse(&format!("{GOOD}  Non-2xx or 3xx responses: 7\n")),
            None
        );
    }
}
