//! Random plans over the library, from a list of choices: a shorter list with smaller numbers is a simpler plan.

use mqlc_compiler::plan::{
    Cardinality, ColumnId, Join, JoinKind, Predicate, Rel, Scalar, SetOp, SourceId, Terminal,
};

use super::*;

/// The choices that make a plan.
pub struct Choices<'a> {
    list: &'a [u8],
    at: usize,
}

impl<'a> Choices<'a> {
    pub fn new(list: &'a [u8]) -> Self {
        Choices { list, at: 0 }
    }

    pub(super) fn pick(&mut self, n: usize) -> usize {
        let choice = self.list.get(self.at).copied().unwrap_or(0);
        self.at += 1;
        usize::from(choice) % n.max(1)
    }

    pub(super) fn one_of<T: Clone>(&mut self, of: &[T]) -> T {
        of[self.pick(of.len())].clone()
    }
}

/// A foreign key: the model that has it, its key, the model it leads to.
const KEYS: &[(&str, &str, &str)] = &[
    ("Book", "author_id", "Author"),
    ("Book", "editor_id", "Author"),
    ("Author", "mentor_id", "Author"),
    ("BookTag", "book_id", "Book"),
    ("BookTag", "tag_id", "Tag"),
];

#[derive(Clone)]
pub(super) struct Use {
    source: SourceId,
    model: &'static str,
}

/// What a query has so far.
#[derive(Clone, Default)]
pub(super) struct Here {
    pub(super) uses: Vec<Use>,
    pub(super) ints: Vec<ColumnId>,
    pub(super) texts: Vec<ColumnId>,
    /// Columns that tell rows apart, if there are.
    pub(super) identity: Vec<ColumnId>,
}

pub(super) struct Maker<'b, 'c> {
    pub(super) b: &'b mut Build,
    pub(super) c: &'b mut Choices<'c>,
    names: usize,
    depth: usize,
    searches: bool,
}

/// A random plan.
pub fn plan_of(choices: &[u8]) -> Case {
    let mut b = Build::new();
    let mut c = Choices::new(choices);
    let mut maker = Maker {
        b: &mut b,
        c: &mut c,
        names: 0,
        depth: 0,
        // No choice of its own, so that it changes no other.
        searches: choices.len() % 5 == 4,
    };
    let (rel, here) = if maker.c.pick(4) == 3 {
        maker.shaped()
    } else {
        maker.query(&Here::default())
    };
    match c.pick(6) {
        4 => b.count(rel),
        5 => b.exists(rel),
        _ => {
            let mut columns: Vec<ColumnId> = here.ints.iter().chain(&here.texts).copied().collect();
            let n = 1 + c.pick(4);
            let skip = c.pick(columns.len());
            columns.rotate_left(skip);
            columns.truncate(n);
            let output = columns.clone();
            if output.is_empty() {
                return b.done(rel, Terminal::Exists);
            }
            b.rows_of(rel, &output)
        }
    }
}

impl Maker<'_, '_> {
    pub(super) fn name(&mut self, model: &str) -> String {
        self.names += 1;
        format!("{model}{}", self.names)
    }

    pub(super) fn add(&mut self, here: &mut Here, model: &'static str) -> SourceId {
        let name = self.name(model);
        let source = self.b.source_as(model, &name);
        here.uses.push(Use { source, model });
        let (ints, texts): (&[&str], &[&str]) = match model {
            "Author" => (&["_id", "mentor_id"], &["name", "country"]),
            "Book" => (
                &["_id", "pages", "author_id", "editor_id"],
                &["title", "isbn"],
            ),
            "Tag" => (&["_id"], &["name"]),
            _ => (&["_id", "book_id", "tag_id"], &[]),
        };
        for path in ints {
            here.ints.push(self.b.column(source, path));
        }
        for path in texts {
            here.texts.push(self.b.column(source, path));
        }
        source
    }

    fn query(&mut self, outer: &Here) -> (Rel, Here) {
        self.depth += 1;
        let mut here = Here::default();
        let model = self.c.one_of(&["Book", "Author", "BookTag", "Tag"]);
        let source = self.add(&mut here, model);
        let id = self.b.column(source, "_id");
        here.identity = vec![id];
        // Only an outermost query searches.
        let mut rel = if self.depth == 1 && self.searches {
            let score = self.b.counted("score");
            here.ints.push(score);
            search(source, score, bson::Document::new())
        } else {
            Rel::Scan(source)
        };
        for _ in 0..self.c.pick(7) {
            rel = self.operator(rel, &mut here, outer);
        }
        self.depth -= 1;
        (rel, here)
    }

    pub(super) fn operator(&mut self, rel: Rel, here: &mut Here, outer: &Here) -> Rel {
        match self.c.pick(12) {
            0..=2 => {
                let predicate = self.predicate(here, outer, 3);
                filter(rel, predicate)
            }
            3..=5 => self.join(rel, here, outer),
            6 => {
                let scalar = self.int(here, outer, 2);
                let name = self.name("x");
                let id = self.b.computed(&name, int_type());
                here.ints.push(id);
                extend(rel, [(id, scalar)])
            }
            7 => {
                let keys = self.order(here);
                Rel::Sort {
                    input: Box::new(rel),
                    keys,
                }
            }
            8 => {
                // A slice is certain only in a total order.
                let mut keys = self.order(here);
                keys.extend(here.identity.iter().map(|id| asc(*id)));
                let (skip, limit) = (self.c.pick(3) as u64, self.c.pick(4) as u64);
                let sorted = Rel::Sort {
                    input: Box::new(rel),
                    keys,
                };
                slice(sorted, skip, limit)
            }
            9 => self.aggregate(rel, here, outer),
            10 => {
                let mut columns: Vec<ColumnId> = Vec::new();
                for _ in 0..=self.c.pick(3) {
                    let id = self.c.one_of(&here.ints);
                    if !columns.contains(&id) {
                        columns.push(id);
                    }
                }
                here.uses.clear();
                here.texts.clear();
                here.ints = columns.clone();
                here.identity = columns.clone();
                Rel::Distinct {
                    input: Box::new(rel),
                    columns,
                    carried: Vec::new(),
                }
            }
            _ => {
                if self.depth > 1 {
                    return rel;
                }
                let (other, there) = self.query(outer);
                if there.ints.is_empty() || here.ints.is_empty() {
                    return rel;
                }
                let (a, b) = (self.c.one_of(&here.ints), self.c.one_of(&there.ints));
                let op = self.c.one_of(&[
                    SetOp::Union,
                    SetOp::UnionAll,
                    SetOp::Intersection,
                    SetOp::Difference,
                ]);
                let name = self.name("u");
                let id = self.b.computed(&name, int_type());
                *here = Here {
                    ints: vec![id],
                    identity: vec![id],
                    ..Here::default()
                };
                set_op(
                    op,
                    [(rel, vec![value(a)]), (other, vec![value(b)])],
                    vec![id],
                )
            }
        }
    }

    fn order(&mut self, here: &Here) -> Vec<mqlc_compiler::plan::SortKey> {
        let all: Vec<ColumnId> = here.ints.iter().chain(&here.texts).copied().collect();
        (0..=self.c.pick(2))
            .map(|_| {
                let id = self.c.one_of(&all);
                if self.c.pick(2) == 0 {
                    asc(id)
                } else {
                    desc(id)
                }
            })
            .collect()
    }

    fn join(&mut self, rel: Rel, here: &mut Here, outer: &Here) -> Rel {
        let mut ways = Vec::new();
        for at in &here.uses {
            for (from, key, to) in KEYS {
                if at.model == *from {
                    ways.push((at.clone(), *key, *to, "_id", true));
                }
                if at.model == *to {
                    ways.push((at.clone(), "_id", *from, *key, false));
                }
            }
        }
        if ways.is_empty() {
            return rel;
        }
        let (at, local, model, foreign, one) = self.c.one_of(&ways);
        let lhs = self.b.column(at.source, local);
        let source = self.add(here, model);
        let rhs = self.b.column(source, foreign);
        let kind = self.c.one_of(&[JoinKind::Inner, JoinKind::Left]);
        let id = self.b.column(source, "_id");
        if !one {
            here.identity.push(id);
        }
        let condition = (self.c.pick(4) == 3).then(|| {
            let only = Here {
                ints: vec![id, rhs],
                ..Here::default()
            };
            self.predicate(&only, outer, 1)
        });
        Rel::Join(Box::new(Join {
            input: rel,
            source,
            kind,
            on: vec![(Scalar::Column(lhs), rhs)],
            condition,
            cardinality: if one {
                Cardinality::One
            } else {
                Cardinality::Many
            },
        }))
    }

    fn aggregate(&mut self, rel: Rel, here: &mut Here, outer: &Here) -> Rel {
        let mut aggregates = Vec::new();
        for _ in 0..=self.c.pick(2) {
            let name = self.name("n");
            let id = self.b.computed(&name, int_type());
            let function = self.c.one_of(&["Count", "Sum", "Min", "Max"]);
            let arg = self.int(here, outer, 1);
            let mut call = agg(function, vec![arg]);
            call.distinct = self.c.pick(4) == 3;
            if self.c.pick(4) == 3 {
                call.filter = Some(self.predicate(here, outer, 1));
            }
            aggregates.push((id, call));
        }
        let mut next = Here::default();
        next.ints.extend(aggregates.iter().map(|(id, _)| *id));
        let (mut keys, mut carried) = (Vec::new(), Vec::new());
        match (self.c.pick(4), here.uses.first().cloned()) {
            (0, _) => {}
            // By the primary key of a source, whose columns stay.
            (1 | 2, Some(base)) => {
                let id = self.b.column(base.source, "_id");
                keys.push((id, Scalar::Column(id)));
                if self.c.pick(2) == 1 {
                    let name = self.name("k");
                    let k = self.b.computed(&name, text_type());
                    let other = self.b.column(
                        base.source,
                        match base.model {
                            "Book" => "pages",
                            "BookTag" => "book_id",
                            _ => "name",
                        },
                    );
                    keys.push((k, Scalar::Column(other)));
                }
                // Right only where the source is there: as the base it always is.
                carried.push(base.source);
                next.uses.push(base.clone());
                let stored = |id: &&ColumnId| self.b.columns.source_of(**id) == Some(base.source);
                next.ints.extend(here.ints.iter().filter(stored));
                next.texts.extend(here.texts.iter().filter(stored));
                next.identity = vec![id];
            }
            _ => {
                let key = self.int(here, outer, 1);
                let name = self.name("k");
                let id = self.b.computed(&name, int_type());
                keys.push((id, key));
                next.ints.push(id);
                next.identity = vec![id];
            }
        }
        *here = next;
        Rel::Aggregate {
            input: Box::new(rel),
            keys,
            carried,
            aggregates,
        }
    }

    fn column(&mut self, here: &Here, outer: &Here, text: bool) -> Option<Scalar> {
        let pick = |h: &Here| {
            if text {
                h.texts.clone()
            } else {
                h.ints.clone()
            }
        };
        let (mine, theirs) = (pick(here), pick(outer));
        let from = if !theirs.is_empty() && self.c.pick(4) == 3 {
            theirs
        } else {
            mine
        };
        (!from.is_empty()).then(|| Scalar::Column(self.c.one_of(&from)))
    }

    fn int(&mut self, here: &Here, outer: &Here, depth: usize) -> Scalar {
        match self.c.pick(if depth == 0 { 5 } else { 9 }) {
            0..=3 => self.column(here, outer, false).unwrap_or_else(|| value(1)),
            4 => value(i64::try_from(self.c.pick(6)).expect("small")),
            5 => {
                let (a, b) = (
                    self.int(here, outer, depth - 1),
                    self.int(here, outer, depth - 1),
                );
                plus(a, b)
            }
            6 => {
                let (a, b) = (
                    self.int(here, outer, depth - 1),
                    self.int(here, outer, depth - 1),
                );
                call("Coalesce", vec![a, b], int_type())
            }
            7 => {
                let p = self.predicate(here, outer, depth - 1);
                let (a, b) = (
                    self.int(here, outer, depth - 1),
                    self.int(here, outer, depth - 1),
                );
                case(p, a, b)
            }
            _ => {
                if self.depth > 1 {
                    return value(2);
                }
                let (rel, there) = self.query(&self.around(here, outer));
                let n = self.b.counted("n");
                if there.ints.is_empty() {
                    return value(2);
                }
                let arg = self.c.one_of(&there.ints);
                let rel = aggregate(rel, [], [], [(n, agg("Count", vec![value(arg)]))]);
                scalar_query(rel, n)
            }
        }
    }

    fn around(&self, here: &Here, outer: &Here) -> Here {
        let mut all = here.clone();
        all.ints.extend(&outer.ints);
        all.texts.extend(&outer.texts);
        all.uses.clear();
        all
    }

    pub(super) fn predicate(&mut self, here: &Here, outer: &Here, depth: usize) -> Predicate {
        let choices = if depth == 0 { 7 } else { 13 };
        match self.c.pick(choices) {
            0..=2 => {
                let (a, b) = (self.int(here, outer, depth.min(1)), self.small(here, outer));
                match self.c.pick(6) {
                    0 => eq(a, b),
                    1 => ne(a, b),
                    2 => lt(a, b),
                    3 => lte(a, b),
                    4 => gt(a, b),
                    _ => gte(a, b),
                }
            }
            3 => is_null(self.int(here, outer, 0)),
            4 => {
                let lhs = self.int(here, outer, 0);
                let mut list: Vec<Scalar> = Vec::new();
                for _ in 0..self.c.pick(4) {
                    list.push(if self.c.pick(5) == 4 {
                        null()
                    } else {
                        value(i64::try_from(self.c.pick(6)).expect("small"))
                    });
                }
                Predicate::In { lhs, list }
            }
            5 => match self.column(here, outer, true) {
                Some(text) => match self.c.pick(3) {
                    0 => eq(text, self.c.one_of(&["a", "b", "t1", "fr"])),
                    1 => contains(text, self.c.one_of(&["a", "", "i"])),
                    _ => gt(text, "a"),
                },
                None => eq(value(1), 1),
            },
            6 if self.c.pick(2) == 1 => self.date(here),
            6 => self
                .c
                .one_of(&[Predicate::TRUE, Predicate::FALSE, Predicate::Const(None)]),
            7 | 8 => {
                let list = (0..=self.c.pick(4))
                    .map(|_| self.predicate(here, outer, depth - 1))
                    .collect();
                Predicate::And(list)
            }
            9 => {
                let list = (0..=self.c.pick(4))
                    .map(|_| self.predicate(here, outer, depth - 1))
                    .collect();
                if self.c.pick(5) == 4 {
                    return Predicate::Xor(list);
                }
                Predicate::Or(list)
            }
            10 => not(self.predicate(here, outer, depth - 1)),
            11 => {
                if self.depth > 1 {
                    return boolean(as_value(self.predicate(here, outer, depth - 1)));
                }
                let (rel, there) = self.query(&self.around(here, outer));
                // Correlated as Django correlates: by an equality.
                let Some(inner) = there.ints.first() else {
                    return exists(rel);
                };
                let rel = match here.ints.first() {
                    Some(out) if self.c.pick(2) == 0 => filter(rel, eq(*inner, *out)),
                    _ => rel,
                };
                exists(rel)
            }
            _ => {
                if self.depth > 1 {
                    return self.predicate(here, outer, 0);
                }
                let lhs = self.int(here, outer, 0);
                let (rel, there) = self.query(&self.around(here, outer));
                if there.ints.is_empty() {
                    return exists(rel);
                }
                let column = self.c.one_of(&there.ints);
                in_query(lhs, rel, column)
            }
        }
    }

    /// A comparison of a part of a date.
    fn date(&mut self, here: &Here) -> Predicate {
        let Some(at) = here.uses.first().cloned() else {
            return eq(value(1), 1);
        };
        let path = match at.model {
            "Book" => "published",
            "Author" => "born",
            _ => return eq(value(1), 1),
        };
        let column = self.b.column(at.source, path);
        let zone = self.c.one_of(&["UTC", "Asia/Kolkata", "America/St_Johns"]);
        let text = |s: &str| mqlc_compiler::queryset::Value::Str(s.to_owned());
        let part = |name: &str| {
            let options = [("lookup_name", text(name)), ("tzinfo", text(zone))];
            call_with("Extract", vec![value(column)], &options, int_type())
        };
        match self.c.pick(5) {
            0 => eq(part("year"), 2023),
            1 => lt(part("year"), 2023),
            2 => and([eq(part("month"), 1), eq(part("year"), 2023)]),
            3 => ne(part("year"), 2022),
            _ => gt(part("year"), 2022),
        }
    }

    fn small(&mut self, here: &Here, outer: &Here) -> Scalar {
        match self.c.pick(4) {
            3 => self.int(here, outer, 1),
            2 if self.c.pick(4) == 3 => null(),
            _ => value(i64::try_from(self.c.pick(6)).expect("small")),
        }
    }
}
