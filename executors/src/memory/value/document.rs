//! Documents: raw BSON bytes or an ordered, built list of fields.
use std::fmt;
use std::sync::Arc;

use super::raw::{self, Needle, RawIter};
use super::{Buffer, Bytes, BytesRef, Part, Str, StrRef, Value, ValueRef, encode};

/// An owned document; cloning shares.
#[derive(Clone)]
pub struct Document(Form);

#[derive(Clone)]
enum Form {
    Raw(Bytes),
    Built(Arc<Vec<(Str, Value)>>),
}

/// A document read in place.
#[derive(Clone, Copy)]
pub struct DocRef<'a>(FormRef<'a>);

#[derive(Clone, Copy)]
enum FormRef<'a> {
    Raw(BytesRef<'a>),
    Built(&'a Arc<Vec<(Str, Value)>>),
}

/// The name of the field that carries a document's score through a pipeline. No stored field can have it, and it is
/// never shown or stored.
pub(crate) const SCORE: &str = "\0score";

/// Whether a field is such metadata.
#[inline]
pub(super) fn is_hidden(key: &[u8]) -> bool {
    key.first() == Some(&0)
}

impl Document {
    /// The document with a score for `$meta`.
    #[must_use]
    pub fn with_score(self, score: f64) -> Self {
        let mut out = self.edit();
        out.set(SCORE, Value::Double(score));
        out.build()
    }

    /// The score; only built documents have one.
    pub fn score(&self) -> Value {
        match &self.0 {
            Form::Raw(_) => Value::Missing,
            Form::Built(f) => f
                .iter()
                .find(|(k, _)| is_hidden(k.as_bytes()))
                .map_or(Value::Missing, |(_, v)| v.clone()),
        }
    }

    /// A document of no fields.
    pub fn empty() -> Self {
        Self(Form::Built(Arc::new(Vec::new())))
    }

    /// Takes over the bytes of one well-formed BSON document.
    pub fn from_raw(bytes: Buffer) -> Self {
        Self(Form::Raw(Bytes::whole(bytes)))
    }

    /// A borrowed view.
    #[inline]
    pub fn view(&self) -> DocRef<'_> {
        match &self.0 {
            Form::Raw(b) => DocRef(FormRef::Raw(b.view())),
            Form::Built(f) => DocRef(FormRef::Built(f)),
        }
    }

    /// The value of a field; `Missing` when it is not there.
    #[inline]
    pub fn get(&self, key: &str) -> Value {
        self.view().get(key).to_value()
    }

    /// The fields in order.
    pub fn iter(&self) -> DocIter<'_> {
        self.view().iter()
    }

    /// The number of fields.
    pub fn len(&self) -> usize {
        self.view().len()
    }

    /// Whether there are no fields.
    pub fn is_empty(&self) -> bool {
        self.view().iter().next().is_none()
    }

    /// The same document as a built one: cheaper to change several times.
    #[must_use]
    pub fn built(self) -> Self {
        match self.0 {
            Form::Raw(_) => self.edit().build(),
            Form::Built(_) => self,
        }
    }

    /// The document with a value at a path of documents (arrays are not entered but replaced); missing removes it.
    #[must_use]
    pub fn with_path(self, parts: &[Part], value: Value) -> Self {
        let Some((first, rest)) = parts.split_first() else {
            return self;
        };
        let mut out = self.edit();
        if rest.is_empty() {
            out.set(first.name.clone(), value);
            return out.build();
        }
        match out.get_mut(first.name.as_str()) {
            Some(slot) => {
                let inner = match std::mem::take(slot) {
                    Value::Document(d) => d,
                    other if value.is_missing() => {
                        *slot = other;
                        return out.build();
                    }
                    _ => Self::empty(),
                };
                *slot = Value::Document(inner.with_path(rest, value));
            }
            None if value.is_missing() => {}
            None => out.push(
                first.name.clone(),
                Value::Document(Self::empty().with_path(rest, value)),
            ),
        }
        out.build()
    }

    /// Puts another value into a field of a built document, in place if nobody shares it.
    pub(crate) fn put(&mut self, at: usize, value: Value) {
        if let Form::Built(fields) = &mut self.0
            && let Some((_, slot)) = Arc::make_mut(fields).get_mut(at)
        {
            *slot = value;
        }
    }

    /// A built document of some fields without values. They may only be looked for by name until they have some.
    pub(crate) fn blank(parts: &[Part]) -> Self {
        let fields = parts.iter().map(|p| (p.name.clone(), Value::Missing));
        Self(Form::Built(Arc::new(fields.collect())))
    }

    /// A builder that starts with these fields.
    pub fn edit(self) -> DocBuilder {
        match self.0 {
            Form::Built(f) => DocBuilder {
                fields: Arc::try_unwrap(f).unwrap_or_else(|f| (*f).clone()),
            },
            Form::Raw(b) => {
                let view = DocRef(FormRef::Raw(b.view()));
                DocBuilder {
                    fields: view
                        .iter()
                        .map(|(k, v)| (k.to_str(), v.to_value()))
                        .collect(),
                }
            }
        }
    }

    /// The document as BSON bytes in a buffer of its own: what storage keeps.
    pub fn to_raw(&self) -> Buffer {
        if let Form::Raw(b) = &self.0 {
            let view = b.view();
            if view.start() == 0 && view.len() == view.buffer().len() {
                return view.buffer().clone();
            }
        }
        let mut out = Vec::with_capacity(128);
        encode::document(self.view(), &mut out);
        Buffer::from(out.as_slice())
    }

    /// About how many bytes the document keeps in memory (cheap to ask): for memory limits.
    pub fn held_bytes(&self) -> usize {
        match &self.0 {
            Form::Raw(b) => b.view().len(),
            Form::Built(f) => f.iter().map(|(_, v)| 56 + v.view().shallow_size()).sum(),
        }
    }

    /// The size of the document as BSON, in bytes.
    pub fn byte_size(&self) -> usize {
        encode::document_size(self.view())
    }
}

impl<'a> DocRef<'a> {
    /// The document that a whole buffer is.
    #[inline]
    pub fn whole(buf: &'a Buffer) -> Self {
        Self::raw(buf, 0, buf.len())
    }

    #[inline]
    pub(super) fn raw(buf: &'a Buffer, start: usize, len: usize) -> Self {
        Self(FormRef::Raw(BytesRef::part(buf, start, len)))
    }

    /// The raw bytes, when the document has that form.
    pub(super) fn raw_bytes(self) -> Option<&'a [u8]> {
        match self.0 {
            FormRef::Raw(b) => Some(b.as_slice()),
            FormRef::Built(_) => None,
        }
    }

    /// The value of a field; `Missing` when it is not there.
    #[inline]
    pub fn get(self, key: &str) -> ValueRef<'a> {
        self.find(key.as_bytes(), || Needle::new(key.as_bytes()))
    }

    /// The value of the field that a step of a path names.
    #[inline]
    pub fn at(self, part: &Part) -> ValueRef<'a> {
        self.find(part.name.as_bytes(), || part.needle)
    }

    #[inline]
    fn find(self, name: &[u8], needle: impl FnOnce() -> Needle) -> ValueRef<'a> {
        match self.0 {
            FormRef::Raw(b) => raw::find(b, name, needle()),
            FormRef::Built(fields) => fields
                .iter()
                .find(|(k, _)| k.as_bytes() == name)
                .map_or(ValueRef::Missing, |(_, v)| v.view()),
        }
    }

    /// The values of several fields at once: `found[i]`, which must be `Missing`, becomes that of the `i`th wanted one.
    #[inline]
    pub fn pick(self, wanted: &[Part], found: &mut [ValueRef<'a>]) {
        match self.0 {
            FormRef::Raw(b) => {
                let _end = raw::pick(b, wanted, found);
            }
            FormRef::Built(_) => {
                for (part, slot) in wanted.iter().zip(found) {
                    *slot = self.at(part);
                }
            }
        }
    }

    /// The fields in order.
    pub fn iter(self) -> DocIter<'a> {
        match self.0 {
            FormRef::Raw(b) => DocIter(Walk::Raw(RawIter::new(b))),
            FormRef::Built(f) => DocIter(Walk::Built(f.iter())),
        }
    }

    /// The number of fields.
    pub fn len(self) -> usize {
        match self.0 {
            FormRef::Raw(b) => RawIter::new(b).count_rest(),
            FormRef::Built(f) => f.len(),
        }
    }

    /// Whether there are no fields.
    pub fn is_empty(self) -> bool {
        self.iter().next().is_none()
    }

    /// Owned; shares.
    pub fn to_document(self) -> Document {
        match self.0 {
            FormRef::Raw(b) => Document(Form::Raw(b.to_bytes())),
            FormRef::Built(f) => Document(Form::Built(Arc::clone(f))),
        }
    }
}

/// Iterates over a document's fields.
#[derive(Clone)]
pub struct DocIter<'a>(Walk<'a>);

#[derive(Clone)]
enum Walk<'a> {
    Raw(RawIter<'a>),
    Built(std::slice::Iter<'a, (Str, Value)>),
}

impl<'a> Iterator for DocIter<'a> {
    type Item = (StrRef<'a>, ValueRef<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        match &mut self.0 {
            Walk::Raw(it) => it.next(),
            Walk::Built(it) => it.next().map(|(k, v)| (k.view(), v.view())),
        }
    }
}

/// Builds a document field by field, in order.
#[derive(Clone, Default, Debug)]
pub struct DocBuilder {
    fields: Vec<(Str, Value)>,
}

impl DocBuilder {
    /// Starts with no fields.
    pub fn new() -> Self {
        Self::default()
    }

    /// Starts with no fields but room for some.
    pub fn with_capacity(n: usize) -> Self {
        Self {
            fields: Vec::with_capacity(n),
        }
    }

    /// Appends a field without looking for an earlier one of that name. A missing value adds nothing.
    pub fn push(&mut self, key: impl Into<Str>, value: impl Into<Value>) {
        let value = value.into();
        if !value.is_missing() {
            self.fields.push((key.into(), value));
        }
    }

    /// Replaces the field in its place, or appends it. A missing value removes it.
    pub fn set(&mut self, key: impl Into<Str>, value: impl Into<Value>) {
        let (key, value) = (key.into(), value.into());
        if value.is_missing() {
            self.remove(key.as_str());
        } else if let Some(slot) = self.fields.iter_mut().find(|(k, _)| *k == key) {
            slot.1 = value;
        } else {
            self.fields.push((key, value));
        }
    }

    /// The field of that name, to change it in place.
    pub fn get_mut(&mut self, key: &str) -> Option<&mut Value> {
        self.fields
            .iter_mut()
            .find(|(k, _)| k == key)
            .map(|(_, v)| v)
    }

    /// The field of that name.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.fields.iter().find(|(k, _)| k == key).map(|(_, v)| v)
    }

    /// Takes a field out.
    pub fn remove(&mut self, key: &str) -> Option<Value> {
        let at = self.fields.iter().position(|(k, _)| k == key)?;
        Some(self.fields.remove(at).1)
    }

    /// Puts a field first.
    pub fn push_front(&mut self, key: impl Into<Str>, value: impl Into<Value>) {
        self.fields.insert(0, (key.into(), value.into()));
    }

    /// The fields so far.
    pub fn fields(&self) -> &[(Str, Value)] {
        &self.fields
    }

    /// The fields so far, to change them in place.
    pub fn fields_mut(&mut self) -> &mut Vec<(Str, Value)> {
        &mut self.fields
    }

    /// The document.
    pub fn build(self) -> Document {
        Document(Form::Built(Arc::new(self.fields)))
    }

    /// The document as a value.
    pub fn value(self) -> Value {
        Value::Document(self.build())
    }
}

impl<K: Into<Str>, V: Into<Value>> FromIterator<(K, V)> for Document {
    fn from_iter<T: IntoIterator<Item = (K, V)>>(iter: T) -> Self {
        let mut b = DocBuilder::new();
        for (k, v) in iter {
            b.push(k, v);
        }
        b.build()
    }
}

impl fmt::Debug for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.view().to_bson(), f)
    }
}

impl PartialEq for Document {
    fn eq(&self, other: &Self) -> bool {
        super::equal(
            ValueRef::Document(self.view()),
            ValueRef::Document(other.view()),
        )
    }
}
