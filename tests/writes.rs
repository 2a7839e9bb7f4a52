//! Writes: for every statement of `fixtures/writes`, the commands, the result and what has become of the documents of a fresh
//! library, in one snapshot.
// Tests may stop where they fail.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod support;

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;

use bson::{Document, doc};
use mqlc::Compiler;
use mqlc::compiler::schema::Schema;
use mqlc::compiler::text::{self, Params};
use mqlc::executors::{Execute, MemoryExecutor, Outcome};
use support::Library;

type Documents = BTreeMap<(String, String), Document>;

#[test]
fn statements() {
    let mut settings = insta::Settings::clone_current();
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.set_snapshot_path(support::path("fixtures/snapshots"));
    settings.bind(|| {
        let mut count = 0;
        for file in std::fs::read_dir(support::path("fixtures/writes")).unwrap() {
            let file = file.unwrap().path();
            let name = file.file_stem().unwrap().to_str().unwrap().to_owned();
            let source = std::fs::read_to_string(&file).unwrap();
            insta::assert_snapshot!(format!("writes__{name}"), golden(&source));
            count += 1;
        }
        assert!(count > 10, "the fixtures are not there");
    });
}

fn golden(source: &str) -> String {
    let library = Library::load();
    let statement = library.parse(source);
    let compiler = Compiler::new(library.schema.clone());
    let before = documents(&library);
    let explanation = compiler.explain(&statement).unwrap();
    let mut out = source.to_owned();
    let _ = writeln!(out, "\n{explanation}");
    match support::wait(library.executor.execute(&explanation.compiled)) {
        Ok(Outcome::Written(written)) => {
            let _ = writeln!(out, "== Written\n{}", written.count);
            for (label, count) in &written.deleted {
                let _ = writeln!(out, "{label}: {count}");
            }
            for key in &written.keys {
                let _ = writeln!(out, "key {key}");
            }
        }
        Ok(other) => panic!("{other:?}"),
        Err(error) => {
            let _ = writeln!(out, "== Refused\n{error}");
        }
    }
    let after = documents(&library);
    let _ = writeln!(out, "== Documents");
    for (key, old) in &before {
        let _ = match after.get(key) {
            None => writeln!(out, "- {} {}", key.0, key.1),
            Some(new) if new != old => {
                writeln!(out, "  {} {}: {}", key.0, key.1, changes(old, new))
            }
            _ => continue,
        };
    }
    for (key, new) in &after {
        if !before.contains_key(key) {
            let _ = writeln!(out, "+ {} {new}", key.0);
        }
    }
    out
}

fn changes(old: &Document, new: &Document) -> String {
    let mut parts = Vec::new();
    for (key, value) in new {
        if old.get(key) != Some(value) {
            let before = old
                .get(key)
                .map_or("missing".to_owned(), ToString::to_string);
            parts.push(format!("{key} {before} -> {value}"));
        }
    }
    parts.join(", ")
}

fn documents(library: &Library) -> Documents {
    let mut all = Documents::new();
    for model in library.schema.models() {
        for document in find(&library.executor, &model.collection) {
            let key = (
                model.collection.clone(),
                document.get("_id").unwrap().to_string(),
            );
            all.insert(key, document);
        }
    }
    all
}

fn find(executor: &MemoryExecutor, collection: &str) -> Vec<Document> {
    use mqlc::compiler::program::Bound;
    use mqlc::executors::Executor;
    let command = doc! {"find": collection, "sort": {"_id": 1}};
    support::wait(async {
        let reply = executor.run(Bound { command }).await.unwrap();
        reply.into_vec().await.unwrap()
    })
}

/// References in circles: `CASCADE` goes on until nothing more is found, however long the chain and even round a ring.
#[test]
fn cascades_go_round() {
    let source = "
class Folder(models.Model):
    name = models.CharField(max_length=20)
    parent = models.ForeignKey('self', on_delete=models.CASCADE, null=True)
    owner = models.ForeignKey('Person', on_delete=models.CASCADE, null=True)

class Person(models.Model):
    home = models.ForeignKey(Folder, on_delete=models.CASCADE, null=True)
";
    let models = text::parse_models("files", source).unwrap();
    let schema = Arc::new(Schema::new(models.spec).unwrap());
    let params = Params {
        app: Some("files".to_owned()),
        extras: Arc::new(models.extras),
        ..Params::default()
    };
    let executor = MemoryExecutor::new();
    let insert = |collection: &str, documents: Vec<Document>| {
        use mqlc::compiler::program::Bound;
        use mqlc::executors::Executor;
        let command = doc! {"insert": collection, "documents": documents};
        support::wait(executor.run(Bound { command })).unwrap();
    };
    // 1 <- 2 <- 3 (of person 1, whose home is 4) <- ..., 4 <- 5, a ring of 6 and 7 below 5; 9 is apart.
    let folder = |id: i64, parent: Option<i64>, owner: Option<i64>| {
        doc! {"_id": id, "name": format!("f{id}"), "parent_id": parent, "owner_id": owner}
    };
    insert(
        "files_folder",
        vec![
            folder(1, None, None),
            folder(2, Some(1), None),
            folder(3, Some(2), None),
            folder(4, None, Some(1)),
            folder(5, Some(4), None),
            folder(6, Some(7), None),
            folder(7, Some(6), None),
            folder(9, None, None),
        ],
    );
    insert(
        "files_person",
        vec![
            doc! {"_id": 1_i64, "home_id": 3_i64},
            doc! {"_id": 2_i64, "home_id": 9_i64},
        ],
    );
    let run = |source: &str| {
        let statement = text::parse(&schema, source, &params)
            .unwrap()
            .statement
            .unwrap();
        let compiled = Compiler::new(schema.clone()).compile(&statement).unwrap();
        match support::wait(executor.execute(&compiled)).unwrap() {
            Outcome::Written(written) => written,
            other => panic!("{other:?}"),
        }
    };
    let written = run("Folder.objects.filter(pk=1).delete()");
    assert_eq!(written.deleted.get("files.Folder"), Some(&5));
    assert_eq!(written.deleted.get("files.Person"), Some(&1));
    let written = run("Folder.objects.filter(pk=6).delete()");
    assert_eq!(written.deleted.get("files.Folder"), Some(&2));
    assert_eq!(find(&executor, "files_folder").len(), 1);
    assert_eq!(find(&executor, "files_person").len(), 1);
}

/// Counted keys go on after the largest one that is there, also if it was stored with a key of its own.
#[test]
fn counted_keys_go_on() {
    let library = Library::load();
    let run = |source: &str| {
        let statement = library.parse(source);
        let compiled = Compiler::new(library.schema.clone())
            .compile(&statement)
            .unwrap();
        match support::wait(library.executor.execute(&compiled)).unwrap() {
            Outcome::Written(written) => written.keys,
            other => panic!("{other:?}"),
        }
    };
    let first = run(r#"Tag.objects.create(name="a")"#);
    run(r#"Tag.objects.create(pk=100, name="b")"#);
    let next =
        run(r#"Tag.objects.bulk_create([Tag(name="c"), Tag(pk=7000, name="d"), Tag(name="e")])"#);
    assert_eq!(first.len(), 1);
    let next: Vec<i64> = next.iter().map(|k| k.as_i64().unwrap()).collect();
    assert_eq!(next, [101, 7000, 102]);
}
