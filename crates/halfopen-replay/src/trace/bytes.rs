//! Numbers and texts of a record. Numbers are LEB128.

use super::LONGEST_NAME;
use crate::observation::Address;
use std::net::IpAddr;

/// A number of 64 bits has at most so many bytes.
const LONGEST_NUMBER: usize = 10;

pub(super) fn put_number(bytes: &mut Vec<u8>, mut number: u64) {
    while number > 0x7f {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

pub(super) fn put_text(bytes: &mut Vec<u8>, text: &str) {
    let text = &text[..text.floor_char_boundary(LONGEST_NAME)];
    put_number(bytes, text.len() as u64);
    bytes.extend(text.as_bytes());
}

pub(super) fn put_address(bytes: &mut Vec<u8>, address: Address) {
    match address.as_ip() {
        IpAddr::V4(address) => {
            bytes.push(4);
            bytes.extend(address.octets());
        }
        IpAddr::V6(address) => {
            bytes.push(6);
            bytes.extend(address.octets());
        }
    }
}

/// What is left of a record.
#[derive(Debug)]
pub(super) struct Fields<'a>(pub &'a [u8]);

impl Fields<'_> {
    pub fn number(&mut self) -> Option<u64> {
        let mut number = 0;
        for at in 0..LONGEST_NUMBER {
            let byte = *self.0.get(at)?;
            let part = u64::from(byte & 0x7f);
            number |= part.checked_shl(7 * at as u32).filter(|shifted| shifted >> (7 * at) == part)?;
            if byte & 0x80 == 0 {
                self.0 = &self.0[at + 1..];
                return Some(number);
            }
        }
        None
    }

    pub fn small<T: TryFrom<u64>>(&mut self) -> Option<T> {
        self.number()?.try_into().ok()
    }

    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*taken)
    }

    pub fn text(&mut self) -> Option<String> {
        let length: usize = self.small()?;
        let (text, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        String::from_utf8(text.to_vec()).ok()
    }

    pub fn address(&mut self) -> Option<Address> {
        match self.take()? {
            [4] => self.take::<4>().map(|octets| IpAddr::from(octets).into()),
            [6] => self.take::<16>().map(|octets| IpAddr::from(octets).into()),
            _ => None,
        }
    }
}

/// CRC-16/CCITT-FALSE (x^16 + x^12 + x^5 + 1), the highest byte first.
pub(super) fn checksum(bytes: &[u8]) -> [u8; 2] {
    let with_bit = |crc: u16, _| if crc & 0x8000 == 0 { crc << 1 } else { crc << 1 ^ 0x1021 };
    let with_byte = |crc, byte: &u8| (0..8).fold(crc ^ u16::from(*byte) << 8, with_bit);
    bytes.iter().fold(0xffff, with_byte).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_the_one_that_others_compute() {
        assert_eq!(checksum(b"123456789"), [0x29, 0xb1]);
    }
}
