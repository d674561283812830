//! The figures of README.md: those of docs/acceptance.md, row by row.

/// Its tables, and those of the page that hold their figures, by how their first lines begin.
const TABLES: [(&str, &str); 2] = [
    ("| kill -9 of |", "| kill -9 of |"),
    (
        "| what happens to the primary |",
        "| | rounds | acknowledged |",
    ),
];

/// The text with the figures of the page. What a row is called, and how many of the page's columns there are, stays.
pub(super) fn with_figures(readme: &str, page: &str) -> String {
    let mut figures: Option<std::str::Lines<'_>> = None;
    let mut text = String::new();
    for line in readme.lines() {
        let table = TABLES.iter().find(|(begin, _)| line.starts_with(begin));
        if let Some((_, begin)) = table {
            figures = Some(rows(page, begin));
        }
        let is_row = line.starts_with("| ") && table.is_none();
        let row = figures.as_mut().filter(|_| is_row).and_then(Iterator::next);
        match row {
            Some(row) => text += &filled(line, row),
            None => text += line,
        }
        if !line.starts_with('|') {
            figures = None;
        }
        text.push('\n');
    }
    text
}

/// The rows below the head of the page's table that begins so.
fn rows<'a>(page: &'a str, begin: &str) -> std::str::Lines<'a> {
    let table = page.find(&format!("\n{begin}"));
    let mut lines = page[table.map_or(page.len(), |at| at + 1)..].lines();
    // Its names and the line under them.
    lines.nth(1);
    lines
}

fn filled(line: &str, row: &str) -> String {
    let (own, others) = (cells(line), cells(row));
    let figures = others.iter().skip(1).take(own.len() - 1);
    let all: Vec<&str> = own.iter().take(1).chain(figures).copied().collect();
    format!("| {} |", all.join(" | "))
}

fn cells(row: &str) -> Vec<&str> {
    let inside = row.trim().trim_start_matches('|').trim_end_matches('|');
    inside.split('|').map(str::trim).collect()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;

    fn text(name: &str) -> String {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(name);
        fs::read_to_string(path).unwrap()
    }

    #[test]
    fn figures_are_taken_over_by_row_and_what_stands_around_stays() {
        let readme = "a\n\n| kill -9 of | files failed |\n|---|---|\n| the web | 1 |\n| the node | 2 |\n\n| else | 3 |\n";
        let page = "b\n\n| kill -9 of | files failed | aim |\n|---|---|---|\n| web | 7 | met |\n| node | 8 ms | met |\n\nc\n";
        assert_eq!(
            with_figures(readme, page),
            readme
                .replace("| 1 |", "| 7 |")
                .replace("| 2 |", "| 8 ms |")
        );
    }

    /// `make acceptance` writes both.
    #[test]
    fn the_readme_shows_what_was_measured() {
        let (readme, page) = (text("README.md"), text("docs/acceptance.md"));
        assert_eq!(with_figures(&readme, &page), readme);
        let names = |text: &str, begin: &str| {
            let head = text.lines().find(|line| line.starts_with(begin)).unwrap();
            cells(head)
                .into_iter()
                .skip(1)
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        let of_both = names(&readme, TABLES[0].0);
        assert_eq!(names(&page, TABLES[0].1)[..of_both.len()], of_both);
        for said in [
            "kill -9 with 200 requests a second under way, half of them for a file",
            "20 rounds of each",
            "8 visitors write as fast as they can",
        ] {
            let one_line = |text: &str| text.replace('\n', " ");
            assert!(
                one_line(&readme).contains(said) && one_line(&page).contains(said),
                "{said}"
            );
        }
    }

    #[test]
    fn a_warm_start_takes_as_long_as_the_readme_says() {
        assert!(text("README.md").contains("Later it takes [less than a second]"));
        let page = text("docs/benchmarks.md");
        let row = page
            .lines()
            .find(|line| line.starts_with("| warm `up`"))
            .unwrap();
        let seconds: f64 = cells(row)[1].trim_end_matches(" s").parse().unwrap();
        assert!(seconds < 1.0, "{seconds} s");
    }
}
