//! `docs/support.md` says what the compiler does: it is written from the registry of functions, and from what compiles.
//! `UPDATE=1` writes it anew.
// Tests may stop where they fail.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod support;

use std::collections::HashMap;
use std::fmt::Write as _;

use mqlc::compiler::functions::{Function, Kind, Left, Lookup, NullRule, Registry, Right};
use mqlc::compiler::schema::FieldKind;
use mqlc::compiler::target::{ServerVersion, Target};
use mqlc::compiler::text;
use mqlc::{Code, Compiler, Error};
use support::Library;

const HEAD: &str = "# What is supported

This page is written by a test (`UPDATE=1 cargo test --test docs`) from the registry of functions, and from what the
compiler answers to an example of each lookup and method on the models of [library.py](../fixtures/schemas/library.py). The target is MongoDB 8.0
unless a version is given. What is not there is refused with the reason that stands here; nothing is left out silently.

\"Recorded\" says how many of the recorded querysets use it, and how many of those give Django's own answer: `198 of 200`, or one number
where all do. Names are counted, whatever they stand after. It is what `conformance <corpus> --coverage tests/conformance/coverage.txt` counted.

";

#[test]
fn the_support_matrix_is_up_to_date() {
    let library = Library::load();
    let mut page = HEAD.to_owned();
    let recorded = Recorded::read();
    methods(&library, &recorded, &mut page);
    lookups(&library, &recorded, &mut page);
    expressions(&library, &mut page);
    functions(&recorded, &mut page);
    let path = support::path("docs/support.md");
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, &page).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    if written != page {
        let change = written
            .lines()
            .zip(page.lines())
            .find(|(a, b)| a != b)
            .unwrap_or(("", "more or fewer lines"));
        panic!(
            "docs/support.md says\n  {}\nbut it is\n  {}\n(run this test with UPDATE=1)",
            change.0, change.1
        );
    }
}

/// How often recorded cases use each thing, by kind and name.
struct Recorded(HashMap<(String, String), (u64, u64)>);

impl Recorded {
    fn read() -> Self {
        let path = support::path("tests/conformance/coverage.txt");
        let text = std::fs::read_to_string(path).unwrap();
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        Recorded(
            lines
                .map(|line| {
                    let parts: Vec<&str> = line.split(' ').collect();
                    let number = |i: usize| parts[i].parse::<u64>().unwrap();
                    (
                        (parts[0].to_owned(), parts[1].to_owned()),
                        (number(2), number(3)),
                    )
                })
                .collect(),
        )
    }

    fn cell(&self, kind: &str, name: &str) -> String {
        match self.0.get(&(kind.to_owned(), name.to_owned())) {
            None => String::new(),
            Some((passed, all)) if passed == all => all.to_string(),
            Some((passed, all)) => format!("{passed} of {all}"),
        }
    }
}

/// The refusal of a text, if it is refused.
fn refusal(library: &Library, source: &str) -> Option<Error> {
    let compiler = Compiler::new(library.schema.clone()).target(Target::server(8, 0));
    match text::parse(&library.schema, source, &library.params) {
        Ok(parsed) => match parsed.statement {
            Some(statement) => compiler.compile(&statement).err(),
            None => panic!("{source} is no query"),
        },
        Err(error) => Some(error),
    }
}

/// `yes`, or why not.
fn answer(library: &Library, source: &str) -> String {
    match refusal(library, source) {
        None => "yes".to_owned(),
        Some(error) => {
            assert!(
                matches!(
                    error.code(),
                    Code::Unsupported
                        | Code::NotSupported
                        | Code::UnsupportedLookup
                        | Code::FieldError
                ),
                "{source}: {error}"
            );
            match error.because() {
                Some(because) => format!("no: {because}"),
                None => format!("no: {}", error.message()),
            }
        }
    }
}

fn methods(library: &Library, recorded: &Recorded, page: &mut String) {
    page.push_str("## Methods\n\n| method | example | compiles | recorded |\n|---|---|---|---|\n");
    for (name, example) in METHODS {
        let call = match *name {
            "[...]" => "slice",
            "& | ^" => "combine",
            "distinct(fields)" => "",
            "create" | "bulk_create" => "insert",
            name => name,
        };
        let _ = writeln!(
            page,
            "| `{}` | `{}` | {} | {} |",
            name.replace('|', "\\|"),
            example.replace('|', "\\|"),
            answer(library, example),
            recorded.cell("method", call)
        );
    }
    page.push('\n');
}

const METHODS: &[(&str, &str)] = &[
    ("all", "Book.objects.all()"),
    ("filter", "Book.objects.filter(pages__gt=100)"),
    ("exclude", "Book.objects.exclude(pages__gt=100)"),
    (
        "complex_filter",
        "Book.objects.complex_filter(Q(pages__gt=100))",
    ),
    ("annotate", "Book.objects.annotate(double=F(\"pages\") * 2)"),
    (
        "alias",
        "Book.objects.alias(double=F(\"pages\") * 2).filter(double__gt=100)",
    ),
    ("values", "Book.objects.values(\"title\", \"author__name\")"),
    (
        "values_list",
        "Book.objects.values_list(\"title\", flat=True)",
    ),
    ("dates", "Book.objects.dates(\"published\", \"year\")"),
    (
        "datetimes",
        "Order.objects.datetimes(\"placed\", \"month\")",
    ),
    (
        "order_by",
        "Book.objects.order_by(\"-pages\", F(\"rating\").asc(nulls_last=True), \"?\")",
    ),
    ("reverse", "Book.objects.reverse()"),
    ("distinct", "Book.objects.values(\"pages\").distinct()"),
    (
        "distinct(fields)",
        "Book.objects.order_by(\"author\", \"-pages\").distinct(\"author\")",
    ),
    ("[...]", "Book.objects.all()[10:20]"),
    ("none", "Book.objects.none()"),
    (
        "union",
        "Book.objects.values(\"title\").union(Author.objects.values(\"name\"))",
    ),
    (
        "intersection",
        "Book.objects.filter(pages__gt=1).intersection(Book.objects.filter(pages__lt=9))",
    ),
    (
        "difference",
        "Book.objects.all().difference(Book.objects.filter(pages__lt=9))",
    ),
    (
        "& | ^",
        "Book.objects.filter(pages__gt=1) | Book.objects.filter(rating__gt=4)",
    ),
    ("select_related", "Book.objects.select_related(\"author\")"),
    (
        "prefetch_related",
        "Author.objects.prefetch_related(\"books__tags\")",
    ),
    ("defer", "Book.objects.defer(\"meta\")"),
    ("only", "Book.objects.only(\"title\")"),
    ("using", "Book.objects.using(\"default\")"),
    ("select_for_update", "Book.objects.select_for_update()"),
    (
        "raw_aggregate",
        "Book.objects.raw_aggregate([{\"$match\": {\"pages\": 100}}])",
    ),
    ("raw", "Book.objects.raw(\"SELECT 1\")"),
    ("extra", "Book.objects.extra(where=[\"1=1\"])"),
    ("get", "Book.objects.get(pk=1)"),
    ("first", "Book.objects.first()"),
    ("last", "Book.objects.last()"),
    ("latest", "Book.objects.latest()"),
    ("earliest", "Book.objects.earliest(\"published\")"),
    ("count", "Book.objects.count()"),
    ("exists", "Book.objects.exists()"),
    ("contains", "Book.objects.contains(Book(pk=1))"),
    ("in_bulk", "Book.objects.in_bulk([1, 2])"),
    ("iterator", "Book.objects.iterator()"),
    ("aggregate", "Book.objects.aggregate(n=Count(\"*\"))"),
    ("explain", "Book.objects.explain()"),
    ("create", "Tag.objects.create(name=\"new\")"),
    (
        "bulk_create",
        "Tag.objects.bulk_create([Tag(name=\"new\")])",
    ),
    ("update", "Book.objects.update(pages=1)"),
    (
        "bulk_update",
        "Book.objects.bulk_update([Book(pk=1, pages=2)], [\"pages\"])",
    ),
    ("delete", "Book.objects.all().delete()"),
    ("get_or_create", "Tag.objects.get_or_create(name=\"new\")"),
    (
        "update_or_create",
        "Tag.objects.update_or_create(name=\"new\")",
    ),
];

fn expressions(library: &Library, page: &mut String) {
    page.push_str("## Expressions\n\n| expression | example | compiles |\n|---|---|---|\n");
    for (name, example) in EXPRESSIONS {
        let _ = writeln!(
            page,
            "| {name} | `{}` | {} |",
            example.replace('|', "\\|"),
            answer(library, &format!("Book.objects.annotate(x={example})"))
        );
    }
    page.push('\n');
}

const EXPRESSIONS: &[(&str, &str)] = &[
    ("arithmetic", "F(\"pages\") * 2 + 1"),
    (
        "dates and durations",
        "F(\"added\") + datetime.timedelta(days=1)",
    ),
    (
        "conditions",
        "Case(When(pages__gt=100, then=Value(\"long\")), default=Value(\"short\"))",
    ),
    ("boolean values", "Q(pages__gt=100) & ~Q(rating=None)"),
    (
        "scalar subqueries",
        "Subquery(Review.objects.filter(book=OuterRef(\"pk\")).values(\"stars\")[:1])",
    ),
    (
        "lists from subqueries",
        "ArraySubquery(Review.objects.filter(book=OuterRef(\"pk\")).values(\"stars\"))",
    ),
    (
        "existence",
        "Exists(Review.objects.filter(book=OuterRef(\"pk\")))",
    ),
    (
        "filtered relations",
        "FilteredRelation(\"reviews\", condition=Q(reviews__stars=5))",
    ),
    (
        "filtered aggregates",
        "Count(\"reviews\", filter=Q(reviews__stars=5))",
    ),
    ("distinct aggregates", "Count(\"tags\", distinct=True)"),
    (
        "windows",
        "Window(Rank(), partition_by=\"author\", order_by=\"pages\")",
    ),
    (
        "window frames by rows",
        "Window(Sum(\"pages\"), order_by=\"id\", frame=RowRange(start=-2, end=0))",
    ),
    (
        "window frames by distance",
        "Window(Sum(\"pages\"), order_by=\"id\", frame=ValueRange(start=-2, end=0))",
    ),
    (
        "text search",
        "SearchText(\"title\", \"sea\", fuzzy={\"maxEdits\": 1})",
    ),
    (
        "search by prefix, phrase, pattern",
        "SearchAutocomplete(\"title\", \"se\") & SearchPhrase(\"title\", \"the sea\", slop=1) & SearchWildcard(\"isbn\", \"978*\")",
    ),
    (
        "search by value and range",
        "SearchIn(\"author\", [1, 2]) & SearchRange(\"pages\", gte=0) & ~SearchExists(\"subtitle\")",
    ),
    (
        "compound search",
        "CompoundExpression(must=[SearchText(\"title\", \"sea\")], should=[SearchEquals(\"in_print\", True)], score=SearchScoreOption({\"boost\": {\"value\": 2}}))",
    ),
    (
        "vector search",
        "SearchVector(\"keywords\", [0.5, 0.25], limit=10, filter=Q(pages__gt=100))",
    ),
    (
        "searches ranked together, from 8.1",
        "SearchRankFusion(words=SearchText(\"title\", \"sea\"), near=SearchVector(\"keywords\", [0.5], limit=5))",
    ),
    (
        "window frame exclusion",
        "Window(Sum(\"pages\"), order_by=\"id\", frame=RowRange(start=-2, end=0, exclusion=WindowFrameExclusion.CURRENT_ROW))",
    ),
    ("JSON keys as text", "KT(\"meta__lang\")"),
    (
        "raw MQL",
        "RawMQL({\"$add\": [\"$pages\", 1]}, output_field=IntegerField())",
    ),
];

const LOOKUPS: &[&str] = &[
    "exact",
    "iexact",
    "gt",
    "gte",
    "lt",
    "lte",
    "in",
    "range",
    "isnull",
    "contains",
    "icontains",
    "startswith",
    "istartswith",
    "endswith",
    "iendswith",
    "regex",
    "iregex",
    "contained_by",
    "overlap",
    "has_key",
    "has_keys",
    "has_any_keys",
];

/// A field of the library for each kind of value, with a literal for it.
const FIELDS: &[(&str, &str, &str)] = &[
    ("text", "Book.title", "\"a\""),
    ("integer", "Book.pages", "1"),
    ("float", "Book.rating", "1.5"),
    ("decimal", "Book.price", "Decimal(\"1.5\")"),
    ("boolean", "Book.in_print", "True"),
    ("date", "Book.published", "datetime.date(2024, 1, 31)"),
    (
        "datetime",
        "Book.added",
        "datetime.datetime(2024, 1, 31, 12, tzinfo=datetime.timezone.utc)",
    ),
    ("time", "Store.opens", "datetime.time(9)"),
    (
        "duration",
        "Book.reading_time",
        "datetime.timedelta(hours=1)",
    ),
    (
        "uuid",
        "Book.code",
        "uuid.UUID(\"d63a190963c157b4f2559802df72b6a1\")",
    ),
    ("JSON", "Book.meta", "{\"a\": 1}"),
    ("JSON key", "Book.meta__lang", "\"en\""),
    ("array", "Book.keywords", "[\"a\"]"),
    ("relation", "Book.author", "1"),
];

/// The rows of the registry.
fn registered_lookups(recorded: &Recorded, page: &mut String) {
    let registry = Registry::django();
    let mut rows: Vec<&Lookup> = registry.lookups().collect();
    rows.sort_by_key(|row| row.name);
    page.push_str(
        "## Lookups\n\n| lookup | after | compares with | unknown if | since | recorded |\n|---|---|---|---|---|---|\n",
    );
    for row in rows {
        let left = match row.left {
            Left::Everything => "values, relations, rows".to_owned(),
            Left::Values => "values".to_owned(),
            Left::Json => "JSON".to_owned(),
            Left::Arrays => "arrays".to_owned(),
            Left::Classes(kinds) => names(kinds.iter().copied().map(FieldKind::name)),
        };
        let right = match row.right {
            Right::Value => "a value of the same type",
            Right::Text => "a text",
            Right::List => "a list or a queryset",
            Right::Pair => "two values",
            Right::Flag => "`True` or `False`",
            Right::Key => "a key",
            Right::Keys => "a list of keys",
        };
        let nulls = match registry.lookup_nulls(row) {
            NullRule::Never => "never",
            _ => "a side is NULL",
        };
        let since = match registry.lookup_since(row) {
            version if version <= ServerVersion::new(5, 0) => String::new(),
            version => version.to_string(),
        };
        let _ = writeln!(
            page,
            "| `{}` | {left} | {right} | {nulls} | {since} | {} |",
            row.name,
            recorded.cell("lookup", row.name)
        );
    }
    page.push('\n');
}

fn lookups(library: &Library, recorded: &Recorded, page: &mut String) {
    registered_lookups(recorded, page);
    page.push_str("By the kind of the field; `-` is refused.\n\n| lookup |");
    for (kind, _, _) in FIELDS {
        let _ = write!(page, " {kind} |");
    }
    page.push_str("\n|---|");
    page.push_str(&"---|".repeat(FIELDS.len()));
    page.push('\n');
    for lookup in LOOKUPS {
        let _ = write!(page, "| `{lookup}` |");
        for (_, field, literal) in FIELDS {
            let (model, path) = field.split_once('.').unwrap();
            let value = match *lookup {
                "isnull" => "True".to_owned(),
                "in" | "range" => format!("[{literal}, {literal}]"),
                "has_key" => "\"a\"".to_owned(),
                "has_keys" | "has_any_keys" => "[\"a\"]".to_owned(),
                "regex" | "iregex" => "\"^a\"".to_owned(),
                _ => (*literal).to_owned(),
            };
            let source = format!("{model}.objects.filter({path}__{lookup}={value})");
            let there = match refusal(library, &source) {
                None => "yes",
                Some(error) => {
                    assert!(
                        matches!(
                            error.code(),
                            Code::Unsupported | Code::UnsupportedLookup | Code::FieldError
                        ),
                        "{source}: {error}"
                    );
                    "-"
                }
            };
            let _ = write!(page, " {there} |");
        }
        page.push('\n');
    }
    page.push_str(
        "\nAfter `year`, `month` and the other transforms of the tables below the lookups of their result apply. Other names after a JSON field are \
         keys, and numbers are positions in arrays.\n\n",
    );
}

fn functions(recorded: &Recorded, page: &mut String) {
    let registry = Registry::django();
    let oldest = ServerVersion::new(5, 0);
    let _ = write!(
        page,
        "## Functions\n\nThe registry. \"Since\" is the oldest server version that has what the function needs; nothing stands for {oldest}, the oldest \
         target. `MD5` and `SHA256` need MongoDB 8.3 or server-side JavaScript, the other hashes need server-side JavaScript; ordered \
         aggregates (`order_by=`) need 5.2.\n\n"
    );
    let title = |kind: &Kind| match kind {
        Kind::Scalar(_) => "Scalar functions",
        Kind::Aggregate(..) => "Aggregates",
        Kind::Window(_) => "Window functions",
    };
    for wanted in ["Scalar functions", "Aggregates", "Window functions"] {
        let mut rows: Vec<&Function> = registry
            .iter()
            .filter(|f| title(&f.kind) == wanted)
            .collect();
        rows.sort_by_key(|f| f.name);
        let _ = write!(page, "### {wanted}\n\n{} of them.\n\n", rows.len());
        page.push_str(match wanted {
            "Aggregates" => "| name | arguments | options | without rows | distinct | order_by | since | recorded |\n|---|---|---|---|---|---|---|---|\n",
            _ => "| name | arguments | options | NULL if | transforms | since | recorded |\n|---|---|---|---|---|---|---|\n",
        });
        for function in rows {
            let arguments = match (function.arity.min, function.arity.max) {
                (min, None) => format!("{min} or more"),
                (min, Some(max)) if min == max => min.to_string(),
                (min, Some(max)) => format!("{min} to {max}"),
            };
            let since = match function.since {
                version if version <= oldest => String::new(),
                version => version.to_string(),
            };
            let options = names(function.options.iter().copied());
            let kind = match function.kind {
                Kind::Scalar(_) => "function",
                Kind::Aggregate(..) => "aggregate",
                Kind::Window(_) => "window",
            };
            let recorded_calls = recorded.cell(kind, function.name);
            let _ = match function.kind {
                Kind::Aggregate(_, rules) => writeln!(
                    page,
                    "| `{}` | {arguments} | {options} | {} | {} | {} | {since} | {recorded_calls} |",
                    function.name,
                    if rules.zero { "0" } else { "NULL" },
                    if rules.distinct { "yes" } else { "" },
                    if rules.ordered { "yes" } else { "" },
                ),
                _ => writeln!(
                    page,
                    "| `{}` | {arguments} | {options} | {} | {} | {since} | {recorded_calls} |",
                    function.name,
                    nulls(function.nulls),
                    transforms(function, recorded),
                ),
            };
        }
        page.push('\n');
    }
    while page.ends_with("\n\n") {
        page.pop();
    }
}

fn nulls(rule: NullRule) -> &'static str {
    match rule {
        NullRule::Strict => "an argument is",
        NullRule::Partial => "an argument is, or out of the domain",
        NullRule::All => "all arguments are",
        NullRule::Never => "never",
        NullRule::Any => "it depends",
    }
}

fn transforms(function: &Function, recorded: &Recorded) -> String {
    let list: Vec<String> = function
        .transforms
        .iter()
        .map(|(name, kinds)| {
            let used = match recorded.cell("transform", name) {
                used if used.is_empty() => used,
                used => format!(" (recorded: {used})"),
            };
            if kinds.is_empty() {
                format!("`{name}` where registered{used}")
            } else {
                let kinds: Vec<&str> = kinds.iter().copied().map(FieldKind::name).collect();
                format!("`{name}` of {}{used}", kinds.join(", "))
            }
        })
        .collect();
    list.join("; ")
}

fn names<'n>(names: impl Iterator<Item = &'n str>) -> String {
    names
        .map(|n| format!("`{n}`"))
        .collect::<Vec<_>>()
        .join(", ")
}
