//! `OP_COMPRESSED`: messages within compressed messages.
use std::io::{Read, Write};

use flate2::Compression;
use flate2::read::ZlibDecoder;
use flate2::write::ZlibEncoder;

use super::frame::{Bytes, Closing, OP_COMPRESSED};

/// A way to compress that client and server have agreed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Compressor {
    /// Not at all.
    None,
    /// Snappy's raw format.
    Snappy,
    /// zlib.
    Zlib,
}

/// Those that we offer: name and kind.
const OFFERED: [(&str, Compressor); 2] =
    [("snappy", Compressor::Snappy), ("zlib", Compressor::Zlib)];

/// Of the names that a client knows those that we know, in its order.
pub(super) fn common<'a>(asked: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    asked
        .filter(|name| OFFERED.iter().any(|(n, _)| n == name))
        .collect()
}

impl Compressor {
    fn of(number: u8) -> Option<Self> {
        match number {
            0 => Some(Self::None),
            1 => Some(Self::Snappy),
            2 => Some(Self::Zlib),
            _ => None,
        }
    }

    fn number(self) -> u8 {
        match self {
            Self::None => 0,
            Self::Snappy => 1,
            Self::Zlib => 2,
        }
    }

    fn pack(self, content: &[u8]) -> Option<Vec<u8>> {
        match self {
            Self::None => Some(content.to_vec()),
            Self::Snappy => snap::raw::Encoder::new().compress_vec(content).ok(),
            Self::Zlib => {
                let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
                encoder.write_all(content).ok()?;
                encoder.finish().ok()
            }
        }
    }

    /// Unpacks to exactly `size` bytes.
    fn unpack(self, packed: &[u8], size: usize) -> Option<Vec<u8>> {
        let out = match self {
            Self::None => packed.to_vec(),
            Self::Snappy => {
                if snap::raw::decompress_len(packed).ok()? != size {
                    return None;
                }
                snap::raw::Decoder::new().decompress_vec(packed).ok()?
            }
            Self::Zlib => {
                let mut out = Vec::new();
                let most = u64::try_from(size).ok()?.checked_add(1)?;
                ZlibDecoder::new(packed)
                    .take(most)
                    .read_to_end(&mut out)
                    .ok()?;
                out
            }
        };
        (out.len() == size).then_some(out)
    }
}

/// The message inside: its opcode, content, and how it was compressed.
pub(super) fn unpacked(
    content: &[u8],
    limit: usize,
) -> Result<(i32, Vec<u8>, Compressor), Closing> {
    let inside = || {
        let mut bytes = Bytes(content);
        let opcode = bytes.i32().filter(|code| *code != OP_COMPRESSED)?;
        let size = usize::try_from(bytes.i32()?).ok().filter(|n| *n <= limit)?;
        let compressor = Compressor::of(bytes.byte()?)?;
        Some((opcode, compressor.unpack(bytes.0, size)?, compressor))
    };
    inside().ok_or(Closing::Malformed("wrongly compressed"))
}

/// The content of a compressed message around this one, if it can be compressed.
pub(super) fn packed(opcode: i32, content: &[u8], compressor: Compressor) -> Option<Vec<u8>> {
    let packed = compressor.pack(content)?;
    let mut out = Vec::with_capacity(packed.len() + 9);
    out.extend_from_slice(&opcode.to_le_bytes());
    out.extend_from_slice(&i32::try_from(content.len()).ok()?.to_le_bytes());
    out.push(compressor.number());
    out.extend_from_slice(&packed);
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_packed_unpacks() {
        let content: Vec<u8> = (0..200_000_u32).map(|n| (n % 7) as u8).collect();
        for compressor in [Compressor::None, Compressor::Snappy, Compressor::Zlib] {
            let packed = packed(2013, &content, compressor).unwrap();
            let (opcode, back, with) = unpacked(&packed, 1 << 20).unwrap();
            assert_eq!((opcode, with), (2013, compressor));
            assert_eq!(back, content);
            assert!(unpacked(&packed, 1000).is_err(), "larger than allowed");
        }
    }
}
