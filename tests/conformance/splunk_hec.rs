//! `splunk_hec` keeps the contract of all exporters over HTTP; what is its own is in `tests/splunk_hec.rs`.

use telseal::exporter::splunk_hec::{Config, SplunkHec};

use crate::http::{Seen, conforms_in_its_own_format, decompressed};
use crate::{CREDENTIAL, TELEMETRY};

fn exporter(url: &str, compression: &str) -> SplunkHec {
    let config = serde_json::json!({"endpoint": url, "token": CREDENTIAL, "timeout": "1s", "compression": compression});
    SplunkHec::new("splunk_hec/siem", &serde_json::from_value::<Config>(config).unwrap()).unwrap()
}

/// The bodies of all events, end to end.
fn bodies(seen: &Seen) -> Vec<u8> {
    assert_eq!(seen.line, "POST /services/collector/event HTTP/1.1");
    assert_eq!(seen.headers["authorization"], format!("Splunk {CREDENTIAL}"));
    let body = decompressed(seen);
    let events = serde_json::Deserializer::from_slice(&body).into_iter::<serde_json::Value>();
    events.flat_map(|event| event.unwrap()["event"].as_str().unwrap().as_bytes().to_vec()).collect()
}

#[tokio::test]
async fn splunk_hec_keeps_the_contract() {
    let sent = TELEMETRY.repeat(50 * 10);
    for compression in ["none", "gzip"] {
        conforms_in_its_own_format(|url| exporter(url, compression), bodies, sent.as_bytes()).await;
    }
}
