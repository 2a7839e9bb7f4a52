//! Geospatial query operators, used by the match language and by `$geoNear`.
//!
//! `shape` reads GeoJSON and legacy coordinates; `sphere` does geometry on the sphere: shapes are seen from the middle
//! of the query's shape by a gnomonic projection, in which the shortest lines of the sphere are straight, so that
//! planar predicates are exact there.
mod shape;
mod sphere;

use bson::Bson;
use geo::{Geometry, Intersects, Relate};

use super::error::EngineError;
use super::value::{Value, ValueRef};
use shape::{Position, Shape};
use sphere::View;

/// Metres; the earth as MongoDB measures it.
pub const EARTH_RADIUS: f64 = 6_378_100.0;

/// A compiled geospatial predicate: `$geoWithin`, `$geoIntersects`, `$near`, `$nearSphere`.
#[derive(Clone, Debug)]
pub struct Geo {
    test: Test,
}

#[derive(Clone, Debug)]
enum Test {
    /// Inside a shape on the sphere.
    Within(Region),
    /// Has a point in common with a shape on the sphere.
    Intersects(Region),
    /// Inside a flat shape (`$box`, `$polygon`).
    Flat(Box<Geometry>),
    /// Inside a circle, on the plane.
    Center(Position, f64),
    /// Inside a circle on the sphere; the radius is in radians.
    CenterSphere(Position, f64),
    Near(Near),
}

/// A shape seen from its own middle.
#[derive(Clone, Debug)]
struct Region {
    view: View,
    projected: Option<Box<Geometry>>,
}

impl Region {
    fn new(shape: &Shape) -> Self {
        let view = View::of(shape);
        let projected = view.project(shape).map(Box::new);
        Self { view, projected }
    }
}

#[derive(Clone, Debug)]
struct Near {
    from: Position,
    scale: Scale,
    least: f64,
    most: f64,
}

/// How distances are measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scale {
    Plane,
    Radians,
    Metres,
}

fn bad(message: impl Into<String>) -> EngineError {
    EngineError::bad_value(message)
}

impl Geo {
    /// Compiles one operator (its name with `$`) and its argument. `siblings` are the other operators beside it
    /// (`$maxDistance` beside `$near: [x, y]`).
    ///
    /// # Errors
    /// `BadValue` for a malformed shape.
    pub fn compile(op: &str, arg: &Bson, siblings: &bson::Document) -> Result<Self, EngineError> {
        let test = match op {
            "$geoWithin" | "$within" => within(arg)?,
            "$geoIntersects" => Test::Intersects(Region::new(&geometry_argument(op, arg)?)),
            "$near" | "$nearSphere" | "$geoNear" => Test::Near(near(op, arg, siblings)?),
            _ => return Err(bad(format!("unknown geo specifier: {op}"))),
        };
        Ok(Self { test })
    }

    /// Whether the value at the path (a GeoJSON object, a legacy pair, or an array of such) satisfies the predicate.
    pub fn matches(&self, value: ValueRef<'_>) -> bool {
        shape::each(value, &mut |shape| self.holds(shape))
    }

    fn holds(&self, shape: &Shape) -> bool {
        match &self.test {
            Test::Within(region) => match (&region.projected, region.view.project(shape)) {
                (Some(outer), Some(inner)) => inner.relate(&**outer).is_coveredby(),
                _ => false,
            },
            Test::Intersects(region) => {
                match (&region.projected, region.view.project(shape)) {
                    (Some(a), Some(b)) => a.intersects(&b),
                    // Beyond the horizon nothing of it can be near.
                    _ => false,
                }
            }
            // Of what lies on the sphere, only points can be seen on the plane.
            Test::Flat(outer) => match shape {
                Shape::Point(p) => outer.intersects(&geo::Point::from(*p)),
                _ => false,
            },
            Test::Center(center, radius) => match shape {
                Shape::Point(p) => plane_distance(*center, *p) <= *radius,
                _ => false,
            },
            Test::CenterSphere(center, radius) => shape
                .positions()
                .iter()
                .all(|p| sphere::angle(*center, *p) <= *radius),
            Test::Near(near) => near
                .to(shape)
                .is_some_and(|d| d >= near.least && d <= near.most),
        }
    }

    /// For `$near`: the distance to the value, to sort by; `None` when the value is no point or the operator is another.
    pub fn distance(&self, value: ValueRef<'_>) -> Option<f64> {
        let Test::Near(near) = &self.test else {
            return None;
        };
        let mut nearest: Option<f64> = None;
        shape::each(value, &mut |shape| {
            if let Some(d) = near.to(shape) {
                nearest = Some(nearest.map_or(d, |old| old.min(d)));
            }
            false
        });
        nearest
    }

    /// Which kinds of index can answer an operator that sorts: GeoJSON lies on a sphere, a flat pair does not.
    pub fn index_kinds(&self) -> &'static [&'static str] {
        match &self.test {
            Test::Near(near) => match near.scale {
                Scale::Plane => &["2d"],
                Scale::Radians => &["2d", "2dsphere"],
                Scale::Metres => &["2dsphere"],
            },
            _ => &[],
        }
    }

    /// Whether the operator sorts by distance.
    pub fn sorts(&self) -> bool {
        matches!(self.test, Test::Near(_))
    }
}

impl Near {
    fn to(&self, shape: &Shape) -> Option<f64> {
        Some(match self.scale {
            Scale::Plane => match shape {
                Shape::Point(p) => plane_distance(self.from, *p),
                _ => return None,
            },
            Scale::Radians => sphere::distance(self.from, shape),
            Scale::Metres => sphere::distance(self.from, shape) * EARTH_RADIUS,
        })
    }
}

/// Checks what a geospatial index is to hold: nothing, null, a legacy pair, or (on a sphere) valid GeoJSON.
///
/// # Errors
/// 16755 on a sphere, 13027 on the plane.
pub fn check_stored(value: ValueRef<'_>, sphere: bool) -> Result<(), EngineError> {
    let refuse = |why: &str| {
        Err(EngineError::location(
            16755,
            format!("Can't extract geo keys: {why}"),
        ))
    };
    match value {
        v if v.is_nullish() => Ok(()),
        ValueRef::Array(a) if a.is_empty() => Ok(()),
        ValueRef::Array(_) | ValueRef::Document(_) if !sphere => match shape::pair(value) {
            Some(p) if p.x.abs().max(p.y.abs()) > 180.0 => Err(EngineError::location(
                13027,
                format!("point not in interval of [ -180, 180 ]: {} {}", p.x, p.y),
            )),
            _ => Ok(()),
        },
        _ if !sphere => Ok(()),
        ValueRef::Document(d) if matches!(d.get("type"), ValueRef::Str(_)) => {
            match shape::geojson(value) {
                Ok(_) => Ok(()),
                Err(why) => refuse(&why),
            }
        }
        ValueRef::Array(_) | ValueRef::Document(_) => match shape::pair(value) {
            Some(p) => shape::check_range(p).or_else(|why| refuse(&why)),
            None => refuse("Point must only contain numeric elements"),
        },
        other => refuse(&format!(
            "Point must be an array or object, instead got type {}",
            other.to_value().type_name()
        )),
    }
}

fn plane_distance(a: Position, b: Position) -> f64 {
    (a.x - b.x).hypot(a.y - b.y)
}

fn geometry_argument(op: &str, arg: &Bson) -> Result<Shape, EngineError> {
    let geometry = match arg {
        Bson::Document(d) => match d.get("$geometry") {
            Some(g) => g,
            None => {
                return Err(bad(format!(
                    "{op} not supported with provided geometry: {d}"
                )));
            }
        },
        _ => return Err(bad(format!("{op} expects a document"))),
    };
    shape::geojson(Value::from_bson(geometry).view())
        .map_err(bad)?
        .ok_or_else(|| bad(format!("unknown geo specifier: {geometry}")))
}

fn within(arg: &Bson) -> Result<Test, EngineError> {
    let Bson::Document(d) = arg else {
        return Err(bad("$geoWithin expects a document"));
    };
    let Some((name, spec)) = d.iter().next() else {
        return Err(bad("$geoWithin expects a shape"));
    };
    let value = Value::from_bson(spec);
    match name.as_str() {
        "$geometry" => {
            let shape = geometry_argument("$geoWithin", arg)?;
            if !matches!(shape, Shape::Polygons(_)) {
                return Err(bad(format!(
                    "$geoWithin not supported with provided geometry: {d}"
                )));
            }
            Ok(Test::Within(Region::new(&shape)))
        }
        "$box" => {
            let corners = shape::pairs(value.view()).filter(|p| p.len() == 2);
            match corners.as_deref() {
                Some([a, b]) => Ok(Test::Flat(Box::new(Geometry::Rect(geo::Rect::new(*a, *b))))),
                _ => Err(bad("Point must be an array or object; $box needs two")),
            }
        }
        "$polygon" => {
            let points = shape::pairs(value.view())
                .filter(|p| p.len() >= 3)
                .ok_or_else(|| bad("Polygon must have at least 3 points"))?;
            let polygon = geo::Polygon::new(geo::LineString::from(points), Vec::new());
            Ok(Test::Flat(Box::new(Geometry::Polygon(polygon))))
        }
        "$center" | "$centerSphere" => {
            let (center, radius) =
                circle(&value).ok_or_else(|| bad(format!("{name} needs a point and a radius")))?;
            if radius < 0.0 || radius.is_nan() {
                return Err(bad("radius must be a non-negative number"));
            }
            Ok(if name == "$center" {
                Test::Center(center, radius)
            } else {
                shape::check_range(center).map_err(bad)?;
                Test::CenterSphere(center, radius)
            })
        }
        _ => Err(bad(format!("unknown geo specifier: {name}"))),
    }
}

fn circle(v: &Value) -> Option<(Position, f64)> {
    let items = v.as_array()?;
    let center = shape::pair(items.view().get(0))?;
    let radius = items.get(1);
    (items.len() == 2 && radius.is_number()).then_some(())?;
    Some((center, radius.as_f64()?))
}

fn near(op: &str, arg: &Bson, siblings: &bson::Document) -> Result<Near, EngineError> {
    let value = Value::from_bson(arg);
    let (from, scale, inner) = match arg {
        Bson::Document(d) if d.contains_key("$geometry") => {
            let shape = geometry_argument(op, arg)?;
            let Shape::Point(p) = shape else {
                return Err(bad("invalid point in geo near query $geometry argument"));
            };
            let known = ["$geometry", "$minDistance", "$maxDistance"];
            if let Some(other) = d.keys().find(|k| !known.contains(&k.as_str())) {
                return Err(bad(format!("invalid argument in geo near query: {other}")));
            }
            (p, Scale::Metres, Some(d))
        }
        Bson::Document(d) if d.contains_key("type") => match shape::geojson(value.view()) {
            Ok(Some(Shape::Point(p))) => (p, Scale::Metres, None),
            _ => return Err(bad(format!("invalid point in geo near query: {d}"))),
        },
        _ => {
            let p = shape::pair(value.view())
                .ok_or_else(|| bad("invalid argument in geo near query"))?;
            let scale = if op == "$nearSphere" {
                Scale::Radians
            } else {
                Scale::Plane
            };
            // Legacy form: [x, y, maxDistance].
            (p, scale, None)
        }
    };
    if scale != Scale::Plane {
        shape::check_range(from).map_err(bad)?;
    }
    let third = match &value {
        Value::Array(a) if a.len() > 2 => a.get(2).as_f64(),
        _ => None,
    };
    if third.is_some_and(|most| most.is_nan() || most < 0.0) {
        return Err(EngineError::location(
            18522,
            "max distance must be non-negative",
        ));
    }
    let limits = |name, codes| match inner {
        Some(d) => inner_limit(d, name),
        None => outer_limit(siblings, name, codes),
    };
    Ok(Near {
        from,
        scale,
        least: limits("$minDistance", [16893, 16894])?.unwrap_or(0.0),
        most: limits("$maxDistance", [16895, 16896])?
            .or(third)
            .unwrap_or(f64::INFINITY),
    })
}

/// A limit beside `$geometry`: finite.
fn inner_limit(spec: &bson::Document, name: &str) -> Result<Option<f64>, EngineError> {
    let Some(v) = spec.get(name).map(Value::from_bson) else {
        return Ok(None);
    };
    if !v.is_number() {
        return Err(bad(format!("{name} must be a number")));
    }
    match v.as_f64() {
        Some(x) if x >= 0.0 && x.is_finite() => Ok(Some(x)),
        _ => Err(bad(format!("{name} must be non-negative"))),
    }
}

/// A limit beside the operator, in the old form: with codes of its own for what is no number, and what is negative.
fn outer_limit(
    spec: &bson::Document,
    name: &str,
    [number, negative]: [i32; 2],
) -> Result<Option<f64>, EngineError> {
    let Some(v) = spec.get(name).map(Value::from_bson) else {
        return Ok(None);
    };
    if !v.is_number() {
        return Err(EngineError::location(
            number,
            format!("{name} must be a number"),
        ));
    }
    match v.as_f64() {
        Some(x) if x >= 0.0 => Ok(Some(x)),
        _ => Err(EngineError::location(
            negative,
            format!("{name} must be non-negative"),
        )),
    }
}

#[cfg(test)]
mod tests;
