//! From the path of an error in a statement back to its place in the text.

use super::syntax::{Arg, ArgKind, Kind, Node, Stmt, StmtKind, Subscript, TrailerKind};
use crate::error::{Error, Span};

/// Where names stand in a text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Places {
    /// Names of methods and keyword arguments, and strings: all that a statement takes its words from.
    words: Vec<(String, Span)>,
}

impl Places {
    pub(super) fn new(statements: &[Stmt]) -> Self {
        let mut places = Places::default();
        for stmt in statements {
            match &stmt.kind {
                StmtKind::Expr(node)
                | StmtKind::Assign { value: node, .. }
                | StmtKind::Augmented { value: node, .. } => places.node(node),
                _ => {}
            }
        }
        places
    }

    fn node(&mut self, node: &Node) {
        match &node.kind {
            Kind::Str(text) => self.words.push((text.clone(), node.span)),
            Kind::List(items) | Kind::Tuple(items) | Kind::Set(items) => self.args(items),
            Kind::Dict(entries) => {
                for (key, value) in entries {
                    key.iter().for_each(|k| self.node(k));
                    self.node(value);
                }
            }
            Kind::Postfix { base, trailers } => {
                self.node(base);
                for trailer in trailers {
                    match &trailer.kind {
                        TrailerKind::Attribute(name) => {
                            self.words.push((name.clone(), trailer.span))
                        }
                        TrailerKind::Call(args) => self.args(args),
                        TrailerKind::Index(Subscript::Item(item)) => self.node(item),
                        TrailerKind::Index(Subscript::Slice { .. }) => {
                            self.words.push(("slice".to_owned(), trailer.span));
                        }
                    }
                }
            }
            Kind::Unary { operand, .. } => self.node(operand),
            Kind::Chain { first, rest } => {
                self.node(first);
                rest.iter().for_each(|c| self.node(&c.right));
            }
            Kind::Power { base, exponent } => {
                self.node(base);
                self.node(exponent);
            }
            Kind::Compare { first, rest } => {
                self.node(first);
                rest.iter().for_each(|(_, n)| self.node(n));
            }
            Kind::Logic { operands, .. } => operands.iter().for_each(|n| self.node(n)),
            Kind::Conditional {
                condition,
                then,
                otherwise,
            } => [condition, then, otherwise]
                .into_iter()
                .for_each(|n| self.node(n)),
            _ => {}
        }
    }

    fn args(&mut self, args: &[Arg]) {
        for arg in args {
            if let ArgKind::Keyword(name, span) = &arg.kind {
                self.words.push((name.clone(), *span));
            }
            self.node(&arg.value);
        }
    }

    /// The only place of a word, or the first of several.
    #[must_use]
    pub fn of(&self, word: &str) -> Option<Span> {
        self.words
            .iter()
            .find(|(found, _)| found == word)
            .map(|(_, span)| *span)
    }

    /// Gives an error of a later pass its place in the text: that of the longest word of the text that the error's
    /// message quotes, or else of the call that its path names.
    #[must_use]
    pub fn locate(&self, error: Error) -> Error {
        if error.span().is_some() {
            return error;
        }
        let quoted = error
            .message()
            .split(['\'', '"', '`'])
            .skip(1)
            .step_by(2)
            .filter(|word| !word.is_empty())
            .find_map(|word| {
                self.of(word).or_else(|| {
                    self.words
                        .iter()
                        .find(|(found, _)| {
                            found
                                .split("__")
                                .any(|part| part == word.trim_start_matches('-'))
                        })
                        .map(|(_, span)| *span)
                })
            });
        let called = || error.path().split('/').rev().find_map(|step| self.of(step));
        match quoted.or_else(called) {
            Some(span) => error.with_span(span),
            None => error,
        }
    }
}
