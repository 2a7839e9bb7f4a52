//! Searches: which stage an expression becomes, from which server on, and what no stage can say.

#![allow(clippy::unwrap_used, clippy::panic)] // a test

use mqlc_compiler::schema::Schema;
use mqlc_compiler::target::Target;
use mqlc_compiler::{Code, Compiler, Error, queryset::Statement, text};

const MODELS: &str = r#"
from django.db import models
from django_mongodb_backend.fields import ArrayField, EmbeddedModelField
from django_mongodb_backend.indexes import SearchIndex, VectorSearchIndex
from django_mongodb_backend.models import EmbeddedModel

class Writer(EmbeddedModel):
    name = models.CharField(max_length=10, db_column="n")

class Author(models.Model):
    name = models.CharField(max_length=20)

class Article(models.Model):
    headline = models.CharField(max_length=100, db_column="h")
    body = models.TextField(null=True)
    number = models.IntegerField(null=True)
    stars = models.IntegerField()
    price = models.DecimalField(max_digits=5, decimal_places=2)
    code = models.UUIDField()
    day = models.DateField()
    plot = ArrayField(models.FloatField(), size=3, null=True)
    writer = EmbeddedModelField(Writer, null=True)
    author = models.ForeignKey(Author, on_delete=models.CASCADE)

    class Meta:
        indexes = [
            models.Index(fields=["number"], name="numbers"),
            SearchIndex(name="heads", fields=["headline"]),
            SearchIndex(name="words", field_mappings={"headline": {"type": "string"}, "body": {}, "writer": {}}),
            VectorSearchIndex(name="plots", fields=["plot", "number"], similarities="cosine"),
        ]
"#;

fn statement(source: &str) -> (Schema, Result<Statement, Error>) {
    let models =
        text::parse_models("app", MODELS).unwrap_or_else(|e| panic!("{}", e.render(MODELS)));
    let schema = Schema::new(models.spec).unwrap();
    let params = text::Params {
        app: Some("app".to_owned()),
        ..text::Params::default()
    };
    let statement = text::parse(&schema, source, &params).map(|p| p.statement.unwrap());
    (schema, statement)
}

fn compile(source: &str, target: Target) -> Result<String, Error> {
    let (schema, statement) = statement(source);
    let statement = statement?;
    // Text and JSON say the same.
    let json = statement.to_json();
    assert_eq!(Statement::from_json(&json).unwrap(), statement, "{json}");
    let written = statement.to_text();
    let (_, again) = self::statement(&written);
    assert_eq!(
        again.unwrap_or_else(|e| panic!("{}", e.render(&written))),
        statement
    );
    let compiled = Compiler::new(schema).target(target).compile(&statement)?;
    Ok(compiled.program.to_string())
}

/// The search of a queryset that is annotated with an expression.
#[track_caller]
fn stage(expression: &str) -> String {
    let source = format!("Article.objects.annotate(score={expression}).values(\"pk\")");
    let text =
        compile(&source, Target::server(8, 1)).unwrap_or_else(|e| panic!("{}", e.render(&source)));
    let text: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let (stage, _) = text
        .strip_prefix("db.app_article.aggregate([ ")
        .unwrap_or_else(|| panic!("{text}"))
        .split_once(", { $project")
        .unwrap();
    stage.to_owned()
}

#[track_caller]
fn refused(source: &str, code: Code, message: &str) {
    let error = compile(source, Target::default()).map(|text| panic!("{text}"));
    let error: Error = match error {
        Ok(()) => return,
        Err(error) => error,
    };
    assert_eq!(error.code(), code, "{source}: {error}");
    assert!(error.message().contains(message), "{source}: {error}");
}

#[track_caller]
fn refused_expression(expression: &str, code: Code, message: &str) {
    let source = format!("Article.objects.annotate(score={expression})");
    refused(&source, code, message);
}

/// Each class is its operator; options have the server's names, paths are stored ones.
#[test]
fn operators() {
    for (expression, operator) in [
        (
            r#"SearchText("headline", "x", fuzzy={"maxEdits": 1}, match_criteria="all", synonyms="s", score=SearchScoreOption({"constant": {"value": 2}}))"#,
            r#"text: { path: "h", query: "x", fuzzy: { maxEdits: 1 }, matchCriteria: "all", synonyms: "s", score: { constant: { value: 2 } }, }"#,
        ),
        (
            r#"SearchAutocomplete(path="writer__name", query="jo", token_order="any")"#,
            r#"autocomplete: { path: "writer.n", query: "jo", tokenOrder: "any" }"#,
        ),
        (
            r#"SearchPhrase("headline", ["a b", "c d"], slop=0)"#,
            r#"phrase: { path: "h", query: ["a b", "c d"], slop: 0 }"#,
        ),
        (
            r#"SearchEquals("author", 3)"#,
            r#"equals: { path: "author_id", value: 3 }"#,
        ),
        (r#"SearchExists("number")"#, r#"exists: { path: "number" }"#),
        (
            r#"SearchIn("stars", [1, "2"])"#,
            r#"in: { path: "stars", value: [1, 2] }"#,
        ),
        (
            r#"SearchRange("day", gt=date(2020, 1, 1))"#,
            r#"range: { path: "day", gt: ISODate("2020-01-01T00:00:00Z") }"#,
        ),
        (
            r#"SearchRange("number", gte=0, lt=0)"#,
            r#"range: { path: "number", lt: 0, gte: 0 }"#,
        ),
        (
            r#"SearchRegex("headline", ".*", allow_analyzed_field=False)"#,
            r#"regex: { path: "h", query: ".*", allowAnalyzedField: false }"#,
        ),
        (
            r#"SearchWildcard("headline", "a*")"#,
            r#"wildcard: { path: "h", query: "a*" }"#,
        ),
        (
            r#"SearchQueryString("body", "a AND b")"#,
            r#"queryString: { defaultPath: "body", query: "a AND b" }"#,
        ),
        (
            r#"SearchMoreLikeThis([{"h": "x"}])"#,
            r#"moreLikeThis: { like: [{ h: "x" }] }"#,
        ),
        (
            r#"SearchText({"wildcard": "w*"}, "x")"#,
            r#"text: { path: { wildcard: "w*" }, query: "x" }"#,
        ),
        (
            r#"SearchText([F("headline"), "body"], "x")"#,
            r#"text: { path: ["h", "body"], query: "x" }"#,
        ),
        // What looks like an expression is a text.
        (
            r#"SearchEquals("headline", "$body")"#,
            r#"equals: { path: "h", value: "$body" }"#,
        ),
    ] {
        let stage = stage(expression);
        assert!(stage.contains(operator), "{expression}:\n{stage}");
    }
}

/// Searches that are combined are one compound for each run of the same operator.
#[test]
fn combinations() {
    let text = |word: &str| format!("SearchText(\"headline\", \"{word}\")");
    let is = |word: &str| format!("{{ text: {{ path: \"h\", query: \"{word}\" }} }}");
    let (a, b, c) = (text("a"), text("b"), text("c"));
    for (expression, clauses) in [
        (
            format!("{a} & {b} & ~{c}"),
            format!(
                "compound: {{ must: [{}, {}], mustNot: [{}], }}",
                is("a"),
                is("b"),
                is("c")
            ),
        ),
        (
            format!("{a} | {b} | {c}"),
            format!(
                "compound: {{ should: [{}, {}, {}, ], minimumShouldMatch: 1, }}",
                is("a"),
                is("b"),
                is("c")
            ),
        ),
        (
            format!("~{a}"),
            format!("compound: {{ mustNot: [{}] }}", is("a")),
        ),
    ] {
        let stage = stage(&expression);
        let flat = |text: &str| {
            text.replace(", ]", "]")
                .replace(", }", " }")
                .replace("[ ", "[")
                .replace(" ]", "]")
        };
        assert!(
            flat(&stage).contains(&flat(&clauses)),
            "{expression}:\n{stage}\n{clauses}"
        );
    }
}

/// The index is the one that is named, else the first declared one that has all the fields.
#[test]
fn indexes() {
    for (expression, index) in [
        (r#"SearchText("headline", "x")"#, "heads"),
        (
            r#"SearchText("headline", "x") & SearchText("writer__name", "y")"#,
            "words",
        ),
        (r#"SearchText("headline", "x", index="own")"#, "own"),
        (r#"SearchRange("number", gt=1)"#, "default"),
        (r#"SearchVector("plot", [1], limit=3)"#, "plots"),
        (
            r#"SearchVector("plot", [1], limit=3, filter=Q(number=3))"#,
            "plots",
        ),
        (
            r#"SearchVector("plot", [1], limit=3, filter=Q(stars=3))"#,
            "default",
        ),
    ] {
        let stage = stage(expression);
        assert!(
            stage.contains(&format!("index: \"{index}\"")),
            "{expression}:\n{stage}"
        );
    }
}

/// What an index of vectors may filter by, with SQL's meaning of NULL.
#[test]
fn vector_filters() {
    for (condition, filter) in [
        ("number=3", "{ number: { $eq: 3 } }"),
        ("~Q(stars=3)", "{ stars: { $ne: 3 } }"),
        ("~Q(stars__lt=3)", "{ stars: { $gte: 3 } }"),
        ("number__in=[1, None, 2]", "{ number: { $in: [1, 2] } }"),
        (
            "Q(number__gt=1) | Q(stars=2)",
            "{ $or: [{ number: { $gt: 1 } }, { stars: { $eq: 2 } }] }",
        ),
        ("Q(stars__isnull=False)", "none"),
    ] {
        let condition = match condition.contains("Q(") {
            true => condition.to_owned(),
            false => format!("Q({condition})"),
        };
        let stage = stage(&format!(
            "SearchVector(\"plot\", [1], limit=3, filter={condition})"
        ));
        match filter {
            "none" => assert!(!stage.contains("filter"), "{stage}"),
            filter => assert!(
                stage.contains(&format!("filter: {filter}")),
                "{condition}:\n{stage}"
            ),
        }
    }
    for (condition, what) in [
        ("~Q(number=3)", "a negation of 'number'"),
        ("Q(number=None)", "a negation of 'number'"),
        ("Q(headline__contains=\"x\")", "this condition"),
        (
            "Q(number=F(\"stars\"))",
            "a comparison with anything but a literal",
        ),
        ("Q(price=3)", "a value that is no text"),
    ] {
        refused_expression(
            &format!("SearchVector(\"plot\", [1], limit=3, filter={condition})"),
            Code::Unsupported,
            what,
        );
    }
    refused_expression(
        "SearchVector(\"plot\", [1], limit=3, filter=Q(author__name=\"x\"))",
        Code::FieldError,
        "Joined field references",
    );
}

/// As many candidates as are asked for, or enough of them.
#[test]
fn candidates() {
    let vector = |options: &str| format!("SearchVector(\"plot\", [1, 0.5], {options})");
    assert!(stage(&vector("limit=3")).contains("numCandidates: 60, limit: 3"));
    assert!(stage(&vector("3, num_candidates=5")).contains("numCandidates: 5, limit: 3"));
    assert!(stage(&vector("3, exact=True")).contains("exact: true, limit: 3"));
    assert!(stage(&vector("limit=9000")).contains("numCandidates: 10000"));
    refused_expression(&vector("limit=0"), Code::ValueError, "'limit'");
    refused_expression(
        &vector("limit=5, num_candidates=4"),
        Code::ValueError,
        "at least the limit",
    );
    refused_expression(
        &vector("limit=5, num_candidates=6, exact=True"),
        Code::ValueError,
        "no candidates",
    );
    refused_expression("SearchVector(\"plot\", [1])", Code::TypeError, "limit");
    refused_expression(
        "SearchVector(\"plot\", [], limit=1)",
        Code::TypeError,
        "list of numbers",
    );
}

/// One search, at the start, that selects every row.
#[test]
fn places() {
    let hard = [
        ("Article.objects.exclude(headline__search=\"x\")", "negated"),
        (
            "Article.objects.filter(Q(headline__search=\"x\") | Q(number=1))",
            "alternatives",
        ),
        (
            "Article.objects.annotate(n=Count(\"pk\", filter=Q(headline__search=\"x\")))",
            "part of another",
        ),
        (
            "Article.objects.filter(headline__search=\"x\", body__search=\"y\")",
            "a second search",
        ),
        (
            "Article.objects.filter(headline__search=\"x\").annotate(s=SearchVector(\"plot\", [1], limit=1))",
            "a second search",
        ),
        (
            "Article.objects.filter(author__name__search=\"x\")",
            "joined documents",
        ),
        (
            "Article.objects.filter(pk__in=Article.objects.filter(headline__search=\"x\"))",
            "in a subquery",
        ),
        (
            "Article.objects.all()[:3].annotate(s=SearchText(\"headline\", \"x\"))",
            "after a slice",
        ),
        (
            "Article.objects.all() & Article.objects.filter(headline__search=\"x\")",
            "a combination",
        ),
        (
            "Article.objects.filter(headline__search=F(\"body\"))",
            "an expression as what",
        ),
        (
            "Article.objects.update(number=SearchText(\"headline\", \"x\"))",
            "as a new value",
        ),
        (
            "Article.objects.annotate(a=Lower(\"headline\")).filter(SearchText(\"a\", \"x\"))",
            "as the path of a search",
        ),
        (
            "Article.objects.filter(~SearchVector(\"plot\", [1], limit=1))",
            "negated",
        ),
        (
            "Article.objects.filter(headline__search=\"x\").raw_aggregate([{\"$match\": {}}])",
            "raw_aggregate() after a search",
        ),
        (
            "Article.objects.filter(SearchRange(\"price\", gt=1))",
            "a search for a decimal number",
        ),
    ];
    for (source, message) in hard {
        refused(source, Code::Unsupported, message);
    }
}

/// The same search again is the same.
#[test]
fn one_search() {
    let text = compile(
        "Article.objects.annotate(a=SearchText(\"headline\", \"x\"), m=SearchHighlights(\"headline\"))\
         .filter(headline__search=\"x\").order_by(SearchText(\"headline\", \"x\").desc()).values(\"a\", \"m\")",
        Target::default(),
    )
    .unwrap();
    assert_eq!(text.matches("$search:").count(), 1, "{text}");
    assert!(!text.contains("$sort"), "{text}");
}

#[test]
fn mistakes() {
    for (expression, code, message) in [
        ("SearchText(\"headline\", 3)", Code::TypeError, "'query'"),
        (
            "SearchText(\"headline\", \"x\", match_criteria=\"some\")",
            Code::ValueError,
            "one of all, any",
        ),
        (
            "SearchText(\"headline\", \"x\", score={\"bost\": 1})",
            Code::ValueError,
            "boost",
        ),
        (
            "SearchText(\"headline\", [\"a\", \"\"])",
            Code::TypeError,
            "a list of texts",
        ),
        (
            "SearchText(\"headline\", \"\")",
            Code::ValueError,
            "nothing to search for",
        ),
        (
            "SearchText(\"headlin\", \"x\")",
            Code::UnknownField,
            "headlin",
        ),
        (
            "SearchRange(\"number\")",
            Code::TypeError,
            "needs lt, lte, gt or gte",
        ),
        (
            "SearchIn(\"number\", 3)",
            Code::TypeError,
            "a list with values",
        ),
        (
            "SearchGeoWithin(\"body\", \"Polygon\", {})",
            Code::ValueError,
            "box, circle, geometry",
        ),
        ("CompoundExpression()", Code::ValueError, "clauses"),
        (
            "CompoundExpression(should=[SearchExists(\"body\")], minimum_should_match=2)",
            Code::ValueError,
            "there are 1 to match",
        ),
        (
            "SearchHighlights(\"body\")",
            Code::ValueError,
            "none before it",
        ),
        (
            "SearchText(\"body\", \"x\", index=\"a\") & SearchText(\"body\", \"y\", index=\"b\")",
            Code::ValueError,
            "different values for 'index'",
        ),
        (
            "SearchRankFusion(a=SearchExists(\"body\"), weights={\"b\": 1})",
            Code::ValueError,
            "the weight of 'b'",
        ),
    ] {
        refused_expression(expression, code, message);
    }
}

/// Servers have them from some version on.
#[test]
fn versions() {
    let fusion = "Article.objects.annotate(rank=SearchRankFusion(words=SearchText(\"body\", \"x\"), near=SearchVector(\"plot\", [1], limit=2), weights={\"words\": 0.5}, limit=7)).order_by(\"-rank\").values(\"rank\")";
    let error = compile(fusion, Target::server(8, 0)).unwrap_err();
    assert_eq!(
        error.because(),
        Some("it needs MongoDB 8.1 with MongoDB Search")
    );
    let text = compile(fusion, Target::server(8, 1)).unwrap();
    for part in [
        "{ $limit: 7 }]",
        "combination: { weights: { words: 0.5 } }",
        "rank: { $meta: \"score\" }",
    ] {
        assert!(text.contains(part), "{part}:\n{text}");
    }
    assert!(!text.contains("$sort"), "{text}");
    let vector = "Article.objects.filter(SearchVector(\"plot\", [1], limit=2))";
    assert!(compile(vector, Target::server(5, 0)).is_err());
    assert!(compile(vector, Target::server(6, 0)).is_ok());
}

/// PostgreSQL's class of the same name takes fields.
#[test]
fn vectors_of_fields_are_postgresqls() {
    refused_expression(
        "SearchVector(\"headline\", \"body\")",
        Code::Unsupported,
        "SearchVector()",
    );
}
