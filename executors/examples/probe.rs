//! probe
use mqlc_executors::memory::{Engine, database::ejson};
use std::io::BufRead;
fn main() {
    let mut e = Engine::new();
    for line in std::io::stdin().lock().lines() {
        let line = line.unwrap();
        let line = line.trim();
        if line.is_empty() {
            continue;
        }
        if line == "reset" {
            e = Engine::new();
            continue;
        }
        let quiet = line.starts_with('@');
        let j: serde_json::Value = serde_json::from_str(line.trim_start_matches('@')).unwrap();
        let bson::Bson::Document(d) = ejson::from_json(&j).unwrap() else {
            panic!()
        };
        let r = e.run_command("test", d);
        if quiet && r.is_ok() {
            continue;
        }
        match r {
            Ok(r) => {
                let r = if let Ok(c) = r.get_document("cursor") {
                    bson::Bson::Array(c.get_array("firstBatch").unwrap().clone())
                } else {
                    bson::Bson::Document(r)
                };
                println!(
                    "{} => {}",
                    &line[..line.len().min(150)],
                    r.into_relaxed_extjson()
                )
            }
            Err(x) => println!("{} => ERR {x}", &line[..line.len().min(150)]),
        }
    }
}
