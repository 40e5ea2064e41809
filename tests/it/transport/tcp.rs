//! TCP.

use std::{net::TcpListener as StdListener, time::Duration};

use rpc_runtime::transport::Kind;
use socket2::{Domain, SockRef, Socket, Type};

use super::*;

async fn listen() -> Listener {
    Listener::bind(&Address::tcp("127.0.0.1:0").unwrap()).await.unwrap()
}

#[tokio::test]
async fn a_stream_carries_bytes_both_ways() {
    let mut listener = listen().await;
    let address = listener.local_address().clone();
    let (stream, accepted) = pair(&mut listener, &address).await;
    assert_eq!(accepted.peer.kind, Kind::Tcp);
    assert!(accepted.peer.address.unwrap().ip().is_loopback());
    assert_eq!((accepted.peer.uid, accepted.peer.pid), (None, None));
    assert_carries(stream, accepted.stream).await;
}

#[tokio::test]
async fn both_ends_send_at_once_and_see_a_dead_peer() {
    let mut listener = listen().await;
    let address = listener.local_address().clone();
    let (stream, accepted) = pair(&mut listener, &address).await;
    for end in [&stream, &accepted.stream] {
        let socket = SockRef::from(end);
        assert!(socket.tcp_nodelay().unwrap());
        assert!(socket.keepalive().unwrap());
        assert_eq!(socket.tcp_keepalive_time().unwrap(), Duration::from_secs(10));
        assert_eq!(socket.tcp_keepalive_interval().unwrap(), Duration::from_secs(5));
        assert_eq!(socket.tcp_keepalive_retries().unwrap(), 4);
        assert_eq!(socket.tcp_user_timeout().unwrap(), Some(Duration::from_secs(30)));
        assert_eq!(socket.tcp_notsent_lowat().unwrap(), 128 << 10);
    }
}

#[tokio::test]
async fn slices_are_written_at_once() {
    use tokio::io::{AsyncReadExt as _, AsyncWrite as _, AsyncWriteExt as _};
    let mut listener = listen().await;
    let address = listener.local_address().clone();
    let (mut stream, mut accepted) = pair(&mut listener, &address).await;
    assert!(stream.is_write_vectored());
    let slices = [std::io::IoSlice::new(b"one "), std::io::IoSlice::new(b"write")];
    assert_eq!(stream.write_vectored(&slices).await.unwrap(), 9);
    let mut bytes = [0; 9];
    accepted.stream.read_exact(&mut bytes).await.unwrap();
    assert_eq!(&bytes, b"one write");
}

#[tokio::test]
async fn all_addresses_of_a_name_are_tried() {
    // The name has ::1 too on many machines, where nobody listens.
    let mut listener = listen().await;
    let port = listener.local_address().to_string().rsplit(':').next().unwrap().to_owned();
    let address = Address::tcp(&format!("localhost:{port}")).unwrap();
    let (stream, accepted) = pair(&mut listener, &address).await;
    assert_carries(stream, accepted.stream).await;
}

#[tokio::test]
async fn where_nobody_listens_is_told_from_other_failures() {
    let listener = StdListener::bind("127.0.0.1:0").unwrap();
    let at = listener.local_addr().unwrap();
    drop(listener);
    let error = connect(&Address::tcp(&at.to_string()).unwrap()).await.unwrap_err();
    assert!(error.is_not_there());
    assert_eq!(
        chain(&error),
        format!("cannot connect to tcp:{at}: nobody listens at {at}: Connection refused (os error 111)")
    );

    let error = connect(&Address::tcp("does-not-exist.invalid:1").unwrap()).await.unwrap_err();
    assert!(!error.is_not_there());
    assert!(
        error.to_string().ends_with("the name does-not-exist.invalid cannot be resolved"),
        "{}",
        chain(&error)
    );
}

#[tokio::test]
async fn a_port_in_use_and_an_address_of_another_machine_are_refused() {
    let listener = listen().await;
    let error = Listener::bind(listener.local_address()).await.unwrap_err();
    assert!(error.is_in_use());
    assert_eq!(
        error.to_string(),
        format!(
            "cannot listen at {}: the port is in use: end the process that has it, or choose another",
            listener.local_address()
        )
    );
    let error = Listener::bind(&Address::tcp("192.0.2.1:0").unwrap()).await.unwrap_err();
    assert!(error.is_invalid(), "{error}");
}

#[tokio::test(start_paused = true)]
async fn an_address_that_says_nothing_is_given_up_after_10_s() {
    // A queue for one connection, which is full, swallows what comes after it.
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&std::net::SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    socket.listen(0).unwrap();
    let at = socket.local_addr().unwrap().as_socket().unwrap();
    let _first = std::net::TcpStream::connect(at).unwrap();

    let start = tokio::time::Instant::now();
    let error = connect(&Address::tcp(&at.to_string()).unwrap()).await.unwrap_err();
    assert!(error.is_timeout());
    assert_eq!(error.to_string(), format!("cannot connect to tcp:{at}: no answer within 10 s"));
    assert_eq!(start.elapsed(), Duration::from_secs(10));
}

#[tokio::test]
async fn dropping_accept_loses_no_connection() {
    let mut listener = listen().await;
    let address = listener.local_address().clone();
    let connecting = tokio::spawn(async move {
        let mut streams = Vec::new();
        for _ in 0..100 {
            streams.push(connect(&address).await.unwrap());
        }
        streams
    });
    let mut accepted = Vec::new();
    while accepted.len() < 100 {
        tokio::select! {
            biased;
            one = listener.accept() => accepted.push(one),
            () = tokio::task::yield_now() => {}
        }
    }
    assert_eq!(connecting.await.unwrap().len(), 100);
}

#[test]
fn a_stream_goes_on_in_another_runtime() {
    goes_on_in_another_runtime(|| async {
        let listener = listen().await;
        let address = listener.local_address().clone();
        (listener, address)
    });
}

#[tokio::test]
async fn closing_serves_who_has_connected_before() {
    let listener = listen().await;
    let address = listener.local_address().clone();
    closing_serves_who_has_connected(listener, address).await;
}
