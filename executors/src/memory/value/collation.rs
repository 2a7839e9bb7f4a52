//! Collation: how strings compare when a command or a collection asks for more than bytes.
//! The rules are those of Unicode and CLDR, by the `icu_collator` crate.
use std::cmp::Ordering;
use std::sync::Arc;

use icu_collator::options::{AlternateHandling, CaseLevel, CollatorOptions, MaxVariable, Strength};
use icu_collator::preferences::{CollationCaseFirst, CollationNumericOrdering};
use icu_collator::{CollatorBorrowed, CollatorPreferences};
use icu_locale_core::Locale;

use super::{Array, DocBuilder, Str, Value};
use crate::memory::error::EngineError;

/// A collation: the locale and options given, and the collator that follows them.
#[derive(Clone)]
pub struct Collation {
    spec: Arc<bson::Document>,
    collator: Arc<CollatorBorrowed<'static>>,
}

impl PartialEq for Collation {
    fn eq(&self, other: &Self) -> bool {
        self.spec == other.spec
    }
}

impl std::fmt::Debug for Collation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Collation({})", self.spec)
    }
}

/// The languages whose order a server knows.
const LANGUAGES: &str = " af am ar as az be bg bn bo bs ca chr cs cy da de dsb dz ee el en eo es et fa fi fil fo fr ga gl gu ha haw he hi hr hsb hu hy id ig is it ja ka kk kl km kn ko kok ky lb lkt ln lo lt lv mk ml mn mr ms mt my nb ne nl nn om or pa pl ps pt ro ru se si sk sl smn sq sr sv sw ta te th to tr ug uk ur uz vi wae yi yo zh zu simple ";

/// Whether a locale is of a known language.
fn known_locale(locale: &str) -> bool {
    let language = locale.split(['_', '-', '@']).next().unwrap_or_default();
    !language.is_empty() && LANGUAGES.contains(&format!(" {language} "))
}

fn enumeration<T: Copy>(
    key: &str,
    v: &bson::Bson,
    choices: &[(&str, T)],
) -> Result<T, EngineError> {
    let bad = || {
        EngineError::bad_value(format!(
            "Enumeration value '{v}' for field 'collation.{key}' is not a valid value."
        ))
    };
    choices
        .iter()
        .find(|(name, _)| v.as_str() == Some(name))
        .map(|(_, t)| *t)
        .ok_or_else(bad)
}

impl Collation {
    /// Reads a `collation` document. The locale `simple` is no collation.
    ///
    /// # Errors
    /// `BadValue`, `TypeMismatch`, 40414, 40415 as MongoDB.
    pub fn parse(d: &bson::Document) -> Result<Option<Self>, EngineError> {
        let locale = match d.get("locale") {
            Some(bson::Bson::String(s)) => s,
            Some(_) => {
                return Err(EngineError::type_mismatch(
                    "BSON field 'collation.locale' is the wrong type, expected type 'string'",
                ));
            }
            None => {
                return Err(EngineError::location(
                    40414,
                    "BSON field 'collation.locale' is missing but a required field",
                ));
            }
        };
        if !known_locale(locale) {
            return Err(EngineError::bad_value(format!(
                "Field 'locale' is invalid in: {d}"
            )));
        }
        let mut options = CollatorOptions::default();
        options.strength = Some(Strength::Tertiary);
        // MongoDB's names of locales are those of ICU, with an underscore.
        let name = locale.replace('_', "-").replace("@collation=", "-u-co-");
        let parsed = if locale == "simple" { "und" } else { &name };
        let bad_locale = || EngineError::bad_value(format!("Field 'locale' is invalid in: {d}"));
        let mut preferences =
            CollatorPreferences::from(&parsed.parse::<Locale>().map_err(|_| bad_locale())?);
        for (key, v) in d {
            let flag = || match v {
                bson::Bson::Boolean(b) => Ok(*b),
                _ => Err(EngineError::type_mismatch(format!(
                    "BSON field 'collation.{key}' is the wrong type, expected type 'bool'"
                ))),
            };
            match key.as_str() {
                "locale" | "version" => {}
                "strength" => {
                    // A fraction is cut.
                    let number = Value::from_bson(v).as_f64().map(super::num::f64_to_i64);
                    options.strength = Some(match number {
                        Some(1) => Strength::Primary,
                        Some(2) => Strength::Secondary,
                        Some(3) => Strength::Tertiary,
                        Some(4) => Strength::Quaternary,
                        Some(5) => Strength::Identical,
                        _ => {
                            return Err(EngineError::bad_value(format!(
                                "Enumeration value '{v}' for field 'collation.strength' is not a valid value."
                            )));
                        }
                    });
                }
                "caseLevel" => {
                    options.case_level = Some(if flag()? {
                        CaseLevel::On
                    } else {
                        CaseLevel::Off
                    })
                }
                "numericOrdering" => {
                    preferences.numeric_ordering = Some(if flag()? {
                        CollationNumericOrdering::True
                    } else {
                        CollationNumericOrdering::False
                    });
                }
                "caseFirst" => {
                    let choices = [
                        ("off", CollationCaseFirst::False),
                        ("lower", CollationCaseFirst::Lower),
                        ("upper", CollationCaseFirst::Upper),
                    ];
                    preferences.case_first = Some(enumeration(key, v, &choices)?);
                }
                "alternate" => {
                    let choices = [
                        ("non-ignorable", AlternateHandling::NonIgnorable),
                        ("shifted", AlternateHandling::Shifted),
                    ];
                    options.alternate_handling = Some(enumeration(key, v, &choices)?);
                }
                "maxVariable" => {
                    let choices = [
                        ("punct", MaxVariable::Punctuation),
                        ("space", MaxVariable::Space),
                    ];
                    options.max_variable = Some(enumeration(key, v, &choices)?);
                }
                "backwards" | "normalization" => {
                    flag()?;
                }
                other => {
                    return Err(EngineError::location(
                        40415,
                        format!("BSON field 'collation.{other}' is an unknown field."),
                    ));
                }
            }
        }
        if locale == "simple" {
            return Ok(None);
        }
        let collator = CollatorBorrowed::try_new(preferences, options).map_err(|_| bad_locale())?;
        Ok(Some(Self {
            spec: Arc::new(d.clone()),
            collator: Arc::new(collator),
        }))
    }

    /// Compares two strings.
    pub fn compare(&self, a: &str, b: &str) -> Ordering {
        self.collator.compare(a, b)
    }

    /// A string whose bytes order as the collation orders the given ones.
    pub fn key(&self, s: &str) -> Str {
        let mut key = Vec::with_capacity(s.len() + 8);
        // Writing to a vector cannot fail.
        let _infallible = self.collator.write_sort_key_to(s, &mut key);
        Str::from_bytes(key)
    }

    /// The value with every string in it replaced by its key, so that binary comparison follows the collation.
    pub fn fold(&self, v: &Value) -> Value {
        match v {
            Value::Str(s) => Value::Str(self.key(s.as_str())),
            Value::Symbol(s) => Value::Str(self.key(s.as_str())),
            Value::Array(a) => Value::Array(
                a.iter()
                    .map(|x| self.fold(&x.to_value()))
                    .collect::<Array>(),
            ),
            Value::Document(d) => {
                let mut b = DocBuilder::new();
                for (k, x) in d.iter() {
                    b.push(k.to_str(), self.fold(&x.to_value()));
                }
                b.value()
            }
            other => other.clone(),
        }
    }
}
