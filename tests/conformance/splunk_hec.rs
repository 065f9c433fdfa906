//! `splunk_hec` keeps the contract of all exporters over HTTP; what is its own is in `tests/splunk_hec.rs`.

use telseal::exporter::splunk_hec::{Config, SplunkHec};

use crate::http::{Seen, conforms_in_its_own_words, decompressed};
use crate::{CREDENTIAL, TELEMETRY};

fn exporter(url: &str, compression: &str) -> SplunkHec {
    let config = serde_json::json!({"endpoint": url, "token": CREDENTIAL, "timeout": "1s", "compression": compression});
    SplunkHec::new("splunk_hec/siem", &serde_json::from_value::<Config>(config).unwrap()).unwrap()
}

fn all_arrived(case: &str, seen: &Seen) {
    assert_eq!(seen.line, "POST /services/collector/event HTTP/1.1", "{case}");
    assert_eq!(seen.headers["authorization"], format!("Splunk {CREDENTIAL}"), "{case}");
    let body = decompressed(seen);
    let events: Vec<serde_json::Value> =
        serde_json::Deserializer::from_slice(&body).into_iter().collect::<Result<_, _>>().unwrap();
    let wanted = TELEMETRY.repeat(50);
    assert!(events.len() == 10 && events.iter().all(|event| event["event"] == *wanted), "{case}: {events:?}");
}

#[tokio::test]
async fn splunk_hec_keeps_the_contract() {
    for compression in ["none", "gzip"] {
        conforms_in_its_own_words(|url| exporter(url, compression), all_arrived).await;
    }
}
