//! What a macro costs the one who compiles: generated crates, built and timed.
//!
//! Each crate is written to `target/bench/codegen/<name>`, a workspace of its own with the versions of
//! this one's `Cargo.lock`; all share one target directory, so that dependencies are built once.
//! What is measured is the CPU time of rustc and the linker for the generated crate alone, in the dev
//! profile: clean (its own artifacts deleted) and after an edit of one function body.

use std::io;

use crate::report::{Entry, Table, number};

pub mod build;
pub mod messages;
pub mod services;

/// A crate to be generated.
#[derive(Debug)]
pub struct Project {
    /// Name of the crate and of its directory.
    pub name: &'static str,
    /// The project of the same run that it is divided by.
    pub yardstick: Option<&'static str>,
    /// Lines of `[dependencies]`.
    pub dependencies: String,
    /// `main.rs` or `lib.rs`.
    pub file: &'static str,
    /// The whole source; the argument is a constant in one function body: another one is an edit.
    pub source: fn(u64) -> String,
    /// What the program prints, if it is one.
    pub prints: Option<fn(u64) -> String>,
    /// Methods or messages in it.
    pub items: usize,
}

/// What one project was measured to cost.
#[derive(Debug)]
pub struct Built {
    project: Project,
    clean_s: f64,
    edit_s: f64,
    expanded_lines: f64,
}

/// Every project, yardsticks before what is compared with them.
pub fn projects() -> Vec<Project> {
    let mut projects = services::projects();
    projects.extend(messages::projects());
    projects
}

/// Builds all projects in interleaved rounds; the best round counts.
///
/// # Errors
///
/// If a project cannot be written, does not build, or prints something unexpected.
pub fn measure(projects: Vec<Project>) -> io::Result<Vec<Built>> {
    let crates = projects.iter().map(build::Crate::generate).collect::<io::Result<Vec<_>>>()?;
    let mut built: Vec<_> = projects
        .into_iter()
        .map(|project| Built { project, clean_s: f64::INFINITY, edit_s: f64::INFINITY, expanded_lines: 0.0 })
        .collect();
    for (built, generated) in built.iter_mut().zip(&crates) {
        println!("building the dependencies of {}", built.project.name);
        built.expanded_lines = generated.expanded_lines()? as f64 / built.project.items as f64;
    }
    for round in 0..ROUNDS {
        println!("round {} of {ROUNDS}", round + 1);
        for (built, generated) in built.iter_mut().zip(&crates) {
            generated.write(built.project.source, 2 * round)?;
            built.clean_s = built.clean_s.min(generated.build_clean()?);
            generated.write(built.project.source, 2 * round + 1)?;
            built.edit_s = built.edit_s.min(generated.build()?);
            if let Some(prints) = built.project.prints {
                generated.run(&prints(2 * round + 1))?;
            }
        }
    }
    Ok(built)
}

const ROUNDS: u64 = 3;

/// Prints one line per project.
pub fn print(built: &[Built]) {
    let mut table = Table::new(&[
        "100 methods or messages",
        "clean s",
        "edit s",
        "lines each",
        "yardstick",
        "clean ÷",
        "edit ÷",
        "lines ÷",
    ]);
    for row in built {
        let [clean, edit, lines] = ratios(built, row).map(|ratio| ratio.map_or_else(String::new, number));
        let yardstick = row.project.yardstick.unwrap_or_default().to_owned();
        let [clean_s, edit_s] = [row.clean_s, row.edit_s].map(|seconds| format!("{seconds:.2}"));
        let lines_each = number(row.expanded_lines);
        table.line(vec![
            row.project.name.to_owned(),
            clean_s,
            edit_s,
            lines_each,
            yardstick,
            clean,
            edit,
            lines,
        ]);
    }
    table.print();
}

/// All numbers, for the result file.
pub fn entries(built: &[Built]) -> Vec<Entry> {
    let of = |row: &Built| {
        let values = [row.clean_s, row.edit_s, row.expanded_lines];
        let measures = [("dev_clean", "cpu s"), ("dev_edit", "cpu s"), ("expanded_lines_each", "lines")];
        let (name, yardstick) = (row.project.name, row.project.yardstick);
        let entry = |((value, (measure, unit)), ratio)| Entry {
            name: format!("{name}/{measure}"),
            value,
            unit,
            yardstick: yardstick.map(|yardstick| format!("{yardstick}/{measure}")),
            ratio,
        };
        values.into_iter().zip(measures).zip(ratios(built, row)).map(entry).collect::<Vec<_>>()
    };
    built.iter().flat_map(of).collect()
}

fn ratios(built: &[Built], row: &Built) -> [Option<f64>; 3] {
    let yardstick = built.iter().find(|other| Some(other.project.name) == row.project.yardstick);
    let ratio = |of: fn(&Built) -> f64| yardstick.map(|yardstick| of(row) / of(yardstick));
    [ratio(|built| built.clean_s), ratio(|built| built.edit_s), ratio(|built| built.expanded_lines)]
}
