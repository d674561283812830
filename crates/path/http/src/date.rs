//! Dates as HTTP writes them, and in all forms in which they may come (RFC 9110 §5.6.7).

const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
const LONG_DAYS: [&str; 7] = [
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
    "Sunday",
];
const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];
/// Days from 1 March 0000 to 1 January 1970 (Hinnant, "chrono-compatible low-level date algorithms").
const TO_1970: u64 = 719_468;

/// Writes a second since 1970: `Sun, 06 Nov 1994 08:49:37 GMT`.
pub fn http_date(second: u64) -> String {
    let (days, rest) = (second / 86_400, second % 86_400);
    // 1 January 1970 was a Thursday.
    let weekday = DAYS[((days + 3) % 7) as usize];
    let (year, month, day) = calendar(days);
    format!(
        "{weekday}, {day:02} {} {year:04} {:02}:{:02}:{:02} GMT",
        MONTHS[(month - 1) as usize],
        rest / 3_600,
        rest / 60 % 60,
        rest % 60
    )
}

/// The second since 1970 of a date in any of the three forms; of one before that, 0. `now`, in seconds, says which
/// century two digits mean. `None`: it is no date.
pub fn parse_date(date: &[u8], now: impl FnOnce() -> u64) -> Option<u64> {
    let text = std::str::from_utf8(date.trim_ascii()).ok()?;
    let (year, month, day, clock) = match text.split_once(", ") {
        Some((weekday, rest)) => {
            let (date, clock) = rest.strip_suffix(" GMT")?.rsplit_once(' ')?;
            let (year, month, day) = if DAYS.contains(&weekday) {
                dated(date, ' ', 4)?
            } else {
                LONG_DAYS.contains(&weekday).then_some(())?;
                let (year, month, day) = dated(date, '-', 2)?;
                (century_of(year, now()), month, day)
            };
            (year, month, day, clock)
        }
        None => asctime(text)?,
    };
    let mut parts = clock.split(':');
    let mut part = |below: u64| digits(parts.next()?, 2).filter(|value| *value < below);
    let (hour, minute, second) = (part(24)?, part(60)?, part(61)?);
    if parts.next().is_some() || day == 0 || day > days_in(year, month) {
        return None;
    }
    // No part is larger than its digits allow.
    let days = days_from(year, month, day);
    let since = hour * 3_600 + minute * 60 + second;
    Some(days.map_or(0, |days| days * 86_400 + since))
}

/// `06 Nov 1994`, `06-Nov-94`.
fn dated(text: &str, between: char, width: usize) -> Option<(u64, u64, u64)> {
    let mut parts = text.split(between);
    let (day, month, year) = (parts.next()?, parts.next()?, parts.next()?);
    parts.next().is_none().then_some(())?;
    Some((digits(year, width)?, month_of(month)?, digits(day, 2)?))
}

/// `Sun Nov  6 08:49:37 1994`.
fn asctime(text: &str) -> Option<(u64, u64, u64, &str)> {
    let (weekday, rest) = text.split_once(' ')?;
    DAYS.contains(&weekday).then_some(())?;
    let (month, rest) = rest.split_once(' ')?;
    let (day, rest) = rest.split_at_checked(2)?;
    let (clock, year) = rest.strip_prefix(' ')?.split_once(' ')?;
    let day = match day.strip_prefix(' ') {
        Some(day) => digits(day, 1)?,
        None => digits(day, 2)?,
    };
    Some((digits(year, 4)?, month_of(month)?, day, clock))
}

fn digits(text: &str, width: usize) -> Option<u64> {
    let is_number = text.len() == width && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().ok())?
}

fn month_of(name: &str) -> Option<u64> {
    let at = MONTHS.iter().position(|known| *known == name)?;
    Some(at as u64 + 1)
}

/// The year that two digits mean: the latest that is not more than 50 years ahead.
fn century_of(two_digits: u64, now: u64) -> u64 {
    let (this_year, _, _) = calendar(now / 86_400);
    let year = this_year / 100 * 100 + two_digits;
    if year > this_year + 50 {
        year - 100
    } else if year + 100 <= this_year + 50 {
        year + 100
    } else {
        year
    }
}

fn days_in(year: u64, month: u64) -> u64 {
    match month {
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => {
            29
        }
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Year, month and day, from days since 1970.
fn calendar(days: u64) -> (u64, u64, u64) {
    // Eras of 400 years, years that begin in March.
    let shifted = days + TO_1970;
    let (era, of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 {
        shifted_month + 3
    } else {
        shifted_month - 9
    };
    (year_of_era + era * 400 + u64::from(month <= 2), month, day)
}

/// The inverse of [`calendar`]; `None`: before 1970.
fn days_from(year: u64, month: u64, day: u64) -> Option<u64> {
    let (year, month) = if month <= 2 {
        (year.checked_sub(1)?, month + 9)
    } else {
        (year, month - 3)
    };
    let (era, of_era) = (year / 400, year % 400);
    let of_year = (153 * month + 2) / 5 + day - 1;
    (era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year).checked_sub(TO_1970)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// 22 November 2026.
    const NOW: u64 = 1_795_391_999;

    fn parse(text: &str) -> Option<u64> {
        parse_date(text.as_bytes(), || NOW)
    }

    #[test]
    fn dates_are_those_of_the_calendar() {
        for (second, date) in [
            (0, "Thu, 01 Jan 1970 00:00:00 GMT"),
            (784_111_777, "Sun, 06 Nov 1994 08:49:37 GMT"),
            (951_782_400, "Tue, 29 Feb 2000 00:00:00 GMT"),
            (NOW, "Sun, 22 Nov 2026 23:59:59 GMT"),
        ] {
            assert_eq!(http_date(second), date);
            assert_eq!(parse(date), Some(second));
        }
    }

    #[test]
    fn the_three_forms_of_a_date_and_no_others() {
        let same = Some(784_111_777);
        for (text, expected) in [
            ("Sunday, 06-Nov-94 08:49:37 GMT", same),
            ("Sun Nov  6 08:49:37 1994", same),
            (" Sun Nov  6 08:49:37 1994 ", same),
            ("Wed Nov 16 08:49:37 1994", Some(784_975_777)),
            // 50 years ahead is the future, more is the past.
            ("Sunday, 22-Nov-76 00:00:00 GMT", Some(3_373_228_800)),
            ("Tuesday, 22-Nov-77 00:00:00 GMT", Some(249_004_800)),
            ("Monday, 01-Jan-00 00:00:00 GMT", Some(946_684_800)),
            ("Fri, 01 Jan 1960 00:00:00 GMT", Some(0)),
            ("Sat, 01 Jan 0000 00:00:00 GMT", Some(0)),
            ("Fri, 31 Dec 9999 23:59:60 GMT", Some(253_402_300_800)),
            ("Sun, 06 Nov 18446744073709551616 08:49:37 GMT", None),
            ("Sun, 06 Nov 10000 08:49:37 GMT", None),
            ("Sun Nov  6 08:49:37 18446744073709551615", None),
            ("Sun, 06 Nov 94 08:49:37 GMT", None),
            ("Sunday, 06-Nov-1994 08:49:37 GMT", None),
            ("Sun, 6 Nov 1994 08:49:37 GMT", None),
            ("Sun, +6 Nov 1994 08:49:37 GMT", None),
            ("Sun, 00 Nov 1994 08:49:37 GMT", None),
            ("Sun, 31 Nov 1994 08:49:37 GMT", None),
            ("Sun, 29 Feb 1994 08:49:37 GMT", None),
            ("Sun, 06 Nov 1994 24:00:00 GMT", None),
            ("Sun, 06 Nov 1994 08:60:00 GMT", None),
            ("Sun, 06 Nov 1994 08:49:61 GMT", None),
            ("Sun, 06 Nov 1994 08:49 GMT", None),
            ("Sun, 06 Nov 1994 08:49:37:00 GMT", None),
            ("Sun, 06 Nov 1994 18446744073709551615:49:37 GMT", None),
            ("Sun, 06 Nov 1994 08:49:37", None),
            ("Sun, 06 Nov 1994 08:49:37 UTC", None),
            ("Sun, 06 Nov 1994 08:49:37 +0100", None),
            ("Abc, 06 Nov 1994 08:49:37 GMT", None),
            ("yesterday", None),
            ("", None),
        ] {
            assert_eq!(parse(text), expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(second in 0..253_402_300_800_u64) {
            prop_assert_eq!(parse(&http_date(second)), Some(second));
        }

        #[test]
        fn whatever_comes_is_a_date_or_none(text in "(Sun|Sunday)?,? ?[0-9 -]{0,20}(Nov|-Nov-|Feb)? ?[0-9]{0,20} ?[0-9:]{0,30} ?(GMT)?") {
            let _ = parse(&text);
        }
    }
}
