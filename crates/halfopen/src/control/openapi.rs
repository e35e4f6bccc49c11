//! The description of the API in OpenAPI 3.1, from the types of requests and answers and the table of routes.

use super::routes::{Form, May, OPENAPI, ROUTES, Route, STREAM};
use super::{Answer, Request};
use hyper::Method;
use schemars::generate::SchemaSettings;
use schemars::transform::{RecursiveTransform, Transform as _};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::{Map, Value, json};
use std::sync::LazyLock;

/// The parameters of a request, by their names.
#[derive(Debug, Clone, Default)]
pub struct Parameters(Map<String, Value>);

/// A request or an answer: what its type says of it, and its schema.
#[derive(Debug, Clone)]
struct Member {
    name: String,
    about: String,
    schema: Value,
}

/// All requests and answers, and what their schemas refer to.
struct Schemas {
    requests: Vec<(Member, Parameters)>,
    answers: Vec<Member>,
    referred: Map<String, Value>,
}

static SCHEMAS: LazyLock<Schemas> = LazyLock::new(Schemas::generate);
/// The statuses of refusals, and when each is answered.
const REFUSED: [(&str, &str); 7] = [
    ("400", "The request is wrong (`wrong_use`)."),
    ("403", "The client may not, or the kernel cannot (`cannot`)."),
    ("405", "The path has no such method (`wrong_use`)."),
    ("408", "The body did not come in time (`failed`)."),
    ("409", "It failed as things are (`failed`)."),
    ("413", "The body is too long (`wrong_use`)."),
    ("503", "The daemon is ending, has too many clients that stay, or has no history (`failed`)."),
];

/// The parameters of the request of this name.
#[must_use]
pub fn parameters(request: &str) -> Option<&'static Parameters> {
    SCHEMAS.requests.iter().find(|(member, _)| member.name == request).map(|(_, parameters)| parameters)
}

impl Parameters {
    /// The value of a parameter that a path or query has as text.
    ///
    /// # Errors
    /// If there is no such parameter, or if the text is no value of it.
    pub fn read(&self, name: &str, text: &str) -> Result<Value, String> {
        let Some(schema) = self.0.get(name) else {
            let known: Vec<&str> = self.0.keys().map(String::as_str).collect();
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            return Err(format!("there is no parameter {name}: the parameters are {known}"));
        };
        let is = |kind: &str| match &schema["type"] {
            Value::Array(kinds) => kinds.iter().any(|one| one == kind),
            one => one == kind,
        };
        let (expected, is_one): (_, fn(&Value) -> bool) = match () {
            () if is("integer") => ("a number", Value::is_number),
            () if is("boolean") => ("true or false", Value::is_boolean),
            () => return Ok(text.into()),
        };
        let found = serde_json::from_str(text).ok().filter(is_one);
        found.ok_or_else(|| format!("{name}={text}: expected {expected}"))
    }
}

impl Schemas {
    fn generate() -> Self {
        let generator = |settings: SchemaSettings| {
            let here = |settings: &mut SchemaSettings| {
                settings.definitions_path = "/components/schemas".into();
                settings.transforms.push(Box::new(RecursiveTransform(with_maximum)));
            };
            settings.with(here).into_generator()
        };
        let mut read = generator(SchemaSettings::draft2020_12().for_deserialize());
        let mut written = generator(SchemaSettings::draft2020_12().for_serialize());
        let requests = members::<Request>(&mut read);
        let answers = members::<Answer>(&mut written);
        let mut referred = written.take_definitions(true);
        referred.extend(read.take_definitions(true));
        let with_parameters = |mut member: Member| {
            if member.schema["properties"].is_null() {
                // What serde reads as a unit.
                member.schema["additionalProperties"] = false.into();
            }
            let parameters = member.schema["properties"].as_object().cloned().unwrap_or_default();
            (member, Parameters(parameters))
        };
        Self { requests: requests.into_iter().map(with_parameters).collect(), answers, referred }
    }

    fn answer(&self, name: &str) -> Option<&Member> {
        self.answers.iter().find(|member| member.name == name)
    }
}

/// Says how large an integer may be: a format is only a hint.
fn with_maximum(schema: &mut Schema) {
    let maximum = match schema.get("format").and_then(Value::as_str) {
        Some("uint8") => u8::MAX.into(),
        Some("uint16") => u16::MAX.into(),
        Some("uint32") => u32::MAX.into(),
        Some("uint64") => u64::MAX,
        _ => return,
    };
    schema.ensure_object().entry("maximum").or_insert_with(|| maximum.into());
}

/// The members of an enum that serde tags with their names.
fn members<T: JsonSchema>(generator: &mut SchemaGenerator) -> Vec<Member> {
    let mut schema = T::json_schema(generator);
    RecursiveTransform(with_maximum).transform(&mut schema);
    let schema = schema.to_value();
    let members = schema["oneOf"].as_array().into_iter().flatten();
    let member = |member: &Value| {
        let about = member["description"].as_str().unwrap_or_default().replace('\n', " ");
        let (name, schema) = match (member["const"].as_str(), member["properties"].as_object()) {
            (Some(name), _) => (name.to_owned(), json!({ "type": "object" })),
            (None, Some(only)) => only.iter().next().map(|(name, schema)| (name.clone(), schema.clone()))?,
            (None, None) => return None,
        };
        Some(Member { name, about, schema })
    };
    members.filter_map(member).collect()
}

/// The whole document.
#[must_use]
pub fn document() -> Value {
    let mut paths = Map::new();
    for route in ROUTES {
        let methods = paths.entry(route.path).or_insert_with(|| json!({}));
        methods[route.method.as_str().to_lowercase()] = operation(route);
    }
    paths.insert(
        OPENAPI.to_owned(),
        json!({ "get": {
            "summary": "This description.",
            "responses": { "200": { "description": "OpenAPI 3.1.", "content": { "application/json": {} } } },
        } }),
    );
    let mut schemas = SCHEMAS.referred.clone();
    schemas.extend(SCHEMAS.answer("refused").map(|refused| ("Refused".to_owned(), refused.schema.clone())));
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "halfopen",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Served on the control socket, usually /run/halfopen/control.sock.",
        },
        "servers": [{ "url": "http://localhost" }],
        "paths": paths,
        "components": { "schemas": schemas },
    })
}

fn operation(route: &Route) -> Value {
    let request = SCHEMAS.requests.iter().find(|(member, _)| member.name == route.request);
    let (about, mut schema) =
        request.map(|(member, _)| (member.about.as_str(), member.schema.clone())).unwrap_or_default();
    let mut parameters = Vec::new();
    let required: Vec<String> = serde_json::from_value(schema["required"].clone()).unwrap_or_default();
    if let Some(fields) = schema["properties"].as_object_mut() {
        let in_path = |name: &str| route.in_path().any(|known| known == name);
        for (name, field) in std::mem::take(fields) {
            let place = match () {
                () if in_path(&name) => "path",
                () if route.method == Method::GET => "query",
                () => {
                    fields.insert(name, field);
                    continue;
                }
            };
            parameters.push(parameter(&name, place, required.contains(&name), field));
        }
        if let Some(required) = schema["required"].as_array_mut() {
            required.retain(|name| name.as_str().is_some_and(|name| !in_path(name)));
        }
    }
    let mut operation = json!({
        "operationId": route.request,
        "summary": about,
        "description": match route.may {
            May::Read => "For whoever may connect.",
            May::Write => "For root and the members of `admin_group`.",
            May::Root => "For root alone.",
        },
        "parameters": parameters,
        "responses": responses(route),
    });
    if route.method != Method::GET && route.method != Method::DELETE {
        let required = schema["required"].as_array().is_some_and(|required| !required.is_empty());
        operation["requestBody"] =
            json!({ "required": required, "content": { "application/json": { "schema": schema } } });
    }
    operation
}

/// A parameter outside of the body: a list of types with null only says that it may be missing.
fn parameter(name: &str, place: &str, required: bool, mut schema: Value) -> Value {
    let about = schema.as_object_mut().and_then(|schema| schema.remove("description")).unwrap_or_default();
    if let Some(kinds) = schema["type"].as_array_mut() {
        kinds.retain(|kind| kind != "null");
    }
    json!({ "name": name, "in": place, "required": required, "description": about, "schema": schema })
}

fn responses(route: &Route) -> Value {
    let answer = SCHEMAS.answer(route.answer);
    let (about, schema) =
        answer.map(|member| (member.about.as_str(), member.schema.clone())).unwrap_or_default();
    let json = json!({ "schema": schema });
    // OpenAPI 3.1 has no words for what a stream is made of.
    let stream = json!({});
    let content = match route.form {
        Form::Json => json!({ "application/json": json }),
        Form::JsonOrStream => json!({ "application/json": json, STREAM: stream }),
        Form::Stream => json!({ STREAM: stream }),
    };
    let mut responses = json!({ "200": { "description": about, "content": content } });
    let refused = json!({ "application/json": { "schema": { "$ref": "#/components/schemas/Refused" } } });
    for (status, about) in REFUSED {
        responses[status] = json!({ "description": about, "content": refused });
    }
    responses
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_their_bounds_and_requests_without_fields_have_none() {
        let document = document();
        let limit = document["paths"]["/v1/attempts"]["get"]["parameters"].as_array().unwrap();
        let limit = limit.iter().find(|parameter| parameter["name"] == "limit").unwrap();
        assert_eq!(limit["schema"]["maximum"], u32::MAX, "{limit}");
        let time = |of: &Value| of["properties"]["for_ms"]["maximum"].clone();
        let body = |path: &str| {
            document["paths"][path]["post"]["requestBody"]["content"]["application/json"]["schema"].clone()
        };
        assert_eq!(time(&body("/v1/accounts/block")), u64::MAX);
        assert_eq!(body("/v1/dashboard")["additionalProperties"], false);
        let referred = document["components"]["schemas"]["ScopeStatus"]["properties"]["queued"].clone();
        assert_eq!(referred["maximum"], u64::MAX, "{referred}");
    }
}
