//! JSON and arrays.

use bson::Bson;

use super::order::order;

/// A member of an object or array; JSON's null is a value.
pub fn inner(value: Option<&Bson>) -> Bson {
    match value {
        None => Bson::Null,
        Some(Bson::Null) => Bson::Undefined,
        Some(value) => value.clone(),
    }
}

/// As text, `->>`; `None` where the text form is nothing to compare by.
pub fn text(value: &Bson) -> Option<Bson> {
    Some(match value {
        Bson::Null | Bson::Undefined => Bson::Null,
        Bson::String(s) => s.clone().into(),
        Bson::Int32(n) => n.to_string().into(),
        Bson::Int64(n) => n.to_string().into(),
        Bson::Boolean(b) => b.to_string().into(),
        _ => return None,
    })
}

fn equal(a: &Bson, b: &Bson) -> bool {
    let null = |v: &Bson| matches!(v, Bson::Null | Bson::Undefined);
    null(a) && null(b) || !null(a) && !null(b) && order(a, b).is_eq()
}

/// PostgreSQL's `@>`.
fn contains(a: &Bson, b: &Bson, top: bool) -> bool {
    match (a, b) {
        (Bson::Document(a), Bson::Document(b)) => b
            .iter()
            .all(|(k, v)| a.get(k).is_some_and(|w| contains(w, v, false))),
        (Bson::Array(a), Bson::Array(b)) => {
            b.iter().all(|v| a.iter().any(|w| contains(w, v, false)))
        }
        // An array contains a primitive value.
        (Bson::Array(a), b) if top && !matches!(b, Bson::Document(_)) => {
            a.iter().any(|w| equal(w, b))
        }
        _ => equal(a, b),
    }
}

/// The lookups of JSON values and arrays.
pub fn lookup(name: &str, a: &Bson, b: &Bson) -> Option<bool> {
    if name == "json_is_json_null" {
        return (*a != Bson::Null).then_some(*a == Bson::Undefined);
    }
    if name.starts_with("json_has") && *a == Bson::Null {
        // Documented: no key is in what is not there.
        return Some(false);
    }
    if *a == Bson::Null || *b == Bson::Null {
        return None;
    }
    let list = |v: &Bson| match v {
        Bson::Array(items) => items.clone(),
        other => vec![other.clone()],
    };
    let has = |key: &Bson| match (a, key) {
        (Bson::Document(d), Bson::String(k)) => d.contains_key(k),
        (Bson::Document(d), other) => d.contains_key(other.to_string()),
        (Bson::Array(items), Bson::String(_)) => items.contains(key),
        (Bson::String(_), key) => a == key,
        _ => false,
    };
    // NULL elements of arrays equal nothing.
    let among =
        |v: &Bson, all: &[Bson]| *v != Bson::Null && all.iter().any(|w| order(v, w).is_eq());
    Some(match name {
        "json_contains" => contains(a, b, true),
        "json_contained_by" => contains(b, a, true),
        "json_has_key" => has(b),
        "json_has_keys" => list(b).iter().all(has),
        "json_has_any_keys" => list(b).iter().any(has),
        "array_contains" => list(b).iter().all(|v| among(v, &list(a))),
        "array_contained_by" => list(a).iter().all(|v| among(v, &list(b))),
        "array_overlap" => list(b).iter().any(|v| among(v, &list(a))),
        "in_array" => {
            let list = list(b).into_iter().map(|v| vec![v]).collect();
            return super::value::found(std::slice::from_ref(a), list);
        }
        other => panic!("no interpretation of the lookup {other}"),
    })
}
