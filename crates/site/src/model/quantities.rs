//! How much and how long: durations, sizes, rates, shares of a processor.

use std::time::Duration;

use serde::Serialize;

use super::text::FromText;

/// Bytes: `"512M"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Size(u64);

impl Size {
    /// How many.
    pub fn bytes(self) -> u64 {
        self.0
    }
}

/// How often: `"20/s"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    count: u32,
    per: Duration,
}

impl Rate {
    /// How many within [`Rate::per`].
    pub fn count(self) -> u32 {
        self.count
    }

    /// The time in which they are counted.
    pub fn per(self) -> Duration {
        self.per
    }

    /// How many a second, from 1.
    pub fn a_second(self) -> u64 {
        (u64::from(self.count) / self.per.as_secs().max(1)).max(1)
    }
}

/// Thousandths of a processor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct Cpu(pub(crate) u32);

impl Cpu {
    /// How many thousandths.
    pub fn thousandths(self) -> u32 {
        self.0
    }
}

impl FromText for Duration {
    const WHAT: &'static str = "a duration";
    const LIKE: &'static str = "\"30s\"";

    fn from_text(text: &str) -> Result<Self, String> {
        let (number, unit) = number_and_unit(text)?;
        let millis: u64 = match unit {
            "ms" => 1,
            "s" => 1000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            "w" => 604_800_000,
            "" => return Err(format!("its unit is missing: \"{text}s\" are seconds")),
            other => return Err(format!("`{other}` is no unit: ms, s, m, h, d, w are")),
        };
        let millis = number.checked_mul(millis).filter(|millis| *millis > 0);
        millis
            .map(Duration::from_millis)
            .ok_or_else(|| "it is more than 0, and not endless".to_owned())
    }
}

impl FromText for Size {
    const WHAT: &'static str = "a size";
    const LIKE: &'static str = "\"512M\"";

    fn from_text(text: &str) -> Result<Self, String> {
        let (number, unit) = number_and_unit(text)?;
        let shift = match unit {
            "K" => 10,
            "M" => 20,
            "G" => 30,
            "T" => 40,
            "" => return Err(format!("its unit is missing: \"{text}M\" are mebibytes")),
            other => return Err(format!("`{other}` is no unit: K, M, G, T are")),
        };
        let bytes = number.checked_mul(1 << shift).filter(|bytes| *bytes > 0);
        bytes
            .map(Self)
            .ok_or_else(|| "it is more than 0, and not endless".to_owned())
    }
}

impl FromText for Rate {
    const WHAT: &'static str = "a rate";
    const LIKE: &'static str = "\"20/s\"";

    fn from_text(text: &str) -> Result<Self, String> {
        let (count, unit) = text
            .split_once('/')
            .ok_or("it is a number, `/` and s, m or h")?;
        let per = match unit {
            "s" => 1,
            "m" => 60,
            "h" => 3600,
            other => return Err(format!("`{other}` is no unit: s, m, h are")),
        };
        let count = count.parse::<u32>().ok().filter(|count| *count > 0);
        let count = count.ok_or("before the `/` stands a number from 1")?;
        Ok(Self {
            count,
            per: Duration::from_secs(per),
        })
    }
}

fn number_and_unit(text: &str) -> Result<(u64, &str), String> {
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = text.split_at(digits);
    let number = number
        .parse()
        .map_err(|_| "it is a whole number and a unit".to_owned())?;
    if unit.starts_with(' ') {
        return Err(format!(
            "no space stands in it: \"{number}{}\"",
            unit.trim()
        ));
    }
    Ok((number, unit))
}
