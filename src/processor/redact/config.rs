//! What to redact and how: the options, the profiles, and what of it cannot go together.

use std::collections::BTreeMap;

use aws_lc_rs::digest::{SHA256, digest};
use serde::Deserialize;

use crate::processor::redact::action::{Action, Ends, generalizer};
use crate::processor::redact::detector::{Class, DETECTORS, Detector};
use crate::processor::redact::keys::KeyConfig;
use crate::processor::redact::user::{self, UserDetector};
use crate::stdx::bytesize::ByteSize;
use crate::stdx::problem::{At, Problems, did_you_mean};

/// What to redact.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Which detectors apply, and what is done with their findings: `ai-agent` (credentials and personal data), `secrets`
    /// (credentials), `pii` (personal data), `pci` (credentials and cards, which are truncated), `hipaa-safe-harbor`
    /// (removal and generalisation only), `gdpr` (pseudonyms for personal data: needs `keys`) or `strict` (as `ai-agent`,
    /// and attributes not in `allowed_keys` are removed). Default: `ai-agent`.
    pub profile: String,
    /// Single detectors added to the profile or taken out of it.
    pub rules: Rules,
    /// What is done with findings: by detector, by class (`secret`, `personal`), or for all others (`default`). Default:
    /// what the profile says, which mostly is `mask`.
    pub actions: BTreeMap<String, Action>,
    /// The keys of `hash` and `tokenize`. The first one makes new pseudonyms; those of all are known as made already.
    /// Default: none.
    pub keys: Vec<KeyConfig>,
    /// Values that are left as they are: the exact text that a detector would have masked. Default: none.
    pub allowed: Vec<String>,
    /// The same for single detectors; one `*` in a value stands for any text: `email: ["*@example.com"]`. Default: none.
    pub allowed_for: BTreeMap<String, Vec<String>>,
    /// More key names whose value is masked, besides `password`, `api_key` and their like. A name matches a key that is
    /// equal or ends with it after a separator, whatever the case. Default: none.
    pub secret_names: Vec<String>,
    /// Detectors of one's own. Default: none; at most 256.
    pub detectors: Vec<UserDetector>,
    /// In the profile `strict`: the keys of attributes that may stay; one `*` at the end stands for any rest. Default:
    /// none.
    pub allowed_keys: Vec<String>,
    /// Writes `redaction.count`, `redaction.rules` and `redaction.policy` on records in which something was found, and
    /// removes attributes of these names that a sender wrote. Default: `true`.
    pub provenance: bool,
    /// A longer text is not scanned but replaced by `[REDACTED:unscanned]`. Default: 4 MiB.
    pub value_bytes_max: ByteSize,
}

/// Detectors switched by name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Rules {
    /// Detectors to use although the profile does not.
    pub enabled: Vec<String>,
    /// Detectors to leave out although the profile has them.
    pub disabled: Vec<String>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            profile: "ai-agent".to_owned(),
            rules: Rules::default(),
            actions: BTreeMap::new(),
            keys: Vec::new(),
            allowed: Vec::new(),
            allowed_for: BTreeMap::new(),
            secret_names: Vec::new(),
            detectors: Vec::new(),
            allowed_keys: Vec::new(),
            provenance: true,
            value_bytes_max: ByteSize::mib(4),
        }
    }
}

/// The profiles.
pub const PROFILES: [&str; 7] = ["ai-agent", "secrets", "pii", "pci", "hipaa-safe-harbor", "gdpr", "strict"];
pub(super) const PCI: &str = "pci";
pub(super) const HIPAA: &str = "hipaa-safe-harbor";
pub(super) const GDPR: &str = "gdpr";
pub(super) const STRICT: &str = "strict";

pub(super) const CARD: &str = "payment-card";
/// What PCI DSS (requirement 3.5, FAQ 1091) lets stay of a card number of any brand.
const CARD_ENDS: Ends = Ends { first: 6, last: 4 };
/// What must never be stored, not even masked in place: card security codes and tracks.
const NEVER_STORED: [&str; 2] = ["card-security-code", "card-track-data"];

const CLASSES: [(&str, Class); 2] = [("secret", Class::Secret), ("personal", Class::Personal)];
const DEFAULT: &str = "default";

impl Config {
    /// Finds what is wrong: names that do not exist, actions that do not fit, detectors whose tests fail.
    pub fn check(&self, at: &At, problems: &mut Problems) {
        if !PROFILES.contains(&self.profile.as_str()) {
            unknown(&at.key("profile"), "profile", &self.profile, &PROFILES, problems);
        }
        self.check_names(at, problems);
        self.check_keys(&at.key("keys"), problems);
        self.check_detectors(&at.key("detectors"), problems);
        self.check_actions(&at.key("actions"), problems);
        match (self.profile == STRICT, self.allowed_keys.is_empty()) {
            (true, true) => {
                problems.add(&at.key("allowed_keys"), "`strict` without allowed keys removes all attributes")
            }
            (false, false) => problems.add(&at.key("allowed_keys"), "only the profile `strict` has allowed keys"),
            _ => {}
        }
        if self.profile == GDPR && self.keys.is_empty() {
            problems.add_hint(
                &at.key("keys"),
                "`gdpr` makes pseudonyms and needs a key",
                "add `keys: [{id: k1, secret: \"${file:/etc/telseal/redact.key}\"}]`",
            );
        }
        if self.value_bytes_max == ByteSize(0) {
            problems.add(&at.key("value_bytes_max"), "must be more than 0");
        }
    }

    fn check_names(&self, at: &At, problems: &mut Problems) {
        let names = self.names();
        let rules = at.key("rules");
        for (key, list) in [("enabled", &self.rules.enabled), ("disabled", &self.rules.disabled)] {
            for (index, name) in list.iter().enumerate().filter(|(_, name)| !names.contains(&name.as_str())) {
                unknown(&rules.key(key).item(index), "rule", name, &names, problems);
            }
        }
        for (name, values) in &self.allowed_for {
            let at = at.key("allowed_for").key(name);
            if !names.contains(&name.as_str()) {
                unknown(&at, "rule", name, &names, problems);
            }
            empty_texts(&at, values, problems);
        }
        for (key, list) in
            [("allowed", &self.allowed), ("secret_names", &self.secret_names), ("allowed_keys", &self.allowed_keys)]
        {
            empty_texts(&at.key(key), list, problems);
        }
    }

    fn check_keys(&self, at: &At, problems: &mut Problems) {
        for (index, key) in self.keys.iter().enumerate() {
            key.check(&at.item(index), problems);
            if self.keys[..index].iter().any(|other| other.id == key.id) {
                problems.add(&at.item(index).key("id"), format!("there is another key `{}`", key.id));
            }
        }
    }

    fn check_detectors(&self, at: &At, problems: &mut Problems) {
        if self.detectors.len() > user::COUNT_MAX {
            problems.add(at, format!("more than {} detectors", user::COUNT_MAX));
        }
        for (index, detector) in self.detectors.iter().enumerate() {
            detector.check(&at.item(index), problems);
            let taken = self.detectors[..index].iter().map(|other| other.id.as_str()).chain(built_in());
            if taken.into_iter().any(|id| id == detector.id) {
                problems.add(&at.item(index).key("id"), format!("there is another detector `{}`", detector.id));
            }
        }
    }

    fn check_actions(&self, at: &At, problems: &mut Problems) {
        let classes = CLASSES.map(|(name, _)| name);
        let known: Vec<_> = [DEFAULT].into_iter().chain(classes).chain(self.names()).collect();
        for (name, action) in &self.actions {
            let at = at.key(name);
            if !known.contains(&name.as_str()) {
                unknown(&at, "rule", name, &known, problems);
                continue;
            }
            if let Some((message, hint)) = self.misfit(name, *action) {
                problems.add_hint(&at, message, hint);
            }
        }
    }

    /// Why an action cannot be taken for a detector or class, and what to do.
    fn misfit(&self, name: &str, action: Action) -> Option<(String, &'static str)> {
        let say = |message: &str, hint| Some((message.to_owned(), hint));
        match action {
            Action::Hash | Action::Tokenize if self.profile == HIPAA => say(
                "pseudonyms are derived from the value, which Safe Harbor excludes",
                "use `mask`, `drop` or `generalize`, or the profile `gdpr`",
            ),
            Action::Partial(_) | Action::Keep if self.profile == HIPAA => {
                say("Safe Harbor asks for removal or generalisation", "use `mask`, `drop` or `generalize`")
            }
            Action::Hash | Action::Tokenize if self.profile == PCI && matches!(name, CARD | DEFAULT | "personal") => {
                say(
                    "a hash and the truncated form of one card number together reveal it",
                    "`pci` truncates cards; leave it at that, or use `mask`",
                )
            }
            Action::Partial(ends) if self.profile == PCI && name == CARD && !CARD_ENDS.covers(ends) => {
                say("PCI DSS lets the first 6 and the last 4 digits of a card stay", "use `first: 6, last: 4` or less")
            }
            Action::Hash | Action::Tokenize if self.keys.is_empty() => {
                say("this needs a key", "add `keys: [{id: k1, secret: \"${file:/etc/telseal/redact.key}\"}]`")
            }
            Action::Partial(_) if self.is_for_secrets(name) => {
                say("a part of a secret is too much of it", "use `partial` for personal data only; `mask` this")
            }
            Action::Generalize if generalizer(name).is_none() && self.names().contains(&name) => {
                say("what this finds has no less exact form", "addresses of networks, dates and postal codes have one")
            }
            _ => None,
        }
    }

    fn is_for_secrets(&self, name: &str) -> bool {
        let own = self.detectors.iter().find(|own| own.id == name).map(|own| Class::from(own.class));
        let class = DETECTORS.iter().find(|detector| detector.id == name).map(|detector| detector.class).or(own);
        class == Some(Class::Secret) || name == "secret" || name == DEFAULT
    }

    /// The names of all detectors.
    pub(super) fn names(&self) -> Vec<&str> {
        built_in().chain(self.detectors.iter().map(|own| own.id.as_str())).collect()
    }

    /// What is done with the findings of a detector.
    pub(super) fn action(&self, name: &str, class: Class) -> Action {
        let class_name = CLASSES.iter().find(|(_, known)| *known == class).map_or(DEFAULT, |(name, _)| *name);
        let own = self.actions.get(name).or_else(|| self.actions.get(class_name)).copied();
        let action = own.or_else(|| self.of_profile(name, class)).or_else(|| self.actions.get(DEFAULT).copied());
        match action.unwrap_or(Action::Mask) {
            // An action for a class is for those of its detectors that have a less exact form.
            Action::Generalize if generalizer(name).is_none() => Action::Mask,
            action => action,
        }
    }

    fn of_profile(&self, name: &str, class: Class) -> Option<Action> {
        match (&*self.profile, name) {
            (PCI, CARD) => Some(Action::Partial(CARD_ENDS)),
            (PCI, name) if NEVER_STORED.contains(&name) => Some(Action::Drop),
            (HIPAA, "ipv4-address" | "ipv6-address") => Some(Action::Mask),
            (HIPAA, name) if generalizer(name).is_some() => Some(Action::Generalize),
            (GDPR, _) if class == Class::Personal => Some(Action::Hash),
            _ => None,
        }
    }

    /// True when the detector is in force.
    pub(super) fn has(&self, detector: &Detector) -> bool {
        let named = |list: &[String]| list.iter().any(|name| name == detector.id);
        (detector.profiles.contains(&self.profile.as_str()) || named(&self.rules.enabled))
            && !named(&self.rules.disabled)
            && self.action(detector.id, detector.class) != Action::Keep
    }

    /// The same for a detector of one's own.
    pub(super) fn has_own(&self, own: &UserDetector) -> bool {
        !self.rules.disabled.contains(&own.id) && self.action(&own.id, own.class.into()) != Action::Keep
    }

    /// A short digest of all that decides what is redacted, and of nothing secret.
    pub(super) fn digest(&self) -> String {
        let detectors: Vec<_> = DETECTORS.iter().filter(|detector| self.has(detector)).collect();
        let actions: Vec<_> = detectors.iter().map(|own| (own.id, self.action(own.id, own.class))).collect();
        let keys: Vec<_> = self.keys.iter().map(|key| &key.id).collect();
        let policy = format!(
            "{} {} {:?}",
            env!("CARGO_PKG_VERSION"),
            self.profile,
            (
                actions,
                &self.actions,
                keys,
                &self.allowed,
                &self.allowed_for,
                &self.secret_names,
                &self.detectors,
                &self.allowed_keys,
                self.value_bytes_max,
            )
        );
        let digest = digest(&SHA256, policy.as_bytes());
        digest.as_ref()[..8].iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

impl Ends {
    const fn covers(self, other: Self) -> bool {
        other.first <= self.first && other.last <= self.last
    }
}

fn built_in<'a>() -> impl Iterator<Item = &'a str> {
    DETECTORS.iter().map(|detector| detector.id)
}

fn empty_texts(at: &At, list: &[String], problems: &mut Problems) {
    for (index, _) in list.iter().enumerate().filter(|(_, item)| item.trim().is_empty()) {
        problems.add(&at.item(index), "an empty text matches nothing");
    }
}

fn unknown(at: &At, what: &str, name: &str, known: &[&str], problems: &mut Problems) {
    let message = format!("no {what} named `{name}`");
    match did_you_mean(name, known.iter().copied()) {
        Some(meant) => problems.add_hint(at, message, format!("did you mean `{meant}`?")),
        None => problems.add_hint(at, message, format!("known: {}", known.join(", "))),
    }
}
