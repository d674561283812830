//! How much space stands between the pieces of each line.
//!
//! One space, as a rule. A wider gap stays where the piece behind it lines up with a piece of a neighbour: the
//! line before or after on the same level, blank lines between them parting neighbours. A neighbour counts
//! only with pieces that stay where they are themselves; so the gaps that stay are the largest set of gaps
//! that hold each other, and laying out a second time changes nothing.

use super::lines::{Kind, Line, Piece};

/// The space before each piece of each line.
pub(super) fn gaps(lines: &[Line<'_>]) -> Vec<Vec<usize>> {
    let neighbours: Vec<[Option<usize>; 2]> = (0..lines.len())
        .map(|at| {
            [
                neighbour(lines, at, (0..at).rev()),
                neighbour(lines, at, at + 1..lines.len()),
            ]
        })
        .collect();
    let mut stays: Vec<Vec<bool>> = lines
        .iter()
        .map(|line| vec![true; line.pieces.len()])
        .collect();
    loop {
        let next: Vec<Vec<bool>> = lines
            .iter()
            .zip(&neighbours)
            .map(|(line, near)| staying(line, near, lines, &stays))
            .collect();
        if next == stays {
            break;
        }
        stays = next;
    }
    let gap = |line: &Line<'_>, index: usize, stays: bool| {
        if stays {
            line.pieces[index].gap.width
        } else {
            usual(line, index)
        }
    };
    let of_line = |(line, stays): (&Line<'_>, &Vec<bool>)| {
        let stays = stays.iter().enumerate();
        stays
            .map(|(index, stays)| gap(line, index, *stays))
            .collect()
    };
    lines.iter().zip(&stays).map(of_line).collect()
}

/// The pieces of a line that stay where they are, as far as those of its neighbours do.
fn staying(
    line: &Line<'_>,
    near: &[Option<usize>; 2],
    lines: &[Line<'_>],
    stays: &[Vec<bool>],
) -> Vec<bool> {
    let lines_up = |piece: &Piece<'_>| {
        near.iter().flatten().any(|at| {
            let mut others = lines[*at].pieces.iter().zip(&stays[*at]);
            others.any(|(other, stays)| *stays && other.column == piece.column)
        })
    };
    let mut so_far = true;
    let pieces = line.pieces.iter().enumerate();
    pieces
        .map(|(index, piece)| {
            let usual = !piece.gap.tabs && piece.gap.width == usual(line, index);
            let wide = !piece.gap.tabs && piece.gap.width > 1 && may_line_up(piece);
            so_far = so_far && (usual || (wide && lines_up(piece)));
            so_far
        })
        .collect()
}

fn may_line_up(piece: &Piece<'_>) -> bool {
    matches!(piece.kind, Kind::Plain | Kind::Open | Kind::Block)
}

/// The space before a piece where nothing lines up.
fn usual(line: &Line<'_>, index: usize) -> usize {
    let piece = &line.pieces[index];
    let Some(before) = index.checked_sub(1).map(|before| line.pieces[before].kind) else {
        return 0;
    };
    let one_if_any = piece.gap.width.min(1);
    match (before, piece.kind) {
        (_, Kind::Semicolon) => 0,
        (_, Kind::Comment) if piece.gap.tabs => 1,
        (_, Kind::Comment) => piece.gap.width.max(1),
        (Kind::Open, Kind::Close) | (Kind::Slashdash, _) => one_if_any,
        (Kind::Open | Kind::Close | Kind::Semicolon, _) => 1,
        (_, Kind::Open | Kind::Close | Kind::Continuation) => 1,
        _ => one_if_any,
    }
}

/// The next line on the same level, in one direction.
fn neighbour(
    lines: &[Line<'_>],
    at: usize,
    mut others: impl Iterator<Item = usize>,
) -> Option<usize> {
    let level = lines[at].level;
    let aside = |line: &Line<'_>| line.raw.is_some() || line.continues;
    if aside(&lines[at]) {
        return None;
    }
    let comment = |piece: &Piece<'_>| matches!(piece.kind, Kind::Comment | Kind::Block);
    others
        .find(|other| {
            let line = &lines[*other];
            let passed = line.begins_with(Kind::Close) || line.pieces.iter().all(comment);
            line.level < level
                || (line.level == level && (line.is_blank() || !(passed || aside(line))))
        })
        .filter(|found| lines[*found].level == level && !lines[*found].is_blank())
}
