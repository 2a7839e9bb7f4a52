//! Runs batteries of recorded cases against the engine: data in, one command, the result that MongoDB gives.
//!
//! A battery is a folder of `*.jsonl` files, one case per line in canonical extended JSON. A case has `collections`,
//! perhaps `indexes`, a command `run`, and `expect`. Types count: int, long, double and decimal are four types.
use std::collections::BTreeMap;
use std::path::Path;

use bson::{Bson, Document, doc};
use serde_json::Value as Json;

use super::database::{Engine, ejson};
use super::error::EngineError;

/// How a battery went.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Passed and all cases, by group.
    pub groups: BTreeMap<String, (usize, usize)>,
    /// The cases that failed: id and why.
    pub failures: Vec<(String, String)>,
    /// Cases that fail as expected, but with another code: id, expected, given.
    pub codes: Vec<(String, i64, i64)>,
}

impl Report {
    /// Passed and all cases.
    pub fn totals(&self) -> (usize, usize) {
        self.groups
            .values()
            .fold((0, 0), |(p, n), (q, m)| (p + q, n + m))
    }
}

/// How a command is run: the engine itself, or something that speaks to a server.
pub trait Runner {
    /// Starts an empty database.
    fn reset(&mut self);
    /// Runs a command on it.
    ///
    /// # Errors
    /// The code and message of a failure.
    fn run(&mut self, command: Document) -> Result<Document, (i64, String)>;
}

struct Embedded(Engine);

impl Runner for Embedded {
    fn reset(&mut self) {
        self.0 = Engine::new();
    }

    fn run(&mut self, command: Document) -> Result<Document, (i64, String)> {
        self.0
            .run_command("test", command)
            .map_err(|e: EngineError| (i64::from(e.code), e.message))
    }
}

/// Runs every case of a folder on the embedded engine.
///
/// # Errors
/// When the folder cannot be read.
pub fn run(dir: &Path) -> std::io::Result<Report> {
    run_with(dir, &mut Embedded(Engine::new()))
}

/// Runs every case of a folder with a runner.
///
/// # Errors
/// When the folder cannot be read.
pub fn run_with(dir: &Path, runner: &mut dyn Runner) -> std::io::Result<Report> {
    let mut files: Vec<_> = std::fs::read_dir(dir)?
        .filter_map(|f| f.ok().map(|f| f.path()))
        .collect();
    files.retain(|p| p.extension().is_some_and(|e| e == "jsonl"));
    files.sort();
    let mut report = Report::default();
    for file in files {
        let group = file
            .file_stem()
            .and_then(|s| s.to_str())
            .unwrap_or_default()
            .to_owned();
        for line in std::fs::read_to_string(&file)?
            .lines()
            .filter(|l| !l.trim().is_empty())
        {
            let counts = report.groups.entry(group.clone()).or_default();
            counts.1 += 1;
            let (id, outcome) = one_line(line, runner);
            match outcome {
                Ok(None) => counts.0 += 1,
                Ok(Some((expected, given))) => {
                    counts.0 += 1;
                    report.codes.push((id, expected, given));
                }
                Err(why) => report.failures.push((id, why)),
            }
        }
    }
    Ok(report)
}

/// `Ok(Some)`: failed as it should, but with another code (expected, given). `Err` says what differs.
pub type Outcome = Result<Option<(i64, i64)>, String>;

/// Runs one case, given as its line. Gives its id, too.
pub fn one_line(line: &str, runner: &mut dyn Runner) -> (String, Outcome) {
    let json: Json = match serde_json::from_str(line) {
        Ok(json) => json,
        Err(e) => return ("?".into(), Err(e.to_string())),
    };
    let id = json
        .get("id")
        .and_then(Json::as_str)
        .unwrap_or("?")
        .to_owned();
    (id, case(&json, runner))
}

fn object(json: Option<&Json>) -> Result<Document, String> {
    match json.map(ejson::from_json).transpose()? {
        Some(Bson::Document(d)) => Ok(d),
        None => Ok(Document::new()),
        Some(_) => Err("not an object".into()),
    }
}

fn number(v: Option<&Bson>) -> Option<i64> {
    v.and_then(|v| super::value::Value::from_bson(v).as_i64())
}

fn case(json: &Json, runner: &mut dyn Runner) -> Outcome {
    runner.reset();
    for (name, docs) in object(json.get("collections"))? {
        let Bson::Array(docs) = docs else { continue };
        runner.run(doc! {"create": &name}).map_err(|e| e.1)?;
        if !docs.is_empty() {
            let reply = runner
                .run(doc! {"insert": &name, "documents": docs})
                .map_err(|e| format!("insert: {}", e.1))?;
            if reply.contains_key("writeErrors") {
                return Err(format!("insert: {reply}"));
            }
        }
    }
    for (name, indexes) in object(json.get("indexes"))? {
        let Bson::Array(indexes) = indexes else {
            continue;
        };
        let named: Vec<Bson> = indexes
            .into_iter()
            .enumerate()
            .map(|(i, spec)| match spec {
                Bson::Document(mut d) => {
                    if !d.contains_key("name") {
                        d.insert("name", format!("index_{i}"));
                    }
                    Bson::Document(d)
                }
                other => other,
            })
            .collect();
        runner
            .run(doc! {"createIndexes": &name, "indexes": named})
            .map_err(|e| format!("index: {}", e.1))?;
    }
    let mut command = object(json.get("run"))?;
    let kind = command.keys().next().cloned().unwrap_or_default();
    if kind == "aggregate" {
        command.insert("cursor", Document::new());
    }
    let expect = object(json.get("expect"))?;
    let reply = all_batches(command, &kind, runner);
    if expect.get_bool("error").unwrap_or(false) {
        return match reply {
            Ok(reply) => match reply.get("writeErrors") {
                Some(Bson::Array(errors)) if !errors.is_empty() => {
                    let given = errors
                        .first()
                        .and_then(Bson::as_document)
                        .and_then(|d| number(d.get("code")));
                    Ok(other_code(&expect, given.unwrap_or(0)))
                }
                _ => Err(format!(
                    "should fail with {:?}, gave {reply}",
                    expect.get("code")
                )),
            },
            Err((given, _)) => Ok(other_code(&expect, given)),
        };
    }
    let reply = reply.map_err(|(code, message)| format!("failed with {code}: {message}"))?;
    let how = How::new(&expect);
    let other = compare_reply(&expect, &reply, &how)?;
    for (name, docs) in object_of(&expect, "after") {
        let Bson::Array(wanted) = docs else { continue };
        let found = all_batches(doc! {"find": &name}, "find", runner).map_err(|e| e.1)?;
        let found = found.get_array("docs").cloned().unwrap_or_default();
        bag(&wanted, &found, &how).map_err(|e| format!("after, {name}: {e}"))?;
    }
    Ok(other)
}

fn object_of(d: &Document, key: &str) -> Document {
    d.get_document(key).cloned().unwrap_or_default()
}

fn other_code(expect: &Document, given: i64) -> Option<(i64, i64)> {
    number(expect.get("code"))
        .filter(|wanted| *wanted != given)
        .map(|wanted| (wanted, given))
}

/// The reply; the documents of a cursor, all of them, as `docs`.
fn all_batches(
    command: Document,
    kind: &str,
    runner: &mut dyn Runner,
) -> Result<Document, (i64, String)> {
    let name = command.get(kind).cloned().unwrap_or(Bson::Null);
    let mut reply = runner.run(command)?;
    let Ok(cursor) = reply.get_document("cursor").cloned() else {
        return Ok(reply);
    };
    let mut docs = cursor.get_array("firstBatch").cloned().unwrap_or_default();
    let mut id = cursor.get_i64("id").unwrap_or(0);
    while id != 0 {
        let more = runner.run(doc! {"getMore": id, "collection": name.clone()})?;
        let Ok(cursor) = more.get_document("cursor") else {
            break;
        };
        docs.extend(cursor.get_array("nextBatch").cloned().unwrap_or_default());
        id = cursor.get_i64("id").unwrap_or(0);
    }
    reply.insert("docs", docs);
    Ok(reply)
}

/// How values are compared.
struct How {
    sets: Vec<String>,
    field_order: bool,
    exact_decimal: bool,
    approx: bool,
}

impl How {
    fn new(expect: &Document) -> Self {
        let flag = |k: &str| expect.get_bool(k).unwrap_or(false);
        let sets = expect.get_array("sets").map(|a| {
            a.iter()
                .filter_map(|v| v.as_str().map(str::to_owned))
                .collect()
        });
        Self {
            sets: sets.unwrap_or_default(),
            field_order: flag("fieldOrder"),
            exact_decimal: flag("exactDecimal"),
            approx: flag("approx"),
        }
    }
}

/// Gives the first write error with another code: expected, given.
fn compare_reply(expect: &Document, reply: &Document, how: &How) -> Outcome {
    if let Ok(wanted) = expect.get_array("docs") {
        let found = reply.get_array("docs").cloned().unwrap_or_default();
        if expect.get_bool("ordered").unwrap_or(false) {
            if wanted.len() != found.len() {
                return Err(format!(
                    "{} documents instead of {}: {found:?}",
                    found.len(),
                    wanted.len()
                ));
            }
            for (w, f) in wanted.iter().zip(&found) {
                same(w, f, how, "")?;
            }
        } else {
            bag(wanted, &found, how)?;
        }
    }
    if let Ok(wanted) = expect.get_array("values") {
        bag(
            wanted,
            reply
                .get_array("values")
                .map_or(&[] as &[Bson], Vec::as_slice),
            how,
        )?;
    }
    if let Some(wanted) = expect.get("n")
        && number(Some(wanted)) != number(reply.get("n"))
    {
        return Err(format!("n is {:?}, not {wanted}", reply.get("n")));
    }
    if let Some(wanted) = expect.get("value") {
        same(
            wanted,
            reply.get("value").unwrap_or(&Bson::Null),
            how,
            "value",
        )?;
    }
    for (key, wanted) in object_of(expect, "reply") {
        if number(Some(&wanted)) != number(reply.get(&key)) {
            return Err(format!(
                "reply.{key} is {:?}, not {wanted}",
                reply.get(&key)
            ));
        }
    }
    let wanted = expect.get_array("writeErrors").cloned().unwrap_or_default();
    let found = reply.get_array("writeErrors").cloned().unwrap_or_default();
    let index = |v: &Bson| v.as_document().and_then(|d| number(d.get("index")));
    if wanted.iter().map(index).ne(found.iter().map(index)) {
        return Err(format!("write errors {found:?}, not {wanted:?}"));
    }
    let code = |v: &Bson| v.as_document().and_then(|d| number(d.get("code")));
    Ok(wanted.iter().zip(&found).find_map(|(w, f)| {
        let (wanted, given) = (code(w)?, code(f).unwrap_or(0));
        (wanted != given).then_some((wanted, given))
    }))
}

fn bag(wanted: &[Bson], found: &[Bson], how: &How) -> Result<(), String> {
    if wanted.len() != found.len() {
        return Err(format!(
            "{} instead of {}: {found:?}, not {wanted:?}",
            found.len(),
            wanted.len()
        ));
    }
    let mut left: Vec<&Bson> = found.iter().collect();
    for w in wanted {
        match left.iter().position(|f| same(w, f, how, "").is_ok()) {
            Some(at) => {
                left.swap_remove(at);
            }
            None => {
                let nearest = left.first().map_or_else(String::new, |f| {
                    same(w, f, how, "").err().unwrap_or_default()
                });
                return Err(format!("lacks {w:?}; has {left:?}; {nearest}"));
            }
        }
    }
    Ok(())
}

fn close(a: f64, b: f64, approx: bool) -> bool {
    a == b
        || (a.is_nan() && b.is_nan())
        || (approx && (a - b).abs() <= 1e-12 * a.abs().max(b.abs()).max(f64::MIN_POSITIVE))
}

fn same(wanted: &Bson, found: &Bson, how: &How, path: &str) -> Result<(), String> {
    let differs = || Err(format!("at '{path}': {found:?}, not {wanted:?}"));
    match (wanted, found) {
        (Bson::Double(a), Bson::Double(b)) if close(*a, *b, how.approx) => Ok(()),
        (Bson::Decimal128(a), Bson::Decimal128(b)) => {
            use super::value::{Decimal, Value, equal};
            let (x, y) = (
                Decimal::from_bytes(a.bytes()),
                Decimal::from_bytes(b.bytes()),
            );
            let exact = a.to_string() == b.to_string();
            let value = equal(Value::Decimal(x).view(), Value::Decimal(y).view());
            let fine = if how.exact_decimal {
                exact
            } else {
                value || (how.approx && close(x.to_f64(), y.to_f64(), true))
            };
            if fine { Ok(()) } else { differs() }
        }
        (Bson::Document(a), Bson::Document(b)) => {
            if a.len() != b.len() || (how.field_order && a.keys().ne(b.keys())) {
                return differs();
            }
            for (k, v) in a {
                let Some(w) = b.get(k) else { return differs() };
                let inner = if path.is_empty() {
                    k.clone()
                } else {
                    format!("{path}.{k}")
                };
                same(v, w, how, &inner)?;
            }
            Ok(())
        }
        (Bson::Array(a), Bson::Array(b)) => {
            if how.sets.iter().any(|s| s == path) {
                return bag(a, b, how);
            }
            if a.len() != b.len() {
                return differs();
            }
            a.iter().zip(b).try_for_each(|(v, w)| same(v, w, how, path))
        }
        (a, b) if a == b => Ok(()),
        _ => differs(),
    }
}
