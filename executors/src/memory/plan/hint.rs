//! `hint`: the index that a command insists on.
use bson::{Bson, Document};

use crate::memory::error::{Code, EngineError};
use crate::memory::storage::Collection;
use crate::memory::value::Value;

/// What a `hint` names.
#[derive(Clone, Debug)]
pub enum Hint {
    /// An index by its name.
    Name(String),
    /// An index by its key pattern.
    Key(Document),
    /// No index: the order of insertion, or its reverse.
    Natural {
        /// The latest first.
        reverse: bool,
    },
}

impl Hint {
    /// Reads a `hint`; an empty one is none.
    ///
    /// # Errors
    /// `FailedToParse` when it is neither a string nor an object, `BadValue` for a `$natural` that is no direction.
    pub fn parse(given: Option<&Bson>) -> Result<Option<Self>, EngineError> {
        match given {
            None | Some(Bson::Null) => Ok(None),
            Some(Bson::String(name)) => Ok(Some(Self::Name(name.clone()))),
            Some(Bson::Document(key)) => Self::of_document(key),
            Some(_) => Err(EngineError::failed_to_parse(
                "Hint must be a string or an object",
            )),
        }
    }

    /// The hint in an object: a key pattern, or `$natural`.
    ///
    /// # Errors
    /// `BadValue` for a `$natural` that is no direction.
    pub fn of_document(key: &Document) -> Result<Option<Self>, EngineError> {
        if key.is_empty() {
            return Ok(None);
        }
        let Some(direction) = key.get("$natural") else {
            return Ok(Some(Self::Key(key.clone())));
        };
        match Value::from_bson(direction).as_i64() {
            Some(1) => Ok(Some(Self::Natural { reverse: false })),
            Some(-1) => Ok(Some(Self::Natural { reverse: true })),
            _ => Err(EngineError::bad_value(format!(
                "$natural hint must be 1 or -1, but got: {direction}"
            ))),
        }
    }

    /// The position of the index that is meant; `None` for `$natural`.
    pub(super) fn index(&self, collection: &Collection) -> Result<Option<usize>, EngineError> {
        let fits = |i: &crate::memory::storage::Index| {
            !i.spec.hidden
                && match self {
                    Self::Name(name) => i.spec.name == *name,
                    Self::Key(key) => {
                        Value::from_bson(&Bson::Document(key.clone()))
                            == Value::from_bson(&Bson::Document(i.spec.key.clone()))
                    }
                    Self::Natural { .. } => false,
                }
        };
        if matches!(self, Self::Natural { .. }) {
            return Ok(None);
        }
        match collection.indexes().iter().position(fits) {
            Some(at) => Ok(Some(at)),
            None => Err(EngineError::bad_value(format!(
                "error processing query: ns={} planner returned error :: caused by :: hint provided does not correspond to an existing index",
                collection.namespace
            ))),
        }
    }
}

/// The error of an index that cannot answer a query.
pub(super) fn no_plan(collection: &Collection) -> EngineError {
    EngineError::new(
        Code::NoQueryExecutionPlans,
        format!(
            "error processing query: ns={} planner returned error :: caused by :: No query solutions",
            collection.namespace
        ),
    )
}
