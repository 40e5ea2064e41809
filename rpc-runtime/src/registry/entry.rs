//! What a host says of one of its Workers.

use serde::{Deserialize, Serialize};

use super::{kin, process};
use crate::session::{PROTOCOL, Services};

/// One Worker, as its file has it. What others add is not read.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Entry {
    pub(super) name: String,
    pub(super) pid: u32,
    /// When the process began, as the system counts, if it tells: a process id is used again.
    pub(super) started: Option<u64>,
    /// The version of the boundary protocol.
    pub(super) protocol: u64,
    /// The version of this library.
    pub(super) version: String,
    /// The name of its socket, in the same folder.
    pub(super) socket: String,
    /// Who else may have its name; see [`kin`](super::kin).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) kin: Option<String>,
    pub(super) entrypoints: Vec<Entrypoint>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Entrypoint {
    /// Empty for the default one.
    pub(super) name: String,
    pub(super) services: Vec<Service>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Service {
    /// Empty for `fetch`.
    pub(super) name: String,
    /// Of the fingerprints of its methods, in hexadecimal digits.
    pub(super) digest: String,
}

impl Entry {
    /// A Worker of this process, with what it serves, and whose name others of its kin may have.
    pub(super) fn of(name: &str, services: &Services, kin: Option<String>) -> Self {
        let mut entrypoints: Vec<Entrypoint> = Vec::new();
        for (entrypoint, service, digest) in services.list() {
            let service = Service { name: service.to_owned(), digest };
            match entrypoints.iter_mut().find(|known| known.name == entrypoint) {
                Some(known) => known.services.push(service),
                None => entrypoints.push(Entrypoint { name: entrypoint.to_owned(), services: vec![service] }),
            }
        }
        Self {
            name: name.to_owned(),
            pid: std::process::id(),
            started: process::started(std::process::id()),
            protocol: PROTOCOL,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            socket: Self::socket_of(name, kin.as_deref()),
            kin,
            entrypoints,
        }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The name of the socket of a Worker of this process.
    pub(super) fn socket_of(name: &str, kin: Option<&str>) -> String {
        if kin.is_some() { kin::socket_of(name) } else { format!("{name}.sock") }
    }

    /// The name of its file.
    pub(super) fn file_of(name: &str) -> String {
        format!("{name}.json")
    }

    /// Whether it was written by the same process.
    pub(super) fn is_of_same_process(&self, other: &Self) -> bool {
        (self.pid, self.started) == (other.pid, other.started)
    }

    /// Whether its socket is called as one that lies in the same folder.
    pub(super) fn is_in_folder(&self) -> bool {
        !self.socket.contains(['/', '\0']) && !matches!(&*self.socket, "" | "." | "..")
    }
}
