use bson::{Bson, doc};
use proptest::prelude::*;

use super::*;
use crate::memory::accumulator::Accumulator;
use crate::memory::expr::Evaluation;

fn partition(values: &[Bson]) -> Vec<Document> {
    values
        .iter()
        .enumerate()
        .map(|(i, v)| Document::from_bson(&doc! {"x": i64::try_from(i).unwrap(), "v": v.clone()}))
        .collect()
}

fn by_x() -> Vec<SortPart> {
    vec![SortPart {
        path: Path::parse("x").unwrap(),
        ascending: true,
    }]
}

fn run(spec: bson::Document, values: &[Bson]) -> Result<Vec<Bson>, EngineError> {
    let evaluation = Evaluation::default();
    let mut env = Env::new(&evaluation);
    let f = WindowFunction::compile(&spec, &by_x(), &Scope::new())?;
    let out = f.run(&partition(values), &mut env)?;
    Ok(out.iter().map(Value::to_bson).collect())
}

fn value() -> impl Strategy<Value = Bson> {
    prop_oneof![
        4 => (-50_i32..50).prop_map(Bson::Int32),
        1 => (-50_i64..50).prop_map(Bson::Int64),
        1 => (-50_i32..50).prop_map(|n| Bson::Double(f64::from(n) / 4.0)),
        1 => Just(Bson::Null),
        1 => Just(Bson::String("s".to_owned())),
    ]
}

proptest! {
    /// However a window is computed (grown, slid, from a deque), it gives what the accumulator gives over its documents.
    #[test]
    fn sliding_is_recomputing(
        values in prop::collection::vec(value(), 0..20),
        low in -4_i32..3,
        width in 0_i32..5,
        open in 0..4,
        name in prop::sample::select(vec!["$sum", "$avg", "$min", "$max", "$first", "$last", "$push", "$count"]),
    ) {
        let end = |n: i32, open: bool| if open { Bson::String("unbounded".to_owned()) } else { Bson::Int32(n) };
        let (left, right) = (end(low, open & 1 == 1), end(low + width, open & 2 == 2));
        let argument = if name == "$count" { Bson::Document(doc! {}) } else { Bson::String("$v".to_owned()) };
        let spec = doc! {name: argument.clone(), "window": {"documents": [left, right]}};
        let got = run(spec, &values).unwrap();
        let docs = partition(&values);
        let evaluation = Evaluation::default();
        let mut env = Env::new(&evaluation);
        let accumulator = Accumulator::compile(name, &argument, &Scope::new()).unwrap();
        let n = i32::try_from(docs.len()).unwrap();
        for (i, got) in got.iter().enumerate() {
            let i = i32::try_from(i).unwrap();
            let from = if open & 1 == 1 { 0 } else { (i + low).clamp(0, n) };
            let to = if open & 2 == 2 { n } else { (i + low + width + 1).clamp(0, n) };
            let mut state = accumulator.new_state();
            for doc in docs.iter().take(usize::try_from(to).unwrap()).skip(usize::try_from(from).unwrap()) {
                env.set_root(doc.clone());
                accumulator.add(&mut state, &mut env).unwrap();
            }
            let want = accumulator.finish(state, &mut env).unwrap().to_bson();
            prop_assert_eq!(got, &want, "{} at {}", name, i);
        }
    }
}

/// Series: derivative, integral, moving average, filling.
#[test]
fn series() {
    let ints = |v: &[i32]| v.iter().copied().map(Bson::Int32).collect::<Vec<_>>();
    let doubles = |v: &[f64]| v.iter().copied().map(Bson::Double).collect::<Vec<_>>();
    let values = ints(&[1, 3, 7]);
    assert_eq!(
        run(doc! {"$expMovingAvg": {"input": "$v", "N": 3}}, &values).unwrap(),
        doubles(&[1.0, 2.0, 4.5])
    );
    assert_eq!(
        run(
            doc! {"$integral": {"input": "$v"}, "window": {"documents": ["unbounded", "current"]}},
            &values
        )
        .unwrap(),
        doubles(&[0.0, 2.0, 7.0])
    );
    assert_eq!(
        run(
            doc! {"$derivative": {"input": "$v"}, "window": {"documents": [-1, 0]}},
            &values
        )
        .unwrap(),
        [vec![Bson::Null], doubles(&[2.0, 4.0])].concat()
    );
    let gaps = [
        Bson::Null,
        Bson::Int32(1),
        Bson::Null,
        Bson::Int32(4),
        Bson::Null,
    ];
    assert_eq!(
        run(doc! {"$linearFill": "$v"}, &gaps).unwrap(),
        vec![
            Bson::Null,
            Bson::Int32(1),
            Bson::Double(2.5),
            Bson::Int32(4),
            Bson::Null
        ]
    );
    assert_eq!(
        run(
            doc! {"$shift": {"output": "$v", "by": -1, "default": "none"}},
            &values
        )
        .unwrap(),
        vec![
            Bson::String("none".to_owned()),
            Bson::Int32(1),
            Bson::Int32(3)
        ]
    );
}

/// What MongoDB refuses when it reads a window.
#[test]
fn refused() {
    for (spec, code) in [
        (
            doc! {"$sum": "$v", "window": {"documents": [1, 0]}},
            5_339_900,
        ),
        (doc! {"$sum": "$v", "window": {"documents": [0]}}, 9),
        (
            doc! {"$sum": "$v", "window": {"documents": [0, 1], "unit": "day"}},
            9,
        ),
        (doc! {"$rank": {}, "window": {}}, 5_371_601),
        (doc! {"$nope": "$v"}, 9),
        (doc! {"$shift": {"output": "$v"}}, 9),
        (doc! {"$derivative": {"input": "$v"}}, 9),
    ] {
        assert_eq!(run(spec.clone(), &[]).unwrap_err().code, code, "{spec}");
    }
}
