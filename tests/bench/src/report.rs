//! Prints the table and writes `target/bench/<name>.json`.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
    process::Command,
};

use serde::Serialize;
use serde_json::Value;

use crate::harness::Measured;

/// One number of a result file.
#[derive(Debug, Serialize)]
pub struct Entry {
    /// `row/measure`, such as `add/async_trait/instructions`.
    pub name: String,
    /// In `unit`.
    pub value: f64,
    /// `ns`, `us`, `instructions`, `allocations`, `bytes`, `cpu s`, `lines`, `calls/s`, `requests/s`, `ms`, `MiB` or `MiB/s`.
    pub unit: &'static str,
    /// Name of the number that `value` is divided by.
    pub yardstick: Option<String>,
    /// `value` ÷ yardstick; null in the file when the yardstick is 0.
    pub ratio: Option<f64>,
}

/// All numbers of the in-process rows: one entry per measure and yardstick.
pub fn entries(rows: &[Measured]) -> Vec<Entry> {
    let mut entries = Vec::new();
    for row in rows {
        let measures = measures(row);
        if row.yardsticks.is_empty() {
            entries.extend(measures.iter().map(|measure| measure.entry(row.name, None)));
        }
        for yardstick in find_all(rows, &row.yardsticks) {
            for (own, other) in measures.iter().zip(self::measures(yardstick)) {
                let ratio = match own.measure {
                    "time_median" => row.median_ratio(yardstick),
                    _ => own.value / other.value,
                };
                entries.push(own.entry(row.name, Some((yardstick.name, ratio))));
            }
        }
    }
    entries
}

/// Prints one line per row; ratios are to the row's first yardstick.
pub fn print_rows(rows: &[Measured]) {
    let mut table = Table::new(&[
        "row",
        "best ns",
        "median ns",
        "instr.",
        "allocs",
        "bytes",
        "yardstick",
        "best ÷",
        "median ÷",
        "instr. ÷",
    ]);
    for row in rows {
        let yardstick = find_all(rows, &row.yardsticks).next();
        table.line(vec![
            row.name.to_owned(),
            number(row.best_ns()),
            number(row.median_ns()),
            row.instructions.map_or_else(|| "no valgrind".to_owned(), number),
            number(row.allocations),
            number(row.allocated_bytes),
            yardstick.map_or("", |yardstick| yardstick.name).to_owned(),
            optional(yardstick.map(|yardstick| row.best_ns() / yardstick.best_ns())),
            optional(yardstick.map(|yardstick| row.median_ratio(yardstick))),
            optional(yardstick.and_then(|yardstick| Some(row.instructions? / yardstick.instructions?))),
        ]);
    }
    table.print();
}

/// Writes the entries to `target/bench/<name>.json` and says where.
///
/// # Errors
///
/// If the target directory cannot be found or written.
pub fn write(name: &str, entries: &[Entry]) -> io::Result<()> {
    let path = bench_dir()?.join(name).with_extension("json");
    fs::write(&path, serde_json::to_string_pretty(entries)? + "\n")?;
    println!("written to {}", path.display());
    Ok(())
}

/// `target/bench`, made if it is missing. Cargo is asked for the place: the environment and every
/// configuration file may move it.
///
/// # Errors
///
/// If cargo cannot be run or the directory cannot be made.
pub fn bench_dir() -> io::Result<PathBuf> {
    let output = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["metadata", "--no-deps", "--format-version=1"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()?;
    let metadata: Value = serde_json::from_slice(&output.stdout)?;
    let target = metadata["target_directory"].as_str().ok_or_else(|| {
        io::Error::other(format!(
            "expected `target_directory` from cargo metadata, got: {}",
            String::from_utf8_lossy(&output.stderr)
        ))
    })?;
    let bench = Path::new(target).join("bench");
    fs::create_dir_all(&bench)?;
    Ok(bench)
}

/// A table with aligned columns: the first to the left, numbers to the right.
#[derive(Debug)]
pub struct Table(Vec<Vec<String>>);

impl Table {
    /// A table with these column heads.
    pub fn new(heads: &[&str]) -> Self {
        Self(vec![heads.iter().map(|&head| head.to_owned()).collect()])
    }

    /// Adds a line.
    pub fn line(&mut self, cells: Vec<String>) {
        self.0.push(cells);
    }

    /// Prints all lines to standard output; nothing when there is only the head.
    pub fn print(&self) {
        if self.0.len() == 1 {
            return;
        }
        let width = |column: usize| {
            let cells = self.0.iter().filter_map(|line| line.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or_default()
        };
        let widths: Vec<_> = (0..self.0[0].len()).map(width).collect();
        for line in &self.0 {
            let mut text = format!("{:<1$}", line[0], widths[0]);
            for (cell, &width) in line.iter().zip(&widths).skip(1) {
                text += &format!("  {cell:>width$}");
            }
            println!("{}", text.trim_end());
        }
        println!();
    }
}

/// A number with as many digits as it is good for.
pub fn number(value: f64) -> String {
    match value {
        value if value >= 100.0 => format!("{value:.0}"),
        value if value == value.round() => format!("{value:.0}"),
        value if value >= 10.0 => format!("{value:.1}"),
        value => format!("{value:.2}"),
    }
}

fn optional(ratio: Option<f64>) -> String {
    ratio.map_or_else(String::new, number)
}

struct Measure {
    measure: &'static str,
    value: f64,
    unit: &'static str,
}

impl Measure {
    fn entry(&self, row: &str, yardstick: Option<(&str, f64)>) -> Entry {
        let name_of = |row: &str| format!("{row}/{}", self.measure);
        let (yardstick, ratio) = yardstick.map(|(yardstick, ratio)| (name_of(yardstick), ratio)).unzip();
        Entry { name: name_of(row), value: self.value, unit: self.unit, yardstick, ratio }
    }
}

/// The same measures in the same order for each row of one run.
fn measures(row: &Measured) -> Vec<Measure> {
    let mut measures = vec![
        Measure { measure: "time_best", value: row.best_ns(), unit: "ns" },
        Measure { measure: "time_median", value: row.median_ns(), unit: "ns" },
        Measure { measure: "allocations", value: row.allocations, unit: "allocations" },
        Measure { measure: "allocated", value: row.allocated_bytes, unit: "bytes" },
    ];
    measures.extend(row.instructions.map(|value| Measure {
        measure: "instructions",
        value,
        unit: "instructions",
    }));
    measures
}

fn find_all<'a>(rows: &'a [Measured], names: &'a [&str]) -> impl Iterator<Item = &'a Measured> {
    names.iter().filter_map(|&name| rows.iter().find(|row| row.name == name))
}
