//! Expressions of a type.

use indexmap::IndexMap;
use mqlc::compiler::queryset::*;

use super::*;

impl Gen<'_> {
    pub(super) fn expr(&mut self, scope: &Scope, ty: Ty, depth: usize, reach: &Reach) -> Expr {
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
    pub(super) fn column(&mut self, scope: &Scope, ty: Ty, reach: &Reach) -> Expr {
        match self.path(scope, ty, reach) {
            Some(path) => f(path),
            None => self.value(ty),
        }
    }

    pub(super) fn outer(&mut self, scope: &Scope, ty: Ty) -> Option<Expr> {
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

    pub(super) fn value(&mut self, ty: Ty) -> Expr {
        let value = literal(&mut self.c, ty);
        if value == Value::Null || matches!(ty, Ty::Json | Ty::Uuid | Ty::Key) {
            return Expr::Typed {
                value,
                output: typed(field_kind(ty)),
            };
        }
        Expr::Value(value)
    }

    pub(super) fn special(&mut self, scope: &Scope, ty: Ty, d: usize, reach: &Reach) -> Expr {
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
