//! Runs the battery in the folder that `MQLC_ENGINE_BATTERY` names against the embedded engine.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]
use std::path::Path;

/// At least 99 % of the cases give what MongoDB gives, with types.
#[test]
fn battery() {
    let Ok(dir) = std::env::var("MQLC_ENGINE_BATTERY") else {
        println!("skipped: MQLC_ENGINE_BATTERY names no folder");
        return;
    };
    let report = mqlc_executors::memory::battery::run(Path::new(&dir)).unwrap();
    for (id, why) in &report.failures {
        println!("FAIL {id}: {}", why.chars().take(600).collect::<String>());
    }
    for (id, wanted, given) in &report.codes {
        println!("CODE {id}: {given}, not {wanted}");
    }
    for (group, (passed, all)) in &report.groups {
        if passed < all {
            println!("{group}: {passed} of {all}");
        }
    }
    let (passed, all) = report.totals();
    println!(
        "{passed} of {all} passed, {} with another code",
        report.codes.len()
    );
    assert!(passed * 100 >= all * 99, "{passed} of {all}");
}

/// Our own cases, one a line in `tests/cases`: the corners of expressions, projections, updates and stages, with codes.
#[test]
fn own_cases() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let report = mqlc_executors::memory::battery::run(&dir).unwrap();
    let (passed, all) = report.totals();
    assert!(
        passed == all && report.codes.is_empty(),
        "{:#?}\n{:#?}",
        report.failures,
        report.codes
    );
    assert!(all > 500, "{all}");
}
