//! Unions, intersections and differences.

use bson::Bson;

use super::Lowerer;
use super::rel::is_empty;
use super::scope::{Kind, Val};
use crate::error::{Error, Result};
use crate::mql::{Accumulator, Args, Expr, FieldOp, Filter, Projection, Stage};
use crate::names::Path;
use crate::plan::{ColumnId, Rel, Scalar, SetOp, as_column};

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
            names.push(name_beside(&name, &names));
        }
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
            if position == 0 {
                self.rel(rel)?;
                self.branch(op, scalars, &names, mark, &mut vals)?;
                continue;
            }
            self.begin(Kind::Union);
            let inner = self
                .rel(rel)
                .and_then(|()| self.branch(op, scalars, &names, mark, &mut vals));
            let scope = self.end()?;
            inner?;
            self.push(Stage::UnionWith {
                collection: scope.collection.map(String::from),
                pipeline: scope.stages,
            })?;
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
                return Err(Error::internal(
                    "an input of a set operation lacks a column",
                ));
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
        op: SetOp,
        scalars: &[Scalar],
        names: &[String],
        mark: Option<usize>,
        vals: &mut [Option<Val>],
    ) -> Result<()> {
        let compared = op != SetOp::UnionAll;
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

fn name_beside(name: &str, taken: &[String]) -> String {
    let mut base: String = name
        .chars()
        .map(|c| {
            if matches!(c, '.' | '$' | '\0') {
                '_'
            } else {
                c
            }
        })
        .collect();
    if base.is_empty() {
        base.push_str("value");
    }
    let mut candidate = base.clone();
    let mut n = 1;
    while taken.contains(&candidate) || candidate == SIDE {
        n += 1;
        candidate = format!("{base}_{n}");
    }
    candidate
}
