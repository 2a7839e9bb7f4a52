//! Commands.

use bson::{Bson, Document, doc};

use super::Render;
use super::sink::{ITEM, Sink};
use super::stage::sort;
use crate::mql::{Command, Filter, Find, UpdateModel, WriteModel};
use crate::queryset::Hint;

/// Consecutive keys in the making, up to a last one.
#[derive(Default)]
struct Numbers<'a> {
    last: Option<&'a Bson>,
    left: i64,
}

impl Iterator for Numbers<'_> {
    type Item = Bson;

    fn next(&mut self) -> Option<Bson> {
        self.left = self.left.checked_sub(1).filter(|left| *left >= 0)?;
        Some(match self.last? {
            Bson::Int32(last) => match i32::try_from(i64::from(*last).saturating_sub(self.left)) {
                Ok(number) => Bson::Int32(number),
                Err(_) => Bson::Int64(i64::from(*last).saturating_sub(self.left)),
            },
            Bson::Int64(last) => Bson::Int64(last.saturating_sub(self.left)),
            // An expression of the shell.
            Bson::Symbol(last) if self.left > 0 => Bson::Symbol(format!("{last} - {}", self.left)),
            other => other.clone(),
        })
    }
}

impl Render<'_> {
    pub(super) fn command<S: Sink>(&self, command: &Command, out: &mut S) {
        match command {
            Command::Find(find) => self.find(find, out),
            Command::Aggregate {
                collection,
                pipeline,
                hint,
            } => {
                match collection {
                    Some(collection) => out.str("aggregate", collection),
                    None => out.int("aggregate", 1),
                }
                self.pipeline("pipeline", pipeline, out);
                out.document("cursor", |_| {});
                options(hint.as_deref(), out);
            }
            Command::Count {
                collection,
                filter,
                limit,
                skip,
                hint,
            } => {
                out.str("count", collection);
                self.filter("query", filter, out);
                if let Some(limit) = limit {
                    out.count("limit", *limit);
                }
                if *skip > 0 {
                    out.count("skip", *skip);
                }
                which(hint.as_deref(), out);
                remarks(hint.as_deref(), out);
            }
            Command::Insert {
                collection,
                documents,
                keys,
                ordered,
            } => {
                out.str("insert", collection);
                self.with_keys(documents, *keys, out);
                out.bool("ordered", *ordered);
            }
            Command::Update {
                collection,
                updates,
                ordered,
                hint,
            } => {
                let new = updates.iter().filter(|u| u.key.is_some()).count();
                let mut keys = command
                    .keys()
                    .map(|number| self.numbers(number, new))
                    .unwrap_or_default();
                out.str("update", collection);
                out.array("updates", |out| {
                    for update in updates {
                        let key = update.key.and_then(|_| keys.next());
                        out.document(ITEM, |out| {
                            self.update(update, key, out);
                            which(hint.as_deref(), out);
                        });
                    }
                });
                out.bool("ordered", *ordered);
                remarks(hint.as_deref(), out);
            }
            Command::Delete {
                collection,
                filter,
                one,
                hint,
            } => {
                out.str("delete", collection);
                out.array("deletes", |out| {
                    out.document(ITEM, |out| {
                        self.filter("q", filter, out);
                        out.int("limit", i32::from(*one));
                        which(hint.as_deref(), out);
                    });
                });
                remarks(hint.as_deref(), out);
            }
            Command::FindAndModify {
                collection,
                filter,
                update,
                upsert,
                new,
            } => {
                out.str("findAndModify", collection);
                self.filter("query", filter, out);
                self.write("update", update, None, out);
                out.bool("upsert", *upsert);
                out.bool("new", *new);
            }
            Command::Define(command) => out.entries(command),
        }
    }

    fn find<S: Sink>(&self, find: &Find, out: &mut S) {
        out.str("find", &find.collection);
        if !matches!(find.filter, Filter::True) {
            self.filter("filter", &find.filter, out);
        }
        if !find.projection.is_empty() {
            self.projection("projection", &find.projection, out);
        }
        if !find.sort.is_empty() {
            sort("sort", &find.sort, out);
        }
        if find.skip > 0 {
            out.count("skip", find.skip);
        }
        if let Some(limit) = find.limit {
            out.count("limit", limit);
        }
        options(find.hint.as_deref(), out);
    }

    /// `count` consecutive numbers, the last of which is a parameter's value.
    fn numbers(&self, parameter: u32, count: usize) -> Numbers<'_> {
        Numbers {
            last: self.parameter(parameter).first(),
            left: i64::try_from(count).unwrap_or(i64::MAX),
        }
    }

    /// The documents of an insert; those that need a key get theirs.
    fn with_keys<S: Sink>(&self, documents: &[Document], keys: Option<u32>, out: &mut S) {
        let is_new = |document: &&Document| !document.contains_key("_id");
        let mut keys = keys
            .map(|number| self.numbers(number, documents.iter().filter(is_new).count()))
            .unwrap_or_default();
        out.array("documents", |out| {
            for document in documents {
                let key = is_new(&document).then(|| keys.next()).flatten();
                match key {
                    None => out.copy(ITEM, document),
                    Some(key) => out.document(ITEM, |out| {
                        out.value("_id", &key);
                        out.entries(document);
                    }),
                }
            }
        });
    }

    fn update<S: Sink>(&self, model: &UpdateModel, key: Option<Bson>, out: &mut S) {
        self.filter("q", &model.filter, out);
        self.write("u", &model.update, key, out);
        if model.multi {
            out.bool("multi", true);
        }
        if model.upsert {
            out.bool("upsert", true);
        }
    }

    /// What becomes of a document; an inserted one gets the key `new`.
    fn write<S: Sink>(&self, key: &str, write: &WriteModel, new: Option<Bson>, out: &mut S) {
        match (write, new) {
            (WriteModel::Operators(operators), None) => out.copy(key, operators),
            (WriteModel::Operators(operators), Some(new)) => {
                let mut operators = operators.clone();
                match operators.get_document_mut("$setOnInsert") {
                    Ok(fields) => {
                        fields.insert("_id", new);
                    }
                    Err(_) => {
                        operators.insert("$setOnInsert", doc! {"_id": new});
                    }
                }
                out.copy(key, &operators);
            }
            (WriteModel::Pipeline(stages), _) => out.array(key, |out| {
                for fields in stages {
                    out.document(ITEM, |out| self.named("$set", fields, out));
                }
            }),
        }
    }
}

/// Options of a command that reads.
fn options<S: Sink>(hint: Option<&Hint>, out: &mut S) {
    which(hint, out);
    remarks(hint, out);
    if let Some(allow) = hint.and_then(|h| h.allow_disk_use) {
        out.bool("allowDiskUse", allow);
    }
}

/// Options that say which documents are meant, and how they are found; each statement of a write has its own.
fn which<S: Sink>(hint: Option<&Hint>, out: &mut S) {
    if let Some(index) = hint.and_then(|h| h.index.as_ref()) {
        out.value("hint", index);
    }
    if let Some(collation) = hint.and_then(|h| h.collation.as_ref()) {
        out.copy("collation", collation);
    }
}

/// Options that any command takes.
fn remarks<S: Sink>(hint: Option<&Hint>, out: &mut S) {
    if let Some(comment) = hint.and_then(|h| h.comment.as_ref()) {
        out.value("comment", comment);
    }
    if let Some(ms) = hint.and_then(|h| h.max_time_ms) {
        out.count("maxTimeMS", ms);
    }
}
