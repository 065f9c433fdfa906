//! Memory that is limited from outside (a container's cgroup) is shared out before anything is built, so that too much load is
//! refused at the door and the kernel never has to kill the process.
//!
//! Limits of the configuration that do not fit are made smaller, and a warning says so; nothing is ever made larger.

use crate::config::{Config, ReceiverConfig, Storage};
use crate::pipeline::recent;
use crate::stdx::bytesize::ByteSize;

/// What the process takes without any load: code, rules, threads, buffers of connections.
const IDLE_BYTES: u64 = 28 << 20;
/// Payloads under way to destinations, with the forms they are sent in.
const DELIVERY_BYTES: u64 = 8 << 20;
/// A request in a chain of all processors takes about so many times its size: the request, the index over it, the edited one,
/// its lines, and what an exporter makes of it.
const COPIES: u64 = 12;
/// Less than this would refuse ordinary requests of SDKs.
const IN_FLIGHT_MIN: u64 = 2 << 20;

/// Makes the configuration fit into `limit` bytes of memory.
pub(super) fn fit(config: &mut Config, limit: u64) {
    let pipelines = config.service.pipelines.values();
    let sealed = pipelines.clone().filter(|pipeline| pipeline.sealed).count() as u64;
    let rings = pipelines.filter(|pipeline| pipeline.storage == Storage::Memory).count() as u64;
    // Sealed pipelines keep their newest records for exporters that want OTLP.
    let spare = limit.saturating_sub(IDLE_BYTES + DELIVERY_BYTES + sealed * recent::bytes_max(Some(limit)) as u64);
    // Rings hold what is stored, requests under way what is not yet: half of the spare memory each, where there are rings.
    let for_requests = if rings > 0 { spare / 2 } else { spare };
    let in_flight = (for_requests / COPIES).max(IN_FLIGHT_MIN);
    let ring = (spare / 2 / rings.max(1)).max(IN_FLIGHT_MIN);
    let limit = ByteSize(limit);
    for (id, pipeline) in &mut config.service.pipelines {
        if pipeline.storage == Storage::Memory {
            shrink(&format!("service.pipelines.{id}.hold_bytes_max"), &mut pipeline.hold_bytes_max, ring, limit);
        }
    }
    if shrink("service.in_flight_bytes_max", &mut config.service.in_flight_bytes_max, in_flight, limit) {
        // A compressed request and its content are in memory together, and must fit: else their sender would come back for ever.
        shrink_messages(config, in_flight / 2, limit);
    }
}

fn shrink_messages(config: &mut Config, message: u64, limit: ByteSize) {
    for (id, receiver) in &mut config.receivers {
        let ReceiverConfig::Otlp(otlp) = receiver else { continue };
        let key = format!("receivers.{id}.protocols");
        if let Some(http) = &mut otlp.protocols.http {
            shrink(&format!("{key}.http.max_request_body_size"), &mut http.max_request_body_size, message, limit);
        }
        if let Some(grpc) = &mut otlp.protocols.grpc {
            let mut size = ByteSize::mib(grpc.max_recv_msg_size_mib);
            shrink(&format!("{key}.grpc.max_recv_msg_size_mib"), &mut size, message, limit);
            grpc.max_recv_msg_size_mib = size.0 >> 20;
        }
    }
}

/// True when the size was too large.
fn shrink(key: &str, size: &mut ByteSize, max: u64, limit: ByteSize) -> bool {
    let fits = size.0 <= max;
    if !fits {
        tracing::warn!("{key}: {size} does not fit into {limit} of memory, {} is used", ByteSize(max));
        *size = ByteSize(max);
    }
    !fits
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(pipelines: &str) -> Config {
        let text = format!(
            "receivers: {{otlp: {{protocols: {{grpc: {{}}, http: {{}}}}}}}}
processors: {{seal: {{}}}}
exporters: {{debug: {{}}}}
service:
  data_dir: d
  pipelines: {{{pipelines}}}
"
        );
        crate::config::parse(&text).unwrap()
    }

    fn sizes(config: &Config) -> (u64, u64, u64) {
        let Some(ReceiverConfig::Otlp(otlp)) = config.receivers.values().next() else { panic!("no otlp") };
        let http = otlp.protocols.http.as_ref().unwrap().max_request_body_size.0;
        (
            config.service.in_flight_bytes_max.0 >> 20,
            http >> 20,
            otlp.protocols.grpc.as_ref().unwrap().max_recv_msg_size_mib,
        )
    }

    const SEALED: &str = "logs: {receivers: [otlp], processors: [seal], exporters: [debug]}";

    #[test]
    fn a_small_container_gets_small_limits_and_a_large_one_those_of_the_configuration() {
        for (limit, wanted) in [(64, (2, 1, 1)), (16, (2, 1, 1)), (512, (32, 20, 20)), (1 << 20, (32, 20, 20))] {
            let mut config = config(
                "logs: {receivers: [otlp], processors: [seal], exporters: [debug]}, traces: {receivers: [otlp], processors: [], exporters: [debug], storage: disk}",
            );
            fit(&mut config, limit << 20);
            assert_eq!(sizes(&config), wanted, "{limit} MiB");
        }
    }

    #[test]
    fn rings_in_memory_share_what_requests_leave() {
        let rings = "traces: {receivers: [otlp], exporters: [debug]}, metrics: {receivers: [otlp], exporters: [debug]}";
        let mut config = config(&format!("{SEALED}, {rings}"));
        fit(&mut config, 64 << 20);
        let pipelines = config.service.pipelines.values();
        let held: Vec<u64> = pipelines.map(|pipeline| pipeline.hold_bytes_max.0 >> 20).collect();
        assert_eq!((sizes(&config).0, held), (2, vec![4096, 6, 6]));
    }

    #[test]
    fn nothing_is_made_larger() {
        let mut config = config(SEALED);
        config.service.in_flight_bytes_max = ByteSize::mib(1);
        fit(&mut config, 64 << 20);
        assert_eq!(sizes(&config), (1, 20, 20));
    }
}
