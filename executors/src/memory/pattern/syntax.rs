//! Perl's regular expressions, as the server reads them, in the dialect of the engine underneath.
//!
//! The two agree but for a few escapes (classes such as `\d` are ASCII on the server) and for what is literal inside
//! `[...]`.

/// The pattern in the other dialect.
pub(super) fn translate(pattern: &str) -> String {
    let mut out = String::with_capacity(pattern.len() + 8);
    let mut chars = unmarked(pattern).chars().peekable();
    let mut class = Class::Outside;
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                None => out.push('\\'),
                Some('Q') => quote(&mut chars, &mut out),
                Some('E') => {}
                Some(e @ ('p' | 'P')) => property(e, &mut chars, class != Class::Outside, &mut out),
                Some(e) => escape(e, class != Class::Outside, &mut out),
            },
            '[' if class == Class::Outside => {
                out.push('[');
                if chars.next_if_eq(&'^').is_some() {
                    out.push('^');
                }
                class = Class::Start;
                continue;
            }
            '[' => {
                // A named class such as [:alpha:] stays; any other bracket is a literal.
                let rest: String = chars.clone().collect();
                match rest.strip_prefix(':').and_then(|r| r.find(":]")) {
                    Some(end) => {
                        out.push('[');
                        out.extend(chars.by_ref().take(end + 3));
                    }
                    None => out.push_str("\\["),
                }
            }
            ']' if class == Class::Start => out.push_str("\\]"),
            ']' if class == Class::Inside => {
                out.push(']');
                class = Class::Outside;
                continue;
            }
            '&' | '~' if class != Class::Outside => {
                out.push('\\');
                out.push(c);
            }
            '-' if class != Class::Outside && chars.peek() == Some(&'-') => out.push_str("\\-"),
            c => out.push(c),
        }
        if class == Class::Start {
            class = Class::Inside;
        }
    }
    out
}

/// The pattern without marks such as `(*UTF8)` at its beginning: all texts are UTF-8 here.
fn unmarked(pattern: &str) -> &str {
    let mut rest = pattern;
    while let Some(found) = ["(*UTF8)", "(*UTF)", "(*UCP)"]
        .iter()
        .find_map(|mark| rest.strip_prefix(mark))
    {
        rest = found;
    }
    rest
}

/// Perl's own properties: `Xan` and the like.
fn property(
    e: char,
    chars: &mut std::iter::Peekable<std::str::Chars<'_>>,
    in_class: bool,
    out: &mut String,
) {
    let rest: String = chars.clone().take(5).collect();
    let members = match rest.as_str() {
        "{Xan}" => "\\p{L}\\p{N}",
        "{Xwd}" => "\\p{L}\\p{N}_",
        "{Xsp}" | "{Xps}" => "\\p{Z}\\t-\\r",
        _ => {
            out.push('\\');
            out.push(e);
            return;
        }
    };
    for _ in 0..5 {
        chars.next();
    }
    match (in_class, e == 'P') {
        (true, false) => out.push_str(members),
        (_, true) => out.push_str(&format!("[^{members}]")),
        (false, false) => out.push_str(&format!("[{members}]")),
    }
}

/// Where the reading is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    Outside,
    /// Right behind the opening bracket, where `]` is a literal.
    Start,
    Inside,
}

fn quote(chars: &mut std::iter::Peekable<std::str::Chars<'_>>, out: &mut String) {
    while let Some(c) = chars.next() {
        if c == '\\' && chars.next_if_eq(&'E').is_some() {
            return;
        }
        if c.is_ascii_punctuation() {
            out.push('\\');
        }
        out.push(c);
    }
}

fn escape(e: char, in_class: bool, out: &mut String) {
    let (members, negated) = match e {
        'd' => ("0-9", false),
        'D' => ("0-9", true),
        'w' => ("A-Za-z0-9_", false),
        'W' => ("A-Za-z0-9_", true),
        's' => (" \\t-\\r", false),
        'S' => (" \\t-\\r", true),
        'h' => (" \\t\\x{a0}", false),
        'H' => (" \\t\\x{a0}", true),
        'N' if !in_class => ("\\n", true),
        'R' if !in_class => {
            out.push_str("(?:\\r\\n|[\\n-\\r\\x{85}\\x{2028}\\x{2029}])");
            return;
        }
        _ => {
            out.push('\\');
            out.push(e);
            return;
        }
    };
    match (in_class, negated) {
        (true, false) => out.push_str(members),
        (_, true) => {
            out.push_str("[^");
            out.push_str(members);
            out.push(']');
        }
        (false, false) => {
            out.push('[');
            out.push_str(members);
            out.push(']');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Pattern;

    /// Matches as the server matches.
    #[test]
    fn perl_semantics() {
        for (pattern, options, text, want) in [
            (r"^\d+$", "", "12", true),
            (r"^\d+$", "", "١٢", false),
            (r"^\w+$", "", "é", false),
            (r"^\W$", "", "é", true),
            ("É", "i", "é", true),
            ("^abc$", "", "abc\n", true),
            ("^abc$", "", "abc\n\n", false),
            ("^b$", "m", "a\nb\nc", true),
            (r"[\d\s]x", "", "1x", true),
            ("[[a]", "", "[", true),
            ("[]a]", "", "]", true),
            ("[a&&b]", "", "&", true),
            ("[[:alpha:]]1", "", "x1", true),
            (r"\Qa.b\E", "", "axb", false),
            (r"\Qa.b\E", "", "a.b", true),
            ("a{", "", "a{", true),
            ("foo(?=bar)", "", "foobar", true),
            (r"(a)\1", "", "aa", true),
            ("a b # c", "x", "ab", true),
        ] {
            let p = Pattern::compile(pattern, options).unwrap();
            assert_eq!(p.is_match(text), want, "{pattern} {text:?}");
        }
        assert_eq!(Pattern::compile("(", "").unwrap_err().code, 51091);
    }
}
