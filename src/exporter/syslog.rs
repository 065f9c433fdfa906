//! Syslog (RFC 5424) for SIEMs: over TLS (RFC 5425), TCP (RFC 6587) and UDP (RFC 5426).
//!
//! Where each field goes is in docs/exporters/syslog.md. Syslog has no answer that says "stored". What tells most is the end
//! of a connection: a payload has one of its own, and counts as delivered when the receiver, having read all of it up to
//! the end, closes its side, too. Tried again: everything else. A message above the limit is cut over UDP, and goes to
//! the dead letters over TCP. Metrics have no place in syslog.

mod config;
mod header;
mod message;
mod seal;
mod siem;
mod structured;
mod wire;

use crate::exporter::outbound::unreadable;
use crate::exporter::{ExportError, Exporter, Payload};
use crate::http::client::BuildError;
use crate::otlp::Signal;

use message::{Messages, Style};
use wire::Wire;

pub use config::{Config, Confirm, Facility, Format, Network, Protocol, StructuredData, TooLong};

/// The exporter.
#[derive(Debug)]
pub struct Syslog {
    id: String,
    style: Style,
    wire: Wire,
}

impl Syslog {
    /// An exporter with these settings, named `id` in messages. Reads certificate files, opens no connection.
    ///
    /// # Errors
    /// When a certificate file cannot be read or a setting is not valid.
    pub fn new(id: &str, config: &Config) -> Result<Self, BuildError> {
        Ok(Self { id: id.to_owned(), style: Style::new(config), wire: Wire::new(id, config)? })
    }
}

impl Exporter for Syslog {
    async fn export(&self, payload: &Payload) -> Result<(), ExportError> {
        if payload.signal() == Signal::Metrics {
            return Err(ExportError::Permanent { cause: "syslog takes no metrics".to_owned() });
        }
        let lines = payload.to_lines().map_err(|error| unreadable(&error))?;
        let messages = Messages::encode(&lines, &self.style)?;
        self.wire.send(&messages).await?;
        if messages.cut > 0 {
            metrics::counter!("telseal_syslog_cut_records_total", "exporter" => self.id.clone())
                .increment(messages.cut);
        }
        if messages.refused.is_empty() { Ok(()) } else { Err(ExportError::Partial { refused: messages.refused }) }
    }

    async fn close(&self) -> Result<(), ExportError> {
        self.wire.close().await;
        Ok(())
    }
}
