//! Columns that line up.

use unicode_width::UnicodeWidthStr;

/// A table under construction. The last column is not padded.
pub(crate) struct Table {
    rows: Vec<Vec<String>>,
    /// Which columns hold numbers, and are aligned at their right.
    numbers: &'static [usize],
}

impl Table {
    /// A table with these headings; the columns of `numbers` are aligned at their right.
    pub(crate) fn new(headings: &[&str], numbers: &'static [usize]) -> Self {
        Self {
            rows: vec![headings.iter().map(ToString::to_string).collect()],
            numbers,
        }
    }

    /// One more row, with as many cells as there are headings.
    pub(crate) fn row(&mut self, cells: Vec<String>) {
        self.rows.push(cells);
    }
}

impl std::fmt::Display for Table {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let columns = self.rows[0].len();
        let width = |column: usize| {
            self.rows
                .iter()
                .map(|row| row[column].width())
                .max()
                .unwrap_or(0)
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        for row in &self.rows {
            let mut line = String::new();
            for (column, cell) in row.iter().enumerate() {
                let gap = " ".repeat(widths[column] - cell.width());
                let between = if column == 0 { "" } else { "  " };
                if self.numbers.contains(&column) {
                    line += &format!("{between}{gap}{cell}");
                } else {
                    line += &format!("{between}{cell}{gap}");
                }
            }
            writeln!(out, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_whatever_is_in_them() {
        let mut table = Table::new(&["SERVER", "REQ/S", "WHY"], &[1]);
        table.row(vec!["web-01".into(), "7".into(), "200 in 1 ms".into()]);
        table.row(vec!["zürich".into(), "1,240".into(), "–".into()]);
        assert_eq!(
            table.to_string(),
            "SERVER  REQ/S  WHY\nweb-01      7  200 in 1 ms\nzürich  1,240  –\n"
        );
    }
}
