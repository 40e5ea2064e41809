//! The proxy does what it says, over memory and over sockets.

use tokio::{
    io::duplex,
    net::TcpListener,
    time::{Instant, timeout},
};

use super::*;

/// The outer ends of a proxy over memory.
fn in_memory(to_right: Faults, to_left: Faults) -> (DuplexStream, DuplexStream) {
    let ((left, inner_left), (inner_right, right)) = (duplex(1 << 20), duplex(1 << 20));
    Proxy::new(inner_left, inner_right).rightwards(to_right).leftwards(to_left).spawn();
    (left, right)
}

fn over_unix(to_right: Faults, to_left: Faults) -> (UnixStream, UnixStream) {
    let ((left, inner_left), (inner_right, right)) =
        (UnixStream::pair().unwrap(), UnixStream::pair().unwrap());
    Proxy::new(inner_left, inner_right).rightwards(to_right).leftwards(to_left).spawn();
    (left, right)
}

async fn tcp_pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (connected, accepted) =
        tokio::join!(TcpStream::connect(listener.local_addr().unwrap()), listener.accept());
    (connected.unwrap(), accepted.unwrap().0)
}

async fn over_tcp(to_right: Faults, to_left: Faults) -> (TcpStream, TcpStream) {
    let ((left, inner_left), (inner_right, right)) = (tcp_pair().await, tcp_pair().await);
    Proxy::new(inner_left, inner_right).rightwards(to_right).leftwards(to_left).spawn();
    (left, right)
}

fn none() -> Faults {
    Faults::default()
}

fn bytes(length: usize) -> Vec<u8> {
    (0..length).map(|n| n as u8).collect()
}

/// Sends, ends, and reads until the end.
async fn send<S: Side>(mut from: S, bytes: &[u8], mut to: S) -> (S, Vec<u8>) {
    let mut received = Vec::new();
    let send = async {
        from.write_all(bytes).await.unwrap();
        from.shutdown().await.unwrap();
    };
    let (_, read) = tokio::join!(send, to.read_to_end(&mut received));
    read.unwrap();
    (from, received)
}

#[tokio::test]
async fn without_faults_all_bytes_pass_both_ways() {
    let sent = bytes(1_000_000);
    for back in [false, true] {
        let (left, right) = in_memory(none(), none());
        let (from, to) = if back { (right, left) } else { (left, right) };
        assert!(send(from, &sent, to).await.1 == sent);
        let (left, right) = over_tcp(none(), none()).await;
        let (from, to) = if back { (right, left) } else { (left, right) };
        assert!(send(from, &sent, to).await.1 == sent);
    }
}

#[tokio::test]
async fn the_answer_comes_after_the_end_of_the_question() {
    let (mut left, mut right) = over_unix(none(), none());
    left.write_all(b"question").await.unwrap();
    left.shutdown().await.unwrap();
    let mut text = String::new();
    right.read_to_string(&mut text).await.unwrap();
    assert_eq!(text, "question");
    right.write_all(b"answer").await.unwrap();
    drop(right);
    text.clear();
    left.read_to_string(&mut text).await.unwrap();
    assert_eq!(text, "answer");
}

#[tokio::test]
async fn slices_are_read_one_by_one() {
    let (mut left, mut right) = in_memory(none().slice(1), none());
    left.write_all(b"abc").await.unwrap();
    let mut space = [0; 10];
    for byte in b"abc" {
        assert_eq!(right.read(&mut space).await.unwrap(), 1);
        assert_eq!(space[0], *byte);
    }
    let (left, right) = over_tcp(none().slice(7), none()).await;
    let sent = bytes(10_000);
    assert_eq!(send(left, &sent, right).await.1, sent);
}

#[tokio::test]
async fn one_byte_is_flipped() {
    for byte in [0, 1, 16_383, 16_384, 40_000, 99_999] {
        let (left, right) = in_memory(none().flip(byte), none());
        let sent = bytes(100_000);
        let received = send(left, &sent, right).await.1;
        let differ: Vec<usize> = (0..sent.len()).filter(|n| sent[*n] != received[*n]).collect();
        assert_eq!(differ, [byte as usize]);
        assert_eq!(received[byte as usize], !sent[byte as usize]);
    }
}

#[tokio::test]
async fn after_a_cut_both_ends_see_the_end() {
    for at in [0, 1, 5] {
        let (mut left, mut right) = over_unix(none().cut_after(at), none());
        left.write_all(b"hello").await.unwrap();
        let mut received = Vec::new();
        right.read_to_end(&mut received).await.unwrap();
        assert_eq!(received, b"hello"[..at as usize]);
        // What was not taken is lost, which a socket says by a reset.
        let end = left.read(&mut [0]).await;
        assert!(matches!(&end, Ok(0)) || end.unwrap_err().kind() == io::ErrorKind::ConnectionReset);
    }
}

#[tokio::test]
async fn after_a_half_close_the_other_direction_goes_on() {
    let (mut left, mut right) = over_tcp(none().half_close_after(3), none()).await;
    left.write_all(b"hello").await.unwrap();
    let mut text = String::new();
    right.read_to_string(&mut text).await.unwrap();
    assert_eq!(text, "hel");
    right.write_all(b"answer").await.unwrap();
    let mut answer = [0; 6];
    left.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"answer");
}

#[tokio::test]
async fn a_reset_is_seen_as_one_at_both_ends() {
    let (mut left, mut right) = over_tcp(none(), none().reset_after(4)).await;
    right.write_all(b"hello").await.unwrap();
    for end in [&mut left, &mut right] {
        // What came before it may be lost.
        let mut received = Vec::new();
        let error = end.read_to_end(&mut received).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
        assert!(b"hell".starts_with(&received));
    }
}

#[tokio::test(start_paused = true)]
async fn after_a_stall_nothing_comes_and_nothing_ends() {
    let (mut left, mut right) = in_memory(none().stall_after(2), none());
    left.write_all(b"hello").await.unwrap();
    drop(left.shutdown().await);
    let mut received = [0; 2];
    right.read_exact(&mut received).await.unwrap();
    assert_eq!(&received, b"he");
    assert!(timeout(Duration::from_secs(3600), right.read(&mut received)).await.is_err());
    right.write_all(b"x").await.unwrap();
    assert_eq!(left.read_u8().await.unwrap(), b'x', "the other direction goes on");
}

#[tokio::test(start_paused = true)]
async fn each_piece_is_late() {
    let (mut left, mut right) = in_memory(none().delay(Duration::from_secs(2)), none());
    let start = Instant::now();
    for _ in 0..3 {
        left.write_all(b"x").await.unwrap();
        right.read_u8().await.unwrap();
    }
    assert_eq!(start.elapsed(), Duration::from_secs(6));
    right.write_all(b"x").await.unwrap();
    left.read_u8().await.unwrap();
    assert_eq!(start.elapsed(), Duration::from_secs(6), "the other direction is not");
}

#[tokio::test(start_paused = true)]
async fn no_more_passes_than_the_throttle_lets() {
    let (left, right) = in_memory(none().throttle(10_000), none());
    let start = Instant::now();
    let sent = bytes(50_000);
    assert_eq!(send(left, &sent, right).await.1, sent);
    let took = start.elapsed().as_secs_f64();
    // A timer counts in milliseconds, and there are four pieces.
    assert!((5.0..5.01).contains(&took), "{took} s");
}

#[tokio::test]
async fn faults_of_both_directions_are_apart() {
    let (mut left, mut right) = in_memory(none().flip(0), none().flip(1));
    left.write_all(&[0, 0]).await.unwrap();
    right.write_all(&[0, 0]).await.unwrap();
    let mut received = [0; 2];
    right.read_exact(&mut received).await.unwrap();
    assert_eq!(received, [0xff, 0]);
    left.read_exact(&mut received).await.unwrap();
    assert_eq!(received, [0, 0xff]);
}
