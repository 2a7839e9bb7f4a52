//! Aggregates.

use bson::Bson;
use mqlc_compiler::plan::AggregateCall;
use mqlc_compiler::queryset::{ArithmeticOp, Value};
use mqlc_compiler::schema::StorageFamily;

use super::number::Num;
use super::order::order;
use super::value::distinct;
use super::{Interpreter, Row};

impl Interpreter<'_> {
    pub(super) fn aggregate(&self, call: &AggregateCall, rows: &[Row]) -> Bson {
        let mut rows: Vec<Row> = rows
            .iter()
            .filter(|row| {
                call.filter
                    .as_ref()
                    .is_none_or(|f| self.truth(f, row) == Some(true))
            })
            .cloned()
            .collect();
        if !call.order.is_empty() {
            self.sort(&mut rows, &call.order);
        }
        let Some(arg) = call.args.first() else {
            return Bson::Int64(rows.len() as i64);
        };
        let name = call.function.as_str();
        let mut values: Vec<(usize, Bson)> = rows
            .iter()
            .map(|row| (row.tie, self.value(arg, row)))
            .filter(|(_, v)| *v != Bson::Null || name == "ArrayAgg")
            .collect();
        let ordered = matches!(name, "ArrayAgg" | "StringAgg" | "AnyValue");
        if ordered
            && values
                .windows(2)
                .any(|w| w[0].0 == w[1].0 && w[0].1 != w[1].1)
        {
            self.unsure();
        }
        let mut values: Vec<Bson> = values.drain(..).map(|(_, v)| v).collect();
        if call.distinct {
            distinct(&mut values);
        }
        if name == "Count" {
            return Bson::Int64(values.len() as i64);
        }
        let numbers: Vec<Num> = values.iter().filter_map(Num::of).collect();
        let family = call.ty.kind.family();
        // Sums and averages of parts, with the numbers of their values.
        if let ("Sum" | "Avg", Some(count)) = (name, call.args.get(1)) {
            let counts: Vec<Bson> = rows.iter().map(|row| self.value(count, row)).collect();
            let counts: Vec<Num> = counts.iter().filter_map(Num::of).collect();
            let (sum, count) = (self.sum(&numbers), self.sum(&counts));
            return match (Num::of(&sum), Num::of(&count)) {
                (_, Some(Num::Int(0)) | None) | (None, _) => Bson::Null,
                (Some(_), Some(_)) if name == "Sum" => sum,
                (Some(sum), Some(count)) if family == StorageFamily::Decimal => {
                    match Num::Dec(sum.dec()).arithmetic(ArithmeticOp::Div, count) {
                        Some(Some(quotient)) => quotient.bson(),
                        _ => Bson::Null,
                    }
                }
                (Some(sum), Some(count)) => Bson::Double(sum.float() / count.float()),
            };
        }
        let Some(first) = values.first().cloned() else {
            return if call.never_null {
                Bson::Int64(0)
            } else {
                Bson::Null
            };
        };
        match name {
            "Sum" => self.sum(&numbers),
            "Avg" if family == StorageFamily::Decimal => {
                let (Some(sum), count) =
                    (Num::of(&self.sum(&numbers)), Num::Int(numbers.len() as i64))
                else {
                    return Bson::Null;
                };
                match Num::Dec(sum.dec()).arithmetic(ArithmeticOp::Div, count) {
                    Some(Some(quotient)) => quotient.bson(),
                    _ => Bson::Null,
                }
            }
            "Avg" => {
                let sum: f64 = numbers.iter().map(|n| n.float()).sum();
                Bson::Double(sum / numbers.len() as f64)
            }
            "Min" => values.into_iter().min_by(order).unwrap_or(Bson::Null),
            "Max" => values.into_iter().max_by(order).unwrap_or(Bson::Null),
            "StdDev" | "Variance" => {
                let sample = matches!(call.options.get("sample"), Some(Value::Bool(true)));
                let n = numbers.len() as f64;
                let mean = numbers.iter().map(|x| x.float()).sum::<f64>() / n;
                let squares: f64 = numbers.iter().map(|x| (x.float() - mean).powi(2)).sum();
                if sample && numbers.len() < 2 {
                    return Bson::Null;
                }
                let variance = squares / if sample { n - 1.0 } else { n };
                Bson::Double(if name == "StdDev" {
                    variance.sqrt()
                } else {
                    variance
                })
            }
            "ArrayAgg" => Bson::Array(values),
            "StringAgg" => {
                let delimiter = match call.options.get("delimiter") {
                    Some(Value::Str(text)) => text.clone(),
                    _ => match call.args.get(1).map(|d| self.value(d, &Row::default())) {
                        Some(Bson::String(text)) => text,
                        other => panic!("no interpretation of the delimiter {other:?}"),
                    },
                };
                let texts: Vec<&str> = values.iter().filter_map(Bson::as_str).collect();
                texts.join(&delimiter).into()
            }
            "AnyValue" => first,
            "BoolAnd" => values.iter().all(|v| *v == Bson::Boolean(true)).into(),
            "BoolOr" => values.iter().any(|v| *v == Bson::Boolean(true)).into(),
            "BitAnd" | "BitOr" | "BitXor" => {
                let op = match name {
                    "BitAnd" => ArithmeticOp::BitAnd,
                    "BitOr" => ArithmeticOp::BitOr,
                    _ => ArithmeticOp::BitXor,
                };
                numbers
                    .into_iter()
                    .reduce(|a, b| a.arithmetic(op, b).flatten().unwrap_or(a))
                    .map_or(Bson::Null, Num::bson)
            }
            other => panic!("no interpretation of {other}"),
        }
    }

    fn sum(&self, numbers: &[Num]) -> Bson {
        let mut sum: Option<Num> = None;
        for n in numbers {
            sum = match sum {
                None => Some(*n),
                Some(sum) => match sum.arithmetic(ArithmeticOp::Add, *n) {
                    Some(result) => result,
                    None => {
                        self.unsure();
                        None
                    }
                },
            };
        }
        sum.map_or(Bson::Null, Num::bson)
    }
}
