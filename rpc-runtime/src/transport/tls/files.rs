//! What rustls is given, read from PEM files.

use std::{
    fs::{self, File},
    io::{self, Read},
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
    sync::Arc,
};

use rustls::{
    ClientConfig, RootCertStore, ServerConfig, SupportedProtocolVersion,
    client::{Resumption, WebPkiServerVerifier},
    crypto::{CryptoProvider, ring},
    pki_types::{
        CertificateDer, CertificateRevocationListDer, PrivateKeyDer, ServerName,
        pem::{self, PemObject},
    },
    server::{NoServerSessionStorage, WebPkiClientVerifier, danger::ClientCertVerifier},
};

use super::names::NamedClients;
use crate::transport::error::Error;

/// Where the certificates of one side are.
#[derive(Clone, Debug, Default)]
pub(super) struct Files {
    /// The chain and the key.
    pub(super) certificate: Option<(PathBuf, PathBuf)>,
    pub(super) authority: Option<PathBuf>,
    pub(super) revocations: Option<PathBuf>,
    /// Clients show no certificate.
    pub(super) anonymous: bool,
}

/// What tells one state of the files from another: device, inode, length and the time of the last change.
pub(super) type Stamps = Vec<Option<(u64, u64, u64, i64, i64)>>;

impl Files {
    /// Nothing is missing, and nothing is there in vain.
    pub(super) fn check(&self, role: &str) -> Result<(), Error> {
        let is_client = role == "client";
        let wrong = |what: &str| Err(Error::invalid(format!("the TLS of a {role} {what}")));
        match (self.anonymous, &self.certificate, &self.authority) {
            (true, Some(_), _) if is_client => {
                wrong("shows its certificate or is anonymous: leave out `.certificate(..)` or `.anonymous()`")
            }
            (false, None, _) if is_client => {
                wrong("needs `.certificate(chain, key)`, or `.anonymous()` where servers ask for none")
            }
            (true, _, Some(_)) if !is_client => wrong(
                "does not ask anonymous clients for a certificate: leave out `.authority(..)` or \
                       `.anonymous_clients()`",
            ),
            (true, _, None) if !is_client => Ok(()),
            (_, _, None) => {
                wrong("needs `.authority(path)`: the certificates by which the other side is trusted")
            }
            _ => Ok(()),
        }
    }

    pub(super) fn stamps(&self) -> Stamps {
        let certificate = self.certificate.iter().flat_map(|(chain, key)| [chain, key]);
        certificate
            .chain(&self.authority)
            .chain(&self.revocations)
            .map(|path| {
                let data = fs::metadata(path).ok()?;
                Some((data.dev(), data.ino(), data.size(), data.mtime(), data.mtime_nsec()))
            })
            .collect()
    }

    pub(super) fn client(&self) -> Result<ClientConfig, Error> {
        let provider = provider();
        let verifier = WebPkiServerVerifier::builder_with_provider(self.roots()?, Arc::clone(&provider))
            .with_crls(self.revocation_lists()?)
            .build()
            .map_err(|error| self.verifier_error(error))?;
        let builder = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(VERSIONS)
            .map_err(|error| Error::failed("TLS cannot be used", error))?
            .with_webpki_verifier(verifier);
        let mut config = match &self.certificate {
            Some((chain, key)) => builder
                .with_client_auth_cert(certificates(chain)?, private_key(key)?)
                .map_err(|error| certificate_error(chain, key, error))?,
            None => builder.with_no_client_auth(),
        };
        config.resumption = Resumption::disabled();
        Ok(config)
    }

    pub(super) fn server(
        &self,
        client_names: Option<&Arc<[ServerName<'static>]>>,
    ) -> Result<ServerConfig, Error> {
        let provider = provider();
        let verifier = self.client_verifier(&provider, client_names)?;
        let builder = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(VERSIONS)
            .map_err(|error| Error::failed("TLS cannot be used", error))?
            .with_client_cert_verifier(verifier);
        let (chain, key) = self.certificate.as_ref().expect("`TlsServer::build` refuses to go without");
        let mut config = builder
            .with_single_cert(certificates(chain)?, private_key(key)?)
            .map_err(|error| certificate_error(chain, key, error))?;
        config.send_tls13_tickets = 0;
        config.session_storage = Arc::new(NoServerSessionStorage {});
        Ok(config)
    }

    fn client_verifier(
        &self,
        provider: &Arc<CryptoProvider>,
        client_names: Option<&Arc<[ServerName<'static>]>>,
    ) -> Result<Arc<dyn ClientCertVerifier>, Error> {
        if self.anonymous {
            return Ok(WebPkiClientVerifier::no_client_auth());
        }
        let verifier = WebPkiClientVerifier::builder_with_provider(self.roots()?, Arc::clone(provider))
            .with_crls(self.revocation_lists()?)
            .build()
            .map_err(|error| self.verifier_error(error))?;
        Ok(match client_names {
            Some(names) => Arc::new(NamedClients::new(verifier, Arc::clone(names))),
            None => verifier,
        })
    }

    fn roots(&self) -> Result<Arc<RootCertStore>, Error> {
        let path = self.authority.as_ref().expect("`Files::check` has seen to it");
        let mut roots = RootCertStore::empty();
        for certificate in certificates(path)? {
            roots.add(certificate).map_err(|error| {
                Error::invalid(format!("{} holds what is no certificate of an authority", path.display()))
                    .because(error)
            })?;
        }
        Ok(Arc::new(roots))
    }

    fn revocation_lists(&self) -> Result<Vec<CertificateRevocationListDer<'static>>, Error> {
        match &self.revocations {
            Some(path) => items(path, "revocation list", "X509 CRL"),
            None => Ok(Vec::new()),
        }
    }

    fn verifier_error(&self, error: rustls::server::VerifierBuilderError) -> Error {
        let path = self.revocations.as_ref().or(self.authority.as_ref());
        let path = path.map(|path| path.display().to_string()).unwrap_or_default();
        Error::invalid(format!("{path} cannot be used")).because(error)
    }
}

/// What is ours on both ends needs no older one.
const VERSIONS: &[&SupportedProtocolVersion] = &[&rustls::version::TLS13];

fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, Error> {
    items(path, "certificate", "CERTIFICATE")
}

/// All items of a kind in a PEM file, of which there must be one at least.
fn items<T: PemObject>(path: &Path, what: &str, label: &str) -> Result<Vec<T>, Error> {
    let text = fs::read(path).map_err(|error| unreadable(path, error))?;
    let items: Vec<T> = T::pem_slice_iter(&text)
        .collect::<Result<_, _>>()
        .map_err(|error| Error::invalid(format!("{} is not valid PEM", path.display())).because(error))?;
    if items.is_empty() {
        return Err(Error::invalid(format!(
            "{} holds no {what}: expected PEM, `-----BEGIN {label}-----` and so on",
            path.display()
        )));
    }
    Ok(items)
}

/// The key, if it is closed to others.
fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, Error> {
    let mut file = File::open(path).map_err(|error| unreadable(path, error))?;
    // Of the file that was opened, not of what has its name by now.
    let mode = file.metadata().map_err(|error| unreadable(path, error))?.permissions().mode() & 0o7777;
    if mode & 0o077 != 0 {
        return Err(Error::invalid(format!(
            "the key {} has mode {mode:04o} and is open to others, expected 0600: say `chmod 600 {}`",
            path.display(),
            path.display()
        )));
    }
    let mut text = Vec::new();
    file.read_to_end(&mut text).map_err(|error| unreadable(path, error))?;
    PrivateKeyDer::from_pem_slice(&text).map_err(|error| match error {
        pem::Error::NoItemsFound => Error::invalid(format!(
            "{} holds no private key: expected PEM, `-----BEGIN PRIVATE KEY-----` and so on",
            path.display()
        )),
        // The error may quote the file.
        _ => Error::invalid(format!("{} is not valid PEM", path.display())),
    })
}

fn unreadable(path: &Path, error: io::Error) -> Error {
    Error::invalid(format!("{} cannot be read", path.display())).because(error)
}

fn certificate_error(chain: &Path, key: &Path, error: rustls::Error) -> Error {
    let what = match error {
        rustls::Error::InconsistentKeys(_) => "is not the key of the certificate in",
        _ => "cannot be used with the certificate in",
    };
    Error::invalid(format!("the key {} {what} {}", key.display(), chain.display())).because(error)
}
