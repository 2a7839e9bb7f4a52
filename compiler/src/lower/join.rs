//! Joins as `$lookup` and `$unwind`.

use super::Lowerer;
use super::scope::{Kind, Val, is_path_key};
use super::walk::Uses;
use crate::error::Result;
use crate::mql::{FieldOp, Filter, Stage};
use crate::names::Path;
use crate::plan::{ArrayFact, Column, ColumnId, Join, JoinKind, Origin, Predicate, Scalar};

/// Keys that nobody reads from which on joined documents are projected.
const WORTH: usize = 4;

impl Lowerer<'_> {
    pub fn join(&mut self, join: &Join) -> Result<()> {
        let source = self.columns.source(join.source)?.clone();
        let left = join.kind == JoinKind::Left;
        let mut fields = None;
        let mut first = None;
        let mut guard = Filter::True;
        let mut rest = Vec::new();
        for (local, foreign) in &join.on {
            let column = self.columns.get(*foreign)?.clone();
            if fields.is_none()
                && let Some(foreign_path) = stored_path(&column)
            {
                let val = self.operand(local)?;
                if let Some(path) = val.scalar_path() {
                    if val.nullable && column.nullable {
                        if left {
                            first = Some(not_null(*foreign));
                        } else {
                            guard = Filter::field(path.clone(), FieldOp::Ne(bson::Bson::Null));
                        }
                    }
                    fields = Some((path, foreign_path));
                    continue;
                }
            }
            rest.push(Predicate::equal(Scalar::Column(*foreign), local.clone()));
        }
        self.push_match(guard)?;
        self.begin(Kind::Lookup);
        let inner = self.joined(join, first, &rest);
        let narrow = self.narrow(join);
        let mut scope = self.end()?;
        inner?;
        if let Some(keys) = narrow?
            && (!scope.stages.is_empty() || self.held.contains(join.source))
        {
            scope.push(super::scope::include(&keys));
        }
        let into = self.fresh(&source.name)?;
        let lookup = scope.into_lookup(fields, into.clone());
        self.push(lookup)?;
        self.push(Stage::Unwind {
            path: into.clone(),
            preserve: left,
            index: None,
        })?;
        let scope = self.scope()?;
        scope.sources.insert(join.source, (Path::key(into), left));
        Ok(())
    }

    /// The keys of joined documents that are read later on, if they are few of what is stored.
    fn narrow(&self, join: &Join) -> Result<Option<Vec<String>>> {
        let mut own = Uses::default();
        for (_, rhs) in &join.on {
            own.add(*rhs);
        }
        if let Some(condition) = &join.condition {
            own.add_predicate(condition);
        }
        let mut keys: Vec<String> = Vec::new();
        for (id, column) in self.columns.iter() {
            let Origin::Stored { source, path, .. } = &column.origin else {
                continue;
            };
            if *source != join.source || self.uses.of(id) <= own.of(id) {
                continue;
            }
            match path.first() {
                Some(key) if !is_path_key(key) => return Ok(None),
                Some(key) if !keys.iter().any(|k| k == key) => keys.push(key.to_string()),
                _ => {}
            }
        }
        let stored = self.columns.source(join.source)?.stored.len();
        if self.whole || stored < keys.len() + WORTH {
            return Ok(None);
        }
        if keys.is_empty() {
            keys.push("_id".to_owned());
        }
        Ok(Some(keys))
    }

    /// The pipeline inside the `$lookup`: what joined documents must satisfy beyond the first pair.
    fn joined(&mut self, join: &Join, first: Option<Predicate>, rest: &[Predicate]) -> Result<()> {
        self.rel(&crate::plan::Rel::Scan(join.source))?;
        let conditions: Vec<Predicate> = first
            .into_iter()
            .chain(rest.iter().cloned())
            .chain(join.condition.clone())
            .collect();
        match conditions.len() {
            0 => Ok(()),
            _ => self.filter_rows(&Predicate::And(conditions)),
        }
    }
}

/// `column IS NOT NULL`.
pub(super) fn not_null(id: ColumnId) -> Predicate {
    Predicate::IsNull(Scalar::Column(id)).negate()
}

/// The path of a stored column in its own documents, if `$lookup` can name it and no array is on it.
pub(super) fn stored_path(column: &Column) -> Option<String> {
    match &column.origin {
        Origin::Stored { path, .. } if column.array == ArrayFact::No => Val {
            expr: super::scope::field(path.clone()),
            ty: column.ty.clone(),
            nullable: column.nullable,
            array: column.array,
        }
        .path(),
        _ => None,
    }
}
