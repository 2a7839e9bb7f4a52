//! An embedder's own function, transform, lookup and aggregate work from text, JSON and the builder, and their rows are
//! what they say.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)] // helpers of tests

use std::sync::Arc;

use mqlc::compiler::functions::{
    AggregateRules, Function, Grouped, Left, Lookup, Meaning, NullRule, Output, Registry, Right,
};
use mqlc::compiler::mql::{Accumulator, Args, Expr};
use mqlc::compiler::plan::Pattern;
use mqlc::compiler::schema::FieldKind;
use mqlc::executors::MemoryExecutor;
use mqlc::executors::Outcome;
use mqlc::prelude::*;

/// Django's functions and five rows of our own.
fn registry() -> Arc<Registry> {
    let mut registry = Registry::django();
    // ByteLength(text), also as `name__bytes`.
    registry.register(
        Function::scalar(
            "ByteLength",
            1,
            Output::Kind(FieldKind::IntegerField),
            NullRule::Strict,
            |call, _| {
                let text = call.arg(0)?.text();
                Ok(text.unless_null(|t| Expr::one("$strLenBytes", t)))
            },
        )
        .transform("bytes", &[FieldKind::CharField, FieldKind::TextField]),
    );
    // `name__ne=value`: SQL's `<>`, which is unknown for NULL.
    registry.register(
        Function::scalar(
            "NotEqual",
            2,
            Output::Kind(FieldKind::BooleanField),
            NullRule::Strict,
            |call, _| {
                let (left, right) = (call.arg(0)?, call.arg(1)?);
                Ok(left.unless_null(|l| right.unless_null(|r| Expr::list("$ne", [l, r]))))
            },
        )
        .lookup("ne", &[]),
    );
    // `name__like_ci=value`: another name for what `iexact` means, of texts only.
    registry.register_lookup(Lookup::new(
        "like_ci",
        Left::Classes(&[FieldKind::CharField, FieldKind::TextField]),
        Right::Text,
        Meaning::Like {
            pattern: Pattern::Exact,
            insensitive: true,
        },
    ));
    // SumOfSquares(number)
    registry.register(Function::aggregate(
        "SumOfSquares",
        1,
        Output::Kind(FieldKind::FloatField),
        AggregateRules::default(),
        |call, names, _| {
            let number = call.arg(0)?.number().expr;
            let square = Expr::list("$multiply", [number.clone(), number]);
            Ok(Grouped::plain(
                names(),
                Accumulator {
                    op: "$sum",
                    args: Args::One(Box::new(match &call.filter {
                        Some(filter) => Expr::cond(filter.clone(), square, Expr::null()),
                        None => square,
                    })),
                },
            ))
        },
    ));
    Arc::new(registry)
}

struct World {
    compiler: Compiler,
    params: text::Params,
    executor: MemoryExecutor,
}

fn world() -> World {
    let source = std::fs::read_to_string("fixtures/schemas/library.py").unwrap();
    let models = text::parse_models("library", &source).unwrap();
    let schema = Schema::new(models.spec).unwrap();
    World {
        compiler: Compiler::new(schema).registry(registry()),
        params: text::Params {
            app: Some("library".to_owned()),
            extras: Arc::new(models.extras),
            registry: Some(registry()),
            ..text::Params::default()
        },
        executor: MemoryExecutor::load("fixtures/data/library").unwrap(),
    }
}

impl World {
    fn rows(&self, statement: &Statement) -> String {
        let compiled = self.compiler.compile(statement).unwrap();
        let outcome: Outcome =
            futures_executor::block_on((&self.executor as &dyn Executor).execute(&compiled))
                .unwrap();
        format!("{outcome:?}")
    }

    /// All three front ends give the same statement; its rows.
    fn same(&self, source: &str, built: Statement) -> String {
        let schema = self.compiler.schema();
        let parsed = text::parse(schema, source, &self.params)
            .unwrap_or_else(|e| panic!("{}", e.render(source)));
        let statement = parsed.statement.unwrap();
        assert_eq!(statement.to_json(), built.to_json(), "{source}");
        let decoded = Statement::from_json(&statement.to_json()).unwrap();
        assert_eq!(decoded, statement);
        self.rows(&decoded)
    }
}

#[test]
fn a_function_and_its_transform() {
    let world = world();
    let called = world.same(
        r#"Tag.objects.annotate(n=ByteLength("name")).filter(n__gt=6).order_by("name").values_list("name", "n")"#,
        Query::from("library.Tag")
            .annotate("n", func("ByteLength", ["name"]))
            .filter(q("n__gt", 6))
            .order_by(["name"])
            .values_list(["name", "n"])
            .into(),
    );
    assert!(called.contains("classic"), "{called}");
    let transformed = world.same(
        r#"Tag.objects.filter(name__bytes__gt=6).order_by("name").values_list("name", "name__bytes")"#,
        Query::from("library.Tag")
            .filter(q("name__bytes__gt", 6))
            .order_by(["name"])
            .values_list(["name", "name__bytes"])
            .into(),
    );
    assert_eq!(called, transformed.replace("name__bytes", "n"));
}

#[test]
fn a_lookup() {
    let world = world();
    // Unlike exclude(), `<>` leaves out the books without a number of pages.
    let count = |source: &str, built: Statement| world.same(source, built);
    let different = count(
        "Book.objects.filter(pages__ne=100).count()",
        Query::from("library.Book")
            .filter(q("pages__ne", 100))
            .count(),
    );
    let known = world.rows(
        &Query::from("library.Book")
            .filter(q("pages__isnull", false))
            .exclude(q("pages", 100))
            .count(),
    );
    assert_eq!(different, known);
    // Negated it is unknown for NULL still, and it reaches over relations and to other columns.
    let same = count(
        r#"Book.objects.exclude(author__name__ne=F("title")).count()"#,
        Query::from("library.Book")
            .exclude(q("author__name__ne", f("title")))
            .count(),
    );
    assert!(same.contains('0'), "{same}");
    let error = world
        .compiler
        .compile(
            &Query::from("library.Book")
                .filter(q("pages__nee", 1))
                .into(),
        )
        .unwrap_err();
    assert!(error.to_string().contains("'nee'"), "{error}");
}

/// `Q(rating__gt=4)` as Python makes it.
fn rated() -> Q {
    Q::And(vec![q("rating__gt", 4)])
}

#[test]
fn a_lookup_of_a_known_meaning() {
    let world = world();
    let count = |source: &str, path: &str| {
        world.same(
            source,
            Query::from("library.Author")
                .filter(q(path, "ursula k. le guin"))
                .count(),
        )
    };
    assert_eq!(
        count(
            r#"Author.objects.filter(name__like_ci="ursula k. le guin").count()"#,
            "name__like_ci"
        ),
        count(
            r#"Author.objects.filter(name__iexact="ursula k. le guin").count()"#,
            "name__iexact"
        ),
    );
    let error = world
        .compiler
        .compile(
            &Query::from("library.Book")
                .filter(q("pages__like_ci", 1))
                .into(),
        )
        .unwrap_err();
    assert!(error.to_string().contains("like_ci"), "{error}");
}

#[test]
fn an_aggregate() {
    let world = world();
    let summed = world.same(
        r#"Book.objects.aggregate(s=SumOfSquares("pages"), p=SumOfSquares("pages", filter=Q(rating__gt=4)))"#,
        Query::from("library.Book").aggregate([
            ("s", aggregate("SumOfSquares", "pages")),
            ("p", aggregate("SumOfSquares", "pages").filter(rated())),
        ]),
    );
    let computed = world.rows(
        &Query::from("library.Book").aggregate([
            (
                "s",
                sum(f("pages") * f("pages")).output(FieldKind::FloatField),
            ),
            (
                "p",
                sum(f("pages") * f("pages"))
                    .output(FieldKind::FloatField)
                    .filter(rated()),
            ),
        ]),
    );
    assert_eq!(summed, computed);
    let grouped = world.same(
        r#"Author.objects.annotate(s=SumOfSquares("books__pages")).filter(s__gt=0).order_by("-s")[:3]"#,
        Query::from("library.Author")
            .annotate("s", aggregate("SumOfSquares", "books__pages"))
            .filter(q("s__gt", 0))
            .order_by(["-s"])
            .slice(..3)
            .into(),
    );
    assert!(!grouped.is_empty());
}
