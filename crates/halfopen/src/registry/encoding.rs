//! The text of a file: UTF-16LE with a byte order mark, as the registry editor writes it, or UTF-8 with or without one.

use super::error::{RegistryError, Unexpected};

const UTF16LE_MARK: [u8; 2] = [0xff, 0xfe];
const UTF8_MARK: [u8; 3] = [0xef, 0xbb, 0xbf];

pub fn decode(bytes: &[u8]) -> Result<String, RegistryError> {
    let wrong = |before: &str| {
        let line = before.matches('\n').count() + 1;
        RegistryError { line, unexpected: Unexpected::Encoding }
    };
    if let Some(bytes) = bytes.strip_prefix(&UTF16LE_MARK) {
        let units = bytes.chunks_exact(2);
        let is_cut = !units.remainder().is_empty();
        let units = units.map(|pair| u16::from_le_bytes([pair[0], pair[1]]));
        let mut text = String::new();
        for unit in char::decode_utf16(units) {
            text.push(unit.map_err(|_| wrong(&text))?);
        }
        return if is_cut { Err(wrong(&text)) } else { Ok(text) };
    }
    let bytes = bytes.strip_prefix(&UTF8_MARK).unwrap_or(bytes);
    str::from_utf8(bytes)
        .map(ToOwned::to_owned)
        .map_err(|e| wrong(&String::from_utf8_lossy(&bytes[..e.valid_up_to()])))
}

pub fn utf16le(text: &str) -> Vec<u8> {
    UTF16LE_MARK.into_iter().chain(text.encode_utf16().flat_map(u16::to_le_bytes)).collect()
}
