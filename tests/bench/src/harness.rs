//! Runs rows in interleaved rounds and compares what they cost.
//!
//! Times on a shared machine hold only as ratios, so every round runs each row once, one shortly
//! after the other, and a ratio is taken inside a round. Allocations are counted exactly.

use std::{
    fmt,
    pin::pin,
    rc::Rc,
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

use tokio::runtime::{Builder, Runtime};

use crate::{callgrind, count::Allocations};

/// What a row may fail with while it is measured: any failure ends the run.
pub type Failure = Box<dyn std::error::Error>;

/// One thing that is measured: a name, what it is compared with, and how to set it up.
#[derive(Debug)]
pub struct Row {
    /// `what/peer`, such as `add/async_trait`; also the argument of `--row`.
    pub name: &'static str,
    /// Names of the rows it is divided by; the first one is shown in the table.
    pub yardsticks: Vec<&'static str>,
    setup: fn(&Rc<Executor>) -> Run,
}

impl Row {
    /// A row without a yardstick. `setup` is called only when the row is run, so that no row pays
    /// for the tasks of another.
    pub fn new(name: &'static str, setup: fn(&Rc<Executor>) -> Run) -> Self {
        Self { name, yardsticks: Vec::new(), setup }
    }

    /// Adds a row to compare with.
    #[must_use]
    pub fn against(mut self, yardstick: &'static str) -> Self {
        self.yardsticks.push(yardstick);
        self
    }

    /// Makes what the row calls: Workers, clients, tasks.
    pub fn set_up(&self) -> Run {
        (self.setup)(&Rc::new(Executor::new()))
    }
}

/// A row that is set up: makes any number of calls, one after another.
pub struct Run(Box<dyn FnMut(u64)>);

impl Run {
    /// Wraps a loop over the given number of calls.
    pub fn new(calls: impl FnMut(u64) + 'static) -> Self {
        Self(Box::new(calls))
    }

    /// Makes `n` calls.
    pub fn calls(&mut self, n: u64) {
        (self.0)(n);
    }
}

impl fmt::Debug for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Run")
    }
}

/// A tokio runtime on the current thread: the tasks a row spawns run between the polls of its loop.
#[derive(Debug)]
pub struct Executor {
    /// For peers that need tasks or sockets.
    pub runtime: Runtime,
}

impl Executor {
    fn new() -> Self {
        let runtime = Builder::new_current_thread().enable_all().build();
        Self { runtime: runtime.expect("a current-thread runtime can be built") }
    }

    /// Drives the loop of a row with tokio.
    ///
    /// # Panics
    ///
    /// If a call fails: then there is nothing to measure.
    pub fn block_on(&self, calls: impl Future<Output = Result<(), Failure>>) {
        self.runtime.block_on(calls).expect("a measured call succeeds");
    }

    /// Drives the loop of a row by polling it again at once: a suspended call costs what the call
    /// costs, without the queue of an executor.
    ///
    /// # Panics
    ///
    /// If a call fails: then there is nothing to measure.
    pub fn spin(&self, calls: impl Future<Output = Result<(), Failure>>) {
        let _timers = self.runtime.enter();
        let mut calls = pin!(calls);
        let mut context = Context::from_waker(Waker::noop());
        loop {
            if let Poll::Ready(outcome) = calls.as_mut().poll(&mut context) {
                return outcome.expect("a measured call succeeds");
            }
        }
    }
}

/// Loops over one call, spelled with its `.await?`, and consumes the value.
///
/// The loop is a macro because a generic one would have to wrap each call in a future of its own:
/// that wrapper alone costs a chain of eight a fifth of its instructions. The value is consumed, not
/// the whole `Result`: hiding that from the optimizer stalls on a half-written value and adds the
/// same 3–5 ns to every row.
#[macro_export]
macro_rules! calls {
    ($executor:ident, $call:expr) => {
        $crate::calls!($executor, block_on, $call)
    };
    ($executor:ident, $driver:ident, $call:expr) => {{
        let executor = ::std::rc::Rc::clone($executor);
        $crate::harness::Run::new(move |n| {
            executor.$driver(async {
                for _ in 0..n {
                    ::std::hint::black_box($call);
                }
                Ok(())
            });
        })
    }};
}

/// What one row was measured to cost.
#[derive(Debug)]
pub struct Measured {
    /// Name of the row.
    pub name: &'static str,
    /// Names of the rows it is compared with.
    pub yardsticks: Vec<&'static str>,
    /// Nanoseconds per call in each round.
    pub times_ns: Vec<f64>,
    /// Instructions per call, when valgrind is there.
    pub instructions: Option<f64>,
    /// Allocations per call.
    pub allocations: f64,
    /// Bytes asked of the allocator per call.
    pub allocated_bytes: f64,
}

impl Measured {
    /// Fastest round, in nanoseconds per call.
    pub fn best_ns(&self) -> f64 {
        self.times_ns.iter().copied().fold(f64::INFINITY, f64::min)
    }

    /// Round in the middle, in nanoseconds per call.
    pub fn median_ns(&self) -> f64 {
        median(self.times_ns.clone())
    }

    /// Median of the ratios to `yardstick`, each taken within one round.
    pub fn median_ratio(&self, yardstick: &Self) -> f64 {
        median(self.times_ns.iter().zip(&yardstick.times_ns).map(|(own, other)| own / other).collect())
    }
}

/// Measures all rows: time in interleaved rounds, then allocations, then instructions.
pub fn measure(rows: &[Row]) -> Vec<Measured> {
    let mut runs: Vec<_> = rows.iter().map(Row::set_up).collect();
    let batches: Vec<_> = runs.iter_mut().map(batch).collect();
    let mut times_ns = vec![Vec::with_capacity(ROUNDS); rows.len()];
    for round in 0..ROUNDS {
        for step in 0..rows.len() {
            // Each round starts at another row: whatever disturbs the machine at regular intervals
            // does not meet the same row every time.
            let row = (round + step) % rows.len();
            times_ns[row].push(time(&mut runs[row], batches[row]).as_nanos() as f64 / batches[row] as f64);
        }
    }
    let instructions = callgrind::Valgrind::find();
    rows.iter()
        .zip(runs.iter_mut().zip(times_ns))
        .map(|(row, (run, times_ns))| {
            let (allocations, allocated_bytes) = allocations(run);
            Measured {
                name: row.name,
                yardsticks: row.yardsticks.clone(),
                times_ns,
                instructions: instructions.as_ref().map(|valgrind| valgrind.instructions_per_call(row.name)),
                allocations,
                allocated_bytes,
            }
        })
        .collect()
}

/// Odd, so that the median is a round that happened.
const ROUNDS: usize = 51;

/// Long against a clock reading (about 40 ns) and short enough that some rounds meet a quiet machine.
const BATCH: Duration = Duration::from_millis(2);

/// Number of calls that take about as long as [`BATCH`]; warms the row up on the way.
fn batch(run: &mut Run) -> u64 {
    let mut calls = 1;
    loop {
        let took = time(run, calls);
        if took >= BATCH / 2 {
            return (calls as f64 * BATCH.as_secs_f64() / took.as_secs_f64()).ceil() as u64;
        }
        calls *= 2;
    }
}

fn time(run: &mut Run, calls: u64) -> Duration {
    let start = Instant::now();
    run.calls(calls);
    start.elapsed()
}

/// Allocations and bytes per call: the difference of two lengths, so that what a loop allocates once
/// is left out.
fn allocations(run: &mut Run) -> (f64, f64) {
    const CALLS: u64 = 1_000;
    let mut of = |calls| {
        let before = Allocations::so_far();
        run.calls(calls);
        Allocations::so_far().since(before)
    };
    let (short, long) = (of(CALLS), of(2 * CALLS));
    let per_call = |short: u64, long: u64| (long as f64 - short as f64) / CALLS as f64;
    (per_call(short.count, long.count), per_call(short.bytes, long.bytes))
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ratio_is_taken_within_a_round() {
        let measured = |times_ns| Measured {
            name: "a/b",
            yardsticks: Vec::new(),
            times_ns,
            instructions: None,
            allocations: 0.0,
            allocated_bytes: 0.0,
        };
        // The machine was four times slower in the second round and twice in the third.
        let own = measured(vec![10.0, 40.0, 20.0]);
        let yardstick = measured(vec![20.0, 80.0, 40.0]);
        assert_eq!(own.median_ratio(&yardstick), 0.5);
        assert_eq!((own.best_ns(), own.median_ns()), (10.0, 20.0));
    }
}
