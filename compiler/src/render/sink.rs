//! What is rendered into.

use bson::{Bson, Document};

/// The key of an item of an array, which has none.
pub(super) const ITEM: &str = "";

/// What is rendered into: a document or an array, entry by entry. Items of arrays come without their keys.
pub(super) trait Sink: Sized {
    /// A value as it stands.
    fn value(&mut self, key: &str, value: &Bson);

    /// A text of several parts.
    fn text<'t>(&mut self, key: &str, parts: impl Iterator<Item = &'t str>);

    /// A document inside.
    fn document(&mut self, key: &str, fill: impl FnOnce(&mut Self));

    /// An array inside.
    fn array(&mut self, key: &str, fill: impl FnOnce(&mut Self));

    /// A document as it stands.
    fn copy(&mut self, key: &str, document: &Document) {
        self.document(key, |out| out.entries(document));
    }

    /// The entries of a document.
    fn entries(&mut self, document: &Document) {
        for (key, value) in document {
            self.value(key, value);
        }
    }

    /// An array of values as they stand.
    fn values(&mut self, key: &str, values: &[Bson]) {
        self.array(key, |out| {
            for value in values {
                out.value(ITEM, value);
            }
        });
    }

    /// A text.
    fn str(&mut self, key: &str, text: &str) {
        self.text(key, [text].into_iter());
    }

    /// An array of texts.
    fn strs<T: AsRef<str>>(&mut self, key: &str, texts: &[T]) {
        self.array(key, |out| {
            for text in texts {
                out.str(ITEM, text.as_ref());
            }
        });
    }

    fn int(&mut self, key: &str, number: i32) {
        self.value(key, &Bson::Int32(number));
    }

    fn bool(&mut self, key: &str, value: bool) {
        self.value(key, &Bson::Boolean(value));
    }

    /// A count, as a 32-bit number where it fits.
    fn count(&mut self, key: &str, n: u64) {
        match i32::try_from(n) {
            Ok(n) => self.int(key, n),
            Err(_) => self.value(key, &Bson::Int64(i64::try_from(n).unwrap_or(i64::MAX))),
        }
    }
}

/// A document or an array of the `bson` crate.
pub(super) enum Tree {
    Document(Document),
    Array(Vec<Bson>),
}

impl Tree {
    /// The document that is written.
    pub(super) fn filled(fill: impl FnOnce(&mut Tree)) -> Document {
        let mut tree = Tree::Document(Document::new());
        fill(&mut tree);
        match tree {
            Tree::Document(document) => document,
            Tree::Array(_) => Document::new(),
        }
    }

    /// The array that is written.
    pub(super) fn array_filled(fill: impl FnOnce(&mut Tree)) -> Vec<Bson> {
        let mut tree = Tree::Array(Vec::new());
        fill(&mut tree);
        match tree {
            Tree::Array(items) => items,
            Tree::Document(_) => Vec::new(),
        }
    }

    fn put(&mut self, key: &str, value: Bson) {
        match self {
            Tree::Document(document) => {
                document.insert(key, value);
            }
            Tree::Array(items) => items.push(value),
        }
    }
}

impl Sink for Tree {
    fn value(&mut self, key: &str, value: &Bson) {
        self.put(key, value.clone());
    }

    fn text<'t>(&mut self, key: &str, parts: impl Iterator<Item = &'t str>) {
        let mut text = String::with_capacity(16);
        text.extend(parts);
        self.put(key, Bson::String(text));
    }

    fn document(&mut self, key: &str, fill: impl FnOnce(&mut Self)) {
        self.put(key, Bson::Document(Tree::filled(fill)));
    }

    fn array(&mut self, key: &str, fill: impl FnOnce(&mut Self)) {
        self.put(key, Bson::Array(Tree::array_filled(fill)));
    }

    fn copy(&mut self, key: &str, document: &Document) {
        self.put(key, Bson::Document(document.clone()));
    }

    fn values(&mut self, key: &str, values: &[Bson]) {
        self.put(key, Bson::Array(values.to_vec()));
    }

    fn str(&mut self, key: &str, text: &str) {
        self.put(key, Bson::String(text.to_owned()));
    }
}
