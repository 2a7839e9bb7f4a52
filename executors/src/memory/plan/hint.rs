//! `hint`: the index that a command insists on.
use std::sync::Arc;

use bson::{Bson, Document};

use super::bounds::has_text;
use super::{Between, Range};
use crate::memory::error::{Code, EngineError};
use crate::memory::storage::{Collection, IndexSpec};
use crate::memory::value::{Collation, Value};

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
    /// An index between two of its keys (`min` and `max` of `find`): the first is inside, the second is not. An empty one is no end.
    Between {
        /// What names the index.
        index: Box<Self>,
        /// The first key.
        min: Document,
        /// The end.
        max: Document,
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

    /// The hint between `min` and `max`, if there are such.
    ///
    /// # Errors
    /// 51173 without a hint of an index, 51176 for two keys of different fields.
    pub fn between(
        hint: Option<Self>,
        min: Option<&Document>,
        max: Option<&Document>,
    ) -> Result<Option<Self>, EngineError> {
        let (min, max) = (
            min.cloned().unwrap_or_default(),
            max.cloned().unwrap_or_default(),
        );
        if min.is_empty() && max.is_empty() {
            return Ok(hint);
        }
        if !min.is_empty() && !max.is_empty() && !min.keys().eq(max.keys()) {
            return Err(EngineError::location(
                51176,
                "min and max must have the same field names",
            ));
        }
        match hint {
            Some(hint @ (Self::Name(_) | Self::Key(_))) => Ok(Some(Self::Between {
                index: Box::new(hint),
                min,
                max,
            })),
            _ => Err(EngineError::location(
                51173,
                "When using min()/max() a hint of which index to use must be provided",
            )),
        }
    }

    /// The position of the index that is meant; `None` for `$natural`.
    pub(super) fn index(&self, collection: &Collection) -> Result<Option<usize>, EngineError> {
        if let Self::Between { index, .. } = self {
            return index.index(collection);
        }
        let fits = |i: &crate::memory::storage::Index| {
            !i.spec.hidden
                && match self {
                    Self::Name(name) => i.spec.name == *name,
                    Self::Key(key) => {
                        Value::from_bson(&Bson::Document(key.clone()))
                            == Value::from_bson(&Bson::Document(i.spec.key.clone()))
                    }
                    Self::Natural { .. } | Self::Between { .. } => false,
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

impl Hint {
    /// Whether there are ends.
    pub(super) fn is_between(&self) -> bool {
        matches!(self, Self::Between { .. })
    }

    /// The range of an index that `min` and `max` enclose.
    ///
    /// # Errors
    /// 51174 when they are no keys of the index, 51175 when there is nothing between them.
    pub(super) fn range(
        &self,
        spec: &IndexSpec,
        collation: Option<&Collation>,
    ) -> Result<Range, EngineError> {
        let Self::Between { min, max, .. } = self else {
            return Ok(Range::default());
        };
        let key = |given: &Document| {
            if given.is_empty() {
                return Ok(None);
            }
            let values: Vec<Value> = given.values().map(Value::from_bson).collect();
            let text = values.iter().any(has_text);
            let fits = given.keys().eq(spec.key.keys())
                && !spec.fields.is_empty()
                && !spec.hashed
                && (spec.collation.as_ref() == collation || !text);
            if !fits {
                return Err(EngineError::location(
                    51174,
                    "The index chosen is not compatible with min/max",
                ));
            }
            let fold = |v: &Value| match &spec.collation {
                Some(c) => c.fold(v),
                None => v.clone(),
            };
            Ok(Some(values.iter().map(fold).collect::<Vec<Value>>()))
        };
        let (min, max) = (key(min)?, key(max)?);
        if let (Some(min), Some(max)) = (&min, &max)
            && spec
                .order_values(min.iter().map(Value::view), max.iter().map(Value::view))
                .is_ge()
        {
            return Err(EngineError::location(
                51175,
                "The value provided for min() does not come before the value provided for max() in the hinted index",
            ));
        }
        Ok(Range {
            between: Some(Arc::new(Between { min, max })),
            ..Range::default()
        })
    }
}
