//! The other side of a transport: `tests/it/transport` runs it as a process of its own, and as another user.

use std::{env, io::Read as _, io::Write as _, os::unix::net, process::ExitCode};

use rpc_runtime::transport::{Address, Listener, connect};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// `listen ADDRESS` says `listening` and accepts until it is killed; `connect ADDRESS` sends a byte and says what it
/// reads; `open PATH` does so without looking at what leads there.
#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let outcome = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["listen", address] => listen(address).await,
        ["connect", address] => exchange(address).await,
        ["open", path] => open(path),
        _ => Err("expected `listen ADDRESS`, `connect ADDRESS` or `open PATH`".into()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("{error}");
            ExitCode::FAILURE
        }
    }
}

type Outcome = Result<(), Box<dyn std::error::Error>>;

async fn listen(address: &str) -> Outcome {
    let mut listener = Listener::bind(&address.parse::<Address>()?).await?;
    println!("listening");
    loop {
        let mut accepted = listener.accept().await;
        // Who only wanted to know whether somebody listens has gone.
        let _ = accepted.stream.write_all(b"welcome").await;
    }
}

async fn exchange(address: &str) -> Outcome {
    let mut stream = connect(&address.parse::<Address>()?).await?;
    let mut text = String::new();
    stream.write_all(b"x").await?;
    stream.read_to_string(&mut text).await?;
    println!("read {text:?}");
    Ok(())
}

fn open(path: &str) -> Outcome {
    let mut stream = net::UnixStream::connect(path)?;
    let mut text = String::new();
    stream.write_all(b"x")?;
    stream.read_to_string(&mut text)?;
    println!("read {text:?}");
    Ok(())
}
