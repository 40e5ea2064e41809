//! What is an address, and what is said about what is none.

use rpc_runtime::transport::Address;

#[test]
fn an_address_is_read_as_it_is_shown() {
    for text in [
        "unix:/run/shop/auth.sock",
        "tcp:localhost:7000",
        "tcp:10.0.0.1:0",
        "tcp:[::1]:65535",
        "tls:auth.internal:7000",
    ] {
        assert_eq!(text.parse::<Address>().unwrap().to_string(), text);
        assert_eq!(Address::try_from(text).unwrap().to_string(), text);
    }
}

#[test]
fn what_is_no_address_says_what_to_write() {
    let abstract_name =
        "which any user may take or connect to: write a path, as in `unix:/run/shop/auth.sock`";
    let long = format!("/{}", "x".repeat(107));
    let cases = [
        (
            "auth",
            "expected an address such as `unix:/path/to.sock`, `tcp:host:port` or `tls:host:port`, got \"auth\""
                .to_owned(),
        ),
        (
            "http://auth:80",
            "expected an address such as `unix:/path/to.sock`, `tcp:host:port` or `tls:host:port`, got \
             \"http://auth:80\""
                .to_owned(),
        ),
        ("unix:@auth", format!("the address \"unix:@auth\" has an abstract name, {abstract_name}")),
        ("unix:\0auth", format!("the address \"unix:\\0auth\" has an abstract name, {abstract_name}")),
        (
            "unix:auth.sock",
            "the path \"auth.sock\" of a Unix socket is relative: write one that begins with `/`, which leads both ends \
             to the same place"
                .to_owned(),
        ),
        (
            "unix:",
            "the path \"\" of a Unix socket is empty: write one, as in `unix:/run/shop/auth.sock`".to_owned(),
        ),
        (
            "unix:/run/../auth.sock",
            "the path \"/run/../auth.sock\" of a Unix socket contains `..`: write the path without it".to_owned(),
        ),
        (
            "unix:/run/",
            "the path \"/run/\" of a Unix socket names no file: write the folder, `/` and the name of the socket"
                .to_owned(),
        ),
        (
            "unix:/run/a\0b",
            "the path \"/run/a\\0b\" of a Unix socket contains a NUL byte: names in the abstract namespace are not \
             used, because any user may take or connect to them"
                .to_owned(),
        ),
        (
            &format!("unix:{long}"),
            format!(
                "the path \"{long}\" of a Unix socket has 108 bytes, and at most 107 fit into the address of a \
                 socket: choose a shorter folder"
            ),
        ),
        ("tcp:auth", "the address \"tcp:auth\" has no port: write `tcp:host:port`".to_owned()),
        (
            "tls:auth:70000",
            "the address \"tls:auth:70000\" has no valid port: write a number from 0 to 65535 after the last `:`"
                .to_owned(),
        ),
        (
            "tcp:::1:80",
            "the address \"tcp:::1:80\" has no valid host: write an IPv6 address in brackets, as in `tcp:[::1]:7000`"
                .to_owned(),
        ),
        (
            "tcp:a b:80",
            "the address \"tcp:a b:80\" has no valid host: write a name of letters, digits, `-`, `_` and `.`, or an IP \
             address"
                .to_owned(),
        ),
        (
            "tcp::80",
            "the address \"tcp::80\" has no valid host: write a name of letters, digits, `-`, `_` and `.`, or an IP \
             address"
                .to_owned(),
        ),
    ];
    for (text, expected) in cases {
        let error = text.parse::<Address>().unwrap_err();
        assert!(error.is_invalid());
        assert_eq!(error.to_string(), expected);
    }
}

#[test]
fn a_path_of_107_bytes_fits() {
    let path = format!("/{}", "x".repeat(106));
    assert_eq!(Address::unix(path.as_str()).unwrap().to_string(), format!("unix:{path}"));
}
