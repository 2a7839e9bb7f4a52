//! `$out` and `$merge`: writing what a pipeline gives.
use std::sync::Arc;

use super::Engine;
use super::session::InTransaction;
use super::update::{check_id, id_first};
use super::writing::{Writing, may_create};
use crate::memory::error::{Code, EngineError};
use crate::memory::expr::Env;
use crate::memory::filter::{Comparison, Filter, Node, Pred};
use crate::memory::stage::{
    Context, Documents, Input, Merge, WhenMatched, WhenNotMatched, Write, drain,
};
use crate::memory::storage::Collection;
use crate::memory::value::{Document, Path, Value, equal};

impl Engine {
    /// Writes the documents of a pipeline that ends in `$out` or `$merge`.
    #[allow(clippy::too_many_arguments)]
    pub(super) fn write_output(
        &self,
        db: &str,
        unchecked: bool,
        write: &Write,
        docs: Vec<Document>,
        context: &Arc<Context>,
        env: &mut Env<'_>,
        txn: Option<&InTransaction>,
    ) -> Result<(), EngineError> {
        if txn.is_some() {
            return Err(EngineError::new(
                Code::OperationNotSupportedInTransaction,
                "$out and $merge are not allowed in a transaction",
            ));
        }
        let mut writing = self.writing(None);
        writing.unchecked = unchecked;
        let done = match write {
            Write::Out(out) => {
                let db = out.target.db.as_deref().unwrap_or(db);
                replace_all(&mut writing, db, &out.target.collection, docs)
            }
            Write::Merge(merge) => {
                let db = merge.target.db.as_deref().unwrap_or(db);
                merge_all(&mut writing, db, merge, docs, context, env)
            }
        };
        match done {
            // What `$merge` wrote before its error stays, as in MongoDB; `$out` is all or nothing.
            Err(e) if matches!(write, Write::Out(_)) => Err(e),
            done => {
                self.done(writing);
                done
            }
        }
    }
}

fn with_id(writing: &Writing<'_>, doc: Document) -> Document {
    id_first(doc.clone()).unwrap_or_else(|| {
        let mut b = doc.edit();
        b.push_front("_id", Value::ObjectId(writing.object_id()));
        b.build()
    })
}

fn replace_all(
    writing: &mut Writing<'_>,
    db: &str,
    name: &str,
    docs: Vec<Document>,
) -> Result<(), EngineError> {
    let old = writing.collection(db, name);
    let options = old
        .as_ref()
        .map(|c| (*c.options).clone())
        .unwrap_or_default();
    if options.view.is_some() {
        return Err(EngineError::new(
            Code::CommandNotSupported,
            "$out cannot write to a view",
        ));
    }
    if old.is_none() {
        may_create(writing.state(), db, name)?;
    }
    let mut new = Collection::new(&format!("{db}.{name}"), options);
    for index in old.iter().flat_map(|c| c.indexes().iter().skip(1)) {
        new.add_index((*index.spec).clone())?;
    }
    writing.state_mut().put(db, name, Arc::new(new));
    for doc in docs {
        let doc = with_id(writing, doc);
        check_id(&doc)?;
        writing.validate(db, name, &doc, None)?;
        writing.insert(db, name, doc.to_raw())?;
    }
    Ok(())
}

/// Whether there is a unique index on just these fields.
fn has_unique(collection: Option<&Arc<Collection>>, on: &[String]) -> bool {
    if on.len() == 1 && on.first().is_some_and(|f| f == "_id") {
        return true;
    }
    collection.is_some_and(|c| {
        c.indexes().iter().any(|i| {
            i.spec.unique
                && i.spec.partial.is_none()
                && i.spec.fields.len() == on.len()
                && i.spec
                    .fields
                    .iter()
                    .all(|f| on.iter().any(|o| *o == f.path.to_string()))
        })
    })
}

fn merge_all(
    writing: &mut Writing<'_>,
    db: &str,
    merge: &Merge,
    docs: Vec<Document>,
    context: &Arc<Context>,
    env: &mut Env<'_>,
) -> Result<(), EngineError> {
    let name = &merge.target.collection;
    if !has_unique(writing.collection(db, name).as_ref(), &merge.on) {
        return Err(EngineError::location(
            51183,
            "Cannot find index to verify that join fields will be unique",
        ));
    }
    if merge.not_matched == WhenNotMatched::Insert {
        writing.ensure(db, name)?;
    }
    let paths: Vec<Path> = merge
        .on
        .iter()
        .map(|f| Path::parse(f))
        .collect::<Result<_, _>>()?;
    for doc in docs {
        let doc = if merge.on.iter().any(|f| f == "_id") {
            with_id(writing, doc)
        } else {
            doc
        };
        merge_one(writing, db, merge, &paths, doc, context, env)?;
    }
    Ok(())
}

fn merge_one(
    writing: &mut Writing<'_>,
    db: &str,
    merge: &Merge,
    paths: &[Path],
    doc: Document,
    context: &Arc<Context>,
    env: &mut Env<'_>,
) -> Result<(), EngineError> {
    let name = &merge.target.collection;
    let mut nodes = Vec::with_capacity(paths.len());
    for path in paths {
        let v = path.get(doc.view());
        if v.is_nullish() || matches!(v, Value::Array(_)) {
            return Err(EngineError::location(
                51132,
                "$merge write error: 'on' field cannot be missing, null, undefined or an array",
            ));
        }
        nodes.push(Node::Leaf(
            Some(path.clone()),
            Pred::Compare(Comparison::Eq, v),
        ));
    }
    let filter = Arc::new(Filter::of(Node::And(nodes)));
    let hit = match writing.collection(db, name) {
        Some(c) => super::statement::matching(&c, &filter, None, None, 1, env)?.pop(),
        None => None,
    };
    let Some((record, old)) = hit else {
        return match merge.not_matched {
            WhenNotMatched::Discard => Ok(()),
            WhenNotMatched::Fail => Err(EngineError::location(
                13113,
                "$merge could not find a matching document in the target collection for at least one document in the source collection",
            )),
            WhenNotMatched::Insert => {
                let doc = with_id(writing, doc);
                check_id(&doc)?;
                writing.validate(db, name, &doc, None)?;
                writing.insert(db, name, doc.to_raw()).map(|_| ())
            }
        };
    };
    let new = match &merge.matched {
        WhenMatched::Keep => return Ok(()),
        WhenMatched::Fail => {
            return Err(EngineError::new(
                Code::DuplicateKey,
                format!(
                    "E11000 duplicate key error collection: {db}.{name} found a match for a document of $merge with whenMatched: 'fail'"
                ),
            ));
        }
        WhenMatched::Replace => doc,
        WhenMatched::Merge => {
            let mut b = old.clone().edit();
            for (k, v) in doc.iter() {
                b.set(k.to_str(), v.to_value());
            }
            b.build()
        }
        WhenMatched::Pipeline(pipeline, bindings) => {
            for (slot, expr) in bindings {
                env.set_root(doc.clone());
                let value = expr.eval(env)?;
                env.set(*slot, value);
            }
            let input = Input::Source(Box::new(Documents::new(vec![old.clone()])));
            let source = pipeline.start(input, context, env)?;
            drain(source, "$merge", env)?
                .pop()
                .unwrap_or_else(Document::empty)
        }
    };
    let id = old.get("_id");
    let new = match new.get("_id") {
        Value::Missing => {
            let mut b = new.edit();
            b.push_front("_id", id);
            b.build()
        }
        other if !equal(other.view(), id.view()) => {
            return Err(EngineError::new(
                Code::ImmutableField,
                "$merge failed to update the matching document, did you attempt to modify the _id or the shard key? :: caused by :: Performing an update on the path '_id' would modify the immutable field '_id'",
            ));
        }
        _ => new,
    };
    writing.validate(db, name, &new, Some(&old))?;
    writing.replace(db, name, record, new.to_raw())
}
