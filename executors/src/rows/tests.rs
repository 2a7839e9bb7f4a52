//! Documents become rows as their shape says.

use std::sync::Arc;

use bson::{Bson, Document, doc};
use futures_util::FutureExt;
use mqlc_compiler::names::Path;
use mqlc_compiler::plan::RowKind;
use mqlc_compiler::queryset::Value;
use mqlc_compiler::schema::{FieldKind, FieldType, Schema, SchemaSpec};
use mqlc_compiler::shape::{Attachment, RowShape, ShapeNode};

use super::{Decoder, RowValue, from_row};

fn schema() -> Schema {
    Schema::new(SchemaSpec::default()).unwrap()
}

fn leaf(name: &str, path: &str, kind: FieldKind) -> ShapeNode {
    ShapeNode::Value {
        name: name.into(),
        path: path.split('.').map(str::to_owned).collect(),
        ty: Arc::new(FieldType::new(kind)),
    }
}

fn shape(kind: RowKind, nodes: Vec<ShapeNode>) -> RowShape {
    RowShape {
        kind,
        nodes,
        attached: Vec::new(),
    }
}

fn decode(shape: &RowShape, steps: Vec<Vec<Document>>) -> Vec<RowValue> {
    let schema = schema();
    Decoder::new(&schema, shape)
        .unwrap()
        .rows(&schema, steps)
        .unwrap()
}

fn text(s: &str) -> RowValue {
    RowValue::Value(s.into())
}

/// Related objects are nested; they are null where their key is null or missing.
#[test]
fn related_objects_nest() {
    let mut book = shape(
        RowKind::Model,
        vec![leaf("id", "_id", FieldKind::IntegerField)],
    );
    book.nodes.push(ShapeNode::Related {
        name: "author".into(),
        key: Path::of(["author", "_id"]),
        nodes: vec![leaf("name", "author.name", FieldKind::CharField)],
        attached: Vec::new(),
    });
    let rows = decode(
        &book,
        vec![vec![
            doc! {"_id": 1, "author": {"_id": 5, "name": "Le Guin"}},
            doc! {"_id": 2},
            doc! {"_id": 3, "author": {"_id": null}},
        ]],
    );
    assert_eq!(rows[0].at("author.name"), Some(&text("Le Guin")));
    assert!(rows[1].at("author").unwrap().is_null());
    assert!(rows[2].at("author").unwrap().is_null());
}

/// Rows of a later step are attached to their parents by key, whatever the type of the number.
#[test]
fn prefetched_rows_attach_by_key() {
    let mut author = shape(
        RowKind::Model,
        vec![leaf("id", "_id", FieldKind::IntegerField)],
    );
    author.attached.push(Attachment {
        name: "books".into(),
        step: 1,
        many: true,
        parent: vec![Path::key("_id")],
        child: vec![Path::key("author_id")],
        only: None,
        row: shape(
            RowKind::Model,
            vec![leaf("title", "title", FieldKind::CharField)],
        ),
    });
    let rows = decode(
        &author,
        vec![
            vec![doc! {"_id": 1_i64}, doc! {"_id": 2_i64}],
            vec![
                doc! {"author_id": 1_i32, "title": "a"},
                doc! {"author_id": Bson::Null, "title": "b"},
                doc! {"author_id": 1_i64, "title": "c"},
            ],
        ],
    );
    let books = |row: &RowValue| row.at("books").unwrap().as_list().unwrap().len();
    assert_eq!((books(&rows[0]), books(&rows[1])), (2, 0));
}

/// Attachments that share a name are each for their own parents.
#[test]
fn attachments_may_share_a_name() {
    let mut tag = shape(
        RowKind::Model,
        vec![leaf("id", "_id", FieldKind::IntegerField)],
    );
    for (step, kind) in [(1, "book"), (2, "film")] {
        tag.attached.push(Attachment {
            name: "object".into(),
            step,
            many: false,
            parent: vec![Path::key("object_id")],
            child: vec![Path::key("_id")],
            only: Some((Path::key("kind"), kind.into())),
            row: shape(
                RowKind::Model,
                vec![leaf("title", "title", FieldKind::CharField)],
            ),
        });
    }
    let rows = decode(
        &tag,
        vec![
            vec![
                doc! {"_id": 1, "kind": "book", "object_id": 7},
                doc! {"_id": 2, "kind": "film", "object_id": 7},
                doc! {"_id": 3, "kind": "song", "object_id": 7},
            ],
            vec![doc! {"_id": 7, "title": "a"}],
            vec![doc! {"_id": 7, "title": "b"}],
        ],
    );
    assert_eq!(rows[0].at("object.title"), Some(&text("a")));
    assert_eq!(rows[1].at("object.title"), Some(&text("b")));
    assert!(rows[2].at("object").unwrap().is_null());
}

/// Lists keep their order and may hold a name twice; flat rows are the value.
#[test]
fn lists_are_positional() {
    let nodes = vec![
        leaf("a", "a", FieldKind::IntegerField),
        leaf("a", "b", FieldKind::IntegerField),
    ];
    let one = || vec![vec![doc! {"a": 1, "b": 2}]];
    let rows = decode(&shape(RowKind::List, nodes.clone()), one());
    assert_eq!(
        rows,
        [RowValue::List(vec![
            Value::Int(1).into(),
            Value::Int(2).into()
        ])]
    );
    let rows = decode(&shape(RowKind::Flat, nodes), one());
    assert_eq!(rows, [RowValue::Value(Value::Int(1))]);
}

/// Rows become structs and tuples.
#[test]
fn rows_become_rust_types() {
    #[derive(serde::Deserialize, Debug, PartialEq)]
    struct Book {
        title: String,
        pages: Option<u32>,
        published: String,
    }
    let nodes = vec![
        leaf("title", "title", FieldKind::CharField),
        leaf("pages", "pages", FieldKind::IntegerField),
        leaf("published", "published", FieldKind::DateField),
    ];
    let documents = || {
        vec![vec![doc! {
            "title": "x", "pages": Bson::Null, "published": bson::DateTime::from_millis(0),
        }]]
    };
    let rows = decode(&shape(RowKind::Values, nodes.clone()), documents());
    let book: Book = from_row(rows[0].clone()).unwrap();
    assert_eq!(book.title, "x");
    assert_eq!(book.pages, None);
    assert_eq!(book.published, "1970-01-01");
    let rows = decode(&shape(RowKind::List, nodes), documents());
    let (title, _, _): (String, Option<i64>, String) = from_row(rows[0].clone()).unwrap();
    assert_eq!(title, "x");
}

/// Futures of executors that do not wait are ready at once, without any runtime.
#[test]
fn no_runtime_is_needed() {
    let ready = async { 1 };
    assert_eq!(ready.now_or_never(), Some(1));
}
