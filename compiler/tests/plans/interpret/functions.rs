//! Scalar functions.

use std::sync::Arc;

use bson::{Bson, Document};
use indexmap::IndexMap;
use mqlc_compiler::plan::CompareOp;
use mqlc_compiler::queryset::{ArithmeticOp, Value};
use mqlc_compiler::schema::{FieldType, StorageFamily};

use super::number::Num;
use super::order::{compared, order};
use super::{dates, json};

/// A call; `None` where nothing certain can be said.
pub fn call(
    name: &str,
    args: &[Bson],
    types: &[Arc<FieldType>],
    options: &IndexMap<String, Value>,
    ty: &FieldType,
) -> Option<Bson> {
    let known = || args.iter().filter(|v| **v != Bson::Null);
    match name {
        "Coalesce" => return Some(known().next().cloned().unwrap_or(Bson::Null)),
        "Greatest" => {
            return Some(known().cloned().max_by(order).unwrap_or(Bson::Null));
        }
        "Least" => return Some(known().cloned().min_by(order).unwrap_or(Bson::Null)),
        "NullIf" => {
            return Some(match compared(CompareOp::Eq, &args[0], &args[1]) {
                Some(true) => Bson::Null,
                _ => args[0].clone(),
            });
        }
        "Concat" | "ConcatPair" => {
            let mut all = String::new();
            for arg in args {
                match arg {
                    Bson::Null => {}
                    Bson::String(s) => all += s,
                    Bson::Int32(n) => all += &n.to_string(),
                    Bson::Int64(n) => all += &n.to_string(),
                    _ => return None,
                }
            }
            return Some(all.into());
        }
        "Now" => {
            return Some(Bson::DateTime(bson::DateTime::from_millis(
                1_700_000_000_000,
            )));
        }
        "JSONArray" => return Some(Bson::Array(args.iter().map(member).collect())),
        "JSONObject" => {
            let mut object = Document::new();
            for pair in args.chunks(2) {
                let Bson::String(key) = &pair[0] else {
                    return None;
                };
                object.insert(key, member(&pair[1]));
            }
            return Some(object.into());
        }
        _ => {}
    }
    if args.contains(&Bson::Null) {
        return Some(Bson::Null);
    }
    if matches!(name, "Extract" | "Trunc") {
        return dates::function(name, &args[0], options, ty);
    }
    if name == "Cast" {
        return cast(&args[0], &types[0], ty);
    }
    if let Some(Bson::Array(items)) = args.first() {
        return array(name, items, &args[1..]);
    }
    if let Some(Bson::String(text)) = args.first() {
        return Some(text_function(name, text, &args[1..]));
    }
    let numbers: Vec<Num> = args.iter().map(Num::of).collect::<Option<_>>()?;
    number_function(name, &numbers)
}

/// NULL is JSON's null inside.
fn member(value: &Bson) -> Bson {
    match value {
        Bson::Undefined => Bson::Null,
        other => other.clone(),
    }
}

fn number_function(name: &str, args: &[Num]) -> Option<Bson> {
    let float = |x: f64| x.is_finite().then_some(Bson::Double(x));
    let x = args[0];
    let integral = |float: fn(f64) -> f64, exact: fn(i128, i128) -> i128| match x {
        Num::Int(n) => Some(Bson::Int64(n)),
        Num::Float(x) => Some(Bson::Double(float(x))),
        Num::Dec(mut d) => {
            let places = u32::try_from(-d.exponent).unwrap_or(0);
            if let (1.., Some(unit)) = (places, 10_i128.checked_pow(places)) {
                d.digits = exact(d.digits, unit);
                d.exponent = 0;
            }
            Some(d.bson())
        }
    };
    match name {
        "Abs" => Some(match x {
            Num::Int(n) => Bson::Int64(n.abs()),
            Num::Float(x) => Bson::Double(x.abs()),
            Num::Dec(mut d) => {
                d.digits = d.digits.abs();
                d.bson()
            }
        }),
        "Ceil" => integral(f64::ceil, |n, unit| -(-n).div_euclid(unit)),
        "Floor" => integral(f64::floor, i128::div_euclid),
        "Sign" => {
            let sign = match x.order(Num::Int(0)) {
                std::cmp::Ordering::Less => -1,
                std::cmp::Ordering::Equal => 0,
                std::cmp::Ordering::Greater => 1,
            };
            Some(match x {
                Num::Int(_) => Bson::Int64(sign),
                Num::Float(_) => Bson::Double(sign as f64),
                Num::Dec(_) => Num::Dec(Num::Int(sign).dec()).bson(),
            })
        }
        "Round" => {
            let places = match args.get(1) {
                None => 0,
                Some(Num::Int(n)) => i32::try_from(*n).ok()?,
                _ => return None,
            };
            if let (Num::Int(n), 0..) = (x, places) {
                return Some(Bson::Int64(n));
            }
            let mut d = x.dec();
            // Half away from zero.
            let drop = -places - d.exponent;
            if drop > 0 {
                let unit = 10_i128.checked_pow(u32::try_from(drop).ok()?)?;
                let half = unit / 2 * d.digits.signum();
                d.digits = (d.digits + half) / unit;
                d.exponent = -places;
            }
            match x {
                Num::Int(_) => Some(Bson::Int64(Num::Dec(d).float() as i64)),
                Num::Float(_) => float(Num::Dec(d).float()),
                Num::Dec(_) => Some(d.bson()),
            }
        }
        "Mod" => x
            .arithmetic(ArithmeticOp::Mod, args[1])
            .map(|r| r.map_or(Bson::Null, Num::bson)),
        "Power" => float(x.float().powf(args[1].float())),
        "Sqrt" if x.float() < 0.0 => Some(Bson::Null),
        "Sqrt" => float(x.float().sqrt()),
        "Ln" if x.float() <= 0.0 => Some(Bson::Null),
        "Ln" => float(x.float().ln()),
        "Exp" => float(x.float().exp()),
        other => panic!("no interpretation of {other} of a number"),
    }
}

fn text_function(name: &str, text: &str, more: &[Bson]) -> Bson {
    let chars: Vec<char> = text.chars().collect();
    let count = |i: usize| match more.get(i) {
        Some(Bson::Int64(n)) => usize::try_from(*n).unwrap_or(0),
        Some(Bson::Int32(n)) => usize::try_from(*n).unwrap_or(0),
        other => panic!("{other:?} is no number"),
    };
    let string = |i: usize| match more.get(i) {
        Some(Bson::String(s)) => s.as_str(),
        None => " ",
        other => panic!("{other:?} is no text"),
    };
    let of = |chars: &[char]| -> Bson { chars.iter().collect::<String>().into() };
    match name {
        // Documented: ASCII letters only.
        "Lower" => text.to_ascii_lowercase().into(),
        "Upper" => text.to_ascii_uppercase().into(),
        "Length" => Bson::Int64(chars.len() as i64),
        "Trim" => text.trim_matches(' ').into(),
        "LTrim" => text.trim_start_matches(' ').into(),
        "RTrim" => text.trim_end_matches(' ').into(),
        "Reverse" => chars.iter().rev().collect::<String>().into(),
        "Left" => of(&chars[..count(0).min(chars.len())]),
        "Right" => of(&chars[chars.len() - count(0).min(chars.len())..]),
        "Substr" => {
            let start = count(0).saturating_sub(1).min(chars.len());
            let stop = match more.get(1) {
                Some(_) => (start + count(1)).min(chars.len()),
                None => chars.len(),
            };
            of(&chars[start..stop])
        }
        "StrIndex" => {
            let at = text.find(string(0)).map(|b| text[..b].chars().count() + 1);
            Bson::Int64(at.unwrap_or(0) as i64)
        }
        "Replace" => {
            let to = if more.len() > 1 { string(1) } else { "" };
            if string(0).is_empty() {
                text.into()
            } else {
                text.replace(string(0), to).into()
            }
        }
        "Repeat" => text.repeat(count(0)).into(),
        "LPad" | "RPad" => {
            let fill: Vec<char> = string(1).chars().collect();
            let missing = count(0).saturating_sub(chars.len());
            let fill: Vec<char> = fill.iter().copied().cycle().take(missing).collect();
            let kept = &chars[..chars.len().min(count(0))];
            if name == "LPad" {
                of(&[&fill, kept].concat())
            } else {
                of(&[kept, &fill].concat())
            }
        }
        other => panic!("no interpretation of {other} of a text"),
    }
}

fn array(name: &str, items: &[Bson], more: &[Bson]) -> Option<Bson> {
    let at = |i: usize| match more.get(i) {
        Some(Bson::Int64(n)) => usize::try_from(*n).ok(),
        Some(Bson::Int32(n)) => usize::try_from(*n).ok(),
        _ => None,
    };
    Some(match name {
        "ArrayLength" => Bson::Int64(items.len() as i64),
        "ArrayIndex" => items.get(at(0)?).cloned().unwrap_or(Bson::Null),
        "ArraySlice" => {
            let start = at(0)?.min(items.len());
            let stop = at(1).unwrap_or(items.len()).clamp(start, items.len());
            Bson::Array(items[start..stop].to_vec())
        }
        "ArrayConcat" => {
            let mut all = items.to_vec();
            for other in more {
                let Bson::Array(other) = other else {
                    return None;
                };
                all.extend(other.iter().cloned());
            }
            Bson::Array(all)
        }
        other => panic!("no interpretation of {other} of an array"),
    })
}

fn cast(value: &Bson, from: &FieldType, to: &FieldType) -> Option<Bson> {
    use StorageFamily as S;
    let family = from.kind.family();
    Some(match (to.kind.family(), value) {
        (S::Text, Bson::String(s)) => match to.max_length {
            Some(n) => s.chars().take(n as usize).collect::<String>().into(),
            None => value.clone(),
        },
        (S::Text, Bson::Int64(n)) if matches!(family, S::Int | S::Long | S::Key) => {
            n.to_string().into()
        }
        (S::Text, Bson::Int32(n)) => n.to_string().into(),
        (S::Text, Bson::Boolean(b)) => b.to_string().into(),
        (S::Text, _) => return None,
        (S::Int | S::Long, Bson::String(s)) => s.trim().parse().map_or(Bson::Null, Bson::Int64),
        (S::Int | S::Long, Bson::Boolean(b)) => Bson::Int64(i64::from(*b)),
        (S::Int | S::Long, Bson::Int32(_) | Bson::Int64(_)) => value.clone(),
        (S::Double, v) => Bson::Double(Num::of(v)?.float()),
        (S::Decimal, Bson::Int32(_) | Bson::Int64(_)) => Num::of(value)?.dec().bson(),
        (S::Decimal, Bson::Decimal128(_)) if to.decimal_places.is_none() => value.clone(),
        (S::Date, Bson::DateTime(_)) if family == S::Date => value.clone(),
        (S::Json, _) if family == S::Json => value.clone(),
        _ => return json::text(&Bson::Array(Vec::new())),
    })
}

/// Whether a pattern of letters, `.`, `^`, `$` and `*` is somewhere in a text.
pub fn regex(pattern: &str, text: &str) -> bool {
    let pattern: Vec<char> = pattern.chars().collect();
    let text: Vec<char> = text.chars().collect();
    if pattern.first() == Some(&'^') {
        return here(&pattern[1..], &text);
    }
    (0..=text.len()).any(|i| here(&pattern, &text[i..]))
}

fn here(pattern: &[char], text: &[char]) -> bool {
    match pattern {
        [] => true,
        ['$'] => text.is_empty(),
        ['\\', c, rest @ ..] => text.first() == Some(c) && here(rest, &text[1..]),
        [c, '*', rest @ ..] => {
            let one = |t: &char| *c == '.' && *t != '\n' || t == c;
            let most = text.iter().take_while(|t| one(t)).count();
            (0..=most).any(|n| here(rest, &text[n..]))
        }
        ['.', rest @ ..] => text.first().is_some_and(|t| *t != '\n') && here(rest, &text[1..]),
        [c, rest @ ..] => text.first() == Some(c) && here(rest, &text[1..]),
    }
}
