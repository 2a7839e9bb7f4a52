//! Operators between values: Python's for literals, Django's for expressions, Q objects and querysets.

use super::names::{Builtin, Python, Role};
use super::node::{Connector, QChild, QNode, condition};
use super::queryset::Rows;
use super::scalar::{format_text, scalar, too_large};
use super::value::{Py, attribute_error, refuse, type_error};
use super::{Evaluator, MAX_OPERATORS};
use crate::error::{Code, Error, Result};
use crate::functions::search::is_text_search;
use crate::queryset::{ArithmeticOp, Call, CombineOp, Expr, Func, Value};
use crate::schema::FieldKind;
use crate::text::syntax::{BinaryOp, Chained, UnaryOp};

impl Evaluator<'_> {
    /// A value with operators and operands after it.
    pub(super) fn chain(&mut self, first: Py, rest: &[Chained]) -> Result<Py> {
        let mut left = first;
        for Chained { op, right } in rest {
            let value = self.eval(right)?;
            left = self
                .binary(*op, left, value)
                .map_err(|e| e.with_span(right.span))?;
        }
        Ok(left)
    }

    pub(super) fn unary(&mut self, op: UnaryOp, value: Py) -> Result<Py> {
        match (op, value) {
            (UnaryOp::Invert, Py::Q(q)) => Ok(Py::Q(Box::new(q.negate()))),
            (UnaryOp::Invert, Py::Expr(expr)) => {
                self.operator()?;
                Ok(Py::expr(match *expr {
                    Expr::Not(inner) => *inner,
                    Expr::Func(func) if is_search(&func) => search("not", vec![Expr::Func(func)]),
                    other => Expr::Not(Box::new(other)),
                }))
            }
            (UnaryOp::Invert, Py::Value(Value::Int(i))) => Ok(Py::int(!i)),
            (UnaryOp::Minus, Py::Expr(expr)) => {
                self.operator()?;
                // Django has no negative: it multiplies by -1.
                Ok(Py::expr(Expr::Combined {
                    op: ArithmeticOp::Mul,
                    lhs: expr,
                    rhs: Box::new(Expr::Value(Value::Int(-1))),
                }))
            }
            (UnaryOp::Minus, Py::Value(value)) => match value {
                Value::Int(i) => i.checked_neg().map(Py::int).ok_or_else(too_large),
                Value::Bool(b) => Ok(Py::int(-i128::from(b))),
                Value::Float(f) => Ok(Py::Value(Value::Float(-f))),
                Value::Duration(d) => d
                    .checked_neg()
                    .map(|d| Py::Value(Value::Duration(d)))
                    .ok_or_else(too_large),
                Value::Decimal(d) => {
                    let text = d.to_string();
                    let negated = match text.strip_prefix('-') {
                        Some(rest) => rest.to_owned(),
                        None => format!("-{text}"),
                    };
                    negated
                        .parse()
                        .map(|d| Py::Value(Value::Decimal(d)))
                        .map_err(|_| too_large())
                }
                other => Err(bad_unary("-", &Py::Value(other))),
            },
            (UnaryOp::Plus, value @ Py::Value(Value::Int(_) | Value::Float(_) | Value::Decimal(_))) => {
                Ok(value)
            }
            (UnaryOp::Plus, other) => Err(bad_unary("+", &other)),
            (UnaryOp::Minus, other) => Err(bad_unary("-", &other)
                .with_hint("order by a name with '-' in front: \"-name\"; subtract querysets with difference()")),
            (UnaryOp::Invert, other) => Err(bad_unary("~", &other)),
            (UnaryOp::Not, other) => match other.truth() {
                Some(truth) => Ok(Py::bool(!truth)),
                None => Err(bad_unary("not", &other)),
            },
        }
    }

    fn operator(&mut self) -> Result<()> {
        self.operators += 1;
        if self.operators > MAX_OPERATORS {
            return Err(refuse(
                Code::Limit,
                format!("a line holds more than {MAX_OPERATORS} operators on expressions"),
            ));
        }
        Ok(())
    }

    pub(super) fn binary(&mut self, op: BinaryOp, left: Py, right: Py) -> Result<Py> {
        let connector = match op {
            BinaryOp::Or => Some((Connector::Or, CombineOp::Or)),
            BinaryOp::And => Some((Connector::And, CombineOp::And)),
            BinaryOp::Xor => Some((Connector::Xor, CombineOp::Xor)),
            _ => None,
        };
        match (connector, left, right) {
            (Some((connector, _)), Py::Q(left), right) => self.combine_q(*left, right, connector),
            (Some((_, op)), Py::Rows(left), Py::Rows(right)) if !left.manager && !right.manager => {
                Ok(combine_rows(*left, *right, op))
            }
            // A queryset asks the other side for its query.
            (Some(_), Py::Rows(left), right) if !left.manager => Err(attribute_error(format!(
                "querysets combine with querysets only, not with {}",
                right.describe()
            ))),
            (Some((connector, _)), Py::Expr(left), right) => {
                self.operator()?;
                combine_expr(*left, right, connector)
            }
            (None, Py::Expr(left), right) => self.arithmetic(op, Py::Expr(left), right),
            (None, left, Py::Expr(right)) => self.arithmetic(op, left, Py::Expr(right)),
            (Some(_), left, right @ (Py::Q(_) | Py::Rows(_) | Py::Expr(_))) => {
                Err(bad_operands(op, &left, &right))
            }
            (_, left, right) => self.literals(op, left, right),
        }
    }

    fn combine_q(&mut self, left: QNode, right: Py, connector: Connector) -> Result<Py> {
        let described = right.describe();
        let other = match condition(right) {
            Ok(QChild::Expr(expr)) if !is_conditional(&expr) => None,
            Ok(child) => Some(child),
            Err(_) => None,
        };
        let Some(other) = other else {
            return Err(type_error(format!(
                "a Q object combines with conditions only, not with {described}"
            )));
        };
        Ok(Py::Q(Box::new(left.combine(other, connector))))
    }

    /// `+ - * / % **` with an expression on one side (Django: `Combinable._combine`).
    fn arithmetic(&mut self, op: BinaryOp, left: Py, right: Py) -> Result<Py> {
        self.operator()?;
        let operator = match op {
            BinaryOp::Add => ArithmeticOp::Add,
            BinaryOp::Sub => ArithmeticOp::Sub,
            BinaryOp::Mul => ArithmeticOp::Mul,
            BinaryOp::Div => ArithmeticOp::Div,
            BinaryOp::Mod => ArithmeticOp::Mod,
            BinaryOp::Pow => ArithmeticOp::Pow,
            _ => {
                let error = bad_operands(op, &left, &right);
                return Err(match op {
                    BinaryOp::ShiftLeft => error.with_hint("use .bitleftshift()"),
                    BinaryOp::ShiftRight => error.with_hint("use .bitrightshift()"),
                    _ => error,
                });
            }
        };
        self.combined(operator, left, right)
    }

    /// A combined expression of two operands; strings are values.
    pub(super) fn combined(&mut self, op: ArithmeticOp, left: Py, right: Py) -> Result<Py> {
        Ok(Py::expr(Expr::Combined {
            op,
            lhs: Box::new(self.value_expr(left)?),
            rhs: Box::new(self.value_expr(right)?),
        }))
    }

    fn literals(&mut self, op: BinaryOp, left: Py, right: Py) -> Result<Py> {
        use BinaryOp as B;
        match (op, &left, &right) {
            (B::Or, Py::Builtin(_) | Py::Tuple(_), Py::Builtin(_)) if is_flag(&right) => {
                let mut flags = match left {
                    Py::Tuple(flags) => flags,
                    flag => vec![flag],
                };
                flags.push(right);
                return Ok(Py::Tuple(flags));
            }
            (B::Add, Py::List(a), Py::List(b)) => {
                self.spend(a.len() + b.len())?;
                return Ok(Py::List([a.as_slice(), b.as_slice()].concat()));
            }
            (B::Add, Py::Tuple(a), Py::Tuple(b)) => {
                self.spend(a.len() + b.len())?;
                return Ok(Py::Tuple([a.as_slice(), b.as_slice()].concat()));
            }
            (B::Or, Py::Dict(a), Py::Dict(b)) => {
                let mut merged = a.clone();
                for (key, value) in b {
                    match merged.iter_mut().find(|(k, _)| k == key) {
                        Some(entry) => entry.1 = value.clone(),
                        None => merged.push((key.clone(), value.clone())),
                    }
                }
                return Ok(Py::Dict(merged));
            }
            (B::Mod, Py::Value(Value::Str(format)), _) => return format_text(format, &right),
            (B::Mul, Py::List(items), Py::Value(Value::Int(times)))
            | (B::Mul, Py::Value(Value::Int(times)), Py::List(items)) => {
                let times = usize::try_from((*times).max(0)).map_err(|_| too_large())?;
                self.spend(items.len().saturating_mul(times))?;
                let copies = std::iter::repeat_n(items, times);
                return Ok(Py::List(copies.flatten().cloned().collect()));
            }
            _ => {}
        }
        let (Py::Value(a), Py::Value(b)) = (&left, &right) else {
            return Err(bad_operands(op, &left, &right));
        };
        match scalar(op, a, b) {
            Some(result) => Ok(Py::Value(result?)),
            None => Err(bad_operands(op, &left, &right)),
        }
    }
}

/// `&`, `|` and `^` of querysets; empty ones vanish as in Django.
fn combine_rows(left: Rows, right: Rows, op: CombineOp) -> Py {
    let rows = match op {
        CombineOp::And if left.facts.empty => left.chain(),
        CombineOp::And if right.facts.empty => right.chain(),
        CombineOp::Or | CombineOp::Xor if left.facts.empty => right.chain(),
        CombineOp::Or | CombineOp::Xor if right.facts.empty => left.chain(),
        _ => {
            let other = Box::new(right.queryset());
            let mut facts = left.facts.clone();
            facts.ordered |= right.facts.ordered;
            facts.grouped |= right.facts.grouped;
            let mut rows = left.with(Call::Combine { op, other });
            rows.facts = facts;
            rows
        }
    };
    Py::Rows(Box::new(rows))
}

/// `&`, `|` and `^` with an expression on the left (Django: `Combinable.__and__`).
fn combine_expr(left: Expr, right: Py, connector: Connector) -> Result<Py> {
    if let Expr::Func(func) = &left
        && is_search(func)
        && let Py::Expr(other) = &right
        && let Expr::Func(other) = &**other
        && is_search(other)
        && connector != Connector::Xor
    {
        let operator = if connector == Connector::And {
            "and"
        } else {
            "or"
        };
        let args = vec![left.clone(), Expr::Func(other.clone())];
        return Ok(Py::expr(search(operator, args)));
    }
    if let Expr::Func(func) = &left
        && func.name == "SearchQuery"
    {
        return Err(Error::unsupported(
            "a combination of search queries",
            "it is a feature of PostgreSQL",
        ));
    }
    let fits = is_conditional(&left)
        && match &right {
            Py::Q(_) => true,
            Py::Expr(expr) => is_conditional(expr),
            _ => false,
        };
    if !fits {
        return Err(refuse(
            Code::NotImplemented,
            "Use .bitand(), .bitor(), and .bitxor() for bitwise logical operations.",
        ));
    }
    let wrap = |child| QNode::all(vec![child]);
    let Ok(right) = condition(right) else {
        return Err(Error::internal("a condition is none"));
    };
    let combined = wrap(QChild::Expr(left)).combine(QChild::Node(wrap(right)), connector);
    Ok(Py::Q(Box::new(combined)))
}

fn is_flag(value: &Py) -> bool {
    matches!(
        value,
        Py::Builtin(Builtin {
            role: Role::Python(Python::RegexFlag(_)),
            ..
        })
    )
}

fn is_search(func: &Func) -> bool {
    is_text_search(&func.name)
}

fn search(operator: &str, args: Vec<Expr>) -> Expr {
    Expr::Func(Func {
        name: "CombinedSearchExpression".to_owned(),
        args,
        options: [("operator".to_owned(), Value::from(operator))]
            .into_iter()
            .collect(),
        output: None,
    })
}

/// Whether an expression is a condition, as far as that shows without the models.
pub(super) fn is_conditional(expr: &Expr) -> bool {
    let boolean = |output: &crate::schema::FieldType| output.kind == FieldKind::BooleanField;
    match expr {
        Expr::Exists(_) | Expr::Not(_) | Expr::Compare { .. } | Expr::Q(_) => true,
        Expr::Value(Value::Bool(_)) => true,
        Expr::Typed { output, .. } | Expr::Wrap { output, .. } => boolean(output),
        Expr::Func(func) => func.output.as_deref().is_some_and(boolean),
        Expr::Case(case) => case.output.as_deref().is_some_and(boolean),
        Expr::Subquery(subquery) => subquery.output.as_deref().is_some_and(boolean),
        Expr::Aggregate(aggregate) => {
            aggregate.output.as_deref().is_some_and(boolean)
                || matches!(aggregate.name.as_str(), "BoolAnd" | "BoolOr")
        }
        _ => false,
    }
}

fn bad_operands(op: BinaryOp, left: &Py, right: &Py) -> Error {
    type_error(format!(
        "unsupported operands for {}: {} and {}",
        op.sign(),
        left.describe(),
        right.describe()
    ))
}

fn bad_unary(sign: &str, value: &Py) -> Error {
    type_error(format!("bad operand for {sign}: {}", value.describe()))
}
