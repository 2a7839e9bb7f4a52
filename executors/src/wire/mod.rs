//! The embedded engine behind MongoDB's wire protocol: a mock server that any driver can connect to.
//!
//! It calls itself MongoDB 8.0, the primary of a replica set of one, so that sessions, transactions and retryable
//! writes are what drivers expect. It listens on the local machine only, unless told otherwise, and it is a mock: there
//! are no roles, no encryption, no replication.
//!
//! What lives where: `frame`, `check`, `compress` and `message` turn bytes into commands and replies into bytes;
//! `connection` speaks with one client; `scram` knows passwords; `session` knows numbered writes, transactions and
//! cursors; `command` answers what the engine does not; `server` listens.
//!
//! ```
//! use mqlc_executors::wire::WireServer;
//!
//! let server = WireServer::start().unwrap();
//! assert!(server.uri().starts_with("mongodb://127.0.0.1:"));
//! // Data can be put in and looked at without a connection, too.
//! server.engine().run_command("shop", bson::doc! {"insert": "items", "documents": [{"_id": 1}]}).unwrap();
//! // It ends when it is dropped.
//! ```
mod check;
mod command;
mod compress;
mod connection;
mod frame;
mod message;
mod options;
mod reply;
mod scram;
mod server;
mod session;

pub use options::{WireLimits, WireOptions};
pub use server::WireServer;

/// Whether bytes are exactly one message of a client whose command can be read: header, compression, sections, BSON.
#[must_use]
pub fn is_message(bytes: &[u8]) -> bool {
    connection::is_message(bytes)
}
