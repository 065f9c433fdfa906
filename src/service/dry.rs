//! The processors of a configuration without its receivers, logs and exporters: what commands run to show or to test what
//! a pipeline does. Nothing is bound or written; correlations begin empty; `seal` seals nothing here.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::config::{Config, PipelineId};
use crate::otlp::sender::Sender;
use crate::otlp::{Signal, count};
use crate::pipeline::account::Account;
use crate::pipeline::chain::{Chain, Processed, Ran};
use crate::service::StartError;
use crate::service::processors::Processors;

/// The pipelines of a configuration, each as far as its log.
pub struct Dry(Vec<(PipelineId, Chain)>);

/// What came of a request.
#[derive(Debug, Default)]
pub struct Passed {
    /// What would be stored, as an OTLP request; nothing where every record was dropped.
    pub otlp: Option<Bytes>,
    /// Records that came in.
    pub received: u64,
    /// Records left, added ones among them.
    pub records: u64,
    /// Records made by processors.
    pub added: u64,
    /// Records taken out, by reason.
    pub dropped: BTreeMap<String, u64>,
    /// Records changed, by processor.
    pub changed: BTreeMap<String, u64>,
}

impl Dry {
    /// Builds the processors of every pipeline.
    ///
    /// # Errors
    /// When a file that a processor needs cannot be used.
    pub fn build(config: &Config) -> Result<Self, StartError> {
        let processors = Processors::build(config, &Processors::default(), false)?;
        let chain = |id: &PipelineId| (id.clone(), Chain::new(id.signal, processors.steps(id, config), None));
        Ok(Self(config.service.pipelines.keys().map(chain).collect()))
    }

    /// The pipeline of that name; without a name, the only one for the signal.
    ///
    /// # Errors
    /// Says which pipelines there are.
    pub fn choose(&self, name: Option<&str>, signal: Signal) -> Result<&PipelineId, String> {
        let fitting: Vec<_> = self.0.iter().map(|(id, _)| id).filter(|id| id.signal == signal).collect();
        let names = || fitting.iter().map(|id| format!("`{id}`")).collect::<Vec<_>>().join(", ");
        match (name, fitting.as_slice()) {
            (None, []) => Err(format!("no pipeline takes {signal}")),
            (None, [only]) => Ok(only),
            (None, _) => Err(format!("several pipelines take {signal}, name one of {}", names())),
            (Some(name), _) => match fitting.iter().find(|id| id.to_string() == name) {
                Some(id) => Ok(id),
                None if fitting.is_empty() => Err(format!("no pipeline takes {signal}")),
                None => Err(format!("no pipeline `{name}` takes {signal}; there is {}", names())),
            },
        }
    }

    /// Takes a request through a pipeline's processors.
    ///
    /// # Errors
    /// When the bytes are not what they claim to be.
    pub fn run(&self, pipeline: &PipelineId, body: &Bytes) -> Result<Passed, String> {
        let no_pipeline = || format!("there is no pipeline `{pipeline}`");
        let (_, chain) = self.0.iter().find(|(id, _)| id == pipeline).ok_or_else(no_pipeline)?;
        let received = count(pipeline.signal, body).map_err(|error| error.to_string())?;
        let account = Account::new(&pipeline.to_string());
        let ran = chain.run(body, received, Sender::unknown(), &account).map_err(|error| error.to_string())?;
        let Ran { processed, added, dropped, .. } = ran;
        let records = processed.records();
        let otlp = if let Processed::Otlp(bytes, _) = processed { Some(bytes) } else { None };
        let dropped = dropped.into_iter().map(|(reason, records)| (reason.to_owned(), records)).collect();
        Ok(Passed { otlp, received, records, added, dropped, changed: account.changed() })
    }
}
