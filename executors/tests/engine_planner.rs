//! What a command may say about how it is run: `hint`, `$natural`, `maxTimeMS`, `allowDiskUse`; and what `explain` says of it.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]
use bson::{Bson, Document, doc};
use mqlc_executors::memory::Engine;

fn run(engine: &Engine, command: Document) -> Document {
    engine.run_command("test", command).unwrap()
}

fn code(engine: &Engine, command: Document) -> i32 {
    engine.run_command("test", command).unwrap_err().code
}

fn ids(engine: &Engine, command: Document) -> Vec<i32> {
    engine
        .query("test", &command)
        .unwrap()
        .map(|d| i32::try_from(d.unwrap().get("_id").as_i64().unwrap()).unwrap())
        .collect()
}

fn filled(n: i32) -> Engine {
    let engine = Engine::new();
    let docs: Vec<Bson> = (0..n)
        .map(|i| Bson::Document(doc! {"_id": i, "g": i % 3, "h": -i, "s": format!("s{i}")}))
        .collect();
    run(&engine, doc! {"insert": "c", "documents": docs});
    run(
        &engine,
        doc! {"createIndexes": "c", "indexes": [
            {"key": {"g": 1}, "name": "g"}, {"key": {"h": -1, "g": 1}, "name": "h"}, {"key": {"s": 1}, "name": "s"},
            {"key": {"z": 1}, "name": "sparse", "sparse": true},
        ]},
    );
    engine
}

fn scan(engine: &Engine, command: Document) -> Document {
    let shown = run(engine, doc! {"explain": command});
    let mut stage = shown
        .get_document("queryPlanner")
        .unwrap()
        .get_document("winningPlan")
        .unwrap()
        .clone();
    while let Ok(inner) = stage.get_document("inputStage") {
        stage = inner.clone();
    }
    stage
}

/// Every command takes a hint by name and by key pattern, and `explain` shows that it is followed.
#[test]
fn hints_are_followed() {
    let engine = filled(30);
    let commands = [
        doc! {"find": "c", "filter": {"_id": 4}},
        doc! {"aggregate": "c", "pipeline": [{"$match": {"_id": 4}}], "cursor": {}},
        doc! {"count": "c", "query": {"_id": 4}},
        doc! {"distinct": "c", "key": "g", "query": {"_id": 4}},
        doc! {"findAndModify": "c", "query": {"_id": 4}, "update": {"$set": {"k": 1}}},
    ];
    for command in commands {
        assert_eq!(
            scan(&engine, command.clone()).get_str("indexName").unwrap(),
            "_id_"
        );
        for hint in [Bson::from("h"), Bson::from(doc! {"h": -1, "g": 1})] {
            let mut hinted = command.clone();
            hinted.insert("hint", hint);
            assert_eq!(
                scan(&engine, hinted.clone()).get_str("indexName").unwrap(),
                "h"
            );
            run(&engine, hinted);
        }
        let mut natural = command.clone();
        natural.insert("hint", doc! {"$natural": 1});
        assert_eq!(scan(&engine, natural).get_str("stage").unwrap(), "COLLSCAN");
    }
    for (command, list) in [("update", "updates"), ("delete", "deletes")] {
        let statement = doc! {"q": {"_id": 4}, "u": {"$set": {"k": 2}}, "limit": 1, "hint": "g"};
        let plan = scan(&engine, doc! {command: "c", list: [statement]});
        assert_eq!(plan.get_str("indexName").unwrap(), "g");
    }
}

/// A hint that names no index is refused as a server refuses it, on every command; without a collection there is nothing to refuse.
#[test]
fn unknown_hints_are_refused() {
    let engine = filled(3);
    for hint in [
        Bson::from("no"),
        Bson::from(doc! {"g": -1}),
        Bson::from(doc! {"h": -1}),
    ] {
        for command in [
            doc! {"find": "c", "hint": hint.clone()},
            doc! {"aggregate": "c", "pipeline": [], "cursor": {}, "hint": hint.clone()},
            doc! {"count": "c", "query": {"g": 1}, "hint": hint.clone()},
            doc! {"distinct": "c", "key": "g", "hint": hint.clone()},
            doc! {"findAndModify": "c", "query": {}, "remove": true, "hint": hint.clone()},
        ] {
            let error = engine.run_command("test", command).unwrap_err();
            assert_eq!((error.code, error.code_name), (2, "BadValue"));
            assert!(
                error
                    .message
                    .contains("hint provided does not correspond to an existing index")
            );
        }
        let update = doc! {"update": "c", "updates": [{"q": {}, "u": {"$set": {"k": 1}}, "hint": hint.clone()}]};
        let errors = run(&engine, update);
        let error = errors.get_array("writeErrors").unwrap()[0]
            .as_document()
            .unwrap();
        assert_eq!(error.get_i32("code").unwrap(), 2);
        assert!(
            run(&engine, doc! {"find": "none", "hint": hint})
                .get_document("cursor")
                .is_ok()
        );
    }
    assert_eq!(code(&engine, doc! {"find": "c", "hint": 5}), 9);
    assert_eq!(
        code(&engine, doc! {"find": "c", "hint": {"$natural": 7}}),
        2
    );
}

/// A hinted sparse index gives the documents that it has, even when those are not all.
#[test]
fn a_hinted_sparse_index_decides() {
    let engine = filled(5);
    run(
        &engine,
        doc! {"insert": "c", "documents": [{"_id": 9, "z": 1}]},
    );
    assert_eq!(
        ids(&engine, doc! {"find": "c", "filter": {}, "hint": "sparse"}),
        [9]
    );
}

/// `$natural` reads in the order of insertion or its reverse, as a hint and as a sort.
#[test]
fn natural_order_both_ways() {
    let engine = filled(4);
    assert_eq!(
        ids(&engine, doc! {"find": "c", "sort": {"$natural": -1}}),
        [3, 2, 1, 0]
    );
    assert_eq!(
        ids(&engine, doc! {"find": "c", "sort": {"$natural": 1}}),
        [0, 1, 2, 3]
    );
    assert_eq!(
        ids(
            &engine,
            doc! {"find": "c", "hint": {"$natural": -1}, "limit": 2}
        ),
        [3, 2]
    );
    assert_eq!(
        ids(
            &engine,
            doc! {"aggregate": "c", "pipeline": [{"$match": {"g": 0}}], "cursor": {}, "hint": {"$natural": -1}}
        ),
        [3, 0]
    );
}

/// Bounds read as a server's: open and closed ends, the ends of types, directions.
#[test]
fn explain_shows_bounds_as_text() {
    let engine = filled(3);
    let cases = [
        (doc! {"g": 1}, "g", "g", vec!["[1, 1]"]),
        (
            doc! {"g": {"$in": [2, 1]}},
            "g",
            "g",
            vec!["[1, 1]", "[2, 2]"],
        ),
        (
            doc! {"g": {"$gt": 1, "$lte": 5.5}},
            "g",
            "g",
            vec!["(1, 5.5]"],
        ),
        (doc! {"g": {"$gte": 1}}, "g", "g", vec!["[1, inf.0]"]),
        (doc! {"g": {"$lt": 1}}, "g", "g", vec!["[-inf.0, 1)"]),
        (doc! {"g": {"$gt": "a"}}, "g", "g", vec!["(\"a\", {})"]),
        (doc! {"h": {"$lt": 1}}, "h", "h", vec!["(1, -inf.0]"]),
        (doc! {"h": 0}, "h", "g", vec!["[MinKey, MaxKey]"]),
        (
            doc! {"s": {"$regex": "^ab"}},
            "s",
            "s",
            vec!["[\"ab\", \"ac\")", "[/^ab/, /^ab/]"],
        ),
        (doc! {"g": null}, "g", "g", vec!["[null, null]"]),
    ];
    for (filter, index, field, expected) in cases {
        let stage = scan(&engine, doc! {"find": "c", "filter": filter.clone()});
        assert_eq!(stage.get_str("indexName").unwrap(), index, "{filter}");
        let bounds: Vec<&str> = stage
            .get_document("indexBounds")
            .unwrap()
            .get_array(field)
            .unwrap()
            .iter()
            .map(|b| b.as_str().unwrap())
            .collect();
        assert_eq!(bounds, expected, "{filter}");
    }
    let backward = scan(
        &engine,
        doc! {"find": "c", "filter": {"g": {"$gte": 1}}, "sort": {"g": -1}},
    );
    assert_eq!(backward.get_str("direction").unwrap(), "backward");
    assert_eq!(
        backward
            .get_document("indexBounds")
            .unwrap()
            .get_array("g")
            .unwrap(),
        &vec![Bson::from("[inf.0, 1]")]
    );
}

/// The plan of a `find` names its stages, and the statistics say what was read; options are echoed.
#[test]
fn explain_names_stages_and_counts() {
    let engine = filled(30);
    let find = doc! {"find": "c", "filter": {"g": 1}, "sort": {"s": 1}, "skip": 1, "limit": 3, "projection": {"s": 1}, "hint": "g", "maxTimeMS": 5000};
    let shown = run(
        &engine,
        doc! {"explain": find, "verbosity": "executionStats"},
    );
    let mut stage = shown
        .get_document("queryPlanner")
        .unwrap()
        .get_document("winningPlan")
        .unwrap();
    let mut names = vec![stage.get_str("stage").unwrap()];
    while let Ok(inner) = stage.get_document("inputStage") {
        stage = inner;
        names.push(stage.get_str("stage").unwrap());
    }
    assert_eq!(
        names,
        ["PROJECTION_SIMPLE", "SKIP", "SORT", "FETCH", "IXSCAN"]
    );
    let stats = shown.get_document("executionStats").unwrap();
    let count = |key: &str| stats.get_i64(key).unwrap();
    assert_eq!(
        (
            count("nReturned"),
            count("totalKeysExamined"),
            count("totalDocsExamined")
        ),
        (3, 10, 10)
    );
    let command = shown.get_document("command").unwrap();
    assert_eq!(
        (
            command.get_str("hint").unwrap(),
            command.get_i32("maxTimeMS").unwrap()
        ),
        ("g", 5000)
    );
    let update = run(
        &engine,
        doc! {"explain": {"update": "c", "updates": [{"q": {"g": 1}, "u": {"$set": {"k": 1}}, "multi": true}]}},
    );
    let stages = update
        .get_document("executionStats")
        .unwrap()
        .get_document("executionStages")
        .unwrap();
    assert_eq!(
        (
            stages.get_str("stage").unwrap(),
            stages.get_i64("nWouldModify").unwrap()
        ),
        ("UPDATE", 10)
    );
    assert_eq!(
        code(
            &engine,
            doc! {"explain": {"find": "c"}, "verbosity": "much"}
        ),
        2
    );
}

/// A time limit ends scans, sorts, groups, unwinds and loops in expressions, with MongoDB's error.
#[test]
fn time_limits_end_commands() {
    let engine = Engine::new();
    let docs: Vec<Bson> = (0..2000).map(|i| Bson::Document(doc! {"_id": i})).collect();
    run(&engine, doc! {"insert": "c", "documents": docs});
    let many = doc! {"$lookup": {"from": "c", "pipeline": [{"$match": {"none": {"$exists": false}}}], "as": "all"}};
    let pipelines = [
        vec![
            many.clone(),
            doc! {"$unwind": "$all"},
            doc! {"$match": {"none": 1}},
        ],
        vec![
            many.clone(),
            doc! {"$unwind": "$all"},
            doc! {"$sort": {"all._id": -1}},
        ],
        vec![
            many.clone(),
            doc! {"$unwind": "$all"},
            doc! {"$group": {"_id": "$all._id", "n": {"$sum": 1}}},
        ],
        vec![
            doc! {"$project": {"x": {"$reduce": {"input": {"$range": [0, 1_000_000]}, "initialValue": 0, "in": {"$add": ["$$value", "$$this"]}}}}},
        ],
    ];
    for pipeline in pipelines {
        let begun = std::time::Instant::now();
        let command = doc! {"aggregate": "c", "pipeline": pipeline, "cursor": {}, "maxTimeMS": 30};
        let error = engine.run_command("test", command).unwrap_err();
        assert_eq!((error.code, error.code_name), (50, "MaxTimeMSExpired"));
        assert!(begun.elapsed().as_secs() < 5, "{:?}", begun.elapsed());
    }
    let slow = doc! {"$expr": {"$eq": [{"$reduce": {"input": {"$range": [0, 20_000]}, "initialValue": 0, "in": {"$add": ["$$value", "$$this"]}}}, 1]}};
    for command in [
        doc! {"find": "c", "filter": slow.clone(), "maxTimeMS": 30},
        doc! {"count": "c", "query": slow.clone(), "maxTimeMS": 30},
        doc! {"distinct": "c", "key": "_id", "query": slow.clone(), "maxTimeMS": 30},
        doc! {"update": "c", "updates": [{"q": slow.clone(), "u": {"$set": {"x": 1}}, "multi": true}], "maxTimeMS": 30},
        doc! {"delete": "c", "deletes": [{"q": slow.clone(), "limit": 0}], "maxTimeMS": 30},
        doc! {"findAndModify": "c", "query": slow, "remove": true, "maxTimeMS": 30},
    ] {
        assert_eq!(code(&engine, command.clone()), 50, "{command}");
    }
}

/// The time of a cursor is that of all its batches together; the client's own time does not count.
#[test]
fn time_limits_count_over_batches() {
    let engine = filled(100);
    let slow = doc! {"x": {"$reduce": {"input": {"$range": [0, 20_000]}, "initialValue": 0, "in": {"$add": ["$$value", "$$this"]}}}};
    let first = run(
        &engine,
        doc! {"aggregate": "c", "pipeline": [{"$project": slow}], "cursor": {"batchSize": 0}, "maxTimeMS": 60},
    );
    let id = first.get_document("cursor").unwrap().get_i64("id").unwrap();
    std::thread::sleep(std::time::Duration::from_millis(80));
    assert_eq!(
        code(
            &engine,
            doc! {"getMore": id, "collection": "c", "maxTimeMS": 5}
        ),
        2
    );
    let mut last = Ok(Document::new());
    for _ in 0..100 {
        last = engine.run_command(
            "test",
            doc! {"getMore": id, "collection": "c", "batchSize": 1},
        );
        if last.is_err() {
            break;
        }
    }
    assert_eq!(last.unwrap_err().code, 50);
}

/// Limits out of range are refused; 0 is no limit.
#[test]
fn time_limits_are_checked() {
    let engine = filled(3);
    assert_eq!(code(&engine, doc! {"find": "c", "maxTimeMS": -1}), 2);
    assert_eq!(
        code(&engine, doc! {"find": "c", "maxTimeMS": 3_000_000_000_i64}),
        2
    );
    assert_eq!(code(&engine, doc! {"find": "c", "maxTimeMS": "5"}), 14);
    run(&engine, doc! {"find": "c", "maxTimeMS": 0});
}

/// A stored regular expression equals a pattern with the same text: an index finds it too.
#[test]
fn stored_patterns_are_found_by_index() {
    let engine = Engine::new();
    let pattern = bson::Regex {
        pattern: "^ab".to_owned().try_into().unwrap(),
        options: String::new().try_into().unwrap(),
    };
    run(&engine, doc! {"create": "d"});
    run(
        &engine,
        doc! {"createIndexes": "d", "indexes": [{"key": {"s": 1}, "name": "s"}, {"key": {"t": -1}, "name": "t"}]},
    );
    run(
        &engine,
        doc! {"insert": "d", "documents": [{"_id": 1, "s": "abc", "t": "abc"}, {"_id": 2, "s": pattern.clone(), "t": pattern.clone()}, {"_id": 3, "s": "b", "t": "b"}]},
    );
    for field in ["s", "t"] {
        let mut found = ids(
            &engine,
            doc! {"find": "d", "filter": {field: pattern.clone()}, "hint": field},
        );
        found.sort_unstable();
        assert_eq!(found, [1, 2]);
    }
}

/// Collections that a transaction makes are there after its commit, also empty ones with their options.
#[test]
fn collections_made_in_transactions_stay() {
    let engine = Engine::new();
    let session = |extra: Document| {
        let mut d = doc! {"lsid": {"id": 1}, "txnNumber": 1_i64, "autocommit": false};
        d.extend(extra);
        d
    };
    let mut create = doc! {"create": "empty", "validator": {"a": {"$exists": true}}};
    create.extend(session(doc! {"startTransaction": true}));
    run(&engine, create);
    let names = |e: &Engine| {
        run(e, doc! {"listCollections": 1})
            .get_document("cursor")
            .unwrap()
            .get_array("firstBatch")
            .unwrap()
            .len()
    };
    assert_eq!(names(&engine), 0);
    let mut commit = doc! {"commitTransaction": 1};
    commit.extend(session(Document::new()));
    run(&engine, commit);
    assert_eq!(names(&engine), 1);
    let refused = run(&engine, doc! {"insert": "empty", "documents": [{"b": 1}]});
    assert_eq!(refused.get_array("writeErrors").unwrap().len(), 1);
}

/// `allowDiskUse: false` brings back the server's limit of a stage.
#[test]
fn without_disk_use_stages_hold_less() {
    let engine = Engine::new();
    let text = "x".repeat(1000);
    for start in (0..120_000).step_by(20_000) {
        let docs: Vec<Bson> = (start..start + 20_000)
            .map(|i| Bson::Document(doc! {"_id": i, "t": &text}))
            .collect();
        run(&engine, doc! {"insert": "c", "documents": docs});
    }
    let sort = doc! {"find": "c", "sort": {"t": 1}, "limit": 0, "batchSize": 1};
    run(&engine, sort.clone());
    let mut strict = sort;
    strict.insert("allowDiskUse", false);
    assert_eq!(code(&engine, strict), 292);
}

/// An index that only sorts is used; of two that bound, the one with fewer entries within its bounds.
#[test]
fn indexes_are_chosen_by_what_they_find() {
    let engine = filled(300);
    let index = |command| {
        scan(&engine, command)
            .get_str("indexName")
            .unwrap()
            .to_owned()
    };
    assert_eq!(
        index(doc! {"find": "c", "filter": {}, "sort": {"s": 1}, "limit": 3}),
        "s"
    );
    assert_eq!(
        index(doc! {"find": "c", "filter": {"g": 1, "s": "s4"}}),
        "s"
    );
    assert_eq!(
        index(doc! {"find": "c", "filter": {"s": {"$gte": "s1"}, "g": 1}}),
        "g"
    );
}

/// `min` and `max` enclose a part of the index that the hint names, by its own order, and are refused where they cannot.
#[test]
fn parts_of_an_index() {
    let engine = filled(30);
    let find = |more: Document| {
        let mut command = doc! {"find": "c"};
        command.extend(more);
        command
    };
    let inside = find(doc! {"hint": "_id_", "min": {"_id": 3}, "max": {"_id": 6}});
    assert_eq!(ids(&engine, inside), [3, 4, 5]);
    let filtered = find(doc! {"hint": "_id_", "min": {"_id": 27}, "filter": {"g": 0}});
    assert_eq!(ids(&engine, filtered), [27]);
    let backward = find(doc! {"hint": "_id_", "max": {"_id": 3}, "sort": {"_id": -1}});
    assert_eq!(ids(&engine, backward), [2, 1, 0]);
    // The key descends, and all its fields count.
    let key = doc! {"h": -1, "g": 1};
    let descending = find(doc! {"hint": key, "min": {"h": -4, "g": 2}, "max": {"h": -7, "g": 1}});
    assert_eq!(ids(&engine, descending), [5, 6]);
    for (more, expected) in [
        (doc! {"min": {"_id": 1}}, 51173),
        (doc! {"min": {"_id": 1}, "hint": {"$natural": 1}}, 51173),
        (doc! {"min": {"g": 1}, "hint": "_id_"}, 51174),
        (doc! {"min": {"h": 1}, "hint": "h"}, 51174),
        (
            doc! {"min": {"_id": 6}, "max": {"_id": 6}, "hint": "_id_"},
            51175,
        ),
        (
            doc! {"min": {"_id": 6}, "max": {"g": 6}, "hint": "_id_"},
            51176,
        ),
    ] {
        assert_eq!(code(&engine, find(more.clone())), expected, "{more}");
    }
}

/// `returnKey` shows the keys of the index that is read, and empty documents when none is.
#[test]
fn keys_instead_of_documents() {
    let engine = filled(9);
    run(
        &engine,
        doc! {"insert": "c", "documents": [{"_id": 100, "g": [7, 9], "h": 1}]},
    );
    let rows = |command: Document| -> Vec<Document> {
        let rows = engine.query("test", &command).unwrap();
        rows.map(|d| d.unwrap().to_bson()).collect()
    };
    let keys = rows(
        doc! {"find": "c", "filter": {"h": {"$lt": -6}}, "projection": {"s": 1}, "returnKey": true},
    );
    assert_eq!(keys, [doc! {"h": -7, "g": 1}, doc! {"h": -8, "g": 2}]);
    let of_array = rows(doc! {"find": "c", "filter": {"g": {"$gt": 7}}, "returnKey": true});
    assert_eq!(of_array, [doc! {"g": 9}]);
    let none = rows(doc! {"find": "c", "filter": {"x": 1}, "returnKey": true});
    assert_eq!(none, [] as [Document; 0]);
    let scanned = rows(doc! {"find": "c", "limit": 2, "returnKey": true});
    assert_eq!(scanned, [doc! {}, doc! {}]);
}

/// Many entries are gathered ahead and read in the order of the documents: none is lost or given twice, also where one document has
/// several entries, and a slice is as long as it says. With an order asked for, the index gives it.
#[test]
fn long_ranges_give_every_document_once() {
    let engine = Engine::new();
    let count = 5000;
    let docs: Vec<Bson> = (0..count)
        .map(|i| {
            Bson::Document(doc! {"_id": i, "g": (i * 7919) % count, "a": [i % 50, 50 + i % 7]})
        })
        .collect();
    run(&engine, doc! {"insert": "c", "documents": docs});
    run(
        &engine,
        doc! {"createIndexes": "c", "indexes": [{"key": {"g": 1}, "name": "g"}, {"key": {"a": 1}, "name": "a"}]},
    );
    for filter in [
        doc! {"g": {"$gte": 100}},
        doc! {"g": {"$gte": 100, "$lt": 4000}, "a": 3},
        doc! {"a": {"$gte": 20}},
    ] {
        let mut found = ids(&engine, doc! {"find": "c", "filter": filter.clone()});
        found.sort_unstable();
        let all = ids(
            &engine,
            doc! {"find": "c", "filter": filter.clone(), "hint": {"$natural": 1}},
        );
        assert!(all.len() > 60);
        assert_eq!(found, all, "{filter}");
        for limit in [1, 255, 256, 257, 513, 1000] {
            let some = ids(
                &engine,
                doc! {"find": "c", "filter": filter.clone(), "limit": limit},
            );
            let wanted = usize::try_from(limit).unwrap().min(all.len());
            assert_eq!(some.len(), wanted, "{filter}, {limit}");
        }
    }
    let sorted = engine
        .query(
            "test",
            &doc! {"find": "c", "filter": {"g": {"$gte": 100}}, "sort": {"g": 1}},
        )
        .unwrap()
        .map(|d| d.unwrap().get("g").as_i64().unwrap());
    assert!(sorted.eq(100..i64::from(count)));
}
