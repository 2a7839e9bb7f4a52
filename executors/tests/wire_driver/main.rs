//! The official Rust driver against the wire server: ordinary work, and the engine's battery.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod battery;
mod login;
mod transactions;
mod work;

use mongodb::{Client, Collection};
use mqlc_executors::wire::WireServer;

/// A server, a client of it, and a collection.
async fn fresh() -> (WireServer, Client, Collection<bson::Document>) {
    let server = WireServer::start().unwrap();
    let client = Client::with_uri_str(server.uri()).await.unwrap();
    let items = client.database("shop").collection("items");
    (server, client, items)
}
