//! `$vectorSearch`: exact, by looking at every document. `$search`: `text`, `phrase`, `exists`, `equals`, `in`, `range` and
//! `compound` with a plain analyzer. Scores of vectors are those of MongoDB, scores of texts only order alike. Whatever else
//! a search says is refused: there is no index that could know it.
use std::sync::Arc;

use bson::Bson;

use super::Context;
use crate::memory::error::EngineError;
use crate::memory::expr::{Env, Scope};
use crate::memory::filter::{Filter, TextQuery, visit, words};
use crate::memory::storage::Collection;
use crate::memory::value::{Document, Path, Value, equal, num};

/// A compiled `$search` or `$vectorSearch`.
#[derive(Clone, Debug)]
pub enum Search {
    /// Nearest vectors.
    Vector(Box<VectorSearch>),
    /// Words.
    Text(Operator),
}

/// `$vectorSearch`.
#[derive(Clone, Debug)]
pub struct VectorSearch {
    path: Path,
    vector: Vec<f64>,
    limit: usize,
    filter: Filter,
    similarity: Similarity,
}

/// How vectors compare.
#[derive(Clone, Copy, Debug)]
enum Similarity {
    Cosine,
    DotProduct,
    Euclidean,
}

/// An operator of `$search`.
#[derive(Clone, Debug)]
pub enum Operator {
    /// `text` and `phrase`.
    Text(TextQuery),
    /// `exists`.
    Exists(Path),
    /// `equals`.
    Equals(Path, Value),
    /// `in` and `range`.
    Test(Path, Filter),
    /// One of several.
    Any(Vec<Operator>),
    /// `score`: a factor, or a score for all.
    Scored(Box<Operator>, f64, bool),
    /// `compound`: must, must not, should and how many of those, filter.
    Compound(
        Vec<Operator>,
        Vec<Operator>,
        Vec<Operator>,
        usize,
        Vec<Operator>,
    ),
}

fn bad<T>(message: impl Into<String>) -> Result<T, EngineError> {
    Err(EngineError::bad_value(message))
}

fn numbers(v: &Value) -> Option<Vec<f64>> {
    v.as_array()?.iter().map(|x| x.as_f64()).collect()
}

fn path(d: &bson::Document) -> Result<Path, EngineError> {
    match d.get("path") {
        Some(Bson::String(s)) => Path::parse(s),
        _ => bad("\"path\" must be a string"),
    }
}

impl Search {
    /// Reads either stage.
    ///
    /// # Errors
    /// `BadValue` for what is malformed or not offered here.
    pub fn compile(name: &str, spec: &Bson, scope: &Scope) -> Result<Self, EngineError> {
        let Bson::Document(d) = spec else {
            return bad(format!("{name} must be an object"));
        };
        if name == "$vectorSearch" {
            return Ok(Self::Vector(Box::new(VectorSearch::compile(d, scope)?)));
        }
        let said = ["index", "count", "concurrent", "tracking"];
        let operators: Vec<_> = d
            .iter()
            .filter(|(k, v)| {
                !(said.contains(&k.as_str())
                    || k.as_str() == "scoreDetails" && **v == Bson::Boolean(false))
            })
            .collect();
        match operators.as_slice() {
            [(name, arg)] => Ok(Self::Text(operator(name, arg, scope, 0)?)),
            [] => bad("$search needs exactly one operator"),
            several => {
                const OTHERS: [&str; 6] = [
                    "highlight",
                    "returnStoredSource",
                    "scoreDetails",
                    "searchAfter",
                    "searchBefore",
                    "sort",
                ];
                match several.iter().find(|(k, _)| OTHERS.contains(&k.as_str())) {
                    Some((other, _)) => bad(format!(
                        "the option \"{other}\" of $search is not offered by this engine"
                    )),
                    None => bad("$search needs exactly one operator"),
                }
            }
        }
    }

    /// The documents found, the best first, each with its score for `$meta`.
    ///
    /// # Errors
    /// What the filter gives.
    pub fn documents(
        &self,
        collection: &Arc<Collection>,
        context: &Context,
        env: &mut Env<'_>,
    ) -> Result<Vec<Document>, EngineError> {
        let filter = match self {
            Self::Vector(v) => v.filter.clone(),
            Self::Text(_) => Filter::all(),
        };
        let (mut source, _) = super::open(
            Some(Arc::clone(collection)),
            vec![Arc::new(filter)],
            None,
            None,
            context,
            env,
        )?;
        let mut found: Vec<(f64, Document)> = Vec::new();
        while let Some(doc) = source.next(env)? {
            let score = match self {
                Self::Vector(v) => v.score(&doc),
                Self::Text(operator) => operator.score(&doc),
            };
            if let Some(score) = score {
                found.push((score, doc));
            }
        }
        found.sort_by(|a, b| num::compare_f64(b.0, a.0));
        if let Self::Vector(v) = self {
            found.truncate(v.limit);
        }
        Ok(found
            .into_iter()
            .map(|(score, doc)| doc.with_score(score))
            .collect())
    }
}

impl VectorSearch {
    fn compile(d: &bson::Document, scope: &Scope) -> Result<Self, EngineError> {
        only(
            d,
            "$vectorSearch",
            &[
                "index",
                "path",
                "queryVector",
                "numCandidates",
                "exact",
                "limit",
                "filter",
                "similarity",
            ],
        )?;
        let Some(vector) = d
            .get("queryVector")
            .and_then(|v| numbers(&Value::from_bson(v)))
        else {
            return bad("\"queryVector\" must be an array of numbers");
        };
        let limit = d
            .get("limit")
            .and_then(|v| Value::from_bson(v).as_i64())
            .and_then(|n| usize::try_from(n).ok());
        let Some(limit) = limit.filter(|n| *n > 0) else {
            return bad("\"limit\" must be a positive integer");
        };
        let filter = match d.get("filter") {
            None => Filter::all(),
            Some(Bson::Document(f)) => Filter::compile(f, scope)?,
            Some(_) => return bad("\"filter\" must be an object"),
        };
        let similarity = match d.get("similarity").and_then(Bson::as_str) {
            None | Some("cosine") => Similarity::Cosine,
            Some("dotProduct") => Similarity::DotProduct,
            Some("euclidean") => Similarity::Euclidean,
            Some(other) => return bad(format!("unknown similarity {other}")),
        };
        Ok(Self {
            path: path(d)?,
            vector,
            limit,
            filter,
            similarity,
        })
    }

    fn score(&self, doc: &Document) -> Option<f64> {
        let other = numbers(&self.path.get(doc.view()))?;
        if other.len() != self.vector.len() {
            return None;
        }
        let pairs = || self.vector.iter().zip(&other);
        let dot: f64 = pairs().map(|(a, b)| a * b).sum();
        Some(match self.similarity {
            Similarity::DotProduct => f64::midpoint(1.0, dot),
            Similarity::Euclidean => {
                1.0 / (1.0 + pairs().map(|(a, b)| (a - b) * (a - b)).sum::<f64>())
            }
            Similarity::Cosine => {
                let norm = |v: &[f64]| v.iter().map(|x| x * x).sum::<f64>().sqrt();
                let both = norm(&self.vector) * norm(&other);
                if both == 0.0 {
                    return None;
                }
                f64::midpoint(1.0, dot / both)
            }
        })
    }
}

/// Refuses what is said beside `known`.
fn only(d: &bson::Document, name: &str, known: &[&str]) -> Result<(), EngineError> {
    match d.keys().find(|k| !known.contains(&k.as_str())) {
        Some(other) => bad(format!(
            "the option \"{other}\" of {name} is not offered by this engine"
        )),
        None => Ok(()),
    }
}

fn operators(
    d: &bson::Document,
    key: &str,
    scope: &Scope,
    depth: usize,
) -> Result<Vec<Operator>, EngineError> {
    let one = |v: &Bson| match v {
        Bson::Document(d) => match d.iter().next() {
            Some((name, arg)) => operator(name, arg, scope, depth + 1),
            None => bad("an operator is missing in \"compound\""),
        },
        _ => bad(format!("\"compound.{key}\" must hold objects")),
    };
    match d.get(key) {
        None => Ok(Vec::new()),
        Some(Bson::Array(items)) => items.iter().map(one).collect(),
        Some(other) => Ok(vec![one(other)?]),
    }
}

/// An operator with what changes its score.
fn operator(name: &str, arg: &Bson, scope: &Scope, depth: usize) -> Result<Operator, EngineError> {
    let Bson::Document(d) = arg else {
        return bad(format!("\"{name}\" must be an object"));
    };
    if depth > 20 {
        return bad("$search is nested too deeply");
    }
    let plain = plain(name, d, scope, depth)?;
    let Some(score) = d.get("score") else {
        return Ok(plain);
    };
    let value = |way: &str| {
        let way = score.as_document()?.get_document(way).ok()?;
        match (way.len(), way.get("value")) {
            (1, Some(value)) => Value::from_bson(value).as_f64(),
            _ => None,
        }
    };
    match (value("boost"), value("constant")) {
        (Some(factor), None) => Ok(Operator::Scored(Box::new(plain), factor, false)),
        (None, Some(score)) => Ok(Operator::Scored(Box::new(plain), score, true)),
        _ => bad(
            "of the scores of $search, this engine offers \"boost\" and \"constant\" by a value",
        ),
    }
}

fn texts(d: &bson::Document) -> Result<Vec<&str>, EngineError> {
    let texts: Option<Vec<&str>> = match d.get("query") {
        Some(Bson::String(s)) => Some(vec![s.as_str()]),
        Some(Bson::Array(items)) => items.iter().map(Bson::as_str).collect(),
        _ => None,
    };
    match texts {
        Some(texts) if !texts.is_empty() => Ok(texts),
        _ => bad("\"query\" must be a string or an array of strings"),
    }
}

fn paths(d: &bson::Document) -> Result<Vec<Path>, EngineError> {
    match d.get("path") {
        Some(Bson::String(s)) => Ok(vec![Path::parse(s)?]),
        Some(Bson::Array(items)) => items
            .iter()
            .map(|item| match item {
                Bson::String(s) => Path::parse(s),
                _ => bad("of the paths of $search, this engine offers names and {wildcard: \"*\"}"),
            })
            .collect(),
        // Everywhere.
        Some(Bson::Document(d))
            if d.len() == 1 && d.get_str("wildcard").is_ok_and(|w| w == "*") =>
        {
            Ok(Vec::new())
        }
        Some(Bson::Document(_)) => {
            bad("of the paths of $search, this engine offers names and {wildcard: \"*\"}")
        }
        _ => bad("\"path\" is required"),
    }
}

fn plain(
    name: &str,
    d: &bson::Document,
    scope: &Scope,
    depth: usize,
) -> Result<Operator, EngineError> {
    let test = |spec: &bson::Document| {
        Ok::<_, EngineError>(Operator::Test(
            path(d)?,
            Filter::compile_value(spec, scope)?,
        ))
    };
    Ok(match name {
        "text" => {
            only(d, name, &["path", "query", "matchCriteria", "score"])?;
            let query = texts(d)?.join(" ");
            let paths = paths(d)?;
            match d.get_str("matchCriteria") {
                Ok("all") => {
                    let each = words(&query, false).into_iter();
                    let each =
                        each.map(|w| Operator::Text(TextQuery::of(&w, paths.clone(), false)));
                    Operator::Compound(each.collect(), Vec::new(), Vec::new(), 0, Vec::new())
                }
                _ => Operator::Text(TextQuery::of(&query, paths, false)),
            }
        }
        "phrase" => {
            if !matches!(
                d.get("slop").map(Value::from_bson).map(|v| v.as_i64()),
                None | Some(Some(0))
            ) {
                return bad("the option \"slop\" of phrase is not offered by this engine");
            }
            only(d, name, &["path", "query", "slop", "score"])?;
            let paths = paths(d)?;
            let phrase = |text| Operator::Text(TextQuery::of(text, paths.clone(), true));
            Operator::Any(texts(d)?.into_iter().map(phrase).collect())
        }
        "exists" => {
            only(d, name, &["path", "score"])?;
            Operator::Exists(path(d)?)
        }
        "equals" => {
            only(d, name, &["path", "value", "score"])?;
            match d.get("value") {
                Some(v) => Operator::Equals(path(d)?, Value::from_bson(v)),
                None => return bad("\"value\" is required"),
            }
        }
        "in" => {
            only(d, name, &["path", "value", "score"])?;
            match d.get("value") {
                Some(v @ Bson::Array(_)) => test(&bson::doc! {"$in": v.clone()})?,
                Some(v) => test(&bson::doc! {"$in": [v.clone()]})?,
                None => return bad("\"value\" is required"),
            }
        }
        "range" => {
            only(d, name, &["path", "gt", "gte", "lt", "lte", "score"])?;
            let bounds = d
                .iter()
                .filter(|(k, _)| !matches!(k.as_str(), "path" | "score"));
            let bounds: bson::Document =
                bounds.map(|(k, v)| (format!("${k}"), v.clone())).collect();
            if bounds.is_empty() {
                return bad("\"range\" needs a bound");
            }
            test(&bounds)?
        }
        "compound" => {
            let clauses = ["must", "mustNot", "should", "filter"];
            only(
                d,
                name,
                &[&clauses[..], &["minimumShouldMatch", "score"]].concat(),
            )?;
            let least = d
                .get("minimumShouldMatch")
                .and_then(|v| Value::from_bson(v).as_i64())
                .and_then(|n| usize::try_from(n).ok())
                .unwrap_or(0);
            let (must, must_not) = (
                operators(d, "must", scope, depth)?,
                operators(d, "mustNot", scope, depth)?,
            );
            let (should, filter) = (
                operators(d, "should", scope, depth)?,
                operators(d, "filter", scope, depth)?,
            );
            // With nothing else required, one of them must hold.
            let least = if must.is_empty() && filter.is_empty() && !should.is_empty() {
                least.max(1)
            } else {
                least
            };
            Operator::Compound(must, must_not, should, least, filter)
        }
        other => {
            return bad(format!(
                "the operator \"{other}\" of $search is not offered by this engine"
            ));
        }
    })
}

impl Operator {
    fn score(&self, doc: &Document) -> Option<f64> {
        match self {
            Self::Text(query) => query.score(doc.view()),
            Self::Exists(path) => (!path.get(doc.view()).is_missing()).then_some(1.0),
            Self::Equals(path, v) => visit(path.parts(), doc.view(), true, &mut |x, _| {
                equal(x, v.view())
            })
            .then_some(1.0),
            Self::Test(path, filter) => visit(path.parts(), doc.view(), true, &mut |x, _| {
                filter.matches_value(x, None)
            })
            .then_some(1.0),
            Self::Any(operators) => operators
                .iter()
                .filter_map(|o| o.score(doc))
                .reduce(|a, b| a + b),
            Self::Scored(operator, value, constant) => {
                let score = operator.score(doc)?;
                Some(if *constant { *value } else { score * value })
            }
            Self::Compound(must, must_not, should, least, filter) => {
                if must_not.iter().any(|o| o.score(doc).is_some())
                    || filter.iter().any(|o| o.score(doc).is_none())
                {
                    return None;
                }
                let mut total = 0.0;
                for operator in must {
                    total += operator.score(doc)?;
                }
                let mut held = 0;
                for score in should.iter().filter_map(|o| o.score(doc)) {
                    held += 1;
                    total += score;
                }
                (held >= *least).then_some(total)
            }
        }
    }
}
