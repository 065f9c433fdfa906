//! `loki` against the same bad days.

use telseal::exporter::loki::{Config, Encoding, Loki};
use telseal::exporter::outbound::Endpoints;
use telseal::stdx::duration::Span;
use telseal::stdx::secret::Secret;

use crate::http::{Seen, conforms_in_its_own_format, decompressed};
use crate::{CREDENTIAL, TELEMETRY};

fn config(url: &str, encoding: Encoding) -> Config {
    Config {
        endpoint: Endpoints::one(url),
        encoding,
        headers: [("authorization".to_owned(), Secret::new(format!("Basic {CREDENTIAL}")))].into(),
        timeout: Span::secs(1),
        ..Config::default()
    }
}

/// How often the body of the records stands in a request.
fn bodies(seen: &Seen) -> Vec<u8> {
    assert_eq!(seen.line, "POST /loki/api/v1/push HTTP/1.1");
    let body = decompressed(seen);
    vec![b'.'; body.windows(TELEMETRY.len()).filter(|window| *window == TELEMETRY.as_bytes()).count()]
}

#[tokio::test]
async fn loki_keeps_the_contract() {
    for encoding in [Encoding::Protobuf, Encoding::Json] {
        let make = |url: &str| Loki::new("loki/next", &config(url, encoding)).unwrap();
        conforms_in_its_own_format(make, bodies, &[b'.'; 10 * 50]).await;
    }
}
