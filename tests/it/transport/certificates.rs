//! Certificates for tests, made when they are needed.

use std::path::PathBuf;

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CertifiedIssuer, DnType,
    ExtendedKeyUsagePurpose, IsCa, KeyIdMethod, KeyPair, KeyUsagePurpose, RevokedCertParams, SerialNumber,
    date_time_ymd,
};
use rpc_runtime::transport::{Tls, TlsClient, TlsServer};

use super::folder::Folder;

pub(crate) const SERVER: &[&str] = &["auth.internal", "127.0.0.1"];

pub(crate) const CLIENT: &[&str] = &["gateway.internal"];

/// Who issues certificates, and where they are put.
pub(crate) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    pub(crate) folder: Folder,
}

/// The files of a certificate and its key.
#[derive(Clone)]
pub(crate) struct Files {
    pub(crate) chain: PathBuf,
    pub(crate) key: PathBuf,
}

impl Files {
    pub(crate) fn on_client(&self, client: TlsClient) -> TlsClient {
        client.certificate(&self.chain, &self.key)
    }

    pub(crate) fn on_server(&self, server: TlsServer) -> TlsServer {
        server.certificate(&self.chain, &self.key)
    }
}

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let folder = Folder::new();
        folder.write("ca.pem", &issuer.pem(), 0o644);
        Self { issuer, folder }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.join("ca.pem")
    }

    /// A certificate for these names, valid now, as the caller alters it.
    pub(crate) fn issue(
        &self,
        file: &str,
        names: &[&str],
        alter: impl FnOnce(&mut CertificateParams),
    ) -> Files {
        let mut params = params(names);
        alter(&mut params);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        self.write(file, &certificate.pem(), &key.serialize_pem())
    }

    /// One that nobody else has signed.
    pub(crate) fn self_signed(&self, file: &str, names: &[&str]) -> Files {
        let key = KeyPair::generate().unwrap();
        let certificate = params(names).self_signed(&key).unwrap();
        self.write(file, &certificate.pem(), &key.serialize_pem())
    }

    fn write(&self, file: &str, certificate: &str, key: &str) -> Files {
        Files {
            chain: self.folder.write(&format!("{file}.pem"), certificate, 0o644),
            key: self.folder.write(&format!("{file}.key"), key, 0o600),
        }
    }

    /// A server that [`good_client`](Self::good_client) trusts.
    pub(crate) fn good_server(&self) -> TlsServer {
        self.issue("server", SERVER, |_| {}).on_server(Tls::server()).authority(self.path())
    }

    /// A client that [`good_server`](Self::good_server) trusts.
    pub(crate) fn good_client(&self) -> TlsClient {
        self.issue("client", CLIENT, |_| {}).on_client(Tls::client()).authority(self.path())
    }

    /// A list of certificates that are no longer valid.
    pub(crate) fn revoke(&self, serials: &[u64]) -> PathBuf {
        let revoked = |serial: &u64| RevokedCertParams {
            serial_number: SerialNumber::from(*serial),
            revocation_time: date_time_ymd(2020, 1, 1),
            reason_code: None,
            invalidity_date: None,
        };
        let list = CertificateRevocationListParams {
            this_update: date_time_ymd(2020, 1, 1),
            next_update: date_time_ymd(4096, 1, 1),
            crl_number: SerialNumber::from(1),
            issuing_distribution_point: None,
            revoked_certs: serials.iter().map(revoked).collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        self.folder.write("revoked.pem", &list.signed_by(&self.issuer).unwrap().pem().unwrap(), 0o644)
    }
}

fn params(names: &[&str]) -> CertificateParams {
    let names: Vec<String> = names.iter().copied().map(str::to_owned).collect();
    let mut params = CertificateParams::new(names).unwrap();
    params.extended_key_usages =
        vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    params
}
