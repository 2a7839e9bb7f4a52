//! The engine battery: single commands with the results that MongoDB gives.

use crate::options::Options;
use crate::suite::{Case, Outcome, Result, Suite, Verdict, lines};

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
pub(crate) struct EngineSuite;

impl EngineSuite {
    pub(crate) fn new(_options: &Options) -> Result<Self> {
        Ok(EngineSuite)
    }
}

impl Suite for EngineSuite {
    fn run(&mut self, _case: &str) -> Verdict {
        Verdict::new(Outcome::Unsupported, "the embedded engine is not there yet")
    }

    fn show(&mut self, case: &str) -> String {
        format!("{case}\n")
    }
}
