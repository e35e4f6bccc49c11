use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// A block of addresses, such as `198.18.7.0/24`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Prefix {
    network: IpAddr,
    length: u8,
}

/// Why a text is not a prefix.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not a prefix: write it as 198.18.7.0/24 or 2001:db8:7::/48, with no bit set beyond its length"
)]
pub struct PrefixError(String);

impl Prefix {
    /// All IPv4 addresses the world owns (RFC 2544's range for benches): `198.18.0.0/15`.
    pub const WORLD_V4: Self = Self { network: IpAddr::V4(Ipv4Addr::new(198, 18, 0, 0)), length: 15 };
    /// All IPv6 addresses the world owns (RFC 3849's range for documentation): `2001:db8::/32`.
    pub const WORLD_V6: Self =
        Self { network: IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0)), length: 32 };

    /// How many addresses it has.
    #[must_use]
    pub fn size(self) -> u128 {
        1 << (self.width() - u32::from(self.length))
    }

    /// Its address number `index`, counted from the network's own.
    ///
    /// # Panics
    /// If it has fewer addresses.
    #[must_use]
    pub fn nth(self, index: u128) -> IpAddr {
        assert!(index < self.size(), "{self} has no address number {index}");
        match self.network {
            IpAddr::V4(network) => Ipv4Addr::from_bits(network.to_bits() | index as u32).into(),
            IpAddr::V6(network) => Ipv6Addr::from_bits(network.to_bits() | index).into(),
        }
    }

    /// Whether `address` is one of its addresses.
    #[must_use]
    pub fn contains(self, address: IpAddr) -> bool {
        match (self.network, address) {
            (IpAddr::V4(network), IpAddr::V4(address)) => {
                u128::from(network.to_bits() ^ address.to_bits()) < self.size()
            }
            (IpAddr::V6(network), IpAddr::V6(address)) => network.to_bits() ^ address.to_bits() < self.size(),
            _ => false,
        }
    }

    fn width(self) -> u32 {
        if self.network.is_ipv4() { 32 } else { 128 }
    }
}

impl FromStr for Prefix {
    type Err = PrefixError;

    fn from_str(text: &str) -> Result<Self, PrefixError> {
        let wrong = || PrefixError(text.to_owned());
        let (network, length) = text.split_once('/').ok_or_else(wrong)?;
        let prefix = Self {
            network: network.parse().map_err(|_| wrong())?,
            length: length.parse().map_err(|_| wrong())?,
        };
        // A prefix of length 0 would have 2^128 addresses, one more than fit.
        if prefix.length == 0 || u32::from(prefix.length) > prefix.width() || prefix.nth(0) != prefix.masked()
        {
            return Err(wrong());
        }
        Ok(prefix)
    }
}

impl Prefix {
    fn masked(self) -> IpAddr {
        match self.network {
            IpAddr::V4(network) => {
                Ipv4Addr::from_bits(network.to_bits() & !((self.size() - 1) as u32)).into()
            }
            IpAddr::V6(network) => Ipv6Addr::from_bits(network.to_bits() & !(self.size() - 1)).into(),
        }
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.network, self.length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_and_last_address_belong_to_it_and_their_neighbours_do_not() {
        let prefix: Prefix = "198.18.7.0/24".parse().unwrap();
        assert_eq!(prefix.size(), 256);
        assert_eq!(prefix.nth(255), "198.18.7.255".parse::<IpAddr>().unwrap());
        for (address, inside) in [
            ("198.18.7.0", true),
            ("198.18.7.255", true),
            ("198.18.6.255", false),
            ("198.18.8.0", false),
            ("::1", false),
        ] {
            assert_eq!(prefix.contains(address.parse().unwrap()), inside, "{address}");
        }
        assert!(Prefix::WORLD_V6.contains("2001:db8:ffff::1".parse().unwrap()));
        assert!(!Prefix::WORLD_V6.contains("2001:db9::".parse().unwrap()));
    }

    #[test]
    fn what_is_no_prefix_is_refused() {
        for text in
            ["", "198.18.7.0", "198.18.7.1/24", "198.18.7.0/33", "198.18.7.0/x", "::/0", "2001:db8::1/64"]
        {
            assert!(text.parse::<Prefix>().is_err(), "{text}");
        }
        assert_eq!("2001:db8:7::/48".parse::<Prefix>().unwrap().to_string(), "2001:db8:7::/48");
    }
}
