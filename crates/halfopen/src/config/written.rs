//! A value as the user wrote it, in a file or on a command line, and the error for a value that is not accepted.

use std::ops::Range;
use toml::Spanned;
use toml::de::DeValue;

/// A value that the key does not take.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{key} = {given}: {accepted}")]
pub struct WrongValue {
    key: String,
    given: String,
    accepted: String,
    /// The position of the value in the text, in bytes.
    pub span: Range<usize>,
}

/// A value with its position in the text.
#[derive(Debug, Clone)]
pub(super) struct Written<'v, 'i> {
    pub value: &'v DeValue<'i>,
    pub span: Range<usize>,
}

impl<'v, 'i> Written<'v, 'i> {
    pub fn at(value: &'v Spanned<DeValue<'i>>) -> Self {
        Self { value: value.get_ref(), span: value.span() }
    }

    /// The error for this value of the key called `key`.
    pub fn wrong(&self, key: &str, accepted: &str) -> WrongValue {
        let given = match self.value {
            DeValue::String(text) => format!("{text:?}"),
            DeValue::Integer(number) => number.to_string(),
            DeValue::Float(number) => number.to_string(),
            DeValue::Boolean(flag) => flag.to_string(),
            DeValue::Datetime(time) => time.to_string(),
            DeValue::Array(_) => "[...]".into(),
            DeValue::Table(_) => "{...}".into(),
        };
        WrongValue { key: key.to_owned(), given, accepted: accepted.to_owned(), span: self.span.clone() }
    }

    pub fn text(&self) -> Option<&'v str> {
        self.value.as_str()
    }

    pub fn number(&self) -> Option<u32> {
        let number = self.value.as_integer()?;
        u32::from_str_radix(number.as_str(), number.radix()).ok()
    }

    /// The items of a list. `read` returns `None` for one that is not accepted.
    pub fn list<T>(
        &self,
        key: &str,
        accepted: &str,
        read: impl Fn(&Written<'_, '_>) -> Option<T>,
    ) -> Result<Vec<T>, WrongValue> {
        let list = self.value.as_array().ok_or_else(|| self.wrong(key, accepted))?;
        let items = list.iter().map(Written::at);
        items.map(|item| read(&item).ok_or_else(|| item.wrong(key, accepted))).collect()
    }
}

/// The error for a text of another form than TOML.
pub(super) fn not_toml(key: &str, given: &str, accepted: &str) -> WrongValue {
    let span = 0..given.len();
    WrongValue { key: key.to_owned(), given: given.to_owned(), accepted: accepted.to_owned(), span }
}

/// Reads a value from a command line: TOML, or a string without quotes. A list (`is_list`) can also be written without
/// brackets and quotes, its items separated by commas.
pub(super) fn from_text<T>(text: &str, is_list: bool, read: impl Fn(&Written<'_, '_>) -> T) -> T {
    if is_list && !text.trim_start().starts_with('[') {
        let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
        let list: Vec<String> = parts.map(|part| format!("{part:?}")).collect();
        return from_text(&format!("[{}]", list.join(",")), false, read);
    }
    match DeValue::parse(text) {
        Ok(value) => read(&Written::at(&value)),
        Err(_) => read(&Written { value: &DeValue::String(text.into()), span: 0..text.len() }),
    }
}
