//! A host that is told to stop while many clients ask.

use std::sync::atomic::AtomicBool;
use std::thread;

use super::{
    command::{Folder, Serving},
    *,
};

/// How often a host is started and stopped under load; `RPC_TESTS_STOPS=50` is the long form.
fn stops() -> usize {
    std::env::var("RPC_TESTS_STOPS").map_or(3, |text| text.parse().unwrap())
}

/// What one client has seen.
#[derive(Default)]
struct Asked {
    answered: usize,
    /// Requests that were written and got nothing: on a connection that was closed before they were read.
    unanswered: usize,
}

/// Asks on one connection after the other, as long as somebody accepts them.
fn ask(address: SocketAddr, is_stopping: &AtomicBool) -> Asked {
    let mut asked = Asked::default();
    while let Ok(mut stream) = TcpStream::connect(address) {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        loop {
            if write!(stream, "GET /work HTTP/1.1\r\nHost: site\r\n\r\n").is_err() {
                break;
            }
            match answer(&mut stream) {
                Some(answer) => {
                    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("hello, you"), "{answer}");
                    asked.answered += 1;
                    if answer.contains("connection: close") {
                        break;
                    }
                }
                None => {
                    assert!(is_stopping.load(Ordering::SeqCst), "a host that serves closes nothing");
                    asked.unanswered += 1;
                    break;
                }
            }
        }
    }
    asked
}

/// All of an answer; `None` if the connection was closed before its first byte.
fn answer(stream: &mut TcpStream) -> Option<String> {
    let mut answer = String::new();
    let mut bytes = [0; 1024];
    while !answer.ends_with("hello, you") {
        match stream.read(&mut bytes) {
            Ok(0) | Err(_) if answer.is_empty() => return None,
            Ok(read) if read > 0 => answer.push_str(std::str::from_utf8(&bytes[..read]).unwrap()),
            end => panic!("an answer was cut after {answer:?}: {end:?}"),
        }
    }
    Some(answer)
}

#[test]
fn a_host_that_is_told_to_stop_under_load_loses_no_call_that_it_has_begun() {
    stop_under_load(&Folder::both("load"), "");
}

/// Which calls Workers of the host in turn.
#[test]
fn nor_does_one_whose_first_worker_has_a_process_of_its_own() {
    stop_under_load(&Folder::front_apart("load-apart"), "[front] ");
}

fn stop_under_load(folder: &Folder, before: &str) {
    for _ in 0..stops() {
        let serving = Serving::dev(folder);
        let (address, is_stopping) = (serving.address.unwrap(), Arc::new(AtomicBool::new(false)));
        let clients: Vec<_> = (0..16)
            .map(|_| {
                let is_stopping = Arc::clone(&is_stopping);
                thread::spawn(move || ask(address, &is_stopping))
            })
            .collect();
        thread::sleep(Duration::from_millis(300));
        let start = Instant::now();
        is_stopping.store(true, Ordering::SeqCst);
        serving.signal("TERM");
        let (code, stdout, stderr) = serving.end();
        assert!(start.elapsed() <= Duration::from_secs(31), "{:?}", start.elapsed());
        let asked: Vec<_> = clients.into_iter().map(|client| client.join().unwrap()).collect();
        let answered: usize = asked.iter().map(|asked| asked.answered).sum();
        let counted = stdout.lines().rfind(|line| line.ends_with(" finished")).unwrap_or_default();
        assert!(answered > 50, "{answered}: there was no load");
        assert_eq!(
            (code, counted),
            (Some(0), &*format!("{before}{answered} begun, {answered} finished")),
            "{stderr}"
        );
        // A connection that was accepted in the last moment and not read may be closed, once for each client.
        assert!(asked.iter().all(|asked| asked.unanswered <= 1));
    }
}
