//! Collections that stages read beside their input: by name, by view, by equality on a path.
use std::cmp::Ordering;
use std::sync::Arc;

use super::compile::documents;
use super::group::{KeyMap, KeyRef};
use super::{Compiling, Context, Input, Pipeline, Place, drain};
use crate::memory::error::EngineError;
use crate::memory::expr::{Env, Scope};
use crate::memory::filter::visit;
use crate::memory::plan::Hint;
use crate::memory::storage::{Collection, EntryRef};
use crate::memory::value::{Document, Key, Path, Value, ValueRef, compare, equal};

/// A collection of the command's database.
#[derive(Clone, Debug)]
pub struct Namespace {
    /// Its name.
    pub name: String,
}

impl Namespace {
    /// A collection by name.
    pub fn new(name: String) -> Self {
        Self { name }
    }

    /// The collection, when it is one and no view.
    pub fn collection(&self, context: &Context) -> Option<Arc<Collection>> {
        context
            .state
            .get(&context.db, &self.name)
            .filter(|c| c.options.view.is_none())
            .cloned()
    }
}

/// Views on views, at most.
const MAX_VIEWS: usize = 20;

/// What a name stands for: a collection, or a view's pipeline run to its end.
///
/// # Errors
/// What the view's pipeline gives; `ViewDepthLimitExceeded`.
pub fn source_of(
    from: Option<&Namespace>,
    context: &Arc<Context>,
    env: &mut Env<'_>,
) -> Result<Input, EngineError> {
    let Some(from) = from else {
        return Ok(documents(vec![Document::empty()]));
    };
    resolve(&from.name, None, context, env, 0)
}

/// What a name stands for; the hint goes to the collection that is read in the end.
pub(super) fn resolve(
    name: &str,
    hint: Option<&Arc<Hint>>,
    context: &Arc<Context>,
    env: &mut Env<'_>,
    depth: usize,
) -> Result<Input, EngineError> {
    if depth > MAX_VIEWS {
        return Err(EngineError::new(
            crate::memory::error::Code::ViewDepthLimitExceeded,
            "View depth too deep or view cycle detected",
        ));
    }
    let Some(collection) = context.state.get(&context.db, name).cloned() else {
        return Ok(Input::Collection(None, None));
    };
    let Some((on, stages)) = &collection.options.view else {
        return Ok(Input::Collection(Some(collection), hint.cloned()));
    };
    let scope = Scope::new();
    let pipeline = Pipeline::compile(
        stages,
        &Compiling {
            scope: &scope,
            place: Place::Collection,
            depth: 0,
        },
    )?;
    let input = resolve(on, hint, context, env, depth + 1)?;
    Ok(Input::Source(pipeline.start(input, context, env)?))
}

/// A foreign collection that is asked for equality on one path: by its index, or by a hash table made once.
pub enum Foreign {
    /// By an index of a collection: its position.
    Index(Arc<Collection>, usize),
    /// By hash: the documents, and for each value where it occurs.
    Hash(Vec<Document>, KeyMap<Vec<u32>>),
}

impl Foreign {
    /// Opens a foreign collection for equality on `path`.
    ///
    /// # Errors
    /// What reading it gives.
    pub fn open(
        from: Option<&Namespace>,
        path: &Path,
        context: &Arc<Context>,
        env: &mut Env<'_>,
    ) -> Result<Self, EngineError> {
        if let Some(collection) = from.and_then(|f| f.collection(context)) {
            let fits = |i: &crate::memory::storage::Index| {
                let spec = &i.spec;
                spec.fields
                    .first()
                    .is_some_and(|f| f.path == *path && f.ascending)
                    && !spec.sparse
                    && !spec.hidden
                    && spec.partial.is_none()
                    && spec.collation.as_ref() == env.collation()
            };
            if let Some(at) = collection.indexes().iter().position(fits) {
                return Ok(Self::Index(collection, at));
            }
        }
        let input = source_of(from, context, env)?;
        let docs = drain(
            Pipeline::default().start(input, context, env)?,
            "$lookup",
            env,
        )?;
        Ok(Self::hash(docs, path, env))
    }

    /// Makes the hash table of documents at hand.
    pub fn hash(docs: Vec<Document>, path: &Path, env: &Env<'_>) -> Self {
        let mut map: KeyMap<Vec<u32>> = KeyMap::default();
        for (at, doc) in (0_u32..).zip(&docs) {
            visit(path.parts(), doc.view(), true, &mut |v, _| {
                let v = if v.is_missing() { ValueRef::Null } else { v };
                let folded = env.collation().map(|c| c.fold(&v.to_value()));
                let key = folded.as_ref().map_or(v, Value::view);
                match map.get_mut(&KeyRef(key)) {
                    Some(places) => {
                        if places.last() != Some(&at) {
                            places.push(at);
                        }
                    }
                    None => {
                        map.insert(Key(key.to_value()), vec![at]);
                    }
                }
                false
            });
        }
        Self::Hash(docs, map)
    }

    /// The documents with one of the values at the path, in their natural order.
    pub fn matching(&self, values: &[Value], env: &Env<'_>) -> Vec<Document> {
        let folded = |v: &Value| match env.collation() {
            Some(c) => c.fold(v),
            None => v.clone(),
        };
        match self {
            Self::Index(collection, at) => {
                let Some(index) = collection.indexes().get(*at) else {
                    return Vec::new();
                };
                let mut records: Vec<u64> = Vec::new();
                for value in values {
                    let value = folded(value);
                    let first = |e: EntryRef<'_>| {
                        let v = e.values().next();
                        v.map_or(Ordering::Less, |v| compare(v, value.view()))
                    };
                    let mut cursor = index.seek(|e| first(e).is_lt());
                    while let Some(entry) = cursor.forward() {
                        if !first(entry).is_eq() {
                            break;
                        }
                        records.push(entry.record());
                    }
                }
                if records.len() > 1 {
                    records.sort_unstable();
                    records.dedup();
                }
                let found = records.into_iter().filter_map(|r| collection.get(r));
                if values.iter().any(Value::is_nullish) && index.multikey {
                    // The index also has null for paths that an array of scalars cuts off; those do not match.
                    return found
                        .filter(|d| has_null(d, index.spec.fields.first().map(|f| &f.path), values))
                        .collect();
                }
                found.collect()
            }
            Self::Hash(docs, map) => {
                let mut places: Vec<u32> = Vec::new();
                for value in values {
                    if let Some(found) = map.get(&KeyRef(folded(value).view())) {
                        places.extend_from_slice(found);
                    }
                }
                if values.len() > 1 {
                    places.sort_unstable();
                    places.dedup();
                }
                places
                    .into_iter()
                    .filter_map(|at| docs.get(usize::try_from(at).ok()?).cloned())
                    .collect()
            }
        }
    }
}

fn has_null(doc: &Document, path: Option<&Path>, values: &[Value]) -> bool {
    let Some(path) = path else { return false };
    visit(path.parts(), doc.view(), true, &mut |v, _| {
        let v = if v.is_missing() { ValueRef::Null } else { v };
        values.iter().any(|w| equal(v, w.view()))
    })
}

/// The values at a path of the local document: those of arrays one by one; null when there is none.
pub fn local_values(doc: &Document, path: &Path) -> Vec<Value> {
    if let Some(v) = path.get_ref(doc.view())
        && !matches!(v, ValueRef::Array(_) | ValueRef::Missing)
    {
        return vec![v.to_value()];
    }
    let mut out = Vec::new();
    visit(path.parts(), doc.view(), false, &mut |v, _| {
        match v {
            ValueRef::Array(items) => out.extend(items.iter().map(ValueRef::to_value)),
            ValueRef::Missing => {}
            other => out.push(other.to_value()),
        }
        false
    });
    if out.is_empty() {
        out.push(Value::Null);
    }
    out
}
