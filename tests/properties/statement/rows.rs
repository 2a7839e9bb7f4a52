//! What rows are made of: instances, groups, selections, combinations, windows, dates.

use indexmap::IndexMap;
use mqlc::compiler::queryset::*;

use super::*;

impl Gen<'_> {
    pub(super) fn statement(&mut self) -> Statement {
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
    pub(super) fn row_call(&mut self, scope: &mut Scope, calls: &mut Vec<Call>) {
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
    pub(super) fn prefixed(&mut self, inner: &Scope, relation: &str) -> Q {
        let (field, ty) = self.c.one_of(MODELS[inner.model].fields);
        self.lookup(&format!("{relation}__{field}"), ty, inner)
    }

    pub(super) fn models(&mut self, scope: &mut Scope, calls: &mut Vec<Call>) {
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
    pub(super) fn ordered(&mut self, scope: &Scope, calls: &mut Vec<Call>, last: Option<&str>) {
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

    pub(super) fn slice(&mut self, calls: &mut Vec<Call>) {
        let start = self.c.one_of(&[None, None, Some(1), Some(2)]);
        let length = self.c.pick(4) as u64;
        let stop = (!self.c.rarely(5)).then(|| start.unwrap_or(0) + length);
        calls.push(Call::Slice { start, stop });
    }

    pub(super) fn order_term(&mut self, scope: &Scope) -> OrderTerm {
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

    pub(super) fn groups(&mut self, scope: &mut Scope, calls: &mut Vec<Call>) {
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

    pub(super) fn selected(&mut self, scope: &mut Scope, calls: &mut Vec<Call>) {
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

    pub(super) fn combined(&mut self, scope: &mut Scope, calls: &mut Vec<Call>) {
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

    pub(super) fn windows(&mut self, scope: &mut Scope, calls: &mut Vec<Call>) {
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

    pub(super) fn dates(&mut self, scope: &Scope, calls: &mut Vec<Call>) {
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
}
