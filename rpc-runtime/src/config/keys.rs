//! The keys of a configuration file: what the reader knows, and what it says about them.

/// The keys that a table may have.
pub(crate) struct Keys(pub(crate) &'static [Key]);

/// One key: what it is called, what its value may be, and what that means.
pub(crate) struct Key {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) is_required: bool,
    /// In sentences, for people who write it.
    #[expect(dead_code, reason = "the schema for editors will show it")]
    pub(crate) doc: &'static str,
}

/// What a value may be.
pub(crate) enum Kind {
    Text(Rule),
    Address,
    /// An array of them.
    Addresses,
    /// An array of tables with these keys.
    Tables(&'static Keys),
    /// A table with keys that the user chooses, and any values.
    Variables,
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

    pub(crate) fn names(&self) -> impl Iterator<Item = &'static str> {
        self.0.iter().map(|key| key.name)
    }
}

impl Key {
    const fn new(name: &'static str, kind: Kind, doc: &'static str) -> Self {
        Self { name, kind, is_required: false, doc }
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
    Key::new(
        "name",
        Kind::Text(Rule::Name),
        "What the Worker is called; other Workers bind to it by this name.",
    )
    .required(),
    Key::new(
        "main",
        Kind::Text(Rule::Text),
        "What runs: the name under which a Worker is linked into the program, as `Host::worker` has it.",
    )
    .required(),
    Key::new(
        "services",
        Kind::Tables(&SERVICE),
        "The bindings to other Workers: the only way to reach them. Each is a field of the Worker's `Env`.",
    ),
    Key::new(
        "listen",
        Kind::Addresses,
        "Where the Worker is served to Workers of other processes: to those whose binding has this `address`.",
    ),
    Key::new(
        "vars",
        Kind::Variables,
        "The variables, each a field of the Worker's `Env`. No secrets: whoever reads the file sees them.",
    ),
]);

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
        "address",
        Kind::Address,
        "Where that Worker is served, as its own `listen` says; a Worker of the same process if left out.",
    ),
]);
