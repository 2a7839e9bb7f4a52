//! Arbitrary statements for property tests: every call, terminal, condition, expression and kind of value.
//!
//! They are well-formed, not meaningful: names are arbitrary, so that nothing may depend on a schema.

#![allow(dead_code)] // not every test file uses all of it

use bson::{Bson, oid::ObjectId};
use indexmap::IndexMap;
use jiff::{Timestamp, civil, tz::Offset};
use mqlc_compiler::queryset::*;
use mqlc_compiler::schema::{FieldKind, FieldType};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::strategy::Union;

/// Labels of models that statements are about.
pub const MODELS: [&str; 3] = ["library.Book", "library.Author", "shop.Item"];

/// Names of functions that take one expression or several.
const FUNCTIONS: [&str; 6] = [
    "Lower",
    "Coalesce",
    "Concat",
    "Now",
    "TruncMonth",
    "Greatest",
];
const AGGREGATES: [&str; 5] = ["Count", "Sum", "Avg", "Min", "StringAgg"];
const LOOKUPS: [&str; 8] = [
    "exact", "gt", "gte", "lt", "in", "contains", "isnull", "regex",
];

fn one<T: Clone + std::fmt::Debug + 'static>(items: &[T]) -> impl Strategy<Value = T> + use<T> {
    prop::sample::select(items.to_vec())
}

/// A name or path as people write them; now and then one that needs escapes somewhere.
pub fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        8 => one(&["a", "b", "c", "title", "pages", "author", "author__name", "data__key", "pk", "n"]).prop_map(str::to_owned),
        2 => "[a-z]{1,6}(__[a-z]{1,5})?",
        1 => one(&["class", "a-b", "a/b~c", "é", "", "$x", "-x", "then", "self", "a b", "\"", "0"]).prop_map(str::to_owned),
    ]
}

fn names() -> impl Strategy<Value = Vec<String>> {
    vec(name(), 0..4)
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "[ -~]{0,8}",
        1 => any::<String>(),
        1 => one(&["$email", "é\u{1F600}", "\n\t\\\"'\u{0}\u{2028}", "%s", "null", "{}"]).prop_map(str::to_owned),
    ]
}

fn map<T: std::fmt::Debug + 'static>(
    value: impl Strategy<Value = T> + 'static,
) -> impl Strategy<Value = IndexMap<String, T>> {
    vec((name(), value), 0..4).prop_map(|pairs| pairs.into_iter().collect())
}

fn date() -> impl Strategy<Value = civil::Date> {
    (1_i16..=9998, 1_i8..=12, 1_i8..=28).prop_map(|(y, m, d)| civil::date(y, m, d))
}

fn time() -> impl Strategy<Value = civil::Time> {
    (
        0_i8..24,
        0_i8..60,
        0_i8..60,
        prop_oneof![Just(0), 0..1_000_000],
    )
        .prop_map(|(h, m, s, micros)| civil::time(h, m, s, micros * 1000))
}

fn aware() -> impl Strategy<Value = AwareDateTime> {
    let offset = prop_oneof![
        Just(0),
        -50_000..50_000_i32,
        (-14..14_i32).prop_map(|h| h * 3600)
    ];
    (date(), time(), offset).prop_filter_map("an instant", |(date, time, seconds)| {
        let offset = Offset::from_seconds(seconds).ok()?;
        let instant = offset.to_timestamp(date.to_datetime(time)).ok()?;
        Some(AwareDateTime { instant, offset })
    })
}

fn scalar() -> impl Strategy<Value = Value> {
    prop_oneof![
        1 => Just(Value::Null),
        1 => any::<bool>().prop_map(Value::Bool),
        3 => (-1000_i128..1000).prop_map(Value::Int),
        1 => prop_oneof![any::<i128>(), any::<i64>().prop_map(i128::from)].prop_map(Value::Int),
        1 => prop_oneof![Just(f64::INFINITY), Just(f64::NEG_INFINITY), Just(-0.0), any::<f64>()]
            .prop_filter("a number is equal to itself", |f| !f.is_nan())
            .prop_map(Value::Float),
        4 => text().prop_map(Value::Str),
        1 => aware().prop_map(Value::DateTime),
        1 => (date(), time()).prop_map(|(d, t)| Value::NaiveDateTime(d.to_datetime(t))),
        1 => date().prop_map(Value::Date),
        1 => time().prop_map(Value::Time),
        1 => prop_oneof![any::<i64>(), -100_000_000_000..100_000_000_000_i64].prop_map(Value::Duration),
        1 => (any::<i64>(), -20..20_i32).prop_map(|(d, e)| Value::Decimal(format!("{d}E{e}").parse().unwrap())),
        1 => any::<[u8; 16]>().prop_map(Value::Uuid),
        1 => any::<[u8; 12]>().prop_map(|b| Value::ObjectId(ObjectId::from_bytes(b))),
        1 => (vec(any::<u8>(), 0..6), prop_oneof![Just(0_u8), any::<u8>()]).prop_map(|(bytes, subtype)| Value::Binary { bytes, subtype }),
        1 => (text(), one(&["", "i", "im", "isx"])).prop_map(|(pattern, options)| Value::Regex(RegexLiteral { pattern, options: options.to_owned() })),
        1 => Just(Value::JsonNull),
    ]
}

/// Literals without expressions in them.
pub fn value() -> impl Strategy<Value = Value> {
    scalar().prop_recursive(2, 8, 3, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::List),
            map(inner.clone()).prop_map(Value::Dict),
            (one(&MODELS), map(inner)).prop_map(|(model, fields)| Value::Model {
                model: model.to_owned(),
                fields
            }),
        ]
    })
}

fn field_type() -> impl Strategy<Value = FieldType> {
    let leaf = (one(FieldKind::ALL), any::<bool>(), option::of(1_u32..100)).prop_map(
        |(kind, null, max_length)| FieldType {
            null,
            max_length,
            ..FieldType::new(kind)
        },
    );
    leaf.prop_recursive(2, 3, 1, |inner| {
        (inner, option::of(0_u32..9)).prop_map(|(base, size)| FieldType {
            base: Some(base.into()),
            size,
            ..FieldType::new(FieldKind::ArrayField)
        })
    })
}

fn output() -> impl Strategy<Value = Option<Box<FieldType>>> {
    option::weighted(0.2, field_type().prop_map(Box::new))
}

fn options() -> impl Strategy<Value = IndexMap<String, Value>> {
    prop_oneof![4 => Just(IndexMap::new()), 1 => map(value())]
}

/// MQL as it stands.
pub fn mql() -> impl Strategy<Value = Bson> {
    let leaf = prop_oneof![
        Just(Bson::Null),
        any::<bool>().prop_map(Bson::Boolean),
        any::<i32>().prop_map(Bson::Int32),
        prop_oneof![any::<i64>(), -9..9_i64].prop_map(Bson::Int64),
        (-1e9..1e9_f64).prop_map(Bson::Double),
        text().prop_map(Bson::String),
        prop_oneof![any::<i64>(), 0..4_000_000_000_000_i64]
            .prop_map(|ms| bson::DateTime::from_millis(ms).into()),
        any::<[u8; 12]>().prop_map(|b| Bson::ObjectId(ObjectId::from_bytes(b))),
        Just(Bson::MinKey),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..3).prop_map(Bson::Array),
            document_of(inner).prop_map(Bson::Document)
        ]
    })
}

fn document_of(
    inner: impl Strategy<Value = Bson> + 'static,
) -> impl Strategy<Value = bson::Document> {
    let key =
        one(&["$match", "$add", "a", "a.b", "$literal", "$gt", "x y"]).prop_map(str::to_owned);
    vec((key, inner), 0..3).prop_map(|pairs| pairs.into_iter().collect())
}

type Exprs = BoxedStrategy<Expr>;

/// Conditions and expressions grow together: this is one step of their mutual recursion.
fn grow_q(expr: Exprs) -> BoxedStrategy<Q> {
    let leaf = prop_oneof![
        4 => (name(), expr.clone()).prop_map(|(path, rhs)| Q::Lookup { path, rhs }),
        1 => expr.prop_map(Q::Expr),
    ];
    leaf.prop_recursive(2, 8, 3, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Q::And),
            vec(inner.clone(), 0..3).prop_map(Q::Or),
            vec(inner.clone(), 0..3).prop_map(Q::Xor),
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

fn arithmetic() -> impl Strategy<Value = ArithmeticOp> {
    one(&ArithmeticOp::ALL).prop_map(|(op, _)| op)
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
        option::of(-9..9_i64),
        option::of(-9..9_i64),
        option::weighted(0.2, exclude),
    )
        .prop_map(|(unit, start, end, exclude)| Frame {
            unit,
            start,
            end,
            exclude,
        })
}

fn leaf_expr() -> Exprs {
    prop_oneof![
        3 => value().prop_map(Expr::Value),
        3 => name().prop_map(Expr::F),
        1 => (name(), 1..4_u32).prop_map(|(path, levels)| Expr::OuterRef(OuterRef { path, levels })),
        1 => (value(), field_type()).prop_map(|(value, output)| Expr::Typed { value, output: Box::new(output) }),
        1 => mql().prop_map(Expr::Raw),
    ]
    .boxed()
}

/// One step of the recursion of expressions.
fn grow_expr(inner: Exprs) -> Exprs {
    let boxed = || inner.clone().prop_map(Box::new);
    let q = grow_q(inner.clone());
    let args = || vec(inner.clone(), 0..3);
    let orders = || vec(order(inner.clone()), 0..2);
    let argument = prop_oneof![4 => inner.clone(), 1 => Just(Expr::Star)];
    let subquery = (queryset_of(inner.clone()), output(), any::<bool>())
        .prop_map(|(queryset, output, explicit)| SubqueryExpr {
            queryset: Box::new(queryset),
            output,
            explicit,
        })
        .boxed();
    let when = (q.clone(), inner.clone()).prop_map(|(condition, then)| When { condition, then });
    Union::new(vec![
        args().prop_map(Expr::List).boxed(),
        boxed().prop_map(Expr::Not).boxed(),
        boxed().prop_map(Expr::Neg).boxed(),
        (boxed(), 0..9_u64, option::of(0..9_u64))
            .prop_map(|(expr, start, stop)| Expr::Slice { expr, start, stop })
            .boxed(),
        (arithmetic(), boxed(), boxed())
            .prop_map(|(op, lhs, rhs)| Expr::Combined { op, lhs, rhs })
            .boxed(),
        (one(&FUNCTIONS), args(), options(), output())
            .prop_map(|(name, args, options, output)| {
                Expr::Func(Func {
                    name: name.to_owned(),
                    args,
                    options,
                    output,
                })
            })
            .boxed(),
        (
            (
                one(&AGGREGATES),
                vec(argument, 0..3),
                any::<bool>(),
                option::of(q.clone()),
            ),
            (option::of(boxed()), orders(), options(), output()),
        )
            .prop_map(
                |((name, args, distinct, filter), (default, order_by, options, output))| {
                    Expr::Aggregate(Aggregate {
                        name: name.to_owned(),
                        args,
                        distinct,
                        filter: filter.map(Box::new),
                        default,
                        order_by,
                        options,
                        output,
                    })
                },
            )
            .boxed(),
        (
            inner.clone(),
            args(),
            orders(),
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
        q.clone().prop_map(|q| Expr::Q(Box::new(q))).boxed(),
        (boxed(), field_type())
            .prop_map(|(expr, output)| Expr::Wrap {
                expr,
                output: Box::new(output),
            })
            .boxed(),
        (one(&LOOKUPS), boxed(), boxed())
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
        queryset_of(inner.clone())
            .prop_map(|queryset| Expr::Exists(Box::new(queryset)))
            .boxed(),
    ])
    .boxed()
}

/// An expression.
pub fn expr() -> Exprs {
    leaf_expr().prop_recursive(3, 24, 3, grow_expr).boxed()
}

/// A condition.
pub fn q() -> BoxedStrategy<Q> {
    grow_q(expr())
}

fn annotations(expr: Exprs) -> impl Strategy<Value = IndexMap<String, Expr>> {
    let relation =
        (name(), grow_q(leaf_expr())).prop_map(|(relation, condition)| Expr::FilteredRelation {
            relation,
            condition: Box::new(condition),
        });
    map(prop_oneof![8 => expr, 1 => relation])
}

fn selection(expr: Exprs) -> impl Strategy<Value = ValuesFields> {
    (names(), map(expr)).prop_map(|(fields, exprs)| ValuesFields { fields, exprs })
}

fn hint() -> impl Strategy<Value = Hint> {
    (
        option::of(mql()),
        option::of(mql()),
        option::of(document_of(mql())),
        option::of(any::<u64>()),
        option::of(any::<bool>()),
    )
        .prop_map(
            |(index, comment, collation, max_time_ms, allow_disk_use)| Hint {
                index,
                comment,
                collation,
                max_time_ms,
                allow_disk_use,
            },
        )
}

/// Calls over expressions; querysets inside them come from `others`.
fn calls(expr: Exprs, others: BoxedStrategy<Queryset>) -> BoxedStrategy<Call> {
    let q = grow_q(expr.clone());
    let term = prop_oneof![3 => name().prop_map(OrderTerm::Name), 1 => order(expr.clone()).prop_map(OrderTerm::Expr)];
    let direction = || one(&[Direction::Asc, Direction::Desc]);
    let bound = || option::of(prop_oneof![0..30_u64, any::<u64>()]);
    let lookup = (name(), option::of(others.clone()), option::of(name())).prop_map(
        |(lookup, queryset, to_attr)| Prefetch {
            lookup,
            queryset,
            to_attr,
        },
    );
    let several = || vec(others.clone(), 0..3);
    let simple = prop_oneof![
        Just(Call::Reverse),
        names().prop_map(Call::Distinct),
        (bound(), bound()).prop_map(|(start, stop)| Call::Slice { start, stop }),
        (name(), name(), direction()).prop_map(|(field, kind, order)| Call::Dates {
            field,
            kind,
            order
        }),
        (name(), name(), direction(), option::of(name())).prop_map(|(field, kind, order, tz)| {
            Call::Datetimes {
                field,
                kind,
                order,
                tz,
            }
        }),
        Just(Call::None),
        option::of(names()).prop_map(Call::SelectRelated),
        option::of(names()).prop_map(Call::Defer),
        names().prop_map(Call::Only),
        name().prop_map(Call::Using),
        (any::<bool>(), any::<bool>(), names(), any::<bool>()).prop_map(
            |(nowait, skip_locked, of, no_key)| Call::SelectForUpdate {
                nowait,
                skip_locked,
                of,
                no_key
            }
        ),
        hint().prop_map(Box::new).prop_map(Call::Hint),
        vec(document_of(mql()), 0..3).prop_map(Call::Raw),
    ];
    prop_oneof![
        6 => q.clone().prop_map(Call::Filter),
        2 => q.clone().prop_map(Call::Exclude),
        1 => q.prop_map(Call::StickyFilter),
        3 => annotations(expr.clone()).prop_map(Call::Annotate),
        1 => annotations(expr.clone()).prop_map(Call::Alias),
        1 => selection(expr.clone()).prop_map(Call::Values),
        1 => (selection(expr), any::<bool>(), any::<bool>()).prop_map(|(fields, flat, named)| Call::ValuesList { fields, flat, named }),
        2 => vec(term, 0..3).prop_map(Call::OrderBy),
        6 => simple,
        1 => option::of(vec(lookup, 0..3)).prop_map(Call::PrefetchRelated),
        1 => (any::<bool>(), several()).prop_map(|(all, others)| Call::Union { all, others }),
        1 => several().prop_map(Call::Intersection),
        1 => several().prop_map(Call::Difference),
        1 => (one(&[CombineOp::And, CombineOp::Or, CombineOp::Xor]), others.clone())
            .prop_map(|(op, other)| Call::Combine { op, other: Box::new(other) }),
    ]
    .boxed()
}

fn model() -> impl Strategy<Value = String> {
    one(&MODELS).prop_map(str::to_owned)
}

fn queryset_of(expr: Exprs) -> BoxedStrategy<Queryset> {
    let plain = model()
        .prop_map(|model| Queryset {
            model,
            calls: Vec::new(),
        })
        .boxed();
    (model(), vec(calls(expr, plain), 0..3))
        .prop_map(|(model, calls)| Queryset { model, calls })
        .boxed()
}

/// A queryset.
pub fn queryset() -> BoxedStrategy<Queryset> {
    (model(), vec(calls(expr(), queryset_of(leaf_expr())), 0..5))
        .prop_map(|(model, calls)| Queryset { model, calls })
        .boxed()
}

fn row() -> impl Strategy<Value = IndexMap<String, Value>> {
    map(prop_oneof![4 => value(), 1 => leaf_expr().prop_map(|expr| Value::Expr(Box::new(expr)))])
}

/// A terminal.
pub fn action() -> BoxedStrategy<Do> {
    let insert = (
        vec(row(), 0..3),
        any::<bool>(),
        any::<bool>(),
        names(),
        names(),
    )
        .prop_map(
            |(rows, ignore_conflicts, update_conflicts, update_fields, unique_fields)| Insert {
                rows,
                ignore_conflicts,
                update_conflicts,
                update_fields,
                unique_fields,
            },
        );
    prop_oneof![
        4 => Just(Do::Rows),
        1 => option::of(any::<u64>()).prop_map(|limit| Do::Count { limit }),
        1 => one(&[Do::Exists, Do::Explain, Do::Get, Do::Delete]),
        1 => map(expr()).prop_map(Do::Aggregate),
        1 => map(expr()).prop_map(Do::Update),
        1 => insert.prop_map(Do::Insert),
        1 => (q().prop_map(Box::new), row()).prop_map(|(filter, defaults)| Do::GetOrCreate { filter, defaults }),
        1 => (q().prop_map(Box::new), row(), option::of(row()))
            .prop_map(|(filter, defaults, create_defaults)| Do::UpdateOrCreate { filter, defaults, create_defaults }),
    ]
    .boxed()
}

/// A statement.
pub fn statement() -> BoxedStrategy<Statement> {
    (queryset(), action())
        .prop_map(|(queryset, action)| queryset.done(action))
        .boxed()
}

/// An instant, for tests of values.
pub fn instant() -> impl Strategy<Value = Timestamp> {
    aware().prop_map(|value| value.instant)
}
