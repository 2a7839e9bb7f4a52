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
