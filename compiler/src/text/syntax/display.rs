//! Strings, brackets of all kinds, and comprehensions.

use super::cursor::Parser;
use super::formatted::Part;
use super::syntax;
use super::token::{TokenKind, formatted};
use super::tree::{Arg, ArgKind, Clause, Comprehension, Kind, Makes, Node, Piece};
use crate::error::Result;

impl Parser<'_> {
    /// Adjacent strings are one.
    pub(super) fn strings(&mut self) -> Result<Node> {
        let start = self.span().start;
        let mut text: Option<String> = None;
        let mut bytes: Option<Vec<u8>> = None;
        let mut pieces: Vec<Piece> = Vec::new();
        let mut code = false;
        loop {
            match self.kind() {
                TokenKind::Str(part) => text.get_or_insert_default().push_str(part),
                TokenKind::Bytes(part) => bytes.get_or_insert_default().extend(part),
                TokenKind::Formatted(_) if self.lenient => {
                    self.advance();
                    code = true;
                    continue;
                }
                TokenKind::Formatted(None) => return Err(formatted(self.span())),
                TokenKind::Formatted(Some(parts)) => {
                    for part in parts {
                        let text = text.get_or_insert_default();
                        match part {
                            Part::Text(more) => text.push_str(more),
                            Part::Value {
                                tokens,
                                conversion,
                                spec,
                            } => {
                                pieces.push(Piece::Text(std::mem::take(text)));
                                let mut parser = Parser::new(tokens);
                                parser.depth = self.depth;
                                let node = parser.deeper(Parser::expressions)?;
                                if !matches!(parser.kind(), TokenKind::End) {
                                    return Err(parser.unexpected("'}'"));
                                }
                                pieces.push(Piece::Value {
                                    node,
                                    conversion: *conversion,
                                    spec: spec.clone(),
                                });
                            }
                        }
                    }
                }
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
            (text, None) if pieces.is_empty() => Kind::Str(text.unwrap_or_default()),
            (text, None) => {
                pieces.push(Piece::Text(text.unwrap_or_default()));
                Kind::Formatted(pieces)
            }
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
        if let Some(clauses) = self.clauses()? {
            inner = comprehension(inner, Makes::Generator, clauses);
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
        let mut items: Vec<Arg> = Vec::new();
        while !self.eat("]") {
            items.push(self.element()?);
            if let Some(clauses) = self.clauses()? {
                let element = self.only(items)?;
                self.expect("]", "after the comprehension")?;
                let mut node = comprehension(element, Makes::List, clauses);
                node.span = self.since(start);
                return Ok(node);
            }
            if !self.eat(",") && !self.is_op("]") {
                return Err(self.unexpected("',' or ']'"));
            }
        }
        Ok(Node {
            kind: Kind::List(items),
            span: self.since(start),
        })
    }

    /// The element of a comprehension, which stands alone in its brackets.
    fn only(&self, items: Vec<Arg>) -> Result<Node> {
        let mut items = items.into_iter();
        match (items.next(), items.next()) {
            (
                Some(Arg {
                    kind: ArgKind::Positional,
                    value,
                }),
                None,
            ) => Ok(value),
            _ => Err(syntax(
                "a comprehension stands alone in its brackets",
                self.span(),
            )),
        }
    }

    /// The rest of a comprehension, after its element.
    pub(super) fn clauses(&mut self) -> Result<Option<Vec<Clause>>> {
        let mut clauses = Vec::new();
        loop {
            let word = self.eat_word("async");
            if !self.eat_word("for") {
                if word {
                    return Err(self.unexpected("'for'"));
                }
                return Ok((!clauses.is_empty()).then_some(clauses));
            }
            let target = self.target()?;
            if !self.eat_word("in") {
                return Err(self.unexpected("'in' of the comprehension"));
            }
            let source = self.deeper(|p| p.logic(false))?;
            let mut conditions = Vec::new();
            while self.eat_word("if") {
                conditions.push(self.deeper(|p| p.logic(false))?);
            }
            clauses.push(Clause {
                target,
                source,
                conditions,
            });
        }
    }

    /// What a loop assigns to: names, perhaps several.
    fn target(&mut self) -> Result<Node> {
        let start = self.span().start;
        let mut items = Vec::new();
        loop {
            let from = self.span().start;
            let value = if self.eat("(") {
                let inner = self.deeper(Self::target)?;
                self.expect(")", "after the names")?;
                inner
            } else {
                let name = self.name("a name after 'for'")?;
                Node {
                    kind: Kind::Name(name),
                    span: self.since(from),
                }
            };
            items.push(Arg {
                kind: ArgKind::Positional,
                value,
            });
            if !self.eat(",") {
                break;
            }
            if self.is_word("in") || self.is_op(")") {
                break;
            }
        }
        let span = self.since(start);
        let tuple = matches!(self.kind_before(), Some(TokenKind::Op(","))) || items.len() > 1;
        if !tuple && let Some(only) = items.pop() {
            return Ok(only.value);
        }
        Ok(Node {
            kind: Kind::Tuple(items),
            span,
        })
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
            if let Some(clauses) = self.clauses()? {
                let mut node = match entries.pop() {
                    Some((Some(key), value)) if entries.is_empty() => {
                        let span = value.span;
                        Node {
                            kind: Kind::Comprehension(Box::new(Comprehension {
                                makes: Makes::Dict(key, value),
                                clauses,
                            })),
                            span,
                        }
                    }
                    Some(_) => {
                        return Err(syntax(
                            "a comprehension stands alone in its brackets",
                            self.span(),
                        ));
                    }
                    None => comprehension(self.only(items)?, Makes::Set, clauses),
                };
                self.expect("}", "after the comprehension")?;
                node.span = self.since(start);
                return Ok(node);
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
        Ok(Node {
            kind,
            span: self.since(start),
        })
    }
}

/// A comprehension around its element.
pub(super) fn comprehension(
    element: Node,
    makes: impl FnOnce(Node) -> Makes,
    clauses: Vec<Clause>,
) -> Node {
    let span = element.span;
    Node {
        kind: Kind::Comprehension(Box::new(Comprehension {
            makes: makes(element),
            clauses,
        })),
        span,
    }
}
