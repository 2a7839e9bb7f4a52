//! The reader agrees with another reader of JSON, and refuses what is too deep.

use super::*;

fn plain(r: &mut Reader<'_>) -> Result<serde_json::Value> {
    Ok(match r.peek()? {
        Kind::Null => {
            r.take_null()?;
            serde_json::Value::Null
        }
        Kind::Bool => r.bool("x")?.into(),
        Kind::String => r.owned("x")?.into(),
        Kind::Number => match r.number()? {
            Number::Int(i) => match i64::try_from(i) {
                Ok(i) => i.into(),
                Err(_) => i.to_string().into(),
            },
            Number::Float(f) => f.into(),
        },
        Kind::Array => {
            r.enter()?;
            let items = r.vec("x", plain)?;
            r.leave();
            items.into()
        }
        Kind::Object => {
            r.enter()?;
            let map = r.map("x", plain)?;
            r.leave();
            serde_json::Value::Object(map.into_iter().collect())
        }
    })
}

fn read(text: &str) -> Result<serde_json::Value> {
    Reader::new(text, Limits::default()).document(plain)
}

/// Accepts and refuses the same texts as another reader of JSON, with the same content.
#[test]
fn agrees_with_serde_json() {
    for text in [
        "null",
        " true ",
        "false",
        "0",
        "-0",
        "12",
        "-7",
        "1.5",
        "1e3",
        "-2.5E-3",
        "1E+2",
        "\"\"",
        "\"a\\n\\t\\\"\\\\\\/\\b\\f\\r\"",
        "\"\\u00e9\\ud83d\\ude00é😀\"",
        "[]",
        "[1,2 , 3]",
        "{}",
        "{\"a\" : [ { } ] , \"b\":null}",
        "01",
        "1.",
        ".5",
        "-",
        "+1",
        "1e",
        "tru",
        "nul",
        "[1,]",
        "[,1]",
        "[1 2]",
        "{\"a\"}",
        "{\"a\":}",
        "{a:1}",
        "{\"a\":1,}",
        "\"\\x\"",
        "\"\\ud83d\"",
        "\"\\ud83d\\u0041\"",
        "\"\\udc00\"",
        "\"a",
        "[",
        "{",
        "",
        "1 1",
        "\"\u{1}\"",
        "\"\\u12g4\"",
        "nan",
        "{\"\\u0061\":1}",
        "--1",
    ] {
        let ours = read(text);
        match serde_json::from_str::<serde_json::Value>(text) {
            Ok(theirs) if text != "-0" => assert_eq!(ours.unwrap(), theirs, "{text}"),
            Ok(_) => assert_eq!(ours.unwrap(), serde_json::json!(0)),
            Err(_) => {
                let error = ours.expect_err(text);
                assert_eq!(error.code(), Code::Decode, "{text}");
                assert!(error.message().contains("line 1 column"), "{error}");
            }
        }
    }
}

/// Line and column are those of the offending character.
#[test]
fn broken_text_has_a_place() {
    let error = read("{\n  \"a\": [1,\n  é]}").unwrap_err();
    assert!(
        error.message().contains("'é' at line 3 column 3"),
        "{error}"
    );
    assert_eq!(error.path(), "/a/1");
}

/// Integers keep 128 bits and never become floats.
#[test]
fn integers_are_exact() {
    let read = |text| {
        Reader::new(text, Limits::default()).document(|r| {
            r.peek()?;
            r.number()
        })
    };
    assert_eq!(read("18446744073709551616").unwrap(), Number::Int(1 << 64));
    let lowest = i128::MIN.to_string();
    assert_eq!(read(&lowest).unwrap(), Number::Int(i128::MIN));
    let error = read("999999999999999999999999999999999999999999").unwrap_err();
    assert!(error.message().contains("128 bits"), "{error}");
    assert!(read("1e999").is_err());
}

/// Repeated keys are refused, with the path.
#[test]
fn repeated_keys() {
    let error = read("{\"a/b\": {\"x\": 1, \"x\": 2}}").unwrap_err();
    assert_eq!(error.path(), "/a~1b/x");
}

/// Ten thousand brackets give one short error before the stack is in danger.
#[test]
fn depth_is_limited() {
    let error = read(&"[".repeat(10_000)).unwrap_err();
    assert_eq!(error.code(), Code::Limit);
    assert!(error.path().len() < 200);
}
