//! Unions, intersections and differences.

use bson::Bson;

use super::Lowerer;
use super::group::{FEW, carry_value, first};
use super::rel::is_empty;
use super::scope::{Kind, Scope, Val, key_beside};
use crate::error::{Error, Result};
use crate::mql::{Accumulator, Args, Expr, FieldOp, Filter, Projection, Stage};
use crate::names::Path;
use crate::plan::{ColumnId, JoinKind, Origin, Rel, Scalar, SetOp, SourceId, as_column};

/// The key that tells which inputs a row came from. Columns avoid it.
const SIDE: &str = "__side";

impl Lowerer<'_> {
    pub fn set_op(
        &mut self,
        op: SetOp,
        inputs: &[(Rel, Vec<Scalar>)],
        columns: &[ColumnId],
    ) -> Result<()> {
        let marked = matches!(op, SetOp::Intersection | SetOp::Difference);
        let mut names: Vec<String> = Vec::new();
        for (i, id) in columns.iter().enumerate() {
            // A key stays where it is.
            let key = inputs.first().and_then(|(_, scalars)| scalars.get(i));
            let name = match key.and_then(as_column).map(|id| self.columns.get(id)) {
                Some(Ok(key)) if key.is_document_key() => "_id".into(),
                _ => self.columns.get(*id)?.name.clone(),
            };
            let name = key_beside(&name, |key| key == SIDE || names.iter().any(|n| n == key));
            names.push(name);
        }
        let key = (op == SetOp::Union && columns.len() > 1)
            .then(|| self.common_key(inputs))
            .flatten()
            .filter(|at| names.get(*at).is_some_and(|name| name == "_id"));
        let mut vals: Vec<Option<Val>> = columns.iter().map(|_| None).collect();
        // An intersection with nothing has been recognised before; elsewhere inputs without rows add nothing.
        let live: Vec<(usize, &(Rel, Vec<Scalar>))> = inputs
            .iter()
            .enumerate()
            .filter(|(_, (rel, _))| !is_empty(rel))
            .collect();
        if live.is_empty() {
            return self.rel(&Rel::Empty);
        }
        for (position, (side, (rel, scalars))) in live.iter().enumerate() {
            let mark = marked.then_some(*side);
            let compared = op != SetOp::UnionAll && key.is_none();
            if position == 0 {
                self.rel(rel)?;
                self.branch(compared, scalars, &names, mark, &mut vals)?;
                continue;
            }
            self.begin(Kind::Union);
            let inner = self
                .rel(rel)
                .and_then(|()| self.branch(compared, scalars, &names, mark, &mut vals));
            let scope = self.end()?;
            inner?;
            self.push(Stage::UnionWith {
                collection: scope.collection.map(String::from),
                pipeline: scope.stages,
            })?;
        }
        if let Some(key) = key {
            return self.documents(key, columns, &names, vals);
        }
        let grouped = op != SetOp::UnionAll;
        if grouped {
            self.distinct_rows(op, &names, inputs.len())?;
        }
        let scope = self.scope()?;
        let collection = scope.collection.take();
        scope.close();
        scope.collection = collection;
        // Rows of one column are grouped by it.
        let single = grouped && names.len() == 1;
        let prefix = grouped && !single;
        if prefix || single {
            scope.take("_id");
            scope.added.push("_id".to_owned());
        }
        let known = self.columns;
        let scope = self.scope()?;
        for ((id, name), val) in columns.iter().zip(&names).zip(vals) {
            let Some(val) = val else {
                return Err(lacks_a_column());
            };
            let path = if prefix {
                Path::of(["_id", name.as_str()])
            } else if single {
                Path::key("_id")
            } else {
                scope.take(name);
                scope.added.push(name.clone());
                Path::key(name)
            };
            let ty = known.get(*id)?.ty.clone();
            scope.columns.insert(
                *id,
                Val {
                    expr: Expr::Field(path),
                    ty,
                    nullable: val.nullable,
                    array: val.array,
                },
            );
        }
        Ok(())
    }

    /// Brings the documents of an input into the common form.
    fn branch(
        &mut self,
        compared: bool,
        scalars: &[Scalar],
        names: &[String],
        mark: Option<usize>,
        vals: &mut [Option<Val>],
    ) -> Result<()> {
        if !compared && mark.is_none() && self.whole_documents(scalars, names)? {
            for (scalar, known) in scalars.iter().zip(vals.iter_mut()) {
                let val = self.scalar(scalar)?;
                match known {
                    Some(first) => first.nullable |= val.nullable,
                    None => *known = Some(val),
                }
            }
            let source = scalars
                .first()
                .and_then(as_column)
                .and_then(|id| self.columns.source_of(id));
            let scope = self.scope()?;
            let joined = source
                .and_then(|source| scope.sources.get(&source))
                .map(|(at, _)| at.clone());
            return match joined {
                Some(at) if !at.is_empty() => {
                    self.push(Stage::ReplaceRoot(super::scope::field(at)))
                }
                _ => Ok(()),
            };
        }
        // `$group` by a single value makes null of a missing one.
        let as_document = compared && names.len() > 1;
        let mut fields: Vec<(String, Projection)> = Vec::new();
        for ((scalar, name), known) in scalars.iter().zip(names).zip(vals.iter_mut()) {
            let val = self.scalar(scalar)?;
            let projection = match &val.expr {
                // Rows are compared as documents: a missing key must be there as null.
                expr if as_document && val.nullable && expr.may_be_missing() => {
                    Projection::Expr(Expr::list("$ifNull", [val.expr.clone(), Expr::null()]))
                }
                Expr::Field(path)
                    if path.len() == 1 && path.first().is_some_and(|key| key == name) =>
                {
                    Projection::Include
                }
                expr => Projection::Expr(expr.clone()),
            };
            fields.push((name.clone(), projection));
            match known {
                Some(first) => first.nullable |= val.nullable,
                None => *known = Some(val),
            }
        }
        let is_null = |kept: &Projection| *kept == Projection::Expr(Expr::null());
        if !compared && !fields.iter().all(|(_, kept)| is_null(kept)) {
            // What is missing is NULL, too.
            fields.retain(|(_, kept)| !is_null(kept));
        }
        if let Some(side) = mark {
            let side = i32::try_from(side).unwrap_or(i32::MAX);
            fields.push((SIDE.to_owned(), Projection::Expr(Expr::lit(side))));
        }
        if !fields.iter().any(|(name, _)| name == "_id") {
            fields.push(("_id".to_owned(), Projection::Exclude));
        }
        self.push(Stage::Project(fields))
    }

    /// The rows are the documents of a source as they are stored, with all their keys.
    fn whole_documents(&mut self, scalars: &[Scalar], names: &[String]) -> Result<bool> {
        let mut source = None;
        for (scalar, name) in scalars.iter().zip(names) {
            let Some(Origin::Stored {
                source: own, path, ..
            }) = as_column(scalar)
                .map(|id| self.columns.get(id))
                .transpose()?
                .map(|c| &c.origin)
            else {
                return Ok(false);
            };
            let same = *source.get_or_insert(*own) == *own;
            if !same || !matches!(&**path, [key] if *key == **name) {
                return Ok(false);
            }
        }
        let Some(source) = source else {
            return Ok(false);
        };
        let stored = &self.columns.source(source)?.stored;
        let all = !stored.is_empty() && stored.iter().all(|key| names.iter().any(|n| **key == **n));
        let scope = self.scope()?;
        Ok(all
            && scope.sources.get(&source).is_some_and(|(at, absent)| {
                !absent
                    && (!at.is_empty() || (scope.open == Some(source) && scope.added.is_empty()))
            }))
    }

    /// The column that tells the rows of all inputs apart: the key of documents of one collection, beside columns of these.
    fn common_key(&self, inputs: &[(Rel, Vec<Scalar>)]) -> Option<usize> {
        let (_, first) = inputs.first()?;
        let at = first.iter().position(|s| {
            as_column(s).is_some_and(|id| self.columns.get(id).is_ok_and(|c| c.is_document_key()))
        })?;
        let stored = |scalar: &Scalar| match &self.columns.get(as_column(scalar)?).ok()?.origin {
            Origin::Stored { source, path, .. } => Some((*source, path)),
            Origin::Computed => None,
        };
        let collection = |source| self.columns.source(source).ok().map(|s| &s.collection);
        let (of, _) = stored(first.get(at)?)?;
        let same = |(rel, scalars): &(Rel, Vec<Scalar>)| {
            let own = scalars.get(at).and_then(stored).map(|(source, _)| source);
            own.is_some_and(|own| collection(own) == collection(of) && always_read(rel, own))
                && scalars.iter().zip(first).all(|(a, b)| {
                    stored(a)
                        .zip(stored(b))
                        .is_some_and(|(a, b)| Some(a.0) == own && b.0 == of && a.1 == b.1)
                })
        };
        inputs.iter().all(same).then_some(at)
    }

    /// One document per key: equal keys are of the same document.
    fn documents(
        &mut self,
        key: usize,
        columns: &[ColumnId],
        names: &[String],
        vals: Vec<Option<Val>>,
    ) -> Result<()> {
        let mut after = Scope::new(self.scope()?.kind);
        let mut placed: Vec<(ColumnId, Val)> = Vec::new();
        let mut fields: Vec<(String, Accumulator)> = Vec::new();
        let whole = columns.len() > FEW + 1;
        for (i, ((id, name), val)) in columns.iter().zip(names).zip(vals).enumerate() {
            let Some(val) = val else {
                return Err(lacks_a_column());
            };
            let expr = super::scope::field(Path::key(name));
            let val = Val { expr, ..val };
            after.take(name);
            after.added.push(name.clone());
            if i == key || whole {
                placed.push((*id, val));
            } else {
                carry_value(*id, name.clone(), val, &mut fields, &mut placed);
            }
        }
        let id = super::scope::field(Path::key("_id"));
        if whole {
            fields.push(("first".to_owned(), first(Expr::var("ROOT"))));
        }
        self.push(Stage::Group { id, fields })?;
        if whole {
            self.push(Stage::ReplaceRoot(Expr::field(["first"])))?;
        }
        let scope = self.scope()?;
        let (collection, added) = (scope.collection.take(), after.added);
        scope.close();
        scope.collection = collection;
        for name in added {
            scope.take(&name);
            scope.added.push(name);
        }
        scope.columns.extend(placed);
        Ok(())
    }

    /// One document per distinct row, for intersections and differences with the sides that have it.
    fn distinct_rows(&mut self, op: SetOp, names: &[String], inputs: usize) -> Result<()> {
        let id = match names {
            [only] => super::scope::field(Path::key(only)),
            // The stored order of keys may differ from document to document.
            _ => Expr::Document(
                names
                    .iter()
                    .map(|n| (n.clone(), super::scope::field(Path::key(n))))
                    .collect(),
            ),
        };
        if op == SetOp::Union {
            return self.push(Stage::Group {
                id,
                fields: Vec::new(),
            });
        }
        let sides = Accumulator {
            op: "$addToSet",
            args: Args::One(Box::new(Expr::field([SIDE]))),
        };
        self.push(Stage::Group {
            id,
            fields: vec![(SIDE.to_owned(), sides)],
        })?;
        let test = if op == SetOp::Intersection {
            FieldOp::Size(i64::try_from(inputs).unwrap_or(i64::MAX))
        } else {
            FieldOp::Eq(Bson::Array(vec![Bson::Int32(0)]))
        };
        self.push(Stage::Match(Filter::field(SIDE, test)))
    }
}

fn lacks_a_column() -> Error {
    Error::internal("an input of a set operation lacks a column")
}

/// Every row has a document of the source.
fn always_read(rel: &Rel, source: SourceId) -> bool {
    let mut at = rel;
    loop {
        match at {
            Rel::Scan(of) => return *of == source,
            Rel::Join(join) if join.source == source => return join.kind == JoinKind::Inner,
            // Columns of what a group or a further set of rows has kept say nothing of a document.
            Rel::Aggregate { .. } | Rel::Distinct { .. } | Rel::SetOp { .. } => return false,
            _ => {}
        }
        match at.input() {
            Some(input) => at = input,
            None => return false,
        }
    }
}
