//! Size and depth of values, so that a short text cannot stand for a huge or endlessly deep query.

use indexmap::IndexMap;

use super::node::{QChild, QNode};
use super::value::Py;
use crate::queryset::{
    Aggregate, BulkUpdate, Call, Case, Do, Expr, Insert, Order, OrderTerm, Q, Queryset, Statement,
    Value, ValuesFields,
};

/// Size in nodes, and depth.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Measure {
    pub(super) size: usize,
    pub(super) depth: usize,
}

impl Measure {
    const LEAF: Measure = Measure { size: 1, depth: 1 };

    /// A node over its children.
    fn over(children: impl IntoIterator<Item = Measure>) -> Self {
        let mut all = Measure::LEAF;
        for child in children {
            all.size += child.size;
            all.depth = all.depth.max(child.depth + 1);
        }
        all
    }
}

pub(super) fn value(value: &Py) -> Measure {
    match value {
        Py::Value(inner) => literal(inner),
        Py::List(items) | Py::Tuple(items) | Py::Set(items) => {
            Measure::over(items.iter().map(self::value))
        }
        Py::Dict(entries) => Measure::over(
            entries
                .iter()
                .flat_map(|(k, v)| [self::value(k), self::value(v)]),
        ),
        Py::Expr(inner) => expr(inner),
        Py::Q(node) => qnode(node),
        Py::Order(inner) => Measure::over([order(inner)]),
        Py::When(when) => Measure::over([q(&when.condition), expr(&when.then)]),
        Py::Rows(rows) => {
            let related = rows
                .related
                .iter()
                .flat_map(|r| r.instance.fields.values().map(self::value));
            Measure::over(rows.calls.iter().map(call).chain(related))
        }
        Py::Done(done) => statement(&done.statement),
        Py::Instance(instance) => Measure::over(instance.fields.values().map(self::value)),
        Py::Prefetch(prefetch) => Measure::over(prefetch.queryset.iter().map(queryset)),
        _ => Measure::LEAF,
    }
}

fn literal(value: &Value) -> Measure {
    match value {
        Value::List(items) => Measure::over(items.iter().map(literal)),
        Value::Dict(entries) => Measure::over(entries.values().map(literal)),
        Value::Model { fields, .. } => Measure::over(fields.values().map(literal)),
        Value::Str(text) => Measure {
            size: 1 + text.len() / 64,
            depth: 1,
        },
        Value::Binary { bytes, .. } => Measure {
            size: 1 + bytes.len() / 64,
            depth: 1,
        },
        Value::Expr(inner) => Measure::over([expr(inner)]),
        _ => Measure::LEAF,
    }
}

fn qnode(node: &QNode) -> Measure {
    Measure::over(node.children.iter().map(|child| match child {
        QChild::Node(node) => qnode(node),
        QChild::Lookup { rhs, .. } => Measure::over([expr(rhs)]),
        QChild::Expr(inner) => expr(inner),
    }))
}

fn q(node: &Q) -> Measure {
    match node {
        Q::And(parts) | Q::Or(parts) | Q::Xor(parts) => Measure::over(parts.iter().map(q)),
        Q::Not(part) => Measure::over([q(part)]),
        Q::Lookup { rhs, .. } => Measure::over([expr(rhs)]),
        Q::Expr(inner) => expr(inner),
    }
}

fn order(order: &Order) -> Measure {
    expr(&order.expr)
}

fn expr(node: &Expr) -> Measure {
    match node {
        Expr::Value(value) | Expr::Typed { value, .. } => literal(value),
        Expr::List(items) => Measure::over(items.iter().map(expr)),
        Expr::Not(inner)
        | Expr::Neg(inner)
        | Expr::Slice { expr: inner, .. }
        | Expr::Wrap { expr: inner, .. }
        | Expr::Transform { expr: inner, .. } => Measure::over([expr(inner)]),
        Expr::Combined { lhs, rhs, .. } | Expr::Compare { lhs, rhs, .. } => {
            Measure::over([expr(lhs), expr(rhs)])
        }
        Expr::Func(func) => Measure::over(
            func.args
                .iter()
                .map(expr)
                .chain(func.options.values().map(literal)),
        ),
        Expr::Aggregate(inner) => aggregate(inner),
        Expr::Window(window) => Measure::over(
            std::iter::once(expr(&window.expr))
                .chain(window.partition_by.iter().map(expr))
                .chain(window.order_by.iter().map(order)),
        ),
        Expr::Case(inner) => case(inner),
        Expr::Q(inner) => Measure::over([q(inner)]),
        Expr::Subquery(inner) | Expr::ArraySubquery(inner) => {
            Measure::over([queryset(&inner.queryset)])
        }
        Expr::Exists(inner) => Measure::over([queryset(inner)]),
        Expr::FilteredRelation { condition, .. } => Measure::over([q(condition)]),
        _ => Measure::LEAF,
    }
}

fn aggregate(node: &Aggregate) -> Measure {
    Measure::over(
        node.args
            .iter()
            .map(expr)
            .chain(node.filter.iter().map(|f| q(f)))
            .chain(node.default.iter().map(|d| expr(d)))
            .chain(node.order_by.iter().map(order)),
    )
}

fn case(node: &Case) -> Measure {
    Measure::over(
        node.when
            .iter()
            .flat_map(|w| [q(&w.condition), expr(&w.then)])
            .chain(node.default.iter().map(|d| expr(d))),
    )
}

fn queryset(node: &Queryset) -> Measure {
    Measure::over(node.calls.iter().map(call))
}

fn fields(node: &ValuesFields) -> Measure {
    let mut measure = Measure::over(node.exprs.values().map(expr));
    measure.size += node.fields.len();
    measure
}

fn call(node: &Call) -> Measure {
    match node {
        Call::Filter(inner) | Call::StickyFilter(inner) | Call::Exclude(inner) => {
            Measure::over([q(inner)])
        }
        Call::Annotate(exprs) | Call::Alias(exprs) => Measure::over(exprs.values().map(expr)),
        Call::Values(inner) | Call::ValuesList { fields: inner, .. } => fields(inner),
        Call::OrderBy(terms) => Measure::over(terms.iter().map(|term| match term {
            OrderTerm::Name(_) => Measure::LEAF,
            OrderTerm::Expr(inner) => order(inner),
        })),
        Call::PrefetchRelated(Some(lookups)) => Measure::over(
            lookups
                .iter()
                .map(|p| Measure::over(p.queryset.iter().map(queryset))),
        ),
        Call::Union { others, .. } | Call::Intersection(others) | Call::Difference(others) => {
            Measure::over(others.iter().map(queryset))
        }
        Call::Combine { other, .. } => Measure::over([queryset(other)]),
        Call::Distinct(names) | Call::Only(names) => Measure {
            size: 1 + names.len(),
            depth: 1,
        },
        _ => Measure::LEAF,
    }
}

fn row(values: &IndexMap<String, Value>) -> Measure {
    Measure::over(values.values().map(literal))
}

fn statement(node: &Statement) -> Measure {
    let mut measure = Measure::over(node.calls.iter().map(call));
    let action = match &node.action {
        Do::Aggregate(exprs) | Do::Update(exprs) => Measure::over(exprs.values().map(expr)),
        Do::Insert(Insert { rows, .. }) | Do::BulkUpdate(BulkUpdate { rows, .. }) => {
            Measure::over(rows.iter().map(row))
        }
        Do::GetOrCreate { defaults, .. } => row(defaults),
        Do::UpdateOrCreate {
            defaults,
            create_defaults,
            ..
        } => Measure::over(std::iter::once(defaults).chain(create_defaults).map(row)),
        _ => Measure::LEAF,
    };
    measure.size += action.size;
    measure.depth = measure.depth.max(action.depth + 1);
    measure
}
