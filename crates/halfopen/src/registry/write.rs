//! Writes a file that sets given limits, as the registry editor writes it.

use super::meaning::{Limit, Of};
use super::{HEADERS, INTERFACES, LIMIT, PARAMETERS, encoding};
use halfopen_policy::Limits;
use std::collections::BTreeMap;

/// The limits to write.
pub type Exported = BTreeMap<Of, Limit>;

/// The file in UTF-8.
#[must_use]
pub fn utf8(limits: &Exported) -> Vec<u8> {
    text(limits).into_bytes()
}

/// The file in UTF-16LE with a byte order mark, as the registry editor writes it.
#[must_use]
pub fn utf16(limits: &Exported) -> Vec<u8> {
    encoding::utf16le(&text(limits))
}

fn text(limits: &Exported) -> String {
    let mut lines = vec![HEADERS[0].to_owned(), String::new()];
    for (of, limit) in limits {
        let number = match limit {
            Limit::Attempts(number) => (*number).min(Limits::UNLIMITED),
            Limit::Unlimited => Limits::UNLIMITED,
        };
        lines.push(match of {
            Of::Host => format!("[{PARAMETERS}]"),
            Of::Interface(name) => format!("[{PARAMETERS}\\{INTERFACES}\\{name}]"),
        });
        lines.push(format!("\"{LIMIT}\"=dword:{number:08x}"));
        lines.push(String::new());
    }
    lines.push(String::new());
    lines.join("\r\n")
}
