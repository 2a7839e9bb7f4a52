//! Relational operators.

use super::Lowerer;
use crate::error::{Error, Result};
use crate::mql::{Expr, Filter, Stage};
use crate::names::Path;
use crate::plan::facts::rejected;
use crate::plan::{Cardinality, ColumnId, Predicate, Rel, Scalar, SourceId};

impl Lowerer<'_> {
    /// Appends the stages of an operator and its inputs to the current pipeline.
    pub fn rel(&mut self, rel: &Rel) -> Result<()> {
        self.deeper(|l| l.rel_of(rel))
    }

    fn rel_of(&mut self, rel: &Rel) -> Result<()> {
        match rel {
            Rel::Scan(source) => self.scan(*source),
            Rel::Raw { source, stages } => {
                self.scan(*source)?;
                for stage in stages {
                    self.push(Stage::Other(stage.clone()))?;
                }
                Ok(())
            }
            Rel::Search(search) => self.search(search),
            Rel::Empty => {
                self.push(Stage::Documents(vec![Expr::Document(Vec::new())]))?;
                self.push(Stage::Match(Filter::False))
            }
            Rel::Unit => self.push(Stage::Documents(vec![Expr::Document(Vec::new())])),
            Rel::Filter { input, predicate } => {
                self.rel(input)?;
                self.filter_rows(predicate)?;
                self.scope()?.not_null.union(&rejected(predicate));
                Ok(())
            }
            Rel::Join(join) => {
                self.rel(&join.input)?;
                self.join(join)
            }
            Rel::Extend { input, columns } => {
                self.rel(input)?;
                self.extend(columns)
            }
            Rel::Aggregate {
                input,
                keys,
                carried,
                aggregates,
            } => {
                let told = std::mem::take(&mut self.shape_knows);
                if keys.is_empty() && is_empty(input) {
                    self.rel(&Rel::Unit)?;
                    return self.nothing_aggregated(aggregates);
                }
                self.rel(input)?;
                self.group(keys, carried, aggregates)?;
                if keys.is_empty() && !told {
                    self.row_of_nothing(aggregates)?;
                }
                Ok(())
            }
            Rel::Window {
                input,
                partition,
                order,
                outputs,
            } => {
                self.rel(input)?;
                self.window(partition, order, outputs)
            }
            Rel::Distinct {
                input,
                columns,
                carried,
            } => {
                self.rel(input)?;
                let keys: Vec<_> = columns.iter().map(|c| (*c, Scalar::Column(*c))).collect();
                self.group(&keys, carried, &[])
            }
            Rel::DistinctOn {
                input,
                on,
                order,
                kept,
            } => self.distinct_on(input, on, order, kept.as_deref()),
            Rel::Sort { input, keys } => {
                self.rel(input)?;
                self.sort(keys)
            }
            Rel::Slice { input, skip, limit } => {
                if let (0, Some(n), Rel::Sort { input, keys }) = (*skip, *limit, &**input)
                    && super::sort::is_random(keys)
                    && n > 0
                {
                    self.rel(input)?;
                    return self.push(Stage::Sample(n));
                }
                self.rel(input)?;
                self.slice(*skip, *limit)
            }
            Rel::SetOp {
                op,
                inputs,
                columns,
            } => self.set_op(*op, inputs, columns),
        }
    }

    /// Columns that are computed: where they are used, or at a path of their own if that is cheaper.
    pub fn extend(&mut self, columns: &[(ColumnId, Scalar)]) -> Result<()> {
        for (i, (id, scalar)) in columns.iter().enumerate() {
            if let Some(rest) = columns.get(i..)
                && rest.len() > 1
            {
                self.aggregates_together(rest)?;
            }
            self.purpose = Some(self.columns.get(*id)?.name.clone());
            let val = self.scalar(scalar)?;
            self.purpose = None;
            self.scope()?.columns.insert(*id, val);
        }
        Ok(())
    }

    fn slice(&mut self, skip: u64, limit: Option<u64>) -> Result<()> {
        if skip > 0 {
            self.push(Stage::Skip(skip))?;
        }
        match limit {
            Some(0) => self.push(Stage::Match(Filter::False)),
            Some(n) => self.push(Stage::Limit(n)),
            None => Ok(()),
        }
    }

    /// All documents of a source become the pipeline's.
    pub(super) fn scan(&mut self, source: SourceId) -> Result<()> {
        let known = self.columns.source(source)?;
        let (collection, stored) = (known.collection.clone(), known.stored.clone());
        let scope = self.scope()?;
        if scope.collection.is_some() || scope.open.is_some() {
            return Err(Error::internal("two scans without a join"));
        }
        scope.collection = Some(collection);
        scope.open = Some(source);
        scope.sources.insert(source, (Path::root(), false));
        scope.take_stored(&stored);
        scope.take("_id");
        Ok(())
    }

    /// The value of a scalar at a path of its own, for stages that take only paths.
    pub fn placed(&mut self, scalar: &Scalar, name: &str) -> Result<super::scope::Val> {
        if let Scalar::Column(id) = scalar {
            let val = self.column(*id)?;
            let own = self.scope()?.columns.contains_key(id);
            if own && !matches!(val.expr, Expr::Field(_)) {
                return self.materialize(*id);
            }
            return self.place(val, name);
        }
        let val = self.scalar(scalar)?;
        self.place(val, name)
    }
}

/// Provably without rows.
pub(super) fn is_empty(rel: &Rel) -> bool {
    match rel {
        Rel::Empty => true,
        Rel::Filter { input, predicate } => {
            matches!(predicate, Predicate::Const(Some(false) | None)) || is_empty(input)
        }
        Rel::Slice { input, limit, .. } => *limit == Some(0) || is_empty(input),
        Rel::Join(join) => is_empty(&join.input),
        Rel::Aggregate { input, keys, .. } => !keys.is_empty() && is_empty(input),
        Rel::Extend { input, .. }
        | Rel::Window { input, .. }
        | Rel::Distinct { input, .. }
        | Rel::DistinctOn { input, .. }
        | Rel::Sort { input, .. } => is_empty(input),
        Rel::SetOp { op, inputs, .. } => match op {
            crate::plan::SetOp::Union | crate::plan::SetOp::UnionAll => {
                inputs.iter().all(|(rel, _)| is_empty(rel))
            }
            crate::plan::SetOp::Intersection => inputs.iter().any(|(rel, _)| is_empty(rel)),
            crate::plan::SetOp::Difference => inputs.first().is_none_or(|(rel, _)| is_empty(rel)),
        },
        Rel::Scan(_) | Rel::Raw { .. } | Rel::Search(_) | Rel::Unit => false,
    }
}

/// At most one row, by the form of the operators.
pub(super) fn is_one(rel: &Rel) -> bool {
    match rel {
        Rel::Empty | Rel::Unit | Rel::Slice { limit: Some(1), .. } => true,
        Rel::Aggregate { keys, .. } => keys
            .iter()
            .all(|(_, key)| matches!(key, Scalar::Literal(_))),
        Rel::Filter { input, .. }
        | Rel::Extend { input, .. }
        | Rel::Window { input, .. }
        | Rel::Distinct { input, .. }
        | Rel::DistinctOn { input, .. }
        | Rel::Sort { input, .. }
        | Rel::Slice { input, .. } => is_one(input),
        Rel::Join(join) => join.cardinality == Cardinality::One && is_one(&join.input),
        Rel::Scan(_) | Rel::Raw { .. } | Rel::Search(_) | Rel::SetOp { .. } => false,
    }
}

/// Without a top order, which does not matter to whoever asks.
pub(super) fn unordered(rel: &Rel) -> &Rel {
    match rel {
        Rel::Sort { input, .. } => unordered(input),
        other => other,
    }
}
