//! What the compiler did with a statement, for `explain`.

/// The rules that fired, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Trace {
    /// Plan texts are kept.
    detailed: bool,
    /// What fired.
    pub firings: Vec<Firing>,
    /// What else is worth knowing: leaves that no index serves and why, what stays blocking.
    pub notes: Vec<String>,
}

/// One firing of a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Firing {
    /// Name of the rule.
    pub rule: &'static str,
    /// The plan before and after, if the trace is detailed.
    pub plans: Option<Box<(String, String)>>,
}

impl Trace {
    /// A trace that keeps names only; costs next to nothing.
    #[must_use]
    pub fn brief() -> Self {
        Self::default()
    }

    /// A trace that keeps the plan before and after each firing.
    #[must_use]
    pub fn detailed() -> Self {
        Trace {
            detailed: true,
            ..Self::default()
        }
    }

    /// Whether plan texts are kept.
    #[must_use]
    pub fn is_detailed(&self) -> bool {
        self.detailed
    }

    /// Records a firing.
    pub fn fired(&mut self, rule: &'static str, plans: Option<(String, String)>) {
        self.firings.push(Firing {
            rule,
            plans: plans.map(Box::new),
        });
    }

    /// Records a remark, once.
    pub fn note(&mut self, note: impl Into<String>) {
        let note = note.into();
        if !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }

    /// Names of the rules that fired, each once, in the order of their first firing.
    #[must_use]
    pub fn rules(&self) -> Vec<&'static str> {
        let mut names = Vec::new();
        for firing in &self.firings {
            if !names.contains(&firing.rule) {
                names.push(firing.rule);
            }
        }
        names
    }
}

/// The lines that two texts do not share, with `-` and `+`, around their common first and last lines.
#[must_use]
pub fn difference(before: &str, after: &str) -> String {
    let old: Vec<&str> = before.lines().collect();
    let new: Vec<&str> = after.lines().collect();
    let same = |(a, b): &(&&str, &&str)| a == b;
    let head = old.iter().zip(&new).take_while(same).count();
    let tail = old
        .iter()
        .skip(head)
        .rev()
        .zip(new.iter().skip(head).rev())
        .take_while(same)
        .count();
    let mut text = String::new();
    for (lines, sign) in [(&old, '-'), (&new, '+')] {
        for line in lines.iter().take(lines.len() - tail).skip(head) {
            text.push(sign);
            text.push(' ');
            text.push_str(line);
            text.push('\n');
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Only what changed is shown.
    #[test]
    fn differences_are_the_changed_lines() {
        assert_eq!(difference("a\nb\nc\n", "a\nx\ny\nc\n"), "- b\n+ x\n+ y\n");
        assert_eq!(difference("a\n", "a\n"), "");
        assert_eq!(difference("a\na\n", "a\n"), "- a\n");
    }
}
