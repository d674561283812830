//! Where a statement goes: the routing table.
//!
//! Pure: text in, [`Route`] out. The table only ever *proves* that a statement may run on a replica. What it
//! does not understand goes to the primary, and where it may have changed the session in a way that nobody
//! tells us of, the session stays there. Nothing is refused: errors are the server's to give. What goes on
//! in a transaction, or in a session that is pinned, is not decided here but in the session.

use super::lexer::{Lexer, Token};
use super::{functions, settings};

/// Where a statement goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route {
    /// Reads only, and reads the same everywhere.
    Replica,
    /// Writes, locks, or depends on what only the primary knows.
    Primary,
    /// To the primary, and so does all that follows in this session.
    PrimaryPin(Reason),
    /// To the primary, whose connection then holds what no other can be told: a variable of the session's own.
    PrimaryHolds,
    /// To the primary, on the connection that inserted last: asks for the id of that row.
    Inserted,
    /// To the primary; a replica is told the same before it is next used.
    Remember,
    /// A transaction that will only read: all of it on a replica.
    ReadOnlyTransaction,
    /// Asks about the statement before: goes where that went.
    Last,
    /// `KILL`: to the primary, with the id that the primary knows.
    Kill {
        /// The connection's number as the client knows it.
        id: u64,
        /// Its statement only.
        query: bool,
    },
}

/// Why a session stays on the primary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// Its first word, or something in it, is not known to us.
    NotUnderstood,
    /// A temporary table exists.
    TemporaryTable,
    /// Tables, or a name, are locked.
    Lock,
    /// A statement was prepared in SQL.
    TextPrepare,
    /// HANDLER or XA.
    Cursor,
    /// SERIALIZABLE reads lock.
    Serializable,
    /// SQL_CALC_FOUND_ROWS, which the next statement asks for.
    FoundRows,
    /// A setting that cannot be repeated on a replica.
    Setting,
    /// A stored procedure may leave anything behind.
    Call,
}

/// The route of a text that may hold several statements.
pub fn classify(sql: &[u8]) -> Route {
    let mut tokens: Vec<Token<'_>> = Vec::with_capacity(64);
    tokens.extend(Lexer::new(sql));
    let mut parts = tokens
        .split(|token| *token == Token::Symbol(b';'))
        .filter(|part| !part.is_empty());
    let Some(first) = parts.next() else {
        // Empty: the server has an error for it.
        return Route::Primary;
    };
    let route = one(first);
    parts.fold(route, |route, part| several(route, one(part)))
}

/// Several statements at once are never split: the primary runs them all.
fn several(first: Route, second: Route) -> Route {
    match (first, second) {
        (Route::PrimaryPin(reason), _) | (_, Route::PrimaryPin(reason)) => {
            Route::PrimaryPin(reason)
        }
        _ if !(stays(first) && stays(second)) => Route::PrimaryPin(Reason::NotUnderstood),
        (Route::PrimaryHolds, _) | (_, Route::PrimaryHolds) => Route::PrimaryHolds,
        _ => Route::Primary,
    }
}

/// It goes to the primary, or may, and leaves nothing there that would have to be repeated elsewhere.
fn stays(route: Route) -> bool {
    matches!(
        route,
        Route::Replica | Route::Primary | Route::PrimaryHolds | Route::Inserted
    )
}

/// The route of one statement.
pub(super) fn one(tokens: &[Token<'_>]) -> Route {
    match statement(tokens) {
        Route::Primary | Route::Inserted if sets_variable(tokens) => Route::PrimaryHolds,
        route => route,
    }
}

/// `@a := 1` anywhere, or a variable somewhere after INTO.
fn sets_variable(tokens: &[Token<'_>]) -> bool {
    let variable = |token: &Token<'_>| *token == Token::UserVariable;
    let Some(first) = tokens.iter().position(variable) else {
        return false;
    };
    let assigned = |pair: &[Token<'_>]| variable(&pair[0]) && pair[1] == Token::Symbol(b':');
    tokens[first..].windows(2).any(assigned)
        || tokens
            .iter()
            .position(|token| token.is("INTO"))
            .is_some_and(|into| tokens[into..].iter().any(variable))
}

fn statement(tokens: &[Token<'_>]) -> Route {
    // What is not understood, and named locks, decide wherever they stand.
    if tokens.contains(&Token::Unsure) {
        return Route::PrimaryPin(Reason::NotUnderstood);
    }
    let any = |words: &[&str]| tokens.iter().any(|t| words.iter().any(|word| t.is(word)));
    if any(&["GET_LOCK", "RELEASE_LOCK", "RELEASE_ALL_LOCKS"]) {
        return Route::PrimaryPin(Reason::Lock);
    }
    let opening = tokens
        .iter()
        .take_while(|t| **t == Token::Symbol(b'('))
        .count();
    let Some(Token::Word(first)) = tokens.get(opening) else {
        return Route::PrimaryPin(Reason::NotUnderstood);
    };
    let rest = &tokens[opening + 1..];
    let first = first.to_ascii_uppercase();
    match first.as_slice() {
        b"SELECT" | b"WITH" | b"VALUES" | b"TABLE" => read(rest),
        _ if opening > 0 => Route::PrimaryPin(Reason::NotUnderstood),
        b"SHOW" => show(rest),
        b"EXPLAIN" | b"DESCRIBE" | b"DESC" => explain(rest),
        b"INSERT" | b"UPDATE" | b"DELETE" | b"REPLACE" => write(tokens),
        b"SET" => settings::set(rest),
        // The session learns the database from what the server answers.
        b"USE" => Route::Primary,
        b"BEGIN" => Route::Primary,
        b"START" => start(rest),
        b"COMMIT" | b"ROLLBACK" | b"SAVEPOINT" | b"RELEASE" => Route::Primary,
        b"CREATE" if any(&["TEMPORARY"]) => Route::PrimaryPin(Reason::TemporaryTable),
        b"CREATE" | b"ALTER" | b"DROP" | b"TRUNCATE" | b"RENAME" | b"GRANT" | b"REVOKE"
        | b"ANALYZE" | b"OPTIMIZE" | b"CHECK" | b"CHECKSUM" | b"REPAIR" | b"UNLOCK" | b"LOAD"
        | b"DO" => Route::Primary,
        b"LOCK" | b"FLUSH" | b"BACKUP" => Route::PrimaryPin(Reason::Lock),
        b"PREPARE" | b"EXECUTE" | b"DEALLOCATE" => Route::PrimaryPin(Reason::TextPrepare),
        b"HANDLER" | b"XA" => Route::PrimaryPin(Reason::Cursor),
        b"CALL" => Route::PrimaryPin(Reason::Call),
        b"GET" => Route::Last,
        b"KILL" => kill(rest),
        _ => Route::PrimaryPin(Reason::NotUnderstood),
    }
}

fn write(tokens: &[Token<'_>]) -> Route {
    // The rows that were found are asked for next.
    if tokens.iter().any(|token| token.is("SQL_CALC_FOUND_ROWS")) {
        return Route::PrimaryPin(Reason::FoundRows);
    }
    let asks = |three: &[Token<'_>]| three[0].is("LAST_INSERT_ID") && asks_only(&three[1..]);
    if tokens.windows(3).any(asks) {
        return Route::Inserted;
    }
    Route::Primary
}

/// Brackets with nothing in them: LAST_INSERT_ID with a value in them sets it.
fn asks_only(brackets: &[Token<'_>]) -> bool {
    brackets.starts_with(&[Token::Symbol(b'('), Token::Symbol(b')')])
}

/// What makes a statement that begins like a read something else.
const NO_READ: &[&str] = &[
    "INTO",
    "LOCK",
    "SHARE",
    "PROCEDURE",
    "UPDATE",
    "DELETE",
    "NEXT",
    "PREVIOUS",
    "NEXTVAL",
    "CURRVAL",
    "RETURNING",
    "SKIP",
    "NOWAIT",
];

/// A read without the word that it began with.
fn read(tokens: &[Token<'_>]) -> Route {
    if tokens.iter().any(|token| token.is("SQL_CALC_FOUND_ROWS")) {
        return Route::PrimaryPin(Reason::FoundRows);
    }
    let (mut route, mut inserted) = (Route::Replica, false);
    for (at, token) in tokens.iter().enumerate() {
        let called = tokens.get(at + 1) == Some(&Token::Symbol(b'('));
        match token {
            Token::SystemVariable if names_the_server(tokens.get(at + 1)) => {}
            Token::Word(name) | Token::Name(name) if !called && of_server(name) => {
                route = Route::Primary;
            }
            Token::UserVariable | Token::SystemVariable => route = Route::Primary,
            Token::Symbol(b'{' | b'}') => return Route::PrimaryPin(Reason::NotUnderstood),
            Token::Name(_) | Token::Text(_) if called && !is_cte(tokens, at) => {
                return Route::PrimaryPin(Reason::NotUnderstood);
            }
            Token::Word(word) if called => match call(tokens, at, word) {
                Route::Replica => {}
                Route::Primary => route = Route::Primary,
                Route::Inserted => (route, inserted) = (Route::Primary, true),
                other => return other,
            },
            Token::Word(_) if NO_READ.iter().any(|word| token.is(word)) => route = Route::Primary,
            // These two are statements unless they are functions.
            Token::Word(_) if token.is("INSERT") || token.is("REPLACE") => route = Route::Primary,
            Token::Word(word) if of_session(word) => route = Route::Primary,
            _ => {}
        }
    }
    if inserted { Route::Inserted } else { route }
}

/// A variable that asks which server answers: whoever reads is told who read.
fn names_the_server(name: Option<&Token<'_>>) -> bool {
    let names = [
        "HOSTNAME",
        "REPORT_HOST",
        "SERVER_ID",
        "SERVER_UUID",
        "VERSION",
    ];
    name.is_some_and(|token| names.iter().any(|name| token.is(name)))
}

/// Tables and databases that tell of the server that is asked, not of what it holds.
pub fn of_server(name: &[u8]) -> bool {
    let is = |own: &str| name.eq_ignore_ascii_case(own.as_bytes());
    match name.first() {
        Some(b'i' | b'I') => name
            .get(..7)
            .is_some_and(|start| start.eq_ignore_ascii_case(b"INNODB_")),
        Some(b'p' | b'P') => is("PROCESSLIST") || is("PERFORMANCE_SCHEMA"),
        Some(b's' | b'S') => is("SYS"),
        _ => false,
    }
}

/// Names of a session's own facts, which stand with and without brackets.
fn of_session(word: &[u8]) -> bool {
    [
        "CURRENT_USER",
        "CURRENT_ROLE",
        "SESSION_USER",
        "SYSTEM_USER",
        "LASTVAL",
    ]
    .iter()
    .any(|own| word.eq_ignore_ascii_case(own.as_bytes()))
}

fn call(tokens: &[Token<'_>], at: usize, word: &[u8]) -> Route {
    let is = |names: &[&str]| {
        names
            .iter()
            .any(|name| word.eq_ignore_ascii_case(name.as_bytes()))
    };
    if is(&["FOUND_ROWS", "ROW_COUNT"]) {
        return Route::Last;
    }
    if is(&["LAST_INSERT_ID"]) && asks_only(&tokens[at + 1..]) {
        return Route::Inserted;
    }
    if is(&[
        "LAST_INSERT_ID",
        "CONNECTION_ID",
        "USER",
        "NEXTVAL",
        "LASTVAL",
        "SETVAL",
        "LOAD_FILE",
        "UUID_SHORT",
        "IS_FREE_LOCK",
        "IS_USED_LOCK",
        "MASTER_GTID_WAIT",
        "VALUES",
        "VALUE",
    ]) || of_session(word)
    {
        return Route::Primary;
    }
    // After a dot it is a function of somebody's schema, whatever its name.
    let qualified = at > 0 && tokens[at - 1] == Token::Symbol(b'.');
    if (functions::known(word) && !qualified) || is_cte(tokens, at) {
        Route::Replica
    } else {
        Route::PrimaryPin(Reason::NotUnderstood)
    }
}

/// `name (a, b) AS (`: the columns of a common table expression.
fn is_cte(tokens: &[Token<'_>], at: usize) -> bool {
    let Some(close) = tokens[at..].iter().position(|t| *t == Token::Symbol(b')')) else {
        return false;
    };
    let columns = &tokens[at + 2..at + close];
    let plain = columns
        .iter()
        .all(|t| matches!(t, Token::Word(_) | Token::Name(_) | Token::Symbol(b',')));
    let after = &tokens[at + close + 1..];
    plain
        && after.first().is_some_and(|t| t.is("AS"))
        && after.get(1) == Some(&Token::Symbol(b'('))
        && after.get(2).is_some_and(|t| t.is("SELECT"))
        && (at == 0 || tokens[at - 1].is("RECURSIVE") || tokens[at - 1] == Token::Symbol(b','))
}

fn show(tokens: &[Token<'_>]) -> Route {
    let mut words = tokens.iter().filter(|t| !t.is("FULL") && !t.is("EXTENDED"));
    let Some(first) = words.next() else {
        return Route::Primary;
    };
    if first.is("WARNINGS") || first.is("ERRORS") || first.is("COUNT") {
        return Route::Last;
    }
    let same = [
        "TABLES",
        "COLUMNS",
        "FIELDS",
        "INDEX",
        "INDEXES",
        "KEYS",
        "DATABASES",
        "SCHEMAS",
    ];
    let created = first.is("CREATE") && words.next().is_some_and(|t| t.is("TABLE") || t.is("VIEW"));
    if !created && !same.iter().any(|word| first.is(word)) {
        return Route::Primary;
    }
    // `WHERE` takes any expression.
    read(tokens)
}

fn explain(tokens: &[Token<'_>]) -> Route {
    let analyzes = tokens.iter().any(|t| t.is("ANALYZE") || t.is("FOR"));
    match tokens.first() {
        Some(first) if first.is("SELECT") && !analyzes => read(tokens),
        // `DESCRIBE t` and `DESCRIBE t column`.
        Some(Token::Word(_) | Token::Name(_)) if tokens.len() == 1 => Route::Replica,
        _ => Route::Primary,
    }
}

fn start(tokens: &[Token<'_>]) -> Route {
    let words = ["TRANSACTION", "READ", "ONLY"];
    if tokens.len() == 3 && tokens.iter().zip(words).all(|(t, word)| t.is(word)) {
        Route::ReadOnlyTransaction
    } else if tokens.first().is_some_and(|t| t.is("TRANSACTION")) {
        Route::Primary
    } else {
        // START SLAVE and its kind.
        Route::PrimaryPin(Reason::NotUnderstood)
    }
}

fn kill(tokens: &[Token<'_>]) -> Route {
    let number = |token: &Token<'_>| match token {
        Token::Number(digits) => std::str::from_utf8(digits).ok()?.parse().ok(),
        _ => None,
    };
    match tokens {
        [id] => number(id).map(|id| (id, false)),
        [what, id] if what.is("QUERY") => number(id).map(|id| (id, true)),
        [what, id] if what.is("CONNECTION") => number(id).map(|id| (id, false)),
        _ => None,
    }
    .map_or(Route::Primary, |(id, query)| Route::Kill { id, query })
}

#[cfg(test)]
mod tests;
