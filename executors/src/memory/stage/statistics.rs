//! `$collStats`, `$indexStats` and `$geoNear`: stages that look at the collection itself, and come first.
use std::sync::Arc;

use bson::{Bson, doc};

use super::search::Search;
use super::{Context, Documents, Source, drain};
use crate::memory::error::{Code, EngineError};
use crate::memory::expr::{Env, Scope};
use crate::memory::filter::Filter;
use crate::memory::geo::Geo;
use crate::memory::plan::measurable;
use crate::memory::storage::Collection;
use crate::memory::value::{Document, Path, Value, num};

/// `$collStats` or `$indexStats` of a collection.
///
/// # Errors
/// 40166 for options that are no objects.
pub fn statistics(
    name: &str,
    spec: &Bson,
    collection: Option<&Arc<Collection>>,
    context: &Context,
) -> Result<Vec<Document>, EngineError> {
    let Bson::Document(options) = spec else {
        return Err(EngineError::location(
            40166,
            format!("{name} must take a nested object but found: {spec}"),
        ));
    };
    let Some(c) = collection else {
        return Ok(Vec::new());
    };
    if name == "$indexStats" {
        let one = |i: &crate::memory::storage::Index| {
            Document::from_bson(
                &doc! {"name": i.spec.name.clone(), "key": i.spec.key.clone(), "accesses": {"ops": 0_i64}, "spec": i.spec.listed.clone()},
            )
        };
        return Ok(c.indexes().iter().map(one).collect());
    }
    let mut out = doc! {"ns": &*c.namespace, "localTime": bson::DateTime::from_millis(context.evaluation.now)};
    if options.contains_key("count") {
        out.insert("count", num::len_i64(c.len()));
    }
    if options.contains_key("storageStats") {
        out.insert("storageStats", doc! {"size": num::len_i64(c.byte_size()), "count": num::len_i64(c.len()), "nindexes": num::len_i32(c.indexes().len())});
    }
    Ok(vec![Document::from_bson(&out)])
}

/// A compiled `$collStats` or `$indexStats`.
#[derive(Clone, Debug)]
pub struct Statistics {
    name: String,
    spec: Bson,
}

impl Statistics {
    /// Keeps the specification; it is read when the collection is known.
    pub fn new(name: &str, spec: &Bson) -> Self {
        Self {
            name: name.to_owned(),
            spec: spec.clone(),
        }
    }

    /// The stage's documents.
    ///
    /// # Errors
    /// As [`statistics`].
    pub fn documents(
        &self,
        collection: Option<&Arc<Collection>>,
        context: &Context,
    ) -> Result<Vec<Document>, EngineError> {
        statistics(&self.name, &self.spec, collection, context)
    }
}

/// A compiled `$geoNear`.
#[derive(Clone, Debug)]
pub struct GeoNear {
    geo: Geo,
    key: Option<Path>,
    filter: Filter,
    distance: Path,
    locations: Option<Path>,
    multiplier: f64,
}

impl GeoNear {
    /// Reads the specification.
    ///
    /// # Errors
    /// `BadValue`, `TypeMismatch`, 40413, 40414 as MongoDB.
    pub fn compile(spec: &Bson, scope: &Scope) -> Result<Self, EngineError> {
        let Bson::Document(d) = spec else {
            return Err(EngineError::location(
                10065,
                "invalid parameter: expected an object ($geoNear)",
            ));
        };
        let path = |key: &str| match d.get(key) {
            None => Ok(None),
            Some(Bson::String(s)) => Path::parse(s).map(Some),
            Some(_) => Err(EngineError::type_mismatch(format!(
                "$geoNear parameter '{key}' must be of type string"
            ))),
        };
        let Some(near) = d.get("near") else {
            return Err(EngineError::location(
                5_860_400,
                "$geoNear requires a 'near' argument",
            ));
        };
        let distance = path("distanceField")?;
        let Some(distance) = distance else {
            return Err(EngineError::location(
                40414,
                "BSON field '$geoNear.distanceField' is missing but a required field",
            ));
        };
        let spherical = match d.get("spherical") {
            Some(v) => Value::from_bson(v).truthy(),
            None => false,
        };
        let point = matches!(near, Bson::Document(p) if p.contains_key("type"));
        let op = if spherical || point {
            "$nearSphere"
        } else {
            "$near"
        };
        let mut siblings = bson::Document::new();
        for key in ["maxDistance", "minDistance"] {
            if let Some(v) = d.get(key) {
                siblings.insert(format!("${key}"), v.clone());
            }
        }
        let argument = if point {
            let mut inner = doc! {"$geometry": near.clone()};
            inner.extend(siblings.clone());
            Bson::Document(inner)
        } else {
            near.clone()
        };
        let filter = match d.get("query") {
            None => Filter::all(),
            Some(Bson::Document(q)) => {
                let filter = Filter::compile(q, scope)?;
                if filter.text().is_some() {
                    return Err(EngineError::bad_value(
                        "text and geoNear not allowed in same query",
                    ));
                }
                filter
            }
            Some(_) => {
                return Err(EngineError::type_mismatch(
                    "$geoNear parameter 'query' must be an object",
                ));
            }
        };
        let multiplier = match d.get("distanceMultiplier") {
            None => 1.0,
            Some(v) => Value::from_bson(v)
                .as_f64()
                .filter(|x| *x >= 0.0)
                .ok_or_else(|| {
                    EngineError::bad_value(
                        "$geoNear parameter 'distanceMultiplier' must be a non-negative number",
                    )
                })?,
        };
        Ok(Self {
            geo: Geo::compile(op, &argument, &siblings)?,
            key: path("key")?,
            filter,
            distance,
            locations: path("includeLocs")?,
            multiplier,
        })
    }

    /// The path to measure at: given, or that of the collection's only geospatial index.
    fn path(&self, collection: &Collection) -> Result<Path, EngineError> {
        if let Some(key) = &self.key {
            return Ok(key.clone());
        }
        // A flat index comes first.
        for kind in ["2d", "2dsphere"] {
            let mut paths = collection
                .indexes()
                .iter()
                .flat_map(|i| i.spec.key.iter())
                .filter(|(_, v)| v.as_str() == Some(kind));
            return match (paths.next(), paths.next()) {
                (None, _) => continue,
                (Some((path, _)), None) => Path::parse(path),
                _ => Err(EngineError::new(
                    Code::IndexNotFound,
                    format!(
                        "There is more than one {kind} index; unsure which to use for $geoNear"
                    ),
                )),
            };
        }
        Err(EngineError::new(
            Code::IndexNotFound,
            "$geoNear requires a 2d or 2dsphere index, but none were found",
        ))
    }

    /// The documents with their distances, the nearest first.
    ///
    /// # Errors
    /// `IndexNotFound` when it is not clear where to measure; what the query gives.
    pub fn documents(
        &self,
        collection: &Arc<Collection>,
        context: &Context,
        env: &mut Env<'_>,
    ) -> Result<Vec<Document>, EngineError> {
        let path = self.path(collection)?;
        measurable(collection, &path, self.geo.index_kinds())?;
        let (source, _) = super::open(
            Some(Arc::clone(collection)),
            vec![Arc::new(self.filter.clone())],
            None,
            None,
            context,
            env,
        )?;
        let mut found: Vec<(f64, Document)> = Vec::new();
        for doc in drain(source, "$geoNear", env)? {
            let at = path.get(doc.view());
            if at.is_missing() || !self.geo.matches(at.view()) {
                continue;
            }
            let Some(distance) = self.geo.distance(at.view()) else {
                continue;
            };
            let mut doc = doc.with_path(
                self.distance.parts(),
                Value::Double(distance * self.multiplier),
            );
            if let Some(locations) = &self.locations {
                doc = doc.with_path(locations.parts(), at);
            }
            found.push((distance, doc));
        }
        found.sort_by(|a, b| num::compare_f64(a.0, b.0));
        Ok(found.into_iter().map(|(_, d)| d).collect())
    }
}

/// What comes first and reads the collection by itself.
#[derive(Clone, Debug)]
pub enum Head {
    /// Statistics.
    Statistics(Statistics),
    /// What tells of a server and its sessions, caches and searches: there are none.
    Nothing,
    /// `$currentOp`: the command itself.
    CurrentOp,
    /// `$geoNear`.
    GeoNear(Box<GeoNear>),
    /// `$search` and `$vectorSearch`.
    Search(Search),
}

impl Head {
    /// Reads a stage if it is one of these.
    ///
    /// # Errors
    /// What the stages give.
    pub fn compile(name: &str, spec: &Bson, scope: &Scope) -> Result<Option<Self>, EngineError> {
        Ok(match name {
            "$collStats" | "$indexStats" => Some(Self::Statistics(Statistics::new(name, spec))),
            "$search" | "$vectorSearch" => Some(Self::Search(Search::compile(name, spec, scope)?)),
            "$currentOp" => Some(Self::CurrentOp),
            "$listSessions"
            | "$listLocalSessions"
            | "$planCacheStats"
            | "$listSearchIndexes"
            | "$querySettings"
            | "$listSampledQueries"
            | "$queryStats"
            | "$shardedDataDistribution" => Some(Self::Nothing),
            "$geoNear" => Some(Self::GeoNear(Box::new(GeoNear::compile(spec, scope)?))),
            _ => None,
        })
    }

    /// The source that it makes of a collection.
    ///
    /// # Errors
    /// What the stages give.
    pub fn open(
        &self,
        collection: Option<&Arc<Collection>>,
        context: &Context,
        env: &mut Env<'_>,
    ) -> Result<Source, EngineError> {
        let docs = match (self, collection) {
            (Self::Statistics(s), c) => s.documents(c, context)?,
            (Self::GeoNear(g), Some(c)) => g.documents(c, context, env)?,
            (Self::Search(s), Some(c)) => s.documents(c, context, env)?,
            (Self::CurrentOp, _) => vec![Document::from_bson(&doc! {
                "type": "op", "host": "localhost", "desc": "conn", "active": true, "op": "command", "ns": format!("{}.$cmd.aggregate", context.db),
                "currentOpTime": bson::DateTime::from_millis(context.evaluation.now).try_to_rfc3339_string().unwrap_or_default(),
                "command": {"aggregate": 1, "pipeline": [{"$currentOp": {}}], "$db": &*context.db},
            })],
            (Self::GeoNear(_) | Self::Search(_), None) | (Self::Nothing, _) => Vec::new(),
        };
        Ok(Box::new(Documents::new(docs)))
    }
}
