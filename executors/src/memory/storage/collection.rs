//! A collection: records in order of insertion, and its indexes. Cloning makes a snapshot.
use std::sync::Arc;

use super::index::{Index, IndexSpec};
use super::tree::{Cursor, Tree};
use crate::memory::error::{Code, EngineError};
use crate::memory::filter::Filter;
use crate::memory::value::{Buffer, Collation, Document, Value, ValueRef};

/// What `create` and `collMod` set.
#[derive(Clone, Debug, Default)]
pub struct CollectionOptions {
    /// The options as given, for `listCollections`.
    pub listed: bson::Document,
    /// What inserted and updated documents must satisfy, and whether failing that is an error (`validationAction`).
    pub validator: Option<Filter>,
    /// Whether a failed validation is an error.
    pub validation_is_error: bool,
    /// `validationLevel: moderate`: documents that failed before may be updated.
    pub moderate: bool,
    /// The default collation.
    pub collation: Option<Collation>,
    /// For a view: the collection it reads and its pipeline.
    pub view: Option<(String, Vec<bson::Bson>)>,
    /// For a capped collection: the limits in bytes and documents.
    pub capped: Option<(usize, Option<usize>)>,
}

/// A collection.
#[derive(Clone, Debug)]
pub struct Collection {
    /// `database.collection`.
    pub namespace: Arc<str>,
    /// The options.
    pub options: Arc<CollectionOptions>,
    records: Tree<u64, Buffer>,
    indexes: Vec<Index>,
    bytes: usize,
}

impl Collection {
    /// An empty collection with its index on `_id`.
    pub fn new(namespace: &str, options: CollectionOptions) -> Self {
        let id = Index::new(IndexSpec::id(options.collation.as_ref()));
        Self {
            namespace: Arc::from(namespace),
            options: Arc::new(options),
            records: Tree::default(),
            indexes: vec![id],
            bytes: 0,
        }
    }

    /// The number of documents.
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Whether there are no documents.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// The size of the documents as BSON.
    pub fn byte_size(&self) -> usize {
        self.bytes
    }

    /// The indexes; the one on `_id` first.
    pub fn indexes(&self) -> &[Index] {
        &self.indexes
    }

    /// The document of a record.
    pub fn get(&self, record: u64) -> Option<Document> {
        self.raw(record).map(|raw| Document::from_raw(raw.clone()))
    }

    /// The bytes of a record.
    pub fn raw(&self, record: u64) -> Option<&Buffer> {
        self.records.get(|k| k.cmp(&record))
    }

    /// The record with an `_id`.
    pub fn find_id(&self, id: ValueRef<'_>) -> Option<u64> {
        let index = self.indexes.first()?;
        match &self.options.collation {
            Some(c) => index.find_one(c.fold(&id.to_value()).view()),
            None => index.find_one(id),
        }
    }

    /// All records, in order of insertion.
    pub fn cursor(&self) -> Cursor<u64, Buffer> {
        self.records.cursor()
    }

    /// A cursor behind the last record, to go backward.
    pub fn cursor_at_end(&self) -> Cursor<u64, Buffer> {
        self.records.seek(|_| true)
    }

    fn duplicate(&self, index: &Index, values: &[Value], doc: &Document) -> EngineError {
        let mut shown = bson::Document::new();
        for (field, v) in index.spec.fields.iter().zip(values) {
            // Keys of a collation cannot be read: then the document's value is shown.
            let own = if index.spec.collation.is_some() {
                field.path.get(doc.view())
            } else {
                v.clone()
            };
            shown.insert(field.path.to_string(), own.to_bson());
        }
        let message = format!(
            "E11000 duplicate key error collection: {} index: {} dup key: {shown}",
            self.namespace, index.spec.name
        );
        EngineError::new(Code::DuplicateKey, message)
            .with_details(bson::doc! {"keyPattern": index.spec.key.clone(), "keyValue": shown})
    }

    fn check_unique(&self, doc: &Document, own: Option<u64>) -> Result<(), EngineError> {
        for index in &self.indexes {
            index.spec.check(doc)?;
            if let Some(values) = index.conflict(doc, own)? {
                return Err(self.duplicate(index, &values, doc));
            }
        }
        Ok(())
    }

    /// Adds a document under a new record id.
    ///
    /// # Errors
    /// `DuplicateKey`; nothing is changed then.
    pub fn insert(&mut self, record: u64, raw: Buffer) -> Result<(), EngineError> {
        let doc = Document::from_raw(raw.clone());
        self.check_unique(&doc, None)?;
        for at in 0..self.indexes.len() {
            let added = self
                .indexes
                .get_mut(at)
                .map_or(Ok(()), |i| i.add(&doc, record));
            if let Err(e) = added {
                // All or nothing: the indexes before this one forget the document again.
                for index in self.indexes.iter_mut().take(at) {
                    index.remove(&doc, record)?;
                }
                return Err(e);
            }
        }
        self.bytes += raw.len();
        self.records.insert(record, raw, &u64::cmp);
        self.trim()
    }

    /// Lets a capped collection forget its oldest documents.
    fn trim(&mut self) -> Result<(), EngineError> {
        let Some((bytes, documents)) = self.options.capped else {
            return Ok(());
        };
        while self.bytes > bytes || documents.is_some_and(|n| n > 0 && self.len() > n) {
            let oldest = self.records.cursor().forward().map(|(k, _)| *k);
            match oldest {
                Some(record) if self.len() > 1 => self.remove(record)?,
                _ => return Ok(()),
            }
        }
        Ok(())
    }

    /// Replaces a record's document.
    ///
    /// # Errors
    /// `DuplicateKey`; nothing is changed then.
    pub fn replace(&mut self, record: u64, raw: Buffer) -> Result<(), EngineError> {
        let Some(old) = self.get(record) else {
            return Ok(());
        };
        let new = Document::from_raw(raw.clone());
        self.check_unique(&new, Some(record))?;
        for at in 0..self.indexes.len() {
            let changed = self
                .indexes
                .get_mut(at)
                .map_or(Ok(()), |i| i.change(&old, &new, record));
            if let Err(e) = changed {
                for index in self.indexes.iter_mut().take(at) {
                    index.change(&new, &old, record)?;
                }
                return Err(e);
            }
        }
        self.bytes = self.bytes + raw.len() - old.byte_size();
        self.records.insert(record, raw, &u64::cmp);
        Ok(())
    }

    /// Removes a record.
    ///
    /// # Errors
    /// What computing index keys gives.
    pub fn remove(&mut self, record: u64) -> Result<(), EngineError> {
        let Some(old) = self.get(record) else {
            return Ok(());
        };
        for index in &mut self.indexes {
            index.remove(&old, record)?;
        }
        self.bytes -= old.byte_size();
        self.records.remove(|k| k.cmp(&record));
        Ok(())
    }

    /// Builds an index over the documents that are here.
    ///
    /// # Errors
    /// `DuplicateKey` when a unique index cannot be; nothing is changed then.
    pub fn add_index(&mut self, spec: IndexSpec) -> Result<(), EngineError> {
        let mut index = Index::new(spec);
        let mut cursor = self.records.cursor();
        while let Some((record, raw)) = cursor.forward() {
            let doc = Document::from_raw(raw.clone());
            index.spec.check(&doc)?;
            if let Some(values) = index.conflict(&doc, Some(*record))? {
                return Err(self.duplicate(&index, &values, &doc));
            }
            index.add(&doc, *record)?;
        }
        self.indexes.push(index);
        Ok(())
    }

    /// Drops the indexes for which `gone` says so; the one on `_id` stays.
    pub fn drop_indexes(&mut self, mut gone: impl FnMut(&IndexSpec) -> bool) {
        let mut first = true;
        self.indexes
            .retain(|i| std::mem::take(&mut first) || !gone(&i.spec));
    }

    /// Replaces an index's specification without building it again (hidden, expiry).
    pub fn change_index(&mut self, name: &str, change: impl FnOnce(&mut IndexSpec)) {
        if let Some(index) = self.indexes.iter_mut().find(|i| i.spec.name == name) {
            change(Arc::make_mut(&mut index.spec));
        }
    }
}
