//! The keys of a configuration file: what the reader knows, and what it says about them.

use super::place::nearest;
use crate::limits::{COUNT_MAX, DEPTH_MAX, VALUE_BYTES_MAX};

/// The keys that a table may have.
pub(crate) struct Keys(pub(crate) &'static [Key]);

/// One key: what it is called, what its value may be, and what that means.
pub(crate) struct Key {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) is_required: bool,
    /// What holds where it is left out, if a value can say that.
    pub(crate) default: Option<Default>,
    /// What others call it.
    pub(crate) elsewhere: Option<&'static str>,
    /// In sentences, for people who write it.
    pub(crate) doc: &'static str,
}

/// A value that holds where a key is left out.
#[derive(Clone, Copy)]
pub(crate) enum Default {
    Flag(bool),
    Integer(u32),
    Text(&'static str),
}

/// What a value may be.
pub(crate) enum Kind {
    Text(Rule),
    /// From the first to the second.
    Integer(u32, u32),
    OneOf(&'static [&'static str]),
    Flag,
    /// The address of a network interface.
    Ip,
    Address,
    /// An array of them.
    Addresses,
    /// An array of paths.
    Paths,
    /// An array of numbers of ports.
    Ports,
    /// A table with these keys.
    Table(&'static Keys),
    /// An array of such tables.
    Tables(&'static Keys),
    /// A table of such tables, by names that the user chooses.
    Named(&'static Keys),
    /// A table with names that the user chooses, and any values.
    Variables,
    /// A table of any kind.
    Props,
}

/// What a string may be.
#[derive(Clone, Copy)]
pub(crate) enum Rule {
    /// A name that fits a label of a host name (RFC 1035, 2.3.4: 63 bytes), as wrangler wants it.
    Name,
    /// A name that can be a field: letters, digits, `_`, no digit first.
    Identifier,
    /// Anything but nothing.
    Text,
}

impl Keys {
    /// The key of that name.
    pub(crate) fn find(&self, name: &str) -> Option<&'static Key> {
        self.0.iter().find(|key| key.name == name)
    }

    /// The name of a key that was probably meant by another one.
    pub(crate) fn nearest(&self, name: &str) -> Option<&'static str> {
        let elsewhere = self.0.iter().find(|key| key.elsewhere == Some(name)).map(|key| key.name);
        elsewhere.or_else(|| nearest(name, self.names()))
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &'static str> {
        self.0.iter().map(|key| key.name)
    }
}

impl Key {
    const fn new(name: &'static str, kind: Kind, doc: &'static str) -> Self {
        Self { name, kind, is_required: false, default: None, elsewhere: None, doc }
    }

    const fn default(self, default: Default) -> Self {
        Self { default: Some(default), ..self }
    }

    const fn known_as(self, elsewhere: &'static str) -> Self {
        Self { elsewhere: Some(elsewhere), ..self }
    }

    const fn required(self) -> Self {
        Self { is_required: true, ..self }
    }
}

impl Rule {
    pub(crate) fn expected(self) -> &'static str {
        match self {
            Self::Name => "lower case letters, digits, `-` and `_`, 1 to 63 of them, no `-` first",
            Self::Identifier => "letters, digits and `_`, no digit first",
            Self::Text => "a string that is not empty",
        }
    }

    /// The same as a regular expression; `None` for what has another way to be said.
    pub(crate) fn pattern(self) -> Option<&'static str> {
        match self {
            Self::Name => Some("^[a-z0-9_][a-z0-9_-]{0,62}$"),
            Self::Identifier => Some("^[A-Za-z_][A-Za-z0-9_]*$"),
            Self::Text => None,
        }
    }

    pub(crate) fn allows(self, text: &str) -> bool {
        let first = text.bytes().next();
        match self {
            Self::Name => {
                let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_';
                text.len() <= 63 && text.bytes().all(inner) && first.is_some_and(|b| b != b'-')
            }
            Self::Identifier => {
                let inner = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
                text.bytes().all(inner) && first.is_some_and(|b| !b.is_ascii_digit())
            }
            Self::Text => first.is_some(),
        }
    }
}

/// The file itself.
pub(crate) static FILE: Keys = Keys(&[
    NAME.required(),
    MAIN.required(),
    ISOLATION,
    SANDBOX,
    SERVICES,
    LISTEN,
    VARS,
    SECRETS,
    LIMITS,
    Key::new(
        "dev",
        Kind::Table(&DEV),
        "How the command `dev` serves this Worker over HTTP, if it is the first one.",
    ),
    Key::new(
        "env",
        Kind::Named(&ENVIRONMENT),
        "Named environments, of which `--env` chooses one. It inherits `main`, `isolation`, `sandbox` and `limits`; everything \
         else is its own, and its name is that of the Worker, `-` and its own, unless it has a `name`.",
    ),
    Key::new(
        "$schema",
        Kind::Text(Rule::Text),
        "The file that the command `schema` has written, for editors; read by them alone.",
    ),
]);

/// An entry of `env`.
static ENVIRONMENT: Keys = Keys(&[NAME, MAIN, ISOLATION, SANDBOX, SERVICES, LISTEN, VARS, SECRETS, LIMITS]);

const NAME: Key = Key::new(
    "name",
    Kind::Text(Rule::Name),
    "What the Worker is called; other Workers bind to it by this name.",
);

const MAIN: Key = Key::new(
    "main",
    Kind::Text(Rule::Text),
    "What runs: the name under which a Worker is linked into the program, as `Host::worker` has it; or, with a `/` in it, \
     the path of another program that is a host, which then is a process of its own.",
);

const ISOLATION: Key = Key::new(
    "isolation",
    Kind::OneOf(&["thread", "process"]),
    "What is between the Worker and the others: `process` lets the host start a process of its own for it, and watch it.",
)
.default(Default::Text("thread"));

const SANDBOX: Key = Key::new(
    "sandbox",
    Kind::Table(&CONFINEMENT),
    "Keeps the process of a Worker that has one of its own from all that is not said here. Takes the feature `sandbox`, and \
     Linux.",
);

const SERVICES: Key = Key::new(
    "services",
    Kind::Tables(&SERVICE),
    "The bindings to other Workers: the only way to reach them. Each is a field of the Worker's `Env`.",
);

const LISTEN: Key = Key::new(
    "listen",
    Kind::Addresses,
    "Where the Worker is served to Workers of other processes: to those whose binding has this `address`.",
);

const VARS: Key = Key::new(
    "vars",
    Kind::Variables,
    "The variables, each a field of the Worker's `Env`. No secrets: whoever reads the file sees them.",
);

const SECRETS: Key = Key::new(
    "secrets",
    Kind::Table(&SECRET_SOURCES),
    "Where secrets come from that are not in the environment of the process, which goes before it. An empty one counts as \
     none, in both.",
);

const LIMITS: Key = Key::new(
    "limits",
    Kind::Table(&LIMIT),
    "How far a pipeline may go: the tree of calls that begins with a request or a call to this Worker.",
);

/// An entry of `services`.
static SERVICE: Keys = Keys(&[
    Key::new(
        "binding",
        Kind::Text(Rule::Identifier),
        "The name of the binding, such as `AUTH`: that of a field of the `Env`, in upper case.",
    )
    .required(),
    Key::new("service", Kind::Text(Rule::Name), "The `name` of the Worker it leads to.").required(),
    Key::new(
        "entrypoint",
        Kind::Text(Rule::Identifier),
        "Which of that Worker's named entrypoints; its default one if left out.",
    ),
    Key::new(
        "environment",
        Kind::Text(Rule::Name),
        "Which of that Worker's environments: it leads to the Worker called `service`, `-` and this.",
    ),
    Key::new(
        "props",
        Kind::Props,
        "What that Worker learns of calls through this binding, by `Ctx::props`. It goes to other processes of the same user, \
         at most 8 KiB, and over no network: an `address` beside it is a Unix socket.",
    ),
    Key::new(
        "address",
        Kind::Address,
        "Where that Worker is served, as its own `listen` says. Left out, it is one of the same process, or for `dev` of \
         another one in the development registry.",
    ),
]);

/// The table `secrets`.
static SECRET_SOURCES: Keys = Keys(&[Key::new(
    "file",
    Kind::Text(Rule::Text),
    "A file of names and strings, in TOML, or in JSON if its name says so. Its path begins in the folder of this file; \
     it belongs to the user and is open to nobody else.",
)
.required()]);

/// The table `limits`.
static LIMIT: Keys = Keys(&[
    Key::new(
        "profile",
        Kind::OneOf(&["default", "cloudflare"]),
        "The limits that hold where no key here says otherwise: `cloudflare` allows 32 invocations.",
    )
    .default(Default::Text("default")),
    Key::new(
        "depth",
        Kind::Integer(1, DEPTH_MAX),
        "How many Workers deep a chain of calls may be, the first one counted.",
    )
    .default(Default::Integer(32)),
    Key::new(
        "invocations",
        Kind::Integer(1, COUNT_MAX),
        "How many calls and requests may be delivered in all, the first one counted.",
    )
    .default(Default::Integer(1000)),
    Key::new(
        "subrequests",
        Kind::Integer(0, COUNT_MAX),
        "How many calls through bindings and requests to servers outside may be made in all.",
    )
    .default(Default::Integer(1000)),
    Key::new(
        "connections",
        Kind::Integer(1, COUNT_MAX),
        "How many requests to servers outside may wait for the head of an answer; further ones queue.",
    )
    .default(Default::Integer(6)),
    Key::new(
        "value_bytes",
        Kind::Integer(0, VALUE_BYTES_MAX),
        "How many bytes the arguments or the answer of a call over a boundary may have.",
    )
    .default(Default::Integer(VALUE_BYTES_MAX)),
    Key::new(
        "mode",
        Kind::OneOf(&["enforce", "warn"]),
        "What becomes of a call beyond a limit: it fails, or it goes on and the log warns once for each limit of each \
         pipeline. A depth of 128 holds in both.",
    )
    .default(Default::Text("enforce")),
]);

/// The table `sandbox`.
static CONFINEMENT: Keys = Keys(&[
    Key::new(
        "read",
        Kind::Paths,
        "Files that it may read, and folders with all that is in them. A path begins in the folder of this file.",
    ),
    Key::new(
        "write",
        Kind::Paths,
        "Files that it may read and write, and folders in which it may do so, make files and remove them.",
    ),
    Key::new("network", Kind::Flag, "Whether it may use the network: UDP, and TCP to and at every port.")
        .default(Default::Flag(false)),
    Key::new(
        "ports",
        Kind::Ports,
        "TCP ports that it may connect to, of every machine. Names of machines it then finds in `/etc/hosts` alone.",
    ),
    Key::new(
        "run",
        Kind::Flag,
        "Whether it may start programs: those that it may read, in the same sandbox.",
    )
    .default(Default::Flag(false)),
    Key::new(
        "best_effort",
        Kind::Flag,
        "Whether it runs all the same where the kernel lacks a part of the sandbox; the log says which.",
    )
    .default(Default::Flag(false)),
]);

/// The table `dev`.
static DEV: Keys = Keys(&[
    Key::new("port", Kind::Integer(0, 65535), "The port; 0 takes a free one. `--port` goes before it.")
        .default(Default::Integer(8787)),
    Key::new("address", Kind::Ip, "The address of a network interface. `--address` goes before it.")
        .default(Default::Text("127.0.0.1"))
        .known_as("ip"),
]);
