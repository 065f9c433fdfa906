//! The processors of all pipelines, built from a configuration. A reload takes over those whose settings did not change, with what
//! they remember; a `risk_tag` with other settings takes over the memory.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use crate::config::{Config, Id, PipelineId, ProcessorConfig};
use crate::pipeline::chain::Step;
use crate::processor::enrich::{Enrich, Findings};
use crate::processor::risk::RiskTag;
use crate::processor::{Processor, filter::Filter, redact::Redact, redaction::Redaction, seal};
use crate::service::StartError;
use crate::service::build::failed;
use crate::service::rules::{Keeper, Rulesets};
use crate::service::surroundings::{self, Reload};

/// A processor is one instance a pipeline.
pub(super) type Key = (PipelineId, Id);

/// What was built.
#[derive(Default)]
pub(super) struct Processors {
    built: BTreeMap<Key, Built>,
    found: BTreeMap<Id, Found>,
    /// What must be kept up to date for those that are new.
    pub(super) keepers: Vec<(Key, Keeper)>,
    pub(super) reloads: Vec<(Id, Vec<Reload>)>,
}

struct Built {
    written: ProcessorConfig,
    processor: Arc<dyn Processor>,
    risk: Option<Arc<RiskTag>>,
}

/// What the world said to a processor's questions.
struct Found {
    written: ProcessorConfig,
    findings: Findings,
}

impl Processors {
    /// Builds them. What processors remember lies in the data folder, where the pipeline is on disk and `keeps` says so.
    ///
    /// # Errors
    /// When a file that a processor needs cannot be used.
    pub(super) fn build(config: &Config, before: &Self, keeps: bool) -> Result<Self, StartError> {
        let (mut new, mut rulesets) = (Self::default(), Rulesets::default());
        new.find(config, before)?;
        for (pipeline, own) in &config.service.pipelines {
            let on_disk = keeps && own.storage == crate::config::Storage::Disk;
            let state = on_disk.then_some(&*config.service.data_dir);
            for id in &own.processors {
                let key = (pipeline.clone(), id.clone());
                let written = &config.processors[id];
                let known = before.built.get(&key);
                let built = match known.filter(|known| known.written == *written && !new.found_anew(id)) {
                    Some(same) => Some(same.again()),
                    None => new.one(&key, written, known, state, &mut rulesets)?,
                };
                new.built.extend(built.map(|built| (key, built)));
            }
        }
        Ok(new)
    }

    fn find(&mut self, config: &Config, before: &Self) -> Result<(), StartError> {
        for (id, written) in &config.processors {
            let Some(enrich) = written.enrich() else { continue };
            let findings = match before.found.get(id).filter(|known| known.written == *written) {
                Some(known) => known.findings.clone(),
                None => {
                    let (findings, reloads) = surroundings::find(id, &enrich)?;
                    self.reloads.push((id.clone(), reloads));
                    findings
                }
            };
            self.found.insert(id.clone(), Found { written: written.clone(), findings });
        }
        Ok(())
    }

    fn found_anew(&self, id: &Id) -> bool {
        self.reloads.iter().any(|(new, _)| new == id)
    }

    /// Nothing for `seal`, which is what the pipeline ends in.
    fn one(
        &mut self,
        key: &Key,
        written: &ProcessorConfig,
        known: Option<&Built>,
        state: Option<&Path>,
        rulesets: &mut Rulesets,
    ) -> Result<Option<Built>, StartError> {
        let (pipeline, id) = key;
        let mut risk = None;
        let processor: Arc<dyn Processor> = match written {
            ProcessorConfig::Redact(own) => Arc::new(Redact::new(own).map_err(failed)?),
            ProcessorConfig::Redaction(own) => Arc::new(Redaction::new(own).map_err(failed)?),
            ProcessorConfig::RiskTag(own) => {
                let memory = known.and_then(|known| known.risk.as_ref()).map(|risk| risk.memory());
                let keeper = Keeper::open(&format!("{pipeline}/{id}"), own, state, memory, rulesets)?;
                let tag = keeper.processor();
                self.keepers.push((key.clone(), keeper));
                risk = Some(Arc::clone(&tag));
                tag
            }
            ProcessorConfig::Filter(own) => Arc::new(Filter::new(own).map_err(failed)?),
            ProcessorConfig::Seal(_) => return Ok(None),
            ProcessorConfig::Enrich(_)
            | ProcessorConfig::Attributes(_)
            | ProcessorConfig::Resource(_)
            | ProcessorConfig::ResourceDetection(_) => {
                let (Some(enrich), Some(found)) = (written.enrich(), self.found.get(id)) else { return Ok(None) };
                Arc::new(Enrich::new(&enrich, &found.findings).map_err(failed)?)
            }
        };
        Ok(Some(Built { written: written.clone(), processor, risk }))
    }

    /// The processors of a pipeline, in order.
    pub(super) fn steps(&self, pipeline: &PipelineId, config: &Config) -> Vec<Step> {
        let step = |id: &Id| {
            let built = self.built.get(&(pipeline.clone(), id.clone()))?;
            Some(Step { id: id.to_string(), processor: Arc::clone(&built.processor) })
        };
        config.service.pipelines[pipeline].processors.iter().filter_map(step).collect()
    }

    /// True for a `risk_tag` that is part of a pipeline.
    pub(super) fn has_risk(&self, key: &Key) -> bool {
        self.built.get(key).is_some_and(|built| built.risk.is_some())
    }

    /// True for a processor that asked the world.
    pub(super) fn has_found(&self, id: &Id) -> bool {
        self.found.contains_key(id)
    }
}

impl Built {
    fn again(&self) -> Self {
        let (processor, risk) = (Arc::clone(&self.processor), self.risk.clone());
        Self { written: self.written.clone(), processor, risk }
    }
}

/// The settings of `seal`, where a pipeline ends in that.
pub(super) fn seal_of<'c>(pipeline: &PipelineId, config: &'c Config) -> Option<&'c seal::Config> {
    let processors = &config.service.pipelines.get(pipeline)?.processors;
    processors.iter().find_map(|id| match &config.processors[id] {
        ProcessorConfig::Seal(own) => Some(own),
        _ => None,
    })
}
