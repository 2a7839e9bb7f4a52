//! Functions, aggregates and windows: how their arguments and options are written.

use super::{Level, Style, Writer};
use crate::functions::search::{RANK_FUSION, VECTOR, operator};
use crate::queryset::{Aggregate, Expr, Frame, FrameExclusion, FrameUnit, Func, Value, Window};

/// Options that are written as positional arguments, as everybody does.
const POSITIONAL: [(&str, &str); 3] = [
    ("Extract", "lookup_name"),
    ("Trunc", "kind"),
    ("Collate", "collation"),
];

impl Writer {
    /// A function.
    pub(super) fn func(&mut self, func: &Func, wanted: Level) {
        match func.name.as_str() {
            "JSONObject" => self.json_object(func),
            "CombinedSearchExpression" => self.combined_search(func, wanted),
            "CompoundExpression" => self.compound_search(func),
            RANK_FUSION => self.rank_fusion(func),
            name => self.call(name, |w| w.func_arguments(func)),
        }
    }

    fn func_arguments(&mut self, func: &Func) {
        let name = func.name.as_str();
        let start = self.out.len();
        // MongoDB's: the first argument is a path and the others are literals.
        let vector = name == VECTOR && func.args.iter().any(|a| matches!(a, Expr::Value(_)));
        let search = operator(name).is_some() || name == "SearchHighlights" || vector;
        for (i, arg) in func.args.iter().enumerate() {
            if let (true, 2, Expr::Q(condition)) = (vector, i, arg) {
                self.keyword(start, "filter", |w| w.q(condition, Level::Any));
                continue;
            }
            self.argument(start);
            match arg {
                Expr::Value(value) if search && i > 0 => self.literal(value),
                Expr::Value(value @ (Value::List(_) | Value::Dict(_))) if search => {
                    self.literal(value);
                }
                Expr::List(items) if search => {
                    self.push("[");
                    self.commas(items, Self::path_argument);
                    self.push("]");
                }
                Expr::Func(_) if search => self.expr(arg, Style::Object, Level::Any),
                // Some parameters take text as it is, so that paths are written as objects.
                Expr::F(_)
                    if !search && (name.starts_with("Search") || name.starts_with("Trigram")) =>
                {
                    self.expr(arg, Style::Object, Level::Any);
                }
                arg => self.path_argument(arg),
            }
        }
        let mut output = func.output.as_deref();
        if name == "Cast"
            && let Some(ty) = output.take()
        {
            self.argument(start);
            self.field_type(ty);
        }
        for (option, value) in &func.options {
            if POSITIONAL.contains(&(name, option)) {
                self.argument(start);
                self.literal(value);
            }
        }
        for (option, value) in &func.options {
            match value {
                _ if POSITIONAL.contains(&(name, option)) => {}
                Value::Str(zone) if option == "tzinfo" => {
                    self.keyword(start, option, |w| w.zone(zone));
                }
                value => self.keyword(start, option, |w| w.literal(value)),
            }
        }
        self.output(start, output);
    }

    fn json_object(&mut self, func: &Func) {
        self.call("JSONObject", |w| {
            let start = w.out.len();
            for pair in func.args.chunks(2) {
                match pair {
                    [Expr::Value(Value::Str(key)), value] => {
                        w.keyword(start, key, |w| w.path_argument(value));
                    }
                    other => {
                        for arg in other {
                            w.argument(start);
                            w.path_argument(arg);
                        }
                    }
                }
            }
            w.output(start, func.output.as_deref());
        });
    }

    /// `a & b`, `a | b` and `~a` of search expressions.
    fn combined_search(&mut self, func: &Func, wanted: Level) {
        let sign = match func.options.get("operator") {
            Some(Value::Str(operator)) => operator.as_str(),
            _ => "",
        };
        let (sign, own) = match sign {
            "and" => (" & ", Level::And),
            "or" => (" | ", Level::Or),
            _ => ("~", Level::Sign),
        };
        self.level(own, wanted, |w| {
            if own == Level::Sign {
                w.push(sign);
            }
            for (i, arg) in func.args.iter().enumerate() {
                if i > 0 {
                    w.push(sign);
                }
                w.expr(arg, Style::Object, Level::Sign);
            }
        });
    }

    /// The options say how many of the arguments belong to each clause.
    fn compound_search(&mut self, func: &Func) {
        self.call("CompoundExpression", |w| {
            let start = w.out.len();
            let mut args = func.args.iter();
            for (option, value) in &func.options {
                match (option.as_str(), value) {
                    ("must" | "must_not" | "should" | "filter", Value::Int(count)) => {
                        let count = usize::try_from(*count).unwrap_or(0);
                        let clause: Vec<&Expr> = args.by_ref().take(count).collect();
                        w.keyword(start, option, |w| {
                            w.push("[");
                            w.commas(clause, |w, arg| w.expr(arg, Style::Object, Level::Any));
                            w.push("]");
                        });
                    }
                    (_, value) => w.keyword(start, option, |w| w.literal(value)),
                }
            }
        });
    }

    /// The options name the arguments.
    fn rank_fusion(&mut self, func: &Func) {
        self.call(RANK_FUSION, |w| {
            let start = w.out.len();
            let names = match func.options.get("names") {
                Some(Value::List(names)) => names.as_slice(),
                _ => &[],
            };
            for (name, arg) in names.iter().zip(&func.args) {
                if let Value::Str(name) = name {
                    w.keyword(start, name, |w| w.expr(arg, Style::Object, Level::Any));
                }
            }
            for (option, value) in func.options.iter().filter(|(o, _)| *o != "names") {
                w.keyword(start, option, |w| w.literal(value));
            }
        });
    }

    /// An aggregate.
    pub(super) fn aggregate(&mut self, aggregate: &Aggregate) {
        self.call(&aggregate.name, |w| {
            let start = w.out.len();
            for (i, arg) in aggregate.args.iter().enumerate() {
                w.argument(start);
                if i > 0 && aggregate.name == "StringAgg" {
                    w.expr(arg, Style::Literal, Level::Any);
                } else {
                    w.path_argument(arg);
                }
            }
            w.flag(start, "distinct", aggregate.distinct);
            if let Some(filter) = &aggregate.filter {
                w.keyword(start, "filter", |w| w.q(filter, Level::Any));
            }
            if let Some(default) = &aggregate.default {
                w.keyword(start, "default", |w| {
                    w.expr(default, Style::Literal, Level::Any)
                });
            }
            if !aggregate.order_by.is_empty() {
                w.keyword(start, "order_by", |w| {
                    w.push("[");
                    w.commas(&aggregate.order_by, Self::inner_order);
                    w.push("]");
                });
            }
            for (option, value) in &aggregate.options {
                w.keyword(start, option, |w| w.literal(value));
            }
            w.output(start, aggregate.output.as_deref());
        });
    }

    /// A window.
    pub(super) fn window(&mut self, window: &Window) {
        self.call("Window", |w| {
            let start = w.out.len();
            w.path_argument(&window.expr);
            if !window.partition_by.is_empty() {
                w.keyword(start, "partition_by", |w| {
                    w.push("[");
                    w.commas(&window.partition_by, Self::path_argument);
                    w.push("]");
                });
            }
            if !window.order_by.is_empty() {
                w.keyword(start, "order_by", |w| {
                    w.push("[");
                    w.commas(&window.order_by, Self::inner_order);
                    w.push("]");
                });
            }
            if let Some(frame) = &window.frame {
                w.keyword(start, "frame", |w| w.frame(frame));
            }
            w.output(start, window.output.as_deref());
        });
    }

    fn frame(&mut self, frame: &Frame) {
        let class = match frame.unit {
            FrameUnit::Rows => "RowRange",
            FrameUnit::Range => "ValueRange",
        };
        self.call(class, |w| {
            let start = w.out.len();
            for (name, bound) in [("start", frame.start), ("end", frame.end)] {
                if let Some(bound) = bound {
                    w.keyword(start, name, |w| w.push(&bound.to_string()));
                }
            }
            if let Some(exclusion) = frame.exclude {
                w.keyword(start, "exclusion", |w| {
                    w.push("WindowFrameExclusion.");
                    w.push(match exclusion {
                        FrameExclusion::CurrentRow => "CURRENT_ROW",
                        FrameExclusion::Group => "GROUP",
                        FrameExclusion::Ties => "TIES",
                        FrameExclusion::NoOthers => "NO_OTHERS",
                    });
                });
            }
        });
    }
}
