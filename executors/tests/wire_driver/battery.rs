//! The battery of engine cases, through the driver.
use std::path::Path;

use bson::{Document, doc};
use mongodb::Client;
use mongodb::error::ErrorKind;
use mqlc_executors::memory::battery::{Runner, run_with};
use mqlc_executors::wire::WireServer;

struct Wire {
    runtime: tokio::runtime::Runtime,
    client: Client,
    _server: WireServer,
}

impl Wire {
    fn send(&self, command: Document) -> Result<Document, (i64, String)> {
        let database = self.client.database("battery");
        let done = self
            .runtime
            .block_on(async { database.run_command(command).await });
        done.map_err(|e| match *e.kind {
            ErrorKind::Command(e) => (i64::from(e.code), e.message),
            other => (0, other.to_string()),
        })
    }
}

impl Runner for Wire {
    fn reset(&mut self) {
        self.send(doc! {"dropDatabase": 1}).unwrap();
    }

    fn run(&mut self, command: Document) -> Result<Document, (i64, String)> {
        self.send(command)
    }
}

/// The cases in the folder that `MQLC_ENGINE_BATTERY` names go as they go without a wire: at least 99 % pass.
#[test]
fn battery() {
    let Ok(dir) = std::env::var("MQLC_ENGINE_BATTERY") else {
        println!("skipped: MQLC_ENGINE_BATTERY names no folder");
        return;
    };
    let server = WireServer::start().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let client = runtime
        .block_on(Client::with_uri_str(server.uri()))
        .unwrap();
    let mut wire = Wire {
        runtime,
        client,
        _server: server,
    };
    let report = run_with(Path::new(&dir), &mut wire).unwrap();
    for (id, why) in &report.failures {
        println!("FAIL {id}: {}", why.chars().take(400).collect::<String>());
    }
    let (passed, all) = report.totals();
    println!(
        "{passed} of {all} passed over the wire, {} with another code",
        report.codes.len()
    );
    assert!(passed * 100 >= all * 99, "{passed} of {all}");
}
