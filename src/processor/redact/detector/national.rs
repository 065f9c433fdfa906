//! Numbers that a state, or what serves as one, gives to persons: by part of the world, each with its check.
//!
//! All hang on a word of context, because a number without one is any number.

pub(super) mod asia;
pub(super) mod britain;
pub(super) mod central_europe;
pub(super) mod commonwealth;
pub(super) mod india;
pub(super) mod latin_america;
pub(super) mod nordic;
pub(super) mod southern_europe;
pub(super) mod us;
