//! Files with several mistakes each: all of them are reported at once, each at its place.
//!
//! The reports are golden files beside this one; the places are written down here, so that a change of wording
//! shows as one and a change of place as another.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use terrace_site::load;
use terrace_site::problem::{Lines, Problem, Report};
use terrace_site::read::read;

/// A problem's code, line and column.
type Place = (&'static str, usize, usize);

/// Each file, and everything that is wrong with it.
const FILES: [(&str, &[Place]); 13] = [
    (
        "01-first_try",
        &[
            ("unquoted", 2, 19),
            ("unquoted", 4, 40),
            ("unknown-setting", 5, 25),
            ("unknown-server", 6, 16),
        ],
    ),
    (
        "02-times_and_sizes",
        &[
            ("unquoted", 5, 26),
            ("wrong-value", 5, 40),
            ("unquoted", 7, 37),
            ("unquoted", 7, 55),
            ("wrong-value", 7, 55),
            ("unquoted", 9, 32),
            ("out-of-range", 9, 43),
            ("unquoted", 12, 19),
            ("wrong-value", 12, 27),
        ],
    ),
    (
        "03-paths_and_networks",
        &[
            ("unquoted", 2, 35),
            ("out-of-range", 2, 54),
            ("unquoted", 4, 23),
            ("unquoted", 5, 21),
            ("unquoted", 5, 37),
            ("unquoted", 7, 17),
            ("unknown-word", 9, 5),
            ("unquoted", 10, 35),
            ("unquoted", 11, 20),
            ("unquoted", 11, 42),
        ],
    ),
    (
        "04-wrong_twice_over",
        &[
            ("unquoted", 2, 19),
            ("wrong-value", 2, 19),
            ("unquoted", 3, 19),
            ("address-twice", 4, 5),
            ("unquoted", 5, 19),
            ("wrong-value", 8, 49),
            ("unknown-server", 11, 20),
        ],
    ),
    (
        "05-comments_and_quotes",
        &[
            ("comment", 1, 1),
            ("quotes", 2, 6),
            ("quotes", 3, 19),
            ("comment", 3, 31),
            ("quotes", 5, 23),
            ("unknown-setting", 6, 30),
            ("quotes", 7, 13),
            ("unknown-server", 9, 14),
        ],
    ),
    (
        "06-habits_of_other_languages",
        &[
            ("colon", 1, 5),
            ("comma", 2, 18),
            ("comma", 3, 18),
            ("colon", 5, 8),
            ("brackets", 5, 10),
            ("comma", 5, 17),
            ("spaces", 5, 34),
            ("colon", 6, 23),
            ("wrong-type", 6, 45),
            ("brackets", 7, 13),
            ("spaces", 8, 16),
            ("unmarked", 10, 22),
            ("wrong-type", 10, 22),
        ],
    ),
    (
        "07-unclosed_brace",
        &[
            ("unclosed-brace", 5, 47),
            ("unknown-server", 8, 14),
            ("unquoted", 9, 29),
        ],
    ),
    (
        "08-braces_and_quotes",
        &[
            ("unclosed-quote", 2, 19),
            ("surplus-brace", 4, 9),
            ("unclosed-quote", 5, 21),
            ("backslash", 6, 23),
            ("surplus", 6, 25),
            ("escape", 7, 29),
            ("wrong-value", 9, 25),
            ("surplus-brace", 11, 1),
        ],
    ),
    (
        "09-windows",
        &[
            ("unquoted", 2, 16),
            ("wrong-value", 3, 9),
            ("unknown-server", 4, 13),
            ("wrong-type", 5, 34),
            ("quotes", 6, 7),
        ],
    ),
    (
        "10-servers",
        &[
            ("name-twice", 2, 11),
            ("outside-zone", 2, 28),
            ("address-twice", 5, 5),
            ("server-twice", 6, 12),
            ("wrong-value", 8, 12),
            ("unknown-server", 10, 19),
            ("named-twice", 11, 28),
            ("wrong-value", 11, 42),
            ("unknown-server", 12, 14),
            ("quorum-size", 13, 5),
        ],
    ),
    (
        "11-settings",
        &[
            ("stands-inside", 4, 39),
            ("unknown-server", 5, 9),
            ("stands-beside", 6, 9),
            ("missing", 8, 5),
            ("missing", 8, 5),
            ("wrong-value", 8, 23),
            ("out-of-range", 8, 39),
            ("stands-inside", 8, 41),
            ("missing", 9, 9),
            ("wrong-value", 9, 34),
            ("surplus", 10, 13),
            ("wrong-value", 15, 28),
            ("wrong-value", 15, 43),
        ],
    ),
    (
        "12-slips_of_the_pen",
        &[
            ("no-value", 1, 27),
            ("twice", 2, 41),
            ("space", 4, 15),
            ("named-twice", 4, 15),
            ("missing", 5, 5),
            ("comment", 8, 14),
            ("stray", 9, 15),
            ("missing", 10, 5),
            ("outside-site", 12, 1),
        ],
    ),
    (
        "13-apps",
        &[
            ("missing", 5, 21),
            ("wrong-value", 7, 15),
            ("wrong-value", 8, 17),
            ("wrong-value", 9, 13),
        ],
    ),
];

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/broken")
}

fn source(name: &str) -> String {
    fs::read_to_string(directory().join(format!("{name}.kdl")))
        .expect("the file stands in tests/broken")
}

fn places(source: &str, problems: &[Problem]) -> Vec<Place> {
    let place = |problem: &Problem| {
        let (line, column) = Lines::of(source).position(problem.span().start);
        (problem.code, line, column)
    };
    problems.iter().map(place).collect()
}

#[test]
fn every_mistake_is_reported_at_its_place() {
    for (name, expected) in FILES {
        let source = source(name);
        let loaded = load(&source);
        assert_eq!(places(&source, &loaded.problems), expected, "{name}");
        assert!(loaded.site.is_none(), "{name}");
    }
}

#[test]
fn reports_read_well() {
    for (name, _) in FILES {
        let source = source(name);
        let report = Report::new("site.kdl", &source, &load(&source).problems).render(false);
        insta::assert_snapshot!(name, report);
    }
}

#[test]
fn no_file_is_forgotten() {
    let names = fs::read_dir(directory())
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let kdl = names.filter(|path| path.extension().is_some_and(|extension| extension == "kdl"));
    let found: BTreeSet<_> = kdl
        .map(|path| path.file_stem().unwrap().to_owned())
        .collect();
    assert_eq!(
        found,
        FILES.iter().map(|(name, _)| (*name).into()).collect()
    );
}

#[test]
fn the_files_are_what_they_are_for() {
    let count = |wanted: &dyn Fn(&str) -> bool| {
        FILES
            .iter()
            .filter(|(name, _)| wanted(&source(name)))
            .count()
    };
    let has = |source: &str, code: &str| {
        read(source)
            .problems
            .iter()
            .any(|problem| problem.code == code)
    };
    let mixed = count(&|source| {
        let spelling = read(source).problems.len();
        spelling > 0 && load(source).problems.len() > spelling
    });
    assert!(
        mixed >= 6,
        "{mixed} mix mistakes of spelling and of meaning"
    );
    assert!(count(&|source| has(source, "unquoted")) >= 4);
    assert!(count(&|source| has(source, "unclosed-brace")) >= 1);
    assert_eq!(
        count(&|source| source.starts_with('\u{feff}') && source.contains("\r\n")),
        1
    );
}
