//! The reference says what the resolver does: each statement is held against files that are resolved.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use crate::plan::{Inputs, plan};
use crate::problem::Severity;
use crate::resolve::vocabulary::{Setting, Usual, Values, Word};
use crate::{Loaded, load};

use super::{Answer, Entry, answer, overview, page, sample};

/// What describes a server, for people and for later stages: no plan has it.
const DESCRIBED: [&str; 2] = ["server place", "server ssh port"];

/// A setting of a word or of one of its servers.
struct Place {
    title: String,
    path: Vec<&'static Word>,
    setting: &'static Setting,
    of_server: bool,
}

impl Place {
    fn all() -> Vec<Self> {
        let mut found = Vec::new();
        for entry in Entry::all() {
            let word = entry.word();
            let own = word.properties.iter().map(|setting| (setting, false));
            let servers = word.per_server.iter().map(|setting| (setting, true));
            for (setting, of_server) in own.chain(servers) {
                found.push(Self {
                    title: format!("{} {}", entry.title(), setting.name),
                    path: entry.path.clone(),
                    setting,
                    of_server,
                });
            }
        }
        found
    }

    fn with(&self, value: &str) -> String {
        if self.of_server {
            sample::of_server(&self.path, self.setting, value)
        } else {
            sample::with(&self.path, self.setting, value)
        }
    }

    fn without(&self) -> String {
        if self.of_server {
            let name = self.setting.name;
            self.with("1").replace(&format!(" {name}=1"), "")
        } else if ["certificate cert", "certificate key"].contains(&self.title.as_str()) {
            // Neither stands without the other.
            sample::file(&self.path, "certificate")
        } else {
            sample::without(&self.path, self.setting)
        }
    }

    fn another(&self) -> String {
        match self.title.as_str() {
            // What it is written like is what the site's name leads to.
            "database name" => self.with("shop"),
            _ => self.with(&sample::another(self.setting)),
        }
    }
}

pub(super) fn samples() -> Vec<(String, String, String)> {
    // Neither of the two files of a certificate stands without the other, and there is one way to move an address.
    let left_out = [
        "certificate cert",
        "certificate key",
        "load-balancer address move",
    ];
    let is_one = |place: &&Place| !left_out.contains(&&*place.title);
    let places = Place::all();
    let optional = places
        .iter()
        .filter(is_one)
        .map(|place| match place.setting.usual {
            Usual::Required => {
                let word = place.path.last().map_or("", |word| word.example);
                (
                    place.title.clone(),
                    sample::file(&place.path, word),
                    place.another(),
                )
            }
            _ => (place.title.clone(), place.without(), place.another()),
        });
    optional.collect()
}

/// For each word inside another: a file without it, and its example.
pub(super) fn words() -> Vec<(String, String, String)> {
    let inside = Entry::all()
        .into_iter()
        .filter(|entry| entry.path.len() > 1);
    // An app is started by one of these two.
    let optional = inside.filter(|entry| !["run", "php"].contains(&entry.word().name));
    let both = optional.map(|entry| {
        let frame = entry.word().stands_in.replacen('…', "", 1);
        let without = sample::file(&entry.path[..1], &frame);
        (entry.title(), without, entry.example())
    });
    both.collect()
}

fn is_accepted(source: &str) -> bool {
    let Loaded { site, .. } = load(source);
    site.is_some()
}

/// What a file comes to: what runs, and what is known beside it.
fn effect(source: &str) -> (String, String) {
    let loaded = load(source);
    let site = loaded
        .site
        .unwrap_or_else(|| panic!("{source}\n{:?}", loaded.problems));
    let inputs = Inputs {
        generation: 1,
        base: PathBuf::from("/here"),
        releases: BTreeMap::new(),
        server_ids: BTreeMap::new(),
        workers: 1,
        lab: true,
    };
    let plans = format!("{:?}", plan(&site, &inputs));
    (plans, without_origins(&format!("{site:?}")))
}

/// Where something stands does not count.
fn without_origins(text: &str) -> String {
    let mut parts = text.split("Origin { ");
    let mut kept = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        // `line: 3, span: Span { start: 1, end: 2 } }`
        kept += part.splitn(3, '}').last().unwrap_or_default();
    }
    kept
}

#[test]
fn every_example_is_a_file_without_a_mistake_and_in_the_common_layout() {
    for entry in Entry::all() {
        let source = entry.example();
        let loaded = load(&source);
        let fine = loaded.problems.is_empty() && loaded.site.is_some();
        assert!(fine, "{}\n{source}\n{:?}", entry.title(), loaded.problems);
        assert_eq!(crate::read::fmt(&source).unwrap(), source);
        let shown = source.contains(&format!("{} ", entry.word().name));
        assert!(shown || entry.word().name == "promise", "{source}");
    }
}

#[test]
fn a_default_is_what_holds_without_the_setting_and_another_value_is_not() {
    for place in Place::all() {
        let (title, other) = (&place.title, effect(&place.another()));
        let Usual::Value(usual) = place.setting.usual else {
            continue;
        };
        let (without, with) = (effect(&place.without()), effect(&place.with(usual)));
        // What runs decides; where it is not planned yet, what was resolved.
        if without.0 == other.0 {
            assert_eq!(without.1, with.1, "{title}: the default is not {usual}");
            let one_word = place.title == "load-balancer address move";
            assert!(without.1 != other.1 || one_word, "{title}: has no effect");
        } else {
            assert_eq!(without.0, with.0, "{title}: the default is not {usual}");
        }
    }
}

#[test]
fn a_setting_that_is_run_changes_what_runs() {
    for place in Place::all() {
        let (title, another) = (place.title.as_str(), place.another());
        if DESCRIBED.contains(&title) || !sample::runs(&another) {
            continue;
        }
        let other = effect(&another).0;
        let changed = match place.setting.usual {
            Usual::Required => {
                let word = place.path.last().map_or("", |word| word.example);
                effect(&sample::file(&place.path, word)).0 != other
            }
            _ => effect(&place.without()).0 != other,
        };
        assert!(
            changed,
            "{title}: `up` runs it, and nothing changes\n{another}"
        );
    }
}

#[test]
fn values_that_are_listed_are_accepted_and_no_others() {
    for place in Place::all() {
        let accepted = |value: &str| is_accepted(&place.with(value));
        let title = &place.title;
        match &place.setting.values {
            Values::Text { like, .. } => {
                assert!(is_accepted(&place.another()), "{title} {like}");
                assert!(!accepted("\"\""), "{title}: an empty text");
            }
            Values::OneOf(words) => {
                for (word, about) in words() {
                    assert!(accepted(word), "{title} {word}");
                    assert!(about.ends_with('.'), "{title} {word}: {about}");
                }
                assert!(!accepted("no-such-word"), "{title}");
            }
            Values::Number(range) => {
                let (from, to) = (*range.start(), *range.end());
                for (number, good) in [
                    (i64::from(from) - 1, false),
                    (i64::from(from), true),
                    (i64::from(to), true),
                    (i64::from(to) + 1, false),
                ] {
                    assert_eq!(accepted(&number.to_string()), good, "{title} {number}");
                }
            }
            Values::Share => assert!(
                accepted("0.5") && accepted("2") && !accepted("0"),
                "{title}"
            ),
        }
        if matches!(place.setting.usual, Usual::Required) {
            assert!(!is_accepted(&place.without()), "{title} has to be given");
        } else {
            assert!(is_accepted(&place.without()), "{title} need not be given");
        }
    }
}

/// The settings and words inside, as the page lists them, by heading.
fn listed() -> BTreeMap<String, BTreeSet<String>> {
    let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut title = String::new();
    for line in page().lines() {
        let mut add = |name: &str| {
            let names = found.entry(title.clone()).or_default();
            // An app's `health` is both: the short form of the other.
            let twice = !names.insert(name.to_owned()) && (title != "app" || name != "health");
            assert!(!twice, "{title}: {name} stands twice");
        };
        if let Some(heading) = line.strip_prefix("## ") {
            heading.clone_into(&mut title);
            found.entry(title.clone()).or_default();
        } else if let Some(row) = line.strip_prefix("| `") {
            add(row.split('`').next().unwrap_or_default());
        } else if let Some(inside) = line.strip_prefix("Inside `{ }`: ") {
            let children = inside.trim_end_matches('.').split(", ");
            children.for_each(|child| add(child.split('`').nth(1).unwrap_or_default()));
        }
    }
    found
}

/// Every name that any word knows is tried on every word, as a property and inside its braces: the resolver knows it
/// there exactly when the page lists it there.
#[test]
fn the_page_lists_what_the_resolver_knows_and_nothing_else() {
    let listed = listed();
    let entries = Entry::all();
    assert_eq!(listed.len(), entries.len(), "a heading for each word");
    let mut names: BTreeSet<&str> = entries.iter().flat_map(Entry::names).collect();
    names.insert("no-such-name");
    let foreign = [
        "unknown-setting",
        "unknown-word",
        "stands-inside",
        "stands-beside",
        "surplus",
    ];
    for entry in &entries {
        let word = entry.word();
        if word.takes_variables() || word.name == "promise" {
            continue;
        }
        for name in &names {
            let (property, child) = try_both(entry, name);
            let knows = |source: &str| {
                let mut problems = load(source).problems.into_iter();
                !problems.any(|problem| {
                    problem.severity == Severity::Error && foreign.contains(&problem.code)
                })
            };
            let on_page = listed[&entry.title()].contains(*name);
            let known = knows(&property) || knows(&child);
            let of_server = word.of_server(name).is_some();
            assert_eq!(
                known || of_server,
                on_page,
                "{}: {name}\n{property}",
                entry.title()
            );
        }
    }
}

/// The word of the entry with this name as a property, and with it inside its braces.
fn try_both(entry: &Entry, name: &str) -> (String, String) {
    let example = entry.word().example;
    let head = example.split(" {").next().unwrap_or_default();
    let bare = head
        .split(' ')
        .take(1)
        .chain(head.split(' ').skip(1).filter(|part| !part.contains('=')));
    let bare = bare.collect::<Vec<_>>().join(" ");
    let property = format!("{bare} {name}=1");
    let child = format!("{bare} {{ {name}; }}");
    if entry.title() == "site" {
        return (
            property + " { server web-01 \"10.0.0.21\"; web static=\"public\"; }",
            child,
        );
    }
    (
        sample::file(&entry.path, &property),
        sample::file(&entry.path, &child),
    )
}

#[test]
fn the_reference_on_a_terminal() {
    insta::assert_snapshot!("overview", overview());
    for entry in Entry::all().iter().filter(|entry| entry.path.len() == 1) {
        let title = entry.title();
        let Answer::Known(text) = answer(&[title.as_str()]) else {
            panic!("{title} is not known")
        };
        insta::assert_snapshot!(title.clone(), text);
    }
}

/// `TERRACE_BLESS=1 cargo test -p terrace-site` writes the page anew.
#[test]
fn the_page_is_current() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference.md");
    let wanted = page();
    if std::env::var_os("TERRACE_BLESS").is_some() {
        std::fs::write(&path, &wanted).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        found == wanted,
        "docs/reference.md is stale: TERRACE_BLESS=1 cargo test -p terrace-site"
    );
}
