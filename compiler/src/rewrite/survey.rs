//! What a plan is made of: which rules can fire on it at all.

use crate::plan::{
    ColumnId, JoinKind, Plan, Predicate, Rel, Scalar, SubPlan, Visit, visit_predicate, visit_rel,
    visit_scalar, visit_subplan, visit_terminal,
};

use super::literal;

/// Kinds of nodes, as a set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Kinds(u32);

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident = $bit:literal;)*) => {
        impl Kinds {
            $($(#[$doc])* pub(crate) const $name: Kinds = Kinds(1 << $bit);)*
        }
    };
}

kinds! {
    /// A filter or an INNER join with a condition that can go elsewhere.
    MOVABLE = 0;
    JOIN = 1;
    LEFT_JOIN = 2;
    INNER_JOIN = 3;
    EXTEND = 4;
    AGGREGATE = 5;
    WINDOW = 6;
    DISTINCT = 7;
    SORT = 8;
    SLICE = 9;
    /// A slice of no rows, or of all.
    IDLE_SLICE = 10;
    SET_OP = 11;
    EMPTY = 12;
    /// A junction in a junction.
    DEEP_JUNCTION = 13;
    /// An `or`.
    OR = 14;
    /// A junction with parts that look at the same value, as far as one can see in passing.
    ALIKE = 15;
    /// What is written around a condition for nothing: a junction of its own kind or of fewer than two parts, the filter of a
    /// filter, a condition as a value as a condition.
    NESTED = 16;
    /// The opposite of what can be turned around.
    NEGATION = 17;
    CONST = 18;
    /// What literals can decide on their own.
    DECIDED = 19;
    LITERAL_LEFT = 20;
    IN = 21;
    IS_NULL = 22;
    /// A function that is compared with something.
    CALL_COMPARED = 23;
    SUBQUERY = 24;
    /// Every plan has it.
    ANY = 31;
}

impl Kinds {
    /// Nothing.
    pub(super) const NONE: Kinds = Kinds(0);

    /// Either set.
    pub(crate) const fn or(self, other: Kinds) -> Kinds {
        Kinds(self.0 | other.0)
    }

    /// This set, if something is the case.
    fn when(self, condition: bool) -> Kinds {
        if condition { self } else { Kinds::NONE }
    }

    /// Whether the sets have a kind in common.
    pub(super) fn meets(self, other: Kinds) -> bool {
        self.0 & other.0 != 0
    }

    /// What a plan is made of, follow-up queries left out.
    pub(super) fn of(plan: &Plan) -> Kinds {
        let mut survey = Survey(Kinds::ANY);
        survey.rel(&plan.rel);
        visit_terminal(&mut survey, &plan.terminal);
        survey.0
    }
}

struct Survey(Kinds);

impl<'a> Visit<'a> for Survey {
    fn rel(&mut self, rel: &'a Rel) {
        self.0 = self.0.or(operator(rel));
        visit_rel(self, rel);
    }

    fn predicate(&mut self, predicate: &'a Predicate) {
        self.0 = self.0.or(condition(predicate));
        visit_predicate(self, predicate);
    }

    fn scalar(&mut self, scalar: &'a Scalar) {
        self.0 = self.0.or(value(scalar));
        visit_scalar(self, scalar);
    }

    fn subplan(&mut self, sub: &'a SubPlan) {
        self.0 = self.0.or(Kinds::SUBQUERY);
        visit_subplan(self, sub);
    }
}

fn operator(rel: &Rel) -> Kinds {
    match rel {
        Rel::Filter { input, .. } => match **input {
            Rel::Filter { .. } => Kinds::NESTED,
            Rel::Scan(_)
            | Rel::Raw { .. }
            | Rel::Search(_)
            | Rel::Slice { .. }
            | Rel::Empty
            | Rel::Unit => Kinds::NONE,
            _ => Kinds::MOVABLE,
        },
        Rel::Join(join) => match join.kind {
            JoinKind::Left => Kinds::JOIN.or(Kinds::LEFT_JOIN),
            JoinKind::Inner => Kinds::JOIN
                .or(Kinds::INNER_JOIN)
                .or(Kinds::MOVABLE.when(join.condition.is_some())),
        },
        Rel::Extend { .. } => Kinds::EXTEND,
        Rel::Aggregate { .. } => Kinds::AGGREGATE,
        Rel::Window { .. } => Kinds::WINDOW,
        Rel::Distinct { .. } | Rel::DistinctOn { .. } => Kinds::DISTINCT,
        Rel::Sort { .. } => Kinds::SORT,
        Rel::Slice { skip, limit, .. } => {
            let idle = matches!((skip, limit), (_, Some(0)) | (0, None));
            Kinds::SLICE.or(Kinds::IDLE_SLICE.when(idle))
        }
        Rel::SetOp { inputs, .. } => Kinds::SET_OP.or(Kinds::EMPTY.when(inputs.len() < 2)),
        Rel::Empty => Kinds::EMPTY,
        Rel::Scan(_) | Rel::Raw { .. } | Rel::Search(_) | Rel::Unit => Kinds::NONE,
    }
}

fn condition(predicate: &Predicate) -> Kinds {
    match predicate {
        Predicate::Const(_) => Kinds::CONST,
        Predicate::And(list) => junction(list, |p| matches!(p, Predicate::And(_))),
        Predicate::Or(list) => junction(list, |p| matches!(p, Predicate::Or(_))).or(Kinds::OR),
        Predicate::Xor(list) => Kinds::DECIDED.when(list.is_empty()),
        Predicate::Not(inner) => Kinds::NEGATION.when(matches!(
            **inner,
            Predicate::Not(_)
                | Predicate::Const(_)
                | Predicate::And(_)
                | Predicate::Or(_)
                | Predicate::Compare { .. }
        )),
        Predicate::Compare { lhs, rhs, .. } => {
            let left = matches!(lhs, Scalar::Literal(_));
            let both = left && matches!(rhs, Scalar::Literal(_));
            Kinds::LITERAL_LEFT
                .when(left)
                .or(Kinds::DECIDED.when(both || literal::is_null(lhs) || literal::is_null(rhs)))
                .or(compared(lhs))
        }
        Predicate::Like { lhs, rhs, .. } => {
            Kinds::DECIDED.when(literal::is_null(lhs) || literal::is_null(rhs))
        }
        Predicate::In { lhs, list } => {
            let decided = list.is_empty() || matches!(lhs, Scalar::Literal(_));
            Kinds::IN.or(Kinds::DECIDED.when(decided)).or(compared(lhs))
        }
        Predicate::IsNull(s) => {
            Kinds::IS_NULL.or(Kinds::DECIDED.when(matches!(s, Scalar::Literal(_))))
        }
        Predicate::Bool(s) => match s {
            Scalar::Predicate(_) => Kinds::NESTED,
            Scalar::Literal(_) => Kinds::DECIDED,
            _ => Kinds::NONE,
        },
        // Subqueries say themselves that they are there.
        Predicate::InSubquery { .. }
        | Predicate::Exists(_)
        | Predicate::InParameter { .. }
        | Predicate::AnyElement(_)
        | Predicate::Lookup { .. } => Kinds::NONE,
    }
}

fn compared(scalar: &Scalar) -> Kinds {
    Kinds::CALL_COMPARED.when(matches!(scalar, Scalar::Call(_)))
}

fn junction(list: &[Predicate], same: impl Fn(&Predicate) -> bool) -> Kinds {
    let mut kinds = Kinds::NESTED.or(Kinds::DECIDED).when(list.len() < 2);
    let mut seen = 0_u64;
    for p in list {
        if let Predicate::And(_) | Predicate::Or(_) = p {
            kinds = kinds
                .or(Kinds::DEEP_JUNCTION)
                .or(Kinds::NESTED.when(same(p)));
        }
        let bit = 1 << (subject(p).map_or(0, |id| 1 + id.0) % 64);
        kinds = kinds.or(Kinds::ALIKE.when(seen & bit != 0));
        seen |= bit;
    }
    kinds
}

/// The column that a part of a junction looks at. Parts that are equal, opposites, or say something of the same value have
/// the same, or none.
fn subject(predicate: &Predicate) -> Option<ColumnId> {
    match predicate {
        Predicate::Not(inner) => subject(inner),
        Predicate::Compare { lhs, .. }
        | Predicate::Like { lhs, .. }
        | Predicate::In { lhs, .. }
        | Predicate::InParameter { lhs, .. }
        | Predicate::IsNull(lhs)
        | Predicate::Bool(lhs) => crate::plan::as_column(lhs),
        _ => None,
    }
}

fn value(scalar: &Scalar) -> Kinds {
    match scalar {
        Scalar::Arithmetic { lhs, rhs, .. } => Kinds::DECIDED
            .when(matches!(**lhs, Scalar::Literal(_)) && matches!(**rhs, Scalar::Literal(_))),
        Scalar::Case { when, .. } => Kinds::DECIDED.when(when.is_empty()),
        _ => Kinds::NONE,
    }
}
