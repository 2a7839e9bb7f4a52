//! Arguments of commands, with MongoDB's complaints about them.
use std::sync::Arc;
use std::time::Duration;

use bson::{Bson, Document};

use crate::memory::error::EngineError;
use crate::memory::expr::Budget;
use crate::memory::plan::Hint;
use crate::memory::value::{Collation, Value, num};

/// The arguments of one command.
#[derive(Clone, Copy)]
pub struct Args<'a> {
    command: &'a str,
    doc: &'a Document,
}

/// Arguments that every command takes.
const GENERIC: [&str; 27] = [
    "lsid",
    "$db",
    "txnNumber",
    "autocommit",
    "startTransaction",
    "readConcern",
    "writeConcern",
    "$clusterTime",
    "$readPreference",
    "maxTimeMS",
    "comment",
    "apiVersion",
    "apiStrict",
    "apiDeprecationErrors",
    "hint",
    "$configServerState",
    "bypassDocumentValidation",
    "let",
    "collation",
    "stmtId",
    "stmtIds",
    "signature",
    "$audit",
    "$client",
    "mayBypassWriteBlocking",
    "maxTimeMSOpOnly",
    "rawData",
];

impl<'a> Args<'a> {
    /// The arguments in a document; `command` is for messages.
    pub fn new(command: &'a str, doc: &'a Document) -> Self {
        Self { command, doc }
    }

    /// The command's name.
    pub fn command(self) -> &'a str {
        self.command
    }

    /// The document itself.
    pub fn doc(self) -> &'a Document {
        self.doc
    }

    /// An argument as it is; null counts as not given.
    pub fn get(self, key: &str) -> Option<&'a Bson> {
        self.doc.get(key).filter(|v| !matches!(v, Bson::Null))
    }

    fn wrong(self, key: &str, v: &Bson, expected: &str) -> EngineError {
        EngineError::type_mismatch(format!(
            "BSON field '{}.{key}' is the wrong type '{}', expected type '{expected}'",
            self.command,
            Value::from_bson(v).type_name()
        ))
    }

    /// Refuses arguments that are neither generic nor among `known`.
    ///
    /// # Errors
    /// 40415 for an unknown one.
    pub fn only(self, known: &[&str]) -> Result<(), EngineError> {
        for key in self.doc.keys() {
            if key != self.command
                && !known.contains(&key.as_str())
                && !GENERIC.contains(&key.as_str())
            {
                return Err(EngineError::location(
                    40415,
                    format!("BSON field '{}.{key}' is an unknown field.", self.command),
                ));
            }
        }
        Ok(())
    }

    /// A document.
    ///
    /// # Errors
    /// `TypeMismatch`.
    pub fn document(self, key: &str) -> Result<Option<&'a Document>, EngineError> {
        match self.get(key) {
            None => Ok(None),
            Some(Bson::Document(d)) => Ok(Some(d)),
            Some(other) => Err(self.wrong(key, other, "object")),
        }
    }

    /// An array.
    ///
    /// # Errors
    /// `TypeMismatch`.
    pub fn array(self, key: &str) -> Result<Option<&'a Vec<Bson>>, EngineError> {
        match self.get(key) {
            None => Ok(None),
            Some(Bson::Array(a)) => Ok(Some(a)),
            Some(other) => Err(self.wrong(key, other, "array")),
        }
    }

    /// A string.
    ///
    /// # Errors
    /// `TypeMismatch`.
    pub fn string(self, key: &str) -> Result<Option<&'a str>, EngineError> {
        match self.get(key) {
            None => Ok(None),
            Some(Bson::String(s)) => Ok(Some(s)),
            Some(other) => Err(self.wrong(key, other, "string")),
        }
    }

    /// A flag; numbers count as flags. False when not given.
    ///
    /// # Errors
    /// `TypeMismatch`.
    pub fn flag(self, key: &str) -> Result<bool, EngineError> {
        match self.get(key) {
            None => Ok(false),
            Some(Bson::Boolean(b)) => Ok(*b),
            Some(other) => {
                let value = Value::from_bson(other);
                if value.is_number() {
                    Ok(value.truthy())
                } else {
                    Err(self.wrong(key, other, "bool"))
                }
            }
        }
    }

    /// A flag that must be a boolean.
    ///
    /// # Errors
    /// `TypeMismatch`.
    pub fn strict_flag(self, key: &str) -> Result<Option<bool>, EngineError> {
        match self.get(key) {
            None => Ok(None),
            Some(Bson::Boolean(b)) => Ok(Some(*b)),
            Some(other) => Err(self.wrong(key, other, "bool")),
        }
    }

    /// The complaint about an argument that must be there.
    pub fn missing(self, key: &str) -> EngineError {
        EngineError::location(
            40414,
            format!(
                "BSON field '{}.{key}' is missing but a required field",
                self.command
            ),
        )
    }

    /// An integer.
    ///
    /// # Errors
    /// `TypeMismatch`, `FailedToParse` for fractions.
    pub fn int(self, key: &str) -> Result<Option<i64>, EngineError> {
        let Some(v) = self.get(key) else {
            return Ok(None);
        };
        let value = Value::from_bson(v);
        if !value.is_number() {
            return Err(self.wrong(key, v, "long"));
        }
        match value.as_i64() {
            Some(n) => Ok(Some(n)),
            None => Err(EngineError::failed_to_parse(format!(
                "Expected an integer: {key}: {v}"
            ))),
        }
    }

    /// A count that may not be negative; a fraction is cut.
    ///
    /// # Errors
    /// `TypeMismatch`; 51024 when negative.
    pub fn whole(self, key: &str) -> Result<Option<usize>, EngineError> {
        let Some(v) = self.get(key) else {
            return Ok(None);
        };
        let n = match Value::from_bson(v) {
            Value::Double(x) => num::f64_to_i64(x),
            Value::Decimal(d) => num::f64_to_i64(d.to_f64()),
            _ => return self.count(key),
        };
        usize::try_from(n).map(Some).map_err(|_| {
            EngineError::location(
                51024,
                format!("BSON field '{key}' value must be >= 0, actual value '{n}'"),
            )
        })
    }

    /// A count that may not be negative.
    ///
    /// # Errors
    /// As [`Args::int`]; 51024 when negative.
    pub fn count(self, key: &str) -> Result<Option<usize>, EngineError> {
        match self.int(key)? {
            None => Ok(None),
            Some(n) => usize::try_from(n).map(Some).map_err(|_| {
                EngineError::location(
                    51024,
                    format!("BSON field '{key}' value must be >= 0, actual value '{n}'"),
                )
            }),
        }
    }

    /// `collation`, or else the one given.
    ///
    /// # Errors
    /// What [`Collation::parse`] gives.
    pub fn collation(self, default: Option<&Collation>) -> Result<Option<Collation>, EngineError> {
        match self.document("collation")? {
            Some(d) if !d.is_empty() => Collation::parse(d),
            _ => Ok(default.cloned()),
        }
    }

    /// `hint`.
    ///
    /// # Errors
    /// What [`Hint::parse`] gives.
    pub fn hint(self) -> Result<Option<Arc<Hint>>, EngineError> {
        Ok(Hint::parse(self.get("hint"))?.map(Arc::new))
    }

    /// `maxTimeMS`: how long the command may work; 0 is without end.
    ///
    /// # Errors
    /// `TypeMismatch`, `BadValue` out of range.
    pub fn budget(self) -> Result<Option<Arc<Budget>>, EngineError> {
        let Some(n) = self.int("maxTimeMS")? else {
            return Ok(None);
        };
        if i32::try_from(n).is_err() || n < 0 {
            return Err(EngineError::bad_value(format!(
                "{n} value for maxTimeMS is out of range [0, {}]",
                i32::MAX
            )));
        }
        let time = Duration::from_millis(u64::try_from(n).unwrap_or(0));
        Ok((n > 0).then(|| Arc::new(Budget::new(time))))
    }

    /// The command's collection: the value of its first field.
    ///
    /// # Errors
    /// `InvalidNamespace`.
    pub fn collection(self) -> Result<&'a str, EngineError> {
        let bad = |message: String| {
            EngineError::new(crate::memory::error::Code::InvalidNamespace, message)
        };
        match self.doc.get(self.command) {
            Some(Bson::String(s)) if s.is_empty() => Err(bad(
                "Invalid namespace specified: collection name is empty".into(),
            )),
            Some(Bson::String(s))
                if s.contains('\0')
                    || s.contains('$') && !s.starts_with("$cmd")
                    || s.starts_with('.')
                    || s.ends_with('.') =>
            {
                Err(bad(format!("Invalid collection name: {s}")))
            }
            Some(Bson::String(s)) => Ok(s),
            other => Err(bad(format!(
                "collection name has invalid type {}",
                other.map_or("missing", |v| Value::from_bson(v).type_name())
            ))),
        }
    }
}
