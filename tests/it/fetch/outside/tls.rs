//! Servers with TLS: which are believed, and what is spoken with them.

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, KeyUsagePurpose};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::rustls::{ServerConfig, crypto::ring, version};

use super::*;

/// An authority, and the configuration of a server that it has signed.
fn signed(names: &[&str], protocols: &[&str]) -> (String, Arc<ServerConfig>) {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(names).unwrap().signed_by(&key, &issuer).unwrap();
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let versions: &[_] = if protocols == ["old"] { &[&version::TLS12] } else { &[&version::TLS13] };
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(versions)
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)
        .unwrap();
    config.alpn_protocols =
        protocols.iter().map(|name| name.as_bytes().to_vec()).filter(|name| name != b"old").collect();
    (issuer.pem(), Arc::new(config))
}

/// Serves each connection with the protocol that it has agreed on.
async fn serve(config: Arc<ServerConfig>) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let accepted = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&accepted);
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            count.fetch_add(1, Ordering::Relaxed);
            let Ok(mut stream) = TlsAcceptor::from(Arc::clone(&config)).accept(stream).await else {
                continue;
            };
            tokio::spawn(async move {
                if stream.get_ref().1.alpn_protocol() == Some(b"h2") {
                    let mut connection = h2::server::handshake(stream).await.unwrap();
                    while let Some(Ok((request, mut respond))) = connection.accept().await {
                        let mut sending = respond.send_response(http::Response::new(()), false).unwrap();
                        let text = format!("{:?} {}", request.version(), request.uri());
                        sending.send_data(text.into(), true).unwrap();
                    }
                } else {
                    let mut bytes = [0; 4096];
                    while stream.read(&mut bytes).await.is_ok_and(|read| read > 0) {
                        stream.write_all(OK.as_bytes()).await.unwrap();
                    }
                }
            });
        }
    });
    (address, accepted)
}

#[tokio::test]
async fn a_server_is_asked_over_what_it_speaks() {
    for (protocols, expected) in
        [(&["h2", "http/1.1"][..], Some("HTTP/2.0")), (&["http/1.1"], None), (&[], None), (&["old"], None)]
    {
        let (authority, config) = signed(&["localhost"], protocols);
        let (address, accepted) = serve(config).await;
        let outside = Fetcher::new(local().trust(authority.as_bytes()).unwrap());
        let url = format!("https://localhost:{}/a", address.port());
        for _ in 0..3 {
            let text = outside.fetch(url.as_str()).await.unwrap().into_body().text().await.unwrap();
            match expected {
                Some(version) => assert_eq!(text, format!("{version} {url}")),
                None => assert_eq!(text, "ok"),
            }
            tokio::task::yield_now().await;
        }
        assert_eq!(accepted.load(Ordering::Relaxed), 1, "{protocols:?}");
    }
}

#[tokio::test]
async fn a_server_that_nobody_vouches_for_is_not_asked() {
    let (authority, config) = signed(&["localhost"], &[]);
    let (other, _) = signed(&["localhost"], &[]);
    let (address, _) = serve(config).await;
    let told = async |trusted: &str, host: &str| {
        let outside = local().trust(trusted.as_bytes()).unwrap();
        let error = outside.fetch(get(&format!("https://{host}:{}/", address.port()))).await.unwrap_err();
        assert!(error.is_unavailable(), "{error:?}");
        error.to_string()
    };
    assert!(told(&other, "localhost").await.contains("no TLS with localhost: invalid peer certificate"));
    assert!(told(&authority, "127.0.0.1").await.contains("no TLS with 127.0.0.1: invalid peer certificate"));
}
