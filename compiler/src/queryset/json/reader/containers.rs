//! Arrays, objects and tagged unions.

use std::borrow::Cow;

use indexmap::{IndexMap, map::Entry};

use super::{Array, Kind, Object, Reader, Step, Tags};
use crate::error::{Error, Result};

/// Room for the first items of an array: most have no more.
const ROOM: usize = 4;

impl<'a> Reader<'a> {
    pub(crate) fn begin_array(&mut self, what: &str) -> Result<Array> {
        self.open(b'[', Kind::Array, what)?;
        Ok(Array { next: 0 })
    }

    /// Takes the bracket that begins a value of this kind.
    fn open(&mut self, bracket: u8, kind: Kind, what: &str) -> Result<()> {
        if self.skip_space() == Some(bracket) {
            self.pos += 1;
            return Ok(());
        }
        self.expect(kind, what)
    }

    /// Whether another element comes.
    pub(crate) fn next_item(&mut self, array: &mut Array) -> Result<bool> {
        let byte = self.skip_space();
        if array.next > 0 {
            self.path.pop();
        }
        match byte {
            Some(b']') => {
                self.pos += 1;
                return Ok(false);
            }
            Some(b',') if array.next > 0 => self.pos += 1,
            _ if array.next > 0 => return Err(self.broken("expected `,` or `]`")),
            _ => {}
        }
        self.path.push(Step::Index(array.next));
        array.next += 1;
        Ok(true)
    }

    /// All elements of an array.
    pub(crate) fn vec<T>(
        &mut self,
        what: &str,
        mut read: impl FnMut(&mut Self) -> Result<T>,
    ) -> Result<Vec<T>> {
        let mut array = self.begin_array(what)?;
        if !self.next_item(&mut array)? {
            return Ok(Vec::new());
        }
        let mut items = Vec::with_capacity(ROOM);
        loop {
            items.push(read(self)?);
            if !self.next_item(&mut array)? {
                return Ok(items);
            }
        }
    }

    // Objects

    pub(crate) fn begin_object(&mut self, what: &str) -> Result<Object> {
        self.open(b'{', Kind::Object, what)?;
        Ok(Object {
            first: true,
            seen: 0,
        })
    }

    /// The next key; its value comes next.
    pub(crate) fn next_key(&mut self, object: &mut Object) -> Result<Option<Cow<'a, str>>> {
        let mut byte = self.skip_space();
        if !object.first {
            self.path.pop();
        }
        match byte {
            Some(b'}') => {
                self.pos += 1;
                return Ok(None);
            }
            Some(b',') if !object.first => {
                self.pos += 1;
                byte = self.skip_space();
            }
            _ if !object.first => return Err(self.broken("expected `,` or `}`")),
            _ => {}
        }
        object.first = false;
        if byte != Some(b'"') {
            return Err(self.broken("expected a key"));
        }
        let start = self.pos;
        let key = self.string_token()?;
        self.path.push(Step::Key(start));
        if self.skip_space() != Some(b':') {
            return Err(self.broken("expected `:`"));
        }
        self.pos += 1;
        Ok(Some(key))
    }

    /// Refuses a known key that was there before; each has a bit of its own.
    pub(crate) fn once(&self, object: &mut Object, bit: u64, key: &str) -> Result<()> {
        if object.seen & bit != 0 {
            return Err(self.repeated(key));
        }
        object.seen |= bit;
        Ok(())
    }

    /// A refusal of a key that was there before.
    pub(crate) fn repeated(&self, key: &str) -> Error {
        self.fail(format!("the key `{key}` is there twice"))
    }

    /// An object with free keys.
    pub(crate) fn map<T>(
        &mut self,
        what: &str,
        mut read: impl FnMut(&mut Self) -> Result<T>,
    ) -> Result<IndexMap<String, T>> {
        let mut object = self.begin_object(what)?;
        let mut map = IndexMap::new();
        while let Some(key) = self.next_key(&mut object)? {
            match map.entry(key.into_owned()) {
                Entry::Occupied(taken) => return Err(self.repeated(taken.key())),
                Entry::Vacant(free) => free.insert(read(self)?),
            };
        }
        Ok(map)
    }

    /// An object without keys.
    pub(crate) fn empty_object(&mut self, what: &str) -> Result<()> {
        let mut object = self.begin_object(what)?;
        match self.next_key(&mut object)? {
            None => Ok(()),
            Some(key) => Err(self.fail(format!("{what} has no key `{key}`: it is empty"))),
        }
    }

    /// An object with exactly one key, the tag.
    pub(crate) fn tagged<T>(&mut self, what: &str, tags: Tags<T>) -> Result<T> {
        let mut object = self.begin_object(what)?;
        let names = || tags.iter().map(|(name, _)| *name);
        let Some(tag) = self.next_key(&mut object)? else {
            return Err(self
                .fail(format!("{what} needs a tag, found an empty object"))
                .with_choices(names()));
        };
        let Some((_, read)) = tags.iter().find(|(name, _)| *name == tag) else {
            let known: Vec<&str> = names().collect();
            return Err(self.unknown(format!("{what} has no tag `{tag}`"), &tag, &known));
        };
        let content = read(self)?;
        self.end_tagged(&mut object, what, &tag)?;
        Ok(content)
    }

    /// Adds what [`Reader::tagged`] would read to others, with one more tag that stands for several values.
    pub(crate) fn tagged_or<T>(
        &mut self,
        what: &str,
        tags: Tags<T>,
        further: &'static str,
        several: impl FnOnce(&mut Self) -> Result<Vec<T>>,
        values: &mut Vec<T>,
    ) -> Result<()> {
        let mut object = self.begin_object(what)?;
        let names = || tags.iter().map(|(name, _)| *name).chain([further]);
        let Some(tag) = self.next_key(&mut object)? else {
            return Err(self
                .fail(format!("{what} needs a tag, found an empty object"))
                .with_choices(names()));
        };
        if let Some((_, read)) = tags.iter().find(|(name, _)| *name == tag) {
            values.push(read(self)?);
        } else if tag == further {
            values.extend(several(self)?);
        } else {
            let known: Vec<&str> = names().collect();
            return Err(self.unknown(format!("{what} has no tag `{tag}`"), &tag, &known));
        }
        self.end_tagged(&mut object, what, &tag)
    }

    /// The end of an object with one key.
    pub(crate) fn end_tagged(&mut self, object: &mut Object, what: &str, tag: &str) -> Result<()> {
        if self.skip_space() == Some(b'}') {
            self.pos += 1;
            self.path.pop();
            return Ok(());
        }
        match self.next_key(object)? {
            None => Ok(()),
            Some(second) => Err(self.fail(format!(
                "{what} has exactly one tag, found `{tag}` and `{second}`"
            ))),
        }
    }
}
