//! Querysets, their methods, terminals.

use indexmap::IndexMap;

use super::{Level, Style, Writer, is_name};
use crate::queryset::{
    Call, CombineOp, Direction, Do, Expr, Hint, Insert, OrderTerm, Prefetch, Q, Queryset,
    Statement, Value, ValuesFields,
};

impl Writer {
    /// A statement.
    pub(super) fn statement(&mut self, statement: &Statement) {
        let rows = matches!(statement.action, Do::Rows | Do::Delete);
        self.rows(&statement.model, &statement.calls, rows);
        self.terminal(&statement.model, &statement.action);
    }

    /// A queryset.
    pub(super) fn queryset(&mut self, queryset: &Queryset) {
        self.rows(&queryset.model, &queryset.calls, true);
    }

    /// A manager and calls; `all()` makes a queryset of a manager where that is asked for.
    fn rows(&mut self, model: &str, calls: &[Call], queryset: bool) {
        let start = self.out.len();
        self.class(model);
        self.push(".objects");
        let needs_queryset = match calls.first() {
            None => queryset,
            Some(call) => matches!(call, Call::Slice { .. } | Call::Combine { .. }),
        };
        if needs_queryset {
            self.push(".all()");
        }
        for call in calls {
            match call {
                Call::Slice { start, stop } => self.bounds(*start, *stop),
                Call::Combine { op, other } => {
                    // The operator's left side is everything so far.
                    self.out.insert(start, '(');
                    self.push(match op {
                        CombineOp::And => " & ",
                        CombineOp::Or => " | ",
                        CombineOp::Xor => " ^ ",
                    });
                    self.queryset(other);
                    self.push(")");
                }
                call => self.method_call(call),
            }
        }
    }

    fn method(&mut self, name: &str, arguments: impl FnOnce(&mut Self, usize)) {
        self.push(".");
        self.push(name);
        self.push("(");
        let start = self.out.len();
        arguments(self, start);
        self.push(")");
    }

    fn names(&mut self, method: &str, names: Option<&[String]>) {
        self.method(method, |w, _| match names {
            None => w.push("None"),
            Some(names) => w.strings(names),
        });
    }

    fn querysets(&mut self, method: &str, others: &[Queryset], all: bool) {
        self.method(method, |w, start| {
            w.commas(others, Self::queryset);
            w.flag(start, "all", all);
        });
    }

    /// Expressions by name.
    fn named(&mut self, start: usize, exprs: &IndexMap<String, Expr>, style: Style) {
        for (name, expr) in exprs {
            self.keyword(start, name, |w| w.expr(expr, style, Level::Any));
        }
    }

    fn method_call(&mut self, call: &Call) {
        match call {
            Call::Filter(q) => self.method("filter", |w, _| w.conditions(q)),
            Call::Exclude(q) => self.method("exclude", |w, _| w.conditions(q)),
            // What Django's related managers do themselves.
            Call::StickyFilter(q) => {
                self.push("._next_is_sticky()");
                self.method("filter", |w, _| w.conditions(q));
            }
            Call::Annotate(exprs) => {
                self.method("annotate", |w, start| w.named(start, exprs, Style::Object));
            }
            Call::Alias(exprs) => {
                self.method("alias", |w, start| w.named(start, exprs, Style::Object));
            }
            Call::Values(fields) => {
                self.method("values", |w, start| w.selection(start, fields, true))
            }
            Call::ValuesList {
                fields,
                flat,
                named,
            } => self.method("values_list", |w, start| {
                w.selection(start, fields, false);
                w.flag(start, "flat", *flat);
                w.flag(start, "named", *named);
            }),
            Call::OrderBy(terms) => {
                self.method("order_by", |w, _| w.commas(terms, Self::order_term))
            }
            Call::Reverse => self.method("reverse", |_, _| {}),
            Call::Distinct(fields) => self.names("distinct", Some(fields)),
            Call::Dates { field, kind, order } => self.dates("dates", field, kind, *order, None),
            Call::Datetimes {
                field,
                kind,
                order,
                tz,
            } => self.dates("datetimes", field, kind, *order, tz.as_deref()),
            Call::None => self.method("none", |_, _| {}),
            Call::SelectRelated(paths) => self.names("select_related", paths.as_deref()),
            Call::PrefetchRelated(None) => self.names("prefetch_related", None),
            Call::PrefetchRelated(Some(lookups)) => {
                self.method("prefetch_related", |w, _| w.commas(lookups, Self::prefetch));
            }
            Call::Defer(fields) => self.names("defer", fields.as_deref()),
            Call::Only(fields) => self.names("only", Some(fields)),
            Call::Union { all, others } => self.querysets("union", others, *all),
            Call::Intersection(others) => self.querysets("intersection", others, false),
            Call::Difference(others) => self.querysets("difference", others, false),
            Call::Raw(stages) => self.method("raw_aggregate", |w, _| {
                w.push("[");
                w.commas(stages, Self::document);
                w.push("]");
            }),
            Call::Using(alias) => self.method("using", |w, _| w.string(alias)),
            Call::SelectForUpdate {
                nowait,
                skip_locked,
                of,
                no_key,
            } => self.method("select_for_update", |w, start| {
                w.flag(start, "nowait", *nowait);
                w.flag(start, "skip_locked", *skip_locked);
                if !of.is_empty() {
                    w.keyword(start, "of", |w| w.string_list(of));
                }
                w.flag(start, "no_key", *no_key);
            }),
            Call::Hint(hint) => self.hint(hint),
            // Written where the text before them is at hand.
            Call::Slice { .. } | Call::Combine { .. } => {}
        }
    }

    fn string_list(&mut self, items: &[String]) {
        self.push("[");
        self.strings(items);
        self.push("]");
    }

    /// Names and expressions. Django numbers the names of positional expressions; others are keyword arguments, which
    /// `values_list()` does not have.
    fn selection(&mut self, start: usize, selected: &ValuesFields, keywords: bool) {
        let ValuesFields { fields, exprs } = selected;
        let positional = |name: &String| {
            fields.contains(name) && (!keywords || name.ends_with(|c: char| c.is_ascii_digit()))
        };
        for name in fields {
            match exprs.get(name) {
                None => {
                    self.argument(start);
                    self.string(name);
                }
                Some(expr) if positional(name) => {
                    self.argument(start);
                    self.expr(expr, Style::Object, Level::Any);
                }
                Some(_) => {}
            }
        }
        for (name, expr) in exprs.iter().filter(|(name, _)| !positional(name)) {
            if keywords {
                self.keyword(start, name, |w| w.expr(expr, Style::Object, Level::Any));
            } else {
                self.argument(start);
                self.expr(expr, Style::Object, Level::Any);
            }
        }
    }

    fn order_term(&mut self, term: &OrderTerm) {
        match term {
            OrderTerm::Name(name) => self.string(name),
            OrderTerm::Expr(order) => self.order(order),
        }
    }

    fn dates(&mut self, name: &str, field: &str, kind: &str, order: Direction, tz: Option<&str>) {
        self.method(name, |w, start| {
            w.string(field);
            w.push(", ");
            w.string(kind);
            if order == Direction::Desc {
                w.keyword(start, "order", |w| w.string("DESC"));
            }
            if let Some(tz) = tz {
                w.keyword(start, "tzinfo", |w| w.zone(tz));
            }
        });
    }

    fn prefetch(&mut self, prefetch: &Prefetch) {
        if prefetch.queryset.is_none() && prefetch.to_attr.is_none() {
            return self.string(&prefetch.lookup);
        }
        self.call("Prefetch", |w| {
            w.string(&prefetch.lookup);
            if let Some(queryset) = &prefetch.queryset {
                w.push(", queryset=");
                w.queryset(queryset);
            }
            if let Some(name) = &prefetch.to_attr {
                w.push(", to_attr=");
                w.string(name);
            }
        });
    }

    fn hint(&mut self, hint: &Hint) {
        self.method("hint", |w, start| {
            if let Some(index) = &hint.index {
                w.keyword(start, "index", |w| w.mql(index));
            }
            if let Some(comment) = &hint.comment {
                w.keyword(start, "comment", |w| w.mql(comment));
            }
            if let Some(collation) = &hint.collation {
                w.keyword(start, "collation", |w| w.document(collation));
            }
            if let Some(time) = hint.max_time_ms {
                w.keyword(start, "max_time_ms", |w| w.push(&time.to_string()));
            }
            if let Some(allowed) = hint.allow_disk_use {
                w.keyword(start, "allow_disk_use", |w| {
                    w.literal(&Value::Bool(allowed))
                });
            }
        });
    }

    fn terminal(&mut self, model: &str, action: &Do) {
        match action {
            Do::Rows => {}
            Do::Count { limit } => self.method("count", |w, start| {
                if let Some(limit) = limit {
                    w.keyword(start, "limit", |w| w.push(&limit.to_string()));
                }
            }),
            Do::Exists => self.method("exists", |_, _| {}),
            Do::Explain => self.method("explain", |_, _| {}),
            Do::Get => self.method("get", |_, _| {}),
            Do::Delete => self.method("delete", |_, _| {}),
            Do::Aggregate(exprs) => {
                self.method("aggregate", |w, start| w.named(start, exprs, Style::Object));
            }
            Do::Update(exprs) => {
                self.method("update", |w, start| w.named(start, exprs, Style::Literal));
            }
            Do::Insert(insert) => self.insert(model, insert),
            Do::BulkUpdate(update) => self.method("bulk_update", |w, _| {
                w.instances(model, &update.rows);
                w.push(", ");
                w.string_list(&update.fields);
            }),
            Do::GetOrCreate { filter, defaults } => {
                self.create_or("get_or_create", filter, defaults, None);
            }
            Do::UpdateOrCreate {
                filter,
                defaults,
                create_defaults,
            } => self.create_or(
                "update_or_create",
                filter,
                defaults,
                create_defaults.as_ref(),
            ),
        }
    }

    fn insert(&mut self, model: &str, insert: &Insert) {
        let plain = Insert {
            rows: Vec::new(),
            ..insert.clone()
        } == Insert::default();
        if let ([row], true) = (insert.rows.as_slice(), plain) {
            return self.method("create", |w, start| w.fields(start, row));
        }
        self.method("bulk_create", |w, start| {
            w.instances(model, &insert.rows);
            w.flag(start, "ignore_conflicts", insert.ignore_conflicts);
            w.flag(start, "update_conflicts", insert.update_conflicts);
            for (name, fields) in [
                ("update_fields", &insert.update_fields),
                ("unique_fields", &insert.unique_fields),
            ] {
                if !fields.is_empty() {
                    w.keyword(start, name, |w| w.string_list(fields));
                }
            }
        });
    }

    fn instances(&mut self, model: &str, rows: &[IndexMap<String, Value>]) {
        self.push("[");
        self.commas(rows, |w, row| {
            w.class(model);
            w.push("(");
            let start = w.out.len();
            w.fields(start, row);
            w.push(")");
        });
        self.push("]");
    }

    fn fields(&mut self, start: usize, row: &IndexMap<String, Value>) {
        for (name, value) in row {
            self.keyword(start, name, |w| w.literal(value));
        }
    }

    /// Lookups are keyword arguments; other conditions come before, as a filter.
    fn create_or(
        &mut self,
        name: &str,
        filter: &Q,
        defaults: &IndexMap<String, Value>,
        create_defaults: Option<&IndexMap<String, Value>>,
    ) {
        let single = std::slice::from_ref(filter);
        let parts = match filter {
            Q::And(parts) => parts.as_slice(),
            _ => single,
        };
        let lookups = parts
            .iter()
            .all(|part| matches!(part, Q::Lookup { path, .. } if is_name(path)));
        if !lookups {
            self.method("filter", |w, _| w.conditions(filter));
        }
        self.method(name, |w, start| {
            if lookups {
                w.conditions(filter);
            }
            for (name, values) in [
                ("defaults", Some(defaults)),
                ("create_defaults", create_defaults),
            ] {
                if let Some(values) =
                    values.filter(|values| !values.is_empty() || name != "defaults")
                {
                    w.keyword(start, name, |w| {
                        w.push("{");
                        w.commas(values, |w, (field, value)| {
                            w.string(field);
                            w.push(": ");
                            w.literal(value);
                        });
                        w.push("}");
                    });
                }
            }
        });
    }
}
