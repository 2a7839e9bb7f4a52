//! `$densify`: makes the documents that are missing from a sequence of numbers or dates.
use bson::Bson;

use super::group::{KeyMap, KeyRef};
use super::{Documents, Source, Stage, StagePlan, Starting, drain};
use crate::memory::datetime;
use crate::memory::error::EngineError;
use crate::memory::expr::{Env, arith};
use crate::memory::value::{Document, Key, Path, Value, compare};

/// A compiled `$densify`.
#[derive(Clone, Debug)]
pub struct Densify {
    field: Path,
    partition: Vec<Path>,
    step: Value,
    unit: Option<String>,
    bounds: Bounds,
}

/// The partition's values, and its documents with their values of the field.
type Partition = (Vec<Value>, Vec<(Value, Document)>);

#[derive(Clone, Debug)]
enum Bounds {
    Full,
    Partition,
    Range(Value, Value),
}

/// No more documents than this are made by one stage (MongoDB's internalQueryMaxAllowedDensifyDocs).
const MAX_MADE: usize = 500_000;

fn fail<T>(code: i32, message: impl Into<String>) -> Result<T, EngineError> {
    Err(EngineError::location(code, message))
}

impl Densify {
    /// Reads the specification.
    ///
    /// # Errors
    /// 40414, 40415, `TypeMismatch`, 5733401 to 5733409, 5946800 as MongoDB.
    pub fn compile(spec: &Bson) -> Result<Self, EngineError> {
        let Bson::Document(d) = spec else {
            return Err(EngineError::failed_to_parse(
                "The $densify stage specification must be an object",
            ));
        };
        if let Some(unknown) = d
            .keys()
            .find(|k| !["field", "partitionByFields", "range"].contains(&k.as_str()))
        {
            return fail(
                40415,
                format!("BSON field '$densify.{unknown}' is an unknown field."),
            );
        }
        let field = match d.get("field") {
            Some(Bson::String(s)) => Path::parse(s)?,
            Some(_) => {
                return Err(EngineError::type_mismatch(
                    "BSON field '$densify.field' must be a string",
                ));
            }
            None => {
                return fail(
                    40414,
                    "BSON field '$densify.field' is missing but a required field",
                );
            }
        };
        let mut partition = Vec::new();
        match d.get("partitionByFields") {
            None => {}
            Some(Bson::Array(items)) => {
                for item in items {
                    let Bson::String(s) = item else {
                        return Err(EngineError::type_mismatch(
                            "BSON field '$densify.partitionByFields' must hold strings",
                        ));
                    };
                    let path = Path::parse(s)?;
                    if path == field {
                        return fail(
                            8_993_000,
                            "BSON field '$densify.partitionByFields' contains the field that is being densified",
                        );
                    }
                    partition.push(path);
                }
            }
            Some(_) => {
                return Err(EngineError::type_mismatch(
                    "BSON field '$densify.partitionByFields' must be an array",
                ));
            }
        }
        let Some(Bson::Document(range)) = d.get("range") else {
            return fail(
                40414,
                "BSON field '$densify.range' is missing but a required field",
            );
        };
        let Some(step) = range.get("step").map(Value::from_bson) else {
            return fail(
                40414,
                "BSON field '$densify.range.step' is missing but a required field",
            );
        };
        if !step.is_number() {
            return Err(EngineError::type_mismatch(format!(
                "BSON field '$densify.range.step' is the wrong type '{}', expected types '[int, decimal, double, long]'",
                step.type_name()
            )));
        }
        let positive = compare(step.view(), Value::Int32(0).view()).is_gt();
        if !positive {
            return fail(
                5_733_401,
                "The step parameter in a range statement must be a strictly positive numeric value",
            );
        }
        let unit = match range.get("unit") {
            None => None,
            Some(Bson::String(s)) => {
                datetime::add(0, s, 0, None)?;
                if step.as_i64().is_none() {
                    return fail(
                        6_586_400,
                        "The step parameter in a range statement must be a whole number when densifying a date range",
                    );
                }
                Some(s.clone())
            }
            Some(_) => {
                return Err(EngineError::type_mismatch(
                    "BSON field '$densify.range.unit' must be a string",
                ));
            }
        };
        let bounds = match range.get("bounds") {
            None => {
                return fail(
                    40414,
                    "BSON field '$densify.range.bounds' is missing but a required field",
                );
            }
            Some(Bson::String(s)) if s == "full" => Bounds::Full,
            Some(Bson::String(s)) if s == "partition" => {
                if partition.is_empty() {
                    return fail(
                        5_733_408,
                        "One may not specify the bounds as 'partition' without specifying a non-empty array of partitionByFields. You may have meant to specify 'full' bounds.",
                    );
                }
                Bounds::Partition
            }
            Some(Bson::String(_)) => {
                return fail(
                    5_946_802,
                    "Bounds string must either be 'full' or 'partition'",
                );
            }
            Some(Bson::Array(items)) => {
                let [low, high] = items.as_slice() else {
                    return fail(
                        5_733_403,
                        "A bounding array in a range statement must have exactly two elements",
                    );
                };
                let (low, high) = (Value::from_bson(low), Value::from_bson(high));
                let dates = matches!((&low, &high), (Value::Date(_), Value::Date(_)));
                let numbers = low.is_number() && high.is_number();
                if low.is_number() && !numbers {
                    return fail(
                        5_733_406,
                        "A bounding array must contain either both dates or both numeric types",
                    );
                }
                if !dates && !numbers {
                    return fail(
                        5_733_402,
                        "A bounding array must be an ascending array of either two dates or two numbers",
                    );
                }
                if dates && unit.is_none() {
                    return fail(
                        5_733_405,
                        "A bounding array of dates must be accompanied by a unit",
                    );
                }
                if numbers && unit.is_some() {
                    return fail(5_733_409, "Numeric bounds may not have unit parameter");
                }
                let one_type = [&high, &step]
                    .iter()
                    .all(|v| v.type_name() == low.type_name());
                if numbers && !one_type {
                    return fail(
                        5_876_900,
                        "Upper bound, lower bound, and step must all have the same type",
                    );
                }
                if compare(low.view(), high.view()).is_gt() {
                    return fail(
                        5_733_402,
                        "A bounding array must be an ascending array of either two dates or two numbers",
                    );
                }
                Bounds::Range(low, high)
            }
            Some(_) => {
                return Err(EngineError::type_mismatch(
                    "The bounds in a range statement must be the string \'full\', \'partition\', or an ascending array of two numbers or two dates",
                ));
            }
        };
        Ok(Self {
            field,
            partition,
            step,
            unit,
            bounds,
        })
    }

    fn check(&self, v: &Value) -> Result<(), EngineError> {
        match (v, &self.unit) {
            (Value::Date(_), Some(_)) => Ok(()),
            (Value::Date(_), None) => fail(
                6_053_600,
                "$densify encountered a date value while step unit was not provided",
            ),
            (v, None) if v.is_number() => Ok(()),
            (v, Some(_)) if v.is_number() => fail(
                6_053_601,
                "$densify encountered a numeric value while step unit was provided",
            ),
            (v, _) => fail(
                5_733_201,
                format!(
                    "PlanExecutor error during aggregation :: caused by :: Densify field type must be numeric or a date, but was {}",
                    v.type_name()
                ),
            ),
        }
    }

    /// The value after one of the sequence.
    fn after(&self, v: &Value) -> Result<Value, EngineError> {
        match (v, &self.unit) {
            (Value::Date(ms), Some(unit)) => {
                let amount = self.step.as_i64().unwrap_or(1);
                Ok(Value::Date(datetime::add(*ms, unit, amount, None)?))
            }
            _ => arith::add(v, &self.step),
        }
    }

    fn run(&self, docs: Vec<Document>) -> Result<Vec<Document>, EngineError> {
        let mut out = Vec::with_capacity(docs.len());
        let mut groups: KeyMap<Partition> = KeyMap::default();
        let mut whole: Option<(Value, Value)> = None;
        for doc in docs {
            let v = self.field.get(doc.view());
            if v.is_nullish() {
                out.push(doc);
                continue;
            }
            self.check(&v)?;
            whole = Some(match whole {
                None => (v.clone(), v.clone()),
                Some((low, high)) => (
                    if compare(v.view(), low.view()).is_lt() {
                        v.clone()
                    } else {
                        low
                    },
                    if compare(v.view(), high.view()).is_gt() {
                        v.clone()
                    } else {
                        high
                    },
                ),
            });
            let names: Vec<Value> = self.partition.iter().map(|p| p.get(doc.view())).collect();
            let key = Value::array(names.iter().map(|v| v.clone().or_null()).collect());
            match groups.get_mut(&KeyRef(key.view())) {
                Some((_, rows)) => rows.push((v, doc)),
                None => {
                    groups.insert(Key(key), (names, vec![(v, doc)]));
                }
            }
        }
        if groups.is_empty()
            && self.partition.is_empty()
            && matches!(self.bounds, Bounds::Range(..))
        {
            groups.insert(Key(Value::Null), (Vec::new(), Vec::new()));
        }
        let mut made = 0;
        for (names, mut rows) in groups.into_values() {
            rows.sort_by(|a, b| compare(a.0.view(), b.0.view()));
            let (low, high, inclusive) = match (&self.bounds, &whole, rows.first(), rows.last()) {
                (Bounds::Range(low, high), ..) => (low.clone(), high.clone(), false),
                (Bounds::Full, Some((low, high)), ..) => (low.clone(), high.clone(), true),
                (Bounds::Partition, _, Some(first), Some(last)) => {
                    (first.0.clone(), last.0.clone(), true)
                }
                _ => continue,
            };
            let mut rows = rows.into_iter().peekable();
            let mut next = low;
            loop {
                let v = next;
                next = self.after(&v)?;
                let past = compare(v.view(), high.view());
                let over = past.is_gt() || (past.is_eq() && !inclusive);
                // First the documents before this place in the sequence, then those on it.
                let mut there = false;
                while let Some((w, _)) = rows.peek() {
                    let order = compare(w.view(), v.view());
                    if order.is_gt() && !over {
                        break;
                    }
                    there |= order.is_eq();
                    if let Some((_, doc)) = rows.next() {
                        out.push(doc);
                    }
                }
                if over {
                    break;
                }
                if !there {
                    made += 1;
                    if made > MAX_MADE {
                        return fail(
                            5_897_900,
                            format!(
                                "Generated {made} documents in $densify, which is over the limit of {MAX_MADE}. Increase the limit or narrow the range."
                            ),
                        );
                    }
                    let mut doc = Document::empty();
                    for (path, name) in self.partition.iter().zip(&names) {
                        doc = doc.with_path(path.parts(), name.clone());
                    }
                    out.push(doc.with_path(self.field.parts(), v));
                }
            }
        }
        Ok(out)
    }
}

impl StagePlan for Densify {
    fn start(&self, input: Source, _: &Starting<'_>) -> Result<Source, EngineError> {
        Ok(Box::new(Densifying {
            input: Some(input),
            plan: self.clone(),
            docs: Documents::new(Vec::new()),
        }))
    }
}

struct Densifying {
    input: Option<Source>,
    plan: Densify,
    docs: Documents,
}

impl Stage for Densifying {
    fn next(&mut self, env: &mut Env<'_>) -> Result<Option<Document>, EngineError> {
        if let Some(input) = self.input.take() {
            self.docs = Documents::new(self.plan.run(drain(input, "$densify", env)?)?);
        }
        self.docs.next(env)
    }
}
