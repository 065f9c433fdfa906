//! What one exporter gets to see: only some records, and not all fields of them. The log has everything.
//!
//! It looks at a payload between the log and the exporter. What cannot be looked through is not sent (the delivery loop puts
//! it aside): to send it as it is would show what was to be hidden.

mod redacted;

use std::borrow::Cow;
use std::sync::Arc;

use bumpalo::Bump;
use bytes::Bytes;

use crate::exporter::Payload;
use crate::ledger::risk_of;
use crate::otlp::line::{Erasable, to_otlp, withhold};
use crate::otlp::model::Batch;
use crate::otlp::{self, DecodeError, Signal};
use crate::pipeline::chain::risk_code;
use crate::processor::Processor;
use crate::processor::filter::Filter;
use crate::processor::redact::Redact;

/// The restrictions of one exporter; the default has none.
#[derive(Debug, Clone, Default)]
pub struct Lens {
    /// Records below this risk are passed over: 1 `info` to 5 `critical`, 0 for all.
    pub min_risk: u8,
    /// What it drops is passed over, too.
    pub filter: Option<Arc<Filter>>,
    /// What is redacted in what it gets. Sealed records stay verifiable where all that is redacted is erasable fields.
    pub redact: Option<Arc<Redact>>,
    /// Erasable fields that stay here; their promises go out, so that the copy still verifies.
    pub withhold: Erasable,
}

impl Lens {
    /// True when nothing is held back.
    #[must_use]
    pub fn is_clear(&self) -> bool {
        self.chooses_all() && self.redact.is_none() && self.withhold.is_empty()
    }

    /// What is left of a payload; `None` when nothing is.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn look(&self, payload: Payload) -> Result<Option<Payload>, DecodeError> {
        if self.is_clear() {
            return Ok(Some(payload));
        }
        let signal = payload.signal();
        let Some(lines) = payload.lines() else { return self.look_at_otlp(&payload) };
        let chosen = self.choose(signal, lines)?;
        let seen = withhold(&chosen, &self.withhold)?;
        let seen = match &self.redact {
            Some(redact) => Cow::Owned(redacted::lines(redact, signal, &seen)?),
            None => seen,
        };
        let records = memchr::memchr_iter(b'\n', &seen).count() as u64;
        Ok((records > 0).then(|| Payload::from_lines(signal, Bytes::from(seen.into_owned()), records)))
    }

    fn chooses_all(&self) -> bool {
        self.min_risk == 0 && self.filter.is_none()
    }

    fn choose<'l>(&self, signal: Signal, lines: &'l [u8]) -> Result<Cow<'l, [u8]>, DecodeError> {
        if self.chooses_all() {
            return Ok(Cow::Borrowed(lines));
        }
        let mut chosen = Vec::new();
        for line in lines.split_inclusive(|byte| *byte == b'\n') {
            let risk = risk_of(line).ok_or(DecodeError::Line("it has no seal"))?;
            if risk >= self.min_risk && self.leaves_some(signal, line)? {
                chosen.extend_from_slice(line);
            }
        }
        Ok(Cow::Owned(chosen))
    }

    /// A sealed line goes out whole or not at all: what is left of it counts, not how much.
    fn leaves_some(&self, signal: Signal, line: &[u8]) -> Result<bool, DecodeError> {
        let Some(filter) = &self.filter else { return Ok(true) };
        let (request, arena) = (to_otlp(signal, line)?, Bump::new());
        let mut batch = Batch::open(signal, &request, &arena)?;
        filter.process(&mut batch)?;
        Ok(batch.records().next().is_some())
    }

    /// Records that are still OTLP have no promises: pipelines with erasable fields deliver lines.
    fn look_at_otlp(&self, payload: &Payload) -> Result<Option<Payload>, DecodeError> {
        if self.chooses_all() && self.redact.is_none() {
            return Ok(Some(payload.clone()));
        }
        let (signal, bytes, arena) = (payload.signal(), payload.otlp()?, Bump::new());
        let mut batch = Batch::open(signal, &bytes, &arena)?;
        if self.min_risk > 0 {
            for scope in batch.groups.iter_mut().flat_map(|group| &mut group.scopes) {
                scope.retain(|record| risk_code(record) >= self.min_risk);
            }
        }
        if let Some(filter) = &self.filter {
            filter.process(&mut batch)?;
        }
        if let Some(redact) = &self.redact {
            redact.process(&mut batch)?;
        }
        let mut out = Vec::with_capacity(bytes.len());
        batch.encode(&mut out);
        let records = otlp::count(signal, &out)?;
        Ok((records > 0).then(|| Payload::from_otlp(signal, vec![out.into()], records)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::{Drafts, Ledger, Options};
    use crate::otlp::json::to_protobuf;

    fn payload(levels: &[&str]) -> Payload {
        let record =
            |level: &&str| serde_json::json!({"attributes": [{"key": "risk.level", "value": {"stringValue": level}}]});
        let records: Vec<_> = levels.iter().map(record).collect();
        let request = serde_json::json!({"resourceLogs": [{"scopeLogs": [{"logRecords": records}]}]}).to_string();
        let bytes = to_protobuf(Signal::Logs, request.as_bytes()).unwrap();
        Payload::from_otlp(Signal::Logs, vec![bytes.into()], levels.len() as u64)
    }

    #[test]
    fn records_below_the_risk_are_passed_over() {
        let lens = Lens { min_risk: 4, ..Lens::default() };
        let seen = lens.look(payload(&["low", "high", "none of ours", "critical"])).unwrap().unwrap();
        assert_eq!(seen.records(), 2);
        let text = String::from_utf8_lossy(&seen.otlp().unwrap()).into_owned();
        assert!(text.contains("high") && text.contains("critical") && !text.contains("low"), "{text}");
        assert!(lens.look(payload(&["info"])).unwrap().is_none());
    }

    /// The lines as a ledger seals them.
    fn sealed(lines: &[u8]) -> Vec<u8> {
        let dir = tempfile::tempdir().unwrap();
        let (mut ledger, ..) = Ledger::open(dir.path(), &Options::new("test")).unwrap();
        for line in lines.trim_ascii_end().split(|byte| *byte == b'\n') {
            let mut drafts = Drafts::with_capacity(1, 100);
            drafts.buffer().extend_from_slice(line);
            drafts.finish_line(1, 0, 0).unwrap();
            ledger.append(&[drafts]).unwrap();
        }
        let text = std::fs::read_to_string(dir.path().join("00000000000000000000.ndjson")).unwrap();
        let sealed = text.lines().filter(|line| line.contains("\"signal\":"));
        sealed.flat_map(|line| [line, "\n"]).collect::<String>().into_bytes()
    }

    fn filtering(yaml: &str) -> Lens {
        let filter = Filter::new(&serde_saphyr::from_str(yaml).unwrap()).unwrap();
        Lens { filter: Some(Arc::new(filter)), ..Lens::default() }
    }

    #[test]
    fn a_filter_says_the_same_about_lines_as_about_otlp() {
        let levels = ["low", "high", "medium", "critical"];
        let otlp = payload(&levels);
        let lines = sealed(&otlp.to_lines().unwrap());
        let lines = Payload::from_lines(Signal::Logs, lines.into(), 4);
        for (yaml, wanted) in [
            ("{keep: [{key: risk.level, matches: '^(high|critical)$'}]}", vec!["high", "critical"]),
            (
                "{drop: [{key: risk.level, equals: high}], keep: [{key: risk.level, exists: true}]}",
                vec!["low", "medium", "critical"],
            ),
            ("{keep: [{key: other, exists: true}]}", vec![]),
        ] {
            for payload in [otlp.clone(), lines.clone()] {
                let seen = filtering(yaml).look(payload).unwrap();
                let text = seen.as_ref().map_or(Vec::new(), |seen| seen.to_lines().unwrap().to_vec());
                let text = String::from_utf8(text).unwrap();
                let found: Vec<_> = levels.into_iter().filter(|level| text.contains(&format!("\"{level}\""))).collect();
                let wanted: Vec<_> = levels.into_iter().filter(|level| wanted.contains(level)).collect();
                assert_eq!(
                    (found, seen.map_or(0, |seen| seen.records())),
                    (wanted.clone(), wanted.len() as u64),
                    "{yaml}"
                );
            }
        }
    }

    fn redacting(profile: &str) -> Lens {
        let yaml = format!("{{profile: {profile}, provenance: false}}");
        let redact = Redact::new(&serde_saphyr::from_str(&yaml).unwrap()).unwrap();
        Lens { redact: Some(Arc::new(redact)), ..Lens::default() }
    }

    #[test]
    fn a_line_is_redacted_by_withholding_or_loses_its_seal() {
        let open = r#"{"attributes":{"a":"b","prompt":{"$sd":"x"}},"body":"BODY","signal":"log","#;
        let seal = r#""audit.seal":{"disclosures":[["c2FsdA==","prompt","PROMPT"]],"entry":"ZQ==","n":1,"salt":"c2FsdA==","stream":"s"}}"#;
        let line = |body: &str, prompt: &str| format!("{open}{seal}\n").replace("BODY", body).replace("PROMPT", prompt);
        let look = |line: String| {
            let seen = redacting("pii").look(Payload::from_lines(Signal::Logs, line.into(), 1)).unwrap().unwrap();
            assert_eq!(seen.records(), 1);
            String::from_utf8(seen.lines().unwrap().to_vec()).unwrap()
        };
        assert_eq!(look(line("hello", "hi")), line("hello", "hi"));
        let withheld = look(line("hello", "mail bob@example.com"));
        assert_eq!(withheld, line("hello", "").replace(r#""disclosures":[["c2FsdA==","prompt",""]],"#, ""));
        let unsealed = look(line("mail bob@example.com", "eve@example.com"));
        assert!(unsealed.contains("mail [REDACTED:email]") && unsealed.contains("\"a\":\"b\""), "{unsealed}");
        assert!(["@example", "audit.seal", "c2FsdA", "ZQ=="].iter().all(|text| !unsealed.contains(text)), "{unsealed}");
    }

    #[test]
    fn records_that_are_still_otlp_are_redacted_as_they_are() {
        let seen = redacting("pii").look(payload(&["bob@example.com", "low"])).unwrap().unwrap();
        let text = String::from_utf8_lossy(&seen.otlp().unwrap()).into_owned();
        assert!(text.contains("[REDACTED:email]") && text.contains("low") && !text.contains("bob"), "{text}");
        assert_eq!(seen.records(), 2);
    }

    #[test]
    fn metrics_lose_points_as_otlp_and_stay_whole_as_lines() {
        let point =
            |name: &str| serde_json::json!({"asInt": 1, "attributes": [{"key": name, "value": {"intValue": 1}}]});
        let metric = serde_json::json!({"name": "m", "gauge": {"dataPoints": [point("a"), point("b")]}});
        let request = serde_json::json!({"resourceMetrics": [{"scopeMetrics": [{"metrics": [metric]}]}]}).to_string();
        let bytes = to_protobuf(Signal::Metrics, request.as_bytes()).unwrap();
        let otlp = Payload::from_otlp(Signal::Metrics, vec![bytes.into()], 2);
        let lens = filtering("{keep: [{key: a, exists: true}]}");
        assert_eq!(lens.look(otlp.clone()).unwrap().unwrap().records(), 1);
        let lines = sealed(&otlp.to_lines().unwrap());
        let lines = Payload::from_lines(Signal::Metrics, lines.into(), 1);
        assert_eq!(lens.look(lines.clone()).unwrap().unwrap().lines(), lines.lines());
        assert!(filtering("{drop: [{name: m}]}").look(lines).unwrap().is_none());
    }

    #[test]
    fn a_line_without_a_seal_is_not_sent() {
        let lens = Lens { min_risk: 1, ..Lens::default() };
        let payload = Payload::from_lines(Signal::Logs, Bytes::from_static(b"{}\n"), 1);
        assert!(lens.look(payload).is_err());
    }
}
