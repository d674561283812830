//! The words of the way of a request: servers, load balancer, web server.

use std::time::Duration;

use crate::model::{Balance, FilePath, MemberState, Move, Plain, Rate, Size, Stick};
use crate::resolve::{entry, servers};

use super::{A_BALANCER, A_WEB_SERVER, AN_APP, Setting, Takes, Usual, Values, Word};

const PORT: Values = Values::Number(1..=65_535);

pub(super) const SERVER: Word = Word::new(
    "server",
    Takes::Some,
    "server web-01 \"10.0.0.21\"",
    "A machine: its name in this file, and the addresses that the other servers dial.",
)
.behind("its name, then its addresses (IPv4, IPv6)")
.at_birth()
.with(&[Setting::new(
    "place",
    Values::text::<Plain>(),
    Usual::Follows("none"),
    "What fails together: a rack, a room, a data centre.",
)])
.inside(&[
    Word::new(
        "public",
        Takes::Some,
        "public \"8.8.8.8\"",
        "The addresses that the world dials. Without it: the server's first address.",
    )
    .behind("addresses")
    .at_birth()
    .often()
    .stands_in("server web-01 \"10.0.0.21\" { … }"),
    Word::new(
        "ssh",
        Takes::One,
        "ssh \"deploy@10.0.0.21\" port=22",
        "How the person who deploys gets in. A rehearsal does not use it.",
    )
    .behind("user and host")
    .with(&[Setting::new(
        "port",
        PORT,
        Usual::Value("22"),
        "The port of its SSH server.",
    )])
    .stands_in("server web-01 \"10.0.0.21\" { … }"),
])
.often()
.beside(&[A_WEB_SERVER])
.stage(0);

/// What one server of a tier may set.
const OF_A_SERVER: &[Setting] = &[
    Setting::new(
        "weight",
        Values::Number(servers::WEIGHTS),
        Usual::Value("1"),
        "Its share of the requests, beside the others'.",
    ),
    Setting::new(
        "state",
        Values::one_of::<MemberState>(),
        Usual::Value("active"),
        "Whether it is used from the start.",
    ),
];

const BODY: Setting = Setting::new(
    "body",
    Values::text::<Size>(),
    Usual::Value("\"64M\""),
    "The body of a request; more is answered with 413. Load balancer and web server have one bound, whichever says it.",
);
const SPOOL: Setting = Setting::new(
    "spool",
    Values::text::<Size>(),
    Usual::Value("\"1G\""),
    "Bodies beyond 64 KiB that wait in files, of all visitors together. A request that finds no room is answered with 503; one address has a quarter of it, or room for one body, and beyond that 429.",
);

const BALANCER: &str = "load-balancer lb-01 { … }";

pub(super) const LOAD_BALANCER: Word = Word::new(
    "load-balancer",
    Takes::Servers,
    "load-balancer lb-01 balance=round-robin",
    "Spreads the requests over the next tier and keeps them away from what is not well. `up` runs one.",
)
.with(&[
    Setting::new(
        "balance",
        Values::one_of::<Balance>(),
        Usual::Value("round-robin"),
        "How it chooses among the servers of the next tier.",
    ),
    Setting::new(
        "stick",
        Values::one_of::<Stick>(),
        Usual::Follows("none: every request is balanced"),
        "What makes a visitor come back to the same server.",
    ),
])
.inside(&[
    Word::new(
        "address",
        Takes::One,
        "address \"8.8.8.8\" move=vrrp",
        "An address that one of several balancers holds at a time.",
    )
    .behind("an address")
    .at_birth()
    .with(&[Setting::new(
        "move",
        Values::one_of::<Move>(),
        Usual::Value("vrrp"),
        "How it moves from one server to another.",
    )])
    .often()
    .stands_in("load-balancer lb-01 lb-02 { … }"),
    Word::new(
        "trust",
        Takes::Some,
        "trust \"203.0.113.0/24\"",
        "Networks in front of the balancer whose X-Forwarded-* fields are believed. Without it: none.",
    )
    .behind("networks")
    .often()
    .stands_in(BALANCER),
    Word::new(
        "limit",
        Takes::Nothing,
        "limit body=\"10M\"",
        "What visitors may take.",
    )
    .with(&[
        Setting::new(
            "requests",
            Values::text::<Rate>(),
            Usual::Follows("no bound"),
            "Requests of one address in a second (s), minute (m) or hour (h).",
        ),
        Setting::new(
            "connections",
            Values::Number(entry::MANY),
            Usual::Follows("1024"),
            "Open connections of one address, at each worker. Its longest idle one makes room for one more; networks of `trust` have no such bound.",
        ),
        BODY,
        SPOOL,
    ])
    .stands_in(BALANCER),
    Word::new(
        "queue",
        Takes::Nothing,
        "queue in-flight=100 waiting=1000 within=\"5s\"",
        "How many requests each server behind it gets at a time, and what becomes of the rest. Without it none waits.",
    )
    .with(&[
        Setting::new(
            "in-flight",
            Values::Number(entry::MANY),
            Usual::Required,
            "Requests in flight at each server; more wait.",
        ),
        Setting::new(
            "waiting",
            Values::Number(entry::MANY_OR_NONE),
            Usual::Value("1024"),
            "Requests that may wait; more are answered with 503.",
        ),
        Setting::new(
            "within",
            Values::text::<Duration>(),
            Usual::Value("\"5s\""),
            "How long a request waits; then it is answered with 503.",
        ),
    ])
    .stands_in(BALANCER),
])
.at_birth()
.beside(&["web web-01 web-02 static=\"foobar/public\""])
.stage(1);

/// How an instance is checked.
pub(super) const CHECKS: &[Setting] = &[
    Setting::new(
        "every",
        Values::text::<Duration>(),
        Usual::Value("\"1s\""),
        "From one check to the next.",
    ),
    Setting::new(
        "within",
        Values::text::<Duration>(),
        Usual::Value("\"1s\""),
        "How long the answer may take.",
    ),
    Setting::new(
        "rise",
        Values::Number(entry::CHECKS),
        Usual::Value("2"),
        "Good checks in a row that bring an instance in.",
    ),
    Setting::new(
        "fall",
        Values::Number(entry::CHECKS),
        Usual::Value("2"),
        "Bad checks in a row that take it out.",
    ),
    Setting::new(
        "expect",
        Values::Number(entry::STATUSES),
        Usual::Follows("any status of 200 to 399"),
        "The status that counts as well.",
    ),
];

const WEB_SERVERS: &str = "web web-01 web-02 static=\"foobar/public\" { … }";

pub(super) const WEB: Word = Word::new(
    "web",
    Takes::Servers,
    "web web-01 web-02 static=\"foobar/public\" { web-02 weight=2; }",
    "The web servers: a file that is there is sent, all else is handed to the apps.",
)
.with(&[Setting::new(
    "static",
    Values::text::<FilePath>(),
    Usual::Follows("none: everything goes to the apps"),
    "The directory of static files.",
)
.at_birth()])
.inside(&[
    Word::new(
        "health",
        Takes::One,
        "health \"/health\" every=\"1s\" fall=3",
        "How the load balancer checks the web servers. Without it: a path that the web server itself answers.",
    )
    .behind("the path that is asked")
    .with(CHECKS)
    .stands_in(WEB_SERVERS),
    Word::new(
        "timeouts",
        Takes::Nothing,
        "timeouts first-byte=\"30s\" idle=\"60s\"",
        "How long a visitor may stand still. At the load balancer the same holds.",
    )
    .with(&[
        Setting::new(
            "connect",
            Values::text::<Duration>(),
            Usual::Value("\"2s\""),
            "Has no effect here: a visitor has connected already.",
        ),
        Setting::new(
            "first-byte",
            Values::text::<Duration>(),
            Usual::Value("\"30s\""),
            "To send the whole head of a request; then 408.",
        ),
        Setting::new(
            "idle",
            Values::text::<Duration>(),
            Usual::Value("\"60s\""),
            "Without a byte in either direction, and between two requests.",
        ),
        Setting::new(
            "total",
            Values::text::<Duration>(),
            Usual::Follows("as long as something moves"),
            "For a whole request that the web server answers itself.",
        ),
        Setting::new(
            "rate",
            Values::text::<Rate>(),
            Usual::Value("\"500/s\""),
            "Bytes that a visitor has to send of a body, or to take of an answer, counted over `idle`; slower is 408, or cut.",
        ),
    ])
    .stands_in(WEB_SERVERS),
    Word::new(
        "limit",
        Takes::Nothing,
        "limit body=\"10M\"",
        "What visitors may take.",
    )
    .with(&[BODY, SPOOL])
    .stands_in(WEB_SERVERS),
])
.per_server(OF_A_SERVER, &[A_BALANCER])
.at_birth()
.beside(&[A_BALANCER, AN_APP])
.stage(0);
