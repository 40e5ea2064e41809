//! What two ends must agree on before they exchange the values of a service.

use std::{
    collections::HashMap,
    sync::{Arc, LazyLock, Mutex, PoisonError},
};

use sha2::{Digest as _, Sha256};

use crate::{contract::Fingerprint, service::ServiceInfo};

/// The first 128 bits of the SHA-256 of the fingerprints of a service's methods, in the order of their names.
///
/// Equal digests are equal services, method by method; so a service that both ends know is opened without a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Digest([u8; 16]);

/// The fingerprints of a service, by method.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) digest: Digest,
    pub(super) methods: HashMap<u64, Fingerprint>,
}

impl Digest {
    pub(super) fn of(info: &'static ServiceInfo) -> Self {
        known(info).digest
    }

    pub(super) fn to_bytes(self) -> [u8; 16] {
        self.0
    }
}

/// The contract of a service of this program, computed once.
pub(super) fn known(info: &'static ServiceInfo) -> Arc<Known> {
    /// By address: there is one `ServiceInfo` for each service of a program.
    static KNOWN: LazyLock<Mutex<HashMap<usize, Arc<Known>>>> = LazyLock::new(Mutex::default);
    let mut table = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    let entry = table.entry(std::ptr::from_ref(info).addr());
    Arc::clone(entry.or_insert_with(|| Arc::new(Known::new(info))))
}

impl Known {
    fn new(info: &'static ServiceInfo) -> Self {
        let mut methods: Vec<_> = info
            .methods
            .iter()
            .map(|method| (method.name, method.id.get(), method.contract().fingerprint()))
            .collect();
        methods.sort_unstable_by_key(|(name, ..)| *name);
        let mut hash = Sha256::new();
        for (_, id, fingerprint) in &methods {
            hash.update(id.to_le_bytes());
            hash.update(fingerprint.to_bytes());
        }
        let digest: [u8; 32] = hash.finalize().into();
        let (half, _) = digest.split_first_chunk().expect("32 bytes begin with 16");
        Self {
            digest: Digest(*half),
            methods: methods.into_iter().map(|(_, id, fingerprint)| (id, fingerprint)).collect(),
        }
    }
}
