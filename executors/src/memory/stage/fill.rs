//! `$fill`, in terms of `$setWindowFields` and `$addFields`.
use bson::{Bson, Document as Bdoc, doc};

use crate::memory::error::EngineError;
use crate::memory::value::Value;

fn fail<T>(code: i32, message: impl Into<String>) -> Result<T, EngineError> {
    Err(EngineError::location(code, message))
}

/// The stages that do what a `$fill` asks.
///
/// # Errors
/// 40414, 40415, 6050200 to 6050204 as MongoDB.
pub fn stages(spec: &Bson) -> Result<Vec<Bdoc>, EngineError> {
    let Bson::Document(d) = spec else {
        return Err(EngineError::failed_to_parse(
            "The $fill stage specification must be an object",
        ));
    };
    if let Some(unknown) = d
        .keys()
        .find(|k| !["partitionBy", "partitionByFields", "sortBy", "output"].contains(&k.as_str()))
    {
        return fail(
            40415,
            format!("BSON field '$fill.{unknown}' is an unknown field."),
        );
    }
    let output = match d.get("output") {
        Some(Bson::Document(o)) => o,
        Some(_) => {
            return Err(EngineError::type_mismatch(
                "BSON field '$fill.output' must be an object",
            ));
        }
        None => {
            return fail(
                40414,
                "BSON field '$fill.output' is missing but a required field",
            );
        }
    };
    let partition = match (d.get("partitionBy"), d.get("partitionByFields")) {
        (Some(_), Some(_)) => {
            return fail(
                6_050_204,
                "Maximum one of 'partitionBy' and 'partitionByFields' can be specified in '$fill'",
            );
        }
        (Some(Bson::String(s)), None) => Some(Bson::String(s.clone())),
        (Some(Bson::Document(p)), None) => Some(Bson::Document(p.clone())),
        (Some(other), None) => {
            return Err(EngineError::type_mismatch(format!(
                "BSON field '$fill.partitionBy' is the wrong type '{}'",
                Value::from_bson(other).type_name()
            )));
        }
        (None, Some(Bson::Array(fields))) => {
            let mut by = Bdoc::new();
            for field in fields {
                let Bson::String(name) = field else {
                    return Err(EngineError::type_mismatch(
                        "BSON field '$fill.partitionByFields' must hold strings",
                    ));
                };
                if name.starts_with('$') {
                    return Err(EngineError::failed_to_parse(
                        "A field path in $fill.partitionByFields may not start with '$'",
                    ));
                }
                by.insert(name.replace('.', "_"), format!("${name}"));
            }
            Some(Bson::Document(by))
        }
        (None, Some(_)) => {
            return Err(EngineError::type_mismatch(
                "BSON field '$fill.partitionByFields' must be an array",
            ));
        }
        (None, None) => None,
    };
    if output.is_empty() {
        return fail(
            6_050_203,
            "The 'output' field in '$fill' must contain at least one element",
        );
    }
    let (mut windows, mut values) = (Bdoc::new(), Bdoc::new());
    for (path, how) in output {
        let Bson::Document(how) = how else {
            return fail(
                6_050_200,
                format!("The '$fill.output.{path}' specification must be an object"),
            );
        };
        if let Some(unknown) = how
            .keys()
            .find(|k| !matches!(k.as_str(), "value" | "method"))
        {
            return fail(
                40415,
                format!("BSON field '$fill.output.{path}.{unknown}' is an unknown field."),
            );
        }
        let mut entries = how.iter();
        let (Some((key, v)), None) = (entries.next(), entries.next()) else {
            return fail(
                40414,
                "BSON field '$fill.output' must have exactly one of 'value' and 'method'",
            );
        };
        let here = format!("${path}");
        match (key.as_str(), v) {
            ("value", v) => {
                values.insert(path.clone(), doc! {"$ifNull": [here, v.clone()]});
            }
            ("method", Bson::String(s)) if s == "locf" => {
                windows.insert(path.clone(), doc! {"$locf": here});
            }
            ("method", Bson::String(s)) if s == "linear" => {
                windows.insert(path.clone(), doc! {"$linearFill": here});
            }
            ("method", v) => {
                return fail(
                    6_050_202,
                    format!("Method must be either 'locf' or 'linear', not {v}"),
                );
            }
            _ => {
                return fail(
                    40415,
                    format!("BSON field '$fill.output.{path}.{key}' is an unknown field."),
                );
            }
        }
    }
    let mut stages = Vec::new();
    if !windows.is_empty() {
        let mut stage = Bdoc::new();
        if let Some(by) = partition {
            stage.insert("partitionBy", by);
        }
        if let Some(sort) = d.get("sortBy") {
            stage.insert("sortBy", sort.clone());
        }
        stage.insert("output", windows);
        stages.push(doc! {"$setWindowFields": stage});
    }
    if !values.is_empty() {
        stages.push(doc! {"$addFields": values});
    }
    Ok(stages)
}
