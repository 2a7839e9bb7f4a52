//! The methods of `ContentType.objects`.

use indexmap::IndexMap;

use super::Evaluator;
use super::args::{Args, Keyword, required};
use super::queryset::Rows;
use super::value::{Done, Instance, Py, type_error};
use crate::error::{Result, Span};

impl Evaluator<'_> {
    /// `ContentType.objects.get_for_model(Model)` and its siblings.
    pub(super) fn content_type_method(
        &mut self,
        rows: &Rows,
        name: &str,
        args: &mut Args,
    ) -> Result<Option<Py>> {
        if rows.label != "contenttypes.ContentType" || !rows.manager {
            return Ok(None);
        }
        let keyword = |name: &str, value: Py| Keyword {
            name: name.to_owned(),
            value,
            span: Span::NOWHERE,
        };
        let mut instance = None;
        let keywords = match name {
            "get_for_model" => {
                let [model, concrete] =
                    std::mem::take(args).bind(name, ["model", "for_concrete_model"])?;
                let model = match required(model, name, "model")? {
                    Py::Class(model) => model,
                    Py::Instance(instance) => instance.model,
                    other => {
                        return Err(type_error(format!(
                            "get_for_model() takes a model, not {}",
                            other.describe()
                        )));
                    }
                };
                let concrete = concrete.and_then(|c| c.truth()).unwrap_or(true);
                let schema = self.schema()?;
                let found = schema.model(model)?;
                let label = if concrete {
                    &schema.model(found.concrete)?.label
                } else {
                    &found.label
                };
                let (app, class) = label.split_once('.').unwrap_or(("", label));
                instance = self.content_type(model, concrete).ok().map(|pk| Instance {
                    model: rows.model,
                    pk: Some(pk),
                    fields: IndexMap::new(),
                });
                vec![
                    keyword("app_label", Py::str(app)),
                    keyword("model", Py::str(class.to_lowercase())),
                ]
            }
            "get_by_natural_key" => {
                let [app, model] = std::mem::take(args).bind(name, ["app_label", "model"])?;
                vec![
                    keyword("app_label", required(app, name, "app_label")?),
                    keyword("model", required(model, name, "model")?),
                ]
            }
            "get_for_id" => {
                let [id] = std::mem::take(args).bind(name, ["id"])?;
                vec![keyword("pk", required(id, name, "id")?)]
            }
            _ => return Ok(None),
        };
        let get = Args {
            positional: Vec::new(),
            keywords,
        };
        let found = self.terminal(rows.clone(), "get", get)?;
        Ok(Some(match (found, instance) {
            (Py::Done(done), Some(instance)) => Py::Done(Box::new(Done {
                statement: done.statement,
                instance: Some(instance),
            })),
            (other, _) => other,
        }))
    }
}
