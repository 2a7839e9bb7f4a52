//! One client: messages in, replies out, until it goes or says what is no message.
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bson::{Bson, Document};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::watch;

use super::command::{self, Peer};
use super::compress::{self, Compressor};
use super::frame::{self, Closing, HEADER, Header, OP_COMPRESSED};
use super::message::{self, Request};
use super::server::Shared;
use super::session::locked;

/// Speaks with a client until it goes.
pub(super) async fn serve(
    stream: TcpStream,
    shared: &Arc<Shared>,
    number: i32,
    local: SocketAddr,
    remote: SocketAddr,
) {
    let (reader, writer) = stream.into_split();
    let mut connection = Connection {
        reader: BufReader::with_capacity(16 * 1024, reader),
        writer,
        shared: Arc::clone(shared),
        stop: shared.stop.subscribe(),
        peer: Peer::new(number, local, remote),
        sent: 0,
    };
    loop {
        match connection.exchange().await {
            Ok(()) => {}
            Err(Closing::Malformed(why)) => {
                let mut refused = locked(&shared.refused);
                *refused = (refused.0 + 1, why);
                return;
            }
            // Nobody is left to be told.
            Err(Closing::Gone | Closing::Idle) => return,
        }
    }
}

struct Connection {
    reader: BufReader<OwnedReadHalf>,
    writer: OwnedWriteHalf,
    shared: Arc<Shared>,
    stop: watch::Receiver<bool>,
    peer: Peer,
    /// The number of the last message sent.
    sent: i32,
}

/// How a reply is to be sent.
#[derive(Clone, Copy)]
struct Form {
    legacy: bool,
    checksum: bool,
    compressor: Option<Compressor>,
}

/// Commands whose replies are never compressed.
const PLAIN: [&str; 8] = [
    "hello",
    "isMaster",
    "ismaster",
    "saslStart",
    "saslContinue",
    "getnonce",
    "authenticate",
    "logout",
];

impl Connection {
    /// One request and its reply, or replies.
    async fn exchange(&mut self) -> Result<(), Closing> {
        let limits = &self.shared.limits;
        let (header, bytes) = tokio::select! {
            read = frame::read_message(&mut self.reader, limits.message_bytes, limits.connection_idle, limits.message_time) => read?,
            _ = self.stop.wait_for(|stop| *stop) => return Err(Closing::Gone),
        };
        let (request, compressor) =
            tokio::task::block_in_place(|| decode(header, &bytes, limits.message_bytes))?;
        drop(bytes);
        let name = match &request.command {
            Ok(command) => command.keys().next().cloned().unwrap_or_default(),
            Err(_) => String::new(),
        };
        let form = Form {
            legacy: request.legacy,
            checksum: request.flags.checksum,
            compressor: compressor.filter(|_| !PLAIN.contains(&name.as_str())),
        };
        let flags = request.flags;
        let patience = request
            .command
            .as_ref()
            .ok()
            .and_then(|command| command::waits(&self.shared, &name, command));
        // Replies that follow by themselves are made by running the command again.
        let again = match (
            &request.command,
            flags.exhaust_allowed && !flags.more_to_come,
        ) {
            (Ok(command), true) => Some((request.db.clone(), command.clone())),
            _ => None,
        };
        if let Some(patience) = patience {
            self.wait(patience).await?;
        }
        let shared = Arc::clone(&self.shared);
        let mut reply =
            tokio::task::block_in_place(|| command::answer(&shared, &mut self.peer, request))
                .ok_or(Closing::Gone)?;
        if flags.more_to_come {
            return Ok(());
        }
        let mut answers = header.request;
        let Some((db, command)) = again else {
            self.send(&reply, answers, form, false).await?;
            return Ok(());
        };
        loop {
            let follows = goes_on(&name, &reply, patience.is_some());
            answers = self.send(&reply, answers, form, follows).await?;
            if !follows {
                return Ok(());
            }
            if let Some(patience) = patience
                && self.wait(patience).await?
            {
                // The client has something else to say.
                return Ok(());
            }
            let request = Request {
                db: db.clone(),
                command: Ok(command.clone()),
                flags,
                legacy: false,
            };
            reply =
                tokio::task::block_in_place(|| command::answer(&shared, &mut self.peer, request))
                    .ok_or(Closing::Gone)?;
        }
    }

    /// Waits, unless the client says something or goes, or the server ends. Tells whether the client spoke.
    async fn wait(&mut self, patience: Duration) -> Result<bool, Closing> {
        tokio::select! {
            () = tokio::time::sleep(patience) => Ok(false),
            _ = self.stop.wait_for(|stop| *stop) => Err(Closing::Gone),
            came = self.reader.fill_buf() => {
                if came?.is_empty() { Err(Closing::Gone) } else { Ok(true) }
            }
        }
    }

    /// Sends a reply; gives its number.
    async fn send(
        &mut self,
        reply: &Document,
        answers: i32,
        form: Form,
        more_to_come: bool,
    ) -> Result<i32, Closing> {
        self.sent = self.sent.wrapping_add(1);
        let number = self.sent;
        let bytes =
            tokio::task::block_in_place(|| encode(reply, number, answers, form, more_to_come))
                .ok_or(Closing::Malformed("a reply that is no BSON"))?;
        let limit = self.shared.limits.message_time;
        tokio::time::timeout(limit, self.writer.write_all(&bytes))
            .await
            .map_err(|_| Closing::Idle)??;
        Ok(number)
    }
}

/// Whether another reply follows this one unasked.
fn goes_on(name: &str, reply: &Document, waits: bool) -> bool {
    match name {
        "hello" | "isMaster" | "ismaster" => waits,
        "getMore" => reply
            .get_document("cursor")
            .ok()
            .and_then(|cursor| cursor.get("id"))
            .and_then(Bson::as_i64)
            .is_some_and(|id| id != 0),
        _ => false,
    }
}

/// See [`super::is_message`].
pub(super) fn is_message(bytes: &[u8]) -> bool {
    const LIMIT: usize = 48_000_000;
    let Some(Ok(header)) = bytes.first_chunk().map(|b| Header::parse(b, LIMIT)) else {
        return false;
    };
    header.length == bytes.len()
        && decode(header, bytes, LIMIT).is_ok_and(|(request, _)| request.command.is_ok())
}

fn decode(
    header: Header,
    bytes: &[u8],
    limit: usize,
) -> Result<(Request, Option<Compressor>), Closing> {
    let content = bytes.get(HEADER..).unwrap_or_default();
    if header.opcode == OP_COMPRESSED {
        let (opcode, content, compressor) = compress::unpacked(content, limit)?;
        return Ok((message::parse(opcode, &content, None)?, Some(compressor)));
    }
    Ok((message::parse(header.opcode, content, Some(bytes))?, None))
}

fn encode(
    reply: &Document,
    number: i32,
    answers: i32,
    form: Form,
    more_to_come: bool,
) -> Option<Vec<u8>> {
    let (opcode, content) = message::reply(reply, form.legacy, more_to_come)?;
    if let Some(compressor) = form.compressor {
        let packed = compress::packed(opcode, &content, compressor)?;
        return Some(frame::framed(number, answers, OP_COMPRESSED, &packed));
    }
    let whole = frame::framed(number, answers, opcode, &content);
    Some(if form.checksum && !form.legacy {
        message::with_checksum(whole)
    } else {
        whole
    })
}
