//! The schema.

use indexmap::IndexMap;
use mqlc_compiler::schema::{
    FieldKind, FieldSpec, FieldType, ModelSpec, RelationSpec, Schema, SchemaSpec,
};

fn field(name: &str, kind: FieldKind) -> FieldSpec {
    FieldSpec::new(name, FieldType::new(kind))
}

fn pk() -> FieldSpec {
    FieldSpec {
        column: Some("_id".to_owned()),
        primary_key: true,
        unique: true,
        ..field("id", FieldKind::BigAutoField)
    }
}

fn null(mut f: FieldSpec) -> FieldSpec {
    f.ty.null = true;
    f
}

fn unique(f: FieldSpec) -> FieldSpec {
    FieldSpec { unique: true, ..f }
}

fn indexed(f: FieldSpec) -> FieldSpec {
    FieldSpec {
        db_index: true,
        ..f
    }
}

fn foreign_key(name: &str, to: &str, back: &str) -> FieldSpec {
    let mut f = indexed(field(name, FieldKind::ForeignKey));
    f.attname = Some(format!("{name}_id"));
    f.column = Some(format!("{name}_id"));
    f.ty.to = Some(to.to_owned());
    f.relation = Some(RelationSpec {
        to: to.to_owned(),
        related_query_name: Some(back.to_owned()),
        related_name: Some(back.to_owned()),
        ..RelationSpec::default()
    });
    f
}

/// Authors, books, tags and which book has which tag.
pub fn library() -> Schema {
    use FieldKind as K;
    let model = |name: &str, fields: Vec<FieldSpec>| {
        (
            format!("lib.{name}"),
            ModelSpec {
                collection: name.to_owned(),
                fields,
                ..ModelSpec::default()
            },
        )
    };
    let mut models: IndexMap<String, ModelSpec> = [
        model(
            "Author",
            vec![
                pk(),
                field("name", K::CharField),
                null(indexed(field("country", K::CharField))),
                null(field("born", K::DateTimeField)),
                null(foreign_key("mentor", "lib.Author", "pupils")),
            ],
        ),
        model(
            "Book",
            vec![
                pk(),
                field("title", K::CharField),
                null(field("pages", K::IntegerField)),
                null(field("price", K::FloatField)),
                null(field("published", K::DateTimeField)),
                field("read", K::BooleanField),
                foreign_key("author", "lib.Author", "books"),
                null(foreign_key("editor", "lib.Author", "edited")),
                null(unique(field("isbn", K::CharField))),
                null(field("data", K::JSONField)),
                null(field("marks", K::ArrayField)),
            ],
        ),
        model("Tag", vec![pk(), unique(field("name", K::CharField))]),
        model(
            "BookTag",
            vec![
                pk(),
                foreign_key("book", "lib.Book", "book_tags"),
                foreign_key("tag", "lib.Tag", "book_tags"),
            ],
        ),
    ]
    .into_iter()
    .collect();
    if let Some(through) = models.get_mut("lib.BookTag") {
        through.unique_together = vec![vec!["book".to_owned(), "tag".to_owned()]];
    }
    Schema::new(SchemaSpec {
        models,
        ..SchemaSpec::default()
    })
    .expect("the library's schema is sound")
}
