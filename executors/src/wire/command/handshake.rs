//! Who talks to whom: `hello`, logins.
use std::time::Duration;

use bson::oid::ObjectId;
use bson::spec::BinarySubtype;
use bson::{Binary, Bson, DateTime, Document, doc};

use super::super::compress;
use super::super::scram::MECHANISM;
use super::super::server::Shared;
use super::{Call, Done};
use crate::memory::error::{Code, EngineError};

/// The protocol's version: MongoDB 8.0.
const WIRE_VERSION: i32 = 25;

/// The only exchange about a password that a connection can have at a time.
const CONVERSATION: i32 = 1;

fn topology(shared: &Shared) -> Document {
    doc! {"processId": shared.process, "counter": 6_i64}
}

/// How long a `hello` waits for a change that it does not know of. There never is one.
pub(in super::super) fn waits(shared: &Shared, name: &str, command: &Document) -> Option<Duration> {
    const LONGEST: i64 = 60_000;
    if !matches!(name, "hello" | "isMaster" | "ismaster") {
        return None;
    }
    let known = command.get_document("topologyVersion").ok()?;
    if known.get_object_id("processId").ok()? != shared.process {
        return None;
    }
    let millis = match command.get("maxAwaitTimeMS")? {
        Bson::Int32(n) => i64::from(*n),
        Bson::Int64(n) => *n,
        _ => return None,
    };
    u64::try_from(millis.min(LONGEST))
        .ok()
        .map(|n| Duration::from_millis(n.max(10)))
}

pub(super) fn hello(mut call: Call<'_>) -> Done {
    let me = call.peer.local.to_string();
    let now = call.shared.time.now();
    let at = doc! {"ts": now, "t": 1_i64};
    let primary = if call.name == "hello" {
        "isWritablePrimary"
    } else {
        "ismaster"
    };
    let mut reply = Document::new();
    if call.command.get_bool("helloOk").unwrap_or(false) {
        reply.insert("helloOk", true);
    }
    reply.insert("topologyVersion", topology(call.shared));
    reply.insert("hosts", vec![me.clone()]);
    reply.insert("setName", call.shared.replica_set.as_str());
    reply.insert("setVersion", 1);
    reply.insert(primary, true);
    reply.insert("secondary", false);
    reply.insert("primary", me.clone());
    reply.insert("me", me);
    let election = [0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 1];
    reply.insert("electionId", ObjectId::from_bytes(election));
    let date = DateTime::now();
    reply.insert(
        "lastWrite",
        doc! {"opTime": at.clone(), "lastWriteDate": date, "majorityOpTime": at, "majorityWriteDate": date},
    );
    reply.insert("maxBsonObjectSize", 16_777_216);
    let most = i32::try_from(call.shared.limits.message_bytes).unwrap_or(i32::MAX);
    reply.insert("maxMessageSizeBytes", most);
    reply.insert("maxWriteBatchSize", 100_000);
    reply.insert("localTime", date);
    let minutes = call.shared.limits.session_idle.as_secs() / 60;
    reply.insert(
        "logicalSessionTimeoutMinutes",
        i32::try_from(minutes.max(1)).unwrap_or(i32::MAX),
    );
    reply.insert("connectionId", call.peer.number);
    reply.insert("minWireVersion", 0);
    reply.insert("maxWireVersion", WIRE_VERSION);
    reply.insert("readOnly", false);
    if let Ok(asked) = call.command.get_array("compression") {
        let names = compress::common(asked.iter().filter_map(Bson::as_str));
        if !names.is_empty() {
            reply.insert("compression", names);
        }
    }
    if let Ok(asked) = call.command.get_str("saslSupportedMechs") {
        let user = asked.split_once('.').map_or(asked, |(_, user)| user);
        let known = call
            .shared
            .credentials
            .as_ref()
            .is_some_and(|c| c.user() == user);
        if known {
            reply.insert("saslSupportedMechs", vec![MECHANISM]);
        }
    }
    if let Ok(begun) = call.command.get_document("speculativeAuthenticate")
        && begun.contains_key("saslStart")
        && let Ok(started) = begin(&mut call, begun)
    {
        reply.insert("speculativeAuthenticate", started);
    }
    reply.insert("ok", 1.0);
    Ok(reply)
}

fn failed() -> EngineError {
    EngineError::new(Code::AuthenticationFailed, "Authentication failed.")
}

fn payload(command: &Document) -> Result<&[u8], EngineError> {
    match command.get("payload") {
        Some(Bson::Binary(b)) => Ok(&b.bytes),
        Some(Bson::String(s)) => Ok(s.as_bytes()),
        _ => Err(EngineError::new(
            Code::NoSuchKey,
            "Missing expected field \"payload\"",
        )),
    }
}

fn said(text: String, done: bool) -> Document {
    let payload = Binary {
        subtype: BinarySubtype::Generic,
        bytes: text.into_bytes(),
    };
    doc! {"conversationId": CONVERSATION, "done": done, "payload": payload}
}

fn with_ok(mut reply: Document) -> Document {
    reply.insert("ok", 1.0);
    reply
}

fn begin(call: &mut Call<'_>, command: &Document) -> Done {
    let mechanism = command.get_str("mechanism").unwrap_or_default();
    if mechanism != MECHANISM {
        return Err(EngineError::location(
            334,
            format!("Unsupported mechanism '{mechanism}'"),
        ));
    }
    let credentials = call.shared.credentials.as_ref().ok_or_else(failed)?;
    let (exchange, text) = credentials.start(payload(command)?)?;
    call.peer.exchange = Some(exchange);
    call.peer.short_exchange = command
        .get_document("options")
        .is_ok_and(|o| o.get_bool("skipEmptyExchange").unwrap_or(false));
    Ok(said(text, false))
}

pub(super) fn start_login(mut call: Call<'_>) -> Done {
    let command = call.command;
    begin(&mut call, command).map(with_ok)
}

pub(super) fn continue_login(call: Call<'_>) -> Done {
    let credentials = call.shared.credentials.as_ref().ok_or_else(failed)?;
    let Some(mut exchange) = call.peer.exchange.take() else {
        return Err(EngineError::new(
            Code::ProtocolError,
            "No SASL session state found",
        ));
    };
    if exchange.proven() {
        call.peer.user = Some(credentials.user().to_owned());
        return Ok(with_ok(said(String::new(), true)));
    }
    let text = credentials.finish(&mut exchange, payload(call.command)?)?;
    if call.peer.short_exchange {
        call.peer.user = Some(credentials.user().to_owned());
    } else {
        call.peer.exchange = Some(exchange);
    }
    Ok(with_ok(said(text, call.peer.short_exchange)))
}

pub(super) fn logout(call: Call<'_>) -> Done {
    call.peer.user = None;
    Ok(doc! {"ok": 1.0})
}

/// An error unless the client has logged in.
pub(super) fn is_known(call: Call<'_>) -> Done {
    match call.peer.user {
        Some(_) => Ok(Document::new()),
        None => Err(failed()),
    }
}

pub(super) fn status(call: Call<'_>) -> Done {
    let users: Vec<Bson> = call
        .peer
        .user
        .iter()
        .map(|user| Bson::Document(doc! {"user": user, "db": "admin"}))
        .collect();
    let roles: Vec<Bson> = users
        .iter()
        .map(|_| Bson::Document(doc! {"role": "root", "db": "admin"}))
        .collect();
    let mut about = doc! {"authenticatedUsers": users, "authenticatedUserRoles": roles};
    if call.command.get_bool("showPrivileges").unwrap_or(false) {
        about.insert("authenticatedUserPrivileges", Vec::<Bson>::new());
    }
    Ok(doc! {"authInfo": about, "ok": 1.0})
}
