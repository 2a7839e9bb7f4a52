//! `$bitsAllSet`, `$bitsAllClear`, `$bitsAnySet`, `$bitsAnyClear`.
use bson::Bson;

use crate::memory::error::EngineError;
use crate::memory::value::{Value, ValueRef};

/// Which of the four.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Test {
    AllSet,
    AllClear,
    AnySet,
    AnyClear,
}

/// Bit positions to test.
#[derive(Clone, Debug)]
pub struct Bits {
    test: Test,
    positions: Vec<u64>,
}

impl Bits {
    pub(super) fn compile(test: Test, arg: &Bson) -> Result<Self, EngineError> {
        let mut positions = Vec::new();
        match arg {
            Bson::Array(items) => {
                for item in items {
                    let position = Value::from_bson(item)
                        .as_i64()
                        .filter(|n| *n <= i64::from(i32::MAX))
                        .and_then(|n| u64::try_from(n).ok());
                    positions.push(position.ok_or_else(|| {
                        EngineError::bad_value(format!(
                            "bit positions must be non-negative integers: {item}"
                        ))
                    })?);
                }
            }
            Bson::Binary(b) => {
                for (i, byte) in (0_u64..).zip(&b.bytes) {
                    positions.extend(
                        (0..8)
                            .filter(|bit| byte >> bit & 1 == 1)
                            .map(|bit| i * 8 + bit),
                    );
                }
            }
            Bson::String(_) | Bson::Document(_) | Bson::Boolean(_) | Bson::Null => {
                return Err(EngineError::bad_value(format!(
                    "takes an Array, a number, or a BinData but received: {arg}"
                )));
            }
            other => {
                let mask = Value::from_bson(other)
                    .as_i64()
                    .and_then(|n| u64::try_from(n).ok());
                let mask = mask.ok_or_else(|| {
                    EngineError::failed_to_parse(format!(
                        "takes an Array, a number, or a BinData but received: {other}, which must be a non-negative integer"
                    ))
                })?;
                positions.extend((0..64).filter(|bit| mask >> bit & 1 == 1));
            }
        }
        Ok(Self { test, positions })
    }

    pub(super) fn matches(&self, value: ValueRef<'_>) -> bool {
        let set: Box<dyn Fn(u64) -> bool + '_> = match value {
            ValueRef::Binary(_, bytes) => Box::new(move |p| {
                let byte = usize::try_from(p / 8)
                    .ok()
                    .and_then(|i| bytes.as_slice().get(i));
                byte.is_some_and(|b| b >> (p % 8) & 1 == 1)
            }),
            v if v.is_number() => match v.as_i64() {
                // Positions beyond the number are its sign.
                Some(n) => Box::new(move |p| if p >= 64 { n < 0 } else { n >> p & 1 == 1 }),
                None => return false,
            },
            _ => return false,
        };
        match self.test {
            Test::AllSet => self.positions.iter().all(|p| set(*p)),
            Test::AllClear => self.positions.iter().all(|p| !set(*p)),
            Test::AnySet => self.positions.iter().any(|p| set(*p)),
            Test::AnyClear => self.positions.iter().any(|p| !set(*p)),
        }
    }
}
