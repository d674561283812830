//! The words of the file and the settings of each: what may stand where, and an example of each word.
//!
//! This is the one list. Unknown words, "did you mean" and what a message says about a word's settings all
//! come from here; what a setting's value means is in the file of its word.

/// A word of the file.
#[derive(Debug)]
pub(super) struct Word {
    /// The word.
    pub(super) name: &'static str,
    /// What stands behind it.
    pub(super) takes: Takes,
    /// Settings with one value.
    pub(super) properties: &'static [&'static str],
    /// Settings with several values, or with settings of their own.
    pub(super) children: &'static [Word],
    /// Settings of a child that is named after one of the word's servers; empty: it has no such children.
    pub(super) per_server: &'static [&'static str],
    /// It may stand several times.
    pub(super) often: bool,
    /// How it is written.
    pub(super) example: &'static str,
}

/// What stands behind a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Takes {
    /// Nothing.
    Nothing,
    /// One value.
    One,
    /// Exactly two values.
    Two,
    /// One value or more.
    Some,
    /// Servers; none means all of them.
    Servers,
    /// Anything: the word's own file looks.
    Any,
}

impl Word {
    /// The child of this name.
    pub(super) fn child(&self, name: &str) -> Option<&'static Word> {
        self.children.iter().find(|child| child.name == name)
    }

    /// Everything that it knows, for a message: `balance, stick; inside { }: address, trust, limit`.
    pub(super) fn knows(&self) -> String {
        let children: Vec<&str> = self.children.iter().map(|child| child.name).collect();
        match (self.properties, children.as_slice()) {
            ([], []) => format!("`{}` has no settings", self.name),
            (properties, []) => format!("it knows: {}", properties.join(", ")),
            ([], children) => format!("it knows, inside {{ }}: {}", children.join(", ")),
            (properties, children) => {
                format!(
                    "it knows: {}; inside {{ }}: {}",
                    properties.join(", "),
                    children.join(", ")
                )
            }
        }
    }

    const fn new(name: &'static str, takes: Takes, example: &'static str) -> Self {
        Self {
            name,
            takes,
            properties: &[],
            children: &[],
            per_server: &[],
            often: false,
            example,
        }
    }

    const fn with(self, properties: &'static [&'static str]) -> Self {
        Self { properties, ..self }
    }

    const fn inside(self, children: &'static [Word]) -> Self {
        Self { children, ..self }
    }

    const fn per_server(self, per_server: &'static [&'static str]) -> Self {
        Self { per_server, ..self }
    }

    const fn often(self) -> Self {
        Self {
            often: true,
            ..self
        }
    }
}

const TIMEOUTS: Word = Word::new(
    "timeouts",
    Takes::Nothing,
    "timeouts connect=\"2s\" first-byte=\"30s\"",
)
.with(&["connect", "first-byte", "idle", "total"]);
const HEALTH: Word = Word::new(
    "health",
    Takes::One,
    "health \"/health\" every=\"1s\" fall=3",
)
.with(&["every", "within", "rise", "fall", "expect"]);

/// The word at the top.
pub(super) static SITE: Word = Word::new("site", Takes::One, "site \"www.foobar.com\" { … }")
    .with(&["zone"])
    .inside(&[
        Word::new("alias", Takes::Some, "alias \"foobar.com\"").often(),
        Word::new("redirect", Takes::Some, "redirect \"foobar.com\"").often(),
        SERVER,
        LOAD_BALANCER,
        WEB,
        APP,
        DATABASE,
        Word::new("quorum", Takes::Servers, "quorum db-01 db-02 app-01"),
        DNS,
        CERTIFICATE,
        FIREWALL,
        MONITOR,
        Word::new("promise", Takes::Any, "promise").often(),
    ]);

const SERVER: Word = Word::new("server", Takes::Some, "server web-01 \"10.0.0.21\"")
    .with(&["place"])
    .inside(&[
        Word::new("public", Takes::Some, "public \"8.8.8.8\"").often(),
        Word::new("ssh", Takes::One, "ssh \"deploy@10.0.0.21\" port=22").with(&["port"]),
    ])
    .often();

const LOAD_BALANCER: Word = Word::new(
    "load-balancer",
    Takes::Servers,
    "load-balancer lb-01 balance=round-robin",
)
.with(&["balance", "stick"])
.inside(&[
    Word::new("address", Takes::One, "address \"8.8.8.8\"")
        .with(&["move"])
        .often(),
    Word::new("trust", Takes::Some, "trust \"203.0.113.0/24\"").often(),
    Word::new(
        "limit",
        Takes::Nothing,
        "limit requests=\"20/s\" connections=100",
    )
    .with(&["requests", "connections", "body"]),
    Word::new(
        "queue",
        Takes::Nothing,
        "queue in-flight=100 waiting=1000 within=\"5s\"",
    )
    .with(&["in-flight", "waiting", "within"]),
]);

const WEB: Word = Word::new("web", Takes::Servers, "web web-01 static=\"foobar/public\"")
    .with(&["static"])
    .inside(&[HEALTH, TIMEOUTS])
    .per_server(&["weight", "state"]);

const APP: Word = Word::new(
    "app",
    Takes::Servers,
    "app web-01 code=\"foobar\" health=\"/health\" { run \"…\"; }",
)
.with(&[
    "code",
    "health",
    "name",
    "path",
    "copies",
    "memory",
    "cpu",
    "start-within",
    "stop-within",
])
.inside(&[
    Word::new(
        "build",
        Takes::One,
        "build \"pip install -r requirements.txt\"",
    )
    .often(),
    Word::new(
        "run",
        Takes::One,
        "run \"granian --host $HOST --port $PORT foobar:app\"",
    ),
    Word::new("php", Takes::One, "php \"public/index.php\" workers=8").with(&["workers"]),
    Word::new("migrate", Takes::One, "migrate \"python3 migrate.py\""),
    Word::new("env", Takes::Nothing, "env MAIL_FROM=\"ops@foobar.com\"").often(),
    Word::new("secret", Takes::Some, "secret MAIL_PASSWORD").often(),
    Word::new("keep", Takes::One, "keep \"uploads\" at=\"public/uploads\"")
        .with(&["at"])
        .often(),
    Word::new("reaches", Takes::Some, "reaches \"api.stripe.com:443\"").often(),
    Word::new(
        "worker",
        Takes::Two,
        "worker mail \"python3 mail.py\" copies=2",
    )
    .with(&["copies"])
    .often(),
    Word::new(
        "schedule",
        Takes::Two,
        "schedule report \"python3 report.py\" every=\"1d\"",
    )
    .with(&["every"])
    .often(),
    HEALTH,
    TIMEOUTS,
])
.per_server(&["weight", "state"])
.often();

const DATABASE: Word = Word::new("database", Takes::Servers, "database db-01 db-02")
    .with(&["engine", "name", "ack", "reads"])
    .inside(&[
        Word::new("user", Takes::Some, "user foobar").often(),
        Word::new("backup", Takes::Nothing, "backup every=\"1d\" keep=\"30d\"")
            .with(&["every", "keep", "to"]),
    ]);

const DNS: Word = Word::new("dns", Takes::Servers, "dns lb-01 lb-02").inside(&[Word::new(
    "record",
    Takes::Any,
    "record \"mail.foobar.com\" A \"10.0.0.9\"",
)
.with(&["ttl"])
.often()]);

const CERTIFICATE: Word = Word::new(
    "certificate",
    Takes::Nothing,
    "certificate issuer=acme email=\"ops@foobar.com\"",
)
.with(&[
    "issuer",
    "cert",
    "key",
    "email",
    "directory",
    "inside",
    "hsts",
]);

const FIREWALL: Word = Word::new(
    "firewall",
    Takes::Nothing,
    "firewall { ssh \"203.0.113.0/24\"; }",
)
.inside(&[
    Word::new("ssh", Takes::Some, "ssh \"203.0.113.0/24\" port=22")
        .with(&["port"])
        .often(),
    Word::new(
        "allow",
        Takes::Any,
        "allow web-01 \"8080/tcp\" from=\"203.0.113.0/24\"",
    )
    .with(&["from"])
    .often(),
]);

const MONITOR: Word = Word::new(
    "monitor",
    Takes::Nothing,
    "monitor every=\"1s\" keep=\"7d\"",
)
.with(&["every", "keep"])
.inside(&[
    Word::new("collect", Takes::Servers, "collect lb-01"),
    Word::new(
        "alert",
        Takes::One,
        "alert \"web failed > 1 %\" for=\"30s\"",
    )
    .with(&["for"])
    .often(),
    Word::new(
        "send",
        Takes::Some,
        "send \"https://hooks.example.org/terrace\"",
    )
    .often(),
    Word::new(
        "remote-write",
        Takes::Some,
        "remote-write \"https://metrics.example.org/push\"",
    )
    .often(),
]);

#[cfg(test)]
mod tests {
    use super::*;

    fn every_word(word: &'static Word, found: &mut Vec<&'static Word>) {
        found.push(word);
        word.children
            .iter()
            .for_each(|child| every_word(child, found));
    }

    #[test]
    fn every_example_shows_its_word_and_known_settings() {
        let mut words = Vec::new();
        every_word(&SITE, &mut words);
        for word in words {
            let reading = crate::read::read(word.example.trim_end_matches("{ … }"));
            assert!(
                reading.problems.is_empty(),
                "{}: {:?}",
                word.example,
                reading.problems
            );
            let node = &reading.document.nodes[0];
            assert_eq!(node.name.value, word.name);
            for property in &node.properties {
                let known =
                    word.properties.contains(&property.name.value.as_str()) || word.name == "env";
                assert!(known, "{}: {}", word.example, property.name.value);
            }
        }
    }
}
