//! Every mistake the macros refuse: the smallest input, and what the compiler says about it.
//!
//! Rewrite the expected texts with `TRYBUILD=overwrite`, and read them.

#[rustversion::attr(not(stable(1.95)), ignore = "the .stderr files are those of Rust 1.95")]
#[test]
fn mistakes_are_refused_where_they_stand() {
    let cases = trybuild::TestCases::new();
    cases.compile_fail("ui/message/*.rs");
}
