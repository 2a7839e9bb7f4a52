//! A case as it stands in its file.

use indexmap::IndexMap;
use mqlc_compiler::queryset::Value;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::options::Options;
use crate::store::Recorded;
use crate::suite::Result;

/// A recorded queryset.
#[derive(Deserialize)]
pub(super) struct Recording {
    pub(super) id: String,
    pub(super) schema: String,
    pub(super) data: Option<String>,
    pub(super) statement: Box<RawValue>,
    pub(super) expect: Box<RawValue>,
    #[serde(default)]
    pub(super) ordered: bool,
    agreed: Option<bool>,
    expect_by_db: Option<IndexMap<String, Box<RawValue>>>,
    pub(super) content_types: Option<IndexMap<String, i64>>,
    loses: Option<String>,
}

/// A result that a case may have.
pub(super) struct Expectation {
    pub(super) result: Expected,
    /// Content of collections afterwards.
    pub(super) after: Option<Recorded>,
    pub(super) generated_keys: bool,
}

pub(super) enum Expected {
    Rows(Vec<Value>),
    Row(Value),
    Count(u64),
    Truth(bool),
    /// Only the documents afterwards count.
    Documents,
    Deleted {
        count: u64,
        by_model: IndexMap<String, u64>,
    },
    Error {
        class: String,
        message: String,
    },
}

#[derive(Deserialize)]
struct Form {
    rows: Option<Vec<Box<RawValue>>>,
    row: Option<Box<RawValue>>,
    value: Option<serde_json::Value>,
    count: Option<u64>,
    deleted: Option<IndexMap<String, u64>>,
    after: Option<Recorded>,
    #[serde(default)]
    generated_keys: bool,
    error: Option<String>,
    #[serde(default)]
    message: String,
}

impl Recording {
    pub(super) fn parse(line: &str) -> Result<Self> {
        serde_json::from_str(line).map_err(|e| format!("a case is not as documented: {e}"))
    }

    pub(super) fn wanted(&self, options: &Options) -> bool {
        let loses = options.all || options.loses || self.loses.is_none();
        let agreed = match self.agreed {
            Some(true) => true,
            Some(false) => options.all || options.disagreed,
            None => options.all,
        };
        loses && agreed
    }

    /// What a prepared schema is known by.
    pub(super) fn schema_key(&self) -> String {
        match &self.content_types {
            None => self.schema.clone(),
            Some(types) => format!("{}{types:?}", self.schema),
        }
    }

    /// Whether the statement leaves the documents alone.
    pub(super) fn reads(&self) -> bool {
        #[derive(Deserialize)]
        struct Terminal<'a> {
            #[serde(borrow, rename = "do")]
            action: &'a RawValue,
        }
        let Ok(terminal) = serde_json::from_str::<Terminal<'_>>(self.statement.get()) else {
            return false;
        };
        let action = terminal.action.get();
        action.starts_with("{\"count\"")
            || action.starts_with("{\"aggregate\"")
            || matches!(action, "\"rows\"" | "\"count\"" | "\"exists\"")
    }

    /// The results that will do: where databases disagree, that of any of them.
    pub(super) fn expectations(&self) -> Result<Vec<Expectation>> {
        match &self.expect_by_db {
            None => Ok(vec![Expectation::parse(&self.expect)?]),
            Some(by_db) => by_db.values().map(|e| Expectation::parse(e)).collect(),
        }
    }
}

impl Expectation {
    fn parse(text: &RawValue) -> Result<Self> {
        let form: Form = serde_json::from_str(text.get())
            .map_err(|e| format!("an expectation is not as documented: {e}"))?;
        let read = |raw: &RawValue| {
            Value::from_json_text(raw.get()).map_err(|e| format!("an expected value: {e}"))
        };
        let result = if let Some(class) = form.error {
            Expected::Error {
                class,
                message: form.message,
            }
        } else if let Some(rows) = &form.rows {
            Expected::Rows(rows.iter().map(|r| read(r)).collect::<Result<_>>()?)
        } else if let Some(row) = &form.row {
            Expected::Row(read(row)?)
        } else if let Some(by_model) = form.deleted {
            Expected::Deleted {
                count: form.count.unwrap_or(0),
                by_model,
            }
        } else if let Some(count) = form.count {
            Expected::Count(count)
        } else {
            match form.value {
                Some(serde_json::Value::Bool(truth)) => Expected::Truth(truth),
                Some(serde_json::Value::Number(n)) => {
                    Expected::Count(n.as_u64().ok_or("an expected count is negative")?)
                }
                _ => Expected::Documents,
            }
        };
        Ok(Expectation {
            result,
            after: form.after,
            generated_keys: form.generated_keys,
        })
    }
}
