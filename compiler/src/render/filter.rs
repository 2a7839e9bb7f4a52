//! Filters.

use std::collections::BTreeSet;

use bson::Bson;

use super::Render;
use super::sink::{ITEM, Sink};
use crate::mql::{FieldOp, Filter};

impl Render<'_> {
    pub(super) fn filter<S: Sink>(&self, key: &str, filter: &Filter, out: &mut S) {
        out.document(key, |out| self.conditions(filter, &[], out));
    }

    fn filters<S: Sink>(&self, key: &str, items: &[Filter], out: &mut S) {
        out.array(key, |out| {
            for item in items {
                self.filter(ITEM, item, out);
            }
        });
    }

    /// The entries of a filter. What is `more` comes at the end of its `$and`, which it has then.
    pub(super) fn conditions<S: Sink>(&self, filter: &Filter, more: &[&Filter], out: &mut S) {
        match filter {
            Filter::True => {}
            // The planner knows this one: it does not even look.
            Filter::False => out.document("_id", |out| out.values("$in", &[])),
            Filter::And(items) => self.conjunction(items, more, out),
            Filter::Or(items) => self.filters("$or", items, out),
            Filter::Nor(items) => self.filters("$nor", items, out),
            Filter::Field { path, ops } => match ops.as_slice() {
                [op] => self.field(path, &[op], out),
                ops => self.fields(path, ops, more, out),
            },
            Filter::Expr(expr) => self.expr("$expr", expr, out),
            Filter::Raw(document) => {
                for (key, value) in document {
                    if key != "$and" || more.is_empty() {
                        out.value(key, value);
                        continue;
                    }
                    out.array(key, |out| {
                        for item in value.as_array().into_iter().flatten() {
                            out.value(ITEM, item);
                        }
                        self.rest(more, out);
                    });
                }
            }
        }
    }

    /// One document for all items whose keys do not collide; the rest goes under `$and`.
    fn conjunction<S: Sink>(&self, items: &[Filter], more: &[&Filter], out: &mut S) {
        let (together, mut apart) = parted(items, keys);
        apart.extend(more);
        let mut written = apart.is_empty();
        for item in together {
            if !written && has_and(item) {
                self.conditions(item, &apart, out);
                written = true;
            } else {
                self.conditions(item, &[], out);
            }
        }
        if !written {
            out.array("$and", |out| self.rest(&apart, out));
        }
    }

    fn rest<S: Sink>(&self, filters: &[&Filter], out: &mut S) {
        for filter in filters {
            self.filter(ITEM, filter, out);
        }
    }

    /// Conditions on a path, each operator once in a document.
    fn fields<S: Sink>(&self, path: &str, ops: &[FieldOp], more: &[&Filter], out: &mut S) {
        let (together, apart) = parted(ops, operators);
        if apart.is_empty() {
            self.field(path, &together, out);
            return;
        }
        out.array("$and", |out| {
            out.document(ITEM, |out| self.field(path, &together, out));
            for op in apart {
                out.document(ITEM, |out| {
                    out.document(path, |out| self.op(op, out));
                });
            }
            self.rest(more, out);
        });
    }

    fn field<S: Sink>(&self, path: &str, ops: &[&FieldOp], out: &mut S) {
        match ops {
            [FieldOp::Eq(value)] if is_plain(value) => out.value(path, value),
            ops => out.document(path, |out| {
                for op in ops {
                    self.op(op, out);
                }
            }),
        }
    }

    fn op<S: Sink>(&self, op: &FieldOp, out: &mut S) {
        match op {
            FieldOp::Eq(v) => out.value("$eq", v),
            FieldOp::Ne(v) => out.value("$ne", v),
            FieldOp::Lt(v) => out.value("$lt", v),
            FieldOp::Lte(v) => out.value("$lte", v),
            FieldOp::Gt(v) => out.value("$gt", v),
            FieldOp::Gte(v) => out.value("$gte", v),
            FieldOp::In(v) => out.values("$in", v),
            FieldOp::Nin(v) => out.values("$nin", v),
            FieldOp::InParameter(n) => out.values("$in", self.parameter(*n)),
            FieldOp::Exists(yes) => out.bool("$exists", *yes),
            FieldOp::Type(types) => match types.as_slice() {
                [one] => out.str("$type", one),
                many => out.strs("$type", many),
            },
            FieldOp::Regex { pattern, options } => {
                out.str("$regex", pattern);
                if !options.is_empty() {
                    out.str("$options", options);
                }
            }
            FieldOp::Mod(divisor, remainder) => {
                out.values("$mod", &[Bson::Int64(*divisor), Bson::Int64(*remainder)]);
            }
            FieldOp::All(v) => out.values("$all", v),
            FieldOp::Size(n) => out.value("$size", &Bson::Int64(*n)),
            FieldOp::ElemMatch(filter) => self.filter("$elemMatch", filter, out),
            FieldOp::ElemMatchValue(ops) => self.ops("$elemMatch", ops, out),
            FieldOp::Not(ops) => self.ops("$not", ops, out),
            FieldOp::Other(op, value) => out.value(op, value),
        }
    }

    fn ops<S: Sink>(&self, key: &str, ops: &[FieldOp], out: &mut S) {
        out.document(key, |out| {
            for op in ops {
                self.op(op, out);
            }
        });
    }
}

/// `{path: value}` cannot be read as anything but equality.
fn is_plain(value: &Bson) -> bool {
    !matches!(value, Bson::Document(_) | Bson::RegularExpression(_))
}

/// Those that can stand in one document, and those that need a key again which is taken.
fn parted<'t, T>(
    items: &'t [T],
    keys: fn(&'t T, &mut dyn FnMut(&'t str)),
) -> (Vec<&'t T>, Vec<&'t T>) {
    let mut taken = BTreeSet::new();
    items.iter().partition(|item| {
        let mut free = true;
        keys(item, &mut |key| free &= !taken.contains(key));
        if free {
            keys(item, &mut |key| {
                taken.insert(key);
            });
        }
        free
    })
}

/// The keys of a filter's document.
fn keys<'f>(filter: &'f Filter, each: &mut dyn FnMut(&'f str)) {
    match filter {
        Filter::True => {}
        Filter::False => each("_id"),
        Filter::And(items) => {
            let (together, apart) = parted(items, keys);
            together.into_iter().for_each(|item| keys(item, each));
            if !apart.is_empty() {
                each("$and");
            }
        }
        Filter::Or(_) => each("$or"),
        Filter::Nor(_) => each("$nor"),
        Filter::Field { path, ops } => {
            if ops.len() > 1 && !parted(ops, operators).1.is_empty() {
                each("$and");
            } else {
                each(path);
            }
        }
        Filter::Expr(_) => each("$expr"),
        Filter::Raw(document) => document.keys().for_each(|key| each(key)),
    }
}

fn has_and(filter: &Filter) -> bool {
    let mut has = false;
    keys(filter, &mut |key| has |= key == "$and");
    has
}

/// The keys of a condition on a path.
fn operators<'o>(op: &'o FieldOp, each: &mut dyn FnMut(&'o str)) {
    each(match op {
        FieldOp::Eq(_) => "$eq",
        FieldOp::Ne(_) => "$ne",
        FieldOp::Lt(_) => "$lt",
        FieldOp::Lte(_) => "$lte",
        FieldOp::Gt(_) => "$gt",
        FieldOp::Gte(_) => "$gte",
        FieldOp::In(_) | FieldOp::InParameter(_) => "$in",
        FieldOp::Nin(_) => "$nin",
        FieldOp::Exists(_) => "$exists",
        FieldOp::Type(_) => "$type",
        FieldOp::Regex { .. } => "$regex",
        FieldOp::Mod(..) => "$mod",
        FieldOp::All(_) => "$all",
        FieldOp::Size(_) => "$size",
        FieldOp::ElemMatch(_) | FieldOp::ElemMatchValue(_) => "$elemMatch",
        FieldOp::Not(_) => "$not",
        FieldOp::Other(op, _) => op,
    });
}
