//! The addresses that are listened at.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Parses addresses that are separated by commas. None may be listened at twice, in whatever words: an unspecified address
/// stands for each of its kind, and `[::]` takes IPv4 too.
pub(super) fn parse(text: &str) -> Option<Vec<SocketAddr>> {
    let addresses: Vec<SocketAddr> = text.split(',').map(|it| it.trim().parse().ok()).collect::<Option<_>>()?;
    let meets_another = |(at, one): (usize, &SocketAddr)| addresses[..at].iter().any(|other| meet(*one, *other));
    (!addresses.iter().enumerate().any(meets_another)).then_some(addresses)
}

/// Whether a connection to one could be one to the other.
pub(super) fn meet(one: SocketAddr, other: SocketAddr) -> bool {
    // Port 0 becomes one that is free.
    one.port() == other.port() && one.port() != 0 && (covers(one.ip(), other.ip()) || covers(other.ip(), one.ip()))
}

/// Whether whoever listens at `one` listens at `other` too.
fn covers(one: IpAddr, other: IpAddr) -> bool {
    // `[::ffff:127.0.0.1]` is 127.0.0.1.
    let other = other.to_canonical();
    match one.to_canonical() {
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => true,
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => other.is_ipv4(),
        one => one == other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_addresses_are_separated_by_commas() {
        for (text, addresses) in [
            ("[::]:8080", &["[::]:8080"][..]),
            ("127.0.0.1:8080,[::1]:8080", &["127.0.0.1:8080", "[::1]:8080"]),
            (" [::]:8080 , [::]:8081 ", &["[::]:8080", "[::]:8081"]),
            ("127.0.0.1:0,127.0.0.1:0", &["127.0.0.1:0", "127.0.0.1:0"]),
            ("0.0.0.0:8080,[::1]:8080", &["0.0.0.0:8080", "[::1]:8080"]),
        ] {
            let parsed: Vec<_> = parse(text).unwrap().iter().map(ToString::to_string).collect();
            assert_eq!(parsed, addresses);
        }
        for text in ["", ",", "[::]:8080,", "[::]:8080 [::]:8081", "8080", "localhost:8080", "[::]:65536"] {
            assert_eq!(parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn no_address_may_be_listened_at_twice() {
        for (one, other) in [
            ("127.0.0.1:8080", "127.0.0.1:8080"),
            ("[::]:8080", "0.0.0.0:8080"),
            ("[::]:8080", "127.0.0.1:8080"),
            ("[::]:8080", "[::1]:8080"),
            ("0.0.0.0:8080", "127.0.0.1:8080"),
            ("0.0.0.0:8080", "[::ffff:127.0.0.1]:8080"),
            ("127.0.0.1:8080", "[::ffff:127.0.0.1]:8080"),
        ] {
            for text in [format!("{one},{other}"), format!("{other},{one}"), format!("{one},[::1]:1,{other}")] {
                assert_eq!(parse(&text), None, "{text}");
            }
        }
    }
}
