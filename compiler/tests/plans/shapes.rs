//! Plans of certain shapes, with random parts: rules that need several operators in a row are not met by chance.

use mqlc_compiler::plan::{ColumnId, Predicate, Rel, Scalar, SourceId, WindowCall};
use mqlc_compiler::schema::FieldKind;

use super::arbitrary::{Here, Maker};
use super::*;

/// A relation to many: the model that has it, the model that refers to it, and by which key.
const MANY: &[(&str, &str, &str)] = &[
    ("Author", "Book", "author_id"),
    ("Author", "Book", "editor_id"),
    ("Author", "Author", "mentor_id"),
    ("Book", "BookTag", "book_id"),
    ("Tag", "BookTag", "tag_id"),
];

/// A column that tells nothing apart.
fn plain(model: &str) -> &'static str {
    match model {
        "Book" => "pages",
        "Author" => "mentor_id",
        "BookTag" => "tag_id",
        _ => "_id",
    }
}

impl Maker<'_, '_> {
    /// A query of one of the shapes, with random operators on top.
    pub(super) fn shaped(&mut self) -> (Rel, Here) {
        let (mut rel, mut here) = match self.c.pick(9) {
            0 => self.groups_of_related(),
            1 => self.groups_behind_key(),
            2 => self.fixed_groups(),
            3 => self.rows_in_set(),
            4 => self.rows_without_partner(),
            5 => self.counted_values(),
            6 => self.every_group(),
            7 => self.numbered(),
            _ => self.alternatives(),
        };
        for _ in 0..self.c.pick(3) {
            rel = self.operator(rel, &mut here, &Here::default());
        }
        (rel, here)
    }

    fn base(&mut self, model: &'static str) -> (SourceId, ColumnId, Here) {
        let mut here = Here::default();
        let source = self.add(&mut here, model);
        let pk = self.b.column(source, "_id");
        here.identity = vec![pk];
        (source, pk, here)
    }

    /// Now and then a condition.
    fn sometimes(&mut self, rel: Rel, here: &Here) -> Rel {
        if self.c.pick(3) < 2 {
            return rel;
        }
        let condition = self.predicate(here, &Here::default(), 1);
        filter(rel, condition)
    }

    fn relation(&mut self) -> (&'static str, &'static str, &'static str) {
        self.c.one_of(MANY)
    }

    /// Aggregates of the rows of a relation, by the row that has it, and conditions on them.
    fn groups_of_related(&mut self) -> (Rel, Here) {
        let (model, many, key) = self.relation();
        let (source, pk, here) = self.base(model);
        let mut there = Here::default();
        let related = self.add(&mut there, many);
        let (id, fk) = (self.b.column(related, "_id"), self.b.column(related, key));
        let of = self.b.column(related, plain(many));
        let rows = self.sometimes(scan(source), &here);
        let mut rows = left_many(rows, related, pk, fk);
        if self.c.pick(4) == 3 {
            rows = on_condition(rows, gt(of, self.c.pick(3) as i64));
        }
        let mut next = Here {
            uses: here.uses.clone(),
            identity: vec![pk],
            ..Here::default()
        };
        next.ints = here.ints.clone();
        next.texts = here.texts.clone();
        let mut aggregates = Vec::new();
        for _ in 0..=self.c.pick(2) {
            let (name, arg) = self.c.one_of(&[
                ("Count", id),
                ("Count", of),
                ("Sum", of),
                ("Max", of),
                ("Count", pk),
            ]);
            let mut call = agg(name, vec![value(arg)]);
            call.distinct = self.c.pick(5) == 4;
            if self.c.pick(5) == 4 {
                call.filter = Some(gt(of, self.c.pick(3) as i64));
            }
            let label = self.name("n");
            let n = if name == "Count" {
                self.b.counted(&label)
            } else {
                self.b.computed(&label, int_type())
            };
            aggregates.push((n, call));
        }
        let counts: Vec<ColumnId> = aggregates.iter().map(|(n, _)| *n).collect();
        let rel = Rel::Aggregate {
            input: Box::new(rows),
            keys: vec![(pk, Scalar::Column(pk))],
            carried: vec![source],
            aggregates,
        };
        let n = self.c.one_of(&counts);
        let limit = self.c.pick(4) as i64;
        let compare = [gt, gte, eq, lt, ne][self.c.pick(5)];
        let mut parts = vec![compare(n, limit)];
        if self.c.pick(3) == 2 {
            parts.push(self.predicate(&next, &Here::default(), 1));
        }
        next.ints.extend(&counts);
        let rel = filter(rel, Predicate::And(parts));
        (rel, next)
    }

    /// Rows with a window function, of which some are chosen by its value.
    fn numbered(&mut self) -> (Rel, Here) {
        let model = self.c.one_of(&["Book", "Author", "BookTag"]);
        let (source, pk, mut here) = self.base(model);
        let of = self.b.column(source, plain(model));
        let rows = self.sometimes(scan(source), &here);
        let function = self.c.one_of(&["RowNumber", "RowNumber", "Rank", "Sum"]);
        let args = if function == "Sum" {
            vec![value(of)]
        } else {
            Vec::new()
        };
        let partition = match self.c.pick(3) {
            0 => Vec::new(),
            _ => vec![value(self.c.one_of(&here.ints))],
        };
        // Rows are told apart, so that what a window gives them is certain.
        let order = match self.c.pick(2) {
            0 => vec![asc(of), asc(pk)],
            _ => vec![desc(pk)],
        };
        let name = self.name("n");
        let n = if function == "Sum" {
            self.b.computed(&name, int_type())
        } else {
            self.b.counted(&name)
        };
        let call = WindowCall {
            call: agg(function, args),
            frame: None,
        };
        let rows = Rel::Window {
            input: Box::new(rows),
            partition,
            order,
            outputs: vec![(n, call)],
        };
        let limit = 1 + self.c.pick(2) as i64;
        let compare = [eq, eq, lte][self.c.pick(3)];
        let mut parts = vec![compare(n, limit)];
        if self.c.pick(3) == 2 {
            parts.push(self.predicate(&here, &Here::default(), 1));
        }
        here.ints.push(n);
        (filter(rows, Predicate::And(parts)), here)
    }

    /// Aggregates of the rows of a relation, in their order or aggregated again.
    fn every_group(&mut self) -> (Rel, Here) {
        let (model, many, key) = self.relation();
        let (source, pk, here) = self.base(model);
        let mut there = Here::default();
        let related = self.add(&mut there, many);
        let (id, fk) = (self.b.column(related, "_id"), self.b.column(related, key));
        let of = self.b.column(related, plain(many));
        let rows = self.sometimes(scan(source), &here);
        let mut rows = left_many(rows, related, pk, fk);
        if self.c.pick(4) == 3 {
            rows = on_condition(rows, gt(of, self.c.pick(3) as i64));
        }
        let (name, arg) = self
            .c
            .one_of(&[("Count", id), ("Count", of), ("Sum", of), ("Max", of)]);
        let mut call = agg(name, vec![value(arg)]);
        if self.c.pick(4) == 3 {
            call.filter = Some(gt(of, self.c.pick(3) as i64));
        }
        let (n, m) = (self.name("n"), self.name("m"));
        let n = self.b.computed(&n, int_type());
        let groups = Rel::Aggregate {
            input: Box::new(rows),
            keys: vec![(pk, Scalar::Column(pk))],
            carried: vec![source],
            aggregates: vec![(n, call)],
        };
        let groups = self.sometimes(groups, &here);
        let mut next = Here {
            ints: vec![n],
            ..Here::default()
        };
        if self.c.pick(3) == 2 {
            let m = self.b.computed(&m, int_type());
            next.ints = vec![m];
            let of = self.c.one_of(&[n, n, pk]);
            let sum = agg("Sum", vec![value(of)]);
            return (aggregate(groups, [], [], [(m, sum)]), next);
        }
        next.uses.clone_from(&here.uses);
        next.identity = vec![pk];
        next.ints.extend(&here.ints);
        next.texts.clone_from(&here.texts);
        let by_count = self.c.pick(4) < 3;
        let first = if by_count { desc(n) } else { asc(pk) };
        let rel = sort(groups, [first, asc(pk)]);
        if self.c.pick(2) == 1 {
            let limit = self.c.pick(3) as u64 + 1;
            return (slice(rel, self.c.pick(2) as u64, limit), next);
        }
        (rel, next)
    }

    /// Groups by a column of the row that a foreign key leads to.
    fn groups_behind_key(&mut self) -> (Rel, Here) {
        let (one, model, key) = self.relation();
        let (source, pk, here) = self.base(model);
        let fk = self.b.column(source, key);
        let of = self.b.column(source, plain(model));
        let mut there = Here::default();
        let target = self.add(&mut there, one);
        let target_pk = self.b.column(target, "_id");
        let by = match one {
            "Author" => self.c.one_of(&["country", "name", "mentor_id"]),
            "Book" => self.c.one_of(&["title", "pages", "author_id"]),
            _ => "name",
        };
        let by = self.b.column(target, by);
        let rows = self.sometimes(scan(source), &here);
        let rows = if self.c.pick(2) == 0 {
            inner_one(rows, target, fk, target_pk)
        } else {
            left_one(rows, target, fk, target_pk)
        };
        let (n, m) = (self.name("n"), self.name("m"));
        let (n, m) = (self.b.counted(&n), self.b.computed(&m, int_type()));
        let other = self.c.one_of(&["Min", "Max", "Sum", "Count", "Avg"]);
        let mut keys = vec![(by, value(by))];
        if self.c.pick(4) == 3 {
            keys.push((fk, value(fk)));
        }
        let mut aggregates = vec![(n, agg("Count", vec![]))];
        if self.c.pick(2) == 1 {
            let arg = self.c.one_of(&[of, of, pk, target_pk]);
            let mut call = agg(other, vec![value(arg)]);
            if other == "Avg" {
                call.ty = ty(FieldKind::FloatField);
            }
            aggregates.push((m, call));
        }
        let mut next = Here {
            identity: keys.iter().map(|(id, _)| *id).collect(),
            ..Here::default()
        };
        next.ints.extend(aggregates.iter().map(|(id, _)| *id));
        let rel = Rel::Aggregate {
            input: Box::new(rows),
            keys,
            carried: Vec::new(),
            aggregates,
        };
        (self.sometimes(rel, &next), next)
    }

    /// Groups by a key that a condition fixes, of which only the aggregates are read.
    fn fixed_groups(&mut self) -> (Rel, Here) {
        let (model, many, key) = self.relation();
        let inside = self.c.pick(2) == 1;
        let (source, pk, mut here) = self.base(if inside { model } else { many });
        let related = if inside {
            let mut there = Here::default();
            self.add(&mut there, many)
        } else {
            source
        };
        let fk = self.b.column(related, key);
        let of = self.b.column(related, plain(many));
        let fixed = if inside {
            eq(fk, pk)
        } else {
            match self.c.pick(3) {
                2 => in_ints(fk, [1, 2]),
                n => eq(fk, n as i64),
            }
        };
        let name = self.name("n");
        let n = self.b.counted(&name);
        let mut keys = vec![(fk, value(fk))];
        if self.c.pick(4) == 3 {
            keys.push((of, value(of)));
        }
        let rows = filter(scan(related), fixed);
        let groups = Rel::Aggregate {
            input: Box::new(rows),
            keys,
            carried: Vec::new(),
            aggregates: vec![(n, agg("Count", vec![]))],
        };
        if !inside {
            return (
                groups,
                Here {
                    ints: vec![n],
                    identity: vec![n],
                    ..Here::default()
                },
            );
        }
        let groups = slice(sort(groups, [desc(n)]), 0, 1);
        let label = self.name("x");
        let x = self.b.computed(&label, int_type());
        here.ints.push(x);
        (extend(scan(source), [(x, scalar_query(groups, n))]), here)
    }

    /// Rows whose key is among those that another collection refers to.
    fn rows_in_set(&mut self) -> (Rel, Here) {
        let (model, many, key) = self.relation();
        let (source, pk, here) = self.base(model);
        let mut there = Here::default();
        let related = self.add(&mut there, many);
        let fk = self.b.column(related, key);
        let other = self.b.column(
            related,
            match many {
                "BookTag" => "tag_id",
                "Book" => "editor_id",
                _ => "mentor_id",
            },
        );
        let rows = scan(related);
        let rows = match self.c.pick(4) {
            0 => filter(rows, in_ints(other, [0, 1, 2])),
            1 => filter(rows, eq(other, self.c.pick(4) as i64)),
            2 => {
                let id = self.b.column(related, "_id");
                slice(sort(rows, [asc(id)]), 0, self.c.pick(4) as u64)
            }
            _ => self.sometimes(rows, &there),
        };
        let mut parts = vec![in_query(pk, rows, fk)];
        if self.c.pick(2) == 1 {
            parts.push(self.predicate(&here, &Here::default(), 1));
        }
        (filter(scan(source), Predicate::And(parts)), here)
    }

    /// Rows to which nothing refers.
    fn rows_without_partner(&mut self) -> (Rel, Here) {
        let (model, many, key) = self.relation();
        let (source, pk, here) = self.base(model);
        let mut there = Here::default();
        let related = self.add(&mut there, many);
        let (id, fk) = (self.b.column(related, "_id"), self.b.column(related, key));
        let mut rows = left_many(scan(source), related, pk, fk);
        if self.c.pick(3) == 2 {
            let of = self.b.column(related, plain(many));
            rows = on_condition(rows, gt(of, self.c.pick(3) as i64));
        }
        let tested = self.c.one_of(&[id, id, fk]);
        let mut parts = vec![is_null(tested)];
        if self.c.pick(2) == 1 {
            parts.push(self.predicate(&here, &Here::default(), 1));
        }
        (filter(rows, Predicate::And(parts)), here)
    }

    /// How many values a column has.
    fn counted_values(&mut self) -> (Rel, Here) {
        let (_, model, key) = self.relation();
        let (source, _, here) = self.base(model);
        let of = self.c.one_of(&[key, plain(model)]);
        let of = self.b.column(source, of);
        let rows = self.sometimes(scan(source), &here);
        let name = self.name("n");
        let n = self.b.counted(&name);
        let mut call = agg("Count", vec![value(of)]);
        call.distinct = true;
        let next = Here {
            ints: vec![n],
            identity: vec![n],
            ..Here::default()
        };
        (aggregate(rows, [], [], [(n, call)]), next)
    }

    /// Rows of which one of several things holds, some of a joined row.
    fn alternatives(&mut self) -> (Rel, Here) {
        let (one, model, key) = self.relation();
        let (source, _, mut here) = self.base(model);
        let fk = self.b.column(source, key);
        let target = self.add(&mut here, one);
        let target_pk = self.b.column(target, "_id");
        let rows = if self.c.pick(2) == 0 {
            inner_one(scan(source), target, fk, target_pk)
        } else {
            left_one(scan(source), target, fk, target_pk)
        };
        let mine = self.b.column(source, plain(model));
        let theirs = self.b.column(target, plain(one));
        let mut list = vec![
            eq(mine, self.c.pick(4) as i64),
            eq(theirs, self.c.pick(4) as i64),
        ];
        if self.c.pick(3) == 2 {
            list.push(self.predicate(&here, &Here::default(), 1));
        }
        (filter(rows, Predicate::Or(list)), here)
    }
}
