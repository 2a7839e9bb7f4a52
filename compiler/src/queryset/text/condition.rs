//! `Q` objects.

use super::{Level, Style, Writer, is_name};
use crate::queryset::{Expr, Q};

/// Names that `Q()` and its siblings keep for themselves.
const RESERVED: [&str; 3] = ["_connector", "_negated", "self"];

/// Lookups that may stand as keyword arguments in this order: Django sorts them by name.
fn are_keywords<'q>(parts: impl IntoIterator<Item = &'q Q>) -> bool {
    let mut last: Option<&str> = None;
    for part in parts {
        let Q::Lookup { path, .. } = part else {
            return false;
        };
        if RESERVED.contains(&path.as_str()) || last.is_some_and(|last| last >= path.as_str()) {
            return false;
        }
        last = Some(path);
    }
    true
}

/// A condition without the layers that mean nothing.
fn bare(q: &Q) -> &Q {
    let mut q = q;
    loop {
        q = match q {
            Q::And(parts) | Q::Or(parts) | Q::Xor(parts) => match parts.as_slice() {
                [single] => single,
                _ => return q,
            },
            Q::Expr(Expr::Q(inner)) => inner,
            _ => return q,
        };
    }
}

/// A single condition in a group of its own. Between operators Django takes the group away, and under XOR it matters: joins that
/// the group makes INNER stay so, while a bare condition's are LEFT (Django: `JoinPromoter`).
fn is_group_of_one(q: &Q) -> bool {
    let in_group = match q {
        Q::And(parts) | Q::Or(parts) => parts.len() == 1,
        Q::Xor(parts) => matches!(parts.as_slice(), [single] if is_group_of_one(single)),
        _ => false,
    };
    in_group && matches!(bare(q), Q::Lookup { .. } | Q::Expr(_))
}

/// An empty condition vanishes between operators, negated or not.
fn is_empty(q: &Q) -> bool {
    match q {
        Q::And(parts) | Q::Or(parts) | Q::Xor(parts) => parts.iter().all(is_empty),
        Q::Not(inner) => is_empty(inner),
        _ => false,
    }
}

/// Between operators Django leaves out empty conditions and repetitions.
fn keeps_parts(parts: &[Q]) -> bool {
    parts
        .iter()
        .enumerate()
        .all(|(i, part)| !is_empty(part) && !parts.iter().take(i).any(|other| other == part))
}

impl Writer {
    /// The arguments of `filter()` and `exclude()`: conditions, then lookups as keyword arguments.
    pub(super) fn conditions(&mut self, q: &Q) {
        let start = self.out.len();
        let single = std::slice::from_ref(q);
        let parts = match q {
            Q::And(parts) => parts.as_slice(),
            _ => single,
        };
        let mut keywords = parts.len();
        while keywords > 0 && are_keywords(parts.get(keywords - 1..).unwrap_or_default()) {
            keywords -= 1;
        }
        let (positional, keywords) = parts.split_at_checked(keywords).unwrap_or((parts, &[]));
        for part in positional {
            self.argument(start);
            match part {
                Q::Expr(Expr::Q(q)) => self.q(q, Level::Any),
                Q::Expr(expr) => self.expr(expr, Style::Object, Level::Any),
                part => self.q(part, Level::Any),
            }
        }
        self.lookups(start, keywords);
    }

    fn lookups(&mut self, start: usize, parts: &[Q]) {
        for part in parts {
            if let Q::Lookup { path, rhs } = part {
                self.keyword(start, path, |w| w.rhs(rhs));
            }
        }
    }

    /// A condition as an object.
    pub(super) fn q(&mut self, q: &Q, wanted: Level) {
        match q {
            Q::And(parts) if are_keywords(parts) => self.q_of(parts),
            Q::Lookup { path, .. } if RESERVED.contains(&path.as_str()) => {
                self.constructed(std::slice::from_ref(q), "");
            }
            Q::Lookup { .. } => self.q_of(std::slice::from_ref(q)),
            Q::And(parts) => self.connected(parts, " & ", Level::And, wanted, ""),
            Q::Or(parts) => self.connected(parts, " | ", Level::Or, wanted, "Q.OR"),
            Q::Xor(parts) => self.connected(parts, " ^ ", Level::Xor, wanted, "Q.XOR"),
            // A second `~` would take the first one back.
            Q::Not(inner) if matches!(bare(inner), Q::Not(_)) => {
                self.level(Level::Sign, wanted, |w| {
                    w.push("~Q(");
                    w.q(inner, Level::Any);
                    w.push(")");
                });
            }
            Q::Not(inner) => self.level(Level::Sign, wanted, |w| {
                w.push("~");
                w.q(inner, Level::Atom);
            }),
            Q::Expr(Expr::Q(q)) => self.q(q, wanted),
            Q::Expr(expr) => {
                self.push("Q(");
                self.expr(expr, Style::Object, Level::Any);
                self.push(")");
            }
        }
    }

    fn q_of(&mut self, lookups: &[Q]) {
        self.push("Q(");
        let start = self.out.len();
        self.lookups(start, lookups);
        self.push(")");
    }

    fn connected(&mut self, parts: &[Q], sign: &str, own: Level, wanted: Level, connector: &str) {
        match parts {
            [single] => self.q(single, wanted),
            parts if parts.is_empty() || !keeps_parts(parts) => self.constructed(parts, connector),
            parts => self.level(own, wanted, |w| {
                for (i, part) in parts.iter().enumerate() {
                    if i > 0 {
                        w.push(sign);
                    }
                    // Nested conditions of the same connector would become one.
                    let inner = match own {
                        Level::Or => Level::Xor,
                        Level::Xor => Level::And,
                        _ => Level::Sign,
                    };
                    if own == Level::Xor && is_group_of_one(part) {
                        w.push("Q(");
                        w.q(part, Level::Any);
                        w.push(")");
                    } else {
                        w.q(part, inner);
                    }
                }
            }),
        }
    }

    /// `Q(a, b, _connector=...)`, which keeps its parts as they are.
    fn constructed(&mut self, parts: &[Q], connector: &str) {
        self.push("Q(");
        let start = self.out.len();
        for part in parts {
            self.argument(start);
            match part {
                Q::Lookup { path, rhs } => {
                    self.push("(");
                    self.string(path);
                    self.push(", ");
                    self.rhs(rhs);
                    self.push(")");
                }
                part => self.q(part, Level::Any),
            }
        }
        if !connector.is_empty() {
            self.keyword(start, "_connector", |w| w.push(connector));
        }
        self.push(")");
    }

    /// The condition of a `When`: lookups as keyword arguments where that is possible.
    pub(super) fn when_condition(&mut self, start: usize, q: &Q) {
        let single = std::slice::from_ref(q);
        let parts = match q {
            Q::And(parts) => parts.as_slice(),
            _ => single,
        };
        let plain = |part: &Q| matches!(part, Q::Lookup { path, .. } if is_name(path) && path != "then" && path != "condition");
        if !parts.is_empty() && are_keywords(parts) && parts.iter().all(plain) {
            self.lookups(start, parts);
            return;
        }
        match q {
            Q::Expr(Expr::Q(q)) => self.q(q, Level::Any),
            Q::Expr(expr) => self.expr(expr, Style::Object, Level::Any),
            q => self.q(q, Level::Any),
        }
    }
}
