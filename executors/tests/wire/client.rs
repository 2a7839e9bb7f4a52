//! A client that can say anything.
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use bson::{Document, doc};
use mqlc_executors::wire::WireServer;

pub const OP_REPLY: i32 = 1;
pub const OP_QUERY: i32 = 2004;
pub const OP_COMPRESSED: i32 = 2012;
pub const OP_MSG: i32 = 2013;

pub struct Client {
    pub stream: TcpStream,
    sent: i32,
}

/// A message that came.
#[derive(Debug)]
pub struct Message {
    pub request: i32,
    pub response_to: i32,
    pub opcode: i32,
    pub content: Vec<u8>,
    pub whole: Vec<u8>,
}

impl Message {
    pub fn flags(&self) -> u32 {
        u32::from_le_bytes(self.content[..4].try_into().unwrap())
    }

    pub fn document(&self) -> Document {
        let skip = if self.opcode == OP_REPLY { 20 } else { 5 };
        Document::from_reader(&self.content[skip..]).unwrap()
    }

    /// A number in the document.
    pub fn number(&self, field: &str) -> i32 {
        self.document().get_i32(field).unwrap()
    }
}

pub fn framed(request: i32, opcode: i32, content: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    for n in [16 + content.len() as i32, request, 0, opcode] {
        out.extend(n.to_le_bytes());
    }
    out.extend(content);
    out
}

/// The content of an `OP_MSG` with one body and document sequences.
pub fn message(flags: u32, body: &Document, sequences: &[(&str, &[Document])]) -> Vec<u8> {
    let mut out = flags.to_le_bytes().to_vec();
    out.push(0);
    out.extend(body.to_vec().unwrap());
    for (name, documents) in sequences {
        let mut inside = name.as_bytes().to_vec();
        inside.push(0);
        for d in *documents {
            inside.extend(d.to_vec().unwrap());
        }
        out.push(1);
        out.extend((inside.len() as i32 + 4).to_le_bytes());
        out.extend(inside);
    }
    out
}

impl Client {
    pub fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(20)))
            .unwrap();
        Self { stream, sent: 0 }
    }

    pub fn send(&mut self, opcode: i32, content: &[u8]) -> i32 {
        self.sent += 1;
        self.stream
            .write_all(&framed(self.sent, opcode, content))
            .unwrap();
        self.sent
    }

    /// The next message, or nothing when the server has closed the connection.
    pub fn receive(&mut self) -> Option<Message> {
        let mut header = [0; 16];
        self.stream.read_exact(&mut header).ok()?;
        let n = |at: usize| i32::from_le_bytes(header[at..at + 4].try_into().unwrap());
        let mut content = vec![0; usize::try_from(n(0)).unwrap() - 16];
        self.stream.read_exact(&mut content).ok()?;
        let whole = [header.as_slice(), &content].concat();
        Some(Message {
            request: n(4),
            response_to: n(8),
            opcode: n(12),
            content,
            whole,
        })
    }

    pub fn run(&mut self, command: Document) -> Document {
        self.run_in("test", command)
    }

    pub fn run_in(&mut self, db: &str, mut command: Document) -> Document {
        command.insert("$db", db);
        let number = self.send(OP_MSG, &message(0, &command, &[]));
        let reply = self.receive().expect("a reply");
        assert_eq!(reply.response_to, number);
        reply.document()
    }

    pub fn lives(&mut self) -> bool {
        self.run(doc! {"ping": 1}).get_f64("ok").unwrap() == 1.0
    }
}

/// A server and a client of it.
pub fn served() -> (WireServer, Client) {
    let server = WireServer::start().unwrap();
    let client = Client::connect(server.address());
    (server, client)
}

/// Whether a new client is served.
pub fn lives(address: SocketAddr) -> bool {
    Client::connect(address).lives()
}
