//! What a host says of one of its Workers.

use serde::{Deserialize, Serialize};

use super::process;
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
    /// A Worker of this process, with what it serves.
    pub(crate) fn of(name: &str, services: &Services) -> Self {
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
            socket: Self::socket_of(name),
            entrypoints,
        }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The name of the socket of a Worker.
    pub(super) fn socket_of(name: &str) -> String {
        format!("{name}.sock")
    }

    /// The name of its file.
    pub(super) fn file_of(name: &str) -> String {
        format!("{name}.json")
    }

    /// Whether its socket is called as one that lies in the same folder.
    pub(super) fn is_in_folder(&self) -> bool {
        !self.socket.contains(['/', '\0']) && !matches!(&*self.socket, "" | "." | "..")
    }
}
