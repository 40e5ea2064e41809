//! Accepting under pressure, and stopping: what runs is finished, what hangs is cut.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use http::{Request, Response};
use rpc_runtime::Body;
use rpc_runtime::edge::EdgeOptions;
use tokio::time::{sleep, timeout};

use super::server::{PATIENCE, Server, hasty, pause, statuses};

async fn slow(_: Request<Body>) -> Response<Body> {
    sleep(Duration::from_millis(500)).await;
    Response::new(Body::from("done"))
}

#[tokio::test]
async fn a_connection_that_never_sent_a_byte_delays_nothing() {
    let (server, _) = Server::counting(EdgeOptions::default()).await;
    let mut silent = server.connect().await;
    let mut preface = server.connect().await;
    preface.write("PRI * HTTP/2.0\r\n").await;
    let mut idle = server.connect().await;
    idle.write("GET /x HTTP/1.1\r\nHost: a\r\n\r\n").await;
    idle.answer().await;
    pause().await;

    let start = Instant::now();
    let stopping = server.begin_stop();
    assert_eq!(timeout(PATIENCE, stopping).await.unwrap().unwrap(), 0);
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
    for client in [&mut silent, &mut preface, &mut idle] {
        assert_eq!(client.rest().await, "");
    }
}

#[tokio::test]
async fn a_running_request_is_finished_and_its_connection_closed() {
    let server = Server::start(EdgeOptions::default(), slow).await;
    let address = server.address;
    let mut client = server.connect().await;
    client.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    pause().await;
    let stopping = server.begin_stop();
    let answer = client.rest().await;
    assert_eq!(statuses(&answer), [200]);
    assert!(answer.contains("connection: close") && answer.ends_with("done"), "{answer}");
    assert_eq!(timeout(PATIENCE, stopping).await.unwrap().unwrap(), 0);
    assert!(tokio::net::TcpStream::connect(address).await.is_err(), "the socket is closed");
}

#[tokio::test]
async fn a_request_that_was_on_its_way_is_still_answered() {
    let (server, _) = Server::counting(EdgeOptions::default()).await;
    let mut idle = server.connect().await;
    idle.write("GET /1 HTTP/1.1\r\nHost: a\r\n\r\n").await;
    idle.answer().await;
    let mut queued = server.connect().await;
    let stopping = server.begin_stop();
    pause().await;
    idle.write("GET /2 HTTP/1.1\r\nHost: a\r\n\r\n").await;
    queued.write("GET /3 HTTP/1.1\r\nHost: a\r\n\r\n").await;
    for (client, path) in [(&mut idle, "/2 0"), (&mut queued, "/3 0")] {
        let answer = client.rest().await;
        assert!(answer.contains("connection: close") && answer.ends_with(path), "{answer}");
    }
    assert_eq!(timeout(PATIENCE, stopping).await.unwrap().unwrap(), 0);
}

#[tokio::test]
async fn what_waits_in_the_queue_is_served_before_the_socket_closes() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let clients: Vec<_> = (0..50)
        .map(|_| {
            let mut client = std::net::TcpStream::connect(address).unwrap();
            client.write_all(b"GET /queued HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
            client
        })
        .collect();
    listener.set_nonblocking(true).unwrap();
    let listener = tokio::net::TcpListener::from_std(listener).unwrap();
    // Told to stop before it accepted anything.
    let handler = super::server::echo_path;
    let cut = rpc_runtime::edge::serve(listener, EdgeOptions::default(), handler, async {}).await;
    assert_eq!(cut, 0);
    for mut client in clients {
        let mut answer = String::new();
        client.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("/queued 0"), "{answer}");
    }
}

#[tokio::test]
async fn what_hangs_is_told_so_and_cut_at_the_end_of_the_drain() {
    let mut options = hasty();
    options.drain = Duration::from_millis(500);
    let server = Server::start(options, async |_: Request<Body>| std::future::pending().await).await;
    let mut hanging = server.connect().await;
    hanging.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    pause().await;
    let start = Instant::now();
    let cut = timeout(PATIENCE, server.begin_stop()).await.unwrap().unwrap();
    assert_eq!(cut, 1);
    assert!((Duration::from_millis(490)..Duration::from_secs(3)).contains(&start.elapsed()));
    let answer = hanging.rest().await;
    assert_eq!(statuses(&answer), [503]);
    assert!(answer.contains("connection: close") && answer.contains("try again later"), "{answer}");
}

#[tokio::test]
async fn further_connections_wait_while_there_are_enough() {
    let mut options = EdgeOptions::default();
    options.connections_max = 2;
    let (server, _) = Server::counting(options).await;
    let request = "GET /x HTTP/1.1\r\nHost: a\r\n\r\n";
    let (mut first, mut second) = (server.connect().await, server.connect().await);
    for client in [&mut first, &mut second] {
        client.write(request).await;
        client.answer().await;
    }
    let mut third = server.connect().await;
    third.write(request).await;
    third.assert_quiet(Duration::from_millis(200)).await;
    drop(first);
    assert!(third.answer().await.ends_with("/x 0"));
}

/// T32: more clients than descriptors. Run in a process of its own, with a limit of its own.
#[test]
fn running_out_of_descriptors_neither_stops_the_server_nor_makes_it_spin() {
    let mut child = Command::new("sh")
        .args([
            "-c",
            "ulimit -n 40 && exec \"$0\" --exact edge::stop::served_in_a_child --ignored --nocapture",
        ])
        .arg(std::env::current_exe().unwrap())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut told = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let address = told.find_map(|line| Some(line.split_once("serving ")?.1.to_owned())).unwrap();
    let ask = |client: &mut std::net::TcpStream| {
        client.set_read_timeout(Some(PATIENCE)).unwrap();
        client.write_all(b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
        let mut answer = [0; 15];
        client.read_exact(&mut answer).unwrap();
        assert_eq!(&answer, b"HTTP/1.1 200 OK");
    };
    let mut clients: Vec<_> = (0..100).map(|_| std::net::TcpStream::connect(&address).unwrap()).collect();
    std::thread::sleep(Duration::from_millis(500));
    ask(&mut clients[0]);
    let before = cpu_ticks(child.id());
    std::thread::sleep(Duration::from_secs(2));
    let ticks = cpu_ticks(child.id()) - before;
    assert!(ticks <= 10, "{ticks} ticks of 10 ms in 2 s");
    ask(&mut clients[1]);
    let start = Instant::now();
    clients.truncate(2);
    ask(&mut std::net::TcpStream::connect(&address).unwrap());
    assert!(start.elapsed() < Duration::from_secs(3), "{:?}", start.elapsed());
    drop(child.stdin.take());
    assert!(child.wait().unwrap().success());
}

/// User and system time of a process, in ticks of 10 ms.
fn cpu_ticks(process: u32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    let fields: Vec<_> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}

#[tokio::test]
#[ignore = "the other half of running_out_of_descriptors_neither_stops_the_server_nor_makes_it_spin"]
async fn served_in_a_child() {
    let (server, _) = Server::counting(EdgeOptions::default()).await;
    println!("serving {}", server.address);
    let closed = || std::io::stdin().read_to_end(&mut Vec::new());
    tokio::task::spawn_blocking(closed).await.unwrap().unwrap();
    server.begin_stop().await.unwrap();
}
