//! Methods that order rows: `order_by()`, `dates()`, pages after a row.

use super::Evaluator;
use super::args::{Args, required};
use super::node::At;
use super::queryset::Rows;
use super::value::{Py, Zone, attribute_error, string, type_error, value_error};
use crate::error::Result;
use crate::queryset::{Call, Direction, OrderTerm};

impl Evaluator<'_> {
    pub(super) fn order_by(&mut self, rows: Rows, args: Args) -> Result<Rows> {
        let mut terms: Vec<OrderTerm> = Vec::new();
        for (value, span) in args.only_positional("order_by")? {
            terms.push(self.order_term(value).at(span)?);
        }
        let ordered = !terms.is_empty();
        let mut rows = rows.with(Call::OrderBy(terms));
        rows.facts.ordered = ordered;
        rows.facts.unordered = !ordered;
        Ok(rows)
    }

    pub(super) fn dates(&mut self, rows: Rows, name: &str, args: Args) -> Result<Rows> {
        let [field, kind, order, tz] =
            args.bind(name, ["field_name", "kind", "order", "tzinfo"])?;
        let field = string(&required(field, name, "field_name")?, "the field")?;
        let kind = string(&required(kind, name, "kind")?, "kind")?;
        let kinds: &[&str] = if name == "dates" {
            &["year", "month", "week", "day"]
        } else {
            &["year", "month", "week", "day", "hour", "minute", "second"]
        };
        if !kinds.contains(&kind.as_str()) {
            return Err(value_error(format!(
                "'kind' must be one of {}.",
                quoted(kinds)
            )));
        }
        let order = match order.as_ref().map(|o| o.as_str()) {
            None => Direction::Asc,
            Some(Some("ASC")) => Direction::Asc,
            Some(Some("DESC")) => Direction::Desc,
            _ => return Err(value_error("'order' must be either 'ASC' or 'DESC'.")),
        };
        let call = if name == "dates" {
            if tz.is_some() {
                return Err(type_error(
                    "dates() got an unexpected keyword argument 'tzinfo'",
                ));
            }
            Call::Dates { field, kind, order }
        } else {
            let tz = match tz {
                None => None,
                Some(value) if value.is_none() => None,
                Some(Py::Zone(zone)) => Some(Zone::text(&zone)),
                Some(other) => {
                    return Err(attribute_error(format!(
                        "tzinfo must be a time zone, not {}",
                        other.describe()
                    )));
                }
            };
            Call::Datetimes {
                field,
                kind,
                order,
                tz,
            }
        };
        let mut rows = rows.with(call);
        rows.facts.values = true;
        rows.facts.ordered = true;
        Ok(rows)
    }

    /// `page_after(("-pages", 300), ("pk", 7))`, or `order_by("-pages", "pk").page_after(300, 7)`: the rows after one.
    pub(super) fn page_after(&mut self, rows: Rows, args: Args) -> Result<Rows> {
        if rows.facts.sliced {
            return Err(type_error(
                "Cannot filter a query once a slice has been taken.",
            ));
        }
        let given = args.only_positional("page_after")?;
        let mut last = Vec::with_capacity(given.len());
        let pair = |value: &Py| matches!(value, Py::Tuple(items) if items.len() == 2);
        if !given.is_empty() && given.iter().all(|(value, _)| pair(value)) {
            for (value, span) in given {
                let items = value.items().unwrap_or_default();
                if let [name, value] = items {
                    let name = string(name, "the name of a field").at(span)?;
                    last.push((name, self.literal(value).at(span)?));
                }
            }
        } else {
            let terms = rows.calls.iter().rev().find_map(|call| match call {
                Call::OrderBy(terms) => Some(terms.as_slice()),
                _ => None,
            });
            let names: Option<Vec<String>> = terms
                .unwrap_or_default()
                .iter()
                .map(|term| match term {
                    OrderTerm::Name(name) if name != "?" => Some(name.clone()),
                    _ => None,
                })
                .collect();
            let names = names.unwrap_or_default();
            if names.is_empty() || names.len() != given.len() {
                return Err(
                    type_error("page_after() takes one value for each name of order_by()")
                        .with_hint("write page_after((\"-pages\", 300), (\"pk\", 7))"),
                );
            }
            for (name, (value, span)) in names.into_iter().zip(given) {
                last.push((name, self.literal(&value).at(span)?));
            }
        }
        let mut rows = rows;
        for call in crate::queryset::page_after(&last) {
            rows = match call {
                Call::Filter(_) => rows.with_condition(call),
                call => rows.with(call),
            };
        }
        rows.facts.ordered = true;
        rows.facts.unordered = false;
        Ok(rows)
    }
}

fn quoted(names: &[&str]) -> String {
    let (last, rest) = match names.split_last() {
        Some((last, rest)) => (*last, rest),
        None => return String::new(),
    };
    let rest: Vec<String> = rest.iter().map(|n| format!("'{n}'")).collect();
    format!("{}, or '{last}'", rest.join(", "))
}
