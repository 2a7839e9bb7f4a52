//! What documents cost in memory: the bytes that an engine holds for each shape of document, against their BSON size.
//!
//! `cargo bench -p mqlc-executors --bench memory`. Counted are the bytes asked of the allocator and still held after the inserts:
//! records, the index on `_id`, and one more index where the line says so. "process" is the growth of resident memory,
//! which adds what the allocator itself needs.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::cast_precision_loss,
    clippy::indexing_slicing
)] // a benchmark may fail loudly
use bson::{Bson, Document, doc, oid::ObjectId};
use mqlc_executors::memory::Engine;
use peak_alloc::PeakAlloc;

#[global_allocator]
static HEAP: PeakAlloc = PeakAlloc;

/// Resident bytes of this process, where the system says so.
fn resident() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = statm.split(' ').nth(1).and_then(|n| n.parse().ok());
    pages.unwrap_or(0_usize) * 4096
}

/// Scattered, the same each time.
fn scatter(i: u64) -> u64 {
    let mut z = i.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z ^ (z >> 31)
}

fn oid(i: u64) -> ObjectId {
    let mut bytes = [0x65; 12];
    bytes[4..].copy_from_slice(&i.to_be_bytes());
    ObjectId::from_bytes(bytes)
}

fn text(i: u64, len: usize) -> String {
    let mut out = String::new();
    let mut n = i;
    while out.len() < len {
        n = scatter(n + 1);
        out.push_str(&format!("{n:016x}"));
    }
    out.truncate(len);
    out
}

type Make = fn(u64) -> Document;

fn main() {
    let shapes: [(&str, Option<Document>, u64, Make); 10] = [
        ("90 bytes, int _id", None, 200_000, |i| {
            doc! {"_id": i32::try_from(i).unwrap(), "name": text(i, 20), "age": 18 + i32::try_from(i % 60).unwrap(), "city": text(i % 97, 19), "ok": true}
        }),
        ("90 bytes, ObjectId", None, 200_000, |i| {
            doc! {"_id": oid(i), "name": text(i, 18), "age": 18 + i32::try_from(i % 60).unwrap(), "zip": text(i % 97, 14), "ok": true}
        }),
        (
            "90 bytes, ObjectId, index on an int",
            Some(doc! {"age": 1}),
            200_000,
            |i| {
                doc! {"_id": oid(i), "name": text(i, 18), "age": 18 + i32::try_from(i % 60).unwrap(), "zip": text(i % 97, 14), "ok": true}
            },
        ),
        ("110 bytes, scattered string _id", None, 200_000, |i| {
            doc! {"_id": text(i, 32), "name": text(i, 20), "age": 18 + i32::try_from(i % 60).unwrap(), "zip": text(i % 97, 12), "ok": true}
        }),
        ("200 bytes, long _id, nested", None, 100_000, |i| {
            doc! {"_id": i64::try_from(i).unwrap(), "name": text(i, 20), "address": {"street": text(i, 20), "zip": i32::try_from(i % 9000).unwrap(), "city": text(i % 97, 10)}, "at": bson::DateTime::from_millis(i64::try_from(i).unwrap()), "tags": ["a", "b", "c"]}
        }),
        (
            "200 bytes, index on a string",
            Some(doc! {"name": 1}),
            100_000,
            |i| {
                doc! {"_id": i64::try_from(i).unwrap(), "name": text(i, 20), "address": {"street": text(i, 20), "zip": i32::try_from(i % 9000).unwrap(), "city": text(i % 97, 10)}, "at": bson::DateTime::from_millis(i64::try_from(i).unwrap()), "tags": ["a", "b", "c"]}
            },
        ),
        (
            "200 bytes, compound index",
            Some(doc! {"address.city": 1, "at": -1}),
            100_000,
            |i| {
                doc! {"_id": i64::try_from(i).unwrap(), "name": text(i, 20), "address": {"street": text(i, 20), "zip": i32::try_from(i % 9000).unwrap(), "city": text(i % 97, 10)}, "at": bson::DateTime::from_millis(i64::try_from(i).unwrap()), "tags": ["a", "b", "c"]}
            },
        ),
        ("500 bytes", None, 50_000, |i| {
            doc! {"_id": oid(i), "title": text(i, 60), "body": text(i + 1, 320), "pages": 17, "price": 12.5, "tags": [text(i % 7, 8), text(i % 11, 8)]}
        }),
        ("1 kB", None, 30_000, |i| {
            let rows: Vec<Bson> = (0..12)
                .map(|n| Bson::Document(doc! {"sku": text(i + n, 12), "n": 3, "price": 1.25}))
                .collect();
            doc! {"_id": oid(i), "customer": text(i, 30), "rows": rows, "note": text(i, 200)}
        }),
        ("2 kB", None, 20_000, |i| {
            let rows: Vec<Bson> = (0..25)
                .map(|n| Bson::Document(doc! {"sku": text(i + n, 12), "n": 3, "price": 1.25}))
                .collect();
            doc! {"_id": oid(i), "customer": text(i, 30), "rows": rows, "note": text(i, 400)}
        }),
    ];
    println!(
        "{:<38} {:>8} {:>10} {:>7} {:>8}",
        "shape", "average", "bytes/doc", "ratio", "process"
    );
    for (name, index, count, make) in shapes {
        let engine = Engine::new();
        engine
            .run_command("test", doc! {"create": "c"})
            .expect("create");
        if let Some(key) = index {
            let spec = doc! {"createIndexes": "c", "indexes": [{"key": key, "name": "i"}]};
            engine.run_command("test", spec).expect("index");
        }
        let (before, rss) = (HEAP.current_usage(), resident());
        let mut size = 0;
        for start in (0..count).step_by(1000) {
            let batch: Vec<Bson> = (start..start + 1000)
                .map(|i| {
                    let d = make(i);
                    size += d.to_vec().expect("bson").len();
                    Bson::Document(d)
                })
                .collect();
            engine
                .run_command("test", doc! {"insert": "c", "documents": batch})
                .expect("insert");
        }
        let (held, grown) = (
            HEAP.current_usage() - before,
            resident().saturating_sub(rss),
        );
        println!(
            "{name:<38} {:>8.0} {:>10.0} {:>7.2} {:>8.2}",
            size as f64 / count as f64,
            held as f64 / count as f64,
            held as f64 / size as f64,
            grown as f64 / size as f64
        );
    }
}
