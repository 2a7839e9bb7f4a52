//! Chains of joins in subqueries as look-ups side by side: the keys of the first collection are found for a row, and one
//! more look-up asks the second collection for all of them, where a look-up inside the first would ask for each.

use super::Lowerer;
use super::join::{not_null, stored_path};
use super::scope::{Kind, include};
use crate::error::Result;
use crate::plan::facts::used_columns;
use crate::plan::{
    ColumnId, CompareOp, JoinKind, Node, Predicate, Rel, Scalar, SourceId, has_subquery,
};
use crate::schema::StorageFamily;

/// Documents with more keys are cut down to the one that is asked for.
const SMALL: usize = 4;

/// The first collection of a chain.
struct Step {
    source: SourceId,
    /// The path of its key.
    key: String,
    /// The path of the second's that is equal.
    foreign: String,
    /// Its column, if it can be NULL: an empty array finds what has no value.
    guard: Option<ColumnId>,
}

impl Lowerer<'_> {
    /// Looks the first collections of a chain up on their own, and leaves the rest as `rel`. `fields` are those of the first
    /// `$lookup`, and the result those of the last. An array as `localField` finds what is equal to one of its elements.
    ///
    /// Nothing of these collections but their keys is read later on (`column` is read, too). Unless only existence is
    /// asked (`any`), the key is that of the documents, so that each row has one partner and none is found twice.
    pub fn side_by_side(
        &mut self,
        rel: &mut Rel,
        mut fields: Option<(String, String)>,
        column: Option<&Scalar>,
        any: bool,
    ) -> Result<Option<(String, String)>> {
        while let Some(own) = fields.take() {
            let Some(step) = self.step(rel, column, any)? else {
                return Ok(Some(own));
            };
            let source = self.columns.source(step.source)?;
            let (name, small) = (source.name.clone(), source.stored.len() <= SMALL);
            let rows = take_first(rel, step.guard);
            self.begin(Kind::Lookup);
            let inner = self.rel(&rows);
            let mut scope = self.end()?;
            inner?;
            if !small {
                let root = step.key.split('.').next().unwrap_or(&step.key);
                scope.push(include(&[root]));
            }
            let into = self.fresh(&name)?;
            let lookup = scope.into_lookup(Some(own), into.clone());
            self.push(lookup)?;
            fields = Some((format!("{into}.{}", step.key), step.foreign));
        }
        Ok(None)
    }

    /// The first join of a chain, if its collections can be looked up side by side.
    fn step(&self, rel: &Rel, column: Option<&Scalar>, any: bool) -> Result<Option<Step>> {
        let Some((Rel::Join(join), free)) = first_join(rel) else {
            return Ok(None);
        };
        let ([(Scalar::Column(local), foreign)], JoinKind::Inner, Some(source)) =
            (join.on.as_slice(), join.kind, base(&join.input))
        else {
            return Ok(None);
        };
        let (own, other) = (self.columns.get(*local)?, self.columns.get(*foreign)?);
        let (Some(key), Some(path)) = (stored_path(own), stored_path(other)) else {
            return Ok(None);
        };
        // What few rows satisfy is asked of all at once; of what many do, the first is enough.
        if any && !is_selective(rel, self) {
            return Ok(None);
        }
        let counted = !any || !free;
        if self.columns.source_of(*local) != Some(source) || counted && !own.is_document_key() {
            return Ok(None);
        }
        let of_first = |id: ColumnId| self.columns.source_of(id) == Some(source);
        let reads = |node: Node<'_>| used_columns(node).iter().any(of_first);
        let mut rest = rel.clone();
        take_first(&mut rest, None);
        if reads(Node::Rel(&rest))
            || column.is_some_and(|s| reads(Node::Scalar(s)))
            || names(&rest, &of_first, source)
        {
            return Ok(None);
        }
        Ok(Some(Step {
            source,
            key,
            foreign: path,
            guard: other.nullable.then_some(*foreign),
        }))
    }
}

/// The join next to the base of a chain, and whether the number of rows matters to nothing above it.
fn first_join(rel: &Rel) -> Option<(&Rel, bool)> {
    let mut at = rel;
    let mut free = true;
    loop {
        match at {
            Rel::Join(join) if base(&join.input).is_some() => return Some((at, free)),
            Rel::Filter { .. } | Rel::Extend { .. } | Rel::Sort { .. } | Rel::Distinct { .. } => {}
            Rel::Join(join) if join.kind == JoinKind::Inner => {}
            _ => free = false,
        }
        at = at.input()?;
    }
}

/// The collection of rows that are nothing but filtered, by conditions that need no look-up.
fn base(rel: &Rel) -> Option<SourceId> {
    match rel {
        Rel::Scan(source) => Some(*source),
        Rel::Filter { input, predicate } if !has_subquery(predicate) => base(input),
        _ => None,
    }
}

/// A condition above the first join asks for equality with more than a boolean.
fn is_selective(rel: &Rel, lowerer: &Lowerer<'_>) -> bool {
    let equality = |predicate: &Predicate| {
        let mut parts = Vec::new();
        super::filter::split(predicate, &mut parts);
        parts.iter().any(|part| match part {
            Predicate::Compare {
                op: CompareOp::Eq,
                lhs: Scalar::Column(id),
                ..
            }
            | Predicate::In {
                lhs: Scalar::Column(id),
                ..
            } => {
                let column = lowerer.columns.get(*id);
                column.is_ok_and(|c| c.ty.kind.family() != StorageFamily::Bool)
            }
            _ => false,
        })
    };
    let mut at = rel;
    loop {
        let found = match at {
            Rel::Filter { predicate, .. } => equality(predicate),
            Rel::Join(join) => join.condition.as_ref().is_some_and(equality),
            _ => false,
        };
        match at.input() {
            _ if found => return true,
            Some(_) if base(at).is_some() => return false,
            Some(input) => at = input,
            None => return false,
        }
    }
}

/// Takes the first collection out of a chain: the second, with the join's condition, is its first then.
fn take_first(rel: &mut Rel, guard: Option<ColumnId>) -> Rel {
    let mut at = rel;
    loop {
        if let Rel::Join(join) = at
            && base(&join.input).is_some()
        {
            let first = join.input.take();
            let second = Rel::Scan(join.source);
            let condition = join.condition.take();
            let guard = guard.map(not_null);
            let both = match (guard, condition) {
                (Some(a), Some(b)) => Some(a.and(b)),
                (a, b) => a.or(b),
            };
            *at = match both {
                Some(predicate) => Rel::Filter {
                    input: Box::new(second),
                    predicate,
                },
                None => second,
            };
            return first;
        }
        match at.input_mut() {
            Some(input) => at = input,
            None => return Rel::Empty,
        }
    }
}

/// Whether an operator names a column or the documents of a source beside its expressions.
fn names(rel: &Rel, of_source: &dyn Fn(ColumnId) -> bool, source: SourceId) -> bool {
    let mut at = Some(rel);
    while let Some(rel) = at {
        let named = match rel {
            Rel::Distinct {
                columns, carried, ..
            } => columns.iter().any(|id| of_source(*id)) || carried.contains(&source),
            Rel::Aggregate { carried, .. } => carried.contains(&source),
            Rel::SetOp { .. } => true,
            _ => false,
        };
        if named {
            return true;
        }
        at = rel.input();
    }
    false
}
