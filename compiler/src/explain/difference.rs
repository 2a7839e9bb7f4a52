//! Two texts line by line, and two compilations of a statement.

use std::fmt;

use super::Explanation;
use crate::compiler::Compiler;
use crate::error::Result;
use crate::queryset::Statement;

/// Lines up to which the longest common part is looked for.
const LINES: usize = 1500;

/// The lines that two texts do not share, each with `-` or `+`, and the shared ones with a blank.
#[must_use]
pub fn lines(before: &str, after: &str) -> Vec<(char, String)> {
    let old: Vec<&str> = before.lines().collect();
    let new: Vec<&str> = after.lines().collect();
    let head = old.iter().zip(&new).take_while(|(a, b)| a == b).count();
    let tail = old
        .iter()
        .skip(head)
        .rev()
        .zip(new.iter().skip(head).rev())
        .take_while(|(a, b)| a == b)
        .count();
    let middle = |all: &[&str]| -> Vec<String> {
        all.iter()
            .take(all.len() - tail)
            .skip(head)
            .map(|s| (*s).to_owned())
            .collect()
    };
    let (a, b) = (middle(&old), middle(&new));
    let mut out: Vec<(char, String)> = old
        .iter()
        .take(head)
        .map(|s| (' ', (*s).to_owned()))
        .collect();
    if a.len() > LINES || b.len() > LINES {
        out.extend(a.into_iter().map(|s| ('-', s)));
        out.extend(b.into_iter().map(|s| ('+', s)));
    } else {
        common(&a, &b, &mut out);
    }
    out.extend(
        old.iter()
            .skip(old.len() - tail)
            .map(|s| (' ', (*s).to_owned())),
    );
    out
}

/// The longest common part of the lines, by dynamic programming over a table of one row of cells a line.
fn common(a: &[String], b: &[String], out: &mut Vec<(char, String)>) {
    let width = b.len() + 1;
    let mut table = vec![0_u32; (a.len() + 1) * width];
    let cell = |table: &[u32], i: usize, j: usize| table.get(i * width + j).copied().unwrap_or(0);
    for (i, x) in a.iter().enumerate().rev() {
        for (j, y) in b.iter().enumerate().rev() {
            let value = if x == y {
                cell(&table, i + 1, j + 1) + 1
            } else {
                cell(&table, i + 1, j).max(cell(&table, i, j + 1))
            };
            if let Some(place) = table.get_mut(i * width + j) {
                *place = value;
            }
        }
    }
    let (mut i, mut j) = (0, 0);
    loop {
        match (a.get(i), b.get(j)) {
            (Some(x), Some(y)) if x == y => {
                out.push((' ', x.clone()));
                i += 1;
                j += 1;
            }
            (Some(x), y) if y.is_none() || cell(&table, i + 1, j) >= cell(&table, i, j + 1) => {
                out.push(('-', x.clone()));
                i += 1;
            }
            (_, Some(y)) => {
                out.push(('+', y.clone()));
                j += 1;
            }
            _ => return,
        }
    }
}

/// Only the lines that changed, `- ` before those that went and `+ ` before those that came.
#[must_use]
pub fn changes(before: &str, after: &str) -> String {
    let changed = lines(before, after)
        .into_iter()
        .filter(|(sign, _)| *sign != ' ');
    changed
        .map(|(sign, line)| format!("{sign} {line}\n"))
        .collect()
}

/// What rules do for a statement: its compilation with all of them, and without some.
#[derive(Debug, Clone)]
pub struct Comparison {
    /// The rules that were switched off.
    pub disabled: Vec<String>,
    /// Compiled without them.
    pub without: Explanation,
    /// Compiled with every rule.
    pub with: Explanation,
}

impl Compiler {
    /// Compiles a statement twice: as the compiler's target says, where rules may be switched off, and with every rule.
    ///
    /// # Errors
    /// As [`Compiler::compile`].
    pub fn compare(&self, statement: &Statement) -> Result<Comparison> {
        let mut target = self.target_ref().clone();
        let disabled = std::mem::take(&mut target.disabled_rules);
        Ok(Comparison {
            disabled,
            without: self.explain(statement)?,
            with: self.clone().target(target).explain(statement)?,
        })
    }
}

/// The commands, line by line: `-` as they are without the rules, `+` as they are with them.
impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (before, after) = (self.without.commands(), self.with.commands());
        if before == after {
            return writeln!(f, "the commands are the same");
        }
        for (sign, line) in lines(&before, &after) {
            writeln!(f, "{sign} {line}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lines in common stay between those that changed.
    #[test]
    fn common_lines_stay() {
        let text: String = lines("a\nb\nc\nd\n", "a\nx\nc\ny\nd\n")
            .into_iter()
            .map(|(sign, line)| format!("{sign}{line};"))
            .collect();
        assert_eq!(text, " a;-b;+x; c;+y; d;");
        assert_eq!(changes("a\n", "a\n"), "");
        assert_eq!(changes("a\na\n", "a\n"), "- a\n");
    }
}
