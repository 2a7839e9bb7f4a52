//! The fail point `failCommand`: commands that fail on demand, to test what clients do then.
//!
//! As MongoDB's test servers have it: `{configureFailPoint: "failCommand", mode: {times: 1}, data: {failCommands: ["insert"],
//! errorCode: 91}}`. `data` may also hold `errorLabels`, `closeConnection`, `blockConnection` with `blockTimeMS`, and
//! `writeConcernError`.
use std::sync::Mutex;
use std::time::Duration;

use bson::{Bson, Document, doc};

use super::super::session::locked;
use super::{Call, Done};
use crate::memory::error::{Code, EngineError};

/// Codes after which a write is worth a second try.
const RETRYABLE: [i32; 12] = [
    6, 7, 89, 91, 189, 262, 9001, 10107, 11600, 11602, 13435, 13436,
];

/// What is set to fail.
#[derive(Default)]
pub(in super::super) struct Failing(Mutex<Option<Point>>);

struct Point {
    commands: Vec<String>,
    /// Commands to let pass first.
    skip: i64,
    /// Commands to fail, then; nothing for all.
    times: Option<i64>,
    what: Document,
}

/// What a command is to suffer.
pub(in super::super) enum Fate {
    /// Nothing, after a wait.
    Wait(Duration),
    /// The connection is closed.
    Close,
    /// It fails with this reply.
    Fail(Document),
    /// It runs, but a write concern is not met.
    Unmet(Bson),
}

fn long(v: Option<&Bson>) -> i64 {
    match v {
        Some(Bson::Int32(n)) => i64::from(*n),
        Some(Bson::Int64(n)) => *n,
        _ => 0,
    }
}

fn labels(code: i32, command: &Document) -> Option<Vec<&'static str>> {
    let numbered = command.contains_key("txnNumber");
    let in_transaction = command.contains_key("autocommit");
    let ends = matches!(
        command.keys().next().map(String::as_str),
        Some("commitTransaction" | "abortTransaction")
    );
    if !RETRYABLE.contains(&code) || !numbered {
        return None;
    }
    Some(if in_transaction && !ends {
        vec!["TransientTransactionError"]
    } else {
        vec!["RetryableWriteError"]
    })
}

impl Failing {
    /// What is to happen to a command, if anything.
    pub fn fate(&self, name: &str, command: &Document) -> Option<Fate> {
        let mut point = locked(&self.0);
        let at = point.as_mut()?;
        if !at.commands.iter().any(|n| n == name) {
            return None;
        }
        if at.skip > 0 {
            at.skip -= 1;
            return None;
        }
        let what = at.what.clone();
        if let Some(times) = &mut at.times {
            *times -= 1;
            if *times <= 0 {
                *point = None;
            }
        }
        drop(point);
        if what.get_bool("closeConnection").unwrap_or(false) {
            return Some(Fate::Close);
        }
        if let Some(unmet) = what.get("writeConcernError") {
            return Some(Fate::Unmet(unmet.clone()));
        }
        if let Some(code) = what.get("errorCode") {
            let code = i32::try_from(long(Some(code))).unwrap_or(0);
            let e = EngineError::location(code, "Failing command via 'failCommand' failpoint");
            let mut reply = super::reply::of_error(&e);
            if let Some(given) = what.get("errorLabels") {
                reply.insert("errorLabels", given.clone());
            } else if let Some(own) = labels(code, command) {
                reply.insert("errorLabels", own);
            }
            return Some(Fate::Fail(reply));
        }
        if what.get_bool("blockConnection").unwrap_or(false) {
            let millis = u64::try_from(long(what.get("blockTimeMS"))).unwrap_or(0);
            return Some(Fate::Wait(Duration::from_millis(millis.min(60_000))));
        }
        None
    }
}

pub(super) fn configure(call: Call<'_>) -> Done {
    let name = call.command.get_str(call.name).unwrap_or_default();
    if name != "failCommand" {
        return Err(EngineError::new(
            Code::BadValue,
            format!("fail point {name} is not known; failCommand is"),
        ));
    }
    let (skip, times) = match call.command.get("mode") {
        Some(Bson::String(mode)) if mode == "off" => {
            *locked(&call.shared.failing.0) = None;
            return Ok(doc! {"ok": 1.0});
        }
        Some(Bson::String(mode)) if mode == "alwaysOn" => (0, None),
        Some(Bson::Document(mode)) if mode.contains_key("times") => {
            (0, Some(long(mode.get("times"))))
        }
        Some(Bson::Document(mode)) if mode.contains_key("skip") => (long(mode.get("skip")), None),
        _ => {
            return Err(EngineError::new(
                Code::BadValue,
                "'mode' must be off, alwaysOn, {times: n} or {skip: n}",
            ));
        }
    };
    let what = call
        .command
        .get_document("data")
        .cloned()
        .unwrap_or_default();
    let commands = what
        .get_array("failCommands")
        .map(|list| {
            list.iter()
                .filter_map(|v| v.as_str().map(str::to_owned))
                .collect()
        })
        .unwrap_or_default();
    *locked(&call.shared.failing.0) = Some(Point {
        commands,
        skip,
        times,
        what,
    });
    Ok(doc! {"ok": 1.0})
}
