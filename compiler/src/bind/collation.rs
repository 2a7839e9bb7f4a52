//! The collation that a statement names with `Collate()`: one for all of it.

use super::Binder;
use crate::error::{Error, Result};
use crate::functions::collation_document;
use crate::queryset::{Func, Value};

impl Binder<'_> {
    /// Notes the collation that a call of `Collate` names.
    pub(super) fn collate(&mut self, func: &Func) -> Result<()> {
        let Some(Value::Str(name)) = func.options.get("collation") else {
            return Ok(()); // the registry says what is wrong
        };
        match &self.collation {
            Some(other) if other != name => Err(Error::unsupported(
                "Collate() with several collations",
                format!(
                    "MongoDB has one collation for a whole command, and it is '{other}' already"
                ),
            )),
            _ if collation_document(name).is_none() => Err(Error::unsupported(
                format!("the collation '{name}'"),
                "it names no locale that MongoDB knows",
            )),
            _ => {
                self.collation = Some(name.clone());
                Ok(())
            }
        }
    }

    /// The collation of the statement as MongoDB writes it.
    pub(super) fn collation(&self) -> Option<bson::Document> {
        self.collation.as_deref().and_then(collation_document)
    }
}
