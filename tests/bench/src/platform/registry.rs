//! How soon a Worker of another terminal is found.

use std::{
    env, fs,
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use super::{measure::median, served::TOKEN};
use crate::{boundary::server::Folder, harness::Failure, report::Entry};

/// The time from the entry of a Worker in the registry until a request that needs it is answered, asked again and again.
///
/// # Errors
///
/// A host cannot be started, or never finds the other one.
pub fn appearance(rounds: usize, folder: &Folder) -> Result<Entry, Failure> {
    let gateway = "name = 'gateway'\nmain = 'gateway'\nservices = [{ binding = 'AUTH', service = 'auth' }]";
    fs::write(folder.path().join("gateway.toml"), gateway)?;
    fs::write(folder.path().join("auth.toml"), "name = 'auth'\nmain = 'auth'")?;
    let mut gateway = Dev::start(folder.path(), "gateway.toml")?;
    let address = gateway.address()?;
    let entry = folder.path().join("registry/auth.json");
    let mut times = Vec::new();
    for _ in 0..rounds {
        until("the end of the last one", || Ok(status(address)? == 503))?;
        let auth = Dev::start(folder.path(), "auth.toml")?;
        until("an entry", || Ok(entry.exists()))?;
        let appeared = Instant::now();
        until("an answer", || Ok(status(address)? == 200))?;
        times.push(appeared.elapsed().as_secs_f64() * 1e3);
        drop(auth);
        // Killed, it has left it behind.
        fs::remove_file(&entry)?;
    }
    let name = "appearance/rpc/time_median".to_owned();
    Ok(Entry { name, value: median(times), unit: "ms", yardstick: None, ratio: None })
}

/// A terminal; it ends with this value.
struct Dev(Child);

impl Dev {
    fn start(folder: &Path, file: &str) -> Result<Self, Failure> {
        let process = Command::new(env::current_exe()?)
            .args(["dev", "-c", file, "--port", "0", "--registry", "registry"])
            .current_dir(folder)
            .stdout(Stdio::piped())
            // It warns of each request that it has to refuse.
            .stderr(Stdio::null())
            .spawn()?;
        Ok(Self(process))
    }

    /// Where it serves HTTP.
    fn address(&mut self) -> Result<SocketAddr, Failure> {
        let output = self.0.stdout.as_mut().ok_or("expected a pipe to the host")?;
        for line in BufReader::new(output).lines() {
            if let Some((_, address)) = line?.split_once("http://") {
                return Ok(address.trim().replace("localhost", "127.0.0.1").parse()?);
            }
        }
        Err("the host has ended".into())
    }
}

impl Drop for Dev {
    fn drop(&mut self) {
        // It may have ended by itself; then there is nothing to end.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn status(address: SocketAddr) -> Result<u16, Failure> {
    let mut stream = TcpStream::connect(address)?;
    write!(stream, "GET / HTTP/1.1\r\nHost: site\r\nAuthorization: {TOKEN}\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let status = answer.split(' ').nth(1).ok_or_else(|| format!("expected an answer, got `{answer}`"))?;
    Ok(status.parse()?)
}

fn until(what: &str, mut is_so: impl FnMut() -> Result<bool, Failure>) -> Result<(), Failure> {
    let begun = Instant::now();
    while !is_so()? {
        if begun.elapsed() > PATIENCE {
            return Err(format!("{what} was waited for, for {} s", PATIENCE.as_secs()).into());
        }
        sleep(PAUSE);
    }
    Ok(())
}

/// Much longer than it may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// How exact the time is.
const PAUSE: Duration = Duration::from_micros(500);
