//! Conditions and subqueries.

use indexmap::IndexMap;
use mqlc::compiler::queryset::*;
use mqlc::compiler::schema::FieldKind;

use super::*;

impl Gen<'_> {
    pub(super) fn q(&mut self, scope: &Scope, depth: usize, reach: &Reach) -> Q {
        match self.c.pick(if depth == 0 { 8 } else { 15 }) {
            0..=3 => {
                if self.c.rarely(8) {
                    return self.elements(scope, reach);
                }
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

    /// Conditions on the elements of an array of embedded documents: with values, with what is around, with subqueries.
    fn elements(&mut self, scope: &Scope, reach: &Reach) -> Q {
        let beside = self.path(scope, Ty::Texts, reach);
        let Some(before) = beside
            .as_ref()
            .and_then(|path| path.strip_suffix("keywords"))
        else {
            return self.lookup("pk", Ty::Key, scope);
        };
        let mut conditions = Vec::new();
        for _ in 0..=self.c.pick(2) {
            let at = self.c.one_of(&["", "", "__0", "__1_3"]);
            let path = format!("{before}parts{at}");
            conditions.push(match self.c.pick(6) {
                0 => self.lookup(&format!("{path}__kind"), Ty::Text, scope),
                1 | 2 => self.lookup(&format!("{path}__size"), Ty::Int, scope),
                3 => {
                    let lookup = self.c.one_of(&["", "__gt", "__lte"]);
                    let rhs = self.expr(scope, Ty::Int, 1, reach);
                    Q::lookup(format!("{path}__size{lookup}"), rhs)
                }
                4 => {
                    let lookup = self.c.one_of(&["", "__startswith"]);
                    let rhs = self.expr(scope, Ty::Text, 1, reach);
                    Q::lookup(format!("{path}__kind{lookup}"), rhs)
                }
                _ if scope.depth > 1 => Q::lookup(format!("{before}parts__len"), int(2)),
                _ => {
                    let model = self.c.pick(4);
                    let inner = self.within(scope, model);
                    let query = self.subquery(&inner, Ty::Int, false);
                    Q::lookup(
                        format!("{path}__size__in"),
                        Expr::Subquery(SubqueryExpr {
                            queryset: Box::new(query),
                            output: None,
                            explicit: false,
                        }),
                    )
                }
            });
        }
        Q::And(conditions)
    }

    pub(super) fn relation(&mut self, scope: &Scope, reach: &Reach) -> Q {
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

    pub(super) fn within(&self, scope: &Scope, model: usize) -> Scope {
        let mut outer = vec![scope.model];
        outer.extend(&scope.outer);
        Scope {
            model,
            outer,
            depth: scope.depth + 1,
            ..Scope::default()
        }
    }

    pub(super) fn related(&mut self, model: usize, scope: &Scope) -> Queryset {
        let inner = self.within(scope, model);
        let q = self.q(&inner, 1, &Reach::Any);
        Queryset {
            model: MODELS[model].label.to_owned(),
            calls: vec![Call::Filter(q)],
        }
    }

    /// A query of one column.
    pub(super) fn subquery(&mut self, inner: &Scope, ty: Ty, one: bool) -> Queryset {
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

    pub(super) fn lookup(&mut self, path: &str, ty: Ty, scope: &Scope) -> Q {
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
}
