//! Properties of the embedded engine over random data: laws of the order, indexes change nothing but speed, early
//! stops change nothing, saving loses nothing, transactions are serializable where their writes meet.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]
use std::cmp::Ordering;
use std::hash::{BuildHasher, RandomState};

use bson::{Bson, Document, doc};
use mqlc_executors::memory::Engine;
use mqlc_executors::memory::value::{Key, Value};
use proptest::prelude::*;

fn scalar() -> impl Strategy<Value = Bson> {
    prop_oneof![
        Just(Bson::Null),
        any::<bool>().prop_map(Bson::Boolean),
        (-3_i32..4).prop_map(Bson::Int32),
        (-3_i64..4).prop_map(Bson::Int64),
        prop_oneof![
            Just(f64::NAN),
            Just(-0.0),
            Just(f64::INFINITY),
            (-6_i32..6).prop_map(|n| f64::from(n) / 2.0)
        ]
        .prop_map(Bson::Double),
        prop_oneof![
            Just("0"),
            Just("-1.5"),
            Just("2.0"),
            Just("1E+3"),
            Just("NaN"),
            Just("0.1")
        ]
        .prop_map(|s| Bson::Decimal128(s.parse().unwrap())),
        "[ab]{0,2}".prop_map(Bson::String),
        (0_i64..3).prop_map(|n| Bson::DateTime(bson::DateTime::from_millis(n))),
        (0_u8..3).prop_map(|n| Bson::ObjectId(bson::oid::ObjectId::from_bytes([n; 12]))),
        Just(Bson::MinKey),
        Just(Bson::MaxKey),
    ]
}

fn value() -> impl Strategy<Value = Bson> {
    scalar().prop_recursive(2, 8, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Bson::Array),
            prop::collection::vec(("[ab]", inner), 0..3)
                .prop_map(|fields| Bson::Document(fields.into_iter().collect())),
        ]
    })
}

fn document() -> impl Strategy<Value = Document> {
    prop::collection::vec(("[abc]", value()), 0..4).prop_map(|fields| fields.into_iter().collect())
}

fn hash(v: &Value, state: &RandomState) -> u64 {
    state.hash_one(Key(v.clone()))
}

/// A filter on the fields of [`document`].
fn filter() -> impl Strategy<Value = Document> {
    let path = prop_oneof![Just("a"), Just("b"), Just("a.b"), Just("b.a"), Just("a.0")];
    let operator = prop_oneof![
        Just("$eq"),
        Just("$gt"),
        Just("$gte"),
        Just("$lt"),
        Just("$lte"),
        Just("$ne")
    ];
    let one = prop_oneof![
        (path.clone(), operator, scalar()).prop_map(|(p, o, v)| doc! {p: {o: v}}),
        (path.clone(), prop::collection::vec(scalar(), 0..3))
            .prop_map(|(p, v)| doc! {p: {"$in": v}}),
        (path.clone(), value()).prop_map(|(p, v)| doc! {p: {"$eq": v}}),
        (path.clone(), any::<bool>()).prop_map(|(p, b)| doc! {p: {"$exists": b}}),
        (path.clone(), "[ab]").prop_map(|(p, s)| doc! {p: {"$regex": format!("^{s}")}}),
        (path.clone(), scalar(), scalar()).prop_map(|(p, v, w)| doc! {p: {"$gte": v, "$lt": w}}),
        (path.clone(), scalar())
            .prop_map(|(p, v)| doc! {"$expr": {"$eq": [format!("${p}"), {"$literal": v}]}}),
        (path, scalar(), scalar()).prop_map(|(p, v, w)| doc! {"$or": [{p: v}, {p: w}]}),
    ];
    prop::collection::vec(one, 1..3).prop_map(|all| doc! {"$and": all})
}

fn rows(engine: &Engine, command: Document) -> Vec<Document> {
    engine
        .query("test", &command)
        .unwrap()
        .map(|d| d.unwrap().to_bson())
        .collect()
}

fn ids(engine: &Engine, command: Document) -> Vec<i32> {
    rows(engine, command)
        .iter()
        .map(|d| d.get_i32("_id").unwrap())
        .collect()
}

fn filled(docs: &[Document]) -> Engine {
    let engine = Engine::new();
    for (i, d) in docs.iter().enumerate() {
        let mut with_id = doc! {"_id": i32::try_from(i).unwrap()};
        with_id.extend(d.clone());
        engine
            .run_command("test", doc! {"insert": "c", "documents": [with_id]})
            .unwrap();
    }
    engine
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    /// The order is total, and equality and hashing agree with it, for values built and values read in place.
    #[test]
    fn order_is_total(a in value(), b in value(), c in value()) {
        let raw = |v: &Bson| {
            let d = doc! {"v": v.clone()};
            mqlc_executors::memory::value::Document::from_raw(mqlc_executors::memory::value::Buffer::from(d.to_vec().unwrap().as_slice())).get("v")
        };
        let state = RandomState::new();
        let values = [Value::from_bson(&a), raw(&a), Value::from_bson(&b), raw(&b), Value::from_bson(&c)];
        for x in &values {
            for y in &values {
                let order = Key(x.clone()).cmp(&Key(y.clone()));
                prop_assert_eq!(order, Key(y.clone()).cmp(&Key(x.clone())).reverse());
                prop_assert_eq!(order == Ordering::Equal, x == y);
                if x == y {
                    prop_assert_eq!(hash(x, &state), hash(y, &state));
                }
                for z in &values {
                    if order != Ordering::Greater && Key(y.clone()) <= Key(z.clone()) {
                        prop_assert!(Key(x.clone()) <= Key(z.clone()));
                    }
                }
            }
        }
    }

    /// Whatever indexes there are, a filter finds the same documents, and a sort gives the same order of keys.
    #[test]
    fn indexes_change_nothing(docs in prop::collection::vec(document(), 0..25), filter in filter(), descending in any::<bool>()) {
        let plain = filled(&docs);
        let indexed = filled(&docs);
        let keys = [doc! {"a": 1}, doc! {"b": -1}, doc! {"a.b": 1}, doc! {"a": 1, "c": -1}, doc! {"c": 1, "b": 1}, doc! {"a.0": 1}];
        for (i, key) in keys.into_iter().enumerate() {
            // Parallel arrays cannot be indexed: then that index is not there.
            let _maybe = indexed.run_command("test", doc! {"createIndexes": "c", "indexes": [{"key": key, "name": format!("i{i}"), "sparse": i == 5}]});
        }
        let mut expected = ids(&plain, doc! {"find": "c", "filter": filter.clone()});
        let mut found = ids(&indexed, doc! {"find": "c", "filter": filter.clone()});
        expected.sort_unstable();
        found.sort_unstable();
        prop_assert_eq!(&expected, &found, "{:?}", filter);
        let direction = if descending { -1 } else { 1 };
        let sorted = |e: &Engine| -> Vec<Value> {
            rows(e, doc! {"find": "c", "filter": filter.clone(), "sort": {"c": direction}}).iter().map(|d| Value::from_bson(d.get("c").unwrap_or(&Bson::Null))).collect()
        };
        let scalars = |v: &Vec<Value>| v.iter().all(|v| v.as_array().is_none());
        let (x, y) = (sorted(&plain), sorted(&indexed));
        if scalars(&x) {
            prop_assert_eq!(x, y);
        }
    }

    /// A limit gives the first of what the whole run gives, also after a sort.
    #[test]
    fn early_stop_is_a_prefix(docs in prop::collection::vec(document(), 0..25), filter in filter(), n in 1_i32..6, skip in 0_i32..4) {
        let engine = filled(&docs);
        for sort in [doc! {}, doc! {"c": 1, "_id": 1}] {
            let all = ids(&engine, doc! {"find": "c", "filter": filter.clone(), "sort": sort.clone()});
            let some = ids(&engine, doc! {"find": "c", "filter": filter.clone(), "sort": sort, "limit": n, "skip": skip});
            let cut: Vec<i32> = all.into_iter().skip(usize::try_from(skip).unwrap()).take(usize::try_from(n).unwrap()).collect();
            prop_assert_eq!(some, cut);
        }
    }

    /// Updates keep indexes true: after a history of writes, an index finds what a scan finds.
    #[test]
    fn writes_keep_indexes(docs in prop::collection::vec(document(), 1..12), changes in prop::collection::vec((0_i32..12, document()), 0..12), filter in filter()) {
        let plain = filled(&docs);
        let indexed = filled(&docs);
        let _maybe = indexed.run_command("test", doc! {"createIndexes": "c", "indexes": [{"key": {"a": 1}, "name": "a"}, {"key": {"a.b": 1}, "name": "ab"}]});
        for (id, d) in changes {
            for engine in [&plain, &indexed] {
                engine.run_command("test", doc! {"update": "c", "updates": [{"q": {"_id": id}, "u": d.clone()}]}).unwrap();
            }
        }
        let mut expected = ids(&plain, doc! {"find": "c", "filter": filter.clone()});
        let mut found = ids(&indexed, doc! {"find": "c", "filter": filter});
        expected.sort_unstable();
        found.sort_unstable();
        prop_assert_eq!(expected, found);
    }

    /// A `$lookup` finds the same by an index and by its hash table.
    #[test]
    fn lookups_agree(left in prop::collection::vec(document(), 0..8), right in prop::collection::vec(document(), 0..12), path in prop_oneof![Just("a"), Just("a.b"), Just("b.a")]) {
        let engine = filled(&left);
        for name in ["plain", "indexed"] {
            for (i, d) in right.iter().enumerate() {
                let mut with_id = doc! {"_id": i32::try_from(i).unwrap()};
                with_id.extend(d.clone());
                engine.run_command("test", doc! {"insert": name, "documents": [with_id]}).unwrap();
            }
        }
        engine.run_command("test", doc! {"createIndexes": "indexed", "indexes": [{"key": {path: 1}, "name": "i"}]}).unwrap();
        let joined = |from: &str| rows(&engine, doc! {"aggregate": "c", "pipeline": [{"$lookup": {"from": from, "localField": "a", "foreignField": path, "as": "j"}}, {"$project": {"j._id": 1}}]});
        prop_assert_eq!(joined("plain"), joined("indexed"));
    }

    /// Two transactions that move money between accounts: whatever their interleaving, the total stays, and each is
    /// applied whole or not at all.
    #[test]
    fn transactions_are_atomic(steps in prop::collection::vec((0_usize..2, 0_i32..3, 0_i32..3), 1..14)) {
        let engine = Engine::new();
        let accounts: Vec<Bson> = (0..3).map(|i| Bson::Document(doc! {"_id": i, "n": 100})).collect();
        engine.run_command("test", doc! {"insert": "a", "documents": accounts}).unwrap();
        let mut number = [0_i64; 2];
        let mut open = [false; 2];
        for (who, from, to) in steps {
            let mark = |mut d: Document, number: i64, start: bool| {
                d.extend(doc! {"lsid": {"id": format!("s{who}")}, "txnNumber": number, "autocommit": false});
                if start {
                    d.insert("startTransaction", true);
                }
                d
            };
            if from == to {
                if open[who] {
                    let _conflicts = engine.run_command("admin", mark(doc! {"commitTransaction": 1}, number[who], false));
                    open[who] = false;
                }
            } else {
                let start = !open[who];
                if start {
                    number[who] += 1;
                }
                let command = doc! {"update": "a", "updates": [{"q": {"_id": from}, "u": {"$inc": {"n": -1}}}, {"q": {"_id": to}, "u": {"$inc": {"n": 1}}}]};
                // A conflict ends the transaction; nothing of it is kept.
                open[who] = engine.run_command("test", mark(command, number[who], start)).is_ok();
            }
            let total: i32 = rows(&engine, doc! {"find": "a"}).iter().map(|d| d.get_i32("n").unwrap()).sum();
            prop_assert_eq!(total, 300);
        }
    }
}

proptest! {
    // Each case syncs files: a few will do.
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    /// Saving and loading gives back the same bytes and the same indexes.
    #[test]
    fn save_and_load(docs in prop::collection::vec(document(), 0..8)) {
        let dir = std::env::temp_dir().join(format!("mqlc-save-{}-{:?}", std::process::id(), std::thread::current().id()));
        let engine = filled(&docs);
        engine.run_command("test", doc! {"create": "empty", "collation": {"locale": "en", "strength": 2}}).unwrap();
        engine.run_command("test", doc! {"createIndexes": "other", "indexes": [{"key": {"x": 1}, "name": "x", "unique": true}]}).unwrap();
        engine.save(&dir).unwrap();
        engine.save(&dir).unwrap();
        let back = Engine::new();
        back.load(&dir).unwrap();
        let bytes = |e: &Engine| -> Vec<Vec<u8>> { rows(e, doc! {"find": "c"}).iter().map(|d| d.to_vec().unwrap()).collect() };
        prop_assert_eq!(bytes(&engine), bytes(&back));
        for name in ["empty", "other"] {
            let list = |e: &Engine| e.run_command("test", doc! {"listIndexes": name}).unwrap();
            prop_assert_eq!(list(&engine), list(&back));
        }
        std::fs::remove_dir_all(&dir).unwrap();
    }
}
