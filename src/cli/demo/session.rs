//! Sends the bundled session as an agent's SDK would: logs over OTLP/gRPC, traces and metrics over OTLP/HTTP.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use bumpalo::Bump;

use crate::cli::demo::Failure;
use crate::cli::demo::found::agent_name;
use crate::exporter::otlp_grpc::{self, OtlpGrpc};
use crate::exporter::otlp_http::{self, OtlpHttp};
use crate::exporter::{Exporter, Payload};
use crate::http::client::{Address, Compression};
use crate::otlp::model::{Batch, Entity};
use crate::otlp::value::Value;
use crate::otlp::{self, DecodeError, Signal};

const LOGS: &[u8] = include_bytes!("../../../examples/session/logs.json");
const TRACES: &[u8] = include_bytes!("../../../examples/session/traces.json");
const METRICS: &[u8] = include_bytes!("../../../examples/session/metrics.json");

/// The field `name` of an instrumentation scope.
const SCOPE_NAME: u32 = 1;

/// What one signal of the session was made of, and how it went.
pub(super) struct Sent {
    pub(super) signal: Signal,
    pub(super) protocol: &'static str,
    pub(super) address: SocketAddr,
    /// Records by agent.
    pub(super) agents: BTreeMap<String, u64>,
}

/// Sends everything; done when all of it is acknowledged.
pub(super) async fn send(grpc: SocketAddr, http: SocketAddr) -> Result<Vec<Sent>, Failure> {
    let over_grpc = OtlpGrpc::new(
        "agent",
        &otlp_grpc::Config {
            endpoint: Address::new(format!("http://{grpc}")),
            compression: Compression::Gzip,
            ..otlp_grpc::Config::default()
        },
    )?;
    let over_http = OtlpHttp::new(
        "agent",
        &otlp_http::Config {
            endpoint: Address::new(format!("http://{http}")),
            compression: Compression::Gzip,
            ..otlp_http::Config::default()
        },
    )?;
    let mut sent = Vec::new();
    for (signal, json) in [(Signal::Logs, LOGS), (Signal::Traces, TRACES), (Signal::Metrics, METRICS)] {
        let request = otlp::json::to_protobuf(signal, json)?;
        let agents = count(signal, &request)?;
        let payload = Payload::from_otlp(signal, vec![request.into()], agents.values().sum());
        let (protocol, address) = if signal == Signal::Logs {
            over_grpc.export(&payload).await?;
            ("gRPC", grpc)
        } else {
            over_http.export(&payload).await?;
            ("HTTP", http)
        };
        sent.push(Sent { signal, protocol, address, agents });
    }
    Ok(sent)
}

/// Log records, spans or data points by the agent that made them.
fn count(signal: Signal, request: &[u8]) -> Result<BTreeMap<String, u64>, DecodeError> {
    let arena = Bump::new();
    let mut agents = BTreeMap::new();
    for group in Batch::open(signal, request, &arena)?.groups {
        let service = group.resource.get("service.name").as_ref().and_then(Value::as_str).unwrap_or("unknown");
        for scope in group.scopes {
            let agent = agent_name(service, scope.scope.text(SCOPE_NAME)?);
            let records: &mut u64 = agents.entry(agent).or_default();
            for mut record in scope.records {
                *records += records_in(signal, &mut record, &arena)?;
            }
        }
    }
    Ok(agents)
}

/// A metric has many data points; a log record and a span are one record each.
fn records_in<'a>(signal: Signal, record: &mut Entity<'a>, arena: &'a Bump) -> Result<u64, DecodeError> {
    if signal != Signal::Metrics {
        return Ok(1);
    }
    let mut points = 0;
    record.each_point(arena, &mut |_| {
        points += 1;
        Ok(())
    })?;
    Ok(points)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_record_of_the_session_belongs_to_a_named_agent() {
        for (signal, json) in [(Signal::Logs, LOGS), (Signal::Traces, TRACES), (Signal::Metrics, METRICS)] {
            let request = otlp::json::to_protobuf(signal, json).unwrap();
            let agents = count(signal, &request).unwrap();
            assert_eq!(agents.values().sum::<u64>(), otlp::count(signal, &request).unwrap());
            assert!(
                !agents.is_empty() && !agents.keys().any(|agent| agent.contains("unknown")),
                "{signal}: {agents:?}"
            );
        }
    }
}
