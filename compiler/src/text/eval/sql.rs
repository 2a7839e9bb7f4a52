//! `Func()` and `Aggregate()` with the name of an SQL function: the function of that meaning.

use super::Evaluator;
use super::args::Args;
use super::expression::func;
use super::node::At;
use super::value::{Py, string, type_error};
use crate::error::{Error, Result};
use crate::queryset::{Aggregate, Expr};

/// Names of SQL functions whose own classes take the same arguments.
const FUNCTIONS: &[(&str, &str)] = &[
    ("ABS", "Abs"),
    ("ACOS", "ACos"),
    ("ASIN", "ASin"),
    ("ATAN", "ATan"),
    ("ATAN2", "ATan2"),
    ("BTRIM", "Trim"),
    ("CEIL", "Ceil"),
    ("CEILING", "Ceil"),
    ("CHAR_LENGTH", "Length"),
    ("CHR", "Chr"),
    ("COALESCE", "Coalesce"),
    ("CONCAT", "Concat"),
    ("COS", "Cos"),
    ("COT", "Cot"),
    ("CURRENT_TIMESTAMP", "Now"),
    ("DEGREES", "Degrees"),
    ("EXP", "Exp"),
    ("FLOOR", "Floor"),
    ("GREATEST", "Greatest"),
    ("LEAST", "Least"),
    ("LEFT", "Left"),
    ("LENGTH", "Length"),
    ("LN", "Ln"),
    ("LOWER", "Lower"),
    ("LPAD", "LPad"),
    ("LTRIM", "LTrim"),
    ("MD5", "MD5"),
    ("MOD", "Mod"),
    ("NOW", "Now"),
    ("NULLIF", "NullIf"),
    ("PI", "Pi"),
    ("POW", "Power"),
    ("POWER", "Power"),
    ("RADIANS", "Radians"),
    ("RANDOM", "Random"),
    ("REPEAT", "Repeat"),
    ("REPLACE", "Replace"),
    ("REVERSE", "Reverse"),
    ("RIGHT", "Right"),
    ("ROUND", "Round"),
    ("RPAD", "RPad"),
    ("RTRIM", "RTrim"),
    ("SHA1", "SHA1"),
    ("SHA224", "SHA224"),
    ("SHA256", "SHA256"),
    ("SHA384", "SHA384"),
    ("SHA512", "SHA512"),
    ("SIGN", "Sign"),
    ("SIN", "Sin"),
    ("SQRT", "Sqrt"),
    ("STRPOS", "StrIndex"),
    ("SUBSTR", "Substr"),
    ("SUBSTRING", "Substr"),
    ("TAN", "Tan"),
    ("TRIM", "Trim"),
    ("UPPER", "Upper"),
];

/// As [`FUNCTIONS`], of aggregates.
const AGGREGATES: &[(&str, &str)] = &[
    ("ANY_VALUE", "AnyValue"),
    ("ARRAY_AGG", "ArrayAgg"),
    ("AVG", "Avg"),
    ("BIT_AND", "BitAnd"),
    ("BIT_OR", "BitOr"),
    ("BIT_XOR", "BitXor"),
    ("BOOL_AND", "BoolAnd"),
    ("BOOL_OR", "BoolOr"),
    ("COUNT", "Count"),
    ("MAX", "Max"),
    ("MIN", "Min"),
    ("SUM", "Sum"),
];

impl Evaluator<'_> {
    /// `Func(*expressions, function=..., output_field=...)`.
    pub(super) fn sql(&mut self, class: &str, mut args: Args) -> Result<Py> {
        let table = if class == "Aggregate" {
            AGGREGATES
        } else {
            FUNCTIONS
        };
        let function = args.take_some("function").ok_or_else(|| {
            Error::unsupported(
                format!("{class}() without 'function'"),
                "SQL templates have no meaning for MongoDB",
            )
        })?;
        let function = string(&function, "function")?;
        let Some((_, name)) = table
            .iter()
            .find(|(sql, _)| sql.eq_ignore_ascii_case(&function))
        else {
            return Err(Error::unsupported(
                format!("{class}(function=\"{function}\")"),
                "no function of that SQL name is known",
            )
            .with_hint("write RawMQL(...), or register a function"));
        };
        if let Some(keyword) = args
            .keywords
            .iter()
            .find(|k| matches!(k.name.as_str(), "template" | "arg_joiner" | "arity"))
        {
            return Err(Error::unsupported(
                format!("{class}() with its own '{}'", keyword.name),
                "SQL templates have no meaning for MongoDB",
            )
            .with_span(keyword.span));
        }
        let output = self.output(args.take("output_field"))?;
        let distinct = args
            .take("distinct")
            .is_some_and(|d| d.truth() == Some(true));
        let filter = args.take_some("filter");
        let mut expressions = Vec::new();
        for (value, span) in std::mem::take(&mut args.positional) {
            expressions.push(self.expr_arg(value).at(span)?);
        }
        args.finish(class)?;
        if class != "Aggregate" {
            if distinct || filter.is_some() {
                return Err(type_error("Func() takes no distinct and no filter"));
            }
            return Ok(func(name, expressions, indexmap::IndexMap::new(), output));
        }
        let filter = match filter {
            None => None,
            Some(value) => Some(Box::new(self.q(value)?)),
        };
        Ok(Py::expr(Expr::Aggregate(Aggregate {
            name: (*name).to_owned(),
            args: expressions,
            distinct,
            filter,
            default: None,
            order_by: Vec::new(),
            options: indexmap::IndexMap::new(),
            output,
        })))
    }
}
