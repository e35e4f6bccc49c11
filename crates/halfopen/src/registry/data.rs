//! The data of a value, after its `=`.

use super::error::Unexpected;

/// The number that `data` stands for; `None` = the value is deleted.
pub fn number(name: &'static str, data: &str) -> Result<Option<u32>, Unexpected> {
    let wrong = Unexpected::Data(name);
    let data = data.split(';').next().unwrap_or(data).trim();
    if data == "-" {
        return Ok(None);
    }
    let (kind, digits) = data.split_once(':').ok_or(wrong.clone())?;
    let is_hex = |text: &str| !text.is_empty() && text.bytes().all(|digit| digit.is_ascii_hexdigit());
    let number = match kind.to_ascii_lowercase().as_str() {
        "dword" => is_hex(digits).then(|| u32::from_str_radix(digits, 16).ok()).flatten(),
        "hex" | "hex(4)" => bytes(digits).map(u32::from_le_bytes),
        "hex(5)" => bytes(digits).map(u32::from_be_bytes),
        _ => None,
    };
    number.map(Some).ok_or(wrong)
}

fn bytes(digits: &str) -> Option<[u8; 4]> {
    let byte = |text: &str| {
        let text = text.trim();
        let is_byte = matches!(text.len(), 1 | 2) && text.bytes().all(|digit| digit.is_ascii_hexdigit());
        is_byte.then(|| u8::from_str_radix(text, 16).ok()).flatten()
    };
    digits.split(',').map(byte).collect::<Option<Vec<_>>>()?.try_into().ok()
}
