//! The extensions that recognise senders, made from the configuration: one row a kind.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::config::{Config, ExtensionConfig};
use crate::extension::{Authenticator, BasicAuth, BearerTokenAuth, Kind, Oidc};
use crate::service::StartError;

/// Makes every authenticator; reads their files. One with the same settings as `before` is taken over from there.
pub(super) fn build(
    config: &Config,
    before: Option<(&Config, &BTreeMap<String, Arc<Authenticator>>)>,
) -> Result<BTreeMap<String, Arc<Authenticator>>, StartError> {
    let mut all = BTreeMap::new();
    for (id, extension) in &config.extensions {
        let name = id.to_string();
        let same = before.filter(|(old, _)| old.extensions.get(id) == Some(extension));
        let authenticator = match same.and_then(|(_, running)| running.get(&name)) {
            Some(running) => Arc::clone(running),
            None => Arc::new(Authenticator::new(name.clone(), kind(&name, extension)?)),
        };
        all.insert(name, authenticator);
    }
    Ok(all)
}

fn kind(id: &str, extension: &ExtensionConfig) -> Result<Kind, StartError> {
    let kind = match extension {
        ExtensionConfig::BearerTokenAuth(own) => BearerTokenAuth::new(own).map(Kind::Bearer),
        ExtensionConfig::BasicAuth(own) => BasicAuth::new(own).map(Kind::Basic),
        ExtensionConfig::Oidc(own) => Oidc::new(own).map(|oidc| Kind::Oidc(Box::new(oidc))),
    };
    kind.map_err(|error| StartError(format!("extensions.{id}: {error}")))
}
