//! What is printed.

use std::time::Duration;

use crate::measure::{Measured, Side, Verdict};
use crate::querysets::Queryset;

/// The group whose joins start on the wrong side when they are done as they are written.
const WRONG_SIDE: &str = "wrong side";

/// Figures of all querysets.
#[derive(Default)]
pub struct Report {
    ratios: Vec<(String, String, f64)>,
    left_out: Vec<String>,
    ours: Vec<Side>,
    theirs: Vec<Side>,
}

fn short(time: Duration) -> String {
    let micros = time.as_secs_f64() * 1e6;
    match micros {
        m if m < 10_000.0 => format!("{m:.0}us"),
        m if m < 10_000_000.0 => format!("{:.1}ms", m / 1e3),
        m => format!("{:.1}s", m / 1e6),
    }
}

fn ratio(theirs: Duration, ours: Duration) -> f64 {
    theirs.as_secs_f64() / ours.as_secs_f64().max(1e-9)
}

#[allow(clippy::cast_precision_loss)]
fn geometric_mean(values: impl Iterator<Item = f64>) -> (f64, usize) {
    let logs: Vec<f64> = values.map(f64::ln).collect();
    let n = logs.len();
    ((logs.iter().sum::<f64>() / n.max(1) as f64).exp(), n)
}

impl Report {
    pub fn head() {
        println!("Each figure: ours / the official backend's. ratio: its time by ours.");
        println!(
            "{:<22}{:>9} {:>20} {:>20} {:>19} {:>19} {:>9} {:>13} {:>7} {:>11} {:>9}",
            "queryset",
            "rows",
            "time",
            "",
            "documents",
            "keys",
            "stages",
            "bytes",
            "blocking",
            "not native",
            "ratio"
        );
    }

    pub fn add(&mut self, queryset: &Queryset, measured: Measured) {
        let Measured {
            ours,
            theirs,
            verdict,
        } = measured;
        let rows = match &verdict {
            Verdict::Same(n) => n.to_string(),
            Verdict::Different(_) => "differ".to_owned(),
            Verdict::Refused(_) => "-".to_owned(),
        };
        let ratio = theirs.as_ref().map(|t| ratio(t.time, ours.time));
        let both = |of: &dyn Fn(&Side) -> String| {
            let theirs = theirs.as_ref().map_or_else(|| "-".to_owned(), of);
            format!("{}/{theirs}", of(&ours))
        };
        println!(
            "{:<22}{rows:>9} {:>20} {:>20} {:>19} {:>19} {:>9} {:>13} {:>7} {:>11} {:>9}",
            queryset.name,
            short(ours.time),
            theirs
                .as_ref()
                .map_or_else(|| "-".to_owned(), |t| short(t.time)),
            both(&|s| s.documents.to_string()),
            both(&|s| s.keys.to_string()),
            both(&|s| s.cost.stages.to_string()),
            both(&|s| s.cost.bytes.to_string()),
            both(&|s| s.cost.blocking.to_string()),
            both(&|s| format!(
                "{}:{}",
                s.cost.expressions,
                s.cost.expressions + s.cost.native
            )),
            ratio.map_or_else(|| "-".to_owned(), |r| format!("{r:.2}"))
        );
        match (verdict, ratio) {
            (Verdict::Same(_), Some(ratio)) => {
                self.ratios
                    .push((queryset.group.clone(), queryset.name.clone(), ratio));
                self.ours.push(ours);
                self.theirs.extend(theirs);
            }
            (Verdict::Different(why) | Verdict::Refused(why), _) => {
                self.left_out.push(format!("{}: {why}", queryset.name));
            }
            (Verdict::Same(_), None) => {}
        }
    }

    pub fn totals(&mut self) {
        println!("\nBy group (geometric mean of the ratios):");
        let mut groups: Vec<&str> = Vec::new();
        for (group, ..) in &self.ratios {
            if !groups.contains(&group.as_str()) {
                groups.push(group);
            }
        }
        for group in groups {
            let (mean, n) = self.mean(|g| g == group);
            println!("  {group:<22}{mean:>10.1}  of {n}");
        }
        let (all, n) = self.mean(|_| true);
        let (wrong, _) = self.mean(|g| g == WRONG_SIDE);
        let (rest, _) = self.mean(|g| g != WRONG_SIDE);
        println!(
            "\ngeometric mean of {n}: {all:.1} (goal 5); without joins from the wrong side {rest:.1}"
        );
        println!("joins from the wrong side: {wrong:.0} (goal 100)");
        let slower = self.ratios.iter().filter(|r| r.2 < 1.0 / 1.1).count();
        println!("slower than 1.1 times: {slower} (goal 0)");
        self.ratios.sort_by(|a, b| a.2.total_cmp(&b.2));
        println!("worst:");
        for (_, name, ratio) in self.ratios.iter().take(8) {
            println!("  {name:<22}{ratio:>8.2}");
        }
        let total = |of: &dyn Fn(&Side) -> usize| {
            let sum = |sides: &[Side]| sides.iter().map(of).sum::<usize>();
            format!("{} / {}", sum(&self.ours), sum(&self.theirs))
        };
        println!("\nsums, ours / the official backend's:");
        println!(
            "  documents examined  {}",
            total(&|s| usize::try_from(s.documents).unwrap_or(0))
        );
        println!(
            "  keys examined       {}",
            total(&|s| usize::try_from(s.keys).unwrap_or(0))
        );
        println!("  stages              {}", total(&|s| s.cost.stages));
        println!("  blocking stages     {}", total(&|s| s.cost.blocking));
        println!("  bytes of commands   {}", total(&|s| s.cost.bytes));
        println!("  native conditions   {}", total(&|s| s.cost.native));
        println!("  in expressions      {}", total(&|s| s.cost.expressions));
        println!("\nleft out of the ratios:");
        for line in &self.left_out {
            println!("  {line}");
        }
    }

    fn mean(&self, of: impl Fn(&str) -> bool) -> (f64, usize) {
        geometric_mean(self.ratios.iter().filter(|r| of(&r.0)).map(|r| r.2))
    }
}
