//! Headers that speak of one connection, and go no further.

use http::{
    HeaderMap, HeaderName,
    header::{CONNECTION, CONTENT_LENGTH, HOST},
};

/// Removes what a proxy must not pass on: the fields of RFC 9110, 7.6.1, those that `Connection` names, and what is
/// meant for proxies.
///
/// `Connection` may name any field, but not away what says whom a message is for and how long it is. What else must not
/// be named away is set after this.
pub(crate) fn remove(headers: &mut HeaderMap) {
    // Few heads have any of these: the names that there are, are fewer than those that would be looked up.
    if !headers.keys().any(is_hop_by_hop) {
        return;
    }
    if headers.contains_key(CONNECTION) {
        for name in named_by_connection(headers) {
            if name != HOST && name != CONTENT_LENGTH {
                headers.remove(name);
            }
        }
    }
    for name in HOP_BY_HOP {
        headers.remove(name);
    }
}

fn is_hop_by_hop(name: &HeaderName) -> bool {
    HOP_BY_HOP.contains(&name.as_str())
}

fn named_by_connection(headers: &HeaderMap) -> Vec<HeaderName> {
    let values = headers.get_all(CONNECTION).iter();
    let names = values.flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
    names.filter_map(|name| HeaderName::from_bytes(name.trim_ascii()).ok()).collect()
}

/// Whether `Connection` asks for the end of the connection.
#[cfg(feature = "host")]
pub(crate) fn closes(headers: &HeaderMap) -> bool {
    headers.contains_key(CONNECTION) && named_by_connection(headers).iter().any(|option| option == "close")
}

const HOP_BY_HOP: [&str; 9] = [
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-authentication-info",
    "proxy-connection",
    "te",
    "transfer-encoding",
    "upgrade",
];
