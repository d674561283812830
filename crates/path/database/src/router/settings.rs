//! `SET`: what a replica can be told too, what the primary alone needs to know, and what pins.

use super::classify::{Reason, Route};
use super::lexer::Token;

/// Settings that mean the same on a replica and change nothing that routing rests on.
const SETTINGS: &[&str] = &[
    "CHARACTER_SET_CLIENT",
    "CHARACTER_SET_CONNECTION",
    "CHARACTER_SET_RESULTS",
    "COLLATION_CONNECTION",
    "TIME_ZONE",
    "WAIT_TIMEOUT",
    "INTERACTIVE_TIMEOUT",
    "NET_READ_TIMEOUT",
    "NET_WRITE_TIMEOUT",
    "GROUP_CONCAT_MAX_LEN",
    "MAX_STATEMENT_TIME",
    "MAX_EXECUTION_TIME",
    "LC_TIME_NAMES",
    "SQL_SELECT_LIMIT",
    "FOREIGN_KEY_CHECKS",
    "UNIQUE_CHECKS",
    "INNODB_LOCK_WAIT_TIMEOUT",
    "LOCK_WAIT_TIMEOUT",
    "SQL_SAFE_UPDATES",
    "SQL_NOTES",
    "SQL_WARNINGS",
    "MAX_ERROR_COUNT",
    "SQL_AUTO_IS_NULL",
];

/// The route of what follows the word `SET`.
pub fn set(tokens: &[Token<'_>]) -> Route {
    let Some(first) = tokens.first() else {
        return Route::Primary;
    };
    if tokens.iter().any(|t| {
        t.is("SERIALIZABLE")
            || matches!(t, Token::Text(v) if v.eq_ignore_ascii_case(b"SERIALIZABLE"))
    }) {
        return Route::PrimaryPin(Reason::Serializable);
    }
    let names = |list: &[Token<'_>]| {
        let values = list
            .iter()
            .all(|t| matches!(t, Token::Word(_) | Token::Text(_)));
        values && matches!(list.len(), 1 | 3) && (list.len() == 1 || list[1].is("COLLATE"))
    };
    if first.is("NAMES") && names(&tokens[1..]) {
        return Route::Remember;
    }
    if first.is("TRANSACTION") || first.is("GLOBAL") || first.is("PERSIST") {
        return Route::Primary;
    }
    let session = first.is("SESSION") || first.is("LOCAL");
    if session && tokens.get(1).is_some_and(|t| t.is("TRANSACTION")) {
        return Route::Remember;
    }
    tokens
        .split(|t| *t == Token::Symbol(b','))
        .map(assignment)
        .reduce(|first, second| match (first, second) {
            (Route::PrimaryHolds, Route::Primary) | (Route::Primary, Route::PrimaryHolds) => {
                Route::PrimaryHolds
            }
            _ if first == second => first,
            _ => Route::PrimaryPin(Reason::Setting),
        })
        .unwrap_or(Route::PrimaryPin(Reason::Setting))
}

/// `[SESSION | @@ | @@SESSION.] name = value`.
fn assignment(tokens: &[Token<'_>]) -> Route {
    let refused = Route::PrimaryPin(Reason::Setting);
    let mut tokens = tokens;
    if tokens.first() == Some(&Token::UserVariable) {
        // Whoever reads it is on the primary, too; brackets may call anything.
        let plain = !tokens.contains(&Token::Symbol(b'('));
        return if plain { Route::PrimaryHolds } else { refused };
    }
    if tokens.first() == Some(&Token::SystemVariable) {
        tokens = &tokens[1..];
    }
    if tokens
        .first()
        .is_some_and(|t| t.is("SESSION") || t.is("LOCAL"))
    {
        tokens = &tokens[1..];
        if tokens.first() == Some(&Token::Symbol(b'.')) {
            tokens = &tokens[1..];
        }
    }
    let [name, sign @ .., value] = tokens else {
        return refused;
    };
    if !matches!(
        sign,
        [Token::Symbol(b'=')] | [Token::Symbol(b':'), Token::Symbol(b'=')]
    ) {
        return refused;
    }
    let simple = matches!(value, Token::Word(_) | Token::Text(_) | Token::Number(_));
    if name.is("AUTOCOMMIT") && simple {
        // Every answer of the server says whether it is on, and the session turns it off wherever it goes.
        return Route::Primary;
    }
    if name.is("SQL_MODE") {
        return match value {
            Token::Text(modes) if harmless(modes) => Route::Remember,
            _ => refused,
        };
    }
    if simple && SETTINGS.iter().any(|known| name.is(known)) {
        Route::Remember
    } else {
        refused
    }
}

/// Modes under which a statement reads the same to the server as to the lexer.
fn harmless(modes: &[u8]) -> bool {
    modes.split(|byte| *byte == b',').all(|mode| {
        let mode = mode.trim_ascii().to_ascii_uppercase();
        matches!(
            mode.as_slice(),
            b"" | b"TRADITIONAL"
                | b"STRICT_TRANS_TABLES"
                | b"STRICT_ALL_TABLES"
                | b"ONLY_FULL_GROUP_BY"
                | b"NO_ZERO_DATE"
                | b"NO_ZERO_IN_DATE"
                | b"ERROR_FOR_DIVISION_BY_ZERO"
                | b"NO_ENGINE_SUBSTITUTION"
                | b"NO_AUTO_CREATE_USER"
                | b"NO_AUTO_VALUE_ON_ZERO"
        )
    })
}
