//! One write command at work: a copy of the state, and the conflicts of transactions.
use std::collections::HashMap;
use std::sync::{Arc, MutexGuard};

use super::Inner;
use super::session::Transaction;
use crate::memory::error::{Code, EngineError};
use crate::memory::expr::Budget;
use crate::memory::storage::{Collection, CollectionOptions, State};
use crate::memory::value::{Buffer, Document, Key};

/// A record that a transaction wrote: database, collection, record.
pub type Touched = (Arc<str>, Arc<str>, u64);

/// An open transaction at work: its session, what was committed when it began, and what it wrote.
type AtWork = (Key, Arc<State>, Vec<Touched>);

/// The records that open transactions wrote. Whoever holds this writes.
#[derive(Default)]
pub struct Locks {
    owners: HashMap<Touched, Key>,
}

impl Locks {
    /// Frees what a session holds.
    pub fn release(&mut self, session: &Key) {
        self.owners.retain(|_, owner| owner != session);
    }
}

/// A write command at work.
pub struct Writing<'e> {
    inner: &'e Inner,
    locks: MutexGuard<'e, Locks>,
    state: State,
    open: Option<AtWork>,
    /// How long the command may take.
    pub budget: Option<Arc<Budget>>,
    /// Whether validators are not asked (`bypassDocumentValidation`).
    pub unchecked: bool,
}

fn conflict() -> EngineError {
    EngineError::new(
        Code::WriteConflict,
        "Caused by :: Write conflict during plan execution and yielding is disabled. :: Please retry your operation or multi-document transaction.",
    )
}

fn view_error(db: &str, name: &str) -> EngineError {
    EngineError::new(
        Code::CommandNotSupportedOnView,
        format!("Namespace {db}.{name} is a view, not a collection"),
    )
}

impl<'e> Writing<'e> {
    pub(super) fn new(
        inner: &'e Inner,
        locks: MutexGuard<'e, Locks>,
        open: Option<(Key, Transaction)>,
    ) -> Self {
        match open {
            None => Self {
                inner,
                locks,
                state: (*inner.state()).clone(),
                open: None,
                budget: None,
                unchecked: false,
            },
            Some((session, t)) => Self {
                inner,
                locks,
                state: t.state,
                open: Some((session, t.base, t.touched)),
                budget: None,
                unchecked: false,
            },
        }
    }

    pub(super) fn into_parts(self) -> (State, Option<AtWork>) {
        if self.open.is_none() {
            self.inner.publish(self.state.clone());
        }
        (self.state, self.open)
    }

    /// The state as this command sees it.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// The state, to change the catalog.
    pub fn state_mut(&mut self) -> &mut State {
        &mut self.state
    }

    /// A new object id.
    pub fn object_id(&self) -> [u8; 12] {
        self.inner.object_id()
    }

    /// The collection, if it is there.
    pub fn collection(&self, db: &str, name: &str) -> Option<Arc<Collection>> {
        self.state.get(db, name).cloned()
    }

    /// The collection that is written to, if it is there.
    ///
    /// # Errors
    /// 166 for a view; `InvalidNamespace` for what belongs to the server.
    pub fn writable(&self, db: &str, name: &str) -> Result<Option<Arc<Collection>>, EngineError> {
        not_the_servers(db, name)?;
        match self.state.get(db, name) {
            Some(c) if c.options.view.is_some() => Err(view_error(db, name)),
            found => Ok(found.cloned()),
        }
    }

    /// Makes the collection if it is not there.
    ///
    /// # Errors
    /// 166 for a view.
    pub fn ensure(&mut self, db: &str, name: &str) -> Result<(), EngineError> {
        match self.state.get(db, name) {
            Some(c) if c.options.view.is_some() => Err(view_error(db, name)),
            Some(_) => Ok(()),
            None => {
                may_create(&self.state, db, name)?;
                let collection =
                    Collection::new(&format!("{db}.{name}"), CollectionOptions::default());
                self.state.put(db, name, Arc::new(collection));
                Ok(())
            }
        }
    }

    /// Asks the collection's validator about a document that is to be stored (instead of an old one).
    ///
    /// # Errors
    /// `DocumentValidationFailure`.
    pub fn validate(
        &self,
        db: &str,
        name: &str,
        new: &Document,
        old: Option<&Document>,
    ) -> Result<(), EngineError> {
        if self.unchecked {
            return Ok(());
        }
        super::statement::validate(self.state.get(db, name), new, old)
    }

    /// Changes a collection in place.
    ///
    /// # Errors
    /// `NamespaceNotFound`, 166 for a view, and what the change gives (then nothing of it is kept: the change itself
    /// must be all or nothing).
    pub fn change<T>(
        &mut self,
        db: &str,
        name: &str,
        f: impl FnOnce(&mut Collection) -> Result<T, EngineError>,
    ) -> Result<T, EngineError> {
        let Some(mut shared) = self.state.take(db, name) else {
            return Err(EngineError::new(
                Code::NamespaceNotFound,
                format!("ns does not exist: {db}.{name}"),
            ));
        };
        let out = if shared.options.view.is_some() {
            Err(view_error(db, name))
        } else {
            f(Arc::make_mut(&mut shared))
        };
        self.state.put(db, name, shared);
        out
    }

    /// Claims a record for writing.
    fn claim(&mut self, db: &str, name: &str, record: u64) -> Result<(), EngineError> {
        if self.open.is_none() && self.locks.owners.is_empty() {
            return Ok(());
        }
        let key: Touched = (Arc::from(db), Arc::from(name), record);
        let owner = self.locks.owners.get(&key);
        let Some((session, base, touched)) = &mut self.open else {
            return if owner.is_some() {
                Err(conflict())
            } else {
                Ok(())
            };
        };
        match owner {
            Some(owner) if owner == session => return Ok(()),
            Some(_) => return Err(conflict()),
            None => {}
        }
        // First writer wins: what was committed since the snapshot conflicts.
        let now = self.inner.state();
        let before = base.get(db, name).and_then(|c| c.raw(record));
        let current = now.get(db, name).and_then(|c| c.raw(record));
        let same = match (before, current) {
            (None, None) => true,
            (Some(a), Some(b)) => Buffer::same(a, b),
            _ => false,
        };
        if !same {
            return Err(conflict());
        }
        self.locks.owners.insert(key.clone(), session.clone());
        touched.push(key);
        Ok(())
    }

    /// Inserts a document that has its `_id`.
    ///
    /// # Errors
    /// `DuplicateKey`, `BSONObjectTooLarge`, `WriteConflict`.
    pub fn insert(&mut self, db: &str, name: &str, raw: Buffer) -> Result<u64, EngineError> {
        check_size(&raw)?;
        let record = self.inner.next_record();
        if self.open.is_some() {
            self.check_committed(db, name, &raw)?;
        }
        self.claim(db, name, record)?;
        self.change(db, name, |c| c.insert(record, raw))?;
        Ok(record)
    }

    /// Inside a transaction: an `_id` that somebody committed since the snapshot is a conflict.
    fn check_committed(&self, db: &str, name: &str, raw: &Buffer) -> Result<(), EngineError> {
        let Some((_, base, _)) = &self.open else {
            return Ok(());
        };
        let doc = Document::from_raw(raw.clone());
        let id = doc.view().get("_id");
        let find = |s: &State| s.get(db, name).and_then(|c| c.find_id(id));
        if find(base).is_none() && find(&self.inner.state()).is_some() {
            return Err(conflict());
        }
        Ok(())
    }

    /// Replaces a record's document.
    ///
    /// # Errors
    /// As [`Writing::insert`].
    pub fn replace(
        &mut self,
        db: &str,
        name: &str,
        record: u64,
        raw: Buffer,
    ) -> Result<(), EngineError> {
        check_size(&raw)?;
        self.claim(db, name, record)?;
        self.change(db, name, |c| c.replace(record, raw))
    }

    /// Removes a record.
    ///
    /// # Errors
    /// `WriteConflict`.
    pub fn remove(&mut self, db: &str, name: &str, record: u64) -> Result<(), EngineError> {
        self.claim(db, name, record)?;
        self.change(db, name, |c| c.remove(record))
    }
}

/// Refuses to write to the collections that a server keeps for itself.
fn not_the_servers(db: &str, name: &str) -> Result<(), EngineError> {
    let open = !name.starts_with("system.")
        || matches!(db, "admin" | "config" | "local")
        || matches!(name, "system.js" | "system.users" | "system.views")
        || name.starts_with("system.buckets.");
    if open {
        return Ok(());
    }
    Err(EngineError::new(
        Code::InvalidNamespace,
        format!("cannot write to '{db}.{name}'"),
    ))
}

/// Refuses a new collection of the server's, or one in a database whose name differs in case only from another's.
///
/// # Errors
/// `InvalidNamespace`, `DatabaseDifferCase`.
pub(super) fn may_create(state: &State, db: &str, name: &str) -> Result<(), EngineError> {
    not_the_servers(db, name)?;
    let alike = |other: &str| other != db && other.to_lowercase() == db.to_lowercase();
    match state.list(None).iter().find(|(other, ..)| alike(other)) {
        None => Ok(()),
        Some((other, ..)) => Err(EngineError::new(
            Code::DatabaseDifferCase,
            format!(
                "db already exists with different case already have: [{other}] trying to create [{db}]"
            ),
        )),
    }
}

fn check_size(raw: &[u8]) -> Result<(), EngineError> {
    const MAX: usize = 16 * 1024 * 1024;
    if raw.len() > MAX {
        return Err(EngineError::new(
            Code::BSONObjectTooLarge,
            format!(
                "object to insert too large. size in bytes: {}, max size: {MAX}",
                raw.len()
            ),
        ));
    }
    Ok(())
}

/// Applies what a transaction wrote to the state that is committed now.
///
/// # Errors
/// `DuplicateKey` when somebody else took a unique key in between.
pub fn replay(state: &mut State, open: &Transaction) -> Result<(), EngineError> {
    let touch = |state: &mut State,
                 t: &Touched,
                 f: &mut dyn FnMut(&mut Collection) -> Result<(), EngineError>| {
        let (db, name, _) = t;
        let mut shared = state.take(db, name).unwrap_or_else(|| {
            let options = open
                .state
                .get(db, name)
                .map(|c| (*c.options).clone())
                .unwrap_or_default();
            Arc::new(Collection::new(&format!("{db}.{name}"), options))
        });
        let out = f(Arc::make_mut(&mut shared));
        state.put(db, name, shared);
        out
    };
    // Collections that it made, also those that stayed empty.
    for (db, name, collection) in open.state.list(None) {
        if open.base.get(&db, &name).is_none() && state.get(&db, &name).is_none() {
            let options = (*collection.options).clone();
            let made = Collection::new(&format!("{db}.{name}"), options);
            state.put(&db, &name, Arc::new(made));
        }
    }
    for t in &open.touched {
        touch(state, t, &mut |c| c.remove(t.2))?;
    }
    for t in &open.touched {
        if let Some(raw) = open.state.get(&t.0, &t.1).and_then(|c| c.raw(t.2)) {
            touch(state, t, &mut |c| c.insert(t.2, raw.clone()))?;
        }
    }
    Ok(())
}
