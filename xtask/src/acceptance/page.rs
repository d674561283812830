//! docs/acceptance.md: a section of each part, marked with the part and the tree that it was measured on.

use std::collections::BTreeMap;
use std::path::Path;

use crate::machine;

const BEGIN: &str = "<!-- part ";
const END: &str = " -->";

/// What stands before a section that was measured on another tree than the newest.
fn older(part: &str) -> String {
    format!("> Measured on an older tree; `make acceptance PART={part}` measures it anew.")
}

struct Section {
    tree: String,
    text: String,
}

/// The page, by its parts.
#[derive(Default)]
pub(super) struct Page {
    sections: BTreeMap<String, Section>,
}

impl Page {
    /// The sections of a page that was written before.
    pub(super) fn parse(text: &str) -> Self {
        let mut page = Self::default();
        let mut current: Option<String> = None;
        for line in text.lines() {
            if let Some((part, tree)) = marker(line) {
                page.put(part, tree, String::new());
                current = Some(part.to_owned());
            } else if let Some(part) = &current
                && let Some(section) = page.sections.get_mut(part)
                && line != older(part)
            {
                section.text += line;
                section.text.push('\n');
            }
        }
        page
    }

    /// Takes a section in the place of the one before.
    pub(super) fn put(&mut self, part: &str, tree: &str, text: String) {
        let tree = tree.to_owned();
        self.sections
            .insert(part.to_owned(), Section { tree, text });
    }

    /// The page anew, in this order of parts, when this is the newest tree.
    pub(super) fn text(&self, order: &[&str], tree: &str) -> String {
        let mut text = format!(
            "# Acceptance\n\n<!-- Written by `make acceptance`: do not edit. -->\n\n{}\n",
            machine::described(&[("MariaDB", Path::new("mariadbd"), "--version")])
        );
        for part in order {
            let Some(section) = self.sections.get(*part) else {
                continue;
            };
            text += &format!("\n{BEGIN}{part} of {}{END}\n", section.tree);
            if section.tree != tree {
                text += &format!("\n{}\n", older(part));
            }
            text += &format!("\n{}\n", section.text.trim());
        }
        text
    }
}

/// The part and the tree of a line that begins a section.
fn marker(line: &str) -> Option<(&str, &str)> {
    line.strip_prefix(BEGIN)?
        .strip_suffix(END)?
        .split_once(" of ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_that_is_not_measured_anew_keeps_its_section_and_says_so() {
        let order = ["faults", "suites", "trials"];
        let mut page = Page::default();
        page.put("suites", "aaaa", "## Suites\n\n| a |\n".to_owned());
        page.put("faults", "aaaa", "## Faults\n\n## More\n".to_owned());
        let first = page.text(&order, "aaaa");
        assert!(!first.contains("older tree"), "{first}");
        let mut page = Page::parse(&first);
        page.put("suites", "bbbb", "## Suites, again\n".to_owned());
        let second = page.text(&order, "bbbb");
        let (_, parts) = second.split_once("<!-- part ").unwrap();
        assert_eq!(
            parts,
            "faults of aaaa -->\n\n> Measured on an older tree; `make acceptance PART=faults` measures it anew.\n\n\
             ## Faults\n\n## More\n\n<!-- part suites of bbbb -->\n\n## Suites, again\n"
        );
        // Written again it is the same.
        assert_eq!(Page::parse(&second).text(&order, "bbbb"), second);
    }
}
