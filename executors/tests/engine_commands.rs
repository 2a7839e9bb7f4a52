//! Commands of the embedded engine that the battery does not reach: cursors, catalog, transactions, clock, limits.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]
use bson::{Bson, Document, doc};
use mqlc_executors::memory::{Engine, Limits};

fn run(engine: &Engine, command: Document) -> Document {
    engine.run_command("test", command).unwrap()
}

fn fails(engine: &Engine, command: Document) -> i32 {
    engine.run_command("test", command).unwrap_err().code
}

fn batch(reply: &Document, key: &str) -> Vec<Document> {
    let list = reply
        .get_document("cursor")
        .unwrap()
        .get_array(key)
        .unwrap();
    list.iter()
        .map(|d| d.as_document().unwrap().clone())
        .collect()
}

fn all(engine: &Engine, command: Document) -> Vec<Document> {
    batch(&run(engine, command), "firstBatch")
}

fn numbers(n: i32) -> Engine {
    let engine = Engine::new();
    let docs: Vec<Bson> = (0..n)
        .map(|i| Bson::Document(doc! {"_id": i, "g": i % 3}))
        .collect();
    run(&engine, doc! {"insert": "c", "documents": docs});
    engine
}

/// A cursor gives everything once, in batches, over the snapshot of its start, and is gone at its end.
#[test]
fn cursors_page_over_a_snapshot() {
    let engine = numbers(10);
    let first = run(&engine, doc! {"find": "c", "batchSize": 4});
    let id = first.get_document("cursor").unwrap().get_i64("id").unwrap();
    assert_ne!(id, 0);
    run(
        &engine,
        doc! {"delete": "c", "deletes": [{"q": {}, "limit": 0}]},
    );
    let second = run(
        &engine,
        doc! {"getMore": id, "collection": "c", "batchSize": 4},
    );
    let third = run(&engine, doc! {"getMore": id, "collection": "c"});
    assert_eq!(
        (
            batch(&first, "firstBatch").len(),
            batch(&second, "nextBatch").len(),
            batch(&third, "nextBatch").len()
        ),
        (4, 4, 2)
    );
    assert_eq!(
        third.get_document("cursor").unwrap().get_i64("id").unwrap(),
        0
    );
    assert_eq!(fails(&engine, doc! {"getMore": id, "collection": "c"}), 43);
    assert_eq!(engine.open_cursors(), 0);
}

/// A killed cursor cannot be read.
#[test]
fn cursors_can_be_killed() {
    let engine = numbers(10);
    let reply = run(&engine, doc! {"find": "c", "batchSize": 0});
    let id = reply.get_document("cursor").unwrap().get_i64("id").unwrap();
    let killed = run(&engine, doc! {"killCursors": "c", "cursors": [id, 77_i64]});
    assert_eq!(killed.get_array("cursorsKilled").unwrap().len(), 1);
    assert_eq!(killed.get_array("cursorsNotFound").unwrap().len(), 1);
    assert_eq!(fails(&engine, doc! {"getMore": id, "collection": "c"}), 43);
}

fn marked(mut command: Document, session: &str, number: i64, start: bool) -> Document {
    command.extend(doc! {"lsid": {"id": session}, "txnNumber": number, "autocommit": false});
    if start {
        command.insert("startTransaction", true);
    }
    command
}

/// A transaction reads its snapshot and its own writes; nobody sees it before it commits.
#[test]
fn transactions_are_isolated() {
    let engine = numbers(3);
    run(
        &engine,
        marked(
            doc! {"insert": "c", "documents": [{"_id": 10}]},
            "s",
            1,
            true,
        ),
    );
    assert_eq!(all(&engine, doc! {"find": "c"}).len(), 3);
    run(&engine, doc! {"insert": "c", "documents": [{"_id": 11}]});
    assert_eq!(
        all(&engine, marked(doc! {"find": "c"}, "s", 1, false)).len(),
        4
    );
    run(
        &engine,
        marked(doc! {"commitTransaction": 1}, "s", 1, false),
    );
    assert_eq!(all(&engine, doc! {"find": "c"}).len(), 5);
    // Committing twice is fine; going on is not.
    run(
        &engine,
        marked(doc! {"commitTransaction": 1}, "s", 1, false),
    );
    assert_eq!(
        fails(&engine, marked(doc! {"find": "c"}, "s", 1, false)),
        256
    );
}

/// The first writer wins; the other gets `WriteConflict` with the label that says to try again, and is rolled back.
#[test]
fn write_conflicts_end_the_later_transaction() {
    let engine = numbers(3);
    let inc = || doc! {"update": "c", "updates": [{"q": {"_id": 1}, "u": {"$inc": {"g": 10}}}]};
    run(&engine, marked(inc(), "a", 1, true));
    let conflict = engine
        .run_command("test", marked(inc(), "b", 1, true))
        .unwrap_err();
    assert_eq!(conflict.code, 112);
    assert_eq!(conflict.labels, ["TransientTransactionError"]);
    assert_eq!(fails(&engine, inc()), 112);
    assert_eq!(
        fails(
            &engine,
            marked(doc! {"commitTransaction": 1}, "b", 1, false)
        ),
        251
    );
    run(&engine, marked(doc! {"abortTransaction": 1}, "a", 1, false));
    run(&engine, inc());
    // A snapshot from before somebody else's commit cannot write that document either.
    run(&engine, marked(doc! {"find": "c"}, "d", 1, true));
    run(&engine, inc());
    assert_eq!(fails(&engine, marked(inc(), "d", 1, false)), 112);
}

/// Indexes are listed as made; making one again does nothing; another one of its name is refused.
#[test]
fn indexes_are_listed_and_checked() {
    let engine = numbers(3);
    let make = |spec: Document| doc! {"createIndexes": "c", "indexes": [spec]};
    let made = run(
        &engine,
        make(doc! {"key": {"g": 1, "x": -1}, "name": "gx", "unique": true}),
    );
    assert_eq!(
        (
            made.get_i32("numIndexesBefore").unwrap(),
            made.get_i32("numIndexesAfter").unwrap()
        ),
        (1, 2)
    );
    let again = run(
        &engine,
        make(doc! {"key": {"g": 1, "x": -1}, "name": "gx", "unique": true}),
    );
    assert_eq!(again.get_i32("numIndexesAfter").unwrap(), 2);
    assert_eq!(
        fails(&engine, make(doc! {"key": {"y": 1}, "name": "gx"})),
        86
    );
    assert_eq!(
        fails(
            &engine,
            make(doc! {"key": {"g": 1, "x": -1}, "name": "other", "unique": true})
        ),
        85
    );
    let listed = all(&engine, doc! {"listIndexes": "c"});
    assert_eq!(
        listed[1],
        doc! {"v": 2, "key": {"g": 1, "x": -1}, "name": "gx", "unique": true}
    );
    assert_eq!(
        fails(&engine, doc! {"dropIndexes": "c", "index": "_id_"}),
        72
    );
    run(&engine, doc! {"dropIndexes": "c", "index": "gx"});
    assert_eq!(fails(&engine, doc! {"dropIndexes": "c", "index": "gx"}), 27);
    // A unique index over what is not unique leaves nothing behind.
    run(
        &engine,
        doc! {"insert": "c", "documents": [{"_id": 9, "g": 0}]},
    );
    assert_eq!(
        fails(
            &engine,
            make(doc! {"key": {"g": 1}, "name": "g", "unique": true})
        ),
        11000
    );
    assert_eq!(all(&engine, doc! {"listIndexes": "c"}).len(), 1);
}

/// `explain` names the index and counts what is read.
#[test]
fn explain_shows_the_index() {
    let engine = numbers(30);
    run(
        &engine,
        doc! {"createIndexes": "c", "indexes": [{"key": {"g": 1}, "name": "g"}]},
    );
    let shown = run(&engine, doc! {"explain": {"find": "c", "filter": {"g": 2}}});
    let stage = shown
        .get_document("queryPlanner")
        .unwrap()
        .get_document("winningPlan")
        .unwrap()
        .get_document("inputStage")
        .unwrap();
    assert_eq!(
        (
            stage.get_str("stage").unwrap(),
            stage.get_str("indexName").unwrap()
        ),
        ("IXSCAN", "g")
    );
    let stats = shown.get_document("executionStats").unwrap();
    assert_eq!(
        (
            stats.get_i64("nReturned").unwrap(),
            stats.get_i64("totalDocsExamined").unwrap()
        ),
        (10, 10)
    );
    let scan = run(
        &engine,
        doc! {"explain": {"find": "c", "filter": {"x": 2}}, "verbosity": "queryPlanner"},
    );
    assert_eq!(
        scan.get_document("queryPlanner")
            .unwrap()
            .get_document("winningPlan")
            .unwrap()
            .get_str("stage")
            .unwrap(),
        "COLLSCAN"
    );
}

/// Documents expire by their date, the index's seconds and the engine's clock.
#[test]
fn documents_expire_by_the_clock() {
    let engine = Engine::new();
    engine.set_now(10_000);
    let at = |ms: i64| bson::DateTime::from_millis(ms);
    run(
        &engine,
        doc! {"insert": "c", "documents": [{"_id": 1, "t": at(1000)}, {"_id": 2, "t": at(9000)}, {"_id": 3, "t": 5}]},
    );
    run(
        &engine,
        doc! {"createIndexes": "c", "indexes": [{"key": {"t": 1}, "name": "t", "expireAfterSeconds": 5}]},
    );
    assert_eq!(engine.expire().unwrap(), 1);
    engine.set_now(14_000);
    assert_eq!(engine.expire().unwrap(), 1);
    assert_eq!(all(&engine, doc! {"find": "c"}), [doc! {"_id": 3, "t": 5}]);
    let now = all(
        &engine,
        doc! {"aggregate": "c", "pipeline": [{"$project": {"_id": 0, "now": "$$NOW"}}], "cursor": {}},
    );
    assert_eq!(now, [doc! {"now": at(14_000)}]);
}

/// A validator refuses what does not match, with details.
#[test]
fn validators_are_kept() {
    let engine = Engine::new();
    run(
        &engine,
        doc! {"create": "c", "validator": {"$jsonSchema": {"bsonType": "object", "required": ["n"], "properties": {"n": {"bsonType": "int", "minimum": 0}}}}},
    );
    let reply = run(
        &engine,
        doc! {"insert": "c", "documents": [{"_id": 1, "n": 1}, {"_id": 2, "n": -1}, {"_id": 3}], "ordered": false},
    );
    assert_eq!(reply.get_i32("n").unwrap(), 1);
    let errors = reply.get_array("writeErrors").unwrap();
    assert_eq!(errors.len(), 2);
    assert_eq!(
        errors[0].as_document().unwrap().get_i32("code").unwrap(),
        121
    );
    let update = run(
        &engine,
        doc! {"update": "c", "updates": [{"q": {"_id": 1}, "u": {"$set": {"n": "x"}}}]},
    );
    assert_eq!(update.get_array("writeErrors").unwrap().len(), 1);
}

/// Collation of strength 2: case does not count for finding, grouping, uniqueness and order; without it, it does.
#[test]
fn collation_of_strength_two() {
    let engine = Engine::new();
    run(
        &engine,
        doc! {"insert": "c", "documents": [{"_id": 1, "s": "b"}, {"_id": 2, "s": "A"}, {"_id": 3, "s": "a"}, {"_id": 4, "s": "é"}, {"_id": 5, "s": "e"}]},
    );
    let en = |strength: i32| doc! {"locale": "en", "strength": strength};
    let count = |collation: Document| {
        run(
            &engine,
            doc! {"count": "c", "query": {"s": "a"}, "collation": collation},
        )
        .get_i32("n")
        .unwrap()
    };
    assert_eq!(
        (
            count(en(2)),
            count(en(1)),
            count(en(3)),
            count(doc! {"locale": "simple"})
        ),
        (2, 2, 1, 1)
    );
    let e = |strength: i32| {
        run(
            &engine,
            doc! {"count": "c", "query": {"s": "E"}, "collation": en(strength)},
        )
        .get_i32("n")
        .unwrap()
    };
    assert_eq!((e(1), e(2)), (2, 1));
    let order: Vec<i32> = all(
        &engine,
        doc! {"find": "c", "sort": {"s": 1, "_id": 1}, "collation": en(2)},
    )
    .iter()
    .map(|d| d.get_i32("_id").unwrap())
    .collect();
    assert_eq!(order, [2, 3, 1, 5, 4]);
    let groups = all(
        &engine,
        doc! {"aggregate": "c", "pipeline": [{"$group": {"_id": "$s"}}], "collation": en(2), "cursor": {}},
    );
    assert_eq!(groups.len(), 4);
    assert_eq!(
        fails(
            &engine,
            doc! {"createIndexes": "c", "indexes": [{"key": {"s": 1}, "name": "s", "unique": true, "collation": en(2)}]}
        ),
        11000
    );
    // Punctuation before digits before letters, and lower case first: not the order of bytes.
    run(
        &engine,
        doc! {"insert": "d", "documents": [{"_id": 1, "s": "B"}, {"_id": 2, "s": "a"}, {"_id": 3, "s": "A"}, {"_id": 4, "s": "1"}, {"_id": 5, "s": "_"}]},
    );
    let order: Vec<i32> = all(
        &engine,
        doc! {"find": "d", "sort": {"s": 1}, "collation": en(3)},
    )
    .iter()
    .map(|d| d.get_i32("_id").unwrap())
    .collect();
    assert_eq!(order, [5, 4, 2, 3, 1]);
}

/// A view is its pipeline; it cannot be written.
#[test]
fn views_read_through_their_pipeline() {
    let engine = numbers(6);
    run(
        &engine,
        doc! {"create": "v", "viewOn": "c", "pipeline": [{"$match": {"g": 1}}]},
    );
    assert_eq!(
        all(&engine, doc! {"find": "v", "filter": {"_id": {"$gt": 1}}}),
        [doc! {"_id": 4, "g": 1}]
    );
    assert_eq!(run(&engine, doc! {"count": "v"}).get_i32("n").unwrap(), 2);
    let reply = run(&engine, doc! {"insert": "v", "documents": [{"_id": 1}]});
    assert_eq!(
        reply.get_array("writeErrors").unwrap()[0]
            .as_document()
            .unwrap()
            .get_i32("code")
            .unwrap(),
        166
    );
    let listed = all(
        &engine,
        doc! {"listCollections": 1, "filter": {"type": "view"}},
    );
    assert_eq!(listed[0].get_str("name").unwrap(), "v");
}

/// A stage that would hold more than its share fails as MongoDB's does.
#[test]
fn memory_is_limited() {
    let engine = Engine::with_limits(Limits {
        stage_bytes: 1000,
        ..Limits::default()
    });
    let docs: Vec<Bson> = (0..100)
        .map(|i| Bson::Document(doc! {"_id": i, "s": "x".repeat(100)}))
        .collect();
    run(&engine, doc! {"insert": "c", "documents": docs});
    assert_eq!(fails(&engine, doc! {"find": "c", "sort": {"s": 1}}), 292);
    assert_eq!(
        fails(
            &engine,
            doc! {"aggregate": "c", "pipeline": [{"$group": {"_id": "$_id", "all": {"$push": "$s"}}}], "cursor": {}}
        ),
        292
    );
    // What comes later than the limit is not even read: the last document would be an error.
    for stage in [
        doc! {"$group": {"_id": {"$divide": [1, {"$subtract": [99, "$_id"]}]}, "all": {"$push": "$s"}}},
        doc! {"$bucketAuto": {"groupBy": {"$divide": [1, {"$subtract": [99, "$_id"]}]}, "buckets": 3}},
    ] {
        let command = doc! {"aggregate": "c", "pipeline": [stage], "cursor": {}};
        assert_eq!(fails(&engine, command), 292);
    }
    // With a limit a sort needs little.
    assert_eq!(
        all(&engine, doc! {"find": "c", "sort": {"_id": -1}, "limit": 1})[0]
            .get_i32("_id")
            .unwrap(),
        99
    );
}

/// Writes over several collections in one command, each with its result.
#[test]
fn bulk_writes_report_each_operation() {
    let engine = numbers(2);
    let reply = engine
        .run_command(
            "admin",
            doc! {"bulkWrite": 1, "nsInfo": [{"ns": "test.c"}, {"ns": "test.d"}], "ordered": false, "ops": [
                {"insert": 0, "document": {"_id": 5}}, {"insert": 0, "document": {"_id": 5}}, {"insert": 1, "document": {"_id": 1}},
                {"update": 0, "filter": {"g": 0}, "updateMods": {"$set": {"x": 1}}, "multi": true},
                {"update": 1, "filter": {"_id": 9}, "updateMods": {"$set": {"x": 1}}, "upsert": true}, {"delete": 0, "filter": {"_id": 1}},
            ]},
        )
        .unwrap();
    let count = |k: &str| reply.get_i32(k).unwrap();
    assert_eq!(
        (
            count("nInserted"),
            count("nErrors"),
            count("nMatched"),
            count("nModified"),
            count("nUpserted"),
            count("nDeleted")
        ),
        (2, 1, 1, 1, 1, 1)
    );
    assert_eq!(
        batch(&reply, "firstBatch")[1].get_i32("code").unwrap(),
        11000
    );
}

/// A command that does not exist, arguments that do not exist, documents that are too deep: errors, never panics.
#[test]
fn nonsense_is_refused() {
    let engine = numbers(1);
    assert_eq!(fails(&engine, doc! {"nonsense": 1}), 59);
    assert_eq!(fails(&engine, doc! {}), 59);
    assert_eq!(fails(&engine, doc! {"find": "c", "nonsense": 1}), 40415);
    assert_eq!(fails(&engine, doc! {"find": 5}), 73);
    assert_eq!(fails(&engine, doc! {"find": "c", "filter": 5}), 14);
    let mut deep = Bson::Int32(1);
    for _ in 0..300 {
        deep = Bson::Document(doc! {"$and": [deep]});
    }
    assert_eq!(fails(&engine, doc! {"find": "c", "filter": deep}), 15);
    let mut deep = doc! {"a": 1};
    for _ in 0..90 {
        deep = doc! {"$nor": [deep]};
    }
    run(&engine, doc! {"find": "c", "filter": deep});
}

/// What is as deep as MongoDB allows works, or is refused, on a thread with an ordinary stack.
#[test]
fn deep_things_do_not_overflow() {
    let engine = Engine::new();
    let mut value = Bson::Int32(1);
    for _ in 0..150 {
        value = Bson::Document(doc! {"a": value});
    }
    run(
        &engine,
        doc! {"insert": "c", "documents": [{"_id": 1, "a": value.clone()}, {"_id": 2, "a": value.clone()}]},
    );
    assert_eq!(
        run(&engine, doc! {"count": "c", "query": {"a": value}})
            .get_i32("n")
            .unwrap(),
        2
    );
    let groups = all(
        &engine,
        doc! {"aggregate": "c", "pipeline": [{"$sort": {"a": 1}}, {"$group": {"_id": "$a"}}], "cursor": {}},
    );
    assert_eq!(groups.len(), 1);
    let path = vec!["a"; 150].join(".");
    assert_eq!(
        all(&engine, doc! {"find": "c", "projection": {path.clone(): 1}}).len(),
        2
    );
    run(
        &engine,
        doc! {"update": "c", "updates": [{"q": {}, "u": {"$set": {path: 2}}, "multi": true}]},
    );
    let mut expression = Bson::String("$a".into());
    for _ in 0..90 {
        expression = Bson::Document(doc! {"$not": [expression]});
    }
    let _either = engine.run_command(
        "test",
        doc! {"aggregate": "c", "pipeline": [{"$project": {"x": expression}}], "cursor": {}},
    );
    let mut pipeline = Bson::Array(vec![Bson::Document(doc! {"$limit": 1})]);
    for _ in 0..30 {
        pipeline = Bson::Array(vec![Bson::Document(
            doc! {"$lookup": {"from": "c", "pipeline": pipeline, "as": "x"}},
        )]);
    }
    assert_eq!(
        fails(
            &engine,
            doc! {"aggregate": "c", "pipeline": pipeline, "cursor": {}}
        ),
        232
    );
    let mut pipeline = Bson::Array(vec![Bson::Document(doc! {"$limit": 1})]);
    for _ in 0..18 {
        pipeline = Bson::Array(vec![
            Bson::Document(doc! {"$lookup": {"from": "c", "pipeline": pipeline, "as": "x"}}),
            Bson::Document(doc! {"$limit": 1}),
        ]);
    }
    run(
        &engine,
        doc! {"aggregate": "c", "pipeline": pipeline, "cursor": {}},
    );
}

/// A document that one index refuses leaves no trace in the others.
#[test]
fn refused_documents_leave_no_entries() {
    let engine = Engine::new();
    run(
        &engine,
        doc! {"createIndexes": "c", "indexes": [{"key": {"a": 1}, "name": "a"}, {"key": {"a": 1, "b": 1}, "name": "ab"}, {"key": {"d.x": 1, "d.y": 1}, "name": "d"}]},
    );
    let reply = run(
        &engine,
        doc! {"insert": "c", "documents": [{"_id": 1, "a": [1, 2], "b": [3]}]},
    );
    assert_eq!(
        reply.get_array("writeErrors").unwrap()[0]
            .as_document()
            .unwrap()
            .get_i32("code")
            .unwrap(),
        171
    );
    run(
        &engine,
        doc! {"insert": "c", "documents": [{"_id": 2, "a": [1, 2], "d": [{"x": 1, "y": 2}, {"x": 3, "y": 4}]}]},
    );
    let update = run(
        &engine,
        doc! {"update": "c", "updates": [{"q": {"_id": 2}, "u": {"$set": {"b": [1], "a": [7, 8]}}}]},
    );
    assert_eq!(
        update.get_array("writeErrors").unwrap()[0]
            .as_document()
            .unwrap()
            .get_i32("code")
            .unwrap(),
        171
    );
    assert_eq!(
        all(&engine, doc! {"find": "c", "filter": {"a": 7}}).len(),
        0
    );
    assert_eq!(
        all(
            &engine,
            doc! {"find": "c", "filter": {"a": 2}, "projection": {"_id": 1}}
        ),
        [doc! {"_id": 2}]
    );
    assert_eq!(
        all(
            &engine,
            doc! {"find": "c", "filter": {"d.x": 3, "d.y": 2}, "projection": {"_id": 1}}
        ),
        [doc! {"_id": 2}]
    );
}

/// Many readers beside a writer: each sees whole commands only.
#[test]
fn readers_never_see_half_a_write() {
    let engine = numbers(200);
    let stop = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|threads| {
        for _ in 0..3 {
            threads.spawn(|| {
                while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                    let seen = all(&engine, doc! {"aggregate": "c", "pipeline": [{"$group": {"_id": "$v"}}], "cursor": {}});
                    assert_eq!(seen.len(), 1, "{seen:?}");
                }
            });
        }
        for v in 0..40 {
            run(
                &engine,
                doc! {"update": "c", "updates": [{"q": {}, "u": {"$set": {"v": v}}, "multi": true}]},
            );
        }
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
    });
}

/// Vectors are found exactly, the nearest first, with MongoDB's scores; words with a plain analyzer.
#[test]
fn vectors_and_words_are_found() {
    let engine = Engine::new();
    run(
        &engine,
        doc! {"insert": "c", "documents": [
            {"_id": 1, "v": [1.0, 0.0], "t": "A red fox"}, {"_id": 2, "v": [0.0, 1.0], "t": ["the fox", "fox red"]}, {"_id": 3, "v": [-1, 0], "t": "dogs"}, {"_id": 4, "t": 5},
        ]},
    );
    let near = all(
        &engine,
        doc! {"aggregate": "c", "pipeline": [
            {"$vectorSearch": {"index": "i", "path": "v", "queryVector": [2, 0], "numCandidates": 10, "limit": 2}}, {"$project": {"score": {"$meta": "vectorSearchScore"}}},
        ], "cursor": {}},
    );
    assert_eq!(
        near,
        [doc! {"_id": 1, "score": 1.0}, doc! {"_id": 2, "score": 0.5}]
    );
    let ids = |filter: Document| -> Vec<i32> {
        let found = all(
            &engine,
            doc! {"find": "c", "filter": filter, "sort": {"score": {"$meta": "textScore"}}, "projection": {"_id": 1}},
        );
        assert!(found.iter().all(|d| d.len() == 1), "{found:?}");
        found.iter().map(|d| d.get_i32("_id").unwrap()).collect()
    };
    assert_eq!(ids(doc! {"$text": {"$search": "FOX"}}), [2, 1]);
    assert_eq!(ids(doc! {"$text": {"$search": "\"red fox\""}}), [1]);
    assert_eq!(ids(doc! {"$text": {"$search": "fox -the"}}), [1]);
    let search = all(
        &engine,
        doc! {"aggregate": "c", "pipeline": [{"$search": {"compound": {"should": [{"text": {"query": "red", "path": "t"}}], "mustNot": [{"phrase": {"query": "the fox", "path": "t"}}]}}}], "cursor": {}},
    );
    assert_eq!(search, [doc! {"_id": 1, "v": [1.0, 0.0], "t": "A red fox"}]);
    let found = |search: Document| -> Vec<(i32, f64)> {
        let found = all(
            &engine,
            doc! {"aggregate": "c", "pipeline": [{"$search": search}, {"$project": {"score": {"$meta": "searchScore"}}}], "cursor": {}},
        );
        let one = |d: &Document| (d.get_i32("_id").unwrap(), d.get_f64("score").unwrap());
        found.iter().map(one).collect()
    };
    let constant = doc! {"constant": {"value": 2}};
    let range = doc! {"path": "t", "gte": 5, "score": {"boost": {"value": 3}}};
    assert_eq!(found(doc! {"index": "i", "range": range}), [(4, 3.0)]);
    let several = doc! {"path": "_id", "value": [2, 4, 7], "score": constant.clone()};
    assert_eq!(found(doc! {"in": several}), [(2, 2.0), (4, 2.0)]);
    let all_words =
        doc! {"path": "t", "query": "fox a", "matchCriteria": "all", "score": constant.clone()};
    assert_eq!(found(doc! {"text": all_words}), [(1, 2.0)]);
    let phrases = doc! {"path": "t", "query": ["red fox", "fox red"], "slop": 0, "score": constant};
    assert_eq!(found(doc! {"phrase": phrases}), [(1, 2.0), (2, 2.0)]);
    // What it cannot do, it does not pretend to do.
    for refused in [
        doc! {"text": {"path": "t", "query": "x", "fuzzy": {}}},
        doc! {"phrase": {"path": "t", "query": "x y", "slop": 1}},
        doc! {"text": {"path": {"wildcard": "t*"}, "query": "x"}},
        doc! {"exists": {"path": "t", "score": {"function": {"constant": 1}}}},
        doc! {"exists": {"path": "t"}, "sort": {"t": 1}},
        doc! {"regex": {"path": "t", "query": ".*"}},
    ] {
        let command =
            doc! {"aggregate": "c", "pipeline": [{"$search": refused.clone()}], "cursor": {}};
        let error = engine.run_command("test", command).unwrap_err();
        assert!(
            error.to_string().contains("this engine"),
            "{refused}: {error}"
        );
    }
}

/// A capped collection forgets its oldest documents.
#[test]
fn capped_collections_forget() {
    let engine = Engine::new();
    run(
        &engine,
        doc! {"create": "c", "capped": true, "size": 4096, "max": 3},
    );
    for i in 0..5 {
        run(&engine, doc! {"insert": "c", "documents": [{"_id": i}]});
    }
    assert_eq!(
        all(&engine, doc! {"find": "c"}),
        [doc! {"_id": 2}, doc! {"_id": 3}, doc! {"_id": 4}]
    );
}
