//! Counts instructions: exact where times are not.

use std::{
    env,
    path::PathBuf,
    process::{Command, Stdio},
};

/// A valgrind that runs on this machine, and the executable it counts: this very one, which makes the
/// calls of one row when it is started with `--row NAME --calls N`, so that both share a profile.
#[derive(Debug)]
pub struct Valgrind {
    executable: PathBuf,
}

impl Valgrind {
    /// Looks for valgrind; without it no instructions are reported.
    pub fn find() -> Option<Self> {
        let version = Command::new("valgrind").arg("--version").stdout(Stdio::null()).status();
        let executable = env::current_exe().ok()?;
        version.is_ok_and(|status| status.success()).then_some(Self { executable })
    }

    /// Instructions per call of `row`: the difference of two runs, so that start, set-up and the
    /// first calls are left out.
    ///
    /// # Panics
    ///
    /// If valgrind runs but its output has no count.
    pub fn instructions_per_call(&self, row: &str) -> f64 {
        let (short, long) = (self.instructions(row, WARM_UP), self.instructions(row, WARM_UP + CALLS));
        (long as f64 - short as f64) / CALLS as f64
    }

    fn instructions(&self, row: &str, calls: u64) -> u64 {
        let output = Command::new("valgrind")
            .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
            .arg(&self.executable)
            .args(["--row", row, "--calls", &calls.to_string()])
            .output()
            .expect("valgrind was found");
        let report = String::from_utf8_lossy(&output.stderr);
        collected(&report)
            .unwrap_or_else(|| panic!("expected `Collected : N` from callgrind, got:\n{report}"))
    }
}

/// Enough to fill pools and queues; the chain of 32 through tarpc makes 6400 calls of it.
const WARM_UP: u64 = 200;
const CALLS: u64 = 1_000;

/// The number in `==123== Collected : 45678`.
fn collected(report: &str) -> Option<u64> {
    let (_, count) = report.lines().find_map(|line| line.split_once("Collected :"))?;
    count.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_count_is_read_from_the_report() {
        let report = "==7== Events    : Ir\n==7== Collected : 287650\n==7== \n==7== I   refs:      287,650\n";
        assert_eq!(super::collected(report), Some(287_650));
        assert_eq!(super::collected("valgrind: failed to start tool"), None);
    }
}
