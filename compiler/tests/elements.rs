//! What is known of the elements of an array decides how they are asked: when a number in a path is a place, when a path
//! gives a value for each, and when one look-up may ask for all of them.

#![allow(clippy::unwrap_used, clippy::panic)] // a test

use mqlc_compiler::schema::Schema;
use mqlc_compiler::{Compiler, text};

const MODELS: &str = r#"
from django.db import models
from django_mongodb_backend.fields import EmbeddedModelArrayField, PolymorphicEmbeddedModelArrayField
from django_mongodb_backend.models import EmbeddedModel

class Part(EmbeddedModel):
    kind = models.CharField(max_length=20)
    size = models.IntegerField(null=True)
    price = models.FloatField()

class Odd(EmbeddedModel):
    kind = models.CharField(max_length=20, db_column="0")
    size = models.IntegerField()

class Tag(models.Model):
    name = models.CharField(max_length=20)
    used = models.BooleanField()

class Book(models.Model):
    pages = models.IntegerField(null=True)
    parts = EmbeddedModelArrayField(Part, null=True)
    odds = EmbeddedModelArrayField(Odd)
    all = PolymorphicEmbeddedModelArrayField([Part, Odd])
    tags = models.ManyToManyField(Tag)

class Note(models.Model):
    book = models.ForeignKey(Book, null=True, to_field="pages", on_delete=models.CASCADE)
    stars = models.IntegerField()
"#;

/// The commands of a statement.
fn commands(source: &str) -> String {
    let models =
        text::parse_models("shop", MODELS).unwrap_or_else(|e| panic!("{}", e.render(MODELS)));
    let schema = Schema::new(models.spec).unwrap();
    let params = text::Params {
        app: Some("shop".to_owned()),
        ..text::Params::default()
    };
    let parsed =
        text::parse(&schema, source, &params).unwrap_or_else(|e| panic!("{}", e.render(source)));
    let compiled = Compiler::new(schema)
        .compile(&parsed.statement.unwrap())
        .unwrap();
    compiled.program.to_string()
}

#[track_caller]
fn has(source: &str, part: &str, there: bool) {
    let commands = commands(source);
    assert_eq!(commands.contains(part), there, "{part} in\n{commands}");
}

/// A number in a path is a place, unless an element can have it as a key.
#[test]
fn places() {
    has(
        "Book.objects.filter(parts__0__size__gt=3)",
        r#"{ "parts.0.size": { $gt: 3 } }"#,
        true,
    );
    has(
        "Book.objects.filter(parts__len__gt=1)",
        r#"{ "parts.1": { $exists: true } }"#,
        true,
    );
    has("Book.objects.filter(odds__0__size__gt=3)", "odds.0", false);
    has("Book.objects.filter(odds__len__gt=1)", "odds.1", false);
    has("Book.objects.filter(all__len__gt=1)", "all.1", false);
}

/// What a missing key satisfies cannot be asked of a place: every element lacks the number as a key.
#[test]
fn places_without_a_value() {
    has(
        "Book.objects.filter(parts__0__size__isnull=True)",
        "parts.0",
        false,
    );
    has(
        "Book.objects.filter(parts__0__size__isnull=False)",
        "parts.0",
        false,
    );
    has(
        "Book.objects.exclude(parts__0__size=3)",
        r#"{ "parts.0.size": { $ne: 3 } }"#,
        true,
    );
    // A slice of several is no place.
    has(
        "Book.objects.filter(parts__0_2__size__gt=3)",
        "parts.0",
        false,
    );
}

/// A path leaves out what is not there: it gives a value for each element only where all have one.
#[test]
fn values_of_each() {
    has(r#"Book.objects.values_list("parts__kind")"#, "$map", false);
    has(r#"Book.objects.values_list("parts__size")"#, "$map", true);
    has(r#"Book.objects.values_list("all__size")"#, "$map", true);
}

/// The least and the greatest decide, but not where NaN is less than all, and not for two conditions on one element.
#[test]
fn bounds() {
    has(
        r#"Book.objects.filter(parts__size__lt=F("pages"))"#,
        "$min",
        true,
    );
    has(
        r#"Book.objects.filter(parts__size__gte=F("pages"))"#,
        "$max",
        true,
    );
    has(
        r#"Book.objects.filter(parts__price__lt=F("pages"))"#,
        "$min",
        false,
    );
    has(
        r#"Book.objects.filter(parts__0__size__lt=F("pages"))"#,
        "$min",
        false,
    );
    has(
        r#"Book.objects.filter(parts__size__lt=F("pages"), parts__kind="a")"#,
        "$min",
        false,
    );
}

/// Links and tags are looked up side by side for a tag that few have; for one that many have, the first link ends the search.
#[test]
fn chains() {
    let side = r#"localField: "book_tags.tag_id""#;
    has(r#"Book.objects.exclude(tags__name="a")"#, side, true);
    has("Book.objects.exclude(tags__used=True)", side, false);
    // A tag is read as well as its link.
    has(
        r#"Tag.objects.annotate(n=Count("book__note", distinct=True))"#,
        "localField: \"book_tags",
        false,
    );
}

/// A declared value is there where its element is, but not where the element may be missing or of another model.
#[test]
fn declared_values() {
    let first = r#"{ "parts.0": { $exists: true } }"#;
    has(
        "Book.objects.filter(parts__kind__isnull=False)",
        first,
        true,
    );
    has(
        "Book.objects.exclude(parts__kind__isnull=False)",
        r#"{ "parts.0": { $exists: false } }"#,
        true,
    );
    has(
        "Book.objects.filter(parts__2_4__kind__isnull=False)",
        r#"{ "parts.2": { $exists: true } }"#,
        true,
    );
    has(
        "Book.objects.filter(parts__size__isnull=False)",
        first,
        false,
    );
    has(
        "Book.objects.filter(odds__size__isnull=False)",
        "odds.0",
        false,
    );
    has(
        "Book.objects.filter(all__size__isnull=True)",
        "$elemMatch",
        true,
    );
    has(
        r#"Book.objects.filter(odds__0__size__lte=F("id"))"#,
        r#"{ $gt: ["$$element.size", null] }"#,
        true,
    );
    has(
        r#"Book.objects.filter(odds__size__lte=F("id"), odds__kind=F("id"))"#,
        r#"{ $gt: ["$$element.size", null] }"#,
        false,
    );
}

/// What is asked of the element alone is asked first, unless it is one of several alternatives or negated.
#[test]
fn conditions_of_the_element_alone() {
    let alone = r#""parts.kind": "a""#;
    let both = r#"Q(parts__size__lt=F("pages")) & Q(parts__kind="a")"#;
    has(&format!("Book.objects.filter({both})"), alone, true);
    has(&format!("Book.objects.exclude({both})"), alone, false);
    has(
        r#"Book.objects.filter(Q(parts__size__lt=F("pages")) | Q(parts__kind="a"))"#,
        alone,
        false,
    );
    has(
        r#"Book.objects.filter(parts__0__size__lt=F("pages"), parts__0__kind="a")"#,
        r#""parts.0.kind": "a""#,
        true,
    );
}

/// How many look-ups the values of the first notes of a book need.
fn lookups(a: &str, b: &str) -> usize {
    let note = |order: &str| {
        let (order, value) = order.split_once(' ').unwrap();
        format!(
            r#"Subquery(Note.objects.filter(book=OuterRef("pages")).order_by("{order}").values("{value}")[:1])"#
        )
    };
    let source = format!(
        "Book.objects.annotate(a={}, b={}).values_list(\"a\", \"b\")",
        note(a),
        note(b)
    );
    commands(&source).matches("$lookup").count()
}

/// Fields of the same row are one look-up, those of another row or of what it refers to another one.
#[test]
fn fields_of_one_row() {
    assert_eq!(lookups("pk stars", "pk book"), 1);
    assert_eq!(lookups("pk stars", "pk pk"), 1);
    assert_eq!(lookups("pk pk", "pk stars"), 1);
    assert_eq!(lookups("pk stars", "-pk book"), 2);
    assert!(lookups("pk stars", "pk book__id") > 1);
}

/// The value of a look-up is asked for by a path, but not where a row must be there that is different.
#[test]
fn values_that_are_looked_up() {
    let of = |condition: &str| {
        format!(
            r#"Book.objects.annotate(a=Subquery(Note.objects.filter(book=OuterRef("pages")).order_by("pk").values("stars")[:1])).filter({condition}).count()"#
        )
    };
    has(&of("a__gt=3"), r#"{ "a_rows.stars": { $gt: 3 } }"#, true);
    has(
        &of("a__in=[3, 4]"),
        r#"{ "a_rows.stars": { $in: [3, 4] } }"#,
        true,
    );
    has(&of("~Q(a=3)"), r#""a_rows.stars""#, false);
    has(&of("~Q(a=3)"), "a_rows: { $elemMatch: { stars: ", true);
    has(
        &of("a__isnull=True"),
        "a_rows: { $not: { $elemMatch: ",
        true,
    );
}
