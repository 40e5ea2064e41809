//! Which addresses are those of the public Internet.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What an address is, if it is not one of the public Internet: by the registries of special-purpose addresses of IANA
/// (<https://www.iana.org/assignments/iana-ipv4-special-registry>, and its twin for IPv6).
pub(super) fn special(address: IpAddr) -> Option<&'static str> {
    match address {
        IpAddr::V4(address) => special_v4(address),
        IpAddr::V6(address) => special_v6(address),
    }
}

fn special_v4(address: Ipv4Addr) -> Option<&'static str> {
    Some(match address.octets() {
        [0, ..] => "this network",
        [10, ..] | [172, 16..=31, ..] | [192, 168, ..] => "private",
        [100, 64..=127, ..] => "shared address space",
        [127, ..] => "loopback",
        [169, 254, ..] => "link-local",
        [192, 0, 0, _] => "kept for protocols",
        [192, 0, 2, _] | [198, 51, 100, _] | [203, 0, 113, _] => "kept for documentation",
        [192, 88, 99, _] => "6to4 relay",
        [198, 18 | 19, ..] => "kept for benchmarks",
        [224..=239, ..] => "multicast",
        [240..=255, ..] => "reserved",
        // Not in the registry: the agent of a virtual machine on Azure listens here.
        [168, 63, 129, 16] => "the address of a cloud's own services",
        _ => return None,
    })
}

fn special_v6(address: Ipv6Addr) -> Option<&'static str> {
    let segments = address.segments();
    Some(match segments {
        [0, 0, 0, 0, 0, 0, 0, 0] => "unspecified",
        [0, 0, 0, 0, 0, 0, 0, 1] => "loopback",
        // IPv4 inside: mapped, and by NAT64.
        [0, 0, 0, 0, 0, 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => {
            return special_v4(ipv4(high, low));
        }
        [0xfc00..=0xfdff, ..] => "unique-local",
        [0xfe80..=0xfebf, ..] => "link-local",
        [0xff00..=0xffff, ..] => "multicast",
        [0x2001, 0xdb8, ..] | [0x3fff, 0..=0xfff, ..] => "kept for documentation",
        // Teredo, benchmarks, ORCHID and more: nothing that a server is reached at.
        [0x2001, 0..=0x1ff, ..] => "kept for protocols",
        [0x2002, ..] => "6to4",
        [0x2000..=0x3fff, ..] => return None,
        _ => "outside of global unicast",
    })
}

fn ipv4(high: u16, low: u16) -> Ipv4Addr {
    Ipv4Addr::from(u32::from(high) << 16 | u32::from(low))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn what(address: &str) -> Option<&'static str> {
        special(address.parse().unwrap())
    }

    #[test]
    fn public_addresses_are_nothing_special() {
        for address in [
            "1.1.1.1",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.0.0.1",
            "128.0.0.1",
            "169.253.0.1",
            "172.15.0.1",
            "172.32.0.1",
            "192.0.1.1",
            "192.167.0.1",
            "198.17.0.1",
            "198.20.0.1",
            "223.255.255.255",
            "2606:4700::1111",
            "2001:200::1",
            "2400::1",
            "2a00::1",
            "::ffff:1.1.1.1",
            "64:ff9b::1.1.1.1",
        ] {
            assert_eq!(what(address), None, "{address}");
        }
    }

    #[test]
    fn every_special_range_is_known_to_its_ends() {
        for (first, last, expected) in [
            ("0.0.0.0", "0.255.255.255", "this network"),
            ("10.0.0.0", "10.255.255.255", "private"),
            ("100.64.0.0", "100.127.255.255", "shared address space"),
            ("127.0.0.0", "127.255.255.255", "loopback"),
            ("169.254.0.0", "169.254.255.255", "link-local"),
            ("172.16.0.0", "172.31.255.255", "private"),
            ("192.0.0.0", "192.0.0.255", "kept for protocols"),
            ("192.0.2.0", "192.0.2.255", "kept for documentation"),
            ("192.88.99.0", "192.88.99.255", "6to4 relay"),
            ("192.168.0.0", "192.168.255.255", "private"),
            ("198.18.0.0", "198.19.255.255", "kept for benchmarks"),
            ("198.51.100.0", "198.51.100.255", "kept for documentation"),
            ("203.0.113.0", "203.0.113.255", "kept for documentation"),
            ("224.0.0.0", "239.255.255.255", "multicast"),
            ("240.0.0.0", "255.255.255.255", "reserved"),
            ("::", "::", "unspecified"),
            ("::1", "::1", "loopback"),
            ("::2", "::ffff", "outside of global unicast"),
            ("::127.0.0.1", "::10.0.0.1", "outside of global unicast"),
            ("64:ff9b:1::", "64:ff9b:1:ffff::", "outside of global unicast"),
            ("100::", "100::ffff", "outside of global unicast"),
            ("2001::", "2001:1ff:ffff::", "kept for protocols"),
            ("2001:db8::", "2001:db8:ffff::", "kept for documentation"),
            ("2002::", "2002:ffff::", "6to4"),
            ("3fff::", "3fff:fff::", "kept for documentation"),
            ("4000::", "fbff::", "outside of global unicast"),
            ("fc00::", "fdff::", "unique-local"),
            ("fe80::", "febf::", "link-local"),
            ("fec0::", "feff::", "outside of global unicast"),
            ("ff00::", "ffff::", "multicast"),
        ] {
            assert_eq!((what(first), what(last)), (Some(expected), Some(expected)), "{first} to {last}");
        }
    }

    #[test]
    fn the_credentials_of_a_machine_are_out_of_reach() {
        for address in ["169.254.169.254", "fd00:ec2::254", "100.100.100.200", "192.0.0.192", "168.63.129.16"]
        {
            assert!(what(address).is_some(), "{address}");
        }
    }

    #[test]
    fn an_ipv4_address_counts_as_what_it_is_in_an_ipv6_one() {
        for (address, expected) in [
            ("::ffff:127.0.0.1", "loopback"),
            ("::ffff:169.254.169.254", "link-local"),
            ("::ffff:10.0.0.1", "private"),
            ("64:ff9b::192.168.0.1", "private"),
        ] {
            assert_eq!(what(address), Some(expected), "{address}");
        }
    }
}
