//! Runs the recorded cases of one operator each, when `MQLC_ENGINE_BATTERY` names their folder. Only the few stages
//! that these cases need are known here; the others are left to the engine's own tests.
use std::path::Path as FilePath;

use bson::{Bson, Document as Spec};

use super::*;
use crate::memory::accumulator::{Accumulator, SortBy};
use crate::memory::value::{Document, Key, equal};
use crate::memory::window::{SortPart, WindowFunction};

fn bson(v: &serde_json::Value) -> Bson {
    Bson::try_from(v.clone()).unwrap()
}

enum Skip {
    Unknown,
    Failed(EngineError),
}

impl From<EngineError> for Skip {
    fn from(e: EngineError) -> Self {
        Self::Failed(e)
    }
}

/// Replaces nothing but what the cases use: inclusion, exclusion of `_id`, and computed top-level fields.
fn project(
    spec: &Spec,
    docs: &[Document],
    keep: bool,
    env: &mut Env<'_>,
) -> Result<Vec<Document>, Skip> {
    let scope = Scope::new();
    let mut fields = Vec::new();
    let mut excluded = Vec::new();
    for (k, v) in spec {
        if k.contains('.') {
            return Err(Skip::Unknown);
        }
        match v {
            Bson::Int32(0) if !keep => excluded.push(k.clone()),
            Bson::Int32(1) if !keep => fields.push((
                k.clone(),
                Expr::compile(&Bson::String(format!("${k}")), &scope)?,
            )),
            // Nested specifications are not expressions in a projection.
            Bson::Document(d) if d.keys().next().is_none_or(|k| !k.starts_with('$')) => {
                return Err(Skip::Unknown);
            }
            v => fields.push((k.clone(), Expr::compile(v, &scope)?)),
        }
    }
    let mut out = Vec::new();
    for d in docs {
        env.set_root(d.clone());
        let mut b = DocBuilder::new();
        if keep || fields.is_empty() {
            b = d.clone().edit();
            for e in &excluded {
                b.remove(e);
            }
        } else if !excluded.contains(&"_id".to_owned()) && !fields.iter().any(|(k, _)| k == "_id") {
            b.push("_id", d.get("_id"));
        }
        for (k, e) in &fields {
            let v = e.eval(env)?;
            b.set(k.as_str(), v);
        }
        out.push(b.build());
    }
    Ok(out)
}

fn group(spec: &Spec, docs: &[Document], env: &mut Env<'_>) -> Result<Vec<Document>, Skip> {
    let scope = Scope::new();
    let id = Expr::compile(spec.get("_id").ok_or(Skip::Unknown)?, &scope)?;
    let mut accumulators = Vec::new();
    for (k, v) in spec.iter().filter(|(k, _)| *k != "_id") {
        let (name, arg) = v
            .as_document()
            .and_then(|d| d.iter().next())
            .ok_or(Skip::Unknown)?;
        accumulators.push((k.clone(), Accumulator::compile(name, arg, &scope)?));
    }
    let mut groups: Vec<(Key, Vec<_>)> = Vec::new();
    for d in docs {
        env.set_root(d.clone());
        let key = Key(id.eval(env)?.or_null());
        let at = match groups.iter().position(|(k, _)| *k == key) {
            Some(at) => at,
            None => {
                groups.push((
                    key,
                    accumulators.iter().map(|(_, a)| a.new_state()).collect(),
                ));
                groups.len() - 1
            }
        };
        for ((_, a), s) in accumulators.iter().zip(&mut groups[at].1) {
            a.add(s, env)?;
        }
    }
    let mut out = Vec::new();
    for (key, states) in groups {
        let mut b = DocBuilder::new();
        b.push("_id", key.0);
        for ((k, a), s) in accumulators.iter().zip(states) {
            b.push(k.as_str(), a.finish(s, env)?);
        }
        out.push(b.build());
    }
    Ok(out)
}

fn window(spec: &Spec, mut docs: Vec<Document>, env: &mut Env<'_>) -> Result<Vec<Document>, Skip> {
    let scope = Scope::new();
    let mut parts = Vec::new();
    if let Some(by) = spec.get("sortBy").and_then(Bson::as_document) {
        docs = sort(by, docs)?;
        for (k, v) in by {
            parts.push(SortPart {
                path: Path::parse(k)?,
                ascending: Value::from_bson(v).as_i64() == Some(1),
            });
        }
    }
    let by = Expr::compile(spec.get("partitionBy").unwrap_or(&Bson::Null), &scope)?;
    let mut outputs = Vec::new();
    for (k, v) in spec.get_document("output").map_err(|_| Skip::Unknown)? {
        outputs.push((
            k.clone(),
            WindowFunction::compile(v.as_document().ok_or(Skip::Unknown)?, &parts, &scope)?,
        ));
    }
    let mut partitions: Vec<(Key, Vec<Document>)> = Vec::new();
    for d in docs {
        env.set_root(d.clone());
        let key = Key(by.eval(env)?.or_null());
        match partitions.iter_mut().find(|(k, _)| *k == key) {
            Some((_, docs)) => docs.push(d),
            None => partitions.push((key, vec![d])),
        }
    }
    let mut out = Vec::new();
    for (_, docs) in partitions {
        let mut built: Vec<DocBuilder> = docs.iter().map(|d| d.clone().edit()).collect();
        for (k, f) in &outputs {
            for (b, v) in built.iter_mut().zip(f.run(&docs, env)?) {
                b.set(k.as_str(), v);
            }
        }
        out.extend(built.into_iter().map(DocBuilder::build));
    }
    Ok(out)
}

fn sort(spec: &Spec, mut docs: Vec<Document>) -> Result<Vec<Document>, Skip> {
    let by = SortBy::compile(spec)?;
    docs.sort_by(|a, b| {
        let key = |d: &Document| by.key(ValueRef::Document(d.view()));
        by.compare(&key(a), &key(b), None)
    });
    Ok(docs)
}

fn run(pipeline: &[Bson], mut docs: Vec<Document>) -> Result<Vec<Document>, Skip> {
    let evaluation = Evaluation {
        now: 1_700_000_000_000,
        ..Evaluation::default()
    };
    let mut env = Env::new(&evaluation);
    for stage in pipeline {
        let (name, spec) = stage
            .as_document()
            .and_then(|d| d.iter().next())
            .ok_or(Skip::Unknown)?;
        let spec = spec.as_document().ok_or(Skip::Unknown)?;
        docs = match name.as_str() {
            "$project" => project(spec, &docs, false, &mut env)?,
            "$addFields" | "$set" => project(spec, &docs, true, &mut env)?,
            "$group" => group(spec, &docs, &mut env)?,
            "$sort" => sort(spec, docs)?,
            "$setWindowFields" => window(spec, docs, &mut env)?,
            _ => return Err(Skip::Unknown),
        };
    }
    Ok(docs)
}

struct Loose {
    order: bool,
    exact: bool,
    approx: bool,
}

fn same(a: &Bson, b: &Bson, how: &Loose) -> bool {
    match (a, b) {
        (Bson::Document(x), Bson::Document(y)) => {
            x.len() == y.len()
                && if how.order {
                    x.iter()
                        .zip(y)
                        .all(|((k, v), (l, w))| k == l && same(v, w, how))
                } else {
                    x.iter()
                        .all(|(k, v)| y.get(k).is_some_and(|w| same(v, w, how)))
                }
        }
        (Bson::Array(x), Bson::Array(y)) => {
            x.len() == y.len() && x.iter().zip(y).all(|(v, w)| same(v, w, how))
        }
        (Bson::Double(x), Bson::Double(y)) => {
            (x.is_nan() && y.is_nan()) || x == y || (how.approx && (x - y).abs() <= 1e-12 * y.abs())
        }
        (Bson::Decimal128(x), Bson::Decimal128(y)) => {
            if how.approx {
                let (x, y): (f64, f64) = (
                    x.to_string().parse().unwrap(),
                    y.to_string().parse().unwrap(),
                );
                return (x.is_nan() && y.is_nan()) || x == y || (x - y).abs() <= 1e-12 * y.abs();
            }
            if how.exact {
                x.to_string() == y.to_string()
            } else {
                equal(Value::from_bson(a).view(), Value::from_bson(b).view())
            }
        }
        _ => a.element_type() == b.element_type() && a == b,
    }
}

fn bag(v: &mut Bson, path: &str, sets: &[String]) {
    match v {
        Bson::Document(d) => {
            for (k, v) in d.iter_mut() {
                let path = if path.is_empty() {
                    k.clone()
                } else {
                    format!("{path}.{k}")
                };
                bag(v, &path, sets);
            }
        }
        Bson::Array(items) => {
            for i in items.iter_mut() {
                bag(i, path, sets);
            }
            if sets.iter().any(|s| s == path) {
                items.sort_by_key(|i| format!("{i:?}"));
            }
        }
        _ => {}
    }
}

fn check(case: &serde_json::Value) -> Option<Result<(), String>> {
    let pipeline = case["run"].get("pipeline")?;
    let collections = case["collections"].as_object()?;
    let docs = match collections.values().next() {
        Some(docs) if collections.len() == 1 => bson(docs),
        _ => return None,
    };
    let docs = docs
        .as_array()?
        .iter()
        .map(|d| Document::from_bson(d.as_document().unwrap()))
        .collect();
    let expect = &case["expect"];
    let outcome = run(bson(pipeline).as_array()?, docs);
    let outcome = match outcome {
        Err(Skip::Unknown) => return None,
        Err(Skip::Failed(e)) => Err(e),
        Ok(docs) => Ok(docs),
    };
    Some(match outcome {
        Err(e) => {
            let code = expect
                .get("code")
                .and_then(|c| c["$numberInt"].as_str())
                .map(|c| c.parse::<i32>().unwrap());
            if expect["error"] == true && code.is_none_or(|c| c == e.code) {
                Ok(())
            } else {
                Err(format!("error {e}, expected {expect}"))
            }
        }
        Ok(docs) => {
            let flag = |name: &str| expect.get(name).is_some_and(|f| f == true);
            let how = Loose {
                order: flag("fieldOrder"),
                exact: flag("exactDecimal"),
                approx: flag("approx"),
            };
            let sets: Vec<String> = expect
                .get("sets")
                .and_then(|s| s.as_array())
                .map_or(Vec::new(), |s| {
                    s.iter().map(|s| s.as_str().unwrap().to_owned()).collect()
                });
            let mut got = Bson::Array(docs.iter().map(|d| Bson::Document(d.to_bson())).collect());
            let mut want = expect.get("docs").map_or(Bson::Null, bson);
            bag(&mut got, "", &sets);
            bag(&mut want, "", &sets);
            if !flag("ordered") {
                for v in [&mut got, &mut want] {
                    if let Bson::Array(items) = v {
                        items.sort_by_key(|i| format!("{i:?}"));
                    }
                }
            }
            if same(&got, &want, &how) {
                Ok(())
            } else {
                Err(format!("got {got}, expected {expect}"))
            }
        }
    })
}

/// The recorded cases hold. Without the folder there is nothing to prove.
#[test]
fn recorded_cases() {
    let Ok(folder) = std::env::var("MQLC_ENGINE_BATTERY") else {
        return;
    };
    let only = std::env::var("MQLC_ENGINE_GROUP").ok();
    let (mut passed, mut failed, mut skipped) = (0, 0, 0);
    let mut files: Vec<_> = std::fs::read_dir(FilePath::new(&folder))
        .unwrap()
        .map(|f| f.unwrap().path())
        .collect();
    files.sort();
    for file in files
        .iter()
        .filter(|f| f.extension().is_some_and(|e| e == "jsonl"))
    {
        let group = file.file_stem().unwrap().to_string_lossy().into_owned();
        if only.as_ref().is_some_and(|o| *o != group) {
            continue;
        }
        for line in std::fs::read_to_string(file).unwrap().lines() {
            let case: serde_json::Value = serde_json::from_str(line).unwrap();
            match check(&case) {
                None => skipped += 1,
                Some(Ok(())) => passed += 1,
                Some(Err(e)) => {
                    failed += 1;
                    println!("{}: {} {e}", case["id"], case["run"]["pipeline"]);
                }
            }
        }
    }
    println!("passed {passed}, failed {failed}, skipped {skipped}");
    assert!(failed * 100 <= passed, "more than one in a hundred failed");
}

/// Nesting is limited, so that no specification overflows the stack.
#[test]
fn depth_is_limited() {
    let mut spec = Bson::Int32(1);
    for _ in 0..500 {
        spec = Bson::Document(bson::doc! {"$not": [spec]});
    }
    let e = Expr::compile(&spec, &Scope::new()).unwrap_err();
    assert_eq!(e.code, 15);
}
