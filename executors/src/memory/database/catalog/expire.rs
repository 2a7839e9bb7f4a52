//! Documents whose time has passed.
use crate::memory::database::Engine;
use crate::memory::error::EngineError;
use crate::memory::filter;
use crate::memory::value::{Document, ValueRef};

impl Engine {
    /// Deletes the documents whose time has passed by the TTL indexes and the engine's clock. Gives their number.
    ///
    /// # Errors
    /// What removing gives.
    pub fn expire(&self) -> Result<usize, EngineError> {
        let now = self.inner.now();
        let mut writing = self.writing(None);
        let mut removed = 0;
        for (db, name, c) in writing.state().list(None) {
            let mut gone = Vec::new();
            for index in c.indexes() {
                let (Some(seconds), [field]) =
                    (index.spec.expire_after, index.spec.fields.as_slice())
                else {
                    continue;
                };
                let limit = now.saturating_sub(seconds.saturating_mul(1000));
                let mut cursor = c.cursor();
                while let Some((record, raw)) = cursor.forward() {
                    let doc = Document::from_raw(raw.clone());
                    let mut oldest = i64::MAX;
                    filter::visit(field.path.parts(), doc.view(), true, &mut |v, _| {
                        if let ValueRef::Date(d) = v {
                            oldest = oldest.min(d);
                        }
                        false
                    });
                    if oldest <= limit {
                        gone.push(*record);
                    }
                }
            }
            gone.sort_unstable();
            gone.dedup();
            for record in gone {
                writing.remove(&db, &name, record)?;
                removed += 1;
            }
        }
        self.done(writing);
        Ok(removed)
    }
}
