//! How the program is built again.

use std::{
    env,
    ffi::OsString,
    fmt, io,
    os::unix::process::CommandExt as _,
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process_group};

/// The command that builds it.
#[derive(Debug)]
pub(super) enum Build {
    /// What `cargo run` must have done.
    Cargo { program: OsString, arguments: Vec<OsString> },
    /// What the user says, for the shell.
    Shell(String),
}

impl Build {
    /// As this program was built, if `cargo run` has started it: that tells its package, and the path of the program the
    /// rest. What features it has nothing tells.
    pub(super) fn of(exe: &Path) -> Option<Self> {
        let manifest = env::var_os("CARGO_MANIFEST_DIR")?;
        let program = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        Some(Self::Cargo { program, arguments: arguments(exe, Path::new(&manifest))? })
    }

    pub(super) fn is_cargo(&self) -> bool {
        matches!(self, Self::Cargo { .. })
    }

    pub(super) fn start(&self) -> io::Result<Building> {
        let mut command = match self {
            Self::Cargo { program, arguments } => {
                let mut command = Command::new(program);
                command.args(arguments);
                command
            }
            Self::Shell(line) => {
                let mut command = Command::new("sh");
                command.args(["-c", line]);
                command
            }
        };
        // They are of the program that was run, and the build sets its own.
        let of_cargo = |name: &OsString| {
            name.to_str()
                .is_some_and(|name| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_"))
        };
        for (name, _) in env::vars_os().filter(|(name, _)| of_cargo(name)) {
            command.env_remove(name);
        }
        // A group of its own, so that all of it can be ended.
        let child = command.stdin(Stdio::null()).process_group(0).spawn()?;
        Ok(Building { child, begun: Instant::now() })
    }
}

/// As people would write it.
impl fmt::Display for Build {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cargo { arguments, .. } => {
                f.write_str("cargo")?;
                arguments.iter().try_for_each(|argument| write!(f, " {}", argument.display()))
            }
            Self::Shell(line) => f.write_str(line),
        }
    }
}

/// `target/debug/gateway`, `target/release/examples/router`, `target/<triple>/<profile>/gateway`.
fn arguments(exe: &Path, manifest: &Path) -> Option<Vec<OsString>> {
    let name = exe.file_name()?.to_owned();
    let folder = exe.parent()?;
    let is_example = folder.file_name()? == "examples";
    let profile = if is_example { folder.parent()? } else { folder };
    let above = profile.parent()?;
    let (target, triple) = match (is_target(above), is_target(above.parent()?)) {
        (true, _) => (above, None),
        (false, true) => (above.parent()?, Some(above.file_name()?)),
        (false, false) => return None,
    };
    let mut arguments: Vec<OsString> = vec!["build".into(), "--manifest-path".into()];
    arguments.push(manifest.join("Cargo.toml").into());
    arguments.extend([if is_example { "--example".into() } else { "--bin".into() }, name]);
    match profile.file_name()?.to_str() {
        Some("debug") => {}
        Some("release") => arguments.push("--release".into()),
        _ => arguments.extend(["--profile".into(), profile.file_name()?.to_owned()]),
    }
    if let Some(triple) = triple {
        arguments.extend(["--target".into(), triple.to_owned()]);
    }
    arguments.extend(["--target-dir".into(), target.into()]);
    Some(arguments)
}

/// Whether cargo has made this folder for what it builds.
fn is_target(folder: &Path) -> bool {
    folder.join("CACHEDIR.TAG").exists()
}

/// A build that runs. Dropping it ends it.
#[derive(Debug)]
pub(super) struct Building {
    child: Child,
    begun: Instant,
}

impl Building {
    /// How it has ended, if it has.
    pub(super) fn ended(&mut self) -> Option<io::Result<ExitStatus>> {
        self.child.try_wait().transpose()
    }

    pub(super) fn took(&self) -> Duration {
        self.begun.elapsed()
    }

    fn signal(&self, signal: Signal) {
        if let Some(pid) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            // It has not been waited for, so nobody else has its id; the others of its group may have ended.
            let _ = kill_process_group(pid, signal);
        }
    }
}

impl Drop for Building {
    fn drop(&mut self) {
        if !matches!(self.child.try_wait(), Ok(None)) {
            return;
        }
        self.signal(Signal::TERM);
        let begun = Instant::now();
        while matches!(self.child.try_wait(), Ok(None)) {
            if begun.elapsed() > PATIENCE {
                self.signal(Signal::KILL);
                let _ = self.child.wait();
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

/// How long a build has to end when it is told to.
const PATIENCE: Duration = Duration::from_millis(500);

#[cfg(test)]
mod tests {
    use super::*;

    fn derived(exe: &str) -> Option<String> {
        let folder =
            env::temp_dir().join(format!("rpc-build-{}-{}", std::process::id(), exe.replace('/', "-")));
        let target = folder.join("target");
        std::fs::create_dir_all(&target).unwrap();
        std::fs::write(target.join("CACHEDIR.TAG"), "").unwrap();
        let arguments = arguments(&folder.join(exe), Path::new("/src/app"));
        std::fs::remove_dir_all(&folder).unwrap();
        let build = Build::Cargo { program: "cargo".into(), arguments: arguments? };
        Some(build.to_string().replace(&*target.to_string_lossy(), "target"))
    }

    #[test]
    fn the_path_of_the_program_tells_its_name_and_profile() {
        for (exe, expected) in [
            ("target/debug/app", "--bin app --target-dir target"),
            ("target/release/app", "--bin app --release --target-dir target"),
            ("target/fast/app", "--bin app --profile fast --target-dir target"),
            ("target/debug/examples/app", "--example app --target-dir target"),
            (
                "target/x86_64-unknown-linux-gnu/debug/app",
                "--bin app --target x86_64-unknown-linux-gnu --target-dir target",
            ),
        ] {
            let expected = format!("cargo build --manifest-path /src/app/Cargo.toml {expected}");
            assert_eq!(derived(exe).unwrap(), expected);
        }
    }

    #[test]
    fn a_program_that_cargo_has_not_built_tells_nothing() {
        assert_eq!(derived("bin/app"), None);
    }
}
