//! A stand-in for Grafana's HTTP API: stateful, strict, in this process.
//!
//! It keeps folders, dashboards with versions, rule groups, contact points whose secrets it never
//! shows again, mute timings and the one policy tree, each with its provenance, and answers with
//! Grafana's status codes and bodies. It refuses fields that the version it plays doesn't know,
//! where Grafana drops most of them silently: a misspelt field must not pass here. No Grafana server
//! was at hand when it was written; the fields and codes are those of Grafana's published API
//! definitions (11.4 and 13.0).

mod alerting;
mod dashboards;
pub(crate) mod schema;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;

use serde_json::{Value, json};
use tiny_http::{Header, Method, Response, Server};

pub(crate) const TOKEN: &str = "glsa_stand_in_token";
/// The uid of its Prometheus data source.
pub(crate) const PROMETHEUS: &str = "prometheus-main";

/// A request as it came.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) method: String,
    /// Without the query.
    pub(crate) path: String,
    pub(crate) query: BTreeMap<String, String>,
    pub(crate) bearer: Option<String>,
    /// Whether it bore `X-Disable-Provenance`, whatever it said.
    pub(crate) editable: bool,
    pub(crate) body: Value,
}

impl Request {
    pub(crate) fn writes(&self) -> bool {
        self.method != "GET"
    }

    /// The provenance of what this request writes.
    fn provenance(&self) -> &'static str {
        if self.editable { "" } else { "api" }
    }
}

/// A status and a body.
pub(crate) type Reply = (u16, Value);

/// Something that goes wrong: the next request that fits gets this answer instead, once.
#[derive(Debug, Clone)]
pub(crate) struct Fault {
    pub(crate) method: &'static str,
    /// What the path contains.
    pub(crate) path: &'static str,
    pub(crate) reply: Reply,
}

/// What the server knows.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) version: String,
    /// What [`TOKEN`] may do.
    pub(crate) permissions: Vec<&'static str>,
    pub(crate) datasources: Vec<Value>,
    /// uid → title.
    pub(crate) folders: BTreeMap<String, String>,
    pub(crate) dashboards: BTreeMap<String, dashboards::Stored>,
    /// (folder, group) → the group as it is given out.
    pub(crate) groups: BTreeMap<(String, String), Value>,
    /// With their secrets.
    pub(crate) contact_points: Vec<Value>,
    pub(crate) mute_timings: Vec<Value>,
    pub(crate) policies: Value,
    pub(crate) faults: Vec<Fault>,
    /// How many writes go well before one is answered by 503; then all go well again.
    pub(crate) writes_until_failure: Option<usize>,
    pub(crate) requests: Vec<Request>,
}

impl State {
    fn new(version: &str) -> Self {
        Self {
            version: version.to_owned(),
            permissions: vec![
                "folders:create",
                "folders:read",
                "dashboards:create",
                "dashboards:read",
                "dashboards:write",
                "datasources:read",
                "alert.provisioning:read",
                "alert.provisioning:write",
            ],
            datasources: vec![
                json!({"id": 1, "uid": PROMETHEUS, "name": "Prometheus", "type": "prometheus"}),
                json!({"id": 2, "uid": "logs", "name": "Loki", "type": "loki"}),
            ],
            folders: BTreeMap::new(),
            dashboards: BTreeMap::new(),
            groups: BTreeMap::new(),
            contact_points: vec![
                json!({"uid": "default", "name": "grafana-default-email", "type": "email",
                       "settings": {"addresses": "a@example.org"}, "disableResolveMessage": false,
                       "provenance": ""}),
            ],
            mute_timings: Vec::new(),
            policies: json!({"receiver": "grafana-default-email",
                             "group_by": ["grafana_folder", "alertname"]}),
            faults: Vec::new(),
            writes_until_failure: None,
            requests: Vec::new(),
        }
    }

    pub(crate) fn major(&self) -> u32 {
        let major = self.version.split('.').next();
        major
            .and_then(|major| major.parse().ok())
            .expect("a version")
    }

    /// Everything that is kept, in words: two servers with the same say the same.
    pub(crate) fn content(&self) -> String {
        let Self {
            folders,
            dashboards,
            groups,
            contact_points,
            mute_timings,
            policies,
            ..
        } = self;
        format!(
            "{folders:?} {dashboards:?} {groups:?} {contact_points:?} {mute_timings:?} {policies:?}"
        )
    }

    /// Takes a request and answers it.
    fn answer(&mut self, request: Request) -> Reply {
        self.requests.push(request.clone());
        let fits =
            |fault: &Fault| fault.method == request.method && request.path.contains(fault.path);
        if let Some(at) = self.faults.iter().position(fits) {
            return self.faults.remove(at).reply;
        }
        if request.writes()
            && let Some(left) = self.writes_until_failure
        {
            self.writes_until_failure = left.checked_sub(1);
            if left == 0 {
                return message(503, "try later");
            }
        }
        if request.path == "/api/health" {
            let body = json!({"commit": "0", "database": "ok", "version": self.version});
            return (200, body);
        }
        if request.bearer.as_deref() != Some(TOKEN) {
            let body = json!({"message": "Invalid API key", "messageId": "api-key.invalid",
                              "statusCode": 401, "traceID": ""});
            return (401, body);
        }
        let parts: Vec<&str> = request
            .path
            .trim_start_matches("/api/")
            .split('/')
            .collect();
        match parts.as_slice() {
            ["access-control", "user", "permissions"] => {
                let all = self.permissions.iter();
                (
                    200,
                    all.map(|name| ((*name).to_owned(), json!(["*"]))).collect(),
                )
            }
            ["datasources", ..] | ["folders", ..] | ["dashboards", ..] | ["search"] => {
                dashboards::answer(self, &parts, &request)
            }
            ["v1", "provisioning", rest @ ..] => alerting::answer(self, rest, &request),
            _ => message(404, "Not found"),
        }
    }

    /// The answer that refuses what the token may not do.
    fn denied(&self, any_of: &[&str]) -> Option<Reply> {
        if any_of.iter().any(|name| self.permissions.contains(name)) {
            return None;
        }
        let needed = any_of.join(" or ");
        let text = format!(
            "You'll need additional permissions to perform this action. Permissions needed: {needed}"
        );
        let body =
            json!({"accessErrorId": "ACE0000000000", "message": text, "title": "Access denied"});
        Some((403, body))
    }
}

pub(crate) fn message(status: u16, text: &str) -> Reply {
    (status, json!({"message": text, "traceID": ""}))
}

/// The running stand-in; ends when it is dropped.
pub(crate) struct StandIn {
    server: Arc<Server>,
    state: Arc<Mutex<State>>,
    thread: Option<JoinHandle<()>>,
    pub(crate) url: String,
}

impl StandIn {
    /// Plays a Grafana of this version, with a Prometheus and a Loki data source and nothing else.
    pub(crate) fn start(version: &str) -> Self {
        let server = Arc::new(Server::http("127.0.0.1:0").expect("a free port"));
        let addr = server.server_addr().to_ip().expect("it has an address");
        let state = Arc::new(Mutex::new(State::new(version)));
        let (serving, shared) = (Arc::clone(&server), Arc::clone(&state));
        let thread = std::thread::spawn(move || serve(&serving, &shared));
        Self {
            server,
            state,
            thread: Some(thread),
            url: format!("http://{addr}"),
        }
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no test panics with it")
    }

    /// Takes the log of requests that write.
    pub(crate) fn take_writes(&self) -> Vec<Request> {
        let all = std::mem::take(&mut self.state().requests);
        all.into_iter().filter(Request::writes).collect()
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        self.server.unblock();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn serve(server: &Server, state: &Mutex<State>) {
    for mut incoming in server.incoming_requests() {
        let request = read(&mut incoming);
        let (status, body) = match request {
            Ok(request) => state
                .lock()
                .expect("no test panics with it")
                .answer(request),
            Err(reply) => reply,
        };
        let json = Header::from_bytes("content-type", "application/json").expect("a header");
        let text = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        let response = Response::from_string(text)
            .with_status_code(status)
            .with_header(json);
        let _ = incoming.respond(response);
    }
}

fn read(incoming: &mut tiny_http::Request) -> Result<Request, Reply> {
    let mut text = String::new();
    let read = std::io::Read::read_to_string(incoming.as_reader(), &mut text);
    read.map_err(|error| message(400, &error.to_string()))?;
    let header = |name: &'static str| {
        let found = incoming
            .headers()
            .iter()
            .find(|header| header.field.equiv(name));
        found.map(|header| header.value.to_string())
    };
    let body = if text.is_empty() {
        Value::Null
    } else {
        serde_json::from_str(&text).map_err(|_| message(400, "bad request data"))?
    };
    let url = incoming.url().to_owned();
    let (path, query) = url.split_once('?').unwrap_or((&url, ""));
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    Ok(Request {
        method: match incoming.method() {
            Method::Get => "GET".to_owned(),
            other => other.to_string(),
        },
        path: decoded(path),
        query: pairs
            .map(|(name, value)| (name.to_owned(), decoded(value)))
            .collect(),
        bearer: header("Authorization")
            .and_then(|value| value.strip_prefix("Bearer ").map(str::to_owned)),
        editable: header("X-Disable-Provenance").is_some(),
        body,
    })
}

/// Percent-decoded.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let digits = [rest.next().unwrap_or(b'0'), rest.next().unwrap_or(b'0')];
            let digits = String::from_utf8_lossy(&digits).into_owned();
            bytes.push(u8::from_str_radix(&digits, 16).expect("two hexadecimal digits"));
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).expect("UTF-8")
}
