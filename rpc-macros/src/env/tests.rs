//! Mistakes that are found on tokens alone.

use super::env;

fn mistakes(item: &str) -> String {
    env(item.parse().expect("the test is Rust")).expect_err("the test has mistakes").to_string()
}

#[test]
fn several_mistakes_are_told_at_once() {
    let told = mistakes(
        "struct E<'a> { a: &'a str, #[env(nmae = \"A\")] b: String, #[env(name = \"1\")] c: u8, #[env(name = \"A\")] d: u8 }",
    );
    assert_eq!(told.matches("compile_error").count(), 4, "{told}");
}

#[test]
fn a_struct_without_fields_needs_nothing() {
    let expansion = env("struct E;".parse().expect("the test is Rust")).expect("no mistakes");
    assert!(expansion.to_string().contains("Some (Self { })"), "{expansion}");
}
