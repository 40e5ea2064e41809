//! What one end of a session does to the other, and to itself.

use std::{
    future::poll_fn,
    io,
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use futures_util::stream::{self, StreamExt as _};
use rpc_runtime::{Result, Server, SessionOptions, service, transport::Address};
use tokio::{
    io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf, duplex},
    net::TcpListener,
    runtime::Builder,
    sync::oneshot,
    time::{sleep, timeout},
};

#[service]
trait Pages {
    async fn page(&self, bytes: usize) -> Result<Vec<u8>>;
    async fn note(&self, number: usize) -> Result<usize>;
}

#[derive(Clone, Default)]
struct Book {
    read: Arc<AtomicUsize>,
}

impl Pages for Book {
    async fn page(&self, bytes: usize) -> Result<Vec<u8>> {
        self.read.fetch_add(1, Ordering::Relaxed);
        Ok(vec![7; bytes])
    }

    async fn note(&self, number: usize) -> Result<usize> {
        Ok(number)
    }
}

/// Much longer than anything here takes on a slow machine, and shorter than three pings.
const PATIENCE: Duration = Duration::from_secs(20);

async fn over_bytes() -> (PagesClient, rpc_runtime::Session) {
    let (here, there) = duplex(64 << 10);
    let (session, driving) = SessionOptions::new().serve(PagesClient::new(Book::default())).over(there);
    tokio::spawn(driving);
    (PagesClient::connect(here).await.unwrap(), session)
}

/// The loop that everybody writes: whoever is inside of its body polls none of the others.
#[tokio::test]
async fn a_caller_that_holds_answers_gets_the_one_it_asks_for_meanwhile() {
    for bytes in [20_000, 60_000, 200_000] {
        let (pages, _session) = over_bytes().await;
        let read = async {
            let mut all = stream::iter(0..300).map(|_| pages.page(bytes)).buffer_unordered(256);
            let mut count = 0;
            while let Some(page) = all.next().await {
                assert_eq!(page.unwrap().len(), bytes);
                assert_eq!(pages.note(count).await.unwrap(), count);
                count += 1;
            }
            count
        };
        assert_eq!(timeout(PATIENCE, read).await.expect("it does not stand still"), 300, "{bytes}");
    }
}

#[tokio::test]
async fn answers_that_are_awaited_late_do_not_hold_each_other_up() {
    for (calls, bytes) in [(100, 60_000), (6, 20 << 20)] {
        let (pages, _session) = over_bytes().await;
        let mut waiting: Vec<_> = (0..calls).map(|_| Box::pin(pages.page(bytes))).collect();
        poll_fn(|cx| {
            for call in &mut waiting {
                assert!(call.as_mut().poll(cx).is_pending());
            }
            Poll::Ready(())
        })
        .await;
        sleep(Duration::from_millis(300)).await;
        for call in waiting {
            // A ping, after 10 s, would wake whoever sleeps.
            let page = timeout(Duration::from_secs(8), call).await.expect("it has come, or comes now");
            assert_eq!(page.unwrap().len(), bytes);
        }
    }
}

/// One end of a connection.
struct Observed {
    stream: DuplexStream,
    /// It is read no more.
    is_deaf: Arc<AtomicBool>,
    /// Something was written to it.
    is_written: Arc<AtomicBool>,
}

impl Observed {
    fn new(stream: DuplexStream) -> Self {
        Self { stream, is_deaf: Arc::default(), is_written: Arc::default() }
    }
}

impl AsyncRead for Observed {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.is_deaf.load(Ordering::Relaxed) {
            return Poll::Pending;
        }
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Observed {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.is_written.store(true, Ordering::Relaxed);
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_takes_no_answers_is_refused_more_of_them_and_then_left() {
    let (here, there) = duplex(64 << 10);
    let book = Book::default();
    let read = Arc::clone(&book.read);
    let (session, driving) = SessionOptions::new().serve(PagesClient::new(book)).over(there);
    tokio::spawn(driving);
    let here = Observed::new(here);
    let is_deaf = Arc::clone(&here.is_deaf);
    let pages: PagesClient = PagesClient::connect(here).await.unwrap();
    pages.note(1).await.unwrap();
    is_deaf.store(true, Ordering::Relaxed);
    let calls: Vec<_> = (0..1000)
        .map(|_| {
            let pages = pages.clone();
            tokio::spawn(async move { pages.page(1 << 20).await })
        })
        .collect();
    sleep(Duration::from_secs(1)).await;
    let begun = read.load(Ordering::Relaxed);
    assert!((64..=128).contains(&begun), "64 MiB of answers wait, not a thousand: {begun}");
    assert!(!session.is_over());
    sleep(Duration::from_secs(14)).await;
    assert!(session.is_over(), "its pings are no answer");
    calls.iter().for_each(tokio::task::JoinHandle::abort);
}

#[tokio::test]
async fn an_address_whose_server_hangs_up_at_once_is_not_connected_to_for_each_call() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address: Address = format!("tcp:{}", listener.local_addr().unwrap()).parse().unwrap();
    let count = Arc::new(AtomicUsize::new(0));
    let accepted = Arc::clone(&count);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            accepted.fetch_add(1, Ordering::Relaxed);
            drop(stream);
        }
    });
    let pages = PagesClient::at(address);
    let calls = async {
        loop {
            pages.note(1).await.unwrap_err();
            tokio::task::yield_now().await;
        }
    };
    assert!(timeout(Duration::from_secs(1), calls).await.is_err());
    // After 5, 10, 20, 40, 80, 160, 320 and 640 ms at the soonest.
    let count = count.load(Ordering::Relaxed);
    assert!((2..=9).contains(&count), "{count}");
}

#[test]
fn a_client_of_an_address_says_that_it_needs_a_timer() {
    let runtime = Builder::new_current_thread().enable_io().build().unwrap();
    let error = runtime.block_on(async {
        let pages = PagesClient::at("unix:/nowhere/nobody.sock".parse().unwrap());
        pages.note(1).await.unwrap_err()
    });
    assert!(error.to_string().contains("where there is no tokio timer"), "{error}");
}

#[tokio::test]
async fn whoever_waits_for_a_server_that_stops_learns_that_nothing_ran() {
    let folder = std::env::temp_dir().join(format!("rpc-peers-{}", std::process::id()));
    for address in ["tcp:127.0.0.1:0".to_owned(), format!("unix:{}/queue.sock", folder.display())] {
        let address: Address = address.parse().unwrap();
        let server =
            Server::new(PagesClient::new(Book::default())).sessions(1).listen(&address).await.unwrap();
        let at = server.addresses().next().unwrap().clone();
        let (stop, stopped) = oneshot::channel::<()>();
        let serving = tokio::spawn(server.run_until(async { drop(stopped.await) }));
        let first = PagesClient::at(at.clone());
        first.note(1).await.unwrap();
        let waiting: Vec<_> = (0..4)
            .map(|number| {
                let pages = PagesClient::at(at.clone());
                tokio::spawn(async move { pages.note(number).await })
            })
            .collect();
        sleep(Duration::from_millis(200)).await;
        stop.send(()).unwrap();
        for call in waiting {
            let error = call.await.unwrap().unwrap_err();
            assert!(error.is_unavailable(), "{at}: {error}");
        }
        let mut serving = pin!(serving);
        timeout(PATIENCE, &mut serving).await.unwrap().unwrap();
    }
    // What is left is left among temporary files.
    let _ = std::fs::remove_dir_all(folder);
}

#[service]
trait Told {
    /// Whether something was written to the stream that this came over.
    async fn is_told(&self) -> Result<bool>;
}

struct Tells(Arc<AtomicBool>);

impl Told for Tells {
    async fn is_told(&self) -> Result<bool> {
        Ok(self.0.load(Ordering::Relaxed))
    }
}

/// It may hold its thread, and the peer waits 2 s for the other end to say what it speaks.
#[tokio::test]
async fn a_peer_is_greeted_before_its_first_call_is_served() {
    let (here, there) = duplex(64 << 10);
    let session = SessionOptions::new().start(here).unwrap();
    let told: ToldClient = session.client();
    let call = tokio::spawn(async move { told.is_told().await });
    // The call leaves with the greeting of its own end.
    sleep(Duration::from_millis(50)).await;
    let there = Observed::new(there);
    let tells = Tells(Arc::clone(&there.is_written));
    let _serving = SessionOptions::new().serve(ToldClient::new(tells)).start(there).unwrap();
    assert!(call.await.unwrap().unwrap());
}
