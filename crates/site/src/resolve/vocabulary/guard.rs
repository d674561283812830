//! The words of what keeps the path safe and in sight: certificate, firewall, monitor.

use std::time::Duration;

use crate::model::{Email, FilePath, Inside, IssuerWord, Network, Url};

use super::{A_WEB_SERVER, Setting, Takes, Usual, Values, Word};

const PORT: Values = Values::Number(1..=65_535);
const FILES: &str = "certificate cert=\"cert.pem\" key=\"key.pem\"";

pub(super) const CERTIFICATE: Word = Word::new(
    "certificate",
    Takes::Nothing,
    "certificate issuer=acme email=\"ops@foobar.com\"",
    "HTTPS at the entry, and TLS between the servers: who issues the site's certificate, or where it is.",
)
.with(&[
    Setting::new(
        "issuer",
        Values::one_of::<IssuerWord>(),
        Usual::Value("own"),
        "Who issues it.",
    )
    .goes_with("certificate"),
    Setting::new(
        "cert",
        Values::text::<FilePath>(),
        Usual::Follows("none: it is issued"),
        "A certificate that you have, with its chain, PEM. Needs `key`.",
    )
    .goes_with(FILES),
    Setting::new(
        "key",
        Values::text::<FilePath>(),
        Usual::Follows("none"),
        "The key of `cert`, PEM.",
    )
    .goes_with(FILES),
    Setting::new(
        "email",
        Values::text::<Email>(),
        Usual::Follows("none"),
        "Where the authority writes to. Needs issuer=acme.",
    ),
    Setting::new(
        "directory",
        Values::text::<Url>(),
        Usual::Follows("that of Let's Encrypt"),
        "The authority's ACME directory. Needs issuer=acme.",
    ),
    Setting::new(
        "inside",
        Values::one_of::<Inside>(),
        Usual::Value("mutual"),
        "How the site's own servers talk to each other.",
    ),
    Setting::new(
        "hsts",
        Values::text::<Duration>(),
        Usual::Follows("none"),
        "How long browsers insist on HTTPS once they have been here.",
    ),
])
.beside(&[A_WEB_SERVER])
.stage(2);

pub(super) const FIREWALL: Word = Word::new(
    "firewall",
    Takes::Nothing,
    "firewall { ssh \"203.0.113.0/24\"; }",
    "A firewall on every server: what the wiring needs is open, all else is shut.",
)
.inside(&[
    Word::new(
        "ssh",
        Takes::Some,
        "ssh \"203.0.113.0/24\" port=22",
        "From where SSH may come in. Without it: from nowhere.",
    )
    .behind("networks")
    .with(&[Setting::new(
        "port",
        PORT,
        Usual::Value("22"),
        "The port of SSH.",
    )])
    .often()
    .stands_in("firewall { … }"),
    Word::new(
        "allow",
        Takes::Any,
        "allow web-01 \"8080/tcp\" from=\"203.0.113.0/24\"",
        "What else may come in.",
    )
    .behind("servers (none means all of them), then ports with /tcp or /udp")
    .with(&[Setting::new(
        "from",
        Values::text::<Network>(),
        Usual::Follows("everywhere"),
        "From which network.",
    )])
    .often()
    .stands_in("firewall { … }"),
])
.beside(&[A_WEB_SERVER])
.stage(2);

pub(super) const MONITOR: Word = Word::new(
    "monitor",
    Takes::Nothing,
    "monitor every=\"1s\" keep=\"7d\" { collect web-01; }",
    "Collects what every server measures, and says when something is wrong.",
)
.with(&[
    Setting::new(
        "every",
        Values::text::<Duration>(),
        Usual::Value("\"1s\""),
        "From one measurement to the next.",
    ),
    Setting::new(
        "keep",
        Values::text::<Duration>(),
        Usual::Value("\"7d\""),
        "How long measurements are kept.",
    ),
])
.inside(&[
    Word::new(
        "collect",
        Takes::Servers,
        "collect web-01",
        "The servers that collect. Without it: the first of the entry.",
    )
    .stands_in("monitor { … }"),
    Word::new(
        "alert",
        Takes::One,
        "alert \"web failed > 1 %\" for=\"30s\"",
        "A condition that is reported.",
    )
    .behind("the condition")
    .with(&[Setting::new(
        "for",
        Values::text::<Duration>(),
        Usual::Follows("at once"),
        "How long it must hold.",
    )])
    .often()
    .stands_in("monitor { … }"),
    Word::new(
        "send",
        Takes::Some,
        "send \"https://hooks.example.org/terrace\"",
        "Where alerts are sent.",
    )
    .behind("URLs")
    .often()
    .stands_in("monitor { … }"),
    Word::new(
        "remote-write",
        Takes::Some,
        "remote-write \"https://metrics.example.org/push\"",
        "Where measurements are sent, by Prometheus' remote write.",
    )
    .behind("URLs")
    .often()
    .stands_in("monitor { … }"),
])
.at_birth()
.beside(&[A_WEB_SERVER])
.stage(2);
