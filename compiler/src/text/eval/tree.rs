//! Nodes of the syntax tree.

use super::Evaluator;
use super::args::{Args, Keyword};
use super::names::{self, DATETIME, Python, Role, TIMEZONE};
use super::node::At;
use super::queryset::Related;
use super::value::{Done, Instance, Py, Zone, refuse, type_error};
use crate::diagnostic::closest;
use crate::error::{Code, Result, Span};
use crate::queryset::{Call, Do, FrameExclusion, Value};
use crate::schema::{Field, FieldKind, Model, NameTarget};
use crate::text::syntax::{
    Arg, ArgKind, CompareOp, Kind, Node, Subscript, Trailer, TrailerKind, UnaryOp, python,
};

/// Modules that hold no models of the project.
const LIBRARIES: &[&str] = &[
    "aggregates",
    "bson",
    "datetime",
    "decimal",
    "expressions",
    "functions",
    "functools",
    "lookups",
    "operator",
    "re",
    "uuid",
    "zoneinfo",
];

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

    /// `value.name` without a call.
    fn attribute(&mut self, value: Py, name: &str) -> Result<Py> {
        match value {
            Py::Module(module) => self.module_attribute(&module, name),
            Py::Class(model) => self.class_attribute(model, name),
            Py::Descriptor(through) if name == "through" => Ok(Py::Class(through)),
            Py::Instance(instance) => self.instance_attribute(*instance, name),
            Py::Builtin(builtin) if builtin.name == "WindowFrameExclusion" => {
                let exclusion = match name {
                    "CURRENT_ROW" => FrameExclusion::CurrentRow,
                    "GROUP" => FrameExclusion::Group,
                    "TIES" => FrameExclusion::Ties,
                    "NO_OTHERS" => FrameExclusion::NoOthers,
                    _ => return Err(no_attribute("WindowFrameExclusion", name)),
                };
                Ok(Py::Exclusion(exclusion))
            }
            Py::Builtin(builtin) if builtin.name == "Q" => match name {
                "AND" | "OR" | "XOR" => Ok(Py::str(name)),
                _ => Err(no_attribute("Q", name)),
            },
            Py::Done(done) => self.result_attribute(*done, name),
            Py::Rows(rows) => match name {
                "query" => Ok(Py::Rows(rows)),
                "model" => Ok(Py::Class(rows.model)),
                "through" if matches!(&rows.related, Some(r) if r.through().is_some()) => {
                    let through = rows.related.as_ref().and_then(Related::through);
                    Ok(through.map_or_else(Py::null, Py::Class))
                }
                "_db" | "db" => Ok(Py::null()),
                "ordered" => Ok(Py::bool(self.is_ordered(&rows))),
                _ => Err(
                    no_attribute(if rows.manager { "Manager" } else { "QuerySet" }, name)
                        .with_hint("methods are called with parentheses"),
                ),
            },
            Py::Enum(members) => match members.get(name) {
                Some(value) => Ok(super::from_literal(value.clone())),
                None => match name {
                    "values" => Ok(Py::List(
                        members.into_values().map(super::from_literal).collect(),
                    )),
                    "names" => Ok(Py::List(members.into_keys().map(Py::str).collect())),
                    _ => {
                        Err(no_attribute("the enumeration", name).with_choices(members.into_keys()))
                    }
                },
            },
            // Members of enumerations are their values here.
            value @ Py::Value(_) if name == "value" => Ok(value),
            Py::Value(value) => self.value_attribute(&value, name),
            Py::Unknown(of) => Err(refuse(Code::Python, format!("'{of}' is not known here"))),
            other => Err(no_attribute(&other.describe(), name)),
        }
    }

    fn module_attribute(&self, module: &str, name: &str) -> Result<Py> {
        if module == "settings" {
            return match name {
                "AUTH_USER_MODEL" => Ok(Py::str("auth.User")),
                "TIME_ZONE" => Ok(Py::str(self.zone_name())),
                _ => Err(no_attribute("settings", name)),
            };
        }
        if module == "timezone" && (name == "utc" || name == "UTC") {
            return Ok(Py::Zone(Zone::Named("UTC".to_owned())));
        }
        // Python's own modules hold no models, whatever those are named.
        if LIBRARIES.contains(&module)
            && let Some(known) = names::find(name)
        {
            return Ok(Py::Builtin(known));
        }
        if let Some(value) = self.global(name)? {
            return Ok(value);
        }
        if names::is_module(module) && name.starts_with(char::is_lowercase) {
            return Ok(Py::Module(name.to_owned()));
        }
        let error = no_attribute(&format!("module '{module}'"), name);
        Err(match closest(name, names::all()) {
            Some(choice) => error.with_hint(format!("did you mean '{choice}'?")),
            None => error,
        })
    }

    /// `value(args)`.
    pub(super) fn call(&mut self, value: Py, args: Args) -> Result<Py> {
        match value {
            Py::Builtin(builtin) => self.builtin(builtin, args),
            Py::Module(name) if name == "datetime" => self.builtin(&DATETIME, args),
            Py::Module(name) if name == "timezone" => self.builtin(&TIMEZONE, args),
            Py::Class(model) => self.instantiate(model, args),
            Py::OwnClass(class) => self.own_instance(class, args),
            Py::Lambda(lambda) => self.call_lambda(&lambda, args),
            Py::Registered(name) => self.registered(name, args),
            Py::Unknown(name) => Err(refuse(Code::Python, format!("'{name}' is not known here"))
                .with_hint("functions of the project are code, which is not run here")),
            other => Err(type_error(format!("{} is not callable", other.describe()))),
        }
    }

    /// `value.name(args)`.
    fn method(&mut self, value: Py, name: &str, args: Args) -> Result<Py> {
        match value {
            Py::Rows(rows) => self.rows_method(*rows, name, args),
            Py::Parent => self.this_manager(name, args),
            Py::Module(module) if module == "datetime" && names::is_datetime_method(name) => {
                self.datetime_method(name, args)
            }
            Py::Builtin(builtin)
                if matches!(
                    builtin.role,
                    Role::Python(Python::Date | Python::Time | Python::Dict)
                ) =>
            {
                self.class_method(builtin, name, args)
            }
            Py::Expr(expr) => self.expr_method(*expr, name, args),
            Py::Q(_) if name == "copy" => Ok(value),
            Py::Value(inner) => self.value_method(&inner, name, args),
            Py::List(_) | Py::Tuple(_) | Py::Set(_) | Py::Dict(_) => {
                self.container_method(&value, name, args)
            }
            Py::Instance(instance) => self.instance_method(*instance, name, args),
            Py::Done(done) => match done.instance {
                Some(instance) => self.instance_method(instance, name, args),
                None => Err(result_method(&done, name)),
            },
            other => {
                if name == "register_lookup" {
                    return Err(python(
                        "lookups are not registered in a text",
                        args.positional
                            .first()
                            .map_or(Span { start: 0, end: 0 }, |(_, s)| *s),
                    )
                    .with_hint(
                        "register them in models.py, or name them in the schema: settings.lookups",
                    ));
                }
                let attribute = self.attribute(other, name)?;
                self.call(attribute, args)
            }
        }
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

/// `AttributeError`.
pub(super) fn no_attribute(of: &str, name: &str) -> crate::error::Error {
    refuse(
        Code::AttributeError,
        format!("{of} has no attribute '{name}'"),
    )
}

/// What `*` unpacks are literals; rows are known when the query has run.
fn unpacked(value: &Py, what: &str) -> crate::error::Error {
    match value {
        Py::Rows(_) | Py::Done(_) => runtime("*"),
        other => type_error(format!("{} cannot be {what}", other.describe())),
    }
}

/// A method of what a terminal gives: refused as Python does if its type has none of the name.
fn result_method(done: &Done, name: &str) -> crate::error::Error {
    let (of, known): (&str, &[&str]) = match &done.statement.action {
        Do::Count { .. } | Do::Update(_) => {
            ("int", &["bit_length", "bit_count", "to_bytes", "conjugate"])
        }
        Do::Exists => (
            "bool",
            &["bit_length", "bit_count", "to_bytes", "conjugate"],
        ),
        Do::Aggregate(_) => (
            "dict",
            &[
                "clear",
                "copy",
                "get",
                "items",
                "keys",
                "pop",
                "popitem",
                "setdefault",
                "update",
                "values",
            ],
        ),
        Do::Delete => ("tuple", &["count", "index"]),
        _ => return runtime(name),
    };
    if known.contains(&name) || name.starts_with("__") {
        return runtime(name);
    }
    no_attribute(&format!("'{of}' object"), name)
}

/// A value that only the database knows.
pub(super) fn runtime(name: &str) -> crate::error::Error {
    refuse(
        Code::Python,
        format!("'{name}' is asked of a result, which is only known when the query has run"),
    )
    .with_hint("give the value as a parameter")
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

impl Evaluator<'_> {
    /// The primary key of a model; embedded ones may have none.
    pub(super) fn key_of(&self, model: &Model) -> Option<&Field> {
        let key = self.schema?.field(model.pk).ok()?;
        let is_key = key.primary_key
            || key.ty.kind == FieldKind::CompositePrimaryKey
            || model.parents.iter().any(|(_, link)| *link == key.id);
        is_key.then_some(key)
    }

    /// An attribute of a result: the query runs, and Python looks at a row of it.
    fn result_attribute(&mut self, done: Done, name: &str) -> Result<Py> {
        let failed = match &done.instance {
            Some(instance) => match self.instance_attribute(instance.clone(), name) {
                Ok(found) => return Ok(found),
                Err(error) => error,
            },
            None => runtime(name),
        };
        let schema = self.schema()?;
        let model = schema.find(&done.statement.model)?;
        let stored = match model.names.get(name) {
            Some(NameTarget::Field(field)) => !schema.field(*field)?.is_relation(),
            _ => name == "pk",
        };
        let annotated = done.statement.calls.iter().any(|call| match call {
            Call::Annotate(exprs) => exprs.contains_key(name),
            Call::ValuesList { named: true, .. } => true,
            _ => false,
        });
        if !stored && !annotated {
            return Err(failed);
        }
        Ok(Py::Done(Box::new(Done {
            statement: done.statement,
            instance: None,
        })))
    }

    /// An instance of a stored model with a known key.
    pub(super) fn stored(instance: &Instance) -> Result<Value> {
        instance.pk.clone().ok_or_else(|| {
            refuse(
                Code::ValueError,
                "an instance needs a primary key value before this",
            )
        })
    }
}
