//! What is written is read back: for arbitrary statements.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod support;

use mqlc_compiler::queryset::{Expr, Queryset, Statement, Value};
use proptest::prelude::*;
use support::statements;

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, max_shrink_iters: 2000, ..ProptestConfig::default() })]

    /// Decoding undoes encoding, in one line and indented, and encoding is stable.
    #[test]
    fn json_of_statements(statement in statements::statement()) {
        let json = statement.to_json();
        let decoded = Statement::from_json(&json);
        prop_assert_eq!(decoded.as_ref(), Ok(&statement), "{}", json);
        prop_assert_eq!(Statement::from_json(&statement.to_json_pretty()), Ok(statement.clone()));
        prop_assert_eq!(decoded.unwrap().to_json(), json);
    }

    /// The same for what statements are made of.
    #[test]
    fn json_of_parts(queryset in statements::queryset(), expr in statements::expr(), value in statements::value()) {
        prop_assert_eq!(Queryset::from_json(&queryset.to_json()), Ok(queryset));
        prop_assert_eq!(Expr::from_json(&expr.to_json()), Ok(expr));
        prop_assert_eq!(Value::from_json_text(&value.to_json_text()), Ok(value));
    }

    /// A statement that is damaged anywhere is refused or read as something, but never a panic.
    #[test]
    fn damaged_json(statement in statements::statement(), at in any::<prop::sample::Index>(), with in any::<char>(), cut in any::<bool>()) {
        let json: Vec<char> = statement.to_json().chars().collect();
        let at = at.index(json.len());
        let mut damaged: String = json[..at].iter().collect();
        if !cut {
            damaged.push(with);
            damaged.extend(&json[at + 1..]);
        }
        if let Err(error) = Statement::from_json(&damaged) {
            prop_assert!(!error.message().is_empty());
        }
    }

    /// Every statement has a text, and it balances its brackets outside of strings.
    #[test]
    fn text_of_statements(statement in statements::statement()) {
        let text = statement.to_text();
        let (mut open, mut quoted, mut escaped) = (Vec::new(), false, false);
        for c in text.chars() {
            match c {
                _ if escaped => escaped = false,
                '\\' if quoted => escaped = true,
                '"' => quoted = !quoted,
                _ if quoted => {}
                '(' => open.push(')'),
                '[' => open.push(']'),
                '{' => open.push('}'),
                ')' | ']' | '}' => prop_assert_eq!(open.pop(), Some(c), "{}", text),
                _ => {}
            }
        }
        prop_assert!(open.is_empty() && !quoted, "{}", text);
    }
}
