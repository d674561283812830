//! From pieces of text to lines that are not too long.

/// Ends a line that was cut.
const CUT: &[u8] = b"...";

/// Cuts lines, in whatever pieces they come.
pub struct Lines {
    longest: usize,
    /// How long the line is that has begun.
    length: usize,
}

impl Lines {
    /// Lines of so many bytes at the most.
    pub fn new(longest: usize) -> Self {
        Self { longest, length: 0 }
    }

    /// What is left of the next piece.
    pub fn cut(&mut self, piece: &[u8]) -> Vec<u8> {
        let mut kept = Vec::with_capacity(piece.len().min(64 << 10));
        for part in piece.split_inclusive(|byte| *byte == b'\n') {
            let (text, ends) = match part.split_last() {
                Some((b'\n', text)) => (text, true),
                _ => (part, false),
            };
            let room = self.longest.saturating_sub(self.length);
            kept.extend_from_slice(&text[..text.len().min(room)]);
            let fits = self.length <= self.longest;
            self.length = self.length.saturating_add(text.len());
            if fits && self.length > self.longest {
                kept.extend_from_slice(CUT);
            }
            if ends {
                kept.push(b'\n');
                self.length = 0;
            }
        }
        kept
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_long_line_is_cut_and_the_next_one_is_whole() {
        let mut lines = Lines::new(4);
        let kept =
            [&b"abc\nabcd"[..], b"\nab", b"cdefg", b"hij", b"\nab\n"].map(|piece| lines.cut(piece));
        assert_eq!(
            String::from_utf8(kept.concat()).unwrap(),
            "abc\nabcd\nabcd...\nab\n"
        );
    }

    proptest! {
        #[test]
        fn pieces_do_not_matter(text in "[ab\n]{0,60}", at in 0_usize..60) {
            let (one, other) = text.as_bytes().split_at(at.min(text.len()));
            let mut lines = Lines::new(5);
            let pieces = [lines.cut(one), lines.cut(other)].concat();
            prop_assert_eq!(pieces, Lines::new(5).cut(text.as_bytes()));
        }
    }
}
