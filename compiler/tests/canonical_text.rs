//! Statements are written as Django's users would write them.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use mqlc_compiler::builder::*;
use mqlc_compiler::queryset::{FrameExclusion, RegexLiteral};

fn books() -> Query {
    Query::from("library.Book")
}

fn text(built: impl Into<Statement>) -> String {
    built.into().to_text()
}

#[track_caller]
fn condition(q: Q, expected: &str) {
    assert_eq!(
        text(books().filter(q)),
        format!("Book.objects.filter({expected})")
    );
}

#[track_caller]
fn expression(expr: impl Into<Expr>, expected: &str) {
    assert_eq!(expr.into().to_text(), expected);
}

#[track_caller]
fn value(value: impl Into<Value>, expected: &str) {
    assert_eq!(
        Expr::Value(value.into()).to_text(),
        format!("Value({expected})")
    );
}

/// Conditions use keyword arguments where Django's order of them allows it, `Q` else, and no more parentheses than needed.
#[test]
fn conditions() {
    condition(q("a", 1) & q("b__gt", "x"), r#"a=1, b__gt="x""#);
    condition(q("b", 2) & q("a", 1), "Q(b=2), a=1");
    condition(q("a", 1) | q("b", 2) & q("c", 3), "Q(a=1) | Q(b=2, c=3)");
    condition(!(q("a", 1) | q("b", 2)), "~(Q(a=1) | Q(b=2))");
    condition(!!q("a", 1), "~Q(~Q(a=1))");
    condition(!Q::And(vec![!q("a", 1)]), "~Q(~Q(a=1))");
    condition(
        !q("a", 1) & exists(books()),
        "~Q(a=1), Exists(Book.objects.all())",
    );
    condition(
        q("a", 1) ^ (q("b", 2) | q("c", 3)),
        "Q(a=1) ^ (Q(b=2) | Q(c=3))",
    );
    // Django keeps the joins of a group inner, and those of a bare condition outer
    condition(q("a", 1) ^ Q::And(vec![q("b", 2)]), "Q(a=1) ^ Q(Q(b=2))");
    condition(
        q("a-b", 1) & q("class", 2),
        r#"**{"a-b": 1}, **{"class": 2}"#,
    );
    condition(Q::Or(vec![]) & q("a", 1) | Q::And(vec![]), "a=1");
    condition(
        Q::Or(vec![Q::always(), q("a", 1)]),
        r#"Q(Q(), ("a", 1), _connector=Q.OR)"#,
    );
    condition(
        Q::Xor(vec![q("a", 1), q("a", 1)]),
        r#"Q(("a", 1), ("a", 1), _connector=Q.XOR)"#,
    );
    condition(Q::Or(vec![]), "Q(_connector=Q.OR)");
    condition(Q::Expr(val(true)), "Value(True)");
    assert_eq!(text(books().filter(Q::always())), "Book.objects.filter()");
}

/// Right sides of lookups.
#[test]
fn right_sides() {
    condition(q("a", f("b")), r#"a=F("b")"#);
    condition(
        q("a__in", books().values(["id"])),
        r#"a__in=Book.objects.values("id")"#,
    );
    condition(
        q("a__in", subquery(books().values(["id"]))),
        r#"a__in=Subquery(Book.objects.values("id"))"#,
    );
    condition(q("a__in", books()), "a__in=Book.objects.all()");
    condition(q("a__in", list([f("b"), val(1)])), r#"a__in=[F("b"), 1]"#);
    condition(q("a__in", list([val(1), val(2)])), "a__in=[Value(1), 2]");
    condition(q("a__in", vec![1, 2]), "a__in=[1, 2]");
    condition(
        q("a", outer_ref_at(2, "pk")),
        r#"a=OuterRef(OuterRef("pk"))"#,
    );
}

/// Operators with Python's precedence; numbers stay plain beside an expression.
#[test]
fn arithmetic() {
    expression((f("a") + 1) * 2, r#"(F("a") + 1) * 2"#);
    expression(f("a") + f("b") * 2, r#"F("a") + F("b") * 2"#);
    expression(f("a") - (f("b") - f("c")), r#"F("a") - (F("b") - F("c"))"#);
    expression(1 - f("a"), r#"1 - F("a")"#);
    expression(val("x") % f("a"), r#"Value("x") % F("a")"#);
    expression(val(1) + 2, "Value(1) + 2");
    expression(f("a") * -1, r#"F("a") * -1"#);
    expression(f("a").pow(-1), r#"F("a") ** -1"#);
    expression((-f("a")).pow(2), r#"(-F("a")) ** 2"#);
    expression((f("a") + 1).bitand(3), r#"(F("a") + 1).bitand(3)"#);
    expression(!(f("a") + 1), r#"~(F("a") + 1)"#);
    expression(!f("a"), r#"~F("a")"#);
    expression(f("a").part(2..4), r#"F("a")[2:4]"#);
    expression(f("a").part(..4), r#"F("a")[:4]"#);
}

/// Functions and everything with a form of its own.
#[test]
fn expressions() {
    expression(lower("name"), r#"Lower("name")"#);
    expression(
        coalesce([f("a"), val("x"), val(1), val(vec![1])]),
        r#"Coalesce("a", Value("x"), 1, Value([1]))"#,
    );
    expression(
        cast("a", FieldKind::IntegerField),
        r#"Cast("a", IntegerField())"#,
    );
    expression(
        trunc("a", "month")
            .tz("Europe/Paris")
            .output(FieldKind::DateField),
        r#"Trunc("a", "month", tzinfo=ZoneInfo("Europe/Paris"), output_field=DateField())"#,
    );
    expression(
        trunc_day("a").tz("+01:30"),
        r#"TruncDay("a", tzinfo=timezone(timedelta(seconds=5400)))"#,
    );
    expression(
        json_object([("a", "x"), ("b c", "y")]),
        r#"JSONObject(a="x", **{"b c": "y"})"#,
    );
    expression(count_all(), r#"Count("*")"#);
    expression(
        count("a")
            .distinct()
            .filter(q("b", 1))
            .default(0)
            .order_by([desc("c"), desc("d").nulls_last()]),
        r#"Count("a", distinct=True, filter=Q(b=1), default=0, order_by=["-c", F("d").desc(nulls_last=True)])"#,
    );
    expression(string_agg("name", ", "), r#"StringAgg("name", ", ")"#);
    expression(
        sum("a")
            .over()
            .partition_by(["b"])
            .order_by([asc("c")])
            .rows(-1..=0)
            .exclude(FrameExclusion::CurrentRow),
        r#"Window(Sum("a"), partition_by=["b"], order_by=["c"], frame=RowRange(start=-1, end=0, exclusion=WindowFrameExclusion.CURRENT_ROW))"#,
    );
    expression(
        case()
            .when(q("a", 1), "b")
            .when(q("a", 1) | q("then", 2), val("x"))
            .otherwise(0),
        r#"Case(When(a=1, then="b"), When(Q(a=1) | Q(then=2), then=Value("x")), default=0)"#,
    );
    expression(
        typed(1, FieldKind::FloatField),
        "Value(1, output_field=FloatField())",
    );
    expression(
        (f("a") + 1).wrap(FieldKind::FloatField),
        r#"ExpressionWrapper(F("a") + 1, output_field=FloatField())"#,
    );
    expression(
        Expr::from(lower("a").exact("x")),
        r#"Exact(Lower("a"), "x")"#,
    );
    expression(f("data").key_text("k").key_text("l"), r#"KT("data__k__l")"#);
    expression(
        f("data__x").key_text("k"),
        r#"KeyTextTransform("k", "data__x")"#,
    );
    expression(
        lower("a").transform("length"),
        r#"KeyTransform("length", Lower("a"))"#,
    );
    expression(
        filtered_relation("r", q("r__a", 1)),
        r#"FilteredRelation("r", condition=Q(r__a=1))"#,
    );
    expression(
        array_subquery(books().values(["id"])),
        r#"ArraySubquery(Book.objects.values("id"))"#,
    );
    expression(
        raw(bson::doc! {"$add": ["$a", 1]}),
        r#"RawMQL({"$add": ["$a", 1]})"#,
    );
    expression(Expr::from(q("a", 1)), "Q(a=1)");
}

/// Literals of every kind.
#[test]
fn literals() {
    value(None::<i32>, "None");
    value("a\"\\\n\u{1}é", r#""a\"\\\n\x01é""#);
    value(1.0, "1.0");
    value(f64::NAN, "float(\"nan\")");
    value(-1e300, "-1e300");
    let date = jiff::civil::date(2024, 1, 31);
    value(date, "date(2024, 1, 31)");
    value(date.at(10, 0, 0, 0), "datetime(2024, 1, 31, 10, 0)");
    value(date.at(10, 0, 0, 1000).time(), "time(10, 0, 0, 1)");
    value(
        Value::from_json_text(r#"{"$date": "2024-01-31T10:00:05+00:00"}"#).unwrap(),
        "datetime(2024, 1, 31, 10, 0, 5, tzinfo=timezone.utc)",
    );
    value(
        Value::from_json_text(r#"{"$date": "2024-01-31T10:00:00-02:00"}"#).unwrap(),
        "datetime(2024, 1, 31, 10, 0, tzinfo=timezone(timedelta(days=-1, seconds=79200)))",
    );
    value(
        Value::Duration(-1),
        "timedelta(days=-1, seconds=86399, microseconds=999999)",
    );
    value(Value::Duration(0), "timedelta()");
    value(
        "1.50".parse::<bson::Decimal128>().unwrap(),
        "Decimal(\"1.50\")",
    );
    value(
        Value::Uuid([0x11; 16]),
        "uuid.UUID(\"11111111-1111-1111-1111-111111111111\")",
    );
    value(
        Value::Binary {
            bytes: vec![0, 34, 65],
            subtype: 0,
        },
        r#"b"\x00\"A""#,
    );
    value(
        Value::Regex(RegexLiteral {
            pattern: "^a".into(),
            options: "im".into(),
        }),
        r#"re.compile("^a", re.IGNORECASE | re.MULTILINE)"#,
    );
    value(
        Value::Model {
            model: "app.Address".into(),
            fields: [("city".to_owned(), "x".into())].into_iter().collect(),
        },
        "Address(city=\"x\")",
    );
    expression(Value::JsonNull, "Value(None, JSONField())");
}

/// Methods and terminals.
#[test]
fn calls() {
    assert_eq!(text(books()), "Book.objects.all()");
    assert_eq!(text(books().slice(..3)), "Book.objects.all()[:3]");
    assert_eq!(text(books().count()), "Book.objects.count()");
    assert_eq!(text(books().delete()), "Book.objects.all().delete()");
    assert_eq!(
        text(books().filter(q("a", 1)).delete()),
        "Book.objects.filter(a=1).delete()"
    );
    assert_eq!(
        text(books().update(named("a", f("a") + 1).and("b", "x"))),
        r#"Book.objects.update(a=F("a") + 1, b="x")"#
    );
    assert_eq!(
        text(books().aggregate([("n", count("x"))])),
        r#"Book.objects.aggregate(n=Count("x"))"#
    );
    assert_eq!(
        text(books().annotate("n", 1)),
        "Book.objects.annotate(n=Value(1))"
    );
    assert_eq!(
        text(
            books()
                .values(select(["a"]).expr("b", f("c")))
                .values_list_flat("a")
        ),
        r#"Book.objects.values("a", b=F("c")).values_list("a", flat=True)"#,
    );
    assert_eq!(
        text(
            books()
                .order_by([asc("a"), desc("b").nulls_first(), lower("c").desc()])
                .order_by(["-a", "?"])
                .unordered()
        ),
        r#"Book.objects.order_by(F("a").asc(), F("b").desc(nulls_first=True), Lower("c").desc()).order_by("-a", "?").order_by()"#,
    );
    assert_eq!(
        text(
            (books().filter(q("a", 1)) | books())
                .union_all([books().none()])
                .slice(1..)
        ),
        "(Book.objects.filter(a=1) | Book.objects.all()).union(Book.objects.none(), all=True)[1:]",
    );
    assert_eq!(
        text(
            books().prefetch_related([
                prefetch("a"),
                prefetch("b")
                    .queryset(Query::from("library.Tag"))
                    .to_attr("c")
            ])
        ),
        r#"Book.objects.prefetch_related("a", Prefetch("b", queryset=Tag.objects.all(), to_attr="c"))"#,
    );
    assert_eq!(
        text(books().select_related_all().clear_select_related()),
        "Book.objects.select_related().select_related(None)"
    );
    assert_eq!(
        text(books().insert([row("a", 1)])),
        "Book.objects.create(a=1)"
    );
    assert_eq!(
        text(
            books()
                .insert([row("a", 1), row("a", 2)])
                .ignore_conflicts()
        ),
        "Book.objects.bulk_create([Book(a=1), Book(a=2)], ignore_conflicts=True)",
    );
    assert_eq!(
        text(books().get_or_create(q("a", 1), [("b", 2)])),
        r#"Book.objects.get_or_create(a=1, defaults={"b": 2})"#,
    );
}

/// Classes of one name in two apps are told apart, wherever they stand.
#[test]
fn ambiguous_classes() {
    assert_eq!(
        text(books().filter(exists(Query::from("shop.Book")) & exists(Query::from("shop.Shelf")))),
        concat!(
            r#"apps.get_model("library.Book").objects.filter("#,
            r#"Exists(apps.get_model("shop.Book").objects.all()), Exists(Shelf.objects.all()))"#,
        ),
    );
}

/// Every recorded statement has a text, if a corpus is at hand.
#[test]
fn corpus() {
    let Ok(root) = std::env::var("MQLC_CORPUS") else {
        return;
    };
    for file in std::fs::read_dir(format!("{root}/cases")).unwrap() {
        for line in std::fs::read_to_string(file.unwrap().path())
            .unwrap()
            .lines()
        {
            let case: serde_json::Value = serde_json::from_str(line).unwrap();
            if let Ok(statement) = Statement::from_json(&case["statement"].to_string()) {
                let text = statement.to_text();
                if std::env::var("MQLC_SHOW").is_ok() && text.len() < 400 {
                    println!("{text}");
                }
                assert!(text.contains(".objects"), "{text}");
            }
        }
    }
}
