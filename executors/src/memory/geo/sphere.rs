//! Geometry on the sphere.
use geo::{
    Coord, Geometry, GeometryCollection, LineString, MultiLineString, MultiPoint, MultiPolygon,
    Point, Polygon,
};

use super::shape::{Position, Shape};

/// A point on the unit sphere.
#[derive(Clone, Copy, Debug)]
struct Vector([f64; 3]);

impl Vector {
    fn of(p: Position) -> Self {
        let (lng, lat) = (p.x.to_radians(), p.y.to_radians());
        Self([lat.cos() * lng.cos(), lat.cos() * lng.sin(), lat.sin()])
    }

    fn dot(self, other: Self) -> f64 {
        self.0.iter().zip(other.0).map(|(a, b)| a * b).sum()
    }

    fn cross(self, other: Self) -> Self {
        let [a, b, c] = self.0;
        let [d, e, f] = other.0;
        Self([b * f - c * e, c * d - a * f, a * e - b * d])
    }

    fn unit(self) -> Option<Self> {
        let length = self.dot(self).sqrt();
        (length > 1e-12).then(|| Self(self.0.map(|x| x / length)))
    }
}

/// The angle between two positions, in radians.
pub(super) fn angle(a: Position, b: Position) -> f64 {
    let (lat_a, lat_b) = (a.y.to_radians(), b.y.to_radians());
    let half_lat = ((lat_b - lat_a) / 2.0).sin();
    let half_lng = ((b.x - a.x).to_radians() / 2.0).sin();
    let h = half_lat * half_lat + lat_a.cos() * lat_b.cos() * half_lng * half_lng;
    2.0 * h.sqrt().min(1.0).asin()
}

/// The sphere as seen from its centre, looking at one point: half of it maps to a plane, shortest lines to straight
/// ones.
#[derive(Clone, Debug)]
pub(super) struct View {
    to: Vector,
    east: Vector,
    north: Vector,
}

impl View {
    fn at(to: Vector) -> Self {
        let [x, y, z] = to.0;
        let helper = if z.abs() < 0.9 {
            Vector([0.0, 0.0, 1.0])
        } else {
            Vector([1.0, 0.0, 0.0])
        };
        let fallback = Vector([-y, x, 0.0]);
        let east = helper.cross(to).unit().unwrap_or(fallback);
        Self {
            to,
            east,
            north: to.cross(east),
        }
    }

    /// Looks at the middle of a shape's corners.
    pub fn of(shape: &Shape) -> Self {
        let sum = shape
            .positions()
            .into_iter()
            .fold([0.0; 3], |[a, b, c], p| {
                let Vector([x, y, z]) = Vector::of(p);
                [a + x, b + y, c + z]
            });
        Self::at(Vector(sum).unit().unwrap_or(Vector([1.0, 0.0, 0.0])))
    }

    fn coord(&self, p: Position) -> Option<Coord<f64>> {
        let v = Vector::of(p);
        let depth = v.dot(self.to);
        // Close to the horizon the plane runs out of digits.
        (depth > 1e-6).then(|| Coord {
            x: v.dot(self.east) / depth,
            y: v.dot(self.north) / depth,
        })
    }

    fn line(&self, points: &[Position]) -> Option<LineString<f64>> {
        points.iter().map(|p| self.coord(*p)).collect()
    }

    /// The shape on the plane; `None` when some of it is beyond the horizon.
    pub fn project(&self, shape: &Shape) -> Option<Geometry<f64>> {
        Some(match shape {
            Shape::Point(p) => Geometry::Point(Point(self.coord(*p)?)),
            Shape::Points(points) => {
                let points: Option<Vec<Point<f64>>> =
                    points.iter().map(|p| self.coord(*p).map(Point)).collect();
                Geometry::MultiPoint(MultiPoint(points?))
            }
            Shape::Lines(lines) => {
                let lines: Option<Vec<_>> = lines.iter().map(|l| self.line(l)).collect();
                Geometry::MultiLineString(MultiLineString(lines?))
            }
            Shape::Polygons(polygons) => {
                let polygons: Option<Vec<_>> = polygons
                    .iter()
                    .map(|rings| {
                        let (outer, holes) = rings.split_first()?;
                        let holes: Option<Vec<_>> = holes.iter().map(|h| self.line(h)).collect();
                        Some(Polygon::new(self.line(outer)?, holes?))
                    })
                    .collect();
                Geometry::MultiPolygon(MultiPolygon(polygons?))
            }
            Shape::Collection(members) => {
                let members: Option<Vec<_>> = members.iter().map(|m| self.project(m)).collect();
                Geometry::GeometryCollection(GeometryCollection(members?))
            }
        })
    }
}

/// The least angle from a position to a shape, in radians; zero inside.
pub(super) fn distance(from: Position, shape: &Shape) -> f64 {
    let corners = || {
        shape
            .positions()
            .into_iter()
            .map(|p| angle(from, p))
            .fold(f64::INFINITY, f64::min)
    };
    match shape {
        Shape::Point(p) => angle(from, *p),
        Shape::Points(_) => corners(),
        Shape::Collection(members) => members
            .iter()
            .map(|m| distance(from, m))
            .fold(f64::INFINITY, f64::min),
        Shape::Lines(lines) => {
            let edges = lines.iter().map(|l| along(from, l));
            edges.fold(corners(), f64::min)
        }
        Shape::Polygons(polygons) => {
            use geo::Intersects;
            let view = View::at(Vector::of(from));
            let origin = Point::new(0.0, 0.0);
            if view.project(shape).is_some_and(|g| g.intersects(&origin)) {
                return 0.0;
            }
            let edges = polygons.iter().flatten().map(|ring| along(from, ring));
            edges.fold(corners(), f64::min)
        }
    }
}

/// The least angle to the edges of a line.
fn along(from: Position, line: &[Position]) -> f64 {
    let p = Vector::of(from);
    let mut least = f64::INFINITY;
    for (a, b) in line.iter().zip(line.iter().skip(1)) {
        let (a, b) = (Vector::of(*a), Vector::of(*b));
        let Some(normal) = a.cross(b).unit() else {
            continue;
        };
        // The foot of the perpendicular lies on the edge when it is between the two ends.
        let inside = normal.cross(a).dot(p) >= 0.0 && b.cross(normal).dot(p) >= 0.0;
        if inside {
            least = least.min(normal.dot(p).abs().min(1.0).asin());
        }
    }
    least
}
