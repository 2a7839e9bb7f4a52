//! `$percentile` and `$median`: the value at a rank of the sorted numbers.
use bson::Bson;

use crate::memory::error::EngineError;
use crate::memory::expr::{Context, Env, Expr, Fields};
use crate::memory::value::{Value, num};

/// The compiled arguments.
#[derive(Clone, Debug)]
pub(crate) struct Percentile {
    pub input: Expr,
    /// `None` for `$median`.
    fractions: Option<Expr>,
    /// The fractions, when they are constant.
    fixed: Option<Vec<f64>>,
}

impl Percentile {
    pub fn compile(name: &str, argument: &Bson, cx: Context<'_>) -> Result<Self, EngineError> {
        let median = name == "$median";
        let known: &[&str] = if median {
            &["input", "method"]
        } else {
            &["input", "p", "method"]
        };
        let code = if median { 7_436_100 } else { 7_429_703 };
        let fields = Fields::new(name, argument, known, code, 40415)?;
        let input = fields.required("input", 40414, cx)?;
        match fields.require("method", 40414)? {
            Bson::String(s) if s == "approximate" => {}
            _ => {
                return Err(EngineError::bad_value(format!(
                    "{name}: currently only 'approximate' can be used as percentile 'method'"
                )));
            }
        }
        let fractions = if median {
            None
        } else {
            Some(fields.required("p", 40414, cx)?)
        };
        let fixed = match &fractions {
            None => Some(vec![0.5]),
            Some(e) if e.as_path().is_some() => {
                return Err(EngineError::location(
                    7_750_300,
                    format!("The {name} 'p' field must be an array of constant values"),
                ));
            }
            Some(e) => e.as_literal().map(read).transpose()?,
        };
        Ok(Self {
            input,
            fractions,
            fixed,
        })
    }

    /// The result over numbers in any order.
    pub fn result(&self, mut numbers: Vec<f64>, env: &mut Env<'_>) -> Result<Value, EngineError> {
        let fractions = match (&self.fixed, &self.fractions) {
            (Some(f), _) => f.clone(),
            (None, Some(e)) => read(&e.eval(env)?)?,
            (None, None) => Vec::new(),
        };
        numbers.retain(|x| !x.is_nan());
        numbers.sort_by(|a, b| num::compare_f64(*a, *b));
        let at = |p: &f64| {
            let rank = num::f64_to_i64((p * num::usize_to_f64(numbers.len())).ceil()) - 1;
            numbers
                .get(usize::try_from(rank.max(0)).unwrap_or(0))
                .map_or(Value::Null, |x| Value::Double(*x))
        };
        Ok(if self.fractions.is_none() {
            at(&0.5)
        } else {
            Value::array(fractions.iter().map(at).collect())
        })
    }
}

fn read(v: &Value) -> Result<Vec<f64>, EngineError> {
    let wrong = |code: i32| {
        EngineError::location(
            code,
            "The $percentile 'p' field must be an array of numbers from [0.0, 1.0]",
        )
    };
    let items = v
        .as_array()
        .filter(|a| !a.is_empty())
        .ok_or_else(|| wrong(7_750_301))?;
    items
        .iter()
        .map(|p| {
            let p = p.as_f64().ok_or_else(|| wrong(7_750_302))?;
            if (0.0..=1.0).contains(&p) {
                Ok(p)
            } else {
                Err(wrong(7_750_303))
            }
        })
        .collect()
}
