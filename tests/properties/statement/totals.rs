//! Aggregates.

use indexmap::IndexMap;
use mqlc::compiler::queryset::*;

use super::*;

impl Gen<'_> {
    pub(super) fn totals(&mut self, scope: &Scope) -> Do {
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

    pub(super) fn aggregate(&mut self, scope: &Scope) -> (Expr, Ty) {
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

    pub(super) fn aggregate_of(&mut self, scope: &Scope, arg: Expr, ty: Ty) -> (Expr, Ty) {
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
}
