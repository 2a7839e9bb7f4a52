//! Digests: `$hash` and `$hexHash` (MongoDB 8.3), `$toHashedIndexKey`; and `$createObjectId` (8.3).
use std::fmt::Write;
use std::hash::Hasher;

use bson::Bson;
use md5::{Digest, Md5};
use sha2::Sha256;
use twox_hash::XxHash64;

use super::{Context, Env, Expr, Fields, Operator, Result};
use crate::memory::error::EngineError;
use crate::memory::value::{Buffer, Bytes, Value, ValueRef, num};

#[derive(Clone, Copy, Debug)]
enum Algorithm {
    Md5,
    Sha256,
    Xxh64,
}

#[derive(Debug)]
struct Hash {
    name: &'static str,
    input: Expr,
    algorithm: Expr,
    hexadecimal: bool,
}

impl Hash {
    fn algorithm(&self, v: &Value) -> Result<Algorithm> {
        match v.as_str() {
            Some("md5") => Ok(Algorithm::Md5),
            Some("sha256") => Ok(Algorithm::Sha256),
            Some("xxh64") => Ok(Algorithm::Xxh64),
            Some(other) => Err(EngineError::bad_value(format!(
                "Currently, the only supported algorithms for {} are 'md5', 'sha256' and 'xxh64', found: {other}",
                self.name
            ))),
            None => Err(EngineError::type_mismatch(format!(
                "{} requires that 'algorithm' be a string, found: {}",
                self.name,
                v.type_name()
            ))),
        }
    }
}

fn digest(algorithm: Algorithm, bytes: &[u8]) -> Vec<u8> {
    match algorithm {
        Algorithm::Md5 => Md5::digest(bytes).to_vec(),
        Algorithm::Sha256 => Sha256::digest(bytes).to_vec(),
        Algorithm::Xxh64 => {
            let mut hasher = XxHash64::with_seed(0);
            hasher.write(bytes);
            hasher.finish().to_be_bytes().to_vec()
        }
    }
}

impl Operator for Hash {
    fn eval(&self, env: &mut Env<'_>) -> Result<Value> {
        let algorithm = self.algorithm(&self.algorithm.eval(env)?)?;
        let out = match &self.input.eval(env)? {
            Value::Str(s) => digest(algorithm, s.as_bytes()),
            Value::Binary(_, b) => digest(algorithm, b.as_slice()),
            v if v.is_nullish() => return Ok(Value::Null),
            v => {
                return Err(EngineError::type_mismatch(format!(
                    "{} requires that 'input' be a string or binData, found: {}",
                    self.name,
                    v.type_name()
                )));
            }
        };
        if !self.hexadecimal {
            return Ok(Value::Binary(0, Bytes::whole(Buffer::from(out.as_slice()))));
        }
        let mut text = String::with_capacity(out.len() * 2);
        for byte in out {
            // Writing to a string cannot fail.
            let _ = write!(text, "{byte:02X}");
        }
        Ok(Value::from(text))
    }
}

pub(super) fn compile(name: &str, argument: &Bson, cx: Context<'_>) -> Result<Expr> {
    let fields = Fields::new(name, argument, &["input", "algorithm"], 9, 9)?;
    let hexadecimal = name == "$hexHash";
    Ok(Expr::operator(Hash {
        name: if hexadecimal { "$hexHash" } else { "$hash" },
        input: fields.required("input", 9, cx)?,
        algorithm: fields.required("algorithm", 9, cx)?,
        hexadecimal,
    }))
}

/// The number by which a hashed index takes the type of a value.
fn canonical_type(v: ValueRef<'_>) -> i32 {
    match v {
        ValueRef::MinKey => -1,
        ValueRef::MaxKey => 127,
        ValueRef::Missing | ValueRef::Undefined => 0,
        ValueRef::Null => 5,
        ValueRef::Int32(_) | ValueRef::Int64(_) | ValueRef::Double(_) | ValueRef::Decimal(_) => 10,
        ValueRef::Str(_) | ValueRef::Symbol(_) => 15,
        ValueRef::Document(_) => 20,
        ValueRef::Array(_) => 25,
        ValueRef::Binary(..) => 30,
        ValueRef::ObjectId(_) => 35,
        ValueRef::Bool(_) => 40,
        ValueRef::Date(_) => 45,
        ValueRef::Timestamp(_) => 47,
        ValueRef::Regex(..) => 50,
        ValueRef::DbPointer(..) => 55,
        ValueRef::JavaScript(_) => 60,
        ValueRef::JavaScriptWithScope(..) => 65,
    }
}

fn add_text(hash: &mut Md5, text: &[u8]) {
    hash.update(num::len_i32(text.len() + 1).to_le_bytes());
    hash.update(text);
    hash.update([0]);
}

/// Adds an element as a hashed index does: the type, the name inside of documents, and the bytes of the value; numbers as
/// whole ones, so that equal numbers have equal hashes.
fn add(hash: &mut Md5, name: Option<&[u8]>, v: ValueRef<'_>) {
    hash.update(canonical_type(v).to_le_bytes());
    if let Some(name) = name {
        hash.update(name);
        hash.update([0]);
    }
    let end = 0_i32.to_le_bytes();
    match v {
        ValueRef::Missing
        | ValueRef::Undefined
        | ValueRef::Null
        | ValueRef::MinKey
        | ValueRef::MaxKey => {}
        ValueRef::Int32(n) => hash.update(i64::from(n).to_le_bytes()),
        ValueRef::Int64(n) | ValueRef::Date(n) => hash.update(n.to_le_bytes()),
        ValueRef::Double(x) => hash.update(num::f64_to_i64(x).to_le_bytes()),
        ValueRef::Decimal(d) => {
            let n = d.exact_i64().unwrap_or_else(|| num::f64_to_i64(d.to_f64()));
            hash.update(n.to_le_bytes());
        }
        ValueRef::Bool(b) => hash.update([u8::from(b)]),
        ValueRef::Timestamp(t) => hash.update(t.to_le_bytes()),
        ValueRef::ObjectId(id) => hash.update(id),
        ValueRef::Str(s) | ValueRef::Symbol(s) | ValueRef::JavaScript(s) => {
            add_text(hash, s.as_bytes());
        }
        ValueRef::Binary(subtype, b) => {
            hash.update(num::len_i32(b.len()).to_le_bytes());
            hash.update([subtype]);
            hash.update(b.as_slice());
        }
        ValueRef::Regex(p, o) => {
            hash.update(p.as_bytes());
            hash.update([0]);
            hash.update(o.as_bytes());
            hash.update([0]);
        }
        ValueRef::DbPointer(ns, id) => {
            add_text(hash, ns.as_bytes());
            hash.update(id);
        }
        ValueRef::Document(d) => {
            d.iter().for_each(|(k, v)| add(hash, Some(k.as_bytes()), v));
            hash.update(end);
        }
        ValueRef::Array(items) => {
            for (i, v) in items.iter().enumerate() {
                add(hash, Some(i.to_string().as_bytes()), v);
            }
            hash.update(end);
        }
        ValueRef::JavaScriptWithScope(code, scope) => {
            hash.update(code.as_bytes());
            hash.update([0]);
            scope
                .iter()
                .for_each(|(k, v)| add(hash, Some(k.as_bytes()), v));
            hash.update(end);
        }
    }
}

/// `$toHashedIndexKey`: the first eight bytes of an MD5 over a seed of zero and the value.
pub(super) fn index_key(v: Value) -> Result<Value> {
    let mut hash = Md5::new();
    hash.update(0_i32.to_le_bytes());
    add(&mut hash, None, v.or_null().view());
    let mut first = [0; 8];
    for (to, from) in first.iter_mut().zip(hash.finalize()) {
        *to = from;
    }
    Ok(Value::Int64(i64::from_le_bytes(first)))
}

#[derive(Debug)]
struct CreateObjectId;

impl Operator for CreateObjectId {
    fn eval(&self, env: &mut Env<'_>) -> Result<Value> {
        let seconds = u32::try_from(env.evaluation().now.div_euclid(1000)).unwrap_or(0);
        let mut id = [0; 12];
        let bytes = seconds
            .to_be_bytes()
            .into_iter()
            .chain(env.random().to_be_bytes());
        for (to, from) in id.iter_mut().zip(bytes) {
            *to = from;
        }
        Ok(Value::ObjectId(id))
    }
}

pub(super) fn create_object_id(_: &str, argument: &Bson, _: Context<'_>) -> Result<Expr> {
    match argument {
        Bson::Document(d) if d.is_empty() => Ok(Expr::operator(CreateObjectId)),
        _ => Err(EngineError::failed_to_parse(
            "$createObjectId requires an empty object as its argument",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::expr::{Evaluation, Scope};
    use bson::bson;

    fn eval(spec: Bson) -> Result<Value> {
        let evaluation = Evaluation::default();
        Expr::compile(&spec, &Scope::new())?.eval(&mut Env::new(&evaluation))
    }

    /// Hashed index keys are those of the manual's example and of the server's own hashed indexes; equal numbers have one key.
    #[test]
    fn hashed_index_keys() {
        for (v, key) in [
            (bson!("string to hash"), 763_543_691_661_428_748_i64),
            (bson!(1), 5_902_408_780_260_971_510),
            (bson!(1.7), 5_902_408_780_260_971_510),
            (bson!(1_i64), 5_902_408_780_260_971_510),
        ] {
            let found = eval(bson!({"$toHashedIndexKey": {"$literal": v}})).unwrap();
            assert_eq!(found, Value::Int64(key));
        }
    }

    /// Digests are those of the algorithms' own test vectors, in capitals; null has none, other types are refused.
    #[test]
    fn digests() {
        for (algorithm, text) in [
            ("md5", "900150983CD24FB0D6963F7D28E17F72"),
            (
                "sha256",
                "BA7816BF8F01CFEA414140DE5DAE2223B00361A396177A9CB410FF61F20015AD",
            ),
            ("xxh64", "44BC2CF5AD770999"),
        ] {
            let spec = bson!({"$hexHash": {"input": "abc", "algorithm": algorithm}});
            assert_eq!(eval(spec).unwrap().as_str(), Some(text));
        }
        let report = bson!({"$hexHash": {"input": "report.pdf", "algorithm": "sha256"}});
        assert_eq!(
            eval(report).unwrap().as_str(),
            Some("6466E450A16B77B865C5829D6B6C56D9F892956475642DBEB9CCC4340FE01B15")
        );
        let nothing = bson!({"$hash": {"input": null, "algorithm": "md5"}});
        assert!(matches!(eval(nothing).unwrap(), Value::Null));
        for wrong in [
            bson!({"$hash": {"input": 5, "algorithm": "md5"}}),
            bson!({"$hash": {"input": "a", "algorithm": "crc"}}),
            bson!({"$hash": {"input": "a"}}),
        ] {
            assert!(eval(wrong).is_err());
        }
    }
}
