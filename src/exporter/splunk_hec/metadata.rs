//! `host`, `source`, `sourcetype`, `index` and the token of an event: from attributes, or else from the configuration.

use crate::exporter::splunk_hec::config::Config;
use crate::exporter::splunk_hec::parts::Key;
use crate::otlp::model::Entity;
use crate::otlp::value::Value;
use crate::stdx::json::write_str;

/// What an event says about itself, besides time, event and fields. Empty: nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Metadata<'a> {
    token: usize,
    host: &'a str,
    source: &'a str,
    sourcetype: &'a str,
    index: &'a str,
    /// An attribute chose the index.
    chosen: bool,
}

impl<'a> Metadata<'a> {
    /// What the configuration says.
    pub(super) fn configured(config: &'a Config) -> Self {
        let Config { host, source, sourcetype, index, .. } = config;
        Self { token: 0, host, source, sourcetype, index, chosen: false }
    }

    /// The same where the attributes of `entity` say nothing else.
    pub(super) fn overridden(mut self, entity: &Entity<'a>, config: &Config) -> Self {
        let names = &config.otel_attrs_to_hec_metadata;
        for attribute in entity.attributes() {
            let Value::Str(text) = attribute.value else { continue };
            if text.is_empty() || attribute.key.is_empty() {
                continue;
            }
            if attribute.key == names.host {
                self.host = text;
            } else if attribute.key == names.source {
                self.source = text;
            } else if attribute.key == names.sourcetype {
                self.sourcetype = text;
            } else if attribute.key == names.index && is_allowed(text, config) {
                (self.index, self.chosen) = (text, true);
            }
        }
        self
    }

    /// The same with the token that the attributes of a resource name.
    pub(super) fn with_token(mut self, resource: &Entity<'a>, config: &Config) -> Self {
        if let (false, Some(Value::Str(name))) = (config.tokens.is_empty(), resource.get(&config.token_attribute)) {
            self.token = config.tokens.keys().position(|known| known == name).map_or(0, |place| place + 1);
        }
        self
    }

    /// Which request the event belongs to.
    pub(super) fn key(&self) -> Key<'a> {
        Key { token: self.token, index: self.index, chosen: self.chosen, raw: None }
    }

    /// Appends the members of an event, each behind a comma.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        for (name, text) in self.members() {
            if !text.is_empty() {
                out.extend_from_slice(b",\"");
                out.extend_from_slice(name.as_bytes());
                out.extend_from_slice(b"\":");
                write_str(out, text);
            }
        }
    }

    /// The same as the query of a raw request.
    pub(super) fn query(&self) -> String {
        let mut query = String::new();
        for (name, text) in self.members().into_iter().filter(|(_, text)| !text.is_empty()) {
            let separator = if query.is_empty() { "" } else { "&" };
            query = format!("{query}{separator}{name}={}", percent_encoded(text));
        }
        query
    }

    const fn members(&self) -> [(&'static str, &'a str); 4] {
        [("host", self.host), ("source", self.source), ("sourcetype", self.sourcetype), ("index", self.index)]
    }
}

pub(super) fn is_allowed(index: &str, config: &Config) -> bool {
    config.allowed_indexes.is_empty() || config.allowed_indexes.iter().any(|allowed| allowed == index)
}

/// All but RFC 3986's unreserved characters as `%XX`.
fn percent_encoded(text: &str) -> String {
    let encode = |byte: u8| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            char::from(byte).to_string()
        } else {
            format!("%{byte:02X}")
        }
    };
    text.bytes().map(encode).collect()
}
