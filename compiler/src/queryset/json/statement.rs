//! Statements, querysets and calls from JSON.

use indexmap::IndexMap;

use super::expr::{annotations, boxed_q, exprs, index, order_term, q};
use super::mql::{document, mql};
use super::reader::{Kind, Reader, Tags, fields};
use super::value::computed_value;
use crate::error::{Code, Error, Result};
use crate::queryset::{
    BulkUpdate, Call, CombineOp, Direction, Do, Hint, Insert, Prefetch, Queryset, Statement, Value,
    ValuesFields, page_after,
};

/// A statement.
pub(super) fn statement(r: &mut Reader<'_>) -> Result<Statement> {
    const WHAT: &str = "a statement";
    let (mut model, mut calls, mut action) = (None, None, None);
    fields!(r, WHAT, {
        "model" => model = Some(r.owned("`model`")?),
        "calls" => calls = Some(calls_of(r)?),
        "do" => action = Some(terminal(r)?),
    });
    Ok(Statement {
        model: r.need(model, WHAT, "model")?,
        calls: r.need(calls, WHAT, "calls")?,
        action: r.need(action, WHAT, "do")?,
    })
}

/// A queryset.
pub(super) fn queryset(r: &mut Reader<'_>) -> Result<Queryset> {
    const WHAT: &str = "a queryset";
    r.enter()?;
    let (mut model, mut calls) = (None, None);
    fields!(r, WHAT, {
        "model" => model = Some(r.owned("`model`")?),
        "calls" => calls = Some(calls_of(r)?),
    });
    r.leave();
    Ok(Queryset {
        model: r.need(model, WHAT, "model")?,
        calls: r.need(calls, WHAT, "calls")?,
    })
}

const CALL_TAGS: Tags<Call> = &[
    ("filter", |r| q(r).map(Call::Filter)),
    ("exclude", |r| q(r).map(Call::Exclude)),
    ("sticky_filter", |r| q(r).map(Call::StickyFilter)),
    ("annotate", |r| annotations(r).map(Call::Annotate)),
    ("alias", |r| annotations(r).map(Call::Alias)),
    ("values", values),
    ("values_list", values_list),
    ("order_by", |r| {
        r.vec("`order_by`", order_term).map(Call::OrderBy)
    }),
    ("reverse", |r| {
        r.empty_object("`reverse`").map(|()| Call::Reverse)
    }),
    ("distinct", |r| names(r).map(Call::Distinct)),
    ("slice", slice),
    ("dates", dates),
    ("datetimes", datetimes),
    ("none", |r| r.empty_object("`none`").map(|()| Call::None)),
    ("select_related", |r| {
        r.nullable(names).map(Call::SelectRelated)
    }),
    ("prefetch_related", |r| {
        r.nullable(|r| r.vec("`prefetch_related`", prefetch))
            .map(Call::PrefetchRelated)
    }),
    ("defer", |r| r.nullable(names).map(Call::Defer)),
    ("only", only),
    ("union", union),
    ("intersection", |r| others(r).map(Call::Intersection)),
    ("difference", |r| others(r).map(Call::Difference)),
    ("combine", combine),
    ("raw", |r| r.vec("`raw`", document).map(Call::Raw)),
    ("using", |r| r.owned("`using`").map(Call::Using)),
    ("select_for_update", select_for_update),
    ("hint", hint),
];

fn calls_of(r: &mut Reader<'_>) -> Result<Vec<Call>> {
    let mut calls = Vec::with_capacity(4);
    let mut array = r.begin_array("`calls`")?;
    while r.next_item(&mut array)? {
        r.node()?;
        r.tagged_or("a call", CALL_TAGS, "page_after", page, &mut calls)?;
    }
    Ok(calls)
}

/// `[["-pages", 300], ["pk", 7]]`: the order with the values of the last row; the calls that it stands for.
fn page(r: &mut Reader<'_>) -> Result<Vec<Call>> {
    let last = r.vec("`page_after`", |r| {
        let mut parts = r.vec("a pair of a name and a value", super::value::value)?;
        match (parts.pop(), parts.pop(), parts.len()) {
            (Some(value), Some(Value::Str(name)), 0) => Ok((name, value)),
            _ => Err(r.fail("expected a pair of a name and a value".to_owned())),
        }
    })?;
    Ok(page_after(&last))
}

/// A list of names.
pub(crate) fn names(r: &mut Reader<'_>) -> Result<Vec<String>> {
    r.vec("a list of names", |r| r.owned("a name"))
}

fn values(r: &mut Reader<'_>) -> Result<Call> {
    let mut selected = ValuesFields::default();
    fields!(r, "`values`", {
        "fields" => selected.fields = names(r)?,
        "exprs" => selected.exprs = exprs(r)?,
    });
    Ok(Call::Values(selected))
}

fn values_list(r: &mut Reader<'_>) -> Result<Call> {
    let mut selected = ValuesFields::default();
    let (mut flat, mut named) = (false, false);
    fields!(r, "`values_list`", {
        "fields" => selected.fields = names(r)?,
        "exprs" => selected.exprs = exprs(r)?,
        "flat" => flat = r.bool("`flat`")?,
        "named" => named = r.bool("`named`")?,
    });
    Ok(Call::ValuesList {
        fields: selected,
        flat,
        named,
    })
}

fn slice(r: &mut Reader<'_>) -> Result<Call> {
    let mut bounds = r.vec("`slice`", |r| r.nullable(index))?.into_iter();
    match (bounds.next(), bounds.next(), bounds.next()) {
        (Some(start), Some(stop), None) => Ok(Call::Slice { start, stop }),
        _ => Err(r.fail("`slice` has two elements: start and stop")),
    }
}

pub(super) const DIRECTIONS: [(Direction, &str); 2] =
    [(Direction::Asc, "ASC"), (Direction::Desc, "DESC")];

/// The direction of `dates()` and `datetimes()`, refused as Django refuses it.
fn direction(r: &mut Reader<'_>) -> Result<Direction> {
    let given = r.string("`order`")?;
    let known = DIRECTIONS.iter().find(|(_, word)| *word == given);
    known
        .map(|(order, _)| *order)
        .ok_or_else(|| r.fail_with(Code::ValueError, "'order' must be either 'ASC' or 'DESC'."))
}

fn dates(r: &mut Reader<'_>) -> Result<Call> {
    const WHAT: &str = "`dates`";
    let (mut field, mut kind, mut order) = (None, None, Direction::Asc);
    fields!(r, WHAT, {
        "field" => field = Some(r.owned("`field`")?),
        "kind" => kind = Some(r.owned("`kind`")?),
        "order" => order = direction(r)?,
    });
    Ok(Call::Dates {
        field: r.need(field, WHAT, "field")?,
        kind: r.need(kind, WHAT, "kind")?,
        order,
    })
}

fn datetimes(r: &mut Reader<'_>) -> Result<Call> {
    const WHAT: &str = "`datetimes`";
    let (mut field, mut kind, mut order, mut tz) = (None, None, Direction::Asc, None);
    fields!(r, WHAT, {
        "field" => field = Some(r.owned("`field`")?),
        "kind" => kind = Some(r.owned("`kind`")?),
        "order" => order = direction(r)?,
        "tz" => tz = r.nullable(|r| r.owned("`tz`"))?,
    });
    Ok(Call::Datetimes {
        field: r.need(field, WHAT, "field")?,
        kind: r.need(kind, WHAT, "kind")?,
        order,
        tz,
    })
}

fn prefetch(r: &mut Reader<'_>) -> Result<Prefetch> {
    const WHAT: &str = "a prefetch";
    let (mut lookup, mut inner, mut to_attr) = (None, None, None);
    fields!(r, WHAT, {
        "lookup" => lookup = Some(r.owned("`lookup`")?),
        "queryset" => inner = r.nullable(queryset)?,
        "to_attr" => to_attr = r.nullable(|r| r.owned("`to_attr`"))?,
    });
    Ok(Prefetch {
        lookup: r.need(lookup, WHAT, "lookup")?,
        queryset: inner,
        to_attr,
    })
}

/// Unlike `defer()`, `only()` cannot be cleared; the message is that of Django's mistake.
fn only(r: &mut Reader<'_>) -> Result<Call> {
    if r.peek()? == Kind::Null {
        return Err(r.fail_with(
            Code::TypeError,
            "Cannot pass None as an argument to only().",
        ));
    }
    names(r).map(Call::Only)
}

fn union(r: &mut Reader<'_>) -> Result<Call> {
    const WHAT: &str = "`union`";
    let (mut all, mut others) = (false, None);
    fields!(r, WHAT, {
        "all" => all = r.bool("`all`")?,
        "others" => others = Some(r.vec("`others`", queryset)?),
    });
    let others = r.need(others, WHAT, "others")?;
    Ok(Call::Union { all, others })
}

fn others(r: &mut Reader<'_>) -> Result<Vec<Queryset>> {
    const WHAT: &str = "a combination of querysets";
    let mut others = None;
    fields!(r, WHAT, {
        "others" => others = Some(r.vec("`others`", queryset)?),
    });
    r.need(others, WHAT, "others")
}

pub(super) const COMBINE_OPS: [(CombineOp, &str); 3] = [
    (CombineOp::And, "&"),
    (CombineOp::Or, "|"),
    (CombineOp::Xor, "^"),
];

fn combine(r: &mut Reader<'_>) -> Result<Call> {
    const WHAT: &str = "`combine`";
    let (mut op, mut other) = (None, None);
    fields!(r, WHAT, {
        "op" => op = Some(r.choice("operator between querysets", &COMBINE_OPS)?),
        "other" => other = Some(Box::new(queryset(r)?)),
    });
    Ok(Call::Combine {
        op: r.need(op, WHAT, "op")?,
        other: r.need(other, WHAT, "other")?,
    })
}

fn select_for_update(r: &mut Reader<'_>) -> Result<Call> {
    let (mut nowait, mut skip_locked, mut of, mut no_key) = (false, false, Vec::new(), false);
    fields!(r, "`select_for_update`", {
        "nowait" => nowait = r.bool("`nowait`")?,
        "skip_locked" => skip_locked = r.bool("`skip_locked`")?,
        "of" => of = names(r)?,
        "no_key" => no_key = r.bool("`no_key`")?,
    });
    Ok(Call::SelectForUpdate {
        nowait,
        skip_locked,
        of,
        no_key,
    })
}

fn hint(r: &mut Reader<'_>) -> Result<Call> {
    let mut hint = Box::<Hint>::default();
    fields!(r, "`hint`", {
        "index" => hint.index = Some(mql(r)?),
        "comment" => hint.comment = Some(mql(r)?),
        "collation" => hint.collation = Some(document(r)?),
        "max_time_ms" => hint.max_time_ms = Some(r.int("`max_time_ms`", "a count of milliseconds")?),
        "allow_disk_use" => hint.allow_disk_use = Some(r.bool("`allow_disk_use`")?),
    });
    Ok(Call::Hint(hint))
}

// Terminals

/// Terminals that are words.
pub(super) const WORDS: [(&str, Do); 6] = [
    ("rows", Do::Rows),
    ("count", Do::Count { limit: None }),
    ("exists", Do::Exists),
    ("explain", Do::Explain),
    ("delete", Do::Delete),
    ("get", Do::Get),
];

const DO_TAGS: Tags<Do> = &[
    ("aggregate", |r| exprs(r).map(Do::Aggregate)),
    ("update", |r| exprs(r).map(Do::Update)),
    ("insert", |r| insert(r).map(Do::Insert)),
    ("bulk_update", |r| bulk_update(r).map(Do::BulkUpdate)),
    ("count", count),
    ("get_or_create", get_or_create),
    ("update_or_create", update_or_create),
];

fn terminal(r: &mut Reader<'_>) -> Result<Do> {
    match r.peek()? {
        Kind::String => {
            let word = r.string("`do`")?;
            let known = WORDS.iter().find(|(name, _)| *name == word);
            match known {
                Some((_, action)) => Ok(action.clone()),
                None => Err(unknown_terminal(r.fail(format!("{word:?} is no terminal")))),
            }
        }
        Kind::Object => r.tagged("a terminal", DO_TAGS),
        _ => Err(unknown_terminal(
            r.wrong_kind("a terminal", "a word or an object with one tag"),
        )),
    }
}

fn unknown_terminal(error: Error) -> Error {
    let words = WORDS.iter().map(|(name, _)| (*name).to_owned());
    let tags = DO_TAGS.iter().map(|(tag, _)| format!("{{{tag:?}: ...}}"));
    error.with_choices(words.chain(tags))
}

fn count(r: &mut Reader<'_>) -> Result<Do> {
    const WHAT: &str = "`count`";
    let mut limit = None;
    fields!(r, WHAT, {
        "limit" => limit = Some(r.int("`limit`", "an integer that is not negative")?),
    });
    let limit = Some(r.need(limit, WHAT, "limit")?);
    Ok(Do::Count { limit })
}

/// Values by field name, where the database may compute some.
fn row(r: &mut Reader<'_>) -> Result<IndexMap<String, Value>> {
    r.map("values by field name", computed_value)
}

fn insert(r: &mut Reader<'_>) -> Result<Insert> {
    const WHAT: &str = "`insert`";
    let mut rows = None;
    let mut insert = Insert::default();
    fields!(r, WHAT, {
        "rows" => rows = Some(r.vec("`rows`", row)?),
        "ignore_conflicts" => insert.ignore_conflicts = r.bool("`ignore_conflicts`")?,
        "update_conflicts" => insert.update_conflicts = r.bool("`update_conflicts`")?,
        "update_fields" => insert.update_fields = names(r)?,
        "unique_fields" => insert.unique_fields = names(r)?,
    });
    insert.rows = r.need(rows, WHAT, "rows")?;
    Ok(insert)
}

fn bulk_update(r: &mut Reader<'_>) -> Result<BulkUpdate> {
    const WHAT: &str = "`bulk_update`";
    let (mut rows, mut fields) = (None, None);
    fields!(r, WHAT, {
        "rows" => rows = Some(r.vec("`rows`", row)?),
        "fields" => fields = Some(names(r)?),
    });
    Ok(BulkUpdate {
        rows: r.need(rows, WHAT, "rows")?,
        fields: r.need(fields, WHAT, "fields")?,
    })
}

fn get_or_create(r: &mut Reader<'_>) -> Result<Do> {
    const WHAT: &str = "`get_or_create`";
    let (mut filter, mut defaults) = (None, IndexMap::new());
    fields!(r, WHAT, {
        "where" => filter = Some(boxed_q(r)?),
        "defaults" => defaults = row(r)?,
    });
    Ok(Do::GetOrCreate {
        filter: r.need(filter, WHAT, "where")?,
        defaults,
    })
}

fn update_or_create(r: &mut Reader<'_>) -> Result<Do> {
    const WHAT: &str = "`update_or_create`";
    let (mut filter, mut defaults, mut create_defaults) = (None, IndexMap::new(), None);
    fields!(r, WHAT, {
        "where" => filter = Some(boxed_q(r)?),
        "defaults" => defaults = row(r)?,
        "create_defaults" => create_defaults = r.nullable(row)?,
    });
    Ok(Do::UpdateOrCreate {
        filter: r.need(filter, WHAT, "where")?,
        defaults,
        create_defaults,
    })
}
