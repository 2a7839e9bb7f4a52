//! Strings, brackets of all kinds, and comprehensions.

use super::cursor::Parser;
use super::syntax;
use super::token::{TokenKind, formatted};
use super::tree::{Arg, ArgKind, Kind, Node};
use crate::error::Result;

impl Parser<'_> {
    /// Adjacent strings are one.
    pub(super) fn strings(&mut self) -> Result<Node> {
        let start = self.span().start;
        let mut text: Option<String> = None;
        let mut bytes: Option<Vec<u8>> = None;
        let mut code = false;
        loop {
            match self.kind() {
                TokenKind::Str(part) => text.get_or_insert_default().push_str(part),
                TokenKind::Bytes(part) => bytes.get_or_insert_default().extend(part),
                TokenKind::Formatted if self.lenient => {
                    self.advance();
                    code = true;
                    continue;
                }
                TokenKind::Formatted => return Err(formatted(self.span())),
                _ => break,
            }
            if text.is_some() && bytes.is_some() {
                return Err(syntax(
                    "cannot mix bytes and nonbytes literals",
                    self.span(),
                ));
            }
            self.advance();
        }
        let kind = match (text, bytes) {
            _ if code => Kind::Code,
            (_, Some(bytes)) => Kind::Bytes(bytes),
            (text, None) => Kind::Str(text.unwrap_or_default()),
        };
        Ok(Node {
            kind,
            span: self.since(start),
        })
    }

    pub(super) fn parenthesized(&mut self) -> Result<Node> {
        let start = self.span().start;
        self.advance();
        if self.eat(")") {
            return Ok(Node {
                kind: Kind::Tuple(Vec::new()),
                span: self.since(start),
            });
        }
        let mut inner = self.expressions()?;
        if let Some(code) = self.comprehension()? {
            inner = code;
        }
        if !self.eat(")") {
            return Err(self.unexpected("')'"));
        }
        if matches!(inner.kind, Kind::Tuple(_)) {
            inner.span = self.since(start);
        }
        Ok(inner)
    }

    pub(super) fn list(&mut self) -> Result<Node> {
        let start = self.span().start;
        self.advance();
        let items = self.elements("]")?;
        Ok(self.display(Kind::List(items), start))
    }

    pub(super) fn elements(&mut self, close: &str) -> Result<Vec<Arg>> {
        let mut items = Vec::new();
        while !self.eat(close) {
            items.push(self.element()?);
            if let Some(value) = self.comprehension()? {
                items = vec![Arg {
                    kind: ArgKind::Positional,
                    value,
                }];
            }
            if !self.eat(",") && !self.is_op(close) {
                return Err(self.unexpected(&format!("',' or '{close}'")));
            }
        }
        Ok(items)
    }

    /// A list or set; one that holds a comprehension is that.
    pub(super) fn display(&self, kind: Kind, start: usize) -> Node {
        let span = self.since(start);
        if let Kind::List(items) | Kind::Set(items) = &kind
            && let [item] = items.as_slice()
            && matches!(item.value.kind, Kind::Comprehension { .. })
        {
            return Node {
                kind: item.value.kind.clone(),
                span,
            };
        }
        Node { kind, span }
    }

    /// The rest of a comprehension, after its element: what it runs over counts, the rest is Python's.
    pub(super) fn comprehension(&mut self) -> Result<Option<Node>> {
        let start = self.span();
        if self.is_word("async") {
            self.advance();
        }
        if !self.is_word("for") {
            return match self.kind_before() {
                Some(TokenKind::Name(word)) if word == "async" => Err(self.unexpected("'for'")),
                _ => Ok(None),
            };
        }
        self.advance();
        while !self.is_word("in") {
            if !matches!(
                self.kind(),
                TokenKind::Name(_) | TokenKind::Op("," | "(" | ")")
            ) {
                return Err(self.unexpected("'in' of the comprehension"));
            }
            self.advance();
        }
        self.advance();
        let source = self.deeper(|p| p.logic(false))?;
        while !self.is_op(")") && !self.is_op("]") && !self.is_op("}") {
            // Conditions and inner loops.
            if matches!(self.kind(), TokenKind::End | TokenKind::Newline) {
                return Err(self.unexpected("the end of the comprehension"));
            }
            if !(self.eat_word("if")
                || self.eat_word("for")
                || self.eat_word("in")
                || self.eat_word("async")
                || self.eat(","))
            {
                self.deeper(|p| p.logic(false))?;
            }
        }
        Ok(Some(Node {
            kind: Kind::Comprehension {
                source: Box::new(source),
            },
            span: self.since(start.start),
        }))
    }

    pub(super) fn braces(&mut self) -> Result<Node> {
        let start = self.span().start;
        self.advance();
        let mut entries = Vec::new();
        let mut items = Vec::new();
        while !self.eat("}") {
            if self.eat("**") && items.is_empty() {
                entries.push((None, self.expression()?));
            } else if entries.is_empty() {
                let item = self.element()?;
                if items.is_empty() && matches!(item.kind, ArgKind::Positional) && self.eat(":") {
                    entries.push((Some(item.value), self.expression()?));
                } else {
                    items.push(item);
                }
            } else {
                let key = self.expression()?;
                self.expect(":", "between key and value")?;
                entries.push((Some(key), self.expression()?));
            }
            if let Some(value) = self.comprehension()? {
                entries.clear();
                items = vec![Arg {
                    kind: ArgKind::Positional,
                    value,
                }];
            }
            if !self.eat(",") && !self.is_op("}") {
                return Err(self.unexpected("',' or '}'"));
            }
        }
        let kind = if items.is_empty() {
            Kind::Dict(entries)
        } else {
            Kind::Set(items)
        };
        Ok(self.display(kind, start))
    }
}
