//! Groups and distinct rows.

use std::sync::Arc;

use bson::Bson;

use super::Lowerer;
use super::scope::{Scope, Val, key_beside};
use super::sort::is_random;
use super::walk::Uses;
use crate::error::Result;
use crate::mql::{Accumulator, Args, Expr, SortOrder, Stage};
use crate::names::Path;
use crate::plan::{AggregateCall, ColumnId, Origin, Predicate, Rel, Scalar, SortKey, SourceId};
use crate::schema::StorageFamily;
use crate::target::ServerVersion;

/// Columns of a carried source up to which they are carried one by one.
pub(super) const FEW: usize = 3;

impl Lowerer<'_> {
    /// `$group`: afterwards there are the keys, the aggregates and the carried sources.
    pub fn group(
        &mut self,
        keys: &[(ColumnId, Scalar)],
        carried: &[SourceId],
        aggregates: &[(ColumnId, AggregateCall)],
    ) -> Result<()> {
        let keys = self.needed_keys(keys, carried)?;
        let mut after = Scope::new(self.scope()?.kind);
        after.take("_id");
        let mut columns: Vec<(ColumnId, Val)> = Vec::new();

        let mut parts: Vec<(String, Expr)> = Vec::new();
        let mut varying = Vec::new();
        for (id, scalar) in &keys {
            let val = self.group_key(scalar, aggregates)?;
            if val.literal().is_some() {
                columns.push((*id, val));
            } else {
                varying.push((*id, val));
            }
        }
        // The whole `_id` does not tell a missing value from null, which in JSON differ.
        let json = |val: &Val| val.family() == StorageFamily::Json && val.nullable;
        let single = varying.len() == 1 && !varying.iter().any(|(_, val)| json(val));
        for (id, val) in varying {
            let name = self.columns.get(id)?.name.clone();
            let key = if single {
                "_id".to_owned()
            } else {
                key_beside(&name, |key| parts.iter().any(|(k, _)| k == key))
            };
            let path = if single {
                Path::key(&key)
            } else {
                Path::of(["_id", &key])
            };
            columns.push((
                id,
                Val {
                    expr: Expr::Field(path),
                    ty: val.ty.clone(),
                    nullable: val.nullable,
                    array: val.array,
                },
            ));
            // A missing key would be a group of its own beside null, except as the whole `_id`.
            let expr = if val.nullable && !single && !json(&val) && val.expr.may_be_missing() {
                Expr::list("$ifNull", [val.expr, Expr::null()])
            } else {
                val.expr
            };
            parts.push((key, expr));
        }
        let keyed = !parts.is_empty();
        let id = match parts.len() {
            0 => Expr::null(),
            1 if single => parts.remove(0).1,
            _ => Expr::Document(parts),
        };

        let mut fields: Vec<(String, Accumulator)> = Vec::new();
        let mut values: Vec<(ColumnId, Val)> = Vec::new();
        for (id, call) in aggregates {
            let val = self.aggregate(*id, call, &mut after, &mut fields)?;
            values.push((*id, val));
        }
        let mut sources = Vec::new();
        for source in carried {
            self.carry(*source, &mut after, &mut fields, &mut sources, &mut columns)?;
        }

        let scope = self.scope()?;
        scope.push(Stage::Group { id, fields });
        let (kind, collection) = (scope.kind, scope.collection.take());
        debug_assert_eq!(kind, after.kind);
        scope.close();
        scope.collection = collection;
        scope.take("_id");
        if keyed {
            // `_id: null` of a single group is in nobody's way.
            scope.added.push("_id".to_owned());
        }
        for name in &after.added {
            scope.take(name);
            scope.added.push(name.clone());
        }
        scope.columns.extend(columns);
        scope.columns.extend(values);
        scope.sources.extend(sources);
        Ok(())
    }

    /// A key is computed inside `$group`, however often it is used afterwards, unless an aggregate uses it too.
    fn group_key(
        &mut self,
        scalar: &Scalar,
        aggregates: &[(ColumnId, AggregateCall)],
    ) -> Result<Val> {
        if let Scalar::Column(id) = scalar
            && let Some(val) = self.scope()?.columns.get(id).cloned()
        {
            let mut uses = Uses::default();
            for (_, call) in aggregates {
                uses.add_call(call);
            }
            if uses.of(*id) == 0 {
                return Ok(val);
            }
        }
        self.scalar(scalar)
    }

    /// Keys without those that follow from a primary key among them.
    fn needed_keys(
        &self,
        keys: &[(ColumnId, Scalar)],
        carried: &[SourceId],
    ) -> Result<Vec<(ColumnId, Scalar)>> {
        let primary: Vec<SourceId> = keys
            .iter()
            .filter_map(|(_, scalar)| self.primary_key(scalar))
            .filter(|source| carried.contains(source))
            .collect();
        let mut out = Vec::new();
        for (id, scalar) in keys {
            let source = match scalar {
                Scalar::Column(column) if column == id => self.columns.source_of(*column),
                _ => None,
            };
            let follows = source.is_some_and(|s| primary.contains(&s));
            if !follows || self.primary_key(scalar).is_some() {
                out.push((*id, scalar.clone()));
            }
        }
        Ok(out)
    }

    /// The source whose `_id` this is.
    fn primary_key(&self, scalar: &Scalar) -> Option<SourceId> {
        let Scalar::Column(id) = scalar else {
            return None;
        };
        match &self.columns.get(*id).ok()?.origin {
            Origin::Stored { source, path, .. } if matches!(&**path, [k] if *k == "_id") => {
                Some(*source)
            }
            _ => None,
        }
    }

    /// Keeps the documents of a source, or the few columns of it that are used.
    fn carry(
        &mut self,
        source: SourceId,
        after: &mut Scope,
        fields: &mut Vec<(String, Accumulator)>,
        sources: &mut Vec<(SourceId, (Path, bool))>,
        columns: &mut Vec<(ColumnId, Val)>,
    ) -> Result<()> {
        let known: Vec<ColumnId> = columns.iter().map(|(id, _)| *id).collect();
        let mut used = Vec::new();
        for (id, column) in self.columns.iter() {
            let mine = self.columns.source_of(id) == Some(source);
            if mine && self.uses.of(id) > 0 && !known.contains(&id) {
                used.push((id, column.name.clone()));
            }
        }
        if used.len() <= FEW {
            for (id, name) in used {
                let val = self.column(id)?;
                carry_value(id, after.fresh(&name), val, fields, columns);
            }
            return Ok(());
        }
        let name = self.columns.source(source)?.name.clone();
        let Some((prefix, absent)) = self.scope()?.sources.get(&source).cloned() else {
            // Its columns were carried one by one before.
            for (id, name) in used {
                let val = self.column(id)?;
                carry_value(id, after.fresh(&name), val, fields, columns);
            }
            return Ok(());
        };
        let key = after.fresh(&name);
        let document = if prefix.is_empty() {
            Expr::var("ROOT")
        } else {
            super::scope::field(prefix)
        };
        fields.push((key.clone(), first(document)));
        sources.push((source, (Path::key(key), absent)));
        Ok(())
    }

    /// Adds the accumulators of an aggregate and returns its value after the group.
    fn aggregate(
        &mut self,
        id: ColumnId,
        call: &AggregateCall,
        after: &mut Scope,
        fields: &mut Vec<(String, Accumulator)>,
    ) -> Result<Val> {
        let filter = self.aggregate_filter(call.filter.as_ref())?;
        let name = self.columns.get(id)?.name.clone();
        let expr = self.call_aggregate(call, filter, &name, after, fields)?;
        Ok(Val {
            expr,
            ty: Arc::clone(&call.ty),
            nullable: !call.never_null && self.registry.empty_value(&call.function) == Bson::Null,
            array: super::scalar::array_of(&call.ty),
        })
    }

    pub fn aggregate_filter(&mut self, filter: Option<&Predicate>) -> Result<Option<Expr>> {
        filter.map(|p| self.truth_expr(p, true)).transpose()
    }

    /// `DISTINCT ON`: the first document of each combination, or the columns of it that are read, then the order again. Servers that
    /// know the first in an order need not sort all documents.
    pub fn distinct_on(
        &mut self,
        input: &Rel,
        on: &[Scalar],
        order: &[SortKey],
        kept: Option<&[ColumnId]>,
    ) -> Result<()> {
        let sorted = match input {
            Rel::Sort { input, keys } if self.target.version >= TOP && !is_random(keys) => {
                self.rel(input)?;
                Some(self.sort_keys(keys)?)
            }
            _ => {
                self.rel(input)?;
                None
            }
        };
        let first = |value: Expr| match &sorted {
            Some(keys) if !keys.is_empty() => top(keys, value),
            _ => first(value),
        };
        let mut parts = Vec::new();
        let mut known: Vec<(ColumnId, Val)> = Vec::new();
        for scalar in on {
            let val = self.scalar(scalar)?;
            let key = format!("k{}", parts.len() + 1);
            if let Scalar::Column(id) = scalar
                && val.family() != StorageFamily::Json
            {
                let path = match on.len() {
                    1 => Path::key("_id"),
                    _ => Path::of(["_id", key.as_str()]),
                };
                let expr = Expr::Field(path);
                known.push((
                    *id,
                    Val {
                        expr,
                        ..val.clone()
                    },
                ));
            }
            let expr = if val.nullable && on.len() > 1 && val.expr.may_be_missing() {
                Expr::list("$ifNull", [val.expr, Expr::null()])
            } else {
                val.expr
            };
            parts.push((key, expr));
        }
        let id = if parts.len() == 1 {
            parts.remove(0).1
        } else {
            Expr::Document(parts)
        };
        let Some(kept) = kept else {
            let scope = self.scope()?;
            scope.push(Stage::Group {
                id,
                fields: vec![("first".to_owned(), first(Expr::var("ROOT")))],
            });
            scope.push(Stage::ReplaceRoot(Expr::field(["first"])));
            return self.sort(order);
        };
        let mut after = Scope::new(self.scope()?.kind);
        after.take("_id");
        let mut values: Vec<(ColumnId, String, Val)> = Vec::new();
        for column in kept {
            if !known.iter().any(|(id, _)| id == column) {
                let name = self.columns.get(*column)?.name.clone();
                let val = self.column(*column)?;
                values.push((*column, after.fresh(&name), val));
            }
        }
        let mut fields = Vec::new();
        if values.len() > 1 && sorted.is_some() {
            // One document of the values, so that rows are compared once.
            after = Scope::new(after.kind);
            after.take("_id");
            let key = after.fresh("first");
            let mut document = Vec::new();
            for (id, name, val) in values {
                let expr = super::scope::field(Path::of([&key, &name]));
                document.push((name, val.expr.clone()));
                known.push((id, Val { expr, ..val }));
            }
            fields.push((key, first(Expr::Document(document))));
        } else {
            for (id, name, val) in values {
                let (value, expr) = wrapped(&name, &val);
                known.push((id, Val { expr, ..val }));
                fields.push((name, first(value)));
            }
        }
        let scope = self.scope()?;
        scope.push(Stage::Group { id, fields });
        let collection = scope.collection.take();
        scope.close();
        scope.collection = collection;
        scope.take("_id");
        scope.added.push("_id".to_owned());
        for name in &after.added {
            scope.take(name);
            scope.added.push(name.clone());
        }
        scope.columns.extend(known);
        self.sort(order)
    }
}

/// Since when there is `$top`.
const TOP: ServerVersion = ServerVersion::new(5, 2);

/// `{$top: {sortBy: .., output: x}}`.
fn top(keys: &[(String, SortOrder)], output: Expr) -> Accumulator {
    let by = keys.iter().map(|(path, order)| {
        let sign = match order {
            SortOrder::Asc => 1,
            SortOrder::Desc => -1,
        };
        (path.clone(), Bson::Int32(sign))
    });
    Accumulator {
        op: "$top",
        args: Args::Named(vec![
            ("sortBy", Expr::Raw(Bson::Document(by.collect()))),
            ("output", output),
        ]),
    }
}

/// What an accumulator keeps of a value, and where that is. It makes null of a missing value, unless it is inside a document: in JSON
/// they differ.
fn wrapped(key: &str, val: &Val) -> (Expr, Expr) {
    let (value, path) = if val.family() == StorageFamily::Json && val.nullable {
        let inside = Expr::Document(vec![("v".to_owned(), val.expr.clone())]);
        (inside, Path::of([key, "v"]))
    } else {
        (val.expr.clone(), Path::key(key))
    };
    (value, Expr::Field(path))
}

/// A carried column, under a key.
pub(super) fn carry_value(
    id: ColumnId,
    key: String,
    val: Val,
    fields: &mut Vec<(String, Accumulator)>,
    columns: &mut Vec<(ColumnId, Val)>,
) {
    let (value, expr) = wrapped(&key, &val);
    fields.push((key, first(value)));
    columns.push((id, Val { expr, ..val }));
}

/// `{$first: x}`.
pub(super) fn first(expr: Expr) -> Accumulator {
    Accumulator {
        op: "$first",
        args: Args::One(Box::new(expr)),
    }
}
