//! What names in a lookup path mean after a value: transforms and lookups by name.

use indexmap::IndexMap;

use crate::names::NameMap;

use super::{
    Arg, Call, Context, Function, Left, LeftSide, Lookup, Meaning, NullRule, Registry, Right,
};
use super::{array, is_subclass};
use crate::error::Result;
use crate::plan::Scalar;
use crate::queryset::Value;
use crate::schema::{FieldKind, FieldType, Settings, StorageFamily};
use crate::target::ServerVersion;

/// What a name in a lookup path stands for.
#[derive(Debug, Clone, PartialEq)]
pub struct Transform {
    /// Function.
    pub function: &'static str,
    /// Arguments after the transformed value.
    pub args: Vec<Arg>,
    /// Options.
    pub options: IndexMap<String, Value>,
}

impl Transform {
    /// A function of the value alone.
    fn plain(function: &'static str) -> Self {
        Transform {
            function,
            args: Vec::new(),
            options: IndexMap::new(),
        }
    }

    /// The transformed value.
    ///
    /// # Errors
    /// Whatever Django refuses.
    pub fn apply(&self, arg: Arg, registry: &Registry, cx: &Context<'_>) -> Result<Scalar> {
        let mut call = Call::new(self.function, [arg]);
        call.args.extend(self.args.iter().cloned());
        call.options.clone_from(&self.options);
        registry.resolve(call, cx)
    }
}

/// A name that stands for a function after some field classes; after none, where the schema's settings say so.
#[derive(Debug, Clone, Copy)]
pub(super) struct Named {
    function: &'static str,
    kinds: &'static [FieldKind],
}

/// Names in paths.
#[derive(Debug, Clone, Default)]
pub(super) struct Names {
    lookups: NameMap<&'static str, Vec<Lookup>>,
    transforms: NameMap<&'static str, Vec<Named>>,
}

impl Names {
    pub(super) fn add_lookup(&mut self, lookup: Lookup) {
        self.lookups.entry(lookup.name).or_default().push(lookup);
    }

    /// The names of a function.
    pub(super) fn add(&mut self, function: &Function) {
        for (name, kinds) in &function.transforms {
            self.transforms.entry(*name).or_default().push(Named {
                function: function.name,
                kinds,
            });
        }
        for (name, kinds) in &function.lookups {
            let left = if kinds.is_empty() {
                Left::Values
            } else {
                Left::Classes(kinds)
            };
            let meaning = Meaning::Function(function.name);
            self.add_lookup(Lookup::new(name, left, Right::Value, meaning));
        }
    }

    /// Forgets the names of a function.
    pub(super) fn remove(&mut self, function: &Function) {
        for (name, _) in &function.transforms {
            if let Some(named) = self.transforms.get_mut(name) {
                named.retain(|named| named.function != function.name);
            }
        }
        for (name, _) in &function.lookups {
            if let Some(lookups) = self.lookups.get_mut(name) {
                lookups.retain(|lookup| lookup.meaning != Meaning::Function(function.name));
            }
        }
    }
}

impl Registry {
    /// Adds a lookup. It comes before those of the same name that are there, where it takes the left side.
    pub fn register_lookup(&mut self, lookup: Lookup) {
        self.names.add_lookup(lookup);
    }

    /// All lookups, by name.
    pub fn lookups(&self) -> impl Iterator<Item = &Lookup> {
        self.names.lookups.values().flatten()
    }

    /// When a lookup is unknown: where a side is NULL, unless its function or its meaning says otherwise.
    #[must_use]
    pub fn lookup_nulls(&self, lookup: &Lookup) -> NullRule {
        match lookup.meaning {
            Meaning::IsNull | Meaning::Search => NullRule::Never,
            Meaning::Function(name) => self.null_rule(name),
            _ => NullRule::Strict,
        }
    }

    /// The server version that brought what a lookup needs.
    #[must_use]
    pub fn lookup_since(&self, lookup: &Lookup) -> ServerVersion {
        match lookup.meaning {
            Meaning::Function(name) => self.function(name).map(|function| function.since),
            _ => None,
        }
        .unwrap_or(ServerVersion::new(5, 0))
    }

    /// The lookup of a name after a left side.
    #[must_use]
    pub fn lookup(&self, side: LeftSide<'_>, name: &str) -> Option<Lookup> {
        let rows = self.names.lookups.get(name)?;
        rows.iter().rev().find(|row| row.left.takes(side)).copied()
    }

    /// Names of the lookups after a left side.
    pub fn lookup_names<'r>(
        &'r self,
        side: LeftSide<'r>,
    ) -> impl Iterator<Item = &'static str> + 'r {
        let fitting = move |rows: &&Vec<Lookup>| rows.iter().any(|row| row.left.takes(side));
        let rows = self.names.lookups.values().filter(fitting);
        rows.filter_map(|rows| rows.first().map(|row| row.name))
    }

    /// What a name in a lookup path means after a value of a type. Keys of JSON values and names of embedded fields
    /// are not here.
    #[must_use]
    pub fn transform(&self, ty: &FieldType, name: &str, settings: &Settings) -> Option<Transform> {
        let embedded = ty.kind.family() == StorageFamily::EmbeddedArray;
        if (embedded || is_subclass(ty.kind, FieldKind::ArrayField))
            && let Some(found) = array::positions(name)
        {
            return Some(found);
        }
        let registered = settings.lookups.iter().find_map(|(class, names)| {
            let class = FieldKind::from_name(class)?;
            is_subclass(ty.kind, class).then(|| names.get(name))?
        });
        if let Some(function) = registered.and_then(|function| self.function(function)) {
            return Some(Transform::plain(function.name));
        }
        let named = self.names.transforms.get(name)?;
        let fits = |named: &&Named| named.kinds.iter().any(|kind| is_subclass(ty.kind, *kind));
        Some(Transform::plain(named.iter().find(fits)?.function))
    }

    /// The names that [`Registry::transform`] knows for a type.
    #[must_use]
    pub fn transform_names(&self, ty: &FieldType, settings: &Settings) -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        for (path, named) in &self.names.transforms {
            let fits = |named: &Named| named.kinds.iter().any(|kind| is_subclass(ty.kind, *kind));
            if named.iter().any(fits) {
                names.push((*path).to_owned());
            }
        }
        for (class, registered) in &settings.lookups {
            if FieldKind::from_name(class).is_some_and(|class| is_subclass(ty.kind, class)) {
                names.extend(registered.keys().cloned());
            }
        }
        names.sort();
        names.dedup();
        names
    }
}
