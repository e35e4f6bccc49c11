//! A value as the user wrote it, in a file or on a command line, and the error for a value that is not accepted.

use halfopen_policy::limits::{parse_time, show_time};
use std::ops::{Range, RangeInclusive};
use std::time::Duration;
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

impl WrongValue {
    pub(super) fn new(key: String, given: String, accepted: String, span: Range<usize>) -> Self {
        Self { key, given, accepted, span }
    }
}

/// A value with its position in the text.
pub(super) struct Written<'v, 'i> {
    pub value: &'v DeValue<'i>,
    pub span: Range<usize>,
}

/// What was expected instead of a wrong value.
pub(super) type Expected = String;

impl Written<'_, '_> {
    pub fn wrong(&self, key: String, accepted: Expected) -> WrongValue {
        WrongValue::new(key, written(self.value), accepted, self.span.clone())
    }

    pub fn is(&self, word: &str) -> bool {
        self.value.as_str() == Some(word)
    }

    /// A whole number in that range. `word` is an alternative to name in the error.
    pub fn number(&self, range: RangeInclusive<u32>, word: Option<&str>) -> Result<u32, Expected> {
        let number = self.value.as_integer();
        let number = number.and_then(|number| u32::from_str_radix(number.as_str(), number.radix()).ok());
        number.filter(|number| range.contains(number)).ok_or_else(|| {
            let or_word = word.map_or_else(String::new, |word| format!(", or {word:?}"));
            format!("expected a whole number from {} to {}{or_word}", range.start(), range.end())
        })
    }

    /// A time in that range.
    pub fn time(&self, (shortest, longest): (Duration, Duration), such: &str) -> Result<Duration, Expected> {
        let time = self.value.as_str().and_then(|text| parse_time(text).ok());
        time.filter(|time| (shortest..=longest).contains(time)).ok_or_else(|| {
            let (shortest, longest) = (show_time(shortest), show_time(longest));
            format!("expected a time from {shortest} to {longest}, such as {such:?}")
        })
    }

    pub fn flag(&self) -> Result<bool, Expected> {
        self.value.as_bool().ok_or_else(|| "expected true or false".into())
    }

    pub fn choice<T: Copy>(&self, names: &[(&str, T)]) -> Result<T, Expected> {
        let chosen = self.value.as_str().and_then(|text| names.iter().find(|(name, _)| *name == text));
        chosen.map(|(_, chosen)| *chosen).ok_or_else(|| {
            let names: Vec<String> = names.iter().map(|(name, _)| format!("{name:?}")).collect();
            format!("expected {}", names.join(" or "))
        })
    }
}

pub(super) fn name_of<T: PartialEq>(names: &[(&'static str, T)], value: &T) -> &'static str {
    names.iter().find(|(_, named)| named == value).map_or("", |(name, _)| name)
}

/// The value as `get` prints it: a string without quotes.
pub(super) fn show(value: &toml_edit::Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned)
}

/// Reads a value from a command line: TOML, or a string without quotes.
pub(super) fn with_toml_or_string<T>(text: &str, read: impl Fn(&DeValue<'_>, Range<usize>) -> T) -> T {
    match DeValue::parse(text) {
        Ok(value) => read(value.get_ref(), value.span()),
        Err(_) => read(&DeValue::String(text.into()), 0..text.len()),
    }
}

/// The same. A list can also be written without brackets and quotes, its items separated by commas.
pub(super) fn with_list<T>(is_list: bool, text: &str, read: impl Fn(&DeValue<'_>, Range<usize>) -> T) -> T {
    if !is_list || text.trim_start().starts_with('[') {
        return with_toml_or_string(text, read);
    }
    let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
    let list: Vec<String> = parts.map(|part| format!("{part:?}")).collect();
    with_toml_or_string(&format!("[{}]", list.join(",")), read)
}

pub(super) fn written(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) => format!("{text:?}"),
        DeValue::Integer(number) => number.to_string(),
        DeValue::Float(number) => number.to_string(),
        DeValue::Boolean(flag) => flag.to_string(),
        DeValue::Datetime(time) => time.to_string(),
        DeValue::Array(_) => "[...]".into(),
        DeValue::Table(_) => "{...}".into(),
    }
}
