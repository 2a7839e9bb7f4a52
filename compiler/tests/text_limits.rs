//! No text panics, overflows the stack or stands for a huge query; cut texts give one error.

#![allow(clippy::unwrap_used)] // a test's own threads

mod text;

use mqlc_compiler::text::{parse, parse_models};
use mqlc_compiler::{Code, Error};
use proptest::prelude::*;

/// Texts that use every part of the grammar and of the evaluator.
const TEXTS: &[&str] = &[
    "from django.db.models import Count as C\nimport datetime as dt\n# comment\nBook.objects.filter(Q(title__in=['a', \"b\\n\"]) | ~Q(pages__gt=10), author=author).exclude(published=dt.date(2024, 1, 31)).annotate(n=C('tags', filter=Q(tags__name='x'))).order_by('-n', F('pages').desc(nulls_last=True))[5:limit]",
    "x = F('pages') * 2 ** 3 - 1\nBook.everything.annotate(x=Case(When(pages=1, then=Value('one')), default=x, output_field=CharField(max_length=3))).values('kind').annotate(Sum('pages'))",
    "Book.objects.filter(Exists(Loan.objects.filter(book=OuterRef('pk'))) & Q(a=1)).aggregate(Avg('pages'), m=Max('price') + Decimal('1.50'))",
    "Movie = Book\nMovie.everything.annotate(r=Window(Rank(), partition_by=[F('kind')], order_by='-pages', frame=RowRange(start=-1, end=None)))",
    "author.books.filter(data__a__0={'k': [1, 2.5, None, True], **{}}).update(pages=F('pages') + 1, title='x' 'y')",
    "Book.objects.create(title='''x\ny''', author=author, price=Decimal(\"1\"), added=timezone.now() - timedelta(days=1))",
    ">>> qs = Book.everything.all()\n>>> (qs | qs.none()).union(qs,\n...   all=True).first()",
    "Book.objects.filter(a=b'\\x00', b=r'\\d', c=1_000, d=0xff, e=1.5e-3, f=(1,), g={1, 2}, h=not None, i=1 if 2 < 3 else 4, j=[*(1, 2)])",
];

fn refused(source: &str) -> Error {
    text::error(source)
}

/// Runs on a stack as small as that of a thread of the standard library.
fn on_a_small_stack(run: impl FnOnce() + Send + 'static) {
    std::thread::Builder::new()
        .stack_size(2 << 20)
        .spawn(run)
        .unwrap()
        .join()
        .unwrap();
}

/// What loops and functions of one expression stand for is bounded, however they are nested.
#[test]
fn loops_and_lambdas_are_bounded() {
    on_a_small_stack(|| {
        let deep = format!(
            "f = lambda x: {}f(x)\nBook.objects.filter(pages=f(1))",
            "-".repeat(150)
        );
        assert_eq!(refused(&deep).code(), Code::Limit);
        let wide = "Book.objects.filter(pages__in=[a + b + c for a in range(1000) for b in range(1000) for c in range(9)])";
        assert_eq!(refused(wide).code(), Code::Limit);
        let loops = format!(
            "Book.objects.filter(pages__in=[1 {}])",
            "for x in [1] ".repeat(40)
        );
        assert_eq!(refused(&loops).code(), Code::Limit);
        let long = "Book.objects.filter(title=f\"{'x' * 1000000}{'x' * 1000000}\")";
        assert_eq!(refused(long).code(), Code::Limit);
        let nested = format!(
            "Book.objects.filter(title=f\"{}1{}\")",
            "{(".repeat(300),
            ")}".repeat(300)
        );
        refused(&nested);
        let padded = "Book.objects.filter(title=\"{:>99999999}\".format(1))";
        assert_eq!(refused(padded).code(), Code::Limit);
    });
}

/// Paths of any length are refused, not followed onto the end of the stack.
#[test]
fn long_paths_are_one_clear_error() {
    on_a_small_stack(|| {
        let (schema, params) = text::library();
        let compiler = mqlc_compiler::Compiler::new(schema.clone());
        let path = format!("{}x", "author__".repeat(10_000));
        for call in [
            "only",
            "defer",
            "values",
            "order_by",
            "select_related",
            "prefetch_related",
        ] {
            let source = format!("Book.everything.{call}(\"{path}\")");
            let statement = parse(&schema, &source, &params).unwrap().statement.unwrap();
            assert!(compiler.compile(&statement).is_err(), "{call}");
        }
    });
}

#[test]
fn deep_nesting_is_one_clear_error() {
    on_a_small_stack(|| {
        for (open, close) in [
            ("(", ")"),
            ("[", "]"),
            ("{1: ", "}"),
            ("f(", ")"),
            ("x[", "]"),
            ("Q(a=", ")"),
        ] {
            let source = format!("{}1{}", open.repeat(10_000), close.repeat(10_000));
            assert_eq!(refused(&source).code(), Code::Limit, "{open}");
            assert_eq!(refused(&open.repeat(10_000)).code(), Code::Limit, "{open}");
        }
        for sign in ["-", "~", "not ", "2 ** ", "1 if 1 else ", "lambda: ", "*"] {
            let error = refused(&format!("{}1", sign.repeat(10_000)));
            assert!(
                matches!(error.code(), Code::Limit | Code::Python | Code::Syntax),
                "{sign}"
            );
            assert!(error.span().is_some());
        }
        let error = refused(&"(\n".repeat(10_000));
        insta::assert_snapshot!(error.render(&"(\n".repeat(10_000)), @r"
        error[E0601]: brackets are nested more than 90 deep
           --> line 91, column 1
           |
        91 | (
           | ^
        ");
    });
}

#[test]
fn the_deepest_texts_that_are_allowed_fit_on_a_small_stack() {
    on_a_small_stack(|| {
        for n in [10, 40, 85] {
            let q = format!(
                "Book.everything.filter({}Q(a=1){})",
                "~(".repeat(n),
                ")".repeat(n)
            );
            let nested = format!(
                "Book.everything.filter({}{})",
                "Q(".repeat(n - 5),
                ")".repeat(n - 5)
            );
            let lower = format!(
                "Book.everything.annotate(x={}'a'{})",
                "Lower(".repeat(n),
                ")".repeat(n)
            );
            let list = format!(
                "Book.everything.filter(x={}1{})",
                "[".repeat(n),
                "]".repeat(n)
            );
            let subquery = format!(
                "Book.everything.filter({}a=1{})",
                "x__in=Book.everything.filter(".repeat(n),
                ")".repeat(n)
            );
            for source in [q, nested, lower, list, subquery] {
                let (schema, params) = text::library();
                if let Err(error) = parse(&schema, &source, &params) {
                    assert_eq!(error.code(), Code::Limit, "{}", error.render(&source));
                }
            }
        }
    });
}

/// Chains are flat: their length is no depth.
#[test]
fn long_chains_are_no_deep_ones() {
    on_a_small_stack(|| {
        let many = |part: &str, between: &str, n: usize| vec![part; n].join(between);
        text::json(&format!(
            "Book.everything.filter({})",
            many("Q(a=1)", " | ", 5_000)
        ));
        text::json(&format!("Book.everything{}", ".filter(a=1)".repeat(5_000)));
        let args = many("Q(a=1)", ", ", 40_000);
        text::json(&format!("Book.everything.filter({args})"));
        let q = many("Q(a=1)", " | ", 40_000);
        text::json(&format!("Book.everything.filter({q})"));
        text::json(&format!(
            "Book.everything.filter(x=[{}])",
            many("1", ",", 50_000)
        ));
        text::json(&many("Book.everything.all()", "\n", 5_000));
        let sum = format!(
            "Book.everything.annotate(x={})",
            many("F('a')", " + ", 20_000)
        );
        assert_eq!(refused(&sum).code(), Code::Limit);
        let alternating = format!(
            "Book.everything.filter(x={})",
            many("1 + 2 * 3", " - ", 20_000)
        );
        text::json(&alternating);
    });
}

/// Variables do not make a short text stand for a huge or endlessly deep query.
#[test]
fn variables_are_counted_with_their_size() {
    on_a_small_stack(|| {
        let doubled = format!(
            "x = F('a')\n{}Book.everything.annotate(x=x)",
            "x = x + x\n".repeat(60)
        );
        assert_eq!(refused(&doubled).code(), Code::Limit);
        let wide = format!("x = [1]\n{}x", "x = [x, x, x, x, x, x, x, x]\n".repeat(40));
        assert_eq!(refused(&wide).code(), Code::Limit);
        let deep = format!(
            "x = 'a'\n{}Book.everything.annotate(x=x)",
            "x = Lower(x)\n".repeat(20_000)
        );
        assert_eq!(refused(&deep).code(), Code::Limit);
        let q = format!(
            "q = Q(a=1)\n{}Book.everything.filter(q)",
            "q = ~Q(q)\n".repeat(20_000)
        );
        assert_eq!(refused(&q).code(), Code::Limit);
        for huge in [
            "'a' * 10 ** 12",
            "[0] * 10 ** 12",
            "range(10 ** 12)",
            "2 ** 10 ** 9",
            "1 << 10 ** 9",
            "timedelta(days=10 ** 18)",
        ] {
            let error = refused(&format!("Book.everything.filter(x={huge})"));
            assert!(
                matches!(error.code(), Code::Limit | Code::ValueError),
                "{huge}: {error}"
            );
        }
    });
}

/// Every prefix gives a statement or one error, which can be drawn.
#[test]
fn cut_texts_do_not_panic() {
    let (schema, params) = text::library();
    for source in TEXTS {
        text::json(&source.replace("Movie.", "Book."));
        for (end, _) in source.char_indices() {
            let cut = &source[..end];
            if let Err(error) = parse(&schema, cut, &params) {
                assert!(error.span().is_some(), "{cut}: {error}");
                assert!(error.render(cut).contains("line "), "{cut}");
                assert_ne!(error.code(), Code::Internal, "{cut}");
            }
        }
    }
    for (end, _) in text::MODELS.char_indices().step_by(11) {
        let cut = &text::MODELS[..end];
        if let Err(error) = parse_models("library", cut) {
            assert!(error.render(cut).ends_with('\n'));
            assert_ne!(error.code(), Code::Internal, "{cut}");
        }
    }
}

fn pieces() -> impl Strategy<Value = String> {
    let words = prop::sample::select(vec![
        "Book",
        ".objects",
        ".filter(",
        ".annotate(",
        ")",
        "(",
        "[",
        "]",
        "{",
        "}",
        "Q(",
        "F('a')",
        "a=",
        "x__in=",
        ", ",
        "|",
        "&",
        "^",
        "~",
        "**",
        "-",
        "+",
        "*",
        "/",
        "%",
        "<<",
        "//",
        "1",
        "0",
        "1.5",
        "'s'",
        "\"",
        "'''",
        "b'x'",
        "f'x'",
        "None",
        "True",
        ":",
        "\n",
        "\n    ",
        "x = ",
        "x",
        ".all()",
        ".first()",
        ".count()",
        "[0]",
        "[:3]",
        "[-1]",
        "Count('a')",
        "Value(1)",
        "Case(",
        "When(",
        "Window(",
        "Exists(",
        "Subquery(",
        "OuterRef('a')",
        "book",
        ".tags",
        "author",
        ".books",
        ".create(",
        ".update(",
        "date(2024, 1, 31)",
        "timedelta(days=1)",
        "Decimal('1')",
        "if ",
        " else ",
        " in ",
        " and ",
        " or ",
        " not ",
        "lambda ",
        "for ",
        "import ",
        "from ",
        "class ",
        "def ",
        "#",
        "\\",
        "==",
        "<",
        ":=",
        "@",
        "é",
        "日",
        "\t",
        "\r\n",
        ".values(",
        ".order_by(",
        ".aggregate(",
        ".get(",
        "datetime",
        ".now()",
        "timezone",
        ".year",
        ".pk",
        "Book(",
        ".save()",
        "reduce(",
        "operator.or_",
        "len(",
        "range(",
        "sorted(",
    ]);
    prop::collection::vec(words, 0..40).prop_map(|words| words.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn no_text_panics(source in "\\PC{0,200}") {
        let (schema, params) = text::library();
        if let Err(error) = parse(&schema, &source, &params) {
            let _ = error.render(&source);
        }
        if let Err(error) = parse_models("a", &source) {
            let _ = error.render(&source);
        }
    }

    #[test]
    fn no_mix_of_pieces_panics(source in pieces()) {
        let (schema, params) = text::library();
        match parse(&schema, &source, &params) {
            Ok(parsed) => if let Some(statement) = parsed.statement {
                let _ = statement.to_json();
            },
            Err(error) => {
                prop_assert_ne!(error.code(), Code::Internal);
                let _ = error.render(&source);
            }
        }
        if let Err(error) = parse_models("a", &source) {
            prop_assert_ne!(error.code(), Code::Internal);
            let _ = error.render(&source);
        }
    }

    #[test]
    fn no_change_of_a_models_file_panics(at in 0..2_000usize, piece in pieces()) {
        let at = (at..text::MODELS.len()).find(|i| text::MODELS.is_char_boundary(*i)).unwrap_or(0);
        let source = format!("{}{piece}{}", &text::MODELS[..at], &text::MODELS[at..]);
        if let Err(error) = parse_models("library", &source) {
            prop_assert_ne!(error.code(), Code::Internal);
            let _ = error.render(&source);
        }
    }
}
