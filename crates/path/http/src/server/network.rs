//! Networks: who is near enough to be believed.

use std::net::IpAddr;

/// Whether one of these networks, each an address and the length of its prefix, holds the address.
pub fn holds(networks: &[(IpAddr, u8)], address: IpAddr) -> bool {
    networks
        .iter()
        .any(|(network, bits)| contains(*network, *bits, address))
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
