//! Binary data in `$convert`: encodings as text. (Numbers as bytes are MongoDB 8.1's.)
use super::Result;
use crate::memory::error::{Code, EngineError};
use crate::memory::value::{Buffer, Bytes, Value};

/// How bytes are written as text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encoding {
    Auto,
    Base64,
    Base64Url,
    Utf8,
    Hex,
    Uuid,
}

pub(super) fn encoding(v: &Value) -> Result<Option<Encoding>> {
    if v.is_nullish() {
        return Ok(None);
    }
    match v.as_str() {
        Some("auto") => Ok(Some(Encoding::Auto)),
        Some("base64") => Ok(Some(Encoding::Base64)),
        Some("base64url") => Ok(Some(Encoding::Base64Url)),
        Some("utf8") => Ok(Some(Encoding::Utf8)),
        Some("hex") => Ok(Some(Encoding::Hex)),
        Some("uuid") => Ok(Some(Encoding::Uuid)),
        Some(other) => Err(EngineError::location(
            4_341_125,
            format!("Invalid 'format' argument for $convert: {other}"),
        )),
        None => Err(EngineError::location(
            4_341_114,
            format!(
                "$convert requires that 'format' be a string, found: {}",
                v.type_name()
            ),
        )),
    }
}

pub(super) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut out, b| {
        let _infallible = write!(out, "{b:02x}");
        out
    })
}

pub(super) fn unhex(text: &str) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(2) || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    (0..text.len() / 2)
        .map(|i| u8::from_str_radix(text.get(2 * i..2 * i + 2)?, 16).ok())
        .collect()
}

const PLAIN: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const URL: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

fn base64(bytes: &[u8], url: bool) -> String {
    let table = if url { URL } else { PLAIN };
    let mut out = String::new();
    for chunk in bytes.chunks(3) {
        let bits = chunk
            .iter()
            .chain([0, 0].iter())
            .take(3)
            .fold(0_usize, |acc, b| (acc << 8) | usize::from(*b));
        for i in 0..4 {
            if i <= chunk.len() {
                let six = (bits >> (18 - 6 * i)) & 63;
                out.push(table.get(six).map_or('=', |b| char::from(*b)));
            } else if !url {
                out.push('=');
            }
        }
    }
    out
}

fn unbase64(text: &str, url: bool) -> Option<Vec<u8>> {
    let table = if url { URL } else { PLAIN };
    let body = text.trim_end_matches('=');
    let padded = text.len() - body.len();
    if padded > 2 || body.len() % 4 == 1 || (!url && !text.len().is_multiple_of(4)) {
        return None;
    }
    let mut out = Vec::with_capacity(body.len() * 3 / 4);
    let (mut bits, mut have) = (0_u32, 0_u32);
    for b in body.bytes() {
        let six = table.iter().position(|t| *t == b)?;
        bits = (bits << 6) | u32::try_from(six).ok()?;
        have += 6;
        if have >= 8 {
            have -= 8;
            out.push(u8::try_from((bits >> have) & 0xff).ok()?);
            bits &= (1 << have) - 1;
        }
    }
    Some(out)
}

fn uuid_text(bytes: &[u8]) -> Option<String> {
    let all = hex(bytes);
    if bytes.len() != 16 {
        return None;
    }
    let parts = [
        all.get(..8)?,
        all.get(8..12)?,
        all.get(12..16)?,
        all.get(16..20)?,
        all.get(20..)?,
    ];
    Some(parts.join("-"))
}

fn failure(message: impl Into<String>) -> EngineError {
    EngineError::new(Code::ConversionFailure, message)
}

fn no_format(from: &str, to: &str) -> EngineError {
    EngineError::location(
        4_341_115,
        format!("Format must be specified when converting from '{from}' to '{to}'"),
    )
}

/// Bytes as text.
pub(super) fn to_text(subtype: u8, bytes: &[u8], encoding: Option<Encoding>) -> Result<String> {
    let encoding = match encoding.ok_or_else(|| no_format("binData", "string"))? {
        Encoding::Auto if subtype == 4 && bytes.len() == 16 => Encoding::Uuid,
        Encoding::Auto => Encoding::Base64,
        given => given,
    };
    match encoding {
        Encoding::Hex => Ok(hex(bytes).to_ascii_uppercase()),
        Encoding::Base64Url => Ok(base64(bytes, true)),
        Encoding::Utf8 => std::str::from_utf8(bytes)
            .map(str::to_owned)
            .map_err(|_| failure("BinData does not represent a valid UTF-8 string in $convert")),
        Encoding::Uuid => (subtype == 4)
            .then(|| uuid_text(bytes))
            .flatten()
            .ok_or_else(|| failure("BinData is no UUID in $convert")),
        Encoding::Base64 | Encoding::Auto => Ok(base64(bytes, false)),
    }
}

/// A value as bytes; `None` when its type has no such form.
pub(super) fn to_binary(
    v: &Value,
    subtype: u8,
    encoding: Option<Encoding>,
) -> Option<Result<Value>> {
    let bytes = match v {
        Value::Binary(own, _) => {
            return Some(if *own == subtype {
                Ok(v.clone())
            } else {
                Err(failure(
                    "Conversions between different BinData subtypes are not supported",
                ))
            });
        }
        Value::Str(s) => {
            let text = s.as_str();
            let Some(encoding) = encoding else {
                return Some(Err(no_format("string", "binData")));
            };
            if (encoding == Encoding::Uuid) != (subtype == 4) {
                return Some(Err(failure(format!(
                    "Failed to parse BinData '{text}' in $convert with no onError value: Only the 'uuid' format is allowed with the UUID subtype"
                ))));
            }
            let decoded = match encoding {
                Encoding::Hex => unhex(text),
                Encoding::Base64 => unbase64(text, false),
                Encoding::Base64Url => unbase64(text, true),
                Encoding::Utf8 => Some(text.as_bytes().to_vec()),
                Encoding::Uuid | Encoding::Auto => {
                    let groups: Vec<usize> = text.split('-').map(str::len).collect();
                    if groups == [8, 4, 4, 4, 12] {
                        unhex(&text.replace('-', ""))
                    } else {
                        None
                    }
                }
            };
            match decoded {
                Some(b) => b,
                None => {
                    return Some(Err(failure(format!(
                        "Input string '{text}' is not in the given format in $convert"
                    ))));
                }
            }
        }
        _ => return None,
    };
    Some(Ok(Value::Binary(
        subtype,
        Bytes::whole(Buffer::from(bytes.as_slice())),
    )))
}
