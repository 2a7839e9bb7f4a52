//! Whether bytes are BSON, without recursion: what is nested too deeply never reaches code that recurses.
use super::frame::Bytes;

/// What is wrong with a document's bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wrong {
    /// They are not BSON.
    Malformed,
    /// Nested more deeply than anything may be.
    TooDeep,
}

/// Documents within documents: a few more than the engine lets pass, so that it can say so itself.
pub(super) const MAX_DEPTH: usize = 220;

/// The width of values that are always equally long.
fn width(kind: u8) -> Option<usize> {
    Some(match kind {
        0x06 | 0x0A | 0x7F | 0xFF => 0,
        0x08 => 1,
        0x10 => 4,
        0x01 | 0x09 | 0x11 | 0x12 => 8,
        0x07 => 12,
        0x13 => 16,
        _ => return None,
    })
}

fn string(at: &mut Bytes<'_>) -> Option<()> {
    let length = usize::try_from(at.i32()?).ok().filter(|n| *n > 0)?;
    (at.take(length)?.last() == Some(&0)).then_some(())
}

/// Enters the document at `at`: gives how many bytes will be left when it ends.
fn enter(at: &mut Bytes<'_>, parent: usize) -> Option<usize> {
    let all = at.0.len();
    let length = usize::try_from(at.i32()?).ok().filter(|n| *n >= 5)?;
    let left = all.checked_sub(length)?;
    (left >= parent).then_some(left)
}

/// Checks the structure of a document: lengths, kinds, ends, depth.
///
/// # Errors
/// What is wrong.
pub(super) fn check(document: &[u8]) -> Result<(), Wrong> {
    walk(document).unwrap_or(Err(Wrong::Malformed))
}

fn walk(document: &[u8]) -> Option<Result<(), Wrong>> {
    let mut at = Bytes(document);
    let mut open = vec![enter(&mut at, 0).filter(|left| *left == 0)?];
    while let Some(end) = open.last().copied() {
        let kind = at.byte()?;
        if kind == 0 {
            if at.0.len() != end {
                return None;
            }
            open.pop();
            continue;
        }
        at.text()?;
        match kind {
            0x02 | 0x0D | 0x0E => string(&mut at)?,
            0x03 | 0x04 => {
                let left = enter(&mut at, end)?;
                open.push(left);
            }
            0x05 => {
                let length = usize::try_from(at.i32()?).ok()?;
                at.byte()?;
                at.take(length)?;
            }
            0x0B => {
                at.text()?;
                at.text()?;
            }
            0x0C => {
                string(&mut at)?;
                at.take(12)?;
            }
            0x0F => {
                at.i32()?;
                string(&mut at)?;
                let left = enter(&mut at, end)?;
                open.push(left);
            }
            fixed => {
                at.take(width(fixed)?)?;
            }
        }
        if open.len() > MAX_DEPTH {
            return Some(Err(Wrong::TooDeep));
        }
    }
    Some(Ok(()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use bson::{Bson, doc};

    #[test]
    fn whole_documents_pass() {
        let all = doc! {
            "d": 1.5, "s": "text", "o": {"a": [1, {"b": 2_i64}]}, "b": bson::Binary { subtype: bson::spec::BinarySubtype::Generic, bytes: vec![1, 2] },
            "n": Bson::Null, "u": Bson::Undefined, "t": true, "r": bson::Regex { pattern: "a".try_into().unwrap(), options: "i".try_into().unwrap() },
            "c": Bson::JavaScriptCode("x".into()), "w": bson::JavaScriptCodeWithScope { code: "y".into(), scope: doc! {"z": 1} },
            "min": Bson::MinKey, "max": Bson::MaxKey, "id": bson::oid::ObjectId::new(), "ts": bson::Timestamp { time: 1, increment: 2 },
            "y": Bson::Symbol("s".into()), "at": bson::DateTime::from_millis(5), "dec": "1.5".parse::<bson::Decimal128>().unwrap(),
        };
        assert_eq!(check(&all.to_vec().unwrap()), Ok(()));
    }

    #[test]
    fn cut_documents_do_not() {
        let bytes = doc! {"a": {"b": ["text", 1]}}.to_vec().unwrap();
        for n in 0..bytes.len() {
            assert_eq!(check(&bytes[..n]), Err(Wrong::Malformed));
        }
    }

    #[test]
    fn depth_has_an_end() {
        let mut bytes = vec![5, 0, 0, 0, 0];
        for _ in 0..100_000 {
            let mut outer = i32::try_from(bytes.len() + 8)
                .unwrap()
                .to_le_bytes()
                .to_vec();
            outer.extend([3, b'a', 0]);
            outer.extend(&bytes);
            outer.push(0);
            if outer.len() > 5_000 {
                break;
            }
            bytes = outer;
        }
        assert_eq!(check(&bytes), Err(Wrong::TooDeep));
    }
}
