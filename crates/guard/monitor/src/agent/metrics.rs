//! A server's report as Prometheus reads it (text format 0.0.4): `terrace_<part>_<what>_<unit>[_total]`. Pure.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

use terrace_protocol::report::{RoleReport, ServerReport, State, Traffic, UpstreamReport};

/// Lines by the name of their metric: a format rule is that those of one name stand together.
struct Metrics {
    server: String,
    found: BTreeMap<String, (Kind, &'static str, Vec<String>)>,
}

#[derive(Clone, Copy)]
enum Kind {
    Counter,
    Gauge,
}

/// All that a server's roles have counted; `age`: of the report.
pub fn text(report: &ServerReport, age: Duration) -> String {
    let mut metrics = Metrics {
        server: report.server.clone(),
        found: BTreeMap::new(),
    };
    metrics.add(
        "terrace_node_report_age_seconds",
        Kind::Gauge,
        "Age of what the node last told; more than a few seconds: the node is away.",
        &[],
        age.as_secs_f64(),
    );
    metrics.add(
        "terrace_node_plan_generation",
        Kind::Gauge,
        "Generation of the plan that the server runs.",
        &[],
        report.generation as f64,
    );
    for role in &report.roles {
        of_role(&mut metrics, role);
    }
    metrics.text()
}

fn of_role(metrics: &mut Metrics, role: &RoleReport) {
    let part = role.role.replace('-', "_");
    let labels = [("role", role.role.as_str()), ("instance", role.id.as_str())];
    let serves = f64::from(u8::from(role.state == State::Serving));
    metrics.add(
        "terrace_role_serving",
        Kind::Gauge,
        "1: it does its work.",
        &labels,
        serves,
    );
    metrics.add(
        "terrace_role_restarts_total",
        Kind::Counter,
        "How often it was started again since the server came up.",
        &labels,
        f64::from(role.restarts),
    );
    if let Some(traffic) = &role.traffic {
        of_traffic(metrics, &part, &labels, traffic);
    }
    for upstream in &role.upstreams {
        of_upstream(metrics, &part, &labels, upstream);
    }
    for lack in &role.lacks {
        let resource = ("resource", lack.what.word());
        metrics.add(
            &format!("terrace_{part}_lacks_total"),
            Kind::Counter,
            "How often it had none left of this: no failure of those that it asks.",
            &[labels[0], labels[1], resource],
            lack.times as f64,
        );
    }
}

fn of_upstream(
    metrics: &mut Metrics,
    part: &str,
    labels: &[(&str, &str); 2],
    upstream: &UpstreamReport,
) {
    let labels = [
        labels[0],
        labels[1],
        ("upstream", upstream.instance.as_str()),
    ];
    let healthy = f64::from(u8::from(upstream.healthy));
    let mut add = |what: &str, kind, help, value| {
        metrics.add(
            &format!("terrace_{part}_upstream_{what}"),
            kind,
            help,
            &labels,
            value,
        );
    };
    add("healthy", Kind::Gauge, "1: it gets requests.", healthy);
    add(
        "requests_total",
        Kind::Counter,
        "Requests sent to it.",
        upstream.requests as f64,
    );
    add(
        "errors_total",
        Kind::Counter,
        "Of those: failed.",
        upstream.errors as f64,
    );
    add(
        "retries_total",
        Kind::Counter,
        "Requests that were tried again after it failed them.",
        upstream.retries as f64,
    );
    add(
        "requests_in_flight",
        Kind::Gauge,
        "Requests that it has now.",
        upstream.in_flight as f64,
    );
    let drained = f64::from(u8::from(upstream.drain.is_some()));
    add(
        "drained",
        Kind::Gauge,
        "1: it is emptied, or is being emptied.",
        drained,
    );
    // Where shares do not count there are none to show.
    if upstream.weight > 0 {
        let weight = f64::from(upstream.weight);
        add("weight", Kind::Gauge, "Its share among the others.", weight);
    }
}

fn of_traffic(metrics: &mut Metrics, part: &str, labels: &[(&str, &str)], traffic: &Traffic) {
    let mut add = |what: &str, kind, help, value| {
        metrics.add(&format!("terrace_{part}_{what}"), kind, help, labels, value);
    };
    add(
        "requests_total",
        Kind::Counter,
        "Requests or queries answered.",
        traffic.requests as f64,
    );
    add(
        "failures_total",
        Kind::Counter,
        "Those answered with 5xx, or not at all.",
        traffic.failed as f64,
    );
    add(
        "requests_in_flight",
        Kind::Gauge,
        "Requests that wait for their answer.",
        traffic.in_flight as f64,
    );
    add(
        "sent_bytes_total",
        Kind::Counter,
        "Bytes sent to visitors.",
        traffic.bytes as f64,
    );
    if matches!(part, "web" | "load_balancer") {
        add(
            "spooled_bytes",
            Kind::Gauge,
            "Bytes of bodies that wait in files.",
            traffic.spooled as f64,
        );
        add(
            "unspooled_total",
            Kind::Counter,
            "Requests whose body found no room in those files.",
            traffic.unspooled as f64,
        );
        add(
            "pressed_total",
            Kind::Counter,
            "Connections without a request that were closed to make room for others.",
            traffic.pressed as f64,
        );
        add(
            "turned_away_total",
            Kind::Counter,
            "Connections that were not let in, as their address had its share.",
            traffic.turned_away as f64,
        );
    }
    for (quantile, micros) in [("0.5", traffic.p50), ("0.99", traffic.p99)] {
        let Some(micros) = micros else { continue };
        let labels = [labels, &[("quantile", quantile)]].concat();
        metrics.add(
            &format!("terrace_{part}_latency_seconds"),
            Kind::Gauge,
            "Time to answer, over the last ten seconds.",
            &labels,
            micros as f64 / 1e6,
        );
    }
}

impl Metrics {
    fn add(
        &mut self,
        name: &str,
        kind: Kind,
        help: &'static str,
        labels: &[(&str, &str)],
        value: f64,
    ) {
        let mut line = format!("{name}{{server=\"{}\"", escaped(&self.server));
        for (label, text) in labels {
            // Writing to a string cannot fail.
            let _ = write!(line, ",{label}=\"{}\"", escaped(text));
        }
        let _ = write!(line, "}} {value}");
        let (_, _, lines) = self
            .found
            .entry(name.to_owned())
            .or_insert_with(|| (kind, help, Vec::new()));
        lines.push(line);
    }

    fn text(self) -> String {
        let mut text = String::new();
        for (name, (kind, help, lines)) in self.found {
            let kind = match kind {
                Kind::Counter => "counter",
                Kind::Gauge => "gauge",
            };
            let _ = write!(text, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
            for line in lines {
                text += &line;
                text.push('\n');
            }
        }
        text
    }
}

/// The three characters that a label's value cannot hold as they are.
fn escaped(value: &str) -> String {
    value
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use terrace_protocol::report::{Lack, LackReport};

    use super::*;

    #[test]
    fn a_report_as_prometheus_reads_it() {
        let upstream = |instance: &str, healthy| UpstreamReport {
            instance: instance.into(),
            healthy,
            requests: 206,
            errors: 1,
            retries: 1,
            ..UpstreamReport::default()
        };
        let web = RoleReport {
            id: "web-01/web".into(),
            role: "web".into(),
            state: State::Serving,
            restarts: 2,
            traffic: Some(Traffic {
                requests: 412,
                failed: 1,
                in_flight: 3,
                bytes: 123_456,
                rate: 41.2,
                p50: Some(800),
                p99: Some(21_000),
                spooled: 1_048_576,
                unspooled: 2,
                pressed: 5,
                turned_away: 4,
                pressed_at: 0,
            }),
            upstreams: vec![
                upstream("web-01/app/1", true),
                upstream("web-02/app/1", false),
            ],
            lacks: vec![LackReport {
                what: Lack::Descriptors,
                times: 12,
                last: 0,
            }],
            ..RoleReport::default()
        };
        let database = RoleReport {
            id: "web-01/database".into(),
            role: "database".into(),
            state: State::Restarting,
            ..RoleReport::default()
        };
        let report = ServerReport {
            server: "web-01".into(),
            generation: 7,
            roles: vec![web, database],
            ..ServerReport::default()
        };
        insta::assert_snapshot!(text(&report, Duration::from_millis(500)));
    }

    #[test]
    fn what_a_label_cannot_hold_is_escaped() {
        assert_eq!(escaped("a\"b\\c\nd"), "a\\\"b\\\\c\\nd");
    }
}
