//! Every recorded queryset (of the corpus in the folder that `MQLC_CORPUS` names) keeps its plan sound through the rules.
//! With `MQLC_TIMES=1` the times of binding and rewriting are printed.
//! With `MQLC_PLANS=text` the plans of cases whose line holds the text are printed.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::Arc;

use mqlc_compiler::queryset::Statement;
use mqlc_compiler::schema::{Schema, SchemaSpec};
use mqlc_compiler::trace::Trace;
use mqlc_compiler::{Code, Compiler, plan, rewrite};

#[derive(serde::Deserialize)]
struct Recording {
    id: String,
    schema: String,
    statement: serde_json::Value,
    content_types: Option<indexmap::IndexMap<String, i64>>,
}

/// Plans of recorded statements satisfy every invariant before and after each rule.
#[test]
fn recorded_plans_stay_sound() {
    let Ok(dir) = std::env::var("MQLC_CORPUS") else {
        return;
    };
    let dir = Path::new(&dir);
    let wanted = std::env::var("MQLC_PLANS").ok();
    let mut schemas: HashMap<String, Arc<Schema>> = HashMap::new();
    let times_wanted = std::env::var_os("MQLC_TIMES").is_some();
    let mut times: Vec<(u128, u128)> = Vec::new();
    let (mut sound, mut refused) = (0_u32, 0_u32);
    let mut fired: BTreeMap<&'static str, u32> = BTreeMap::new();
    let mut failures = Vec::new();
    let mut files: Vec<_> = std::fs::read_dir(dir.join("cases"))
        .expect("the corpus has cases")
        .map(|f| f.expect("a file").path())
        .collect();
    files.sort();
    for file in files {
        for line in std::fs::read_to_string(file).expect("a text").lines() {
            let recording: Recording = serde_json::from_str(line).expect("a case");
            let schema = schemas.entry(recording.schema.clone()).or_insert_with(|| {
                let path = dir
                    .join("schema")
                    .join(format!("{}.json", recording.schema));
                let text = std::fs::read_to_string(path).expect("a schema");
                Arc::new(
                    Schema::new(SchemaSpec::from_json(&text).expect("a schema"))
                        .expect("a sound schema"),
                )
            });
            let schema = match recording.content_types {
                Some(types) => Arc::new((**schema).clone().with_content_types(types)),
                None => Arc::clone(schema),
            };
            let compiler = Compiler::new(Arc::clone(&schema));
            let Ok(statement) = Statement::from_json(&recording.statement.to_string()) else {
                continue;
            };
            let Ok(mut bound) = compiler.bind(&statement) else {
                refused += 1;
                continue;
            };
            let show = wanted.as_ref().is_some_and(|w| line.contains(w));
            if show {
                println!("## {}\n{bound}", recording.id);
            }
            if times_wanted {
                let again = |bound: bool| {
                    let mut best = u128::MAX;
                    for _ in 0..5 {
                        let start = std::time::Instant::now();
                        let mut plan = compiler.bind(&statement).expect("it was bound before");
                        let time = if bound {
                            start.elapsed()
                        } else {
                            let start = std::time::Instant::now();
                            let target = mqlc_compiler::target::Target::default();
                            let _ =
                                rewrite::rewrite(&mut plan, &schema, &target, &mut Trace::brief());
                            start.elapsed()
                        };
                        best = best.min(time.as_nanos());
                    }
                    best
                };
                times.push((again(true), again(false)));
            }
            let mut trace = Trace::brief();
            let target = mqlc_compiler::target::Target::default();
            match rewrite::rewrite(&mut bound, &schema, &target, &mut trace)
                .and_then(|()| plan::check(&bound))
            {
                Ok(()) => sound += 1,
                Err(e) if e.code() == Code::Limit => refused += 1,
                Err(e) => failures.push(format!("{}: {e}", recording.id)),
            }
            for rule in trace.rules() {
                *fired.entry(rule).or_default() += 1;
            }
            if show {
                println!("=> {:?}\n{bound}", trace.rules());
            }
        }
    }
    println!("{sound} plans are sound, {refused} statements are refused");
    for (what, mut list) in [
        ("bind", times.iter().map(|t| t.0).collect::<Vec<_>>()),
        ("rewrite", times.iter().map(|t| t.1).collect()),
    ] {
        list.sort_unstable();
        if !list.is_empty() {
            let at = |p: usize| list[(list.len() - 1) * p / 100];
            println!(
                "{what}: median {} ns, p90 {} ns, p99 {} ns",
                at(50),
                at(90),
                at(99)
            );
        }
    }
    for (rule, times) in fired {
        println!("{times:6} {rule}");
    }
    for failure in failures.iter().take(12) {
        println!("{failure}\n");
    }
    assert!(failures.is_empty(), "{} plans break", failures.len());
}
