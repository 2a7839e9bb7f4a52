//! `FloatField.register_lookup(Abs)`: transforms beyond Django's own, which are settings of the schema.

use super::draft::{Reader, dotted};
use crate::functions::Registry;
use crate::schema::FieldKind;
use crate::text::syntax::{Arg, Kind, Node, TrailerKind};

/// A registration: the field class, the name in a path, the function.
pub(super) type Registered = (String, String, String);

impl Reader<'_> {
    /// The registration that an expression makes, if it registers a function of Django's for a field class.
    pub(super) fn registered(&self, node: &Node) -> Option<Registered> {
        let Kind::Postfix { base, trailers } = &node.kind else {
            return None;
        };
        let (call, path) = trailers.split_last()?;
        let (method, path) = path.split_last()?;
        let TrailerKind::Call(args) = &call.kind else {
            return None;
        };
        if !matches!(&method.kind, TrailerKind::Attribute(name) if name == "register_lookup") {
            return None;
        }
        let class = match path.last().map(|trailer| &trailer.kind) {
            Some(TrailerKind::Attribute(name)) => name.clone(),
            Some(_) => return None,
            None => dotted(base)?,
        };
        let kind = match self.fields.get(&class) {
            Some(kind) => *kind,
            None => FieldKind::from_name(&class)?,
        };
        let (function, name) = match args.as_slice() {
            [function] => (function, None),
            [function, name] => (function, Some(name)),
            _ => return None,
        };
        let function = dotted(&function.value)?;
        let function = function.rsplit('.').next()?.to_owned();
        let registry = Registry::django();
        let row = registry.function(&function)?;
        let name = match name {
            Some(name) => text_of(name)?,
            None => row.transforms.first()?.0.to_owned(),
        };
        Some((kind.name().to_owned(), name, function))
    }
}

/// `"name"` or `lookup_name="name"`.
fn text_of(arg: &Arg) -> Option<String> {
    match &arg.value.kind {
        Kind::Str(text) => Some(text.clone()),
        _ => None,
    }
}
