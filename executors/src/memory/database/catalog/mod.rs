//! Collections, views and indexes: `create`, `drop`, `listCollections`, `createIndexes`, ...
//!
//! | file | holds |
//! |---|---|
//! | `options` | the options of `create` |
//! | `modify` | `collMod` |
//! | `indexes` | indexes |
//! | `list` | what there is: lists and statistics |
//! | `expire` | documents whose time has passed |
mod expire;
mod indexes;
mod list;
mod modify;
mod options;

use std::sync::Arc;

use bson::{Document as Bdoc, doc};

use super::Engine;
use super::args::Args;
use super::session::InTransaction;
use super::writing::{Writing, may_create};
use crate::memory::error::{Code, EngineError};
use crate::memory::storage::{Collection, CollectionOptions};
use crate::memory::value::num;
pub(super) use indexes::add_index;
use options::CREATE;

fn not_found(db: &str, name: &str) -> EngineError {
    EngineError::new(Code::NamespaceNotFound, format!("ns not found {db}.{name}"))
}

impl Engine {
    pub(super) fn create(
        &self,
        db: &str,
        args: Args<'_>,
        txn: Option<&InTransaction>,
    ) -> Result<Bdoc, EngineError> {
        let name = args.collection()?;
        args.only(&CREATE)?;
        let options = CollectionOptions::parse(args)?;
        let mut writing = self.writing(txn);
        let done = match writing.collection(db, name) {
            Some(old) if old.options.listed == options.listed => Ok(()),
            Some(_) => Err(EngineError::new(
                Code::NamespaceExists,
                format!("namespace {db}.{name} already exists, but with different options"),
            )),
            None => may_create(writing.state(), db, name)
                .and_then(|()| acyclic(&writing, db, name, &options))
                .map(|()| {
                    writing.state_mut().put(
                        db,
                        name,
                        Arc::new(Collection::new(&format!("{db}.{name}"), options)),
                    );
                }),
        };
        self.done(writing);
        done.map(|()| doc! {"ok": 1.0})
    }

    pub(super) fn drop_collection(&self, db: &str, args: Args<'_>) -> Result<Bdoc, EngineError> {
        let name = args.collection()?;
        let mut writing = self.writing(None);
        let gone = writing.state_mut().take(db, name);
        self.done(writing);
        Ok(match gone {
            Some(c) => {
                doc! {"nIndexesWas": num::len_i32(c.indexes().len()), "ns": format!("{db}.{name}"), "ok": 1.0}
            }
            None => doc! {"ok": 1.0},
        })
    }

    pub(super) fn drop_database(&self, db: &str) -> Bdoc {
        let mut writing = self.writing(None);
        for (_, name, _) in writing.state().list(Some(db)) {
            writing.state_mut().take(db, &name);
        }
        self.done(writing);
        doc! {"dropped": db, "ok": 1.0}
    }

    pub(super) fn rename_collection(&self, args: Args<'_>) -> Result<Bdoc, EngineError> {
        let split = |key: &str| -> Result<(String, String), EngineError> {
            let text = args.string(key)?.unwrap_or_default();
            text.split_once('.')
                .map(|(d, n)| (d.to_owned(), n.to_owned()))
                .ok_or_else(|| {
                    EngineError::new(
                        Code::InvalidNamespace,
                        format!("Invalid namespace specified: {text}"),
                    )
                })
        };
        let ((from_db, from), (to_db, to)) = (split("renameCollection")?, split("to")?);
        let drop_target = args.flag("dropTarget")?;
        let mut writing = self.writing(None);
        let done = (|| {
            if (&from_db, &from) == (&to_db, &to) {
                return Err(EngineError::new(
                    Code::IllegalOperation,
                    "Can't rename a collection to itself",
                ));
            }
            if writing.writable(&from_db, &from)?.is_none() {
                return Err(EngineError::new(
                    Code::NamespaceNotFound,
                    format!("Source collection {from_db}.{from} does not exist"),
                ));
            }
            if writing.collection(&to_db, &to).is_some() && !drop_target {
                return Err(EngineError::new(
                    Code::NamespaceExists,
                    "target namespace exists",
                ));
            }
            may_create(writing.state(), &to_db, &to)?;
            let Some(mut c) = writing.state_mut().take(&from_db, &from) else {
                return Err(EngineError::new(
                    Code::NamespaceNotFound,
                    format!("Source collection {from_db}.{from} does not exist"),
                ));
            };
            Arc::make_mut(&mut c).namespace = Arc::from(format!("{to_db}.{to}"));
            writing.state_mut().put(&to_db, &to, c);
            Ok(())
        })();
        self.done(writing);
        done.map(|()| doc! {"ok": 1.0})
    }
}

/// Refuses a view that would read itself through others.
fn acyclic(
    writing: &Writing<'_>,
    db: &str,
    name: &str,
    options: &CollectionOptions,
) -> Result<(), EngineError> {
    let mut on = options.view.as_ref().map(|v| v.0.clone());
    for _ in 0..MAX_VIEWS {
        let Some(source) = on else {
            return Ok(());
        };
        if source == name {
            return Err(EngineError::new(
                Code::GraphContainsCycle,
                format!("View cycle detected: {db}.{name}"),
            ));
        }
        on = writing
            .collection(db, &source)
            .and_then(|c| c.options.view.as_ref().map(|v| v.0.clone()));
    }
    Ok(())
}

/// No view is looked through further than this.
const MAX_VIEWS: usize = 100;
