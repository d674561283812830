//! The words of the file: what stands behind each, its settings with their values and defaults, what stands inside
//! it, and an example.
//!
//! This is the one list. Unknown words, "did you mean", what a message says about a word's settings and the
//! [reference](crate::reference) all come from here; what a setting's value means is in the file of its word. A word
//! or a setting cannot be listed without a sentence about it, and tests resolve every example, value and default.

mod app;
mod data;
mod guard;
mod path;
mod setting;

pub(crate) use setting::{Setting, Usual, Values};

/// A word of the file.
#[derive(Debug)]
pub(crate) struct Word {
    /// The word.
    pub(crate) name: &'static str,
    /// How many values stand behind it.
    pub(crate) takes: Takes,
    /// What the values behind it are, for a person; empty: there are none.
    pub(crate) behind: &'static str,
    /// What it is for.
    pub(crate) about: &'static str,
    /// Settings with one value.
    pub(crate) properties: &'static [Setting],
    /// Settings with several values, or with settings of their own.
    pub(crate) children: &'static [Word],
    /// Settings of a child that is named after one of the word's servers; empty: it has no such children.
    pub(crate) per_server: &'static [Setting],
    /// What a site needs beside the word for these to count, a statement each.
    pub(crate) per_server_beside: &'static [&'static str],
    /// It may stand several times.
    pub(crate) often: bool,
    /// How it is written: one statement.
    pub(crate) example: &'static str,
    /// The statement that it stands in, with `…` for it; empty: it stands in `site` itself.
    pub(crate) stands_in: &'static str,
    /// What a site needs beside it, a statement each.
    pub(crate) beside: &'static [&'static str],
    /// The first stage that has it, of those in `stacks/`.
    pub(crate) stage: Option<u8>,
    /// What runs was born with what stands behind it: a running site cannot take it over.
    pub(crate) at_birth: bool,
}

/// How many values stand behind a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Takes {
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
    pub(crate) fn child(&self, name: &str) -> Option<&'static Word> {
        self.children.iter().find(|child| child.name == name)
    }

    /// The property of this name.
    pub(crate) fn property(&self, name: &str) -> Option<&'static Setting> {
        self.properties.iter().find(|setting| setting.name == name)
    }

    /// What a server of it may set, by its name.
    pub(crate) fn of_server(&self, name: &str) -> Option<&'static Setting> {
        self.per_server.iter().find(|setting| setting.name == name)
    }

    /// It takes properties of any name: they are variables.
    pub(crate) fn takes_variables(&self) -> bool {
        self.name == "env"
    }

    /// Its values are one list, over however many statements: no setting is of one of them.
    pub(crate) fn is_list(&self) -> bool {
        self.properties.is_empty() && self.children.is_empty()
    }

    /// The names of its properties.
    pub(super) fn property_names(&self) -> impl Iterator<Item = &'static str> + use<> {
        self.properties.iter().map(|setting| setting.name)
    }

    /// Everything that it knows, for a message: `balance, stick; inside { }: address, trust, limit`.
    pub(super) fn knows(&self) -> String {
        let properties: Vec<&str> = self.property_names().collect();
        let children: Vec<&str> = self.children.iter().map(|child| child.name).collect();
        let (properties, children) = (properties.join(", "), children.join(", "));
        match (properties.is_empty(), children.is_empty()) {
            (true, true) => format!("`{}` has no settings", self.name),
            (false, true) => format!("it knows: {properties}"),
            (true, false) => format!("it knows, inside {{ }}: {children}"),
            (false, false) => format!("it knows: {properties}; inside {{ }}: {children}"),
        }
    }

    const fn new(
        name: &'static str,
        takes: Takes,
        example: &'static str,
        about: &'static str,
    ) -> Self {
        let behind = match takes {
            Takes::Servers => "servers; none means all of them",
            _ => "",
        };
        Self {
            name,
            takes,
            behind,
            about,
            properties: &[],
            children: &[],
            per_server: &[],
            per_server_beside: &[],
            often: false,
            example,
            stands_in: "",
            beside: &[],
            stage: None,
            at_birth: false,
        }
    }

    const fn behind(self, behind: &'static str) -> Self {
        Self { behind, ..self }
    }

    const fn with(self, properties: &'static [Setting]) -> Self {
        Self { properties, ..self }
    }

    const fn inside(self, children: &'static [Word]) -> Self {
        Self { children, ..self }
    }

    const fn per_server(
        self,
        per_server: &'static [Setting],
        per_server_beside: &'static [&'static str],
    ) -> Self {
        Self {
            per_server,
            per_server_beside,
            ..self
        }
    }

    const fn at_birth(self) -> Self {
        Self {
            at_birth: true,
            ..self
        }
    }

    const fn often(self) -> Self {
        Self {
            often: true,
            ..self
        }
    }

    const fn stands_in(self, stands_in: &'static str) -> Self {
        Self { stands_in, ..self }
    }

    const fn stage(self, stage: u8) -> Self {
        Self {
            stage: Some(stage),
            ..self
        }
    }

    const fn beside(self, beside: &'static [&'static str]) -> Self {
        Self { beside, ..self }
    }
}

/// The least that serves.
const A_WEB_SERVER: &str = "web web-01 static=\"foobar/public\"";
/// What checks the web servers and spreads the requests over them.
const A_BALANCER: &str = "load-balancer lb-01";
/// What a web server hands all else to.
const AN_APP: &str =
    "app web-01 code=\"foobar\" { run \"granian --host $HOST --port $PORT foobar:app\"; }";
/// Two that can take each other's place.
const TWO_DATABASES: &str = "database db-01 db-02";

/// The word at the top.
pub(crate) static SITE: Word = Word::new(
    "site",
    Takes::One,
    "site \"www.foobar.com\" { … }",
    "A website and everything that it runs on. A file describes one site; all other words stand inside its braces.",
)
.behind("its name, as visitors type it")
.with(&[Setting::new(
    "zone",
    Values::text::<crate::model::DomainName>(),
    Usual::Follows("the name without its first label"),
    "The zone that holds the site's names.",
)])
.inside(&[
    Word::new(
        "alias",
        Takes::Some,
        "alias \"foobar.com\"",
        "Further names that are served like the site's own.",
    )
    .behind("names within the zone")
    .often()
    .beside(&[A_WEB_SERVER]),
    Word::new(
        "redirect",
        Takes::Some,
        "redirect \"old.foobar.com\"",
        "Names whose visitors are sent on to the site's own name.",
    )
    .behind("names within the zone")
    .often()
    .beside(&[A_WEB_SERVER]),
    path::SERVER,
    path::LOAD_BALANCER,
    path::WEB,
    app::APP,
    data::DATABASE,
    Word::new(
        "quorum",
        Takes::Servers,
        "quorum db-01 db-02 app-01",
        "The servers that decide, by majority, which database is primary: a failover needs no person then.",
    )
    .beside(&[A_WEB_SERVER, TWO_DATABASES])
    .stage(3),
    data::DNS,
    guard::CERTIFICATE,
    guard::FIREWALL,
    guard::MONITOR,
    Word::new(
        "promise",
        Takes::Any,
        "promise",
        "Reserved for what a design must hold.",
    )
    .behind("anything")
    .often()
    .beside(&[A_WEB_SERVER]),
]);
