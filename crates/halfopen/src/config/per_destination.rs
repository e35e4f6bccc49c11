//! What an account may have to each of its destinations, as `per_destination` gives it.

use super::form::Form;
use super::hint::meant;
use super::value::Value;
use super::written::{Written, WrongValue};
use halfopen_policy::{ConnectRate, PerDestination};

const HALF_OPEN: &str = "half_open";
const CONNECT_RATE: &str = "connect_rate";
const ESTABLISHED: &str = "established";

/// Its keys, each with what it means.
pub const KEYS: [(&str, &str); 3] = [
    (HALF_OPEN, "How many attempts may be out and unanswered at once."),
    (CONNECT_RATE, "How many connections may begin per unit of time; a second's worth may begin at once."),
    (ESTABLISHED, "How many connections may be open at once, half-open ones included."),
];

/// Its example.
pub(super) const SUCH: &str = "{ half_open = 16, connect_rate = \"600/m\", established = 200 }";

const COUNT: Form = Form::number(1, u32::MAX - 1);
const RATE: Form = Form::rate("connections", "\"600/m\"");

/// Reads the table called `name`.
pub(super) fn read(
    name: &str,
    accepted: &str,
    written: &Written<'_, '_>,
) -> Result<PerDestination, WrongValue> {
    let wrong = |what: &str| written.wrong(name, what);
    let table = written.value.as_table().filter(|table| !table.is_empty()).ok_or_else(|| wrong(accepted))?;
    let mut limits = PerDestination::default();
    for (key, value) in table {
        let value = Written::at(value);
        let inner = format!("{name}.{}", key.get_ref());
        let count = || match COUNT.read(&inner, &value)? {
            Value::Number(number) => Ok(Some(number)),
            _ => Ok(None),
        };
        match key.get_ref().as_ref() {
            HALF_OPEN => limits.half_open = count()?,
            ESTABLISHED => limits.established = count()?,
            CONNECT_RATE => {
                if let Value::Rate(rate) = RATE.read(&inner, &value)? {
                    limits.rate = Some(ConnectRate { rate, burst: None });
                }
            }
            other => {
                let hint = meant(other, KEYS.map(|(key, _)| key));
                return Err(wrong(&format!(
                    "there is no {other} in it: {}",
                    hint.unwrap_or_else(|| accepted.to_owned())
                )));
            }
        }
    }
    Ok(limits)
}

/// As a file has it.
pub(super) fn toml(limits: &PerDestination) -> toml_edit::Value {
    let mut table = toml_edit::InlineTable::new();
    let count = |number: u32| toml_edit::Value::from(i64::from(number));
    let values = [
        (HALF_OPEN, limits.half_open.map(count)),
        (CONNECT_RATE, limits.rate.map(|of| of.rate.to_string().into())),
        (ESTABLISHED, limits.established.map(count)),
    ];
    for (key, value) in values {
        if let Some(value) = value {
            table.insert(key, value);
        }
    }
    table.into()
}
