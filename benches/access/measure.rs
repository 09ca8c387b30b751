//! How much CPU time does a piece of work use in this process?

use std::fs;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use tokio::runtime::Runtime;

/// How long a piece of work is repeated in a round.
const ROUND: Duration = Duration::from_millis(60);

/// Does the work so many times.
type Repeat = Box<dyn Fn(u64) -> Pin<Box<dyn Future<Output = ()>>>>;

/// A row of a table.
pub struct Work {
    /// What is done.
    pub name: String,
    /// The row that this one is held against, by its place in the table.
    pub beside: Option<usize>,
    /// What may be paid.
    pub target: Option<Target>,
    /// Does it.
    pub repeat: Repeat,
}

/// What a row may cost.
#[derive(Debug, Clone, Copy)]
pub enum Target {
    /// So many times the other row.
    Ratio(f64),
    /// So many nanoseconds more than the other row.
    Added(f64),
}

/// Measures the rows in turn and prints them. The number of missed targets.
pub fn table(runtime: &Runtime, rounds: usize, works: &[Work]) -> usize {
    let counts: Vec<u64> = works.iter().map(|work| enough(runtime, work)).collect();
    let mut costs = vec![Vec::new(); works.len()];
    for _ in 0..rounds {
        for ((work, count), costs) in works.iter().zip(&counts).zip(&mut costs) {
            costs.push(cost(runtime, work, *count));
        }
    }
    println!("{:<64} {:>10} {:>10} {:>12} {:>8}", "", "ns", "minimum", "added ns", "ratio");
    let mut missed = 0;
    for (work, row) in works.iter().zip(&costs) {
        let minimum = row.iter().copied().min_by(f64::total_cmp).unwrap_or_default();
        print!("{:<64} {:>10.0} {minimum:>10.0}", work.name, median(row.iter().copied()));
        let Some(base) = work.beside.and_then(|place| costs.get(place)) else {
            println!();
            continue;
        };
        // Of the same rounds: the machine is faster in some than in others.
        let pairs = || row.iter().zip(base);
        let (added, ratio) =
            (median(pairs().map(|(one, other)| one - other)), median(pairs().map(|(one, other)| one / other)));
        print!(" {added:>12.0} {ratio:>8.2}");
        let (met, wanted) = match work.target {
            None => (true, String::new()),
            Some(Target::Ratio(most)) => (ratio <= most, format!("ratio at most {most}")),
            Some(Target::Added(most)) => (added < most, format!("added less than {most:.0} ns")),
        };
        println!("  {}{wanted}", if met { "" } else { "MISSED: " });
        missed += usize::from(!met);
    }
    missed
}

/// How often the work has to be done to fill a round.
fn enough(runtime: &Runtime, work: &Work) -> u64 {
    let mut count = 1;
    loop {
        let before = used();
        runtime.block_on((work.repeat)(count));
        let spent = used().saturating_sub(before);
        if spent >= ROUND {
            return count;
        }
        count *= 2;
    }
}

/// Nanoseconds of CPU time for one time of many.
fn cost(runtime: &Runtime, work: &Work, count: u64) -> f64 {
    let before = used();
    runtime.block_on((work.repeat)(count));
    let spent = used().saturating_sub(before);
    #[expect(clippy::cast_precision_loss, reason = "far fewer than 2^53")]
    let count = count as f64;
    spent.as_secs_f64() * 1e9 / count
}

/// User and system time of every thread of this process.
fn used() -> Duration {
    // The kernel brings a running thread's account up to date when it gives up its turn.
    std::thread::yield_now();
    let tasks = fs::read_dir("/proc/self/task").expect("Linux");
    let nanos = tasks.filter_map(|task| {
        let text = fs::read_to_string(task.ok()?.path().join("schedstat")).ok()?;
        text.split_whitespace().next()?.parse::<u64>().ok()
    });
    Duration::from_nanos(nanos.sum())
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_unstable_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}
