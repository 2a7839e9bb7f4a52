//! Names and paths: of models, columns and documents. Every pass hands the same ones on, so they are shared and not copied.

use std::borrow::Borrow;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use bson::Bson;
use indexmap::IndexMap;

/// What names of the schema or of functions stand for, in the order in which they were declared, quick to find.
pub type NameMap<K, V> = IndexMap<K, V, foldhash::fast::RandomState>;

/// A name, cheap to clone. It compares with texts, and orders and hashes as one.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(Arc<str>);

impl Default for Name {
    fn default() -> Self {
        Name(Arc::from(""))
    }
}

impl Deref for Name {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl AsRef<str> for Name {
    fn as_ref(&self) -> &str {
        self
    }
}

impl Borrow<str> for Name {
    fn borrow(&self) -> &str {
        self
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&**self, f)
    }
}

impl From<&str> for Name {
    fn from(name: &str) -> Self {
        Name(name.into())
    }
}

impl From<String> for Name {
    fn from(name: String) -> Self {
        Name(name.into())
    }
}

impl From<&String> for Name {
    fn from(name: &String) -> Self {
        Name(name.as_str().into())
    }
}

impl From<&Name> for Name {
    fn from(name: &Name) -> Self {
        name.clone()
    }
}

impl From<Name> for String {
    fn from(name: Name) -> Self {
        (*name).to_owned()
    }
}

impl From<&Name> for String {
    fn from(name: &Name) -> Self {
        (**name).to_owned()
    }
}

impl From<Name> for Bson {
    fn from(name: Name) -> Self {
        Bson::String(name.into())
    }
}

impl PartialEq<str> for Name {
    fn eq(&self, other: &str) -> bool {
        **self == *other
    }
}

impl PartialEq<&str> for Name {
    fn eq(&self, other: &&str) -> bool {
        **self == **other
    }
}

impl PartialEq<String> for Name {
    fn eq(&self, other: &String) -> bool {
        **self == **other
    }
}

impl PartialEq<Name> for String {
    fn eq(&self, other: &Name) -> bool {
        **self == **other
    }
}

impl PartialEq<Name> for str {
    fn eq(&self, other: &Name) -> bool {
        *self == **other
    }
}

/// Keys from the root of a document, cheap to clone. As a slice it is the list of its keys.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Path(Arc<[Name]>);

impl Path {
    /// The path of one key at the root.
    #[must_use]
    pub fn key(key: impl Into<Name>) -> Self {
        Path(Arc::new([key.into()]))
    }

    /// The path of several keys.
    #[must_use]
    pub fn of<K: Into<Name>>(keys: impl IntoIterator<Item = K>) -> Self {
        Path(keys.into_iter().map(Into::into).collect())
    }

    /// The root.
    #[must_use]
    pub fn root() -> Self {
        Path(Arc::default())
    }

    /// This path, seen from where `inner` starts at its end.
    #[must_use]
    pub fn to(&self, inner: &Path) -> Path {
        match (self.is_empty(), inner.is_empty()) {
            (true, _) => inner.clone(),
            (_, true) => self.clone(),
            _ => Path(self.iter().chain(inner.iter()).cloned().collect()),
        }
    }

    /// This path and one key more.
    #[must_use]
    pub fn then(&self, key: impl Into<Name>) -> Path {
        Path(self.iter().cloned().chain([key.into()]).collect())
    }

    /// With dots between the keys.
    #[must_use]
    pub fn dotted(&self) -> String {
        match &*self.0 {
            [only] => only.into(),
            keys => keys.join("."),
        }
    }
}

impl Deref for Path {
    type Target = [Name];

    fn deref(&self) -> &[Name] {
        &self.0
    }
}

impl fmt::Debug for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<'a> IntoIterator for &'a Path {
    type Item = &'a Name;
    type IntoIter = std::slice::Iter<'a, Name>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

impl<K: Into<Name>> FromIterator<K> for Path {
    fn from_iter<I: IntoIterator<Item = K>>(keys: I) -> Self {
        Path::of(keys)
    }
}
