//! What Landlock restricts: files, TCP ports, signals, and abstract Unix sockets.
//!
//! It allows by what is there when it is told: a file that takes the name of another later is not the one that was
//! allowed. `Execute` is not restricted: the dynamic linker runs whatever it can read, so it would be no boundary. That
//! no program is started at all is a matter of system calls.

use std::path::{Path, PathBuf};

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible as _, NetPort, PathBeneath,
    PathFd, Ruleset, RulesetAttr as _, RulesetCreatedAttr as _, RulesetError, RulesetStatus, Scope,
    make_bitflags,
};

use super::{Home, Sandbox};
use crate::{config::Config, transport::Address};

type Error = Box<dyn std::error::Error>;

const READ: BitFlags<AccessFs> = make_bitflags!(AccessFs::{ReadFile | ReadDir});

/// No devices, and no commands to them.
const WRITE: BitFlags<AccessFs> = make_bitflags!(AccessFs::{
    ReadFile | ReadDir | WriteFile | Truncate | RemoveFile | RemoveDir
    | MakeReg | MakeDir | MakeSym | MakeFifo | MakeSock | Refer
});

/// An entry, which is written beside its place and renamed, and a socket.
const HOME: BitFlags<AccessFs> = make_bitflags!(AccessFs::{
    ReadFile | ReadDir | WriteFile | Truncate | RemoveFile | MakeReg | MakeSock
});

/// What programs read to run at all, to find other machines, to trust them, and to know the time. No folder of these has
/// anybody's data or keys in it; where one is not there it is not needed.
const SYSTEM: [&str; 25] = [
    // Shared libraries.
    "/lib",
    "/lib32",
    "/lib64",
    "/usr/lib",
    "/usr/lib32",
    "/usr/lib64",
    "/usr/local/lib",
    "/nix/store",
    "/etc/ld.so.cache",
    "/etc/ld.so.preload",
    // Names of machines.
    "/etc/gai.conf",
    "/etc/host.conf",
    "/etc/hosts",
    "/etc/nsswitch.conf",
    "/etc/resolv.conf",
    "/run/systemd/resolve",
    // Certificates, without the private keys beside them.
    "/etc/ca-certificates",
    "/etc/pki/ca-trust",
    "/etc/pki/tls/certs",
    "/etc/ssl/certs",
    "/usr/share/ca-certificates",
    // The time of the place.
    "/etc/localtime",
    "/usr/share/zoneinfo",
    // How many cores there are. What is below `/proc/self` is of the process itself.
    "/proc/self",
    "/sys/devices/system/cpu",
];

const DEVICES: [&str; 3] = ["/dev/random", "/dev/urandom", "/dev/zero"];

/// Everything of Linux 6.10 but `Execute`: what the module says of it.
fn handled() -> BitFlags<AccessFs> {
    AccessFs::from_all(ABI::V5) & !BitFlags::from(AccessFs::Execute)
}

/// What this kernel cannot restrict, in words.
pub(super) fn missing() -> Vec<&'static str> {
    let has = |added: &dyn Fn(Ruleset) -> Result<Ruleset, RulesetError>| {
        added(Ruleset::default().set_compatibility(CompatLevel::HardRequirement)).is_ok()
    };
    let parts: [(bool, &str); 4] = [
        (
            has(&|rules| rules.handle_access(AccessFs::from_all(ABI::V3))),
            "Landlock of ABI 3: files may be cut short",
        ),
        (
            has(&|rules| rules.handle_access(AccessNet::from_all(ABI::V4))),
            "Landlock of ABI 4: `ports` allows all of them",
        ),
        (
            has(&|rules| rules.handle_access(AccessFs::IoctlDev)),
            "Landlock of ABI 5: devices may be given commands",
        ),
        (
            has(&|rules| rules.scope(Scope::from_all(ABI::V6))),
            "Landlock of ABI 6: signals and abstract Unix sockets leave it",
        ),
    ];
    if !has(&|rules| rules.handle_access(AccessFs::from_all(ABI::V1))) {
        return vec!["Landlock: any file may be read and written"];
    }
    parts.into_iter().filter(|(is_there, _)| !is_there).map(|(_, what)| what).collect()
}

/// Restricts this thread and those that it starts from now on.
pub(super) fn restrict(
    config: &Config,
    sandbox: &Sandbox,
    home: &Home,
    executable: &Path,
) -> Result<(), Error> {
    let level = if sandbox.best_effort { CompatLevel::BestEffort } else { CompatLevel::HardRequirement };
    let rules = Ruleset::default().set_compatibility(level).handle_access(handled())?;
    let rules = rules.scope(Scope::from_all(ABI::V6))?;
    let rules = if sandbox.network { rules } else { rules.handle_access(AccessNet::from_all(ABI::V4))? };
    let mut rules = rules.create()?;
    for Grant { path, access, is_needed } in grants(config, sandbox, home, executable) {
        let opened = match PathFd::new(&path) {
            Ok(opened) => opened,
            Err(_) if !is_needed => continue,
            Err(error) => return Err(error.into()),
        };
        // What is for folders alone is refused for files.
        let access = if path.is_dir() { access } else { access & AccessFs::from_file(ABI::V5) };
        rules = rules.add_rule(PathBeneath::new(opened, access))?;
    }
    if !sandbox.network {
        for port in ports(config, sandbox) {
            rules = rules.add_rule(NetPort::new(port, AccessNet::ConnectTcp))?;
        }
    }
    let status = rules.restrict_self()?;
    let is_whole = status.ruleset == RulesetStatus::FullyEnforced && status.no_new_privs;
    if is_whole || sandbox.best_effort {
        Ok(())
    } else {
        Err(format!("the kernel has restricted less than it was asked to: {:?}", status.ruleset).into())
    }
}

/// The ports of other machines that it may connect to: those of its bindings are allowed by that.
pub(super) fn ports(config: &Config, sandbox: &Sandbox) -> Vec<u16> {
    let bound = addresses(config).filter_map(Address::port);
    sandbox.ports.iter().map(|port| **port).chain(bound).collect()
}

struct Grant {
    path: PathBuf,
    access: BitFlags<AccessFs>,
    /// Whether there is no sandbox without it.
    is_needed: bool,
}

impl Grant {
    fn new(path: impl Into<PathBuf>, access: impl Into<BitFlags<AccessFs>>) -> Self {
        Self { path: path.into(), access: access.into(), is_needed: true }
    }

    fn optional(path: impl Into<PathBuf>, access: impl Into<BitFlags<AccessFs>>) -> Self {
        Self { is_needed: false, ..Self::new(path, access) }
    }
}

fn grants(config: &Config, sandbox: &Sandbox, home: &Home, executable: &Path) -> Vec<Grant> {
    let mut grants: Vec<_> = SYSTEM.iter().map(|path| Grant::optional(path, READ)).collect();
    grants.extend(DEVICES.iter().map(|path| Grant::optional(path, AccessFs::ReadFile)));
    grants.push(Grant::optional("/dev/null", AccessFs::ReadFile | AccessFs::WriteFile));
    grants.push(Grant::new(executable, AccessFs::ReadFile));
    grants.push(Grant::new(config.place().file(), AccessFs::ReadFile));
    grants.extend(config.secrets().file().map(|file| Grant::new(file, AccessFs::ReadFile)));
    grants.push(Grant::new(&home.registry, READ));
    grants.push(Grant::new(&home.own, HOME));
    // Where a binding leads, the folder of its socket is looked at.
    let folders = addresses(config).filter_map(Address::folder);
    grants.extend(folders.map(|folder| Grant::optional(folder, AccessFs::ReadDir)));
    grants.extend(sandbox.read.iter().map(|path| Grant::new(path.as_path(), READ)));
    grants.extend(sandbox.write.iter().map(|path| Grant::new(path.as_path(), WRITE)));
    grants
}

fn addresses(config: &Config) -> impl Iterator<Item = &Address> {
    config.services.iter().filter_map(|binding| binding.address.as_deref())
}
