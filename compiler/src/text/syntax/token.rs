//! The tokenizer: names, literals, operators, and the lines and indentation that Python gives meaning to.

use super::formatted::Part;
use super::{MAX_TEXT, literal, python, syntax};
use crate::error::{Code, Error, Result, Span};

/// A token with its place.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Token {
    pub(super) kind: TokenKind,
    pub(super) span: Span,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum TokenKind {
    Name(String),
    Int(i128),
    Float(f64),
    Str(String),
    Bytes(Vec<u8>),
    /// An f-string; `None` where its pieces are more than is read here.
    Formatted(Option<Vec<Part>>),
    Op(&'static str),
    Newline,
    Indent,
    Dedent,
    End,
}

/// Operators and delimiters, the longer ones first.
const OPERATORS: &[&str] = &[
    "...", "**=", "//=", ">>=", "<<=", "!=", "->", ":=", "**", "//", ">>", "<<", "<=", ">=", "==",
    "+=", "-=", "*=", "/=", "%=", "&=", "|=", "^=", "@=", "(", ")", "[", "]", "{", "}", ",", ":",
    ".", ";", "@", "=", "+", "-", "*", "/", "%", "&", "|", "^", "~", "<", ">",
];

/// Cuts a text into tokens; the last one is [`TokenKind::End`].
///
/// # Errors
/// `Syntax` for characters and strings that are not Python, `Limit` for texts that are too long.
pub(super) fn tokenize(source: &str) -> Result<Vec<Token>> {
    if source.len() > MAX_TEXT {
        return Err(Error::new(
            Code::Limit,
            format!("the text is longer than {MAX_TEXT} bytes"),
        ));
    }
    let mut tokenizer = Tokenizer {
        source,
        at: if source.starts_with('\u{feff}') { 3 } else { 0 },
        tokens: Vec::new(),
        brackets: Vec::new(),
        indents: vec![0],
        prompts: false,
        inside: false,
    };
    tokenizer.run()?;
    Ok(tokenizer.tokens)
}

/// The tokens of an expression inside an f-string that starts at byte `start` of `source`; `None` if it is none.
pub(super) fn inner(source: &str, start: usize) -> Option<Vec<Token>> {
    let mut tokenizer = Tokenizer {
        source,
        at: 0,
        tokens: Vec::new(),
        brackets: Vec::new(),
        indents: vec![0],
        prompts: false,
        inside: true,
    };
    tokenizer.run().ok()?;
    let mut tokens = tokenizer.tokens;
    tokens.retain(|t| {
        !matches!(
            t.kind,
            TokenKind::Newline | TokenKind::Indent | TokenKind::Dedent
        )
    });
    for token in &mut tokens {
        token.span.start += start;
        token.span.end += start;
    }
    Some(tokens)
}

struct Tokenizer<'s> {
    source: &'s str,
    at: usize,
    tokens: Vec<Token>,
    /// Open brackets with their places.
    brackets: Vec<(&'static str, Span)>,
    indents: Vec<usize>,
    /// Lines are copied from an interactive session (`>>> `, `... `).
    prompts: bool,
    /// Inside an f-string, where no further ones are read.
    inside: bool,
}

impl Tokenizer<'_> {
    fn rest(&self) -> &str {
        self.source.get(self.at..).unwrap_or("")
    }

    fn push(&mut self, kind: TokenKind, start: usize) {
        let span = Span {
            start,
            end: self.at,
        };
        self.tokens.push(Token { kind, span });
    }

    fn run(&mut self) -> Result<()> {
        let mut line_starts = true;
        loop {
            if line_starts {
                self.prompt();
                if self.brackets.is_empty() {
                    self.indentation()?;
                }
                line_starts = false;
            }
            self.blanks();
            let Some(c) = self.rest().chars().next() else {
                break;
            };
            let start = self.at;
            match c {
                '\n' | '\r' => {
                    self.line_end();
                    line_starts = true;
                    let meaningful = self.tokens.last().is_some_and(|t| {
                        !matches!(
                            t.kind,
                            TokenKind::Newline | TokenKind::Indent | TokenKind::Dedent
                        )
                    });
                    if self.brackets.is_empty() && meaningful {
                        self.push(TokenKind::Newline, start);
                    }
                }
                '\\' => {
                    self.at += 1;
                    if !self.rest().starts_with(['\n', '\r']) {
                        let span = Span {
                            start,
                            end: self.at,
                        };
                        return Err(syntax(
                            "a backslash joins lines only at the end of a line",
                            span,
                        ));
                    }
                    self.line_end();
                    self.prompt();
                }
                _ => self.token(c)?,
            }
        }
        if let Some((open, span)) = self.brackets.last() {
            return Err(syntax(format!("'{open}' is never closed"), *span));
        }
        let end = self.at;
        if self
            .tokens
            .last()
            .is_some_and(|t| !matches!(t.kind, TokenKind::Newline | TokenKind::Dedent))
        {
            self.push(TokenKind::Newline, end);
        }
        for _ in 1..self.indents.len() {
            self.push(TokenKind::Dedent, end);
        }
        self.push(TokenKind::End, end);
        Ok(())
    }

    /// Leaves out the prompts of an interactive session.
    fn prompt(&mut self) {
        let line = self.rest();
        let trimmed = line.trim_start_matches([' ', '\t']);
        let indent = line.len() - trimmed.len();
        let found = trimmed.starts_with(">>>") || self.prompts && trimmed.starts_with("...");
        if found {
            self.prompts = true;
            self.at += indent + 3;
            if self.rest().starts_with(' ') {
                self.at += 1;
            }
        }
    }

    fn blanks(&mut self) {
        let rest = self.rest();
        let mut skipped = rest.len() - rest.trim_start_matches([' ', '\t', '\u{c}']).len();
        if rest.get(skipped..).is_some_and(|r| r.starts_with('#')) {
            let comment = rest.get(skipped..).unwrap_or("");
            skipped += comment.find(['\n', '\r']).unwrap_or(comment.len());
        }
        self.at += skipped;
    }

    fn line_end(&mut self) {
        self.at += if self.rest().starts_with("\r\n") {
            2
        } else {
            1
        };
    }

    /// Compares the indentation of a line that is not empty with those around it.
    fn indentation(&mut self) -> Result<()> {
        let start = self.at;
        let line = self.rest();
        let mut width = 0;
        let mut length = 0;
        for c in line.chars() {
            match c {
                ' ' => width += 1,
                '\t' => width = (width / 8 + 1) * 8,
                '\u{c}' => width = 0,
                _ => break,
            }
            length += 1;
        }
        let content = line.get(length..).unwrap_or("");
        if content.is_empty() || content.starts_with(['#', '\n', '\r']) {
            return Ok(());
        }
        self.at += length;
        if self.tokens.is_empty() {
            // A text may be indented as a whole.
            self.indents = vec![width];
            return Ok(());
        }
        let current = self.indents.last().copied().unwrap_or(0);
        if width > current {
            if self.indents.len() > super::MAX_DEPTH {
                let span = Span {
                    start,
                    end: self.at,
                };
                return Err(Error::new(Code::Limit, "blocks are nested too deeply").with_span(span));
            }
            self.indents.push(width);
            self.push(TokenKind::Indent, start);
        }
        while self.indents.last().is_some_and(|i| *i > width) {
            self.indents.pop();
            if self.indents.is_empty() {
                // Less than the first line.
                self.indents.push(width);
                break;
            }
            if self.indents.last().is_some_and(|i| *i < width) {
                let span = Span {
                    start,
                    end: self.at,
                };
                return Err(syntax(
                    "this line's indentation matches none of the blocks around it",
                    span,
                ));
            }
            self.push(TokenKind::Dedent, start);
        }
        Ok(())
    }

    fn token(&mut self, c: char) -> Result<()> {
        let start = self.at;
        if let Some((length, kind)) = literal::string(self.rest(), start, self.inside)? {
            self.at += length;
            self.push(kind, start);
            return Ok(());
        }
        if c.is_alphabetic() || c == '_' {
            let rest = self.rest();
            let length = rest
                .find(|c: char| !(c.is_alphanumeric() || c == '_'))
                .unwrap_or(rest.len());
            let name = rest.get(..length).unwrap_or("").to_owned();
            self.at += length;
            self.push(TokenKind::Name(name), start);
            return Ok(());
        }
        let second = self.rest().chars().nth(1);
        if c.is_ascii_digit() || c == '.' && second.is_some_and(|d| d.is_ascii_digit()) {
            let (length, kind) = literal::number(self.rest(), start)?;
            self.at += length;
            self.push(kind, start);
            return Ok(());
        }
        let Some(operator) = OPERATORS
            .iter()
            .copied()
            .find(|o| self.rest().starts_with(o))
        else {
            let span = Span {
                start,
                end: start + c.len_utf8(),
            };
            return Err(match c {
                '“' | '”' | '‘' | '’' => {
                    syntax(format!("'{c}' is no quotation mark of Python"), span)
                        .with_hint("use \" or '")
                }
                '?' | '$' | '!' | '`' => syntax(format!("'{c}' has no meaning in Python"), span),
                _ if c.is_whitespace() => syntax("this blank is no space", span),
                _ => syntax(
                    format!(
                        "the character {:?} (U+{:04X}) does not start anything",
                        c,
                        u32::from(c)
                    ),
                    span,
                ),
            });
        };
        self.at += operator.len();
        self.bracket(operator, start)?;
        self.push(TokenKind::Op(operator), start);
        Ok(())
    }

    fn bracket(&mut self, operator: &'static str, start: usize) -> Result<()> {
        let span = Span {
            start,
            end: self.at,
        };
        let open = match operator {
            "(" | "[" | "{" => {
                if self.brackets.len() >= super::MAX_BRACKETS {
                    return Err(Error::new(
                        Code::Limit,
                        format!("brackets are nested more than {} deep", super::MAX_BRACKETS),
                    )
                    .with_span(span));
                }
                self.brackets.push((operator, span));
                return Ok(());
            }
            ")" => "(",
            "]" => "[",
            "}" => "{",
            _ => return Ok(()),
        };
        match self.brackets.pop() {
            None => Err(syntax(format!("'{operator}' closes nothing"), span)),
            Some((opened, _)) if opened == open => Ok(()),
            Some((opened, at)) => Err(syntax(
                format!("'{operator}' does not close '{opened}'"),
                Span {
                    start: at.start,
                    end: span.end,
                },
            )),
        }
    }
}

/// The refusal of an f-string.
pub(super) fn formatted(span: Span) -> Error {
    python("this formatted string is more than is read here", span)
        .with_hint("write the string itself, or give its value as a parameter")
}
