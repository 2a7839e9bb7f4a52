//! `create()` and `bulk_create()`: one command, and two before it where keys are counted.

use bson::{Bson, Document, doc};

use super::LAST_KEY;
use crate::mql::{
    Command, Expr, FieldOp, Filter, Projection, SortOrder, Stage, UpdateModel, WriteModel,
};
use crate::names::Path;
use crate::plan::{Conflict, Insertion, NewKeys};
use crate::program::{Origin, Parameter, Program, Step};
use crate::shape::{Counted, Shape};

/// The collection of counters: `{_id: <collection>, last: <number>}`.
pub const SEQUENCES: &str = "mqlc_sequences";

/// Appends the steps of an insertion.
pub(super) fn insert(insertion: &Insertion, program: &mut Program) -> Shape {
    if insertion.documents.is_empty() {
        return Shape::Written(Vec::new());
    }
    let new = insertion
        .documents
        .iter()
        .filter(|d| !d.contains_key("_id"))
        .count();
    let last = match insertion.keys {
        NewKeys::Sequence { long } if new > 0 => {
            count_up(&insertion.collection, new, long, program);
            vec![Parameter {
                number: LAST_KEY,
                from: vec![Origin {
                    step: program.steps.len() - 1,
                    path: Path::of(["value", "last"]),
                    only: None,
                }],
                needed: false,
            }]
        }
        _ => Vec::new(),
    };
    let keys = (!last.is_empty()).then_some(LAST_KEY);
    let mut counted = Vec::new();
    let mut push = |command: Command, ignore_duplicates: bool| {
        counted.push(Counted::Written(program.steps.len()));
        program.steps.push(Step {
            parameters: last.clone(),
            ignore_duplicates,
            ..command.into()
        });
    };
    match &insertion.conflict {
        Conflict::Update { unique, update } => push(
            Command::Update {
                collection: insertion.collection.clone(),
                updates: insertion
                    .documents
                    .iter()
                    .map(|document| upsert(document, unique, update, keys))
                    .collect(),
                ordered: true,
                hint: None,
            },
            false,
        ),
        conflict => push(
            Command::Insert {
                collection: insertion.collection.clone(),
                documents: insertion.documents.clone(),
                keys,
                ordered: *conflict == Conflict::Fail,
            },
            *conflict == Conflict::Ignore,
        ),
    }
    Shape::Written(counted)
}

/// Takes `count` numbers from the collection's counter, which is never behind the keys that are there: documents may have
/// been stored with keys of their own.
fn count_up(collection: &str, count: usize, long: bool, program: &mut Program) {
    let catch_up = doc! {"$merge": {
        "into": SEQUENCES,
        "on": "_id",
        "whenMatched": [{"$set": {"last": {"$max": ["$last", "$$new.last"]}}}],
        "whenNotMatched": "insert",
    }};
    let pipeline = vec![
        Stage::Sort(vec![("_id".to_owned(), SortOrder::Desc)]),
        Stage::Limit(1),
        Stage::Project(vec![
            (
                "_id".to_owned(),
                Projection::Expr(Expr::lit(collection.to_owned())),
            ),
            ("last".to_owned(), Projection::Expr(Expr::field(["_id"]))),
        ]),
        Stage::Other(catch_up),
    ];
    program.steps.push(
        Command::Aggregate {
            collection: Some(collection.to_owned()),
            pipeline,
            hint: None,
        }
        .into(),
    );
    let count = i64::try_from(count).unwrap_or(i64::MAX);
    let count = match i32::try_from(count) {
        Ok(count) if !long => Bson::Int32(count),
        _ => Bson::Int64(count),
    };
    program.steps.push(
        Command::FindAndModify {
            collection: SEQUENCES.to_owned(),
            filter: Filter::field("_id", FieldOp::Eq(collection.into())),
            update: WriteModel::Operators(doc! {"$inc": {"last": count}}),
            upsert: true,
            new: true,
        }
        .into(),
    );
}

/// Changes the document with the same unique columns, or inserts one. A NULL is like no other NULL, so such a document is
/// always new: no document is without an `_id`.
fn upsert(
    document: &Document,
    unique: &[String],
    update: &[String],
    keys: Option<u32>,
) -> UpdateModel {
    let known = unique
        .iter()
        .all(|column| document.get(column).is_some_and(|v| *v != Bson::Null));
    let filter = if known {
        Filter::And(
            unique
                .iter()
                .filter_map(|column| {
                    let value = document.get(column)?.clone();
                    Some(Filter::field(column.clone(), FieldOp::Eq(value)))
                })
                .collect(),
        )
    } else {
        Filter::field("_id", FieldOp::Exists(false))
    };
    let mut set = Document::new();
    let mut set_on_insert = Document::new();
    for (column, value) in document {
        if known && unique.contains(column) {
            continue;
        }
        let fields = if update.contains(column) {
            &mut set
        } else {
            &mut set_on_insert
        };
        fields.insert(column, value);
    }
    let mut operators = Document::new();
    if !set.is_empty() {
        operators.insert("$set", set);
    }
    if !set_on_insert.is_empty() {
        operators.insert("$setOnInsert", set_on_insert);
    }
    UpdateModel {
        filter,
        update: WriteModel::Operators(operators),
        multi: false,
        upsert: true,
        key: keys.filter(|_| !document.contains_key("_id")),
    }
}
