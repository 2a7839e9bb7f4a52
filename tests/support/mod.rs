//! The library of the fixtures, for all tests of the facade.
#![allow(dead_code)] // each test uses its part

use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bson::{Document, doc};
use mqlc::Compiler;
use mqlc::compiler::program::Bound;
use mqlc::compiler::queryset::Statement;
use mqlc::compiler::schema::Schema;
use mqlc::compiler::text::{self, Params};
use mqlc::executors::{Execute, Executor, MemoryExecutor, Outcome};

/// Models and documents of `fixtures`.
pub struct Library {
    pub schema: Arc<Schema>,
    pub params: Params,
    pub executor: MemoryExecutor,
}

impl Library {
    pub fn load() -> Self {
        let source = std::fs::read_to_string(path("fixtures/schemas/library.py")).unwrap();
        let models = text::parse_models("library", &source).unwrap();
        let schema = Schema::new(models.spec).unwrap();
        // Keys of contenttypes_contenttype in the documents.
        let content_types = [
            ("library.Author", 1),
            ("library.Book", 2),
            ("library.Store", 3),
        ];
        let schema = schema.with_content_types(
            content_types
                .into_iter()
                .map(|(label, key)| (label.to_owned(), key))
                .collect(),
        );
        Library {
            schema: Arc::new(schema),
            params: Params {
                app: Some("library".to_owned()),
                extras: Arc::new(models.extras),
                ..Params::default()
            },
            executor: MemoryExecutor::load(path("fixtures/data/library")).unwrap(),
        }
    }

    pub fn parse(&self, source: &str) -> Statement {
        match text::parse(&self.schema, source, &self.params) {
            Ok(parsed) => parsed.statement.expect("a fixture ends with a query"),
            Err(error) => panic!("{}", error.render(source)),
        }
    }
}

/// A database of its own: models in Python, documents by hand.
pub struct World {
    pub schema: Arc<Schema>,
    pub params: Params,
    pub executor: MemoryExecutor,
}

impl World {
    /// An empty one with the models of the app `files`.
    pub fn new(models: &str) -> Self {
        let models = text::parse_models("files", models).unwrap();
        World {
            schema: Arc::new(Schema::new(models.spec).unwrap()),
            params: Params {
                app: Some("files".to_owned()),
                extras: Arc::new(models.extras),
                ..Params::default()
            },
            executor: MemoryExecutor::new(),
        }
    }

    pub fn compiler(&self) -> Compiler {
        Compiler::new(self.schema.clone())
    }

    pub fn parse(&self, source: &str) -> Statement {
        let parsed = text::parse(&self.schema, source, &self.params);
        parsed.unwrap().statement.unwrap()
    }

    pub fn run(&self, source: &str) -> Result<Outcome, mqlc::executors::Error> {
        let compiled = self.compiler().compile(&self.parse(source)).unwrap();
        wait(self.executor.execute(&compiled))
    }

    pub fn insert(&self, collection: &str, documents: Vec<Document>) {
        let command = doc! {"insert": collection, "documents": documents};
        wait(self.executor.run(Bound { command })).unwrap();
    }

    pub fn keys(&self, collection: &str) -> Vec<i64> {
        let documents = documents(&self.executor, collection);
        let keys = documents.iter().map(|d| d.get_i64("_id").unwrap());
        keys.collect()
    }
}

/// The documents of a collection, by their keys.
pub fn documents(executor: &MemoryExecutor, collection: &str) -> Vec<Document> {
    let command = doc! {"find": collection, "sort": {"_id": 1}};
    wait(async {
        let reply = executor.run(Bound { command }).await.unwrap();
        reply.into_vec().await.unwrap()
    })
}

/// A path from the root of the repository.
pub fn path(relative: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(relative)
}

/// Every query of the fixtures: `topic/name` and text, in order.
pub fn queries() -> Vec<(String, String)> {
    let root = path("fixtures/queries");
    let mut found = Vec::new();
    for topic in std::fs::read_dir(&root).unwrap() {
        let topic = topic.unwrap().path();
        for file in std::fs::read_dir(&topic).unwrap() {
            let file = file.unwrap().path();
            let name = file.strip_prefix(&root).unwrap().with_extension("");
            let name = name.to_str().unwrap().replace('\\', "/");
            found.push((name, std::fs::read_to_string(&file).unwrap()));
        }
    }
    found.sort();
    assert!(found.len() > 100, "the fixtures are not there");
    found
}

/// Waits for a future of the embedded engine.
pub fn wait<T>(future: impl Future<Output = T>) -> T {
    futures_executor::block_on(future)
}
