//! The expressions with a form of their own: `F`, `Q`, `Value`, subqueries and the like.

use indexmap::IndexMap;

use super::Evaluator;
use super::args::{Args, required};
use super::member::no_attribute;
use super::names::Special;
use super::strings::text_of;
use super::value::{Py, attribute_error, name_of, refuse, string, type_error, value_error};
use super::window::{exclusion, frame};
use crate::error::{Code, Error, Result};
use crate::queryset::{
    ArithmeticOp, Expr, Func, NullsOrder, Order, OuterRef, Prefetch, SubqueryExpr, Value,
};
use crate::schema::FieldType;

/// Methods of expressions that combine two of them.
const COMBINING: [(&str, ArithmeticOp); 5] = [
    ("bitand", ArithmeticOp::BitAnd),
    ("bitor", ArithmeticOp::BitOr),
    ("bitxor", ArithmeticOp::BitXor),
    ("bitleftshift", ArithmeticOp::ShiftLeft),
    ("bitrightshift", ArithmeticOp::ShiftRight),
];

impl Evaluator<'_> {
    pub(super) fn special(&mut self, name: &str, special: Special, args: Args) -> Result<Py> {
        match special {
            Special::F => {
                let [path] = args.bind(name, ["name"])?;
                Ok(Py::expr(Expr::F(name_of(
                    &required(path, name, "name")?,
                    "the name",
                )?)))
            }
            Special::Q => Ok(Py::Q(Box::new(self.conditions(args)?))),
            Special::Value => self.typed_value(name, args),
            Special::OuterRef => outer_ref(name, args),
            Special::Subquery | Special::ArraySubquery => {
                let [queryset, output] = args.bind(name, ["queryset", "output_field"])?;
                let queryset = self.queryset_arg(required(queryset, name, "queryset")?, name)?;
                let subquery = SubqueryExpr {
                    queryset: Box::new(queryset),
                    output: self.output(output)?,
                    explicit: false,
                };
                Ok(Py::expr(match special {
                    Special::Subquery => Expr::Subquery(subquery),
                    _ => Expr::ArraySubquery(subquery),
                }))
            }
            Special::Exists => {
                let [queryset, _output] = args.bind(name, ["queryset", "output_field"])?;
                let queryset = self.queryset_arg(required(queryset, name, "queryset")?, name)?;
                Ok(Py::expr(Expr::Exists(Box::new(queryset))))
            }
            Special::Case => self.case(args),
            Special::When => self.when(args),
            Special::ExpressionWrapper => self.wrapped(name, args),
            Special::FilteredRelation => self.filtered_relation(args),
            Special::OrderBy => {
                let [expr, desc, first, last] = args.bind(
                    name,
                    ["expression", "descending", "nulls_first", "nulls_last"],
                )?;
                let expr = self.expr_arg(required(expr, name, "expression")?)?;
                let desc = desc.is_some_and(|d| d.truth().unwrap_or(false));
                Ok(Py::Order(Box::new(Order {
                    expr,
                    desc,
                    nulls: nulls(first, last)?,
                })))
            }
            Special::Window => self.window(args),
            Special::RowRange | Special::ValueRange => frame(name, special, args),
            Special::WindowFrameExclusion => exclusion(name, args),
            Special::Prefetch => self.prefetch(args),
            Special::JsonObject => self.json_object(args),
            Special::Collate => self.collate(name, args),
            Special::KeyText => key_text(name, args),
            Special::KeyTransform | Special::KeyTextTransform => {
                let [key, expr] = args.bind(name, ["key_name", "expression"])?;
                let key = text_of(&required(key, name, "key_name")?)?;
                let expr = self.expr_arg(required(expr, name, "expression")?)?;
                Ok(Py::expr(transform(
                    key,
                    expr,
                    special == Special::KeyTextTransform,
                )))
            }
            Special::RawMql => self.raw_mql(name, args),
            Special::Sql => self.sql(name, args),
            Special::Compound => self.compound(args),
            Special::RankFusion => self.rank_fusion(args),
            Special::GetUserModel => {
                args.finish(name)?;
                let label = &self.extras.user_model;
                Ok(Py::Class(self.schema()?.find(label)?.id))
            }
            Special::GetModel => self.get_model(name, args),
            Special::GetObject => self.get_rows(name, "get", args),
            Special::GetList => self.get_rows(name, "filter", args),
            Special::PrefetchRelatedObjects => Err(refuse(
                Code::Python,
                "the objects are only known when their query has run",
            )
            .with_hint("use prefetch_related() on the queryset")),
            Special::Refused(because) => Err(Error::unsupported(format!("{name}()"), because)),
        }
    }

    fn typed_value(&self, name: &str, args: Args) -> Result<Py> {
        let [value, output] = args.bind(name, ["value", "output_field"])?;
        let value = self.literal(&required(value, name, "value")?)?;
        Ok(Py::expr(match self.output(output)? {
            Some(output) => Expr::Typed { value, output },
            None => Expr::Value(value),
        }))
    }

    /// `ExpressionWrapper`.
    fn wrapped(&mut self, name: &str, args: Args) -> Result<Py> {
        let [expr, output] = args.bind(name, ["expression", "output_field"])?;
        let expr = match required(expr, name, "expression")? {
            Py::Value(value) => {
                return Err(attribute_error(format!(
                    "{name}() takes an expression, not {}",
                    Py::Value(value).describe()
                ))
                .with_hint("write F(\"...\") or Value(...)"));
            }
            other => self.expr_arg(other)?,
        };
        let output = self.output(output)?.ok_or_else(|| {
            type_error(format!(
                "{name}() missing 1 required argument: 'output_field'"
            ))
        })?;
        Ok(Py::expr(Expr::Wrap {
            expr: Box::new(expr),
            output,
        }))
    }

    fn json_object(&mut self, args: Args) -> Result<Py> {
        if let Some((_, span)) = args.positional.first() {
            return Err(type_error("JSONObject() takes keyword arguments only").with_span(*span));
        }
        let mut parts = Vec::with_capacity(args.keywords.len() * 2);
        for keyword in args.keywords {
            parts.push(Expr::Value(Value::Str(keyword.name)));
            parts.push(
                self.expr_arg(keyword.value)
                    .map_err(|e| e.with_span(keyword.span))?,
            );
        }
        Ok(func("JSONObject", parts, IndexMap::new(), None))
    }

    fn collate(&mut self, name: &str, args: Args) -> Result<Py> {
        let [expr, collation] = args.bind(name, ["expression", "collation"])?;
        let expr = self.expr_arg(required(expr, name, "expression")?)?;
        let collation = string(&required(collation, name, "collation")?, "the collation")?;
        let fits = |c: char| c.is_alphanumeric() || c == '_' || c == '-';
        if collation.is_empty() || !collation.chars().all(fits) {
            return Err(value_error(format!(
                "Invalid collation name: '{collation}'."
            )));
        }
        let options = IndexMap::from([("collation".to_owned(), Value::Str(collation))]);
        Ok(func("Collate", vec![expr], options, None))
    }

    fn raw_mql(&self, name: &str, args: Args) -> Result<Py> {
        let [mql, output] = args.bind(name, ["mql", "output_field"])?;
        let mql = self.literal(&required(mql, name, "mql")?)?;
        let raw = Expr::Raw(super::write::bson(&mql)?);
        Ok(Py::expr(match self.output(output)? {
            Some(output) => Expr::Wrap {
                expr: Box::new(raw),
                output,
            },
            None => raw,
        }))
    }

    /// `output_field`.
    pub(super) fn output(&self, value: Option<Py>) -> Result<Option<Box<FieldType>>> {
        match value {
            None => Ok(None),
            Some(value) if value.is_none() => Ok(None),
            Some(Py::Field(field)) => Ok(Some(field)),
            Some(Py::Builtin(builtin)) => Err(type_error(format!(
                "output_field is an instance: {}()",
                builtin.name
            ))),
            Some(other) => Err(attribute_error(format!(
                "output_field must be a field, not {}",
                other.describe()
            ))),
        }
    }

    fn prefetch(&mut self, args: Args) -> Result<Py> {
        let name = "Prefetch";
        let [lookup, queryset, to_attr] = args.bind(name, ["lookup", "queryset", "to_attr"])?;
        let lookup = string(&required(lookup, name, "lookup")?, "the lookup")?;
        let queryset = match queryset.filter(|v| !v.is_none()) {
            None => None,
            Some(Py::Rows(rows)) => {
                if rows.facts.values {
                    return Err(value_error(
                        "Prefetch querysets cannot use raw(), values(), and values_list().",
                    ));
                }
                Some(rows.queryset())
            }
            Some(other) => Some(self.queryset_arg(other, name)?),
        };
        let to_attr = to_attr
            .filter(|v| !v.is_none())
            .map(|value| string(&value, "to_attr"))
            .transpose()?;
        Ok(Py::Prefetch(Box::new(Prefetch {
            lookup,
            queryset,
            to_attr,
        })))
    }

    /// A method of an expression.
    pub(super) fn expr_method(&mut self, expr: Expr, name: &str, args: Args) -> Result<Py> {
        if let Some((_, op)) = COMBINING.iter().find(|(n, _)| *n == name) {
            let [other] = args.bind(name, ["other"])?;
            let other = required(other, name, "other")?;
            self.operators += 1;
            return self.combined(*op, Py::expr(expr), other);
        }
        match name {
            "asc" | "desc" => {
                let [first, last] = args.bind(name, ["nulls_first", "nulls_last"])?;
                Ok(Py::Order(Box::new(Order {
                    expr,
                    desc: name == "desc",
                    nulls: nulls(first, last)?,
                })))
            }
            "copy" => Ok(Py::expr(expr)),
            _ => Err(no_attribute("the expression", name)
                .with_choices(["asc", "desc"].into_iter().chain(COMBINING.map(|(n, _)| n)))),
        }
    }
}

/// A function call.
pub(super) fn func(
    name: &str,
    args: Vec<Expr>,
    options: IndexMap<String, Value>,
    output: Option<Box<FieldType>>,
) -> Py {
    Py::expr(Expr::Func(Func {
        name: name.to_owned(),
        args,
        options,
        output,
    }))
}

fn outer_ref(name: &str, args: Args) -> Result<Py> {
    let [path] = args.bind(name, ["name"])?;
    let malformed = || type_error("OuterRef() takes a name or another OuterRef()");
    let (path, levels) = match required(path, name, "name")? {
        Py::Value(Value::Str(path)) => (path, 1),
        Py::Expr(expr) => match *expr {
            Expr::F(path) => (path, 1),
            Expr::OuterRef(OuterRef { path, levels }) => (path, levels.saturating_add(1)),
            _ => return Err(malformed()),
        },
        _ => return Err(malformed()),
    };
    Ok(Py::expr(Expr::OuterRef(OuterRef { path, levels })))
}

/// `KT("field__key__key")`.
fn key_text(name: &str, args: Args) -> Result<Py> {
    let [path] = args.bind(name, ["lookup"])?;
    let path = string(&required(path, name, "lookup")?, "the path")?;
    let (field, keys) = path
        .split_once("__")
        .ok_or_else(|| value_error("Lookup must contain key or index transforms."))?;
    let field = Expr::F(field.to_owned());
    let keys = keys.split("__").take(super::MAX_VALUE_DEPTH);
    Ok(Py::expr(keys.fold(field, |of, key| {
        transform(key.to_owned(), of, true)
    })))
}

fn transform(name: String, expr: Expr, text: bool) -> Expr {
    Expr::Transform {
        name,
        expr: Box::new(expr),
        text,
    }
}

fn nulls(first: Option<Py>, last: Option<Py>) -> Result<Option<NullsOrder>> {
    let flag = |value: Option<Py>| match value {
        None => Ok(false),
        Some(Py::Value(Value::Null)) => Ok(false),
        Some(Py::Value(Value::Bool(true))) => Ok(true),
        Some(_) => Err(value_error(
            "nulls_first and nulls_last values must be True or None.",
        )),
    };
    match (flag(first)?, flag(last)?) {
        (true, true) => Err(value_error(
            "nulls_first and nulls_last are mutually exclusive",
        )),
        (true, false) => Ok(Some(NullsOrder::First)),
        (false, true) => Ok(Some(NullsOrder::Last)),
        (false, false) => Ok(None),
    }
}
