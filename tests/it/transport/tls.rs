//! TLS: both sides show a certificate, and both look at that of the other (O3, O4).

use std::{
    fs,
    io::{Read as _, Write as _},
    net::TcpStream as StdStream,
    time::{Duration, Instant},
};

use ::tracing::Level;
use rcgen::{CertificateParams, ExtendedKeyUsagePurpose, SerialNumber, date_time_ymd};
use rpc_runtime::transport::{Kind, Tls, TlsClient, TlsServer};

use super::{
    certificates::{Authority, CLIENT, Files, SERVER},
    folder::set_mode,
    *,
};
use crate::{
    proxy::{Faults, Proxy},
    recorder::Recorder,
};

fn unaltered(_: &mut CertificateParams) {}

async fn listen(server: TlsServer) -> Listener {
    let address = Address::tls("127.0.0.1:0", server.build().unwrap()).unwrap();
    Listener::bind(&address).await.unwrap()
}

fn towards(listener: &Listener, client: TlsClient) -> Address {
    listener.local_address().clone().with_tls(client.build().unwrap())
}

/// Without the prefix of an address.
fn socket_address(listener: &Listener) -> String {
    listener.local_address().to_string().strip_prefix("tls:").unwrap().to_owned()
}

#[tokio::test]
async fn a_stream_carries_bytes_both_ways_and_the_peer_is_known() {
    let authority = Authority::new();
    let mut listener = listen(authority.good_server()).await;
    let address = towards(&listener, authority.good_client());
    let (stream, accepted) = pair(&mut listener, &address).await;
    assert_eq!(accepted.peer.kind, Kind::Tls);
    assert_eq!(accepted.peer.certificate_names, CLIENT);
    assert!(accepted.peer.address.unwrap().ip().is_loopback());
    assert_carries(stream, accepted.stream).await;
}

/// An address that leads to the listener through a proxy, for one connection.
async fn through_proxy(
    listener: &Listener,
    client: TlsClient,
    rightwards: Faults,
    leftwards: Faults,
) -> Address {
    let at = socket_address(listener);
    let outside = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = Address::tls(&outside.local_addr().unwrap().to_string(), client.build().unwrap()).unwrap();
    tokio::spawn(async move {
        let (left, _) = outside.accept().await.unwrap();
        let right = tokio::net::TcpStream::connect(at).await.unwrap();
        Proxy::new(left, right).rightwards(rightwards).leftwards(leftwards).run().await;
    });
    address
}

#[tokio::test]
async fn bytes_that_come_one_by_one_are_the_same_bytes() {
    let authority = Authority::new();
    let mut listener = listen(authority.good_server()).await;
    let (one, few) = (Faults::default().slice(1), Faults::default().slice(7));
    let address = through_proxy(&listener, authority.good_client(), one, few).await;
    let (mut stream, mut accepted) = pair(&mut listener, &address).await;
    let sent: Vec<u8> = (0..10_000_u32).map(|n| n as u8).collect();
    let mut received = vec![0; sent.len()];
    let send = async {
        stream.write_all(&sent).await.unwrap();
        stream.flush().await.unwrap();
    };
    tokio::join!(send, async { accepted.stream.read_exact(&mut received).await.unwrap() });
    assert_eq!(received, sent);
}

#[tokio::test]
async fn a_handshake_that_was_changed_on_the_way_fails() {
    let authority = Authority::new();
    let mut listener = listen(authority.good_server()).await;
    // In the hello of the client, in that of the server, in its certificate.
    for (byte, backwards) in [(3, false), (60, true), (500, true)] {
        let (flip, none) = (Faults::default().flip(byte), Faults::default());
        let (rightwards, leftwards) = if backwards { (none, flip) } else { (flip, none) };
        let address = through_proxy(&listener, authority.good_client(), rightwards, leftwards).await;
        tokio::select! {
            outcome = connect(&address) => {
                let error = outcome.expect_err("it is noticed");
                assert!(error.is_denied(), "{}", chain(&error));
            }
            accepted = listener.accept() => panic!("byte {byte}: {accepted:?}"),
        }
    }
}

#[tokio::test]
async fn no_byte_that_was_changed_on_the_way_is_read() {
    let authority = Authority::new();
    let mut listener = listen(authority.good_server()).await;
    for (byte, backwards) in [(20_000, false), (20_000, true), (99_999, false)] {
        let (flip, none) = (Faults::default().flip(byte), Faults::default());
        let (rightwards, leftwards) = if backwards { (none, flip) } else { (flip, none) };
        let address = through_proxy(&listener, authority.good_client(), rightwards, leftwards).await;
        let (stream, accepted) = pair(&mut listener, &address).await;
        let (mut from, mut to) =
            if backwards { (accepted.stream, stream) } else { (stream, accepted.stream) };
        let send = async {
            // It is told that the other side has given up, or has written it all before.
            let _ = from.write_all(&[7; 200_000]).await;
            let _ = from.shutdown().await;
        };
        let mut received = Vec::new();
        let receive = async {
            let end = to.read_to_end(&mut received).await;
            drop(to);
            end
        };
        let ((), end) = tokio::time::timeout(PATIENCE, async { tokio::join!(send, receive) }).await.unwrap();
        assert_eq!(end.unwrap_err().kind(), std::io::ErrorKind::InvalidData);
        assert!(received.len() < byte as usize && received.iter().all(|byte| *byte == 7));
    }
}

#[tokio::test]
async fn dropping_accept_loses_no_handshake() {
    let authority = Authority::new();
    let mut listener = listen(authority.good_server()).await;
    let address = towards(&listener, authority.good_client());
    let connecting = tokio::spawn(async move {
        let mut streams = Vec::new();
        for _ in 0..20 {
            streams.push(connect(&address).await.unwrap());
        }
        streams
    });
    let mut accepted = Vec::new();
    while accepted.len() < 20 {
        tokio::select! {
            biased;
            one = listener.accept() => accepted.push(one),
            () = tokio::task::yield_now() => {}
        }
    }
    assert_eq!(connecting.await.unwrap().len(), 20);
}

/// What becomes of a connection.
#[derive(Clone, Copy, Debug)]
enum Becomes {
    /// Good, and the server sees these names.
    Known(&'static [&'static str]),
    /// `connect` says this.
    RefusedByClient(&'static str),
    /// The first read of the client says this.
    RefusedByServer(&'static str),
}

use Becomes::{Known, RefusedByClient, RefusedByServer};

async fn assert_becomes(row: &str, server: TlsServer, client: TlsClient, expected: Becomes) {
    let mut listener = listen(server).await;
    let address = towards(&listener, client);
    let connecting = async {
        let mut stream = connect(&address).await?;
        let mut text = String::new();
        stream.read_to_string(&mut text).await.map(|_| text).map_err(Error::Read)
    };
    let accepting = async {
        loop {
            let mut accepted = listener.accept().await;
            let names = &accepted.peer.certificate_names;
            assert!(matches!(expected, Known(known) if names == known), "{row}: {names:?} was let in");
            accepted.stream.write_all(b"welcome").await.unwrap();
            accepted.stream.shutdown().await.unwrap();
        }
    };
    let outcome = tokio::select! {
        outcome = tokio::time::timeout(PATIENCE, connecting) => outcome.expect("there is an answer"),
        () = accepting => unreachable!("it accepts without end"),
    };
    match (&outcome, expected) {
        (Ok(text), Known(_)) => assert_eq!(text, "welcome", "{row}"),
        (Err(Error::Connect(error)), RefusedByClient(reason)) => {
            assert!(error.is_denied(), "{row}: {error:?}");
            assert!(chain(error).contains(reason), "{row}: {}", chain(error));
        }
        (Err(Error::Read(error)), RefusedByServer(reason)) => {
            assert!(error.to_string().contains(reason), "{row}: {error:?}");
        }
        _ => panic!("{row}: expected {expected:?}, got {outcome:?}"),
    }
}

#[derive(Debug)]
enum Error {
    Connect(rpc_runtime::transport::Error),
    Read(std::io::Error),
}

impl From<rpc_runtime::transport::Error> for Error {
    fn from(error: rpc_runtime::transport::Error) -> Self {
        Self::Connect(error)
    }
}

fn expired(params: &mut CertificateParams) {
    params.not_after = date_time_ymd(2020, 1, 1);
}

fn not_yet_valid(params: &mut CertificateParams) {
    params.not_before = date_time_ymd(4000, 1, 1);
}

fn numbered(serial: u64) -> impl FnOnce(&mut CertificateParams) {
    move |params| params.serial_number = Some(SerialNumber::from(serial))
}

fn only_for(purpose: ExtendedKeyUsagePurpose) -> impl FnOnce(&mut CertificateParams) {
    |params| params.extended_key_usages = vec![purpose]
}

#[tokio::test]
async fn a_server_is_trusted_by_its_certificate() {
    let ours = Authority::new();
    let theirs = Authority::new();
    let revoked = ours.revoke(&[66]);
    let issue = |file: &str, names: &[&str], alter: &dyn Fn(&mut CertificateParams)| {
        ours.issue(file, names, |params| alter(params))
    };
    let rows: [(&str, Files, Becomes); 8] = [
        ("good", issue("good", SERVER, &unaltered), Known(CLIENT)),
        (
            "wrong name",
            issue("wrong", &["other.internal"], &unaltered),
            RefusedByClient("not valid for name"),
        ),
        ("expired", issue("expired", SERVER, &expired), RefusedByClient("expired")),
        ("not yet valid", issue("early", SERVER, &not_yet_valid), RefusedByClient("not valid yet")),
        ("self-signed", ours.self_signed("self", SERVER), RefusedByClient("UnknownIssuer")),
        (
            "another authority of the same name",
            theirs.issue("theirs", SERVER, unaltered),
            RefusedByClient("BadSignature"),
        ),
        ("revoked", ours.issue("recalled", SERVER, numbered(66)), RefusedByClient("Revoked")),
        (
            "certificate of a client",
            ours.issue("role", SERVER, only_for(ExtendedKeyUsagePurpose::ClientAuth)),
            RefusedByClient("does not allow extended key usage for server authentication"),
        ),
    ];
    for (row, files, expected) in rows {
        let server = files.on_server(Tls::server()).authority(ours.path());
        assert_becomes(row, server, ours.good_client().revocations(&revoked), expected).await;
    }
}

#[tokio::test]
async fn the_name_that_is_looked_for_can_be_said() {
    let authority = Authority::new();
    for (name, expected) in [
        ("auth.internal", Known(CLIENT)),
        ("127.0.0.1", Known(CLIENT)),
        ("other.internal", RefusedByClient("not valid for name \"other.internal\"")),
    ] {
        let client = authority.good_client().server_name(name);
        assert_becomes(name, authority.good_server(), client, expected).await;
    }
    let error = authority.good_client().server_name("not a name").build().unwrap_err();
    assert!(error.is_invalid());
    assert_eq!(
        error.to_string(),
        "\"not a name\" is no name a certificate could have: expected a DNS name or an IP address"
    );
}

#[tokio::test]
async fn a_client_is_trusted_by_its_certificate() {
    let ours = Authority::new();
    let theirs = Authority::new();
    let revoked = ours.revoke(&[66]);
    let shows = |files: Files| files.on_client(Tls::client()).authority(ours.path());
    let rows: [(&str, TlsClient, Becomes); 9] = [
        ("good", ours.good_client(), Known(CLIENT)),
        (
            "no certificate",
            Tls::client().anonymous().authority(ours.path()),
            RefusedByServer("CertificateRequired"),
        ),
        ("expired", shows(ours.issue("expired", CLIENT, expired)), RefusedByServer("CertificateExpired")),
        (
            "not yet valid",
            shows(ours.issue("early", CLIENT, not_yet_valid)),
            RefusedByServer("received fatal alert"),
        ),
        ("self-signed", shows(ours.self_signed("self", CLIENT)), RefusedByServer("UnknownCA")),
        (
            "another authority of the same name",
            shows(theirs.issue("theirs", CLIENT, unaltered)),
            RefusedByServer("DecryptError"),
        ),
        (
            "revoked",
            shows(ours.issue("recalled", CLIENT, numbered(66))),
            RefusedByServer("CertificateRevoked"),
        ),
        (
            "certificate of a server",
            shows(ours.issue("role", CLIENT, only_for(ExtendedKeyUsagePurpose::ServerAuth))),
            RefusedByServer("UnsupportedCertificate"),
        ),
        (
            "another name",
            shows(ours.issue("other", &["other.internal"], unaltered)),
            RefusedByServer("AccessDenied"),
        ),
    ];
    for (row, client, expected) in rows {
        let server = ours.good_server().revocations(&revoked).client_names(["GATEWAY.internal"]);
        assert_becomes(row, server, client, expected).await;
    }
}

#[tokio::test]
async fn a_client_is_let_in_by_what_its_certificate_is_valid_for() {
    let authority = Authority::new();
    let shows = |name: &str| {
        authority.issue("shown", &[name], unaltered).on_client(Tls::client()).authority(authority.path())
    };
    let refused = RefusedByServer("AccessDenied");
    let rows = [
        (vec!["other.internal", "gateway.internal"], "gateway.internal", Known(&["gateway.internal"])),
        (vec!["Gateway.Internal"], "gateway.internal", Known(&["gateway.internal"])),
        (vec!["gateway.shop.internal"], "*.shop.internal", Known(&["*.shop.internal"])),
        (vec!["a.gateway.shop.internal"], "*.shop.internal", refused),
        (vec!["shop.internal"], "*.shop.internal", refused),
        (vec!["127.0.0.1"], "127.0.0.1", Known(&[])),
        (vec!["127.0.0.1"], "127.0.0.2", refused),
        (vec![], "gateway.internal", refused),
    ];
    for (allowed, shown, expected) in rows {
        let row = format!("{shown} among {allowed:?}");
        assert_becomes(&row, authority.good_server().client_names(allowed), shows(shown), expected).await;
    }
    let error = authority.good_server().client_names(["*.internal"]).build().unwrap_err();
    assert!(error.is_invalid(), "{error}");
}

#[tokio::test]
async fn clients_without_certificates_are_let_in_where_the_server_says_so() {
    let authority = Authority::new();
    let server = || authority.issue("server", SERVER, unaltered).on_server(Tls::server()).anonymous_clients();
    let anonymous = Tls::client().anonymous().authority(authority.path());
    assert_becomes("anonymous", server(), anonymous, Known(&[])).await;
    assert_becomes("not asked for", server(), authority.good_client(), Known(&[])).await;
}

/// The first record of a client of TLS 1.2: no extensions, one cipher suite.
fn hello_of_tls_1_2() -> Vec<u8> {
    let mut hello = vec![0x16, 3, 1, 0, 45, 1, 0, 0, 41, 3, 3];
    hello.extend([7; 32]);
    hello.extend([0, 0, 2, 0xc0, 0x2f, 1, 0]);
    hello
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn what_is_not_tls_1_3_is_let_go_and_the_next_is_served() {
    let authority = Authority::new();
    let mut listener = listen(authority.good_server()).await;
    let at = socket_address(&listener);
    let address = towards(&listener, authority.good_client());
    let accepting = tokio::spawn(async move { (listener.accept().await, listener) });
    for (what, bytes, alert) in [
        ("HTTP", b"GET / HTTP/1.1\r\nHost: a\r\n\r\n".to_vec(), None),
        ("TLS 1.2", hello_of_tls_1_2(), Some([0x15, 3, 3, 0, 2, 2])),
        ("nothing", Vec::new(), None),
        ("a beginning", vec![0x16, 3, 1], None),
        ("zeros", vec![0; 100_000], None),
    ] {
        let at = at.clone();
        let answer = tokio::task::spawn_blocking(move || {
            let mut stream = StdStream::connect(at).unwrap();
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            // The server may be gone before it is all written.
            let _ = stream.write_all(&bytes);
            let _ = stream.shutdown(std::net::Shutdown::Write);
            let mut answer = Vec::new();
            match stream.read_to_end(&mut answer) {
                Ok(_) => {}
                Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "{what}"),
            }
            answer
        });
        let answer = answer.await.unwrap();
        if let Some(alert) = alert {
            assert!(answer.starts_with(&alert), "{what}: {answer:02x?}");
        }
        assert!(answer.len() <= 7, "{what}: no more than an alert: {answer:02x?}");
    }
    let mut stream = connect(&address).await.unwrap();
    stream.write_all(b"x").await.unwrap();
    stream.flush().await.unwrap();
    let (mut accepted, _listener) = accepting.await.unwrap();
    assert_eq!(accepted.stream.read_u8().await.unwrap(), b'x');
}

#[tokio::test]
async fn a_server_that_does_not_speak_tls_is_refused() {
    let authority = Authority::new();
    let plain = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = authority.good_client().build().unwrap();
    for (says, is_denied) in [("HTTP/1.1 400 Bad Request\r\n\r\n", true), ("", false)] {
        let address = Address::tls(&plain.local_addr().unwrap().to_string(), client.clone()).unwrap();
        let answer = async {
            let (mut stream, _) = plain.accept().await.unwrap();
            assert_ne!(stream.read(&mut [0; 4096]).await.unwrap(), 0);
            stream.write_all(says.as_bytes()).await.unwrap();
        };
        let (outcome, ()) = tokio::join!(connect(&address), answer);
        let error = outcome.unwrap_err();
        assert_eq!((error.is_denied(), error.is_not_there()), (is_denied, false), "{error:?}");
    }
}

#[tokio::test]
async fn a_server_warns_of_handshakes_that_are_refused_once_a_second() {
    let (recorder, _guard) = Recorder::listen();
    let (ours, theirs) = (Authority::new(), Authority::new());
    let mut listener = listen(ours.good_server()).await;
    let stranger = towards(&listener, theirs.good_client());
    let at = socket_address(&listener);
    tokio::spawn(async move {
        loop {
            drop(listener.accept().await);
        }
    });
    for _ in 0..5 {
        connect(&stranger).await.unwrap_err();
    }
    let warned = || {
        let heard = recorder.heard();
        let warnings = heard.events.iter().filter(|(level, _)| *level == Level::WARN);
        warnings.map(|(_, fields)| fields.clone()).collect::<Vec<_>>()
    };
    let until = |count: usize| async move {
        while warned().len() < count {
            tokio::task::yield_now().await
        }
    };
    tokio::time::timeout(PATIENCE, until(1)).await.expect("it warns");
    let first = &warned()[0];
    assert_eq!(first["message"], "a TLS handshake was refused");
    assert!(first["error"].contains("UnknownCA") || first["error"].contains("DecryptError"), "{first:?}");
    assert!(first["address"].starts_with("127.0.0.1:"), "{first:?}");

    // Who only looks whether somebody listens refuses nothing.
    drop(StdStream::connect(&at).unwrap());
    tokio::time::sleep(Duration::from_millis(1100)).await;
    connect(&stranger).await.unwrap_err();
    tokio::time::timeout(PATIENCE, until(2)).await.expect("it warns again");
    let warned = warned();
    let unsaid: Vec<_> = warned.iter().map(|fields| fields["unsaid"].as_str()).collect();
    assert_eq!(unsaid, ["0", "4"], "{warned:?}");
}

/// Moves the clock while sockets work in real time.
async fn advance(time: Duration) {
    tokio::time::pause();
    tokio::time::advance(time).await;
    tokio::time::resume();
}

#[tokio::test]
async fn a_handshake_that_stalls_holds_nobody_up_and_ends_after_10_s() {
    let authority = Authority::new();
    let mut listener = listen(authority.good_server()).await;
    let mut stalled = tokio::net::TcpStream::connect(socket_address(&listener)).await.unwrap();
    stalled.write_all(&[0x16, 3, 1]).await.unwrap();
    let address = towards(&listener, authority.good_client());
    let (stream, accepted) = pair(&mut listener, &address).await;
    assert_carries(stream, accepted.stream).await;

    advance(Duration::from_secs(9)).await;
    tokio::select! {
        biased;
        read = stalled.read_u8() => panic!("it has time left: {read:?}"),
        accepted = listener.accept() => panic!("{accepted:?}"),
        () = tokio::time::sleep(Duration::from_millis(50)) => {}
    }
    advance(Duration::from_secs(1)).await;
    tokio::select! {
        read = tokio::time::timeout(Duration::from_secs(5), stalled.read_u8()) => {
            read.expect("it is closed").unwrap_err();
        }
        accepted = listener.accept() => panic!("{accepted:?}"),
    }
}

#[tokio::test]
async fn handshakes_in_flight_are_capped() {
    let authority = Authority::new();
    let mut listener = listen(authority.good_server()).await;
    let at = socket_address(&listener);
    let mut stalled = Vec::new();
    for _ in 0..256 {
        stalled.push(tokio::net::TcpStream::connect(&at).await.unwrap());
        // So that they are taken in this order, before the next one.
        let pause = tokio::time::timeout(Duration::from_millis(1), listener.accept());
        assert!(pause.await.is_err());
    }
    let address = towards(&listener, authority.good_client());
    let connecting = tokio::spawn(async move { connect(&address).await });
    let waits = tokio::time::timeout(Duration::from_millis(200), listener.accept());
    assert!(waits.await.is_err(), "there is no room for its handshake");
    assert!(!connecting.is_finished());

    drop(stalled.pop());
    let accepted = tokio::time::timeout(PATIENCE, listener.accept()).await.expect("there is room again");
    assert_carries(connecting.await.unwrap().unwrap(), accepted.stream).await;
}

#[test]
fn a_key_that_others_can_read_is_refused() {
    let authority = Authority::new();
    let files = authority.issue("server", SERVER, unaltered);
    for mode in [0o640, 0o604, 0o620, 0o777] {
        set_mode(&files.key, mode);
        let expected = format!(
            "the key {0} has mode {mode:04o} and is open to others, expected 0600: say `chmod 600 {0}`",
            files.key.display()
        );
        let server = files.on_server(Tls::server()).authority(authority.path()).build().unwrap_err();
        let client = files.on_client(Tls::client()).authority(authority.path()).build().unwrap_err();
        for error in [server, client] {
            assert!(error.is_invalid());
            assert_eq!(error.to_string(), expected);
        }
    }
    for mode in [0o600, 0o400] {
        set_mode(&files.key, mode);
        files.on_server(Tls::server()).authority(authority.path()).build().unwrap();
    }
}

#[test]
fn files_that_are_no_certificates_are_named() {
    let authority = Authority::new();
    let good = authority.issue("good", SERVER, unaltered);
    let other = authority.issue("other", SERVER, unaltered);
    let folder = &authority.folder;
    let empty = folder.write("empty.pem", "", 0o600);
    let text = folder.write("text.pem", "not a certificate\n", 0o600);
    let torn = folder.write("torn.pem", &fs::read_to_string(&good.chain).unwrap()[..200], 0o600);
    let noise =
        folder.write("noise.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", 0o600);
    let missing = folder.join("missing.pem");
    let ca = authority.path();
    let rows = [
        (&empty, &good.key, &ca, format!("{} holds no certificate", empty.display())),
        (&text, &good.key, &ca, format!("{} holds no certificate", text.display())),
        (&torn, &good.key, &ca, format!("{} is not valid PEM", torn.display())),
        (&missing, &good.key, &ca, format!("{} cannot be read: No such file", missing.display())),
        (
            &noise,
            &good.key,
            &ca,
            format!("the key {} cannot be used with the certificate in", good.key.display()),
        ),
        (&good.chain, &empty, &ca, format!("{} holds no private key", empty.display())),
        (&good.chain, &missing, &ca, format!("{} cannot be read: No such file", missing.display())),
        (&good.chain, &good.key, &empty, format!("{} holds no certificate", empty.display())),
        (&good.chain, &good.key, &noise, format!("{} holds what is no certificate", noise.display())),
        (
            &good.chain,
            &other.key,
            &ca,
            format!(
                "the key {} is not the key of the certificate in {}",
                other.key.display(),
                good.chain.display()
            ),
        ),
    ];
    for (chain_file, key, ca, expected) in rows {
        let server = Tls::server().certificate(chain_file, key).authority(ca).build().unwrap_err();
        let client = Tls::client().certificate(chain_file, key).authority(ca).build().unwrap_err();
        for error in [server, client] {
            assert!(error.is_invalid());
            assert!(chain(&error).starts_with(&expected), "{}", chain(&error));
        }
    }
}

#[tokio::test]
async fn what_is_left_out_or_contradicts_is_named() {
    let authority = Authority::new();
    let files = authority.issue("good", SERVER, unaltered);
    let shown = || files.on_server(Tls::server());
    let errors = [
        (Tls::client().authority("a").build(), "the TLS of a client needs `.certificate(chain, key)`"),
        (files.on_client(Tls::client()).build(), "the TLS of a client needs `.authority(path)`"),
        (
            files.on_client(Tls::client()).anonymous().build(),
            "the TLS of a client shows its certificate or is anonymous",
        ),
        (Tls::server().authority("a").build(), "the TLS of a server needs `.certificate(chain, key)`"),
        (shown().build(), "the TLS of a server needs `.authority(path)`"),
        (
            shown().anonymous_clients().authority("a").build(),
            "the TLS of a server does not ask anonymous clients",
        ),
        (shown().anonymous_clients().client_names(["a"]).build(), "anonymous clients have no names"),
    ];
    for (outcome, expected) in errors {
        let error = outcome.unwrap_err();
        assert!(error.is_invalid() && error.to_string().starts_with(expected), "{error}");
    }

    let client = Address::tls("127.0.0.1:0", authority.good_client().build().unwrap()).unwrap();
    let server = Address::tls("127.0.0.1:1", authority.good_server().build().unwrap()).unwrap();
    let bare: Address = "tls:127.0.0.1:1".parse().unwrap();
    for (error, expected) in [
        (Listener::bind(&client).await.unwrap_err(), "this is the TLS of a client"),
        (connect(&server).await.unwrap_err(), "this is the TLS of a server"),
        (Listener::bind(&bare).await.unwrap_err(), "the address has no certificates"),
        (connect(&bare).await.unwrap_err(), "the address has no certificates"),
    ] {
        assert!(error.is_invalid() && error.to_string().contains(expected), "{error}");
    }
}

#[tokio::test]
async fn certificates_that_were_replaced_are_used_and_sessions_go_on() {
    let authority = Authority::new();
    let mut listener = listen(authority.good_server()).await;
    let address = towards(&listener, authority.good_client());
    let (mut stream, mut accepted) = pair(&mut listener, &address).await;
    assert_eq!(accepted.peer.certificate_names, CLIENT);

    authority.issue("client", &["renewed.internal"], unaltered);
    let (_, at_once) = pair(&mut listener, &address).await;
    assert_eq!(at_once.peer.certificate_names, CLIENT, "files are looked at every 10 s at most");

    advance(Duration::from_secs(10)).await;
    let (_, later) = pair(&mut listener, &address).await;
    assert_eq!(later.peer.certificate_names, ["renewed.internal"]);

    authority.issue("server", &["moved.internal"], unaltered);
    advance(Duration::from_secs(10)).await;
    let error = tokio::select! {
        outcome = connect(&address) => outcome.unwrap_err(),
        accepted = listener.accept() => panic!("{accepted:?}"),
    };
    assert!(error.is_denied() && chain(&error).contains("moved.internal"), "{}", chain(&error));

    stream.write_all(b"x").await.unwrap();
    stream.flush().await.unwrap();
    assert_eq!(accepted.stream.read_u8().await.unwrap(), b'x');
}

#[tokio::test]
async fn new_files_that_do_not_fit_leave_the_old_ones_in_use() {
    let (recorder, _guard) = Recorder::listen();
    let authority = Authority::new();
    let mut listener = listen(authority.good_server()).await;
    let address = towards(&listener, authority.good_client());
    let warnings = || recorder.messages(Level::WARN);

    // As while a certificate is being replaced: the chain is there, the key not yet.
    let renewed = authority.issue("renewed", &["renewed.internal"], unaltered);
    fs::copy(&renewed.chain, authority.folder.join("client.pem")).unwrap();
    for _ in 0..3 {
        advance(Duration::from_secs(10)).await;
        let (_, accepted) = pair(&mut listener, &address).await;
        assert_eq!(accepted.peer.certificate_names, CLIENT);
        assert_eq!(warnings(), ["the certificates have changed and are of no use: the old ones stay"]);
    }
    fs::copy(&renewed.key, authority.folder.join("client.key")).unwrap();
    advance(Duration::from_secs(10)).await;
    let (_, accepted) = pair(&mut listener, &address).await;
    assert_eq!(accepted.peer.certificate_names, ["renewed.internal"]);
    assert_eq!(warnings().len(), 1);
}

#[test]
fn neither_debug_nor_an_error_shows_a_key() {
    let authority = Authority::new();
    let files = authority.issue("good", SERVER, unaltered);
    let pem = fs::read_to_string(&files.key).unwrap();
    let secret = pem.lines().nth(1).unwrap();
    let server = files.on_server(Tls::server()).authority(authority.path());
    let tls = server.clone().build().unwrap();
    let address = Address::tls("127.0.0.1:0", tls.clone()).unwrap();
    let swapped =
        Tls::server().certificate(&files.key, &files.key).authority(authority.path()).build().unwrap_err();
    fs::write(&files.key, pem.replace("-----END PRIVATE KEY-----", "")).unwrap();
    let torn = server.clone().build().unwrap_err();
    for text in [
        format!("{server:?}"),
        format!("{tls:?}"),
        format!("{address:?}"),
        format!("{swapped:?}"),
        format!("{torn:?}"),
    ] {
        assert!(!text.contains(secret), "{text}");
        assert!(text.contains("good.key"), "it says which file: {text}");
    }
}

/// What a flood costs: each handshake that is refused is over at once, and none is left behind.
#[tokio::test]
async fn after_a_thousand_refused_handshakes_the_next_is_served() {
    let authority = Authority::new();
    let mut listener = listen(authority.good_server()).await;
    let at = socket_address(&listener);
    let address = towards(&listener, authority.good_client());
    let start = Instant::now();
    let flood = tokio::spawn(async move {
        for _ in 0..1000 {
            let mut stream = tokio::net::TcpStream::connect(&at).await.unwrap();
            stream.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
        }
        connect(&address).await.unwrap()
    });
    let accepted = tokio::time::timeout(PATIENCE, listener.accept()).await.expect("it gets its turn");
    assert!(start.elapsed() < PATIENCE);
    assert_carries(flood.await.unwrap(), accepted.stream).await;
}

#[test]
fn a_stream_goes_on_in_another_runtime() {
    let authority = Authority::new();
    let client = authority.good_client().build().unwrap();
    goes_on_in_another_runtime(|| async {
        let listener = listen(authority.good_server()).await;
        let address = listener.local_address().clone().with_tls(client.clone());
        (listener, address)
    });
}

#[tokio::test]
async fn closing_serves_who_has_connected_before() {
    let authority = Authority::new();
    let listener = listen(authority.good_server()).await;
    let address = towards(&listener, authority.good_client());
    closing_serves_who_has_connected(listener, address).await;
}
