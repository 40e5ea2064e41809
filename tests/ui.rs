//! What does not compile, and what rustc says about it: one mistake per file, in folders by kind.
//!
//! `TRYBUILD=overwrite cargo test -p rpc-tests --test ui` writes the `.stderr` files again, to be read in
//! review. They are never edited by hand.

/// Messages of rustc change from release to release, so only the compiler that wrote the files compares.
#[rustversion::attr(not(stable(1.95)), ignore = "the messages are those of rustc 1.95")]
#[test]
fn each_mistake_says_what_to_write_instead() {
    trybuild::TestCases::new().compile_fail("ui/*/*.rs");
}
