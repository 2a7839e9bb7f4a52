//! Messages on a connection: the header, the length, and reading no more than is allowed.
use std::io;
use std::time::Duration;

use tokio::io::{AsyncBufRead, AsyncRead, AsyncReadExt};

/// Bytes of a message's header.
pub(super) const HEADER: usize = 16;

/// A reply to a legacy query.
pub(super) const OP_REPLY: i32 = 1;
/// A legacy query: only the first handshake uses it.
pub(super) const OP_QUERY: i32 = 2004;
/// A compressed message around another one.
pub(super) const OP_COMPRESSED: i32 = 2012;
/// What everything else is said with.
pub(super) const OP_MSG: i32 = 2013;

/// A message's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    /// Bytes of the whole message.
    pub length: usize,
    /// The sender's number for it.
    pub request: i32,
    /// What kind of message it is.
    pub opcode: i32,
}

/// Why a connection is closed.
#[derive(Debug)]
pub(super) enum Closing {
    /// The client has gone.
    Gone,
    /// The client said something that is no message, or too much.
    Malformed(&'static str),
    /// Nothing came in time.
    Idle,
}

impl From<io::Error> for Closing {
    fn from(_: io::Error) -> Self {
        Closing::Gone
    }
}

/// Reads little-endian numbers and texts from bytes that may be wrong.
pub(super) struct Bytes<'a>(pub &'a [u8]);

impl<'a> Bytes<'a> {
    /// The next `n` bytes.
    pub fn take(&mut self, n: usize) -> Option<&'a [u8]> {
        let (head, tail) = self.0.split_at_checked(n)?;
        self.0 = tail;
        Some(head)
    }

    /// A number of four bytes.
    pub fn i32(&mut self) -> Option<i32> {
        let (head, tail) = self.0.split_first_chunk::<4>()?;
        self.0 = tail;
        Some(i32::from_le_bytes(*head))
    }

    /// Flags of four bytes.
    pub fn u32(&mut self) -> Option<u32> {
        let (head, tail) = self.0.split_first_chunk::<4>()?;
        self.0 = tail;
        Some(u32::from_le_bytes(*head))
    }

    /// One byte.
    pub fn byte(&mut self) -> Option<u8> {
        let (head, tail) = self.0.split_first()?;
        self.0 = tail;
        Some(*head)
    }

    /// A text that ends with a zero.
    pub fn text(&mut self) -> Option<&'a [u8]> {
        let end = self.0.iter().position(|b| *b == 0)?;
        let text = self.take(end)?;
        self.byte()?;
        Some(text)
    }

    /// The bytes of a document, whose first four say how many.
    pub fn document(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(Bytes(self.0).i32()?).ok()?;
        if length < 5 {
            return None;
        }
        self.take(length)
    }
}

impl Header {
    pub fn parse(bytes: &[u8; HEADER], limit: usize) -> Result<Self, Closing> {
        let mut bytes = Bytes(bytes);
        let (Some(length), Some(request), Some(_), Some(opcode)) =
            (bytes.i32(), bytes.i32(), bytes.i32(), bytes.i32())
        else {
            return Err(Closing::Malformed("no header"));
        };
        match usize::try_from(length) {
            Ok(length) if length < HEADER => Err(Closing::Malformed("shorter than its header")),
            Ok(length) if length > limit => Err(Closing::Malformed("longer than is allowed")),
            Ok(length) => Ok(Header {
                length,
                request,
                opcode,
            }),
            Err(_) => Err(Closing::Malformed("negative length")),
        }
    }
}

/// Reads one message: its header and all of its bytes, header included.
///
/// `idle` bounds the wait for its first byte, `patience` the time from there to its end.
pub(super) async fn read_message<R: AsyncBufRead + Unpin>(
    reader: &mut R,
    limit: usize,
    idle: Duration,
    patience: Duration,
) -> Result<(Header, Vec<u8>), Closing> {
    use tokio::io::AsyncBufReadExt;
    let first = tokio::time::timeout(idle, reader.fill_buf())
        .await
        .map_err(|_| Closing::Idle)??;
    if first.is_empty() {
        return Err(Closing::Gone);
    }
    tokio::time::timeout(patience, read_rest(reader, limit))
        .await
        .map_err(|_| Closing::Idle)?
}

async fn read_rest<R: AsyncRead + Unpin>(
    reader: &mut R,
    limit: usize,
) -> Result<(Header, Vec<u8>), Closing> {
    /// What is reserved on the word of the header alone.
    const TRUSTED: usize = 64 * 1024;
    let mut start = [0_u8; HEADER];
    reader.read_exact(&mut start).await?;
    let header = Header::parse(&start, limit)?;
    let mut bytes = Vec::with_capacity(header.length.min(TRUSTED));
    bytes.extend_from_slice(&start);
    let left = u64::try_from(header.length - HEADER).unwrap_or(0);
    reader.take(left).read_to_end(&mut bytes).await?;
    if bytes.len() < header.length {
        return Err(Closing::Gone);
    }
    Ok((header, bytes))
}

/// Puts a header before a message's content.
pub(super) fn framed(request: i32, response_to: i32, opcode: i32, content: &[u8]) -> Vec<u8> {
    let length = HEADER + content.len();
    let mut out = Vec::with_capacity(length + 4);
    for n in [
        i32::try_from(length).unwrap_or(i32::MAX),
        request,
        response_to,
        opcode,
    ] {
        out.extend_from_slice(&n.to_le_bytes());
    }
    out.extend_from_slice(content);
    out
}
