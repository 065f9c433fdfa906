//! Datadog's intakes as they are documented, strict about what they are sent.

use prost::Message;
use serde_json::Value;

use crate::fake::Asked;

/// The entries of a request of logs: <https://docs.datadoghq.com/api/latest/logs/#send-logs>.
pub(crate) fn logs_of(asked: &Asked, key: &str) -> Vec<Value> {
    assert_eq!(asked.line, "POST /api/v2/logs");
    check(asked, key, "application/json");
    assert!(asked.body.len() <= 5_000_000, "{} bytes", asked.body.len());
    let entries: Vec<Value> = serde_json::from_slice(&asked.body).unwrap();
    assert!((1..=1000).contains(&entries.len()), "{} entries", entries.len());
    for entry in &entries {
        assert!(entry.to_string().len() <= 1_000_000);
        for name in ["message", "ddsource", "ddtags", "hostname", "service", "status"] {
            assert!(entry.get(name).is_none_or(Value::is_string), "{name}");
        }
    }
    entries
}

/// The series of a request: <https://docs.datadoghq.com/api/latest/metrics/#submit-metrics>.
pub(crate) fn points_of(asked: &Asked, key: &str) -> Vec<Value> {
    assert_eq!(asked.line, "POST /api/v2/series");
    check(asked, key, "application/json");
    assert!(asked.body.len() <= 5_242_880);
    let mut request: Value = serde_json::from_slice(&asked.body).unwrap();
    let series = std::mem::take(request["series"].as_array_mut().unwrap());
    assert!(!series.is_empty());
    for one in &series {
        assert!(!one["metric"].as_str().unwrap().is_empty());
        assert!(matches!(one["type"].as_u64(), Some(1..=3)));
        assert_eq!(one["interval"].is_u64(), one["type"] != 3, "counts and rates have an interval");
        for point in one["points"].as_array().unwrap() {
            assert!(point["timestamp"].is_u64() && point["value"].is_number());
        }
    }
    series
}

#[derive(Clone, PartialEq, Message)]
struct SketchPayload {
    #[prost(message, repeated, tag = "1")]
    sketches: Vec<Sketch>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Sketch {
    #[prost(string, tag = "1")]
    pub(crate) metric: String,
    #[prost(string, tag = "2")]
    pub(crate) host: String,
    #[prost(string, repeated, tag = "4")]
    pub(crate) tags: Vec<String>,
    #[prost(message, repeated, tag = "7")]
    pub(crate) dogsketches: Vec<Dogsketch>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Dogsketch {
    #[prost(int64, tag = "1")]
    pub(crate) ts: i64,
    #[prost(int64, tag = "2")]
    pub(crate) cnt: i64,
    #[prost(double, tag = "3")]
    pub(crate) min: f64,
    #[prost(double, tag = "4")]
    pub(crate) max: f64,
    #[prost(double, tag = "5")]
    pub(crate) avg: f64,
    #[prost(double, tag = "6")]
    pub(crate) sum: f64,
    #[prost(sint32, repeated, tag = "7")]
    pub(crate) k: Vec<i32>,
    #[prost(uint32, repeated, tag = "8")]
    pub(crate) n: Vec<u32>,
}

impl Dogsketch {
    /// As whoever reads a sketch finds it: the value at which the key of that rank begins.
    pub(crate) fn quantile(&self, q: f64) -> f64 {
        let gamma: f64 = 1.0 + 2.0 / 128.0;
        let bias = 1 - (1e-9_f64.ln() / gamma.ln()).floor() as i32;
        let rank = (q * (self.cnt - 1) as f64).round() as u64;
        let mut seen = 0;
        for (k, n) in self.k.iter().zip(&self.n) {
            seen += u64::from(*n);
            if seen > rank {
                return if *k == 0 { 0.0 } else { f64::from(k.signum()) * gamma.powi(k.abs() - bias) };
            }
        }
        self.max
    }
}

/// The distributions of a request of `/api/beta/sketches`.
pub(crate) fn sketches_of(asked: &Asked, key: &str) -> Vec<Sketch> {
    assert_eq!(asked.line, "POST /api/beta/sketches");
    check(asked, key, "application/x-protobuf");
    assert!(asked.headers.contains_key("dd-agent-payload"));
    let payload = SketchPayload::decode(&*asked.body).unwrap();
    for sketch in payload.sketches.iter().flat_map(|sketch| &sketch.dogsketches) {
        assert_eq!(sketch.k.len(), sketch.n.len());
        assert!(sketch.k.windows(2).all(|two| two[0] < two[1]), "keys ascend");
        assert_eq!(sketch.n.iter().map(|n| i64::from(*n)).sum::<i64>(), sketch.cnt);
    }
    payload.sketches
}

fn check(asked: &Asked, key: &str, content_type: &str) {
    assert_eq!(asked.headers["dd-api-key"], key);
    assert_eq!(asked.headers["content-type"], content_type);
}
