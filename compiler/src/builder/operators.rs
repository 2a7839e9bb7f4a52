//! Operators: `& | ^ !` make conditions, `+ - * / %` make expressions.

use std::ops::{Add, BitAnd, BitOr, BitXor, Div, Mul, Neg, Not, Rem, Sub};

use crate::queryset::{Aggregate, ArithmeticOp, Case, Expr, Func, Q, SubqueryExpr, Window};

impl From<Expr> for Q {
    fn from(expr: Expr) -> Self {
        match expr {
            Expr::Q(condition) => *condition,
            expr => Q::Expr(expr),
        }
    }
}
macro_rules! conditions {
    ($($ty:ty),*) => {$(
        impl From<$ty> for Q {
            fn from(expr: $ty) -> Self {
                Q::Expr(expr.into())
            }
        }
    )*};
}
conditions!(Func, Aggregate, Case, Window, SubqueryExpr);

#[derive(Clone, Copy)]
enum Connector {
    And,
    Or,
    Xor,
}

/// What a condition contributes under a connector: the same connector is not nested.
fn parts(connector: Connector, q: Q) -> Vec<Q> {
    match (connector, q) {
        (Connector::And, Q::And(parts))
        | (Connector::Or, Q::Or(parts))
        | (Connector::Xor, Q::Xor(parts)) => parts,
        (_, q) => vec![q],
    }
}

/// Joins two conditions; an empty one disappears, as in Django.
fn join(connector: Connector, lhs: Q, rhs: Q) -> Q {
    let empty =
        |q: &Q| matches!(q, Q::And(parts) | Q::Or(parts) | Q::Xor(parts) if parts.is_empty());
    if empty(&lhs) {
        return rhs;
    }
    if empty(&rhs) {
        return lhs;
    }
    let mut all = parts(connector, lhs);
    all.extend(parts(connector, rhs));
    match connector {
        Connector::And => Q::And(all),
        Connector::Or => Q::Or(all),
        Connector::Xor => Q::Xor(all),
    }
}

impl Not for Q {
    type Output = Q;

    fn not(self) -> Q {
        Q::Not(Box::new(self))
    }
}

macro_rules! connectors {
    ($($trait:ident $method:ident $connector:ident),*; $ty:ty) => {$(
        impl<R: Into<Q>> $trait<R> for $ty {
            type Output = Q;

            fn $method(self, rhs: R) -> Q {
                join(Connector::$connector, self.into(), rhs.into())
            }
        }
    )*};
}

macro_rules! arithmetic {
    ($($trait:ident $method:ident $op:ident),*; $ty:ty) => {$(
        impl<R: Into<Expr>> $trait<R> for $ty {
            type Output = Expr;

            fn $method(self, rhs: R) -> Expr {
                combine(ArithmeticOp::$op, self.into(), rhs.into())
            }
        }
    )*};
}

macro_rules! operators {
    ($($ty:ty),*) => {$(
        connectors!(BitAnd bitand And, BitOr bitor Or, BitXor bitxor Xor; $ty);
        arithmetic!(Add add Add, Sub sub Sub, Mul mul Mul, Div div Div, Rem rem Mod; $ty);

        impl Not for $ty {
            type Output = Expr;

            fn not(self) -> Expr {
                Expr::Not(Box::new(self.into()))
            }
        }

        impl Neg for $ty {
            type Output = Expr;

            fn neg(self) -> Expr {
                Expr::Neg(Box::new(self.into()))
            }
        }
    )*};
}

connectors!(BitAnd bitand And, BitOr bitor Or, BitXor bitxor Xor; Q);
operators!(Expr, Func, Aggregate, Case, Window, SubqueryExpr);

/// Numbers on the left: `1 - f("x")`. One type for integers, so that literals need no suffix.
macro_rules! numbers {
    ($($ty:ty),*) => {$(
        numbers!(@ $ty, Add add Add, Sub sub Sub, Mul mul Mul, Div div Div, Rem rem Mod);
    )*};
    (@ $ty:ty, $($trait:ident $method:ident $op:ident),*) => {$(
        impl $trait<Expr> for $ty {
            type Output = Expr;

            fn $method(self, rhs: Expr) -> Expr {
                combine(ArithmeticOp::$op, self.into(), rhs)
            }
        }
    )*};
}
numbers!(i64, f64);

fn combine(op: ArithmeticOp, lhs: Expr, rhs: Expr) -> Expr {
    Expr::Combined {
        op,
        lhs: Box::new(lhs),
        rhs: Box::new(rhs),
    }
}
