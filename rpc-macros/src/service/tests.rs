//! What is refused, and where it is underlined. The messages as rustc shows them are in `tests/ui`.

use proc_macro2::{Delimiter, Span, TokenStream, TokenTree};

use super::service;

/// What one expansion reported: the text underlined and the message, in order.
fn mistakes(arguments: &str, item: &str) -> Vec<(String, String)> {
    let tokens = |text: &str| text.parse::<TokenStream>().expect("the test is Rust");
    service(tokens(arguments), tokens(item)).err().map_or_else(Vec::new, compile_errors)
}

/// The mistakes in a trait with this one method.
fn in_method(arguments: &str, method: &str) -> Vec<(String, String)> {
    mistakes(arguments, &format!("trait Auth {{ {method} }}"))
}

/// The mistakes in a method with this one argument.
fn in_argument(arguments: &str, argument: &str) -> Vec<(String, String)> {
    in_method(arguments, &format!("async fn verify(&self, {argument}) -> Result<User, AuthError>;"))
}

fn in_output(arguments: &str, output: &str) -> Vec<(String, String)> {
    in_method(arguments, &format!("async fn verify(&self) {output};"))
}

/// Reads `:: core :: compile_error ! { "message" }` back: `syn` puts the start of the underlined text on
/// the path and its end on the braces.
fn compile_errors(tokens: TokenStream) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut start: Option<Span> = None;
    for token in tokens {
        let span = token.span();
        let start_of_this = *start.get_or_insert(span);
        if let TokenTree::Group(group) = token {
            assert_eq!(group.delimiter(), Delimiter::Brace, "errors come alone");
            let underlined = start_of_this.join(span).and_then(|span| span.source_text());
            let message: syn::LitStr = syn::parse2(group.stream()).expect("a message");
            found.push((underlined.expect("both ends are in one source"), message.value()));
            start = None;
        }
    }
    found
}

#[track_caller]
fn assert_one(found: Vec<(String, String)>, underlined: &str, message: &str) {
    match found.as_slice() {
        [(at, text)] if at == underlined && text.contains(message) => {}
        _ => panic!("expected one mistake at `{underlined}` that says {message:?}, found {found:#?}"),
    }
}

#[track_caller]
fn assert_none(found: Vec<(String, String)>) {
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn a_service_as_the_design_shows_it_is_accepted() {
    let methods = "
        /// Who the token belongs to.
        #[rpc(idempotent, deadline = \"2s\")]
        async fn verify(&self, token: &str) -> Result<User, AuthError>;
        #[cfg(unix)] #[deprecated] #[allow(unused)]
        #[rpc(rename = \"ask\")] #[rpc(spawn)]
        async fn find(&self, #[rpc(default)] query: Query<'_>, #[rpc(rename = \"n\")] limit: Option<&str>)
            -> rpc_runtime::Result<Vec<u8>>;
        async fn many(&self, rows: &[Row], name: &Cow<'static, str>, body: Bytes) -> Alias;
        async fn r#type(&self, r#in: (u8, [u8; 4])) -> Result<(), Error>;
    ";
    assert_none(mistakes("", &format!("pub trait Auth {{ {methods} }}")));
    assert_none(mistakes(
        "rename = \"acme.auth-v1\", crate = \"crate::facade\"",
        &format!("trait A {{ {methods} }}"),
    ));
}

#[test]
fn a_service_may_be_empty() {
    assert_none(mistakes("", "pub(crate) trait Nothing {}"));
}

#[test]
fn a_local_service_takes_and_gives_anything_that_stays_in_its_thread() {
    for argument in [
        "x: Rc<dyn Fn(&str) -> &str>",
        "x: &dyn Debug",
        "x: fn(&mut u8)",
        "x: *const u8",
        "x: &'static str",
        "x: Box<dyn for<'x> Fn(&'x str) -> Query<'x>>",
    ] {
        assert_none(in_argument("local", argument));
    }
    assert_none(in_output("local", "-> Result<Rc<dyn Debug>, &'static str>"));
}

#[test]
fn only_a_trait_is_a_service() {
    assert_one(mistakes("", "pub struct Auth { a: u8 }"), "struct Auth", "write one with the methods");
    assert_one(mistakes("", "enum Auth { A }"), "enum Auth", "write one with the methods");
    assert_one(mistakes("", "union Auth { a: u8 }"), "union Auth", "write one with the methods");
    assert_one(mistakes("", "impl Auth for Worker {}"), "impl", "leave it out here");
    assert_one(mistakes("", "async fn auth() {}"), "fn auth", "make this function a method");
    assert_one(mistakes("", "mod auth {}"), "mod auth", "each service inside");
    assert_one(mistakes("", "use auth::Auth;"), "use auth::Auth;", "stands on a trait");
}

#[test]
fn the_words_of_the_attribute_are_known_and_said_once() {
    let item = "trait Auth {}";
    for (words, underlined, message) in [
        ("locale", "locale", "did you mean `local`?"),
        ("retry", "retry", "known here: `local`, `rename = \"Auth\"`, `crate = \"::rpc_runtime\"`"),
        ("idempotent", "idempotent", "it belongs on a method"),
        ("default", "default", "it belongs on an argument"),
        ("local, local", "local", "given twice"),
        ("rename = \"A\", local, rename = \"B\"", "rename", "given twice"),
        ("local = true", "true", "`local` takes no value"),
        ("local = \"yes\"", "\"yes\"", "`local` takes no value"),
        ("rename", "rename", "write `rename = \"Auth\"`"),
        ("rename(\"A\")", "(\"A\")", "write `rename = \"Auth\"`"),
        ("rename = Auth", "Auth", "write `rename = \"Auth\"`"),
        ("rename = \"\"", "\"\"", "not empty"),
        ("rename = \"a/b\"", "\"a/b\"", "letters, digits"),
        ("crate = \"a b\"", "\"a b\"", "path of the runtime"),
        ("local rename = \"A\"", "rename", "expected `,`"),
    ] {
        assert_one(mistakes(words, item), underlined, message);
    }
}

#[test]
fn a_trait_is_plain() {
    assert_one(mistakes("", "unsafe trait A {}"), "unsafe", "leave out `unsafe`");
    assert_one(mistakes("", "auto trait A {}"), "auto", "leave out `auto`");
    assert_one(mistakes("", "trait A<T: Copy, 'a> {}"), "<T: Copy, 'a>", "no parameters");
    assert_one(mistakes("", "trait A where Self: Sized {}"), "where Self: Sized", "no `where` clause");
    assert_one(mistakes("", "trait A: Send + Debug {}"), "Send + Debug", "`Send + Sync` are added");
    assert_one(mistakes("local", "trait A: Debug {}"), "Debug", "a local service needs none");
    assert_one(
        mistakes("", "#[rpc(rename = \"B\")] trait A {}"),
        "#[rpc(rename = \"B\")]",
        "write `#[service(..)]`",
    );
    assert_one(mistakes("", "#[async_trait] trait A {}"), "#[async_trait]", "leave out `async_trait`");
    assert_one(
        mistakes("", "#[async_trait::async_trait(?Send)] trait A {}"),
        "#[async_trait::async_trait(?Send)]",
        "leave out",
    );
}

#[test]
fn a_trait_has_methods_alone() {
    assert_one(in_method("", "const LIMIT: usize;"), "const LIMIT", "beside the trait");
    assert_one(in_method("", "type User;"), "type User", "name the type itself");
    assert_one(in_method("", "methods!();"), "methods!()", "write the methods out");
    assert_one(in_method("", "pub const LIMIT: usize;"), "pub const LIMIT: usize;", "methods alone");
}

#[test]
fn a_method_is_a_safe_async_fn_without_a_body() {
    for (method, underlined, message) in [
        ("fn f(&self) -> R;", "fn f", "write `async fn f`"),
        ("fn f(&self) -> impl Future<Output = R>;", "fn f", "write `async fn f`"),
        ("async unsafe fn f(&self) -> R;", "unsafe", "leave out `unsafe`"),
        ("async extern \"C\" fn f(&self) -> R;", "extern \"C\"", "leave out the ABI"),
        ("const async fn f(&self) -> R;", "const", "leave out `const`"),
        ("pub async fn f(&self) -> R;", "pub", "leave out the visibility"),
        ("pub(crate) async fn f(&self) -> R;", "pub(crate)", "leave out the visibility"),
        ("default async fn f(&self) -> R;", "default", "leave out `default`"),
        ("async fn f<T, const N: usize>(&self, x: T) -> R;", "T, const N: usize", "no type parameters"),
        ("async fn f(&self, x: u8) -> R where u8: Copy;", "where u8: Copy", "no `where` clause"),
        ("async fn f(&self) -> R { todo!() }", "{", "end the method with `;`"),
        ("async fn f(&self, ...) -> R;", "...", "pass a slice"),
    ] {
        assert_one(in_method("", method), underlined, message);
    }
}

#[test]
fn a_declared_lifetime_is_one_mistake_however_often_it_is_used() {
    let method = "async fn f<'a>(&'a self, x: &'a str, y: Query<'a>) -> R;";
    assert_one(in_method("", method), "'a", "leave out the lifetime");
}

#[test]
fn a_receiver_is_a_shared_borrow() {
    for (method, underlined, message) in [
        ("async fn f() -> R;", "f", "add `&self`"),
        ("async fn f(token: &str) -> R;", "f", "add `&self`"),
        ("async fn f(self) -> R;", "self", "serves other calls too"),
        ("async fn f(mut self) -> R;", "mut self", "serves other calls too"),
        ("async fn f(self: Arc<Self>) -> R;", "self: Arc<Self>", "serves other calls too"),
        ("async fn f(self: &Self) -> R;", "self: &Self", "write `&self`"),
        ("async fn f(&mut self) -> R;", "&mut self", "a `Mutex` or an atomic"),
        ("async fn f(&'a self) -> R;", "&'a self", "needs no name"),
        ("async fn f(#[cfg(unix)] &self) -> R;", "#[cfg(unix)]", "takes no attributes"),
    ] {
        assert_one(in_method("", method), underlined, message);
    }
    assert_one(in_method("local", "async fn f(&mut self) -> R;"), "&mut self", "a `Cell` or `RefCell`");
}

#[test]
fn an_argument_has_a_plain_name() {
    for (argument, underlined, message) in [
        ("_: u8", "_", "name the argument"),
        ("(a, b): (u8, u8)", "(a, b)", "write a plain name"),
        ("Page { at }: Page", "Page { at }", "write a plain name"),
        ("ref a: u8", "ref a", "write a plain name"),
        ("mut a: u8", "mut", "leave out `mut`"),
        ("a: u8, r#a: u8", "r#a", "the argument `r#a` is there twice"),
        ("a: u8, #[rpc(rename = \"a\")] b: u8", "\"a\"", "the argument `a` is called so"),
        ("#[rpc(rename = \"a b\")] b: u8", "\"a b\"", "letters, digits"),
    ] {
        assert_one(in_argument("", argument), underlined, message);
    }
}

#[test]
fn an_argument_is_moved_or_lent_for_reading() {
    for (argument, underlined, message) in [
        ("a: &mut Vec<u8>", "&mut Vec<u8>", "lend it for reading"),
        ("a: Option<&mut u8>", "&mut u8", "lend it for reading"),
        ("a: &'static str", "&'static str", "leave `'static` out"),
        ("a: &'x str", "'x", "leave the lifetime out"),
        ("a: Query<'x>", "'x", "leave the lifetime out"),
        ("a: [u8]", "[u8]", "write `&[T]`"),
        ("a: str", "str", "write `&str` or `String`"),
        ("a: impl Into<String>", "impl Into<String>", "name the type"),
        ("a: &impl Debug", "impl Debug", "name the type"),
        ("a: _", "_", "name the type"),
        ("a: &Self", "Self", "`Self` is the implementation"),
        ("a: Vec<Self::Item>", "Self::Item", "`Self` is the implementation"),
        ("a: <Self as Iterator>::Item", "Self", "`Self` is the implementation"),
        ("a: &dyn Debug", "dyn Debug", "pass the client of a service"),
        ("a: Box<dyn FnOnce(&mut u8)>", "dyn FnOnce(&mut u8)", "pass the client of a service"),
        ("a: fn(&mut u8)", "fn(&mut u8)", "a function cannot leave"),
        ("a: *mut u8", "*mut u8", "a pointer means nothing"),
        ("a: Result<u8, !>", "!", "Infallible"),
    ] {
        assert_one(in_argument("", argument), underlined, message);
    }
    assert_one(in_argument("local", "a: &mut u8"), "&mut u8", "lend it for reading");
    assert_one(in_argument("local", "a: impl Fn(u8)"), "impl Fn(u8)", "box it");
}

#[test]
fn an_argument_takes_no_attributes_of_others() {
    for (argument, underlined, message) in [
        ("#[cfg(unix)] a: u8", "#[cfg(unix)]", "write the method twice"),
        (
            "#[cfg_attr(unix, rpc(default))] a: u8",
            "#[cfg_attr(unix, rpc(default))]",
            "write the method twice",
        ),
        ("/** the token */ a: u8", "/** the token */", "the text above the method"),
        ("#[allow(unused)] a: u8", "#[allow(unused)]", "takes no attributes but"),
        ("#[rpc(defualt)] a: u8", "defualt", "did you mean `default`?"),
        ("#[rpc(idempotent)] a: u8", "idempotent", "it belongs on the method"),
        ("#[rpc(default, default)] a: u8", "default", "given twice"),
        ("#[rpc] a: u8", "rpc", "needs a word in parentheses: `default`, `rename = \"token\"`"),
    ] {
        assert_one(in_argument("", argument), underlined, message);
    }
}

#[test]
fn a_result_is_there_and_owned() {
    for (output, underlined, message) in [
        ("", ")", "a call can always fail"),
        ("-> Result<&str, E>", "&str", "owns what it holds"),
        ("-> Result<&'static str, E>", "&'static str", "owns what it holds"),
        ("-> Result<&'_ mut str, E>", "&'_ mut str", "owns what it holds"),
        ("-> Result<Query<'_>, E>", "'_", "owns what it holds"),
        ("-> Result<Query<'a>, E>", "'a", "owns what it holds"),
        ("-> Result<impl Stream, E>", "impl Stream", "name the type"),
        ("-> Result<User, Box<dyn Error>>", "dyn Error", "for an error: an enum"),
        ("-> Result<fn(), E>", "fn()", "a function cannot leave"),
        ("-> Result<!, E>", "!", "Infallible"),
        ("-> Result<Self, E>", "Self", "`Self` is the implementation"),
    ] {
        assert_one(in_output("", output), underlined, message);
    }
    assert_one(in_output("local", "-> Result<&str, E>"), "&str", "owns what it holds");
}

#[test]
fn names_a_client_has_already_are_refused() {
    for (name, reason) in [
        ("fetch", "from `rpc_runtime::Client`"),
        ("with", "from `rpc_runtime::Client`"),
        ("pipeline", "from `rpc_runtime::Client`"),
        ("clone", "from `Clone`"),
        ("to_owned", "from `Clone`"),
        ("into", "every type has one"),
        ("try_into", "every type has one"),
        ("__verify", "belong to the expansion"),
        ("r#fetch", "from `rpc_runtime::Client`"),
    ] {
        assert_one(in_method("", &format!("async fn {name}(&self) -> R;")), name, reason);
        assert_one(in_method("local", &format!("async fn {name}(&self) -> R;")), name, reason);
    }
    for name in
        ["new", "shared", "connect", "from_worker", "_fetch", "fetch_all", "port", "rpc", "AuthDyn", "W"]
    {
        assert_none(in_method("", &format!("async fn {name}(&self) -> R;")));
    }
}

#[test]
fn a_service_is_not_called_as_the_expansion_is() {
    let message = "belong to the expansion";
    assert_one(mistakes("", "trait __Auth { async fn f(&self) -> R; }"), "__Auth", message);
    assert_none(mistakes("", "trait _Auth { async fn f(&self) -> R; }"));
}

#[test]
fn sixteen_arguments_can_cross_a_boundary_and_no_more() {
    let of = |count: usize| {
        let arguments: Vec<_> = (1..=count).map(|at| format!("a{at}: u8")).collect();
        format!("async fn verify(&self, {}) -> R;", arguments.join(", "))
    };
    assert_none(in_method("", &of(16)));
    assert_one(in_method("", &of(17)), "a17", "at most 16 arguments");
    assert_one(in_method("", &of(20)), "a17", "a struct with `#[message]`");
    assert_none(in_method("local", &of(20)));
}

#[test]
fn what_is_read_does_not_live_forever() {
    let message = "write `'_`";
    assert_one(in_argument("", "query: Query<'static>"), "'static", message);
    assert_one(in_argument("", "query: Option<Query<'static>>"), "'static", message);
    assert_one(in_argument("", "run: Cow<'static, [u8]>"), "'static", message);
    assert_one(in_argument("", "query: Cow<'static, Query<'static>>"), "'static", message);
    assert_one(in_output("", "-> Result<Query<'static>, E>"), "'static", "owns what it holds");
    assert_one(in_output("", "-> Result<Cow<'static, [u8]>, E>"), "'static", "owns what it holds");
    for text in ["Cow<'static, str>", "Vec<std::borrow::Cow<'static, str>>"] {
        assert_none(in_argument("", &format!("text: {text}")));
        assert_none(in_output("", &format!("-> Result<{text}, E>")));
    }
    assert_none(in_argument("local", "query: Query<'static>"));
    assert_none(in_output("local", "-> Result<Query<'static>, E>"));
}

/// Clippy shows `too_many_arguments` from where the method begins to where its return type ends.
#[test]
fn a_signature_begins_and_ends_where_the_user_wrote_it() {
    let method = "async fn verify(&self, token: &str) -> Result<User, AuthError>;";
    for arguments in ["", "local"] {
        let tokens = |text: &str| text.parse::<TokenStream>().expect("the test is Rust");
        let expansion =
            service(tokens(arguments), tokens(&format!("trait Auth {{ {method} }}"))).expect("no mistakes");
        let body = expansion.into_iter().find_map(|token| match token {
            TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => Some(group.stream()),
            _ => None,
        });
        let signature: Vec<_> = body.expect("the body of the trait").into_iter().collect();
        let at = |text: &str| {
            let token =
                signature.iter().find(|token| token.to_string() == text).expect("it is in the signature");
            token.span().source_text().expect("the user's")
        };
        assert_eq!([at("fn"), at("impl"), at(";")], ["async", "Result", ">"]);
        assert_eq!(signature.iter().rev().nth(1).map(ToString::to_string).as_deref(), Some("+"));
    }
}

#[test]
fn two_methods_have_two_names_on_the_wire() {
    assert_one(
        in_method("", "async fn f(&self) -> R; async fn r#f(&self) -> R;"),
        "r#f",
        "the method `r#f` is there twice",
    );
    assert_one(
        in_method("", "async fn f(&self) -> R; #[rpc(rename = \"f\")] async fn g(&self) -> R;"),
        "\"f\"",
        "the method `f` is called so on the wire already",
    );
    assert_one(
        in_method("", "#[rpc(rename = \"g\")] async fn f(&self) -> R; async fn f(&self) -> R;"),
        "f",
        "the method `f` is there twice",
    );
    assert_none(in_method(
        "",
        "#[rpc(rename = \"g\")] async fn f(&self) -> R; #[rpc(rename = \"f\")] async fn g(&self) -> R;",
    ));
}

#[test]
fn alternatives_under_cfg_may_share_a_name() {
    assert_none(in_method(
        "",
        "#[cfg(unix)] async fn f(&self) -> R; #[cfg(windows)] async fn f(&self) -> R;",
    ));
    assert_none(in_method(
        "",
        "#[cfg_attr(true, cfg(unix))] async fn f(&self) -> R; #[cfg_attr(true, cfg(windows))] async fn f(&self) -> R;",
    ));
}

#[test]
fn the_words_of_a_method_are_known_and_said_once() {
    for (attribute, underlined, message) in [
        ("#[rpc(idempotant)]", "idempotant", "did you mean `idempotent`?"),
        ("#[rpc(timeout = \"2s\")]", "timeout", "known here: `idempotent`, `deadline = \"2s\"`"),
        ("#[rpc(default)]", "default", "it belongs on an argument"),
        ("#[rpc(local)]", "local", "`#[service(local)]`"),
        ("#[rpc(spawn)] #[rpc(spawn)]", "spawn", "given twice"),
        ("#[rpc(rename = \"\")]", "\"\"", "not empty"),
        ("#[rpc]", "rpc", "needs a word in parentheses: `idempotent`"),
        ("#[rpc = \"idempotent\"]", "rpc = \"idempotent\"", "needs a word in parentheses: `idempotent`"),
        ("#[cfg_attr(unix, rpc(spawn))]", "rpc(spawn)", "each under a `cfg`"),
        ("#[cfg_attr(a, cfg_attr(b, rpc(spawn)))]", "rpc(spawn)", "each under a `cfg`"),
    ] {
        assert_one(in_method("", &format!("{attribute} async fn f(&self) -> R;")), underlined, message);
    }
    assert_one(
        in_method("local", "#[rpc(spawn)] async fn f(&self) -> R;"),
        "spawn",
        "never leaves its thread",
    );
}

#[test]
fn a_deadline_is_a_number_and_a_unit() {
    for (deadline, message) in [
        ("2", "one of us, ms, s, m, h"),
        ("2 seconds", "one of us, ms, s, m, h"),
        ("1.5s", "`deadline = \"1500ms\"`"),
        ("-1s", "one of us, ms, s, m, h"),
        ("s", "one of us, ms, s, m, h"),
        ("", "one of us, ms, s, m, h"),
        ("0s", "zero fails every call"),
        ("5124095577h", "580,000 years"),
        ("99999999999999999999us", "580,000 years"),
    ] {
        let method = format!("#[rpc(deadline = {deadline:?})] async fn f(&self) -> R;");
        assert_one(in_method("", &method), &format!("{deadline:?}"), message);
    }
    for deadline in ["1us", "20ms", "2s", "2 s", "5m", "24h"] {
        assert_none(in_method("", &format!("#[rpc(deadline = {deadline:?})] async fn f(&self) -> R;")));
    }
    assert_one(
        in_method("", "#[rpc(deadline = 2)] async fn f(&self) -> R;"),
        "2",
        "write `deadline = \"2s\"`",
    );
}

#[test]
fn one_expansion_reports_every_mistake() {
    let found = mistakes(
        "locale",
        "trait Auth: Debug {
            const LIMIT: usize;
            #[rpc(idempotant)]
            pub fn fetch(&mut self, _: &mut u8, b: dyn Debug) { }
            async fn ok(&self) -> R;
            async fn ok(&self) -> R;
        }",
    );
    let underlined: Vec<_> = found.iter().map(|(at, _)| at.as_str()).collect();
    let expected = [
        "locale",
        "Debug",
        "const LIMIT",
        "pub",
        "idempotant",
        "fn fetch",
        "&mut self",
        "_",
        ")",
        "{", // lowering
        "ok",
        "fetch",
        "&mut u8",
        "dyn Debug", // checks
    ];
    assert_eq!(underlined, expected, "{found:#?}");
}
