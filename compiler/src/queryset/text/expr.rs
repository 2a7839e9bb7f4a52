//! Expressions and types.

use super::{Level, Style, Writer};
use crate::queryset::{ArithmeticOp, Case, Expr, NullsOrder, Order, OuterRef, SubqueryExpr, Value};
use crate::schema::{FieldKind, FieldType};

/// Operators of Python, with what they bind; the others are methods.
fn operator(op: ArithmeticOp) -> Result<(&'static str, Level), &'static str> {
    match op {
        ArithmeticOp::Add => Ok((" + ", Level::Sum)),
        ArithmeticOp::Sub => Ok((" - ", Level::Sum)),
        ArithmeticOp::Mul => Ok((" * ", Level::Product)),
        ArithmeticOp::Div => Ok((" / ", Level::Product)),
        ArithmeticOp::Mod => Ok((" % ", Level::Product)),
        ArithmeticOp::Pow => Ok((" ** ", Level::Power)),
        ArithmeticOp::BitAnd => Err("bitand"),
        ArithmeticOp::BitOr => Err("bitor"),
        ArithmeticOp::BitXor => Err("bitxor"),
        ArithmeticOp::ShiftLeft => Err("bitleftshift"),
        ArithmeticOp::ShiftRight => Err("bitrightshift"),
    }
}

/// Classes of lookups, and of those on tuples.
const LOOKUPS: &[(&str, &str, &str)] = &[
    ("exact", "Exact", "TupleExact"),
    ("iexact", "IExact", "IExact"),
    ("gt", "GreaterThan", "TupleGreaterThan"),
    ("gte", "GreaterThanOrEqual", "TupleGreaterThanOrEqual"),
    ("lt", "LessThan", "TupleLessThan"),
    ("lte", "LessThanOrEqual", "TupleLessThanOrEqual"),
    ("in", "In", "TupleIn"),
    ("contains", "Contains", "Contains"),
    ("icontains", "IContains", "IContains"),
    ("startswith", "StartsWith", "StartsWith"),
    ("istartswith", "IStartsWith", "IStartsWith"),
    ("endswith", "EndsWith", "EndsWith"),
    ("iendswith", "IEndsWith", "IEndsWith"),
    ("range", "Range", "Range"),
    ("isnull", "IsNull", "TupleIsNull"),
    ("regex", "Regex", "Regex"),
    ("iregex", "IRegex", "IRegex"),
];

impl Writer {
    /// The right side of a lookup: querysets stand there directly.
    pub(super) fn rhs(&mut self, expr: &Expr) {
        match expr {
            Expr::Subquery(SubqueryExpr {
                queryset,
                output: None,
                explicit: false,
            }) => self.queryset(queryset),
            Expr::List(items) => self.list("[", items, "]", Self::rhs),
            expr => self.expr(expr, Style::Literal, Level::Any),
        }
    }

    /// Expressions in brackets. If all were literals they would make one literal, so that the first one is an object.
    fn list(
        &mut self,
        open: &str,
        items: &[Expr],
        close: &str,
        mut write: impl FnMut(&mut Self, &Expr),
    ) {
        let literals = items.iter().all(|item| matches!(item, Expr::Value(_)));
        self.push(open);
        for (i, item) in items.iter().enumerate() {
            if i > 0 {
                self.push(", ");
            }
            if i == 0 && literals {
                self.expr(item, Style::Object, Level::Any);
            } else {
                write(self, item);
            }
        }
        self.push(close);
    }

    /// An argument of a function, an aggregate or a `Case`.
    pub(super) fn path_argument(&mut self, expr: &Expr) {
        self.expr(expr, Style::Path, Level::Any);
    }

    /// An expression.
    pub(super) fn expr(&mut self, expr: &Expr, style: Style, wanted: Level) {
        match expr {
            Expr::Value(value) => self.value(value, style, wanted),
            Expr::Typed { value, output } => self.call("Value", |w| {
                w.literal(value);
                w.push(", output_field=");
                w.field_type(output);
            }),
            Expr::List(items) => self.list(
                "(",
                items,
                if items.len() == 1 { ",)" } else { ")" },
                |w, item| {
                    w.expr(item, Style::Object, Level::Any);
                },
            ),
            Expr::F(path) if style == Style::Path && path != "*" => self.string(path),
            Expr::F(path) => self.call("F", |w| w.string(path)),
            Expr::Not(inner) => self.level(Level::Sign, wanted, |w| {
                w.push("~");
                w.expr(inner, Style::Object, Level::Sign);
            }),
            Expr::Neg(inner) => self.level(Level::Sign, wanted, |w| {
                w.push("-");
                w.expr(inner, Style::Object, Level::Sign);
            }),
            Expr::Slice { expr, start, stop } => {
                self.expr(expr, Style::Object, Level::Atom);
                self.bounds((*start > 0).then_some(*start), *stop);
            }
            Expr::OuterRef(outer) => self.outer_ref(outer),
            Expr::Combined { op, lhs, rhs } => self.combined(*op, lhs, rhs, wanted),
            Expr::Func(func) => self.func(func, wanted),
            Expr::Star => self.push("\"*\""),
            Expr::Aggregate(aggregate) => self.aggregate(aggregate),
            Expr::Window(window) => self.window(window),
            Expr::Case(case) => self.case(case),
            Expr::Q(q) => self.q(q, wanted),
            Expr::Wrap { expr, output } => self.call("ExpressionWrapper", |w| {
                w.expr(expr, Style::Object, Level::Any);
                w.push(", output_field=");
                w.field_type(output);
            }),
            Expr::Compare { lookup, lhs, rhs } => self.compare(lookup, lhs, rhs),
            Expr::Transform { name, expr, text } => self.transform(name, expr, *text),
            Expr::Subquery(subquery) => self.subquery("Subquery", subquery),
            Expr::ArraySubquery(subquery) => self.subquery("ArraySubquery", subquery),
            Expr::Exists(queryset) => self.call("Exists", |w| w.queryset(queryset)),
            Expr::FilteredRelation {
                relation,
                condition,
            } => self.call("FilteredRelation", |w| {
                w.string(relation);
                w.push(", condition=");
                w.q(condition, Level::Any);
            }),
            Expr::Raw(mql) => self.call("RawMQL", |w| w.mql(mql)),
        }
    }

    /// `Name(...)`.
    pub(super) fn call(&mut self, name: &str, arguments: impl FnOnce(&mut Self)) {
        self.push(name);
        self.push("(");
        arguments(self);
        self.push(")");
    }

    fn value(&mut self, value: &Value, style: Style, wanted: Level) {
        let plain = match (style, value) {
            // These are expressions by themselves.
            (_, Value::JsonNull | Value::Expr(_)) => true,
            (Style::Literal, _) => true,
            (Style::Path, Value::Str(_) | Value::List(_) | Value::Dict(_)) => false,
            (Style::Path, _) => true,
            (Style::Object, _) => false,
        };
        if !plain {
            return self.call("Value", |w| w.literal(value));
        }
        let negative = match value {
            Value::Int(number) => *number < 0,
            Value::Float(number) => number.is_sign_negative(),
            _ => false,
        };
        let own = if negative { Level::Sign } else { Level::Atom };
        self.level(own, wanted, |w| w.literal(value));
    }

    pub(super) fn bounds(&mut self, start: Option<u64>, stop: Option<u64>) {
        let text = |bound: Option<u64>| bound.map_or_else(String::new, |bound| bound.to_string());
        self.push(&format!("[{}:{}]", text(start), text(stop)));
    }

    fn outer_ref(&mut self, outer: &OuterRef) {
        for _ in 0..outer.levels.max(1) {
            self.push("OuterRef(");
        }
        self.string(&outer.path);
        for _ in 0..outer.levels.max(1) {
            self.push(")");
        }
    }

    fn combined(&mut self, op: ArithmeticOp, lhs: &Expr, rhs: &Expr, wanted: Level) {
        // Python itself would calculate with two literals, and format text with `%`.
        let number = matches!(lhs, Expr::Value(Value::Int(_) | Value::Float(_)));
        let left = if number && !matches!(rhs, Expr::Value(_)) {
            Style::Literal
        } else {
            Style::Object
        };
        match operator(op) {
            Ok((sign, own)) => self.level(own, wanted, |w| {
                let (left_level, right_level) = match own {
                    Level::Sum => (Level::Sum, Level::Product),
                    Level::Product => (Level::Product, Level::Sign),
                    _ => (Level::Atom, Level::Sign),
                };
                w.expr(lhs, left, left_level);
                w.push(sign);
                w.expr(rhs, Style::Literal, right_level);
            }),
            Err(method) => {
                self.expr(lhs, Style::Object, Level::Atom);
                self.push(".");
                self.call(method, |w| w.expr(rhs, Style::Literal, Level::Any));
            }
        }
    }

    fn case(&mut self, case: &Case) {
        self.call("Case", |w| {
            let start = w.out.len();
            for when in &case.when {
                w.argument(start);
                w.call("When", |w| {
                    let start = w.out.len();
                    w.when_condition(start, &when.condition);
                    w.keyword(start, "then", |w| w.path_argument(&when.then));
                });
            }
            match case.default.as_deref() {
                None | Some(Expr::Value(Value::Null)) => {}
                Some(default) => w.keyword(start, "default", |w| w.path_argument(default)),
            }
            w.output(start, case.output.as_deref());
        });
    }

    fn compare(&mut self, lookup: &str, lhs: &Expr, rhs: &Expr) {
        let tuple = matches!(lhs, Expr::List(_));
        let class = match LOOKUPS.iter().find(|(name, ..)| *name == lookup) {
            Some((_, _, class)) if tuple => (*class).to_owned(),
            Some((_, class, _)) => (*class).to_owned(),
            // Registered lookups and those of PostgreSQL: `contained_by` is `ContainedBy`.
            None => lookup
                .split('_')
                .filter_map(|word| word.split_at_checked(1))
                .map(|(first, rest)| first.to_uppercase() + rest)
                .collect(),
        };
        self.call(&class, |w| {
            match lhs {
                Expr::Value(Value::Str(_) | Value::List(_)) => {
                    w.expr(lhs, Style::Object, Level::Any);
                }
                lhs => w.expr(lhs, Style::Literal, Level::Any),
            }
            w.push(", ");
            w.rhs(rhs);
        });
    }

    fn transform(&mut self, name: &str, inner: &Expr, text: bool) {
        if text && let Some(path) = key_path(name, inner) {
            return self.call("KT", |w| w.string(&path));
        }
        let class = if text {
            "KeyTextTransform"
        } else {
            "KeyTransform"
        };
        self.call(class, |w| {
            w.string(name);
            w.push(", ");
            w.path_argument(inner);
        });
    }

    fn subquery(&mut self, class: &str, subquery: &SubqueryExpr) {
        self.call(class, |w| {
            w.queryset(&subquery.queryset);
            w.output(0, subquery.output.as_deref());
        });
    }

    /// `output_field=`, if there is one.
    pub(super) fn output(&mut self, start: usize, output: Option<&FieldType>) {
        if let Some(output) = output {
            self.keyword(start, "output_field", |w| w.field_type(output));
        }
    }

    /// A field without a name.
    pub(super) fn field_type(&mut self, ty: &FieldType) {
        self.call(ty.kind.name(), |w| {
            let start = w.out.len();
            if let Some(base) = &ty.base {
                w.field_type(base);
            }
            let polymorphic = matches!(
                ty.kind,
                FieldKind::PolymorphicEmbeddedModelField
                    | FieldKind::PolymorphicEmbeddedModelArrayField
            );
            match ty.models.as_slice() {
                [] => {}
                [model] if !polymorphic => w.string(model),
                models => {
                    w.push("[");
                    w.strings(models);
                    w.push("]");
                }
            }
            if let Some(to) = &ty.to {
                w.string(to);
            }
            if let Some(field) = &ty.to_field {
                w.keyword(start, "to_field", |w| w.string(field));
            }
            for (name, number) in [
                ("max_length", ty.max_length),
                ("max_digits", ty.max_digits),
                ("decimal_places", ty.decimal_places),
                ("size", ty.size),
                ("max_size", ty.max_size),
            ] {
                if let Some(number) = number {
                    w.keyword(start, name, |w| w.push(&number.to_string()));
                }
            }
            w.flag(start, "null", ty.null);
        });
    }

    /// A term of an ordering inside an expression, where names stand for fields.
    pub(super) fn inner_order(&mut self, order: &Order) {
        match (&order.expr, order.nulls) {
            (Expr::F(path), None) if !path.starts_with('-') => {
                let sign = if order.desc { "-" } else { "" };
                self.string(&format!("{sign}{path}"));
            }
            _ => self.order(order),
        }
    }

    /// `expr.desc(nulls_last=True)`.
    pub(super) fn order(&mut self, order: &Order) {
        let nulls = match order.nulls {
            None => "",
            Some(NullsOrder::First) => "nulls_first=True",
            Some(NullsOrder::Last) => "nulls_last=True",
        };
        if matches!(order.expr, Expr::Q(_)) {
            // Q objects have no asc() and desc().
            return self.call("OrderBy", |w| {
                let start = w.out.len();
                w.expr(&order.expr, Style::Object, Level::Any);
                w.flag(start, "descending", order.desc);
                if !nulls.is_empty() {
                    w.argument(start);
                    w.push(nulls);
                }
            });
        }
        self.expr(&order.expr, Style::Object, Level::Atom);
        self.push(".");
        self.call(if order.desc { "desc" } else { "asc" }, |w| w.push(nulls));
    }
}

/// The path of `KT()`: keys from a field inwards.
fn key_path(name: &str, inner: &Expr) -> Option<String> {
    if name.contains("__") {
        return None;
    }
    match inner {
        Expr::F(field) if !field.contains("__") => Some(format!("{field}__{name}")),
        Expr::Transform {
            name: outer,
            expr,
            text: true,
        } => Some(format!("{}__{name}", key_path(outer, expr)?)),
        _ => None,
    }
}
