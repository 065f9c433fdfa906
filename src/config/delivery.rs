//! The keys every exporter has beside its own: how its delivery loop batches and retries.

use std::fmt;

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{self, Deserializer};

use super::message;
use crate::processor::{filter, redact};
use crate::stdx::bytesize::ByteSize;
use crate::stdx::duration::Span;
use crate::stdx::problem::{At, Problems};

/// How what an exporter gets is batched, and how often it is tried.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Delivery {
    /// What happens after an error that may pass. Default: tried again for ever.
    pub retry_on_failure: Retry,
    /// How much goes into one export. Default: up to 2 MiB.
    pub batch: Batch,
    /// Only records that `risk_tag` gave this level or a higher one are exported; the rest counts as filtered. Default: all.
    pub min_risk: Option<MinRisk>,
    /// Records that the exporter does not get, by the conditions that the processor `filter` has; they count as filtered. Default: none.
    pub filter: Option<filter::Config>,
    /// What this exporter may see less of than the log: a profile of the processor `redact` by its name, or all that the
    /// processor can be told. Default: nothing more is redacted.
    pub redact: Option<Redaction>,
    /// Erasable fields (see `seal`) whose values this exporter does not get. Its copy still verifies. Default: none.
    pub withhold: Vec<String>,
}

/// `redact: pii`, or the settings of the processor.
#[derive(Debug, Clone, PartialEq)]
pub struct Redaction(pub redact::Config);

impl<'de> Deserialize<'de> for Redaction {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;

        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Redaction;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the name of a profile such as `pii`, or the settings of the processor `redact`")
            }

            fn visit_str<E: de::Error>(self, profile: &str) -> Result<Redaction, E> {
                Ok(Redaction(redact::Config { profile: profile.to_owned(), ..redact::Config::default() }))
            }

            fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<Redaction, A::Error> {
                redact::Config::deserialize(MapAccessDeserializer::new(map)).map(Redaction)
            }
        }

        deserializer.deserialize_any(Visitor)
    }
}

/// A level of risk, as `risk_tag` writes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MinRisk {
    /// Everything that was looked at.
    Info = 1,
    /// Ordinary, with some reach.
    Low,
    /// Worth a look some time.
    Medium,
    /// Worth a look today.
    High,
    /// Worth a look now.
    Critical,
}

/// Waits between tries, with full jitter; what the other side asks for (`Retry-After`) is respected.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Retry {
    /// `false`: one try, then the data goes to the dead-letter folder. Default: `true`.
    pub enabled: bool,
    /// The longest wait before the second try. Default: `1s`.
    pub initial_interval: Span,
    /// The longest wait before any try. Default: `30s`.
    pub max_interval: Span,
    /// By how much the wait grows with each try. Default: `2`.
    pub multiplier: f64,
    /// After this long the data goes to the dead-letter folder. Default: `0`, never.
    pub max_elapsed_time: Span,
}

/// The size of one export.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Batch {
    /// Requests are joined up to this size; a larger one goes alone. Default: `2 MiB`.
    pub max_bytes: ByteSize,
}

impl Default for Retry {
    fn default() -> Self {
        Self {
            enabled: true,
            initial_interval: Span::secs(1),
            max_interval: Span::secs(30),
            multiplier: 2.0,
            max_elapsed_time: Span::default(),
        }
    }
}

impl Default for Batch {
    fn default() -> Self {
        Self { max_bytes: ByteSize::mib(2) }
    }
}

impl Delivery {
    /// The keys that are split off from an exporter's mapping. `sending_queue` is among them to be refused with its reason.
    pub(super) const KEYS: [&str; 7] =
        ["retry_on_failure", "batch", "min_risk", "filter", "redact", "withhold", "sending_queue"];

    pub(super) fn check(&self, at: &At, problems: &mut Problems) {
        let retry = &self.retry_on_failure;
        let at_retry = at.key("retry_on_failure");
        let mut say = |at: At, message: message::Message| problems.0.push(message.at(&at, None));
        if retry.initial_interval == Span::default() {
            say(at_retry.key("initial_interval"), message::zero_not_allowed());
        }
        if retry.max_interval < retry.initial_interval {
            say(at_retry.key("max_interval"), message::interval_order());
        }
        if !(retry.multiplier >= 1.0 && retry.multiplier.is_finite()) {
            say(at_retry.key("multiplier"), message::multiplier_too_small());
        }
        if let Some(filter) = &self.filter {
            filter.check(&at.key("filter"), problems);
        }
        if let Some(Redaction(redact)) = &self.redact {
            redact.check(&at.key("redact"), problems);
        }
        let mut say = |at: At, message: message::Message| problems.0.push(message.at(&at, None));
        if self.batch.max_bytes.0 == 0 {
            say(at.key("batch").key("max_bytes"), message::zero_not_allowed());
        }
    }
}
