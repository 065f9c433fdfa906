//! The door both protocols share: how many requests may be inside, where they go, and the count of what happened.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use http::request::Parts;
use metrics::{Counter, counter};
use tokio::runtime::Handle;
use tokio::sync::watch;

use super::guard::{Guard, Who};
use super::status::{Failure, Kind};
use crate::extension::{Allow, Authenticator};
use crate::http::server;
use crate::otlp::sender::{HEADER_BYTES_MAX, Sender, Wanted, separator};
use crate::otlp::{Signal, count};
use crate::pipeline::{Budget, Intake, Permit, Receipt, Refused, Request};
use crate::stdx::tasks::detached;

/// When a sender that met the limit of concurrent requests is to come back.
const RETRY_AFTER_BUSY: Duration = Duration::from_secs(1);

/// Where each signal goes. A signal without a pipeline is not served at all.
#[derive(Debug, Clone, Default)]
pub struct Routes {
    /// The pipelines that take logs.
    pub logs: Vec<Route>,
    /// The pipelines that take metrics.
    pub metrics: Vec<Route>,
    /// The pipelines that take traces.
    pub traces: Vec<Route>,
    /// What their processors ask of a request besides its body.
    pub wanted: Wanted,
    /// The authenticators, by their ids.
    pub authenticators: BTreeMap<String, Arc<Authenticator>>,
}

/// A pipeline, and who may write it.
#[derive(Debug, Clone)]
pub struct Route {
    /// Its door.
    pub intake: Intake,
    /// Who may write it.
    pub allow: Allow,
}

impl From<Intake> for Route {
    /// Everybody may write it who may send at all.
    fn from(intake: Intake) -> Self {
        Self { intake, allow: Allow::default() }
    }
}

impl Routes {
    /// The pipelines that take `signal`.
    #[must_use]
    pub fn of(&self, signal: Signal) -> &[Route] {
        match signal {
            Signal::Logs => &self.logs,
            Signal::Metrics => &self.metrics,
            Signal::Traces => &self.traces,
        }
    }
}

/// One protocol's way into the pipelines.
#[derive(Debug)]
pub(super) struct Door {
    routes: watch::Receiver<Arc<Routes>>,
    budget: Budget,
    inside: AtomicUsize,
    inside_max: usize,
    meters: Meters,
    guard: Guard,
}

impl Door {
    pub(super) fn new(
        meters: Meters,
        guard: Guard,
        inside_max: usize,
        routes: watch::Receiver<Arc<Routes>>,
        budget: Budget,
    ) -> Arc<Self> {
        Arc::new(Self { routes, budget, inside: AtomicUsize::new(0), inside_max, meters, guard })
    }

    /// Lets one request for `signal` in, if there is a place, its sender is who may write, and its signal has a pipeline.
    pub(super) async fn enter(self: &Arc<Self>, signal: Signal, head: &Parts) -> Result<Guest, Failure> {
        self.meters.of(signal).requests.increment(1);
        let routes = Arc::clone(&self.routes.borrow());
        let mut guest = Guest { door: Arc::clone(self), signal, routes, who: Who::default() };
        if self.inside.fetch_add(1, Relaxed) >= self.inside_max {
            return Err(Failure::full("max_concurrent_requests are under way", RETRY_AFTER_BUSY));
        }
        let find = |name: &str| guest.routes.authenticators.get(name).cloned();
        guest.who = self.guard.recognise(head, find).await?;
        match guest.routes.of(signal) {
            [] => return Err(Failure::new(Kind::NoPipeline, format!("no pipeline takes {signal}"))),
            all if !all.iter().any(|route| guest.may_write(route)) => {
                return Err(Failure::new(Kind::Forbidden, format!("this sender may not write {signal}")));
            }
            _ => {}
        }
        self.guard.admit(&guest.who)?;
        Ok(guest)
    }

    /// Counts a request that was not taken.
    pub(super) fn refused(&self, signal: Signal, failure: &Failure) {
        self.meters.refused(signal, "telseal_receiver_refused_requests_total", failure.kind.label(), 1);
    }
}

/// A request that was let in.
#[derive(Debug)]
pub(super) struct Guest {
    door: Arc<Door>,
    signal: Signal,
    routes: Arc<Routes>,
    who: Who,
}

impl Drop for Guest {
    fn drop(&mut self) {
        self.door.inside.fetch_sub(1, Relaxed);
    }
}

impl Guest {
    /// A permit of no bytes, to be grown before anything is read.
    pub(super) fn permit(&self) -> Result<Permit, Failure> {
        Ok(self.door.budget.reserve(0)?)
    }

    /// Hands a whole request to every pipeline of its signal. Once this has begun it runs to its end, even if the sender
    /// hangs up: what a pipeline has stored is counted as accepted.
    pub(super) async fn submit(self, body: Bytes, permit: Permit, head: &Parts) -> Result<Receipt, Failure> {
        let records = count(self.signal, &body).map_err(|error| Failure::new(Kind::Invalid, error.to_string()))?;
        if records == 0 {
            return Ok(Receipt::default());
        }
        self.door.guard.charge(&self.who, body.len());
        let sender = sender(&self.routes.wanted, head, &self.who);
        Finish(Some(Box::pin(self.deliver(body, permit, records, sender)))).await.map_err(Failure::from)
    }

    fn may_write(&self, route: &Route) -> bool {
        route.allow.lets(self.who.name(), self.who.tenant())
    }

    async fn deliver(self, body: Bytes, permit: Permit, records: u64, sender: Sender) -> Result<Receipt, Refused> {
        let request = Request { signal: self.signal, body, records, permit, sender };
        let result = match self.routes.of(self.signal) {
            // Whether it may be written was asked at the door.
            [only] => only.intake.submit(request).await,
            several => {
                let several = several.iter().filter(|route| self.may_write(route)).map(|route| &route.intake).collect();
                submit_all(several, request, &self.door.budget).await
            }
        };
        self.door.meters.records(self.signal, records, &result);
        result
    }
}

/// What is asked for of the sender. Costs nothing where nothing is.
fn sender(wanted: &Wanted, head: &Parts, who: &Who) -> Sender {
    if wanted.is_empty() {
        return Sender::default();
    }
    let peer = head.extensions.get::<server::Peer>().filter(|_| wanted.peer).map(|peer| peer.0);
    let header = |name: &String| Some((name.clone(), header(name, &head.headers)?));
    let fact = |name: &String| Some((name.clone(), who.fact(name)?));
    let facts = wanted.facts.iter().filter_map(fact).collect();
    Sender::new(peer, wanted.headers.iter().filter_map(header).collect()).with_facts(facts)
}

/// All values of a header; nothing where it is not there, is no text or is too long.
fn header(name: &str, headers: &HeaderMap) -> Option<String> {
    let mut joined = String::new();
    for value in headers.get_all(name) {
        let text = std::str::from_utf8(value.as_bytes()).ok()?;
        if !joined.is_empty() {
            joined.push(separator(name));
        }
        joined.push_str(text);
        if joined.len() > HEADER_BYTES_MAX {
            return None;
        }
    }
    (!joined.is_empty()).then_some(joined)
}

/// Several pipelines share the bytes, but each holds its own permit, because each lets go at its own time; all are
/// reserved before the first pipeline is asked. A refusal that asks the sender to come back outweighs the others: the
/// pipelines that did take the request will see it again, and none loses it.
async fn submit_all(intakes: Vec<&Intake>, request: Request, budget: &Budget) -> Result<Receipt, Refused> {
    let Request { signal, body, records, permit, sender } = request;
    let mut permits = vec![];
    for _ in 1..intakes.len() {
        permits.push(budget.reserve(permit.bytes())?);
    }
    permits.push(permit);
    let all = intakes
        .iter()
        .zip(permits)
        .map(|(intake, permit)| {
            intake.submit(Request { signal, body: body.clone(), records, permit, sender: sender.clone() })
        })
        .collect();
    join(all).await.into_iter().min_by_key(weight).unwrap_or(Err(Refused::Closed))
}

/// The least is the answer: come back, then invalid, then the receipt with most records rejected.
fn weight(result: &Result<Receipt, Refused>) -> (u8, Reverse<u64>) {
    match result {
        Err(Refused::Full { .. } | Refused::Closed) => (0, Reverse(0)),
        Err(Refused::Invalid { .. }) => (1, Reverse(0)),
        Ok(receipt) => (2, Reverse(receipt.rejected)),
    }
}

/// The outputs of all futures, which run side by side.
async fn join<T>(futures: Vec<impl Future<Output = T>>) -> Vec<T> {
    let mut running: Vec<_> = futures.into_iter().map(|future| (Box::pin(future), None)).collect();
    poll_fn(|cx| {
        let mut pending = false;
        for (future, output) in running.iter_mut().filter(|(_, output)| output.is_none()) {
            match future.as_mut().poll(cx) {
                Poll::Ready(value) => *output = Some(value),
                Poll::Pending => pending = true,
            }
        }
        if pending { Poll::Pending } else { Poll::Ready(()) }
    })
    .await;
    running.into_iter().filter_map(|(_, output)| output).collect()
}

type Delivering = Pin<Box<dyn Future<Output = Result<Receipt, Refused>> + Send>>;

/// A future that is not given up: dropped too early, it goes on in a task of its own. Cheaper than starting one for every
/// request, of which nearly all are waited for.
struct Finish(Option<Delivering>);

impl Future for Finish {
    type Output = Result<Receipt, Refused>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(future) = &mut self.0 else { return Poll::Pending };
        let polled = future.as_mut().poll(cx);
        if polled.is_ready() {
            self.0 = None;
        }
        polled
    }
}

impl Drop for Finish {
    fn drop(&mut self) {
        if let Some(future) = self.0.take()
            && Handle::try_current().is_ok()
        {
            drop(detached(future));
        }
    }
}

/// The counters of one protocol. Those of every request are looked up once; refusals are rare.
#[derive(Debug)]
pub(super) struct Meters {
    receiver: String,
    transport: &'static str,
    signals: [PerSignal; 3],
}

struct PerSignal {
    signal: Signal,
    requests: Counter,
    accepted: Counter,
}

impl std::fmt::Debug for PerSignal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.signal.fmt(f)
    }
}

impl Meters {
    pub(super) fn new(receiver: &str, transport: &'static str) -> Self {
        let signals = Signal::ALL.map(|signal| {
            let labels = [
                ("receiver", receiver.to_owned()),
                ("transport", transport.to_owned()),
                ("signal", signal.name().to_owned()),
            ];
            PerSignal {
                signal,
                requests: counter!("telseal_receiver_requests_total", &labels),
                accepted: counter!("telseal_receiver_accepted_records_total", &labels),
            }
        });
        Self { receiver: receiver.to_owned(), transport, signals }
    }

    fn of(&self, signal: Signal) -> &PerSignal {
        let [logs, metrics, traces] = &self.signals;
        match signal {
            Signal::Logs => logs,
            Signal::Metrics => metrics,
            Signal::Traces => traces,
        }
    }

    fn records(&self, signal: Signal, records: u64, result: &Result<Receipt, Refused>) {
        const REFUSED: &str = "telseal_receiver_refused_records_total";
        match result {
            Ok(receipt) => {
                self.of(signal).accepted.increment(records.saturating_sub(receipt.rejected));
                if receipt.rejected > 0 {
                    self.refused(signal, REFUSED, "rejected", receipt.rejected);
                }
            }
            Err(refused) => self.refused(signal, REFUSED, Failure::from(refused.clone()).kind.label(), records),
        }
    }

    fn refused(&self, signal: Signal, name: &'static str, reason: &'static str, count: u64) {
        let (receiver, transport, signal) = (self.receiver.clone(), self.transport, signal.name());
        counter!(name, "receiver" => receiver, "transport" => transport, "signal" => signal, "reason" => reason)
            .increment(count);
    }
}
