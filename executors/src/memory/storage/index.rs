//! Ordered indexes: for every value that the match language finds at the key's paths, an entry.
use std::cmp::Ordering;
use std::sync::Arc;

use super::block::{Block, EntryRef};
use super::entries::{Entries, EntryCursor};
use crate::memory::error::{Code, EngineError};
use crate::memory::expr::{Env, Evaluation, Scope};
use crate::memory::filter::{Filter, visit};
use crate::memory::geo::check_stored;
use crate::memory::value::{
    Collation, DocRef, Document, Part, Path, Value, ValueRef, compare, equal,
};

/// The values of one index entry, in the order of the index's fields, or of a sort key.
#[derive(Clone, Debug)]
pub enum IndexKey {
    /// Of a single-field index.
    One(Value),
    /// Of a compound index.
    Many(Arc<[Value]>),
}

impl IndexKey {
    /// The values.
    #[inline]
    pub fn values(&self) -> &[Value] {
        match self {
            Self::One(v) => std::slice::from_ref(v),
            Self::Many(vs) => vs,
        }
    }
}

impl From<Vec<Value>> for IndexKey {
    fn from(mut values: Vec<Value>) -> Self {
        match (values.len(), values.pop()) {
            (1, Some(v)) => Self::One(v),
            (_, Some(v)) => {
                values.push(v);
                Self::Many(values.into())
            }
            (_, None) => Self::Many(Arc::from([])),
        }
    }
}

/// One field of an index.
#[derive(Clone, Debug)]
pub struct IndexField {
    /// The path.
    pub path: Path,
    /// Whether it ascends.
    pub ascending: bool,
}

/// What an index is made of.
#[derive(Clone, Debug)]
pub struct IndexSpec {
    /// Its name.
    pub name: String,
    /// Its key pattern, as given.
    pub key: bson::Document,
    /// The fields, when the index is an ordered one (others, such as text indexes, are only listed).
    pub fields: Vec<IndexField>,
    /// Whether it is a hashed index (equality only).
    pub hashed: bool,
    /// The paths of shapes, and whether they lie on a sphere: these are checked, not held.
    pub geo: Vec<(Path, bool)>,
    /// Whether two documents may not share an entry.
    pub unique: bool,
    /// Whether documents without any of the fields are left out.
    pub sparse: bool,
    /// Whether planners must not use it.
    pub hidden: bool,
    /// Only documents that pass this are in the index.
    pub partial: Option<(bson::Document, Filter)>,
    /// TTL in seconds.
    pub expire_after: Option<i64>,
    /// How its strings compare.
    pub collation: Option<Collation>,
    /// Everything that was given, for `listIndexes`.
    pub listed: bson::Document,
}

/// An index: its specification and its entries.
#[derive(Clone, Debug)]
pub struct Index {
    /// The specification.
    pub spec: Arc<IndexSpec>,
    entries: Entries,
    /// Whether a document was ever seen with an array at one of the paths.
    pub multikey: bool,
}

fn int(v: &bson::Bson) -> Option<i64> {
    Value::from_bson(v).as_i64()
}

/// Options of `createIndexes` that are accepted and listed, beyond `key` and `name`.
const OPTIONS: [&str; 19] = [
    "v",
    "unique",
    "sparse",
    "hidden",
    "background",
    "partialFilterExpression",
    "expireAfterSeconds",
    "collation",
    "ns",
    "weights",
    "default_language",
    "language_override",
    "textIndexVersion",
    "2dsphereIndexVersion",
    "bits",
    "min",
    "max",
    "wildcardProjection",
    "storageEngine",
];

/// Only conditions that an index can be proved to hold are allowed in a partial index.
fn partial_allowed(d: &bson::Document, depth: usize) -> Result<(), EngineError> {
    let refuse = |what: &str| {
        Err(EngineError::new(
            Code::CannotCreateIndex,
            format!("Expression not supported in partial index: {what}"),
        ))
    };
    for (key, v) in d {
        match (key.as_str(), v) {
            ("$and" | "$or", bson::Bson::Array(items)) => {
                if depth > 20 {
                    return refuse(key);
                }
                for item in items {
                    if let bson::Bson::Document(inner) = item {
                        partial_allowed(inner, depth + 1)?;
                    }
                }
            }
            ("$comment", _) => {}
            (other, _) if other.starts_with('$') => return refuse(other),
            (_, bson::Bson::RegularExpression(_)) => return refuse("$regex"),
            (_, bson::Bson::Document(conditions)) => {
                for (operator, operand) in conditions {
                    let allowed = match operator.as_str() {
                        "$eq" | "$gt" | "$gte" | "$lt" | "$lte" | "$in" | "$type"
                        | "$geoWithin" | "$geoIntersects" | "$within" => true,
                        "$exists" => Value::from_bson(operand).truthy(),
                        other => !other.starts_with('$'),
                    };
                    if !allowed {
                        return refuse(operator);
                    }
                }
            }
            _ => {}
        }
    }
    Ok(())
}

impl IndexSpec {
    /// Reads one element of `createIndexes`' `indexes`. `default` is the collection's collation.
    ///
    /// # Errors
    /// `CannotCreateIndex`, `BadValue`, `FailedToParse`, `InvalidIndexSpecificationOption` (197) as MongoDB.
    pub fn parse(given: &bson::Document, default: Option<&Collation>) -> Result<Self, EngineError> {
        let cannot = |message: String| EngineError::new(Code::CannotCreateIndex, message);
        if let Some(other) = given.get("key")
            && other.as_document().is_none()
        {
            return Err(EngineError::type_mismatch(format!(
                "The field 'key' must be an object, but got {}",
                Value::from_bson(other).type_name()
            )));
        }
        let Some(bson::Bson::Document(key)) = given.get("key") else {
            return Err(EngineError::failed_to_parse(
                "The 'key' field is a required property of an index specification",
            ));
        };
        if key.is_empty() {
            return Err(cannot("Index keys cannot be an empty object".into()));
        }
        let mut spec = Self {
            name: String::new(),
            key: key.clone(),
            fields: Vec::new(),
            hashed: false,
            geo: Vec::new(),
            unique: false,
            sparse: false,
            hidden: false,
            partial: None,
            expire_after: None,
            collation: default.cloned(),
            listed: bson::doc! {"v": 2_i32, "key": key.clone()},
        };
        let mut ordered = true;
        for (path, kind) in key {
            if path.is_empty() || path.split('.').any(str::is_empty) {
                return Err(cannot("Index keys cannot be an empty field.".into()));
            }
            let part = |p: &str| p.starts_with('$') && !matches!(p, "$**" | "$id" | "$ref" | "$db");
            if path.split('.').any(part) {
                return Err(cannot(
                    "Index key contains an illegal field name: field name starts with '$'.".into(),
                ));
            }
            ordered &= !path.contains("$**");
            let ascending = match kind {
                bson::Bson::String(s) if s == "hashed" => {
                    if spec.hashed {
                        return Err(EngineError::location(
                            31303,
                            "A maximum of one index field is allowed to be hashed",
                        ));
                    }
                    spec.hashed = true;
                    true
                }
                bson::Bson::String(s) if matches!(s.as_str(), "text" | "2dsphere" | "2d") => {
                    ordered = false;
                    if s != "text" {
                        spec.geo.push((Path::lenient(path)?, s == "2dsphere"));
                    }
                    true
                }
                bson::Bson::String(s) => return Err(cannot(format!("Unknown index plugin '{s}'"))),
                other => match Value::from_bson(other).as_f64() {
                    Some(x) if x != 0.0 && !x.is_nan() => x > 0.0,
                    _ => {
                        return Err(cannot(format!(
                            "Values in v:2 index key pattern cannot be of type {}. Only numbers > 0, numbers < 0, and strings are allowed.",
                            Value::from_bson(other).type_name()
                        )));
                    }
                },
            };
            spec.fields.push(IndexField {
                path: Path::lenient(path)?,
                ascending,
            });
        }
        if !ordered {
            spec.fields.clear();
        }
        match given.get("name") {
            Some(bson::Bson::String(s)) if !s.is_empty() => spec.name.clone_from(s),
            Some(bson::Bson::String(_)) => return Err(cannot("index name cannot be empty".into())),
            Some(_) => {
                return Err(EngineError::type_mismatch(
                    "The field 'name' must be a string",
                ));
            }
            None => {
                return Err(EngineError::failed_to_parse(
                    "The 'name' field is a required property of an index specification",
                ));
            }
        }
        spec.listed.insert("name", spec.name.clone());
        for (option, value) in given {
            let flag = || {
                match value {
                bson::Bson::Boolean(b) => Ok(*b),
                other => Value::from_bson(other).as_f64().map(|x| x != 0.0).ok_or_else(|| {
                    EngineError::type_mismatch(format!("The field '{option}' has value {option}: {other}, which is not convertible to bool"))
                }),
            }
            };
            match option.as_str() {
                "key" | "name" => continue,
                "unique" => spec.unique = flag()?,
                "sparse" => spec.sparse = flag()?,
                "hidden" => spec.hidden = flag()?,
                "partialFilterExpression" => match value {
                    bson::Bson::Document(d) => {
                        partial_allowed(d, 0)?;
                        spec.partial = Some((d.clone(), Filter::compile(d, &Scope::new())?))
                    }
                    _ => {
                        return Err(EngineError::type_mismatch(
                            "partialFilterExpression must be an object",
                        ));
                    }
                },
                "expireAfterSeconds" => {
                    let seconds = int(value).filter(|n| (0..=i64::from(i32::MAX)).contains(n));
                    let range = || {
                        cannot("TTL index 'expireAfterSeconds' option must be within an acceptable range".into())
                    };
                    spec.expire_after = Some(seconds.ok_or_else(range)?);
                }
                "collation" => {
                    let bson::Bson::Document(d) = value else {
                        return Err(EngineError::type_mismatch(
                            "The field 'collation' must be an object",
                        ));
                    };
                    spec.collation = Collation::parse(d)?;
                }
                known if OPTIONS.contains(&known) => {}
                other => {
                    return Err(EngineError::location(
                        197,
                        format!(
                            "The field '{other}' is not valid for an index specification. Specification: {given}"
                        ),
                    ));
                }
            }
            if !matches!(option.as_str(), "ns" | "v" | "background")
                && !matches!(value, bson::Bson::Boolean(false))
            {
                spec.listed.insert(option.clone(), value.clone());
            }
        }
        if spec.expire_after.is_some() && key.len() > 1 {
            return Err(cannot(
                "TTL indexes are single-field indexes, compound indexes do not support TTL".into(),
            ));
        }
        if spec.hashed && spec.unique {
            return Err(EngineError::location(
                16764,
                "Currently hashed indexes cannot guarantee uniqueness. Use a regular index.",
            ));
        }
        if spec.sparse && spec.partial.is_some() {
            return Err(cannot(
                "cannot mix \"partialFilterExpression\" and \"sparse\" options".into(),
            ));
        }
        Ok(spec)
    }

    /// Whether the index can hold a document at all.
    ///
    /// # Errors
    /// What [`check_stored`] gives.
    pub fn check(&self, doc: &Document) -> Result<(), EngineError> {
        if self.geo.is_empty() || self.partial.is_some() {
            return Ok(());
        }
        for (path, sphere) in &self.geo {
            let mut fine = Ok(());
            visit(path.parts(), doc.view(), false, &mut |v, _| {
                fine = check_stored(v, *sphere);
                fine.is_err()
            });
            fine?;
        }
        Ok(())
    }

    /// The index that every collection has.
    pub fn id(collation: Option<&Collation>) -> Self {
        Self {
            name: "_id_".into(),
            key: bson::doc! {"_id": 1_i32},
            fields: Path::lenient("_id")
                .map(|path| {
                    vec![IndexField {
                        path,
                        ascending: true,
                    }]
                })
                .unwrap_or_default(),
            hashed: false,
            geo: Vec::new(),
            unique: true,
            sparse: false,
            hidden: false,
            partial: None,
            expire_after: None,
            collation: collation.cloned(),
            listed: bson::doc! {"v": 2_i32, "key": {"_id": 1_i32}, "name": "_id_"},
        }
    }

    /// The order of entries: by values with each field's direction, then by record.
    fn order(&self, a: EntryRef<'_>, b: EntryRef<'_>) -> Ordering {
        self.order_values(a.values(), b.values())
            .then_with(|| a.record().cmp(&b.record()))
    }

    /// The order of keys.
    #[inline]
    pub fn order_values<'v>(
        &self,
        a: impl Iterator<Item = ValueRef<'v>>,
        b: impl Iterator<Item = ValueRef<'v>>,
    ) -> Ordering {
        for ((x, y), field) in a.zip(b).zip(&self.fields) {
            let order = compare(x, y);
            if order != Ordering::Equal {
                return if field.ascending {
                    order
                } else {
                    order.reverse()
                };
            }
        }
        Ordering::Equal
    }

    /// The entries' values for a document, and whether an array was on the way.
    ///
    /// # Errors
    /// 171 for parallel arrays; what a partial index's filter gives.
    pub fn keys(&self, doc: &Document) -> Result<(Vec<IndexKey>, bool), EngineError> {
        if self.fields.is_empty() {
            return Ok((Vec::new(), false));
        }
        if let Some((_, filter)) = &self.partial {
            let evaluation = Evaluation::default();
            if !filter.matches(doc.view(), &mut Env::new(&evaluation))? {
                return Ok((Vec::new(), false));
            }
        }
        if let [field] = self.fields.as_slice()
            && let Some(v) = field.path.get_ref(doc.view())
            && !matches!(v, ValueRef::Array(_))
        {
            if self.sparse && v.is_missing() {
                return Ok((Vec::new(), false));
            }
            return Ok((vec![IndexKey::One(self.stored(v))], false));
        }
        let mut rows: Vec<Vec<Value>> = vec![Vec::with_capacity(self.fields.len())];
        let (mut multikey, mut present) = (false, false);
        let mut through: Option<&[Part]> = None;
        for field in &self.fields {
            let (values, array) = self.values_at(&field.path, doc.view(), &mut present);
            if let Some(here) = field.path.first_array(doc.view()) {
                if through.is_some_and(|t| t != here) {
                    return Err(EngineError::location(
                        171,
                        format!("cannot index parallel arrays [{}]", field.path),
                    ));
                }
                through = Some(here);
            }
            multikey |= array;
            rows = rows
                .into_iter()
                .flat_map(|row| {
                    values.iter().map(move |v| {
                        let mut row = row.clone();
                        row.push(v.clone());
                        row
                    })
                })
                .collect();
        }
        if self.sparse && !present {
            return Ok((Vec::new(), multikey));
        }
        Ok((rows.into_iter().map(IndexKey::from).collect(), multikey))
    }

    fn stored(&self, v: ValueRef<'_>) -> Value {
        let v = v.to_value().or_null();
        match &self.collation {
            Some(c) => c.fold(&v),
            None => v,
        }
    }

    /// All values at a path, as the match language sees them, without repetition; null when there is none.
    fn values_at(&self, path: &Path, doc: DocRef<'_>, present: &mut bool) -> (Vec<Value>, bool) {
        let mut values: Vec<Value> = Vec::new();
        let mut array = false;
        visit(path.parts(), doc, true, &mut |v, at| {
            array |= at.is_some() || matches!(v, ValueRef::Array(_));
            *present |= !v.is_missing();
            values.push(self.stored(v));
            false
        });
        if values.is_empty() {
            array = true;
            values.push(Value::Null);
        }
        values.sort_by(|a, b| compare(a.view(), b.view()));
        values.dedup();
        (values, array)
    }
}

impl Index {
    /// An index without entries.
    pub fn new(spec: IndexSpec) -> Self {
        Self {
            spec: Arc::new(spec),
            entries: Entries::default(),
            multikey: false,
        }
    }

    /// The number of entries.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are no entries.
    pub fn is_empty(&self) -> bool {
        self.entries.len() == 0
    }

    /// A record with the same values as one of the document's entries, if the index is unique: the values as well.
    pub(super) fn conflict(
        &self,
        doc: &Document,
        own: Option<u64>,
    ) -> Result<Option<Vec<Value>>, EngineError> {
        if !self.spec.unique {
            return Ok(None);
        }
        for key in self.spec.keys(doc)?.0 {
            let order = |e: EntryRef<'_>| {
                self.spec
                    .order_values(e.values(), key.values().iter().map(Value::view))
            };
            let mut cursor = self.entries.seek(|e| order(e) == Ordering::Less);
            while let Some(found) = cursor.forward() {
                if order(found) != Ordering::Equal {
                    break;
                }
                if Some(found.record()) != own {
                    return Ok(Some(key.values().to_vec()));
                }
            }
        }
        Ok(None)
    }

    fn put(&mut self, keys: Vec<IndexKey>, record: u64) {
        let spec = &self.spec;
        for key in keys {
            let one = Block::one(key.values().iter().map(Value::view), record);
            self.entries.insert(one, &|a, b| spec.order(a, b));
        }
    }

    fn take(&mut self, keys: Vec<IndexKey>, record: u64) {
        let spec = &self.spec;
        for key in keys {
            let one = Block::one(key.values().iter().map(Value::view), record);
            self.entries.remove(&one, &|a, b| spec.order(a, b));
        }
    }

    pub(super) fn add(&mut self, doc: &Document, record: u64) -> Result<(), EngineError> {
        let (keys, multikey) = self.spec.keys(doc)?;
        self.multikey |= multikey;
        self.put(keys, record);
        Ok(())
    }

    /// Moves a record's entries from one form of its document to another.
    pub(super) fn change(
        &mut self,
        old: &Document,
        new: &Document,
        record: u64,
    ) -> Result<(), EngineError> {
        let ((before, _), (after, multikey)) = (self.spec.keys(old)?, self.spec.keys(new)?);
        let same = before.len() == after.len()
            && before.iter().zip(&after).all(|(a, b)| {
                a.values()
                    .iter()
                    .zip(b.values())
                    .all(|(x, y)| x.type_name() == y.type_name() && equal(x.view(), y.view()))
            });
        if same {
            return Ok(());
        }
        self.multikey |= multikey;
        self.take(before, record);
        self.put(after, record);
        Ok(())
    }

    pub(super) fn remove(&mut self, doc: &Document, record: u64) -> Result<(), EngineError> {
        let (keys, _) = self.spec.keys(doc)?;
        self.take(keys, record);
        Ok(())
    }

    /// The record of a single value, for the index on `_id`.
    pub fn find_one(&self, value: ValueRef<'_>) -> Option<u64> {
        self.entries.only(|e| {
            let own = e.values().next();
            own.map_or(Ordering::Less, |v| compare(v, value))
        })
    }

    /// A cursor at the first entry that is not `before`.
    pub fn seek(&self, before: impl FnMut(EntryRef<'_>) -> bool) -> EntryCursor {
        self.entries.seek(before)
    }
}
