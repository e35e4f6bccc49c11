//! What the program prints as JSON: a table for each structure and enum, from the types' own schemas.

use super::{table, title};
use anyhow::{Context, Result};
use halfopen::blame::Blame;
use halfopen::commands::{Applied, Checked, Doctor, Imported, Replayed, Report, Set};
use halfopen::control::{Inspection, RefusalKind, Status, Why};
use halfopen::events::Event;
use halfopen::history::History;
use halfopen::tuning::Tuning;
use halfopen_sim::study::Study;
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Map, Value};
use std::fmt::Write;

const BEGINNING: &str = "\
These names are a contract with scripts: fields and values may be added, and none changes its meaning. A time is RFC 3339 \
in UTC with milliseconds, such as `2030-01-31T12:00:00.000Z`. A duration is a whole number, and its name ends in its \
unit: `_ms` or `_s`. A count is of attempts unless its meaning says something else. A field that the table does not call \
optional is always there; what is unknown or unlimited is null.

";

/// The commands that print JSON, and the structure that each prints.
const COMMANDS: [(&str, &str); 15] = [
    ("halfopen status --json", "Status"),
    ("halfopen events --json", "Event"),
    ("halfopen history --json", "History"),
    ("halfopen tune --json", "Tuning"),
    ("halfopen tune --apply --json", "Applied"),
    ("halfopen explain --json abuse.txt", "Blame"),
    ("halfopen report --json", "Report"),
    ("halfopen why --json PID", "Why"),
    ("halfopen inspect --json PID", "Inspection"),
    ("halfopen doctor --json", "Doctor"),
    ("halfopen check --json", "Checked"),
    ("halfopen replay --json FILE", "Replayed"),
    ("halfopen simulate --json SCENARIO", "Study"),
    ("halfopen set --json KEY VALUE", "Set"),
    ("halfopen import --json FILE", "Imported"),
];

pub fn page() -> Result<String> {
    let definitions = definitions();
    let mut page = title("JSON");
    page += BEGINNING;
    let rows = COMMANDS.map(|(command, name)| {
        let lines = if name == "Event" { ", one in each line" } else { "" };
        [format!("`{command}`"), format!("{}{lines}", link(name))]
    });
    page += &table(["command", "prints"], rows);
    let (enums, structures): (Vec<_>, Vec<_>) =
        definitions.iter().partition(|(_, schema)| schema.get("oneOf").is_some());
    page += "## Structures\n\n";
    for (name, schema) in structures {
        structure(&mut page, name, schema)?;
    }
    page += "## Enums\n\n";
    for (name, schema) in enums {
        let _ = write!(page, "### {name}\n\n{}\n\n", description(schema));
        let members = schema["oneOf"].as_array().context("an enum lists its members")?;
        let rows = members.iter().map(|member| {
            let value = member["const"]
                .as_str()
                .with_context(|| format!("a member of {name} has no documentation"))?;
            Ok([format!("`{value}`"), description(member)])
        });
        page += &table(["value", "meaning"], rows.collect::<Result<Vec<_>>>()?);
    }
    Ok(format!("{}\n", page.trim_end()))
}

fn definitions() -> Map<String, Value> {
    fn note<T: JsonSchema>(generator: &mut SchemaGenerator) {
        generator.subschema_for::<T>();
    }
    let mut generator = SchemaSettings::draft2020_12().for_serialize().into_generator();
    note::<Status>(&mut generator);
    note::<Event>(&mut generator);
    note::<History>(&mut generator);
    note::<Tuning>(&mut generator);
    note::<Applied>(&mut generator);
    note::<Blame>(&mut generator);
    note::<Report>(&mut generator);
    note::<Why>(&mut generator);
    note::<Inspection>(&mut generator);
    note::<Doctor>(&mut generator);
    note::<Checked>(&mut generator);
    note::<Replayed>(&mut generator);
    note::<Study>(&mut generator);
    note::<Set>(&mut generator);
    note::<Imported>(&mut generator);
    // Those of the API alone.
    note::<RefusalKind>(&mut generator);
    generator.take_definitions(true)
}

fn structure(page: &mut String, name: &str, schema: &Value) -> Result<()> {
    let _ = write!(page, "### {name}\n\n{}\n\n", description(schema));
    let fields = schema["properties"].as_object().with_context(|| format!("{name} is a structure"))?;
    let required: Vec<&str> =
        schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let rows = fields.iter().map(|(field, schema)| {
        let optional = if required.contains(&field.as_str()) { "" } else { ", optional" };
        let kind = kind(schema).with_context(|| format!("{name}.{field}"))?;
        Ok([format!("`{field}`"), format!("{kind}{optional}"), unit(field).to_owned(), description(schema)])
    });
    *page += &table(["field", "type", "unit", "meaning"], rows.collect::<Result<Vec<_>>>()?);
    Ok(())
}

/// The type of a value, for people.
pub(super) fn kind(schema: &Value) -> Result<String> {
    if let Some(name) = schema["$ref"].as_str().and_then(|place| place.rsplit('/').next()) {
        return Ok(link(name));
    }
    if let Some(kinds) = schema["anyOf"].as_array() {
        return Ok(kinds.iter().map(kind).collect::<Result<Vec<_>>>()?.join(" or "));
    }
    let one = |name: &str| {
        Ok(match (name, schema["format"].as_str()) {
            ("array", _) => format!("list of {}", kind(&schema["items"])?),
            ("string", Some("date-time")) => "time".to_owned(),
            ("string", Some("ip")) => "IP address".to_owned(),
            _ => name.to_owned(),
        })
    };
    match &schema["type"] {
        Value::String(name) => one(name),
        Value::Array(names) => {
            let names = names.iter().filter_map(Value::as_str).map(one);
            Ok(names.collect::<Result<Vec<_>>>()?.join(" or "))
        }
        _ => anyhow::bail!("no type in {schema}"),
    }
}

fn unit(field: &str) -> &'static str {
    match field {
        _ if field.ends_with("_per_s") => "1/s",
        _ if field.ends_with("_ms") => "ms",
        _ if field.ends_with("_s") => "s",
        _ => "",
    }
}

fn link(name: &str) -> String {
    format!("[{name}](#{})", name.to_lowercase())
}

/// The type's or field's own documentation, in which Rust writes null as `None` and links in its own way.
pub(super) fn description(schema: &Value) -> String {
    let text = schema["description"].as_str().unwrap_or_default();
    text.replace('\n', " ").replace("`None`", "null").replace("[`", "`").replace("`]", "`")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_is_documented_in_words_of_json() {
        let names: Vec<String> = definitions().keys().cloned().collect();
        assert!(COMMANDS.iter().all(|(_, name)| names.iter().any(|known| known == name)), "{names:?}");
        for (name, schema) in definitions() {
            assert!(!description(&schema).is_empty(), "{name} has no documentation");
            for (field, schema) in schema["properties"].as_object().into_iter().flatten() {
                assert!(!description(schema).is_empty(), "{name}.{field} has no documentation");
            }
        }
        let page = page().unwrap();
        for word in ["::", "None", "Option", "Vec<", "Some("] {
            assert!(!page.contains(word), "{word}");
        }
    }

    #[test]
    fn every_value_of_an_enum_is_snake_case() {
        for (name, schema) in definitions() {
            for value in schema["oneOf"].as_array().into_iter().flatten().map(|member| &member["const"]) {
                let value = value.as_str().unwrap();
                let is_snake = value.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
                assert!(is_snake, "{name}: {value}");
            }
        }
    }
}
