//! Functions, aggregates, lookups and fields: arguments meet the parameters of the tables.

use indexmap::IndexMap;

use super::Evaluator;
use super::args::{Args, required};
use super::expression::func;
use super::names::{Builtin, P, Role};
use super::node::At;
use super::value::{Py, attribute_error, refuse, string, type_error, value_error};
use crate::error::{Code, Error, Result};
use crate::functions::search::{STAGE, is_text_search};
use crate::queryset::{Aggregate, Expr, Func, Value};
use crate::schema::{FieldKind, FieldType};

/// Literal parameters with a least value: function, parameter, least value, Django's message.
const LEAST: &[(&str, &str, i128, &str)] = &[
    ("Left", "length", 1, "'length' must be greater than 0"),
    ("Right", "length", 1, "'length' must be greater than 0"),
    ("Substr", "pos", 1, "'pos' must be greater than 0"),
    (
        "Repeat",
        "number",
        0,
        "'number' must be greater or equal to 0",
    ),
    (
        "LPad",
        "length",
        0,
        "'length' must be greater or equal to 0",
    ),
    (
        "RPad",
        "length",
        0,
        "'length' must be greater or equal to 0",
    ),
    (
        "Lag",
        "offset",
        1,
        "Lag requires a positive integer for the offset.",
    ),
    (
        "Lead",
        "offset",
        1,
        "Lead requires a positive integer for the offset.",
    ),
    (
        "NthValue",
        "nth",
        1,
        "NthValue requires a positive integer as for nth.",
    ),
    (
        "Ntile",
        "num_buckets",
        1,
        "num_buckets must be greater than 0.",
    ),
];

/// Aggregates that take `distinct` (Django: `allow_distinct`).
const DISTINCT: &[&str] = &[
    "Count",
    "Sum",
    "Avg",
    "ArrayAgg",
    "JSONBAgg",
    "JSONArrayAgg",
    "StringAgg",
];

/// Custom SQL in the constructor of a function.
const SQL: &[&str] = &["function", "template", "arg_joiner", "arity"];

impl Evaluator<'_> {
    /// Calls a known name.
    pub(super) fn builtin(&mut self, builtin: &'static Builtin, args: Args) -> Result<Py> {
        match &builtin.role {
            Role::Func(_) if builtin.name == "SearchVector" && is_vector_search(&args) => self
                .search(
                    builtin.name,
                    &["path", "query_vector"],
                    &["limit", "num_candidates", "exact", "filter", "index"],
                    args,
                ),
            Role::Func(params) => self.function(builtin.name, params, args),
            Role::Aggregate(params) => self.aggregate(builtin.name, params, args),
            Role::Search(params, options) => self.search(builtin.name, params, options, args),
            Role::Lookup(lookup) => self.lookup(builtin.name, lookup, args),
            Role::Field(kind) => self.field(*kind, args),
            Role::Special(special) => self.special(builtin.name, *special, args),
            Role::Python(python) => self.python(builtin.name, *python, args),
        }
    }

    fn function(&mut self, name: &str, params: &[P], mut args: Args) -> Result<Py> {
        refuse_sql(name, &args)?;
        let mut output = args.take("output_field");
        let mut positional = std::mem::take(&mut args.positional).into_iter();
        let mut expressions = Vec::new();
        let mut options = IndexMap::new();
        for param in params {
            let mut next = |name: &str| -> Option<Py> {
                positional
                    .next()
                    .map(|(v, _)| v)
                    .or_else(|| args.take(name))
            };
            match param {
                P::Expr(param) => {
                    let value = required(next(param), name, param)?;
                    least(name, param, &value)?;
                    expressions.push(self.expr_arg(value)?);
                }
                P::Val(param) => {
                    let value = required(next(param), name, param)?;
                    expressions.push(self.value_expr(value)?);
                }
                P::Maybe(param) => {
                    if let Some(value) = next(param).filter(|v| !v.is_none()) {
                        expressions.push(self.expr_arg(value)?);
                    }
                }
                P::WithInt(param, default) => {
                    let value = next(param).unwrap_or_else(|| Py::int(*default));
                    least(name, param, &value)?;
                    expressions.push(self.expr_arg(value)?);
                }
                P::WithText(param, default) => expressions.push(match next(param) {
                    Some(value) => self.expr_arg(value)?,
                    None => Expr::Value(Value::from(*default)),
                }),
                P::Rest(least) => {
                    for (value, span) in positional.by_ref() {
                        expressions.push(self.expr_arg(value).at(span)?);
                    }
                    if expressions.len() < *least {
                        let count = if *least == 2 {
                            "two expressions"
                        } else {
                            "an expression"
                        };
                        return Err(value_error(format!("{name} must take at least {count}")));
                    }
                }
                P::Opt(param) => match next(param).filter(|v| !v.is_none()) {
                    None => {}
                    Some(value @ Py::Expr(_)) => expressions.push(self.value_expr(value)?),
                    Some(value) => {
                        options.insert((*param).to_owned(), self.function_option(param, &value)?);
                    }
                },
                P::Output => output = output.or_else(|| next("output_field")),
            }
        }
        if let Some((_, span)) = positional.next() {
            let most = params.len();
            return Err(type_error(format!(
                "'{name}' takes exactly {most} argument{}",
                if most == 1 { "" } else { "s" }
            ))
            .with_span(span));
        }
        args.finish(name)?;
        if name == "Extract" && !options.contains_key("lookup_name") {
            return Err(value_error("lookup_name must be provided"));
        }
        if name == "Trunc" && !options.contains_key("kind") {
            return Err(type_error("Trunc() missing 1 required argument: 'kind'"));
        }
        if name.len() > 7 && name.starts_with("Extract") {
            // The class knows its part.
            options.shift_remove("lookup_name");
        }
        let output = self.output(output)?;
        if name == "Cast" && output.is_none() {
            return Err(type_error(
                "Cast() missing 1 required argument: 'output_field'",
            ));
        }
        Ok(func(name, expressions, options, output))
    }

    fn function_option(&self, param: &str, value: &Py) -> Result<Value> {
        if param == "tzinfo" {
            return match value {
                Py::Zone(zone) => Ok(Value::Str(zone.text())),
                other => Err(attribute_error(format!(
                    "tzinfo must be a time zone, not {}",
                    other.describe()
                ))
                .with_hint("write zoneinfo.ZoneInfo(\"Europe/Paris\")")),
            };
        }
        self.option(value)
    }

    fn aggregate(&mut self, name: &str, params: &[P], mut args: Args) -> Result<Py> {
        refuse_sql(name, &args)?;
        let distinct = args
            .take("distinct")
            .is_some_and(|v| v.truth().unwrap_or(true));
        let mut filter = args.take_some("filter");
        let default = args.take_some("default");
        let ordering = args.take_some("ordering");
        let order_by = args.take_some("order_by").or(ordering);
        let output = args.take("output_field");
        if distinct && !DISTINCT.contains(&name) {
            return Err(type_error(format!("{name} does not allow distinct.")));
        }
        if default.is_some() && matches!(name, "Count" | "RegrCount") {
            return Err(type_error(format!("{name} does not allow default.")));
        }
        let mut positional = std::mem::take(&mut args.positional).into_iter();
        let mut expressions = Vec::new();
        let mut options = IndexMap::new();
        for param in params {
            let mut next = |name: &str| -> Option<Py> {
                positional
                    .next()
                    .map(|(v, _)| v)
                    .or_else(|| args.take(name))
            };
            match param {
                P::Expr("delimiter") => {
                    let value = required(next("delimiter"), name, "delimiter")?;
                    expressions.push(self.value_expr(value)?);
                }
                P::Expr(param) => {
                    let value = required(next(param), name, param)?;
                    if name == "Count" && value.as_str() == Some("*") {
                        if filter.is_some() {
                            return Err(value_error(
                                "Star cannot be used with filter. Please specify a field.",
                            ));
                        }
                        expressions.push(Expr::Star);
                    } else {
                        expressions.push(self.expr_arg(value)?);
                    }
                }
                P::Opt(param) => {
                    if let Some(value) = next(param).filter(|v| v.truth() == Some(true)) {
                        options.insert((*param).to_owned(), self.literal(&value)?);
                    }
                }
                _ => {
                    return Err(Error::internal(
                        "an aggregate's parameter is of no known kind",
                    ));
                }
            }
        }
        if name == "Count" && filter.is_none() {
            filter = positional.next().map(|(v, _)| v).filter(|v| !v.is_none());
        }
        if let Some((_, span)) = positional.next() {
            return Err(type_error(format!(
                "'{name}' takes exactly {} argument(s)",
                params.len()
            ))
            .with_span(span));
        }
        args.finish(name)?;
        let filter = match filter {
            None => None,
            Some(Py::Value(Value::Str(text))) => {
                return Err(attribute_error(format!(
                    "the filter of an aggregate is a condition, not the string {text:?}"
                )));
            }
            Some(value) => Some(Box::new(self.q(value)?)),
        };
        let default = match default {
            None => None,
            Some(value) => Some(Box::new(self.value_expr(value)?)),
        };
        Ok(Py::expr(Expr::Aggregate(Aggregate {
            name: name.to_owned(),
            args: expressions,
            distinct,
            filter,
            default,
            order_by: match order_by {
                Some(value) => self.orders(value)?,
                None => Vec::new(),
            },
            options,
            output: self.output(output)?,
        })))
    }

    /// A search expression: its arguments may come by name.
    fn search(
        &mut self,
        name: &str,
        params: &[&str],
        further: &[&str],
        mut args: Args,
    ) -> Result<Py> {
        let mut positional = std::mem::take(&mut args.positional).into_iter();
        let mut expressions = Vec::new();
        let mut options = IndexMap::new();
        for param in params {
            let value = positional
                .next()
                .map(|(v, _)| v)
                .or_else(|| args.take(param));
            let value = required(value, name, param)?;
            let value = match value {
                value @ (Py::Expr(_) | Py::Q(_)) => self.value_expr(value)?,
                Py::Value(Value::Str(path)) if *param == "path" => Expr::F(path),
                Py::List(items) | Py::Tuple(items)
                    if *param == "path"
                        && items
                            .iter()
                            .all(|i| matches!(i, Py::Value(Value::Str(_)) | Py::Expr(_))) =>
                {
                    self.rhs_names(Py::List(items))?
                }
                other => Expr::Value(self.literal(&other)?),
            };
            expressions.push(value);
        }
        let stage = STAGE.iter().map(|p| p.option);
        let stage = stage.filter(|_| is_text_search(name));
        for param in further.iter().copied().chain(stage) {
            let value = positional
                .next()
                .map(|(v, _)| v)
                .or_else(|| args.take(param));
            let Some(value) = value.filter(|v| !v.is_none()) else {
                continue;
            };
            match value {
                // A condition, unlike a filter as the server takes it.
                value @ (Py::Q(_) | Py::Expr(_)) if param == "filter" => {
                    expressions.push(Expr::Q(Box::new(self.q(value)?)));
                }
                value => {
                    options.insert(param.to_owned(), self.option(&value)?);
                }
            }
        }
        args.positional = positional.collect();
        args.finish(name)?;
        Ok(Py::expr(Expr::Func(Func {
            name: name.to_owned(),
            args: expressions,
            options,
            output: None,
        })))
    }

    fn lookup(&mut self, name: &str, lookup: &str, args: Args) -> Result<Py> {
        let [lhs, rhs] = args.bind(name, ["lhs", "rhs"])?;
        let lhs = match required(lhs, name, "lhs")? {
            Py::Value(Value::Str(path)) => {
                return Err(
                    type_error(format!("the left side of {name}() is an expression"))
                        .with_hint(format!("write F(\"{path}\")")),
                );
            }
            tuple @ (Py::Tuple(_) | Py::List(_)) => match self.rhs_names(tuple)? {
                Expr::Value(_) => return Err(type_error("the left side holds expressions")),
                list => list,
            },
            other => self.value_expr(other)?,
        };
        let rhs = self.rhs(required(rhs, name, "rhs")?)?;
        Ok(Py::expr(Expr::Compare {
            lookup: lookup.to_owned(),
            lhs: Box::new(lhs),
            rhs: Box::new(rhs),
        }))
    }

    /// A tuple of expressions, where strings name fields.
    fn rhs_names(&self, value: Py) -> Result<Expr> {
        let items = match value {
            Py::Tuple(items) | Py::List(items) => items,
            other => vec![other],
        };
        Ok(Expr::List(
            items
                .into_iter()
                .map(|item| self.expr_arg(item))
                .collect::<Result<_>>()?,
        ))
    }

    /// A field as a type: what does not concern the type is passed over.
    fn field(&mut self, kind: FieldKind, mut args: Args) -> Result<Py> {
        let mut field = FieldType::new(kind);
        let number = |value: Option<Py>, what: &str| -> Result<Option<u32>> {
            match value {
                None => Ok(None),
                Some(value) if value.is_none() => Ok(None),
                Some(value) => u32::try_from(super::value::integer(&value, what)?)
                    .map(Some)
                    .map_err(|_| value_error(format!("{what} must not be negative"))),
            }
        };
        let first = args.positional.first().map(|(v, _)| v.clone());
        field.null = args.take("null").is_some_and(|v| v.truth() == Some(true));
        field.max_length = number(args.take("max_length"), "max_length")?;
        field.max_digits = number(args.take("max_digits"), "max_digits")?;
        field.decimal_places = number(args.take("decimal_places"), "decimal_places")?;
        field.size = number(args.take("size"), "size")?;
        field.max_size = number(args.take("max_size"), "max_size")?;
        let label = |value: Py| -> Result<String> {
            match value {
                Py::Class(model) => Ok(self.schema()?.model(model)?.label.clone()),
                other => string(&other, "the model"),
            }
        };
        match kind {
            FieldKind::ArrayField | FieldKind::ListField | FieldKind::SetField => {
                if let Some(size) = args.positional.get(1) {
                    field.size = number(Some(size.0.clone()), "size")?;
                }
                match args.take("base_field").or(first) {
                    Some(Py::Field(base)) => field.base = Some(std::sync::Arc::new(*base)),
                    _ => return Err(type_error("an array field takes the field of its elements")),
                }
            }
            FieldKind::EmbeddedModelField | FieldKind::EmbeddedModelArrayField => {
                match args.take("embedded_model").or(first) {
                    Some(model) => field.models = vec![label(model)?],
                    None => return Err(type_error("an embedded field takes its model")),
                }
            }
            FieldKind::PolymorphicEmbeddedModelField
            | FieldKind::PolymorphicEmbeddedModelArrayField => {
                let models = args.take("embedded_models").or(first);
                let Some(items) = models.as_ref().and_then(Py::items) else {
                    return Err(type_error("a polymorphic field takes a list of models"));
                };
                for item in items {
                    field.models.push(label(item.clone())?);
                }
            }
            FieldKind::ForeignKey | FieldKind::OneToOneField => {
                if let Some(to) = args.take("to").or(first) {
                    field.to = Some(label(to)?);
                }
                if let Some(to_field) = args.take_some("to_field") {
                    field.to_field = Some(string(&to_field, "to_field")?);
                }
            }
            _ => {}
        }
        Ok(Py::Field(Box::new(field)))
    }
}

/// The MongoDB backend's `SearchVector` takes a list of numbers, PostgreSQL's takes fields.
fn is_vector_search(args: &Args) -> bool {
    let named = ["path", "query_vector", "limit", "num_candidates"];
    args.positional.iter().any(|(v, _)| v.items().is_some())
        || args
            .keywords
            .iter()
            .any(|k| named.contains(&k.name.as_str()))
}

fn least(name: &str, param: &str, value: &Py) -> Result<()> {
    if let Py::Value(Value::Int(given)) = value
        && let Some((_, _, least, message)) =
            LEAST.iter().find(|(f, p, ..)| *f == name && *p == param)
        && given < least
    {
        return Err(value_error(*message));
    }
    if let Py::Value(Value::Str(_)) = value
        && LEAST.iter().any(|(f, p, ..)| *f == name && *p == param)
    {
        return Err(type_error(format!(
            "'{param}' of {name}() must be a number"
        )));
    }
    Ok(())
}

fn refuse_sql(name: &str, args: &Args) -> Result<()> {
    match args
        .keywords
        .iter()
        .find(|k| SQL.contains(&k.name.as_str()))
    {
        Some(keyword) => Err(Error::unsupported(
            format!("{name}() with its own '{}'", keyword.name),
            "SQL templates have no meaning for MongoDB",
        )
        .with_span(keyword.span)),
        None if name.is_empty() => Err(refuse(Code::Internal, "a function without a name")),
        None => Ok(()),
    }
}
