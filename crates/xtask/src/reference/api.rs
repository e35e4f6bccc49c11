//! The API on the control socket, from its own description.

use super::json::{description, kind};
use super::{table, title};
use anyhow::{Context, Result};
use halfopen::control::openapi::document;
use serde_json::Value;
use std::fmt::Write;

pub fn page() -> Result<String> {
    let document = document();
    let mut page = title("API");
    page += "What the daemon answers over HTTP/1.1 on its control socket; [api.md](../use/api.md) says how to use it. \
             `GET /v1/openapi.json` has the same as OpenAPI 3.1. Each connection carries one request.\n\n";
    let paths = document["paths"].as_object().context("the document has paths")?;
    for (path, methods) in paths {
        for (method, operation) in methods.as_object().into_iter().flatten() {
            section(&mut page, &document, path, &method.to_uppercase(), operation)?;
        }
    }
    page += "## Refusals\n\nThe body is an object of `kind` ([RefusalKind](json.md#refusalkind)) and `message`.\n\n";
    let responses = paths["/v1/status"]["get"]["responses"].as_object().context("it has responses")?;
    let rows = responses.iter().filter(|(status, _)| *status != "200");
    let rows = rows.map(|(status, response)| [format!("`{status}`"), description(response)]);
    page += &table(["status", "when"], rows);
    Ok(format!("{}\n", page.trim_end()))
}

fn section(page: &mut String, document: &Value, path: &str, method: &str, operation: &Value) -> Result<()> {
    let text = |name: &str| operation[name].as_str().unwrap_or_default();
    let _ =
        write!(page, "## {method} {path}\n\n{}\n\n", [text("summary"), text("description")].join(" ").trim());
    let parameters = operation["parameters"].as_array().into_iter().flatten().map(|parameter| {
        let optional = if parameter["required"] == true { "" } else { ", optional" };
        let kind = format!("{}{optional}", linked(&parameter["schema"])?);
        let [name, place] =
            [&parameter["name"], &parameter["in"]].map(|text| text.as_str().unwrap_or_default());
        Ok([format!("`{name}`"), place.to_owned(), kind, description(parameter)])
    });
    let mut rows = parameters.collect::<Result<Vec<_>>>()?;
    let body = &operation["requestBody"]["content"]["application/json"]["schema"];
    // What the description refers to, it has.
    let body =
        body["$ref"].as_str().and_then(|place| document.pointer(place.strip_prefix('#')?)).unwrap_or(body);
    for member in body["oneOf"].as_array().into_iter().flatten() {
        rows.extend(fields(member)?.into_iter().map(|[name, kind, _]| {
            let value = member["properties"][name.trim_matches('`')]["const"].as_str();
            let kind = value.map_or(kind, |value| format!("`{value}`"));
            [name, "body".into(), kind, description(member)]
        }));
    }
    rows.extend(fields(body)?.into_iter().map(|[name, kind, about]| [name, "body".into(), kind, about]));
    if !rows.is_empty() {
        *page += &table(["parameter", "in", "type", "meaning"], rows);
    }
    let answered = &operation["responses"]["200"];
    let content = answered["content"].as_object().cloned().unwrap_or_default();
    let kinds: Vec<String> = content.keys().map(|kind| format!("`{kind}`")).collect();
    let schema = &content.get("application/json").cloned().unwrap_or_default()["schema"];
    let _ = write!(page, "Answers {}", kinds.join(" or "));
    if schema["$ref"].is_string() {
        let _ = write!(page, ": {}", linked(schema)?);
    }
    *page += ".\n\n";
    let fields = fields(schema)?;
    if !fields.is_empty() {
        *page += &table(["field", "type", "meaning"], fields);
    }
    Ok(())
}

/// The fields of an object that has no name of its own.
fn fields(schema: &Value) -> Result<Vec<[String; 3]>> {
    let required: Vec<&str> =
        schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let fields = schema["properties"].as_object().into_iter().flatten();
    let row = |(name, schema): (&String, &Value)| {
        let optional = if required.contains(&name.as_str()) { "" } else { ", optional" };
        Ok([format!("`{name}`"), format!("{}{optional}", linked(schema)?), description(schema)])
    };
    fields.map(row).collect()
}

/// The type, with links to the page that has the structures.
fn linked(schema: &Value) -> Result<String> {
    Ok(kind(schema)?.replace("](#", "](json.md#"))
}
