//! What the server says about itself.
use std::sync::atomic::Ordering;

use bson::{Bson, DateTime, Document, doc};

use super::super::session::locked;
use super::{CLOSED, Call, Done, OPEN};
use crate::memory::error::{Code, EngineError};

/// The version of MongoDB that is spoken.
const VERSION: &str = "8.0.0";

/// Commands of the engine, for `listCommands`.
const ENGINE: [&str; 24] = [
    "abortTransaction",
    "aggregate",
    "bulkWrite",
    "collMod",
    "collStats",
    "commitTransaction",
    "count",
    "create",
    "createIndexes",
    "dbStats",
    "delete",
    "distinct",
    "drop",
    "dropDatabase",
    "dropIndexes",
    "explain",
    "find",
    "findAndModify",
    "getMore",
    "insert",
    "killCursors",
    "listCollections",
    "listDatabases",
    "listIndexes",
];

fn int(n: usize) -> i32 {
    i32::try_from(n).unwrap_or(i32::MAX)
}

fn long(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

pub(super) fn ok(_: Call<'_>) -> Done {
    Ok(doc! {"ok": 1.0})
}

pub(super) fn build(_: Call<'_>) -> Done {
    Ok(doc! {
        "version": VERSION, "versionArray": [8, 0, 0, 0], "gitVersion": "", "modules": [], "allocator": "system",
        "javascriptEngine": "none", "sysInfo": "", "openssl": {"running": "none", "compiled": "none"},
        "buildEnvironment": {"target_os": std::env::consts::OS, "target_arch": std::env::consts::ARCH},
        "mqlc": env!("CARGO_PKG_VERSION"), "bits": 64, "debug": false, "maxBsonObjectSize": 16_777_216,
        "storageEngines": ["wiredTiger"], "ok": 1.0,
    })
}

pub(super) fn server(call: Call<'_>) -> Done {
    let shared = call.shared;
    let up = shared.started.elapsed();
    let current = shared.connections.load(Ordering::Relaxed);
    let available = shared.limits.connections.saturating_sub(current);
    let seconds = i32::try_from(up.as_secs()).unwrap_or(i32::MAX);
    let (refused, why) = *locked(&shared.refused);
    Ok(doc! {
        "host": call.peer.local.to_string(), "version": VERSION, "process": "mqlc", "pid": i64::from(std::process::id()),
        "uptime": f64::from(seconds), "uptimeMillis": i64::try_from(up.as_millis()).unwrap_or(i64::MAX),
        "uptimeEstimate": i64::from(seconds), "localTime": DateTime::now(),
        "connections": {
            "current": int(current), "available": int(available),
            "totalCreated": shared.connections_ever.load(Ordering::Relaxed), "active": 1,
        },
        "logicalSessionRecordCache": {"activeSessionsCount": int(shared.sessions.len())},
        "transactions": {"currentOpen": i64::from(int(shared.sessions.in_transaction()))},
        "metrics": {"cursor": {"open": {"total": i64::from(int(shared.cursors.len()))}}},
        "network": {
            "numRequests": long(shared.commands.load(Ordering::Relaxed)), "malformedMessages": refused, "lastMalformed": why,
        },
        "repl": {
            "setName": shared.replica_set.as_str(), "setVersion": 1, "isWritablePrimary": true, "secondary": false,
            "hosts": [call.peer.local.to_string()], "me": call.peer.local.to_string(),
        },
        // Clients take this name for "has transactions".
        "storageEngine": {"name": "wiredTiger", "supportsCommittedReads": true, "persistent": true, "readOnly": false},
        "ok": 1.0,
    })
}

/// Parameters that clients ask for.
fn parameters() -> Document {
    doc! {
        "featureCompatibilityVersion": {"version": "8.0"}, "authenticationMechanisms": ["SCRAM-SHA-256"],
        "enableTestCommands": false, "logLevel": 0, "quiet": false, "ttlMonitorEnabled": true, "notablescan": false,
        "maxTransactionLockRequestTimeoutMillis": 5, "transactionLifetimeLimitSeconds": 60,
        "localLogicalSessionTimeoutMinutes": 30, "cursorTimeoutMillis": 600_000_i64, "internalQueryMaxBlockingSortMemoryUsageBytes": 104_857_600,
    }
}

pub(super) fn parameter(call: Call<'_>) -> Done {
    let known = parameters();
    let asked = call.command.get("getParameter");
    let all = matches!(asked, Some(Bson::String(s)) if s == "*")
        || matches!(asked, Some(Bson::Document(d)) if d.get_bool("allParameters").unwrap_or(false))
        || call.command.get_bool("allParameters").unwrap_or(false);
    let mut reply: Document = known
        .into_iter()
        .filter(|(name, _)| all || call.command.contains_key(name))
        .collect();
    if reply.is_empty() {
        return Err(EngineError::new(
            Code::InvalidOptions,
            "no option found to get",
        ));
    }
    reply.insert("ok", 1.0);
    Ok(reply)
}

pub(super) fn set_parameter(call: Call<'_>) -> Done {
    let known = parameters();
    let name = call.command.keys().nth(1).map_or("", String::as_str);
    match known.get(name) {
        Some(was) => Ok(doc! {"was": was.clone(), "ok": 1.0}),
        None => Err(EngineError::new(
            Code::InvalidOptions,
            format!(
                "attempted to set unrecognized parameter [{name}], use help:true to see options"
            ),
        )),
    }
}

pub(super) fn log(call: Call<'_>) -> Done {
    if matches!(call.command.get("getLog"), Some(Bson::String(s)) if s == "*") {
        return Ok(doc! {"names": ["global", "startupWarnings"], "ok": 1.0});
    }
    Ok(doc! {"totalLinesWritten": 0, "log": [], "ok": 1.0})
}

pub(super) fn host(call: Call<'_>) -> Done {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    Ok(doc! {
        "system": {
            "currentTime": DateTime::now(), "hostname": call.peer.local.to_string(), "cpuAddrSize": 64, "numCores": int(cores),
            "cpuArch": std::env::consts::ARCH,
        },
        "os": {"type": std::env::consts::OS, "name": std::env::consts::OS, "version": ""}, "extra": {}, "ok": 1.0,
    })
}

pub(super) fn address(call: Call<'_>) -> Done {
    Ok(doc! {"you": call.peer.remote.to_string(), "ok": 1.0})
}

pub(super) fn command_line(call: Call<'_>) -> Done {
    let port = i32::from(call.peer.local.port());
    Ok(doc! {
        "argv": ["mqlc", "serve"],
        "parsed": {"net": {"bindIp": call.peer.local.ip().to_string(), "port": port}, "replication": {"replSet": call.shared.replica_set.as_str()}},
        "ok": 1.0,
    })
}

pub(super) fn commands(_: Call<'_>) -> Done {
    let own = OPEN.iter().chain(&CLOSED).map(|(name, _)| *name);
    let mut names: Vec<&str> = own.chain(ENGINE).collect();
    names.sort_unstable();
    let about = |name: &str| doc! {"help": "", "requiresAuth": !OPEN.iter().any(|(n, _)| *n == name), "secondaryOk": false, "adminOnly": false};
    let list: Document = names
        .iter()
        .map(|name| ((*name).to_owned(), Bson::Document(about(name))))
        .collect();
    Ok(doc! {"commands": list, "ok": 1.0})
}

fn replication_needs_admin(call: &Call<'_>) -> Result<(), EngineError> {
    if call.db == "admin" {
        return Ok(());
    }
    Err(EngineError::new(
        Code::Unauthorized,
        format!("{} may only be run against the admin database.", call.name),
    ))
}

pub(super) fn members(call: Call<'_>) -> Done {
    replication_needs_admin(&call)?;
    let up = i32::try_from(call.shared.started.elapsed().as_secs()).unwrap_or(i32::MAX);
    let at = doc! {"ts": call.shared.time.now(), "t": 1_i64};
    Ok(doc! {
        "set": call.shared.replica_set.as_str(), "date": DateTime::now(), "myState": 1, "term": 1_i64,
        "optimes": {"lastCommittedOpTime": at.clone(), "appliedOpTime": at.clone(), "durableOpTime": at.clone()},
        "members": [{
            "_id": 0, "name": call.peer.local.to_string(), "health": 1.0, "state": 1, "stateStr": "PRIMARY", "uptime": up,
            "optime": at, "self": true,
        }],
        "ok": 1.0,
    })
}

pub(super) fn members_config(call: Call<'_>) -> Done {
    replication_needs_admin(&call)?;
    Ok(doc! {
        "config": {
            "_id": call.shared.replica_set.as_str(), "version": 1, "term": 1, "protocolVersion": 1_i64,
            "members": [{"_id": 0, "host": call.peer.local.to_string(), "priority": 1.0, "votes": 1}],
            "settings": {},
        },
        "ok": 1.0,
    })
}

pub(super) fn running(_: Call<'_>) -> Done {
    Ok(doc! {"inprog": [], "ok": 1.0})
}

pub(super) fn nothing_to_end(_: Call<'_>) -> Done {
    Ok(doc! {"info": "no such operation", "ok": 1.0})
}

pub(super) fn nothing_counted(_: Call<'_>) -> Done {
    Ok(doc! {"totals": {}, "ok": 1.0})
}

pub(super) fn save(call: Call<'_>) -> Done {
    call.shared.save()?;
    Ok(doc! {"numFiles": 1, "ok": 1.0})
}

pub(super) fn users(call: Call<'_>) -> Done {
    let users: Vec<Bson> = call
        .shared
        .credentials
        .iter()
        .map(|c| {
            Bson::Document(doc! {
                "_id": format!("admin.{}", c.user()), "user": c.user(), "db": "admin",
                "roles": [{"role": "root", "db": "admin"}], "mechanisms": ["SCRAM-SHA-256"],
            })
        })
        .collect();
    Ok(doc! {"users": users, "ok": 1.0})
}

pub(super) fn roles(_: Call<'_>) -> Done {
    Ok(doc! {"roles": [], "ok": 1.0})
}

pub(super) fn concerns(_: Call<'_>) -> Done {
    Ok(doc! {
        "defaultReadConcern": {"level": "local"}, "defaultWriteConcern": {"w": "majority", "wtimeout": 0},
        "defaultReadConcernSource": "implicit", "defaultWriteConcernSource": "implicit", "ok": 1.0,
    })
}

/// `validate`: what is in memory is whole by construction; the numbers are the collection's.
pub(super) fn validate(call: Call<'_>) -> Done {
    let Some(Bson::String(name)) = call.command.get("validate") else {
        return Err(EngineError::new(
            Code::InvalidNamespace,
            "validate needs a collection",
        ));
    };
    let indexes = call
        .shared
        .run(call.db, doc! {"listIndexes": name})?
        .get_document("cursor")
        .ok()
        .and_then(|c| c.get_array("firstBatch").ok())
        .map_or(0, Vec::len);
    let counted = call.shared.run(call.db, doc! {"count": name})?;
    Ok(doc! {
        "ns": format!("{}.{name}", call.db), "nInvalidDocuments": 0, "nrecords": counted.get("n").cloned().unwrap_or(Bson::Int32(0)),
        "nIndexes": int(indexes), "valid": true, "errors": [], "warnings": [], "ok": 1.0,
    })
}
