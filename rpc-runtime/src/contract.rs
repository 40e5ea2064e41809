//! What two builds must agree on before they exchange bytes: the shapes of a method's arguments and result.

use std::fmt::{self, Display, Formatter, LowerHex};
use std::sync::OnceLock;

use sha2::{Digest, Sha256};

use crate::shape::{Child, Comparison, Difference, Form, Layout, Name, Node, Path, Payload, Segment};
use crate::{Client, service::MethodInfo};

/// A method as the expansion describes it: its wire name, its arguments and its result.
///
/// The contract is computed at the first look, once: a program that never crosses a boundary never pays
/// for it.
///
/// ```
/// use rpc_runtime::Shape;
/// use rpc_runtime::contract::Signature;
///
/// static VERIFY: Signature =
///     Signature::new("verify", &[("token", <&str>::shape)], <Result<u64, String>>::shape);
///
/// assert_eq!(
///     VERIFY.contract().to_string(),
///     "verify struct { token: string } -> enum { Ok(u64), Err(string) }",
/// );
/// assert_eq!(VERIFY.contract().fingerprint().to_string().len(), 32);
/// ```
pub struct Signature {
    method: &'static str,
    arguments: &'static [(&'static str, Child)],
    output: Child,
    contract: OnceLock<Contract>,
}

/// The contracts of a service's methods, in declared order.
///
/// ```
/// use rpc_runtime::{Result, contract, service};
///
/// #[service]
/// trait Auth {
///     async fn verify(&self, token: &str) -> Result<u64, rpc_runtime::Error>;
/// }
///
/// let contracts = contract::of::<AuthClient>();
/// assert_eq!(
///     contracts[0].to_string(),
///     r#"verify struct { token: string } -> enum { Ok(u64), Err(opaque "rpc_runtime::Error 1") }"#,
/// );
/// ```
#[must_use]
pub fn of<C: Client>() -> Vec<Contract> {
    C::INFO.methods.iter().map(|method| method.contract()).collect()
}

impl MethodInfo {
    /// What two builds must agree on to call this method over a boundary. Computed at each call.
    pub(crate) fn contract(&self) -> Contract {
        Contract::new(self.name, self.args, self.output)
    }
}

impl Signature {
    /// Describes a method; arguments in declared order, under their wire names.
    pub const fn new(
        method: &'static str,
        arguments: &'static [(&'static str, Child)],
        output: Child,
    ) -> Self {
        Self { method, arguments, output, contract: OnceLock::new() }
    }

    /// The contract, computed at the first call.
    pub fn contract(&self) -> &Contract {
        self.contract.get_or_init(|| Contract::new(self.method, self.arguments, self.output))
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "Signature({})", self.contract())
    }
}

/// The canonical form of a method: what travels, and under which names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contract {
    method: String,
    /// A struct with a field for each argument.
    arguments: Layout,
    output: Layout,
    fingerprint: Fingerprint,
}

impl Contract {
    fn new(method: &str, arguments: &'static [(&'static str, Child)], output: Child) -> Self {
        let arguments = Layout::of_node(&Node::structure("", arguments));
        let output = Layout::of_node(output());
        let mut contract =
            Self { method: method.into(), arguments, output, fingerprint: Fingerprint([0; 16]) };
        contract.fingerprint = Fingerprint::of(&contract);
        contract
    }

    /// The method's wire name.
    pub fn method(&self) -> &str {
        &self.method
    }

    /// The number that stands for this contract; equal numbers are equal contracts.
    pub fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    /// What another build needs to say where its own differs.
    pub(crate) fn parts(&self) -> (&str, &Layout, &Layout) {
        (&self.method, &self.arguments, &self.output)
    }

    /// The contract of another build; `None` if these are no parts of one.
    pub(crate) fn of_parts(method: String, arguments: Layout, output: Layout) -> Option<Self> {
        if !(arguments.is_sound() && output.is_sound()) {
            return None;
        }
        Some(Self { method, arguments, output, fingerprint: Fingerprint([0; 16]) })
    }

    /// The first places where this contract differs from another build's, at most eight for the arguments
    /// and the result together.
    ///
    /// ```
    /// use rpc_runtime::Shape;
    /// use rpc_runtime::contract::Signature;
    ///
    /// let here = Signature::new("verify", &[("token", u64::shape)], bool::shape);
    /// let there = Signature::new("verify", &[("token", String::shape)], bool::shape);
    /// let differences = here.contract().differences(there.contract());
    /// assert_eq!(differences[0].to_string(), "argument `token`: u64 here, string there");
    /// ```
    pub fn differences(&self, there: &Self) -> Vec<Difference> {
        let mut found = Vec::new();
        if self.method != there.method {
            found.push(Difference::new(Segment::Method.into(), &*self.method, &*there.method));
        }
        let mut arguments = Comparison::new(&self.arguments, &there.arguments, &mut found);
        if let (Form::Struct(a), Form::Struct(b)) = (self.arguments.form(0), there.arguments.form(0)) {
            arguments.fields(a, b, &Path::default(), Segment::Argument);
        }
        let mut output = Comparison::new(&self.output, &there.output, &mut found);
        match (returns(&self.output), returns(&there.output)) {
            (Some((ok, err)), Some((other_ok, other_err))) => {
                output.compare(ok, other_ok, &Segment::Output.into());
                output.compare(err, other_err, &Segment::Failure.into());
            }
            _ => output.compare(0, 0, &Segment::Output.into()),
        }
        found
    }
}

/// The canonical text, which the fingerprint is made of: `verify struct { token: string } -> bool`.
impl Display for Contract {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self { method, arguments, output, .. } = self;
        write!(f, "{} {arguments} -> {output}", Name(method))
    }
}

/// What `Ok` and `Err` hold, if the output is a `Result`.
fn returns(output: &Layout) -> Option<(usize, usize)> {
    let Form::Enum(variants) = output.form(0) else { return None };
    let [(ok, Payload::Newtype(value)), (err, Payload::Newtype(error))] = variants.as_slice() else {
        return None;
    };
    (ok == "Ok" && err == "Err").then_some((*value, *error))
}

/// The first 128 bits of the SHA-256 of a contract's text.
///
/// Shape when printed: 32 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Fingerprint([u8; 16]);

impl Fingerprint {
    fn of(contract: &Contract) -> Self {
        let digest: [u8; 32] = Sha256::digest(contract.to_string()).into();
        let (half, _) = digest.split_first_chunk().expect("32 bytes begin with 16");
        Self(*half)
    }

    /// The sixteen bytes as they travel.
    pub const fn to_bytes(self) -> [u8; 16] {
        self.0
    }

    /// A fingerprint that was received.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }
}

impl LowerHex for Fingerprint {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl Display for Fingerprint {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        LowerHex::fmt(self, f)
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "Fingerprint({self})")
    }
}
