//! The token stream that the parsers read from.

use super::token::{Token, TokenKind};
use super::{MAX_DEPTH, syntax};
use crate::error::{Code, Error, Result, Span};

/// Words that cannot be names.
pub(super) const KEYWORDS: &[&str] = &[
    "False", "None", "True", "and", "as", "assert", "async", "await", "break", "class", "continue",
    "def", "del", "elif", "else", "except", "finally", "for", "from", "global", "if", "import",
    "in", "is", "lambda", "nonlocal", "not", "or", "pass", "raise", "return", "try", "while",
    "with", "yield",
];

/// Reads tokens from the front.
pub(super) struct Parser<'t> {
    tokens: &'t [Token],
    at: usize,
    pub(super) depth: usize,
    /// Code inside expressions is passed over instead of refused ([`Kind::Code`]).
    pub(super) lenient: bool,
}

impl<'t> Parser<'t> {
    pub(super) fn new(tokens: &'t [Token]) -> Self {
        Parser {
            tokens,
            at: 0,
            depth: 0,
            lenient: false,
        }
    }

    pub(super) fn position(&self) -> usize {
        self.at
    }

    pub(super) fn rewind(&mut self, position: usize) {
        self.at = position;
    }

    pub(super) fn kind(&self) -> &'t TokenKind {
        self.tokens
            .get(self.at)
            .map_or(&TokenKind::End, |t| &t.kind)
    }

    pub(super) fn kind_before(&self) -> Option<&'t TokenKind> {
        let before = self.at.checked_sub(1)?;
        self.tokens.get(before).map(|t| &t.kind)
    }

    pub(super) fn kind_after(&self, steps: usize) -> &'t TokenKind {
        self.tokens
            .get(self.at + steps)
            .map_or(&TokenKind::End, |t| &t.kind)
    }

    /// Place of the next token.
    pub(super) fn span(&self) -> Span {
        self.tokens
            .get(self.at)
            .or(self.tokens.last())
            .map_or(Span { start: 0, end: 0 }, |t| t.span)
    }

    /// From `start` to the token read last.
    pub(super) fn since(&self, start: usize) -> Span {
        let end = self
            .at
            .checked_sub(1)
            .and_then(|i| self.tokens.get(i))
            .map_or(start, |t| t.span.end);
        Span {
            start,
            end: end.max(start),
        }
    }

    pub(super) fn advance(&mut self) {
        self.at += 1;
    }

    pub(super) fn is_op(&self, op: &str) -> bool {
        matches!(self.kind(), TokenKind::Op(o) if *o == op)
    }

    pub(super) fn is_word(&self, word: &str) -> bool {
        matches!(self.kind(), TokenKind::Name(n) if n == word)
    }

    pub(super) fn eat(&mut self, op: &str) -> bool {
        let found = self.is_op(op);
        if found {
            self.advance();
        }
        found
    }

    pub(super) fn eat_word(&mut self, word: &str) -> bool {
        let found = self.is_word(word);
        if found {
            self.advance();
        }
        found
    }

    pub(super) fn expect(&mut self, op: &str, after: &str) -> Result<()> {
        if self.eat(op) {
            return Ok(());
        }
        Err(self.unexpected(&format!("'{op}' {after}")))
    }

    /// A name that is no keyword.
    pub(super) fn name(&mut self, what: &str) -> Result<String> {
        match self.kind() {
            TokenKind::Name(name) if !KEYWORDS.contains(&name.as_str()) => {
                self.advance();
                Ok(name.clone())
            }
            _ => Err(self.unexpected(what)),
        }
    }

    /// The error for the next token, where `wanted` should stand.
    pub(super) fn unexpected(&self, wanted: &str) -> Error {
        let found = match self.kind() {
            TokenKind::End => "the text ends".to_owned(),
            TokenKind::Newline => "the line ends".to_owned(),
            TokenKind::Indent => "the line is indented".to_owned(),
            TokenKind::Dedent => "the block ends".to_owned(),
            TokenKind::Op(op) => format!("there is '{op}'"),
            TokenKind::Name(name) => format!("there is '{name}'"),
            TokenKind::Int(_) | TokenKind::Float(_) => "there is a number".to_owned(),
            TokenKind::Str(_) | TokenKind::Bytes(_) | TokenKind::Formatted(_) => {
                "there is a string".to_owned()
            }
        };
        syntax(format!("expected {wanted}, but {found}"), self.span())
    }

    /// Runs `read` one level deeper.
    pub(super) fn deeper<T>(&mut self, read: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        if self.depth >= MAX_DEPTH {
            return Err(Error::new(
                Code::Limit,
                format!("the text is nested more than {MAX_DEPTH} deep"),
            )
            .with_span(self.span()));
        }
        self.depth += 1;
        let result = read(self);
        self.depth -= 1;
        result
    }
}
