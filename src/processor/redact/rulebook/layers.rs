//! The ways in which a text may stand within a text, opened within bounds.

use crate::processor::redact::decode::{self, Decoded};
use crate::processor::redact::detector::bytes::steps;
use crate::processor::redact::edit::{Edit, apply, composed, merged};
use crate::processor::redact::json;
use crate::processor::redact::rulebook::{Rulebook, Unscanned};

/// JSON in a string in JSON in a string: so deep and no deeper.
const JSON_MAX: u8 = 4;
/// URL encoding or base64 within one another.
const DECODED_MAX: u8 = 2;
/// Backslash escapes within one another. More of those that spell ASCII are hiding.
const ESCAPED_MAX: u8 = 3;
const ROUNDS_MAX: usize = 4;
/// How often each byte may be looked at, and how much any text may cost.
const WORK_FACTOR: usize = 48;
const WORK_MIN: usize = 64 * 1024;

/// How deep within other texts a text was found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in super::super) struct Depth {
    json: u8,
    decoded: u8,
    escaped: u8,
}

impl Depth {
    /// One JSON string deeper.
    pub(in super::super) const fn in_json(self) -> Self {
        Self { json: self.json + 1, ..self }
    }

    /// True for a text that does not stand there literally: who decoded it looks at the result again.
    const fn is_decoded(self) -> bool {
        self.decoded > 0 || self.escaped > 0
    }
}

/// What is left of the budget of a text, in bytes to look at.
#[derive(Debug)]
pub(in super::super) struct Work(usize);

impl Work {
    pub(super) fn on(text: &str) -> Self {
        Self(text.len().saturating_mul(WORK_FACTOR).saturating_add(WORK_MIN))
    }

    fn charge(&mut self, text: &str) -> Result<(), Unscanned> {
        steps::add(text.len());
        self.0 = self.0.checked_sub(text.len()).ok_or(Unscanned)?;
        Ok(())
    }
}

impl Rulebook {
    /// What is to be replaced in a text that may be JSON.
    pub(in super::super) fn nested(
        &self,
        key: &str,
        text: &str,
        depth: Depth,
        work: &mut Work,
    ) -> Result<Vec<Edit>, Unscanned> {
        if depth.json < JSON_MAX && json::is_likely(text) {
            work.charge(text)?;
            match json::edits(self, text, depth, work) {
                Ok(edits) => return Ok(edits),
                Err(json::Failure::Unscanned) => return Err(Unscanned),
                Err(json::Failure::NotJson) => {}
            }
        }
        self.plain(key, text, depth, work)
    }

    /// What is to be replaced in a text that is no JSON.
    pub(super) fn plain(&self, key: &str, text: &str, depth: Depth, work: &mut Work) -> Result<Vec<Edit>, Unscanned> {
        let mut edits = self.round(key, text, depth, work)?;
        if edits.is_empty() {
            return Ok(edits);
        }
        let mut rounds = if depth.is_decoded() { 0 } else { ROUNDS_MAX };
        while rounds > 0 {
            let masked = apply(text, &edits).ok_or(Unscanned)?;
            let later = self.round(key, &masked, depth, work)?;
            if later.is_empty() {
                break;
            }
            edits = composed(edits, later);
            rounds -= 1;
            if rounds == 0 {
                return Err(Unscanned);
            }
        }
        Ok(self.dropped(text, edits))
    }

    /// One edit for the whole text, when a finding takes it with it.
    fn dropped(&self, text: &str, edits: Vec<Edit>) -> Vec<Edit> {
        match edits.iter().find(|edit| self.drops(edit.id)) {
            Some(edit) => vec![Edit { span: 0..text.len(), id: edit.id, new: String::new() }],
            None => edits,
        }
    }

    fn round(&self, key: &str, text: &str, depth: Depth, work: &mut Work) -> Result<Vec<Edit>, Unscanned> {
        work.charge(text)?;
        let mut edits = self.found(key, text)?;
        if depth.decoded < DECODED_MAX {
            let deeper = Depth { decoded: depth.decoded + 1, ..depth };
            self.in_base64(text, deeper, work, &mut edits)?;
            if let Some(decoded) = decode::percents(text) {
                self.in_decoded(&decoded, deeper, work, &mut edits, str::to_owned)?;
            }
        }
        if depth.escaped < ESCAPED_MAX {
            if let Some(decoded) = decode::backslashes(text) {
                let deeper = Depth { escaped: depth.escaped + 1, ..depth };
                self.in_decoded(&decoded, deeper, work, &mut edits, json::escaped)?;
            }
        } else if decode::hides_ascii(text) {
            return Err(Unscanned);
        }
        Ok(merged(edits))
    }

    fn in_decoded(
        &self,
        decoded: &Decoded,
        depth: Depth,
        work: &mut Work,
        edits: &mut Vec<Edit>,
        write: fn(&str) -> String,
    ) -> Result<(), Unscanned> {
        for edit in self.nested("", &decoded.text, depth, work)? {
            edits.push(Edit { span: decoded.written(&edit.span), id: edit.id, new: write(&edit.new) });
        }
        Ok(())
    }

    /// Base64 with a finding in it is replaced as a whole: nobody reads the rest of it.
    fn in_base64(&self, text: &str, depth: Depth, work: &mut Work, edits: &mut Vec<Edit>) -> Result<(), Unscanned> {
        let mut runs = Vec::new();
        decode::each_base64(text.as_bytes(), |run| runs.push(run));
        for run in runs {
            let Some((span, decoded)) = decode::base64_text(text.as_bytes(), &run) else { continue };
            if let Some(id) = self.nested("", &decoded, depth, work)?.iter().map(|edit| edit.id).min() {
                edits.push(Edit { span, id, new: self.mask(id).to_owned() });
            }
        }
        Ok(())
    }
}
