//! A Splunk HTTP Event Collector in the test's own process. It holds senders to the documented contract (token, channel, the
//! members of an event, flat fields, known indexes), acknowledges as it is told, and has bad days.
//!
//! Contract: "Format events for HTTP Event Collector", "About HTTP Event Collector Indexer Acknowledgment" and "Troubleshoot HTTP
//! Event Collector" of Splunk Enterprise 10.

use std::collections::{BTreeMap, VecDeque};
use std::io::Read;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_ENCODING, COOKIE};
use http::{HeaderMap, Method, Request};
use serde_json::{Value, json};

use crate::process::eventually;
use crate::server::{Reply, Server};

pub(crate) const TOKEN: &str = "11111111-2222-3333-4444-token-hunter2";

/// What happens to the next request with events.
#[derive(Debug, Clone)]
pub(crate) enum Fault {
    /// This code, with the status it comes with.
    Code(u16),
    /// A status and a page that is not Splunk's.
    Page(u16),
    /// The event at this place is called bad; those before it are indexed.
    Invalid(usize),
    /// It is taken, and the answer comes so late.
    Slow(Duration),
    /// It is taken, and the answer is garbage.
    Garbage,
}

/// How requests are acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Acks {
    /// The token has no acknowledgement.
    Off,
    /// After so many questions that are answered with `false`.
    After(u32),
    /// `false`, for ever.
    Never,
    /// Asked about, it says that acknowledgement is disabled.
    Disabled,
}

/// A request with events, as it came.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) path: String,
    pub(crate) query: String,
    pub(crate) token: String,
    pub(crate) channel: Option<String>,
    pub(crate) cookie: Option<String>,
    pub(crate) bytes: usize,
    pub(crate) wire_bytes: usize,
    pub(crate) body: Vec<u8>,
    pub(crate) events: Vec<Value>,
}

#[derive(Debug, Default)]
struct Channel {
    next: u64,
    pending: BTreeMap<u64, (u32, Vec<Value>)>,
}

struct State {
    tokens: Vec<String>,
    indexes: Option<Vec<String>>,
    acks: Acks,
    /// A load balancer that leads to one of two machines by this cookie.
    sticky: bool,
    healthy: bool,
    script: VecDeque<Fault>,
    always: Option<Fault>,
    channels: BTreeMap<String, Channel>,
    seen: Vec<Seen>,
    /// What a search would find.
    indexed: Vec<Value>,
    questions: u32,
}

/// The collector.
pub(crate) struct Hec {
    state: Arc<Mutex<State>>,
    server: Server,
}

impl Hec {
    pub(crate) fn start(acks: Acks) -> Self {
        let state = State {
            tokens: vec![TOKEN.to_owned()],
            indexes: None,
            acks,
            sticky: false,
            healthy: true,
            script: VecDeque::new(),
            always: None,
            channels: BTreeMap::new(),
            seen: vec![],
            indexed: vec![],
            questions: 0,
        };
        let state = Arc::new(Mutex::new(state));
        let shared = state.clone();
        let server = Server::start(move |request| shared.lock().expect("no panic while locked").answer(&request));
        Self { state, server }
    }

    pub(crate) fn url(&self) -> String {
        self.server.url()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no panic while locked")
    }

    pub(crate) fn add_token(&self, token: &str) {
        self.state().tokens.push(token.to_owned());
    }

    pub(crate) fn allow_indexes(&self, indexes: &[&str]) {
        self.state().indexes = Some(indexes.iter().map(|index| (*index).to_owned()).collect());
    }

    pub(crate) fn be_sticky(&self) {
        self.state().sticky = true;
    }

    pub(crate) fn set_healthy(&self, healthy: bool) {
        self.state().healthy = healthy;
    }

    pub(crate) fn set_acks(&self, acks: Acks) {
        self.state().acks = acks;
    }

    pub(crate) fn next(&self, faults: impl IntoIterator<Item = Fault>) {
        self.state().script.extend(faults);
    }

    pub(crate) fn always(&self, fault: Option<Fault>) {
        self.state().always = fault;
    }

    pub(crate) fn down(&mut self) {
        self.server.down();
    }

    pub(crate) fn up(&mut self) {
        self.server.up();
    }

    /// Loses what is not indexed yet, and all it knows about channels, as a machine that is switched off.
    pub(crate) fn crash(&mut self) {
        self.server.down();
        self.state().channels.clear();
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.state().seen.clone()
    }

    pub(crate) fn indexed(&self) -> Vec<Value> {
        self.state().indexed.clone()
    }

    /// How often it was asked for acknowledgements.
    pub(crate) fn questions(&self) -> u32 {
        self.state().questions
    }

    pub(crate) fn wait_for(&self, what: &str, enough: impl Fn(&[Value]) -> bool) -> Vec<Value> {
        eventually(what, || Some(self.indexed()).filter(|found| enough(found)))
    }
}

fn said(code: u16) -> Reply {
    said_with(code, json!({}))
}

/// Splunk's answer with this code and more members.
fn said_with(code: u16, more: Value) -> Reply {
    let status = match code {
        0 | 17 | 24 | 25 => 200,
        1 | 4 => 403,
        2 | 3 => 401,
        8 => 500,
        9 | 18..=20 | 23 => 503,
        26 | 27 => 429,
        _ => 400,
    };
    let mut body = json!({"text": "answer-hunter2", "code": code});
    body.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
    reply(status, body.to_string())
}

fn reply(status: u16, body: String) -> Reply {
    Reply { status, body, ..Reply::default() }
}

fn text<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

impl State {
    fn answer(&mut self, request: &Request<Bytes>) -> Reply {
        let path = request.uri().path().trim_end_matches("/1.0").to_owned();
        match (request.method(), &*path) {
            (&Method::GET, "/services/collector/health") => said(if self.healthy { 17 } else { 18 }),
            (&Method::POST, "/services/collector" | "/services/collector/event" | "/services/collector/raw") => {
                let reply = self.take(request, &path).unwrap_or_else(|refusal| refusal);
                Reply { cookie: self.sticky.then_some("AWSALB=machine-1; Path=/; HttpOnly"), ..reply }
            }
            (&Method::POST, "/services/collector/ack") => self.acknowledge(request).unwrap_or_else(|refusal| refusal),
            _ => reply(404, json!({"text": "not found", "code": 404}).to_string()),
        }
    }

    fn token(&self, headers: &HeaderMap) -> Result<String, Reply> {
        let value = headers.get(AUTHORIZATION).ok_or_else(|| said(2))?.to_str().map_err(|_| said(3))?;
        let token = value.strip_prefix("Splunk ").ok_or_else(|| said(3))?;
        if self.tokens.iter().any(|known| known == token) { Ok(token.to_owned()) } else { Err(said(4)) }
    }

    /// The channel that a token with acknowledgement needs.
    fn channel(&self, headers: &HeaderMap) -> Result<Option<String>, Reply> {
        let channel = text(headers, "x-splunk-request-channel").map(str::to_owned);
        let is_guid = |channel: &String| channel.split('-').map(str::len).eq([8, 4, 4, 4, 12]);
        match &channel {
            Some(channel) if !is_guid(channel) => Err(said(11)),
            None if self.acks != Acks::Off => Err(said(10)),
            _ => Ok(channel),
        }
    }

    fn take(&mut self, request: &Request<Bytes>, path: &str) -> Result<Reply, Reply> {
        let headers = request.headers();
        let (token, channel) = (self.token(headers)?, self.channel(headers)?);
        let body = decompressed(headers, request.body())?;
        let query = request.uri().query().unwrap_or_default().to_owned();
        if query.contains("token=") {
            return Err(said(16));
        }
        let fault = self.script.pop_front().or_else(|| self.always.clone());
        match fault {
            Some(Fault::Code(code)) if !matches!(code, 0 | 24 | 25) => return Ok(said(code)),
            Some(Fault::Page(status)) => return Ok(reply(status, "<html>answer-hunter2".to_owned())),
            _ => {}
        }
        let mut events = if path.ends_with("/raw") { raw_events(&body)? } else { parsed(&body)? };
        let mut refusal = None;
        for (place, event) in events.iter().enumerate() {
            let code = if path.ends_with("/raw") { None } else { self.wrong(event) };
            let invented = matches!(fault, Some(Fault::Invalid(bad)) if bad == place).then_some(6);
            if let Some(code) = code.or(invented) {
                refusal = Some((place, code));
                break;
            }
        }
        if let Some((place, code)) = refusal {
            events.truncate(place);
            self.indexed.extend(events);
            return Ok(said_with(code, json!({"invalid-event-number": place})));
        }
        let (cookie, wire_bytes) = (text(headers, COOKIE.as_str()).map(str::to_owned), request.body().len());
        let (path, bytes) = (path.to_owned(), body.len());
        let events_seen = events.clone();
        let seen =
            Seen { path, query, token, channel: channel.clone(), cookie, bytes, wire_bytes, body, events: events_seen };
        self.seen.push(seen);
        let ack_id = self.store(events, channel);
        Ok(match fault {
            Some(Fault::Garbage) => reply(200, "\u{0}garbage answer-hunter2".to_owned()),
            Some(Fault::Slow(wait)) => Reply { wait, ..said_with(0, ack_id) },
            Some(Fault::Code(code)) => said_with(code, ack_id),
            _ => said_with(0, ack_id),
        })
    }

    /// Why an event is refused.
    fn wrong(&self, event: &Value) -> Option<u16> {
        let Some(members) = event.as_object() else { return Some(6) };
        let known = ["time", "host", "source", "sourcetype", "index", "event", "fields"];
        assert!(members.keys().all(|key| known.contains(&&**key)), "Splunk would stop reading at this: {event}");
        match members.get("event") {
            None | Some(Value::Null) => return Some(12),
            Some(Value::String(text)) if text.trim().is_empty() => return Some(13),
            _ => {}
        }
        if members.get("time").is_some_and(|time| !time.is_number()) {
            return Some(6);
        }
        let metadata = ["host", "source", "sourcetype", "index"];
        if metadata.iter().filter_map(|name| members.get(*name)).any(|value| !value.is_string()) {
            return Some(6);
        }
        if let Some(fields) = members.get("fields") {
            let is_scalar = |value: &Value| !value.is_object() && !value.is_array() && !value.is_null();
            let is_flat = |value: &Value| match value {
                Value::Array(items) => !items.is_empty() && items.iter().all(is_scalar),
                value => is_scalar(value),
            };
            if !fields.as_object().is_some_and(|fields| fields.values().all(is_flat)) {
                return Some(15);
            }
        }
        let index = members.get("index").and_then(Value::as_str);
        match (&self.indexes, index) {
            (Some(known), Some(index)) if !known.iter().any(|known| known == index) => Some(7),
            _ => None,
        }
    }

    /// Indexes, now or once it is acknowledged.
    fn store(&mut self, events: Vec<Value>, channel: Option<String>) -> Value {
        let left = match self.acks {
            Acks::Off => {
                self.indexed.extend(events);
                return json!({});
            }
            Acks::After(left) => left,
            Acks::Never | Acks::Disabled => u32::MAX,
        };
        let channel = self.channels.entry(channel.expect("checked before")).or_default();
        let id = channel.next;
        channel.next += 1;
        channel.pending.insert(id, (left, events));
        json!({"ackId": id})
    }

    fn acknowledge(&mut self, request: &Request<Bytes>) -> Result<Reply, Reply> {
        let headers = request.headers();
        self.token(headers)?;
        let channel = self.channel(headers)?.ok_or_else(|| said(10))?;
        self.questions += 1;
        if matches!(self.acks, Acks::Off | Acks::Disabled) {
            return Err(said(14));
        }
        let asked: Value = serde_json::from_slice(request.body()).map_err(|_| said(6))?;
        let ids = asked["acks"].as_array().ok_or_else(|| said(6))?;
        // Without the cookie the load balancer leads to a machine that knows nothing.
        let lost = self.sticky && text(headers, COOKIE.as_str()) != Some("AWSALB=machine-1");
        let mut acks = serde_json::Map::new();
        for id in ids.iter().filter_map(Value::as_u64) {
            let is_indexed = !lost && self.is_indexed(&channel, id);
            acks.insert(id.to_string(), is_indexed.into());
        }
        Ok(reply(200, json!({"acks": acks}).to_string()))
    }

    /// Splunk says `true` once, and forgets.
    fn is_indexed(&mut self, channel: &str, id: u64) -> bool {
        let never = self.acks == Acks::Never;
        let Some(channel) = self.channels.get_mut(channel) else { return false };
        match channel.pending.get_mut(&id) {
            Some((0, events)) if !never => {
                self.indexed.append(events);
                channel.pending.remove(&id);
                true
            }
            Some((left, _)) => {
                *left = left.saturating_sub(1);
                false
            }
            None => false,
        }
    }
}

fn decompressed(headers: &HeaderMap, body: &[u8]) -> Result<Vec<u8>, Reply> {
    let mut plain = vec![];
    match text(headers, CONTENT_ENCODING.as_str()) {
        None => plain.extend_from_slice(body),
        Some("gzip") => drop(flate2::read::GzDecoder::new(body).read_to_end(&mut plain).map_err(|_| said(6))?),
        Some(_) => return Err(reply(415, String::new())),
    }
    if plain.is_empty() { Err(said(5)) } else { Ok(plain) }
}

fn parsed(body: &[u8]) -> Result<Vec<Value>, Reply> {
    let mut events = vec![];
    for event in serde_json::Deserializer::from_slice(body).into_iter() {
        let place = events.len();
        events.push(event.map_err(|_| said_with(6, json!({"invalid-event-number": place})))?);
    }
    if events.is_empty() { Err(said(5)) } else { Ok(events) }
}

fn raw_events(body: &[u8]) -> Result<Vec<Value>, Reply> {
    let text = std::str::from_utf8(body).map_err(|_| said(6))?;
    let events: Vec<_> = text.lines().filter(|line| !line.is_empty()).map(|line| json!({"event": line})).collect();
    if events.is_empty() { Err(said(5)) } else { Ok(events) }
}
