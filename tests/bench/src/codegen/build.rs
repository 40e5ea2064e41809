//! Writes a generated crate, builds it, and reads what that cost.

use std::{
    env, fs,
    io::{self, ErrorKind},
    path::{Path, PathBuf},
    process::{Command, ExitCode, Output},
};

use nix::sys::{
    resource::{UsageWho, getrusage},
    time::TimeValLike,
};

use super::Project;
use crate::report;

/// A generated crate on the disk.
#[derive(Debug)]
pub struct Crate {
    name: &'static str,
    dir: PathBuf,
    source: PathBuf,
    target: PathBuf,
}

impl Crate {
    /// Writes the manifest, the lock file and the source.
    ///
    /// # Errors
    ///
    /// If a file cannot be written.
    pub fn generate(project: &Project) -> io::Result<Self> {
        let Project { name, dependencies, file, .. } = project;
        let root = report::bench_dir()?.join("codegen");
        let dir = root.join(name);
        let source = dir.join("src").join(file);
        fs::create_dir_all(dir.join("src"))?;
        let manifest = format!(
            "[package]\nname = \"{name}\"\nedition = \"2024\"\n\n[dependencies]\n{dependencies}\n\n[workspace]\n"
        );
        fs::write(dir.join("Cargo.toml"), manifest)?;
        fs::copy(workspace().join("Cargo.lock"), dir.join("Cargo.lock"))?;
        let generated = Self { name, dir, source, target: root.join("target") };
        generated.write(project.source, 0)?;
        Ok(generated)
    }

    /// Writes the source with this constant in the edited function.
    ///
    /// # Errors
    ///
    /// If the file cannot be written.
    pub fn write(&self, source: fn(u64) -> String, edit: u64) -> io::Result<()> {
        fs::write(&self.source, source(edit))
    }

    /// Lines of code after expansion, as rustc prints them.
    ///
    /// # Errors
    ///
    /// If the crate does not build.
    pub fn expanded_lines(&self) -> io::Result<usize> {
        let output = self.cargo(&["rustc", "--quiet", "--", EXPAND])?;
        Ok(String::from_utf8_lossy(&output.stdout).lines().filter(|line| !line.trim().is_empty()).count())
    }

    /// Builds the crate without any artifact of its own; CPU seconds.
    ///
    /// # Errors
    ///
    /// If the crate does not build.
    pub fn build_clean(&self) -> io::Result<f64> {
        self.cargo(&["clean", "--quiet", "--package", self.name])?;
        self.build()
    }

    /// Builds the crate; CPU seconds.
    ///
    /// # Errors
    ///
    /// If the crate does not build, or there was nothing to build.
    pub fn build(&self) -> io::Result<f64> {
        let report = self.report();
        match fs::remove_file(&report) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        self.cargo(&["build", "--quiet"])?;
        let seconds = fs::read_to_string(report)?;
        seconds.parse().map_err(io::Error::other)
    }

    /// Runs the program: a crate whose calls do not work is not worth measuring.
    ///
    /// # Errors
    ///
    /// If it prints something else than `expected`.
    pub fn run(&self, expected: &str) -> io::Result<()> {
        let output = Command::new(self.target.join("debug").join(self.name)).output()?;
        match String::from_utf8_lossy(&output.stdout).trim() {
            printed if printed == expected => Ok(()),
            printed => {
                Err(io::Error::other(format!("expected {} to print {expected}, got {printed}", self.name)))
            }
        }
    }

    fn report(&self) -> PathBuf {
        self.dir.join("cpu_seconds")
    }

    fn cargo(&self, arguments: &[&str]) -> io::Result<Output> {
        let output = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
            .args(arguments)
            .current_dir(&self.dir)
            .env("CARGO_TARGET_DIR", &self.target)
            // Whatever is set for the workspace, the crates are built as `cargo build` does it for most.
            .env("CARGO_INCREMENTAL", "1")
            .env_remove("RUSTFLAGS")
            .env_remove("CARGO_ENCODED_RUSTFLAGS")
            .env("RUSTC_WORKSPACE_WRAPPER", env::current_exe()?)
            .env(WRAPPED_CRATE, self.name)
            .env(WRAPPED_REPORT, self.report())
            .output()?;
        if output.status.success() {
            return Ok(output);
        }
        let errors = String::from_utf8_lossy(&output.stderr);
        Err(io::Error::other(format!("cargo {} in {}:\n{errors}", arguments.join(" "), self.dir.display())))
    }
}

/// Stands between cargo and rustc for the generated crate alone (`RUSTC_WORKSPACE_WRAPPER`), when this
/// executable is started by cargo: writes down what rustc and the linker took. Reading cargo's own
/// children instead would add cargo, a tenth of a second of its own, to both sides of a ratio.
///
/// # Errors
///
/// If rustc cannot be run or the report cannot be written.
pub fn wrap_rustc() -> Option<io::Result<ExitCode>> {
    let (name, report) = (env::var_os(WRAPPED_CRATE)?, env::var_os(WRAPPED_REPORT)?);
    let mut arguments = env::args_os().skip(1);
    let mut rustc = Command::new(arguments.next()?);
    let arguments: Vec<_> = arguments.collect();
    if arguments.iter().any(|argument| argument == EXPAND) {
        // Set for this crate alone: build scripts of dependencies look at it, and would run again.
        rustc.env("RUSTC_BOOTSTRAP", "1");
    }
    let outcome = rustc.args(&arguments).status().and_then(|status| {
        if arguments.windows(2).any(|pair| pair[0] == "--crate-name" && pair[1] == name) {
            fs::write(report, children_cpu_seconds()?.to_string())?;
        }
        Ok(ExitCode::from(u8::from(!status.success())))
    });
    Some(outcome)
}

const WRAPPED_CRATE: &str = "RPC_BENCH_CRATE";
const WRAPPED_REPORT: &str = "RPC_BENCH_REPORT";
const EXPAND: &str = "-Zunpretty=expanded";

fn children_cpu_seconds() -> io::Result<f64> {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    Ok((usage.user_time() + usage.system_time()).num_microseconds() as f64 / 1e6)
}

/// Root of the workspace this crate belongs to.
pub fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}
