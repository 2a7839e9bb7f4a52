//! What every reply carries: errors in MongoDB's form, the time of the cluster.
use std::sync::atomic::{AtomicU64, Ordering};

use bson::spec::BinarySubtype;
use bson::{Binary, Bson, DateTime, Document, Timestamp, doc};

use crate::memory::error::EngineError;

/// Names of codes that only the protocol gives.
const NAMES: [(i32, &str); 3] = [
    (100, "UnsatisfiableWriteConcern"),
    (261, "TooManyLogicalSessions"),
    (352, "UnsupportedOpQueryCommand"),
];

/// An error as a reply.
pub(super) fn of_error(e: &EngineError) -> Document {
    let name = NAMES
        .iter()
        .find(|(code, _)| *code == e.code)
        .map_or_else(|| e.name(), |(_, name)| (*name).to_owned());
    let mut reply = doc! {"ok": 0.0, "errmsg": e.message.clone(), "code": e.code, "codeName": name};
    if !e.labels.is_empty() {
        let labels: Vec<Bson> = e.labels.iter().map(|l| Bson::from(*l)).collect();
        reply.insert("errorLabels", labels);
    }
    if let Some(details) = &e.details {
        reply.extend((**details).clone());
    }
    reply
}

/// The cluster's time: seconds, and a count of the writes within a second.
#[derive(Default)]
pub(super) struct ClusterTime(AtomicU64);

impl ClusterTime {
    /// Goes on by one.
    pub fn tick(&self) {
        self.advance();
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn advance(&self) -> u64 {
        let seconds = u64::try_from(DateTime::now().timestamp_millis() / 1000).unwrap_or(0);
        let now = (seconds << 32) | 1;
        self.0.fetch_max(now, Ordering::Relaxed).max(now)
    }

    /// What it is.
    pub fn now(&self) -> Timestamp {
        let now = self.advance();
        Timestamp {
            time: u32::try_from(now >> 32).unwrap_or(u32::MAX),
            increment: u32::try_from(now & u64::from(u32::MAX)).unwrap_or(u32::MAX),
        }
    }

    /// Puts it into a reply.
    pub fn stamp(&self, reply: &mut Document) {
        let now = self.now();
        let hash = Binary {
            subtype: BinarySubtype::Generic,
            bytes: vec![0; 20],
        };
        reply.insert(
            "$clusterTime",
            doc! {"clusterTime": now, "signature": {"hash": hash, "keyId": 0_i64}},
        );
        reply.insert("operationTime", now);
    }
}
