//! `datadog` against the same bad days, with each of its intakes.

use telseal::exporter::datadog::{Api, Config, Datadog, Logs};
use telseal::exporter::outbound::Endpoints;
use telseal::stdx::duration::Span;
use telseal::stdx::secret::Secret;

use crate::http::{Seen, conforms_in_its_own_format, decompressed};
use crate::{CREDENTIAL, TELEMETRY};

fn config(url: &str) -> Config {
    Config {
        api: Api { key: Secret::new(CREDENTIAL), ..Api::default() },
        logs: Logs { endpoint: Endpoints::one(url), ..Logs::default() },
        timeout: Span::secs(1),
        ..Config::default()
    }
}

/// How often the body of the records stands in a request.
fn bodies(seen: &Seen) -> Vec<u8> {
    assert_eq!(seen.line, "POST /api/v2/logs HTTP/1.1");
    let body = decompressed(seen);
    vec![b'.'; body.windows(TELEMETRY.len()).filter(|window| *window == TELEMETRY.as_bytes()).count()]
}

#[tokio::test]
async fn datadog_keeps_the_contract() {
    let make = |url: &str| Datadog::new("datadog/next", &config(url)).unwrap();
    conforms_in_its_own_format(make, bodies, &[b'.'; 10 * 50]).await;
}
