//! T26: what must not be reached, by whatever name.

use super::*;

async fn refused(outside: &Outside, url: &str) -> Error {
    let error = Fetcher::new(outside.clone()).fetch(url).await.unwrap_err();
    assert!(error.is_denied() && !error.is_retryable(), "{url}: {error:?}");
    error
}

#[tokio::test]
async fn this_machine_is_not_reached_by_any_of_its_names() {
    let mut server = Bare::start().await;
    let port = server.address.port();
    let outside = Outside::new();
    for host in [
        "127.0.0.1",
        "127.1",
        "127.255.255.254",
        "2130706433",
        "0x7f000001",
        "localhost",
        "0.0.0.0",
        "[::1]",
        "[::]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[::127.0.0.1]",
        "[64:ff9b::127.0.0.1]",
    ] {
        refused(&outside, &format!("http://{host}:{port}/")).await;
        refused(&outside, &format!("https://{host}:{port}/")).await;
    }
    server.assert_quiet().await;
}

#[tokio::test]
async fn the_error_says_what_the_address_is_and_how_to_allow_it() {
    for (host, what) in [
        ("10.1.2.3", "private"),
        ("192.168.0.1", "private"),
        ("169.254.169.254", "link-local"),
        ("100.100.100.200", "shared address space"),
        ("168.63.129.16", "the address of a cloud's own services"),
        ("[fd00:ec2::254]", "unique-local"),
        ("[fe80::1]", "link-local"),
        ("[ff02::1]", "multicast"),
        ("224.0.0.1", "multicast"),
        ("255.255.255.255", "reserved"),
        ("203.0.113.7", "kept for documentation"),
        ("[2001:db8::1]", "kept for documentation"),
    ] {
        let error = refused(&Outside::new(), &format!("http://{host}/latest/meta-data/")).await;
        let address = host.trim_matches(['[', ']']);
        assert!(
            error.to_string().starts_with(&format!(
                "denied: {host} is at {address}, which is {what} and not of the public Internet: \
                 `Outside::allow(\"{address}\")` makes an exception"
            )),
            "{error}"
        );
    }
}

#[tokio::test]
async fn of_the_addresses_of_a_name_only_those_are_connected_to_that_may_be() {
    let server = Bare::start().await;
    // `localhost` is ::1 too, where there is IPv6.
    let url = format!("http://localhost:{}/", server.address.port());
    let asked = tokio::spawn(answers(server, [OK]));
    let answer = Fetcher::new(local()).fetch(url).await.unwrap();
    assert_eq!(answer.into_body().text().await.unwrap(), "ok");
    assert_eq!(asked.await.unwrap().len(), 1);
}

#[tokio::test]
async fn an_exception_holds_for_an_ipv4_address_however_it_is_written() {
    for (allowed, host) in [
        ("127.0.0.0/8", "127.0.0.1"),
        ("127.0.0.1", "[::ffff:127.0.0.1]"),
        ("::ffff:127.0.0.0/104", "[::ffff:127.0.0.1]"),
    ] {
        let server = Bare::start().await;
        let url = format!("http://{host}:{}/", server.address.port());
        let asked = tokio::spawn(answers(server, [OK]));
        let answer = Fetcher::new(Outside::new().allow(allowed).unwrap()).fetch(url).await.unwrap();
        assert_eq!((answer.status(), asked.await.unwrap().len()), (StatusCode::OK, 1));
    }
}

#[tokio::test]
async fn an_address_is_looked_at_again_on_each_redirect() {
    let server = Bare::start().await;
    let url = server.url("/");
    let asked = tokio::spawn(answers(
        server,
        ["HTTP/1.1 302 Found\r\nlocation: http://127.0.0.2:1/\r\ncontent-length: 0\r\n\r\n"],
    ));
    let error = refused(&local(), &url).await;
    assert!(error.to_string().contains("127.0.0.2 is at 127.0.0.2, which is loopback"), "{error}");
    assert_eq!(asked.await.unwrap().len(), 1);

    for location in ["http://user@127.0.0.1:1/", "http://127.0.0.1:0/"] {
        let server = Bare::start().await;
        let url = server.url("/");
        let moved = format!("HTTP/1.1 307 Moved\r\nlocation: {location}\r\ncontent-length: 0\r\n\r\n");
        let asked = tokio::spawn(answers(server, [moved]));
        refused(&local(), &url).await;
        assert_eq!(asked.await.unwrap().len(), 1);
    }
}

#[tokio::test]
async fn a_url_that_leads_nowhere_outside_is_refused_before_anything_is_resolved() {
    let outside = Fetcher::new(Outside::new());
    for url in ["/path/alone", "ws://example.org/", "unix:/run/a.sock"] {
        let request = http::Request::get(url).body(Body::none());
        let Ok(request) = request else { continue };
        let error = outside.fetch(request).await.unwrap_err();
        assert!(error.is_decode() && error.to_string().contains("leads nowhere outside"), "{url}: {error}");
    }
    for url in ["http://user:s3cret@example.org/", "https://@example.org/", "http://example.org:0/"] {
        let error = refused(&Outside::new(), url).await;
        assert!(!format!("{error:?}").contains("s3cret"), "{error:?}");
    }
    for method in [Method::CONNECT, Method::TRACE] {
        let mut request = get("http://example.org/");
        *request.method_mut() = method;
        assert!(outside.fetch(request).await.unwrap_err().is_denied());
    }
    let upgrade = http::Request::get("http://example.org/").header("upgrade", "websocket").body(Body::none());
    assert!(outside.fetch(upgrade.unwrap()).await.unwrap_err().is_denied());
}

#[tokio::test]
async fn fetch_alone_reaches_what_the_public_internet_is() {
    let error = rpc_runtime::fetch("http://127.0.0.1:1/").await.unwrap_err();
    assert!(error.is_denied(), "{error}");
    let error = rpc_runtime::fetch("relative").await.unwrap_err();
    assert!(error.is_decode(), "{error}");
    let error = rpc_runtime::fetch(get("http://[::1]:1/")).await.unwrap_err();
    assert!(error.is_denied(), "{error}");
}
