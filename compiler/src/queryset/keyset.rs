//! Keyset pagination: "the page after this row", as conditions that an index answers instead of an offset.

use super::{Call, OrderTerm, Q, Value};

/// The calls for the rows that come after one in an order: a filter, and the ordering itself.
///
/// The names (`-pages`, `pk`) must order the rows totally: they end with the primary key. The values are those of the last
/// row; NULL stands where NULLs do without `nulls_first` and `nulls_last`: first in an ascending order, last in a
/// descending one.
///
/// ```
/// use mqlc_compiler::queryset::{Queryset, Value, page_after};
/// let calls = page_after(&[("-pages".to_owned(), Value::from(300)), ("pk".to_owned(), Value::from(7))]);
/// let page = Queryset { model: "library.Book".to_owned(), calls };
/// assert_eq!(
///     page.to_text(),
///     concat!(
///         "Book.objects.filter(Q(pages__lte=300) | Q(pages__isnull=True), Q(pages__lt=300) | Q(pages__isnull=True) ",
///         r#"| Q(pages=300, pk__gt=7)).order_by("-pages", "pk")"#,
///     ),
/// );
/// ```
#[must_use]
pub fn page_after(last: &[(String, Value)]) -> Vec<Call> {
    let mut after: Option<Q> = None;
    for (name, value) in last.iter().rev() {
        let key = Key::of(name, value);
        after = match (after, key.beyond(false)) {
            (None, Some(beyond)) => Some(beyond),
            // Nothing comes after NULL here, and no key is left to tell equal rows apart.
            (None, None) => Some(never(key.path)),
            (Some(rest), None) => Some(both(key.equal(), rest)),
            (Some(rest), Some(beyond)) => Some(either(beyond, both(key.equal(), rest))),
        };
    }
    let mut conditions = Vec::new();
    if let [(name, value), _, ..] = last {
        // A plain bound on the first key, which an index answers as a range.
        conditions.extend(Key::of(name, value).beyond(true));
    }
    conditions.extend(after);
    let terms = last.iter().map(|(name, _)| OrderTerm::Name(name.clone()));
    vec![
        Call::Filter(Q::And(conditions)),
        Call::OrderBy(terms.collect()),
    ]
}

/// One key of the order with its value in the last row.
struct Key<'k> {
    path: &'k str,
    desc: bool,
    value: &'k Value,
}

impl<'k> Key<'k> {
    fn of(name: &'k str, value: &'k Value) -> Self {
        match name.strip_prefix('-') {
            Some(path) => Key {
                path,
                desc: true,
                value,
            },
            None => Key {
                path: name,
                desc: false,
                value,
            },
        }
    }

    fn is(&self, lookup: &str, value: Value) -> Q {
        Q::lookup(format!("{}{lookup}", self.path), value)
    }

    /// After the value, or there too.
    fn beyond(&self, or_equal: bool) -> Option<Q> {
        let null = || self.is("__isnull", Value::Bool(true));
        if *self.value == Value::Null {
            return match (self.desc, or_equal) {
                // Everything is after NULL or there.
                (false, true) => None,
                (false, false) => Some(self.is("__isnull", Value::Bool(false))),
                (true, true) => Some(null()),
                (true, false) => None,
            };
        }
        let lookup = match (self.desc, or_equal) {
            (false, false) => "__gt",
            (false, true) => "__gte",
            (true, false) => "__lt",
            (true, true) => "__lte",
        };
        let beyond = self.is(lookup, self.value.clone());
        // Keys are never NULL.
        Some(if self.desc && self.path != "pk" {
            either(beyond, null())
        } else {
            beyond
        })
    }

    fn equal(&self) -> Q {
        if *self.value == Value::Null {
            self.is("__isnull", Value::Bool(true))
        } else {
            self.is("", self.value.clone())
        }
    }
}

fn never(path: &str) -> Q {
    Q::lookup(format!("{path}__in"), Value::List(Vec::new()))
}

fn both(a: Q, b: Q) -> Q {
    match b {
        Q::And(mut parts) => {
            parts.insert(0, a);
            Q::And(parts)
        }
        b => Q::And(vec![a, b]),
    }
}

fn either(a: Q, b: Q) -> Q {
    let mut parts = match a {
        Q::Or(parts) => parts,
        a => vec![a],
    };
    match b {
        Q::Or(more) => parts.extend(more),
        b => parts.push(b),
    }
    Q::Or(parts)
}
