//! A file as a list of its settings, each with the words that lead to it.

use crate::read::read;
use crate::read::tree::{Argument, Node, Span, Value};
use crate::resolve::vocabulary::{SITE, Setting, Takes, Usual, Word};

/// The words that lead to a setting, and what tells those that stand several times apart.
pub(super) type Path = Vec<String>;

/// One setting that a file says something of.
pub(super) struct Listed {
    pub(super) path: Path,
    /// The same for a person.
    pub(super) shown: String,
    /// The value, as it is written.
    pub(super) written: String,
    /// What it means: equal values have equal meanings, however they are written.
    pub(super) meaning: String,
    pub(super) at_birth: bool,
    setting: Option<&'static Setting>,
}

impl Listed {
    /// What holds where a file says nothing of it.
    pub(super) fn usual(&self) -> Option<&'static str> {
        match self.setting?.usual {
            Usual::Value(value) => Some(value),
            Usual::Required | Usual::Follows(_) => None,
        }
    }

    pub(super) fn usual_meaning(&self) -> Option<String> {
        let setting = self.setting?;
        Some(setting.values.meaning(unquoted(self.usual()?)))
    }
}

fn unquoted(written: &str) -> &str {
    let inner = written
        .strip_prefix('"')
        .and_then(|text| text.strip_suffix('"'));
    inner.unwrap_or(written)
}

/// Everything that a good file says.
pub(super) fn list(source: &str) -> Vec<Listed> {
    let mut lister = Lister {
        source,
        found: Vec::new(),
    };
    let document = read(source).document;
    for site in document
        .nodes
        .iter()
        .filter(|node| node.name.value == SITE.name)
    {
        let place = Place::default();
        lister.values(&place, SITE.name, &site.arguments, true);
        lister.word(&place, site, &SITE);
    }
    lister.found
}

struct Lister<'a> {
    source: &'a str,
    found: Vec<Listed>,
}

/// Where a word stands.
#[derive(Clone, Default)]
struct Place {
    path: Path,
    shown: String,
}

impl Place {
    /// A word inside; `own` tells it apart from others of its name, `shown` is that for a person.
    fn inside(&self, word: &str, own: &str, shown: &str) -> Self {
        let mut path = self.path.clone();
        path.push(word.to_owned());
        path.extend((!own.is_empty()).then(|| own.to_owned()));
        let parts = [self.shown.as_str(), word, shown];
        let parts: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        Self {
            path,
            shown: parts.join(" "),
        }
    }
}

impl Lister<'_> {
    /// The properties and children of a word that stands here.
    fn word(&mut self, place: &Place, node: &Node, word: &'static Word) {
        for property in &node.properties {
            let setting = word.property(&property.name.value);
            let at_birth = setting.is_some_and(|setting| setting.at_birth);
            // `health="/health"` is short for the word of that name.
            let setting = setting.filter(|setting| word.child(setting.name).is_none());
            let value = (&property.value, property.value_span);
            self.setting(place, &property.name.value, value, setting, at_birth);
        }
        let mut done: Vec<&str> = Vec::new();
        for child in node.children() {
            let name = child.name.value.as_str();
            match word.child(name) {
                Some(known) if known.often && known.is_list() => {
                    if !done.contains(&name) {
                        done.push(name);
                        self.together(place, node, known);
                    }
                }
                Some(known) => self.child(place, node, child, known),
                None => {
                    let place = place.inside(name, "", "");
                    for property in &child.properties {
                        let setting = word.of_server(&property.name.value);
                        let value = (&property.value, property.value_span);
                        self.setting(&place, &property.name.value, value, setting, false);
                    }
                }
            }
        }
    }

    /// Statements of one word that are one list.
    fn together(&mut self, place: &Place, parent: &Node, word: &'static Word) {
        let all = parent
            .children()
            .iter()
            .filter(|one| one.name.value == word.name);
        if word.takes_variables() {
            let place = place.inside(word.name, "", "");
            for property in all.flat_map(|one| &one.properties) {
                let value = (&property.value, property.value_span);
                self.setting(&place, &property.name.value, value, None, word.at_birth);
            }
            return;
        }
        let arguments: Vec<Argument> = all.flat_map(|one| one.arguments.clone()).collect();
        self.values(place, word.name, &arguments, word.at_birth);
    }

    fn child(&mut self, place: &Place, parent: &Node, node: &Node, word: &'static Word) {
        let words: Vec<&str> = node
            .arguments
            .iter()
            .map(|one| self.slice(one.span))
            .collect();
        if word.takes == Takes::Servers {
            let twins = parent
                .children()
                .iter()
                .filter(|one| one.name.value == word.name);
            let several = twins.count() > 1;
            // Each app answers for paths of its own; the one for all of them may be the only one.
            let answers_for = node.property("path").and_then(|path| path.value.text());
            let own = answers_for.filter(|path| several && *path != "/");
            let name = app_name(node);
            let shown = match words.as_slice() {
                _ if several => name.as_str(),
                [only] => only,
                _ => "",
            };
            let own = own.unwrap_or_default().to_owned();
            let place = place.inside(word.name, &own, shown);
            self.values(&place, "servers", &node.arguments, word.at_birth);
            self.word(&place, node, word);
            return;
        }
        if !word.often {
            let inside = place.inside(word.name, "", "");
            let stands_alone = place.path.is_empty() && words.is_empty();
            if !words.is_empty() || stands_alone {
                self.values(place, word.name, &node.arguments, word.at_birth);
            }
            self.word(&inside, node, word);
            return;
        }
        // What stands behind it first names it; of a record, its type as well.
        let names = if word.name == "record" { 2 } else { 1 }.min(words.len());
        let own = words[..names].join(" ");
        let inside = place.inside(word.name, &own, &own);
        self.values(
            place,
            &format!("{} {own}", word.name),
            &node.arguments[names..],
            word.at_birth,
        );
        self.word(&inside, node, word);
    }

    /// The values behind a word, as one setting.
    fn values(&mut self, place: &Place, name: &str, arguments: &[Argument], at_birth: bool) {
        let written: Vec<&str> = arguments.iter().map(|one| self.slice(one.span)).collect();
        let meaning: Vec<String> = arguments.iter().map(|one| plain(&one.value)).collect();
        let written = match (name, written.as_slice()) {
            ("servers", []) => "all".to_owned(),
            (_, written) => written.join(" "),
        };
        let place = place.inside(name, "", "");
        self.found.push(Listed {
            path: place.path,
            shown: place.shown,
            written,
            meaning: meaning.join("\u{0}"),
            at_birth,
            setting: None,
        });
    }

    fn setting(
        &mut self,
        place: &Place,
        name: &str,
        (value, span): (&Value, Span),
        setting: Option<&'static Setting>,
        at_birth: bool,
    ) {
        let plain = plain(value);
        let place = place.inside(name, "", "");
        self.found.push(Listed {
            path: place.path,
            shown: place.shown,
            written: self.slice(span).to_owned(),
            meaning: setting.map_or_else(|| plain.clone(), |known| known.values.meaning(&plain)),
            at_birth,
            setting,
        });
    }

    fn slice(&self, span: Span) -> &str {
        self.source.get(span.start..span.end).unwrap_or_default()
    }
}

/// An app's name, as the resolver finds it.
fn app_name(node: &Node) -> String {
    let text = |name: &str| {
        node.property(name)
            .and_then(|property| property.value.text())
    };
    let last = |code: &str| {
        code.trim_end_matches('/')
            .rsplit('/')
            .next()
            .map(str::to_lowercase)
    };
    let named = text("name").map(str::to_owned);
    named.or_else(|| last(text("code")?)).unwrap_or_default()
}

/// A value without what only its writing has.
fn plain(value: &Value) -> String {
    match value {
        Value::Word(text) | Value::Text(text) => text.clone(),
        Value::Integer(number) => number.to_string(),
        Value::Decimal(number) => number.to_string(),
        Value::Bool(value) => value.to_string(),
        Value::Null => String::new(),
    }
}
