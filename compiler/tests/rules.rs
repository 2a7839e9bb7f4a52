//! Properties of the rewrite rules over random plans and random data, judged by an interpreter of plans.
#![allow(clippy::expect_used, clippy::cast_possible_wrap)] // small numbers of tests

mod plans;

use mqlc_compiler::plan::{Plan, check};
use mqlc_compiler::rewrite;
use mqlc_compiler::target::Target;
use mqlc_compiler::trace::Trace;
use plans::{Case, Dice, data, in_order, interpret, plan_of, promised_order, values};
use proptest::prelude::*;

fn choices() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), 0..90)
}

/// How many random plans; more with `PROPTEST_CASES`.
fn config() -> ProptestConfig {
    ProptestConfig {
        cases: std::env::var("PROPTEST_CASES")
            .ok()
            .and_then(|n| n.parse().ok())
            .unwrap_or(192),
        failure_persistence: None,
        max_shrink_iters: 4000,
        ..ProptestConfig::default()
    }
}

fn same_rows(before: &Plan, after: &Plan, seed: u64, rule: &str) -> Result<(), TestCaseError> {
    for seed in [seed, seed.wrapping_add(1), seed.wrapping_add(2)] {
        let data = data(seed);
        let (expected, actual) = (interpret(before, &data), interpret(after, &data));
        prop_assert_eq!(
            &actual,
            &expected,
            "{} changes rows with data {}:\n{}=>\n{}{:?}",
            rule,
            seed,
            before,
            after,
            data
        );
        let promised = promised_order(before);
        prop_assert!(
            in_order(&values(after, &data), &promised),
            "{} breaks the order:\n{}=>\n{}",
            rule,
            before,
            after
        );
    }
    Ok(())
}

fn rewritten(case: &Case, target: &Target) -> Result<(Plan, Trace), TestCaseError> {
    let mut plan = case.plan.clone();
    let mut trace = Trace::detailed();
    rewrite::rewrite(&mut plan, &case.schema, target, &mut trace)
        .map_err(|e| TestCaseError::fail(format!("{e}\n{}", case.plan)))?;
    Ok((plan, trace))
}

proptest! {
    #![proptest_config(config())]

    /// All rules together keep the rows and every invariant; so does each firing on its way.
    #[test]
    fn all_rules_keep_the_rows(choices in choices(), seed in 0_u64..1000) {
        let case = plan_of(&choices);
        check(&case.plan).map_err(|e| TestCaseError::fail(format!("{e}\n{}", case.plan)))?;
        let (after, trace) = rewritten(&case, &Target::default())?;
        check(&after).map_err(|e| TestCaseError::fail(e.to_string()))?;
        same_rows(&case.plan, &after, seed, &format!("{:?}", trace.rules()))?;
    }

    /// Each rule alone keeps the rows, and fires to an end.
    #[test]
    fn each_rule_keeps_the_rows(choices in choices(), seed in 0_u64..1000) {
        let case = plan_of(&choices);
        for rule in rewrite::rules() {
            let mut plan = case.plan.clone();
            let mut fired = false;
            for round in 0.. {
                let changed = rewrite::apply(rule.name, &mut plan, &case.schema, &Target::default())
                    .map_err(|e| TestCaseError::fail(format!("{e}\n{}", case.plan)))?;
                if !changed {
                    break;
                }
                fired = true;
                prop_assert!(round < 60, "{} does not come to an end:\n{}=>\n{}", rule.name, case.plan, plan);
            }
            if fired {
                same_rows(&case.plan, &plan, seed, rule.name)?;
            }
        }
    }

    /// With one rule switched off the others still keep the rows.
    #[test]
    fn every_rule_can_be_off(choices in choices(), seed in 0_u64..1000, off in 0_usize..64) {
        let case = plan_of(&choices);
        let names: Vec<&str> = rewrite::rules().map(|r| r.name).collect();
        let name = names[off % names.len()];
        let target = Target { disabled_rules: vec![name.to_owned()], ..Target::default() };
        let (after, trace) = rewritten(&case, &target)?;
        prop_assert!(!trace.rules().contains(&name));
        same_rows(&case.plan, &after, seed, &format!("all but {name}"))?;
    }

    /// A rewritten plan is not rewritten again.
    #[test]
    fn rewriting_is_idempotent(choices in choices()) {
        let case = plan_of(&choices);
        let (after, _) = rewritten(&case, &Target::default())?;
        let again = Case { schema: case.schema.clone(), plan: after };
        let (_, trace) = rewritten(&again, &Target::default())?;
        prop_assert!(
            trace.firings.is_empty(),
            "{:?} fire again on\n{}",
            trace.rules(),
            again.plan
        );
    }
}

/// With all rules off the plan stays as it is.
#[test]
fn all_rules_can_be_off() {
    let case = plan_of(&[3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8, 9, 7, 9]);
    let target = Target {
        disabled_rules: vec!["all".to_owned()],
        ..Target::default()
    };
    let (after, trace) = rewritten(&case, &target).expect("nothing to go wrong");
    assert_eq!(after.to_string(), case.plan.to_string());
    assert!(trace.firings.is_empty());
}

/// Names are unique: they switch rules off.
#[test]
fn names_are_unique() {
    let mut names: Vec<&str> = rewrite::rules().map(|r| r.name).collect();
    names.sort_unstable();
    let all = names.len();
    names.dedup();
    assert_eq!(names.len(), all);
}

/// Random plans reach every rule, and not by a single chance: a property of what never fires proves nothing.
#[test]
fn random_plans_reach_the_rules() {
    let mut fired: std::collections::BTreeMap<&str, u32> =
        rewrite::rules().map(|r| (r.name, 0)).collect();
    let mut dice = Dice::new(7);
    for _ in 0..3000 {
        let choices: Vec<u8> = (0..90)
            .map(|_| u8::try_from(dice.below(256)).expect("a byte"))
            .collect();
        let (_, trace) = rewritten(&plan_of(&choices), &Target::default()).expect("a sound plan");
        for rule in trace.rules() {
            *fired.entry(rule).or_default() += 1;
        }
    }
    println!("{fired:?}");
    let unreached: Vec<(&&str, &u32)> = fired.iter().filter(|(_, n)| **n < 3).collect();
    assert!(unreached.is_empty(), "{unreached:?} hardly ever fire");
}
