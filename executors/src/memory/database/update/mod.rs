//! Updates: operators, replacements and pipelines, compiled once and applied to documents.
mod arith;
mod array_ops;
mod operator;
mod tree;

use bson::Bson;

use crate::memory::error::{Code, EngineError};
use crate::memory::expr::{Env, Scope};
use crate::memory::filter::{Comparison, Filter, Node, Pred};
use crate::memory::stage::{Compiling, Documents, Input, Pipeline, Place, drain};
use crate::memory::value::{DocBuilder, Document, Path, Value, equal};
use tree::Operators;

/// A compiled update.
#[derive(Clone, Debug)]
pub enum Update {
    /// Update operators.
    Operators(Operators),
    /// A whole document (without its `_id` unless given).
    Replacement(Document),
    /// An aggregation pipeline.
    Pipeline(Pipeline),
}

/// What an update needs to know about the moment.
pub struct Moment<'a> {
    /// Now, in milliseconds.
    pub now: i64,
    /// The index that a positional `$` stands for.
    pub position: Option<usize>,
    /// Whether the document is being inserted by an upsert.
    pub inserting: bool,
    /// The context for pipelines.
    pub context: &'a std::sync::Arc<crate::memory::stage::Context>,
}

impl Update {
    /// Reads an update.
    ///
    /// # Errors
    /// `FailedToParse`, `BadValue`, `ConflictingUpdateOperators`, ... as MongoDB.
    pub fn compile(
        spec: &Bson,
        filters: Option<&Vec<Bson>>,
        scope: &Scope,
        multi: bool,
    ) -> Result<Self, EngineError> {
        match spec {
            Bson::Array(stages) => {
                if filters.is_some_and(|f| !f.is_empty()) {
                    return Err(EngineError::failed_to_parse(
                        "arrayFilters may not be specified for pipeline-syle updates",
                    ));
                }
                let scope = &scope.lazily();
                let compiling = Compiling {
                    scope,
                    place: Place::Update,
                    depth: 0,
                };
                Ok(Self::Pipeline(Pipeline::compile(stages, &compiling)?))
            }
            Bson::Document(d) if d.keys().next().is_some_and(|k| k.starts_with('$')) => {
                Ok(Self::Operators(Operators::compile(d, filters, scope)?))
            }
            Bson::Document(d) => {
                if multi {
                    return Err(EngineError::failed_to_parse(
                        "multi update is not supported for replacement-style update",
                    ));
                }
                if filters.is_some_and(|f| !f.is_empty()) {
                    return Err(EngineError::failed_to_parse(
                        "arrayFilters may not be specified for replacement-style updates",
                    ));
                }
                if let Some(key) = d.keys().find(|k| k.starts_with('$')) {
                    return Err(EngineError::new(
                        Code::DollarPrefixedFieldName,
                        format!(
                            "The dollar ($) prefixed field '{key}' in '{key}' is not allowed in the context of an update's replacement document. Consider using an aggregation pipeline with $replaceWith."
                        ),
                    ));
                }
                Ok(Self::Replacement(Document::from_bson(d)))
            }
            other => Err(EngineError::failed_to_parse(format!(
                "Update argument must be either an object or an array, but was {other}"
            ))),
        }
    }

    /// The document after the update.
    ///
    /// # Errors
    /// What the operators give; `ImmutableField` when `_id` would change.
    pub fn apply(
        &self,
        doc: &Document,
        moment: &Moment<'_>,
        env: &mut Env<'_>,
    ) -> Result<Document, EngineError> {
        let new = match self {
            Self::Operators(operators) => {
                let new = operators.apply(doc, moment, env)?;
                if !doc.get("_id").is_missing() && new.get("_id").is_missing() {
                    return Err(immutable());
                }
                new
            }
            Self::Replacement(new) => new.clone(),
            Self::Pipeline(pipeline) => {
                let input = Input::Source(Box::new(Documents::new(vec![doc.clone()])));
                let source = pipeline.start(input, moment.context, env)?;
                drain(source, "update", env)?
                    .pop()
                    .unwrap_or_else(Document::empty)
            }
        };
        keep_id(doc, new)
    }
}

/// Puts the old `_id` into the new document if that has none; refuses another one.
fn keep_id(old: &Document, new: Document) -> Result<Document, EngineError> {
    let (before, after) = (old.get("_id"), new.get("_id"));
    if before.is_missing() {
        return Ok(new);
    }
    if after.is_missing() {
        let mut out = new.edit();
        out.push_front("_id", before);
        return Ok(out.build());
    }
    if !equal(before.view(), after.view()) {
        return Err(immutable());
    }
    Ok(new)
}

/// The document that an upsert starts from: what the filter says by equality.
///
/// # Errors
/// `NotSingleValueField` when the filter says two things about one path.
pub fn from_filter(filter: &Filter) -> Result<Document, EngineError> {
    let mut found: Vec<(Path, Value)> = Vec::new();
    equalities(filter.node(), &mut found);
    let mut out = Document::empty();
    for (at, (path, value)) in found.iter().enumerate() {
        for (other, _) in found.iter().take(at) {
            let shared = path
                .parts()
                .iter()
                .zip(other.parts())
                .all(|(a, b)| a.name == b.name);
            if shared {
                return Err(EngineError::new(
                    Code::NotSingleValueField,
                    format!("cannot infer query fields to set, path '{path}' is matched twice"),
                ));
            }
        }
        out = out.with_path(path.parts(), value.clone());
    }
    Ok(out)
}

fn equalities(node: &Node, out: &mut Vec<(Path, Value)>) {
    match node {
        Node::And(nodes) => nodes.iter().for_each(|n| equalities(n, out)),
        Node::Or(nodes) => {
            if let [only] = nodes.as_slice() {
                equalities(only, out);
            }
        }
        Node::Leaf(Some(path), Pred::Compare(Comparison::Eq, v)) => {
            out.push((path.clone(), v.clone()))
        }
        Node::Leaf(Some(path), Pred::In(set)) if set.patterns.is_empty() => {
            if let [only] = set.values.as_slice() {
                out.push((path.clone(), only.clone()));
            }
        }
        _ => {}
    }
}

/// The document with its `_id` in front; `None` when it has none.
pub fn id_first(doc: Document) -> Option<Document> {
    let id = doc.get("_id");
    if id.is_missing() {
        return None;
    }
    let first = doc
        .iter()
        .next()
        .is_some_and(|(k, _)| k.as_bytes() == b"_id");
    if first {
        return Some(doc);
    }
    let mut out: DocBuilder = doc.edit();
    out.remove("_id");
    out.push_front("_id", id);
    Some(out.build())
}

/// Checks what a stored document may not have.
///
/// # Errors
/// `InvalidIdField` for an array, a regular expression or undefined as `_id`.
pub fn check_id(doc: &Document) -> Result<(), EngineError> {
    let id = doc.get("_id");
    let bad = matches!(id, Value::Array(_) | Value::Regex(_) | Value::Undefined);
    if bad {
        return Err(EngineError::new(
            Code::InvalidIdField,
            format!("The '_id' value cannot be of type {}", id.type_name()),
        ));
    }
    if let Value::Document(d) = &id
        && let Some((key, _)) = d.iter().find(|(k, _)| k.as_str().starts_with('$'))
    {
        return Err(EngineError::new(
            Code::DollarPrefixedFieldName,
            format!(
                "_id fields may not contain '$'-prefixed fields: {} is not valid for storage.",
                key.as_str()
            ),
        ));
    }
    Ok(())
}

fn immutable() -> EngineError {
    EngineError::new(
        Code::ImmutableField,
        "Performing an update on the path '_id' would modify the immutable field '_id'",
    )
}
