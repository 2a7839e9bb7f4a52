//! The queryset corpus: recorded querysets with their schema, documents and results.
//!
//! | file | holds |
//! |---|---|
//! | `case` | a case's line, [`Recording`] |
//! | `judge` | verdicts on results and errors |
//! | `shape` | shapes as text, and as recorded |

mod case;
mod judge;
mod shape;

use std::collections::HashMap;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};

use bson::{Bson, Document};
use futures_util::future::BoxFuture;
use mqlc_compiler::program::Bound;
use mqlc_compiler::queryset::Statement;
use mqlc_compiler::schema::{Schema, SchemaSpec};
use mqlc_compiler::target::Target as Server;
use mqlc_compiler::trace::Trace;
use mqlc_compiler::{Compiled, Compiler};
use mqlc_executors::{Error, Execute, Executor, Outcome as Got, Reply};

use crate::compare;
use crate::options::Options;
use crate::store::{self, Columns, Documents, Recorded};
use crate::suite::{Case, Outcome, Result, Suite, Verdict, lines};
use crate::target::Target;
use case::{Expectation, Recording};

/// The cases of a corpus that the command line asks for.
pub(crate) fn list(options: &Options) -> Result<Vec<Case>> {
    let mut cases = Vec::new();
    for (app, line) in lines(&options.dir.join("cases"))? {
        let recording = Recording::parse(&line)?;
        let wanted = recording.wanted(options) || options.show.is_some();
        if wanted {
            cases.push(Case {
                id: recording.id,
                group: app,
                line,
            });
        }
    }
    Ok(cases)
}

/// Runs cases of a corpus.
pub(crate) struct CorpusSuite {
    dir: PathBuf,
    target: Target,
    /// What statements are compiled for.
    server: Server,
    schemas: HashMap<String, Rc<Ready>>,
    documents: HashMap<(String, String), Rc<Documents>>,
    /// The last database, if nothing was written since.
    loaded: Option<(String, String, Box<dyn Executor>)>,
}

/// A schema with what is made from it.
struct Ready {
    compiler: Compiler,
    schema: Arc<Schema>,
    columns: Columns,
}

impl CorpusSuite {
    pub(crate) fn new(options: &Options) -> Result<Self> {
        Ok(CorpusSuite {
            dir: options.dir.clone(),
            target: Target::new(options)?,
            server: Server {
                disabled_rules: options.disable.clone(),
                ..Server::default()
            },
            schemas: HashMap::new(),
            documents: HashMap::new(),
            loaded: None,
        })
    }

    fn read(&self, folder: &str, name: &str) -> Result<String> {
        let path = self.dir.join(folder).join(format!("{name}.json"));
        std::fs::read_to_string(&path).map_err(|e| format!("cannot read {}: {e}", path.display()))
    }

    fn schema(&mut self, recording: &Recording) -> Result<Rc<Ready>> {
        let key = recording.schema_key();
        if let Some(ready) = self.schemas.get(&key) {
            return Ok(Rc::clone(ready));
        }
        let failed = |e| format!("schema {}: {e}", recording.schema);
        let spec =
            SchemaSpec::from_json(&self.read("schema", &recording.schema)?).map_err(failed)?;
        let schema = Schema::new(spec).map_err(failed)?;
        let schema = match &recording.content_types {
            Some(types) => schema.with_content_types(types.clone()),
            None => schema,
        };
        let schema = Arc::new(schema);
        let ready = Rc::new(Ready {
            compiler: Compiler::new(Arc::clone(&schema)).target(self.server.clone()),
            columns: Columns::new(&schema),
            schema,
        });
        self.schemas.insert(key, Rc::clone(&ready));
        Ok(ready)
    }

    fn documents(&mut self, recording: &Recording, ready: &Ready) -> Result<Rc<Documents>> {
        let Some(name) = &recording.data else {
            return Ok(Rc::new(Documents::new()));
        };
        let key = (recording.schema.clone(), name.clone());
        if let Some(documents) = self.documents.get(&key) {
            return Ok(Rc::clone(documents));
        }
        let recorded: Recorded = serde_json::from_str(&self.read("data", name)?)
            .map_err(|e| format!("data {name}: {e}"))?;
        let documents = store::documents(&ready.schema, &ready.columns, &recorded)?;
        let documents = Rc::new(documents);
        self.documents.insert(key, Rc::clone(&documents));
        Ok(documents)
    }

    /// An executor that holds the documents of a case.
    fn executor(&mut self, recording: &Recording, ready: &Ready) -> Result<Box<dyn Executor>> {
        let documents = self.documents(recording, ready)?;
        let executor = self.target.fresh()?;
        store::load(&self.target, executor.as_ref(), &ready.schema, &documents)?;
        Ok(executor)
    }

    fn judge(&mut self, recording: &Recording) -> Result<Verdict> {
        let ready = self.schema(recording)?;
        let statement = match Statement::from_json(recording.statement.get()) {
            Ok(statement) => statement,
            Err(error) => return Ok(judge::refused(&recording.expectations()?, &error.into())),
        };
        let mut compiled = match ready.compiler.compile(&statement) {
            Ok(compiled) => compiled,
            Err(error) => return Ok(judge::refused(&recording.expectations()?, &error.into())),
        };
        shape::as_recorded(&mut compiled.shape, &statement);
        let expectations = recording.expectations()?;
        let data = recording.data.clone().unwrap_or_default();
        let key = recording.schema_key();
        let executor = match self.loaded.take() {
            Some((k, d, executor)) if k == key && d == data => executor,
            _ => match self.executor(recording, &ready) {
                Ok(executor) => executor,
                Err(reason) => {
                    let reason = format!("the case cannot be set up: {reason}");
                    return Ok(Verdict::new(Outcome::WrongError, reason));
                }
            },
        };
        let result = self.target.wait(executor.execute(&compiled))?;
        let mut verdict = None;
        for expectation in &expectations {
            let one = self.compare(&ready, executor.as_ref(), expectation, recording, &result)?;
            let passed = one.outcome == Outcome::Passed;
            if passed || verdict.is_none() {
                verdict = Some(one);
            }
        }
        if recording.reads() {
            self.loaded = Some((key, data, executor));
        }
        verdict.ok_or_else(|| "the case expects nothing".to_owned())
    }

    fn compare(
        &self,
        ready: &Ready,
        executor: &dyn Executor,
        expectation: &Expectation,
        recording: &Recording,
        result: &Result<Got, Error>,
    ) -> Result<Verdict> {
        let verdict = judge::result(expectation, recording.ordered, result);
        let (Outcome::Passed, Some(after)) = (verdict.outcome, &expectation.after) else {
            return Ok(verdict);
        };
        let expected = store::documents(&ready.schema, &ready.columns, after)?;
        for (collection, expected) in &expected {
            let actual = store::dump(&self.target, executor, collection)?;
            let same = store::same_documents(
                &ready.schema,
                &ready.columns,
                collection,
                expected,
                &actual,
                expectation.generated_keys,
            );
            if let Err(reason) = same {
                return Ok(Verdict::new(Outcome::WrongRows, reason).kind("documents afterwards"));
            }
        }
        Ok(verdict)
    }

    fn describe(&mut self, recording: &Recording) -> Result<String> {
        let ready = self.schema(recording)?;
        let mut text = format!(
            "case       {}\nschema     {}\ndata       {}\nstatement  {}\nexpected   {}\n",
            recording.id,
            recording.schema,
            recording.data.as_deref().unwrap_or("none"),
            recording.statement.get(),
            recording.expect.get(),
        );
        let statement =
            Statement::from_json(recording.statement.get()).map_err(|e| e.to_string())?;
        if let Ok(plan) = ready.compiler.bind(&statement) {
            text.push_str(&format!("plan\n{plan}\n"));
        }
        let traced = ready.compiler.compile_traced(&statement, Trace::detailed());
        match traced {
            Err(error) => text.push_str(&format!("refused    {error}\n")),
            Ok(compiled) => {
                let firings = &compiled.trace.firings;
                let rules: Vec<&str> = firings.iter().map(|f| f.rule).collect();
                text.push_str(&format!("rules      {}\n", rules.join(", ")));
                if let Some(plans) = firings.last().and_then(|f| f.plans.as_ref()) {
                    text.push_str(&format!("{}\n", plans.1));
                }
                text.push_str(&format!("shape      {}\n", shape::text(&compiled.shape)));
                match self.executor(recording, &ready) {
                    Ok(executor) => text.push_str(&self.trace(executor, &compiled)?),
                    Err(reason) => text.push_str(&format!("setup      {reason}\n")),
                }
            }
        }
        self.loaded = None;
        let verdict = self.judge(recording)?;
        text.push_str(&format!(
            "verdict    {}: {}\n",
            verdict.outcome.name(),
            verdict.reason
        ));
        Ok(text)
    }

    /// Runs a program and notes its commands, their documents and the result.
    fn trace(&self, executor: Box<dyn Executor>, compiled: &Compiled) -> Result<String> {
        let recorder = Recorder {
            executor,
            notes: Mutex::default(),
        };
        let result = self.target.wait(recorder.execute(compiled))?;
        let mut text = recorder
            .notes
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        match result {
            Ok(Got::Rows(rows)) => {
                text.push_str("rows\n");
                for row in &rows {
                    text.push_str(&format!("    {}\n", compare::row_json(row)));
                }
            }
            Ok(other) => text.push_str(&format!("result     {other:?}\n")),
            Err(error) => text.push_str(&format!("failed     {error}\n")),
        }
        Ok(text)
    }
}

impl Suite for CorpusSuite {
    fn run(&mut self, case: &str) -> Verdict {
        Recording::parse(case)
            .and_then(|recording| self.judge(&recording))
            .unwrap_or_else(|message| Verdict::new(Outcome::WrongError, message))
    }

    fn show(&mut self, case: &str) -> String {
        Recording::parse(case)
            .and_then(|recording| self.describe(&recording))
            .unwrap_or_else(|message| format!("{message}\n"))
    }
}

/// Passes commands on and notes them with their documents.
struct Recorder {
    executor: Box<dyn Executor>,
    notes: Mutex<String>,
}

impl Executor for Recorder {
    fn run(&self, command: Bound) -> BoxFuture<'_, mqlc_executors::Result<Reply<'_>>> {
        Box::pin(async move {
            self.note("command    ", &command.command);
            let documents = self.executor.run(command).await?.into_vec().await?;
            for document in &documents {
                self.note("    ", document);
            }
            Ok(Reply::Batch(documents))
        })
    }
}

impl Recorder {
    fn note(&self, label: &str, document: &Document) {
        let json = Bson::Document(document.clone()).into_relaxed_extjson();
        let mut notes = self.notes.lock().unwrap_or_else(PoisonError::into_inner);
        notes.push_str(&format!("{label}{json}\n"));
    }
}
