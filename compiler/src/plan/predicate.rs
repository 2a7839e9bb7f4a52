//! Conditions with three truth values.

use super::{ColumnId, Scalar, SourceId, SubPlan};

/// A condition: true, false or unknown (SQL's three-valued logic).
#[derive(Debug, Clone, PartialEq)]
pub enum Predicate {
    /// Known when compiling; `None` is unknown.
    Const(Option<bool>),
    /// All are true.
    And(Vec<Predicate>),
    /// One is true.
    Or(Vec<Predicate>),
    /// An odd number is true; never unknown (Django writes it as a count of the operands that are true).
    Xor(Vec<Predicate>),
    /// The opposite; unknown stays unknown.
    Not(Box<Predicate>),
    /// A comparison; unknown if a side is NULL.
    Compare {
        /// Operator.
        op: CompareOp,
        /// Left.
        lhs: Scalar,
        /// Right.
        rhs: Scalar,
    },
    /// The value is NULL; never unknown.
    IsNull(Scalar),
    /// The value is in the list; unknown if it is NULL, or not found beside a NULL.
    In {
        /// Left.
        lhs: Scalar,
        /// Members.
        list: Vec<Scalar>,
    },
    /// A text pattern; unknown if a side is NULL.
    Like {
        /// Which pattern.
        pattern: Pattern,
        /// Without regard to case.
        insensitive: bool,
        /// The text.
        lhs: Scalar,
        /// What is looked for, unescaped; for `Regex` the expression.
        rhs: Scalar,
    },
    /// The values are a row of a subquery (`SubKind::Set`), with `IN`'s rule for NULL.
    InSubquery {
        /// Left: one value a column.
        lhs: Vec<Scalar>,
        /// The subquery.
        query: Box<SubPlan>,
    },
    /// The value is among those that an earlier step of the program found; unknown if NULL.
    InParameter {
        /// Left.
        lhs: Scalar,
        /// Number of the parameter.
        parameter: u32,
    },
    /// A subquery has a row (`SubKind::Exists`); never unknown.
    Exists(Box<SubPlan>),
    /// An element of an array of embedded documents satisfies a condition; never unknown.
    AnyElement(Box<AnyElement>),
    /// A boolean value; unknown if NULL.
    Bool(Scalar),
    /// A lookup that is none of the above. Unknown if a side is NULL, unless said otherwise.
    ///
    /// | name | true if |
    /// |---|---|
    /// | `json_is_json_null` | the JSON value is there and is JSON null (right side unused; unknown where it is not there) |
    /// | `json_contains`, `json_contained_by` | the JSON on one side contains that on the other, as PostgreSQL's `@>` |
    /// | `array_contains`, `array_contained_by`, `array_overlap` | sets of elements contain each other or meet |
    /// | `in_array` | the value is an element of the array on the right |
    ///
    /// Comparisons and patterns on JSON use the variants above with [`Scalar::Json`](super::Scalar::Json): a key that is
    /// not there is NULL, JSON null is a value.
    Lookup {
        /// Name in the registry: `json_has_key`, `array_overlap`, ...
        name: String,
        /// Left.
        lhs: Scalar,
        /// Right.
        rhs: Scalar,
    },
}

/// A condition on the elements of an array.
#[derive(Debug, Clone, PartialEq)]
pub struct AnyElement {
    /// The array; NULL has no elements.
    pub array: Scalar,
    /// Position of the first element that counts, and of the first that no longer does.
    pub range: Option<(u64, u64)>,
    /// What the columns of an element are read from.
    pub element: SourceId,
    /// Values from around that the condition compares with, and the columns that stand for them inside.
    pub given: Vec<(ColumnId, Scalar)>,
    /// True of an element. Its columns are those of `element` and of `given` only: to what is around, it is opaque.
    pub test: Predicate,
}

/// Comparison operators.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum CompareOp {
    Eq,
    Ne,
    Lt,
    Lte,
    Gt,
    Gte,
}

/// Text patterns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Pattern {
    /// The whole text.
    Exact,
    /// A part of it.
    Contains,
    /// Its beginning.
    StartsWith,
    /// Its end.
    EndsWith,
    /// A regular expression matches somewhere.
    Regex,
}

impl CompareOp {
    /// The operator with its sides exchanged.
    #[must_use]
    pub fn mirrored(self) -> CompareOp {
        match self {
            CompareOp::Eq | CompareOp::Ne => self,
            CompareOp::Lt => CompareOp::Gt,
            CompareOp::Lte => CompareOp::Gte,
            CompareOp::Gt => CompareOp::Lt,
            CompareOp::Gte => CompareOp::Lte,
        }
    }

    /// The operator that is false where this one is true, and true where it is false.
    #[must_use]
    pub fn opposite(self) -> CompareOp {
        match self {
            CompareOp::Eq => CompareOp::Ne,
            CompareOp::Ne => CompareOp::Eq,
            CompareOp::Lt => CompareOp::Gte,
            CompareOp::Lte => CompareOp::Gt,
            CompareOp::Gt => CompareOp::Lte,
            CompareOp::Gte => CompareOp::Lt,
        }
    }
}

impl Predicate {
    /// Always true.
    pub const TRUE: Predicate = Predicate::Const(Some(true));
    /// Never true.
    pub const FALSE: Predicate = Predicate::Const(Some(false));

    /// The opposite, without double negation.
    #[must_use]
    pub fn negate(self) -> Predicate {
        match self {
            Predicate::Not(inner) => *inner,
            Predicate::Const(value) => Predicate::Const(value.map(|v| !v)),
            other => Predicate::Not(Box::new(other)),
        }
    }

    /// Both.
    #[must_use]
    pub fn and(self, other: Predicate) -> Predicate {
        match (self, other) {
            (Predicate::Const(Some(true)), p) | (p, Predicate::Const(Some(true))) => p,
            (Predicate::And(mut a), Predicate::And(b)) => {
                a.extend(b);
                Predicate::And(a)
            }
            (Predicate::And(mut a), p) => {
                a.push(p);
                Predicate::And(a)
            }
            (a, b) => Predicate::And(vec![a, b]),
        }
    }
    /// Whether two values are equal.
    #[must_use]
    pub fn equal(lhs: Scalar, rhs: Scalar) -> Predicate {
        Predicate::Compare {
            op: CompareOp::Eq,
            lhs,
            rhs,
        }
    }

    /// The two values of an equality.
    #[must_use]
    pub fn as_equality(&self) -> Option<(&Scalar, &Scalar)> {
        match self {
            Predicate::Compare {
                op: CompareOp::Eq,
                lhs,
                rhs,
            } => Some((lhs, rhs)),
            _ => None,
        }
    }

    /// What has to be true together: the parts of an `and`, or the condition.
    #[must_use]
    pub fn parts(&self) -> &[Predicate] {
        match self {
            Predicate::And(list) => list,
            other => std::slice::from_ref(other),
        }
    }

    /// The parts of an `and`, or the condition. What is left in its place is true.
    #[must_use]
    pub fn take_parts(&mut self) -> Vec<Predicate> {
        match std::mem::replace(self, Predicate::TRUE) {
            Predicate::And(list) => list,
            other => vec![other],
        }
    }
}
