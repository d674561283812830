//! The words of a statement, as far as routing needs them.
//!
//! Comments are skipped, strings and quoted names are passed over whole, and nothing is copied. This is no
//! parser: it never fails, and what could be read in two ways (an executable comment, an unclosed quote, a
//! backslash inside double quotes) is a token of its own, [`Token::Unsure`], which sends a statement to the
//! primary.

/// One token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Token<'a> {
    /// An unquoted word: a keyword or a name.
    Word(&'a [u8]),
    /// A name in backticks, without them.
    Name(&'a [u8]),
    /// A string, without its quotes.
    Text(&'a [u8]),
    /// A number.
    Number(&'a [u8]),
    /// `@name`, in any form of quotes.
    UserVariable,
    /// `@@name`; the dots and the scope after it are tokens of their own.
    SystemVariable,
    /// Any other character.
    Symbol(u8),
    /// What may mean something else to the server than to us.
    Unsure,
}

impl Token<'_> {
    /// It is this unquoted word, whatever its case.
    pub fn is(&self, word: &str) -> bool {
        matches!(self, Token::Word(own) if own.eq_ignore_ascii_case(word.as_bytes()))
    }
}

/// Reads the tokens of a statement, first to last.
#[derive(Clone)]
pub struct Lexer<'a> {
    rest: &'a [u8],
}

impl<'a> Lexer<'a> {
    /// A reader of this statement, in any character set that contains ASCII.
    pub fn new(statement: &'a [u8]) -> Self {
        Self { rest: statement }
    }

    fn take(&mut self, length: usize) -> &'a [u8] {
        let (taken, rest) = self.rest.split_at(length.min(self.rest.len()));
        self.rest = rest;
        taken
    }

    fn skip_line(&mut self) {
        let end = self.rest.iter().position(|byte| *byte == b'\n');
        self.take(end.map_or(self.rest.len(), |end| end + 1));
    }

    /// Skips white space and comments; `Some`: there was a comment that a server may execute.
    fn skip_blank(&mut self) -> Option<Token<'a>> {
        loop {
            match self.rest {
                [b' ' | b'\t' | b'\r' | b'\n' | 0x0b | 0x0c, ..] => {
                    self.take(1);
                }
                [b'#', ..] | [b'-', b'-'] => self.skip_line(),
                // Two dashes are a comment only before a blank: `5--1` is 6.
                [b'-', b'-', next, ..] if next.is_ascii_whitespace() || *next < 0x20 => {
                    self.skip_line();
                }
                [b'/', b'*', b'!', ..] | [b'/', b'*', b'M', b'!', ..] => {
                    self.take(self.rest.len());
                    return Some(Token::Unsure);
                }
                [b'/', b'*', ..] => {
                    let end = self.rest[2..].windows(2).position(|pair| pair == b"*/");
                    match end {
                        Some(end) if !self.rest[2..2 + end].windows(2).any(|p| p == b"/*") => {
                            self.take(end + 4);
                        }
                        _ => {
                            self.take(self.rest.len());
                            return Some(Token::Unsure);
                        }
                    }
                }
                _ => return None,
            }
        }
    }

    /// From an opening quote to its end; `None`: it has none, or what its end is depends on a setting.
    fn quoted(&mut self, quote: u8) -> Option<&'a [u8]> {
        self.take(1);
        let mut at = 0;
        while let Some(byte) = self.rest.get(at) {
            if *byte == b'\\' && quote == b'\'' {
                at += 2;
            } else if *byte == b'\\' && quote == b'"' {
                // ANSI_QUOTES makes this a name, in which a backslash means nothing.
                break;
            } else if *byte == quote && self.rest.get(at + 1) == Some(&quote) {
                at += 2;
            } else if *byte == quote {
                let inside = self.take(at);
                self.take(1);
                return Some(inside);
            } else {
                at += 1;
            }
        }
        self.take(self.rest.len());
        None
    }

    fn variable(&mut self) -> Token<'a> {
        if self.rest.starts_with(b"@@") {
            self.take(2);
            return Token::SystemVariable;
        }
        self.take(1);
        match self.rest.first() {
            Some(quote @ (b'\'' | b'"' | b'`')) => {
                if self.quoted(*quote).is_none() {
                    return Token::Unsure;
                }
            }
            _ => {
                let end = self.rest.iter().position(|c| !is_word(*c) && *c != b'.');
                self.take(end.unwrap_or(self.rest.len()));
            }
        }
        Token::UserVariable
    }

    fn word(&mut self) -> Token<'a> {
        let end = self.rest.iter().position(|byte| !is_word(*byte));
        let word = self.take(end.unwrap_or(self.rest.len()));
        // `1e3` and `0x1F` are numbers, `1st` is a name.
        let number = word[0].is_ascii_digit()
            && (word.iter().all(u8::is_ascii_digit)
                || word.starts_with(b"0x")
                || word.starts_with(b"0b")
                || word[1..]
                    .iter()
                    .all(|c| c.is_ascii_digit() || matches!(c, b'e' | b'E')));
        if number {
            Token::Number(word)
        } else {
            Token::Word(word)
        }
    }
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'$' || byte >= 0x80
}

impl<'a> Iterator for Lexer<'a> {
    type Item = Token<'a>;

    fn next(&mut self) -> Option<Token<'a>> {
        if let Some(unsure) = self.skip_blank() {
            return Some(unsure);
        }
        let first = *self.rest.first()?;
        Some(match first {
            b'\'' | b'"' => self.quoted(first).map_or(Token::Unsure, Token::Text),
            b'`' => self.quoted(first).map_or(Token::Unsure, Token::Name),
            b'@' => self.variable(),
            byte if is_word(byte) => self.word(),
            0 => {
                // The server ends here; what follows is not ours to judge.
                self.take(self.rest.len());
                Token::Unsure
            }
            symbol => {
                self.take(1);
                Token::Symbol(symbol)
            }
        })
    }
}
