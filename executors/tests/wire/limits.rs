//! Limits: number, size, time; and what is kept when the server ends.
use std::time::Duration;

use bson::spec::BinarySubtype;
use bson::{Binary, Document, doc};
use mqlc_executors::wire::{WireLimits, WireOptions, WireServer};

use crate::client::{Client, OP_MSG, framed, lives};

/// 200 connections that say nothing are no burden; when they go, they are forgotten.
#[test]
fn idle_connections() {
    let server = WireServer::start().unwrap();
    let idle: Vec<Client> = (0..200)
        .map(|_| Client::connect(server.address()))
        .collect();
    assert!(lives(server.address()));
    assert!(server.connections() >= 200);
    drop(idle);
    for _ in 0..200 {
        if server.connections() == 0 {
            return;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    panic!("{} connections are left", server.connections());
}

/// More connections than allowed are closed; those that are open go on.
#[test]
fn too_many_connections() {
    let limits = WireLimits {
        connections: 3,
        ..WireLimits::default()
    };
    let server = WireOptions::new().limits(limits).start().unwrap();
    let mut open: Vec<Client> = (0..3).map(|_| Client::connect(server.address())).collect();
    assert!(open.iter_mut().all(Client::lives));
    let mut refused = Client::connect(server.address());
    assert!(refused.receive().is_none());
    assert!(open.iter_mut().all(Client::lives));
}

/// Sizes beyond the limit, negative ones and ones below a header end that connection only.
#[test]
fn wrong_sizes() {
    let server = WireServer::start().unwrap();
    for length in [48_000_001_i32, i32::MAX, -1, i32::MIN, 0, 15] {
        let mut client = Client::connect(server.address());
        let mut bytes = framed(1, OP_MSG, &[0; 20]);
        bytes[..4].copy_from_slice(&length.to_le_bytes());
        std::io::Write::write_all(&mut client.stream, &bytes).unwrap();
        assert!(client.receive().is_none(), "{length}");
        assert!(lives(server.address()));
    }
}

/// A message that does not end in time ends its connection.
#[test]
fn slow_message() {
    let limits = WireLimits {
        message_time: Duration::from_millis(100),
        ..WireLimits::default()
    };
    let server = WireOptions::new().limits(limits).start().unwrap();
    let mut client = Client::connect(server.address());
    std::io::Write::write_all(&mut client.stream, &[200, 0, 0]).unwrap();
    assert!(client.receive().is_none());
    assert!(lives(server.address()));
}

/// Cursors and transactions that are left alone end by themselves.
#[test]
fn idle_cursors_and_transactions() {
    let limits = WireLimits {
        cursor_idle: Duration::from_millis(50),
        transaction: Duration::from_millis(50),
        ..WireLimits::default()
    };
    let server = WireOptions::new().limits(limits).start().unwrap();
    let mut client = Client::connect(server.address());
    let documents: Vec<Document> = (0..20).map(|n| doc! {"_id": n}).collect();
    client.run(doc! {"insert": "c", "documents": documents});
    let found = client.run(doc! {"find": "c", "batchSize": 2});
    let kept = client.run(doc! {"find": "c", "batchSize": 2, "noCursorTimeout": true});
    let id = |reply: &Document| reply.get_document("cursor").unwrap().get_i64("id").unwrap();
    let lsid = doc! {"id": Binary { subtype: BinarySubtype::Uuid, bytes: vec![1; 16] }};
    client.run(doc! {"delete": "c", "deletes": [{"q": {"_id": 1}, "limit": 1}], "lsid": lsid.clone(), "txnNumber": 1_i64, "autocommit": false, "startTransaction": true});
    std::thread::sleep(Duration::from_millis(400));
    assert_eq!(
        client
            .run(doc! {"getMore": id(&found), "collection": "c"})
            .get_i32("code")
            .unwrap(),
        43
    );
    assert_eq!(
        client
            .run(doc! {"getMore": id(&kept), "collection": "c"})
            .get_f64("ok")
            .unwrap(),
        1.0
    );
    let commit =
        doc! {"commitTransaction": 1, "lsid": lsid, "txnNumber": 1_i64, "autocommit": false};
    assert_eq!(client.run_in("admin", commit).get_i32("code").unwrap(), 251);
    // What the transaction had written is free for others.
    let gone = client.run(doc! {"delete": "c", "deletes": [{"q": {"_id": 1}, "limit": 1}]});
    assert_eq!(gone.get_i32("n").unwrap(), 1);
}

/// What was written is there again after a stop and a start.
#[test]
fn kept_data() {
    let dir = std::env::temp_dir().join(format!("mqlc-wire-{}", std::process::id()));
    let server = WireOptions::new().data(&dir).start().unwrap();
    Client::connect(server.address()).run(doc! {"insert": "c", "documents": [{"_id": 1}]});
    futures_executor::block_on(server.stop()).unwrap();
    let server = WireOptions::new().data(&dir).start().unwrap();
    let counted = Client::connect(server.address()).run(doc! {"count": "c"});
    drop(server);
    std::fs::remove_dir_all(&dir).unwrap();
    assert_eq!(counted.get_i32("n").unwrap(), 1);
}

/// A stopped server closes its connections and frees its port.
#[test]
fn stopping() {
    let server = WireServer::start().unwrap();
    let address = server.address();
    let mut client = Client::connect(address);
    assert!(client.lives());
    futures_executor::block_on(server.stop()).unwrap();
    assert!(client.receive().is_none());
    let again = WireOptions::new().port(address.port()).start().unwrap();
    assert_eq!(again.address(), address);
}

/// A server may be stopped before any of its threads has begun.
#[test]
fn stopping_at_once() {
    for _ in 0..50 {
        let server = WireServer::start().unwrap();
        futures_executor::block_on(server.stop()).unwrap();
    }
}

/// Readers and writers at once: every reader sees whole writes only.
#[test]
fn many_at_once() {
    let server = WireServer::start().unwrap();
    let address = server.address();
    Client::connect(address).run(doc! {"create": "c"});
    let writers: Vec<_> = (0..4)
        .map(|w| {
            std::thread::spawn(move || {
                let mut client = Client::connect(address);
                for n in 0..25 {
                    // Ten documents in one go.
                    let documents: Vec<Document> = (0..10)
                        .map(|i| doc! {"_id": format!("{w} {n} {i}")})
                        .collect();
                    assert_eq!(
                        client
                            .run(doc! {"insert": "c", "documents": documents})
                            .get_i32("n")
                            .unwrap(),
                        10
                    );
                }
            })
        })
        .collect();
    let readers: Vec<_> = (0..8)
        .map(|_| {
            std::thread::spawn(move || {
                let mut client = Client::connect(address);
                for _ in 0..25 {
                    let n = client.run(doc! {"count": "c"}).get_i32("n").unwrap();
                    assert_eq!(n % 10, 0);
                }
            })
        })
        .collect();
    for thread in writers.into_iter().chain(readers) {
        thread.join().unwrap();
    }
    assert_eq!(
        Client::connect(address)
            .run(doc! {"count": "c"})
            .get_i32("n")
            .unwrap(),
        1000
    );
}

/// Documents expire by themselves, by the engine's clock.
#[test]
fn documents_expire() {
    let server = WireOptions::new()
        .expire_every(Duration::from_millis(30))
        .start()
        .unwrap();
    let engine = server.engine();
    let index = doc! {"createIndexes": "c", "indexes": [{"key": {"at": 1}, "name": "at", "expireAfterSeconds": 1}]};
    engine.run_command("test", doc! {"create": "c"}).unwrap();
    engine.run_command("test", index).unwrap();
    let old = bson::DateTime::from_millis(bson::DateTime::now().timestamp_millis() - 5_000);
    let new = bson::DateTime::from_millis(bson::DateTime::now().timestamp_millis() + 600_000);
    let insert = doc! {"insert": "c", "documents": [{"at": old}, {"at": new}, {"at": "text"}]};
    engine.run_command("test", insert).unwrap();
    let left = || {
        let reply = engine.run_command("test", doc! {"count": "c"}).unwrap();
        reply.get_i32("n").unwrap()
    };
    for _ in 0..200 {
        if left() == 2 {
            return;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    panic!("{} documents are left", left());
}
