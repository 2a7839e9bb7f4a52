//! Random statements about the models of `models.py`: names and types fit, so that almost all of them mean something.

use indexmap::IndexMap;
use mqlc::compiler::queryset::{Expr, Func, Q, Statement, Value};
use mqlc::compiler::schema::{FieldKind, FieldType};

use super::dice::Choices;
use super::literal::literal;

mod conditions;
mod expressions;
mod rows;
mod totals;

/// Types of values, as far as the generator tells them apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ty {
    Int,
    Text,
    Key,
    Float,
    Dec,
    Bool,
    Date,
    DateTime,
    Time,
    Duration,
    Uuid,
    Texts,
    Ints,
    Json,
}

/// Types that expressions are made of.
const SCALARS: [Ty; 11] = [
    Ty::Int,
    Ty::Text,
    Ty::Key,
    Ty::Float,
    Ty::Dec,
    Ty::Bool,
    Ty::Date,
    Ty::DateTime,
    Ty::Time,
    Ty::Duration,
    Ty::Uuid,
];

pub struct Model {
    pub label: &'static str,
    pub fields: &'static [(&'static str, Ty)],
    /// Name, model, and whether there can be many.
    pub relations: &'static [(&'static str, usize, bool)],
}

const AUTHOR: usize = 1;
const BOOK: usize = 0;
const TAG: usize = 2;
const REVIEW: usize = 3;
const PROFILE: usize = 4;
const EBOOK: usize = 5;

pub const MODELS: [Model; 6] = [
    Model {
        label: "p.Book",
        fields: &[
            ("pages", Ty::Int),
            ("title", Ty::Text),
            ("id", Ty::Key),
            ("isbn", Ty::Text),
            ("rating", Ty::Float),
            ("price", Ty::Dec),
            ("in_print", Ty::Bool),
            ("published", Ty::Date),
            ("added", Ty::DateTime),
            ("wakes", Ty::Time),
            ("length", Ty::Duration),
            ("code", Ty::Uuid),
            ("keywords", Ty::Texts),
            ("marks", Ty::Ints),
            ("meta", Ty::Json),
            ("spot__level", Ty::Int),
            ("spot__name", Ty::Text),
            ("author_id", Ty::Key),
            ("editor_id", Ty::Key),
        ],
        relations: &[
            ("author", AUTHOR, false),
            ("editor", AUTHOR, false),
            ("tags", TAG, true),
            ("reviews", REVIEW, true),
            ("ebook", EBOOK, false),
        ],
    },
    Model {
        label: "p.Author",
        fields: &[
            ("age", Ty::Int),
            ("name", Ty::Text),
            ("id", Ty::Key),
            ("nick", Ty::Text),
            ("score", Ty::Float),
            ("money", Ty::Dec),
            ("alive", Ty::Bool),
            ("born", Ty::Date),
            ("seen", Ty::DateTime),
            ("mentor_id", Ty::Key),
        ],
        relations: &[
            ("mentor", AUTHOR, false),
            ("pupils", AUTHOR, true),
            ("books", BOOK, true),
            ("edited", BOOK, true),
            ("profile", PROFILE, false),
        ],
    },
    Model {
        label: "p.Tag",
        fields: &[("weight", Ty::Int), ("name", Ty::Text), ("id", Ty::Key)],
        relations: &[("books", BOOK, true)],
    },
    Model {
        label: "p.Review",
        fields: &[
            ("stars", Ty::Int),
            ("text", Ty::Text),
            ("id", Ty::Key),
            ("created", Ty::DateTime),
            ("book_id", Ty::Key),
        ],
        relations: &[("book", BOOK, false)],
    },
    Model {
        label: "p.Profile",
        fields: &[("site", Ty::Text), ("id", Ty::Key), ("author_id", Ty::Key)],
        relations: &[("author", AUTHOR, false)],
    },
    Model {
        label: "p.Ebook",
        fields: &[
            ("pages", Ty::Int),
            ("title", Ty::Text),
            ("id", Ty::Key),
            ("size", Ty::Key),
            ("rating", Ty::Float),
            ("meta", Ty::Json),
            ("marks", Ty::Ints),
        ],
        relations: &[
            ("author", AUTHOR, false),
            ("tags", TAG, true),
            ("reviews", REVIEW, true),
        ],
    },
];

/// What a query can name.
#[derive(Clone, Default)]
pub struct Scope {
    model: usize,
    /// Annotations of single rows.
    named: Vec<(String, Ty)>,
    /// Aggregates and windows.
    totals: Vec<(String, Ty)>,
    /// Models of the queries around, the next one first.
    outer: Vec<usize>,
    /// Expressions may hold subqueries only so deep.
    depth: usize,
}

pub struct Gen<'c> {
    c: Choices<'c>,
    names: usize,
}

/// The statement that a list of choices makes.
pub fn statement(choices: &[u8]) -> Statement {
    statement_with(choices, false)
}

/// The same statement with other literals: with such as look like operators, paths and patterns.
pub fn statement_with(choices: &[u8], hostile: bool) -> Statement {
    let mut c = Choices::new(choices);
    c.hostile = hostile;
    Gen { c, names: 0 }.statement()
}

/// A condition on one field of a relation to many, the model's label, and whether the value can be compared.
pub fn multi_valued(choices: &[u8]) -> (&'static str, Q) {
    let mut g = Gen {
        c: Choices::new(choices),
        names: 100,
    };
    let model = g.c.one_of(&[AUTHOR, BOOK, TAG]);
    let many: Vec<_> = MODELS[model]
        .relations
        .iter()
        .filter(|(_, _, many)| *many)
        .collect();
    let (relation, to, _) = *g.c.one_of(&many);
    let (field, ty) = g.c.one_of(MODELS[to].fields);
    let lookup = g.c.one_of(&["", "__gt", "__lte", "__in"]);
    let plain = matches!(ty, Ty::Bool | Ty::Uuid | Ty::Texts | Ty::Ints | Ty::Json);
    let lookup = if plain { "" } else { lookup };
    let value = literal(&mut g.c, ty);
    let value = if lookup == "__in" {
        Value::List(vec![value, literal(&mut g.c, ty)])
    } else {
        value
    };
    let path = format!("{relation}__{field}{lookup}");
    (MODELS[model].label, Q::lookup(path, Expr::Value(value)))
}

/// A condition on a model, of single-valued relations only, and the model's label.
pub fn single_valued(choices: &[u8]) -> (&'static str, Q) {
    let mut g = Gen {
        c: Choices::new(choices),
        names: 100,
    };
    let model = g.c.one_of(&[BOOK, AUTHOR, REVIEW, PROFILE]);
    let scope = Scope {
        model,
        depth: 2,
        ..Scope::default()
    };
    let q = g.q(&scope, 2, &Reach::One);
    (MODELS[model].label, q)
}

/// Which relations a path may follow.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    Any,
    One,
    None,
}

fn typed(kind: FieldKind) -> Box<FieldType> {
    Box::new(FieldType::new(kind))
}

pub fn field_kind(ty: Ty) -> FieldKind {
    match ty {
        Ty::Int => FieldKind::IntegerField,
        Ty::Text => FieldKind::CharField,
        Ty::Key => FieldKind::BigIntegerField,
        Ty::Float => FieldKind::FloatField,
        Ty::Dec => FieldKind::DecimalField,
        Ty::Bool => FieldKind::BooleanField,
        Ty::Date => FieldKind::DateField,
        Ty::DateTime => FieldKind::DateTimeField,
        Ty::Time => FieldKind::TimeField,
        Ty::Duration => FieldKind::DurationField,
        Ty::Uuid => FieldKind::UUIDField,
        Ty::Texts | Ty::Ints => FieldKind::ArrayField,
        Ty::Json => FieldKind::JSONField,
    }
}

fn func(name: &str, args: Vec<Expr>) -> Expr {
    Expr::Func(Func {
        name: name.to_owned(),
        args,
        options: IndexMap::new(),
        output: None,
    })
}

fn f(path: impl Into<String>) -> Expr {
    Expr::F(path.into())
}

fn int(n: i64) -> Expr {
    Expr::Value(Value::from(n))
}

impl Gen<'_> {
    fn name(&mut self) -> String {
        self.names += 1;
        format!("x{}", self.names)
    }

    fn path(&mut self, scope: &Scope, ty: Ty, reach: &Reach) -> Option<String> {
        let named: Vec<&String> = scope
            .named
            .iter()
            .filter(|(_, t)| *t == ty)
            .map(|(n, _)| n)
            .collect();
        if !named.is_empty() && self.c.pick(3) == 0 {
            return Some(self.c.one_of(&named).clone());
        }
        let mut model = scope.model;
        let mut path = String::new();
        let hops = match (reach, self.c.pick(6)) {
            (Reach::None, _) => 0,
            (_, 3 | 4) => 1,
            (_, 5) => 2,
            _ => 0,
        };
        for _ in 0..hops {
            let ways: Vec<_> = MODELS[model]
                .relations
                .iter()
                .filter(|(_, _, many)| *reach == Reach::Any || !many)
                .collect();
            if ways.is_empty() {
                break;
            }
            let (name, to, _) = *self.c.one_of(&ways);
            path += name;
            path += "__";
            model = to;
        }
        let of = |model: usize| -> Vec<&str> {
            let fields = MODELS[model].fields.iter();
            fields.filter(|(_, t)| *t == ty).map(|(n, _)| *n).collect()
        };
        let (path, fields) = match of(model) {
            fields if fields.is_empty() => (String::new(), of(scope.model)),
            fields => (path, fields),
        };
        (!fields.is_empty()).then(|| format!("{path}{}", self.c.one_of(&fields)))
    }
}
