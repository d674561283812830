//! One way to lay a file out: four spaces a level, single blank lines, single spaces between parts.
//!
//! Two habits of authors are kept. Parts that line up with those of the line above or below stay lined up (in
//! [`columns`]), and so does a comment at the end of a line. Lines are not joined or broken.

mod columns;
mod lines;

use self::lines::{Kind, Line};

/// Lays out a text that has been read without a problem.
pub(super) fn lay_out(source: &str) -> String {
    let source = source.replace("\r\n", "\n");
    let lines = lines::split(source.trim_start_matches('\u{feff}'));
    let gaps = columns::gaps(&lines);
    let mut out = String::new();
    let mut blank = None;
    for (index, (line, gaps)) in lines.iter().zip(&gaps).enumerate() {
        if line.is_blank() {
            blank = Some(index);
            continue;
        }
        let wanted = !out.is_empty() && !line.begins_with(Kind::Close);
        if blank.take().is_some_and(|at| wanted && !opens(&lines, at)) {
            out.push('\n');
        }
        write(&mut out, line, gaps);
        out.push('\n');
    }
    out
}

/// Whether the line before this blank one, or before the blank ones before it, opens a block.
fn opens(lines: &[Line<'_>], blank: usize) -> bool {
    let before = lines[..blank].iter().rev().find(|line| !line.is_blank());
    before.is_some_and(Line::ends_open)
}

fn write(out: &mut String, line: &Line<'_>, gaps: &[usize]) {
    if let Some(raw) = line.raw {
        out.push_str(raw);
        return;
    }
    out.push_str(&"    ".repeat(line.level));
    for (piece, gap) in line.pieces.iter().zip(gaps) {
        out.push_str(&" ".repeat(*gap));
        out.push_str(piece.text);
    }
}
