//! The command line tool as scripts see it: exit codes, streams, formats, and one clear error for bad input.
// Tests may stop where they fail.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use assert_cmd::Command;

const SCHEMA: &str = "fixtures/schemas/library.py";
const DATA: &str = "fixtures/data/library";

fn mqlc() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mqlc"));
    command
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env_remove("MQLC_SCHEMA")
        .env_remove("MQLC_DATA")
        .env_remove("MQLC_URI")
        .timeout(std::time::Duration::from_secs(120));
    command
}

struct Ran {
    code: i32,
    out: String,
    err: String,
}

fn run(command: &mut Command) -> Ran {
    let output = command.output().unwrap();
    Ran {
        // A process that a signal ends has no code: that is a crash.
        code: output.status.code().expect("mqlc ends by itself"),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

fn rows(query: &str) -> Ran {
    run(mqlc().args(["run", "-s", SCHEMA, "-d", DATA, query]))
}

/// Exactly one error, with exit code 1 and nothing on standard output.
fn refused(ran: &Ran, number: &str) {
    assert_eq!(ran.code, 1, "{}", ran.err);
    assert!(ran.out.is_empty(), "{}", ran.out);
    assert!(
        ran.err.starts_with(&format!("error[{number}]: ")),
        "{}",
        ran.err
    );
    assert_eq!(ran.err.matches("error").count(), 1, "{}", ran.err);
    assert!(!ran.err.contains("panicked"));
}

/// A write on an earlier line is not passed over silently.
#[test]
fn one_query_at_a_time() {
    let ran = rows("Book.objects.filter(pk=1).update(pages=1)\nBook.objects.count()");
    refused(&ran, "E0502");
    assert!(ran.err.contains("update(pages=1)"), "{}", ran.err);
    let ran = rows("books = Book.objects.filter(pk=1)\nbooks.count()");
    assert_eq!(ran.code, 0, "{}", ran.err);
}

#[test]
fn rows_as_a_table() {
    let ran = rows("Book.objects.filter(title='Kafka').values_list('title')");
    assert_eq!(
        (ran.code, ran.out.as_str(), ran.err.as_str()),
        (0, "0 rows\n", "")
    );
    let ran = rows("Author.objects.filter(name='Franz Kafka').values('name', 'alive')");
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(ran.out.contains("Franz Kafka"), "{}", ran.out);
    assert!(ran.out.ends_with("1 row\n"), "{}", ran.out);
}

#[test]
fn rows_as_json_are_a_line_each() {
    let query = "Book.objects.filter(pk__lte=2).order_by('pk').values('id', 'price', 'published')";
    for format in ["json", "ejson"] {
        let ran = run(mqlc().args(["run", "-s", SCHEMA, "-d", DATA, "-o", format, query]));
        assert_eq!(ran.code, 0, "{}", ran.err);
        let rows: Vec<serde_json::Value> = ran
            .out
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        assert_eq!(rows.len(), 2);
        for row in rows {
            let price = &row["price"];
            // Types stay in extended JSON only.
            assert_eq!(price.is_string(), format == "json", "{price}");
            assert_eq!(price.is_object(), format == "ejson", "{price}");
        }
    }
}

/// Writes are saved to the folder where that is asked for, and only there.
#[test]
fn writes_are_saved_on_demand() {
    let dir = tempfile::tempdir().unwrap();
    for file in std::fs::read_dir(DATA).unwrap() {
        let file = file.unwrap();
        std::fs::copy(file.path(), dir.path().join(file.file_name())).unwrap();
    }
    let folder = dir.path().to_str().unwrap();
    let run_there = |arguments: &[&str]| {
        let mut command = mqlc();
        run(command
            .args(["run", "-s", SCHEMA, "-d", folder, "-o", "json"])
            .args(arguments))
    };
    let create = "Tag.objects.create(name='new')";
    let count = "Tag.objects.filter(name='new').count()";
    let ran = run_there(&[create]);
    assert_eq!(ran.out, "{\"count\":1,\"keys\":[11]}\n");
    assert!(ran.err.contains("--save"), "{}", ran.err);
    assert_eq!(run_there(&[count]).out, "0\n");
    let ran = run_there(&["--save", create]);
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    assert_eq!(run_there(&[count]).out, "1\n");
}

/// Keys of content types are not in models.py: the error says where to give them, and that works.
#[test]
fn content_types_are_given() {
    let query = "Note.objects.filter(book__title='x')";
    let compile = |more: &[&str]| run(mqlc().args(["compile", "-s", SCHEMA, query]).args(more));
    let ran = compile(&[]);
    refused(&ran, "E0502");
    assert!(
        ran.err.contains("--content-type library.Book=KEY"),
        "{}",
        ran.err
    );
    let ran = compile(&["--content-type", "library.Book=7"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(ran.out.contains("content_type_id: 7"), "{}", ran.out);
}

#[test]
fn commands_in_three_forms() {
    let query = "Book.objects.filter(pages__gt=2 ** 31)";
    let compile = |format: &str| {
        run(mqlc().args([
            "compile",
            "-s",
            SCHEMA,
            "-o",
            format,
            "Book.objects.filter(pages__gt=300)",
        ]))
    };
    let shell = compile("mongosh");
    assert_eq!(shell.code, 0);
    assert!(shell.out.starts_with("db.library_book."), "{}", shell.out);
    let relaxed: serde_json::Value = serde_json::from_str(compile("json").out.trim()).unwrap();
    let canonical: serde_json::Value = serde_json::from_str(compile("ejson").out.trim()).unwrap();
    assert_eq!(relaxed["find"], "library_book");
    assert_eq!(canonical["find"], "library_book");
    assert_ne!(relaxed, canonical);
    // What is empty by contradiction needs no command.
    let ran = run(mqlc().args(["compile", "-s", SCHEMA, query]));
    assert_eq!(ran.code, 0);
    assert!(ran.out.starts_with("//"), "{}", ran.out);
}

#[test]
fn explain_shows_every_stage() {
    let ran = run(mqlc().args([
        "explain",
        "-s",
        SCHEMA,
        "Book.objects.filter(author__name='x').count()",
    ]));
    assert_eq!(ran.code, 0, "{}", ran.err);
    for part in ["Statement", "Plan", "library_book"] {
        assert!(ran.out.contains(part), "no {part} in {}", ran.out);
    }
}

/// What a query costs: indexes that serve or would, also in a `$lookup`; conditions without one, with the reason;
/// stages that wait; the calls that asked for them.
#[test]
fn explain_says_what_a_query_costs() {
    let explain = |query: &str| {
        let ran = run(mqlc().args(["explain", "-s", SCHEMA, query]));
        assert_eq!(ran.code, 0, "{}", ran.err);
        ran.out
    };
    let has = |text: &str, parts: &[&str]| {
        for part in parts {
            assert!(text.contains(part), "no {part:?} in {text}");
        }
    };
    has(
        &explain("Book.objects.filter(author=3, rating__gt=4).order_by('-published')"),
        &[
            "library_book: index { author_id: 1 } for equality of author_id; an index { author_id: 1, published: -1, rating: 1 } would serve",
            "{ $sort: { published: -1 } }: no declared index that serves the filter gives the order { published: -1 }",
            "$sort published  <=  order_by(\"-published\")",
        ],
    );
    has(
        &explain("Book.objects.filter(isbn='1', title__icontains='x')"),
        &[
            "index { isbn: 1 } for at most one document\n",
            "of library_book: a pattern without regard to case",
        ],
    );
    has(
        &explain(
            "Book.objects.filter(published__month=5, subtitle__contains='x', pages__gt=F('rating'))",
        ),
        &[
            "library_book: index { title: 1 } for order",
            "a part of a date ($month of published)",
            "a pattern that is not anchored",
            "a comparison of",
        ],
    );
    has(
        &explain("Store.objects.filter(stock__shelf='A').order_by('stock__quantity')"),
        &["every document is read; an index { shelf: 1, quantity: 1 } would serve"],
    );
    has(
        &explain("Book.objects.select_related('author').order_by('author__name')"),
        &[
            "library_author (author): index { _id: 1 } for at most one document",
            "author.name is of joined documents of library_author",
            "$lookup library_author as author  <=  select_related(\"author\")",
        ],
    );
    has(
        &explain("Book.objects.values('in_print').annotate(n=Count('id')).order_by('n')"),
        &[
            "a group is known only when all documents have been seen",
            "n is computed by an earlier stage",
            "$group n  <=  annotate(n=Count(\"id\"))",
        ],
    );
    has(
        &explain("Book.objects.filter(tags__name='classic')"),
        &[
            "push_filter\n  ",
            "driving_collection\n  - scan library_book as book",
        ],
    );
}

/// A rule that is switched off: the commands with and without it, line by line.
#[test]
fn explain_compares_compilations() {
    let ran = run(mqlc().args([
        "explain",
        "-s",
        SCHEMA,
        "--disable",
        "driving_collection",
        "Book.objects.filter(tags=1)",
    ]));
    assert_eq!(ran.code, 0, "{}", ran.err);
    for part in [
        "== What driving_collection would do",
        "- db.library_book.aggregate([",
        "+ db.library_book_tags.aggregate([",
    ] {
        assert!(ran.out.contains(part), "no {part} in {}", ran.out);
    }
}

/// The same for programs.
#[test]
fn explain_as_json() {
    let query = "Book.objects.filter(author=3).prefetch_related('tags')";
    let explain = |more: &[&str]| {
        let arguments = ["explain", "-s", SCHEMA, "--format", "json", query];
        let ran = run(mqlc().args(arguments.iter().chain(more)));
        assert_eq!(ran.code, 0, "{}", ran.err);
        serde_json::from_str::<serde_json::Value>(&ran.out).unwrap()
    };
    let json = explain(&[]);
    assert_eq!(
        json["reads"][0]["served"]["index"]["keys"][0]["path"],
        "author_id"
    );
    assert_eq!(json["commands"].as_array().map(Vec::len), Some(2));
    let text = json["mongosh"].as_str().unwrap_or_default();
    assert!(text.contains("$in: step1.map(d => d._id)"), "{text}");
    let json = explain(&["--disable", "all"]);
    assert_eq!(json["disabled"][0], "all");
    assert!(json["with"]["rules"].is_array());
}

#[test]
fn a_dash_reads_standard_input() {
    let ran = run(mqlc()
        .args(["run", "-s", SCHEMA, "-d", DATA, "-"])
        .write_stdin("Book.objects.count()"));
    assert_eq!((ran.code, ran.out.as_str()), (0, "60\n"), "{}", ran.err);
    let json = r#"{"model": "library.Book", "calls": [], "do": "count"}"#;
    let ran = run(mqlc()
        .args(["run", "-s", SCHEMA, "-d", DATA, "-"])
        .write_stdin(json));
    assert_eq!((ran.code, ran.out.as_str()), (0, "60\n"), "{}", ran.err);
}

#[test]
fn files_and_parameters() {
    let ran = run(mqlc().args([
        "run",
        "-s",
        SCHEMA,
        "-d",
        DATA,
        "-f",
        "fixtures/queries/terminals/count.q",
    ]));
    assert_eq!(ran.code, 0, "{}", ran.err);
    let ran = run(mqlc().args([
        "run",
        "-s",
        SCHEMA,
        "-d",
        DATA,
        "-p",
        "least=100000",
        "Book.objects.filter(pages__gt=least).count()",
    ]));
    assert_eq!((ran.code, ran.out.as_str()), (0, "0\n"), "{}", ran.err);
}

#[test]
fn the_environment_names_schema_and_data() {
    let ran = run(mqlc()
        .env("MQLC_SCHEMA", SCHEMA)
        .env("MQLC_DATA", DATA)
        .args(["run", "Book.objects.exists()"]));
    assert_eq!((ran.code, ran.out.as_str()), (0, "true\n"), "{}", ran.err);
}

/// The JSON form of the fixtures' schema is what the models say, and it answers as they do.
#[test]
fn the_json_schema_is_that_of_the_models() {
    let ran = run(mqlc().args(["check", "--json", "-s", SCHEMA]));
    assert_eq!(ran.code, 0, "{}", ran.err);
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/schemas/library.json");
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(path, &ran.out).unwrap();
    }
    let written = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        written == ran.out,
        "fixtures/schemas/library.json is not what library.py says: run this test with UPDATE=1"
    );
    let ran = run(mqlc().args([
        "run",
        "-s",
        "fixtures/schemas/library.json",
        "-d",
        DATA,
        "Book.objects.filter(author__name='Franz Kafka').count()",
    ]));
    let same = rows("Book.objects.filter(author__name='Franz Kafka').count()");
    assert_eq!((ran.code, ran.out), (0, same.out), "{}", ran.err);
}

#[test]
fn check_names_every_file() {
    let ran = run(mqlc().args([
        "check",
        "-s",
        SCHEMA,
        "fixtures/queries/terminals/count.q",
        "fixtures/errors/E0301-misspelt.q",
    ]));
    assert_eq!(ran.code, 1);
    assert!(ran.out.contains("count.q: ok"), "{}", ran.out);
    assert!(ran.out.contains("E0301-misspelt.q: refused"), "{}", ran.out);
    assert!(ran.err.starts_with("error[E0301]"), "{}", ran.err);
}

/// Definitions are printed, and what `--run` makes of a folder is there when it is read again.
#[test]
fn indexes_are_printed_and_made() {
    let ran = run(mqlc().args([
        "indexes",
        "-s",
        SCHEMA,
        "library.Tag",
        "--validators",
        "-o",
        "ejson",
    ]));
    assert_eq!(ran.code, 0, "{}", ran.err);
    let lines: Vec<&str> = ran.out.lines().collect();
    assert_eq!(lines.len(), 2, "{}", ran.out);
    assert!(lines[0].starts_with("{\"create\":\"library_tag\""));
    assert!(lines[1].starts_with("{\"createIndexes\":\"library_tag\""));
    let existing = run(mqlc().args([
        "indexes",
        "-s",
        SCHEMA,
        "library.Tag",
        "--validators",
        "--existing",
    ]));
    assert!(existing.out.contains("collMod"), "{}", existing.out);
    refused(
        &run(mqlc().args(["indexes", "-s", SCHEMA, "library.Tags"])),
        "E0302",
    );

    // What is left out is told.
    let folder = tempfile::tempdir().unwrap();
    let models = folder.path().join("shop.py");
    let class = "class Item(models.Model):\n    name = models.CharField(max_length=9)\n    class Meta:\n        indexes = [SearchIndex(fields=['name'], name='words'), models.Index(Lower('name'), name='low')]\n";
    std::fs::write(&models, format!("from django.db import models\n{class}")).unwrap();
    let ran = run(mqlc().args(["indexes", "-s", models.to_str().unwrap()]));
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert_eq!(
        ran.err,
        "warning: Index low is left out: MongoDB has no indexes of expressions\n\
         warning: the search index words is left out: search indexes are made by createSearchIndexes, with options that the schema does not hold\n"
    );

    let folder = tempfile::tempdir().unwrap();
    for entry in std::fs::read_dir(DATA).unwrap() {
        let path = entry.unwrap().path();
        std::fs::copy(&path, folder.path().join(path.file_name().unwrap())).unwrap();
    }
    let folder = folder.path().to_str().unwrap();
    let sent = [
        "indexes",
        "-s",
        SCHEMA,
        "--validators",
        "--run",
        "--save",
        "-d",
        folder,
    ];
    for _ in 0..2 {
        let ran = run(mqlc().args(sent));
        assert_eq!(ran.code, 0, "{}", ran.err);
        assert!(
            ran.out.contains("library_book: 5 indexes and a validator"),
            "{}",
            ran.out
        );
    }
    let twice = run(mqlc().args([
        "run",
        "-s",
        SCHEMA,
        "-d",
        folder,
        "Tag.objects.create(name='classic')",
    ]));
    assert_eq!(twice.code, 3, "{}", twice.out);
    let invalid = run(mqlc().args([
        "run",
        "-s",
        SCHEMA,
        "-d",
        folder,
        "Tag.objects.filter(pk=1).update(name=Repeat(Value('x'), 60))",
    ]));
    assert_eq!(invalid.code, 3, "{}", invalid.out);
    assert!(invalid.err.contains("121"), "{}", invalid.err);
}

#[test]
fn help_says_what_there_is() {
    let ran = run(mqlc().arg("--help"));
    assert_eq!(ran.code, 0);
    for word in ["run", "compile", "explain", "check", "Exit codes"] {
        assert!(ran.out.contains(word), "no {word} in {}", ran.out);
    }
    for command in ["run", "compile", "explain", "check", "indexes"] {
        let ran = run(mqlc().args([command, "--help"]));
        assert_eq!(ran.code, 0);
        assert!(ran.out.contains("--schema"), "{}", ran.out);
    }
    assert!(run(mqlc().arg("--version")).out.starts_with("mqlc "));
}

/// 2: the tool is used wrongly.
#[test]
fn wrong_use() {
    for arguments in [
        &[][..],
        &["walk"],
        &["run"],
        &["run", "-s", SCHEMA, "Book.objects.all()"],
        &[
            "run",
            "-s",
            SCHEMA,
            "-d",
            DATA,
            "--uri",
            "mongodb://localhost/x",
            "Book.objects.all()",
        ],
        &["compile", "-s", SCHEMA],
        &[
            "compile",
            "-s",
            SCHEMA,
            "--target",
            "eight",
            "Book.objects.all()",
        ],
        &["compile", "-s", SCHEMA, "-o", "xml", "Book.objects.all()"],
    ] {
        let ran = run(mqlc().args(arguments));
        assert_eq!(ran.code, 2, "{arguments:?}: {}", ran.err);
        assert!(ran.out.is_empty());
    }
}

/// 3: a file or the data is not there, or not what it should be.
#[test]
fn failures_around_the_query() {
    for arguments in [
        &["run", "-s", "nowhere.py", "-d", DATA, "Book.objects.all()"][..],
        &["run", "-s", SCHEMA, "-d", "nowhere", "Book.objects.all()"],
        &["compile", "-s", SCHEMA, "-f", "nowhere.q"],
        &["compile", "-s", SCHEMA, "-p", "limit", "Book.objects.all()"],
        &[
            "compile",
            "-s",
            SCHEMA,
            "-p",
            "limit={",
            "Book.objects.all()",
        ],
    ] {
        let ran = run(mqlc().args(arguments));
        assert_eq!(ran.code, 3, "{arguments:?}: {}", ran.err);
        assert!(ran.out.is_empty(), "{}", ran.out);
        assert!(ran.err.starts_with("error: "), "{}", ran.err);
    }
}

/// 1: bad input of every kind gives one clear error.
#[test]
fn bad_input() {
    let compile = |query: &str| {
        run(mqlc()
            .args(["compile", "-s", SCHEMA, "-"])
            .write_stdin(query))
    };
    refused(
        &compile("{\"model\": \"library.Book\", \"calls\": ["),
        "E0101",
    );
    refused(
        &compile("{\"model\": \"library.Book\", \"cals\": []}"),
        "E0101",
    );
    let unknown = compile("Book.objects.filter(titel='Emma')");
    refused(&unknown, "E0301");
    assert!(
        unknown.err.contains("did you mean 'title'?"),
        "{}",
        unknown.err
    );
    assert!(unknown.err.contains("^^^^^"), "{}", unknown.err);
    assert!(unknown.err.contains("choices: "), "{}", unknown.err);
    refused(&compile("Book.objects.filter(title='Emma"), "E0201");
    refused(&compile(""), "E0201");
    refused(&compile("\u{0}\u{1}"), "E0201");
    refused(
        &run(mqlc().args([
            "compile",
            "-s",
            "fixtures/errors/E0102-unknown-target.schema.json",
            "X.objects.all()",
        ])),
        "E0102",
    );
}

/// A text may be cut anywhere: it is read, or refused once.
#[test]
fn texts_cut_in_the_middle() {
    let text = "Book.objects.filter(Q(author__name='x') | ~Q(pages__lt=[1, F('pages') * 2])).order_by('-id')[:10]";
    for end in (0..text.len()).step_by(7) {
        let ran = run(mqlc()
            .args(["compile", "-s", SCHEMA, "-"])
            .write_stdin(&text[..end]));
        assert!(ran.code == 0 || ran.code == 1, "{end}: {}", ran.err);
        if ran.code == 1 {
            assert_eq!(ran.err.matches("error[").count(), 1, "{}", ran.err);
        }
    }
}

/// Nesting ends at a limit, not at the end of the stack.
#[test]
fn ten_thousand_parentheses() {
    let compile = |query: String| {
        run(mqlc()
            .args(["compile", "-s", SCHEMA, "-"])
            .write_stdin(query))
    };
    let (open, close) = ("(".repeat(10_000), ")".repeat(10_000));
    refused(
        &compile(format!("Book.objects.filter({open}Q(pages=1){close})")),
        "E0601",
    );
    refused(
        &compile(format!(
            "Book.objects.filter(pages={}1{})",
            "[".repeat(10_000),
            "]".repeat(10_000)
        )),
        "E0601",
    );
    refused(
        &compile(format!(
            "Book.objects.filter({}Q(pages=1))",
            "~".repeat(10_000)
        )),
        "E0601",
    );
    refused(&compile(format!("Book.objects.filter({open}")), "E0601");
    let nots = "{\"not\":".repeat(10_000);
    let ends = "}".repeat(10_000);
    refused(
        &compile(format!(
            "{{\"model\": \"library.Book\", \"calls\": [{{\"filter\": {nots}{{\"and\": []}}{ends}}}]}}"
        )),
        "E0601",
    );
}

/// Nothing but a terminal gets colours.
#[test]
fn no_colour_in_pipes() {
    let ran = rows("Book.objects.filter(titel=1)");
    assert!(!ran.err.contains('\u{1b}'), "{}", ran.err);
    let ran = rows("Author.objects.all()");
    assert!(!ran.out.contains('\u{1b}'));
}

/// A reader that goes away is no failure.
#[cfg(unix)]
#[test]
fn a_closed_pipe_is_no_failure() {
    let script = format!(
        "{} run -s {SCHEMA} -d {DATA} 'Book.objects.all()' | head -n 1; echo $?",
        env!("CARGO_BIN_EXE_mqlc")
    );
    let ran = run(Command::new("sh")
        .args(["-c", &script])
        .current_dir(env!("CARGO_MANIFEST_DIR")));
    assert!(ran.err.is_empty(), "{}", ran.err);
}
