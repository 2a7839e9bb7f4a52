//! Arrays: raw BSON bytes or a built vector.
use std::fmt;
use std::sync::Arc;

use super::raw::RawIter;
use super::{Buffer, Bytes, BytesRef, DocRef, Document, Value, ValueRef};

/// An owned array; cloning shares.
#[derive(Clone)]
pub struct Array(Form);

#[derive(Clone)]
enum Form {
    Raw(Bytes),
    Built(Arc<Vec<Value>>),
}

/// An array read in place.
#[derive(Clone, Copy)]
pub struct ArrRef<'a>(FormRef<'a>);

#[derive(Clone, Copy)]
enum FormRef<'a> {
    Raw(BytesRef<'a>),
    Built(&'a Arc<Vec<Value>>),
}

impl Array {
    /// A borrowed view.
    #[inline]
    pub fn view(&self) -> ArrRef<'_> {
        match &self.0 {
            Form::Raw(b) => ArrRef(FormRef::Raw(b.view())),
            Form::Built(v) => ArrRef(FormRef::Built(v)),
        }
    }

    /// The element at an index; `Missing` out of range.
    pub fn get(&self, index: usize) -> Value {
        self.view().get(index).to_value()
    }

    /// The elements in order.
    pub fn iter(&self) -> ArrIter<'_> {
        self.view().iter()
    }

    /// The number of elements.
    pub fn len(&self) -> usize {
        self.view().len()
    }

    /// Whether there are no elements.
    pub fn is_empty(&self) -> bool {
        self.view().is_empty()
    }

    /// The elements, owned.
    pub fn into_vec(self) -> Vec<Value> {
        match self.0 {
            Form::Built(v) => Arc::try_unwrap(v).unwrap_or_else(|v| (*v).clone()),
            Form::Raw(_) => self.iter().map(ValueRef::to_value).collect(),
        }
    }
}

impl From<Vec<Value>> for Array {
    /// Elements must not be `Missing`.
    fn from(items: Vec<Value>) -> Self {
        Self(Form::Built(Arc::new(items)))
    }
}

impl FromIterator<Value> for Array {
    fn from_iter<T: IntoIterator<Item = Value>>(iter: T) -> Self {
        Self::from(iter.into_iter().collect::<Vec<_>>())
    }
}

impl<'a> ArrRef<'a> {
    pub(super) fn raw(buf: &'a Buffer, start: usize, len: usize) -> Self {
        Self(FormRef::Raw(BytesRef::part(buf, start, len)))
    }

    pub(super) fn raw_bytes(self) -> Option<&'a [u8]> {
        match self.0 {
            FormRef::Raw(b) => Some(b.as_slice()),
            FormRef::Built(_) => None,
        }
    }

    /// The element at an index; `Missing` out of range.
    pub fn get(self, index: usize) -> ValueRef<'a> {
        match self.0 {
            FormRef::Raw(b) => RawIter::new(b)
                .nth(index)
                .map_or(ValueRef::Missing, |(_, v)| v),
            FormRef::Built(v) => v.get(index).map_or(ValueRef::Missing, Value::view),
        }
    }

    /// The elements in order.
    pub fn iter(self) -> ArrIter<'a> {
        match self.0 {
            FormRef::Raw(b) => ArrIter(Walk::Raw(RawIter::new(b))),
            FormRef::Built(v) => ArrIter(Walk::Built(v.iter())),
        }
    }

    /// The number of elements.
    pub fn len(self) -> usize {
        match self.0 {
            FormRef::Raw(b) => RawIter::new(b).count_rest(),
            FormRef::Built(v) => v.len(),
        }
    }

    /// Whether there are no elements.
    pub fn is_empty(self) -> bool {
        self.iter().next().is_none()
    }

    /// The array as the document that BSON stores for it: the indexes are the names.
    pub fn as_document(self) -> Document {
        match self.0 {
            FormRef::Raw(b) => DocRef::raw(b.buffer(), b.start(), b.len()).to_document(),
            FormRef::Built(v) => v
                .iter()
                .enumerate()
                .map(|(i, v)| (i.to_string(), v.clone()))
                .collect(),
        }
    }

    /// Owned; shares.
    pub fn to_array(self) -> Array {
        match self.0 {
            FormRef::Raw(b) => Array(Form::Raw(b.to_bytes())),
            FormRef::Built(v) => Array(Form::Built(Arc::clone(v))),
        }
    }
}

/// Iterates over an array's elements.
#[derive(Clone)]
pub struct ArrIter<'a>(Walk<'a>);

#[derive(Clone)]
enum Walk<'a> {
    Raw(RawIter<'a>),
    Built(std::slice::Iter<'a, Value>),
}

impl<'a> Iterator for ArrIter<'a> {
    type Item = ValueRef<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        match &mut self.0 {
            Walk::Raw(it) => it.next().map(|(_, v)| v),
            Walk::Built(it) => it.next().map(Value::view),
        }
    }
}

impl fmt::Debug for Array {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&ValueRef::Array(self.view()).to_bson(), f)
    }
}

impl PartialEq for Array {
    fn eq(&self, other: &Self) -> bool {
        super::equal(ValueRef::Array(self.view()), ValueRef::Array(other.view()))
    }
}
