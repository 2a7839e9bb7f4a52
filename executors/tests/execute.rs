//! Compiled statements on executors: rows, structs, streams, scalars, values that pass between steps.
#![allow(clippy::unwrap_used)] // helpers of tests

use bson::{Document, doc};
use futures_util::{FutureExt, StreamExt, TryStreamExt};
use mqlc_compiler::queryset::Statement;
use mqlc_compiler::schema::{Schema, SchemaSpec};
use mqlc_compiler::{Compiled, Compiler};
use mqlc_executors::{Error, Execute, MemoryExecutor, RowValue, ScriptedExecutor};

const SCHEMA: &str = r#"{
  "settings": {"use_tz": true, "time_zone": "UTC"},
  "models": {
    "library.Author": {"collection": "author", "ordering": [], "fields": [
      {"name": "id", "type": "AutoField", "column": "_id", "primary_key": true},
      {"name": "name", "type": "CharField", "column": "name", "max_length": 100}]},
    "library.Book": {"collection": "book", "ordering": [], "fields": [
      {"name": "id", "type": "AutoField", "column": "_id", "primary_key": true},
      {"name": "title", "type": "CharField", "column": "title", "max_length": 100},
      {"name": "pages", "type": "IntegerField", "column": "pages", "null": true},
      {"name": "author", "type": "ForeignKey", "column": "author_id", "attname": "author_id",
       "to": "library.Author", "related_name": "books", "related_query_name": "books", "on_delete": "CASCADE"}]}
  }
}"#;

fn compile(statement: &str) -> Compiled {
    let schema = Schema::new(SchemaSpec::from_json(SCHEMA).unwrap()).unwrap();
    Compiler::new(schema)
        .compile(&Statement::from_json(statement).unwrap())
        .unwrap()
}

fn library() -> MemoryExecutor {
    let executor = MemoryExecutor::new();
    let run = |command: Document| {
        executor
            .engine()
            .run_command(executor.database(), command)
            .unwrap()
    };
    run(
        doc! {"insert": "author", "documents": [{"_id": 1_i64, "name": "Le Guin"}, {"_id": 2_i64, "name": "Lem"}]},
    );
    run(doc! {"insert": "book", "documents": [
        {"_id": 1_i64, "title": "Solaris", "pages": 204_i64, "author_id": 2_i64},
        {"_id": 2_i64, "title": "The Dispossessed", "pages": 387_i64, "author_id": 1_i64},
        {"_id": 3_i64, "title": "Tehanu", "author_id": 1_i64},
    ]});
    executor
}

/// Nothing waits on the embedded engine.
fn now<T>(future: impl Future<Output = T>) -> T {
    future.now_or_never().unwrap()
}

/// Related objects become nested structs, NULL becomes `None`.
#[test]
fn rows_become_structs() {
    #[derive(serde::Deserialize, Debug, PartialEq)]
    struct Author {
        name: String,
    }
    #[derive(serde::Deserialize, Debug, PartialEq)]
    struct Book {
        title: String,
        pages: Option<u32>,
        author: Author,
    }
    let compiled = compile(
        r#"{"model": "library.Book", "calls": [{"select_related": ["author"]}, {"order_by": ["title"]}], "do": "rows"}"#,
    );
    let books: Vec<Book> = now(library().fetch(&compiled)).unwrap();
    let titles: Vec<&str> = books.iter().map(|b| b.title.as_str()).collect();
    assert_eq!(titles, ["Solaris", "Tehanu", "The Dispossessed"]);
    assert_eq!(books[0].pages, Some(204));
    assert_eq!(books[1].pages, None);
    assert_eq!(books[1].author.name, "Le Guin");
}

/// Counts, existence and aggregates have their own methods; the wrong one says so.
#[test]
fn scalars_have_their_own_methods() {
    let library = library();
    let ask = |action: &str| {
        compile(&format!(
            r#"{{"model": "library.Book", "calls": [], "do": {action}}}"#
        ))
    };
    assert_eq!(now(library.count(&ask(r#""count""#))).unwrap(), 3);
    assert!(now(library.exists(&ask(r#""exists""#))).unwrap());
    let sum = ask(
        r#"{"aggregate": {"total": {"aggregate": {"name": "Sum", "args": [{"f": "pages"}]}}}}"#,
    );
    let row = now(library.aggregate(&sum)).unwrap();
    assert_eq!(row.get("total"), Some(&RowValue::Value(591.into())));
    assert!(matches!(
        now(library.count(&ask(r#""exists""#))),
        Err(Error::WrongOutcome { .. })
    ));
}

/// `get()` wants exactly one row.
#[test]
fn get_wants_one_row() {
    let library = library();
    let by_pages = |pages: u32| {
        compile(&format!(
            r#"{{"model": "library.Book", "calls": [{{"filter": {{"lookup": {{"path": "pages__gt", "rhs": {{"value": {pages}}}}}}}}}], "do": "get"}}"#
        ))
    };
    let one = now(library.get(&by_pages(300))).unwrap();
    assert_eq!(
        one.at("title"),
        Some(&RowValue::Value("The Dispossessed".into()))
    );
    assert!(matches!(
        now(library.get(&by_pages(900))),
        Err(Error::DoesNotExist)
    ));
    assert!(matches!(
        now(library.get(&by_pages(100))),
        Err(Error::MultipleObjectsReturned(2))
    ));
}

const WITH_BOOKS: &str = r#"{"model": "library.Author", "calls": [{"order_by": ["name"]},
    {"prefetch_related": [{"lookup": "books", "queryset": null, "to_attr": null}]}], "do": "rows"}"#;

/// A stream gives the same rows as a list, with prefetches made per chunk.
#[test]
fn streams_give_the_same_rows() {
    let (library, compiled) = (library(), compile(WITH_BOOKS));
    let rows = now(library.rows(&compiled)).unwrap();
    for chunk in [1, 2, 100] {
        let streamed: Vec<RowValue> = now(library.stream(&compiled, chunk).try_collect()).unwrap();
        assert_eq!(streamed, rows);
    }
    let first = now(library.stream(&compiled, 1).next()).unwrap().unwrap();
    assert_eq!(first.at("books").unwrap().as_list().unwrap().len(), 2);
}

/// The second command takes its keys from the documents of the first; without any it is not sent.
#[test]
fn values_pass_between_steps() {
    let compiled = compile(WITH_BOOKS);
    let script = ScriptedExecutor::new()
        .any([
            doc! {"_id": 7_i64, "name": "Lem"},
            doc! {"_id": 8_i64, "name": "Oe"},
        ])
        .any([doc! {"_id": 1_i64, "title": "Solaris", "author_id": 7_i64}]);
    let rows = now(script.rows(&compiled)).unwrap();
    assert_eq!(rows.len(), 2);
    let sent = script.seen()[1].to_string();
    assert!(sent.contains("\"$in\": [7, 8]"), "{sent}");

    let script = ScriptedExecutor::new().any([]);
    assert_eq!(now(script.rows(&compiled)).unwrap(), []);
    assert_eq!(script.seen().len(), 1);
}

/// Somebody else makes the same row between the look and the insert: theirs is the row.
#[test]
fn rows_that_are_made_in_between() {
    let compiled = compile(
        r#"{"model":"library.Author","calls":[],"do":{"get_or_create":{"where":{"lookup":{"path":"id","rhs":{"value":7}}},"defaults":{"name":"Lem"}}}}"#,
    );
    let duplicate = |script: ScriptedExecutor| {
        script.expect_error(
            script_command(&compiled),
            mqlc_executors::DUPLICATE_KEY,
            "DuplicateKey",
            "E11000",
        )
    };
    let reply = doc! {"lastErrorObject": {"n": 1, "updatedExisting": true}, "value": {"_id": 7_i64, "name": "Oe"}, "ok": 1.0};
    let script = duplicate(ScriptedExecutor::new()).expect_reply(script_command(&compiled), reply);
    let (row, created) = now(script.upsert(&compiled)).unwrap();
    assert_eq!(row.at("name").unwrap().as_value().unwrap(), &"Oe".into());
    assert!(!created);
    // Twice is no race: the unique index is about something else.
    let script = duplicate(duplicate(ScriptedExecutor::new()));
    assert!(
        now(script.upsert(&compiled))
            .unwrap_err()
            .is_duplicate_key()
    );
}

/// The document goes between the look and the change: it is looked for again.
#[test]
fn rows_that_go_in_between() {
    let compiled = compile(
        r#"{"model":"library.Author","calls":[],"do":{"update_or_create":{"where":{"lookup":{"path":"name","rhs":{"value":"Lem"}}},"defaults":{"name":"Oe"}}}}"#,
    );
    let gone =
        doc! {"lastErrorObject": {"n": 0, "updatedExisting": false}, "value": null, "ok": 1.0};
    let there = doc! {"lastErrorObject": {"n": 1, "updatedExisting": true}, "value": {"_id": 2_i64, "name": "Oe"}, "ok": 1.0};
    let script = ScriptedExecutor::new()
        .any([doc! {"_id": 1_i64, "name": "Lem"}])
        .any([gone.clone()])
        .any([doc! {"_id": 2_i64, "name": "Lem"}])
        .any([there]);
    let (row, created) = now(script.upsert(&compiled)).unwrap();
    assert_eq!(row.at("name").unwrap().as_value().unwrap(), &"Oe".into());
    assert!(!created);
    let script = ScriptedExecutor::new()
        .any([doc! {"_id": 1_i64, "name": "Lem"}])
        .any([gone.clone()])
        .any([doc! {"_id": 2_i64, "name": "Lem"}])
        .any([gone]);
    assert!(matches!(
        now(script.upsert(&compiled)),
        Err(Error::DoesNotExist)
    ));
}

/// The only command of a statement.
fn script_command(compiled: &Compiled) -> Document {
    compiled.program.steps.first().unwrap().bind(&[]).command
}
