//! The builder says the same as Queryset JSON.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use mqlc_compiler::builder::*;
use mqlc_compiler::queryset::Hint;

#[track_caller]
fn same(built: impl Into<Statement>, json: &str) {
    let expected = Statement::from_json(json).unwrap();
    assert_eq!(built.into().to_json(), expected.to_json());
}

fn books() -> Query {
    Query::from("library.Book")
}

/// Paths become lookups of a filter, conditions join as Django joins them.
#[test]
fn conditions() {
    same(
        books().filter(
            f("title").icontains("x")
                & f("pages").range(1, 2)
                & (f("a").in_([1, 2]) | !f("b").isnull(true)),
        ),
        r#"{"model":"library.Book","calls":[{"filter":{"and":[
            {"lookup":{"path":"title__icontains","rhs":{"value":"x"}}},
            {"lookup":{"path":"pages__range","rhs":{"value":[1,2]}}},
            {"or":[{"lookup":{"path":"a__in","rhs":{"value":[1,2]}}},
                   {"not":{"lookup":{"path":"b__isnull","rhs":{"value":true}}}}]}]}}],"do":"rows"}"#,
    );
    same(
        books()
            .exclude(q("a", 1) ^ q("b", f("c") + 1))
            .filter(Q::always() & q("pub__year", 2020)),
        r#"{"model":"library.Book","calls":[{"exclude":{"and":[{"xor":[
            {"lookup":{"path":"a","rhs":{"value":1}}},
            {"lookup":{"path":"b","rhs":{"combined":{"op":"+","lhs":{"f":"c"},"rhs":{"value":1}}}}}]}]}},
            {"filter":{"and":[{"lookup":{"path":"pub__year","rhs":{"value":2020}}}]}}],"do":"rows"}"#,
    );
    assert_eq!(f("pub").year().gt(2000), q("pub__year__gt", 2000));
}

/// Lookups of other expressions are comparisons; what is a condition can stand as one.
#[test]
fn comparisons() {
    same(
        books()
            .filter(lower("title").exact("x"))
            .filter(f("active") & !f("deleted")),
        r#"{"model":"library.Book","calls":[
            {"filter":{"and":[{"expr":{"compare":{"lookup":"exact","lhs":{"func":{"name":"Lower","args":[{"f":"title"}]}},"rhs":{"value":"x"}}}}]}},
            {"filter":{"and":[{"expr":{"f":"active"}},{"expr":{"not":{"f":"deleted"}}}]}}],"do":"rows"}"#,
    );
    same(
        books()
            .annotate("long", f("pages").gt(500))
            .annotate("x", -(1 - f("a") * 2.5) % f("b").pow(2)),
        r#"{"model":"library.Book","calls":[
            {"annotate":{"long":{"q":{"lookup":{"path":"pages__gt","rhs":{"value":500}}}}}},
            {"annotate":{"x":{"combined":{"op":"%","lhs":{"neg":{"combined":{"op":"-","lhs":{"value":1},"rhs":
                {"combined":{"op":"*","lhs":{"f":"a"},"rhs":{"value":2.5}}}}}},
                "rhs":{"combined":{"op":"^","lhs":{"f":"b"},"rhs":{"value":2}}}}}}}],"do":"rows"}"#,
    );
}

/// Aggregates with everything that hangs on them.
#[test]
fn aggregates() {
    same(
        books().aggregate(
            named(
                "n",
                count("authors")
                    .distinct()
                    .filter(q("authors__age__gt", 30))
                    .default(0),
            )
            .and("all", count_all())
            .and(
                "names",
                string_agg("authors__name", ", ").order_by([desc("authors__age").nulls_last()]),
            )
            .and("ratio", sum("pages") / count("pk")),
        ),
        r#"{"model":"library.Book","calls":[],"do":{"aggregate":{
            "n":{"aggregate":{"name":"Count","args":[{"f":"authors"}],"distinct":true,
                "filter":{"lookup":{"path":"authors__age__gt","rhs":{"value":30}}},"default":{"value":0}}},
            "all":{"aggregate":{"name":"Count","args":[{"star":{}}]}},
            "names":{"aggregate":{"name":"StringAgg","args":[{"f":"authors__name"},{"value":", "}],
                "order_by":[{"expr":{"f":"authors__age"},"desc":true,"nulls":"last"}]}},
            "ratio":{"combined":{"op":"/","lhs":{"aggregate":{"name":"Sum","args":[{"f":"pages"}]}},
                "rhs":{"aggregate":{"name":"Count","args":[{"f":"pk"}]}}}}}}}"#,
    );
}

/// Subqueries: given directly, explicitly, as a value, correlated over two levels.
#[test]
fn subqueries() {
    let inner = || {
        Query::from("library.Author")
            .filter(q("id", outer_ref("author")))
            .values(["id"])
    };
    same(
        books()
            .annotate(
                "a",
                subquery(inner().slice(..1)).output(FieldKind::IntegerField),
            )
            .filter(f("author").in_(inner()) & f("editor").exact(subquery(inner())))
            .filter(exists(inner().filter(q("x", outer_ref_at(2, "y"))))),
        r#"{"model":"library.Book","calls":[
            {"annotate":{"a":{"subquery":{"queryset":{"model":"library.Author","calls":[
                {"filter":{"and":[{"lookup":{"path":"id","rhs":{"outer_ref":"author"}}}]}},{"values":{"fields":["id"],"exprs":{}}},{"slice":[null,1]}]},
                "output":{"type":"IntegerField"}}}}},
            {"filter":{"and":[
                {"lookup":{"path":"author__in","rhs":{"subquery":{"queryset":{"model":"library.Author","calls":[
                    {"filter":{"and":[{"lookup":{"path":"id","rhs":{"outer_ref":"author"}}}]}},{"values":{"fields":["id"],"exprs":{}}}]}}}}},
                {"lookup":{"path":"editor","rhs":{"subquery":{"queryset":{"model":"library.Author","calls":[
                    {"filter":{"and":[{"lookup":{"path":"id","rhs":{"outer_ref":"author"}}}]}},{"values":{"fields":["id"],"exprs":{}}}]},"explicit":true}}}}]}},
            {"filter":{"and":[{"expr":{"exists":{"model":"library.Author","calls":[
                {"filter":{"and":[{"lookup":{"path":"id","rhs":{"outer_ref":"author"}}}]}},{"values":{"fields":["id"],"exprs":{}}},
                {"filter":{"and":[{"lookup":{"path":"x","rhs":{"outer_ref":{"outer_ref":"y"}}}}]}}]}}}]}}],"do":"rows"}"#,
    );
}

/// Functions take paths, literals and their parameters as the form wants them.
#[test]
fn functions() {
    same(
        books()
            .annotate(
                "a",
                trunc("published", "month")
                    .tz("Europe/Paris")
                    .output(FieldKind::DateField),
            )
            .annotate("b", coalesce([f("x"), val("none")]))
            .annotate("c", round("price"))
            .annotate(
                "d",
                lag("price", 1).arg(0).over().order_by([asc("published")]),
            )
            .annotate("e", replace("title", val("a"), val("b")))
            .annotate("f", extract("published", "year"))
            .annotate("g", f("data").key("k").key_text("t")),
        r#"{"model":"library.Book","calls":[
            {"annotate":{"a":{"func":{"name":"Trunc","args":[{"f":"published"}],"options":{"kind":"month","tzinfo":"Europe/Paris"},"output":{"type":"DateField"}}}}},
            {"annotate":{"b":{"func":{"name":"Coalesce","args":[{"f":"x"},{"value":"none"}]}}}},
            {"annotate":{"c":{"func":{"name":"Round","args":[{"f":"price"},{"value":0}]}}}},
            {"annotate":{"d":{"window":{"expr":{"func":{"name":"Lag","args":[{"f":"price"},{"value":1},{"value":0}]}},"partition_by":[],
                "order_by":[{"expr":{"f":"published"},"desc":false,"nulls":null}]}}}},
            {"annotate":{"e":{"func":{"name":"Replace","args":[{"f":"title"},{"value":"a"},{"value":"b"}]}}}},
            {"annotate":{"f":{"func":{"name":"Extract","args":[{"f":"published"}],"options":{"lookup_name":"year"}}}}},
            {"annotate":{"g":{"transform":{"name":"t","expr":{"f":"data__k"},"text":true}}}}],"do":"rows"}"#,
    );
}

/// Methods that change what rows are, and which.
#[test]
fn methods() {
    same(
        books()
            .values(select(["a"]).expr("up", upper("b")))
            .values_list_flat("a")
            .order_by(["-a", "?"])
            .reverse()
            .distinct()
            .distinct_on(["a"])
            .slice(5..=9)
            .select_related(["author"])
            .prefetch_related([prefetch("tags")
                .queryset(Query::from("library.Tag").order_by(["name"]))
                .to_attr("sorted")])
            .defer(["a"])
            .only(["b"])
            .using("other")
            .count_up_to(10),
        r#"{"model":"library.Book","calls":[
            {"values":{"fields":["a"],"exprs":{"up":{"func":{"name":"Upper","args":[{"f":"b"}]}}}}},
            {"values_list":{"fields":["a"],"exprs":{},"flat":true,"named":false}},
            {"order_by":["-a","?"]},{"reverse":{}},{"distinct":[]},{"distinct":["a"]},{"slice":[5,10]},
            {"select_related":["author"]},
            {"prefetch_related":[{"lookup":"tags","queryset":{"model":"library.Tag","calls":[{"order_by":["name"]}]},"to_attr":"sorted"}]},
            {"defer":["a"]},{"only":["b"]},{"using":"other"}],"do":{"count":{"limit":10}}}"#,
    );
    same(
        (books() | books().filter(q("a", 1)))
            .union_all([books()])
            .hint(Hint {
                max_time_ms: Some(5),
                ..Hint::default()
            })
            .exists(),
        r#"{"model":"library.Book","calls":[
            {"combine":{"op":"|","other":{"model":"library.Book","calls":[{"filter":{"and":[{"lookup":{"path":"a","rhs":{"value":1}}}]}}]}}},
            {"union":{"all":true,"others":[{"model":"library.Book","calls":[]}]}},
            {"hint":{"max_time_ms":5}}],"do":"exists"}"#,
    );
}

/// Writes.
#[test]
fn writes() {
    same(
        books()
            .insert([row("a", 1).and("b", None::<i32>), row("a", 2).and("b", 3)])
            .update_conflicts(["a"], ["b"]),
        r#"{"model":"library.Book","calls":[],"do":{"insert":{"rows":[{"a":1,"b":null},{"a":2,"b":3}],
            "ignore_conflicts":false,"update_conflicts":true,"update_fields":["b"],"unique_fields":["a"]}}}"#,
    );
    same(
        books()
            .filter(q("a", 1))
            .update([("pages", f("pages") + 1)]),
        r#"{"model":"library.Book","calls":[{"filter":{"and":[{"lookup":{"path":"a","rhs":{"value":1}}}]}}],
            "do":{"update":{"pages":{"combined":{"op":"+","lhs":{"f":"pages"},"rhs":{"value":1}}}}}}"#,
    );
    same(
        books().get_or_create(q("a", 1), [("b", 2)]),
        r#"{"model":"library.Book","calls":[],"do":{"get_or_create":{"where":{"lookup":{"path":"a","rhs":{"value":1}}},"defaults":{"b":2}}}}"#,
    );
    same(
        books().first(),
        r#"{"model":"library.Book","calls":[{"order_by":["pk"]},{"slice":[null,1]}],"do":"rows"}"#,
    );
}
