//! The requests as HTTP has them. A request's fields are the parameters: those that the path names are in it, the others
//! in the query of a GET and in the body of any other method. An answer's fields are the body.

use super::openapi::parameters;
use super::{Answer, Request};
use hyper::Method;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

/// The longest accepted body of a request, in bytes.
pub const LONGEST_REQUEST: usize = 64 * 1024;
/// The media type of a stream of server-sent events.
pub const STREAM: &str = "text/event-stream";
/// What of a segment of a path stays as it is.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

use Form::{Json, JsonOrStream, Stream};

/// Who may make a request: each may what those before it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum May {
    /// Whoever may connect to the socket.
    Read,
    /// root, and the members of `admin_group`.
    Write,
    /// root alone.
    Root,
}

/// What is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// JSON.
    Json,
    /// JSON, or server-sent events for those who accept them.
    JsonOrStream,
    /// Server-sent events, for as long as the connection lasts.
    Stream,
}

/// A method and path, and what it stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// The method.
    pub method: Method,
    /// The path, with the names of parameters in braces.
    pub path: &'static str,
    /// The [`Request`], by its name in JSON.
    pub request: &'static str,
    /// The [`Answer`], by its name in JSON.
    pub answer: &'static str,
    /// In which form.
    pub form: Form,
    /// Who may ask.
    pub may: May,
}

const fn route(
    method: Method,
    path: &'static str,
    request: &'static str,
    answer: &'static str,
    form: Form,
    may: May,
) -> Route {
    Route { method, path, request, answer, form, may }
}

/// All of them.
pub static ROUTES: &[Route] = &[
    route(Method::GET, "/v1/status", "status", "status", Json, May::Read),
    route(Method::GET, "/v1/scopes", "scopes", "scopes", Json, May::Read),
    route(Method::GET, "/v1/accounts", "accounts", "accounts", Json, May::Read),
    route(Method::GET, "/v1/attempts", "attempts", "attempts", Json, May::Read),
    route(Method::GET, "/v1/events", "events", "events", JsonOrStream, May::Read),
    route(Method::GET, "/v1/why", "why", "why", Json, May::Read),
    route(Method::GET, "/v1/inspect", "inspect", "inspection", Json, May::Read),
    route(Method::GET, "/v1/history", "history", "history", Json, May::Read),
    route(Method::GET, "/v1/tuning", "tuning", "tuning", Json, May::Read),
    route(Method::GET, "/v1/settings", "settings", "settings", Json, May::Read),
    route(Method::GET, "/v1/settings/{name}", "get", "value", Json, May::Read),
    route(Method::PUT, "/v1/settings/{name}", "set", "changed", Json, May::Write),
    route(Method::POST, "/v1/settings/{name}/saved", "saved", "saved", Json, May::Write),
    route(Method::GET, "/v1/local-file", "local_file", "local_file", Json, May::Read),
    route(Method::POST, "/v1/accounts/release", "release", "released", Json, May::Write),
    route(Method::POST, "/v1/accounts/block", "block", "blocked", Json, May::Write),
    route(Method::POST, "/v1/enforce", "enforce", "trial", Json, May::Write),
    route(Method::POST, "/v1/exec", "exec", "scope", Stream, May::Root),
    route(Method::DELETE, "/v1/exec/{name}", "end_exec", "scope_ended", Json, May::Root),
    route(Method::POST, "/v1/dashboard", "dashboard", "dashboard", Json, May::Root),
    route(Method::POST, "/v1/off", "off", "ending", Json, May::Write),
];

/// Where the description of all of them is.
pub const OPENAPI: &str = "/v1/openapi.json";

/// A request, ready to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// Its route.
    pub route: &'static Route,
    /// Its path and query.
    pub target: String,
    /// Its body; `None` for a GET.
    pub body: Option<String>,
    /// Whether a stream is asked for.
    pub follows: bool,
}

impl Request {
    /// The request as it is sent.
    ///
    /// # Errors
    /// None for a request of this version, although `serde_json` cannot know that.
    pub fn written(&self) -> serde_json::Result<Written> {
        let (name, fields) = taken_apart(serde_json::to_value(self)?)?;
        let no_route = || <serde_json::Error as serde::ser::Error>::custom(format!("{name} has no route"));
        let route = ROUTES.iter().find(|route| route.request == name).ok_or_else(no_route)?;
        let Value::Object(mut fields) = fields else { return Err(no_route()) };
        let follows = fields.remove("follow").is_some_and(|follows| follows == true);
        let mut target = String::new();
        for segment in route.path.split('/').skip(1) {
            target.push('/');
            let value = placed(segment).and_then(|name| fields.remove(name));
            match value.as_ref().and_then(Value::as_str) {
                Some(value) => target.extend(utf8_percent_encode(value, ESCAPED)),
                None => target.push_str(segment),
            }
        }
        fields.retain(|_, value| !value.is_null());
        if route.method != Method::GET {
            let body = Some(Value::Object(fields).to_string());
            return Ok(Written { route, target, body, follows });
        }
        let mut query = form_urlencoded::Serializer::new(String::new());
        for (name, value) in &fields {
            query.append_pair(name, &value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned));
        }
        let query = query.finish();
        if !query.is_empty() {
            target.extend(["?", &query]);
        }
        Ok(Written { route, target, body: None, follows })
    }
}

impl Written {
    /// Reads it as the daemon does.
    ///
    /// # Errors
    /// None for what [`Request::written`] gives.
    pub fn read(&self) -> Result<Request, String> {
        let (path, query) = self.target.split_once('?').unwrap_or((&self.target, ""));
        let values = path.split('/').map(|segment| percent_decode_str(segment).decode_utf8_lossy());
        let names = self.route.path.split('/').map(placed);
        let in_path: Vec<_> = names.zip(values).filter_map(|(name, value)| Some((name?, value))).collect();
        let in_path = in_path.iter().map(|(name, value)| (*name, value.as_ref()));
        self.route.read(in_path, query, self.body.as_deref().unwrap_or_default().as_bytes(), self.follows)
    }
}

impl Route {
    /// Reads a request. `in_path` has the parameters of the path.
    ///
    /// # Errors
    /// What is wrong with it, for people.
    pub fn read<'a>(
        &self,
        in_path: impl Iterator<Item = (&'a str, &'a str)>,
        query: &str,
        body: &[u8],
        follows: bool,
    ) -> Result<Request, String> {
        let mut fields = if self.method == Method::GET || body.is_empty() {
            Map::new()
        } else {
            let wrong = |e| format!("the body is not a JSON object with the parameters: {e}");
            serde_json::from_slice(body).map_err(wrong)?
        };
        let known = parameters(self.request);
        let of_query = form_urlencoded::parse(query.as_bytes());
        let of_path = in_path.map(|(name, value)| (name.into(), value.into()));
        for (name, text) in of_path.chain(of_query) {
            let value = known.map_or_else(|| Ok(text.as_ref().into()), |known| known.read(&name, &text))?;
            if fields.insert(name.to_string(), value).is_some() {
                return Err(format!("{name} is there twice"));
            }
        }
        if self.form == Form::JsonOrStream {
            fields.insert("follow".to_owned(), follows.into());
        }
        put_together(self.request, Value::Object(fields)).map_err(|e| format!("{}: {e}", self.path))
    }

    /// Reads the body of an answer.
    ///
    /// # Errors
    /// If it is none: the daemon is of another version.
    pub fn read_answer(&self, body: &[u8]) -> serde_json::Result<Answer> {
        Answer::read(self.answer, serde_json::from_slice(body)?)
    }

    /// The names of the parameters in its path.
    pub fn in_path(&self) -> impl Iterator<Item = &'static str> {
        self.path.split('/').filter_map(placed)
    }
}

impl Answer {
    /// Reads the body of an answer of this name.
    ///
    /// # Errors
    /// If it is none.
    pub fn read(name: &str, body: Value) -> serde_json::Result<Self> {
        put_together(name, body)
    }

    /// Its name and its body.
    ///
    /// # Errors
    /// None for the answers of this version, although `serde_json` cannot know that.
    pub fn written(&self) -> serde_json::Result<(String, Value)> {
        taken_apart(serde_json::to_value(self)?)
    }
}

/// The parameter that a segment of a path stands for.
fn placed(segment: &'static str) -> Option<&'static str> {
    segment.strip_prefix('{')?.strip_suffix('}')
}

/// The name of an enum's member, and what is in it.
fn taken_apart(member: Value) -> serde_json::Result<(String, Value)> {
    match member {
        Value::String(name) => Ok((name, Value::Object(Map::new()))),
        Value::Object(object) if object.len() == 1 => {
            object.into_iter().next().ok_or_else(|| serde::ser::Error::custom("nothing is in it"))
        }
        other => Err(serde::ser::Error::custom(format!("{other} is not an object of one field"))),
    }
}

/// The enum's member of this name with this in it. One that has no fields is its name alone.
fn put_together<T: DeserializeOwned>(name: &str, fields: Value) -> serde_json::Result<T> {
    if fields == Value::Object(Map::new())
        && let Ok(member) = serde_json::from_value(name.into())
    {
        return Ok(member);
    }
    serde_json::from_value(Value::Object(Map::from_iter([(name.to_owned(), fields)])))
}

#[cfg(test)]
mod tests {
    use super::super::*;
    use super::*;

    #[test]
    fn requests_come_back_as_they_were_sent() {
        let account = |text: &str| text.parse::<AccountName>().unwrap();
        let requests = [
            Request::Status,
            Request::Scopes,
            Request::Accounts {
                scope: Some("a&b".into()),
                name: Some(account("adaptive[/a b]")),
                suspects: true,
                limit: Some(7),
                cursor: Some("1.2".into()),
            },
            Request::Attempts { limit: None },
            Request::Events { since: Some(UtcTime::EPOCH), follow: true },
            Request::Events { since: None, follow: false },
            Request::Settings,
            Request::Get { name: "Interfaces\\eth0/1?\\TcpNumConnections".into() },
            Request::Set {
                name: "exempt".into(),
                value: "10.0.0.0/8\n{\"off\"}".into(),
                save: true,
                dry_run: false,
            },
            Request::LocalFile,
            Request::Saved { name: "exempt".into() },
            Request::Exec { half_open: Some("unlimited".into()), drain: None },
            Request::EndExec { name: "exec-7".into() },
            Request::Enforce(TrialOrder::Begin(600_000)),
            Request::Enforce(TrialOrder::Confirm),
            Request::Release { account: None },
            Request::Release { account: Some(account("torrent[pid 7 a]")) },
            Request::Why { subject: Subject::Pid(7) },
            Request::Why { subject: Subject::Destination("[2001:db8::1]:80".parse().unwrap()) },
            Request::Why { subject: Subject::Name("adaptive[/a]".into()) },
            Request::Inspect { subject: Inspected::Account(account("/a")) },
            Request::Inspect { subject: Inspected::Attempts(Subject::Pid(7)) },
            Request::Block { account: account("a[user 7]"), for_ms: 1 },
            Request::History { since: None, account: Some("7".into()), limit: Some(1) },
            Request::Tuning { scope: None, since: Some(UtcTime::EPOCH), half_open: Some(7) },
            Request::Dashboard,
            Request::Off,
        ];
        for request in &requests {
            let written = request.written().unwrap();
            assert_eq!(written.read().as_ref(), Ok(request), "{written:?}");
        }
        let asked: std::collections::BTreeSet<_> =
            requests.iter().map(|request| request.written().unwrap().target).collect();
        assert!(asked.len() >= ROUTES.len(), "{asked:?}");
        let is_tried = |route: &Route| {
            requests.iter().any(|request| request.written().unwrap().route.request == route.request)
        };
        assert!(ROUTES.iter().all(is_tried));
    }

    #[test]
    fn a_request_with_more_in_it_is_refused() {
        let route = |path: &str| ROUTES.iter().find(|route| route.path == path).unwrap();
        let none = || std::iter::empty();
        for (path, query, body) in [
            ("/v1/status", "of=1", ""),
            ("/v1/accounts", "limit=many", ""),
            ("/v1/accounts", "limit=1&limit=2", ""),
            ("/v1/accounts", "limit=-1", ""),
            ("/v1/attempts", "limit=null", ""),
            ("/v1/events", "follow=true", ""),
            ("/v1/accounts/block", "", "{\"account\":\"a\",\"for_ms\":1,\"and\":1}"),
            ("/v1/accounts/block", "", "[]"),
            ("/v1/accounts/block", "", "{\"account\":\"a[\",\"for_ms\":1}"),
            ("/v1/enforce", "", "{\"order\":\"begin\"}"),
            ("/v1/why", "", ""),
        ] {
            assert!(
                route(path).read(none(), query, body.as_bytes(), false).is_err(),
                "{path} {query} {body}"
            );
        }
    }
}
