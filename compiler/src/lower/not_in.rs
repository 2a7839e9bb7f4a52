//! `NOT IN` a subquery that can have NULL: in two tests, which the server answers for less than one.

use super::Lowerer;
use super::rel::unordered;
use crate::error::Result;
use crate::plan::facts::{Nulls, is_correlated};
use crate::plan::{Predicate, Rel, SubKind, SubPlan};

impl Lowerer<'_> {
    /// `NOT IN` as two conditions. If the left side is never NULL it is true where no row of the subquery is equal, which
    /// is a look-up by an equality, and no row is NULL: that does not depend on the row outside, so the server asks it once.
    pub(super) fn not_in_parts(&mut self, predicate: &Predicate) -> Result<Option<[Predicate; 2]>> {
        let Predicate::Not(inner) = predicate else {
            return Ok(None);
        };
        let Predicate::InSubquery { lhs, query } = &**inner else {
            return Ok(None);
        };
        let ([outer], [own]) = (lhs.as_slice(), query.columns.as_slice()) else {
            return Ok(None);
        };
        if is_correlated(query, self.columns)
            || !Nulls::new(self.columns).of(&query.rel).nullable_scalar(own)
            || self.operand(outer)?.nullable
        {
            return Ok(None);
        }
        let none = |condition: Predicate| {
            Predicate::Exists(Box::new(SubPlan {
                kind: SubKind::Exists,
                rel: Rel::Filter {
                    input: Box::new(unordered(&query.rel).clone()),
                    predicate: condition,
                },
                columns: Vec::new(),
                ty: query.ty.clone(),
            }))
            .negate()
        };
        let equal = Predicate::equal(own.clone(), outer.clone());
        Ok(Some([none(Predicate::IsNull(own.clone())), none(equal)]))
    }
}
