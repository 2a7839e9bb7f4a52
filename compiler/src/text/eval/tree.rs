//! Nodes of the syntax tree.

use super::Evaluator;
use super::args::{Args, Keyword};
use super::member::runtime;
use super::node::At;
use super::value::{Py, refuse, type_error};
use crate::error::{Code, Result, Span};
use crate::queryset::{Do, Value};
use crate::text::syntax::{
    Arg, ArgKind, CompareOp, Kind, Node, Subscript, Trailer, TrailerKind, UnaryOp, python,
};

impl Evaluator<'_> {
    pub(super) fn eval(&mut self, node: &Node) -> Result<Py> {
        self.spend(1).at(node.span)?;
        // The parser bounds the depth of a text; methods and lambdas go on inside each other.
        if self.depth >= super::MAX_EVAL_DEPTH {
            return Err(
                refuse(Code::Limit, "the text calls too deeply into itself").with_span(node.span)
            );
        }
        self.depth += 1;
        let result = self.eval_node(node);
        self.depth -= 1;
        result
    }

    fn eval_node(&mut self, node: &Node) -> Result<Py> {
        match &node.kind {
            Kind::Name(name) => self.name(name, node.span),
            Kind::None => Ok(Py::null()),
            Kind::Bool(value) => Ok(Py::bool(*value)),
            Kind::Int(value) => Ok(Py::int(*value)),
            Kind::Float(value) => Ok(Py::Value(Value::Float(*value))),
            Kind::Str(text) => Ok(Py::str(text.clone())),
            Kind::Bytes(bytes) => Ok(Py::Value(Value::Binary {
                bytes: bytes.clone(),
                subtype: 0,
            })),
            Kind::Comprehension(comprehension) => self.comprehension(comprehension, node.span),
            Kind::Lambda(lambda) => Ok(Py::Lambda(lambda.clone())),
            Kind::Formatted(pieces) => self.formatted(pieces),
            Kind::Code => Err(python("this is code, which is not run here", node.span)),
            Kind::Ellipsis => Err(python("'...' stands for something left out", node.span)),
            Kind::List(items) => Ok(Py::List(self.elements(items)?)),
            Kind::Tuple(items) => Ok(Py::Tuple(self.elements(items)?)),
            Kind::Set(items) => {
                let mut set: Vec<Py> = Vec::new();
                for item in self.elements(items)? {
                    if set.len() > 4096 || !set.contains(&item) {
                        set.push(item);
                    }
                }
                Ok(Py::Set(set))
            }
            Kind::Dict(entries) => self.dict(entries),
            Kind::Postfix { base, trailers } => self.postfix(base, trailers),
            Kind::Unary { op, operand } => self.unary_node(*op, operand, node.span),
            Kind::Chain { first, rest } => {
                let left = self.eval(first)?;
                self.chain(left, rest)
            }
            Kind::Power { base, exponent } => {
                let left = self.eval(base)?;
                let right = self.eval(exponent)?;
                self.binary(crate::text::syntax::BinaryOp::Pow, left, right)
                    .at(node.span)
            }
            Kind::Compare { first, rest } => self.compare(first, rest, node.span),
            Kind::Logic { and, operands } => self.logic(*and, operands, node.span),
            Kind::Conditional {
                condition,
                then,
                otherwise,
            } => {
                let value = self.eval(condition)?;
                let Some(truth) = value.truth() else {
                    return Err(undecided(&value, condition.span));
                };
                self.eval(if truth { then } else { otherwise })
            }
        }
    }

    fn elements(&mut self, items: &[Arg]) -> Result<Vec<Py>> {
        let mut values = Vec::with_capacity(items.len());
        for item in items {
            let value = self.eval(&item.value)?;
            match item.kind {
                ArgKind::Star => match value.items() {
                    Some(more) => values.extend_from_slice(more),
                    None => {
                        return Err(unpacked(&value, "unpacked").with_span(item.value.span));
                    }
                },
                _ => values.push(value),
            }
        }
        Ok(values)
    }

    fn dict(&mut self, entries: &[(Option<Node>, Node)]) -> Result<Py> {
        let mut dict: Vec<(Py, Py)> = Vec::with_capacity(entries.len());
        let mut put = |key: Py, value: Py| {
            // A repeated key keeps its place and takes the later value.
            match dict.iter_mut().find(|(k, _)| *k == key) {
                Some(entry) => entry.1 = value,
                None => dict.push((key, value)),
            }
        };
        if entries.len() > 10_000 {
            return Err(refuse(
                Code::Limit,
                "the dict holds more than 10000 entries",
            ));
        }
        for (key, value) in entries {
            let evaluated = self.eval(value)?;
            match key {
                Some(key) => put(self.eval(key)?, evaluated),
                None => match evaluated {
                    Py::Dict(more) => more.into_iter().for_each(|(k, v)| put(k, v)),
                    other => {
                        return Err(type_error(format!("{} is not a mapping", other.describe()))
                            .with_span(value.span));
                    }
                },
            }
        }
        Ok(Py::Dict(dict))
    }

    fn unary_node(&mut self, op: UnaryOp, operand: &Node, span: Span) -> Result<Py> {
        let value = self.eval(operand)?;
        if op == UnaryOp::Not {
            return match value.truth() {
                Some(truth) => Ok(Py::bool(!truth)),
                None => Err(undecided(&value, operand.span)
                    .with_hint("'~' negates Q objects and boolean expressions")),
            };
        }
        self.unary(op, value).at(span)
    }

    fn logic(&mut self, and: bool, operands: &[Node], span: Span) -> Result<Py> {
        let mut value = Py::null();
        for (i, operand) in operands.iter().enumerate() {
            value = self.eval(operand)?;
            if i + 1 == operands.len() {
                break;
            }
            let Some(truth) = value.truth().filter(|_| !matches!(value, Py::Q(_))) else {
                let (word, sign) = if and { ("and", "&") } else { ("or", "|") };
                return Err(python(
                    format!("'{word}' decides in Python, not in the query"),
                    span,
                )
                .with_hint(format!("write {sign} between Q objects or querysets")));
            };
            if truth != and {
                break;
            }
        }
        Ok(value)
    }

    fn compare(&mut self, first: &Node, rest: &[(CompareOp, Node)], span: Span) -> Result<Py> {
        let mut left = self.eval(first)?;
        for (op, right) in rest {
            let right = self.eval(right)?;
            if let (CompareOp::In | CompareOp::NotIn, Py::Rows(rows), [_]) = (op, &right, rest) {
                // Python reads the rows and looks for the value among them.
                return Ok(self.done(rows, Do::Rows));
            }
            let Some(truth) = super::scalar::compare(*op, &left, &right) else {
                return Err(python(
                    "comparison operators decide in Python, not in the query",
                    span,
                )
                .with_hint(
                    "conditions are keyword arguments with lookups: filter(pages__gt=100)",
                ));
            };
            if !truth {
                return Ok(Py::bool(false));
            }
            left = right;
        }
        Ok(Py::bool(true))
    }

    /// A base with attributes, calls and indexes.
    fn postfix(&mut self, base: &Node, trailers: &[Trailer]) -> Result<Py> {
        let (mut value, mut at) = self.dotted_param(base, trailers)?;
        while let Some(trailer) = trailers.get(at) {
            at += 1;
            self.spend(1).at(trailer.span)?;
            value = match &trailer.kind {
                TrailerKind::Attribute(name) => {
                    if let Some(Trailer {
                        kind: TrailerKind::Call(args),
                        ..
                    }) = trailers.get(at)
                    {
                        at += 1;
                        let args = self.args(args)?;
                        self.method(value, name, args).at(trailer.span)?
                    } else {
                        self.attribute(value, name).at(trailer.span)?
                    }
                }
                TrailerKind::Call(args) => {
                    let args = self.args(args)?;
                    let span = if at == 1 { base.span } else { trailer.span };
                    self.call(value, args).at(span)?
                }
                TrailerKind::Index(subscript) => {
                    self.subscript(value, subscript).at(trailer.span)?
                }
            };
        }
        Ok(value)
    }

    /// A parameter may be named with dots (`request.user`): the longest name counts.
    fn dotted_param(&mut self, base: &Node, trailers: &[Trailer]) -> Result<(Py, usize)> {
        if let Kind::Name(name) = &base.kind
            && !self.params.names.is_empty()
            && !self
                .variables
                .last()
                .is_some_and(|scope| scope.contains_key(name))
        {
            let mut path = name.clone();
            let mut found = None;
            for (i, trailer) in trailers.iter().enumerate() {
                let TrailerKind::Attribute(attribute) = &trailer.kind else {
                    break;
                };
                path.push('.');
                path.push_str(attribute);
                if let Some(param) = self.params.names.get(&path) {
                    found = Some((param, i + 1));
                }
            }
            if let Some((param, used)) = found {
                return Ok((self.param(param).at(base.span)?, used));
            }
        }
        Ok((self.eval(base)?, 0))
    }

    /// Evaluates arguments.
    pub(super) fn args(&mut self, nodes: &[Arg]) -> Result<Args> {
        let mut args = Args::default();
        for node in nodes {
            let span = node.value.span;
            let value = self.eval(&node.value)?;
            match &node.kind {
                ArgKind::Positional => args.positional.push((value, span)),
                ArgKind::Keyword(name, span) => args.keywords.push(Keyword {
                    name: name.clone(),
                    value,
                    span: *span,
                }),
                ArgKind::Star => match value.items() {
                    Some(items) => args
                        .positional
                        .extend(items.iter().map(|item| (item.clone(), span))),
                    None => {
                        return Err(unpacked(&value, "an argument after *").with_span(span));
                    }
                },
                ArgKind::DoubleStar => {
                    let Py::Dict(entries) = value else {
                        return Err(type_error(format!(
                            "argument after ** must be a mapping, not {}",
                            value.describe()
                        ))
                        .with_span(span));
                    };
                    for (key, value) in entries {
                        let Some(name) = key.as_str() else {
                            return Err(type_error("keywords must be strings").with_span(span));
                        };
                        if args.keywords.iter().any(|k| k.name == name) {
                            return Err(type_error(format!(
                                "got multiple values for keyword argument '{name}'"
                            ))
                            .with_span(span));
                        }
                        args.keywords.push(Keyword {
                            name: name.to_owned(),
                            value,
                            span,
                        });
                    }
                }
            }
        }
        Ok(args)
    }

    fn subscript(&mut self, value: Py, subscript: &Subscript) -> Result<Py> {
        match subscript {
            Subscript::Item(node) => {
                let index = self.eval(node)?;
                self.item(value, index)
            }
            Subscript::Slice { start, stop, step } => {
                let mut part = |node: &Option<Box<Node>>| match node {
                    Some(node) => self.eval(node).map(|v| (!v.is_none()).then_some(v)),
                    None => Ok(None),
                };
                let (start, stop, step) = (part(start)?, part(stop)?, part(step)?);
                self.slice(value, start, stop, step)
            }
        }
    }
}

/// What `*` unpacks are literals; rows are known when the query has run.
fn unpacked(value: &Py, what: &str) -> crate::error::Error {
    match value {
        Py::Rows(_) | Py::Done(_) => runtime("*"),
        other => type_error(format!("{} cannot be {what}", other.describe())),
    }
}

fn undecided(value: &Py, span: Span) -> crate::error::Error {
    python(
        format!(
            "whether {} is true is only known when the query has run",
            value.describe()
        ),
        span,
    )
}
