//! Values, conditions and the subqueries in them.

use std::fmt::{self, Write};

use bson::Bson;

use super::Printer;
use crate::plan::{
    AnyElement, CompareOp, FunctionCall, JsonStep, Pattern, Predicate, Scalar, SubKind, SubPlan,
};
use crate::queryset::ArithmeticOp;

impl Printer<'_, '_, '_> {
    pub(super) fn scalar(&mut self, scalar: &Scalar) -> fmt::Result {
        match scalar {
            Scalar::Column(id) => self.column(*id),
            Scalar::Literal(literal) => self.literal(&literal.value),
            Scalar::Arithmetic { op, lhs, rhs, .. } => {
                self.f.write_char('(')?;
                self.scalar(lhs)?;
                write!(self.f, " {} ", arithmetic(*op))?;
                self.scalar(rhs)?;
                self.f.write_char(')')
            }
            Scalar::Call(call) => self.function(call),
            Scalar::Case {
                when, otherwise, ..
            } => {
                self.f.write_str("case")?;
                for (condition, result) in when {
                    self.f.write_str(" when ")?;
                    self.predicate(condition, 0)?;
                    self.f.write_str(" then ")?;
                    self.scalar(result)?;
                }
                self.f.write_str(" else ")?;
                self.scalar(otherwise)?;
                self.f.write_str(" end")
            }
            Scalar::Predicate(p) => {
                self.f.write_char('[')?;
                self.predicate(p, 0)?;
                self.f.write_char(']')
            }
            Scalar::Json { base, steps, text } => {
                self.scalar(base)?;
                for step in steps {
                    match step {
                        JsonStep::Key(key) => write!(self.f, "->{key:?}")?,
                        JsonStep::Index(i) => write!(self.f, "->{i}")?,
                    }
                }
                if *text {
                    self.f.write_str("::text")?;
                }
                Ok(())
            }
            Scalar::List(items) => {
                self.f.write_char('(')?;
                self.scalars(items)?;
                self.f.write_char(')')
            }
            Scalar::Subquery(sub) => self.subplan(sub),
            Scalar::Raw(value, _) => write!(self.f, "raw {value}"),
        }
    }

    fn function(&mut self, call: &FunctionCall) -> fmt::Result {
        write!(self.f, "{}(", call.function)?;
        self.scalars(&call.args)?;
        for (i, (name, value)) in call.options.iter().enumerate() {
            if i > 0 || !call.args.is_empty() {
                self.f.write_str(", ")?;
            }
            write!(self.f, "{name}: {value:?}")?;
        }
        self.f.write_char(')')
    }

    pub(super) fn scalars(&mut self, scalars: &[Scalar]) -> fmt::Result {
        self.list(scalars, ", ", |p, s| p.scalar(s))
    }

    fn literal(&mut self, value: &Bson) -> fmt::Result {
        match value {
            Bson::String(text) => write!(self.f, "{text:?}"),
            Bson::Null => self.f.write_str("null"),
            Bson::Int32(n) => write!(self.f, "{n}"),
            Bson::Int64(n) => write!(self.f, "{n}"),
            Bson::DateTime(date) => match date.try_to_rfc3339_string() {
                Ok(text) => self.f.write_str(&text),
                Err(_) => write!(self.f, "{date:?}"),
            },
            other => write!(self.f, "{other}"),
        }
    }

    fn subplan(&mut self, sub: &SubPlan) -> fmt::Result {
        self.f.write_str(match sub.kind {
            SubKind::Scalar => "scalar {",
            SubKind::Array => "array {",
            SubKind::Exists => "exists {",
            SubKind::Set => "set {",
        })?;
        let inline = std::mem::replace(&mut self.inline, true);
        self.rel(&sub.rel, 0)?;
        self.f.write_str("select ")?;
        self.scalars(&sub.columns)?;
        self.inline = inline;
        self.f.write_char('}')
    }

    /// `level` is the binding strength around it: 1 inside `and`, 2 inside `not`.
    pub(super) fn predicate(&mut self, predicate: &Predicate, level: u8) -> fmt::Result {
        match predicate {
            Predicate::Const(Some(value)) => write!(self.f, "{value}"),
            Predicate::Const(None) => self.f.write_str("unknown"),
            Predicate::And(list) => self.junction(list, " and ", level > 0, 1),
            Predicate::Or(list) => self.junction(list, " or ", level > 0, 1),
            Predicate::Xor(list) => self.junction(list, " xor ", level > 0, 1),
            Predicate::Not(inner) => match &**inner {
                Predicate::IsNull(s) => {
                    self.scalar(s)?;
                    self.f.write_str(" is not null")
                }
                Predicate::In { lhs, list } => self.member(lhs, list, " not in ("),
                other => {
                    self.f.write_str("not ")?;
                    self.predicate(other, 2)
                }
            },
            Predicate::Compare { op, lhs, rhs } => {
                self.scalar(lhs)?;
                write!(self.f, " {} ", comparison(*op))?;
                self.scalar(rhs)
            }
            Predicate::IsNull(s) => {
                self.scalar(s)?;
                self.f.write_str(" is null")
            }
            Predicate::In { lhs, list } => self.member(lhs, list, " in ("),
            Predicate::Like {
                pattern,
                insensitive,
                lhs,
                rhs,
            } => {
                self.scalar(lhs)?;
                let i = if *insensitive { "i" } else { "" };
                write!(self.f, " {i}{} ", pattern_name(*pattern))?;
                self.scalar(rhs)
            }
            Predicate::InSubquery { lhs, query } => {
                self.scalars(lhs)?;
                self.f.write_str(" in ")?;
                self.subplan(query)
            }
            Predicate::InParameter { lhs, parameter } => {
                self.scalar(lhs)?;
                write!(self.f, " in ${parameter}")
            }
            Predicate::Exists(query) => self.subplan(query),
            Predicate::AnyElement(any) => self.any_element(any),
            Predicate::Bool(s) => self.scalar(s),
            Predicate::Lookup { name, lhs, rhs, .. } => {
                self.scalar(lhs)?;
                write!(self.f, " {name} ")?;
                self.scalar(rhs)
            }
        }
    }

    fn any_element(&mut self, any: &AnyElement) -> fmt::Result {
        self.f.write_str("any of ")?;
        self.scalar(&any.array)?;
        if let Some((start, stop)) = any.range {
            write!(self.f, "[{start}:{stop}]")?;
        }
        for (id, scalar) in &any.given {
            self.f.write_str(" with ")?;
            self.column(*id)?;
            self.f.write_str(" = ")?;
            self.scalar(scalar)?;
        }
        self.f.write_str(" (")?;
        self.predicate(&any.test, 0)?;
        self.f.write_char(')')
    }

    fn member(&mut self, lhs: &Scalar, list: &[Scalar], word: &str) -> fmt::Result {
        self.scalar(lhs)?;
        self.f.write_str(word)?;
        self.scalars(list)?;
        self.f.write_char(')')
    }

    fn junction(&mut self, list: &[Predicate], word: &str, wrap: bool, level: u8) -> fmt::Result {
        if wrap {
            self.f.write_char('(')?;
        }
        if list.is_empty() {
            write!(self.f, "nothing{word}")?;
        }
        self.list(list, word, |p, item| p.predicate(item, level))?;
        if wrap {
            self.f.write_char(')')?;
        }
        Ok(())
    }
}

fn comparison(op: CompareOp) -> &'static str {
    match op {
        CompareOp::Eq => "=",
        CompareOp::Ne => "<>",
        CompareOp::Lt => "<",
        CompareOp::Lte => "<=",
        CompareOp::Gt => ">",
        CompareOp::Gte => ">=",
    }
}

fn arithmetic(op: ArithmeticOp) -> &'static str {
    match op {
        ArithmeticOp::Add => "+",
        ArithmeticOp::Sub => "-",
        ArithmeticOp::Mul => "*",
        ArithmeticOp::Div => "/",
        ArithmeticOp::Mod => "%",
        ArithmeticOp::Pow => "^",
        ArithmeticOp::BitAnd => "&",
        ArithmeticOp::BitOr => "|",
        ArithmeticOp::BitXor => "#",
        ArithmeticOp::ShiftLeft => "<<",
        ArithmeticOp::ShiftRight => ">>",
    }
}

fn pattern_name(pattern: Pattern) -> &'static str {
    match pattern {
        Pattern::Exact => "is",
        Pattern::Contains => "contains",
        Pattern::StartsWith => "startswith",
        Pattern::EndsWith => "endswith",
        Pattern::Regex => "regex",
    }
}
