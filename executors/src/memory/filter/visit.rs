//! The walk of the match language: which values a path leads to.
use crate::memory::value::{ArrRef, DocRef, Part, ValueRef};

/// Calls `f` on every value that the path leads to until it says true; tells whether it did. `Missing` stands for a
/// path that ends early. With `leaf` an array at the end gives its elements and then itself, else only itself.
/// The second argument of `f` is the index in the outermost array on the way.
pub fn visit<'a, F>(parts: &[Part], doc: DocRef<'a>, leaf: bool, f: &mut F) -> bool
where
    F: FnMut(ValueRef<'a>, Option<usize>) -> bool,
{
    walk(parts, doc, leaf, None, f)
}

/// As [`visit`] for the end of a path: the value, or the elements of an array and then the array.
pub fn visit_value<'a, F>(value: ValueRef<'a>, leaf: bool, f: &mut F) -> bool
where
    F: FnMut(ValueRef<'a>, Option<usize>) -> bool,
{
    end(value, leaf, None, f)
}

fn walk<'a, F>(parts: &[Part], doc: DocRef<'a>, leaf: bool, at: Option<usize>, f: &mut F) -> bool
where
    F: FnMut(ValueRef<'a>, Option<usize>) -> bool,
{
    let (mut parts, mut doc) = (parts, doc);
    loop {
        let Some((first, rest)) = parts.split_first() else {
            return f(ValueRef::Document(doc), at);
        };
        let value = doc.at(first);
        if rest.is_empty() {
            return end(value, leaf, at, f);
        }
        match value {
            ValueRef::Document(d) => (parts, doc) = (rest, d),
            ValueRef::Array(a) => return through(rest, a, leaf, at, f),
            _ => return f(ValueRef::Missing, at),
        }
    }
}

fn end<'a, F>(value: ValueRef<'a>, leaf: bool, at: Option<usize>, f: &mut F) -> bool
where
    F: FnMut(ValueRef<'a>, Option<usize>) -> bool,
{
    if let ValueRef::Array(items) = value
        && leaf
    {
        for (i, item) in items.iter().enumerate() {
            if f(item, at.or(Some(i))) {
                return true;
            }
        }
    }
    f(value, at)
}

/// An array in the middle of a path: its documents are entered, and a numeric part takes the element of that index.
fn through<'a, F>(
    parts: &[Part],
    array: ArrRef<'a>,
    leaf: bool,
    at: Option<usize>,
    f: &mut F,
) -> bool
where
    F: FnMut(ValueRef<'a>, Option<usize>) -> bool,
{
    let Some((first, rest)) = parts.split_first() else {
        return false;
    };
    for (i, item) in array.iter().enumerate() {
        let here = at.or(Some(i));
        // A document is entered by name even when the part is a number; it may well have no such field.
        if let ValueRef::Document(d) = item
            && walk(parts, d, leaf, here, f)
        {
            return true;
        }
        if first.index == Some(i) {
            let found = match item {
                // The element itself: one that is an array is not entered.
                _ if rest.is_empty() => f(item, here),
                ValueRef::Document(d) => walk(rest, d, leaf, here, f),
                ValueRef::Array(a) => through(rest, a, leaf, here, f),
                _ => false,
            };
            if found {
                return true;
            }
        }
    }
    false
}
