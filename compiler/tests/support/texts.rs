//! Arbitrary statements that Python can express: what Django's constructors would refuse is left out.

#![allow(dead_code)] // not every test file uses all of it

use indexmap::IndexMap;
use mqlc_compiler::queryset::*;
use mqlc_compiler::schema::{FieldKind, FieldType};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::strategy::Union;

use super::statements;

/// The models of these statements; two of them share the name of their class.
pub const SCHEMA: &str = r#"{"models": {
    "library.Book": {"collection": "book", "fields": [{"name": "id", "type": "AutoField", "column": "_id", "primary_key": true}]},
    "library.Author": {"collection": "author", "fields": [{"name": "id", "type": "AutoField", "column": "_id", "primary_key": true}]},
    "shop.Book": {"collection": "item", "fields": [{"name": "id", "type": "AutoField", "column": "_id", "primary_key": true}]}
}}"#;

const MODELS: [&str; 3] = ["library.Book", "library.Author", "shop.Book"];

fn one<T: Clone + std::fmt::Debug + 'static>(items: &[T]) -> impl Strategy<Value = T> + use<T> {
    prop::sample::select(items.to_vec())
}

/// Names of annotations and fields, in any call; some are no names of Python.
fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        9 => one(&["a", "b", "c", "title", "author__name", "data__key", "pk", "n__gt"]).prop_map(str::to_owned),
        1 => one(&["class", "a-b", "é", "x y", "\"", "_x", "then"]).prop_map(str::to_owned),
    ]
}

/// Literals; the content of JSON's null and models belong to fields and are left out.
fn value() -> impl Strategy<Value = Value> {
    let scalar = statements::value().prop_map(|value| match value {
        Value::JsonNull
        | Value::Model { .. }
        | Value::List(_)
        | Value::Dict(_)
        | Value::Regex(_) => Value::Int(7),
        Value::Binary { bytes, .. } => Value::Binary { bytes, subtype: 0 },
        // The parser reads the sign and the digits apart.
        Value::Int(i) if i.unsigned_abs() >= 1 << 126 => Value::Int(i >> 2),
        Value::DateTime(value) if value.offset.seconds() % 60 != 0 => Value::from(value.instant),
        value => value,
    });
    scalar.prop_recursive(1, 4, 3, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..3).prop_map(Value::List),
            vec((name(), inner), 0..3).prop_map(|pairs| Value::Dict(pairs.into_iter().collect())),
        ]
    })
}

fn output_type() -> impl Strategy<Value = FieldType> {
    let text = (1_u32..50).prop_map(|n| FieldType {
        max_length: Some(n),
        ..FieldType::new(FieldKind::CharField)
    });
    let plain = one(&[
        FieldKind::IntegerField,
        FieldKind::DateField,
        FieldKind::BooleanField,
        FieldKind::JSONField,
    ])
    .prop_map(FieldType::new);
    prop_oneof![plain, text].prop_recursive(1, 2, 1, |inner| {
        (inner, option::of(1_u32..9), any::<bool>()).prop_map(|(base, size, null)| FieldType {
            base: Some(base.into()),
            size,
            null,
            ..FieldType::new(FieldKind::ArrayField)
        })
    })
}

fn output() -> impl Strategy<Value = Option<Box<FieldType>>> {
    option::weighted(0.2, output_type().prop_map(Box::new))
}

type Exprs = BoxedStrategy<Expr>;

fn map(value: Exprs) -> impl Strategy<Value = IndexMap<String, Expr>> {
    vec((name(), value), 1..4).prop_map(|pairs| pairs.into_iter().collect())
}

fn leaf() -> Exprs {
    prop_oneof![
        3 => value().prop_map(Expr::Value),
        4 => name().prop_map(Expr::F),
        1 => (name(), 1..3_u32).prop_map(|(path, levels)| Expr::OuterRef(OuterRef { path, levels })),
        1 => (value(), output_type()).prop_map(|(value, output)| Expr::Typed { value, output: Box::new(output) }),
        1 => (name(), 0..5_u64, option::of(5..9_u64)).prop_map(|(path, start, stop)| Expr::Slice { expr: Box::new(Expr::F(path)), start, stop }),
    ]
    .boxed()
}

/// Not empty, as `When` demands.
fn has_leaf(q: &Q) -> bool {
    match q {
        Q::And(parts) | Q::Or(parts) | Q::Xor(parts) => parts.iter().any(has_leaf),
        Q::Not(inner) => has_leaf(inner),
        Q::Lookup { .. } | Q::Expr(_) => true,
    }
}

/// What Python has methods and operators on.
fn object(expr: Expr) -> Expr {
    match expr {
        Expr::Q(_) | Expr::Value(_) => Expr::F("a".to_owned()),
        expr => expr,
    }
}

fn conditions(expr: Exprs) -> BoxedStrategy<Q> {
    let conditional = expr.clone().prop_map(|e| match e {
        e @ (Expr::Exists(_) | Expr::Compare { .. } | Expr::F(_) | Expr::Func(_)) => e,
        e => Expr::Not(Box::new(object(e))),
    });
    let rhs = prop_oneof![
        3 => expr.clone(),
        1 => (value(), vec(expr, 1..3)).prop_map(|(first, rest)| {
            Expr::List(std::iter::once(Expr::Value(first)).chain(rest).collect())
        }),
    ];
    let lookup = (name(), rhs).prop_map(|(path, rhs)| Q::Lookup { path, rhs });
    prop_oneof![6 => lookup, 1 => conditional.prop_map(Q::Expr)]
        .prop_recursive(3, 10, 3, |inner| {
            prop_oneof![
                vec(inner.clone(), 0..4).prop_map(Q::And),
                vec(inner.clone(), 1..4).prop_map(Q::Or),
                vec(inner.clone(), 1..4).prop_map(Q::Xor),
                inner.prop_map(|q| Q::Not(Box::new(q))),
            ]
        })
        .boxed()
}

fn order(expr: Exprs) -> impl Strategy<Value = Order> {
    (
        expr,
        any::<bool>(),
        option::of(one(&[NullsOrder::First, NullsOrder::Last])),
    )
        .prop_map(|(expr, desc, nulls)| Order { expr, desc, nulls })
}

fn func(name: &str, args: Vec<Expr>, output: Option<Box<FieldType>>) -> Expr {
    Expr::Func(Func {
        name: name.to_owned(),
        args,
        options: IndexMap::new(),
        output,
    })
}

fn frame() -> impl Strategy<Value = Frame> {
    let exclude = one(&[
        FrameExclusion::CurrentRow,
        FrameExclusion::Group,
        FrameExclusion::Ties,
        FrameExclusion::NoOthers,
    ]);
    (
        one(&[FrameUnit::Rows, FrameUnit::Range]),
        option::of(-9..0_i64),
        option::of(0..9_i64),
        option::weighted(0.3, exclude),
    )
        .prop_map(|(unit, start, end, exclude)| Frame {
            unit,
            start,
            end,
            exclude,
        })
}

fn grow(inner: Exprs) -> Exprs {
    let boxed = || inner.clone().prop_map(Box::new);
    let objects = || inner.clone().prop_map(|e| Box::new(object(e)));
    let condition = conditions(inner.clone());
    let when = (
        condition
            .clone()
            .prop_map(|q| if has_leaf(&q) { q } else { Q::lookup("a", 1) }),
        inner.clone(),
    )
        .prop_map(|(condition, then)| When { condition, then });
    let zones = one(&["UTC", "Europe/Paris", "+01:30", "-05:00"]);
    let aggregate = (
        one(&["Count", "Sum", "Avg", "ArrayAgg"]),
        inner.clone(),
        any::<bool>(),
        option::of(condition.clone()),
        option::of(boxed()),
        vec(order(inner.clone()), 0..2),
        output(),
    )
        .prop_map(|(name, arg, distinct, filter, default, order_by, output)| {
            Expr::Aggregate(Aggregate {
                name: name.to_owned(),
                args: vec![arg],
                distinct,
                filter: filter.map(Box::new),
                default: default.filter(|d| name != "Count" && **d != Expr::Value(Value::Null)),
                order_by,
                options: IndexMap::new(),
                output,
            })
        });
    let queryset = queryset_of(inner.clone());
    let subquery = (queryset.clone(), output(), any::<bool>())
        .prop_map(|(queryset, output, explicit)| SubqueryExpr {
            queryset: Box::new(queryset),
            output,
            explicit,
        })
        .boxed();
    Union::new(vec![
        objects().prop_map(Expr::Not).boxed(),
        objects().prop_map(Expr::Neg).boxed(),
        (one(&ArithmeticOp::ALL), objects(), boxed())
            .prop_map(|((op, _), lhs, rhs)| Expr::Combined { op, lhs, rhs })
            .boxed(),
        (one(&ArithmeticOp::ALL), boxed(), objects())
            .prop_map(|((op, _), lhs, rhs)| {
                let lhs = match *lhs {
                    Expr::Q(_) => rhs.clone(),
                    lhs => Box::new(lhs),
                };
                Expr::Combined { op, lhs, rhs }
            })
            .boxed(),
        (inner.clone(), output())
            .prop_map(|(arg, output)| func("Lower", vec![arg], output))
            .boxed(),
        (vec(inner.clone(), 2..4), output())
            .prop_map(|(args, output)| func("Coalesce", args, output))
            .boxed(),
        (inner.clone(), output_type())
            .prop_map(|(arg, ty)| func("Cast", vec![arg], Some(Box::new(ty))))
            .boxed(),
        Just(func("Now", Vec::new(), None)).boxed(),
        (inner.clone(), option::of(zones), output())
            .prop_map(|(arg, zone, output)| {
                let zone = zone.map(|zone| ("tzinfo".to_owned(), Value::from(zone)));
                let options = std::iter::once(("kind".to_owned(), Value::from("month")))
                    .chain(zone)
                    .collect();
                Expr::Func(Func {
                    name: "Trunc".to_owned(),
                    args: vec![arg],
                    options,
                    output,
                })
            })
            .boxed(),
        vec((name(), inner.clone()), 0..3)
            .prop_map(|pairs| {
                let pairs: IndexMap<String, Expr> = pairs.into_iter().collect();
                func(
                    "JSONObject",
                    pairs
                        .into_iter()
                        .flat_map(|(k, e)| [Expr::Value(k.into()), e])
                        .collect(),
                    None,
                )
            })
            .boxed(),
        aggregate.boxed(),
        (
            inner.clone(),
            vec(inner.clone(), 0..2),
            vec(order(inner.clone()), 0..2),
            option::of(frame()),
            output(),
        )
            .prop_map(|(expr, partition_by, order_by, frame, output)| {
                Expr::Window(Box::new(Window {
                    expr,
                    partition_by,
                    order_by,
                    frame,
                    output,
                }))
            })
            .boxed(),
        (vec(when, 0..3), option::of(boxed()), output())
            .prop_map(|(when, default, output)| {
                Expr::Case(Case {
                    when,
                    default,
                    output,
                })
            })
            .boxed(),
        condition.clone().prop_map(|q| Expr::Q(Box::new(q))).boxed(),
        (boxed(), output_type())
            .prop_map(|(expr, output)| Expr::Wrap {
                expr,
                output: Box::new(output),
            })
            .boxed(),
        (
            one(&["exact", "gt", "in", "contains", "isnull"]),
            boxed(),
            boxed(),
        )
            .prop_map(|(lookup, lhs, rhs)| Expr::Compare {
                lookup: lookup.to_owned(),
                lhs,
                rhs,
            })
            .boxed(),
        (name(), boxed(), any::<bool>())
            .prop_map(|(name, expr, text)| Expr::Transform { name, expr, text })
            .boxed(),
        subquery.clone().prop_map(Expr::Subquery).boxed(),
        subquery.prop_map(Expr::ArraySubquery).boxed(),
        queryset
            .prop_map(|queryset| Expr::Exists(Box::new(queryset)))
            .boxed(),
    ])
    .boxed()
}

fn expr() -> Exprs {
    leaf().prop_recursive(3, 20, 3, grow).boxed()
}

fn strings() -> impl Strategy<Value = Vec<String>> {
    vec(name(), 1..4)
}

fn calls(expr: Exprs, others: BoxedStrategy<Queryset>) -> BoxedStrategy<Call> {
    let condition = conditions(expr.clone());
    let relation =
        (name(), condition.clone()).prop_map(|(relation, condition)| Expr::FilteredRelation {
            relation,
            condition: Box::new(condition),
        });
    let annotation = prop_oneof![8 => expr.clone(), 1 => relation].boxed();
    let term = prop_oneof![
        name().prop_map(OrderTerm::Name),
        order(expr.clone()).prop_map(OrderTerm::Expr)
    ];
    let direction = || one(&[Direction::Asc, Direction::Desc]);
    let kind = || one(&["year", "month"]).prop_map(str::to_owned);
    let lookup = (name(), option::of(others.clone()), option::of(name())).prop_map(
        |(lookup, queryset, to_attr)| Prefetch {
            lookup,
            queryset,
            to_attr,
        },
    );
    prop_oneof![
        6 => condition.clone().prop_map(Call::Filter),
        2 => condition.prop_map(Call::Exclude),
        3 => map(annotation.clone()).prop_map(Call::Annotate),
        1 => map(annotation).prop_map(Call::Alias),
        1 => (strings(), map(expr))
            .prop_map(|(fields, exprs)| Call::Values(ValuesFields { fields: fields.into_iter().filter(|f| !exprs.contains_key(f)).collect(), exprs })),
        1 => (prop::collection::hash_set(name(), 1..3), any::<bool>()).prop_map(|(fields, named)| {
            Call::ValuesList { fields: ValuesFields { fields: fields.into_iter().collect(), exprs: IndexMap::new() }, flat: false, named }
        }),
        2 => vec(term, 0..3).prop_map(Call::OrderBy),
        1 => Just(Call::Reverse),
        1 => vec(name(), 0..3).prop_map(Call::Distinct),
        2 => (option::of(0..30_u64), option::of(0..30_u64)).prop_map(|(start, stop)| Call::Slice { start, stop }),
        1 => (name(), kind(), direction()).prop_map(|(field, kind, order)| Call::Dates { field, kind, order }),
        1 => (name(), kind(), direction(), option::of(one(&["UTC", "Asia/Tokyo"]).prop_map(str::to_owned)))
            .prop_map(|(field, kind, order, tz)| Call::Datetimes { field, kind, order, tz }),
        1 => option::of(vec(name(), 0..3)).prop_map(Call::SelectRelated),
        1 => option::of(strings()).prop_map(Call::Defer),
        1 => strings().prop_map(Call::Only),
        1 => name().prop_map(Call::Using),
        1 => option::of(vec(lookup, 1..3)).prop_map(Call::PrefetchRelated),
        1 => (any::<bool>(), others.clone()).prop_map(|(all, other)| Call::Union { all, others: vec![other] }),
        1 => others.clone().prop_map(|other| Call::Difference(vec![other])),
        1 => (one(&[CombineOp::And, CombineOp::Or, CombineOp::Xor]), others)
            .prop_map(|(op, other)| Call::Combine { op, other: Box::new(other) }),
    ]
    .boxed()
}

fn model() -> impl Strategy<Value = String> {
    one(&MODELS).prop_map(str::to_owned)
}

fn queryset_of(expr: Exprs) -> BoxedStrategy<Queryset> {
    (model(), vec(conditions(expr), 0..2))
        .prop_map(|(model, filters)| Queryset {
            model,
            calls: filters.into_iter().map(Call::Filter).collect(),
        })
        .boxed()
}

/// A statement that Python can express.
pub fn statement() -> BoxedStrategy<Statement> {
    let action = prop_oneof![
        6 => Just(Do::Rows),
        1 => one(&[Do::Exists, Do::Explain, Do::Delete, Do::Count { limit: None }]),
        1 => map(expr()).prop_map(Do::Aggregate),
        1 => map(expr()).prop_map(Do::Update),
    ];
    (
        model(),
        vec(calls(expr(), queryset_of(leaf())), 0..4),
        action,
    )
        .prop_map(|(model, calls, action)| Statement {
            model,
            calls,
            action,
        })
        .boxed()
}
