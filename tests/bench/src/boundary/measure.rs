//! Runs rows in interleaved rounds.

use std::{collections::BTreeMap, fmt, time::Duration};

use tokio::runtime::{Builder, LocalOptions, LocalRuntime};

use super::{
    load::Load,
    peers::Peer,
    server::{Cores, Folder, Placement, Server},
};
use crate::{
    harness::Failure,
    report::{Entry, Table, number},
};

/// One load on one connection.
pub struct Row {
    /// `what/peer`, such as `calls_64/tarpc`.
    pub name: String,
    /// Names of the rows it is divided by.
    pub yardsticks: Vec<String>,
    peer: Peer,
    cores: Cores,
    slices: u32,
    set_up: Box<SetUp>,
}

type SetUp = dyn Fn(&LocalRuntime, &Server) -> Result<Box<dyn Load>, Failure>;

impl Row {
    /// A row without a yardstick, with the ends of its connection on two cores.
    pub fn new<L: Load + 'static>(
        name: impl Into<String>,
        peer: Peer,
        set_up: impl Fn(&LocalRuntime, &Server) -> Result<L, Failure> + 'static,
    ) -> Self {
        Self {
            name: name.into(),
            yardsticks: Vec::new(),
            peer,
            cores: Cores::Two,
            slices: 1,
            set_up: Box::new(move |runtime, server| Ok(Box::new(set_up(runtime, server)?))),
        }
    }

    /// Adds a row to compare with.
    #[must_use]
    pub fn against(mut self, yardstick: impl Into<String>) -> Self {
        self.yardsticks.push(yardstick.into());
        self
    }

    /// With the ends of the connection on the same core.
    #[must_use]
    pub fn on_one_core(mut self) -> Self {
        self.cores = Cores::One;
        self
    }

    /// For so many times as long in each round.
    #[must_use]
    pub fn longer(mut self, times: u32) -> Self {
        self.slices = times;
        self
    }
}

impl fmt::Debug for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Row").field("name", &self.name).finish_non_exhaustive()
    }
}

/// How much is measured.
#[derive(Clone, Copy, Debug)]
pub struct Effort {
    /// How often each row has its turn. Odd, so that the median is a round that happened.
    pub rounds: usize,
    /// How long a turn is, a tenth more for warming up before it.
    pub slice: Duration,
    /// How many sessions and calls are held while memory is looked at.
    pub held: usize,
}

impl Effort {
    /// For numbers: about two minutes.
    pub const FULL: Self = Self { rounds: 31, slice: Duration::from_millis(60), held: 1_000 };

    /// To see that all rows work; the numbers are no good.
    pub const QUICK: Self = Self { rounds: 3, slice: Duration::from_millis(20), held: 100 };
}

/// One number that a load gives in each round.
#[derive(Clone, Copy, Debug)]
pub struct Measure {
    name: &'static str,
    unit: &'static str,
    better: Better,
}

/// Which of two numbers is the better one.
#[derive(Clone, Copy, Debug)]
pub enum Better {
    /// The lower one, of times.
    Lower,
    /// The higher one, of rates.
    Higher,
}

impl Measure {
    /// A measure that the table and the file call `name`.
    pub const fn new(name: &'static str, unit: &'static str, better: Better) -> Self {
        Self { name, unit, better }
    }
}

/// What one row gave in all rounds.
#[derive(Debug)]
pub struct Measured {
    name: String,
    yardsticks: Vec<String>,
    measures: &'static [Measure],
    /// By round, then by measure.
    rounds: Vec<Vec<f64>>,
}

impl Measured {
    fn values(&self, measure: usize) -> Vec<f64> {
        self.rounds.iter().map(|round| round[measure]).collect()
    }

    fn best(&self, measure: usize) -> f64 {
        let values = self.values(measure).into_iter();
        match self.measures[measure].better {
            Better::Lower => values.fold(f64::INFINITY, f64::min),
            Better::Higher => values.fold(0.0, f64::max),
        }
    }

    fn median(&self, measure: usize) -> f64 {
        median(self.values(measure))
    }

    /// Median of the ratios, each taken within one round.
    fn median_ratio(&self, measure: usize, yardstick: &Self) -> f64 {
        let pairs = self.values(measure).into_iter().zip(yardstick.values(measure));
        median(pairs.map(|(own, other)| own / other).collect())
    }

    fn yardsticks<'a>(&self, rows: &'a [Self]) -> impl Iterator<Item = &'a Self> {
        self.yardsticks.iter().filter_map(|name| rows.iter().find(|row| row.name == *name))
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Measures all rows. Each peer has one server process, each row one connection to it, and all callers are tasks of one
/// runtime on this thread; only one row has calls in flight at any time.
///
/// # Errors
///
/// A server cannot be started, or a call fails.
pub fn measure(rows: &[Row], effort: Effort, folder: &Folder) -> Result<Vec<Measured>, Failure> {
    let placement = Placement::new()?;
    if !placement.has_two() {
        println!("there is one core only: rows for two cores are measured on it as well\n");
    }
    let mut servers = BTreeMap::new();
    for row in rows {
        let name = row.peer.name();
        if !servers.contains_key(name) {
            servers.insert(name, Server::start(row.peer, folder, name)?);
        }
    }
    let runtime = Builder::new_current_thread().enable_all().build_local(LocalOptions::default())?;
    let mut loads = Vec::with_capacity(rows.len());
    let mut measured = Vec::with_capacity(rows.len());
    for row in rows {
        let load = (row.set_up)(&runtime, &servers[row.peer.name()]).map_err(|error| during(row, error))?;
        measured.push(Measured {
            name: row.name.clone(),
            yardsticks: row.yardsticks.clone(),
            measures: load.measures(),
            rounds: Vec::with_capacity(effort.rounds),
        });
        loads.push(load);
    }
    for round in 0..effort.rounds {
        for step in 0..rows.len() {
            // Each round starts at another row: whatever disturbs the machine at regular intervals does not meet the
            // same row every time.
            let at = (round + step) % rows.len();
            let (row, load, slice) = (&rows[at], &mut loads[at], effort.slice * rows[at].slices);
            let server = &servers[row.peer.name()];
            placement.apply(row.cores, server)?;
            let mut turn = |time| load.round(&runtime, server, time).map_err(|error| during(row, error));
            turn(slice / 10)?;
            measured[at].rounds.push(turn(slice)?);
        }
    }
    Ok(measured)
}

fn during(row: &Row, error: Failure) -> Failure {
    format!("{}: {error}", row.name).into()
}

/// Prints a line for each measure and yardstick.
pub fn print(rows: &[Measured]) {
    let mut table = Table::new(&["row", "", "best", "median", "yardstick", "best ÷", "median ÷"]);
    for row in rows {
        for (at, measure) in row.measures.iter().enumerate() {
            let mut cells = vec![
                format!("{}/{}", row.name, measure.name),
                measure.unit.to_owned(),
                number(row.best(at)),
                number(row.median(at)),
            ];
            for yardstick in row.yardsticks(rows) {
                let ratios = [row.best(at) / yardstick.best(at), row.median_ratio(at, yardstick)];
                cells.push(yardstick.name.clone());
                cells.extend(ratios.map(number));
                table.line(std::mem::replace(&mut cells, vec![String::new(); 4]));
            }
            if row.yardsticks(rows).next().is_none() {
                table.line(cells);
            }
        }
    }
    table.print();
}

/// All numbers: for each measure the best round and the median, once per yardstick.
pub fn entries(rows: &[Measured]) -> Vec<Entry> {
    let mut entries = Vec::new();
    for row in rows {
        for (at, measure) in row.measures.iter().enumerate() {
            let name = |row: &Measured, of: &str| format!("{}/{}_{of}", row.name, measure.name);
            let mut add = |of, value, yardstick: Option<(&Measured, f64)>| {
                let (yardstick, ratio) = yardstick.map(|(row, ratio)| (name(row, of), ratio)).unzip();
                entries.push(Entry { name: name(row, of), value, unit: measure.unit, yardstick, ratio });
            };
            if row.yardsticks(rows).next().is_none() {
                add("best", row.best(at), None);
                add("median", row.median(at), None);
            }
            for yardstick in row.yardsticks(rows) {
                add("best", row.best(at), Some((yardstick, row.best(at) / yardstick.best(at))));
                add("median", row.median(at), Some((yardstick, row.median_ratio(at, yardstick))));
            }
        }
    }
    entries
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(better: Better, values: &[f64]) -> Measured {
        let measures: &'static [Measure] = match better {
            Better::Lower => const { &[Measure::new("p50", "us", Better::Lower)] },
            Better::Higher => const { &[Measure::new("rate", "calls/s", Better::Higher)] },
        };
        let rounds = values.iter().map(|&value| vec![value]).collect();
        Measured { name: "a/b".to_owned(), yardsticks: Vec::new(), measures, rounds }
    }

    #[test]
    fn the_best_time_is_the_shortest_and_the_best_rate_the_highest() {
        let values = [20.0, 10.0, 40.0];
        assert_eq!(measured(Better::Lower, &values).best(0), 10.0);
        assert_eq!(measured(Better::Higher, &values).best(0), 40.0);
    }

    #[test]
    fn a_ratio_is_taken_within_a_round() {
        // The machine was four times slower in the second round and twice in the third.
        let own = measured(Better::Lower, &[10.0, 40.0, 20.0]);
        let yardstick = measured(Better::Lower, &[20.0, 80.0, 40.0]);
        assert_eq!(own.median_ratio(0, &yardstick), 0.5);
    }
}
