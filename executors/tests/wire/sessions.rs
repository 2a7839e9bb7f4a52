//! Retryable writes, transactions, and what is remembered of both.
use bson::spec::BinarySubtype;
use bson::{Binary, Document, doc};
use mqlc_executors::wire::WireServer;

use crate::client::Client;

fn session(n: u8) -> Document {
    doc! {"id": Binary { subtype: BinarySubtype::Uuid, bytes: vec![n; 16] }}
}

fn count(client: &mut Client) -> i32 {
    client.run(doc! {"count": "c"}).get_i32("n").unwrap()
}

/// A write that comes again, from another connection, is answered as before and not done again.
#[test]
fn retried_writes() {
    let server = WireServer::start().unwrap();
    let mut client = Client::connect(server.address());
    client.run(doc! {"insert": "c", "documents": [{"_id": 1, "n": 0}]});
    let write = doc! {"update": "c", "updates": [{"q": {"_id": 1}, "u": {"$inc": {"n": 1}}}], "lsid": session(1), "txnNumber": 5_i64};
    let first = client.run(write.clone());
    let again = Client::connect(server.address()).run(write.clone());
    assert_eq!(first.get_i32("nModified").unwrap(), 1);
    assert_eq!(again.get_i32("nModified").unwrap(), 1);
    let found = client.run(doc! {"find": "c"});
    let batch = found
        .get_document("cursor")
        .unwrap()
        .get_array("firstBatch")
        .unwrap();
    assert_eq!(batch[0].as_document().unwrap().get_i32("n").unwrap(), 1);
    let mut next = write.clone();
    next.insert("txnNumber", 6_i64);
    assert_eq!(client.run(next).get_i32("nModified").unwrap(), 1);
    assert_eq!(client.run(write).get_i32("code").unwrap(), 225, "too old");
    let read = doc! {"find": "c", "lsid": session(1), "txnNumber": 7_i64};
    assert_eq!(
        client.run(read).get_i32("code").unwrap(),
        50768,
        "not a write"
    );
}

/// Nobody else sees a transaction before its commit, which may be sent twice.
#[test]
fn transactions() {
    let server = WireServer::start().unwrap();
    let (mut one, mut two) = (
        Client::connect(server.address()),
        Client::connect(server.address()),
    );
    one.run(doc! {"create": "c"});
    let mark = |mut command: Document, first: bool| {
        command.extend(doc! {"lsid": session(1), "txnNumber": 1_i64, "autocommit": false});
        if first {
            command.insert("startTransaction", true);
        }
        command
    };
    one.run(mark(doc! {"insert": "c", "documents": [{"_id": 1}]}, true));
    assert_eq!(count(&mut two), 0);
    let commit = mark(doc! {"commitTransaction": 1}, false);
    assert_eq!(
        one.run_in("admin", commit.clone()).get_f64("ok").unwrap(),
        1.0
    );
    assert_eq!(count(&mut two), 1);
    assert_eq!(two.run_in("admin", commit).get_f64("ok").unwrap(), 1.0);
    let late = mark(doc! {"insert": "c", "documents": [{"_id": 2}]}, false);
    assert_eq!(one.run(late).get_i32("code").unwrap(), 256);
}

/// The end of a session is the end of its transaction and its cursors.
#[test]
fn ended_sessions() {
    let server = WireServer::start().unwrap();
    let mut client = Client::connect(server.address());
    let documents: Vec<Document> = (0..20).map(|n| doc! {"_id": n}).collect();
    client.run(doc! {"insert": "c", "documents": documents});
    let insert = doc! {"insert": "c", "documents": [{"_id": 99}], "lsid": session(2), "txnNumber": 1_i64, "autocommit": false, "startTransaction": true};
    client.run(insert);
    let found = client.run(doc! {"find": "c", "batchSize": 5, "lsid": session(2)});
    let id = found.get_document("cursor").unwrap().get_i64("id").unwrap();
    assert_ne!(id, 0);
    assert_eq!(
        client
            .run_in("admin", doc! {"endSessions": [session(2)]})
            .get_f64("ok")
            .unwrap(),
        1.0
    );
    let more = client.run(doc! {"getMore": id, "collection": "c"});
    assert_eq!(more.get_i32("code").unwrap(), 43);
    let commit =
        doc! {"commitTransaction": 1, "lsid": session(2), "txnNumber": 1_i64, "autocommit": false};
    let refused = client.run_in("admin", commit);
    assert_eq!(refused.get_i32("code").unwrap(), 251);
    assert_eq!(refused.get_array("errorLabels").unwrap().len(), 1);
    assert_eq!(count(&mut client), 20);
}
