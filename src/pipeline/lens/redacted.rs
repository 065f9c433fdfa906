//! Sealed lines for a destination that may see less than others.
//!
//! Three cases, line by line. Nothing to redact: the line leaves as it was sealed. All of it in erasable fields: these are
//! withheld, and the copy still verifies. Anything elsewhere: the record leaves redacted and without its seal, since a seal
//! over other bytes proves nothing; it keeps its place in the stream, and its original is in the log. The salt and the
//! digest stay here with the seal: with them, what was redacted could be found by guessing.

use bumpalo::Bump;

use crate::otlp::line::{self, LineWriter, to_otlp, withhold_where};
use crate::otlp::model::Batch;
use crate::otlp::{DecodeError, Signal};
use crate::processor::Processor;
use crate::processor::redact::Redact;

/// The attributes of a seal that give its content away to who guesses.
const SEAL: [&str; 3] = [line::SALT, line::ENTRY, line::DISCLOSED];

/// The lines as the destination may see them: as many as there are, each ended by a line feed.
pub(super) fn lines(redact: &Redact, signal: Signal, lines: &[u8]) -> Result<Vec<u8>, DecodeError> {
    let shown = withhold_where(lines, &mut |member| !redact.text(member).1.is_empty())?;
    let mut out = Vec::with_capacity(shown.len());
    for line in shown.split_inclusive(|byte| *byte == b'\n') {
        let (request, arena) = (to_otlp(signal, line)?, Bump::new());
        let mut batch = Batch::open(signal, &request, &arena)?;
        redact.process(&mut batch)?;
        if batch.is_edited() {
            put_unsealed(signal, &mut batch, &mut out)?;
        } else {
            out.extend_from_slice(line);
        }
    }
    Ok(out)
}

fn put_unsealed(signal: Signal, batch: &mut Batch<'_>, out: &mut Vec<u8>) -> Result<(), DecodeError> {
    for record in batch.records() {
        SEAL.iter().for_each(|key| {
            record.remove(key);
        });
    }
    let mut request = Vec::new();
    batch.encode(&mut request);
    line::write_request(&mut LineWriter::default(), signal, &request, &mut |line, _| {
        out.extend_from_slice(line);
        out.push(b'\n');
    })
}
