//! `OP_MSG` and the legacy `OP_QUERY`: from bytes to a command, and from a reply to bytes.
use bson::{Bson, Document, RawDocument};

use super::check::{self, Wrong};
use super::frame::{Bytes, Closing, HEADER, OP_MSG, OP_QUERY, OP_REPLY};

/// The flags of an `OP_MSG`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Flags {
    /// A CRC-32C of the message is at its end.
    pub checksum: bool,
    /// In a request: no reply is wanted. In a reply: another one follows unasked.
    pub more_to_come: bool,
    /// Several replies to this request are welcome.
    pub exhaust_allowed: bool,
}

const CHECKSUM: u32 = 1;
const MORE_TO_COME: u32 = 1 << 1;
const EXHAUST_ALLOWED: u32 = 1 << 16;
/// Bits that must be understood.
const REQUIRED: u32 = 0xFFFF;

/// A command that came.
#[derive(Debug)]
pub(super) struct Request {
    /// The database that it is for.
    pub db: Option<String>,
    /// The command; `TooDeep` when it was not read because it is nested too deeply.
    pub command: Result<Document, Wrong>,
    /// Its flags.
    pub flags: Flags,
    /// Whether it came as a legacy query.
    pub legacy: bool,
}

const CUT: Closing = Closing::Malformed("not a whole message");
const NOT_BSON: Closing = Closing::Malformed("not BSON");

/// Reads documents until one is nested too deeply.
fn decode(bytes: &[u8]) -> Result<Result<Document, Wrong>, Closing> {
    match check::check(bytes) {
        Ok(()) => RawDocument::from_bytes(bytes)
            .and_then(Document::try_from)
            .map(Ok)
            .map_err(|_| NOT_BSON),
        Err(Wrong::TooDeep) => Ok(Err(Wrong::TooDeep)),
        Err(Wrong::Malformed) => Err(NOT_BSON),
    }
}

/// Reads a message's content. `whole` is the message with its header when it came plain: what a checksum is of.
pub(super) fn parse(opcode: i32, content: &[u8], whole: Option<&[u8]>) -> Result<Request, Closing> {
    match opcode {
        OP_MSG => message(content, whole),
        OP_QUERY => query(content).ok_or(CUT)?,
        _ => Err(Closing::Malformed("unknown kind of message")),
    }
}

fn message(content: &[u8], whole: Option<&[u8]>) -> Result<Request, Closing> {
    let mut at = Bytes(content);
    let bits = at.u32().ok_or(CUT)?;
    if bits & REQUIRED & !(CHECKSUM | MORE_TO_COME) != 0 {
        return Err(Closing::Malformed("unknown flags"));
    }
    let flags = Flags {
        checksum: bits & CHECKSUM != 0,
        more_to_come: bits & MORE_TO_COME != 0,
        exhaust_allowed: bits & EXHAUST_ALLOWED != 0,
    };
    if flags.checksum {
        let (sections, given) = at.0.split_last_chunk::<4>().ok_or(CUT)?;
        at = Bytes(sections);
        // The checksum of a message that came compressed is of bytes that never existed: there is nothing to hold it to.
        if let Some(whole) = whole {
            let summed = whole.get(..whole.len().saturating_sub(4)).ok_or(CUT)?;
            if crc32c::crc32c(summed) != u32::from_le_bytes(*given) {
                return Err(Closing::Malformed("wrong checksum"));
            }
        }
    }
    let mut body = None;
    let mut sequences: Vec<(String, Result<Vec<Bson>, Wrong>)> = Vec::new();
    while let Some(kind) = at.byte() {
        match kind {
            0 if body.is_none() => body = Some(decode(at.document().ok_or(CUT)?)?),
            0 => return Err(Closing::Malformed("two bodies")),
            1 => {
                let sequence = sequence(&mut at)?;
                if sequences.iter().any(|(name, _)| *name == sequence.0) {
                    return Err(Closing::Malformed("a sequence twice"));
                }
                sequences.push(sequence);
            }
            _ => return Err(Closing::Malformed("unknown kind of section")),
        }
    }
    let mut command = body.ok_or(Closing::Malformed("no body"))?;
    for (name, documents) in sequences {
        command = match (command, documents) {
            (Ok(mut command), Ok(documents)) => {
                if command.insert(name, documents).is_some() {
                    return Err(Closing::Malformed("a sequence that is in the body, too"));
                }
                Ok(command)
            }
            _ => Err(Wrong::TooDeep),
        };
    }
    let db = match &command {
        Ok(command) => command.get_str("$db").ok().map(str::to_owned),
        Err(_) => None,
    };
    Ok(Request {
        db,
        command,
        flags,
        legacy: false,
    })
}

fn sequence(at: &mut Bytes<'_>) -> Result<(String, Result<Vec<Bson>, Wrong>), Closing> {
    let length = usize::try_from(Bytes(at.0).i32().ok_or(CUT)?).map_err(|_| CUT)?;
    let mut inside = Bytes(at.take(length).ok_or(CUT)?);
    inside.i32().ok_or(CUT)?;
    let name = inside.text().ok_or(CUT)?;
    let name = std::str::from_utf8(name).map_err(|_| CUT)?.to_owned();
    let mut documents = Ok(Vec::new());
    while !inside.0.is_empty() {
        match (decode(inside.document().ok_or(CUT)?)?, &mut documents) {
            (Ok(document), Ok(list)) => list.push(Bson::Document(document)),
            (Err(wrong), _) => documents = Err(wrong),
            (Ok(_), Err(_)) => {}
        }
    }
    Ok((name, documents))
}

fn query(content: &[u8]) -> Option<Result<Request, Closing>> {
    let mut at = Bytes(content);
    at.u32()?;
    let namespace = std::str::from_utf8(at.text()?).ok()?;
    at.i32()?;
    at.i32()?;
    let document = decode(at.document()?);
    let db = namespace.split_once('.').map_or(namespace, |(db, _)| db);
    Some(document.map(|command| Request {
        db: Some(db.to_owned()),
        // Some clients wrap the command to say where to read.
        command: command.map(|command| match command.get_document("$query") {
            Ok(inner) => inner.clone(),
            Err(_) => command,
        }),
        flags: Flags::default(),
        legacy: true,
    }))
}

/// The content of a reply: its opcode and bytes without header.
pub(super) fn reply(
    document: &Document,
    legacy: bool,
    more_to_come: bool,
) -> Option<(i32, Vec<u8>)> {
    let bytes = document.to_vec().ok()?;
    let mut out = Vec::with_capacity(bytes.len() + 24);
    if legacy {
        // Flags (awaiting is possible), no cursor, from the start, one document.
        for n in [8_i32, 0, 0, 0, 1] {
            out.extend_from_slice(&n.to_le_bytes());
        }
        out.extend_from_slice(&bytes);
        return Some((OP_REPLY, out));
    }
    let flags = if more_to_come { MORE_TO_COME } else { 0 };
    out.extend_from_slice(&flags.to_le_bytes());
    out.push(0);
    out.extend_from_slice(&bytes);
    Some((OP_MSG, out))
}

/// Adds a checksum to a whole message whose only other flags are known.
pub(super) fn with_checksum(mut message: Vec<u8>) -> Vec<u8> {
    let length = i32::try_from(message.len() + 4).unwrap_or(i32::MAX);
    if let Some(at) = message.get_mut(..4) {
        at.copy_from_slice(&length.to_le_bytes());
    }
    if let Some(first) = message.get_mut(HEADER) {
        *first |= 1;
    }
    let sum = crc32c::crc32c(&message);
    message.extend_from_slice(&sum.to_le_bytes());
    message
}
