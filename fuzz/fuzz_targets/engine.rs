#![no_main]
//! Commands of the embedded engine: any BSON document, and any pipeline, filter and update over a few documents.

use bson::{Bson, Document, doc};
use libfuzzer_sys::fuzz_target;
use mqlc::executors::MemoryExecutor;

fuzz_target!(|bytes: &[u8]| {
    let Ok(given) = Document::from_reader(bytes) else {
        return;
    };
    let executor = MemoryExecutor::new();
    let run = |command: Document| executor.engine().run_command("test", command);
    let documents = vec![
        doc! {"_id": 1, "a": 1, "b": "x", "c": [1, 2, null], "d": {"e": 1.5}},
        doc! {"_id": 2, "a": null, "c": []},
    ];
    let _ = run(doc! {"insert": "c", "documents": documents});
    let stages: Vec<Bson> = given.values().cloned().collect();
    let _ = run(doc! {"find": "c", "filter": given.clone()});
    let _ = run(doc! {"aggregate": "c", "pipeline": stages, "cursor": {}});
    let _ = run(doc! {"aggregate": "c", "pipeline": [{"$project": {"x": given.clone()}}], "cursor": {}});
    let _ = run(doc! {"update": "c", "updates": [{"q": {}, "u": given.clone(), "multi": true}]});
    let _ = run(given);
});
