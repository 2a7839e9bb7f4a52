//! `returnKey` of `find`: the keys of the index that was read, instead of documents.
use std::sync::Arc;

use crate::memory::error::EngineError;
use crate::memory::expr::Env;
use crate::memory::filter::Filter;
use crate::memory::plan::{self, Access, Range, locate_key};
use crate::memory::stage::{Context, SortSpec, Source, Stage};
use crate::memory::storage::IndexSpec;
use crate::memory::value::{Document, Value};

/// Shows of each document the key by which it was found; nothing when no index was read.
pub(super) struct ReturnKey {
    input: Source,
    /// The index, what is read of it, and whether it is read backward.
    read: Option<(Arc<IndexSpec>, Vec<Range>, bool)>,
}

impl ReturnKey {
    /// For the documents of a collection that is read for a filter and an order.
    ///
    /// # Errors
    /// As planning.
    pub fn new(
        input: Source,
        name: &str,
        filter: &Arc<Filter>,
        sort: Option<&SortSpec>,
        context: &Context,
        env: &mut Env<'_>,
    ) -> Result<Self, EngineError> {
        let mut read = None;
        if let Some(collection) = context.state.get(&context.db, name) {
            let hint = context.hint.as_deref();
            let filters = [Arc::clone(filter)];
            if let Access::Index {
                index,
                ranges,
                reverse,
                ..
            } = plan::choose(collection, &filters, sort, hint, env)?.access
            {
                let index = collection.indexes().get(index);
                read = index.map(|i| (Arc::clone(&i.spec), ranges, reverse));
            }
        }
        Ok(Self { input, read })
    }

    fn key(&self, doc: &Document) -> Result<Document, EngineError> {
        let Some((spec, ranges, reverse)) = &self.read else {
            return Ok(Document::empty());
        };
        // Of several keys, that which the scan came to first.
        let mut keys = spec.keys(doc)?.0;
        keys.retain(|key| {
            let views: Vec<_> = key.values().iter().map(Value::view).collect();
            ranges
                .iter()
                .any(|range| locate_key(spec, range, views.iter().copied()).is_eq())
        });
        keys.sort_by(|a, b| {
            let [a, b] = [a, b].map(|k| k.values().iter().map(Value::view));
            let order = spec.order_values(a, b);
            if *reverse { order.reverse() } else { order }
        });
        let first = keys.first().map_or(&[] as &[Value], |k| k.values());
        let names = spec.key.keys().map(String::as_str);
        Ok(names.zip(first.iter().cloned()).collect())
    }
}

impl Stage for ReturnKey {
    fn next(&mut self, env: &mut Env<'_>) -> Result<Option<Document>, EngineError> {
        match self.input.next(env)? {
            Some(doc) => self.key(&doc).map(Some),
            None => Ok(None),
        }
    }
}
