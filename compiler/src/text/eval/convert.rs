//! Values as the parts of a statement: expressions, conditions, literals, terms of an ordering.

use indexmap::IndexMap;

use super::Evaluator;
use super::args::Args;
use super::node::{Connector, QChild, QNode, condition};
use super::value::{Instance, Py, attribute_error, refuse, type_error, value_error};
use crate::error::{Code, Error, Result};
use crate::queryset::{Expr, Order, OrderTerm, Q, Queryset, SubqueryExpr, Value};

impl Evaluator<'_> {
    /// A value as a literal.
    pub(super) fn literal(&self, value: &Py) -> Result<Value> {
        if let Some(value) = value.literal() {
            return Ok(value);
        }
        match value {
            Py::Instance(instance) => self.instance_literal(instance),
            Py::List(items) | Py::Tuple(items) | Py::Set(items) => Ok(Value::List(
                items
                    .iter()
                    .map(|item| self.literal(item))
                    .collect::<Result<_>>()?,
            )),
            Py::Dict(entries) => {
                let mut dict = IndexMap::new();
                for (key, value) in entries {
                    let Some(Value::Str(key)) = key.literal() else {
                        return Err(type_error(format!(
                            "the keys of a dict must be strings, not {}",
                            key.describe()
                        )));
                    };
                    dict.insert(key, self.literal(value)?);
                }
                Ok(Value::Dict(dict))
            }
            Py::Done(_) => Err(refuse(
                Code::Python,
                "the result of a query is only known when it has run",
            )
            .with_hint("use a subquery, or give the value as a parameter")),
            other => Err(type_error(format!("{} is no value", other.describe()))),
        }
    }

    fn instance_literal(&self, instance: &Instance) -> Result<Value> {
        let model = self.schema()?.model(instance.model)?;
        if !model.embedded {
            return Err(value_error(
                "Unsaved model instance cannot be used in an ORM query.",
            ));
        }
        let mut fields = IndexMap::new();
        for (name, value) in self.complete_row(instance)? {
            fields.insert(name, value);
        }
        Ok(Value::Model {
            model: model.label.clone(),
            fields,
        })
    }

    /// An argument of an expression: a string names a field, other literals are values.
    pub(super) fn expr_arg(&self, value: Py) -> Result<Expr> {
        match value {
            Py::Value(Value::Str(name)) => Ok(Expr::F(name)),
            other => self.value_expr(other),
        }
    }

    /// An operand: strings are values too.
    pub(super) fn value_expr(&self, value: Py) -> Result<Expr> {
        match value {
            Py::Expr(expr) => Ok(*expr),
            Py::Q(q) => Ok(Expr::Q(Box::new(q.into_q()))),
            Py::Rows(rows) => Ok(Expr::Subquery(SubqueryExpr {
                queryset: Box::new(rows.queryset()),
                output: None,
                explicit: false,
            })),
            Py::Order(_) => Err(type_error("an ordering is no expression")
                .with_hint("asc() and desc() belong into order_by()")),
            other => Ok(Expr::Value(self.literal(&other)?)),
        }
    }

    /// The right side of a lookup.
    pub(super) fn rhs(&self, value: Py) -> Result<Expr> {
        match value {
            Py::Expr(expr) => Ok(match *expr {
                Expr::Subquery(subquery) => Expr::Subquery(SubqueryExpr {
                    explicit: true,
                    ..subquery
                }),
                other => other,
            }),
            Py::List(items) | Py::Tuple(items) | Py::Set(items) => {
                let list = Py::List(items);
                if has_expression(&list) {
                    let Py::List(items) = list else {
                        return Err(Error::internal("a list is none"));
                    };
                    return Ok(Expr::List(
                        items
                            .into_iter()
                            .map(|item| self.rhs(item))
                            .collect::<Result<_>>()?,
                    ));
                }
                Ok(Expr::Value(self.literal(&list)?))
            }
            Py::Rows(rows) if rows.manager => {
                Err(type_error("a manager is no value").with_hint("write .all() after it"))
            }
            other => self.value_expr(other),
        }
    }

    /// Conditions of `filter()`, `Q()` and `When()`: the positional ones, then the keywords sorted by name.
    pub(super) fn conditions(&mut self, mut args: Args) -> Result<QNode> {
        let connector = match args.take_some("_connector") {
            None => Connector::And,
            Some(value) => match value.as_str() {
                Some("AND") => Connector::And,
                Some("OR") => Connector::Or,
                Some("XOR") => Connector::Xor,
                _ => {
                    return Err(value_error(
                        "connector must be one of AND, OR, XOR, or None.",
                    ));
                }
            },
        };
        let negated = args
            .take("_negated")
            .is_some_and(|v| v.truth().unwrap_or(false));
        let mut children = Vec::with_capacity(args.positional.len() + args.keywords.len());
        for (value, span) in args.positional {
            children.push(self.condition(value).map_err(|e| e.with_span(span))?);
        }
        args.keywords.sort_by(|a, b| a.name.cmp(&b.name));
        for keyword in args.keywords {
            self.note_instances(&keyword.name, &keyword.value);
            children.push(QChild::Lookup {
                rhs: self
                    .rhs(keyword.value)
                    .map_err(|e| e.with_span(keyword.span))?,
                path: keyword.name,
            });
        }
        Ok(QNode {
            connector,
            negated,
            children,
        })
    }

    /// One condition: a Q object, a boolean expression, or a pair of lookup and value.
    pub(super) fn condition(&mut self, value: Py) -> Result<QChild> {
        match condition(value) {
            Ok(child) => Ok(child),
            // Django takes what it is given for a pair, whatever it is.
            Err(Py::Tuple(items) | Py::List(items)) if items.len() == 2 => {
                let mut items = items.into_iter();
                match (items.next(), items.next()) {
                    (Some(Py::Value(Value::Str(path))), Some(value)) => {
                        self.note_instances(&path, &value);
                        Ok(QChild::Lookup {
                            path,
                            rhs: self.rhs(value)?,
                        })
                    }
                    _ => Err(attribute_error(
                        "a pair of a lookup and its value starts with the name",
                    )),
                }
            }
            Err(Py::Value(Value::Bool(_))) => Err(type_error(
                "Cannot filter against a non-conditional expression.",
            )
            .with_hint("comparisons decide in Python: write pages__gt=100 instead of pages > 100")),
            Err(Py::Value(Value::Str(text))) => {
                Err(value_error(format!("the string {text:?} is no condition"))
                    .with_hint("conditions are keyword arguments: filter(name=\"x\")"))
            }
            Err(Py::Dict(_)) => Err(
                refuse(Code::FieldError, "Cannot parse keyword query as dict")
                    .with_hint("unpack it: filter(**conditions)"),
            ),
            Err(other @ (Py::Tuple(_) | Py::List(_) | Py::Set(_))) => Err(value_error(format!(
                "a condition is a pair of a lookup and its value, not {} of another length",
                other.describe()
            ))),
            Err(other) => Err(type_error(format!("{} is no condition", other.describe()))),
        }
    }

    /// A condition as a Q.
    pub(super) fn q(&mut self, value: Py) -> Result<Q> {
        Ok(match self.condition(value)? {
            QChild::Node(node) => node.into_q(),
            QChild::Lookup { path, rhs } => Q::Lookup { path, rhs },
            QChild::Expr(expr) => Q::Expr(expr),
        })
    }

    /// A term of `order_by()`.
    pub(super) fn order_term(&self, value: Py) -> Result<OrderTerm> {
        match value {
            Py::Value(Value::Str(name)) => Ok(OrderTerm::Name(name)),
            Py::Order(order) => Ok(OrderTerm::Expr(*order)),
            other @ (Py::Expr(_) | Py::Q(_) | Py::Rows(_)) => Ok(OrderTerm::Expr(Order {
                expr: self.value_expr(other)?,
                desc: false,
                nulls: None,
            })),
            other => {
                let shown = super::strings::text_of(&other).unwrap_or_else(|_| other.describe());
                Err(refuse(
                    Code::FieldError,
                    format!("Invalid order_by arguments: [{shown}]"),
                )
                .with_hint("order by names and expressions"))
            }
        }
    }

    /// Terms of an ordering inside an expression: one, or a list of them; `-name` is descending.
    pub(super) fn orders(&self, value: Py) -> Result<Vec<Order>> {
        let items = match value {
            Py::List(items) | Py::Tuple(items) | Py::Set(items) => items,
            other => vec![other],
        };
        items
            .into_iter()
            .map(|item| {
                Ok(match self.order_term(item)? {
                    OrderTerm::Expr(order) => order,
                    OrderTerm::Name(name) => {
                        let (name, desc) = match name.strip_prefix('-') {
                            Some(rest) => (rest.to_owned(), true),
                            None => (name, false),
                        };
                        Order {
                            expr: Expr::F(name),
                            desc,
                            nulls: None,
                        }
                    }
                })
            })
            .collect()
    }

    /// A queryset argument.
    pub(super) fn queryset_arg(&self, value: Py, what: &str) -> Result<Queryset> {
        match value {
            Py::Rows(rows) if rows.manager => Err(attribute_error(format!(
                "{what} takes a queryset, not a manager"
            ))
            .with_hint("write .all() after it")),
            Py::Rows(rows) => Ok(rows.queryset()),
            Py::Done(_) => Err(attribute_error(format!(
                "{what} takes a queryset, not the result of one"
            ))
            .with_hint("leave out the method that ends the queryset")),
            other => Err(attribute_error(format!(
                "{what} takes a queryset, not {}",
                other.describe()
            ))),
        }
    }
}

fn has_expression(value: &Py) -> bool {
    match value {
        Py::List(items) | Py::Tuple(items) | Py::Set(items) => items.iter().any(has_expression),
        Py::Expr(_) | Py::Q(_) | Py::Rows(_) => true,
        _ => false,
    }
}
