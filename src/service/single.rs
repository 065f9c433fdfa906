//! One exporter of a configuration, without pipelines: for commands that send something once.

use crate::config::{Config, Id};
use crate::exporter::{ExportError, Payload};
use crate::service::exporters::AnyExporter;
use crate::service::{StartError, exporters};

/// The exporter.
pub struct Single(AnyExporter);

impl Single {
    /// Builds it. Nothing is connected yet.
    ///
    /// # Errors
    /// When there is none of that id, or it cannot be built.
    pub fn open(config: &Config, id: &Id) -> Result<Self, StartError> {
        exporters::one(config, id).map(Self)
    }

    /// Sends a payload once.
    ///
    /// # Errors
    /// What the destination made of it.
    pub async fn export(&self, payload: &Payload) -> Result<(), ExportError> {
        self.0.export(payload).await
    }

    /// Lets it finish what it has open.
    ///
    /// # Errors
    /// When that fails.
    pub async fn close(&self) -> Result<(), ExportError> {
        self.0.close().await
    }
}
