//! Django's shortcuts: models by their names, rows of a model, manager or queryset.

use super::Evaluator;
use super::args::{Args, required};
use super::queryset::Rows;
use super::value::{Py, string, type_error, value_error};
use crate::error::Result;

impl Evaluator<'_> {
    /// `apps.get_model(...)`.
    pub(super) fn get_model(&self, name: &str, args: Args) -> Result<Py> {
        let [app, model] = args.bind(name, ["app_label", "model_name"])?;
        let app = string(&required(app, name, "app_label")?, "the label")?;
        let label = match model {
            Some(model) => format!("{app}.{}", string(&model, "the model's name")?),
            None => app,
        };
        let schema = self.schema()?;
        let found = schema
            .models()
            .iter()
            .find(|m| m.label.eq_ignore_ascii_case(&label));
        match found {
            Some(model) => Ok(Py::Class(model.id)),
            None => Ok(Py::Class(schema.find(&label)?.id)),
        }
    }

    /// `get_object_or_404` and `get_list_or_404`: the method of the rows that the first argument names.
    pub(super) fn get_rows(&mut self, name: &str, method: &str, mut args: Args) -> Result<Py> {
        if args.positional.is_empty() {
            return Err(type_error(format!(
                "{name}() missing 1 required positional argument: 'klass'"
            )));
        }
        let (source, span) = args.positional.remove(0);
        let rows = self.rows_of(source).map_err(|e| e.with_span(span))?;
        self.rows_method(rows, method, args)
    }

    /// A model, manager or queryset as a queryset.
    fn rows_of(&mut self, source: Py) -> Result<Rows> {
        match source {
            Py::Rows(rows) => Ok(*rows),
            Py::Class(model) => self.default_rows(model),
            other => Err(value_error(format!(
                "First argument must be a Model, Manager, or QuerySet, not {}",
                other.describe()
            ))),
        }
    }
}
