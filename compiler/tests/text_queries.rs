//! Texts and the statements that they stand for, construct by construct.

#![allow(clippy::unwrap_used, clippy::panic)] // helpers of tests

mod text;

use mqlc_compiler::queryset::Statement;
use text::json;

/// The text stands for the statement with these calls (and `do`, if not rows) on `library.Book`.
#[track_caller]
fn book(source: &str, calls: &str) {
    same(
        source,
        &format!(r#"{{"model": "library.Book", "calls": {calls}, "do": "rows"}}"#),
    );
}

#[track_caller]
fn same(source: &str, expected: &str) {
    let expected = Statement::from_json(expected).unwrap_or_else(|e| panic!("{e}\n{expected}"));
    assert_eq!(json(source), expected.to_json(), "\n{source}");
}

/// The expression, as the only annotation, is this EXPR.
#[track_caller]
fn expr(source: &str, expected: &str) {
    book(
        &format!("Book.everything.annotate(x={source})"),
        &format!(r#"[{{"annotate": {{"x": {expected}}}}}]"#),
    );
}

/// The right side of a lookup is this EXPR.
#[track_caller]
fn rhs(source: &str, expected: &str) {
    book(
        &format!("Book.everything.filter(x={source})"),
        &format!(
            r#"[{{"filter": {{"and": [{{"lookup": {{"path": "x", "rhs": {expected}}}}}]}}}}]"#
        ),
    );
}

/// The condition, as the only one of a filter, is this Q.
#[track_caller]
fn condition(source: &str, expected: &str) {
    book(
        &format!("Book.everything.filter({source})"),
        &format!(r#"[{{"filter": {{"and": [{expected}]}}}}]"#),
    );
}

fn a(n: u32) -> String {
    format!(r#"{{"lookup": {{"path": "a{n}", "rhs": {{"value": {n}}}}}}}"#)
}

#[test]
fn literals_of_python_are_values() {
    rhs("None", r#"{"value": null}"#);
    rhs("True", r#"{"value": true}"#);
    rhs("1_000", r#"{"value": 1000}"#);
    rhs("0xff + 0b11 + 0o7", r#"{"value": 265}"#);
    rhs("-5", r#"{"value": -5}"#);
    rhs("1.5e3", r#"{"value": 1500.0}"#);
    rhs(".5", r#"{"value": 0.5}"#);
    rhs("1.", r#"{"value": 1.0}"#);
    rhs(r#"'it\'s'"#, r#"{"value": "it's"}"#);
    rhs(r#""a\tb\x41\u00e9\n""#, r#"{"value": "a\tbAé\n"}"#);
    rhs(r#"r"^\d+$""#, r#"{"value": "^\\d+$"}"#);
    rhs(r#""one " 'two' """#, r#"{"value": "one two"}"#);
    rhs("'''a\nb'''", r#"{"value": "a\nb"}"#);
    rhs(
        r#"b"\x00a""#,
        r#"{"value": {"$binary": {"base64": "AGE=", "subType": "00"}}}"#,
    );
    rhs("[1, (2, 3), {4}]", r#"{"value": [1, [2, 3], [4]]}"#);
    rhs(
        r#"{"a": [1], **{"b": None}}"#,
        r#"{"value": {"a": [1], "b": null}}"#,
    );
    rhs("[*[1, 2], 3]", r#"{"value": [1, 2, 3]}"#);
    rhs("10 * 365 // 7 % 100", r#"{"value": 21}"#);
    rhs("2 ** 3 ** 2", r#"{"value": 512}"#);
    rhs("-2 ** 2", r#"{"value": -4}"#);
    rhs("1 if 2 > 1 else 3", r#"{"value": 1}"#);
    rhs("-7 // 2", r#"{"value": -4}"#);
    rhs("-7 % 3", r#"{"value": 2}"#);
    rhs("'%s-%d' % ('a', 3)", r#"{"value": "a-3"}"#);
    rhs("ord('M')", r#"{"value": 77}"#);
    rhs("float('nan')", r#"{"value": {"$numberDouble": "NaN"}}"#);
}

#[test]
fn library_types_are_values() {
    rhs(
        "datetime.date(2024, 1, 31)",
        r#"{"value": {"$day": "2024-01-31"}}"#,
    );
    rhs("date(2024, 1, 31)", r#"{"value": {"$day": "2024-01-31"}}"#);
    rhs(
        "datetime.datetime(2024, 1, 31, 10)",
        r#"{"value": {"$naive": "2024-01-31T10:00:00"}}"#,
    );
    rhs(
        "datetime(2024, 1, 31, 10, tzinfo=zoneinfo.ZoneInfo('Europe/Paris'))",
        r#"{"value": {"$date": "2024-01-31T10:00:00+01:00"}}"#,
    );
    rhs(
        "datetime.datetime(2024, 1, 31, tzinfo=datetime.timezone.utc)",
        r#"{"value": {"$date": "2024-01-31T00:00:00+00:00"}}"#,
    );
    rhs(
        "datetime.time(10, 30)",
        r#"{"value": {"$time": "10:30:00"}}"#,
    );
    rhs(
        "timedelta(days=1, hours=-1)",
        r#"{"value": {"$duration": 82800000000}}"#,
    );
    rhs(
        "Decimal('1.50')",
        r#"{"value": {"$numberDecimal": "1.50"}}"#,
    );
    rhs(
        "uuid.UUID('12345678123456781234567812345678')",
        r#"{"value": {"$uuid": "12345678-1234-5678-1234-567812345678"}}"#,
    );
    rhs(
        "ObjectId('65a000000000000000000001')",
        r#"{"value": {"$oid": "65a000000000000000000001"}}"#,
    );
    rhs(
        "re.compile('^a', re.IGNORECASE | re.M)",
        r#"{"value": {"$regularExpression": {"pattern": "^a", "options": "im"}}}"#,
    );
}

#[test]
fn the_time_is_a_parameter() {
    rhs(
        "timezone.now()",
        r#"{"value": {"$date": "2025-06-15T12:34:56.789012+00:00"}}"#,
    );
    rhs(
        "date.today() - timedelta(days=30)",
        r#"{"value": {"$day": "2025-05-16"}}"#,
    );
    rhs("timezone.now().year", r#"{"value": 2025}"#);
    rhs("Now()", r#"{"func": {"name": "Now", "args": []}}"#);
}

#[test]
fn conditions_are_sorted_and_stand_after_the_positional_ones() {
    book(
        "Book.everything.filter(Q(a3=3), a2=2, a1=1)",
        &format!(
            r#"[{{"filter": {{"and": [{{"and": [{}]}}, {}, {}]}}}}]"#,
            a(3),
            a(1),
            a(2)
        ),
    );
    book(
        "Book.everything.exclude(**{'a1': 1})",
        &format!(r#"[{{"exclude": {{"and": [{}]}}}}]"#, a(1)),
    );
}

#[test]
fn q_objects_combine_as_in_django() {
    condition(
        "Q(a1=1) | Q(a2=2) | Q(a3=3)",
        &format!(r#"{{"or": [{}, {}, {}]}}"#, a(1), a(2), a(3)),
    );
    condition(
        "Q(a1=1) | Q(a2=2) & ~Q(a3=3)",
        &format!(
            r#"{{"or": [{}, {{"and": [{}, {{"not": {{"and": [{}]}}}}]}}]}}"#,
            a(1),
            a(2),
            a(3)
        ),
    );
    condition(
        "Q(a1=1) ^ Q(a2=2)",
        &format!(r#"{{"xor": [{}, {}]}}"#, a(1), a(2)),
    );
    condition("Q() | Q(a1=1)", &format!(r#"{{"and": [{}]}}"#, a(1)));
    condition("~~Q(a1=1)", &format!(r#"{{"and": [{}]}}"#, a(1)));
    condition(
        "Exists(Tag.objects.all()) | Q(a1=1, a2=2)",
        &format!(
            r#"{{"or": [{{"expr": {{"exists": {{"model": "library.Tag", "calls": []}}}}}}, {{"and": [{}, {}]}}]}}"#,
            a(1),
            a(2)
        ),
    );
    condition(
        "~Exists(Tag.objects.all())",
        r#"{"expr": {"not": {"exists": {"model": "library.Tag", "calls": []}}}}"#,
    );
    condition(
        "functools.reduce(operator.or_, [Q(a1=1), Q(a2=2)])",
        &format!(r#"{{"or": [{}, {}]}}"#, a(1), a(2)),
    );
}

#[test]
fn operators_on_expressions_have_pythons_precedence() {
    expr(
        "F('a') + 2 * F('b') ** 2",
        r#"{"combined": {"op": "+", "lhs": {"f": "a"}, "rhs": {"combined": {"op": "*", "lhs": {"value": 2}, "rhs":
            {"combined": {"op": "^", "lhs": {"f": "b"}, "rhs": {"value": 2}}}}}}}"#,
    );
    expr(
        "F('a') - F('b') - 1",
        r#"{"combined": {"op": "-", "lhs": {"combined": {"op": "-", "lhs": {"f": "a"}, "rhs": {"f": "b"}}},
            "rhs": {"value": 1}}}"#,
    );
    expr(
        "-F('a')",
        r#"{"combined": {"op": "*", "lhs": {"f": "a"}, "rhs": {"value": -1}}}"#,
    );
    expr("~F('a')", r#"{"not": {"f": "a"}}"#);
    expr(
        "F('a').bitxor(1)",
        r##"{"combined": {"op": "#", "lhs": {"f": "a"}, "rhs": {"value": 1}}}"##,
    );
    expr(
        "F('a')[1:3]",
        r#"{"slice": {"expr": {"f": "a"}, "start": 1, "stop": 3}}"#,
    );
    expr(
        "F('a')[0]",
        r#"{"slice": {"expr": {"f": "a"}, "start": 0, "stop": 1}}"#,
    );
}

#[test]
fn expressions_of_django() {
    expr(
        "Value('x', output_field=CharField(max_length=3))",
        r#"{"typed": {"value": "x", "output": {"type": "CharField", "max_length": 3}}}"#,
    );
    expr("Q(a1=1)", &format!(r#"{{"q": {{"and": [{}]}}}}"#, a(1)));
    expr(
        "Case(When(Q(a1=1), a2=2, then='b'), default=Value('c'))",
        &format!(
            r#"{{"case": {{"when": [{{"if": {{"and": [{{"and": [{}]}}, {}]}}, "then": {{"f": "b"}}}}], "else": {{"value": "c"}}}}}}"#,
            a(1),
            a(2)
        ),
    );
    expr(
        "Case(When(a1=1, then=2))",
        &format!(
            r#"{{"case": {{"when": [{{"if": {{"and": [{}]}}, "then": {{"value": 2}}}}], "else": {{"value": null}}}}}}"#,
            a(1)
        ),
    );
    expr(
        "ExpressionWrapper(F('a') * 1.5, output_field=models.FloatField())",
        r#"{"wrap": {"expr": {"combined": {"op": "*", "lhs": {"f": "a"}, "rhs": {"value": 1.5}}}, "output": {"type": "FloatField"}}}"#,
    );
    expr(
        "OuterRef(OuterRef('pk'))",
        r#"{"outer_ref": {"outer_ref": "pk"}}"#,
    );
    expr(
        "Window(Rank(), partition_by='a', order_by=[F('b').desc(), '-c'], frame=RowRange(start=-2, end=0))",
        r#"{"window": {"expr": {"func": {"name": "Rank", "args": []}}, "partition_by": [{"f": "a"}], "order_by":
            [{"expr": {"f": "b"}, "desc": true, "nulls": null}, {"expr": {"f": "c"}, "desc": true, "nulls": null}],
            "frame": {"unit": "rows", "start": -2, "end": 0}}}"#,
    );
    expr(
        "GreaterThan(F('a'), 1)",
        r#"{"compare": {"lookup": "gt", "lhs": {"f": "a"}, "rhs": {"value": 1}}}"#,
    );
    expr(
        "KT('data__a__0')",
        r#"{"transform": {"name": "0", "expr": {"transform": {"name": "a", "expr": {"f": "data"}, "text": true}}, "text": true}}"#,
    );
    expr(
        "JSONObject(a='b')",
        r#"{"func": {"name": "JSONObject", "args": [{"value": "a"}, {"f": "b"}]}}"#,
    );
    expr(
        "Collate('a', 'nocase')",
        r#"{"func": {"name": "Collate", "args": [{"f": "a"}], "options": {"collation": "nocase"}}}"#,
    );
    expr(
        "FilteredRelation('tags', condition=Q(a1=1))",
        &format!(
            r#"{{"filtered_relation": {{"relation": "tags", "condition": {{"and": [{}]}}}}}}"#,
            a(1)
        ),
    );
}

#[test]
fn functions_meet_their_parameters() {
    expr(
        "Round('a')",
        r#"{"func": {"name": "Round", "args": [{"f": "a"}, {"value": 0}]}}"#,
    );
    expr(
        "LPad('a', 8)",
        r#"{"func": {"name": "LPad", "args": [{"f": "a"}, {"value": 8}, {"value": " "}]}}"#,
    );
    expr(
        "Substr('a', 2, length=3)",
        r#"{"func": {"name": "Substr", "args": [{"f": "a"}, {"value": 2}, {"value": 3}]}}"#,
    );
    expr(
        "Cast('a', models.IntegerField())",
        r#"{"func": {"name": "Cast", "args": [{"f": "a"}], "output": {"type": "IntegerField"}}}"#,
    );
    expr(
        "Extract('a', 'year')",
        r#"{"func": {"name": "Extract", "args": [{"f": "a"}], "options": {"lookup_name": "year"}}}"#,
    );
    expr(
        "Trunc('a', kind='day', tzinfo=timezone.utc, output_field=DateField())",
        r#"{"func": {"name": "Trunc", "args": [{"f": "a"}], "options": {"kind": "day", "tzinfo": "UTC"}, "output": {"type": "DateField"}}}"#,
    );
    expr(
        "Concat('a', Value('b'), 'c')",
        r#"{"func": {"name": "Concat", "args": [{"f": "a"}, {"value": "b"}, {"f": "c"}]}}"#,
    );
    expr(
        "functions.Lower(expression='a')",
        r#"{"func": {"name": "Lower", "args": [{"f": "a"}]}}"#,
    );
    expr(
        "StringAgg('a', delimiter=';', distinct=True, ordering='-b')",
        r#"{"aggregate": {"name": "StringAgg", "args": [{"f": "a"}, {"value": ";"}], "distinct": true, "order_by":
            [{"expr": {"f": "b"}, "desc": true, "nulls": null}]}}"#,
    );
    expr(
        "Count('*')",
        r#"{"aggregate": {"name": "Count", "args": [{"star": {}}]}}"#,
    );
    expr(
        "StdDev('a', sample=True)",
        r#"{"aggregate": {"name": "StdDev", "args": [{"f": "a"}], "options": {"sample": true}}}"#,
    );
    expr(
        "Sum('a', default=0)",
        r#"{"aggregate": {"name": "Sum", "args": [{"f": "a"}], "default": {"value": 0}}}"#,
    );
}

#[test]
fn positional_expressions_get_djangos_names() {
    book(
        "Book.everything.annotate(Count('tags'))",
        r#"[{"annotate": {"tags__count": {"aggregate": {"name": "Count", "args": [{"f": "tags"}]}}}}]"#,
    );
    book(
        "Book.everything.values_list('title', Lower('title'), 'title', flat=False)",
        r#"[{"values_list": {"fields": ["title", "lower1", "title1"], "exprs": {"lower1": {"func": {"name": "Lower", "args":
            [{"f": "title"}]}}, "title1": {"f": "title"}}, "flat": false, "named": false}}]"#,
    );
    same(
        "Book.everything.aggregate(Sum('pages'), most=Max('pages'))",
        r#"{"model": "library.Book", "calls": [], "do": {"aggregate": {"most": {"aggregate": {"name": "Max", "args": [{"f": "pages"}]}},
            "pages__sum": {"aggregate": {"name": "Sum", "args": [{"f": "pages"}]}}}}}"#,
    );
}

#[test]
fn methods_of_querysets() {
    book("Book.everything.all()", "[]");
    book(
        "Book.everything.order_by('-pages', '?', F('a').asc(nulls_first=True))",
        r#"[{"order_by": ["-pages", "?", {"expr": {"f": "a"}, "desc": false, "nulls": "first"}]}]"#,
    );
    book(
        "Book.everything.reverse().distinct('a')",
        r#"[{"reverse": {}}, {"distinct": ["a"]}]"#,
    );
    book("Book.everything.all()[5:10]", r#"[{"slice": [5, 10]}]"#);
    book(
        "Book.everything.all()[:limit]",
        r#"[{"slice": [null, 10]}]"#,
    );
    book("Book.everything.all()[3]", r#"[{"slice": [3, 4]}]"#);
    book("Book.everything.none()", r#"[{"none": {}}]"#);
    book(
        "Book.everything.dates('published', 'month', order='DESC')",
        r#"[{"dates": {"field": "published", "kind": "month", "order": "DESC"}}]"#,
    );
    book(
        "Book.everything.datetimes('added', 'hour', tzinfo=ZoneInfo('UTC'))",
        r#"[{"datetimes": {"field": "added", "kind": "hour", "order": "ASC", "tz": "UTC"}}]"#,
    );
    book(
        "Book.everything.select_related('author').select_related(None)",
        r#"[{"select_related": ["author"]}, {"select_related": null}]"#,
    );
    book(
        "Book.everything.select_related()",
        r#"[{"select_related": []}]"#,
    );
    book(
        "Book.everything.prefetch_related('author', Prefetch('tags', queryset=Tag.objects.filter(), to_attr='t'))",
        r#"[{"prefetch_related": [{"lookup": "author", "queryset": null, "to_attr": null},
            {"lookup": "tags", "queryset": {"model": "library.Tag", "calls": []}, "to_attr": "t"}]}]"#,
    );
    book(
        "Book.everything.defer('a').defer(None).only('b')",
        r#"[{"defer": ["a"]}, {"defer": null}, {"only": ["b"]}]"#,
    );
    book(
        "Book.everything.all().union(Book.everything.all(), all=True)",
        r#"[{"union": {"all": true, "others": [{"model": "library.Book", "calls": []}]}}]"#,
    );
    book(
        "Book.everything.filter(a1=1) | Book.everything.filter(a2=2)",
        &format!(
            r#"[{{"filter": {{"and": [{}]}}}}, {{"combine": {{"op": "|", "other": {{"model": "library.Book", "calls":
                [{{"filter": {{"and": [{}]}}}}]}}}}}}]"#,
            a(1),
            a(2)
        ),
    );
    book("Book.everything.using('other')", r#"[{"using": "other"}]"#);
    book(
        "Book.everything.raw_aggregate([{'$match': {'a': 1}}])",
        r#"[{"raw": [{"$match": {"a": 1}}]}]"#,
    );
    book(
        "Book.everything.hint(index='i', max_time_ms=5)",
        r#"[{"hint": {"index": "i", "max_time_ms": 5}}]"#,
    );
}

#[test]
fn subqueries_as_right_sides() {
    rhs(
        "Tag.objects.values('pk')",
        r#"{"subquery": {"queryset": {"model": "library.Tag", "calls": [{"values": {"fields": ["pk"], "exprs": {}}}]}}}"#,
    );
    rhs(
        "Subquery(Tag.objects.values('pk'))",
        r#"{"subquery": {"queryset": {"model": "library.Tag", "calls": [{"values": {"fields": ["pk"], "exprs": {}}}]}, "explicit": true}}"#,
    );
    rhs("[F('a'), 1]", r#"{"list": [{"f": "a"}, {"value": 1}]}"#);
    rhs("book", r#"{"value": 7}"#);
    rhs("[book, author]", r#"{"value": [7, 3]}"#);
    rhs("request.user", r#"{"value": 1}"#);
    rhs("book.pk", r#"{"value": 7}"#);
}

#[test]
fn terminals_are_written_as_django_runs_them() {
    book(
        "Book.everything.get(pk=1)",
        r#"[{"filter": {"and": [{"lookup": {"path": "pk", "rhs": {"value": 1}}}]}}, {"order_by": []}, {"slice": [null, 21]}]"#,
    );
    book(
        "Book.everything.all()[:1].get()",
        r#"[{"slice": [null, 1]}, {"slice": [null, 21]}]"#,
    );
    // The model has an ordering, which order_by() without terms and grouping switch off.
    book("Book.everything.first()", r#"[{"slice": [null, 1]}]"#);
    book(
        "Book.everything.order_by().last()",
        r#"[{"order_by": []}, {"order_by": ["-pk"]}, {"slice": [null, 1]}]"#,
    );
    book(
        "Book.everything.last()",
        r#"[{"reverse": {}}, {"slice": [null, 1]}]"#,
    );
    book(
        "Book.everything.annotate(n=Count('tags')).first()",
        r#"[{"annotate": {"n": {"aggregate": {"name": "Count", "args": [{"f": "tags"}]}}}}, {"order_by": ["pk"]}, {"slice": [null, 1]}]"#,
    );
    book(
        "Book.everything.latest()",
        r#"[{"reverse": {}}, {"order_by": ["published"]}, {"slice": [null, 1]}, {"slice": [null, 21]}]"#,
    );
    book(
        "Book.everything.earliest('-pages')",
        r#"[{"order_by": ["-pages"]}, {"slice": [null, 1]}, {"slice": [null, 21]}]"#,
    );
    book(
        "Book.everything.in_bulk([1, 2])",
        r#"[{"filter": {"and": [{"lookup": {"path": "pk__in", "rhs": {"value": [1, 2]}}}]}}]"#,
    );
    book("Book.everything.iterator(chunk_size=100)", "[]");
    book("list(Book.everything.all())", "[]");
    book(
        "await Book.everything.order_by('pk').afirst()",
        r#"[{"order_by": ["pk"]}, {"slice": [null, 1]}]"#,
    );
    for (text, action) in [
        ("Book.everything.count()", r#""count""#),
        ("Book.everything.exists()", r#""exists""#),
        ("Book.everything.all().explain()", r#""explain""#),
        ("Book.everything.all().delete()", r#""delete""#),
        (
            "Book.everything.update(author=author, pages=F('pages') + 1)",
            r#"{"update": {"author": {"value": 3}, "pages":
            {"combined": {"op": "+", "lhs": {"f": "pages"}, "rhs": {"value": 1}}}}}"#,
        ),
        (
            "Book.everything.get_or_create(title='x', defaults={'pages': 3})",
            r#"{"get_or_create": {"where": {"and": [{"lookup":
            {"path": "title", "rhs": {"value": "x"}}}]}, "defaults": {"pages": 3, "kind": "N", "published": {"$day": "2025-06-15"},
            "hidden": false, "data": {}, "added": {"$date": "2025-06-15T12:34:56.789012+00:00"}}}}"#,
        ),
    ] {
        same(
            text,
            &format!(r#"{{"model": "library.Book", "calls": [], "do": {action}}}"#),
        );
    }
    same(
        "Book.everything.contains(book)",
        r#"{"model": "library.Book", "calls": [{"filter": {"and": [{"lookup": {"path": "pk", "rhs": {"value": 7}}}]}}], "do": "exists"}"#,
    );
}

#[test]
fn create_inserts_every_field() {
    let row = |more: &str| {
        format!(
            r#"{{"title": "T", "author": {more}, "pages": 100, "kind": "N", "price": null, "published": {{"$day": "2025-06-15"}},
            "added": {{"$date": "2025-06-15T12:34:56.789012+00:00"}}, "hidden": false, "data": {{}}}}"#
        )
    };
    let insert = |rows: &str| {
        format!(
            r#"{{"model": "library.Book", "calls": [], "do": {{"insert": {{"rows": [{rows}], "ignore_conflicts": false,
            "update_conflicts": false, "update_fields": [], "unique_fields": []}}}}}}"#
        )
    };
    same(
        "Book.objects.create(title='T', author=author)",
        &insert(&row("3")),
    );
    same(
        "Book.objects.create(title='T', author_id=4)",
        &insert(&row("4")),
    );
    same("author.books.create(title='T')", &insert(&row("3")));
    same("Book(title='T').save()", &insert(&row("null")));
    same(
        "Book.objects.bulk_create([Book(title='T'), Book(title='T', author=author)])",
        &insert(&format!("{}, {}", row("null"), row("3"))),
    );
}

#[test]
fn managers_of_relations_filter() {
    let filter = |path: &str, key: u32| {
        format!(r#"{{"and": [{{"lookup": {{"path": "{path}", "rhs": {{"value": {key}}}}}}}]}}"#)
    };
    let visible =
        r#"{"filter": {"and": [{"lookup": {"path": "hidden", "rhs": {"value": false}}}]}}"#;
    book(
        "author.books.all()",
        &format!(r#"[{visible}, {{"filter": {}}}]"#, filter("author", 3)),
    );
    book(
        "tag.book_set.exclude(a1=1)",
        &format!(
            r#"[{visible}, {{"sticky_filter": {}}}, {{"exclude": {{"and": [{}]}}}}]"#,
            filter("tags__id", 5),
            a(1)
        ),
    );
    same(
        "book.tags.order_by('name')",
        &format!(
            r#"{{"model": "library.Tag", "calls": [{{"filter": {}}}, {{"order_by": ["name"]}}], "do": "rows"}}"#,
            filter("work__id", 7)
        ),
    );
    same(
        "author.friends.filter(a1=1)",
        &format!(
            r#"{{"model": "library.Author", "calls": [{{"sticky_filter": {}}}, {{"filter": {{"and": [{}]}}}}], "do": "rows"}}"#,
            filter("friends_rel_+__id", 3),
            a(1)
        ),
    );
    // Counting the relation itself asks only the intermediate model.
    same(
        "book.tags.count()",
        &format!(
            r#"{{"model": "library.Book_tags", "calls": [{{"filter": {}}}], "do": "count"}}"#,
            filter("book", 7)
        ),
    );
    same(
        "b = Book.objects.get(pk=9)\nb.tags.all()",
        &format!(
            r#"{{"model": "library.Tag", "calls": [{{"filter": {}}}], "do": "rows"}}"#,
            filter("work__id", 9)
        ),
    );
    same(
        "book.tags.add(tag)",
        r#"{"model": "library.Book_tags", "calls": [], "do": {"insert": {"rows": [{"book": 7, "tag": 5}], "ignore_conflicts": true,
            "update_conflicts": false, "update_fields": [], "unique_fields": []}}}"#,
    );
}

#[test]
fn managers_of_the_project_add_their_calls() {
    let visible =
        r#"{"filter": {"and": [{"lookup": {"path": "hidden", "rhs": {"value": false}}}]}}"#;
    book("Book.objects.all()", &format!("[{visible}]"));
    book(
        "Book.objects.exclude(a1=1).long(pages=500)",
        &format!(
            r#"[{visible}, {{"exclude": {{"and": [{}]}}}}, {{"filter": {{"and": [{{"lookup": {{"path": "pages__gt", "rhs": {{"value": 500}}}}}}]}}}}]"#,
            a(1)
        ),
    );
}

#[test]
fn texts_have_lines_comments_and_imports() {
    let expected = r#"[{"filter": {"and": [{"lookup": {"path": "tags__count", "rhs": {"aggregate": {"name": "Count", "args": [{"f": "tags"}]}}}}]}}]"#;
    book(
        "
        from django.db.models import Count as C  # renamed
        import datetime as dt
        books = Book.everything
        n = C(
            'tags',  # in brackets lines join
        )
        books.filter( \\
            tags__count=n)
        ",
        expected,
    );
    book(
        ">>> q = Book.everything.all()\n>>> q.filter(\n...     tags__count=Count('tags')\n... )\n",
        expected,
    );
    book(
        "qs = Book.everything.all()\nqs = qs.filter(tags__count=Count('tags'))",
        expected,
    );
    book(
        "qs = Book.everything.all(); qs.filter(tags__count=models.Count('tags'));",
        expected,
    );
    book(
        "q = Q(a1=1)\nq |= Q(a2=2)\nBook.everything.filter(q)",
        &format!(
            r#"[{{"filter": {{"and": [{{"or": [{}, {}]}}]}}}}]"#,
            a(1),
            a(2)
        ),
    );
    rhs("Book.Kind.ESSAY", r#"{"value": "E"}"#);
    rhs("Book.SHORT", r#"{"value": 100}"#);
    same(
        "User = get_user_model()\nUser.objects.all()",
        r#"{"model": "auth.User", "calls": [], "do": "rows"}"#,
    );
    assert_eq!(json("1 + 1"), "none");
}

/// Lines that write before the last one are not lost.
#[test]
fn earlier_writes_are_kept() {
    let (schema, params) = text::library();
    let source = "Tag.objects.create(name='x')\nTag.objects.all().delete()\nTag.objects.count()";
    let parsed = mqlc_compiler::text::parse(&schema, source, &params).unwrap();
    assert_eq!(parsed.earlier.len(), 2);
}

/// Errors of later passes find their words in the text again.
#[test]
fn later_errors_find_their_place() {
    let source = "Book.everything.filter(kind='N').annotate(n=Count('tagz')).filter(n__gt=1, pags=3).order_by('-n')";
    let (schema, params) = text::library();
    let parsed = mqlc_compiler::text::parse(&schema, source, &params).unwrap();
    let place = |path: &str, message: &str| {
        let error = mqlc_compiler::Error::new(mqlc_compiler::Code::UnknownField, message).at(path);
        let span = parsed.places.locate(error).span().unwrap();
        (source[span.start..span.end].to_owned(), span.start)
    };
    assert_eq!(place("/calls/2/filter/and/1/lookup", "").0, "pags");
    assert_eq!(
        place("/calls/1/annotate/n/aggregate/args/0", "").0,
        "'tagz'"
    );
    assert_eq!(place("/calls/1/annotate/n", "").0, "n");
    assert_eq!(place("/calls/2", ""), ("filter".to_owned(), 59));
    assert_eq!(place("/calls/3/order_by/0", "").0, "'-n'");
    assert_eq!(
        place("", "Cannot resolve keyword 'pags' into field").0,
        "pags"
    );
}

/// Loops over querysets read their rows; what Python does with each is no part of the query.
#[test]
fn loops_over_querysets_read_their_rows() {
    book("[b.title for b in Book.everything.all() if b.pages]", "[]");
    book("print({b.pk: b for b in Book.everything.all()})", "[]");
    book("book in Book.everything.all()", "[]");
    book("Book.everything.all()[0].title", r#"[{"slice": [0, 1]}]"#);
}

#[test]
fn intermediate_models_are_reached_through_the_relation() {
    for source in [
        "Book.tags.through.objects.all()",
        "Tag.book_set.through.objects.all()",
        "book.tags.through.objects.all()",
    ] {
        same(
            source,
            r#"{"model": "library.Book_tags", "calls": [], "do": "rows"}"#,
        );
    }
    rhs(
        "datetime(2024, 1, 1, tzinfo=UTC)",
        r#"{"value": {"$date": "2024-01-01T00:00:00+00:00"}}"#,
    );
}
