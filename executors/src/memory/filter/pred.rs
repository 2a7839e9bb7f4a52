//! Predicates on one value.
use std::cmp::Ordering;

use super::bits::Bits;
use super::schema::Schema;
use super::{Node, visit};
use crate::memory::geo::Geo;
use crate::memory::pattern::Pattern;
use crate::memory::value::{
    Collation, DocRef, Part, Path, Regex, Value, ValueRef, compare_with, num,
};

/// The comparison operators.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Comparison {
    Eq,
    Lt,
    Lte,
    Gt,
    Gte,
}

/// A predicate of the match language.
#[derive(Clone, Debug)]
pub enum Pred {
    /// `$eq $lt $lte $gt $gte`.
    Compare(Comparison, Value),
    /// `$in`.
    In(InSet),
    /// `$exists: true`.
    Exists,
    /// `$type`.
    Type(TypeSet),
    /// `$regex`, or a regular expression as the value.
    Regex(Pattern, Regex),
    /// `$mod`: divisor and remainder.
    Mod(i64, i64),
    /// `$size`.
    Size(usize),
    /// `$elemMatch` with a filter on documents.
    ElemMatch(Box<Node>),
    /// `$elemMatch` with operators on values.
    ElemMatchValue(Box<Node>),
    /// `$bits...`.
    Bits(Bits),
    /// A geospatial operator.
    Geo(Box<Geo>),
    /// `$_internalSchema...`: a JSON schema on the value.
    Schema(Box<Schema>),
}

/// The values of `$in`: sorted for binary search, regular expressions apart.
#[derive(Clone, Debug)]
pub struct InSet {
    /// Sorted by MongoDB's order (by bytes).
    pub values: Vec<Value>,
    /// Regular expressions among the values.
    pub patterns: Vec<Pattern>,
    /// Whether null is among the values (missing matches then).
    pub null: bool,
}

/// A set of BSON types.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TypeSet(u32);

impl TypeSet {
    pub(super) fn add(&mut self, number: i32) {
        self.0 |= Self::bit(number);
    }

    fn bit(number: i32) -> u32 {
        // -1 and 127 get bits of their own beyond the 19 others.
        match number {
            -1 => 1 << 30,
            127 => 1 << 31,
            n => 1 << n.clamp(0, 29),
        }
    }

    /// Whether the value's type is in the set.
    pub fn contains(self, value: ValueRef<'_>) -> bool {
        !value.is_missing() && self.0 & Self::bit(value.type_number()) != 0
    }
}

impl Pred {
    /// Whether an array at the end of a path is also tried element by element.
    fn leaf(&self) -> bool {
        !matches!(
            self,
            Self::Exists
                | Self::Size(_)
                | Self::ElemMatch(_)
                | Self::ElemMatchValue(_)
                | Self::Geo(_)
                | Self::Schema(_)
        )
    }

    #[inline]
    pub(super) fn matches_at(
        &self,
        path: &Path,
        doc: DocRef<'_>,
        collation: Option<&Collation>,
    ) -> bool {
        // Most paths lead to one value, which no array is around.
        match path.get_ref(doc) {
            Some(ValueRef::Array(_)) | None => {}
            Some(v) => {
                if let Self::Compare(op, operand) = self
                    && let Some(holds) = compares_alike(*op, v, operand)
                {
                    return holds;
                }
                return self.matches_single(v, collation);
            }
        }
        visit(path.parts(), doc, self.leaf(), &mut |v, _| {
            self.matches_single(v, collation)
        })
    }

    pub(super) fn position_at(
        &self,
        parts: &[Part],
        doc: DocRef<'_>,
        collation: Option<&Collation>,
    ) -> Option<usize> {
        let mut found = None;
        let matched = visit(parts, doc, self.leaf(), &mut |v, at| {
            if !self.matches_single(v, collation) {
                return false;
            }
            found = at.or_else(|| self.element(v, collation));
            true
        });
        found.filter(|_| matched)
    }

    /// For `$elemMatch`: the index of the first element that matches.
    fn element(&self, value: ValueRef<'_>, collation: Option<&Collation>) -> Option<usize> {
        let ValueRef::Array(items) = value else {
            return None;
        };
        match self {
            Self::ElemMatch(node) => items.iter().position(|v| elem_document(node, v, collation)),
            Self::ElemMatchValue(node) => {
                items.iter().position(|v| node.matches_value(v, collation))
            }
            _ => None,
        }
    }

    /// Whether one value (not its elements) satisfies the predicate.
    pub fn matches_single(&self, value: ValueRef<'_>, collation: Option<&Collation>) -> bool {
        match self {
            Self::Compare(op, operand) => compares(*op, value, operand.view(), collation),
            Self::In(set) => set.contains(value, collation),
            Self::Exists => !value.is_missing(),
            Self::Type(set) => set.contains(value),
            Self::Regex(pattern, source) => match value {
                ValueRef::Str(s) | ValueRef::Symbol(s) => pattern.is_match(s.as_str()),
                ValueRef::Regex(p, o) => {
                    p.as_bytes() == source.pattern.as_bytes()
                        && o.as_bytes() == source.options.as_bytes()
                }
                _ => false,
            },
            Self::Mod(divisor, remainder) => {
                whole(value).is_some_and(|n| n.wrapping_rem(*divisor) == *remainder)
            }
            Self::Size(n) => matches!(value, ValueRef::Array(items) if items.len() == *n),
            Self::ElemMatch(node) => match value {
                ValueRef::Array(items) => items.iter().any(|v| elem_document(node, v, collation)),
                _ => false,
            },
            Self::ElemMatchValue(node) => match value {
                ValueRef::Array(items) => items.iter().any(|v| node.matches_value(v, collation)),
                _ => false,
            },
            Self::Bits(bits) => bits.matches(value),
            Self::Geo(geo) => geo.matches(value),
            Self::Schema(schema) => schema.matches(value),
        }
    }
}

fn elem_document(node: &Node, value: ValueRef<'_>, collation: Option<&Collation>) -> bool {
    match value {
        ValueRef::Document(d) => node.matches_document(d, collation),
        ValueRef::Array(a) => node.matches_document(a.as_document().view(), collation),
        _ => false,
    }
}

/// The whole part of a finite number within 64 bits.
fn whole(value: ValueRef<'_>) -> Option<i64> {
    match value {
        ValueRef::Double(x) => num::exact_i64(x.trunc()),
        ValueRef::Decimal(d) => d.truncated().exact_i64(),
        v => v.as_i64(),
    }
}

fn is_nan(v: ValueRef<'_>) -> bool {
    match v {
        ValueRef::Double(x) => x.is_nan(),
        ValueRef::Decimal(d) => d.is_nan(),
        _ => false,
    }
}

/// A comparison of two values of one type, which most are; `None` for types that take more than that.
#[inline(always)]
fn compares_alike(op: Comparison, value: ValueRef<'_>, operand: &Value) -> Option<bool> {
    let order = match (value, operand) {
        (ValueRef::Int32(a), Value::Int32(b)) => a.cmp(b),
        (ValueRef::Int64(a), Value::Int64(b)) | (ValueRef::Date(a), Value::Date(b)) => a.cmp(b),
        (ValueRef::Double(a), Value::Double(b)) => a.partial_cmp(b)?,
        _ => return None,
    };
    Some(match op {
        Comparison::Eq => order.is_eq(),
        Comparison::Lt => order.is_lt(),
        Comparison::Lte => order.is_le(),
        Comparison::Gt => order.is_gt(),
        Comparison::Gte => order.is_ge(),
    })
}

/// A comparison within one type bracket: null also means missing, NaN is only equal to itself, and the ends of the
/// order compare with everything.
#[inline]
pub(super) fn compares(
    op: Comparison,
    value: ValueRef<'_>,
    operand: ValueRef<'_>,
    collation: Option<&Collation>,
) -> bool {
    use Comparison::{Eq, Gt, Gte, Lt, Lte};
    if value.type_bracket() != operand.type_bracket() {
        return match (value, operand) {
            (ValueRef::Missing, ValueRef::Null) => matches!(op, Eq | Lte | Gte),
            // All that is there, and what is missing too, lies between the two keys.
            (_, ValueRef::MaxKey) => matches!(op, Lt | Lte),
            (_, ValueRef::MinKey) => matches!(op, Gt | Gte),
            _ => false,
        };
    }
    if value.is_missing() {
        return false;
    }
    let order = compare_with(value, operand, collation);
    match op {
        Eq => order == Ordering::Equal,
        Lte | Gte if order == Ordering::Equal => true,
        _ if is_nan(value) || is_nan(operand) => false,
        Lt | Lte => order == Ordering::Less,
        Gt | Gte => order == Ordering::Greater,
    }
}

impl InSet {
    fn contains(&self, value: ValueRef<'_>, collation: Option<&Collation>) -> bool {
        match value {
            ValueRef::Missing => return self.null,
            ValueRef::Undefined => return false,
            _ => {}
        }
        let found = match collation {
            None => self
                .values
                .binary_search_by(|v| compare_with(v.view(), value, None))
                .is_ok(),
            Some(_) => self
                .values
                .iter()
                .any(|v| compare_with(v.view(), value, collation) == Ordering::Equal),
        };
        found
            || match value {
                ValueRef::Str(s) | ValueRef::Symbol(s) if !self.patterns.is_empty() => {
                    self.patterns.iter().any(|p| p.is_match(s.as_str()))
                }
                _ => false,
            }
    }
}
