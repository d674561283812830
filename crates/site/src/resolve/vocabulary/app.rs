//! The word `app`: the site's own program.

use std::time::Duration;

use crate::model::{FilePath, HttpPath, Label, MemberState, Size};
use crate::resolve::{app as resolver, servers};

use super::path::CHECKS;
use super::{A_BALANCER, A_WEB_SERVER, Setting, Takes, Usual, Values, Word};

const PROGRAM: &str =
    "app web-01 web-02 code=\"foobar\" { run \"granian --host $HOST --port $PORT foobar:app\"; … }";
/// Without the command that starts it.
const BARE: &str = "app web-01 code=\"foobar\" { … }";

const PROPERTIES: &[Setting] = &[
    Setting::new(
        "code",
        Values::text::<FilePath>(),
        Usual::Required,
        "The directory of the code base. A release is a copy of it, empty directories too, without `.git` and what a `.gitignore` names.",
    )
    .at_birth(),
    Setting::new(
        "health",
        Values::text::<HttpPath>(),
        Usual::Follows("a connection is enough"),
        "The path that is asked whether a copy is well: short for `health` inside { }.",
    )
    .goes_with(
        "app web-01 code=\"foobar\" { run \"granian --host $HOST --port $PORT foobar:app\"; }",
    ),
    Setting::new(
        "name",
        Values::text::<Label>(),
        Usual::Follows("the last part of `code`"),
        "The app's name, in status, logs and releases.",
    )
    .at_birth(),
    Setting::new(
        "path",
        Values::text::<HttpPath>(),
        Usual::Value("\"/\""),
        "The paths that it answers for: this one and all below it.",
    )
    .at_birth(),
    Setting::new(
        "copies",
        Values::Number(resolver::COPIES),
        Usual::Value("1"),
        "Copies on each server.",
    ),
    Setting::new(
        "memory",
        Values::text::<Size>(),
        Usual::Follows("no bound"),
        "What a copy may take of the memory.",
    ),
    Setting::new(
        "cpu",
        Values::Share,
        Usual::Follows("no bound"),
        "What a copy may take of the processors.",
    ),
    Setting::new(
        "start-within",
        Values::text::<Duration>(),
        Usual::Value("\"30s\""),
        "A copy that does not answer within this has failed to start.",
    ),
    Setting::new(
        "stop-within",
        Values::text::<Duration>(),
        Usual::Value("\"10s\""),
        "From SIGTERM to SIGKILL.",
    ),
    Setting::new(
        "stream",
        Values::text::<Size>(),
        Usual::Follows("never: each body is taken whole before the app is asked"),
        "Bodies larger than this go on to the app as they come, and its visitor holds a place there meanwhile; calls of gRPC all do.",
    ),
];

/// What one server of an app may set.
const OF_AN_APP: &[Setting] = &[
    Setting::new(
        "weight",
        Values::Number(servers::WEIGHTS),
        Usual::Value("1"),
        "Its share of the requests, where the load balancer hands them to the apps itself: there is no `web`.",
    ),
    Setting::new(
        "state",
        Values::one_of::<MemberState>(),
        Usual::Value("active"),
        "Whether it is used from the start, where there is no `web`.",
    ),
];

pub(super) const APP: Word = Word::new(
    "app",
    Takes::Servers,
    "app web-01 code=\"foobar\" health=\"/health\" { run \"granian --host $HOST --port $PORT foobar:app\"; }",
    "The site's own program. Each copy gets HOST and PORT to listen on, DATABASE_URL where there is a database, SITE, SERVER and RELEASE.",
)
.with(PROPERTIES)
.inside(&[
    Word::new(
        "build",
        Takes::One,
        "build \"python3 -m venv .venv && .venv/bin/pip install -r requirements.txt\"",
        "A command that makes a release of the code; several run in order, once per release.",
    )
    .behind("a command")
    .at_birth()
    .often()
    .stands_in(PROGRAM),
    Word::new(
        "run",
        Takes::One,
        "run \"granian --host $HOST --port $PORT foobar:app\"",
        "The command that starts a copy. It listens on $HOST:$PORT, and stays in the foreground.",
    )
    .behind("a command")
    .stands_in(BARE),
    Word::new(
        "php",
        Takes::One,
        "php \"public/index.php\" workers=8",
        "A PHP script instead of a command: it answers for every path that is no file.",
    )
    .behind("a script of the code base")
    .with(&[Setting::new(
        "workers",
        Values::Number(resolver::PHP_WORKERS),
        Usual::Value("8"),
        "Processes.",
    )])
    .stands_in(BARE),
    Word::new(
        "migrate",
        Takes::One,
        "migrate \"python3 migrate.py\"",
        "A command that is run once per release, on one server, before its copies start.",
    )
    .behind("a command")
    .stands_in(PROGRAM),
    Word::new(
        "env",
        Takes::Nothing,
        "env MAIL_FROM=\"ops@foobar.com\"",
        "Variables of the copies' environment. Each property is one.",
    )
    .often()
    .stands_in(PROGRAM),
    Word::new(
        "secret",
        Takes::Some,
        "secret MAIL_PASSWORD",
        "Variables whose values stay out of the file: `terrace secret set MAIL_PASSWORD` asks for one, else 32 random hex digits are generated.",
    )
    .behind("names of variables")
    .often()
    .stands_in(PROGRAM),
    Word::new(
        "keep",
        Takes::One,
        "keep uploads at=\"public/uploads\"",
        "A directory that survives releases.",
    )
    .behind("its name on the server")
    .at_birth()
    .with(&[Setting::new(
        "at",
        Values::text::<FilePath>(),
        Usual::Follows("its name"),
        "Where a release sees it.",
    )
.at_birth()])
    .often()
    .stands_in(PROGRAM),
    Word::new(
        "reaches",
        Takes::Some,
        "reaches \"api.stripe.com:443\"",
        "What the app dials outside the site.",
    )
    .behind("hosts with ports")
    .often()
    .stands_in(PROGRAM),
    Word::new(
        "worker",
        Takes::Two,
        "worker mail \"python3 mail.py\" copies=2",
        "A program that runs beside the app, of the same release.",
    )
    .behind("a name and a command")
    .with(&[Setting::new(
        "copies",
        Values::Number(resolver::COPIES),
        Usual::Value("1"),
        "Copies on each server.",
    )])
    .often()
    .stands_in(PROGRAM),
    Word::new(
        "schedule",
        Takes::Two,
        "schedule report \"python3 report.py\" every=\"1d\"",
        "A program that runs now and then, of the same release.",
    )
    .behind("a name and a command")
    .with(&[Setting::new(
        "every",
        Values::text::<Duration>(),
        Usual::Required,
        "From one start to the next.",
    )])
    .often()
    .stands_in(PROGRAM),
    Word::new(
        "health",
        Takes::One,
        "health \"/health\" every=\"1s\" fall=3",
        "How a copy is checked. Without it: a connection is enough.",
    )
    .behind("the path that is asked")
    .with(CHECKS)
    .stands_in(PROGRAM),
    TIMEOUTS,
])
.per_server(OF_AN_APP, &[A_BALANCER])
.at_birth()
.often()
.beside(&[A_WEB_SERVER])
.stage(0);

const TIMEOUTS: Word = Word::new(
    "timeouts",
    Takes::Nothing,
    "timeouts connect=\"2s\" first-byte=\"30s\"",
    "How long a copy may take for a request.",
)
.with(&[
    Setting::new(
        "connect",
        Values::text::<Duration>(),
        Usual::Value("\"2s\""),
        "To take a connection.",
    ),
    Setting::new(
        "first-byte",
        Values::text::<Duration>(),
        Usual::Value("\"30s\""),
        "From the request sent to the first byte of the answer; then 504.",
    ),
    Setting::new(
        "idle",
        Values::text::<Duration>(),
        Usual::Value("\"60s\""),
        "Without a byte in either direction.",
    ),
    Setting::new(
        "total",
        Values::text::<Duration>(),
        Usual::Follows("as long as something moves"),
        "For the whole request, whatever moves.",
    ),
])
.stands_in(PROGRAM);
