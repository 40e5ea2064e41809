//! Runs the servers in interleaved rounds.

use std::{
    env, fs,
    io::{BufRead, BufReader},
    net::SocketAddr,
    process::{Child, Command, Stdio},
    time::Duration,
};

use nix::{
    sched::{CpuSet, sched_getaffinity, sched_setaffinity},
    time::clock_getcpuclockid,
    unistd::Pid,
};

use super::{
    load, registry,
    served::{Kind, SERVE},
};
use crate::{
    boundary::server::Folder,
    harness::Failure,
    report::{Entry, Table, number},
};

/// A process that serves; it ends with this value, and with the process that has started it.
struct Server {
    process: Child,
    address: SocketAddr,
    /// From its first line until it served.
    started: Duration,
}

impl Server {
    fn start(kind: Kind, socket: &str) -> Result<Self, Failure> {
        let mut process = Command::new(env::current_exe()?)
            .args([SERVE, kind.name(), socket])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut line = String::new();
        BufReader::new(process.stdout.take().ok_or("expected a pipe to the server")?).read_line(&mut line)?;
        let (address, micros) = line
            .trim_end()
            .split_once(' ')
            .ok_or_else(|| format!("expected an address and a time, got `{line}`"))?;
        let started = Duration::from_micros(micros.parse()?);
        Ok(Self { address: address.parse()?, started, process })
    }

    fn pid(&self) -> Pid {
        Pid::from_raw(self.process.id().try_into().expect("Linux gives no larger ones"))
    }

    fn computed(&self) -> Result<Duration, Failure> {
        Ok(clock_getcpuclockid(self.pid())?.now()?.into())
    }

    /// Everything that is in memory for it, files included.
    fn resident_bytes(&self) -> Result<u64, Failure> {
        let path = format!("/proc/{}/status", self.process.id());
        let text = fs::read_to_string(&path)?;
        let kib = text.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB"));
        Ok(kib.ok_or_else(|| format!("expected a line `VmRSS: .. kB` in {path}"))?.parse::<u64>()? * 1024)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself; then there is nothing to end.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A row, and what its rounds gave.
struct Row {
    name: &'static str,
    server: Server,
    /// Answers a second.
    rates: Vec<f64>,
    /// CPU of the server for an answer, in ns.
    cpu: Vec<f64>,
}

/// All numbers of the benchmark.
///
/// # Errors
///
/// A server cannot be started, or answers with something else.
pub fn measure(quick: bool, folder: &Folder) -> Result<Vec<Entry>, Failure> {
    let mut entries = requests(quick, folder)?;
    entries.extend(idle(if quick { 2 } else { 10 })?);
    entries.push(registry::appearance(if quick { 2 } else { 10 }, folder)?);
    Ok(entries)
}

/// Prints every number.
pub fn print(entries: &[Entry]) {
    let mut table = Table::new(&["row", "measured", "", "÷", "yardstick"]);
    for Entry { name, value, unit, yardstick, ratio } in entries {
        table.line(vec![
            name.clone(),
            number(*value),
            (*unit).to_owned(),
            ratio.map(number).unwrap_or_default(),
            yardstick.clone().unwrap_or_default(),
        ]);
    }
    table.print();
}

fn requests(quick: bool, folder: &Folder) -> Result<Vec<Entry>, Failure> {
    let (far, near) = cores()?;
    let socket = folder.path().join("auth.sock").display().to_string();
    let auth = Server::start(Kind::Auth, &socket)?;
    pin(auth.pid(), far)?;
    let kinds = [
        ("hello/hyper", Kind::Hyper),
        ("hello/rpc", Kind::Hello),
        ("gateway/rpc", Kind::Gateway),
        ("gateway_unix/rpc", Kind::GatewayFar),
        ("hop/rpc", Kind::Hop),
    ];
    let mut rows = Vec::new();
    for (name, kind) in kinds {
        let server = Server::start(kind, &socket)?;
        pin(server.pid(), far)?;
        rows.push(Row { name, server, rates: Vec::new(), cpu: Vec::new() });
    }
    pin(Pid::from_raw(0), near)?;
    let (rounds, time) = if quick { (2, 200) } else { (9, 1000) };
    for round in 0..=rounds {
        for row in &mut rows {
            let before = row.server.computed()?;
            let rate = load::rate(row.server.address, Duration::from_millis(time))?;
            let cpu = (row.server.computed()? - before).as_secs_f64();
            // The first round warms up.
            if round > 0 {
                row.rates.push(rate);
                row.cpu.push(cpu * 1e9 / (rate * time as f64 / 1e3));
            }
        }
    }
    Ok(rows.iter().flat_map(|row| row.entries(&rows[0])).collect())
}

impl Row {
    fn entries(&self, hyper: &Self) -> [Entry; 3] {
        let best = |row: &Self| row.rates.iter().copied().fold(0.0, f64::max);
        let least = |row: &Self| row.cpu.iter().copied().fold(f64::INFINITY, f64::min);
        // Inside of a round, as times on a shared machine hold only as ratios.
        let ratios = self.rates.iter().zip(&hyper.rates).map(|(own, other)| own / other);
        let entry = |measure: &str, value, unit, ratio| Entry {
            name: format!("{}/{measure}", self.name),
            value,
            unit,
            yardstick: Some(hyper.name.to_owned()),
            ratio: Some(ratio),
        };
        [
            entry("rate_best", best(self), "requests/s", best(self) / best(hyper)),
            entry("rate_median", median(self.rates.clone()), "requests/s", median(ratios.collect())),
            entry("cpu_best", least(self), "ns", least(self) / least(hyper)),
        ]
    }
}

fn idle(starts: usize) -> Result<Vec<Entry>, Failure> {
    let (mut times, mut resident) = (Vec::new(), Vec::new());
    for _ in 0..starts {
        let server = Server::start(Kind::Idle, "-")?;
        times.push(server.started.as_secs_f64() * 1e3);
        resident.push(server.resident_bytes()? as f64 / f64::from(1 << 20));
    }
    let entry =
        |name: &str, value, unit| Entry { name: name.to_owned(), value, unit, yardstick: None, ratio: None };
    Ok(vec![
        entry("start_50/rpc/time_median", median(times), "ms"),
        entry("idle_50/rpc/resident", median(resident), "MiB"),
    ])
}

/// The one in the middle.
pub(super) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// The core of the servers, and that of the client.
fn cores() -> Result<(usize, usize), Failure> {
    let set = sched_getaffinity(Pid::from_raw(0))?;
    let mut cores = (0..CpuSet::count()).filter(|&core| set.is_set(core) == Ok(true));
    let first = cores.next().ok_or("expected a core to run on, got none")?;
    Ok((first, cores.next().unwrap_or(first)))
}

/// All threads of a process that has just started.
fn pin(process: Pid, core: usize) -> Result<(), Failure> {
    let mut set = CpuSet::new();
    set.set(core)?;
    let Ok(tasks) = fs::read_dir(format!("/proc/{process}/task")) else {
        return Ok(sched_setaffinity(process, &set)?);
    };
    for task in tasks {
        let name = task?.file_name();
        let id = name.to_str().and_then(|name| name.parse().ok()).ok_or("expected the number of a thread")?;
        sched_setaffinity(Pid::from_raw(id), &set)?;
    }
    Ok(())
}
