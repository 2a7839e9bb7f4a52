//! The last look at a command before it is rendered: variables are defined, stages are ones that a server takes, operators
//! are known, stand where they may, have the arguments that they take and are there in the target's version. What fails here is a bug of an earlier pass, or a target that is too old.

use super::operators::{self, Place};
use super::{Accumulator, Args, Command, Expr, Filter, Projection, Stage};
use crate::error::{Error, Result};
use crate::target::{ServerVersion, Target};

/// Checks a command for a target.
///
/// # Errors
/// `Unsupported`, naming operator and version, for what the target lacks; `Internal` for what no server takes.
pub fn check(command: &Command, target: &Target) -> Result<()> {
    let mut checker = Checker {
        target,
        variables: Vec::new(),
    };
    match command {
        Command::Find(find) => {
            checker.filter(&find.filter)?;
            checker.projection(&find.projection)
        }
        Command::Aggregate { pipeline, .. } => checker.pipeline(pipeline),
        Command::Count { filter, .. }
        | Command::Delete { filter, .. }
        | Command::FindAndModify { filter, .. } => checker.filter(filter),
        Command::Update { updates, .. } => updates
            .iter()
            .try_for_each(|update| checker.filter(&update.filter)),
        Command::Insert { .. } | Command::Define(_) => Ok(()),
    }
}

/// Searches, and the server version that brought them (MongoDB manual, "Aggregation Stages"): with Atlas, or with MongoDB
/// Search beside a server of one's own from 8.2.
const SEARCHES: &[(&str, ServerVersion)] = &[
    ("$rankFusion", ServerVersion::new(8, 1)),
    ("$search", ServerVersion::new(4, 2)),
    ("$vectorSearch", ServerVersion::new(6, 0)),
];

struct Checker<'a> {
    target: &'a Target,
    /// Variables in scope, the innermost last.
    variables: Vec<String>,
}

impl Checker<'_> {
    fn pipeline(&mut self, stages: &[Stage]) -> Result<()> {
        if let Some(Stage::Search { name, .. }) = stages
            .iter()
            .skip(1)
            .find(|stage| matches!(stage, Stage::Search { .. }))
        {
            return Err(Error::internal(format!(
                "{name} is not the first stage of its pipeline"
            )));
        }
        stages.iter().try_for_each(|stage| self.stage(stage))
    }

    /// A search: is it one, and does the target have it.
    fn search(&self, name: &str) -> Result<()> {
        let Some((_, since)) = SEARCHES.iter().find(|(known, _)| *known == name) else {
            return Err(Error::internal(format!("there is no search {name}")));
        };
        if *since > self.target.version {
            return Err(Error::unsupported(
                format!("{name} on MongoDB {}", self.target.version),
                format!("it needs MongoDB {since} with MongoDB Search"),
            ));
        }
        Ok(())
    }

    fn stage(&mut self, stage: &Stage) -> Result<()> {
        match stage {
            Stage::Match(filter) => self.filter(filter),
            Stage::Project(fields) => self.projection(fields),
            Stage::Set(fields) => fields.iter().try_for_each(|(_, e)| self.expr(e)),
            Stage::Group { id, fields } => {
                self.expr(id)?;
                fields.iter().try_for_each(|(_, a)| self.accumulator(a))
            }
            Stage::Limit(0) => Err(Error::internal("$limit must be positive")),
            Stage::Sample(0) => Err(Error::internal("$sample must have a positive size")),
            Stage::Lookup(lookup) if !lookup.variables.is_empty() && lookup.pipeline.is_empty() => {
                Err(Error::internal("$lookup with variables needs a pipeline"))
            }
            Stage::Lookup(lookup) => {
                for (_, outside) in &lookup.variables {
                    self.expr(outside)?;
                }
                let names = lookup.variables.iter().map(|(name, _)| name.clone());
                self.with(names.collect(), |c| c.pipeline(&lookup.pipeline))
            }
            Stage::ReplaceRoot(expr) => self.expr(expr),
            Stage::UnionWith { pipeline, .. } => self.pipeline(pipeline),
            Stage::SetWindowFields {
                partition,
                sort,
                output,
            } => {
                partition.iter().try_for_each(|e| self.expr(e))?;
                for (_, out) in output {
                    let rank = matches!(out.op, "$rank" | "$denseRank" | "$documentNumber");
                    if rank && sort.len() != 1 {
                        return Err(Error::internal(format!("{} takes one sort key", out.op)));
                    }
                    self.operator(out.op, &out.args, Place::Window)?;
                    self.args(&out.args)?;
                }
                Ok(())
            }
            Stage::Search { name, .. } => self.search(name),
            Stage::Documents(documents) => documents.iter().try_for_each(|e| self.expr(e)),
            Stage::Facet(pipelines) => pipelines.iter().try_for_each(|(_, p)| self.pipeline(p)),
            Stage::Unset(_)
            | Stage::Sort(_)
            | Stage::Skip(_)
            | Stage::Limit(_)
            | Stage::Unwind { .. }
            | Stage::Count(_)
            | Stage::Sample(_)
            | Stage::Other(_) => Ok(()),
        }
    }

    /// No path is part of another, and inclusion is not mixed with exclusion.
    fn projection(&mut self, fields: &[(String, Projection)]) -> Result<()> {
        let mut paths: Vec<&str> = fields.iter().map(|(path, _)| path.as_str()).collect();
        paths.sort_unstable();
        let mut pairs = paths.windows(2);
        if let Some([path, _]) = pairs.find(|pair| matches!(pair, [a, b] if a == b)) {
            return Err(Error::internal(format!("a projection names {path} twice")));
        }
        for path in &paths {
            let mut above = path.match_indices('.').filter_map(|(at, _)| path.get(..at));
            if let Some(above) = above.find(|p| paths.binary_search(p).is_ok()) {
                return Err(Error::internal(format!(
                    "a projection names {above} and {path}"
                )));
            }
        }
        let excludes =
            |(path, p): &(String, Projection)| path != "_id" && *p == Projection::Exclude;
        let includes =
            |(path, p): &(String, Projection)| path != "_id" && *p != Projection::Exclude;
        if fields.iter().any(excludes) && fields.iter().any(includes) {
            return Err(Error::internal("a projection includes and excludes"));
        }
        fields
            .iter()
            .try_for_each(|(_, projection)| match projection {
                Projection::Expr(expr) => self.expr(expr),
                Projection::Include | Projection::Exclude => Ok(()),
            })
    }

    fn filter(&mut self, filter: &Filter) -> Result<()> {
        match filter {
            Filter::And(parts) | Filter::Or(parts) | Filter::Nor(parts) => {
                parts.iter().try_for_each(|p| self.filter(p))
            }
            Filter::Expr(expr) => self.expr(expr),
            Filter::True | Filter::False | Filter::Field { .. } | Filter::Raw(_) => Ok(()),
        }
    }

    fn accumulator(&mut self, accumulator: &Accumulator) -> Result<()> {
        self.operator(accumulator.op, &accumulator.args, Place::Accumulator)?;
        self.args(&accumulator.args)
    }

    fn expr(&mut self, expr: &Expr) -> Result<()> {
        match expr {
            Expr::Var { name, .. } => {
                let system = name.starts_with(|c: char| c.is_ascii_uppercase());
                if system || self.variables.contains(name) {
                    Ok(())
                } else {
                    Err(Error::internal(format!(
                        "the variable $${name} is not defined"
                    )))
                }
            }
            Expr::Op(op, args) => {
                self.operator(op, args, Place::Expression)?;
                match args {
                    Args::Named(named) => self.binding(op, named),
                    args => self.args(args),
                }
            }
            Expr::Array(items) => items.iter().try_for_each(|e| self.expr(e)),
            Expr::Document(fields) => fields.iter().try_for_each(|(_, e)| self.expr(e)),
            Expr::Field(_) | Expr::Literal(_) | Expr::Parameter(_) | Expr::Raw(_) => Ok(()),
        }
    }

    fn args(&mut self, args: &Args) -> Result<()> {
        match args {
            Args::One(one) => self.expr(one),
            Args::List(items) => items.iter().try_for_each(|e| self.expr(e)),
            Args::Named(named) => named.iter().try_for_each(|(_, e)| self.expr(e)),
            Args::Document(fields) => fields.iter().try_for_each(|(_, e)| self.expr(e)),
        }
    }

    /// Operators that define variables for one of their arguments.
    fn binding(&mut self, op: &str, named: &[(&'static str, Expr)]) -> Result<()> {
        let arg = |name: &str| named.iter().find(|(n, _)| *n == name).map(|(_, e)| e);
        let (inner, defined): (&[&str], Vec<String>) = match op {
            "$let" => match arg("vars") {
                Some(Expr::Document(vars)) => {
                    (&["in"], vars.iter().map(|(name, _)| name.clone()).collect())
                }
                _ => (&["in"], Vec::new()),
            },
            "$map" | "$filter" => {
                let name = match arg("as") {
                    Some(Expr::Literal(bson::Bson::String(name))) => name.clone(),
                    _ => "this".to_owned(),
                };
                (&["in", "cond"], vec![name])
            }
            "$reduce" => (&["in"], vec!["this".to_owned(), "value".to_owned()]),
            _ => (&[], Vec::new()),
        };
        for (name, expr) in named {
            if inner.contains(name) {
                self.with(defined.clone(), |c| c.expr(expr))?;
            } else {
                self.expr(expr)?;
            }
        }
        Ok(())
    }

    fn with<T>(
        &mut self,
        names: Vec<String>,
        step: impl FnOnce(&mut Self) -> Result<T>,
    ) -> Result<T> {
        let before = self.variables.len();
        self.variables.extend(names);
        let result = step(self);
        self.variables.truncate(before);
        result
    }

    fn operator(&self, op: &str, args: &Args, place: Place) -> Result<()> {
        let Some(known) = operators::operator(op) else {
            return Err(Error::internal(format!("there is no operator {op}")));
        };
        if !known.stands(place) {
            return Err(Error::internal(format!("{op} is no {}", place.what())));
        }
        if !known.takes(args) {
            return Err(Error::internal(format!("{op} does not take {args:?}")));
        }
        if known.since > self.target.version {
            return Err(Error::unsupported(
                format!("{op} on MongoDB {}", self.target.version),
                format!("it needs MongoDB {}", known.since),
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn aggregate(stages: Vec<Stage>) -> Command {
        Command::Aggregate {
            collection: Some("c".to_owned()),
            pipeline: stages,
            hint: None,
        }
    }

    #[test]
    fn variables_must_be_defined() {
        let set = |expr| aggregate(vec![Stage::Set(vec![("a".to_owned(), expr)])]);
        let target = Target::default();
        assert!(check(&set(Expr::var("x")), &target).is_err());
        assert!(check(&set(Expr::var("NOW")), &target).is_ok());
        assert!(
            check(
                &set(Expr::let_in([("x", Expr::lit(1))], Expr::var("x"))),
                &target
            )
            .is_ok()
        );
    }

    #[test]
    fn versions_gate_operators() {
        let command = aggregate(vec![Stage::Set(vec![(
            "a".to_owned(),
            Expr::list("$bitAnd", [Expr::lit(1), Expr::lit(2)]),
        )])]);
        assert!(check(&command, &Target::server(6, 0)).is_err());
        assert!(check(&command, &Target::server(7, 0)).is_ok());
    }

    /// A command with an operator that no server has, or that is used wrongly, never leaves the compiler.
    #[test]
    fn operators_must_be_known() {
        let set = |expr| aggregate(vec![Stage::Set(vec![("a".to_owned(), expr)])]);
        let target = Target::default();
        assert!(check(&set(Expr::one("$sqare", Expr::lit(2))), &target).is_err());
        assert!(check(&set(Expr::one("$eq", Expr::lit(2))), &target).is_err());
        assert!(check(&set(Expr::one("$push", Expr::lit(2))), &target).is_err());
        assert!(check(&set(Expr::one("$abs", Expr::lit(2))), &target).is_ok());
        let group = |op| {
            let sum = Accumulator {
                op,
                args: Args::One(Box::new(Expr::lit(1))),
            };
            aggregate(vec![Stage::Group {
                id: Expr::null(),
                fields: vec![("n".to_owned(), sum)],
            }])
        };
        assert!(check(&group("$sum"), &target).is_ok());
        assert!(check(&group("$abs"), &target).is_err());
    }

    /// A search begins its pipeline, on a server that has it.
    #[test]
    fn searches_come_first() {
        let search = |name| Stage::Search {
            name,
            spec: bson::Document::new(),
        };
        let target = Target::default();
        assert!(check(&aggregate(vec![search("$search")]), &target).is_ok());
        let second = aggregate(vec![Stage::Limit(1), search("$search")]);
        assert!(check(&second, &target).is_err());
        assert!(check(&aggregate(vec![search("$find")]), &target).is_err());
        let fusion = aggregate(vec![search("$rankFusion")]);
        assert!(check(&fusion, &target).is_err());
        assert!(check(&fusion, &Target::server(8, 1)).is_ok());
    }

    #[test]
    fn projections_must_not_collide() {
        let project = |fields: &[(&str, Projection)]| {
            let fields = fields.iter().map(|(n, p)| ((*n).to_owned(), p.clone()));
            aggregate(vec![Stage::Project(fields.collect())])
        };
        let target = Target::default();
        let (yes, no) = (Projection::Include, Projection::Exclude);
        assert!(
            check(
                &project(&[("a", yes.clone()), ("a.b", yes.clone())]),
                &target
            )
            .is_err()
        );
        assert!(check(&project(&[("a", yes.clone()), ("b", no.clone())]), &target).is_err());
        assert!(check(&project(&[("a", yes), ("_id", no)]), &target).is_ok());
    }
}
