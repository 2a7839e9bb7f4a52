//! The canonical JSON of everything: tags as the decoder knows them, keys that do not apply left out.

use base64::Engine as _;
use indexmap::IndexMap;
use serde::ser::{SerializeMap, SerializeSeq};
use serde::{Serialize, Serializer};

use super::expr::{FRAME_EXCLUSIONS, FRAME_UNITS, NULLS};
use super::mql::{Mql, MqlDocument, MqlStages};
use super::statement::{COMBINE_OPS, DIRECTIONS, WORDS};
use super::tag;
use super::time::{IsoAware, IsoDate, IsoNaive, IsoTime};
use crate::queryset::{
    Aggregate, BulkUpdate, Call, Case, Do, Expr, Frame, Func, Hint, Insert, Order, OrderTerm,
    OuterRef, Prefetch, Q, Queryset, Statement, SubqueryExpr, Value, ValuesFields, When, Window,
};
use crate::schema::FieldType;

/// The word of a choice.
fn word<T: PartialEq>(known: &[(T, &'static str)], choice: &T) -> &'static str {
    known
        .iter()
        .find(|(known, _)| known == choice)
        .map_or("", |(_, word)| word)
}

/// Standard base64 with padding.
pub(super) fn base64(bytes: &[u8]) -> String {
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

/// How extended JSON calls the floats that JSON does not have.
pub(super) fn double_name(number: f64) -> &'static str {
    if number.is_nan() {
        "NaN"
    } else if number > 0.0 {
        "Infinity"
    } else {
        "-Infinity"
    }
}

/// Implements `Serialize` by a function.
macro_rules! encode {
    ($($ty:ty, |$this:ident, $s:ident| $body:expr;)*) => {$(
        impl Serialize for $ty {
            fn serialize<S: Serializer>(&self, $s: S) -> Result<S::Ok, S::Error> {
                let $this = self;
                $body
            }
        }
    )*};
}

/// An object with these keys; those after `?` only if their condition holds.
macro_rules! object {
    ($s:ident, { $($key:literal => $value:expr),* $(,)? $(; $($optional:literal if $there:expr => $content:expr,)*)? }) => {{
        let mut map = $s.serialize_map(None)?;
        $(map.serialize_entry($key, $value)?;)*
        $($(if $there { map.serialize_entry($optional, $content)?; })*)?
        map.end()
    }};
}

/// A variant with several parts on its way to JSON: tag and content.
macro_rules! variant {
    ($s:ident, $tag:literal, { $($key:ident : $ty:ty = $value:expr),* $(,)? }) => {{
        #[derive(Serialize)]
        struct Content<'a> { $($key: &'a $ty),* }
        tag($s, $tag, &Content { $($key: $value),* })
    }};
}

#[derive(Serialize)]
struct Empty {}

encode! {
    Statement, |this, s| object!(s, {
        "model" => &this.model,
        "calls" => &this.calls,
        "do" => &this.action,
    });
    Queryset, |this, s| object!(s, {
        "model" => &this.model,
        "calls" => &this.calls,
    });
    ValuesFields, |this, s| object!(s, {
        "fields" => &this.fields,
        "exprs" => &this.exprs,
    });
    Prefetch, |this, s| object!(s, {
        "lookup" => &this.lookup,
        "queryset" => &this.queryset,
        "to_attr" => &this.to_attr,
    });
    OrderTerm, |this, s| match this {
        OrderTerm::Name(name) => s.serialize_str(name),
        OrderTerm::Expr(order) => order.serialize(s),
    };
    Order, |this, s| object!(s, {
        "expr" => &this.expr,
        "desc" => &this.desc,
        "nulls" => &this.nulls.map(|nulls| word(&NULLS, &nulls)),
    });
    Hint, |this, s| object!(s, {
        ;
        "index" if this.index.is_some() => &this.index.as_ref().map(Mql),
        "comment" if this.comment.is_some() => &this.comment.as_ref().map(Mql),
        "collation" if this.collation.is_some() => &this.collation.as_ref().map(MqlDocument),
        "max_time_ms" if this.max_time_ms.is_some() => &this.max_time_ms,
        "allow_disk_use" if this.allow_disk_use.is_some() => &this.allow_disk_use,
    });
    Func, |this, s| object!(s, {
        "name" => &this.name,
        "args" => &this.args;
        "options" if !this.options.is_empty() => &this.options,
        "output" if this.output.is_some() => &this.output,
    });
    Aggregate, |this, s| object!(s, {
        "name" => &this.name,
        "args" => &this.args;
        "distinct" if this.distinct => &true,
        "filter" if this.filter.is_some() => &this.filter,
        "default" if this.default.is_some() => &this.default,
        "order_by" if !this.order_by.is_empty() => &this.order_by,
        "options" if !this.options.is_empty() => &this.options,
        "output" if this.output.is_some() => &this.output,
    });
    Window, |this, s| object!(s, {
        "expr" => &this.expr,
        "partition_by" => &this.partition_by,
        "order_by" => &this.order_by;
        "frame" if this.frame.is_some() => &this.frame,
        "output" if this.output.is_some() => &this.output,
    });
    Frame, |this, s| object!(s, {
        "unit" => word(&FRAME_UNITS, &this.unit),
        "start" => &this.start,
        "end" => &this.end;
        "exclude" if this.exclude.is_some() => &this.exclude.map(|rows| word(&FRAME_EXCLUSIONS, &rows)),
    });
    Case, |this, s| object!(s, {
        "when" => &this.when;
        "else" if this.default.is_some() => &this.default,
        "output" if this.output.is_some() => &this.output,
    });
    When, |this, s| object!(s, {
        "if" => &this.condition,
        "then" => &this.then,
    });
    SubqueryExpr, |this, s| object!(s, {
        "queryset" => &this.queryset;
        "output" if this.output.is_some() => &this.output,
        "explicit" if this.explicit => &true,
    });
    BulkUpdate, |this, s| object!(s, {
        "rows" => &this.rows,
        "fields" => &this.fields,
    });
    Insert, |this, s| object!(s, {
        "rows" => &this.rows,
        "ignore_conflicts" => &this.ignore_conflicts,
        "update_conflicts" => &this.update_conflicts,
        "update_fields" => &this.update_fields,
        "unique_fields" => &this.unique_fields,
    });
    OuterRef, |this, s| outer_ref(s, &this.path, this.levels);
    Call, |this, s| call(s, this);
    Do, |this, s| terminal(s, this);
    Q, |this, s| condition(s, this);
    Expr, |this, s| expression(s, this);
    Value, |this, s| literal(s, this);
}

/// `outer_ref` around the path, once a level. The levels come from nesting, so they are few.
fn outer_ref<S: Serializer>(s: S, path: &str, levels: u32) -> Result<S::Ok, S::Error> {
    struct Inner<'a>(&'a str, u32);
    encode! { Inner<'_>, |this, s| outer_ref(s, this.0, this.1); }
    if levels <= 1 {
        return s.serialize_str(path);
    }
    tag(s, "outer_ref", &Inner(path, levels - 1))
}

fn call<S: Serializer>(s: S, call: &Call) -> Result<S::Ok, S::Error> {
    match call {
        Call::Filter(q) => tag(s, "filter", q),
        Call::StickyFilter(q) => tag(s, "sticky_filter", q),
        Call::Exclude(q) => tag(s, "exclude", q),
        Call::Annotate(exprs) => tag(s, "annotate", exprs),
        Call::Alias(exprs) => tag(s, "alias", exprs),
        Call::Values(fields) => tag(s, "values", fields),
        Call::ValuesList {
            fields: ValuesFields { fields, exprs },
            flat,
            named,
        } => variant!(s, "values_list", {
            fields: Vec<String> = fields,
            exprs: IndexMap<String, Expr> = exprs,
            flat: bool = flat,
            named: bool = named,
        }),
        Call::OrderBy(terms) => tag(s, "order_by", terms),
        Call::Reverse => tag(s, "reverse", &Empty {}),
        Call::Distinct(fields) => tag(s, "distinct", fields),
        Call::Slice { start, stop } => tag(s, "slice", &(start, stop)),
        Call::Dates { field, kind, order } => variant!(s, "dates", {
            field: str = field,
            kind: str = kind,
            order: str = word(&DIRECTIONS, order),
        }),
        Call::Datetimes {
            field,
            kind,
            order,
            tz,
        } => variant!(s, "datetimes", {
            field: str = field,
            kind: str = kind,
            order: str = word(&DIRECTIONS, order),
            tz: Option<String> = tz,
        }),
        Call::None => tag(s, "none", &Empty {}),
        Call::SelectRelated(paths) => tag(s, "select_related", paths),
        Call::PrefetchRelated(lookups) => tag(s, "prefetch_related", lookups),
        Call::Defer(fields) => tag(s, "defer", fields),
        Call::Only(fields) => tag(s, "only", fields),
        Call::Union { all, others } => variant!(s, "union", {
            all: bool = all,
            others: Vec<Queryset> = others,
        }),
        Call::Intersection(others) => {
            variant!(s, "intersection", { others: Vec<Queryset> = others })
        }
        Call::Difference(others) => variant!(s, "difference", { others: Vec<Queryset> = others }),
        Call::Combine { op, other } => variant!(s, "combine", {
            op: str = word(&COMBINE_OPS, op),
            other: Queryset = other,
        }),
        Call::Raw(stages) => tag(s, "raw", &MqlStages(stages)),
        Call::Using(alias) => tag(s, "using", alias),
        Call::SelectForUpdate {
            nowait,
            skip_locked,
            of,
            no_key,
        } => {
            variant!(s, "select_for_update", {
                nowait: bool = nowait,
                skip_locked: bool = skip_locked,
                of: Vec<String> = of,
                no_key: bool = no_key,
            })
        }
        Call::Hint(hint) => tag(s, "hint", hint),
    }
}

fn terminal<S: Serializer>(s: S, action: &Do) -> Result<S::Ok, S::Error> {
    if let Some((word, _)) = WORDS.iter().find(|(_, known)| known == action) {
        return s.serialize_str(word);
    }
    match action {
        Do::Count { limit } => variant!(s, "count", { limit: Option<u64> = limit }),
        Do::Aggregate(exprs) => tag(s, "aggregate", exprs),
        Do::Update(exprs) => tag(s, "update", exprs),
        Do::Insert(insert) => tag(s, "insert", insert),
        Do::BulkUpdate(update) => tag(s, "bulk_update", update),
        Do::GetOrCreate { filter, defaults } => {
            #[derive(Serialize)]
            struct Content<'a> {
                r#where: &'a Q,
                defaults: &'a IndexMap<String, Value>,
            }
            tag(
                s,
                "get_or_create",
                &Content {
                    r#where: filter,
                    defaults,
                },
            )
        }
        Do::UpdateOrCreate {
            filter,
            defaults,
            create_defaults,
        } => {
            #[derive(Serialize)]
            struct Content<'a> {
                r#where: &'a Q,
                defaults: &'a IndexMap<String, Value>,
                #[serde(skip_serializing_if = "Option::is_none")]
                create_defaults: &'a Option<IndexMap<String, Value>>,
            }
            tag(
                s,
                "update_or_create",
                &Content {
                    r#where: filter,
                    defaults,
                    create_defaults,
                },
            )
        }
        Do::Rows | Do::Exists | Do::Explain | Do::Get | Do::Delete => s.serialize_str("rows"),
    }
}

fn condition<S: Serializer>(s: S, q: &Q) -> Result<S::Ok, S::Error> {
    match q {
        Q::And(parts) => tag(s, "and", parts),
        Q::Or(parts) => tag(s, "or", parts),
        Q::Xor(parts) => tag(s, "xor", parts),
        Q::Not(inner) => tag(s, "not", inner),
        Q::Lookup { path, rhs } => variant!(s, "lookup", { path: str = path, rhs: Expr = rhs }),
        Q::Expr(expr) => tag(s, "expr", expr),
    }
}

fn expression<S: Serializer>(s: S, expr: &Expr) -> Result<S::Ok, S::Error> {
    match expr {
        Expr::Value(value) => tag(s, "value", value),
        Expr::Typed { value, output } => variant!(s, "typed", {
            value: Value = value,
            output: FieldType = output,
        }),
        Expr::List(items) => tag(s, "list", items),
        Expr::F(path) => tag(s, "f", path),
        Expr::Not(inner) => tag(s, "not", inner),
        Expr::Slice { expr, start, stop } => variant!(s, "slice", {
            expr: Expr = expr,
            start: u64 = start,
            stop: Option<u64> = stop,
        }),
        Expr::OuterRef(outer) => tag(s, "outer_ref", outer),
        Expr::Combined { op, lhs, rhs } => variant!(s, "combined", {
            op: str = op.sign(),
            lhs: Expr = lhs,
            rhs: Expr = rhs,
        }),
        Expr::Neg(inner) => tag(s, "neg", inner),
        Expr::Func(func) => tag(s, "func", func),
        Expr::Star => tag(s, "star", &Empty {}),
        Expr::Aggregate(aggregate) => tag(s, "aggregate", aggregate),
        Expr::Window(window) => tag(s, "window", window),
        Expr::Case(case) => tag(s, "case", case),
        Expr::Q(q) => tag(s, "q", q),
        Expr::Wrap { expr, output } => variant!(s, "wrap", {
            expr: Expr = expr,
            output: FieldType = output,
        }),
        Expr::Compare { lookup, lhs, rhs } => variant!(s, "compare", {
            lookup: str = lookup,
            lhs: Expr = lhs,
            rhs: Expr = rhs,
        }),
        Expr::Transform {
            name,
            expr,
            text: false,
        } => variant!(s, "transform", {
            name: str = name,
            expr: Expr = expr,
        }),
        Expr::Transform { name, expr, text } => variant!(s, "transform", {
            name: str = name,
            expr: Expr = expr,
            text: bool = text,
        }),
        Expr::Subquery(subquery) => tag(s, "subquery", subquery),
        Expr::ArraySubquery(subquery) => tag(s, "array_subquery", subquery),
        Expr::Exists(queryset) => tag(s, "exists", queryset),
        Expr::FilteredRelation {
            relation,
            condition,
        } => variant!(s, "filtered_relation", {
            relation: str = relation,
            condition: Q = condition,
        }),
        Expr::Raw(raw) => tag(s, "raw", &Mql(raw)),
    }
}

fn literal<S: Serializer>(s: S, value: &Value) -> Result<S::Ok, S::Error> {
    match value {
        Value::Null => s.serialize_unit(),
        Value::Bool(value) => s.serialize_bool(*value),
        Value::Int(value) => match i64::try_from(*value) {
            Ok(value) => s.serialize_i64(value),
            Err(_) => s.serialize_i128(*value),
        },
        Value::Float(value) if value.is_finite() => s.serialize_f64(*value),
        Value::Float(value) => tag(s, "$numberDouble", double_name(*value)),
        Value::Str(value) => s.serialize_str(value),
        Value::List(items) => {
            let mut seq = s.serialize_seq(Some(items.len()))?;
            for item in items {
                seq.serialize_element(item)?;
            }
            seq.end()
        }
        Value::Dict(dict) if dict.keys().any(|key| key.starts_with('$')) => {
            tag(s, "$literal", dict)
        }
        Value::Dict(dict) => dict.serialize(s),
        Value::DateTime(value) => tag(s, "$date", &IsoAware(*value).to_string()),
        Value::NaiveDateTime(value) => tag(s, "$naive", &IsoNaive(*value).to_string()),
        Value::Date(value) => tag(s, "$day", &IsoDate(*value).to_string()),
        Value::Time(value) => tag(s, "$time", &IsoTime(*value).to_string()),
        Value::Duration(value) => tag(s, "$duration", value),
        Value::Decimal(value) => tag(s, "$numberDecimal", &value.to_string()),
        Value::Uuid(value) => tag(s, "$uuid", &bson::Uuid::from_bytes(*value).to_string()),
        Value::ObjectId(value) => tag(s, "$oid", &value.to_hex()),
        Value::Binary { bytes, subtype } => {
            #[derive(Serialize)]
            struct Content {
                base64: String,
                #[serde(rename = "subType")]
                sub_type: String,
            }
            let (base64, sub_type) = (base64(bytes), format!("{subtype:02x}"));
            tag(s, "$binary", &Content { base64, sub_type })
        }
        Value::Regex(regex) => variant!(s, "$regularExpression", {
            pattern: str = &regex.pattern,
            options: str = &regex.options,
        }),
        Value::Model { model, fields } => variant!(s, "$model", {
            model: str = model,
            fields: IndexMap<String, Value> = fields,
        }),
        Value::Expr(expr) => tag(s, "$expr", expr),
        Value::JsonNull => tag(s, "$jsonNull", &true),
    }
}
