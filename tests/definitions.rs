//! Indexes and validators: the commands as snapshots, what they refuse in the embedded engine, and that they refuse nothing that is written
//! by statements.
// Tests may stop where they fail.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod support;

use std::collections::BTreeSet;

use bson::{Bson, DateTime, Document, doc};
use mqlc::Compiler;
use mqlc::compiler::definitions::{DefinitionOptions, Definitions};
use mqlc::compiler::program::Bound;
use mqlc::compiler::queryset::Call;
use mqlc::compiler::schema::{IndexSpec, Schema, SchemaSpec};
use mqlc::compiler::text;
use mqlc::executors::{Error, Execute, Executor, MemoryExecutor};
use support::Library;

fn compiler(file: &str) -> Compiler {
    let source = std::fs::read_to_string(support::path(&format!("fixtures/schemas/{file}.py")));
    let models = text::parse_models(file, &source.unwrap()).unwrap();
    assert!(models.skipped.iter().all(|s| s.because.is_none()));
    Compiler::new(Schema::new(models.spec).unwrap())
}

fn definitions(compiler: &Compiler, validators: bool) -> Definitions {
    let models = compiler.schema().models().iter();
    let own = models.filter(|m| !text::is_contrib(m.label.split('.').next().unwrap()));
    let options = DefinitionOptions {
        models: own.map(|m| m.label.clone()).collect(),
        validators,
        ..DefinitionOptions::default()
    };
    compiler.definitions(&options).unwrap()
}

fn send(executor: &MemoryExecutor, command: Document) -> Result<Vec<Document>, Error> {
    support::wait(async { executor.run(Bound { command }).await?.into_vec().await })
}

#[test]
fn commands() {
    let mut settings = insta::Settings::clone_current();
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.set_snapshot_path(support::path("fixtures/snapshots"));
    settings.bind(|| {
        for file in ["library", "everything"] {
            let definitions = definitions(&compiler(file), true);
            insta::assert_snapshot!(format!("definitions__{file}"), definitions.to_string());
        }
    });
}

/// The commands can be sent, and sent again where everything is there already.
#[test]
fn commands_are_taken() {
    for file in ["library", "everything"] {
        let definitions = definitions(&compiler(file), true);
        let executor = MemoryExecutor::new();
        for exists in [false, true] {
            support::wait(executor.execute(&definitions.compiled(|_| exists))).unwrap();
        }
        for definition in &definitions.collections {
            let listed = send(&executor, doc! {"listIndexes": &definition.collection}).unwrap();
            assert_eq!(listed.len(), definition.indexes.len() + 1);
        }
    }
}

/// The engine with `everything` in it, and a task that is as it should be.
fn tasks() -> (MemoryExecutor, Document) {
    let definitions = definitions(&compiler("everything"), true);
    let executor = MemoryExecutor::new();
    support::wait(executor.execute(&definitions.compiled(|_| false))).unwrap();
    let task = doc! {
        "_id": 1_i64, "t": "first", "body": null, "status": "done", "owner_id": 1_i64, "number": 1_i64,
        "low": 1_i64, "high": 5_i64, "urgent": false, "created": DateTime::from_millis(0),
        "seen": DateTime::from_millis(0), "center": {"x": 1_i64, "y": 1_i64},
        "parts": [{"code": "a", "parts": []}], "meta": {"any": ["thing"]}, "tags": ["x", null],
    };
    send(
        &executor,
        doc! {"insert": "everything_task", "documents": [&task]},
    )
    .unwrap();
    (executor, task)
}

/// The task as another one, with some keys changed: nothing that is unique is repeated.
fn another(task: &Document, id: i64, changes: Document) -> Document {
    let mut other = task.clone();
    other.extend(doc! {
        "_id": id, "owner_id": id, "number": id, "low": id, "high": id + 5, "t": format!("task {id}"),
        "center": {"x": id, "y": id}, "parts": [{"code": format!("p{id}")}],
    });
    other.extend(changes);
    other
}

fn code(executor: &MemoryExecutor, document: Document) -> Option<i32> {
    match send(
        executor,
        doc! {"insert": "everything_task", "documents": [document]},
    ) {
        Ok(_) => None,
        Err(Error::Write(failure)) => Some(failure.errors[0].code),
        Err(other) => panic!("{other}"),
    }
}

/// Each constraint refuses what breaks it, and lets in what does not: with SQL's NULL, which is equal to nothing and makes a check unknown.
#[test]
fn constraints_hold() {
    const DUPLICATE: Option<i32> = Some(11000);
    const INVALID: Option<i32> = Some(121);
    let (executor, task) = tasks();
    let null = Bson::Null;
    let cases: Vec<(&str, Document, Option<i32>)> = vec![
        ("nothing special", doc! {}, None),
        (
            "unique together",
            doc! {"owner_id": 1_i64, "number": 1_i64},
            DUPLICATE,
        ),
        (
            "unique together, one NULL",
            doc! {"owner_id": 1_i64, "number": &null},
            None,
        ),
        (
            "unique together, a second NULL",
            doc! {"owner_id": 1_i64, "number": &null},
            None,
        ),
        ("without NULL", doc! {"t": "first", "low": 1_i64}, DUPLICATE),
        (
            "unique constraint",
            doc! {"low": 1_i64, "high": 5_i64, "seen": &null},
            DUPLICATE,
        ),
        (
            "unique constraint, NULL",
            doc! {"low": 1_i64, "high": &null, "seen": &null},
            None,
        ),
        (
            "NULL is equal to NULL",
            doc! {"low": 1_i64, "high": &null, "seen": &null},
            DUPLICATE,
        ),
        (
            "only drafts",
            doc! {"owner_id": 1_i64, "status": "draft"},
            None,
        ),
        (
            "only drafts, twice",
            doc! {"owner_id": 1_i64, "status": "draft"},
            DUPLICATE,
        ),
        (
            "embedded",
            doc! {"center": {"x": 1_i64, "y": 1_i64}},
            DUPLICATE,
        ),
        (
            "embedded, NULL inside",
            doc! {"center": {"x": 1_i64, "y": &null}},
            None,
        ),
        (
            "embedded, missing inside",
            doc! {"center": {"x": 1_i64}},
            None,
        ),
        ("no embedded document", doc! {"center": &null}, None),
        ("no embedded document again", doc! {"center": &null}, None),
        (
            "an element of another document",
            doc! {"parts": [{"code": "b"}, {"code": "a"}]},
            DUPLICATE,
        ),
        ("check", doc! {"low": -1_i64}, INVALID),
        (
            "check of two columns",
            doc! {"low": 9_i64, "high": 8_i64},
            INVALID,
        ),
        ("check of two columns, NULL", doc! {"high": &null}, None),
        (
            "check with alternatives",
            doc! {"status": "other", "urgent": true},
            INVALID,
        ),
        (
            "check with alternatives, one true",
            doc! {"status": "other"},
            None,
        ),
        ("negated check", doc! {"t": ""}, INVALID),
        ("a type", doc! {"low": "5"}, INVALID),
        ("a type inside", doc! {"center": {"x": 1.5}}, INVALID),
        ("a type of an element", doc! {"tags": [1]}, INVALID),
        ("an array where none is", doc! {"status": ["done"]}, INVALID),
        ("NULL", doc! {"status": &null}, INVALID),
        ("NULL inside", doc! {"center": {"x": &null}}, INVALID),
        ("too long", doc! {"t": "x".repeat(41)}, INVALID),
        (
            "as long as may be, in code points",
            doc! {"t": "ß".repeat(40)},
            None,
        ),
        ("too large", doc! {"low": 1_i64 << 40}, INVALID),
        ("a further key", doc! {"other": 1}, None),
    ];
    for (i, (what, changes, expected)) in cases.into_iter().enumerate() {
        let id = i64::try_from(i).unwrap() + 10;
        let found = code(&executor, another(&task, id, changes));
        assert_eq!(found, expected, "{what}");
    }
    let mut missing = another(&task, 90, doc! {});
    missing.remove("created");
    assert_eq!(code(&executor, missing), INVALID);
    // What is changed is looked at as well.
    let update = |set: Document| doc! {"update": "everything_task", "updates": [{"q": {"_id": 1}, "u": {"$set": set}}]};
    assert!(send(&executor, update(doc! {"low": 2_i64})).is_ok());
    assert!(send(&executor, update(doc! {"low": -2_i64})).is_err());
}

/// A nullable unique column of every type lets NULLs in, and no value twice.
#[test]
fn unique_values_of_all_types() {
    let compiler = compiler("everything");
    let model = compiler.schema().find("everything.Types").unwrap();
    let definitions = definitions(&compiler, false);
    let executor = MemoryExecutor::new();
    support::wait(executor.execute(&definitions.compiled(|_| false))).unwrap();
    let day = |days: i64| Bson::DateTime(DateTime::from_millis(days * 86_400_000));
    let decimal = |text: &str| Bson::Decimal128(text.parse().unwrap());
    let binary = |byte: u8| {
        Bson::Binary(bson::Binary {
            subtype: bson::spec::BinarySubtype::Generic,
            bytes: vec![byte; usize::from(byte)],
        })
    };
    let values: Vec<(&str, [Bson; 2])> = vec![
        ("small", [Bson::Int32(-32768), Bson::Int32(7)]),
        ("counted", [Bson::Int64(0), Bson::Int64(7)]),
        ("large", [Bson::Int64(i64::MIN), Bson::Int64(i64::MAX)]),
        (
            "ratio",
            [Bson::Double(f64::NEG_INFINITY), Bson::Double(1.5)],
        ),
        ("price", [decimal("-9999.99"), decimal("0")]),
        ("text", ["".into(), "a".into()]),
        ("flag", [false.into(), true.into()]),
        ("data", [binary(0), binary(2)]),
        (
            "day",
            [
                Bson::DateTime(DateTime::from_millis(-62_135_596_800_000)),
                day(1),
            ],
        ),
        ("moment", [day(0), day(1)]),
        (
            "time",
            [
                Bson::DateTime(DateTime::from_millis(-62_135_596_800_000)),
                day(1),
            ],
        ),
        ("length", [Bson::Int64(-1), Bson::Int64(1)]),
        ("token", ["0".repeat(32).into(), "f".repeat(32).into()]),
        (
            "center",
            [doc! {"x": 1}.into(), doc! {"x": 1, "y": 2}.into()],
        ),
    ];
    let unique = |i: &&IndexSpec| i.unique && i.keys[0].field != "id";
    assert_eq!(model.indexes.iter().filter(unique).count(), values.len());
    let mut id = 0;
    let mut insert = |document: Document| {
        id += 1;
        let mut whole = doc! {"_id": id.to_string()};
        whole.extend(document);
        send(
            &executor,
            doc! {"insert": "everything_types", "documents": [whole]},
        )
        .is_ok()
    };
    for (column, values) in values {
        for value in values {
            assert!(insert(doc! {column: value.clone()}), "{column}: {value}");
            assert!(
                !insert(doc! {column: value.clone()}),
                "{column}: {value} twice"
            );
            assert!(insert(doc! {column: Bson::Null}), "{column}: NULL");
            // The index serves queries for the value and for a range.
            for filter in [
                doc! {column: value.clone()},
                doc! {column: {"$gte": value.clone()}},
            ] {
                let explained = doc! {"explain": {"find": "everything_types", "filter": filter}};
                let plan = send(&executor, explained).unwrap().remove(0);
                assert!(
                    plan.to_string().contains("IXSCAN"),
                    "{column}: {value}: {plan}"
                );
            }
        }
    }
}

/// The documents of the library are as its validators want them, and so is whatever the statements of `fixtures/writes` make of them.
#[test]
fn what_is_written_is_valid() {
    let library = Library::load();
    let compiler = Compiler::new(library.schema.clone());
    let definitions = definitions(&compiler, true);
    for definition in &definitions.collections {
        let invalid = doc! {"find": &definition.collection, "filter": {"$nor": [definition.validator.clone().unwrap()]}};
        let found = send(&library.executor, invalid).unwrap();
        assert!(found.is_empty(), "{}: {found:?}", definition.collection);
    }
    for file in std::fs::read_dir(support::path("fixtures/writes")).unwrap() {
        let file = file.unwrap().path();
        let source = std::fs::read_to_string(&file).unwrap();
        let (free, bound) = (Library::load(), Library::load());
        support::wait(bound.executor.execute(&definitions.compiled(|_| true))).unwrap();
        let compiled = compiler.compile(&free.parse(&source)).unwrap();
        let freely = support::wait(free.executor.execute(&compiled));
        let found = support::wait(bound.executor.execute(&compiled));
        // A subquery without rows gives a name that is NULL: PostgreSQL refuses it as well.
        if file.ends_with("update_subquery.q") {
            assert!(
                found
                    .unwrap_err()
                    .to_string()
                    .contains("DocumentValidationFailure")
            );
            continue;
        }
        assert_eq!(
            freely.map_err(|e| e.to_string()),
            found.map_err(|e| e.to_string()),
            "{}",
            file.display()
        );
    }
}

/// The JSON of a schema says the same as its models.py.
#[test]
fn json_says_it_as_well() {
    for file in ["library", "everything"] {
        let source = std::fs::read_to_string(support::path(&format!("fixtures/schemas/{file}.py")));
        let models = text::parse_models(file, &source.unwrap()).unwrap();
        let json = models.spec.to_json();
        let again = SchemaSpec::from_json(&json).unwrap();
        assert_eq!(again.to_json(), json);
        let wanted = definitions(&compiler(file), true).to_string();
        let found = definitions(&Compiler::new(Schema::new(again).unwrap()), true);
        assert_eq!(found.to_string(), wanted);
    }
}

/// Arithmetic of several types ends in what validators let in.
#[test]
fn computed_values_are_valid() {
    let library = Library::load();
    let compiler = Compiler::new(library.schema.clone());
    let definitions = definitions(&compiler, true);
    support::wait(library.executor.execute(&definitions.compiled(|_| true))).unwrap();
    for source in [
        "Book.objects.update(rating=F('pages'))",
        "Book.objects.update(rating=F('pages') * 2 + 1)",
        "Book.objects.update(rating=3)",
        "Book.objects.update(pages=F('pages') / 2)",
        "Book.objects.update(pages=F('pages') * 2 + 1)",
        "Book.objects.update(price=F('price') * Decimal('1.1'))",
        "Book.objects.update(price=F('price') * 2)",
        "Book.objects.update(price=Cast(Coalesce('pages', 1), DecimalField(max_digits=8, decimal_places=2)))",
        "Book.objects.update(reading_time=F('reading_time') * 2)",
        "Stock.objects.update(quantity=F('quantity') + 1)",
        "Review.objects.update(stars=Mod(F('stars'), 3))",
        "Order.objects.update(placed=Now())",
        "Book.objects.update(title=Upper('title'), added=Now())",
        "Book.objects.update(pages=Length('title'))",
        "Book.objects.update(pages=Cast(Round(F('rating')), IntegerField()))",
        "Book.objects.update(rating=Subquery(Review.objects.filter(book=OuterRef('pk')).values('book').annotate(m=Avg('stars')).values('m')))",
    ] {
        let compiled = compiler.compile(&library.parse(source)).unwrap();
        if let Err(error) = support::wait(library.executor.execute(&compiled)) {
            panic!("{source}: {error}");
        }
    }
}

/// Conditions with the ids of a model's rows for which they are true: the rows that a partial index holds are those, and those that a check
/// refuses are the rows for which they are false.
#[test]
fn conditions_mean_what_they_mean_in_queries() {
    let library = Library::load();
    let ids = |filter: Document| -> BTreeSet<String> {
        let command = doc! {"find": "library_book", "filter": filter, "projection": {"_id": 1}};
        let found = send(&library.executor, command).unwrap();
        found
            .iter()
            .map(|d| d.get("_id").unwrap().to_string())
            .collect()
    };
    let rows = |source: &str| -> BTreeSet<String> {
        let compiled = Compiler::new(library.schema.clone()).compile(&library.parse(source));
        let outcome = support::wait(library.executor.execute(&compiled.unwrap())).unwrap();
        let mqlc::executors::Outcome::Rows(rows) = outcome else {
            panic!("no rows")
        };
        let ids = rows.iter().map(|row| serde_json::to_value(row).unwrap());
        ids.map(|id| id.to_string()).collect()
    };
    let conditions = [
        ("Q(pages__gt=300)", true),
        ("~Q(pages__gt=300)", true),
        ("Q(pages__range=(100, 300), in_print=True)", true),
        ("Q(rating__isnull=True)", true),
        ("Q(rating__isnull=False)", true),
        ("Q(keywords__isnull=False)", true),
        ("Q(meta__isnull=False)", true),
        ("Q(meta__isnull=True)", false),
        ("Q(keywords__isnull=True)", false),
        ("Q(editor__isnull=False)", true),
        ("Q(editor=1)", true),
        ("~Q(editor=1)", true),
        ("Q(title__startswith='The ')", true),
        ("Q(title__startswith='')", true),
        ("Q(subtitle__startswith='A')", true),
        ("Q(publisher__in=[1, 2, None])", true),
        ("~Q(publisher__in=[1, 2])", true),
        ("Q(pages__lt=200) | Q(rating__gte=4)", true),
        ("~(Q(pages__lt=200) | Q(rating__gte=4))", true),
        ("~(Q(pages__lt=200) & Q(in_print=False))", true),
        ("Q(published__year=1813)", true),
        ("Q(published__year__lt=1900) & ~Q(in_print=True)", true),
        ("Q(price__lte=Decimal('9.99'))", true),
        ("Q(isbn='x') | Q(pk=3)", true),
        ("Q(pages=F('rating'))", false),
        ("Q(title__contains='a')", false),
        ("Q(title__istartswith='the')", false),
        ("Q(keywords__len=2)", false),
        ("Q(keywords__contains=['war'])", false),
        ("Q(meta__lang='en')", false),
        ("Q(pages__gt=F('rating') * 100)", false),
        ("Q(title=Lower('title'))", false),
        ("Q(published__month=5)", false),
        ("Q(pages__gt=100) ^ Q(rating__gt=4)", false),
    ];
    for (condition, in_partial) in conditions {
        let source = std::fs::read_to_string(support::path("fixtures/schemas/library.py")).unwrap();
        let meta = "        ordering = [\"title\"]\n";
        let declared = |list: &str| {
            source.replace(meta, &format!("{meta}        {list}\n")).replace(
                "from django.db import models\n",
                "from django.db import models\nfrom django.db.models import F, Q\nfrom django.db.models.functions import Lower\nfrom decimal import Decimal\n",
            )
        };
        let compiler = |list: &str| {
            let models = text::parse_models("library", &declared(list)).unwrap();
            assert!(
                models.skipped.iter().all(|s| s.because.is_none()),
                "{:?}",
                models.skipped
            );
            Compiler::new(Schema::new(models.spec).unwrap())
        };
        let options = DefinitionOptions {
            models: vec!["library.Book".to_owned()],
            validators: true,
            ..DefinitionOptions::default()
        };
        let partial = compiler(&format!(
            "indexes = [models.Index(fields=['pages'], name='it', condition={condition})]"
        ));
        match partial.definitions(&options) {
            Ok(found) => {
                assert!(in_partial, "{condition}");
                let index = &found.collections[0].indexes[0];
                let filter = index
                    .get_document("partialFilterExpression")
                    .unwrap()
                    .clone();
                let wanted = rows(&format!(
                    "Book.objects.filter({condition}).values_list('pk', flat=True)"
                ));
                assert_eq!(ids(filter.clone()), wanted, "{condition}: {filter}");
            }
            Err(error) => assert!(!in_partial, "{condition}: {error}"),
        }
        let check = compiler(&format!(
            "constraints = [models.CheckConstraint(name='it', condition={condition})]"
        ));
        let found = check.definitions(&options).unwrap();
        let validator = found.collections[0].validator.clone().unwrap();
        let broken = match validator.get_array("$nor") {
            Ok(broken) => ids(broken[0].as_document().unwrap().clone()),
            Err(_) => BTreeSet::new(),
        };
        let wanted = rows(&format!(
            "Book.objects.annotate(c=ExpressionWrapper({condition}, output_field=BooleanField())).filter(c=False).values_list('pk', flat=True)"
        ));
        assert_eq!(broken, wanted, "{condition}: {validator}");
    }
}

/// Any combination of conditions that a partial index takes holds the rows of the query.
#[test]
fn combined_conditions() {
    const LEAVES: [&str; 12] = [
        "Q(pages__gt=300)",
        "Q(pages__lte=200)",
        "Q(rating__isnull=True)",
        "Q(rating__isnull=False)",
        "Q(editor__in=[1, 2, 3])",
        "Q(publisher=1)",
        "Q(in_print=True)",
        "Q(published__year=1988)",
        "Q(published__lt=date(1980, 1, 1))",
        "Q(subtitle='A Novel')",
        "Q(price__range=(10, 20))",
        "Q(rating=4.5)",
    ];
    let library = Library::load();
    let compiler = Compiler::new(library.schema.clone());
    let mut seed = 7_u32;
    let mut next = |n: usize| {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        usize::try_from(seed >> 16).unwrap() % n
    };
    for _ in 0..150 {
        let mut text = LEAVES[next(LEAVES.len())].to_owned();
        for _ in 0..next(4) {
            let leaf = LEAVES[next(LEAVES.len())];
            let sign = ["&", "|"][next(2)];
            let (not, not_all) = (["", "~"][next(2)], ["", "~"][next(2)]);
            text = format!("{not_all}({text} {sign} {not}{leaf})");
        }
        let statement = library.parse(&format!(
            "Book.objects.filter({text}).values_list('pk', flat=True)"
        ));
        let Some(Call::Filter(condition)) = statement.calls.first() else {
            panic!("no filter")
        };
        let mut spec = library_spec();
        let book = spec.models.get_mut("library.Book").unwrap();
        book.indexes = vec![IndexSpec {
            condition: Some(condition.clone()),
            ..IndexSpec::ascending(["pages"], false)
        }];
        let options = DefinitionOptions {
            models: vec!["library.Book".to_owned()],
            ..DefinitionOptions::default()
        };
        let found = Compiler::new(Schema::new(spec).unwrap()).definitions(&options);
        let ids = |command: Document| -> BTreeSet<String> {
            let found = send(&library.executor, command).unwrap();
            let ids = found.iter().map(|d| d.get("_id").unwrap().to_string());
            ids.collect()
        };
        let compiled = compiler.compile(&statement).unwrap();
        let wanted: BTreeSet<String> = match compiled.program.steps.first() {
            Some(step) => ids(step.bind(&[]).command),
            None => BTreeSet::new(),
        };
        match found {
            Ok(found) => {
                let index = &found.collections[0].indexes[0];
                let filter = index.get_document("partialFilterExpression");
                let filter = filter.cloned().unwrap_or_default();
                let command = doc! {"find": "library_book", "filter": filter.clone(), "projection": {"_id": 1}};
                assert_eq!(ids(command), wanted, "{text}: {filter}");
            }
            Err(error) => {
                assert!(
                    error.message().contains("true of no row"),
                    "{text}: {error}"
                );
                assert!(wanted.is_empty(), "{text}");
            }
        }
    }
}

/// Models that embed each other in many ways end, and so do the validators of theirs.
#[test]
fn embedded_without_end() {
    let mut source = "from django.db import models\n".to_owned();
    for i in 0..40 {
        let next = format!("EmbeddedModelField(\"M{}\")", i + 1);
        let fields: String = ["a", "b", "c", "d"]
            .map(|name| format!("    {name} = {next}\n"))
            .concat();
        let base = if i == 0 {
            "models.Model"
        } else {
            "EmbeddedModel"
        };
        source += &format!("class M{i}({base}):\n{fields}\n");
    }
    source += "class M40(EmbeddedModel):\n    a = EmbeddedModelField(\"M1\")\n";
    let models = text::parse_models("deep", &source).unwrap();
    let compiler = Compiler::new(Schema::new(models.spec).unwrap());
    let options = DefinitionOptions {
        models: vec!["deep.M0".to_owned()],
        validators: true,
        ..DefinitionOptions::default()
    };
    let found = compiler.definitions(&options).unwrap();
    assert!(found.to_string().len() < 10_000_000);
}

fn library_spec() -> SchemaSpec {
    let source = std::fs::read_to_string(support::path("fixtures/schemas/library.py")).unwrap();
    text::parse_models("library", &source).unwrap().spec
}
