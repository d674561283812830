//! One word of the reference, with what resolving says about it.

use crate::resolve::vocabulary::{SITE, Setting, Usual, Values, Word};

use super::sample;

/// A word, and the words that it stands in.
#[derive(Clone, Debug)]
pub struct Entry {
    /// From the outermost below `site`; empty: it is `site` itself.
    pub(super) path: Vec<&'static Word>,
}

/// A setting of a word, in words.
pub(super) struct Row {
    pub(super) name: &'static str,
    /// What its value may be; empty where [`words`](Self::words) say it.
    pub(super) value: String,
    /// The words that it may be, each with its meaning and whether `up` runs it.
    pub(super) words: Vec<(&'static str, &'static str, bool)>,
    /// What holds without it.
    pub(super) usual: String,
    pub(super) about: &'static str,
    /// Whether `up` runs it.
    pub(super) runs: bool,
}

impl Entry {
    /// All words, in the order of the file: each before those inside it.
    pub fn all() -> Vec<Self> {
        fn walk(path: &[&'static Word], found: &mut Vec<Entry>) {
            found.push(Entry {
                path: path.to_vec(),
            });
            let word = path.last().copied().unwrap_or(&SITE);
            for child in word.children {
                walk(&[path, &[child]].concat(), found);
            }
        }
        let mut found = Vec::new();
        walk(&[], &mut found);
        found
    }

    /// The word itself.
    pub(super) fn word(&self) -> &'static Word {
        self.path.last().copied().unwrap_or(&SITE)
    }

    /// The word behind those that it stands in: `app health`.
    pub fn title(&self) -> String {
        match self.path.as_slice() {
            [] => SITE.name.to_owned(),
            path => path
                .iter()
                .map(|word| word.name)
                .collect::<Vec<_>>()
                .join(" "),
        }
    }

    /// Whether these names mean it: its own, or it behind the words around it.
    pub(super) fn is_called(&self, names: &[&str]) -> bool {
        let own: Vec<&str> = match self.path.as_slice() {
            [] => vec![SITE.name],
            path => path.iter().map(|word| word.name).collect(),
        };
        !names.is_empty() && own.ends_with(names)
    }

    /// The word and its settings, by name.
    pub(super) fn names(&self) -> impl Iterator<Item = &'static str> + use<> {
        let word = self.word();
        let settings = word.properties.iter().chain(word.per_server);
        std::iter::once(word.name).chain(settings.map(|setting| setting.name))
    }

    /// The word with which it begins to be of use.
    pub(super) fn stage(&self) -> Option<u8> {
        self.path.first().map_or(Some(0), |top| top.stage)
    }

    /// A whole file that shows it.
    pub fn example(&self) -> String {
        sample::file(&self.path, self.word().example)
    }

    /// Whether `up` runs it.
    pub fn runs(&self) -> bool {
        sample::runs(&sample::file(&self.path, &sample::least(self.word())))
    }

    /// Its properties.
    pub(super) fn properties(&self) -> Vec<Row> {
        let file = |setting: &Setting, value: &str| sample::with(&self.path, setting, value);
        rows(self.word().properties, file)
    }

    /// What one of its servers may set.
    pub(super) fn per_server(&self) -> Vec<Row> {
        let file = |setting: &Setting, value: &str| sample::of_server(&self.path, setting, value);
        rows(self.word().per_server, file)
    }
}

/// `file` gives a file in which a setting has a value.
fn rows(settings: &'static [Setting], file: impl Fn(&Setting, &str) -> String) -> Vec<Row> {
    let row = |setting: &'static Setting| {
        let words: Vec<_> = match &setting.values {
            Values::OneOf(words) => words()
                .into_iter()
                .map(|(word, about)| (word, about, sample::runs(&file(setting, word))))
                .collect(),
            _ => Vec::new(),
        };
        let runs = match words.as_slice() {
            [] => sample::runs(&file(setting, &sample::another(setting))),
            words => words.iter().any(|(.., runs)| *runs),
        };
        Row {
            name: setting.name,
            value: value(&setting.values),
            words,
            usual: usual(setting.usual),
            about: setting.about,
            runs,
        }
    };
    settings.iter().map(row).collect()
}

fn value(values: &Values) -> String {
    match values {
        Values::Text { what, like, .. } => format!("{what}, like {like}"),
        Values::OneOf(words) => {
            let words: Vec<&str> = words().into_iter().map(|(word, _)| word).collect();
            words.join(" or ")
        }
        Values::Number(range) => {
            format!("a whole number from {} to {}", range.start(), range.end())
        }
        Values::Share => "a number, like 0.5".to_owned(),
    }
}

fn usual(usual: Usual) -> String {
    match usual {
        Usual::Required => "has to be given".to_owned(),
        Usual::Value(value) => format!("default {value}"),
        Usual::Follows(what) => format!("without it: {what}"),
    }
}
