//! Order by distance: `$near` of `find`.
use super::{Source, Stage, drain};
use crate::memory::error::EngineError;
use crate::memory::expr::Env;
use crate::memory::geo::Geo;
use crate::memory::value::{Document, Path, num};

/// Gives the nearest first.
pub struct Nearest {
    input: Option<Source>,
    path: Path,
    geo: Geo,
    sorted: std::vec::IntoIter<Document>,
}

impl Nearest {
    /// Sorts what the source gives by the distance that the operator measures at the path.
    pub fn new(input: Source, path: Path, geo: Geo) -> Self {
        Self {
            input: Some(input),
            path,
            geo,
            sorted: Vec::new().into_iter(),
        }
    }
}

impl Stage for Nearest {
    fn next(&mut self, env: &mut Env<'_>) -> Result<Option<Document>, EngineError> {
        if let Some(input) = self.input.take() {
            let measure = |d: Document| {
                let at = self.path.get(d.view());
                (self.geo.distance(at.view()).unwrap_or(f64::INFINITY), d)
            };
            let mut docs: Vec<(f64, Document)> = drain(input, "$near", env)?
                .into_iter()
                .map(measure)
                .collect();
            docs.sort_by(|a, b| num::compare_f64(a.0, b.0));
            self.sorted = docs
                .into_iter()
                .map(|(_, d)| d)
                .collect::<Vec<_>>()
                .into_iter();
        }
        Ok(self.sorted.next())
    }
}
