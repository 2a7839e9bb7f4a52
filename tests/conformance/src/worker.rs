//! A worker process: one case per line of standard input, one verdict per line of standard output.

use std::io::{BufRead, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, PoisonError};

use crate::suite::{Outcome, Suite, Verdict};

/// What the last panic said.
static PANIC: Mutex<String> = Mutex::new(String::new());

/// Serves cases until the input ends.
pub(crate) fn serve(mut suite: Box<dyn Suite>) {
    std::panic::set_hook(Box::new(|info| {
        *PANIC.lock().unwrap_or_else(PoisonError::into_inner) = info.to_string();
    }));
    let mut output = std::io::stdout().lock();
    for line in std::io::stdin().lock().lines() {
        let Ok(line) = line else { break };
        let verdict = run(suite.as_mut(), &line);
        let text = serde_json::to_string(&verdict).unwrap_or_default();
        if writeln!(output, "{text}")
            .and_then(|()| output.flush())
            .is_err()
        {
            break;
        }
    }
}

fn run(suite: &mut dyn Suite, case: &str) -> Verdict {
    catch_unwind(AssertUnwindSafe(|| suite.run(case))).unwrap_or_else(|_| {
        let message = PANIC
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .replace('\n', " ");
        Verdict::new(Outcome::Crashed, message)
    })
}
