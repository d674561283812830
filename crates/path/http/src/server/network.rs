//! Networks: who is near enough to be believed, and who counts as one.

use std::net::{IpAddr, Ipv6Addr};

/// Whether one of these networks, each an address and the length of its prefix, holds the address.
pub fn holds(networks: &[(IpAddr, u8)], address: IpAddr) -> bool {
    networks
        .iter()
        .any(|(network, bits)| contains(*network, *bits, address))
}

/// Whose share a visitor has. Who has one address of IPv6 has a network of them.
pub(super) fn sharer(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => {
            let network = address.to_bits() & !u128::from(u64::MAX);
            Ipv6Addr::from_bits(network).into()
        }
    }
}

fn contains(network: IpAddr, bits: u8, address: IpAddr) -> bool {
    let (network, address, width) = match (network, address) {
        (IpAddr::V4(network), IpAddr::V4(address)) => (
            u128::from(network.to_bits()),
            u128::from(address.to_bits()),
            32,
        ),
        (IpAddr::V6(network), IpAddr::V6(address)) => (network.to_bits(), address.to_bits(), 128),
        _ => return false,
    };
    let shift = width - u32::from(bits).min(width);
    // A network of no bits holds every address.
    shift == 128 || (network ^ address) >> shift == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_of_ipv6_shares_as_one_address() {
        let sharer = |address: &str| sharer(address.parse().unwrap()).to_string();
        assert_eq!(sharer("203.0.113.9"), "203.0.113.9");
        assert_eq!(sharer("::ffff:203.0.113.9"), "203.0.113.9");
        assert_eq!(sharer("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
    }

    #[test]
    fn a_network_holds_its_addresses() {
        let holds = |network: &str, bits, address: &str| {
            contains(network.parse().unwrap(), bits, address.parse().unwrap())
        };
        assert!(holds("10.0.0.0", 24, "10.0.0.7") && !holds("10.0.0.0", 24, "10.0.1.7"));
        assert!(
            holds("0.0.0.0", 0, "8.8.8.8")
                && holds("fd00::", 8, "fd12::1")
                && !holds("fd00::", 8, "10.0.0.1")
        );
    }
}
