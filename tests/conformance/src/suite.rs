//! What a suite of cases is.

use serde::{Deserialize, Serialize};

/// Failures of the runner itself are told in words.
pub(crate) type Result<T, E = String> = std::result::Result<T, E>;

/// A kind of cases that can be run one by one.
pub(crate) trait Suite {
    /// Runs a case, given as its line in its file.
    fn run(&mut self, case: &str) -> Verdict;

    /// Everything about a case for a reader.
    fn show(&mut self, case: &str) -> String;
}

/// A case, not looked into yet.
#[derive(Debug, Clone)]
pub(crate) struct Case {
    /// Its name.
    pub(crate) id: String,
    /// What it is counted under.
    pub(crate) group: String,
    /// Its line, without the line's end.
    pub(crate) line: String,
}

/// How a case ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Verdict {
    pub(crate) outcome: Outcome,
    /// Why it did not pass, in one or two lines.
    pub(crate) reason: String,
    /// What the reason has in common with others; the reason itself where empty.
    #[serde(default)]
    pub(crate) kind: String,
}

/// The ends that are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Outcome {
    Passed,
    WrongRows,
    WrongError,
    Unsupported,
    Crashed,
}

impl Outcome {
    pub(crate) const ALL: [(Outcome, &'static str); 5] = [
        (Outcome::Passed, "passed"),
        (Outcome::WrongRows, "wrong rows"),
        (Outcome::WrongError, "wrong error"),
        (Outcome::Unsupported, "unsupported"),
        (Outcome::Crashed, "crashed"),
    ];

    pub(crate) fn name(self) -> &'static str {
        Self::ALL
            .iter()
            .find(|(o, _)| *o == self)
            .map_or("", |(_, name)| name)
    }
}

impl Verdict {
    pub(crate) fn passed() -> Self {
        Verdict::new(Outcome::Passed, "")
    }

    pub(crate) fn new(outcome: Outcome, reason: impl Into<String>) -> Self {
        Verdict {
            outcome,
            reason: reason.into(),
            kind: String::new(),
        }
    }

    /// Says what the reason has in common with those of other cases.
    pub(crate) fn kind(mut self, kind: impl Into<String>) -> Self {
        self.kind = kind.into();
        self
    }
}

/// The lines of the `.jsonl` files of a directory, by file in alphabetical order: name without ending, line.
pub(crate) fn lines(dir: &std::path::Path) -> Result<Vec<(String, String)>> {
    let entries =
        std::fs::read_dir(dir).map_err(|e| format!("cannot read {}: {e}", dir.display()))?;
    let mut files: Vec<_> = entries
        .filter_map(|entry| entry.ok().map(|e| e.path()))
        .filter(|path| path.extension().is_some_and(|e| e == "jsonl"))
        .collect();
    files.sort();
    let mut lines = Vec::new();
    for file in files {
        let name = file
            .file_stem()
            .map(|s| s.to_string_lossy().into_owned())
            .unwrap_or_default();
        let text = std::fs::read_to_string(&file)
            .map_err(|e| format!("cannot read {}: {e}", file.display()))?;
        for line in text.lines().filter(|l| !l.trim().is_empty()) {
            lines.push((name.clone(), line.to_owned()));
        }
    }
    Ok(lines)
}
