use crate::problem::{Problem, Report};
use crate::read::tree::Span;

/// A problem at the first place of `text` in the source.
fn at(source: &str, text: &str) -> Problem {
    let start = source.find(text).unwrap();
    let span = Span::new(start, start + text.len());
    Problem::error(
        "unquoted",
        "an address stands in quotes",
        span,
        format!("write {text:?}"),
    )
}

#[test]
fn columns_count_characters_and_underlines_the_width_on_screen() {
    let source = "\u{feff}server 東京 \t10.0.0.1\r\n";
    let report = Report::new("site.kdl", source, &[at(source, "10.0.0.1")]).render(false);
    let expected = "\
error[unquoted]: an address stands in quotes
  ╭─[site.kdl:1:12]
1 │ server 東京  10.0.0.1
  ·              ───┬────
  ·                 ╰── write \"10.0.0.1\"
  ╰─

site.kdl: 1 error. Nothing was changed; a running site keeps its last good file.
";
    assert_eq!(report, expected);
}

#[test]
fn colours_are_all_that_a_terminal_gets_besides() {
    let source = "a \u{1b}[31m10.0.0.1";
    let problems = [at(source, "10.0.0.1")
        .and(Span::new(0, 1), "here too")
        .help("or so")];
    let report = Report::new("site.kdl", source, &problems);
    let plain = report.render(false);
    assert!(!plain.contains('\u{1b}'), "{plain}");
    let coloured = report.render(true);
    assert!(
        coloured.starts_with("\u{1b}[31;1merror[unquoted]\u{1b}[0m: "),
        "{coloured}"
    );
    assert_eq!(
        coloured
            .replace("\u{1b}[31;1m", "")
            .replace("\u{1b}[0m", ""),
        plain
    );
}

#[test]
fn a_program_gets_the_same_facts() {
    let source = "site x\n  server web-01 10.0.0.1";
    let problems = [at(source, "10.0.0.1").help("or so")];
    let facts = serde_json::to_value(Report::new("site.kdl", source, &problems).facts()).unwrap();
    let expected = serde_json::json!([{
        "severity": "error",
        "code": "unquoted",
        "message": "an address stands in quotes",
        "line": 2,
        "column": 17,
        "remedy": "write \"10.0.0.1\"",
        "help": "or so",
    }]);
    assert_eq!(facts, expected);
}

#[test]
fn warnings_alone_leave_the_file_usable() {
    let problems = [Problem::warning(
        "unused",
        "no word uses it",
        Span::new(0, 4),
        "",
    )];
    let report = Report::new("site.kdl", "site", &problems).render(false);
    assert!(report.ends_with("\nsite.kdl: 1 warning\n"), "{report}");
    assert_eq!(Report::new("site.kdl", "site", &[]).render(false), "");
}
