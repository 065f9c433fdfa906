//! The Collector's processors `attributes`, `resource` and `resourcedetection`, with its option names and defaults: each
//! is read as the part of `enrich` that it is.

use std::time::Duration;

use serde::Deserialize;

use super::{Action, Config, Detector};
use crate::processor::matching::Properties;
use crate::processor::scalar::Context;
use crate::stdx::duration::Span;
use crate::stdx::problem::{At, Problems};
use crate::stdx::secret::Secret;

/// `attributes`: actions on the attributes of log records, spans and data points.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Attributes {
    /// The actions, in order. Needed.
    pub actions: Vec<Action>,
    /// Only records that are like this. Default: all.
    pub include: Option<Properties>,
    /// Not records that are like this. Default: none.
    pub exclude: Option<Properties>,
    /// The key of `hash`, at least 32 bytes. Needed for `hash`, which in the Collector is SHA-1 without a key.
    pub hmac_key: Option<Secret>,
}

/// `resource`: actions on the attributes of resources.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Resource {
    /// The actions, in order. Needed.
    pub attributes: Vec<Action>,
    /// The key of `hash`, at least 32 bytes. Needed for `hash`, which in the Collector is SHA-1 without a key.
    pub hmac_key: Option<Secret>,
}

/// `resourcedetection`: attributes of the resource, from the surroundings.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ResourceDetection {
    /// Where to look, the first that knows an attribute counts. Default: `[env]`.
    pub detectors: Vec<Detector>,
    /// Whether to replace what the sender has said. Default: true, as in the Collector; `enrich` has false.
    #[serde(rename = "override")]
    pub overrule: bool,
    /// How long each detector that asks over the network may take, at start. Default: 5s.
    pub timeout: Span,
}

impl Default for ResourceDetection {
    fn default() -> Self {
        Self { detectors: vec![Detector::Env], overrule: true, timeout: Span(Duration::from_secs(5)) }
    }
}

impl Attributes {
    /// The same as an `enrich`.
    #[must_use]
    pub fn to_enrich(&self) -> Config {
        Config {
            actions: self.actions.clone(),
            include: self.include.clone(),
            exclude: self.exclude.clone(),
            hmac_key: self.hmac_key.clone(),
            ..Config::default()
        }
    }

    /// Finds what cannot work.
    pub fn check(&self, at: &At, problems: &mut Problems) {
        if self.actions.is_empty() {
            problems.add(&at.key("actions"), "no action");
        }
        let enrich = self.to_enrich();
        enrich.check_actions(at, "actions", problems);
        enrich.check_gate(at, problems);
    }
}

impl Resource {
    /// The same as an `enrich`.
    #[must_use]
    pub fn to_enrich(&self) -> Config {
        let on_resource = |action: &Action| Action { context: Context::Resource, ..action.clone() };
        let actions = self.attributes.iter().map(on_resource).collect();
        Config { actions, hmac_key: self.hmac_key.clone(), ..Config::default() }
    }

    /// Finds what cannot work.
    pub fn check(&self, at: &At, problems: &mut Problems) {
        if self.attributes.is_empty() {
            problems.add(&at.key("attributes"), "no action");
        }
        self.to_enrich().check_actions(at, "attributes", problems);
    }
}

impl ResourceDetection {
    /// The same as an `enrich`.
    #[must_use]
    pub fn to_enrich(&self) -> Config {
        let Self { detectors, overrule, timeout } = self.clone();
        Config { detectors, overrule, timeout, ..Config::default() }
    }

    /// Finds what cannot work.
    pub fn check(&self, at: &At, problems: &mut Problems) {
        if self.detectors.is_empty() {
            problems.add(&at.key("detectors"), "no detector");
        }
        self.to_enrich().check_sources(at, problems);
    }
}
