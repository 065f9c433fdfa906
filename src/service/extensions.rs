//! The extensions that recognise senders, made from the configuration: one row a kind.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::config::{Config, ExtensionConfig};
use crate::extension::{Authenticator, BasicAuth, BearerTokenAuth, Kind};
use crate::service::StartError;

/// Makes every authenticator; reads their files.
pub(super) fn build(config: &Config) -> Result<BTreeMap<String, Arc<Authenticator>>, StartError> {
    let mut all = BTreeMap::new();
    for (id, extension) in &config.extensions {
        let kind = match extension {
            ExtensionConfig::BearerTokenAuth(own) => BearerTokenAuth::new(own).map(Kind::Bearer),
            ExtensionConfig::BasicAuth(own) => BasicAuth::new(own).map(Kind::Basic),
        };
        let kind = kind.map_err(|error| StartError(format!("extensions.{id}: {error}")))?;
        all.insert(id.to_string(), Arc::new(Authenticator::new(id.to_string(), kind)));
    }
    Ok(all)
}
