//! Verdicts on results and errors.

use mqlc_compiler::Code;
use mqlc_executors::{Error, Outcome as Got, RowValue};

use super::case::{Expectation, Expected};
use crate::compare;
use crate::suite::{Outcome, Verdict};

/// The statement was refused, or failed.
pub(super) fn refused(expectations: &[Expectation], error: &Error) -> Verdict {
    let class = error.django_class();
    let mut wanted = None;
    for expectation in expectations {
        if let Expected::Error { class: e, message } = &expectation.result {
            if e == class {
                return Verdict::passed();
            }
            wanted = Some((e, message));
        }
    }
    let text = error.to_string();
    if let Error::Compile(compile) = error
        && compile.code() == Code::Unsupported
    {
        // The place differs from case to case, the sentence does not.
        let kind = match compile.because() {
            Some(because) => format!("{} because {because}", compile.message()),
            None => compile.message().to_owned(),
        };
        return Verdict::new(Outcome::Unsupported, text).kind(general(&kind));
    }
    let class = if class.is_empty() {
        "no Django error"
    } else {
        class
    };
    match wanted {
        Some((wanted, message)) => Verdict::new(
            Outcome::WrongError,
            format!("{class} instead of {wanted} ({message}): {text}"),
        )
        .kind(format!("{class} instead of {wanted}")),
        None => Verdict::new(Outcome::WrongError, format!("{class}: {text}"))
            .kind(general(&format!("{class}: {}", sentence(error)))),
    }
}

fn sentence(error: &Error) -> String {
    match error {
        Error::Compile(compile) => compile.message().to_owned(),
        other => other.to_string(),
    }
}

/// A sentence without the names in it.
fn general(sentence: &str) -> String {
    let mut short = String::with_capacity(sentence.len());
    let mut quote = None;
    let mut before = ' ';
    for c in sentence.chars() {
        match quote {
            // An apostrophe stands after a letter, a quote does not.
            None if matches!(c, '"' | '\'') && !before.is_alphanumeric() => {
                quote = Some(c);
                short.push_str("'..'");
            }
            None => short.push(c),
            Some(open) if open == c => quote = None,
            Some(_) => {}
        }
        before = c;
    }
    compare::shorten(&short)
}

/// The statement ran.
pub(super) fn result(
    expectation: &Expectation,
    ordered: bool,
    result: &Result<Got, Error>,
) -> Verdict {
    let got = match result {
        Ok(got) => got,
        Err(error) => return refused(std::slice::from_ref(expectation), error),
    };
    match (&expectation.result, got) {
        (Expected::Rows(expected), Got::Rows(actual)) => {
            match compare::rows(expected, actual, ordered) {
                Ok(()) => Verdict::passed(),
                Err((kind, reason)) => Verdict::new(Outcome::WrongRows, reason).kind(kind),
            }
        }
        (Expected::Row(expected), Got::Aggregate(row)) => {
            match compare::row(expected, &RowValue::Object(row.clone())) {
                Ok(()) => Verdict::passed(),
                Err((_, reason)) => {
                    Verdict::new(Outcome::WrongRows, reason).kind("value of an aggregate")
                }
            }
        }
        (Expected::Count(expected), Got::Count(actual)) => same("count", *expected, *actual),
        (Expected::Count(expected), Got::Written(actual)) => {
            same("documents written", *expected, actual.count)
        }
        (Expected::Truth(expected), Got::Exists(actual)) => same("exists", *expected, *actual),
        (Expected::Deleted { count, by_model }, Got::Written(actual)) => {
            if *count == actual.count {
                return Verdict::passed();
            }
            let reason = format!(
                "{} documents deleted instead of {count} {by_model:?}",
                actual.count
            );
            Verdict::new(Outcome::WrongRows, reason).kind("documents deleted")
        }
        (Expected::Documents, Got::Written(_)) => Verdict::passed(),
        (Expected::Error { class, message }, got) => Verdict::new(
            Outcome::WrongError,
            format!("{class} ({message}) is expected, but it gives {got:?}"),
        )
        .kind(format!("no error instead of {class}: {}", general(message))),
        (_, got) => Verdict::new(
            Outcome::WrongRows,
            format!("another kind of result: {got:?}"),
        )
        .kind("another kind of result"),
    }
}

fn same<T: PartialEq + std::fmt::Display>(what: &str, expected: T, actual: T) -> Verdict {
    if expected == actual {
        Verdict::passed()
    } else {
        Verdict::new(
            Outcome::WrongRows,
            format!("{what}: {actual} instead of {expected}"),
        )
        .kind(what)
    }
}
