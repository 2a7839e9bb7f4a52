//! `mqlc serve`: the embedded engine as a server for any MongoDB driver.

use std::io::Write;
use std::net::IpAddr;
use std::path::PathBuf;

use clap::Args;
use mqlc::executors::WireOptions;

use super::Result;
use super::failure::Failure;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Port to listen on; 0 for any that is free
    #[arg(long, short = 'p', default_value_t = 27017)]
    port: u16,
    /// Address to listen on
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1")]
    bind: IpAddr,
    /// Folder to load at the start and to save to: after writes and at the end
    #[arg(long, short = 'd', value_name = "DIR", env = "MQLC_DATA")]
    data: Option<PathBuf>,
    /// Let in only who knows this password
    #[arg(long, env = "MQLC_PASSWORD", hide_env_values = true)]
    password: Option<String>,
    /// The user whose password it is
    #[arg(long, default_value = "mqlc", requires = "password")]
    user: String,
    /// Name of the replica set that it says to be
    #[arg(long, value_name = "NAME", default_value = "rs0")]
    replica_set: String,
}

pub(super) fn run(arguments: &Arguments) -> Result<()> {
    let mut options = WireOptions::new()
        .bind(arguments.bind)
        .port(arguments.port)
        .replica_set(&arguments.replica_set);
    if let Some(password) = &arguments.password {
        options = options.password(&arguments.user, password);
    }
    if let Some(dir) = &arguments.data {
        options = options.data(dir);
    }
    let server = options.start().map_err(|e| {
        let place =
            format_args!("cannot serve on {}:{}", arguments.bind, arguments.port).to_string();
        Failure::failed(place, e)
    })?;
    let address = server.address();
    let mut out = std::io::stdout().lock();
    writeln!(out, "listening on {address} (stop with Ctrl-C)")?;
    match arguments.password {
        Some(_) => writeln!(
            out,
            "mongodb://{}:<password>@{address}/?directConnection=true",
            arguments.user
        )?,
        None => writeln!(out, "{}", server.uri())?,
    }
    out.flush()?;
    drop(out);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|e| Failure::failed("cannot start", e))?;
    runtime.block_on(async {
        asked_to_stop()
            .await
            .map_err(|e| Failure::failed("cannot wait for signals", e))?;
        server
            .stop()
            .await
            .map_err(|e| Failure::failed("cannot save", e))
    })
}

/// Waits for Ctrl-C, or for the system's wish that we end.
#[cfg(unix)]
async fn asked_to_stop() -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminated = signal(SignalKind::terminate())?;
    tokio::select! {
        done = tokio::signal::ctrl_c() => done,
        _ = terminated.recv() => Ok(()),
    }
}

#[cfg(not(unix))]
async fn asked_to_stop() -> std::io::Result<()> {
    tokio::signal::ctrl_c().await
}
