//! Byte streams between hosts: who is let in, who is trusted, and what is said about the rest.

mod address;
pub(crate) mod certificates;
pub(crate) mod folder;
mod tcp;
mod tls;
mod trust;
mod unix;

use std::time::Duration;

use rpc_runtime::transport::{Accepted, Address, Listener, Stream, connect};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use self::folder::Folder;

/// Much longer than anything here takes on a slow machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// Both ends of a connection.
async fn pair(listener: &mut Listener, address: &Address) -> (Stream, Accepted) {
    let (stream, accepted) = tokio::join!(connect(address), listener.accept());
    (stream.unwrap(), accepted)
}

/// Each side gets what the other has sent, and then its end.
async fn assert_carries(mut left: Stream, mut right: Stream) {
    let bytes: Vec<u8> = (0..1_000_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let both = async {
        tokio::join!(exchange(&mut left, &bytes), exchange(&mut right, &bytes));
    };
    tokio::time::timeout(PATIENCE, both).await.expect("the bytes arrive");
}

async fn exchange(stream: &mut Stream, bytes: &[u8]) {
    let (mut reader, mut writer) = tokio::io::split(stream);
    let send = async {
        writer.write_all(bytes).await.unwrap();
        writer.shutdown().await.unwrap();
    };
    let mut received = Vec::new();
    let (_, read) = tokio::join!(send, reader.read_to_end(&mut received));
    read.unwrap();
    assert!(received == bytes, "{} bytes came, {} were sent", received.len(), bytes.len());
}

/// A listener of its own runtime hands on what it accepted, and ends; so does whoever connected.
fn goes_on_in_another_runtime<F: Future<Output = (Listener, Address)>>(listen: impl FnOnce() -> F) {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (left, right) = runtime().block_on(async {
        let (mut listener, address) = listen().await;
        let (mut stream, mut accepted) = pair(&mut listener, &address).await;
        // Some of what is sent before is read afterwards.
        stream.write_all(b"before").await.unwrap();
        stream.flush().await.unwrap();
        accepted.stream.read_exact(&mut [0; 3]).await.unwrap();
        assert_eq!(format!("{stream:?}"), format!("Stream({:?})", stream.kind()));
        (stream.detach().unwrap(), accepted.stream.detach().unwrap())
    });
    let carried = std::thread::spawn(move || {
        runtime().block_on(async {
            let (left, mut right) = (left.attach().unwrap(), right.attach().unwrap());
            let mut rest = [0; 3];
            right.read_exact(&mut rest).await.unwrap();
            assert_eq!(&rest, b"ore");
            assert_carries(left, right).await;
        });
    });
    carried.join().unwrap();
}

/// Whoever has connected before is served, whoever comes later is told that nobody listens.
async fn closing_serves_who_has_connected(listener: Listener, address: Address) {
    let connecting = {
        let address = address.clone();
        tokio::spawn(async move {
            let mut streams = Vec::new();
            for _ in 0..3 {
                streams.push(connect(&address).await);
            }
            streams
        })
    };
    // Over TLS they wait for a handshake, which is not made before.
    tokio::time::sleep(Duration::from_millis(50)).await;
    let (mut accepted, streams) = (listener.close().await, connecting.await.unwrap());
    let streams: Vec<Stream> = streams.into_iter().filter_map(Result::ok).collect();
    assert!(!accepted.is_empty());
    assert_eq!(streams.len(), accepted.len());
    for stream in streams {
        assert_carries(stream, accepted.remove(0).stream).await;
    }
    let error = connect(&address).await.unwrap_err();
    assert!(error.is_not_there(), "{error}");
}

/// The error and what is below it.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text += &format!(": {error}");
        source = error.source();
    }
    text
}
