//! How fast the embedded engine is, over 100,000 documents.
//!
//! `cargo bench -p mqlc-executors --bench engine`. Compare figures of one run with each other only.
#![allow(missing_docs)] // criterion's macros make undocumented functions
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)] // a benchmark may fail loudly
use std::time::Duration;

use bson::{Bson, Document, doc, oid::ObjectId};
use criterion::{Criterion, criterion_group, criterion_main};
use mqlc_executors::memory::Engine;
use mqlc_executors::memory::value::Value;

const PEOPLE: i32 = 100_000;

fn filled() -> Engine {
    let engine = Engine::new();
    let mut batch: Vec<Bson> = Vec::new();
    for i in 0..PEOPLE {
        let d = doc! {
            "_id": i, "name": format!("customer {i}"), "city": format!("city {}", i % 97), "age": 18 + i % 60,
            "amount": f64::from(i % 1000) / 4.0, "tags": ["a", "b", format!("t{}", i % 10)], "address": {"zip": i % 5000, "street": "Long Street"},
        };
        batch.push(Bson::Document(d));
        if batch.len() == 10_000 {
            let documents = std::mem::take(&mut batch);
            engine
                .run_command("test", doc! {"insert": "people", "documents": documents})
                .unwrap();
        }
    }
    let oid = |i: i32| {
        let mut bytes = [0; 12];
        bytes[8..].copy_from_slice(&i.to_be_bytes());
        ObjectId::from_bytes(bytes)
    };
    let orders: Vec<Bson> = (0..10_000_i32)
        .map(|i| Bson::Document(doc! {"_id": oid(i), "person": (i * 7) % PEOPLE, "zip": i % 5000}))
        .collect();
    engine
        .run_command("test", doc! {"insert": "orders", "documents": orders})
        .unwrap();
    engine
        .run_command("test", doc! {"createIndexes": "people", "indexes": [{"key": {"city": 1, "age": 1}, "name": "city"}, {"key": {"name": 1}, "name": "name"}]})
        .unwrap();
    engine
}

fn rows(engine: &Engine, command: &Document) -> usize {
    let mut n = 0;
    let mut rows = engine.query("test", command).unwrap();
    rows.each(|_| {
        n += 1;
        Ok(())
    })
    .unwrap();
    n
}

fn commands() -> Vec<(&'static str, Document)> {
    vec![
        ("scan", doc! {"find": "people"}),
        (
            "match",
            doc! {"find": "people", "filter": {"age": {"$gte": 30}, "address.zip": {"$lt": 2500}}},
        ),
        (
            "match in arrays",
            doc! {"find": "people", "filter": {"tags": "t3"}},
        ),
        (
            "match by pattern",
            doc! {"find": "people", "filter": {"name": {"$regex": "9$"}}},
        ),
        (
            "match by expression",
            doc! {"find": "people", "filter": {"$expr": {"$gt": ["$age", "$address.zip"]}}},
        ),
        (
            "match and group",
            doc! {"aggregate": "people", "pipeline": [{"$match": {"age": {"$gte": 30}}}, {"$group": {"_id": "$city", "n": {"$sum": 1}, "total": {"$sum": "$amount"}, "oldest": {"$max": "$age"}}}]},
        ),
        (
            "lookup by _id",
            doc! {"aggregate": "orders", "pipeline": [{"$lookup": {"from": "people", "localField": "person", "foreignField": "_id", "as": "p"}}]},
        ),
        (
            "lookup by hash",
            doc! {"aggregate": "orders", "pipeline": [{"$lookup": {"from": "people", "localField": "zip", "foreignField": "address.zip", "as": "p"}}]},
        ),
        (
            "lookup by pipeline",
            doc! {"aggregate": "orders", "pipeline": [{"$lookup": {"from": "people", "let": {"p": "$person"}, "pipeline": [{"$match": {"$expr": {"$eq": ["$_id", "$$p"]}}}], "as": "p"}}]},
        ),
        (
            "lookup, unwind, match",
            doc! {"aggregate": "orders", "pipeline": [{"$lookup": {"from": "people", "localField": "person", "foreignField": "_id", "as": "p"}}, {"$unwind": "$p"}, {"$match": {"p.age": {"$gt": 50}}}, {"$count": "n"}]},
        ),
        (
            "sort and limit",
            doc! {"find": "people", "sort": {"amount": -1, "address.zip": 1}, "limit": 10},
        ),
        ("sort", doc! {"find": "people", "sort": {"amount": -1}}),
        (
            "sort by index and limit",
            doc! {"find": "people", "sort": {"city": 1, "age": 1}, "limit": 10},
        ),
        (
            "add and project",
            doc! {"aggregate": "people", "pipeline": [{"$addFields": {"x": {"$add": ["$age", 1]}}}, {"$project": {"x": 1, "name": 1}}]},
        ),
        (
            "unwind and group",
            doc! {"aggregate": "people", "pipeline": [{"$unwind": "$tags"}, {"$group": {"_id": "$tags", "n": {"$sum": 1}}}]},
        ),
    ]
}

fn pipelines(c: &mut Criterion) {
    let engine = filled();
    let mut group = c.benchmark_group("engine");
    group
        .sample_size(10)
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_millis(800));
    for (name, command) in commands() {
        group.bench_function(name, |b| b.iter(|| rows(&engine, &command)));
    }
    group.finish();
}

fn points(c: &mut Criterion) {
    let engine = filled();
    let mut group = c.benchmark_group("engine, one document");
    group
        .sample_size(20)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1));
    let mut i = 0;
    let mut next = move || {
        i = (i + 31) % PEOPLE;
        i
    };
    group.bench_function("get by _id", |b| {
        b.iter(|| {
            let id = Value::Int32(next());
            assert!(engine.get("test", "people", &id).is_some());
        });
    });
    group.bench_function("find by _id", |b| {
        b.iter(|| rows(&engine, &doc! {"find": "people", "filter": {"_id": next()}}));
    });
    group.bench_function("find by index", |b| {
        b.iter(|| {
            let name = format!("customer {}", next());
            rows(&engine, &doc! {"find": "people", "filter": {"name": name}})
        });
    });
    group.bench_function("update by _id", |b| {
        b.iter(|| {
            let update = doc! {"update": "people", "updates": [{"q": {"_id": next()}, "u": {"$inc": {"age": 1}}}]};
            engine.run_command("test", update).unwrap()
        });
    });
    group.bench_function("insert", |b| {
        b.iter(|| {
            let insert = doc! {"insert": "people", "documents": [{"name": "new", "age": 1}]};
            engine.run_command("test", insert).unwrap()
        });
    });
    group.finish();
}

fn files(c: &mut Criterion) {
    let engine = filled();
    let dir = std::env::temp_dir().join(format!("mqlc-bench-{}", std::process::id()));
    let mut group = c.benchmark_group("engine, files");
    group
        .sample_size(10)
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_secs(2));
    group.bench_function("save", |b| b.iter(|| engine.save(&dir).unwrap()));
    engine.save(&dir).unwrap();
    group.bench_function("load", |b| {
        b.iter(|| {
            let loaded = Engine::new();
            loaded.load(&dir).unwrap();
            loaded
        });
    });
    group.finish();
    std::fs::remove_dir_all(&dir).unwrap();
}

criterion_group!(benches, pipelines, points, files);
criterion_main!(benches);
