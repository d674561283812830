//! The words of what is asked for data and for names: databases, name servers.

use std::time::Duration;

use crate::model::{Ack, FilePath, Identifier, Reads};
use crate::plan::Engine;

use super::{A_WEB_SERVER, AN_APP, Setting, Takes, Usual, Values, Word};

pub(super) const DATABASE: Word = Word::new(
    "database",
    Takes::Servers,
    "database db-01 db-02 ack=replica",
    "MariaDB or MySQL. The first server is the primary at birth; the others replicate from it. Apps reach it at DATABASE_URL.",
)
.with(&[
    Setting::new(
        "engine",
        Values::one_of::<Engine>(),
        Usual::Follows("the one that is installed; recorded at birth"),
        "Whose server runs.",
    )
    .at_birth(),
    Setting::new(
        "name",
        Values::text::<Identifier>(),
        Usual::Follows("after the site: foobar of www.foobar.com"),
        "The database that the apps use.",
    )
    .at_birth(),
    Setting::new(
        "ack",
        Values::one_of::<Ack>(),
        Usual::Value("replica"),
        "When a write is acknowledged.",
    ),
    Setting::new(
        "reads",
        Values::one_of::<Reads>(),
        Usual::Value("own-writes"),
        "Where reads go.",
    ),
])
.inside(&[
    Word::new(
        "user",
        Takes::Some,
        "user foobar report",
        "Accounts with all rights on the database. The apps use the first. Without it: one, called as the database.",
    )
    .behind("names")
    .at_birth()
    .often()
    .stands_in("database db-01 db-02 { … }"),
    Word::new(
        "backup",
        Takes::Nothing,
        "backup every=\"1d\" keep=\"30d\"",
        "How the data is backed up. Without it: not at all.",
    )
    .with(&[
        Setting::new(
            "every",
            Values::text::<Duration>(),
            Usual::Value("\"1d\""),
            "From one backup to the next.",
        ),
        Setting::new(
            "keep",
            Values::text::<Duration>(),
            Usual::Value("\"30d\""),
            "How long each is kept.",
        ),
        Setting::new(
            "to",
            Values::text::<FilePath>(),
            Usual::Follows("the server's state directory"),
            "Where backups are put.",
        ),
    ])
    .stands_in("database db-01 db-02 { … }"),
])
.at_birth()
.beside(&[A_WEB_SERVER, AN_APP])
.stage(0);

pub(super) const DNS: Word = Word::new(
    "dns",
    Takes::Servers,
    "dns lb-01 { record \"mail.foobar.com\" A \"10.0.0.9\"; }",
    "Name servers of the site's own. They answer with the records that follow from the file (`terrace records`) and those given here.",
)
.inside(&[Word::new(
    "record",
    Takes::Any,
    "record \"mail.foobar.com\" A \"10.0.0.9\" ttl=\"1h\"",
    "A further record of the zone.",
)
.behind("a name, a type (A, AAAA, CNAME, NS, MX, TXT, CAA, SRV) and a value as a zone file writes it")
.with(&[Setting::new(
    "ttl",
    Values::text::<Duration>(),
    Usual::Value("\"5m\""),
    "How long it may be remembered.",
)])
.often()
.stands_in("dns lb-01 { … }")])
.at_birth()
.beside(&[A_WEB_SERVER]);
