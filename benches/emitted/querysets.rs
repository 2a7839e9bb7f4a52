//! The list of querysets, and what the official backend made of them.

use std::collections::HashMap;
use std::path::Path;

use bson::{Bson, Document};
use mqlc::executors::memory::database::ejson;
use serde_json::Value as Json;

/// A queryset of the list.
#[derive(Debug, Clone)]
pub struct Queryset {
    pub group: String,
    pub name: String,
    pub text: String,
}

/// Reads the list: one queryset a line after its name, under headings.
pub fn list(source: &str) -> Vec<Queryset> {
    let mut group = String::new();
    let mut out = Vec::new();
    for line in source.lines() {
        if let Some(heading) = line.strip_prefix("== ") {
            group = heading.to_owned();
        } else if let Some((name, text)) = line.split_once(char::is_whitespace)
            && !line.starts_with('#')
        {
            out.push(Queryset {
                group: group.clone(),
                name: name.to_owned(),
                text: text.trim().to_owned(),
            });
        }
    }
    out
}

/// What a row of the official backend is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Rows,
    Count,
    Exists,
    Aggregate,
}

/// A queryset as the official backend sends it.
#[derive(Debug, Clone)]
pub struct Official {
    pub kind: Kind,
    /// Commands in order.
    pub commands: Vec<Document>,
    /// Keys of the first command's documents by the number that stands for them in later commands.
    pub keys: HashMap<i64, String>,
    /// Name and place of each value of a row.
    pub columns: Vec<(String, Vec<String>)>,
    /// Whether the order of rows is promised.
    pub ordered: bool,
    /// Microseconds from a queryset to its pipeline.
    pub compile: f64,
    /// Microseconds from text to a queryset; none where a terminal does both at once.
    pub build: Option<f64>,
}

/// Reads the results of `official.py`, errors included.
pub fn official(path: &Path) -> HashMap<String, Result<Official, String>> {
    let text = std::fs::read_to_string(path).unwrap();
    text.lines()
        .map(|line| {
            let json: Json = serde_json::from_str(line).unwrap();
            let name = json["name"].as_str().unwrap().to_owned();
            let result = match json.get("error") {
                Some(error) => Err(error.as_str().unwrap().to_owned()),
                None => Ok(one(&json)),
            };
            (name, result)
        })
        .collect()
}

fn strings(json: &Json) -> Vec<String> {
    json.as_array()
        .into_iter()
        .flatten()
        .map(|v| v.as_str().unwrap().to_owned())
        .collect()
}

fn one(json: &Json) -> Official {
    let commands = json["steps"]
        .as_array()
        .unwrap()
        .iter()
        .map(|step| {
            let collection = step["collection"].as_str().unwrap();
            let pipeline = ejson::from_json(&step["pipeline"]).unwrap();
            bson::doc! {"aggregate": collection, "pipeline": pipeline, "cursor": {}}
        })
        .collect();
    let names = strings(&json["names"]);
    let paths = json["paths"].as_array().unwrap().iter().map(strings);
    Official {
        kind: match json["kind"].as_str().unwrap() {
            "count" => Kind::Count,
            "exists" => Kind::Exists,
            "aggregate" => Kind::Aggregate,
            _ => Kind::Rows,
        },
        commands,
        keys: json["keys"]
            .as_object()
            .unwrap()
            .iter()
            .map(|(number, key)| (number.parse().unwrap(), key.as_str().unwrap().to_owned()))
            .collect(),
        columns: names.into_iter().zip(paths).collect(),
        ordered: json["ordered"].as_bool().unwrap(),
        compile: json["compile_us"].as_f64().unwrap(),
        build: json["build_us"].as_f64(),
    }
}

impl Official {
    /// A later command with the values that the first one found in place of the numbers.
    pub fn bind(&self, command: &Document, first: &[Document]) -> Document {
        match self.replace(&Bson::Document(command.clone()), first) {
            Bson::Document(d) => d,
            _ => Document::new(),
        }
    }

    fn replace(&self, value: &Bson, first: &[Document]) -> Bson {
        match value {
            Bson::Document(d) => Bson::Document(
                d.iter()
                    .map(|(k, v)| (k.clone(), self.replace(v, first)))
                    .collect(),
            ),
            Bson::Array(items) => match items.as_slice() {
                [Bson::Int64(n)] if self.keys.contains_key(n) => {
                    let key = &self.keys[n];
                    let mut values: Vec<i64> =
                        first.iter().filter_map(|d| d.get_i64(key).ok()).collect();
                    values.sort_unstable();
                    values.dedup();
                    Bson::Array(values.into_iter().map(Bson::Int64).collect())
                }
                _ => Bson::Array(items.iter().map(|v| self.replace(v, first)).collect()),
            },
            other => other.clone(),
        }
    }
}
