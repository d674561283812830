//! Values that were written without quotes: what they are, and what to write instead.

use std::net::IpAddr;

use super::cursor::{is_newline, is_space};
use super::tree::{Span, Value};
use crate::problem::Problem;

/// The value of a bare token, and what is wrong with it. The value goes on to be checked for its meaning.
pub(super) fn classify(token: &str, span: Span) -> (Value, Option<Problem>) {
    if let Some(number) = number(token) {
        return (number, None);
    }
    if let "true" | "false" | "null" = token {
        let value = if token == "null" {
            Value::Null
        } else {
            Value::Bool(token == "true")
        };
        let problem = Problem::error(
            "unmarked",
            format!("`{token}` is written with a `#`"),
            span,
            format!("write #{token}"),
        );
        return (value, Some(problem));
    }
    if is_name(token) && !is_reserved(token) {
        return (Value::Word(token.to_owned()), None);
    }
    let what = describe(token);
    let quoted = token.replace('\\', "\\\\");
    let problem = Problem::error(
        "unquoted",
        format!("{what} stands in quotes"),
        span,
        format!("write \"{quoted}\""),
    );
    (Value::Text(token.to_owned()), Some(problem))
}

/// A plain name: a letter or `_`, then letters, digits, `-`, `_` and `.`.
pub(super) fn is_name(token: &str) -> bool {
    let mut chars = token.chars();
    chars.next().is_some_and(|c| c.is_alphabetic() || c == '_')
        && chars.all(|c| c.is_alphanumeric() || matches!(c, '-' | '_' | '.'))
}

/// A word that KDL keeps for itself.
pub(super) fn is_reserved(token: &str) -> bool {
    matches!(token, "true" | "false" | "null" | "inf" | "nan")
}

/// A character of a bare value, right or wrong; the others separate.
pub(super) fn belongs_to_a_token(c: char) -> bool {
    let separates = matches!(
        c,
        '{' | '}' | ';' | '"' | '=' | '(' | ')' | '[' | ']' | ',' | '\\'
    );
    !separates && !is_space(c) && !is_newline(c)
}

/// Whether a text is written without any quotes.
pub(super) fn is_unquoted(written: &str) -> bool {
    written.starts_with(belongs_to_a_token)
        && !written.starts_with(['#', '\'', '`', '“', '”', '„', '‘', '’', '«'])
}

/// Whether a bare token shows that it and what stands around it are a command: an option, a variable, `&&`.
pub(super) fn belongs_to_a_command(token: &str) -> bool {
    let option = token
        .strip_prefix('-')
        .is_some_and(|option| option.starts_with(|c: char| c == '-' || c.is_alphabetic()));
    option || token.contains('$') || matches!(token, "&&" | "||" | "|" | ">" | "<")
}

/// What a person meant by it.
fn describe(token: &str) -> &'static str {
    let network = |text: &str| {
        let (address, bits) = text.split_once('/')?;
        (address.parse::<IpAddr>().is_ok() && bits.parse::<u8>().is_ok()).then_some(())
    };
    let unit = token.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
    let digits = token.len() > unit.len();
    match () {
        () if token.parse::<IpAddr>().is_ok() || dotted(token) => "an address",
        () if network(token).is_some() => "a network",
        () if digits && matches!(unit, "ms" | "s" | "m" | "min" | "h" | "d") => "a time",
        () if digits && matches!(unit, "K" | "M" | "G" | "T" | "k" | "KB" | "MB" | "GB") => {
            "a size"
        }
        () if token.starts_with('/') => "a path",
        () if token.contains('@') => "an address with `@`",
        () if token.contains("://") => "a URL",
        () if token.contains('/') => "what has a `/` in it",
        () if token.contains(':') => "what has a `:` in it",
        () if token.contains('$') => "what has a `$` in it",
        () => "what is not a plain name",
    }
}

/// What is meant as an IPv4 address, be it one or not.
fn dotted(token: &str) -> bool {
    token.matches('.').count() > 1 && token.chars().all(|c| c.is_ascii_digit() || c == '.')
}

/// A number of KDL: decimal with `_`, fraction and exponent, or 0x, 0o, 0b.
fn number(token: &str) -> Option<Value> {
    let (sign, digits) = match token.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, token.strip_prefix('+').unwrap_or(token)),
    };
    let plain = |digits: &str, radix| {
        let good = digits.starts_with(|c: char| c.is_digit(radix))
            && digits.chars().all(|c| c.is_digit(radix) || c == '_');
        good.then(|| i128::from_str_radix(&digits.replace('_', ""), radix).ok())
            .flatten()
    };
    for (prefix, radix) in [("0x", 16), ("0o", 8), ("0b", 2)] {
        if let Some(digits) = digits.strip_prefix(prefix) {
            return plain(digits, radix).map(|value| Value::Integer(sign * value));
        }
    }
    if let Some(value) = plain(digits, 10) {
        return Some(Value::Integer(sign * value));
    }
    decimal(digits).map(|value| Value::Decimal(if sign < 0 { -value } else { value }))
}

fn decimal(digits: &str) -> Option<f64> {
    let (mantissa, exponent) = match digits.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (
            mantissa,
            Some(exponent.strip_prefix(['+', '-']).unwrap_or(exponent)),
        ),
        None => (digits, None),
    };
    let (whole, fraction) = match mantissa.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (mantissa, None),
    };
    let run = |text: &str| {
        text.starts_with(|c: char| c.is_ascii_digit())
            && text.chars().all(|c| c.is_ascii_digit() || c == '_')
    };
    let good = run(whole) && fraction.is_none_or(run) && exponent.is_none_or(run);
    good.then(|| digits.replace('_', "").parse().ok())
        .flatten()
        .filter(|value: &f64| value.is_finite())
}
