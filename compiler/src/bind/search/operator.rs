//! Operators of `$search`, and compounds of them.

use bson::{Bson, Document};

use super::Draft;
use super::value::{
    literal, missing, names, one, parameter, score_option, simple, unexpected, whole,
};
use crate::bind::expr::plain;
use crate::bind::query::QueryId;
use crate::bind::{Binder, Resolve};
use crate::error::{Code, Error, Result};
use crate::functions::search::{CLAUSES, COMBINED, COMPOUND, Operator, STAGE, Takes, operator};
use crate::queryset::{Expr, Func, Value};
use crate::schema::FieldKind;

impl Binder<'_> {
    /// An operator of `$search`, with what it takes.
    pub(super) fn search_operator(
        &mut self,
        q: QueryId,
        func: &Func,
        draft: &mut Draft,
        cx: &mut Resolve,
    ) -> Result<(&'static str, Bson)> {
        self.enter()?;
        let result = match func.name.as_str() {
            COMPOUND => self.compound(q, func, draft, cx),
            COMBINED => self.combined_search(q, func, draft, cx),
            class => match operator(class) {
                Some(operator) => self.plain_operator(q, func, operator, draft, cx),
                None => Err(Error::new(
                    Code::TypeError,
                    format!("{class}() is no part of a text search"),
                )
                .with_hint("SearchRankFusion() ranks the results of several searches together")),
            },
        };
        self.leave();
        result
    }

    fn plain_operator(
        &mut self,
        q: QueryId,
        func: &Func,
        operator: &'static Operator,
        draft: &mut Draft,
        cx: &mut Resolve,
    ) -> Result<(&'static str, Bson)> {
        let class = operator.class;
        if func.args.len() != operator.args.len() {
            return Err(Error::new(
                Code::TypeError,
                format!(
                    "{class}() takes {} arguments ({}) but {} were given",
                    operator.args.len(),
                    names(operator.args).join(", "),
                    func.args.len(),
                ),
            ));
        }
        let mut out = Document::new();
        // What values are compared with: the type of the field.
        let mut ty = plain(FieldKind::JSONField);
        for (i, (arg, parameter)) in func.args.iter().zip(operator.args).enumerate() {
            let value = match parameter.takes {
                Takes::Path => {
                    let (paths, of) = self
                        .search_paths(q, arg, draft, cx)
                        .map_err(|e| e.inside(i).inside("args"))?;
                    ty = of;
                    paths
                }
                Takes::Operator => {
                    let Expr::Func(inner) = arg else {
                        return Err(no_search_expression(class));
                    };
                    let (name, content) = self
                        .search_operator(q, inner, draft, cx)
                        .map_err(|e| e.inside("func").inside(i).inside("args"))?;
                    one(name, content)
                }
                _ => {
                    let value = literal(class, arg)?;
                    self.search_value(class, parameter, &value, &ty)
                        .map_err(|e| e.inside(i).inside("args"))?
                }
            };
            out.insert(parameter.name, value);
        }
        let mut score = None;
        let mut kind = None;
        let mut shape = None;
        for (name, value) in &func.options {
            if *value == Value::Null {
                continue;
            }
            if let Some(stage) = STAGE.iter().find(|p| p.option == name) {
                draft.say(stage.name, simple(class, stage, value)?)?;
                continue;
            }
            let parameter = parameter(class, operator.options, name)?;
            let value = self
                .search_value(class, parameter, value, &ty)
                .map_err(|e| e.inside(name).inside("options"))?;
            match parameter.option {
                "score" => score = Some(value),
                "kind" => kind = Some(value),
                "geo_object" => shape = Some(value),
                _ => {
                    out.insert(parameter.name, value);
                }
            }
        }
        match class {
            "SearchGeoWithin" => match (kind, shape) {
                (Some(Bson::String(kind)), Some(shape)) => {
                    out.insert(kind, shape);
                }
                _ => return Err(missing(class, "kind and geo_object")),
            },
            "SearchGeoShape" if out.len() < 3 => {
                return Err(missing(class, "relation and geometry"));
            }
            "SearchRange" if out.len() < 2 => {
                return Err(missing(class, "lt, lte, gt or gte"));
            }
            _ => {}
        }
        if let Some(score) = score {
            out.insert("score", score);
        }
        Ok((operator.name, Bson::Document(out)))
    }

    /// `CompoundExpression`: the options say how many of the arguments belong to each clause.
    fn compound(
        &mut self,
        q: QueryId,
        func: &Func,
        draft: &mut Draft,
        cx: &mut Resolve,
    ) -> Result<(&'static str, Bson)> {
        let class = func.name.as_str();
        let mut args = func.args.iter().enumerate();
        let mut out = Document::new();
        let (mut score, mut minimum, mut should) = (None, None, 0);
        for (name, value) in &func.options {
            if *value == Value::Null {
                continue;
            }
            if let Some((_, clause)) = CLAUSES.iter().find(|(option, _)| option == name) {
                let count = match value {
                    Value::Int(count) => usize::try_from(*count).ok(),
                    _ => None,
                };
                let Some(count) = count.filter(|n| *n <= func.args.len()) else {
                    return Err(Error::new(
                        Code::ValueError,
                        format!("'{name}' of {class} says how many of its arguments it has"),
                    ));
                };
                let mut parts = Vec::with_capacity(count);
                for (i, arg) in args.by_ref().take(count) {
                    let Expr::Func(inner) = arg else {
                        return Err(no_search_expression(class));
                    };
                    let (name, content) = self
                        .search_operator(q, inner, draft, cx)
                        .map_err(|e| e.inside("func").inside(i).inside("args"))?;
                    parts.push(one(name, content));
                }
                if *clause == "should" {
                    should = parts.len();
                }
                if !parts.is_empty() {
                    out.insert(*clause, parts);
                }
            } else if name == "score" {
                score = Some(score_option(class, value)?);
            } else if name == "minimum_should_match" {
                minimum = Some(whole(class, name, 0, value)?);
            } else if let Some(stage) = STAGE.iter().find(|p| p.option == name) {
                draft.say(stage.name, simple(class, stage, value)?)?;
            } else {
                let known = CLAUSES.iter().map(|(option, _)| *option);
                return Err(unexpected(class, name).with_choices(
                    known
                        .chain(["score", "minimum_should_match"])
                        .chain(names(STAGE)),
                ));
            }
        }
        if args.next().is_some() || out.is_empty() {
            return Err(Error::new(
                Code::ValueError,
                format!(
                    "{class} has clauses with search expressions: must, must_not, should, filter"
                ),
            ));
        }
        if let Some(minimum) = minimum {
            if usize::try_from(minimum).is_ok_and(|n| n > should) {
                return Err(Error::new(
                    Code::ValueError,
                    format!("minimum_should_match is {minimum}, and there are {should} to match"),
                ));
            }
            out.insert("minimumShouldMatch", minimum);
        }
        if let Some(score) = score {
            out.insert("score", score);
        }
        Ok(("compound", Bson::Document(out)))
    }

    /// `a & b`, `a | b` and `~a` of search expressions: one compound for each run of the same operator.
    fn combined_search(
        &mut self,
        q: QueryId,
        func: &Func,
        draft: &mut Draft,
        cx: &mut Resolve,
    ) -> Result<(&'static str, Bson)> {
        let sign = sign_of(func);
        let mut parts = Vec::new();
        match (sign, func.args.as_slice()) {
            ("not", [_]) => parts.push((true, self.search_part(q, func.args.first(), draft, cx)?)),
            ("and" | "or", [_, _]) => {
                let mut stack: Vec<&Expr> = func.args.iter().rev().collect();
                while let Some(part) = stack.pop() {
                    match part {
                        Expr::Func(inner) if inner.name == COMBINED && sign_of(inner) == sign => {
                            stack.extend(inner.args.iter().rev());
                        }
                        Expr::Func(inner)
                            if inner.name == COMBINED
                                && sign_of(inner) == "not"
                                && sign == "and" =>
                        {
                            let part = self.search_part(q, inner.args.first(), draft, cx)?;
                            parts.push((true, part));
                        }
                        part => parts.push((false, self.search_part(q, Some(part), draft, cx)?)),
                    }
                }
            }
            _ => {
                return Err(Error::new(
                    Code::ValueError,
                    "the operator of a CombinedSearchExpression is 'and' or 'or' of two, or 'not' of one",
                ));
            }
        }
        let mut out = Document::new();
        let mut clause = |name: &str, parts: Vec<Bson>| {
            if !parts.is_empty() {
                out.insert(name, parts);
            }
        };
        let (without, with): (Vec<_>, Vec<_>) = parts.into_iter().partition(|(not, _)| *not);
        let only = |parts: Vec<(bool, Bson)>| parts.into_iter().map(|(_, p)| p).collect();
        if sign == "or" {
            clause("should", only(with));
            out.insert("minimumShouldMatch", 1_i32);
        } else {
            clause("must", only(with));
            clause("mustNot", only(without));
        }
        Ok(("compound", Bson::Document(out)))
    }

    fn search_part(
        &mut self,
        q: QueryId,
        part: Option<&Expr>,
        draft: &mut Draft,
        cx: &mut Resolve,
    ) -> Result<Bson> {
        match part {
            Some(Expr::Func(inner)) => {
                let (name, content) = self.search_operator(q, inner, draft, cx)?;
                Ok(one(name, content))
            }
            _ => Err(no_search_expression("a combination of searches")),
        }
    }
}

/// What a combination does.
fn sign_of(func: &Func) -> &str {
    match func.options.get("operator") {
        Some(Value::Str(operator)) => operator,
        _ => "",
    }
}

fn no_search_expression(class: &str) -> Error {
    Error::new(
        Code::TypeError,
        format!("the parts of {class} are search expressions"),
    )
}
