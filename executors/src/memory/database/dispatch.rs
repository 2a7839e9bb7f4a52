//! From the name of a command to what runs it.
use bson::{Bson, Document as Bdoc, doc};

use super::Engine;
use super::args::Args;
use super::session::mark_transient;
use crate::memory::error::{Code, EngineError};
use crate::memory::value::Value;

/// As MongoDB: no deeper documents.
const MAX_DEPTH: usize = 200;

fn too_deep(v: &Bson, left: usize) -> bool {
    match v {
        Bson::Document(d) => left == 0 || d.values().any(|v| too_deep(v, left - 1)),
        Bson::Array(a) => left == 0 || a.iter().any(|v| too_deep(v, left - 1)),
        _ => false,
    }
}

/// Longer names of databases are refused.
const MAX_NAME: usize = 63;

fn check_database(db: &str) -> Result<(), EngineError> {
    let bad = db.is_empty()
        || db.len() > MAX_NAME
        || db.contains(['/', '\\', '.', ' ', '"', '\0'])
        || (db.contains('$') && db != "$external");
    if !bad {
        return Ok(());
    }
    Err(EngineError::new(
        Code::InvalidNamespace,
        format!("Invalid database name: '{db}'"),
    ))
}

impl Engine {
    /// Runs one command, as a driver would send it: its first field is its name.
    ///
    /// Cursors stay open in the engine until they are read to the end (`getMore`) or killed. Commands inside a
    /// transaction carry `lsid`, `txnNumber` and `autocommit: false`, the first one also `startTransaction: true`.
    ///
    /// # Errors
    /// MongoDB's errors with their codes. Errors of single statements of a write are in the reply's `writeErrors`.
    pub fn run_command(&self, db: &str, command: Bdoc) -> Result<Bdoc, EngineError> {
        if command.values().any(|v| too_deep(v, MAX_DEPTH)) {
            return Err(EngineError::new(
                Code::Overflow,
                format!("Document exceeds maximum nested object depth: {MAX_DEPTH}"),
            ));
        }
        check_database(db)?;
        let name = command.keys().next().map_or("", String::as_str);
        match name {
            "commitTransaction" => return self.commit(&command),
            "abortTransaction" => return self.abort(&command),
            _ => {}
        }
        let txn = self.transaction_of(&command)?;
        let done = self.run_in(db, name, Args::new(name, &command), txn.as_ref());
        match txn {
            // An error inside a transaction ends it.
            Some(txn) if done.is_err() => {
                self.abandon(&txn);
                done.map_err(mark_transient)
            }
            _ => done,
        }
    }

    fn run_in(
        &self,
        db: &str,
        name: &str,
        args: Args<'_>,
        txn: Option<&super::session::InTransaction>,
    ) -> Result<Bdoc, EngineError> {
        if txn.is_some()
            && !matches!(
                name,
                "find"
                    | "aggregate"
                    | "insert"
                    | "update"
                    | "delete"
                    | "findAndModify"
                    | "findandmodify"
                    | "distinct"
                    | "getMore"
                    | "killCursors"
                    | "create"
                    | "bulkWrite"
                    | "count"
            )
        {
            return Err(EngineError::new(
                Code::OperationNotSupportedInTransaction,
                format!("Cannot run '{name}' in a multi-document transaction."),
            ));
        }
        match name {
            "find" => self.find(db, args, txn),
            "aggregate" => self.aggregate(db, args, txn),
            "count" => self.count(db, args, txn),
            "distinct" => self.distinct(db, args, txn),
            "insert" => self.insert(db, args, txn),
            "update" => self.update(db, args, txn),
            "delete" => self.delete(db, args, txn),
            "findAndModify" | "findandmodify" => self.find_and_modify(db, args, txn),
            "bulkWrite" => self.bulk_write(args, txn),
            "getMore" => self.get_more(db, args),
            "killCursors" => self.kill_cursors(args),
            "create" => self.create(db, args, txn),
            "collMod" => self.collection_modify(db, args),
            "drop" => self.drop_collection(db, args),
            "dropDatabase" => Ok(self.drop_database(db)),
            "renameCollection" => self.rename_collection(args),
            "listCollections" => self.list_collections(db, args, txn),
            "listDatabases" => self.list_databases(args),
            "createIndexes" => self.create_indexes(db, args),
            "listIndexes" => self.list_indexes(db, args, txn),
            "dropIndexes" | "deleteIndexes" => self.drop_indexes(db, args),
            "explain" => self.explain(db, args, txn),
            "collStats" | "collstats" => self.collection_stats(db, args),
            "dbStats" | "dbstats" => Ok(self.database_stats(db)),
            "ping" => Ok(doc! {"ok": 1.0}),
            "endSessions" | "killSessions" => {
                self.end_sessions(args.array(name)?.map_or(&[] as &[Bson], Vec::as_slice));
                Ok(doc! {"ok": 1.0})
            }
            "startSession" => {
                let id = Value::ObjectId(self.inner.object_id()).to_bson();
                Ok(doc! {"id": {"id": id}, "timeoutMinutes": 30, "ok": 1.0})
            }
            "refreshSessions" => Ok(doc! {"ok": 1.0}),
            other => Err(EngineError::new(
                Code::CommandNotFound,
                format!("no such command: '{other}'"),
            )),
        }
    }
}
