//! From the path of an error in a statement back to its place in the text.

use super::syntax::{Arg, ArgKind, Kind, Node, Stmt, StmtKind, Subscript, TrailerKind};
use crate::error::{Error, Span};
use crate::queryset::Statement;

/// The method that makes a call.
fn method_of(call: &str) -> &str {
    match call {
        "sticky_filter" => "filter",
        "raw" => "raw_aggregate",
        other => other,
    }
}

/// Where names stand in a text.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Places {
    /// What the text stands for: the paths of errors lead into it.
    statement: Option<Statement>,
    /// Names, keyword arguments and strings: all that a statement takes its words from.
    words: Vec<(String, Span)>,
    /// The last expression: the query.
    query: Option<Span>,
}

impl Places {
    pub(super) fn new(statements: &[Stmt], statement: Option<Statement>) -> Self {
        let mut places = Places {
            statement,
            ..Places::default()
        };
        for stmt in statements {
            match &stmt.kind {
                StmtKind::Expr(node) => {
                    places.node(node);
                    places.query = Some(node.span);
                }
                StmtKind::Assign { value: node, .. } | StmtKind::Augmented { value: node, .. } => {
                    places.node(node)
                }
                _ => {}
            }
        }
        places
    }

    fn node(&mut self, node: &Node) {
        match &node.kind {
            Kind::Str(text) | Kind::Name(text) => self.words.push((text.clone(), node.span)),
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
            Kind::Comprehension(comprehension) => {
                for clause in &comprehension.clauses {
                    self.node(&clause.source);
                }
            }
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

    /// The place of the deepest part of a path into a statement that the text names: a lookup's path, the name of a field
    /// or of an annotation, or else the call.
    fn at_path(&self, path: &str) -> Option<Span> {
        let statement = self.statement.as_ref().filter(|_| !path.is_empty())?;
        let json: serde_json::Value = serde_json::from_str(&statement.to_json()).ok()?;
        let mut node = &json;
        let mut after = 0;
        let mut found = None;
        let mut calls = 0;
        for step in path.split('/').filter(|s| !s.is_empty()) {
            let step = step.replace("~1", "/").replace("~0", "~");
            node = match node {
                serde_json::Value::Array(items) => {
                    let index: usize = step.parse().ok()?;
                    if calls == 0 && path.starts_with("/calls/") {
                        calls = 1;
                        // The call's own name comes after those of the calls before it.
                        for call in items.get(..=index)? {
                            let name = call.as_object()?.keys().next()?;
                            if let Some(span) = self.next(method_of(name), after) {
                                after = span.end;
                                found = Some(span);
                            }
                        }
                    }
                    items.get(index)?
                }
                serde_json::Value::Object(map) => {
                    if let Some(span) = self.next(&step, after) {
                        found = Some(span);
                    }
                    map.get(&step)?
                }
                _ => break,
            };
            if let Some(span) = self.named(node, after) {
                found = Some(span);
            }
        }
        found
    }

    /// The place of the word that a node of a statement was written with.
    fn named(&self, node: &serde_json::Value, after: usize) -> Option<Span> {
        if let Some(text) = node.as_str() {
            return self.next(text, after);
        }
        let map = node.as_object()?;
        ["path", "f", "outer_ref", "relation", "name", "field"]
            .iter()
            .filter_map(|key| map.get(*key)?.as_str())
            .find_map(|text| self.next(text, after))
    }

    /// The first place of a word from a byte on.
    fn next(&self, word: &str, after: usize) -> Option<Span> {
        self.words
            .iter()
            .filter(|(found, span)| found == word && span.start >= after)
            .map(|(_, span)| *span)
            .min_by_key(|span| span.start)
    }

    /// Gives an error of a later pass its place in the text: the word that its path leads to in the statement, or else
    /// that its message quotes or begins with, or else the whole query.
    #[must_use]
    pub fn locate(&self, error: Error) -> Error {
        if error.span().is_some() {
            return error;
        }
        if let Some(span) = self.at_path(error.path()) {
            return error.with_span(span);
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
        let first = || {
            let mut words = error
                .message()
                .split(|c: char| !c.is_alphanumeric() && c != '_');
            self.of(words.next()?)
        };
        match quoted.or_else(called).or_else(first).or(self.query) {
            Some(span) => error.with_span(span),
            None => error,
        }
    }
}
