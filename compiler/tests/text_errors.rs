//! What is refused, and how the refusal looks to the one who wrote the text.

#![allow(clippy::unwrap_used, clippy::panic)] // helpers of tests

mod text;

/// The exception class in Django and the rendered error of each text.
fn rendered(sources: &[&str]) -> String {
    let one = |source: &&str| {
        let error = text::error(source);
        let class = error.code().django_class();
        format!("{class}\n{}", error.render(source))
    };
    sources.iter().map(one).collect::<Vec<_>>().join("\n")
}

/// What is not Python is refused where it goes wrong.
#[test]
fn what_is_not_python() {
    let sources = [
        r#"Book.objects.filter(title="x""#,
        r#"Book.objects.filter(title="x"))"#,
        r#"Book.objects.filter(title="x"]"#,
        r#"Book.objects.filter(title="x)"#,
        "Book.objects.filter(title=“x”)",
        r#"Book.objects.filter(title="x" pages=3)"#,
        r#"Book.objects.filter(title="x").order_by("#,
        r#"Book.objects.filter(title="x", title="y")"#,
        r#"Book.objects.filter(title="x", Q(pages=3))"#,
        "Book.objects.filter(title__in=[1, 2)",
        "Book.objects.filter(pages=007)",
        "Book.objects.filter(pages=12abc)",
        r#"Book.objects.filter(title="\x4")"#,
        r#"Book.objects.filter(title=b"é")"#,
        r#"Book.objects
    .filter(pages=3)"#,
        "Book.objects.filter(class=3)",
        r#"Book.objects.filter("title"="x")"#,
        "Book.objects.all() = 3",
        r#"Book.objects.all()
  Book.objects.all()"#,
        "Book.objects.filter(pages=3) Book",
        "Book.objects.filter(pages=$limit)",
    ];
    insta::assert_snapshot!(rendered(&sources), @r##"
SyntaxError
error[E0201]: '(' is never closed
  --> line 1, column 20
  |
1 | Book.objects.filter(title="x"
  |                    ^

SyntaxError
error[E0201]: ')' closes nothing
  --> line 1, column 31
  |
1 | Book.objects.filter(title="x"))
  |                               ^

SyntaxError
error[E0201]: ']' does not close '('
  --> line 1, column 20
  |
1 | Book.objects.filter(title="x"]
  |                    ^^^^^^^^^^^

SyntaxError
error[E0201]: the string is never closed
  --> line 1, column 27
  |
1 | Book.objects.filter(title="x)
  |                           ^^^

SyntaxError
error[E0201]: '“' is no quotation mark of Python
  --> line 1, column 27
  |
1 | Book.objects.filter(title=“x”)
  |                           ^
  = help: use " or '

SyntaxError
error[E0201]: expected ',' or ')' after the argument, but there is 'pages'
  --> line 1, column 31
  |
1 | Book.objects.filter(title="x" pages=3)
  |                               ^^^^^

SyntaxError
error[E0201]: '(' is never closed
  --> line 1, column 40
  |
1 | Book.objects.filter(title="x").order_by(
  |                                        ^

SyntaxError
error[E0201]: keyword argument repeated: title
  --> line 1, column 32
  |
1 | Book.objects.filter(title="x", title="y")
  |                                ^^^^^

SyntaxError
error[E0201]: positional argument follows keyword argument
  --> line 1, column 32
  |
1 | Book.objects.filter(title="x", Q(pages=3))
  |                                ^^^^^^^^^^
  = help: put conditions such as Q(...) before the keyword arguments

SyntaxError
error[E0201]: ')' does not close '['
  --> line 1, column 31
  |
1 | Book.objects.filter(title__in=[1, 2)
  |                               ^^^^^^

SyntaxError
error[E0201]: numbers have no leading zeros
  --> line 1, column 27
  |
1 | Book.objects.filter(pages=007)
  |                           ^^^

SyntaxError
error[E0201]: this is not a number
  --> line 1, column 27
  |
1 | Book.objects.filter(pages=12abc)
  |                           ^^^^^

SyntaxError
error[E0201]: the escape sequence is cut short
  --> line 1, column 28
  |
1 | Book.objects.filter(title="\x4")
  |                            ^^

SyntaxError
error[E0201]: bytes hold ASCII characters only
  --> line 1, column 29
  |
1 | Book.objects.filter(title=b"é")
  |                             ^

SyntaxError
error[E0201]: unexpected indentation
  --> line 2, column 1
  |
2 |     .filter(pages=3)
  |     ^
  = help: put the whole expression in parentheses to continue it on the next line

SyntaxError
error[E0201]: 'class' cannot be the name of an argument
  --> line 1, column 21
  |
1 | Book.objects.filter(class=3)
  |                     ^^^^^

SyntaxError
error[E0201]: only a name can stand before '=' in a call
  --> line 1, column 21
  |
1 | Book.objects.filter("title"="x")
  |                     ^^^^^^^
  = help: write == to compare, or name=value for a keyword argument

SyntaxError
error[E0201]: cannot assign to a call
  --> line 1, column 1
  |
1 | Book.objects.all() = 3
  | ^^^^^^^^^^^^^^^^^^
  = help: write == to compare

SyntaxError
error[E0201]: unexpected indentation
  --> line 2, column 1
  |
2 |   Book.objects.all()
  |   ^
  = help: put the whole expression in parentheses to continue it on the next line

SyntaxError
error[E0201]: expected an operator or the end of the line, but there is 'Book'
  --> line 1, column 30
  |
1 | Book.objects.filter(pages=3) Book
  |                              ^^^^

SyntaxError
error[E0201]: '$' has no meaning in Python
  --> line 1, column 27
  |
1 | Book.objects.filter(pages=$limit)
  |                           ^
"##);
}

/// Code is refused, never run and never passed over.
#[test]
fn code_is_not_run() {
    let sources = [
        r#"for book in Book.objects.all():
    print(book)"#,
        r#"Book.objects.filter(pages__in=[n for n in F("pages")])"#,
        r#"Book.objects.filter(title=f"{1:{2}}")"#,
        "sorted([2, 1], key=lambda b: -b)",
        r#"def f():
    return 1"#,
        "class Book: pass",
        r#"with open("x"): pass"#,
        r#"import os
os.system("ls")"#,
        r#"__import__("os")"#,
        "Book.objects.filter(pages=(n := 3))",
        r#"eval("1")"#,
        r#"from shop.tools import cheap
cheap(Book.objects.all())"#,
        "Book.objects.shelved()",
        r#"book.title = "x""#,
    ];
    insta::assert_snapshot!(rendered(&sources), @r##"
NameError
error[E0202]: 'for' statements are code, which is not run here
  --> line 1, column 1
  |
1 | for book in Book.objects.all():
  | ^^^
  = help: write the query as an expression

TypeError
error[E0403]: an expression has no elements
  --> line 1, column 43
  |
1 | Book.objects.filter(pages__in=[n for n in F("pages")])
  |                                           ^^^^^^^^^^

NameError
error[E0202]: this formatted string is more than is read here
  --> line 1, column 27
  |
1 | Book.objects.filter(title=f"{1:{2}}")
  |                           ^^^^^^^^^^
  = help: write the string itself, or give its value as a parameter

NameError
error[E0202]: sorted() orders by the values themselves here
  --> line 1, column 1
  |
1 | sorted([2, 1], key=lambda b: -b)
  | ^^^^^^

NameError
error[E0202]: functions are code, which is not run here
  --> line 1, column 1
  |
1 | def f():
  | ^^^

NameError
error[E0202]: classes are no part of a query
  --> line 1, column 1
  |
1 | class Book: pass
  | ^^^^^
  = help: models are read from a schema or a models.py

NameError
error[E0202]: 'with' statements are code, which is not run here
  --> line 1, column 1
  |
1 | with open("x"): pass
  | ^^^^
  = help: write the query as an expression

AttributeError
error[E0407]: module 'os' has no attribute 'system'
  --> line 2, column 4
  |
2 | os.system("ls")
  |    ^^^^^^

NameError
error[E0202]: name '__import__' is not defined
  --> line 1, column 1
  |
1 | __import__("os")
  | ^^^^^^^^^^
  = help: assign it in the text, or give it as a parameter

NameError
error[E0202]: assign on a line of its own
  --> line 1, column 30
  |
1 | Book.objects.filter(pages=(n := 3))
  |                              ^^

NameError
error[E0202]: name 'eval' is not defined
  --> line 1, column 1
  |
1 | eval("1")
  | ^^^^
  = help: assign it in the text, or give it as a parameter

NameError
error[E0202]: 'cheap' is not known here
  --> line 2, column 1
  |
2 | cheap(Book.objects.all())
  | ^^^^^
  = help: functions of the project are code, which is not run here

NameError
error[E0202]: in the method 'shelved' of models.py: name 'map' is not defined
  --> line 1, column 14
  |
1 | Book.objects.shelved()
  |              ^^^^^^^

NameError
error[E0202]: only names can be assigned to here
  --> line 1, column 1
  |
1 | book.title = "x"
  | ^^^^^^^^^^
"##);
}

/// Unknown names come with what was probably meant.
#[test]
fn names() {
    let sources = [
        "Boook.objects.all()",
        "Book.object.all()",
        "Book.objects.fliter(pages=3)",
        "Book.objects.filter(published=dat(2024, 1, 1))",
        "Book.objects.filter(F(pages)=3)",
        "Book.objects.filter(pages > 3)",
        r#"Book.objects.annotate(x=functions.Lowr("title"))"#,
        "book.tag.all()",
        "book.objects.all()",
        "Book.title",
        r#"Author.objects.create(nme="x")"#,
        "Tag.objects.long()",
    ];
    insta::assert_snapshot!(rendered(&sources), @r##"
NameError
error[E0202]: name 'Boook' is not defined
  --> line 1, column 1
  |
1 | Boook.objects.all()
  | ^^^^^
  = help: did you mean 'Book'?

AttributeError
error[E0407]: type object 'Book' has no attribute 'object'
  --> line 1, column 6
  |
1 | Book.object.all()
  |      ^^^^^^
  = help: did you mean 'objects'?

AttributeError
error[E0407]: 'Manager' object has no attribute 'fliter'
  --> line 1, column 14
  |
1 | Book.objects.fliter(pages=3)
  |              ^^^^^^
  = help: did you mean 'filter'?

NameError
error[E0202]: name 'dat' is not defined
  --> line 1, column 31
  |
1 | Book.objects.filter(published=dat(2024, 1, 1))
  |                               ^^^
  = help: did you mean 'date'?

SyntaxError
error[E0201]: only a name can stand before '=' in a call
  --> line 1, column 21
  |
1 | Book.objects.filter(F(pages)=3)
  |                     ^^^^^^^^
  = help: write == to compare, or name=value for a keyword argument

NameError
error[E0202]: name 'pages' is not defined
  --> line 1, column 21
  |
1 | Book.objects.filter(pages > 3)
  |                     ^^^^^
  = help: fields are named inside calls: pages=... or F("pages")

AttributeError
error[E0407]: module 'functions' has no attribute 'Lowr'
  --> line 1, column 35
  |
1 | Book.objects.annotate(x=functions.Lowr("title"))
  |                                   ^^^^
  = help: did you mean 'Lower'?

AttributeError
error[E0407]: 'Book' object has no attribute 'tag'
  --> line 1, column 6
  |
1 | book.tag.all()
  |      ^^^
  = help: did you mean 'tags'?

AttributeError
error[E0407]: 'Book' object has no attribute 'objects'
  --> line 1, column 6
  |
1 | book.objects.all()
  |      ^^^^^^^
  = help: write Book.objects: managers belong to the class

AttributeError
error[E0407]: type object 'Book' has no attribute 'title'
  --> line 1, column 6
  |
1 | Book.title
  |      ^^^^^
  = help: fields are named inside calls: F("title") or title=...

TypeError
error[E0403]: Author() got unexpected keyword arguments: 'nme'
  --> line 1, column 23
  |
1 | Author.objects.create(nme="x")
  |                       ^^^
  = help: did you mean 'name'?

AttributeError
error[E0407]: 'Manager' object has no attribute 'long'
  --> line 1, column 13
  |
1 | Tag.objects.long()
  |             ^^^^
  = help: methods of the project's own managers are read from models.py
"##);
}

/// Arguments are refused as Django refuses them, with its classes.
#[test]
fn arguments() {
    let sources = [
        r#"Book.objects.annotate(x=Lower("a", "b"))"#,
        r#"Book.objects.annotate(x=Left("a"))"#,
        r#"Book.objects.annotate(x=Left("a", 0))"#,
        r#"Book.objects.annotate(x=Coalesce("a"))"#,
        r#"Book.objects.annotate(x=Cast("a"))"#,
        r#"Book.objects.annotate(x=Max("a", distinct=True))"#,
        r#"Book.objects.annotate(x=Count("a", default=0))"#,
        r#"Book.objects.annotate(Count("*"))"#,
        r#"Book.objects.annotate(Lower("title"))"#,
        r#"Book.objects.annotate(x="title")"#,
        "Book.objects.aggregate(3)",
        r#"Book.objects.annotate(x=Func(F("a"), function="SOUNDEX"))"#,
        r#"Book.objects.annotate(x=RawSQL("1", []))"#,
        r#"Book.objects.annotate(x=Window(Upper("a")))"#,
        "Book.objects.annotate(x=Case(Q(pages=1)))",
        "Book.objects.annotate(x=When(then=1))",
        r#"Book.objects.annotate(x=F("a").desc(nulls_first=True, nulls_last=True))"#,
        r#"Book.objects.annotate(x=F("a")[-1])"#,
        r#"Book.objects.annotate(x=F("a") // 2)"#,
        r#"Book.objects.annotate(x=F("a") & F("b"))"#,
        r#"Book.objects.annotate(x=Trunc("a", "day", tzinfo="UTC"))"#,
        "Book.objects.annotate(x=Exists(Book))",
        r#"Book.objects.filter("title")"#,
        r#"Book.objects.filter(F("pages") > 3)"#,
        "Book.objects.filter(Q(pages=1) and Q(pages=2))",
        r#"Book.objects.filter(~Q(pages=1) | "x")"#,
        "Book.objects.filter(published=datetime.date(2024, 13, 1))",
        "Book.objects.filter(pages=10 ** 100)",
        r#"Book.objects.filter(price=Decimal("a"))"#,
        r#"Book.objects.filter(id=ObjectId("xyz"))"#,
    ];
    insta::assert_snapshot!(rendered(&sources), @r##"
TypeError
error[E0403]: 'Lower' takes exactly 1 argument
  --> line 1, column 36
  |
1 | Book.objects.annotate(x=Lower("a", "b"))
  |                                    ^^^

TypeError
error[E0403]: Left() missing 1 required argument: 'length'
  --> line 1, column 25
  |
1 | Book.objects.annotate(x=Left("a"))
  |                         ^^^^

ValueError
error[E0404]: 'length' must be greater than 0
  --> line 1, column 25
  |
1 | Book.objects.annotate(x=Left("a", 0))
  |                         ^^^^

ValueError
error[E0404]: Coalesce must take at least two expressions
  --> line 1, column 25
  |
1 | Book.objects.annotate(x=Coalesce("a"))
  |                         ^^^^^^^^

TypeError
error[E0403]: Cast() missing 1 required argument: 'output_field'
  --> line 1, column 25
  |
1 | Book.objects.annotate(x=Cast("a"))
  |                         ^^^^

TypeError
error[E0403]: Max does not allow distinct.
  --> line 1, column 25
  |
1 | Book.objects.annotate(x=Max("a", distinct=True))
  |                         ^^^

TypeError
error[E0403]: Count does not allow default.
  --> line 1, column 25
  |
1 | Book.objects.annotate(x=Count("a", default=0))
  |                         ^^^^^

TypeError
error[E0403]: Complex annotations require an alias
  --> line 1, column 23
  |
1 | Book.objects.annotate(Count("*"))
  |                       ^^^^^^^^^^
  = help: name it: annotate(name=...)

TypeError
error[E0403]: Complex annotations require an alias
  --> line 1, column 23
  |
1 | Book.objects.annotate(Lower("title"))
  |                       ^^^^^^^^^^^^^^
  = help: name it: annotate(name=...)

TypeError
error[E0403]: QuerySet.annotate() received non-expression(s): title.
  --> line 1, column 23
  |
1 | Book.objects.annotate(x="title")
  |                       ^
  = help: write F("title") for the field, Value("title") for the text

TypeError
error[E0403]: QuerySet.aggregate() received non-expression(s): 3.
  --> line 1, column 24
  |
1 | Book.objects.aggregate(3)
  |                        ^
  = help: wrap literals in Value(...)

NotSupportedError
error[E0502]: Func(function="SOUNDEX") is not supported
  --> line 1, column 25
  |
1 | Book.objects.annotate(x=Func(F("a"), function="SOUNDEX"))
  |                         ^^^^
  = because: no function of that SQL name is known
  = help: write RawMQL(...), or register a function

NotSupportedError
error[E0502]: RawSQL() is not supported
  --> line 1, column 25
  |
1 | Book.objects.annotate(x=RawSQL("1", []))
  |                         ^^^^^^
  = because: raw SQL has no meaning for MongoDB

ValueError
error[E0404]: Expression 'Upper' isn't compatible with OVER clauses.
  --> line 1, column 25
  |
1 | Book.objects.annotate(x=Window(Upper("a")))
  |                         ^^^^^^

TypeError
error[E0403]: Positional arguments must all be When objects.
  --> line 1, column 30
  |
1 | Book.objects.annotate(x=Case(Q(pages=1)))
  |                              ^^^^^^^^^^

TypeError
error[E0403]: When() supports a Q object, a boolean expression, or lookups as a condition.
  --> line 1, column 25
  |
1 | Book.objects.annotate(x=When(then=1))
  |                         ^^^^

ValueError
error[E0404]: nulls_first and nulls_last are mutually exclusive
  --> line 1, column 32
  |
1 | Book.objects.annotate(x=F("a").desc(nulls_first=True, nulls_last=True))
  |                                ^^^^

ValueError
error[E0404]: Negative indexing is not supported.
  --> line 1, column 31
  |
1 | Book.objects.annotate(x=F("a")[-1])
  |                               ^^^^

TypeError
error[E0403]: unsupported operands for //: an expression and an integer
  --> line 1, column 35
  |
1 | Book.objects.annotate(x=F("a") // 2)
  |                                   ^

NotImplementedError
error[E0503]: Use .bitand(), .bitor(), and .bitxor() for bitwise logical operations.
  --> line 1, column 34
  |
1 | Book.objects.annotate(x=F("a") & F("b"))
  |                                  ^^^^^^

AttributeError
error[E0407]: tzinfo must be a time zone, not a string
  --> line 1, column 25
  |
1 | Book.objects.annotate(x=Trunc("a", "day", tzinfo="UTC"))
  |                         ^^^^^
  = help: write zoneinfo.ZoneInfo("Europe/Paris")

AttributeError
error[E0407]: Exists takes a queryset, not a model class
  --> line 1, column 25
  |
1 | Book.objects.annotate(x=Exists(Book))
  |                         ^^^^^^

ValueError
error[E0404]: the string "title" is no condition
  --> line 1, column 21
  |
1 | Book.objects.filter("title")
  |                     ^^^^^^^
  = help: conditions are keyword arguments: filter(name="x")

NameError
error[E0202]: comparison operators decide in Python, not in the query
  --> line 1, column 21
  |
1 | Book.objects.filter(F("pages") > 3)
  |                     ^^^^^^^^^^^^^^
  = help: conditions are keyword arguments with lookups: filter(pages__gt=100)

NameError
error[E0202]: 'and' decides in Python, not in the query
  --> line 1, column 21
  |
1 | Book.objects.filter(Q(pages=1) and Q(pages=2))
  |                     ^^^^^^^^^^^^^^^^^^^^^^^^^
  = help: write & between Q objects or querysets

TypeError
error[E0403]: a Q object combines with conditions only, not with a string
  --> line 1, column 35
  |
1 | Book.objects.filter(~Q(pages=1) | "x")
  |                                   ^^^

ValueError
error[E0404]: month must be in 1..12
  --> line 1, column 40
  |
1 | Book.objects.filter(published=datetime.date(2024, 13, 1))
  |                                        ^^^^

RecursionError
error[E0601]: the number is too large
  --> line 1, column 27
  |
1 | Book.objects.filter(pages=10 ** 100)
  |                           ^^^^^^^^^

ValueError
error[E0404]: 'a' is no decimal number of at most 34 digits
  --> line 1, column 27
  |
1 | Book.objects.filter(price=Decimal("a"))
  |                           ^^^^^^^

ValueError
error[E0404]: 'xyz' is not a valid ObjectId: it has 24 hexadecimal digits
  --> line 1, column 24
  |
1 | Book.objects.filter(id=ObjectId("xyz"))
  |                        ^^^^^^^^
"##);
}

/// Methods of querysets are refused as Django refuses them before any SQL.
#[test]
fn querysets() {
    let sources = [
        "Book.objects[0]",
        "Book.objects.all()[-1]",
        r#"Book.objects.all()["a"]"#,
        "Book.objects.all()[::2]",
        r#"Book.objects.values_list("a", flat=True, named=True)"#,
        r#"Book.objects.values_list("a", "b", flat=True)"#,
        r#"Book.objects.dates("published", "hour")"#,
        "Book.objects.only(None)",
        "Book.objects.delete()",
        "Author.objects.latest()",
        r#"Author.objects.in_bulk(["x"], field_name="name")"#,
        "Author.objects.all()[:3].in_bulk()",
        r#"Book.objects.prefetch_related(Prefetch("tags", queryset=Tag.objects.values("name")))"#,
        r#"Book.objects.values("kind").annotate(n=Count("pk")).order_by().first()"#,
        r#"Book.objects.extra(where=["1=1"])"#,
        "Book.objects.union(Tag.objects.count())",
        "Author.objects.contains(3)",
    ];
    insta::assert_snapshot!(rendered(&sources), @r##"
TypeError
error[E0403]: 'Manager' object is not subscriptable
  --> line 1, column 13
  |
1 | Book.objects[0]
  |             ^^^
  = help: call all() first

ValueError
error[E0404]: Negative indexing is not supported.
  --> line 1, column 19
  |
1 | Book.objects.all()[-1]
  |                   ^^^^

TypeError
error[E0403]: QuerySet indices must be integers or slices, not a string.
  --> line 1, column 19
  |
1 | Book.objects.all()["a"]
  |                   ^^^^^

NotSupportedError
error[E0502]: a slice with a step reads the rows and is no queryset
  --> line 1, column 19
  |
1 | Book.objects.all()[::2]
  |                   ^^^^^

TypeError
error[E0403]: 'flat' and 'named' can't be used together.
  --> line 1, column 14
  |
1 | Book.objects.values_list("a", flat=True, named=True)
  |              ^^^^^^^^^^^

TypeError
error[E0403]: 'flat' is not valid when values_list is called with more than one field.
  --> line 1, column 14
  |
1 | Book.objects.values_list("a", "b", flat=True)
  |              ^^^^^^^^^^^

ValueError
error[E0404]: 'kind' must be one of 'year', 'month', 'week', or 'day'.
  --> line 1, column 14
  |
1 | Book.objects.dates("published", "hour")
  |              ^^^^^

TypeError
error[E0403]: Cannot pass None as an argument to only().
  --> line 1, column 14
  |
1 | Book.objects.only(None)
  |              ^^^^

AttributeError
error[E0407]: 'Manager' object has no attribute 'delete'
  --> line 1, column 14
  |
1 | Book.objects.delete()
  |              ^^^^^^
  = help: managers do not have it: call all() first

ValueError
error[E0404]: earliest() and latest() require either fields as positional arguments or 'get_latest_by' in the model's Meta.
  --> line 1, column 16
  |
1 | Author.objects.latest()
  |                ^^^^^^

ValueError
error[E0404]: in_bulk()'s field_name must be a unique field but 'name' isn't.
  --> line 1, column 16
  |
1 | Author.objects.in_bulk(["x"], field_name="name")
  |                ^^^^^^^

TypeError
error[E0403]: Cannot use 'limit' or 'offset' with in_bulk().
  --> line 1, column 26
  |
1 | Author.objects.all()[:3].in_bulk()
  |                          ^^^^^^^

ValueError
error[E0404]: Prefetch querysets cannot use raw(), values(), and values_list().
  --> line 1, column 31
  |
1 | Book.objects.prefetch_related(Prefetch("tags", queryset=Tag.objects.values("name")))
  |                               ^^^^^^^^

TypeError
error[E0403]: Cannot use QuerySet.first() on an unordered queryset performing aggregation. Add an ordering with order_by().
  --> line 1, column 64
  |
1 | Book.objects.values("kind").annotate(n=Count("pk")).order_by().first()
  |                                                                ^^^^^

NotSupportedError
error[E0502]: extra() is not supported
  --> line 1, column 14
  |
1 | Book.objects.extra(where=["1=1"])
  |              ^^^^^
  = because: raw SQL has no meaning for MongoDB
  = help: use annotate() and filter()

AttributeError
error[E0407]: union() takes querysets, not the result of a query
  --> line 1, column 20
  |
1 | Book.objects.union(Tag.objects.count())
  |                    ^^^^^^^^^^^^^^^^^^^

TypeError
error[E0403]: 'obj' must be a model instance.
  --> line 1, column 16
  |
1 | Author.objects.contains(3)
  |                ^^^^^^^^
"##);
}

/// Rows are checked as Django checks them, and results stay unknown.
#[test]
fn writes_and_results() {
    let sources = [
        r#"Book.objects.create(title="x", author=3)"#,
        r#"Book.objects.create(title="x", tags=[tag])"#,
        "Loan.objects.create(book=book)",
        r#"book.tags.create(name="x")"#,
        r#"Book.objects.filter(author=Author(name="x"))"#,
        r#"Book.objects.filter(author=Author.objects.get(name="x"))"#,
        "Book.objects.first().author",
        "Book.objects.bulk_create([3])",
        "book.save()",
        "if Book.objects.exists(): pass",
    ];
    insta::assert_snapshot!(rendered(&sources), @r##"
ValueError
error[E0404]: Cannot assign an integer: "Book.author" must be a "Author" instance.
  --> line 1, column 32
  |
1 | Book.objects.create(title="x", author=3)
  |                                ^^^^^^
  = help: give the key as author_id=...

TypeError
error[E0403]: Direct assignment to the forward side of a many-to-many set is prohibited. Use tags.set() instead.
  --> line 1, column 32
  |
1 | Book.objects.create(title="x", tags=[tag])
  |                                ^^^^

NameError
error[E0202]: the default of 'id' is random
  --> line 1, column 14
  |
1 | Loan.objects.create(book=book)
  |              ^^^^^^
  = help: give the value: id=...

NotSupportedError
error[E0502]: creating a row through a many-to-many relation is not supported
  --> line 1, column 11
  |
1 | book.tags.create(name="x")
  |           ^^^^^^
  = because: it takes several statements
  = help: create the row, then add it to the relation

ValueError
error[E0404]: Unsaved model instance cannot be used in an ORM query.
  --> line 1, column 21
  |
1 | Book.objects.filter(author=Author(name="x"))
  |                     ^^^^^^

NameError
error[E0202]: the result of a query is only known when it has run
  --> line 1, column 21
  |
1 | Book.objects.filter(author=Author.objects.get(name="x"))
  |                     ^^^^^^
  = help: use a subquery, or give the value as a parameter

NameError
error[E0202]: 'author' is asked of a result, which is only known when the query has run
  --> line 1, column 22
  |
1 | Book.objects.first().author
  |                      ^^^^^^
  = help: give the value as a parameter

TypeError
error[E0403]: bulk_create() takes model instances, not an integer
  --> line 1, column 14
  |
1 | Book.objects.bulk_create([3])
  |              ^^^^^^^^^^^

NotSupportedError
error[E0502]: save() of a stored instance is not supported
  --> line 1, column 6
  |
1 | book.save()
  |      ^^^^
  = because: what was changed in Python is not part of a text
  = help: write filter(pk=...).update(...)

NameError
error[E0202]: 'if' statements are code, which is not run here
  --> line 1, column 1
  |
1 | if Book.objects.exists(): pass
  | ^^
  = help: write the query as an expression
"##);
}

/// A models.py is refused where it goes wrong.
#[test]
fn models_that_are_refused() {
    let sources = [
        r#"class Book(models.Model):
    title = models.CharField(max_length=100
"#,
        r#"class Book(models.Model):
    author = models.ForeignKey("Author")
"#,
        r#"class Author(models.Model):
    pass
class Book(models.Model):
    author = models.ForeignKey("Autor", models.CASCADE)
"#,
        r#"class Book(models.Model):
    author = models.ForeignKey("self", models.CASCAD)
"#,
        r#"class Book(models.Model):
    title = models.CharField(max_lenght=100)
"#,
        r#"class Book(models.Model):
    title = fancy.ColorField()
"#,
        r#"class Book(models.Model):
    a__b = models.TextField()
"#,
        r#"class Book(models.Model):
    id = models.IntegerField()
"#,
        r#"class Book(models.Model):
    title = models.TextField()
    class Meta:
        unique_together = ["titel", "title"]
"#,
        r#"class Book(models.Model):
    title = models.TextField()
    class Meta:
        orderng = ["title"]
"#,
        r#"class Book(models.Model):
    title = models.TextField()
class Book(models.Model):
    pass
"#,
        r#"class Book(models.Model):
  title = models.TextField()
    pages = models.IntegerField()
"#,
        r#"class Book(models.Model):
    tags = models.ManyToManyField("self", through="Link")
class Link(models.Model):
    name = models.TextField()
"#,
        r#"class Book(models.Model):
    size = models.CharField(max_length="x")
"#,
        r#"class Book(models.Model):
    tags = ArrayField()
"#,
    ];
    let one = |source: &&str| match mqlc_compiler::text::parse_models("shop", source) {
        Ok(models) => panic!("{:?}", models.spec),
        Err(error) => error.render(source),
    };
    let all: Vec<String> = sources.iter().map(one).collect();
    insta::assert_snapshot!(all.join("\n"), @r##"
error[E0201]: '(' is never closed
  --> line 2, column 29
  |
2 |     title = models.CharField(max_length=100
  |                             ^

error[E0403]: ForeignKey() missing 1 required positional argument: 'on_delete'
  --> line 2, column 14
  |
2 |     author = models.ForeignKey("Author")
  |              ^^^^^^^^^^^^^^^^^^^^^^^^^^^

error[E0302]: no model is named 'Autor'
  --> line 4, column 32
  |
4 |     author = models.ForeignKey("Autor", models.CASCADE)
  |                                ^^^^^^^
  = help: did you mean 'Author'?

error[E0403]: on_delete must be one of Django's rules
  --> line 2, column 40
  |
2 |     author = models.ForeignKey("self", models.CASCAD)
  |                                        ^^^^^^^^^^^^^
  = choices: CASCADE, PROTECT, RESTRICT, SET_NULL, SET_DEFAULT, SET, DO_NOTHING

error[E0403]: CharField() has no option 'max_lenght' that is known here
  --> line 2, column 41
  |
2 |     title = models.CharField(max_lenght=100)
  |                                         ^^^
  = help: did you mean 'max_length'?

error[E0202]: the field class 'ColorField' is not known
  --> line 2, column 13
  |
2 |     title = fancy.ColorField()
  |             ^^^^^^^^^^^^^^^^^^
  = help: did you mean 'CharField'? Own field classes are declared in this file, on the base of a known one

error[E0102]: a field cannot be named 'a__b': '__' separates names in lookups
  --> line 2, column 12
  |
2 |     a__b = models.TextField()
  |            ^^^^^^^^^^^^^^^^^^

error[E0102]: 'id' can only be used as a field name of 'Book' if it is the primary key
  --> line 1, column 7
  |
1 | class Book(models.Model):
  |       ^^^^

error[E0102]: Meta of 'Book' names the field 'titel', which does not exist
  --> line 1, column 7
  |
1 | class Book(models.Model):
  |       ^^^^
  = help: did you mean 'title'?

error[E0403]: 'class Meta' got invalid attribute(s): orderng
  --> line 4, column 19
  |
4 |         orderng = ["title"]
  |                   ^^^^^^^^^

error[E0102]: the model 'Book' is declared twice
  --> line 3, column 7
  |
3 | class Book(models.Model):
  |       ^^^^

error[E0201]: unexpected indentation
  --> line 3, column 1
  |
3 |     pages = models.IntegerField()
  |     ^
  = help: put the whole expression in parentheses to continue it on the next line

error[E0102]: the intermediate model 'Link' has no foreign keys to 'shop.Book' and 'shop.Book'
  --> line 2, column 12
  |
2 |     tags = models.ManyToManyField("self", through="Link")
  |            ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^

error[E0202]: 'max_length' must be an integer
  --> line 2, column 40
  |
2 |     size = models.CharField(max_length="x")
  |                                        ^^^

error[E0403]: an array field takes the field of its elements
  --> line 2, column 12
  |
2 |     tags = ArrayField()
  |            ^^^^^^^^^^^^
"##);
}
