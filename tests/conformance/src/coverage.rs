//! What the recorded cases use: methods, lookups, transforms, functions, aggregates and window functions, each with the number of
//! cases that use it and the number of those that pass.
//!
//! The corpus is no part of the repository, the summary is: `coverage.txt`, one line for each name, which the support
//! matrix in `docs/support.md` is written from.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::path::Path;

use mqlc_compiler::functions::{Kind, Registry};
use serde_json::Value;

use crate::suite::{Case, Outcome, Result, Verdict};

/// Kind and name.
type Used = (&'static str, String);

/// Writes the summary of a run.
pub(crate) fn write(dir: &Path, cases: &[Case], verdicts: &[Verdict], file: &Path) -> Result<()> {
    let vocabulary = Vocabulary::new();
    let mut fields: HashMap<String, HashSet<String>> = HashMap::new();
    let mut counts: BTreeMap<Used, (u64, u64)> = BTreeMap::new();
    for (case, verdict) in cases.iter().zip(verdicts) {
        let case: Value =
            serde_json::from_str(&case.line).map_err(|e| format!("a case is no JSON: {e}"))?;
        let name = case.get("schema").and_then(Value::as_str).unwrap_or("");
        if !fields.contains_key(name) {
            fields.insert(name.to_owned(), names(dir, name)?);
        }
        let mut found = BTreeSet::new();
        if let (Some(statement), Some(fields)) = (case.get("statement"), fields.get(name)) {
            vocabulary.walk(statement, fields, &mut found);
        }
        for used in found {
            let (passed, all) = counts.entry(used).or_default();
            *all += 1;
            *passed += u64::from(verdict.outcome == Outcome::Passed);
        }
    }
    let mut text = "# what the recorded cases use: kind, name, cases that pass, cases (written by `conformance --coverage`)\n".to_owned();
    for ((kind, name), (passed, all)) in counts {
        text.push_str(&format!("{kind} {name} {passed} {all}\n"));
    }
    std::fs::write(file, text).map_err(|e| format!("cannot write {}: {e}", file.display()))
}

/// Names of fields and of relations that lead back: they are no transforms, whatever they are called.
fn names(dir: &Path, schema: &str) -> Result<HashSet<String>> {
    let path = dir.join("schema").join(format!("{schema}.json"));
    let text = std::fs::read_to_string(&path)
        .map_err(|e| format!("cannot read {}: {e}", path.display()))?;
    let schema: Value =
        serde_json::from_str(&text).map_err(|e| format!("{}: {e}", path.display()))?;
    let mut names = HashSet::new();
    let models = schema.get("models").and_then(Value::as_object);
    for model in models.into_iter().flat_map(|models| models.values()) {
        let fields = model.get("fields").and_then(Value::as_array);
        for field in fields.into_iter().flatten() {
            for key in ["name", "attname", "related_query_name"] {
                names.extend(field.get(key).and_then(Value::as_str).map(str::to_owned));
            }
        }
    }
    Ok(names)
}

/// The names that there are.
struct Vocabulary {
    registry: Registry,
    lookups: HashSet<&'static str>,
    transforms: HashSet<&'static str>,
}

impl Vocabulary {
    fn new() -> Self {
        let registry = Registry::django();
        let lookups = registry.lookups().map(|lookup| lookup.name).collect();
        let transforms = registry
            .iter()
            .flat_map(|function| function.transforms.iter().map(|(name, _)| *name))
            .collect();
        Vocabulary {
            registry,
            lookups,
            transforms,
        }
    }

    fn walk(&self, node: &Value, fields: &HashSet<String>, found: &mut BTreeSet<Used>) {
        // Recorded statements are as deep as the statements of tests: a stack is not needed.
        match node {
            Value::Array(items) => {
                for item in items {
                    self.walk(item, fields, found);
                }
            }
            Value::Object(map) => {
                for (key, value) in map {
                    self.entry(key, value, fields, found);
                    self.walk(value, fields, found);
                }
            }
            _ => {}
        }
    }

    fn entry(
        &self,
        key: &str,
        value: &Value,
        fields: &HashSet<String>,
        found: &mut BTreeSet<Used>,
    ) {
        let text = |name: &str| value.get(name).and_then(Value::as_str);
        match key {
            "calls" => {
                let calls = value.as_array().into_iter().flatten();
                for call in calls.filter_map(Value::as_object) {
                    found.extend(call.keys().map(|name| ("method", name.clone())));
                }
            }
            "do" => {
                found.extend(value.as_str().map(|name| ("method", name.to_owned())));
                let keys = value.as_object().into_iter().flat_map(|map| map.keys());
                found.extend(keys.map(|name| ("method", name.clone())));
            }
            "func" | "aggregate" => {
                let Some(name) = text("name") else { return };
                if let Some(function) = self.registry.function(name) {
                    let kind = match function.kind {
                        Kind::Scalar(_) => "function",
                        Kind::Aggregate(..) => "aggregate",
                        Kind::Window(_) => "window",
                    };
                    found.insert((kind, name.to_owned()));
                }
            }
            "lookup" => {
                if let Some(path) = text("path") {
                    self.path(path, fields, found);
                }
            }
            "compare" => {
                found.extend(text("lookup").map(|name| ("lookup", name.to_owned())));
            }
            "f" | "outer_ref" => {
                for name in value.as_str().unwrap_or("").split("__").skip(1) {
                    self.transform(name, fields, found);
                }
            }
            _ => {}
        }
    }

    fn path(&self, path: &str, fields: &HashSet<String>, found: &mut BTreeSet<Used>) {
        let names: Vec<&str> = path.split("__").skip(1).collect();
        let last = names
            .last()
            .filter(|name| self.lookups.contains(**name) && !fields.contains(**name));
        found.insert(("lookup", last.unwrap_or(&"exact").to_string()));
        let before = names.len() - usize::from(last.is_some());
        for name in names.into_iter().take(before) {
            self.transform(name, fields, found);
        }
    }

    fn transform(&self, name: &str, fields: &HashSet<String>, found: &mut BTreeSet<Used>) {
        if self.transforms.contains(name) && !fields.contains(name) {
            found.insert(("transform", name.to_owned()));
        }
    }
}
