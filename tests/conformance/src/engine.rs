//! The engine battery: single commands with the results that MongoDB gives.

use mqlc_executors::memory::battery::{self, Runner};

use crate::compare;
use crate::options::Options;
use crate::suite::{Case, Outcome, Result, Suite, Verdict, lines};
use crate::target::Target;

/// The cases of a battery.
pub(crate) fn list(options: &Options) -> Result<Vec<Case>> {
    #[derive(serde::Deserialize)]
    struct Head {
        id: String,
    }
    let mut cases = Vec::new();
    for (group, line) in lines(&options.dir)? {
        let head: Head =
            serde_json::from_str(&line).map_err(|e| format!("a case is not as documented: {e}"))?;
        cases.push(Case {
            id: head.id,
            group,
            line,
        });
    }
    Ok(cases)
}

/// Runs cases of a battery.
pub(crate) struct EngineSuite {
    runner: Box<dyn Runner>,
}

impl EngineSuite {
    pub(crate) fn new(options: &Options) -> Result<Self> {
        Ok(EngineSuite {
            runner: Target::new(options)?.runner(),
        })
    }
}

impl Suite for EngineSuite {
    fn run(&mut self, case: &str) -> Verdict {
        match battery::one_line(case, self.runner.as_mut()).1 {
            Ok(None) => Verdict::passed(),
            Ok(Some((expected, given))) => Verdict::new(
                Outcome::Passed,
                format!("fails with code {given}, MongoDB with {expected}"),
            ),
            Err(reason) => {
                let outcome =
                    if reason.starts_with("failed with") || reason.starts_with("should fail") {
                        Outcome::WrongError
                    } else {
                        Outcome::WrongRows
                    };
                Verdict::new(outcome, compare::shorten(&reason))
            }
        }
    }

    fn show(&mut self, case: &str) -> String {
        let verdict = self.run(case);
        format!("{case}\n{}: {}\n", verdict.outcome.name(), verdict.reason)
    }
}
