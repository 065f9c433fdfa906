//! What one exporter gets to see: only records of some risk, and not all fields of them. The log has everything.
//!
//! It looks at a payload between the log and the exporter. What cannot be looked through is not sent (the delivery loop puts
//! it aside): to send it as it is would show what was to be hidden.

use std::borrow::Cow;

use bumpalo::Bump;
use bytes::Bytes;

use crate::exporter::Payload;
use crate::ledger::risk_of;
use crate::otlp::DecodeError;
use crate::otlp::line::{Erasable, withhold};
use crate::otlp::model::Batch;
use crate::pipeline::chain::risk_code;

/// The restrictions of one exporter; the default has none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lens {
    /// Records below this risk are passed over: 1 `info` to 5 `critical`, 0 for all.
    pub min_risk: u8,
    /// Erasable fields that stay here; their promises go out, so that the copy still verifies.
    pub withhold: Erasable,
}

impl Lens {
    /// What is left of a payload; `None` when nothing is.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn look(&self, payload: Payload) -> Result<Option<Payload>, DecodeError> {
        if *self == Self::default() {
            return Ok(Some(payload));
        }
        let signal = payload.signal();
        let Some(lines) = payload.lines() else { return self.look_at_otlp(&payload) };
        let chosen = self.choose(lines)?;
        let seen = withhold(&chosen, &self.withhold)?;
        let records = memchr::memchr_iter(b'\n', &seen).count() as u64;
        Ok((records > 0).then(|| Payload::from_lines(signal, Bytes::from(seen.into_owned()), records)))
    }

    fn choose<'l>(&self, lines: &'l [u8]) -> Result<Cow<'l, [u8]>, DecodeError> {
        if self.min_risk == 0 {
            return Ok(Cow::Borrowed(lines));
        }
        let mut chosen = Vec::new();
        for line in lines.split_inclusive(|byte| *byte == b'\n') {
            let risk = risk_of(line).ok_or(DecodeError::Line("it has no seal"))?;
            if risk >= self.min_risk {
                chosen.extend_from_slice(line);
            }
        }
        Ok(Cow::Owned(chosen))
    }

    /// Records that are still OTLP have no promises: pipelines with erasable fields deliver lines.
    fn look_at_otlp(&self, payload: &Payload) -> Result<Option<Payload>, DecodeError> {
        if self.min_risk == 0 {
            return Ok(Some(payload.clone()));
        }
        let (signal, bytes, arena) = (payload.signal(), payload.otlp()?, Bump::new());
        let mut batch = Batch::open(signal, &bytes, &arena)?;
        let mut records = 0;
        for scope in batch.groups.iter_mut().flat_map(|group| &mut group.scopes) {
            scope.retain(|record| risk_code(record) >= self.min_risk);
            records += scope.records.len() as u64;
        }
        let mut out = Vec::with_capacity(bytes.len());
        batch.encode(&mut out);
        Ok((records > 0).then(|| Payload::from_otlp(signal, vec![out.into()], records)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::otlp::Signal;
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

    #[test]
    fn a_line_without_a_seal_is_not_sent() {
        let lens = Lens { min_risk: 1, ..Lens::default() };
        let payload = Payload::from_lines(Signal::Logs, Bytes::from_static(b"{}\n"), 1);
        assert!(lens.look(payload).is_err());
    }
}
