//! Many connections, each with one request at a time.

use std::{
    cell::Cell,
    net::SocketAddr,
    rc::Rc,
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    runtime::Builder,
    task::LocalSet,
};

use super::served::{HELLO, TOKEN};
use crate::harness::Failure;

/// How many connections are kept busy.
pub const CONNECTIONS: usize = 64;

/// Asks for so long, and gives how many answers came in each second.
///
/// It writes and reads bytes and parses nothing, so that the server is what limits the rate.
///
/// # Errors
///
/// A connection breaks, or an answer is another one.
pub fn rate(address: SocketAddr, time: Duration) -> Result<f64, Failure> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let answers = Rc::new(Cell::new(0_u64));
    let begun = Instant::now();
    LocalSet::new().block_on(&runtime, async {
        let asking = (0..CONNECTIONS)
            .map(|_| tokio::task::spawn_local(ask(address, begun + time, Rc::clone(&answers))));
        for asked in asking.collect::<Vec<_>>() {
            asked.await??;
        }
        Ok::<_, Failure>(())
    })?;
    Ok(answers.get() as f64 / begun.elapsed().as_secs_f64())
}

async fn ask(address: SocketAddr, end: Instant, answers: Rc<Cell<u64>>) -> Result<(), Failure> {
    let mut stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let request = format!("GET / HTTP/1.1\r\nhost: site\r\nauthorization: {TOKEN}\r\n\r\n");
    let mut bytes = [0; 1024];
    while Instant::now() < end {
        stream.write_all(request.as_bytes()).await?;
        let mut read = 0;
        while !bytes[..read].ends_with(HELLO.as_bytes()) {
            match stream.read(&mut bytes[read..]).await? {
                0 => {
                    let got = String::from_utf8_lossy(&bytes[..read]);
                    return Err(format!("expected an answer that ends with `{HELLO}`, got `{got}`").into());
                }
                more => read += more,
            }
        }
        answers.set(answers.get() + 1);
    }
    Ok(())
}
