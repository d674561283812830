use std::fs;
use std::path::{Path, PathBuf};

use super::*;

/// The Rust files below a directory.
fn sources(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|end| end == "rs") {
            found.push(path);
        }
    }
}

/// Where a package of the workspace is.
fn directory(package: &str) -> Option<PathBuf> {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates");
    let places = ["", "path", "guard"].map(|part| crates.join(part));
    let mut packages = places
        .into_iter()
        .flat_map(|place| fs::read_dir(place).unwrap())
        .map(|entry| entry.unwrap().path());
    let name = format!("name = \"{package}\"");
    packages.find(|path| {
        let manifest = fs::read_to_string(path.join("Cargo.toml"));
        manifest.is_ok_and(|text| text.lines().any(|line| line == name))
    })
}

#[test]
fn every_row_is_in_order_and_its_tests_are_there() {
    assert!(TRIALS.windows(2).all(|two| two[0].number < two[1].number));
    for trial in TRIALS {
        let Trial { number, tests, .. } = trial;
        assert!(!tests.is_empty(), "{number} is held by nothing");
        for words in [trial.tried, trial.before, trial.after] {
            assert!(
                !words.is_empty() && !words.contains(['|', '\n']),
                "{number}: {words}"
            );
        }
        for text in *tests {
            let test = Test::parse(text).unwrap_or_else(|| panic!("{number}: {text}"));
            let package = directory(test.package).unwrap_or_else(|| panic!("{number}: {text}"));
            let below = match test.target {
                "lib" | "bin" => package.join("src"),
                _ => package.join("tests"),
            };
            let mut files = Vec::new();
            sources(&below, &mut files);
            let function = test.name.rsplit("::").next().unwrap_or_default();
            let function = format!("fn {function}(");
            let defines = |file: &PathBuf| fs::read_to_string(file).unwrap().contains(&function);
            assert!(
                files.iter().any(defines),
                "{number}: there is no test `{text}`"
            );
        }
    }
}

#[test]
fn a_test_holds_when_it_ran_and_passed() {
    let text = "running 2 tests\ntest a::b ... ok\ntest a::c ... FAILED\n";
    assert!(passed(text, "a::b"));
    assert!(!passed(text, "a::c") && !passed(text, "b") && !passed(text, "a::d"));
}
