//! Kinds of messages, flags, the handshake.
use bson::{Document, doc};
use mqlc_executors::wire::WireOptions;

use crate::client::{Client, OP_COMPRESSED, OP_MSG, OP_QUERY, OP_REPLY, framed, message, served};

fn query(command: &Document) -> Vec<u8> {
    let mut out = 0_u32.to_le_bytes().to_vec();
    out.extend(b"admin.$cmd\0");
    out.extend(0_i32.to_le_bytes());
    out.extend((-1_i32).to_le_bytes());
    out.extend(command.to_vec().unwrap());
    out
}

/// Old drivers shake hands with a legacy query, and with nothing else.
#[test]
fn legacy_handshake() {
    let (_server, mut client) = served();
    client.send(OP_QUERY, &query(&doc! {"isMaster": 1, "helloOk": true}));
    let reply = client.receive().unwrap();
    assert_eq!(reply.opcode, OP_REPLY);
    let reply = reply.document();
    assert!(reply.get_bool("ismaster").unwrap());
    assert!(reply.get_bool("helloOk").unwrap());
    assert_eq!(reply.get_str("setName").unwrap(), "rs0");
    assert_eq!(reply.get_i32("maxWireVersion").unwrap(), 25);
    client.send(OP_QUERY, &query(&doc! {"find": "c"}));
    assert_eq!(client.receive().unwrap().number("code"), 352);
    assert!(client.lives());
}

/// Document sequences are arguments of the command.
#[test]
fn sequences() {
    let (_server, mut client) = served();
    let documents = [doc! {"_id": 1}, doc! {"_id": 2}];
    let body = doc! {"insert": "c", "$db": "test"};
    client.send(OP_MSG, &message(0, &body, &[("documents", &documents)]));
    assert_eq!(client.receive().unwrap().number("n"), 2);
    let found = client.run(doc! {"find": "c", "filter": {"_id": 2}});
    let batch = found
        .get_document("cursor")
        .unwrap()
        .get_array("firstBatch")
        .unwrap();
    assert_eq!(batch.len(), 1);
}

/// A right checksum is answered with one; a wrong one ends the connection.
#[test]
fn checksums() {
    let (server, mut client) = served();
    let mut content = message(1, &doc! {"ping": 1, "$db": "admin"}, &[]);
    content.extend([0; 4]);
    let mut whole = framed(7, OP_MSG, &content);
    let end = whole.len() - 4;
    let sum = crc32c::crc32c(&whole[..end]).to_le_bytes();
    whole[end..].copy_from_slice(&sum);
    std::io::Write::write_all(&mut client.stream, &whole).unwrap();
    let reply = client.receive().unwrap();
    assert_eq!(reply.flags(), 1);
    let (sections, sum) = reply.whole.split_last_chunk::<4>().unwrap();
    assert_eq!(crc32c::crc32c(sections), u32::from_le_bytes(*sum));
    whole[end] ^= 1;
    std::io::Write::write_all(&mut client.stream, &whole).unwrap();
    assert!(client.receive().is_none());
    assert!(crate::client::lives(server.address()));
}

/// A request with more to come has no reply, but is done.
#[test]
fn unacknowledged() {
    let (_server, mut client) = served();
    let body =
        doc! {"insert": "c", "documents": [{"_id": 1}], "writeConcern": {"w": 0}, "$db": "test"};
    client.send(OP_MSG, &message(2, &body, &[]));
    let counted = client.run(doc! {"count": "c"});
    assert_eq!(counted.get_i32("n").unwrap(), 1);
}

/// Compressed requests are answered compressed, with what was agreed on.
#[test]
fn compression() {
    let (_server, mut client) = served();
    let hello = client.run(doc! {"hello": 1, "compression": ["zstd", "snappy", "zlib"]});
    let agreed: Vec<&str> = hello
        .get_array("compression")
        .unwrap()
        .iter()
        .map(|v| v.as_str().unwrap())
        .collect();
    assert_eq!(agreed, ["snappy", "zlib"]);
    let inside = message(0, &doc! {"buildInfo": 1, "$db": "admin"}, &[]);
    let mut content = OP_MSG.to_le_bytes().to_vec();
    content.extend((inside.len() as i32).to_le_bytes());
    content.push(1);
    content.extend(snap::raw::Encoder::new().compress_vec(&inside).unwrap());
    client.send(OP_COMPRESSED, &content);
    let reply = client.receive().unwrap();
    assert_eq!((reply.opcode, reply.content[8]), (OP_COMPRESSED, 1));
    let plain = snap::raw::Decoder::new()
        .decompress_vec(&reply.content[9..])
        .unwrap();
    let document = Document::from_reader(&plain[5..]).unwrap();
    assert_eq!(document.get_str("version").unwrap(), "8.0.0");
}

/// Errors carry code, name and the time of the cluster; the connection goes on.
#[test]
fn errors() {
    let (_server, mut client) = served();
    let unknown = client.run(doc! {"noSuchThing": 1});
    assert_eq!(unknown.get_i32("code").unwrap(), 59);
    assert_eq!(unknown.get_str("codeName").unwrap(), "CommandNotFound");
    assert!(unknown.contains_key("$clusterTime") && unknown.contains_key("operationTime"));
    client.send(OP_MSG, &message(0, &doc! {"ping": 1}, &[]));
    assert_eq!(client.receive().unwrap().number("code"), 40571);
    let bad = client.run_in("no/such", doc! {"find": "c"});
    assert_eq!(bad.get_i32("code").unwrap(), 73);
    assert!(client.lives());
}

/// What is nested too deeply is refused before anything recurses.
#[test]
fn depth() {
    let (_server, mut client) = served();
    // Ends only: the lengths are made below, from the inside out.
    let mut deep = vec![5_u8, 0, 0, 0, 0];
    deep.resize(deep.len() + 50_000, 0);
    let mut nested = Vec::with_capacity(50_000 * 8);
    let total = 5 + 50_000 * 8;
    for level in 0..50_000_usize {
        nested.extend(((total - level * 8) as i32).to_le_bytes());
        nested.extend([3, b'a', 0]);
    }
    nested.extend(deep);
    let mut content = 0_u32.to_le_bytes().to_vec();
    content.push(0);
    content.extend(nested);
    client.send(OP_MSG, &content);
    assert_eq!(client.receive().unwrap().number("code"), 15);
    assert!(client.lives());
}

/// A monitor gets one reply after the other to a single `hello`.
#[test]
fn streamed_hello() {
    let (_server, mut client) = served();
    let first = client.run(doc! {"hello": 1});
    let known = first.get_document("topologyVersion").unwrap().clone();
    let body = doc! {"hello": 1, "topologyVersion": known, "maxAwaitTimeMS": 20, "$db": "admin"};
    let mut last = client.send(OP_MSG, &message(1 << 16, &body, &[]));
    for _ in 0..3 {
        let reply = client.receive().unwrap();
        assert_eq!((reply.response_to, reply.flags()), (last, 2));
        last = reply.request;
    }
}

/// An exhausting `getMore` brings all batches unasked.
#[test]
fn exhausted_cursor() {
    let (_server, mut client) = served();
    let documents: Vec<Document> = (0..50).map(|n| doc! {"_id": n}).collect();
    client.run(doc! {"insert": "c", "documents": documents});
    let found = client.run(doc! {"find": "c", "batchSize": 10});
    let id = found.get_document("cursor").unwrap().get_i64("id").unwrap();
    let body = doc! {"getMore": id, "collection": "c", "batchSize": 10, "$db": "test"};
    client.send(OP_MSG, &message(1 << 16, &body, &[]));
    let mut seen = 10;
    loop {
        let reply = client.receive().unwrap();
        let document = reply.document();
        seen += document
            .get_document("cursor")
            .unwrap()
            .get_array("nextBatch")
            .unwrap()
            .len();
        if reply.flags() == 0 {
            break;
        }
    }
    assert_eq!(seen, 50);
}

/// Who has not logged in may shake hands, and nothing else.
#[test]
fn login_needed() {
    let server = WireOptions::new().password("me", "secret").start().unwrap();
    let mut client = Client::connect(server.address());
    let hello = client.run(doc! {"hello": 1, "saslSupportedMechs": "admin.me"});
    assert_eq!(hello.get_array("saslSupportedMechs").unwrap().len(), 1);
    for command in [
        doc! {"find": "c"},
        doc! {"listDatabases": 1},
        doc! {"serverStatus": 1},
        doc! {"endSessions": []},
    ] {
        assert_eq!(client.run(command).get_i32("code").unwrap(), 13);
    }
    let payload = |text: &str| bson::Binary {
        subtype: bson::spec::BinarySubtype::Generic,
        bytes: text.as_bytes().to_vec(),
    };
    let started = client.run(
        doc! {"saslStart": 1, "mechanism": "SCRAM-SHA-256", "payload": payload("n,,n=me,r=abc")},
    );
    assert_eq!(started.get_f64("ok").unwrap(), 1.0);
    let lie = client.run(
        doc! {"saslContinue": 1, "conversationId": 1, "payload": payload("c=biws,r=abc,p=AAAA")},
    );
    assert_eq!(lie.get_i32("code").unwrap(), 18);
    assert_eq!(client.run(doc! {"find": "c"}).get_i32("code").unwrap(), 13);
}
