//! Window functions.

use bson::Bson;
use mqlc_compiler::plan::{ColumnId, Scalar, SortKey, WindowCall, WindowFrame};
use mqlc_compiler::queryset::FrameUnit;

use super::number::Num;
use super::order::same;
use super::{Interpreter, Row};

impl Interpreter<'_> {
    pub(super) fn window(
        &self,
        rows: Vec<Row>,
        partition: &[Scalar],
        order: &[SortKey],
        outputs: &[(ColumnId, WindowCall)],
    ) -> Vec<Row> {
        let mut parts: Vec<(Vec<Bson>, Vec<Row>)> = Vec::new();
        for mut row in rows {
            row.tie = 0;
            let key: Vec<Bson> = partition.iter().map(|s| self.value(s, &row)).collect();
            match parts.iter_mut().find(|(k, _)| same(k, &key)) {
                Some((_, members)) => members.push(row),
                None => parts.push((key, vec![row])),
            }
        }
        let mut result = Vec::new();
        for (_, mut members) in parts {
            if !order.is_empty() {
                self.sort(&mut members, order);
            }
            for i in 0..members.len() {
                let mut row = members[i].clone();
                for (id, window) in outputs {
                    let value = self.over(window, &members, i, !order.is_empty());
                    row.values.insert(*id, value);
                }
                row.tie = 0;
                result.push(row);
            }
        }
        result
    }

    /// The value of a row among those of its partition.
    fn over(&self, window: &WindowCall, rows: &[Row], i: usize, ordered: bool) -> Bson {
        let call = &window.call;
        let name = call.function.as_str();
        let n = rows.len();
        let first_peer = rows.iter().position(|r| r.tie == rows[i].tie).unwrap_or(0);
        let last_peer = rows.iter().rposition(|r| r.tie == rows[i].tie).unwrap_or(i);
        let whole = |x: usize| Bson::Int64(i64::try_from(x).expect("small"));
        let ties = rows.windows(2).any(|w| w[0].tie == w[1].tie);
        let by_place = matches!(
            name,
            "RowNumber" | "Ntile" | "Lag" | "Lead" | "FirstValue" | "LastValue" | "NthValue"
        );
        let by_rows = window
            .frame
            .is_some_and(|f| f.unit == FrameUnit::Rows && (f.start, f.end) != (None, None));
        if ties && (by_place || by_rows) {
            self.unsure();
        }
        let arg = |k: usize, row: &Row| call.args.get(k).map_or(Bson::Null, |s| self.value(s, row));
        let offset = |k: usize| match call.args.get(k).map(|s| Num::of(&self.value(s, &rows[i]))) {
            Some(Some(Num::Int(n))) => usize::try_from(n).expect("positive"),
            _ => 1,
        };
        let (start, stop) = self.frame(window.frame, rows, i, ordered);
        let framed = &rows[start.min(stop)..stop];
        match name {
            "RowNumber" => whole(i + 1),
            "Rank" => whole(first_peer + 1),
            "DenseRank" => whole(rows[i].tie + 1),
            "PercentRank" if n < 2 => Bson::Double(0.0),
            "PercentRank" => Bson::Double(first_peer as f64 / (n - 1) as f64),
            "CumeDist" => Bson::Double((last_peer + 1) as f64 / n as f64),
            "Ntile" => {
                let buckets = offset(0);
                let (size, larger) = (n / buckets, n % buckets);
                let boundary = larger * (size + 1);
                whole(if i < boundary {
                    i / (size + 1) + 1
                } else {
                    larger + (i - boundary) / size.max(1) + 1
                })
            }
            "Lag" => match i.checked_sub(offset(1)) {
                Some(at) => arg(0, &rows[at]),
                None => arg(2, &rows[i]),
            },
            "Lead" => match rows.get(i + offset(1)) {
                Some(row) => arg(0, row),
                None => arg(2, &rows[i]),
            },
            "FirstValue" => framed.first().map_or(Bson::Null, |r| arg(0, r)),
            "LastValue" => framed.last().map_or(Bson::Null, |r| arg(0, r)),
            "NthValue" => framed.get(offset(1) - 1).map_or(Bson::Null, |r| arg(0, r)),
            _ => {
                let mut framed = framed.to_vec();
                framed.iter_mut().for_each(|r| r.tie = 0);
                self.aggregate(call, &framed)
            }
        }
    }

    /// First row of the frame, and the one after its last.
    fn frame(
        &self,
        frame: Option<WindowFrame>,
        rows: &[Row],
        i: usize,
        ordered: bool,
    ) -> (usize, usize) {
        let n = rows.len();
        let first_peer = rows.iter().position(|r| r.tie == rows[i].tie).unwrap_or(0);
        let last_peer = rows.iter().rposition(|r| r.tie == rows[i].tie).unwrap_or(i);
        let Some(frame) = frame else {
            return if ordered { (0, last_peer + 1) } else { (0, n) };
        };
        let at = |offset: i64| {
            let at = i64::try_from(i).expect("small") + offset;
            usize::try_from(at.clamp(0, i64::try_from(n).expect("small"))).expect("small")
        };
        let after = |offset: i64| {
            let at = i64::try_from(i).expect("small") + offset + 1;
            usize::try_from(at.clamp(0, i64::try_from(n).expect("small"))).expect("small")
        };
        match frame.unit {
            FrameUnit::Rows => (frame.start.map_or(0, at), frame.end.map_or(n, after)),
            FrameUnit::Range => {
                assert!(
                    frame.start.is_none_or(|s| s == 0) && frame.end.is_none_or(|e| e == 0),
                    "no interpretation of frames by distance"
                );
                (
                    frame.start.map_or(0, |_| first_peer),
                    frame.end.map_or(n, |_| last_peer + 1),
                )
            }
        }
    }
}
