//! Bytes of all kinds: the server lives on, whatever comes.
use std::io::Write;
use std::net::{Shutdown, SocketAddr};
use std::sync::OnceLock;

use bson::{Document, doc};
use mqlc_executors::wire::WireServer;
use proptest::prelude::*;

use crate::client::{Client, OP_COMPRESSED, OP_MSG, OP_QUERY, framed, lives, message};

fn server() -> SocketAddr {
    static SERVER: OnceLock<WireServer> = OnceLock::new();
    SERVER
        .get_or_init(|| WireServer::start().unwrap())
        .address()
}

/// Sends bytes, takes whatever comes back, and asks whether others are served.
fn survives(bytes: &[u8]) -> bool {
    let mut client = Client::connect(server());
    // The server may have closed already.
    let _ = client.stream.write_all(bytes);
    let _ = client.stream.shutdown(Shutdown::Write);
    while client.receive().is_some() {}
    lives(server())
}

fn good() -> Vec<u8> {
    let documents: Vec<Document> = (0..3)
        .map(|n| doc! {"a": [n, {"b": "text"}], "at": bson::DateTime::from_millis(1)})
        .collect();
    let body = doc! {"insert": "c", "ordered": false, "$db": "hostile"};
    framed(1, OP_MSG, &message(0, &body, &[("documents", &documents)]))
}

/// A client that goes in the middle of a message.
#[test]
fn cut_messages() {
    let whole = good();
    for n in (0..whole.len()).step_by(3) {
        let mut client = Client::connect(server());
        client.stream.write_all(&whole[..n]).unwrap();
        drop(client);
    }
    assert!(lives(server()));
}

/// A client that asks for much and does not stay to take it.
#[test]
fn replies_to_nobody() {
    let mut client = Client::connect(server());
    let text = "x".repeat(1000);
    let documents: Vec<Document> = (0..2000).map(|n| doc! {"_id": n, "text": &text}).collect();
    client.run_in("hostile", doc! {"insert": "large", "documents": documents});
    for _ in 0..20 {
        let mut client = Client::connect(server());
        let body = doc! {"find": "large", "batchSize": 2000, "$db": "hostile"};
        client.send(OP_MSG, &message(0, &body, &[]));
        drop(client);
    }
    assert!(lives(server()));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(survives(&bytes));
    }

    #[test]
    fn any_content(bytes in proptest::collection::vec(any::<u8>(), 0..300), opcode in prop_oneof![Just(OP_MSG), Just(OP_QUERY), Just(OP_COMPRESSED), any::<i32>()]) {
        prop_assert!(survives(&framed(1, opcode, &bytes)));
    }

    #[test]
    fn changed_messages(changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6)) {
        let mut bytes = good();
        for (at, value) in changes {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        prop_assert!(survives(&bytes));
    }

    #[test]
    fn odd_arguments(name in prop_oneof![Just("find"), Just("getMore"), Just("hello"), Just("saslStart"), Just("endSessions"), Just("killCursors"), Just("getParameter"), Just("validate"), Just("insert")], value in odd(), other in odd()) {
        let mut client = Client::connect(server());
        let mut command = doc! {name: value};
        for key in ["lsid", "txnNumber", "documents", "cursors", "topologyVersion", "maxAwaitTimeMS", "payload", "filter"] {
            command.insert(key, other.clone());
            let reply = client.run_in("hostile", command.clone());
            prop_assert!(reply.contains_key("ok"));
        }
    }
}

fn odd() -> impl Strategy<Value = bson::Bson> {
    prop_oneof![
        Just(bson::Bson::Null),
        any::<i32>().prop_map(bson::Bson::Int32),
        any::<i64>().prop_map(bson::Bson::Int64),
        any::<f64>().prop_map(bson::Bson::Double),
        ".{0,8}".prop_map(bson::Bson::String),
        Just(bson::Bson::Array(vec![
            bson::Bson::Null,
            bson::Bson::Int32(1)
        ])),
        Just(bson::Bson::Document(doc! {"id": "x", "$a": 1})),
    ]
}
