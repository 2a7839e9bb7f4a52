//! Conditions and expressions from JSON.
//!
//! Each union is a table of tags; each variant is a small function. Small functions keep the stack short: one level of
//! nesting in a statement is three or four frames here.

use indexmap::IndexMap;

use super::mql::mql;
use super::reader::{Kind, Reader, Tag, Tags, fields};
use super::statement::queryset;
use super::value::value;
use crate::error::{Code, Result};
use crate::queryset::{
    Aggregate, ArithmeticOp, Case, Expr, Frame, FrameExclusion, FrameUnit, Func, NullsOrder, Order,
    OrderTerm, OuterRef, Q, SubqueryExpr, Value, When, Window,
};
use crate::schema::{FieldType, json::output as field_type};

// Conditions

const Q_TAGS: Tags<Q> = &[
    ("lookup", lookup),
    ("and", |r| r.vec("`and`", q).map(Q::And)),
    ("or", |r| r.vec("`or`", q).map(Q::Or)),
    ("not", |r| q(r).map(|inner| Q::Not(Box::new(inner)))),
    ("xor", |r| r.vec("`xor`", q).map(Q::Xor)),
    ("expr", |r| expr(r).map(Q::Expr)),
];

/// A condition.
pub(crate) fn q(r: &mut Reader<'_>) -> Result<Q> {
    r.enter()?;
    let condition = r.tagged("a condition", Q_TAGS)?;
    r.leave();
    Ok(condition)
}

pub(super) fn boxed_q(r: &mut Reader<'_>) -> Result<Box<Q>> {
    q(r).map(Box::new)
}

fn lookup(r: &mut Reader<'_>) -> Result<Q> {
    const WHAT: &str = "a lookup";
    let (mut path, mut rhs) = (None, None);
    fields!(r, WHAT, {
        "path" => path = Some(r.owned("`path`")?),
        "rhs" => rhs = Some(expr(r)?),
    });
    Ok(Q::Lookup {
        path: r.need(path, WHAT, "path")?,
        rhs: r.need(rhs, WHAT, "rhs")?,
    })
}

// Expressions

const EXPR_TAGS: Tags<Expr> = &[
    ("value", |r| value(r).map(Expr::Value)),
    ("f", |r| r.owned("`f`").map(Expr::F)),
    ("func", func),
    ("aggregate", |r| aggregate(r).map(Expr::Aggregate)),
    ("combined", combined),
    ("typed", typed),
    ("case", case),
    ("q", |r| boxed_q(r).map(Expr::Q)),
    ("outer_ref", |r| outer_ref(r).map(Expr::OuterRef)),
    ("subquery", |r| subquery(r).map(Expr::Subquery)),
    ("exists", |r| {
        queryset(r).map(|inner| Expr::Exists(Box::new(inner)))
    }),
    ("list", |r| r.vec("`list`", expr).map(Expr::List)),
    ("not", |r| boxed(r).map(Expr::Not)),
    ("neg", |r| boxed(r).map(Expr::Neg)),
    ("slice", slice),
    ("window", |r| {
        window(r).map(|inner| Expr::Window(Box::new(inner)))
    }),
    ("wrap", wrap),
    ("compare", compare),
    ("transform", transform),
    ("array_subquery", |r| subquery(r).map(Expr::ArraySubquery)),
    ("raw", |r| mql(r).map(Expr::Raw)),
];

/// What may stand as an argument of an aggregate.
const ARGUMENT_TAGS: Tags<Expr> = &with_tag(("star", |r| {
    r.empty_object("`star`")?;
    Ok(Expr::Star)
}));

/// What may stand in `annotate()` and `alias()`.
const ANNOTATION_TAGS: Tags<Expr> = &with_tag(("filtered_relation", filtered_relation));

/// The table of expressions with one more tag at its end.
const fn with_tag(last: Tag<Expr>) -> [Tag<Expr>; EXPR_TAGS.len() + 1] {
    let mut all = [last; EXPR_TAGS.len() + 1];
    let (head, _) = all.split_at_mut(EXPR_TAGS.len());
    head.copy_from_slice(EXPR_TAGS);
    all
}

fn expr_of(r: &mut Reader<'_>, tags: Tags<Expr>) -> Result<Expr> {
    r.enter()?;
    let expression = r.tagged("an expression", tags)?;
    r.leave();
    Ok(expression)
}

/// An expression.
pub(crate) fn expr(r: &mut Reader<'_>) -> Result<Expr> {
    expr_of(r, EXPR_TAGS)
}

/// Expressions by name, of `annotate()` and `alias()`.
pub(super) fn annotations(r: &mut Reader<'_>) -> Result<IndexMap<String, Expr>> {
    r.map("annotations", |r| expr_of(r, ANNOTATION_TAGS))
}

/// Expressions by name.
pub(super) fn exprs(r: &mut Reader<'_>) -> Result<IndexMap<String, Expr>> {
    r.map("expressions by name", expr)
}

fn boxed(r: &mut Reader<'_>) -> Result<Box<Expr>> {
    expr(r).map(Box::new)
}

fn output(r: &mut Reader<'_>) -> Result<Box<FieldType>> {
    field_type(r).map(Box::new)
}

fn options(r: &mut Reader<'_>) -> Result<IndexMap<String, Value>> {
    r.map("`options`", value)
}

fn combined(r: &mut Reader<'_>) -> Result<Expr> {
    const WHAT: &str = "`combined`";
    let (mut op, mut lhs, mut rhs) = (None, None, None);
    fields!(r, WHAT, {
        "op" => op = Some(r.choice("operator", &ArithmeticOp::ALL)?),
        "lhs" => lhs = Some(boxed(r)?),
        "rhs" => rhs = Some(boxed(r)?),
    });
    Ok(Expr::Combined {
        op: r.need(op, WHAT, "op")?,
        lhs: r.need(lhs, WHAT, "lhs")?,
        rhs: r.need(rhs, WHAT, "rhs")?,
    })
}

fn typed(r: &mut Reader<'_>) -> Result<Expr> {
    const WHAT: &str = "`typed`";
    let (mut content, mut ty) = (None, None);
    fields!(r, WHAT, {
        "value" => content = Some(value(r)?),
        "output" => ty = Some(output(r)?),
    });
    Ok(Expr::Typed {
        value: r.need(content, WHAT, "value")?,
        output: r.need(ty, WHAT, "output")?,
    })
}

fn slice(r: &mut Reader<'_>) -> Result<Expr> {
    const WHAT: &str = "`slice`";
    let (mut inner, mut start, mut stop) = (None, None, None);
    fields!(r, WHAT, {
        "expr" => inner = Some(boxed(r)?),
        "start" => start = Some(index(r)?),
        "stop" => stop = r.nullable(index)?,
    });
    Ok(Expr::Slice {
        expr: r.need(inner, WHAT, "expr")?,
        start: r.need(start, WHAT, "start")?,
        stop,
    })
}

/// A bound of a slice. Django refuses negative ones.
pub(super) fn index(r: &mut Reader<'_>) -> Result<u64> {
    let bound: i128 = r.int("a bound of a slice", "an integer")?;
    if bound < 0 {
        return Err(r.fail_with(Code::ValueError, "Negative indexing is not supported."));
    }
    u64::try_from(bound).map_err(|_| r.fail("a bound of a slice must fit 64 bits"))
}

fn outer_ref(r: &mut Reader<'_>) -> Result<OuterRef> {
    if r.peek()? == Kind::String {
        let path = r.owned("`outer_ref`")?;
        return Ok(OuterRef { path, levels: 1 });
    }
    if r.peek()? != Kind::Object {
        return Err(r.wrong_kind("`outer_ref`", "a path or another `outer_ref`"));
    }
    const TAGS: Tags<OuterRef> = &[("outer_ref", outer_ref)];
    r.enter()?;
    let inner = r.tagged("`outer_ref`", TAGS)?;
    r.leave();
    Ok(OuterRef {
        levels: inner.levels + 1,
        ..inner
    })
}

fn func(r: &mut Reader<'_>) -> Result<Expr> {
    const WHAT: &str = "`func`";
    let (mut name, mut args) = (None, None);
    let (mut opts, mut ty) = (IndexMap::new(), None);
    fields!(r, WHAT, {
        "name" => name = Some(r.owned("`name`")?),
        "args" => args = Some(r.vec("`args`", expr)?),
        "options" => opts = options(r)?,
        "output" => ty = Some(output(r)?),
    });
    Ok(Expr::Func(Func {
        name: r.need(name, WHAT, "name")?,
        args: r.need(args, WHAT, "args")?,
        options: opts,
        output: ty,
    }))
}

fn aggregate(r: &mut Reader<'_>) -> Result<Aggregate> {
    const WHAT: &str = "`aggregate`";
    let (mut name, mut args) = (None, None);
    let (mut distinct, mut filter, mut default) = (false, None, None);
    let (mut order_by, mut opts, mut ty) = (Vec::new(), IndexMap::new(), None);
    fields!(r, WHAT, {
        "name" => name = Some(r.owned("`name`")?),
        "args" => args = Some(r.vec("`args`", |r| expr_of(r, ARGUMENT_TAGS))?),
        "distinct" => distinct = r.bool("`distinct`")?,
        "filter" => filter = Some(boxed_q(r)?),
        "default" => default = Some(boxed(r)?),
        "order_by" => order_by = r.vec("`order_by`", inner_order)?,
        "options" => opts = options(r)?,
        "output" => ty = Some(output(r)?),
    });
    Ok(Aggregate {
        name: r.need(name, WHAT, "name")?,
        args: r.need(args, WHAT, "args")?,
        distinct,
        filter,
        default,
        order_by,
        options: opts,
        output: ty,
    })
}

fn window(r: &mut Reader<'_>) -> Result<Window> {
    const WHAT: &str = "`window`";
    let (mut inner, mut partition_by, mut order_by) = (None, Vec::new(), Vec::new());
    let (mut limits, mut ty) = (None, None);
    fields!(r, WHAT, {
        "expr" => inner = Some(expr(r)?),
        "partition_by" => partition_by = r.vec("`partition_by`", expr)?,
        "order_by" => order_by = r.vec("`order_by`", inner_order)?,
        "frame" => limits = Some(frame(r)?),
        "output" => ty = Some(output(r)?),
    });
    Ok(Window {
        expr: r.need(inner, WHAT, "expr")?,
        partition_by,
        order_by,
        frame: limits,
        output: ty,
    })
}

pub(super) const FRAME_UNITS: [(FrameUnit, &str); 2] =
    [(FrameUnit::Rows, "rows"), (FrameUnit::Range, "range")];

pub(super) const FRAME_EXCLUSIONS: [(FrameExclusion, &str); 4] = [
    (FrameExclusion::CurrentRow, "current_row"),
    (FrameExclusion::Group, "group"),
    (FrameExclusion::Ties, "ties"),
    (FrameExclusion::NoOthers, "no_others"),
];

pub(super) const NULLS: [(NullsOrder, &str); 2] =
    [(NullsOrder::First, "first"), (NullsOrder::Last, "last")];

fn frame(r: &mut Reader<'_>) -> Result<Frame> {
    const WHAT: &str = "`frame`";
    let (mut unit, mut start, mut end, mut exclude) = (None, None, None, None);
    fields!(r, WHAT, {
        "unit" => unit = Some(r.choice("unit of a frame", &FRAME_UNITS)?),
        "start" => start = r.nullable(|r| bound(r, "start"))?,
        "end" => end = r.nullable(|r| bound(r, "end"))?,
        "exclude" => exclude = Some(r.choice("exclusion of a frame", &FRAME_EXCLUSIONS)?),
    });
    Ok(Frame {
        unit: r.need(unit, WHAT, "unit")?,
        start,
        end,
        exclude,
    })
}

/// A bound of a frame. Django refuses other values than integers as it refuses wrong integers.
fn bound(r: &mut Reader<'_>, which: &str) -> Result<i64> {
    if r.peek()? != Kind::Number {
        let wrong = r.wrong_kind(
            &format!("{which} argument of a frame"),
            "an integer, zero, or null",
        );
        return Err(r.fail_with(Code::ValueError, wrong.message()));
    }
    r.int("a bound of a frame", "an integer of 64 bits")
}

/// A term of an ordering inside an aggregate or window: names stand for fields, as in Django.
fn inner_order(r: &mut Reader<'_>) -> Result<Order> {
    Ok(match order_term(r)? {
        OrderTerm::Expr(order) => order,
        OrderTerm::Name(name) => {
            let (path, desc) = match name.strip_prefix('-') {
                Some(path) => (path.to_owned(), true),
                None => (name, false),
            };
            Order {
                expr: Expr::F(path),
                desc,
                nulls: None,
            }
        }
    })
}

/// An expression with its direction.
fn order(r: &mut Reader<'_>) -> Result<Order> {
    const WHAT: &str = "an order";
    let (mut inner, mut desc, mut nulls) = (None, false, None);
    fields!(r, WHAT, {
        "expr" => inner = Some(expr(r)?),
        "desc" => desc = r.bool("`desc`")?,
        "nulls" => nulls = r.nullable(|r| r.choice("place of nulls", &NULLS))?,
    });
    Ok(Order {
        expr: r.need(inner, WHAT, "expr")?,
        desc,
        nulls,
    })
}

/// A term of `order_by()` or of a model's ordering.
pub(crate) fn order_term(r: &mut Reader<'_>) -> Result<OrderTerm> {
    match r.peek()? {
        Kind::String => r.owned("a name").map(OrderTerm::Name),
        Kind::Object => order(r).map(OrderTerm::Expr),
        _ => Err(r.wrong_kind("a term of an ordering", "a name or an order")),
    }
}

fn case(r: &mut Reader<'_>) -> Result<Expr> {
    const WHAT: &str = "`case`";
    let (mut branches, mut default, mut ty) = (None, None, None);
    fields!(r, WHAT, {
        "when" => branches = Some(r.vec("`when`", when)?),
        "else" => default = Some(boxed(r)?),
        "output" => ty = Some(output(r)?),
    });
    Ok(Expr::Case(Case {
        when: r.need(branches, WHAT, "when")?,
        default,
        output: ty,
    }))
}

fn when(r: &mut Reader<'_>) -> Result<When> {
    const WHAT: &str = "a branch of a case";
    let (mut condition, mut then) = (None, None);
    fields!(r, WHAT, {
        "if" => condition = Some(q(r)?),
        "then" => then = Some(expr(r)?),
    });
    Ok(When {
        condition: r.need(condition, WHAT, "if")?,
        then: r.need(then, WHAT, "then")?,
    })
}

fn wrap(r: &mut Reader<'_>) -> Result<Expr> {
    const WHAT: &str = "`wrap`";
    let (mut inner, mut ty) = (None, None);
    fields!(r, WHAT, {
        "expr" => inner = Some(boxed(r)?),
        "output" => ty = Some(output(r)?),
    });
    Ok(Expr::Wrap {
        expr: r.need(inner, WHAT, "expr")?,
        output: r.need(ty, WHAT, "output")?,
    })
}

fn compare(r: &mut Reader<'_>) -> Result<Expr> {
    const WHAT: &str = "`compare`";
    let (mut lookup, mut lhs, mut rhs) = (None, None, None);
    fields!(r, WHAT, {
        "lookup" => lookup = Some(r.owned("`lookup`")?),
        "lhs" => lhs = Some(boxed(r)?),
        "rhs" => rhs = Some(boxed(r)?),
    });
    Ok(Expr::Compare {
        lookup: r.need(lookup, WHAT, "lookup")?,
        lhs: r.need(lhs, WHAT, "lhs")?,
        rhs: r.need(rhs, WHAT, "rhs")?,
    })
}

fn transform(r: &mut Reader<'_>) -> Result<Expr> {
    const WHAT: &str = "`transform`";
    let (mut name, mut inner, mut text) = (None, None, false);
    fields!(r, WHAT, {
        "name" => name = Some(r.owned("`name`")?),
        "expr" => inner = Some(boxed(r)?),
        "text" => text = r.bool("`text`")?,
    });
    Ok(Expr::Transform {
        name: r.need(name, WHAT, "name")?,
        expr: r.need(inner, WHAT, "expr")?,
        text,
    })
}

fn subquery(r: &mut Reader<'_>) -> Result<SubqueryExpr> {
    const WHAT: &str = "a subquery";
    let (mut inner, mut ty, mut explicit) = (None, None, false);
    fields!(r, WHAT, {
        "queryset" => inner = Some(Box::new(queryset(r)?)),
        "output" => ty = Some(output(r)?),
        "explicit" => explicit = r.bool("`explicit`")?,
    });
    Ok(SubqueryExpr {
        queryset: r.need(inner, WHAT, "queryset")?,
        output: ty,
        explicit,
    })
}

fn filtered_relation(r: &mut Reader<'_>) -> Result<Expr> {
    const WHAT: &str = "`filtered_relation`";
    let (mut relation, mut condition) = (None, None);
    fields!(r, WHAT, {
        "relation" => relation = Some(r.owned("`relation`")?),
        "condition" => condition = Some(boxed_q(r)?),
    });
    Ok(Expr::FilteredRelation {
        relation: r.need(relation, WHAT, "relation")?,
        condition: r.need(condition, WHAT, "condition")?,
    })
}
