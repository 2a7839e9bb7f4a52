//! Running `get_or_create()` and `update_or_create()`.

use bson::{Bson, Document};
use futures_util::stream::TryStreamExt;
use mqlc_compiler::Compiled;
use mqlc_compiler::shape::{RowShape, UpsertShape, UpsertSteps};

use crate::error::{Error, Result};
use crate::executor::{Executor, Outcome};
use crate::rows::{Decoder, Row, RowValue};
use crate::run::{KEYS, first_documents, follow};

/// Finds the row or makes it; once more if it comes into being, or goes, in between.
pub(crate) async fn execute<E: Executor + ?Sized>(
    executor: &E,
    compiled: &Compiled,
    shape: &UpsertShape,
) -> Result<Outcome> {
    match once(executor, compiled, shape).await {
        Ok(Some(outcome)) => return Ok(outcome),
        Ok(None) => {}
        Err(error) if error.is_duplicate_key() => {}
        Err(error) => return Err(error),
    }
    once(executor, compiled, shape)
        .await?
        .ok_or(Error::DoesNotExist)
}

/// The outcome, or none if the document that was to be changed is gone.
async fn once<E: Executor + ?Sized>(
    executor: &E,
    compiled: &Compiled,
    shape: &UpsertShape,
) -> Result<Option<Outcome>> {
    let first: Vec<Document> = first_documents(executor, compiled)
        .await?
        .try_collect()
        .await?;
    let (looks, update, insert, document) = match &shape.steps {
        UpsertSteps::AtOnce => {
            let reply = first.first();
            let value = reply.and_then(|reply| reply.get_document("value").ok());
            let value = value.ok_or_else(|| Error::decode("value", "no document"))?;
            let last = reply.and_then(|reply| reply.get_document("lastErrorObject").ok());
            let created =
                last.is_some_and(|last| matches!(last.get_bool("updatedExisting"), Ok(false)));
            let row = if created { &shape.stored } else { &shape.found };
            let row = decoded(compiled, row, vec![vec![value.clone()]])?;
            return Ok(Some(Outcome::Upserted { row, created }));
        }
        UpsertSteps::InTurn {
            looks,
            update,
            insert,
            document,
        } => (*looks, *update, *insert, document),
    };
    if looks && first.len() > 1 {
        return Err(Error::MultipleObjectsReturned(first.len()));
    }
    let found = looks && !first.is_empty();
    let mut steps = follow(executor, compiled, first).await?;
    let reply = |steps: &[Vec<Document>], step: usize| -> Option<Document> {
        steps.get(step)?.first().cloned()
    };
    if !found {
        let mut stored = document.clone();
        let keys = reply(&steps, insert).and_then(|mut reply| match reply.remove(KEYS) {
            Some(Bson::Array(keys)) => keys.into_iter().next(),
            _ => None,
        });
        if let (Some(key), false) = (keys, stored.contains_key("_id")) {
            stored.insert("_id", key);
        }
        let row = decoded(compiled, &shape.stored, vec![vec![stored]])?;
        return Ok(Some(Outcome::Upserted { row, created: true }));
    }
    let changed = update.map(|step| {
        let changed = reply(&steps, step)?.get_document("value").ok().cloned()?;
        // What the step replied is not what follow-up steps attach.
        steps.get_mut(step)?.clear();
        Some(changed)
    });
    let row = decoded(compiled, &shape.found, steps)?;
    let row = match changed {
        None => row,
        Some(None) => return Ok(None),
        Some(Some(document)) => {
            let now = decoded(compiled, &shape.stored, vec![vec![document]])?;
            with_columns_of(row, now)
        }
    };
    Ok(Some(Outcome::Upserted {
        row,
        created: false,
    }))
}

fn decoded(compiled: &Compiled, shape: &RowShape, steps: Vec<Vec<Document>>) -> Result<RowValue> {
    let rows = Decoder::new(&compiled.schema, shape)?.rows(&compiled.schema, steps)?;
    let row = rows.into_iter().next();
    row.ok_or_else(|| Error::decode("", "a document that is no row"))
}

/// A row with the values that its columns have now; related objects and annotations stay.
fn with_columns_of(row: RowValue, now: RowValue) -> RowValue {
    match (row, now) {
        (RowValue::Object(row), RowValue::Object(now)) => {
            let pairs = row.iter().map(|(name, value)| {
                let value = now.get(name).unwrap_or(value);
                (name.to_owned(), value.clone())
            });
            RowValue::Object(Row::from_pairs(pairs))
        }
        (row, _) => row,
    }
}
