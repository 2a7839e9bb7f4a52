//! Errors for people: the source line with a caret under the place, choices, hints.

use std::fmt::Write as _;

use unicode_width::UnicodeWidthChar;

use crate::error::{Error, Span};

/// Columns that a tab takes in the printed line.
const TAB: usize = 4;
/// Widest part of a source line that is printed.
const WIDEST: usize = 120;
/// Lines printed of a place that spans several.
const TALLEST: usize = 4;
/// Choices printed before "and n more".
const MOST_CHOICES: usize = 24;

impl Error {
    /// The error with the lines of `source` that it is about and a caret under its place; plain text that ends in a newline.
    ///
    /// `source` is the text that the span counts bytes of. Without a span, or with one that does not fit the text,
    /// only the message, its path and its notes are printed.
    ///
    /// ```
    /// use mqlc_compiler::{Code, Error, Span};
    /// let error = Error::new(Code::UnknownField, "Book has no field \"titel\"").with_span(Span { start: 20, end: 25 });
    /// assert_eq!(
    ///     error.render("Book.objects.filter(titel=1)"),
    ///     "error[E0301]: Book has no field \"titel\"\n  --> line 1, column 21\n  |\n1 | Book.objects.filter(titel=1)\n  |                     ^^^^^\n",
    /// );
    /// ```
    #[must_use]
    pub fn render(&self, source: &str) -> String {
        let mut out = format!("error[{}]: {}\n", self.code().number(), self.message());
        let mut margin = 1;
        if let Some(span) = self.span()
            && let Some(place) = Place::find(source, span)
        {
            margin = place.draw(&mut out);
        }
        let mut note = |label: &str, text: &str| {
            let _ = writeln!(out, "{:margin$} = {label}: {text}", "");
        };
        if self.span().is_none() && !self.path().is_empty() {
            note("at", self.path());
        }
        if let Some(because) = self.because() {
            note("because", because);
        }
        if !self.choices().is_empty() {
            let shown: Vec<&str> = self
                .choices()
                .iter()
                .take(MOST_CHOICES)
                .map(String::as_str)
                .collect();
            let more = self.choices().len().saturating_sub(MOST_CHOICES);
            let mut text = shown.join(", ");
            if more > 0 {
                let _ = write!(text, " and {more} more");
            }
            note("choices", &text);
        }
        if let Some(hint) = self.hint() {
            note("help", hint);
        }
        out
    }
}

/// The lines that a span touches.
struct Place<'s> {
    /// Number of the first line, from 1.
    line: usize,
    /// Column of the start in code points, from 1.
    column: usize,
    lines: Vec<Marked<'s>>,
    /// Lines of the span beyond those that are printed.
    left_out: usize,
}

/// A line and the bytes of it that are marked.
struct Marked<'s> {
    text: &'s str,
    from: usize,
    to: usize,
}

impl<'s> Place<'s> {
    fn find(source: &'s str, span: Span) -> Option<Self> {
        let start = floor_boundary(source, span.start.min(source.len()));
        let end = floor_boundary(source, span.end.clamp(start, source.len()));
        let before = source.get(..start)?;
        let line_start = before.rfind('\n').map_or(0, |i| i + 1);
        let line = before.matches('\n').count() + 1;
        let column = source.get(line_start..start)?.chars().count() + 1;
        let mut lines = Vec::new();
        let mut left_out = 0;
        let mut at = line_start;
        for text in source.get(line_start..)?.split('\n') {
            if at > end || (at == end && at > start) {
                break;
            }
            if lines.len() == TALLEST {
                left_out += 1;
            } else {
                let shown = text.strip_suffix('\r').unwrap_or(text);
                let from = start.saturating_sub(at).min(shown.len());
                let to = (end - at).min(shown.len());
                let from = from.max(indent_of(shown).min(to));
                lines.push(Marked {
                    text: shown,
                    from,
                    to,
                });
            }
            at += text.len() + 1;
        }
        Some(Place {
            line,
            column,
            lines,
            left_out,
        })
    }

    /// Writes the lines and returns the width of the margin.
    fn draw(&self, out: &mut String) -> usize {
        let margin = (self.line + self.lines.len()).to_string().len();
        let _ = writeln!(
            out,
            "{:margin$} --> line {}, column {}\n{:margin$} |",
            "", self.line, self.column, ""
        );
        for (i, marked) in self.lines.iter().enumerate() {
            let (text, pad, width) = marked.window();
            let number = self.line + i;
            let _ = writeln!(out, "{number:>margin$} | {text}");
            let _ = writeln!(
                out,
                "{:margin$} | {}{}",
                "",
                " ".repeat(pad),
                "^".repeat(width.max(1))
            );
        }
        if self.left_out > 0 {
            let _ = writeln!(out, "{:margin$} | ... ({} more lines)", "", self.left_out);
        }
        margin
    }
}

impl Marked<'_> {
    /// The printed part of the line, the columns before the mark, and the columns of the mark.
    fn window(&self) -> (String, usize, usize) {
        let mut cells: Vec<(char, usize)> = Vec::new();
        let (mut pad, mut width, mut column) = (0, 0, 0);
        for (at, c) in self.text.char_indices() {
            let (shown, w) = match c {
                '\t' => (' ', TAB),
                c if c.is_control() => ('\u{fffd}', 1),
                c => (c, c.width().unwrap_or(0)),
            };
            if at < self.from {
                pad += w;
            } else if at < self.to {
                width += w;
            }
            column += w;
            cells.push((shown, w));
            if c == '\t' {
                // A tab is printed as blanks: the rest of its columns follow as cells of their own.
                cells.pop();
                cells.extend(std::iter::repeat_n((' ', 1), TAB));
            }
        }
        if column <= WIDEST {
            return (cells.iter().map(|(c, _)| c).collect(), pad, width);
        }
        // Long lines: keep what is around the start of the mark.
        let first = pad.saturating_sub(WIDEST / 3);
        let mut text = String::new();
        let (mut at, mut dropped, mut kept) = (0, 0, 0);
        if first > 0 {
            text.push_str("...");
        }
        let mut cut = false;
        for (c, w) in &cells {
            if at < first {
                dropped += w;
            } else if kept + w <= WIDEST {
                text.push(*c);
                kept += w;
            } else {
                cut = true;
                break;
            }
            at += w;
        }
        if cut {
            text.push_str("...");
        }
        let lead = if first > 0 { 3 } else { 0 };
        let pad = pad.saturating_sub(dropped) + lead;
        (text, pad, width.min((kept + lead).saturating_sub(pad)))
    }
}

fn indent_of(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

fn floor_boundary(source: &str, mut at: usize) -> usize {
    while at > 0 && !source.is_char_boundary(at) {
        at -= 1;
    }
    at
}

/// The choice that a name was probably meant to be: at most a third of its letters differ.
#[must_use]
pub fn closest<'c>(name: &str, choices: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    let exact = |text: &str| text.chars().take(64).collect::<Vec<char>>();
    let lower = |text: &str| {
        let chars = text.chars().flat_map(char::to_lowercase);
        chars.take(64).collect::<Vec<char>>()
    };
    let (given, given_lower) = (exact(name), lower(name));
    if given.len() < 2 {
        return None;
    }
    let limit = (given.len() / 3).clamp(1, 4);
    choices
        .into_iter()
        .filter_map(|choice| {
            let chars = lower(choice);
            let far = distance(&given_lower, &chars);
            // Upper and lower case only decide between equals.
            (far <= limit && far < chars.len())
                .then(|| ((far, distance(&given, &exact(choice))), choice))
        })
        .min_by_key(|(far, _)| *far)
        .map(|(_, choice)| choice)
}

/// Insertions, deletions, substitutions and swaps of neighbours that lead from one word to the other.
fn distance(a: &[char], b: &[char]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    let mut previous_a = None;
    for (i, x) in a.iter().enumerate() {
        let mut row = Vec::with_capacity(b.len() + 1);
        row.push(i + 1);
        let mut previous_b = None;
        for (j, y) in b.iter().enumerate() {
            let up = last.get(j + 1).copied().unwrap_or(usize::MAX - 1) + 1;
            let left = row.last().copied().unwrap_or(usize::MAX - 1) + 1;
            let diagonal = last.get(j).copied().unwrap_or(usize::MAX - 1) + usize::from(x != y);
            let mut best = up.min(left).min(diagonal);
            if previous_a == Some(y)
                && previous_b == Some(x)
                && j > 0
                && let Some(swap) = before.get(j - 1)
            {
                best = best.min(swap + 1);
            }
            row.push(best);
            previous_b = Some(y);
        }
        before = last;
        last = row;
        previous_a = Some(x);
    }
    last.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Code;

    fn at(start: usize, end: usize) -> Error {
        Error::new(Code::Syntax, "no").with_span(Span { start, end })
    }

    #[test]
    fn carets_stand_under_wide_characters_and_tabs() {
        insta::assert_snapshot!(at(9, 12).render("\tf(\"日\", x)").replace('\t', "<tab>"), @r#"
        error[E0201]: no
          --> line 1, column 8
          |
        1 |     f("日", x)
          |            ^^^
        "#);
    }

    #[test]
    fn places_of_several_lines_are_drawn_line_by_line() {
        insta::assert_snapshot!(at(2, 12).render("a(\n  b,\n  c)\nd"), @r"
        error[E0201]: no
          --> line 1, column 3
          |
        1 | a(
          |   ^
        2 |   b,
          |   ^^
        3 |   c)
          |   ^^
        ");
    }

    #[test]
    fn the_end_of_the_text_can_be_pointed_at() {
        insta::assert_snapshot!(at(2, 2).render("a("), @r"
        error[E0201]: no
          --> line 1, column 3
          |
        1 | a(
          |   ^
        ");
    }

    #[test]
    fn long_lines_are_cut_around_the_place() {
        let line = format!("{}HERE{}", "a".repeat(300), "b".repeat(300));
        let out = at(300, 304).render(&line);
        let lines: Vec<&str> = out.lines().collect();
        let column = lines[3].find("HERE").expect("the marked word is shown");
        assert_eq!(lines[4].find('^'), Some(column));
        assert!(lines[3].len() < 140);
    }

    #[test]
    fn any_span_renders() {
        for source in ["", "\n", "é\r\nü", "日本\n\t"] {
            for start in 0..source.len() + 3 {
                for end in 0..source.len() + 3 {
                    assert!(at(start, end).render(source).ends_with('\n'));
                }
            }
        }
    }

    #[test]
    fn the_closest_choice_differs_little() {
        assert_eq!(closest("titel", ["title", "tags"]), Some("title"));
        assert_eq!(closest("x", ["title", "tags"]), None);
        assert_eq!(closest("filtr", ["filter", "exclude"]), Some("filter"));
    }
}
