//! Where the lines of a text begin: the line and the column of an offset, without reading the text anew each time.

/// Characters are counted up to every so many bytes.
const STEP: usize = 512;

/// The lines of one text.
#[derive(Clone, Debug)]
pub struct Lines<'a> {
    source: &'a str,
    /// Where each line begins.
    begins: Vec<usize>,
    /// How many characters begin before each [`STEP`]th byte.
    counted: Vec<usize>,
}

impl<'a> Lines<'a> {
    /// Reads the text once.
    pub fn of(source: &'a str) -> Self {
        let first = if source.starts_with('\u{feff}') {
            '\u{feff}'.len_utf8()
        } else {
            0
        };
        let newlines = source.match_indices('\n').map(|(at, _)| at + 1);
        let mut counted = Vec::with_capacity(source.len() / STEP + 1);
        let mut characters = 0;
        for (at, byte) in source.bytes().enumerate() {
            if at % STEP == 0 {
                counted.push(characters);
            }
            characters += usize::from(begins_character(byte));
        }
        Self {
            source,
            begins: std::iter::once(first).chain(newlines).collect(),
            counted,
        }
    }

    /// Line and column of a byte offset, both from 1; the column counts characters, a byte order mark at the beginning of
    /// the file does not count.
    pub fn position(&self, offset: usize) -> (usize, usize) {
        let offset = self.source.floor_char_boundary(offset);
        let line = self.begins.partition_point(|begin| *begin <= offset).max(1);
        let begin = self.begins[line - 1].min(offset);
        (line, self.characters(offset) - self.characters(begin) + 1)
    }

    /// How many bytes of its line stand before an offset.
    pub fn within_line(&self, offset: usize) -> usize {
        let (line, _) = self.position(offset);
        offset.saturating_sub(self.begins[line - 1])
    }

    /// A line, from 1, without its end.
    pub fn line(&self, number: usize) -> &'a str {
        let begin = self.begins.get(number.wrapping_sub(1)).copied();
        let end = self
            .begins
            .get(number)
            .copied()
            .unwrap_or(self.source.len());
        let line = begin.and_then(|begin| self.source.get(begin..end));
        let line = line.unwrap_or_default();
        let Some(line) = line.strip_suffix('\n') else {
            return line;
        };
        line.strip_suffix('\r').unwrap_or(line)
    }

    /// How many characters begin before this offset.
    fn characters(&self, offset: usize) -> usize {
        let step = (offset / STEP).min(self.counted.len().saturating_sub(1));
        let before = self.counted.get(step).copied().unwrap_or(0);
        let rest = self.source.as_bytes().get(step * STEP..offset);
        let rest = rest.unwrap_or_default().iter();
        before + rest.filter(|byte| begins_character(**byte)).count()
    }
}

/// All bytes of UTF-8 but those that go on with a character.
fn begins_character(byte: u8) -> bool {
    byte & 0b1100_0000 != 0b1000_0000
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The same, by reading the text anew.
    fn slowly(source: &str, offset: usize) -> (usize, usize) {
        let before = &source[..source.floor_char_boundary(offset)];
        let before = before.strip_prefix('\u{feff}').unwrap_or(before);
        let line = before.matches('\n').count() + 1;
        let start = before.rfind('\n').map_or(0, |newline| newline + 1);
        (line, before[start..].chars().count() + 1)
    }

    proptest! {
        #[test]
        fn places_are_those_that_counting_finds(text in "\u{feff}?[aé→\n\r ]{0,1400}", offset in 0_usize..4_000) {
            let lines = Lines::of(&text);
            let offset = offset.min(text.len());
            prop_assert_eq!(lines.position(offset), slowly(&text, offset));
            let plain = text.strip_prefix('\u{feff}').unwrap_or(&text);
            for (number, line) in (1..).zip(plain.lines()) {
                prop_assert_eq!(lines.line(number), line);
            }
        }
    }
}
