//! The engine's part of `benches/peers/run.py`: the work of a file of commands, timed, as JSON on the standard output.
//!
//! `cargo bench -p mqlc-executors --bench peers -- DIRECTORY`, where the directory holds `data/<collection>.jsonl` and `work.json`
//! as that script writes them. Without a directory there is nothing to do.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)] // a benchmark may fail loudly
use std::path::{Path, PathBuf};
use std::time::Instant;

use bson::{Bson, Document, doc};
use mqlc_executors::memory::Engine;

fn to_document(v: &serde_json::Value) -> Document {
    match Bson::try_from(v.clone()).unwrap() {
        Bson::Document(d) => d,
        _ => Document::new(),
    }
}

fn fill(engine: &Engine, root: &Path, name: &str) {
    let text = std::fs::read_to_string(root.join("data").join(format!("{name}.jsonl"))).unwrap();
    let documents: Vec<Bson> = text
        .lines()
        .map(|line| Bson::Document(to_document(&serde_json::from_str(line).unwrap())))
        .collect();
    for batch in documents.chunks(10_000) {
        engine
            .run_command("test", doc! {"insert": name, "documents": batch.to_vec()})
            .unwrap();
    }
}

fn main() {
    let Some(root) = std::env::args()
        .skip(1)
        .map(PathBuf::from)
        .find(|p| p.join("work.json").is_file())
    else {
        return;
    };
    let work: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(root.join("work.json")).unwrap()).unwrap();
    let engine = Engine::new();
    for (name, indexes) in work["collections"].as_object().unwrap() {
        fill(&engine, &root, name);
        for key in indexes.as_array().unwrap() {
            let index = doc! {"key": to_document(key), "name": key.to_string()};
            engine
                .run_command("test", doc! {"createIndexes": name, "indexes": [index]})
                .unwrap();
        }
    }
    let mut out = serde_json::Map::new();
    for task in work["tasks"].as_array().unwrap() {
        let name = task["name"].as_str().unwrap();
        let commands: Vec<Document> = task["commands"]
            .as_array()
            .unwrap()
            .iter()
            .map(to_document)
            .collect();
        let mut best = f64::MAX;
        let mut rows = 0;
        for _ in 0..task["repeat"].as_u64().unwrap_or(3).max(5) {
            let start = Instant::now();
            rows = 0;
            for command in &commands {
                // As the peers do, hand out a list of the library's own documents.
                let mut list = Vec::new();
                let mut found = engine.query("test", command).unwrap();
                found
                    .each(|doc| {
                        list.push(doc);
                        Ok(())
                    })
                    .unwrap();
                rows += list.len();
                std::hint::black_box(list);
            }
            best = best.min(start.elapsed().as_secs_f64());
        }
        out.insert(
            name.to_owned(),
            serde_json::json!({"seconds": best, "rows": rows}),
        );
    }
    println!("{}", serde_json::Value::Object(out));
}
