//! Unix sockets between processes of one user.

use std::{
    fs,
    os::unix::{fs::MetadataExt, net as std_net},
    process::{Command, Stdio},
    time::Duration,
};

use rpc_runtime::transport::Kind;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{folder::mode, *};

#[tokio::test]
async fn a_stream_carries_bytes_both_ways_and_the_peer_is_known() {
    let folder = Folder::new();
    let address = Address::unix(folder.join("a.sock")).unwrap();
    let mut listener = Listener::bind(&address).await.unwrap();
    let (stream, accepted) = pair(&mut listener, &address).await;
    assert_eq!(accepted.peer.kind, Kind::Unix);
    assert_eq!(accepted.peer.uid, Some(rustix::process::geteuid().as_raw()));
    assert_eq!(accepted.peer.pid, Some(std::process::id()));
    assert_eq!(stream.kind(), Kind::Unix);
    assert_carries(stream, accepted.stream).await;
}

#[tokio::test]
async fn a_missing_folder_is_made_closed_to_others() {
    let folder = Folder::new();
    let path = folder.join("one/two/a.sock");
    let listener = Listener::bind(&Address::unix(&path).unwrap()).await.unwrap();
    assert_eq!(mode(&folder.join("one")), 0o700);
    assert_eq!(mode(&folder.join("one/two")), 0o700);
    drop(listener);

    let path = folder.join("shared/a.sock");
    let _listener = Listener::bind(&Address::unix_shared(&path, [33]).unwrap()).await.unwrap();
    assert_eq!(mode(&folder.join("shared")), 0o755);
    assert_eq!(mode(&path), 0o666, "other users have to write to it to connect");
}

#[tokio::test]
async fn the_file_goes_with_its_listener() {
    let folder = Folder::new();
    let path = folder.join("a.sock");
    let address = Address::unix(&path).unwrap();
    let listener = Listener::bind(&address).await.unwrap();
    assert!(path.exists());
    drop(listener);
    assert!(!path.exists());

    let listener = Listener::bind(&address).await.unwrap();
    fs::remove_file(&path).unwrap();
    let _other = std_net::UnixListener::bind(&path).unwrap();
    let inode = fs::metadata(&path).unwrap().ino();
    drop(listener);
    assert_eq!(fs::metadata(&path).unwrap().ino(), inode, "what somebody else put there stays");
}

#[tokio::test]
async fn a_stale_socket_is_replaced() {
    let folder = Folder::new();
    let path = folder.join("a.sock");
    let address = Address::unix(&path).unwrap();
    drop(std_net::UnixListener::bind(&path).unwrap());
    let error = connect(&address).await.unwrap_err();
    assert!(error.is_not_there(), "{error}");

    let mut listener = Listener::bind(&address).await.unwrap();
    let (stream, accepted) = pair(&mut listener, &address).await;
    assert_carries(stream, accepted.stream).await;
}

#[tokio::test]
async fn a_live_socket_is_left_to_the_process_that_has_it() {
    let folder = Folder::new();
    let path = folder.join("a.sock");
    let address = Address::unix(&path).unwrap();
    let mut listener = Listener::bind(&address).await.unwrap();
    let error = Listener::bind(&address).await.unwrap_err();
    assert!(error.is_in_use());
    assert_eq!(error.to_string(), format!("cannot listen at {address}: this very process listens there"));
    // What asked was a connection like any other.
    assert_eq!(listener.accept().await.stream.read(&mut [0]).await.unwrap(), 0);
    drop(listener);

    let mut other = Peer::listen(&address);
    let error = Listener::bind(&address).await.unwrap_err();
    assert!(error.is_in_use());
    assert_eq!(
        error.to_string(),
        format!("cannot listen at {address}: the process {} listens there", other.0.id())
    );
    let mut text = String::new();
    connect(&address).await.unwrap().read_to_string(&mut text).await.unwrap();
    assert_eq!(text, "welcome");

    // Killed, it leaves its socket behind.
    other.0.kill().unwrap();
    other.0.wait().unwrap();
    assert!(path.exists());
    Listener::bind(&address).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn of_many_that_find_a_stale_socket_one_gets_it() {
    let folder = Folder::new();
    let path = folder.join("a.sock");
    let address = Address::unix(&path).unwrap();
    for _ in 0..100 {
        drop(std_net::UnixListener::bind(&path).unwrap());
        let mut attempts = tokio::task::JoinSet::new();
        for _ in 0..8 {
            let address = address.clone();
            attempts.spawn(async move { Listener::bind(&address).await });
        }
        let mut bound = Vec::new();
        for attempt in attempts.join_all().await {
            match attempt {
                Ok(listener) => bound.push(listener),
                Err(error) => assert!(error.is_in_use(), "{error}"),
            }
        }
        assert_eq!(bound.len(), 1);
        let mut stream = connect(&address).await.unwrap();
        stream.write_all(b"x").await.unwrap();
        // Those that came too late have connected too, to see whether somebody is there.
        let mut byte = [0];
        while bound[0].accept().await.stream.read(&mut byte).await.unwrap() == 0 {}
        assert_eq!(&byte, b"x");
    }
}

#[tokio::test]
async fn where_nobody_listens_is_told_from_other_failures() {
    let folder = Folder::new();
    for (path, expected) in [
        (folder.join("none/a.sock"), format!("there is no folder {}", folder.join("none").display())),
        (folder.join("a.sock"), format!("there is no {}", folder.join("a.sock").display())),
    ] {
        let error = connect(&Address::unix(&path).unwrap()).await.unwrap_err();
        assert!(error.is_not_there());
        assert_eq!(error.to_string(), format!("cannot connect to unix:{}: {expected}", path.display()));
        assert_eq!(std::io::Error::from(error).kind(), std::io::ErrorKind::ConnectionRefused);
    }
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_is_waited_for_and_then_given_up() {
    let folder = Folder::new();
    let path = folder.join("a.sock");
    let address = Address::unix(&path).unwrap();
    let socket = socket2::Socket::new(socket2::Domain::UNIX, socket2::Type::STREAM, None).unwrap();
    socket.bind(&socket2::SockAddr::unix(&path).unwrap()).unwrap();
    socket.listen(0).unwrap();
    let first = connect(&address).await.unwrap();

    let start = tokio::time::Instant::now();
    let error = connect(&address).await.unwrap_err();
    assert!(error.is_timeout(), "{error}");
    assert_eq!(start.elapsed(), Duration::from_secs(10));
    let error = Listener::bind(&address).await.unwrap_err();
    assert!(error.is_in_use(), "{error}");

    let waiting = connect(&address);
    let make_room = async {
        tokio::time::sleep(Duration::from_secs(5)).await;
        socket.accept().unwrap()
    };
    let (waited, _accepted) = tokio::join!(waiting, make_room);
    waited.unwrap();
    drop(first);
}

#[test]
fn a_stream_goes_on_in_another_runtime() {
    let folder = Folder::new();
    let address = Address::unix(folder.join("a.sock")).unwrap();
    goes_on_in_another_runtime(|| async { (Listener::bind(&address).await.unwrap(), address.clone()) });
}

#[tokio::test]
async fn closing_serves_who_has_connected_before() {
    let folder = Folder::new();
    let address = Address::unix(folder.join("a.sock")).unwrap();
    let listener = Listener::bind(&address).await.unwrap();
    closing_serves_who_has_connected(listener, address).await;
}

/// A process that listens.
pub(super) struct Peer(pub(super) std::process::Child);

impl Peer {
    fn listen(address: &Address) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rpc-tests-peer"));
        Self::start(command.args(["listen", &address.to_string()]))
    }

    /// Until it listens.
    pub(super) fn start(command: &mut Command) -> Self {
        use std::io::BufRead as _;
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        std::io::BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "listening\n");
        Self(child)
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
