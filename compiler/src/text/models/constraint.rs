//! Indexes and constraints of a model: members of `Meta.indexes` and `Meta.constraints`.
//!
//! Beside Django's classes and those of the official backend there are classes for what only MongoDB has:
//!
//! | class | index |
//! |---|---|
//! | `TTLIndex(fields=["created"], expire_after_seconds=3600)` | rows are deleted so long after the time in the field |
//! | `TextIndex(fields=["title", "body"], weights={"title": 10}, default_language="english")` | words |
//! | `HashedIndex(fields=["customer"])`, Django's `HashIndex` | hashes |
//! | `WildcardIndex(fields=["meta"])`, `WildcardIndex()` | every path below a field, or of the document |
//! | `SphereIndex(fields=["place"])` | shapes on a sphere; geographic fields have one by themselves |
//!
//! `SearchIndex` and `VectorSearchIndex` of the official backend are known by their names and fields, so that searches find them.
//!
//! All others, and `Index`, take `condition`, `hidden`, `sparse`, `collation` and `expire_after_seconds`.

use bson::{Bson, Document};

use super::Skipped;
use super::draft::{Reader, called};
use super::meta::{Meta, names};
use crate::error::{Error, Result};
use crate::queryset::Value;
use crate::schema::{CheckSpec, IndexKey, IndexKind, IndexSpec, SearchIndexSpec};
use crate::text::syntax::{Arg, ArgKind, Kind, Node, python};

/// Classes with what they make: the kind of index, and whether it is unique.
const CLASSES: &[(&str, IndexKind, bool)] = &[
    ("Index", IndexKind::Ordered, false),
    ("EmbeddedFieldIndex", IndexKind::Ordered, false),
    ("BTreeIndex", IndexKind::Ordered, false),
    ("GinIndex", IndexKind::Ordered, false),
    ("GistIndex", IndexKind::Ordered, false),
    ("SpGistIndex", IndexKind::Ordered, false),
    ("BrinIndex", IndexKind::Ordered, false),
    ("BloomIndex", IndexKind::Ordered, false),
    ("TTLIndex", IndexKind::Ordered, false),
    ("TextIndex", IndexKind::Text, false),
    ("HashIndex", IndexKind::Hashed, false),
    ("HashedIndex", IndexKind::Hashed, false),
    ("WildcardIndex", IndexKind::Wildcard, false),
    ("SphereIndex", IndexKind::Sphere, false),
    ("UniqueConstraint", IndexKind::Ordered, true),
    ("EmbeddedFieldUniqueConstraint", IndexKind::Ordered, true),
];

/// Options of the server, by the names that they have here.
const OPTIONS: &[(&str, &str)] = &[
    ("weights", "weights"),
    ("default_language", "default_language"),
    ("language_override", "language_override"),
    ("wildcard_projection", "wildcardProjection"),
    ("collation", "collation"),
    ("hidden", "hidden"),
    ("sparse", "sparse"),
];

/// Reads one member. What has no meaning for MongoDB, or none that is understood, is listed with the reason.
pub(super) fn read(reader: &mut Reader<'_>, meta: &mut Meta, node: &Node) -> Result<()> {
    let Some((callee, args)) = called(node) else {
        return Err(python("expected a constraint or an index", node.span));
    };
    let class = callee.rsplit('.').next().unwrap_or_default();
    let name = match option(args, "name").map(|n| &n.kind) {
        Some(Kind::Str(name)) => Some(name.clone()),
        _ => None,
    };
    if let ("SearchIndex" | "VectorSearchIndex", Some(name)) = (class, &name) {
        let fields = match (option(args, "fields"), option(args, "field_mappings")) {
            (Some(fields), _) => names(fields, "fields")?,
            (None, Some(mappings)) => mapped(mappings),
            (None, None) => Vec::new(),
        };
        meta.search_indexes.push(SearchIndexSpec {
            name: name.clone(),
            fields,
            vector: class == "VectorSearchIndex",
        });
        return Ok(());
    }
    let because = if class == "CheckConstraint" {
        match check(reader, args, name.clone()) {
            Ok(check) => {
                meta.checks.push(check);
                return Ok(());
            }
            Err(error) => error.message().to_owned(),
        }
    } else if let Some((_, kind, unique)) = CLASSES.iter().find(|(known, ..)| *known == class) {
        if args.iter().any(|a| matches!(a.kind, ArgKind::Positional)) {
            "MongoDB has no indexes of expressions".to_owned()
        } else {
            let fields = option(args, "fields");
            let fields = fields.map_or(Ok(Vec::new()), |f| names(f, "fields"))?;
            if fields.is_empty() && *kind != IndexKind::Wildcard {
                "it names no fields".to_owned()
            } else {
                let mut index = plain(fields);
                index.name.clone_from(&name);
                index.kind = *kind;
                index.unique = *unique;
                match options(reader, args, &mut index) {
                    Ok(()) => {
                        meta.indexes.push(index);
                        return Ok(());
                    }
                    Err(error) => error.message().to_owned(),
                }
            }
        }
    } else if class.ends_with("SearchIndex") {
        "a search index is asked by its name, which it does not have here".to_owned()
    } else {
        "MongoDB has nothing of this kind".to_owned()
    };
    reader.file.skipped.push(Skipped {
        what: format!("{class} {}", name.unwrap_or_default())
            .trim_end()
            .to_owned(),
        span: node.span,
        because: Some(because),
    });
    Ok(())
}

/// The names that a dictionary maps.
fn mapped(mappings: &Node) -> Vec<String> {
    let Kind::Dict(items) = &mappings.kind else {
        return Vec::new();
    };
    let keys = items.iter().filter_map(|(key, _)| key.as_ref());
    keys.filter_map(|key| match &key.kind {
        Kind::Str(name) => Some(name.clone()),
        _ => None,
    })
    .collect()
}

fn option<'n>(args: &'n [Arg], wanted: &str) -> Option<&'n Node> {
    args.iter().find_map(|a| match &a.kind {
        ArgKind::Keyword(name, _) if name == wanted && !matches!(a.value.kind, Kind::None) => {
            Some(&a.value)
        }
        _ => None,
    })
}

/// `check` is what Django called the condition before 5.1.
fn check(reader: &mut Reader<'_>, args: &[Arg], name: Option<String>) -> Result<CheckSpec> {
    let given = option(args, "condition").or_else(|| option(args, "check"));
    let Some(node) = given else {
        return Err(Error::new(
            crate::error::Code::TypeError,
            "it has no condition",
        ));
    };
    Ok(CheckSpec {
        name,
        condition: reader.constants.whole_condition(node)?,
    })
}

/// Everything but name and fields.
fn options(reader: &mut Reader<'_>, args: &[Arg], index: &mut IndexSpec) -> Result<()> {
    if let Some(node) = option(args, "condition") {
        index.condition = Some(reader.constants.whole_condition(node)?);
    }
    if let Some(node) = option(args, "nulls_distinct") {
        index.nulls_equal = matches!(node.kind, Kind::Bool(false));
    }
    if let Some(node) = option(args, "expire_after_seconds") {
        let seconds = match reader.constants.constant(node)? {
            Value::Int(seconds) => u32::try_from(seconds).ok(),
            _ => None,
        };
        let wrong = || python("'expire_after_seconds' is a number here", node.span);
        index.expire_after_seconds = Some(seconds.ok_or_else(wrong)?);
    }
    for (name, given) in OPTIONS {
        if let Some(node) = option(args, name) {
            let value = reader.constants.constant(node)?;
            let wrong = || python(format!("'{name}' is no value of MongoDB's"), node.span);
            let value = bson(value, 0).ok_or_else(wrong)?;
            index.options.insert(*given, value);
        }
    }
    Ok(())
}

/// A literal as an option of an index.
fn bson(value: Value, depth: usize) -> Option<Bson> {
    if depth > 16 {
        return None;
    }
    Some(match value {
        Value::Bool(flag) => Bson::Boolean(flag),
        Value::Str(text) => Bson::String(text),
        Value::Float(number) => Bson::Double(number),
        Value::Int(number) => match i32::try_from(number) {
            Ok(number) => Bson::Int32(number),
            Err(_) => Bson::Int64(i64::try_from(number).ok()?),
        },
        Value::List(items) => {
            let items = items.into_iter().map(|item| bson(item, depth + 1));
            Bson::Array(items.collect::<Option<_>>()?)
        }
        Value::Dict(entries) => {
            let mut document = Document::new();
            for (key, value) in entries {
                document.insert(key, bson(value, depth + 1)?);
            }
            Bson::Document(document)
        }
        _ => return None,
    })
}

/// An index of fields, `-` before the descending ones.
pub(super) fn plain(fields: Vec<String>) -> IndexSpec {
    let key = |field: String| match field.strip_prefix('-') {
        Some(rest) => IndexKey {
            field: rest.to_owned(),
            desc: true,
        },
        None => IndexKey { field, desc: false },
    };
    IndexSpec {
        keys: fields.into_iter().map(key).collect(),
        ..IndexSpec::default()
    }
}
