//! The match language.

use bson::Bson;

use super::Expr;

/// A filter.
#[derive(Debug, Clone, PartialEq)]
pub enum Filter {
    /// Everything.
    True,
    /// Nothing.
    False,
    /// All match.
    And(Vec<Filter>),
    /// One matches.
    Or(Vec<Filter>),
    /// None matches.
    Nor(Vec<Filter>),
    /// Conditions on a path, all of which hold.
    Field {
        /// Dotted path.
        path: String,
        /// Conditions.
        ops: Vec<FieldOp>,
    },
    /// `{$expr: ...}`.
    Expr(Expr),
    /// The user's own filter.
    Raw(bson::Document),
}

/// A condition on a path.
#[derive(Debug, Clone, PartialEq)]
pub enum FieldOp {
    /// Equal; rendered `{path: v}` where that is not ambiguous.
    Eq(Bson),
    /// Not equal, or missing.
    Ne(Bson),
    /// Less, of the same type.
    Lt(Bson),
    /// Less or equal, of the same type.
    Lte(Bson),
    /// Greater, of the same type.
    Gt(Bson),
    /// Greater or equal, of the same type.
    Gte(Bson),
    /// One of them.
    In(Vec<Bson>),
    /// None of them.
    Nin(Vec<Bson>),
    /// One of the values that an earlier step found.
    InParameter(u32),
    /// The key is there, or not.
    Exists(bool),
    /// Has one of the BSON types (by alias).
    Type(Vec<&'static str>),
    /// A regular expression (PCRE) matches.
    Regex {
        /// Pattern.
        pattern: String,
        /// Option letters.
        options: String,
    },
    /// Remainder.
    Mod(i64, i64),
    /// All elements are there.
    All(Vec<Bson>),
    /// Number of elements.
    Size(i64),
    /// One element matches; with an empty path the element itself.
    ElemMatch(Box<Filter>),
    /// One element satisfies these conditions itself.
    ElemMatchValue(Vec<FieldOp>),
    /// None of the conditions holds together.
    Not(Vec<FieldOp>),
    /// An operator with a document of its own (geometry, bits).
    Other(&'static str, Bson),
}

impl Filter {
    /// One condition on a path.
    pub fn field(path: impl Into<String>, op: FieldOp) -> Filter {
        Filter::Field {
            path: path.into(),
            ops: vec![op],
        }
    }

    /// All match: conjunctions are flattened, repetitions and what always matches are left out.
    #[must_use]
    pub fn all(items: Vec<Filter>) -> Filter {
        let mut out = Vec::new();
        for item in items {
            match item {
                Filter::True => {}
                Filter::False => return Filter::False,
                Filter::And(inner) => out.extend(inner),
                other if out.contains(&other) => {}
                other => out.push(other),
            }
        }
        single(out, Filter::True, Filter::And)
    }

    /// One matches: alternatives are flattened, repetitions and what never matches are left out.
    #[must_use]
    pub fn any(items: Vec<Filter>) -> Filter {
        let mut out = Vec::new();
        for item in items {
            match item {
                Filter::False => {}
                Filter::True => return Filter::True,
                Filter::Or(inner) => out.extend(inner),
                other if out.contains(&other) => {}
                other => out.push(other),
            }
        }
        single(out, Filter::False, Filter::Or)
    }
}

/// The items under `many`, but for a single one.
pub(crate) fn single(
    mut items: Vec<Filter>,
    none: Filter,
    many: fn(Vec<Filter>) -> Filter,
) -> Filter {
    match items.len() {
        0 => none,
        1 => items.pop().unwrap_or(none),
        _ => many(items),
    }
}
