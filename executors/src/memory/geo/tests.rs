use bson::{Bson, bson, doc};

use super::*;

fn geo(op: &str, arg: Bson) -> Geo {
    Geo::compile(op, &arg, &doc! {}).unwrap()
}

fn holds(g: &Geo, v: Bson) -> bool {
    g.matches(Value::from_bson(&v).view())
}

/// Edges are the shortest lines of the sphere: a wide polygon bulges toward the pole.
#[test]
fn edges_are_geodesic() {
    let square = bson!({"$geometry": {"type": "Polygon", "coordinates": [[[-40.0, 40.0], [40.0, 40.0], [40.0, 20.0], [-40.0, 20.0], [-40.0, 40.0]]]}});
    let g = geo("$geoWithin", square);
    assert!(holds(
        &g,
        bson!({"type": "Point", "coordinates": [0.0, 45.0]})
    ));
    assert!(!holds(
        &g,
        bson!({"type": "Point", "coordinates": [0.0, 50.0]})
    ));
    assert!(!holds(
        &g,
        bson!({"type": "Point", "coordinates": [0.0, 21.0]})
    ));
    assert!(holds(&g, bson!([[170.0, 0.0], [0.0, 45.0]])));
}

/// Polygons cross the date line.
#[test]
fn date_line() {
    let g = geo(
        "$geoWithin",
        bson!({"$geometry": {"type": "Polygon", "coordinates": [[[170, -10], [-170, -10], [-170, 10], [170, 10], [170, -10]]]}}),
    );
    assert!(holds(&g, bson!([179, 0])));
    assert!(holds(&g, bson!([-179, 0])));
    assert!(!holds(&g, bson!([0, 0])));
}

/// Distances: metres for GeoJSON, radians and plane units for legacy pairs, zero inside a polygon.
#[test]
fn distances() {
    let d = |g: &Geo, v: Bson| g.distance(Value::from_bson(&v).view()).unwrap();
    let point = geo(
        "$near",
        bson!({"$geometry": {"type": "Point", "coordinates": [0, 0]}, "$maxDistance": 200_000}),
    );
    let degree = EARTH_RADIUS * 1_f64.to_radians();
    assert!((d(&point, bson!([0, 1])) - degree).abs() < 1e-3);
    assert!(holds(&point, bson!([0, 1])));
    assert!(!holds(&point, bson!([0, 2])));
    let line = bson!({"type": "LineString", "coordinates": [[-10, 1], [10, 1]]});
    assert!((d(&point, line) - degree).abs() < 2_000.0);
    let around =
        bson!({"type": "Polygon", "coordinates": [[[-1, -1], [1, -1], [1, 1], [-1, 1], [-1, -1]]]});
    assert_eq!(d(&point, around), 0.0);
    let flat = geo("$near", bson!([0, 0]));
    assert_eq!(d(&flat, bson!([3, 4])), 5.0);
}

/// Malformed shapes are refused.
#[test]
fn malformed() {
    for (op, arg) in [
        (
            "$geoWithin",
            bson!({"$geometry": {"type": "Nope", "coordinates": [1]}}),
        ),
        (
            "$geoWithin",
            bson!({"$geometry": {"type": "Point", "coordinates": [1, 1]}}),
        ),
        (
            "$geoWithin",
            bson!({"$geometry": {"type": "Polygon", "coordinates": [[[0, 0], [1, 1], [0, 1]]]}}),
        ),
        ("$geoWithin", bson!({"$oops": 1})),
        (
            "$geoIntersects",
            bson!({"$geometry": {"type": "Point", "coordinates": [200, 1]}}),
        ),
        ("$near", bson!("x")),
    ] {
        assert_eq!(
            Geo::compile(op, &arg, &doc! {}).unwrap_err().code,
            2,
            "{op} {arg}"
        );
    }
}
