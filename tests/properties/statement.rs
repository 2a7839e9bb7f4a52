//! Random statements about the models of `models.py`: names and types fit, so that almost all of them mean something.

use indexmap::IndexMap;
use mqlc::compiler::queryset::{
    Aggregate, ArithmeticOp, Call, Case, CombineOp, Direction, Do, Expr, Frame, FrameUnit, Func,
    NullsOrder, Order, OrderTerm, OuterRef, Prefetch, Q, Queryset, Statement, SubqueryExpr, Value,
    ValuesFields, When, Window,
};
use mqlc::compiler::schema::{FieldKind, FieldType};

use super::dice::Choices;
use super::literal::literal;

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

    fn statement(&mut self) -> Statement {
        let model = self
            .c
            .one_of(&[BOOK, AUTHOR, BOOK, TAG, REVIEW, PROFILE, EBOOK, BOOK]);
        let mut scope = Scope {
            model,
            ..Scope::default()
        };
        let mut calls = Vec::new();
        for _ in 0..self.c.pick(4) {
            self.row_call(&mut scope, &mut calls);
        }
        match self.c.pick(10) {
            0..=3 => self.models(&mut scope, &mut calls),
            4 | 5 => self.groups(&mut scope, &mut calls),
            6 => self.selected(&mut scope, &mut calls),
            7 => self.combined(&mut scope, &mut calls),
            8 => self.windows(&mut scope, &mut calls),
            _ => self.dates(&scope, &mut calls),
        }
        let action = match self.c.pick(10) {
            0..=5 => Do::Rows,
            6 => Do::Count { limit: None },
            7 => Do::Exists,
            _ => self.totals(&scope),
        };
        Statement {
            model: MODELS[model].label.to_owned(),
            calls,
            action,
        }
    }

    /// A call that keeps rows of the model.
    fn row_call(&mut self, scope: &mut Scope, calls: &mut Vec<Call>) {
        let q = |g: &mut Self, scope: &Scope| g.q(scope, 2, &Reach::Any);
        match self.c.pick(9) {
            0..=2 => {
                let q = q(self, scope);
                calls.push(Call::Filter(q));
            }
            3 | 4 => {
                let q = q(self, scope);
                calls.push(Call::Exclude(q));
            }
            5 | 6 => {
                let ty = self.c.one_of(&SCALARS);
                let expr = self.expr(scope, ty, 2, &Reach::Any);
                let name = self.name();
                let alias = self.c.rarely(4);
                let map = IndexMap::from([(name.clone(), expr)]);
                calls.push(if alias {
                    Call::Alias(map)
                } else {
                    Call::Annotate(map)
                });
                scope.named.push((name, ty));
            }
            7 => {
                let mut map = IndexMap::new();
                for _ in 0..=self.c.pick(2) {
                    let (expr, ty) = self.aggregate(scope);
                    let name = self.name();
                    map.insert(name.clone(), expr);
                    scope.totals.push((name, ty));
                }
                calls.push(Call::Annotate(map));
            }
            _ => {
                let many: Vec<_> = MODELS[scope.model].relations.to_vec();
                let (relation, to, _) = self.c.one_of(&many);
                let inner = Scope {
                    model: to,
                    depth: 3,
                    ..Scope::default()
                };
                let condition = self.prefixed(&inner, relation);
                let name = self.name();
                let filtered = Expr::FilteredRelation {
                    relation: relation.to_owned(),
                    condition: Box::new(condition),
                };
                calls.push(Call::Annotate(IndexMap::from([(name.clone(), filtered)])));
                let (field, ty) = self.c.one_of(MODELS[to].fields);
                calls.push(Call::Filter(self.lookup(
                    &format!("{name}__{field}"),
                    ty,
                    scope,
                )));
            }
        }
    }

    /// A simple condition on a relation's fields.
    fn prefixed(&mut self, inner: &Scope, relation: &str) -> Q {
        let (field, ty) = self.c.one_of(MODELS[inner.model].fields);
        self.lookup(&format!("{relation}__{field}"), ty, inner)
    }

    // What rows are made of.

    fn models(&mut self, scope: &mut Scope, calls: &mut Vec<Call>) {
        let one: Vec<&str> = MODELS[scope.model]
            .relations
            .iter()
            .filter(|(_, _, many)| !many)
            .map(|(name, ..)| *name)
            .collect();
        match self.c.pick(6) {
            1 if !one.is_empty() => {
                let name = self.c.one_of(&one);
                calls.push(Call::SelectRelated(Some(vec![name.to_owned()])));
            }
            2 => {
                let names: Vec<_> = MODELS[scope.model].relations.to_vec();
                let (name, _, _) = self.c.one_of(&names);
                calls.push(Call::PrefetchRelated(Some(vec![Prefetch {
                    lookup: name.to_owned(),
                    queryset: None,
                    to_attr: None,
                }])));
            }
            3 => {
                let (field, _) = self.c.one_of(MODELS[scope.model].fields);
                calls.push(if self.c.pick(2) == 0 {
                    Call::Only(vec![field.to_owned()])
                } else {
                    Call::Defer(Some(vec![field.to_owned()]))
                });
            }
            4 => calls.push(Call::Distinct(Vec::new())),
            5 => {
                let (field, ty) = self.c.one_of(MODELS[scope.model].fields);
                if SCALARS.contains(&ty) {
                    calls.push(Call::OrderBy(vec![
                        OrderTerm::Name(field.to_owned()),
                        OrderTerm::Name("-pk".to_owned()),
                    ]));
                    calls.push(Call::Distinct(vec![field.to_owned()]));
                    return;
                }
            }
            _ => {}
        }
        self.ordered(scope, calls, Some("pk"));
    }

    /// An order, and perhaps a slice of it.
    fn ordered(&mut self, scope: &Scope, calls: &mut Vec<Call>, last: Option<&str>) {
        if self.c.pick(3) == 0 {
            return;
        }
        let mut terms = Vec::new();
        for _ in 0..self.c.pick(3) {
            terms.push(self.order_term(scope));
        }
        terms.extend(last.map(|name| OrderTerm::Name(name.to_owned())));
        calls.push(Call::OrderBy(terms));
        if self.c.rarely(6) {
            calls.push(Call::Reverse);
        }
        if self.c.pick(3) > 0 {
            self.slice(calls);
            if self.c.rarely(6) {
                self.slice(calls);
            }
        }
    }

    fn slice(&mut self, calls: &mut Vec<Call>) {
        let start = self.c.one_of(&[None, None, Some(1), Some(2)]);
        let length = self.c.pick(4) as u64;
        let stop = (!self.c.rarely(5)).then(|| start.unwrap_or(0) + length);
        calls.push(Call::Slice { start, stop });
    }

    fn order_term(&mut self, scope: &Scope) -> OrderTerm {
        let minus = if self.c.pick(2) == 0 { "" } else { "-" };
        if !scope.totals.is_empty() && self.c.pick(3) == 0 {
            let (name, _) = self.c.one_of(&scope.totals);
            return OrderTerm::Name(format!("{minus}{name}"));
        }
        let ty = self.c.one_of(&SCALARS);
        if self.c.pick(2) == 0 {
            let reach = self.c.one_of(&[Reach::One, Reach::One, Reach::Any]);
            let path = self.path(scope, ty, &reach);
            return OrderTerm::Name(format!(
                "{minus}{}",
                path.unwrap_or_else(|| "pk".to_owned())
            ));
        }
        OrderTerm::Expr(Order {
            expr: self.expr(scope, ty, 1, &Reach::One),
            desc: minus == "-",
            nulls: self
                .c
                .one_of(&[None, Some(NullsOrder::First), Some(NullsOrder::Last)]),
        })
    }

    fn groups(&mut self, scope: &mut Scope, calls: &mut Vec<Call>) {
        let mut keys = IndexMap::new();
        let mut fields = Vec::new();
        for _ in 0..=self.c.pick(2) {
            let ty = self.c.one_of(&SCALARS);
            if self.c.pick(3) < 2 {
                let path = self.path(scope, ty, &Reach::Any).unwrap_or("pk".to_owned());
                if !fields.contains(&path) {
                    fields.push(path);
                }
            } else {
                let name = self.name();
                let expr = self.expr(scope, ty, 1, &Reach::One);
                keys.insert(name, expr);
            }
        }
        let mut order = fields.clone();
        let list = self.c.pick(2) == 1;
        if list {
            fields.extend(keys.keys().cloned());
        }
        let values = ValuesFields {
            fields,
            exprs: keys,
        };
        calls.push(if !list {
            Call::Values(values)
        } else {
            Call::ValuesList {
                fields: values,
                flat: false,
                named: self.c.rarely(4),
            }
        });
        let mut map = IndexMap::new();
        for _ in 0..=self.c.pick(2) {
            let (expr, ty) = self.aggregate(scope);
            let name = self.name();
            map.insert(name.clone(), expr);
            scope.totals.push((name, ty));
        }
        calls.push(Call::Annotate(map));
        if self.c.pick(3) == 1 {
            let q = self.q(scope, 1, &Reach::None);
            calls.push(Call::Filter(q));
        }
        if self.c.pick(3) > 0 {
            let (name, _) = self.c.one_of(&scope.totals);
            order.insert(0, format!("{}{name}", self.c.one_of(&["", "-"])));
            calls.push(Call::OrderBy(
                order.into_iter().map(OrderTerm::Name).collect(),
            ));
            if self.c.pick(2) > 0 {
                self.slice(calls);
            }
        }
    }

    fn selected(&mut self, scope: &mut Scope, calls: &mut Vec<Call>) {
        let mut fields = Vec::new();
        let mut exprs = IndexMap::new();
        for _ in 0..=self.c.pick(3) {
            let ty = self.c.one_of(&[
                Ty::Int,
                Ty::Text,
                Ty::Float,
                Ty::Dec,
                Ty::Json,
                Ty::Texts,
                Ty::DateTime,
                Ty::Bool,
            ]);
            if self.c.pick(2) == 0 {
                let path = self.path(scope, ty, &Reach::Any).unwrap_or("pk".to_owned());
                if !fields.contains(&path) {
                    fields.push(path);
                }
            } else {
                let name = self.name();
                fields.push(name.clone());
                exprs.insert(name, self.expr(scope, ty, 2, &Reach::Any));
            }
        }
        let flat = fields.len() == 1 && self.c.pick(2) == 1;
        let order = fields.clone();
        calls.push(Call::ValuesList {
            fields: ValuesFields { fields, exprs },
            flat,
            named: false,
        });
        if self.c.pick(3) == 1 {
            calls.push(Call::Distinct(Vec::new()));
        }
        if self.c.pick(3) > 0 {
            calls.push(Call::OrderBy(
                order.into_iter().map(OrderTerm::Name).collect(),
            ));
            if self.c.pick(2) > 0 {
                self.slice(calls);
            }
        }
    }

    fn combined(&mut self, scope: &mut Scope, calls: &mut Vec<Call>) {
        let names: Vec<&str> = MODELS[scope.model]
            .fields
            .iter()
            .filter(|(_, ty)| SCALARS.contains(ty))
            .map(|(name, _)| *name)
            .collect();
        let mut fields: Vec<String> = Vec::new();
        for _ in 0..=self.c.pick(2) {
            let name = self.c.one_of(&names).to_owned();
            if !fields.contains(&name) {
                fields.push(name);
            }
        }
        let values = ValuesFields {
            fields: fields.clone(),
            exprs: IndexMap::new(),
        };
        let list = Call::ValuesList {
            fields: values,
            flat: false,
            named: false,
        };
        let q = self.q(scope, 1, &Reach::Any);
        let mut other = Queryset {
            model: MODELS[scope.model].label.to_owned(),
            calls: vec![Call::Filter(q)],
        };
        if self.c.pick(3) == 2 {
            let op = self
                .c
                .one_of(&[CombineOp::Or, CombineOp::And, CombineOp::Xor]);
            calls.push(Call::Combine {
                op,
                other: Box::new(other),
            });
            return self.models(scope, calls);
        }
        let rows = self.c.pick(3) > 0;
        if rows {
            calls.push(list.clone());
            other.calls.push(list);
        }
        scope.named.clear();
        scope.totals.clear();
        let others = vec![other];
        calls.push(match self.c.pick(4) {
            0 => Call::Union { all: false, others },
            1 => Call::Union { all: true, others },
            2 => Call::Intersection(others),
            _ => Call::Difference(others),
        });
        if self.c.pick(2) == 1 {
            let order = if rows { fields } else { vec!["pk".to_owned()] };
            let minus = self.c.one_of(&["", "-"]);
            let terms = order.iter().map(|n| OrderTerm::Name(format!("{minus}{n}")));
            calls.push(Call::OrderBy(terms.collect()));
            if self.c.pick(2) == 1 {
                self.slice(calls);
            }
        }
    }

    fn windows(&mut self, scope: &mut Scope, calls: &mut Vec<Call>) {
        let order = |g: &mut Self| {
            let mut terms = Vec::new();
            if g.c.pick(3) > 0 {
                let ty = g.c.one_of(&SCALARS);
                terms.push(Order {
                    expr: g.expr(scope, ty, 1, &Reach::One),
                    desc: g.c.pick(2) == 1,
                    nulls: None,
                });
            }
            if g.c.pick(3) > 0 {
                terms.push(Order {
                    expr: f("pk"),
                    desc: false,
                    nulls: None,
                });
            }
            terms
        };
        let mut order_by = order(self);
        let ty = self.c.one_of(&[Ty::Int, Ty::Float, Ty::Dec]);
        let arg = self.expr(scope, ty, 1, &Reach::One);
        let mut frame = None;
        let total = |name: &str| {
            Expr::Aggregate(Aggregate {
                name: name.to_owned(),
                args: vec![arg.clone()],
                distinct: false,
                filter: None,
                default: None,
                order_by: Vec::new(),
                options: IndexMap::new(),
                output: None,
            })
        };
        let (expr, out) = match self.c.pick(12) {
            0 => (func("RowNumber", vec![]), Ty::Int),
            1 => (func("Rank", vec![]), Ty::Int),
            2 => (func("DenseRank", vec![]), Ty::Int),
            3 => (func("PercentRank", vec![]), Ty::Float),
            4 => (func("CumeDist", vec![]), Ty::Float),
            5 => (func("Ntile", vec![int(2)]), Ty::Int),
            6 => (func("Lag", vec![arg.clone(), int(1)]), ty),
            7 => (func("Lead", vec![arg.clone(), int(2)]), ty),
            8 => (func("FirstValue", vec![arg.clone()]), ty),
            9 => (func("LastValue", vec![arg.clone()]), ty),
            n => {
                if self.c.pick(3) == 2 {
                    let start = self.c.one_of(&[None, Some(-1), Some(0), Some(-2)]);
                    let end = self.c.one_of(&[Some(0), Some(1), None]);
                    frame = Some(Frame {
                        unit: FrameUnit::Rows,
                        start,
                        end,
                        exclude: None,
                    });
                }
                let name = self.c.one_of(&["Sum", "Count", "Min", "Max", "Avg"]);
                let out = if name == "Count" { Ty::Int } else { ty };
                let _ = n;
                (total(name), out)
            }
        };
        if frame.is_some() && order_by.is_empty() {
            order_by.push(Order {
                expr: f("pk"),
                desc: false,
                nulls: None,
            });
        }
        let mut partition_by = Vec::new();
        if self.c.pick(2) == 1 {
            let ty = self.c.one_of(&SCALARS);
            partition_by.push(self.expr(scope, ty, 0, &Reach::One));
        }
        let name = self.name();
        let window = Expr::Window(Box::new(Window {
            expr,
            partition_by,
            order_by,
            frame,
            output: None,
        }));
        calls.push(Call::Annotate(IndexMap::from([(name.clone(), window)])));
        scope.totals.push((name.clone(), out));
        if self.c.pick(3) == 1 {
            let q = self.lookup(&name, out, scope);
            calls.push(Call::Filter(q));
        }
        self.ordered(scope, calls, Some("pk"));
    }

    fn dates(&mut self, scope: &Scope, calls: &mut Vec<Call>) {
        let order = self.c.one_of(&[Direction::Asc, Direction::Desc]);
        if self.c.pick(2) == 0 {
            if let Some(field) = self
                .path(scope, Ty::Date, &Reach::None)
                .filter(|p| !p.starts_with('x'))
            {
                calls.push(Call::Dates {
                    field,
                    kind: self.c.one_of(&["year", "month", "week", "day"]).to_owned(),
                    order,
                });
            }
        } else if let Some(field) = self
            .path(scope, Ty::DateTime, &Reach::None)
            .filter(|p| !p.starts_with('x'))
        {
            calls.push(Call::Datetimes {
                field,
                kind: self.c.one_of(&["year", "day", "hour", "minute"]).to_owned(),
                order,
                tz: None,
            });
        }
    }

    fn totals(&mut self, scope: &Scope) -> Do {
        let mut map = IndexMap::new();
        for _ in 0..=self.c.pick(2) {
            let name = self.name();
            let (expr, _) = if !scope.totals.is_empty() && self.c.pick(2) == 1 {
                let (path, ty) = self.c.one_of(&scope.totals);
                self.aggregate_of(scope, f(path), ty)
            } else {
                self.aggregate(scope)
            };
            map.insert(name, expr);
        }
        Do::Aggregate(map)
    }

    fn aggregate(&mut self, scope: &Scope) -> (Expr, Ty) {
        let ty = self
            .c
            .one_of(&[Ty::Key, Ty::Int, Ty::Float, Ty::Dec, Ty::Text, Ty::Date]);
        let arg = if self.c.pick(4) == 3 {
            self.expr(scope, ty, 1, &Reach::Any)
        } else {
            f(self.path(scope, ty, &Reach::Any).unwrap_or("pk".to_owned()))
        };
        self.aggregate_of(scope, arg, ty)
    }

    fn aggregate_of(&mut self, scope: &Scope, arg: Expr, ty: Ty) -> (Expr, Ty) {
        let number = matches!(ty, Ty::Int | Ty::Float | Ty::Dec);
        let (name, out) = match self.c.pick(if number { 8 } else { 4 }) {
            0 | 1 => ("Count", Ty::Int),
            2 => ("Min", ty),
            3 => ("Max", ty),
            4 | 5 => ("Sum", ty),
            6 => ("Avg", if ty == Ty::Dec { Ty::Dec } else { Ty::Float }),
            // Of decimals it is a double, as documented.
            _ if ty != Ty::Dec => ("StdDev", Ty::Json),
            _ => ("Count", Ty::Int),
        };
        let name = if ty == Ty::Bool { "Count" } else { name };
        let distinct = matches!(name, "Count" | "Sum" | "Avg") && self.c.rarely(4);
        let filter = self.c.rarely(4).then(|| {
            let inner = Scope {
                totals: Vec::new(),
                depth: scope.depth + 1,
                ..scope.clone()
            };
            Box::new(self.q(&inner, 1, &Reach::Any))
        });
        let default =
            (name == "Sum" && ty == Ty::Int && self.c.rarely(3)).then(|| Box::new(int(0)));
        let args = if name == "Count" && filter.is_none() && !distinct && self.c.rarely(5) {
            vec![Expr::Star]
        } else {
            vec![arg]
        };
        let aggregate = Expr::Aggregate(Aggregate {
            name: name.to_owned(),
            args,
            distinct,
            filter,
            default,
            order_by: Vec::new(),
            options: IndexMap::new(),
            output: None,
        });
        (aggregate, out)
    }

    // Names.

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

    // Conditions.

    fn q(&mut self, scope: &Scope, depth: usize, reach: &Reach) -> Q {
        match self.c.pick(if depth == 0 { 8 } else { 15 }) {
            0..=3 => {
                let ty = self.c.one_of(&[
                    Ty::Int,
                    Ty::Text,
                    Ty::Key,
                    Ty::Int,
                    Ty::Float,
                    Ty::Dec,
                    Ty::Bool,
                    Ty::Date,
                    Ty::DateTime,
                    Ty::Time,
                    Ty::Duration,
                    Ty::Uuid,
                    Ty::Texts,
                    Ty::Ints,
                    Ty::Json,
                    Ty::Json,
                ]);
                match self.path(scope, ty, reach) {
                    Some(path) => self.lookup(&path, ty, scope),
                    None => self.lookup("pk", Ty::Key, scope),
                }
            }
            4 if !scope.totals.is_empty() => {
                let (name, ty) = self.c.one_of(&scope.totals);
                self.lookup(&name, ty, scope)
            }
            4 | 5 => {
                // Another column, or a computed value, on the right.
                let ty = self.c.one_of(&SCALARS);
                let Some(path) = self.path(scope, ty, reach) else {
                    return self.lookup("pk", Ty::Key, scope);
                };
                let rhs = self.expr(scope, ty, 1, reach);
                let lookup = self.c.one_of(&["", "__gt", "__lte", "__gte", "__lt"]);
                let lookup = if matches!(ty, Ty::Bool | Ty::Uuid) {
                    ""
                } else {
                    lookup
                };
                Q::lookup(format!("{path}{lookup}"), rhs)
            }
            6 => self.relation(scope, reach),
            7 => {
                // The left side is an expression.
                let ty = self.c.one_of(&[Ty::Int, Ty::Text, Ty::Float, Ty::DateTime]);
                let lhs = self.expr(scope, ty, 1, reach);
                let lookup = self.c.one_of(&["exact", "gt", "lte"]).to_owned();
                Q::Expr(Expr::Compare {
                    lookup,
                    lhs: Box::new(lhs),
                    rhs: Box::new(Expr::Value(literal(&mut self.c, ty))),
                })
            }
            8 | 9 => Q::And(vec![
                self.q(scope, depth - 1, reach),
                self.q(scope, depth - 1, reach),
            ]),
            // Django makes INNER joins of a conjunction inside XOR, which then loses rows.
            13 if *reach == Reach::One && self.names >= 100 => Q::Or(vec![
                self.q(scope, depth - 1, reach),
                self.q(scope, depth - 1, reach),
            ]),
            10 | 11 => Q::Or(vec![
                self.q(scope, depth - 1, reach),
                self.q(scope, depth - 1, reach),
            ]),
            12 => Q::Not(Box::new(self.q(scope, depth - 1, reach))),
            13 => Q::Xor(vec![
                self.q(scope, depth - 1, reach),
                self.q(scope, depth - 1, reach),
            ]),
            _ => {
                let expr = self.expr(scope, Ty::Bool, depth - 1, reach);
                Q::Expr(match expr {
                    e @ (Expr::Q(_) | Expr::Exists(_) | Expr::Case(_)) => e,
                    // Django takes only conditional expressions here.
                    other => Expr::Wrap {
                        expr: Box::new(other),
                        output: typed(FieldKind::BooleanField),
                    },
                })
            }
        }
    }

    fn relation(&mut self, scope: &Scope, reach: &Reach) -> Q {
        let ways: Vec<_> = MODELS[scope.model]
            .relations
            .iter()
            .filter(|(_, _, many)| *reach == Reach::Any || *reach == Reach::One && !many)
            .collect();
        if ways.is_empty() {
            return self.lookup("pk", Ty::Key, scope);
        }
        let (name, to, _) = *self.c.one_of(&ways);
        match self.c.pick(5) {
            0 => Q::lookup(name, Expr::Value(literal(&mut self.c, Ty::Key))),
            1 => Q::lookup(
                format!("{name}__isnull"),
                Expr::Value(Value::Bool(self.c.pick(2) == 0)),
            ),
            2 => {
                let list = (0..self.c.pick(4)).map(|_| literal(&mut self.c, Ty::Key));
                Q::lookup(
                    format!("{name}__in"),
                    Expr::Value(Value::List(list.collect())),
                )
            }
            _ if scope.depth > 1 => Q::lookup(format!("{name}__isnull"), Expr::Value(false.into())),
            3 => {
                let query = self.related(to, scope);
                Q::lookup(
                    format!("{name}__in"),
                    Expr::Subquery(SubqueryExpr {
                        queryset: Box::new(query),
                        output: None,
                        explicit: false,
                    }),
                )
            }
            _ => {
                let ty = self.c.one_of(&[Ty::Key, Ty::Int, Ty::Text]);
                let Some(path) = self.path(scope, ty, reach) else {
                    return self.lookup("pk", Ty::Key, scope);
                };
                let model = self.c.pick(4);
                let inner = self.within(scope, model);
                let query = self.subquery(&inner, ty, false);
                Q::lookup(
                    format!("{path}__in"),
                    Expr::Subquery(SubqueryExpr {
                        queryset: Box::new(query),
                        output: None,
                        explicit: false,
                    }),
                )
            }
        }
    }

    fn within(&self, scope: &Scope, model: usize) -> Scope {
        let mut outer = vec![scope.model];
        outer.extend(&scope.outer);
        Scope {
            model,
            outer,
            depth: scope.depth + 1,
            ..Scope::default()
        }
    }

    fn related(&mut self, model: usize, scope: &Scope) -> Queryset {
        let inner = self.within(scope, model);
        let q = self.q(&inner, 1, &Reach::Any);
        Queryset {
            model: MODELS[model].label.to_owned(),
            calls: vec![Call::Filter(q)],
        }
    }

    /// A query of one column.
    fn subquery(&mut self, inner: &Scope, ty: Ty, one: bool) -> Queryset {
        let mut calls = Vec::new();
        for _ in 0..self.c.pick(3) {
            let q = self.q(inner, 1, &Reach::Any);
            calls.push(if self.c.rarely(4) {
                Call::Exclude(q)
            } else {
                Call::Filter(q)
            });
        }
        let grouped = ty == Ty::Int && self.c.rarely(3);
        if grouped {
            let by = self
                .path(inner, Ty::Key, &Reach::None)
                .unwrap_or("pk".to_owned());
            let names = |fields: Vec<String>| {
                Call::Values(ValuesFields {
                    fields,
                    exprs: IndexMap::new(),
                })
            };
            let name = self.name();
            let counted = Expr::Aggregate(Aggregate {
                name: "Count".to_owned(),
                args: vec![f("pk")],
                distinct: false,
                filter: None,
                default: None,
                order_by: Vec::new(),
                options: IndexMap::new(),
                output: None,
            });
            calls.push(Call::OrderBy(Vec::new()));
            calls.push(names(vec![by.clone()]));
            calls.push(Call::Annotate(IndexMap::from([(name.clone(), counted)])));
            if one {
                calls.push(Call::OrderBy(vec![OrderTerm::Name(by)]));
            }
            calls.push(names(vec![name]));
        } else {
            let path = self.path(inner, ty, &Reach::One).unwrap_or("pk".to_owned());
            if one || self.c.rarely(4) {
                let first = self.order_term(inner);
                calls.push(Call::OrderBy(vec![first, OrderTerm::Name("pk".to_owned())]));
            }
            calls.push(Call::Values(ValuesFields {
                fields: vec![path],
                exprs: IndexMap::new(),
            }));
            if !one && self.c.rarely(6) {
                calls.push(Call::OrderBy(vec![OrderTerm::Name("pk".to_owned())]));
                self.slice(&mut calls);
            }
        }
        if one {
            calls.push(Call::Slice {
                start: None,
                stop: Some(1),
            });
        }
        Queryset {
            model: MODELS[inner.model].label.to_owned(),
            calls,
        }
    }

    fn lookup(&mut self, path: &str, ty: Ty, scope: &Scope) -> Q {
        let one = |g: &mut Self, lookup: &str, ty: Ty| {
            let value = literal(&mut g.c, ty);
            Q::lookup(format!("{path}{lookup}"), Expr::Value(value))
        };
        let text = |g: &mut Self, lookups: &[&str]| {
            let lookup = g.c.one_of(lookups);
            let value = literal(&mut g.c, Ty::Text);
            Q::lookup(format!("{path}{lookup}"), Expr::Value(value))
        };
        let number = |g: &mut Self, lookups: &[&str], most: i64| {
            let lookup = g.c.one_of(lookups);
            let value = i64::try_from(g.c.pick(14)).expect("small") % most;
            Q::lookup(format!("{path}{lookup}"), int(value))
        };
        let list = |g: &mut Self, lookup: &str, ty: Ty| {
            let items = (0..g.c.pick(4)).map(|_| literal(&mut g.c, ty)).collect();
            Q::lookup(format!("{path}{lookup}"), Expr::Value(Value::List(items)))
        };
        let is_null = |g: &mut Self, suffix: &str| {
            let wanted = g.c.pick(2) == 0;
            Q::lookup(
                format!("{path}{suffix}__isnull"),
                Expr::Value(wanted.into()),
            )
        };
        match (ty, self.c.pick(12)) {
            (Ty::Json, 0) => is_null(self, ""),
            (Ty::Json, 1) => Q::lookup(format!("{path}__k"), Expr::Value(Value::Null)),
            (Ty::Json, 2) => is_null(self, "__k"),
            (Ty::Json, 3) => {
                let value = literal(&mut self.c, Ty::Json);
                Q::lookup(path, Expr::Value(value))
            }
            (Ty::Json, 4) => {
                let key = self.c.one_of(&["k", "l", "a", "0", "$a"]);
                Q::lookup(format!("{path}__has_key"), Expr::Value(key.into()))
            }
            (Ty::Json, 5) => {
                let lookup = self.c.one_of(&["has_keys", "has_any_keys"]);
                let keys = self.c.one_of(&[vec!["k", "j"], vec!["l"], vec![]]);
                Q::lookup(format!("{path}__{lookup}"), Expr::Value(keys.into()))
            }
            (Ty::Json, 6) => {
                let lookup = self.c.one_of(&["contains", "contained_by"]);
                let value = literal(&mut self.c, Ty::Json);
                let value = if value == Value::Null {
                    1.into()
                } else {
                    value
                };
                Q::lookup(format!("{path}__{lookup}"), Expr::Value(value))
            }
            (Ty::Json, 7) => number(self, &["__k", "__k__gt", "__k__lte", "__0", "__l__0"], 3),
            (Ty::Json, 8) => text(
                self,
                &["__k__icontains", "__k__startswith", "__1__endswith"],
            ),
            (Ty::Json, 9) => list(self, "__k__in", Ty::Int),
            (Ty::Json, 10) => text(self, &["__k", "__k__k", "__1", "__l__1"]),
            (Ty::Json, _) => Q::lookup(path, Expr::Value(Value::Null)),

            (Ty::Texts | Ty::Ints, 0) => is_null(self, ""),
            (Ty::Texts | Ty::Ints, 1 | 2) => {
                let value = literal(&mut self.c, ty);
                Q::lookup(path, Expr::Value(value))
            }
            (Ty::Texts | Ty::Ints, 3..=6) => {
                let lookup = self.c.one_of(&["contains", "contained_by", "overlap"]);
                let value = literal(&mut self.c, ty);
                Q::lookup(format!("{path}__{lookup}"), Expr::Value(value))
            }
            (Ty::Texts | Ty::Ints, 7 | 8) => number(self, &["__len", "__len__gt"], 3),
            (Ty::Texts, _) => text(self, &["__0", "__1", "__0__contains"]),
            (Ty::Ints, 9) => is_null(self, "__0"),
            (Ty::Ints, _) => number(self, &["__0", "__1", "__0__gt", "__1__lte"], 3),

            (_, 0) => is_null(self, ""),
            (Ty::Bool, _) => one(self, "", Ty::Bool),
            (Ty::Uuid, 1..=4) => list(self, "__in", Ty::Uuid),
            (Ty::Uuid, _) => one(self, "", Ty::Uuid),
            (_, 1) => list(self, "__in", ty),
            (_, 2) => {
                let bounds = vec![literal(&mut self.c, ty), literal(&mut self.c, ty)];
                Q::lookup(format!("{path}__range"), Expr::Value(Value::List(bounds)))
            }
            (Ty::Text, 3..=8) => text(
                self,
                &[
                    "__contains",
                    "__icontains",
                    "__iexact",
                    "__startswith",
                    "__istartswith",
                    "__endswith",
                    "__iendswith",
                ],
            ),
            (Ty::Text, 9) => {
                let pattern = self
                    .c
                    .one_of(&["^a", "a$", "a.b", ".*", "^$", "b*", "\\.", "A"]);
                let lookup = self.c.one_of(&["__regex", "__iregex"]);
                Q::lookup(format!("{path}{lookup}"), Expr::Value(pattern.into()))
            }
            (Ty::Int, 3) => text(self, &["__contains", "__startswith"]),
            (Ty::Date, 3 | 4) => number(
                self,
                &["__month", "__day", "__week_day__gt", "__quarter"],
                13,
            ),
            (Ty::Date, 5) => {
                let lookup = self
                    .c
                    .one_of(&["__year", "__year__gt", "__year__lte", "__iso_year"]);
                Q::lookup(format!("{path}{lookup}"), int(2023 + self.c.pick(2) as i64))
            }
            (Ty::DateTime, 3) => number(self, &["__month", "__day", "__hour__gt", "__minute"], 24),
            (Ty::DateTime, 4) => {
                let lookup = self.c.one_of(&["__year", "__year__gte", "__year__lt"]);
                Q::lookup(format!("{path}{lookup}"), int(2023 + self.c.pick(2) as i64))
            }
            (Ty::DateTime, 5 | 6) => {
                let lookup = self.c.one_of(&["__date", "__date__gt", "__date__lte"]);
                one(self, lookup, Ty::Date)
            }
            (Ty::DateTime, 7) => one(self, "__time__lt", Ty::Time),
            (Ty::Time, 3) => number(self, &["__hour", "__hour__gt"], 24),
            _ => {
                let _ = scope;
                let lookup = self.c.one_of(&["", "__gt", "__gte", "__lt", "__lte"]);
                one(self, lookup, ty)
            }
        }
    }

    // Expressions.

    fn expr(&mut self, scope: &Scope, ty: Ty, depth: usize, reach: &Reach) -> Expr {
        let column = |g: &mut Self| match g.path(scope, ty, reach) {
            Some(path) => f(path),
            None => g.value(ty),
        };
        if depth == 0 || matches!(ty, Ty::Json | Ty::Texts | Ty::Ints) {
            return match self.c.pick(5) {
                3 => self.value(ty),
                4 => self.outer(scope, ty).unwrap_or_else(|| self.value(ty)),
                _ => column(self),
            };
        }
        let d = depth - 1;
        match self.c.pick(14) {
            0..=2 => column(self),
            3 => self.value(ty),
            4 => self.outer(scope, ty).unwrap_or_else(|| self.value(ty)),
            5 if ty != Ty::Key => {
                let name = self.c.one_of(&["Coalesce", "Greatest", "Least", "NullIf"]);
                let a = self.expr(scope, ty, d, reach);
                let b = self.expr(scope, ty, d, reach);
                func(name, vec![a, b])
            }
            6 if ty != Ty::Key => {
                let when = When {
                    condition: self.q(scope, d, reach),
                    then: self.expr(scope, ty, d, reach),
                };
                let default = (!self.c.rarely(4)).then(|| Box::new(self.expr(scope, ty, d, reach)));
                Expr::Case(Case {
                    when: vec![when],
                    default,
                    output: None,
                })
            }
            7 if scope.depth < 2 => {
                let model = self.c.pick(4);
                if !MODELS[model].fields.iter().any(|(_, t)| *t == ty) {
                    return self.value(ty);
                }
                let inner = self.within(scope, model);
                let query = self.subquery(&inner, ty, true);
                Expr::Subquery(SubqueryExpr {
                    queryset: Box::new(query),
                    output: None,
                    explicit: true,
                })
            }
            _ => self.special(scope, ty, d, reach),
        }
    }

    /// A column, or a literal where there is none of the type.
    fn column(&mut self, scope: &Scope, ty: Ty, reach: &Reach) -> Expr {
        match self.path(scope, ty, reach) {
            Some(path) => f(path),
            None => self.value(ty),
        }
    }

    fn outer(&mut self, scope: &Scope, ty: Ty) -> Option<Expr> {
        let levels = if scope.outer.len() > 1 && self.c.rarely(3) {
            2
        } else {
            1
        };
        let around = Scope {
            model: *scope.outer.get(levels - 1)?,
            ..Scope::default()
        };
        let path = self.path(&around, ty, &Reach::One)?;
        Some(Expr::OuterRef(OuterRef {
            path,
            levels: u32::try_from(levels).expect("small"),
        }))
    }

    fn value(&mut self, ty: Ty) -> Expr {
        let value = literal(&mut self.c, ty);
        if value == Value::Null || matches!(ty, Ty::Json | Ty::Uuid | Ty::Key) {
            return Expr::Typed {
                value,
                output: typed(field_kind(ty)),
            };
        }
        Expr::Value(value)
    }

    fn special(&mut self, scope: &Scope, ty: Ty, d: usize, reach: &Reach) -> Expr {
        let sub = |g: &mut Self, ty: Ty| g.expr(scope, ty, d, reach);
        let combined = |op, lhs, rhs| Expr::Combined {
            op,
            lhs: Box::new(lhs),
            rhs: Box::new(rhs),
        };
        let with = |name: &str, arg: Expr, key: &str, option: &str| {
            Expr::Func(Func {
                name: name.to_owned(),
                args: vec![arg],
                options: IndexMap::from([(key.to_owned(), Value::from(option))]),
                output: None,
            })
        };
        match ty {
            Ty::Int => match self.c.pick(10) {
                0..=3 => {
                    let op = self.c.one_of(&[
                        ArithmeticOp::Add,
                        ArithmeticOp::Sub,
                        ArithmeticOp::Mul,
                        ArithmeticOp::Div,
                        ArithmeticOp::Mod,
                        ArithmeticOp::BitAnd,
                        ArithmeticOp::BitOr,
                    ]);
                    let (a, b) = (sub(self, ty), sub(self, ty));
                    combined(op, a, b)
                }
                4 => func("Length", vec![sub(self, Ty::Text)]),
                5 => func("StrIndex", vec![sub(self, Ty::Text), sub(self, Ty::Text)]),
                6 => {
                    let name = self.c.one_of(&["Abs", "Sign"]);
                    func(name, vec![sub(self, ty)])
                }
                7 => {
                    let part = self.c.one_of(&[
                        "year",
                        "month",
                        "day",
                        "week",
                        "week_day",
                        "quarter",
                        "iso_week_day",
                    ]);
                    with("Extract", sub(self, Ty::Date), "lookup_name", part)
                }
                8 => {
                    let part = self
                        .c
                        .one_of(&["year", "month", "day", "week", "hour", "minute"]);
                    with("Extract", sub(self, Ty::DateTime), "lookup_name", part)
                }
                _ => Expr::Neg(Box::new(sub(self, ty))),
            },
            Ty::Float | Ty::Dec => match self.c.pick(6) {
                0..=2 => {
                    let op = self.c.one_of(&[
                        ArithmeticOp::Add,
                        ArithmeticOp::Sub,
                        ArithmeticOp::Mul,
                        ArithmeticOp::Div,
                    ]);
                    let other = self.c.one_of(&[ty, Ty::Int]);
                    let (a, b) = (sub(self, ty), sub(self, other));
                    combined(op, a, b)
                }
                3 => func("Abs", vec![sub(self, ty)]),
                4 => {
                    let name = self.c.one_of(&["Ceil", "Floor"]);
                    func(name, vec![sub(self, ty)])
                }
                _ => func("Round", vec![self.column(scope, ty, reach), int(1)]),
            },
            Ty::Text => match self.c.pick(10) {
                0 => func("Upper", vec![sub(self, ty)]),
                1 => func("Lower", vec![sub(self, ty)]),
                2 => {
                    let name = self.c.one_of(&["Trim", "LTrim", "RTrim", "Reverse"]);
                    func(name, vec![sub(self, ty)])
                }
                3 => {
                    let name = self.c.one_of(&["Left", "Right"]);
                    func(name, vec![sub(self, ty), int(1 + self.c.pick(3) as i64)])
                }
                4 => {
                    let mut args = vec![sub(self, ty), int(1 + self.c.pick(3) as i64)];
                    if self.c.pick(2) == 1 {
                        args.push(int(self.c.pick(3) as i64));
                    }
                    func("Substr", args)
                }
                5 | 6 => func("Concat", vec![sub(self, ty), sub(self, ty)]),
                7 => func(
                    "Replace",
                    vec![sub(self, ty), self.value(ty), sub(self, ty)],
                ),
                8 => {
                    let name = self.c.one_of(&["LPad", "RPad"]);
                    let fill = self.c.one_of(&["x", "xy", "$"]);
                    func(
                        name,
                        vec![
                            sub(self, ty),
                            int(self.c.pick(5) as i64),
                            Expr::Value(fill.into()),
                        ],
                    )
                }
                _ => func("Repeat", vec![sub(self, ty), int(self.c.pick(3) as i64)]),
            },
            Ty::Bool => match self.c.pick(4) {
                0 if scope.depth < 2 => {
                    let model = self.c.pick(4);
                    let query = self.related(model, scope);
                    Expr::Exists(Box::new(query))
                }
                3 => {
                    let q = self.q(scope, d, reach);
                    Expr::Case(Case {
                        when: vec![When {
                            condition: q,
                            then: Expr::Value(true.into()),
                        }],
                        default: Some(Box::new(Expr::Value(false.into()))),
                        output: None,
                    })
                }
                _ => Expr::Q(Box::new(self.q(scope, d, reach))),
            },
            Ty::Date => match self.c.pick(3) {
                0 => func("TruncDate", vec![sub(self, Ty::DateTime)]),
                _ => {
                    let name =
                        self.c
                            .one_of(&["TruncYear", "TruncMonth", "TruncWeek", "TruncQuarter"]);
                    func(name, vec![self.column(scope, ty, reach)])
                }
            },
            Ty::DateTime => match self.c.pick(3) {
                0 => {
                    let name = self
                        .c
                        .one_of(&["TruncYear", "TruncMonth", "TruncDay", "TruncHour"]);
                    func(name, vec![self.column(scope, ty, reach)])
                }
                _ => {
                    let op = self.c.one_of(&[ArithmeticOp::Add, ArithmeticOp::Sub]);
                    let (a, b) = (sub(self, ty), sub(self, Ty::Duration));
                    combined(op, a, b)
                }
            },
            Ty::Duration => match self.c.pick(3) {
                0 => {
                    let (a, b) = (sub(self, Ty::DateTime), sub(self, Ty::DateTime));
                    combined(ArithmeticOp::Sub, a, b)
                }
                1 => {
                    let (a, b) = (sub(self, ty), sub(self, ty));
                    combined(ArithmeticOp::Add, a, b)
                }
                _ => self.value(ty),
            },
            _ => self.value(ty),
        }
    }
}
