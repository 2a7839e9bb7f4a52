//! How fast the embedded engine is: the best of five runs of each command over 100,000 documents.
//!
//! `cargo bench -p mqlc-executors --bench engine`. Compare figures of one run with each other only.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]
use std::time::{Duration, Instant};

use bson::{Bson, Document, doc, oid::ObjectId};
use mqlc_executors::memory::Engine;
use mqlc_executors::memory::value::Value;

fn filled() -> Engine {
    let engine = Engine::new();
    let mut batch: Vec<Bson> = Vec::new();
    for i in 0..100_000_i32 {
        let d = doc! {
            "_id": i, "name": format!("customer {i}"), "city": format!("city {}", i % 97), "age": 18 + i % 60,
            "amount": f64::from(i % 1000) / 4.0, "tags": ["a", "b", format!("t{}", i % 10)], "address": {"zip": i % 5000, "street": "Long Street"},
        };
        batch.push(Bson::Document(d));
        if batch.len() == 10_000 {
            engine
                .run_command(
                    "test",
                    doc! {"insert": "people", "documents": std::mem::take(&mut batch)},
                )
                .unwrap();
        }
    }
    let orders: Vec<Bson> = (0..10_000_i32).map(|i| Bson::Document(doc! {"_id": ObjectId::from_bytes([u8::try_from(i % 251).unwrap(), 0, 0, 0, 0, 0, 0, 0, 0, 0, u8::try_from(i / 256).unwrap(), u8::try_from(i % 256).unwrap()]), "person": (i * 7) % 100_000, "zip": i % 5000})).collect();
    engine
        .run_command("test", doc! {"insert": "orders", "documents": orders})
        .unwrap();
    engine.run_command("test", doc! {"createIndexes": "people", "indexes": [{"key": {"city": 1, "age": 1}, "name": "city"}]}).unwrap();
    engine
}

fn time(name: &str, engine: &Engine, command: Document) {
    let mut best = Duration::MAX;
    let mut n = 0;
    for _ in 0..5 {
        let start = Instant::now();
        let mut rows = engine.query("test", &command).unwrap();
        n = 0;
        rows.each(|_| {
            n += 1;
            Ok(())
        })
        .unwrap();
        best = best.min(start.elapsed());
    }
    println!("{name}: {best:?} ({n} rows)");
}

fn main() {
    let start = Instant::now();
    let engine = filled();
    println!("fill: {:?}", start.elapsed());
    time("scan", &engine, doc! {"find": "people"});
    time(
        "match",
        &engine,
        doc! {"find": "people", "filter": {"age": {"$gte": 30}, "address.zip": {"$lt": 2500}}},
    );
    time(
        "match array",
        &engine,
        doc! {"find": "people", "filter": {"tags": "t3"}},
    );
    time(
        "match regex",
        &engine,
        doc! {"find": "people", "filter": {"name": {"$regex": "9$"}}},
    );
    time(
        "match expr",
        &engine,
        doc! {"find": "people", "filter": {"$expr": {"$gt": ["$age", "$address.zip"]}}},
    );
    time(
        "match+group",
        &engine,
        doc! {"aggregate": "people", "pipeline": [{"$match": {"age": {"$gte": 30}}}, {"$group": {"_id": "$city", "n": {"$sum": 1}, "total": {"$sum": "$amount"}, "oldest": {"$max": "$age"}}}]},
    );
    time(
        "lookup by _id",
        &engine,
        doc! {"aggregate": "orders", "pipeline": [{"$lookup": {"from": "people", "localField": "person", "foreignField": "_id", "as": "p"}}]},
    );
    time(
        "lookup by hash",
        &engine,
        doc! {"aggregate": "orders", "pipeline": [{"$lookup": {"from": "people", "localField": "zip", "foreignField": "address.zip", "as": "p"}}]},
    );
    time(
        "lookup by pipeline",
        &engine,
        doc! {"aggregate": "orders", "pipeline": [{"$limit": 1000}, {"$lookup": {"from": "people", "let": {"p": "$person"}, "pipeline": [{"$match": {"$expr": {"$eq": ["$_id", "$$p"]}}}], "as": "p"}}]},
    );
    time(
        "lookup+unwind+match",
        &engine,
        doc! {"aggregate": "orders", "pipeline": [{"$lookup": {"from": "people", "localField": "person", "foreignField": "_id", "as": "p"}}, {"$unwind": "$p"}, {"$match": {"p.age": {"$gt": 50}}}, {"$count": "n"}]},
    );
    time(
        "sort+limit",
        &engine,
        doc! {"find": "people", "sort": {"amount": -1, "name": 1}, "limit": 10},
    );
    time(
        "sort",
        &engine,
        doc! {"find": "people", "sort": {"amount": -1}},
    );
    time(
        "sort by index",
        &engine,
        doc! {"find": "people", "sort": {"city": 1, "age": 1}, "limit": 10},
    );
    time(
        "add+project",
        &engine,
        doc! {"aggregate": "people", "pipeline": [{"$addFields": {"x": {"$add": ["$age", 1]}}}, {"$project": {"x": 1, "name": 1}}]},
    );
    time(
        "unwind+group",
        &engine,
        doc! {"aggregate": "people", "pipeline": [{"$unwind": "$tags"}, {"$group": {"_id": "$tags", "n": {"$sum": 1}}}]},
    );
    let start = Instant::now();
    let n: i32 = 100_000;
    for i in 0..n {
        assert!(
            engine
                .get("test", "people", &Value::Int32((i * 31) % n))
                .is_some()
        );
    }
    println!("get by _id: {:?}", start.elapsed() / 100_000);
    let start = Instant::now();
    for i in 0..10_000 {
        let mut rows = engine
            .query(
                "test",
                &doc! {"find": "people", "filter": {"_id": (i * 31) % n}},
            )
            .unwrap();
        assert!(rows.next_document().unwrap().is_some());
    }
    let find = start.elapsed() / 10_000;
    println!("find by _id: {find:?}");
    let start = Instant::now();
    for i in 0..10_000 {
        engine.run_command("test", doc! {"update": "people", "updates": [{"q": {"_id": (i * 31) % n}, "u": {"$inc": {"age": 1}}}]}).unwrap();
    }
    println!("update by _id: {:?}", start.elapsed() / 10_000);
}
