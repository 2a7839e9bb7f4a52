//! Shapes out of documents: GeoJSON, and legacy pairs `[x, y]` or `{lng: x, lat: y}`.
use crate::memory::value::{ArrRef, ValueRef};

/// Longitude and latitude in degrees, or flat coordinates.
pub(super) type Position = geo::Coord<f64>;

/// A closed ring.
pub(super) type Ring = Vec<Position>;

/// A shape.
#[derive(Clone, Debug)]
pub(super) enum Shape {
    Point(Position),
    Points(Vec<Position>),
    Lines(Vec<Vec<Position>>),
    /// Each with its outer ring first.
    Polygons(Vec<Vec<Ring>>),
    Collection(Vec<Shape>),
}

impl Shape {
    /// All its corners.
    pub fn positions(&self) -> Vec<Position> {
        match self {
            Self::Point(p) => vec![*p],
            Self::Points(p) => p.clone(),
            Self::Lines(l) => l.concat(),
            Self::Polygons(p) => p.iter().flatten().flatten().copied().collect(),
            Self::Collection(c) => c.iter().flat_map(Self::positions).collect(),
        }
    }
}

/// Gives `f` each shape in the value, until it says stop (`true`).
pub(super) fn each(value: ValueRef<'_>, f: &mut dyn FnMut(&Shape) -> bool) -> bool {
    match value {
        ValueRef::Document(d) if matches!(d.get("type"), ValueRef::Str(_)) => {
            match geojson(value) {
                Ok(Some(shape)) => f(&shape),
                _ => false,
            }
        }
        ValueRef::Array(a) => {
            if let Some(p) = pair(value) {
                return f(&Shape::Point(p));
            }
            // An array of shapes; pairs in it are points of their own.
            a.iter().any(|item| match item {
                ValueRef::Document(_) => each(item, f),
                _ => pair(item).is_some_and(|p| f(&Shape::Point(p))),
            })
        }
        ValueRef::Document(_) => pair(value).is_some_and(|p| f(&Shape::Point(p))),
        _ => false,
    }
}

/// The first two numbers of an array or a document.
pub(super) fn pair(value: ValueRef<'_>) -> Option<Position> {
    let number = |v: ValueRef<'_>| match v {
        ValueRef::Int32(_) | ValueRef::Int64(_) | ValueRef::Double(_) | ValueRef::Decimal(_) => {
            v.as_f64()
        }
        _ => None,
    };
    match value {
        ValueRef::Array(a) => Some(Position {
            x: number(a.get(0))?,
            y: number(a.get(1))?,
        }),
        ValueRef::Document(d) => {
            let mut fields = d.iter().map(|(_, v)| v);
            Some(Position {
                x: number(fields.next()?)?,
                y: number(fields.next()?)?,
            })
        }
        _ => None,
    }
}

/// An array (or document) of pairs.
pub(super) fn pairs(value: ValueRef<'_>) -> Option<Vec<Position>> {
    match value {
        ValueRef::Array(a) => a.iter().map(pair).collect(),
        ValueRef::Document(d) => d.iter().map(|(_, v)| pair(v)).collect(),
        _ => None,
    }
}

/// Whether a position lies on the globe.
pub(super) fn check_range(p: Position) -> Result<(), String> {
    if (-180.0..=180.0).contains(&p.x) && (-90.0..=90.0).contains(&p.y) {
        Ok(())
    } else {
        Err(format!(
            "longitude/latitude is out of bounds, lng: {} lat: {}",
            p.x, p.y
        ))
    }
}

/// How deep collections may hold collections.
const MAX_DEPTH: usize = 20;

/// Reads GeoJSON; `None` when the value is no GeoJSON at all.
pub(super) fn geojson(value: ValueRef<'_>) -> Result<Option<Shape>, String> {
    read(value, 0)
}

fn read(value: ValueRef<'_>, depth: usize) -> Result<Option<Shape>, String> {
    let ValueRef::Document(d) = value else {
        return Ok(None);
    };
    let ValueRef::Str(kind) = d.get("type") else {
        // `$geometry` also takes a legacy pair.
        return Ok(pair(d.get("coordinates"))
            .or_else(|| pair(value))
            .map(Shape::Point));
    };
    if depth > MAX_DEPTH {
        return Err("GeometryCollection is nested too deeply".to_owned());
    }
    if let ValueRef::Document(crs) = d.get("crs") {
        check_crs(ValueRef::Document(crs))?;
    }
    let coordinates = d.get("coordinates");
    let list = || match coordinates {
        ValueRef::Array(a) => Ok(a),
        _ => Err("Point must be an array or object".to_owned()),
    };
    Ok(Some(match kind.as_str() {
        "Point" => Shape::Point(position(coordinates)?),
        "MultiPoint" => Shape::Points(positions(list()?)?),
        "LineString" => Shape::Lines(vec![line(coordinates)?]),
        "MultiLineString" => Shape::Lines(list()?.iter().map(line).collect::<Result<_, _>>()?),
        "Polygon" => Shape::Polygons(vec![polygon(coordinates)?]),
        "MultiPolygon" => Shape::Polygons(list()?.iter().map(polygon).collect::<Result<_, _>>()?),
        "GeometryCollection" => {
            let ValueRef::Array(members) = d.get("geometries") else {
                return Err("GeometryCollection geometries must be an array".to_owned());
            };
            if members.is_empty() {
                return Err("GeometryCollection geometries must have at least 1 element".to_owned());
            }
            if depth > 0 {
                return Err("GeometryCollections cannot be nested".to_owned());
            }
            let members = members.iter().map(|m| {
                read(m, depth + 1)?
                    .ok_or_else(|| "GeometryCollection members must be GeoJSON".to_owned())
            });
            Shape::Collection(members.collect::<Result<_, _>>()?)
        }
        other => return Err(format!("unknown GeoJSON type: {other}")),
    }))
}

fn check_crs(crs: ValueRef<'_>) -> Result<(), String> {
    let name = crs
        .as_document()
        .and_then(|c| c.get("properties").as_document())
        .and_then(|p| p.get("name").as_str());
    match name {
        Some("urn:ogc:def:crs:OGC:1.3:CRS84" | "EPSG:4326") => Ok(()),
        other => Err(format!("unsupported CRS: {other:?}")),
    }
}

fn position(v: ValueRef<'_>) -> Result<Position, String> {
    let p = pair(v).ok_or_else(|| "Point must only contain numeric elements".to_owned())?;
    check_range(p)?;
    Ok(p)
}

fn positions(a: ArrRef<'_>) -> Result<Vec<Position>, String> {
    a.iter().map(position).collect()
}

fn line(v: ValueRef<'_>) -> Result<Vec<Position>, String> {
    let points = match v {
        ValueRef::Array(a) => positions(a)?,
        _ => return Err("LineString coordinates must be an array".to_owned()),
    };
    if points.len() < 2 {
        return Err("LineString must have at least 2 vertices".to_owned());
    }
    Ok(points)
}

fn polygon(v: ValueRef<'_>) -> Result<Vec<Ring>, String> {
    let ValueRef::Array(rings) = v else {
        return Err("Polygon coordinates must be an array".to_owned());
    };
    let rings: Vec<Ring> = rings.iter().map(line).collect::<Result<_, _>>()?;
    if rings.is_empty() {
        return Err("Polygon has no loops.".to_owned());
    }
    for ring in &rings {
        if ring.len() < 4 {
            return Err("Loop must have at least 3 different vertices".to_owned());
        }
        if ring.first() != ring.last() {
            return Err("Loop is not closed".to_owned());
        }
        simple(ring)?;
    }
    if let Some((shell, holes)) = rings.split_first() {
        for hole in holes {
            if hole.iter().all(|p| outside(*p, shell)) {
                return Err(
                    "Secondary loops not contained by first exterior loop - secondary loops must be holes"
                        .to_owned(),
                );
            }
        }
    }
    Ok(rings)
}

/// Longer rings are taken on trust: the check looks at all pairs of edges.
const MAX_CHECKED: usize = 600;

/// A ring has at least three corners, passes none twice, and does not cross itself.
fn simple(ring: &[Position]) -> Result<(), String> {
    let mut corners: Vec<Position> = Vec::with_capacity(ring.len());
    for p in ring.iter().skip(1) {
        if corners.last() != Some(p) {
            corners.push(*p);
        }
    }
    if corners.len() < 3 {
        return Err("Loop must have at least 3 different vertices".to_owned());
    }
    if corners.len() > MAX_CHECKED {
        return Ok(());
    }
    for (i, a) in corners.iter().enumerate() {
        if let Some(j) = corners.iter().skip(i + 1).position(|b| a == b) {
            return Err(format!(
                "Loop is not valid: Duplicate vertices: {i} and {}",
                i + 1 + j
            ));
        }
    }
    let edges: Vec<(Position, Position)> = corners
        .iter()
        .copied()
        .zip(corners.iter().copied().cycle().skip(1))
        .collect();
    for (i, a) in edges.iter().enumerate() {
        if edges.iter().skip(i + 1).any(|b| cross(*a, *b)) {
            return Err("Loop is not valid: Edges cross".to_owned());
        }
    }
    Ok(())
}

fn turn(a: Position, b: Position, c: Position) -> f64 {
    (b.x - a.x) * (c.y - a.y) - (b.y - a.y) * (c.x - a.x)
}

/// Whether two edges cross inside both.
fn cross((a, b): (Position, Position), (c, d): (Position, Position)) -> bool {
    turn(a, b, c) * turn(a, b, d) < 0.0 && turn(c, d, a) * turn(c, d, b) < 0.0
}

/// Whether a position lies outside of a ring and not on it.
fn outside(p: Position, ring: &[Position]) -> bool {
    let mut inside = false;
    for (a, b) in ring.iter().zip(ring.iter().skip(1)) {
        let between = |v: f64, x: f64, y: f64| (x.min(y)..=x.max(y)).contains(&v);
        if turn(*a, *b, p) == 0.0 && between(p.x, a.x, b.x) && between(p.y, a.y, b.y) {
            return false;
        }
        if (a.y > p.y) != (b.y > p.y) && p.x < (b.x - a.x) * (p.y - a.y) / (b.y - a.y) + a.x {
            inside = !inside;
        }
    }
    !inside
}
