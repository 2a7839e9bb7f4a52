//! From a request to its reply: what the protocol itself answers is here, all else goes to the engine.
mod diagnostics;
mod failing;
mod handshake;
mod sessions;

use std::net::SocketAddr;
use std::sync::atomic::Ordering;

use bson::{Bson, Document, doc};

use super::message::Request;
use super::reply;
use super::scram::Exchange;
use super::server::Shared;
use super::session;
use crate::memory::error::{Code, EngineError};

pub(super) use failing::Failing;
use failing::Fate;
pub(super) use handshake::waits;

/// What is known of a client.
pub(super) struct Peer {
    pub number: i32,
    pub local: SocketAddr,
    pub remote: SocketAddr,
    /// Who it has proven to be.
    pub user: Option<String>,
    /// An exchange about a password that has begun.
    pub exchange: Option<Exchange>,
    /// The client may leave out the last, empty message of the exchange.
    pub short_exchange: bool,
}

impl Peer {
    pub fn new(number: i32, local: SocketAddr, remote: SocketAddr) -> Self {
        Self {
            number,
            local,
            remote,
            user: None,
            exchange: None,
            short_exchange: false,
        }
    }
}

/// One command at work.
struct Call<'a> {
    shared: &'a Shared,
    peer: &'a mut Peer,
    db: &'a str,
    name: &'a str,
    command: &'a Document,
}

type Done = Result<Document, EngineError>;

/// What answers a command.
type Answer = fn(Call<'_>) -> Done;

/// Commands that anybody may send.
const OPEN: [(&str, Answer); 9] = [
    ("hello", handshake::hello),
    ("isMaster", handshake::hello),
    ("ismaster", handshake::hello),
    ("saslStart", handshake::start_login),
    ("saslContinue", handshake::continue_login),
    ("logout", handshake::logout),
    ("buildInfo", diagnostics::build),
    ("buildinfo", diagnostics::build),
    ("ping", diagnostics::ok),
];

/// Commands that need a login, if there is one.
const CLOSED: [(&str, Answer); 26] = [
    ("configureFailPoint", failing::configure),
    ("endSessions", sessions::end),
    ("killSessions", sessions::end),
    ("killAllSessions", sessions::end_all),
    ("killAllSessionsByPattern", sessions::end_all),
    ("refreshSessions", sessions::refresh),
    ("startSession", sessions::start),
    ("connectionStatus", handshake::status),
    ("serverStatus", diagnostics::server),
    ("getParameter", diagnostics::parameter),
    ("setParameter", diagnostics::set_parameter),
    ("getLog", diagnostics::log),
    ("hostInfo", diagnostics::host),
    ("whatsmyuri", diagnostics::address),
    ("getCmdLineOpts", diagnostics::command_line),
    ("listCommands", diagnostics::commands),
    ("replSetGetStatus", diagnostics::members),
    ("replSetGetConfig", diagnostics::members_config),
    ("currentOp", diagnostics::running),
    ("killOp", diagnostics::nothing_to_end),
    ("top", diagnostics::nothing_counted),
    ("fsync", diagnostics::save),
    ("usersInfo", diagnostics::users),
    ("rolesInfo", diagnostics::roles),
    ("getDefaultRWConcern", diagnostics::concerns),
    ("validate", diagnostics::validate),
];

fn listed(table: &[(&str, Answer)], name: &str) -> Option<Answer> {
    table
        .iter()
        .find(|(known, _)| *known == name)
        .map(|(_, answer)| *answer)
}

/// Answers a request; nothing when the connection is to be closed instead.
pub(super) fn answer(shared: &Shared, peer: &mut Peer, request: Request) -> Option<Document> {
    shared.commands.fetch_add(1, Ordering::Relaxed);
    let fate = request.command.as_ref().ok().and_then(|command| {
        let name = command.keys().next()?;
        shared.failing.fate(name, command)
    });
    let unmet = match fate {
        None => None,
        Some(Fate::Close) => return None,
        Some(Fate::Fail(mut reply)) => {
            shared.time.stamp(&mut reply);
            return Some(reply);
        }
        Some(Fate::Wait(time)) => {
            std::thread::sleep(time);
            None
        }
        Some(Fate::Unmet(unmet)) => Some(unmet),
    };
    let mut reply = match run(shared, peer, request) {
        Ok(reply) => reply,
        Err(e) => reply::of_error(&e),
    };
    if let Some(unmet) = unmet {
        reply.insert("writeConcernError", unmet);
    }
    shared.time.stamp(&mut reply);
    Some(reply)
}

fn run(shared: &Shared, peer: &mut Peer, request: Request) -> Done {
    let Ok(command) = request.command else {
        return Err(EngineError::new(
            Code::Overflow,
            "Document exceeds maximum nested object depth: 200",
        ));
    };
    let Some(name) = command.keys().next().cloned() else {
        return Err(EngineError::new(
            Code::CommandNotFound,
            "no such command: ''",
        ));
    };
    if request.legacy && !matches!(name.as_str(), "hello" | "isMaster" | "ismaster") {
        return Err(EngineError::location(
            352,
            format!(
                "Unsupported OP_QUERY command: {name}. The client driver may require an upgrade."
            ),
        ));
    }
    let Some(db) = request.db.filter(|db| !db.is_empty()) else {
        return Err(EngineError::location(
            40571,
            "OP_MSG requests require a $db argument",
        ));
    };
    if db.len() > 63 || db.contains(['\0', '/', '\\', '.', ' ', '"', '$']) && db != "$external" {
        return Err(EngineError::new(
            Code::InvalidNamespace,
            format!("Invalid database name: '{db}'"),
        ));
    }
    let mut call = |answer: Answer| {
        answer(Call {
            shared,
            peer: &mut *peer,
            db: &db,
            name: &name,
            command: &command,
        })
    };
    if let Some(answer) = listed(&OPEN, &name) {
        return call(answer);
    }
    let closed = listed(&CLOSED, &name);
    if shared.credentials.is_some() && call(handshake::is_known).is_err() {
        return Err(EngineError::new(
            Code::Unauthorized,
            format!("Command {name} requires authentication"),
        ));
    }
    if let Some(answer) = closed {
        return call(answer);
    }
    let unmet = unmet_concern(&command);
    let mut reply = session::run(shared, &db, &name, command)?;
    if let Some(unmet) = unmet {
        reply.insert("writeConcernError", unmet);
    }
    Ok(reply)
}

/// The complaint about a write concern that one server alone cannot meet.
fn unmet_concern(command: &Document) -> Option<Bson> {
    let w = command.get_document("writeConcern").ok()?.get("w")?;
    let members = match w {
        Bson::Int32(n) => i64::from(*n),
        Bson::Int64(n) => *n,
        _ => return None,
    };
    (members > 1).then(|| {
        Bson::Document(doc! {
            "code": 100, "codeName": "UnsatisfiableWriteConcern", "errmsg": "Not enough data-bearing nodes",
            "errInfo": {"writeConcern": command.get("writeConcern").cloned().unwrap_or(Bson::Null)},
        })
    })
}
