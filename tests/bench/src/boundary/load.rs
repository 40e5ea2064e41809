//! What is done with a connection for a while, and what is read off it.

use std::{
    cell::Cell,
    rc::Rc,
    time::{Duration, Instant},
};

use tokio::{
    runtime::LocalRuntime,
    task::spawn_local,
    time::{sleep, timeout},
};

use super::{
    measure::{Better, Measure},
    peers::{Add, Echo, Ends},
    server::{Server, computed_here},
};
use crate::{harness::Failure, peers::ECHO_BYTES};

/// Puts load on a connection, for about as long as it is told, and gives one number for each of its measures.
pub trait Load {
    /// One round.
    ///
    /// # Errors
    ///
    /// A call fails, or has another result than it should: then there is nothing to measure.
    fn round(&mut self, runtime: &LocalRuntime, server: &Server, time: Duration)
    -> Result<Vec<f64>, Failure>;

    /// What the numbers of a round are.
    fn measures(&self) -> &'static [Measure];
}

/// One call after the other.
#[derive(Debug)]
pub struct Sequential<P>(P);

impl<P: Ends> Sequential<P> {
    /// Over a new connection.
    ///
    /// # Errors
    ///
    /// There is none to be had.
    pub fn new(runtime: &LocalRuntime, server: &Server) -> Result<Self, Failure> {
        Ok(Self(patiently(runtime, server.connect())?))
    }
}

impl<P: Add> Load for Sequential<P> {
    fn round(&mut self, runtime: &LocalRuntime, _: &Server, time: Duration) -> Result<Vec<f64>, Failure> {
        patiently(runtime, async {
            let mut took_us = Vec::new();
            let start = Instant::now();
            let mut last = start;
            while last - start < time {
                add(&mut self.0, took_us.len() as u64).await?;
                let now = Instant::now();
                took_us.push((now - last).as_secs_f64() * 1e6);
                last = now;
            }
            self.0.settle().await?;
            took_us.sort_by(f64::total_cmp);
            let percentile = |percent| took_us[(took_us.len() - 1) * percent / 100];
            Ok(vec![percentile(50), percentile(99)])
        })
    }

    fn measures(&self) -> &'static [Measure] {
        const { &[Measure::new("p50", "us", Better::Lower), Measure::new("p99", "us", Better::Lower)] }
    }
}

/// Many calls at any time: as many tasks as there are to be calls in flight, each with one call after the other.
#[derive(Debug)]
pub struct InFlight<P> {
    peer: P,
    calls: usize,
}

impl<P: Ends> InFlight<P> {
    /// Over a new connection.
    ///
    /// # Errors
    ///
    /// There is none to be had.
    pub fn new(runtime: &LocalRuntime, server: &Server, calls: usize) -> Result<Self, Failure> {
        Ok(Self { peer: patiently(runtime, server.connect())?, calls })
    }
}

impl<P: Add + Clone> Load for InFlight<P> {
    fn round(
        &mut self,
        runtime: &LocalRuntime,
        server: &Server,
        time: Duration,
    ) -> Result<Vec<f64>, Failure> {
        let (there, here) = (server.computed()?, computed_here()?);
        let start = Instant::now();
        let calls = patiently(runtime, async {
            let stop = Rc::new(Cell::new(false));
            let lanes: Vec<_> = (0..self.calls)
                .map(|_| {
                    let (mut peer, stop) = (self.peer.clone(), Rc::clone(&stop));
                    spawn_local(async move {
                        let mut calls = 0_u64;
                        while !stop.get() {
                            add(&mut peer, calls).await?;
                            calls += 1;
                        }
                        Ok::<_, Failure>(calls)
                    })
                })
                .collect();
            // A timer, so that no call has to read the clock.
            sleep(time).await;
            stop.set(true);
            let mut calls = 0;
            for lane in lanes {
                calls += lane.await??;
            }
            Ok::<_, Failure>(calls as f64)
        })?;
        let took = start.elapsed().as_secs_f64();
        let each_us = |computed: Duration| computed.as_secs_f64() * 1e6 / calls;
        Ok(vec![calls / took, each_us(server.computed()? - there), each_us(computed_here()? - here)])
    }

    fn measures(&self) -> &'static [Measure] {
        const {
            &[
                Measure::new("rate", "calls/s", Better::Higher),
                Measure::new("server_cpu", "us", Better::Lower),
                Measure::new("client_cpu", "us", Better::Lower),
            ]
        }
    }
}

/// One large call after the other.
#[derive(Debug)]
pub struct Echoes<P>(P);

impl<P: Ends> Echoes<P> {
    /// Over a new connection.
    ///
    /// # Errors
    ///
    /// There is none to be had.
    pub fn new(runtime: &LocalRuntime, server: &Server) -> Result<Self, Failure> {
        Ok(Self(patiently(runtime, server.connect())?))
    }
}

impl<P: Echo> Load for Echoes<P> {
    fn round(&mut self, runtime: &LocalRuntime, _: &Server, time: Duration) -> Result<Vec<f64>, Failure> {
        patiently(runtime, async {
            let start = Instant::now();
            let mut echoes = 0;
            while start.elapsed() < time {
                let bytes = self.0.echo().await?;
                if bytes != ECHO_BYTES {
                    return Err(format!("expected {ECHO_BYTES} bytes, got {bytes}").into());
                }
                echoes += 1;
            }
            let mib = f64::from(echoes) * ECHO_BYTES as f64 / f64::from(1 << 20);
            Ok(vec![mib / start.elapsed().as_secs_f64()])
        })
    }

    fn measures(&self) -> &'static [Measure] {
        const { &[Measure::new("rate", "MiB/s", Better::Higher)] }
    }
}

/// Runs a round, and gives up when it does not end: a peer that loses an answer must not hold up the run for ever.
fn patiently<T>(
    runtime: &LocalRuntime,
    round: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    let within = runtime.block_on(async { timeout(PATIENCE, round).await });
    within.unwrap_or_else(|_| Err(format!("no answer within {} s", PATIENCE.as_secs()).into()))
}

/// A hundred times as long as a round takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// One small call, with numbers that take 9 bytes each in postcard, so that a typed call is as long as a raw one.
///
/// # Errors
///
/// The call fails, or its result is not the sum.
pub async fn add(peer: &mut impl Add, number: u64) -> Result<(), Failure> {
    let (a, b) = (LARGE + number, LARGE);
    match peer.add(a, b).await? {
        sum if sum == a + b => Ok(()),
        sum => Err(format!("expected {a} + {b} to be {}, got {sum}", a + b).into()),
    }
}

const LARGE: u64 = 1 << 62;
