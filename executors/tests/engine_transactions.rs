//! Random histories of transactions against a small model of snapshot isolation, and what it takes to be killed while saving.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]
use std::collections::{BTreeMap, BTreeSet};

use bson::{Bson, Document, doc};
use mqlc_executors::memory::Engine;
use mqlc_executors::memory::error::EngineError;
use proptest::prelude::*;

const SESSIONS: usize = 3;
const KEYS: i32 = 4;

/// What a step does to a key.
#[derive(Clone, Copy, Debug)]
enum Change {
    Add(i64),
    Insert(i64),
    Delete,
}

/// A step of a history; without a session it is outside of transactions.
#[derive(Clone, Copy, Debug)]
enum Step {
    Begin(usize),
    Change(Option<usize>, i32, Change),
    Commit(usize),
    Abort(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let change = prop_oneof![
        3 => (1_i64..9).prop_map(Change::Add),
        1 => (100_i64..109).prop_map(Change::Insert),
        1 => Just(Change::Delete)
    ];
    prop_oneof![
        3 => (0..SESSIONS).prop_map(Step::Begin),
        8 => (prop::option::weighted(0.8, 0..SESSIONS), 0..KEYS, change).prop_map(|(s, k, c)| Step::Change(s, k, c)),
        2 => (0..SESSIONS).prop_map(Step::Commit),
        1 => (0..SESSIONS).prop_map(Step::Abort),
    ]
}

/// Values by key, each with the number of the write that made it.
type Rows = BTreeMap<i32, (i64, u64)>;

/// A transaction in the model.
struct Open {
    base: Rows,
    rows: Rows,
    /// Keys whose stored record it wrote.
    locked: BTreeSet<i32>,
    /// Keys that it wrote at all.
    wrote: BTreeSet<i32>,
}

#[derive(Default)]
struct Model {
    committed: Rows,
    open: BTreeMap<usize, Open>,
    writes: u64,
}

impl Model {
    fn apply(rows: &mut Rows, key: i32, change: Change, write: u64) -> bool {
        match (rows.get(&key).copied(), change) {
            (Some((v, _)), Change::Add(n)) => {
                rows.insert(key, (v + n, write));
            }
            (Some(_), Change::Delete) => {
                rows.remove(&key);
            }
            (None, Change::Insert(v)) => {
                rows.insert(key, (v, write));
            }
            (Some(_), Change::Insert(_)) => return false,
            (None, _) => {}
        }
        true
    }

    /// Whether the change must succeed; a transaction in which one fails is gone.
    fn change(&mut self, session: Option<usize>, key: i32, change: Change) -> bool {
        self.writes += 1;
        let locked_by = |s: Option<usize>| {
            self.open
                .iter()
                .any(|(other, t)| Some(*other) != s && t.locked.contains(&key))
        };
        let Some(session) = session else {
            let exists = self.committed.contains_key(&key);
            if exists && !matches!(change, Change::Insert(_)) && locked_by(None) {
                return false;
            }
            return Self::apply(&mut self.committed, key, change, self.writes);
        };
        let taken = locked_by(Some(session));
        let t = self.open.get_mut(&session).unwrap();
        let (mine, stored) = (t.rows.get(&key), t.base.get(&key));
        let ok = match (mine, change) {
            (Some(_), Change::Insert(_)) => false,
            // Somebody else has committed the key since.
            (None, Change::Insert(_)) => stored.is_some() || !self.committed.contains_key(&key),
            (None, _) => true,
            // A record of its own, or one that nobody else has written.
            (Some(_), _) => {
                t.wrote.contains(&key) || (!taken && self.committed.get(&key) == stored)
            }
        };
        if !ok {
            self.open.remove(&session);
            return false;
        }
        let changes = mine.is_some() || matches!(change, Change::Insert(_));
        if changes {
            if mine.is_some() && !t.wrote.contains(&key) {
                t.locked.insert(key);
            }
            t.wrote.insert(key);
        }
        Self::apply(&mut t.rows, key, change, self.writes)
    }

    fn commit(&mut self, session: usize) -> bool {
        let t = self.open.remove(&session).unwrap();
        // A key that was free when it was inserted may be taken by now.
        let taken = |k: &i32| {
            t.rows.contains_key(k) && !t.locked.contains(k) && self.committed.contains_key(k)
        };
        if t.wrote.iter().any(taken) {
            return false;
        }
        for key in t.wrote {
            match t.rows.get(&key) {
                Some(row) => {
                    self.committed.insert(key, *row);
                }
                // What it inserted and deleted itself was never there for others.
                None if t.locked.contains(&key) => {
                    self.committed.remove(&key);
                }
                None => {}
            }
        }
        true
    }
}

/// The engine, driven as a driver would.
struct Driven {
    engine: Engine,
    numbers: [i64; SESSIONS],
}

impl Driven {
    fn run(
        &self,
        session: Option<usize>,
        mut command: Document,
        starts: bool,
    ) -> Result<Document, EngineError> {
        if let Some(s) = session {
            command.insert("lsid", doc! {"id": i32::try_from(s).unwrap()});
            command.insert("txnNumber", self.numbers[s]);
            command.insert("autocommit", false);
            if starts {
                command.insert("startTransaction", true);
            }
        }
        let reply = self.engine.run_command("test", command)?;
        match reply.get_array("writeErrors") {
            Ok(errors) => {
                let e = errors[0].as_document().unwrap();
                Err(EngineError::location(e.get_i32("code").unwrap(), ""))
            }
            Err(_) => Ok(reply),
        }
    }

    fn read(&self, session: Option<usize>, starts: bool) -> BTreeMap<i32, i64> {
        let reply = self.run(session, doc! {"find": "c"}, starts).unwrap();
        let rows = reply
            .get_document("cursor")
            .unwrap()
            .get_array("firstBatch")
            .unwrap();
        rows.iter()
            .map(|d| {
                let d = d.as_document().unwrap();
                (d.get_i32("_id").unwrap(), d.get_i64("v").unwrap())
            })
            .collect()
    }

    fn change(
        &self,
        session: Option<usize>,
        key: i32,
        change: Change,
    ) -> Result<Document, EngineError> {
        let command = match change {
            Change::Add(n) => {
                doc! {"update": "c", "updates": [{"q": {"_id": key}, "u": {"$inc": {"v": n}}}]}
            }
            Change::Insert(v) => doc! {"insert": "c", "documents": [{"_id": key, "v": v}]},
            Change::Delete => doc! {"delete": "c", "deletes": [{"q": {"_id": key}, "limit": 1}]},
        };
        self.run(session, command, false)
    }
}

fn plain(rows: &Rows) -> BTreeMap<i32, i64> {
    rows.iter().map(|(k, (v, _))| (*k, *v)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Every read of a transaction is that of its snapshot with its own writes, every other read that of the committed
    /// transactions in the order of their commits; of two writers of a document the second fails.
    #[test]
    fn histories_are_snapshot_isolated(steps in prop::collection::vec(step(), 1..60)) {
        let mut driven = Driven { engine: Engine::new(), numbers: [0; SESSIONS] };
        let mut model = Model::default();
        for key in 0..KEYS - 1 {
            driven.change(None, key, Change::Insert(0)).unwrap();
            model.change(None, key, Change::Insert(0));
        }
        for step in steps {
            match step {
                Step::Begin(s) if !model.open.contains_key(&s) => {
                    driven.numbers[s] += 1;
                    prop_assert_eq!(driven.read(Some(s), true), plain(&model.committed));
                    let rows = model.committed.clone();
                    model.open.insert(s, Open { base: rows.clone(), rows, locked: BTreeSet::new(), wrote: BTreeSet::new() });
                }
                Step::Change(Some(s), ..) | Step::Commit(s) | Step::Abort(s) if !model.open.contains_key(&s) => {}
                Step::Change(s, key, change) => {
                    let done = driven.change(s, key, change);
                    let expected = model.change(s, key, change);
                    prop_assert_eq!(done.is_ok(), expected, "{:?} {:?}", step, done);
                    if let Err(e) = done {
                        prop_assert!([112, 11000].contains(&e.code), "{}", e);
                    }
                }
                Step::Commit(s) => {
                    let done = driven.run(Some(s), doc! {"commitTransaction": 1}, false);
                    prop_assert_eq!(done.is_ok(), model.commit(s), "{:?}", done);
                }
                Step::Abort(s) => {
                    driven.run(Some(s), doc! {"abortTransaction": 1}, false).unwrap();
                    model.open.remove(&s);
                }
                Step::Begin(_) => {}
            }
            prop_assert_eq!(driven.read(None, false), plain(&model.committed));
            for (s, t) in &model.open {
                prop_assert_eq!(driven.read(Some(*s), false), plain(&t.rows));
            }
        }
    }
}

const CHILD: &str = "MQLC_SAVING_CHILD";
const COLLECTIONS: i32 = 3;
const ROWS: i32 = 150;

/// The part of [`a_kill_during_a_save_loses_nothing`] that is killed: saves one state after the other, and says so.
#[test]
fn saving_child() {
    let Ok(dir) = std::env::var(CHILD) else {
        return;
    };
    let engine = Engine::new();
    let mut state = 0;
    if std::path::Path::new(&dir).exists() {
        engine.load(&dir).unwrap();
        state = state_of(&engine).unwrap_or(0);
    }
    loop {
        state += 1;
        for c in 0..COLLECTIONS {
            let name = format!("c{c}");
            engine.run_command("test", doc! {"drop": &name}).unwrap();
            let docs: Vec<Bson> = (0..ROWS)
                .map(|i| Bson::Document(doc! {"_id": i, "state": state}))
                .collect();
            engine
                .run_command("test", doc! {"insert": &name, "documents": docs})
                .unwrap();
            let index = doc! {"key": {"state": 1}, "name": format!("at{state}")};
            engine
                .run_command("test", doc! {"createIndexes": &name, "indexes": [index]})
                .unwrap();
        }
        engine.save(&dir).unwrap();
        println!("\nsaved {state}");
    }
}

/// The one state that everything is in: documents, their number, and the indexes in the sidecar.
fn state_of(engine: &Engine) -> Option<i32> {
    let mut states = BTreeSet::new();
    for c in 0..COLLECTIONS {
        let name = format!("c{c}");
        let rows: Vec<_> = engine
            .query("test", &doc! {"find": &name})
            .unwrap()
            .map(Result::unwrap)
            .collect();
        if rows.is_empty() {
            continue;
        }
        assert_eq!(rows.len(), usize::try_from(ROWS).unwrap());
        states.extend(
            rows.iter()
                .map(|d| i32::try_from(d.get("state").as_i64().unwrap()).unwrap()),
        );
        let indexes = engine
            .run_command("test", doc! {"listIndexes": &name})
            .unwrap();
        let listed = indexes
            .get_document("cursor")
            .unwrap()
            .get_array("firstBatch")
            .unwrap();
        let index = listed[1]
            .as_document()
            .unwrap()
            .get_str("name")
            .unwrap()
            .to_owned();
        states.insert(index.strip_prefix("at").unwrap().parse().unwrap());
    }
    assert!(states.len() <= 1, "{states:?}");
    states.into_iter().next()
}

/// A process that is killed at any moment while it saves leaves the state of its last save or the one it was about to save: all of
/// it, with the indexes.
#[test]
fn a_kill_during_a_save_loses_nothing() {
    use std::io::{BufRead, BufReader};
    let dir = std::env::temp_dir().join(format!("mqlc-killed-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&dir);
    let mut last = 0;
    for round in 0_u64..25 {
        let mut child = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "saving_child", "--nocapture"])
            .env(CHILD, &dir)
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        let out = child.stdout.take().unwrap();
        let (tell, saved) = std::sync::mpsc::channel::<i32>();
        let reader = std::thread::spawn(move || {
            let lines = BufReader::new(out).lines().map_while(Result::ok);
            for number in lines.filter_map(|l| l.strip_prefix("saved ")?.parse().ok()) {
                // Nobody listens any more once the child is dead and all is read.
                let _ = tell.send(number);
            }
        });
        // Another moment each time: a save or more in, somewhere inside of the next.
        last = last.max(saved.recv().unwrap());
        std::thread::sleep(std::time::Duration::from_micros((round * 7_919) % 60_000));
        child.kill().unwrap();
        child.wait().unwrap();
        reader.join().unwrap();
        last = saved.try_iter().fold(last, i32::max);
        let engine = Engine::new();
        if dir.exists() {
            engine.load(&dir).unwrap();
        }
        let found = state_of(&engine).unwrap_or(0);
        assert!(
            found == last || found == last + 1,
            "round {round}: {found} after {last} was saved"
        );
        last = found;
    }
    assert!(last > 0, "nothing was ever saved");
    std::fs::remove_dir_all(&dir).unwrap();
}
