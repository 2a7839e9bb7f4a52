//! `get_or_create()` and `update_or_create()`: when one command does it, what is refused, and that both ways do the same.
// Tests may stop where they fail.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod support;

use bson::{Document, doc};
use mqlc::compiler::target::Target;
use mqlc::executors::{Error, Execute, Outcome, RowValue};
use support::{World, documents, wait};

const MODELS: &str = "
class Item(models.Model):
    id = ObjectIdAutoField(primary_key=True)
    sku = models.CharField(max_length=8, unique=True)
    name = models.CharField(max_length=20)
    price = models.IntegerField(null=True)
    extra = models.JSONField(null=True)

class Counted(models.Model):
    name = models.CharField(max_length=20, unique=True)

class Child(Item):
    more = models.IntegerField(null=True)

class Strict(models.Model):
    id = ObjectIdAutoField(primary_key=True)
    name = models.CharField(max_length=20, unique=True)
    amount = models.IntegerField()
";

/// Statements, and whether one command is enough. Each of the others breaks one condition of that.
const STATEMENTS: &[(&str, bool)] = &[
    (r#"Item.objects.get_or_create(sku="a")"#, true),
    (
        r#"Item.objects.get_or_create(sku="a", defaults={"price": 3})"#,
        true,
    ),
    (r#"Item.objects.get_or_create(sku="a", name="x")"#, true),
    (r#"Item.objects.only("sku").get_or_create(sku="a")"#, true),
    (
        r#"Item.objects.order_by("price").get_or_create(sku="a", price=None)"#,
        true,
    ),
    (
        r#"Item.objects.filter(price=3).get_or_create(sku="a", defaults={"price": 3})"#,
        true,
    ),
    (r#"Item.objects.update_or_create(sku="a")"#, true),
    (
        r#"Item.objects.update_or_create(sku="a", defaults={"price": 2})"#,
        true,
    ),
    (
        r#"Item.objects.update_or_create(sku="a", defaults={"price": 2}, create_defaults={"price": 2, "name": "x"})"#,
        true,
    ),
    // Several rows may fit.
    (r#"Item.objects.get_or_create(name="a")"#, false),
    (r#"Item.objects.get_or_create(price=3)"#, false),
    // The server would not write what the condition says, or what it should not.
    (r#"Item.objects.get_or_create(sku="a", price__gt=3)"#, false),
    (
        r#"Item.objects.get_or_create(sku__exact="a", defaults={"name": "x"})"#,
        false,
    ),
    (
        r#"Item.objects.filter(price=3).get_or_create(sku="a")"#,
        false,
    ),
    (
        r#"Item.objects.get_or_create(sku="a", defaults={"sku": "b"})"#,
        false,
    ),
    // Keys are counted.
    (r#"Counted.objects.get_or_create(name="a")"#, false),
    // A row that is there is set to other values than a new one.
    (
        r#"Item.objects.update_or_create(sku="a", defaults={"price": F("price") + 1}, create_defaults={"price": 1})"#,
        false,
    ),
    (
        r#"Item.objects.update_or_create(sku="a", defaults={"price": 2}, create_defaults={"price": 1})"#,
        false,
    ),
    (
        r#"Item.objects.update_or_create(sku="a", defaults={"price": 2}, create_defaults={"name": "x"})"#,
        false,
    ),
    // A row is more than its document.
    (
        r#"Item.objects.annotate(n=F("price") * 2).get_or_create(sku="a")"#,
        false,
    ),
    // Options that findAndModify is not given.
    (
        r#"Item.objects.hint(comment="c").get_or_create(sku="a")"#,
        false,
    ),
    // No row can be there.
    (r#"Item.objects.none().get_or_create(sku="b")"#, false),
];

/// What a statement does to a world: row and whether it was made, or the error; and the documents after it, without their keys.
fn effect(source: &str, before: &[Document], target: Target) -> (String, Vec<Document>) {
    let world = World::new(MODELS);
    if !before.is_empty() {
        world.insert("files_item", before.to_vec());
    }
    let compiled = world
        .compiler()
        .target(target)
        .compile(&world.parse(source))
        .unwrap();
    let outcome = match wait(world.executor.execute(&compiled)) {
        Ok(Outcome::Upserted {
            row: RowValue::Object(row),
            created,
        }) => {
            let values: Vec<_> = row.iter().filter(|(name, _)| *name != "id").collect();
            format!("{values:?} {created}")
        }
        Ok(other) => format!("{other:?}"),
        Err(error) => error.to_string(),
    };
    let mut after = [
        documents(&world.executor, "files_item"),
        documents(&world.executor, "files_counted"),
    ]
    .concat();
    for document in &mut after {
        document.remove("_id");
        let mut pairs: Vec<_> = std::mem::take(document).into_iter().collect();
        pairs.sort_by(|a, b| a.0.cmp(&b.0));
        *document = pairs.into_iter().collect();
    }
    (outcome, after)
}

/// One command where the condition identifies the row and says nothing that the new row has not; with and without a row that
/// is there, and with several, the result and the documents are those of looking first.
#[test]
fn one_command_does_what_several_do() {
    let mut plain = Target::default();
    plain.disabled_rules.push("all".to_owned());
    let item =
        |sku: &str, name: &str, price: Option<i64>| doc! {"sku": sku, "name": name, "price": price};
    let worlds = [
        vec![],
        vec![item("a", "x", Some(3))],
        vec![
            item("a", "a", None),
            item("c", "a", Some(3)),
            item("d", "x", Some(3)),
        ],
    ];
    let mut outcomes = std::collections::HashSet::new();
    for (source, at_once) in STATEMENTS {
        let world = World::new(MODELS);
        let steps = world
            .compiler()
            .compile(&world.parse(source))
            .unwrap()
            .program
            .steps
            .len();
        assert_eq!(
            steps == 1 && !source.contains("none()"),
            *at_once,
            "{source}: {steps} steps"
        );
        for before in &worlds {
            let effects = effect(source, before, Target::default());
            assert_eq!(effects, effect(source, before, plain.clone()), "{source}");
            outcomes.insert(effects.0);
        }
    }
    assert!(
        outcomes.len() > 15,
        "the statements do different things: {outcomes:#?}"
    );
    assert!(
        outcomes.iter().any(|o| o == "2 rows match, not one"),
        "{outcomes:#?}"
    );
}

/// Found, changed, made: the row is that of the document as it is then.
#[test]
fn rows_are_those_of_the_documents() {
    let world = World::new(MODELS);
    let count = r#"Item.objects.update_or_create(sku="a", defaults={"price": F("price") + 1}, create_defaults={"price": 1})"#;
    for price in 1..4 {
        let Ok(Outcome::Upserted { row, created }) = world.run(count) else {
            unreachable!("an upsert")
        };
        assert_eq!(created, price == 1);
        assert_eq!(row.at("price").unwrap().as_value().unwrap(), &price.into());
        assert_eq!(
            documents(&world.executor, "files_item")[0]
                .get_i64("price")
                .unwrap(),
            price
        );
    }
}

/// What Django refuses, and what would leave a row half done.
#[test]
fn refusals() {
    let world = World::new(MODELS);
    for (source, message) in [
        (
            r#"Item.objects.get_or_create(sku="a", defaults={"wrong": 1, "also": 2})"#,
            "Invalid field name(s) for model Item: 'also', 'wrong'.",
        ),
        (
            r#"Item.objects.get_or_create(wrong=1)"#,
            "Cannot resolve keyword 'wrong' into field.",
        ),
        (
            r#"Item.objects.all()[:3].get_or_create(sku="a")"#,
            "Cannot filter a query once a slice has been taken.",
        ),
        (
            r#"Item.objects.values("sku").update_or_create(sku="a", defaults={"price": 1})"#,
            "update_or_create() sets fields of an object, not of values()",
        ),
        (
            r#"Item.objects.update_or_create(sku="a", defaults={"price": F("price") + 1})"#,
            "F() expressions can only be used to update, not to insert.",
        ),
        (
            r#"Item.objects.update_or_create(sku="a", defaults={"pk": "65f000000000000000000001"})"#,
            "setting \"pk\"",
        ),
        (
            r#"Strict.objects.get_or_create(name="a")"#,
            "\"amount\" has no value",
        ),
        (
            r#"Child.objects.get_or_create(sku="a")"#,
            "a model with parents",
        ),
    ] {
        let error = world.compiler().compile(&world.parse(source)).unwrap_err();
        assert!(error.to_string().contains(message), "{source}: {error}");
    }
    world.insert(
        "files_item",
        vec![
            doc! {"sku": "a", "name": "x"},
            doc! {"sku": "b", "name": "x"},
        ],
    );
    let several = world.run(r#"Item.objects.update_or_create(name="x", defaults={"price": 1})"#);
    assert!(matches!(several, Err(Error::MultipleObjectsReturned(2))));
    assert!(
        documents(&world.executor, "files_item")
            .iter()
            .all(|d| !d.contains_key("price"))
    );
}

/// Errors say where in the Queryset JSON they are.
#[test]
fn places() {
    let world = World::new(MODELS);
    let equal = |path: &str| format!(r#"{{"lookup":{{"path":"{path}","rhs":{{"value":"a"}}}}}}"#);
    for (action, place) in [
        (format!(r#"{{"get_or_create":{{"where":{},"defaults":{{}}}}}}"#, equal("wrong")), "/do/get_or_create/where"),
        (format!(r#"{{"get_or_create":{{"where":{},"defaults":{{"price":"x"}}}}}}"#, equal("sku")), "/do/get_or_create/defaults/price"),
        (format!(r#"{{"update_or_create":{{"where":{},"defaults":{{"price":"x"}},"create_defaults":{{}}}}}}"#, equal("sku")), "/do/update_or_create/defaults/price"),
        (r#"{"bulk_update":{"rows":[{"pk":"65f000000000000000000001","price":1},{"price":2}],"fields":["price"]}}"#.to_owned(), "/do/bulk_update/rows/1"),
        (r#"{"bulk_update":{"rows":[{"pk":"65f000000000000000000001","price":"x"}],"fields":["price"]}}"#.to_owned(), "/do/bulk_update/rows/0"),
    ] {
        let json = format!(r#"{{"model":"files.Item","calls":[],"do":{action}}}"#);
        let error = world.compiler().compile_json(&json).unwrap_err();
        assert!(error.to_string().contains(&format!("(at {place}")), "{place}: {error}");
    }
}
