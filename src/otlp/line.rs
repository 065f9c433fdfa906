//! CR/1 canonical lines, both ways.

use crate::otlp::{DecodeError, Signal};

/// Reads sealed lines back as one request.
///
/// # Errors
/// When a line is damaged.
pub fn to_otlp(_signal: Signal, _lines: &[u8]) -> Result<Vec<u8>, DecodeError> {
    Err(DecodeError::Line("not written yet"))
}
