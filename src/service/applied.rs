//! What a sealed pipeline applies to its records, for the `config` entry of a run: its processors with digests of their
//! settings, and the rule sets they use with digests of their texts. A change of either shows in the ledger.

use std::path::PathBuf;

use crate::config::{Config, PipelineId, ProcessorConfig, digest};
use crate::ledger::{Applied, Named};
use crate::processor::risk::packs;
use crate::service::{StartError, rules};

/// All of it for a pipeline.
///
/// # Errors
/// When a file of the user's cannot be read.
pub(super) fn of(id: &PipelineId, config: &Config) -> Result<Applied, StartError> {
    let (processors, rule_sets) = (processors(id, config), rule_sets(id, config)?);
    Ok(Applied { config_digest: config.digest.clone(), processors, rule_sets })
}

/// The processors in order. A digest is over the settings with all defaults, as this version of telseal holds them: equal
/// settings of one version have equal digests, and secrets have no part in it.
fn processors(id: &PipelineId, config: &Config) -> Vec<Named> {
    let own = &config.service.pipelines[id].processors;
    let named = |id| Named { name: format!("{id}"), sha256: digest(&format!("{:?}", config.processors[id])) };
    own.iter().map(named).collect()
}

/// The rule sets of `risk_tag`: the files that come with telseal and the user's, each with the SHA-256 of its text.
///
/// # Errors
/// When a file of the user's cannot be read.
fn rule_sets(id: &PipelineId, config: &Config) -> Result<Vec<Named>, StartError> {
    let mut sets = Vec::new();
    for processor in &config.service.pipelines[id].processors {
        let ProcessorConfig::RiskTag(own) = &config.processors[processor] else { continue };
        let paths: Vec<PathBuf> = own.rules.iter().map(PathBuf::from).collect();
        let sources = packs::sources().into_iter().chain(rules::read(&paths).map_err(StartError)?);
        sets.extend(sources.map(|source| Named { sha256: digest(&source.text), name: source.name }));
    }
    sets.dedup();
    Ok(sets)
}
