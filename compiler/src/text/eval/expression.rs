//! The expressions with a form of their own: `F`, `Q`, `Value`, `Case`, subqueries, windows.

use indexmap::IndexMap;

use super::Evaluator;
use super::args::{Args, required};
use super::names::Special;
use super::node::{QChild, QNode};
use super::queryset::Rows;
use super::value::{
    Py, attribute_error, integer, name_of, refuse, string, type_error, value_error,
};
use crate::error::{Code, Error, Result};
use crate::queryset::{
    ArithmeticOp, Case, Expr, Frame, FrameExclusion, FrameUnit, Func, NullsOrder, Order, OuterRef,
    Prefetch, Q, SubqueryExpr, Value, When, Window,
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

/// Functions that make sense over a window; so do all aggregates.
const WINDOW_FUNCTIONS: &[&str] = &[
    "CumeDist",
    "DenseRank",
    "FirstValue",
    "Lag",
    "LastValue",
    "Lead",
    "NthValue",
    "Ntile",
    "PercentRank",
    "Rank",
    "RowNumber",
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
            Special::Value => {
                let [value, output] = args.bind(name, ["value", "output_field"])?;
                let value = self.literal(&required(value, name, "value")?)?;
                Ok(Py::expr(match self.output(output)? {
                    Some(output) => Expr::Typed { value, output },
                    None => Expr::Value(value),
                }))
            }
            Special::OuterRef => {
                let [path] = args.bind(name, ["name"])?;
                match required(path, name, "name")? {
                    Py::Value(Value::Str(path)) => {
                        Ok(Py::expr(Expr::OuterRef(OuterRef { path, levels: 1 })))
                    }
                    Py::Expr(expr) => match *expr {
                        Expr::F(path) => Ok(Py::expr(Expr::OuterRef(OuterRef { path, levels: 1 }))),
                        Expr::OuterRef(OuterRef { path, levels }) => {
                            Ok(Py::expr(Expr::OuterRef(OuterRef {
                                path,
                                levels: levels.saturating_add(1),
                            })))
                        }
                        _ => Err(type_error("OuterRef() takes a name or another OuterRef()")),
                    },
                    _ => Err(type_error("OuterRef() takes a name or another OuterRef()")),
                }
            }
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
            Special::ExpressionWrapper => {
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
            Special::WindowFrameExclusion => {
                let [value] = args.bind(name, ["value"])?;
                let exclusion = match value.as_ref().and_then(Py::as_str) {
                    Some("CURRENT ROW") => FrameExclusion::CurrentRow,
                    Some("GROUP") => FrameExclusion::Group,
                    Some("TIES") => FrameExclusion::Ties,
                    Some("NO OTHERS") => FrameExclusion::NoOthers,
                    _ => return Err(value_error("this is no valid WindowFrameExclusion")),
                };
                Ok(Py::Exclusion(exclusion))
            }
            Special::Prefetch => self.prefetch(args),
            Special::JsonObject => {
                if let Some((_, span)) = args.positional.first() {
                    return Err(
                        type_error("JSONObject() takes keyword arguments only").with_span(*span)
                    );
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
            Special::Collate => {
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
            Special::KeyText => {
                let [path] = args.bind(name, ["lookup"])?;
                let path = string(&required(path, name, "lookup")?, "the path")?;
                let mut keys = path.split("__");
                let mut expr = Expr::F(keys.next().unwrap_or_default().to_owned());
                let mut any = false;
                for key in keys.take(super::MAX_VALUE_DEPTH) {
                    any = true;
                    expr = transform(key.to_owned(), expr, true);
                }
                if !any {
                    return Err(value_error("Lookup must contain key or index transforms."));
                }
                Ok(Py::expr(expr))
            }
            Special::KeyTransform | Special::KeyTextTransform => {
                let [key, expr] = args.bind(name, ["key_name", "expression"])?;
                let key = super::python::text_of(&required(key, name, "key_name")?)?;
                let expr = self.expr_arg(required(expr, name, "expression")?)?;
                Ok(Py::expr(transform(
                    key,
                    expr,
                    special == Special::KeyTextTransform,
                )))
            }
            Special::RawMql => {
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
            Special::Sql => self.sql(name, args),
            Special::Compound => self.compound(args),
            Special::GetUserModel => {
                args.finish(name)?;
                let label = &self.extras.user_model;
                Ok(Py::Class(self.schema()?.find(label)?.id))
            }
            Special::GetModel => {
                let [app, model] = args.bind(name, ["app_label", "model_name"])?;
                let app = string(&required(app, name, "app_label")?, "the label")?;
                let label = match model {
                    Some(model) => format!("{app}.{}", string(&model, "the model's name")?),
                    None => app,
                };
                let schema = self.schema()?;
                let found = schema
                    .models()
                    .iter()
                    .find(|m| m.label.eq_ignore_ascii_case(&label));
                match found {
                    Some(model) => Ok(Py::Class(model.id)),
                    None => Ok(Py::Class(schema.find(&label)?.id)),
                }
            }
            Special::GetObject | Special::GetList => {
                let mut args = args;
                if args.positional.is_empty() {
                    return Err(type_error(format!(
                        "{name}() missing 1 required positional argument: 'klass'"
                    )));
                }
                let (source, span) = args.positional.remove(0);
                let rows = self.rows_of(source).map_err(|e| e.with_span(span))?;
                let method = if special == Special::GetObject {
                    "get"
                } else {
                    "filter"
                };
                self.rows_method(rows, method, args)
            }
            Special::PrefetchRelatedObjects => Err(refuse(
                Code::Python,
                "the objects are only known when their query has run",
            )
            .with_hint("use prefetch_related() on the queryset")),
            Special::Refused(because) => Err(Error::unsupported(format!("{name}()"), because)),
        }
    }

    /// A model, manager or queryset as a queryset.
    fn rows_of(&mut self, source: Py) -> Result<Rows> {
        match source {
            Py::Rows(rows) => Ok(*rows),
            Py::Class(model) => self.default_rows(model),
            other => Err(value_error(format!(
                "First argument must be a Model, Manager, or QuerySet, not {}",
                other.describe()
            ))),
        }
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

    fn case(&mut self, mut args: Args) -> Result<Py> {
        let default = args.take("default").unwrap_or_else(Py::null);
        let output = args.take("output_field");
        let mut when = Vec::new();
        for (branch, span) in std::mem::take(&mut args.positional) {
            match branch {
                Py::When(branch) => when.push(*branch),
                _ => {
                    return Err(type_error("Positional arguments must all be When objects.")
                        .with_span(span));
                }
            }
        }
        args.finish("Case")?;
        Ok(Py::expr(Expr::Case(Case {
            when,
            default: Some(Box::new(self.expr_arg(default)?)),
            output: self.output(output)?,
        })))
    }

    /// `When(condition, then=..., **lookups)` (Django: `When.__init__`).
    fn when(&mut self, mut args: Args) -> Result<Py> {
        let mut positional = std::mem::take(&mut args.positional).into_iter();
        let mut condition = positional.next().map(|(v, _)| v);
        let mut then = positional.next().map(|(v, _)| v);
        if let Some((_, span)) = positional.next() {
            return Err(
                type_error("When() takes at most a condition and its result").with_span(span),
            );
        }
        if let Some(value) = args.take("condition") {
            condition = Some(value);
        }
        if let Some(value) = args.take("then") {
            then = Some(value);
        }
        let malformed = || {
            type_error(
                "When() supports a Q object, a boolean expression, or lookups as a condition.",
            )
        };
        let condition = condition.filter(|c| !c.is_none());
        let condition = if args.keywords.is_empty() {
            match condition.ok_or_else(malformed)? {
                Py::Q(q) if q.children.is_empty() => {
                    return Err(value_error(
                        "An empty Q() can't be used as a When() condition.",
                    ));
                }
                value @ (Py::Q(_) | Py::Expr(_)) => self.q(value)?,
                _ => return Err(malformed()),
            }
        } else {
            let first = match condition {
                None => None,
                Some(value @ (Py::Q(_) | Py::Expr(_))) => Some(self.condition(value)?),
                Some(_) => return Err(malformed()),
            };
            let lookups = self.conditions(args)?;
            let mut children: Vec<QChild> = first.into_iter().collect();
            children.extend(lookups.children);
            QNode::all(children).into_q()
        };
        let then = self.expr_arg(then.unwrap_or_else(Py::null))?;
        Ok(Py::When(Box::new(When { condition, then })))
    }

    fn filtered_relation(&mut self, args: Args) -> Result<Py> {
        let name = "FilteredRelation";
        let [relation, condition] = args.bind(name, ["relation_name", "condition"])?;
        let relation = string(&required(relation, name, "relation_name")?, "relation_name")?;
        if relation.is_empty() {
            return Err(value_error("relation_name cannot be empty."));
        }
        let condition = match condition {
            None => Q::always(),
            Some(Py::Q(q)) => q.into_q(),
            Some(_) => return Err(value_error("condition argument must be a Q() instance.")),
        };
        Ok(Py::expr(Expr::FilteredRelation {
            relation,
            condition: Box::new(condition),
        }))
    }

    fn window(&mut self, args: Args) -> Result<Py> {
        let name = "Window";
        let [expr, partition, order, frame, output] = args.bind(
            name,
            [
                "expression",
                "partition_by",
                "order_by",
                "frame",
                "output_field",
            ],
        )?;
        let expr = self.expr_arg(required(expr, name, "expression")?)?;
        let ranking = matches!(&expr, Expr::Func(f) if WINDOW_FUNCTIONS.contains(&f.name.as_str()));
        if !ranking && !matches!(expr, Expr::Aggregate(_)) {
            let class = super::alias::class_name(&expr);
            return Err(value_error(format!(
                "Expression '{class}' isn't compatible with OVER clauses."
            )));
        }
        let mut partition_by = Vec::new();
        match partition {
            None => {}
            Some(value) if value.is_none() => {}
            Some(Py::List(items) | Py::Tuple(items)) => {
                for item in items {
                    partition_by.push(self.expr_arg(item)?);
                }
            }
            Some(value) => partition_by.push(self.expr_arg(value)?),
        }
        let order_by = match order {
            None => Vec::new(),
            Some(value) if value.is_none() => Vec::new(),
            Some(
                value @ (Py::List(_)
                | Py::Tuple(_)
                | Py::Expr(_)
                | Py::Order(_)
                | Py::Value(Value::Str(_))),
            ) => self.orders(value)?,
            Some(_) => {
                return Err(value_error(
                    "Window.order_by must be either a string reference to a field, an expression, or a list or tuple of \
                     them.",
                ));
            }
        };
        let frame = match frame {
            None => None,
            Some(value) if value.is_none() => None,
            Some(Py::Frame(frame)) => Some(frame),
            Some(other) => {
                return Err(attribute_error(format!(
                    "frame must be a RowRange or ValueRange, not {}",
                    other.describe()
                )));
            }
        };
        Ok(Py::expr(Expr::Window(Box::new(Window {
            expr,
            partition_by,
            order_by,
            frame,
            output: self.output(output)?,
        }))))
    }

    fn prefetch(&mut self, args: Args) -> Result<Py> {
        let name = "Prefetch";
        let [lookup, queryset, to_attr] = args.bind(name, ["lookup", "queryset", "to_attr"])?;
        let lookup = string(&required(lookup, name, "lookup")?, "the lookup")?;
        let queryset = match queryset {
            None => None,
            Some(value) if value.is_none() => None,
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
        let to_attr = match to_attr {
            None => None,
            Some(value) if value.is_none() => None,
            Some(value) => Some(string(&value, "to_attr")?),
        };
        Ok(Py::Prefetch(Box::new(Prefetch {
            lookup,
            queryset,
            to_attr,
        })))
    }

    /// `CompoundExpression` of the MongoDB backend: the clauses are arguments, the options say how many belong to each.
    fn compound(&mut self, args: Args) -> Result<Py> {
        let name = "CompoundExpression";
        let [must, must_not, should, filter, score, minimum] = args.bind(
            name,
            [
                "must",
                "must_not",
                "should",
                "filter",
                "score",
                "minimum_should_match",
            ],
        )?;
        let mut parts = Vec::new();
        let mut options = IndexMap::new();
        for (clause, value) in [
            ("must", must),
            ("must_not", must_not),
            ("should", should),
            ("filter", filter),
        ] {
            let Some(value) = value.filter(|v| !v.is_none()) else {
                continue;
            };
            let Some(items) = value.items() else {
                return Err(type_error(format!(
                    "{clause} must be a list of search expressions"
                )));
            };
            options.insert(clause.to_owned(), Value::from(items.len() as u64));
            for item in items {
                parts.push(self.value_expr(item.clone())?);
            }
        }
        if let Some(score) = score.filter(|v| !v.is_none()) {
            options.insert("score".to_owned(), self.option(&score)?);
        }
        if let Some(minimum) = minimum.filter(|v| !v.is_none()) {
            options.insert("minimum_should_match".to_owned(), self.literal(&minimum)?);
        }
        Ok(func(name, parts, options, None))
    }

    /// A parameter that is no expression. Search options stand for their definition.
    pub(super) fn option(&self, value: &Py) -> Result<Value> {
        if let Py::Expr(expr) = value
            && let Expr::Func(func) = &**expr
            && func.name == "SearchScoreOption"
            && let [Expr::Value(definition)] = func.args.as_slice()
        {
            return Ok(definition.clone());
        }
        self.literal(value)
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
            _ => Err(super::tree::no_attribute("the expression", name)
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

fn frame(name: &str, special: Special, args: Args) -> Result<Py> {
    let [start, end, exclusion] = args.bind(name, ["start", "end", "exclusion"])?;
    let bound = |value: Option<Py>, what: &str| match value {
        None => Ok(None),
        Some(value) if value.is_none() => Ok(None),
        Some(value) => integer(&value, what).map(Some).map_err(|_| {
            value_error(format!(
                "{what} argument must be an integer, zero, or None, but got {}.",
                value.describe()
            ))
        }),
    };
    let exclude = match exclusion {
        None => None,
        Some(value) if value.is_none() => None,
        Some(Py::Exclusion(exclusion)) => Some(exclusion),
        Some(other) => {
            return Err(type_error(format!(
                "{name}.exclusion must be a WindowFrameExclusion instance, not {}",
                other.describe()
            )));
        }
    };
    Ok(Py::Frame(Frame {
        unit: if special == Special::RowRange {
            FrameUnit::Rows
        } else {
            FrameUnit::Range
        },
        start: bound(start, "start")?,
        end: bound(end, "end")?,
        exclude,
    }))
}
