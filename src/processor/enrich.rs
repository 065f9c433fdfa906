//! `enrich`: adds, changes and deletes attributes, as the Collector's `attributes` and `resource` processors do, and
//! knows more places to take them from: the machine, the pod, the cloud, the request, lookup tables, W3C baggage.
//!
//! In this order: claims on `trusted` names are moved away, detectors speak, baggage is taken, actions run as written,
//! tables are asked. `include`, `exclude` and `when` hold back all of that but the first. A processor does no input or
//! output: the service finds out what detectors ask for, reads the tables and reloads them; the configuration reads the
//! environment (`value: ${env:REGION}`).

mod action;
mod baggage;
mod collector;
mod detect;
mod lookup;
mod rows;
mod trusted;

use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::hmac;
use bumpalo::Bump;
use serde::Deserialize;
use tracing::warn;

use crate::otlp::model::{Batch, Entity};
use crate::otlp::sender::{Sender, Wanted};
use crate::otlp::{DecodeError, Signal};
use crate::processor::condition::{self, Condition, Level, Sight, Test};
use crate::processor::matching::{Matcher, Properties};
use crate::processor::scalar::{Context, Scalar};
use crate::processor::{Outcome, Processor};
use crate::stdx::duration::Span;
use crate::stdx::host;
use crate::stdx::problem::{At, Problems};
use crate::stdx::secret::Secret;

pub use action::{Action, Type, Verb};
pub use baggage::Baggage;
pub use collector::{Attributes, Resource, ResourceDetection};
pub use detect::{Detected, Detector, K8s};
pub use lookup::{Live, Lookup, Table, TableError};

use action::Step;
use lookup::{Searcher, Tally};
use trusted::Trusted;

/// What to add, change and delete.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Names that only the operator may set, at any place: `team`, or `host.*` for all that begin so. What a sender claims
    /// under them moves to `upstream.NAME`. Also what an earlier processor has set: say it in the first one. Default: none.
    pub trusted: Vec<String>,
    /// Inserts `host.name`, `host.arch` and `os.type` of this machine on the resource, unless the sender has said
    /// them. Default: false.
    pub host: bool,
    /// Writes which telseal took the record, as `telseal.version` and `telseal.process.pid` on the resource. These
    /// are not `process.*`: that is the sender's own process. Default: false.
    pub process: bool,
    /// Where to look for more about the resource: `env`, `system`, `process`, `docker`, `k8s`, `ec2`, `gcp`, `azure`. Of
    /// several that know the same attribute the first counts. Default: none.
    pub detectors: Vec<Detector>,
    /// Detectors replace what the sender has said. Default: false.
    #[serde(rename = "override")]
    pub overrule: bool,
    /// How long each of `ec2`, `gcp` and `azure` may take, at start. Default: 2s.
    pub timeout: Span,
    /// What `k8s` reads.
    pub k8s: K8s,
    /// Members of the `baggage` header to take. Default: none.
    pub baggage: Option<Baggage>,
    /// The actions, in order. Default: none.
    pub actions: Vec<Action>,
    /// Tables to ask, in order. Default: none.
    pub lookups: Vec<Lookup>,
    /// Only records that are like this. Default: all.
    pub include: Option<Properties>,
    /// Not records that are like this. Default: none.
    pub exclude: Option<Properties>,
    /// Only where one of these conditions is true, as `filter` has them. Default: always.
    pub when: Vec<Condition>,
    /// The key of `hash`, at least 32 bytes. Equal values have equal hashes under one key, in every attribute and every
    /// telseal; also in the `redaction` processor. Needed for `hash`.
    pub hmac_key: Option<Secret>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            trusted: vec![],
            host: false,
            process: false,
            detectors: vec![],
            overrule: false,
            timeout: Span(Duration::from_secs(2)),
            k8s: K8s::default(),
            baggage: None,
            actions: vec![],
            lookups: vec![],
            include: None,
            exclude: None,
            when: vec![],
            hmac_key: None,
        }
    }
}

/// The shortest key of a keyed hash, in bytes: as long as a SHA-256.
pub(super) const HMAC_KEY_BYTES_MIN: usize = 32;

/// Something known about this machine and process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub enum Fact {
    /// The name of the host.
    #[serde(rename = "host.name")]
    HostName,
    /// The processor architecture, in the words of the semantic conventions: `amd64`, `arm64`, ..
    #[serde(rename = "host.arch")]
    HostArch,
    /// `linux`, `darwin`, `windows`, ..
    #[serde(rename = "os.type")]
    OsType,
    /// The process id of telseal.
    #[serde(rename = "process.pid")]
    ProcessPid,
    /// The version of telseal.
    #[serde(rename = "telseal.version")]
    Version,
}

impl Config {
    /// Finds what cannot work. Opens and asks nothing.
    pub fn check(&self, at: &At, problems: &mut Problems) {
        if self.is_idle() {
            problems.add_hint(at, "nothing to do", "set `actions`, `detectors`, `lookups`, `baggage` or `trusted`");
        }
        self.check_sources(at, problems);
        self.check_actions(at, "actions", problems);
        self.check_gate(at, problems);
    }

    fn is_idle(&self) -> bool {
        self.actions.is_empty()
            && self.lookups.is_empty()
            && self.detectors.is_empty()
            && self.trusted.is_empty()
            && self.baggage.is_none()
            && !self.host
            && !self.process
    }

    fn check_sources(&self, at: &At, problems: &mut Problems) {
        trusted::check(&self.trusted, &at.key("trusted"), problems);
        detect::check(&self.detectors, &at.key("detectors"), problems);
        if let Some(baggage) = &self.baggage {
            baggage.check(&at.key("baggage"), problems);
        }
        for (index, lookup) in self.lookups.iter().enumerate() {
            lookup.check(&at.key("lookups").item(index), problems);
        }
    }

    fn check_actions(&self, at: &At, key: &str, problems: &mut Problems) {
        for (index, action) in self.actions.iter().enumerate() {
            action.check(self.hmac_key.is_some(), &at.key(key).item(index), problems);
        }
        check_hmac_key(self.hmac_key.as_ref(), HMAC_KEY_BYTES_MIN, &at.key("hmac_key"), problems);
    }

    fn check_gate(&self, at: &At, problems: &mut Problems) {
        for (index, condition) in self.when.iter().enumerate() {
            condition.check(&at.key("when").item(index), problems);
        }
        for (key, properties) in [("include", &self.include), ("exclude", &self.exclude)] {
            if let Some(properties) = properties {
                properties.check(&at.key(key), problems);
            }
        }
        if self.asks() > self.outermost() {
            action::too_deep(at, problems);
        }
    }

    /// How far in its conditions look.
    fn asks(&self) -> Level {
        let conditions = self.when.iter().map(Condition::level);
        let properties = [&self.include, &self.exclude].into_iter().flatten().map(Properties::level);
        conditions.chain(properties).max().unwrap_or(Level::Resource)
    }

    /// The outermost place that it works on.
    fn outermost(&self) -> Level {
        let on_resource = self.host || self.process || !self.detectors.is_empty();
        let actions = self.actions.iter().map(|action| action.context);
        let lookups = self.lookups.iter().map(|lookup| lookup.context);
        let baggage = self.baggage.iter().map(|baggage| baggage.context);
        let contexts = actions.chain(lookups).chain(baggage).chain(on_resource.then_some(Context::Resource));
        contexts.map(Level::from).min().unwrap_or(Level::Record)
    }

    /// What it asks of the requests.
    #[must_use]
    pub fn wanted(&self) -> Wanted {
        let mut wanted = Wanted::default();
        self.actions.iter().for_each(|action| wanted.merge(action.wanted()));
        wanted.headers.extend(self.baggage.iter().map(|_| baggage::HEADER.to_owned()));
        wanted
    }
}

/// Notes a key that is too short to keep a secret.
pub(super) fn check_hmac_key(key: Option<&Secret>, bytes_min: usize, at: &At, problems: &mut Problems) {
    if key.is_some_and(|key| key.reveal().len() < bytes_min) {
        let hint = "make one with `openssl rand -hex 32` and pass it as `${env:NAME}` or `${file:PATH}`";
        problems.add_hint(at, format!("shorter than {bytes_min} bytes"), hint);
    }
}

/// What the service found out at start.
#[derive(Debug, Clone, Default)]
pub struct Findings {
    /// What the detectors say.
    pub detected: Detected,
    /// The tables, in the order of `lookups`.
    pub tables: Vec<Arc<Live>>,
}

/// The processor.
#[derive(Debug)]
pub struct Enrich {
    trusted: Trusted,
    gate: Gate,
    resource: Vec<Work>,
    scope: Vec<Work>,
    record: Vec<Work>,
    searchers: Vec<Searcher>,
}

#[derive(Debug)]
enum Work {
    Step(Step),
    Baggage(Baggage),
    /// The number of the searcher.
    Lookup(usize),
}

/// Which resources, scopes and records it is for.
#[derive(Debug)]
struct Gate {
    include: Option<Matcher>,
    exclude: Option<Matcher>,
    when: Vec<Test>,
}

impl Gate {
    fn new(config: &Config) -> Result<Self, regex::Error> {
        let matcher = |properties: &Option<Properties>| properties.as_ref().map(Matcher::new).transpose();
        let when = config.when.iter().map(Test::new).collect::<Result<_, _>>()?;
        Ok(Self { include: matcher(&config.include)?, exclude: matcher(&config.exclude)?, when })
    }

    fn lets(&self, sight: &Sight<'_, '_>) -> Result<bool, DecodeError> {
        let holds = |matcher: &Option<Matcher>| matcher.as_ref().map(|matcher| matcher.holds(sight)).transpose();
        Ok(condition::any(&self.when, sight)?
            && holds(&self.include)?.unwrap_or(true)
            && !holds(&self.exclude)?.unwrap_or(false))
    }
}

impl Enrich {
    /// Makes a checked configuration ready to run, with what was found out for it.
    ///
    /// # Errors
    /// When a pattern is no regular expression; [`Config::check`] says which.
    pub fn new(config: &Config, findings: &Findings) -> Result<Self, regex::Error> {
        let mut enrich = Self {
            trusted: Trusted::new(&config.trusted),
            gate: Gate::new(config)?,
            resource: vec![],
            scope: vec![],
            record: vec![],
            searchers: vec![],
        };
        for (key, value, replaces) in detect::chosen(&config.detectors, config.overrule, &findings.detected) {
            let verb = if replaces { Verb::Upsert } else { Verb::Insert };
            enrich.resource.push(Work::Step(Step::fixed(key, verb, value)));
        }
        enrich.add_actions(config, host::name().as_deref())?;
        for (lookup, live) in config.lookups.iter().zip(&findings.tables) {
            let number = enrich.searchers.len();
            enrich.searchers.push(Searcher::new(lookup, Arc::clone(live))?);
            enrich.works(lookup.context).push(Work::Lookup(number));
        }
        Ok(enrich)
    }

    fn add_actions(&mut self, config: &Config, host_name: Option<&str>) -> Result<(), regex::Error> {
        let hmac_key = config.hmac_key.as_ref().map(|key| hmac::Key::new(hmac::HMAC_SHA256, key.reveal().as_bytes()));
        let facts = facts(config);
        let baggage = config.baggage.iter().cloned();
        for action in &facts {
            self.add(action, hmac_key.as_ref(), host_name)?;
        }
        for baggage in baggage {
            self.works(baggage.context).push(Work::Baggage(baggage));
        }
        for action in &config.actions {
            self.add(action, hmac_key.as_ref(), host_name)?;
        }
        Ok(())
    }

    fn add(
        &mut self,
        action: &Action,
        hmac_key: Option<&hmac::Key>,
        host_name: Option<&str>,
    ) -> Result<(), regex::Error> {
        match Step::new(action, hmac_key, host_name)? {
            Some(step) => self.works(action.context).push(Work::Step(step)),
            None => {
                warn!(key = action.key, "the host has no name that telseal can read: this enrich action does nothing");
            }
        }
        Ok(())
    }

    fn works(&mut self, context: Context) -> &mut Vec<Work> {
        match context {
            Context::Resource => &mut self.resource,
            Context::Scope => &mut self.scope,
            Context::Record => &mut self.record,
        }
    }
}

/// What `host` and `process` stand for.
fn facts(config: &Config) -> Vec<Action> {
    let on_resource = |key: &str, action, fact| Action {
        key: key.to_owned(),
        action,
        context: Context::Resource,
        from: Some(fact),
        ..Action::default()
    };
    let mut actions = vec![];
    if config.host {
        actions.push(on_resource("host.name", Verb::Insert, Fact::HostName));
        actions.push(on_resource("host.arch", Verb::Insert, Fact::HostArch));
        actions.push(on_resource("os.type", Verb::Insert, Fact::OsType));
    }
    if config.process {
        actions.push(on_resource("telseal.version", Verb::Upsert, Fact::Version));
        actions.push(on_resource("telseal.process.pid", Verb::Upsert, Fact::ProcessPid));
    }
    actions
}

impl Fact {
    fn value(self, host_name: Option<&str>) -> Option<Scalar> {
        Some(match self {
            Self::HostName => Scalar::Str(host_name?.to_owned()),
            Self::HostArch => Scalar::Str(host::arch().to_owned()),
            Self::OsType => Scalar::Str(host::os().to_owned()),
            Self::ProcessPid => Scalar::Int(i64::from(std::process::id())),
            Self::Version => Scalar::Str(env!("CARGO_PKG_VERSION").to_owned()),
        })
    }
}

/// The work on one batch.
struct Pass<'a> {
    enrich: &'a Enrich,
    signal: Signal,
    sender: &'a Sender,
    arena: &'a Bump,
    /// Of each searcher, the version in force when the batch came.
    tables: Vec<Arc<Table>>,
    tallies: Vec<Tally>,
}

/// What lies around an entity.
#[derive(Clone, Copy, Default)]
struct Around<'s, 'a> {
    resource: Option<&'s Entity<'a>>,
    scope: Option<&'s Entity<'a>>,
    metric: &'a str,
}

impl<'a> Pass<'a> {
    fn new(enrich: &'a Enrich, batch: &Batch<'a>) -> Self {
        let tables = enrich.searchers.iter().map(Searcher::table).collect();
        let tallies = enrich.searchers.iter().map(|_| Tally::default()).collect();
        Self { enrich, signal: batch.signal, sender: batch.sender, arena: batch.arena(), tables, tallies }
    }

    /// All work on a resource, scope or record; true when it is different now.
    fn entity(
        &mut self,
        context: Context,
        entity: &mut Entity<'a>,
        around: Around<'_, 'a>,
    ) -> Result<bool, DecodeError> {
        let enrich = self.enrich;
        let mut changed = enrich.trusted.enforce(entity, self.arena);
        let works = match context {
            Context::Resource => &enrich.resource,
            Context::Scope => &enrich.scope,
            Context::Record => &enrich.record,
        };
        if works.is_empty() || !enrich.gate.lets(&self.sight(context, entity, around))? {
            return Ok(changed);
        }
        for work in works {
            changed |= self.work(work, context, entity, around)?;
        }
        Ok(changed)
    }

    fn work(
        &mut self,
        work: &'a Work,
        context: Context,
        entity: &mut Entity<'a>,
        around: Around<'_, 'a>,
    ) -> Result<bool, DecodeError> {
        Ok(match work {
            Work::Step(step) => {
                step.is_due(&self.sight(context, entity, around))? && step.run(entity, self.sender, self.arena)
            }
            Work::Baggage(baggage) => baggage.run(entity, self.sender, self.arena),
            Work::Lookup(number) => {
                let searcher = &self.enrich.searchers[*number];
                searcher.is_due(&self.sight(context, entity, around))?
                    && searcher.run(&self.tables[*number], entity, self.arena, &mut self.tallies[*number])
            }
        })
    }

    fn sight<'s>(&self, context: Context, entity: &'s Entity<'a>, around: Around<'s, 'a>) -> Sight<'s, 'a> {
        let Around { resource, scope, metric } = around;
        let sight = Sight { signal: self.signal, resource, scope, record: None, metric };
        match context {
            Context::Resource => Sight { resource: Some(entity), ..sight },
            Context::Scope => Sight { scope: Some(entity), ..sight },
            Context::Record => Sight { record: Some(entity), ..sight },
        }
    }

    fn count(&self) {
        self.enrich.searchers.iter().zip(&self.tallies).for_each(|(searcher, tally)| searcher.count(tally));
    }
}

impl Processor for Enrich {
    fn process<'a>(&'a self, batch: &mut Batch<'a>) -> Result<Outcome, DecodeError> {
        let (signal, arena) = (batch.signal, batch.arena());
        let mut pass = Pass::new(self, batch);
        let mut changed = 0;
        for group in &mut batch.groups {
            let resource = pass.entity(Context::Resource, &mut group.resource, Around::default())?;
            for scope in &mut group.scopes {
                let around = Around { resource: Some(&group.resource), ..Around::default() };
                let owner = pass.entity(Context::Scope, &mut scope.scope, around)? | resource;
                if !owner && self.record.is_empty() && self.trusted.is_empty() {
                    continue;
                }
                let around = Around { scope: Some(&scope.scope), ..around };
                for record in &mut scope.records {
                    let metric = if signal == Signal::Metrics { condition::name_of(record)? } else { "" };
                    let mut each = |record: &mut Entity<'a>| {
                        changed +=
                            u64::from(pass.entity(Context::Record, record, Around { metric, ..around })? | owner);
                        Ok(())
                    };
                    match signal {
                        Signal::Metrics => record.each_point(arena, &mut each)?,
                        Signal::Logs | Signal::Traces => each(record)?,
                    }
                }
            }
        }
        pass.count();
        Ok(Outcome { changed, ..Outcome::default() })
    }
}

#[cfg(test)]
mod tests {
    use super::Config;
    use crate::stdx::problem::{At, Problems};

    fn problems(yaml: &str) -> Vec<String> {
        let config: Config = serde_saphyr::from_str(yaml).unwrap();
        let mut problems = Problems::default();
        config.check(&At::new("processors.enrich"), &mut problems);
        problems.0.into_iter().map(|p| format!("{}: {}", p.path, p.message)).collect()
    }

    #[test]
    fn a_complete_configuration_has_no_problem() {
        let yaml = "host: true\nprocess: true\nactions:\n- {key: a, value: 1, action: insert, context: resource}\n\
                    - {key: b, from_attribute: a, action: upsert}\n- {key: c, from: host.name, action: update}\n\
                    - {key: d, action: delete, context: scope}\n";
        assert_eq!(problems(yaml), Vec::<String>::new());
    }

    #[test]
    fn actions_of_the_collector_are_checked_for_what_they_need() {
        let yaml = "actions:\n- {key: a, action: hash}\n- {key: b, action: extract}\n- {key: b, action: extract, pattern: '(a)'}\n\
                    - {key: c, action: convert}\n- {pattern: '^x', action: delete}\n\
                    - {key: e, action: insert, from_context: metadata.Cookie}\n\
                    - {key: f, action: insert, from_context: auth.password}\n\
                    - {key: f, action: insert, from_context: auth.claims.sub}\n\
                    - {key: g, action: insert, from_context: metadata.x-tenant}\n";
        let expected = [
            "processors.enrich.actions[0]: `hash` needs a key",
            "processors.enrich.actions[1]: no `pattern`",
            "processors.enrich.actions[2].pattern: every group needs a name, and there must be one",
            "processors.enrich.actions[3]: no `converted_type`",
            "processors.enrich.actions[5].from_context: `Cookie` is a credential",
            "processors.enrich.actions[6].from_context: nothing is known as `auth.password`",
        ];
        assert_eq!(problems(yaml), expected);
    }

    #[test]
    fn what_is_done_to_a_resource_cannot_depend_on_a_record() {
        let per_action =
            "actions:\n- {key: a, value: 1, action: insert, context: resource, when: [{key: b, exists: true}]}\n";
        let found = problems(per_action);
        assert!(found[0].starts_with("processors.enrich.actions[0].when[0]: what is done to a resource"), "{found:?}");
        let whole = "detectors: [env]\ninclude: {match_type: strict, span_names: [a]}\n";
        assert!(problems(whole)[0].starts_with("processors.enrich: what is done to a resource"));
        let fits = "detectors: [env]\ninclude: {match_type: strict, services: [a]}\n";
        assert_eq!(problems(fits), Vec::<String>::new());
    }

    #[test]
    fn short_keys_names_that_cannot_be_and_tables_without_a_file_are_named() {
        let yaml = "{hmac_key: short, trusted: ['a*b', upstream.x, host.*], baggage: {}, lookups: [{}], detectors: [env, env]}";
        let expected = [
            "processors.enrich.trusted[0]: `*` may stand at the end only",
            "processors.enrich.trusted[1]: names under `upstream.` are what senders claimed, and never trusted",
            "processors.enrich.detectors[1]: this detector is listed already",
            "processors.enrich.baggage.keys: no member is listed",
            "processors.enrich.lookups[0].file: the path is empty",
            "processors.enrich.lookups[0].key: no key",
            "processors.enrich.hmac_key: shorter than 32 bytes",
        ];
        assert_eq!(problems(yaml), expected);
    }

    #[test]
    fn every_bad_action_is_named() {
        let yaml = "actions:\n- {key: a, action: insert}\n- {key: b, action: delete, value: 1}\n\
                    - {key: '', action: upsert, value: 1}\n- {key: d, action: upsert, value: 1, from: os.type}\n";
        assert_eq!(
            problems(yaml),
            [
                "processors.enrich.actions[0]: no value",
                "processors.enrich.actions[1]: `delete` takes no value",
                "processors.enrich.actions[2].key: the key is empty",
                "processors.enrich.actions[3]: more than one value",
            ]
        );
        assert_eq!(problems("{}"), ["processors.enrich: nothing to do"]);
    }

    #[test]
    fn unknown_words_are_refused_while_reading() {
        for yaml in ["action: []", "actions: [{key: a, action: hashh}]", "actions: [{key: a, action: insert, valu: 1}]"]
        {
            assert!(serde_saphyr::from_str::<Config>(yaml).is_err(), "{yaml}");
        }
    }
}
