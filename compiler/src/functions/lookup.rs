//! Lookups: the rows of Django's, and what a row says.
//!
//! | a row says | as |
//! |---|---|
//! | name | the last name of a path: `title__icontains` |
//! | arity and typing | [`Left`]: what may stand on its left; [`Right`]: what stands on its right |
//! | null rule, folding, lowering, minimal server version | [`Meaning`]: those of a predicate of the plan, which has its forms in MongoDB's languages, or of a function |
//!
//! An embedder's row is no different from these:
//!
//! ```
//! use mqlc_compiler::functions::{Left, Lookup, Meaning, Registry, Right};
//! use mqlc_compiler::plan::Pattern;
//! use mqlc_compiler::schema::FieldKind;
//!
//! // `name__like_ci="BOOKER"`: another name for `iexact`, of texts only.
//! let mut registry = Registry::django();
//! registry.register_lookup(Lookup::new(
//!     "like_ci",
//!     Left::Classes(&[FieldKind::CharField, FieldKind::TextField]),
//!     Right::Value,
//!     Meaning::Like { pattern: Pattern::Exact, insensitive: true },
//! ));
//! assert!(registry.lookups().any(|lookup| lookup.name == "like_ci"));
//! ```
//!
//! Lookups that a boolean function of both sides says are named at the function: [`Function::lookup`](super::Function::lookup).

use super::is_subclass;
use crate::plan::{CompareOp, Pattern};
use crate::schema::{FieldKind, FieldType, StorageFamily};

/// A lookup.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Lookup {
    /// Its name in paths.
    pub name: &'static str,
    /// What may stand on its left.
    pub left: Left,
    /// What stands on its right.
    pub right: Right,
    /// What it tests.
    pub meaning: Meaning,
}

/// What may stand on the left of a lookup.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Left {
    /// Every value, relations and rows of several columns too.
    Everything,
    /// Every value of one column that is no relation.
    Values,
    /// JSON, unless it is taken as text.
    Json,
    /// Arrays.
    Arrays,
    /// These field classes and their subclasses.
    Classes(&'static [FieldKind]),
}

/// What stands on the right of a lookup.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Right {
    /// A value of the type of the left side.
    Value,
    /// A text, or what can be written as one.
    Text,
    /// A list of values, or a queryset.
    List,
    /// Two values.
    Pair,
    /// `True` or `False`.
    Flag,
    /// A key.
    Key,
    /// A list of keys.
    Keys,
}

/// What a lookup tests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meaning {
    /// The left side is NULL, or is not.
    IsNull,
    /// A comparison.
    Compare(CompareOp),
    /// The right side has the left one.
    Member,
    /// The left side lies between the two of the right side, both included.
    Between,
    /// A pattern of text.
    Like {
        /// Where the text stands.
        pattern: Pattern,
        /// Letters are the same in both cases.
        insensitive: bool,
    },
    /// A lookup of the plan by its name there: [`Predicate::Lookup`](crate::plan::Predicate::Lookup).
    Special(&'static str),
    /// Keys are there: all of them, or any.
    Keys {
        /// All.
        all: bool,
    },
    /// A search for a text: no test of a row, the rows are what it finds.
    Search,
    /// A boolean function of both sides, by its name in the registry.
    Function(&'static str),
}

/// A left side, as lookups see it.
#[derive(Debug, Clone, Copy)]
pub enum LeftSide<'t> {
    /// A relation, or a row of several columns.
    Row,
    /// JSON taken as text.
    JsonText(&'t FieldType),
    /// Another value.
    Value(&'t FieldType),
}

impl Left {
    /// Whether a left side is one of these.
    #[must_use]
    pub fn takes(self, side: LeftSide<'_>) -> bool {
        let (ty, text) = match side {
            LeftSide::Row => return self == Left::Everything,
            LeftSide::JsonText(ty) => (ty, true),
            LeftSide::Value(ty) => (ty, false),
        };
        match self {
            Left::Everything | Left::Values => true,
            Left::Json => !text && ty.kind.family() == StorageFamily::Json,
            Left::Arrays => matches!(
                ty.kind.family(),
                StorageFamily::Array | StorageFamily::EmbeddedArray
            ),
            Left::Classes(kinds) => kinds.iter().any(|kind| is_subclass(ty.kind, *kind)),
        }
    }
}

impl Lookup {
    /// A row.
    #[must_use]
    pub const fn new(name: &'static str, left: Left, right: Right, meaning: Meaning) -> Self {
        Lookup {
            name,
            left,
            right,
            meaning,
        }
    }
}

const fn compare(name: &'static str, op: CompareOp) -> Lookup {
    Lookup::new(name, Left::Everything, Right::Value, Meaning::Compare(op))
}

const fn like(name: &'static str, pattern: Pattern, insensitive: bool) -> Lookup {
    let meaning = Meaning::Like {
        pattern,
        insensitive,
    };
    Lookup::new(name, Left::Values, Right::Text, meaning)
}

const fn special(name: &'static str, left: Left, plan: &'static str) -> Lookup {
    Lookup::new(name, left, Right::Value, Meaning::Special(plan))
}

const fn keys(name: &'static str, right: Right, all: bool) -> Lookup {
    Lookup::new(name, Left::Json, right, Meaning::Keys { all })
}

/// Django's lookups (manual: "Field lookups", "Querying JSONField", "Querying ArrayField"). Of several rows of a name the last one
/// that takes the left side counts.
pub(super) const DJANGO: &[Lookup] = &[
    compare("exact", CompareOp::Eq),
    like("iexact", Pattern::Exact, true),
    compare("gt", CompareOp::Gt),
    compare("gte", CompareOp::Gte),
    compare("lt", CompareOp::Lt),
    compare("lte", CompareOp::Lte),
    Lookup::new("in", Left::Everything, Right::List, Meaning::Member),
    like("contains", Pattern::Contains, false),
    like("icontains", Pattern::Contains, true),
    like("startswith", Pattern::StartsWith, false),
    like("istartswith", Pattern::StartsWith, true),
    like("endswith", Pattern::EndsWith, false),
    like("iendswith", Pattern::EndsWith, true),
    Lookup::new("range", Left::Values, Right::Pair, Meaning::Between),
    Lookup::new("isnull", Left::Everything, Right::Flag, Meaning::IsNull),
    like("regex", Pattern::Regex, false),
    like("iregex", Pattern::Regex, true),
    special("contains", Left::Json, "json_contains"),
    special("contained_by", Left::Json, "json_contained_by"),
    keys("has_key", Right::Key, true),
    keys("has_keys", Right::Keys, true),
    keys("has_any_keys", Right::Keys, false),
    Lookup::new(
        "search",
        Left::Classes(&[FieldKind::CharField, FieldKind::TextField]),
        Right::Text,
        Meaning::Search,
    ),
    special("contains", Left::Arrays, "array_contains"),
    special("contained_by", Left::Arrays, "array_contained_by"),
    special("overlap", Left::Arrays, "array_overlap"),
];
