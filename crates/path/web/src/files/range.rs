//! One range of bytes (RFC 9110 §14). Of several ranges the whole file is sent, which is always right.

/// What a `Range` field asks of a file of this length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// Everything: there is no range, or none that we understand.
    Whole,
    /// From `start`, so many bytes.
    Part {
        /// The first byte.
        start: u64,
        /// How many.
        length: u64,
    },
    /// Bytes that are not there.
    Unsatisfiable,
}

/// Reads a `Range` field's value.
pub fn asked(value: &[u8], length: u64) -> Asked {
    let part = || {
        let value = std::str::from_utf8(value).ok()?.trim();
        let (unit, set) = value.split_once('=')?;
        let (first, last) = set
            .trim()
            .split_once('-')
            .filter(|_| unit.trim().eq_ignore_ascii_case("bytes"))?;
        let number = |text: &str| {
            let digits = text.bytes().all(|byte| byte.is_ascii_digit());
            if text.is_empty() {
                Some(None)
            } else {
                // A number beyond counting is beyond any file.
                digits.then(|| Some(text.parse().unwrap_or(u64::MAX)))
            }
        };
        Some((number(first.trim())?, number(last.trim())?))
    };
    match part() {
        Some((Some(first), _)) if first >= length => Asked::Unsatisfiable,
        Some((Some(first), Some(last))) if last < first => Asked::Whole,
        Some((Some(first), last)) => {
            let end = last.map_or(length, |last| last.saturating_add(1).min(length));
            Asked::Part {
                start: first,
                length: end - first,
            }
        }
        Some((None, Some(0))) => Asked::Unsatisfiable,
        Some((None, Some(last))) if length > 0 => Asked::Part {
            start: length.saturating_sub(last),
            length: last.min(length),
        },
        Some((None, Some(_))) => Asked::Unsatisfiable,
        Some((None, None)) | None => Asked::Whole,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ranges_as_the_standard_has_them() {
        let part = |start, length| Asked::Part { start, length };
        for (value, expected) in [
            ("bytes=0-499", part(0, 500)),
            ("bytes=500-", part(500, 500)),
            ("bytes=-200", part(800, 200)),
            ("bytes=-5000", part(0, 1000)),
            ("bytes=999-5000", part(999, 1)),
            ("bytes=1000-", Asked::Unsatisfiable),
            ("bytes=-0", Asked::Unsatisfiable),
            ("bytes=5-4", Asked::Whole),
            ("bytes=0-1,5-6", Asked::Whole),
            ("lines=1-2", Asked::Whole),
            ("bytes=+1-2", Asked::Whole),
            ("bytes=0-99999999999999999999", part(0, 1000)),
            ("bytes=-99999999999999999999", part(0, 1000)),
            ("bytes=99999999999999999999-", Asked::Unsatisfiable),
            (
                "bytes=18446744073709551615-18446744073709551616",
                Asked::Unsatisfiable,
            ),
        ] {
            assert_eq!(asked(value.as_bytes(), 1000), expected, "{value}");
        }
    }

    proptest! {
        #[test]
        fn a_part_is_always_within(value in "(bytes=)?[0-9]{0,25}-[0-9]{0,25}", length in 0..5_000_u64) {
            if let Asked::Part { start, length: part } = asked(value.as_bytes(), length) {
                prop_assert!(part > 0 && start + part <= length);
            }
        }
    }
}
