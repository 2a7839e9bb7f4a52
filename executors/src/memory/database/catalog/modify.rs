//! `collMod`: other validation, another index, another view.
use std::sync::Arc;

use bson::{Document as Bdoc, doc};

use super::indexes::numbers;
use super::{acyclic, not_found};
use crate::memory::database::Engine;
use crate::memory::database::args::Args;
use crate::memory::error::{Code, EngineError};
use crate::memory::storage::{Collection, CollectionOptions};
use crate::memory::value::Value;

impl Engine {
    /// Gives a view another source or pipeline.
    fn modify_view(&self, db: &str, name: &str, args: Args<'_>) -> Result<Bdoc, EngineError> {
        let options = CollectionOptions::parse(args)?;
        let mut writing = self.writing(None);
        let done = match writing.collection(db, name) {
            Some(c) if c.options.view.is_some() => {
                acyclic(&writing, db, name, &options).map(|()| {
                    writing.state_mut().put(
                        db,
                        name,
                        Arc::new(Collection::new(&format!("{db}.{name}"), options)),
                    );
                })
            }
            Some(_) => Err(EngineError::new(
                Code::InvalidOptions,
                format!("ns: {db}.{name} is a collection; only views have 'viewOn' and 'pipeline'"),
            )),
            None => Err(not_found(db, name)),
        };
        self.done(writing);
        done.map(|()| doc! {"ok": 1.0})
    }

    pub(in crate::memory::database) fn collection_modify(
        &self,
        db: &str,
        args: Args<'_>,
    ) -> Result<Bdoc, EngineError> {
        let name = args.collection()?;
        args.only(&[
            "index",
            "validator",
            "validationLevel",
            "validationAction",
            "viewOn",
            "pipeline",
            "expireAfterSeconds",
            "changeStreamPreAndPostImages",
            "timeseries",
            "cappedSize",
            "cappedMax",
            "dryRun",
        ])?;
        if args.get("viewOn").is_some() {
            return self.modify_view(db, name, args);
        }
        let mut writing = self.writing(None);
        let done = writing.change(db, name, |c| {
            let mut options = (*c.options).clone();
            options.set_validation(args)?;
            c.options = Arc::new(options);
            if let Some(index) = args.document("index")? {
                let wanted = index.get_document("keyPattern").ok().map(numbers);
                let by_key = c
                    .indexes()
                    .iter()
                    .find(|i| Some(numbers(&i.spec.key)) == wanted)
                    .map(|i| i.spec.name.clone());
                let given = index.get_str("name").ok().map(str::to_owned).or(by_key);
                let Some(found) = given.filter(|n| c.indexes().iter().any(|i| i.spec.name == *n))
                else {
                    return Err(EngineError::new(
                        Code::IndexNotFound,
                        "cannot find index for collMod",
                    ));
                };
                let expiry = index
                    .get("expireAfterSeconds")
                    .and_then(|v| Value::from_bson(v).as_i64());
                let hidden = index.get_bool("hidden").ok();
                c.change_index(&found, |spec| {
                    if let Some(n) = expiry {
                        spec.expire_after = Some(n);
                        spec.listed.insert("expireAfterSeconds", n);
                    }
                    if let Some(h) = hidden {
                        spec.hidden = h;
                        spec.listed.insert("hidden", h);
                    }
                });
            }
            Ok(())
        });
        self.done(writing);
        done.map(|()| doc! {"ok": 1.0})
    }
}
