//! What is to be put where in a text. Findings and the redacted text both come from one list of edits, so they agree.

use std::ops::Range;

use crate::processor::redact::detector::Id;

/// One replacement. Lists of edits are in order and do not overlap.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Edit {
    /// What is replaced, in bytes of the text.
    pub(super) span: Range<usize>,
    /// Why.
    pub(super) id: Id,
    /// What stands there afterwards.
    pub(super) new: String,
}

/// The text after the edits. `None` when a span does not fit the text, which must then be replaced as a whole.
pub(super) fn apply(text: &str, edits: &[Edit]) -> Option<String> {
    let mut out = String::with_capacity(text.len() + 16 * edits.len());
    let mut passed = 0;
    for edit in edits {
        out.push_str(text.get(passed..edit.span.start)?);
        out.push_str(&edit.new);
        passed = edit.span.end;
    }
    out.push_str(text.get(passed..)?);
    Some(out)
}

/// Sorted; overlapping ones made one, which takes name and replacement of the one that comes first in the table.
pub(super) fn merged(mut edits: Vec<Edit>) -> Vec<Edit> {
    edits.sort_by_key(|edit| edit.span.start);
    edits.dedup_by(|next, last| {
        let overlap = next.span.start < last.span.end;
        if overlap {
            last.span.end = last.span.end.max(next.span.end);
            if next.id < last.id {
                last.id = next.id;
                std::mem::swap(&mut last.new, &mut next.new);
            }
        }
        overlap
    });
    edits
}

/// The edits that do at once what `first` and then `later` do. `later` are edits of the text that `first` made; where
/// one touches a replacement of `first`, it takes all of it.
pub(super) fn composed(first: Vec<Edit>, later: Vec<Edit>) -> Vec<Edit> {
    let mut out = Vec::with_capacity(first.len() + later.len());
    let mut first = first.into_iter().peekable();
    // By how much an offset behind the edits passed so far is larger in the made text: wrapping, it may be negative.
    let mut shift = 0_usize;
    for mut edit in later {
        let (mut start, mut end) = (None, None);
        while let Some(made) = first.next_if(|made| made.span.start.wrapping_add(shift) < edit.span.end) {
            let made_start = made.span.start.wrapping_add(shift);
            let made_end = made_start + made.new.len();
            if made_end > edit.span.start {
                start.get_or_insert(made.span.start.min(edit.span.start.wrapping_sub(shift)));
                end = (made_end >= edit.span.end).then_some(made.span.end);
                shift = shift.wrapping_add(made.new.len()).wrapping_sub(made.span.len());
            } else {
                shift = shift.wrapping_add(made.new.len()).wrapping_sub(made.span.len());
                out.push(made);
            }
        }
        edit.span =
            start.unwrap_or(edit.span.start.wrapping_sub(shift))..end.unwrap_or(edit.span.end.wrapping_sub(shift));
        out.push(edit);
    }
    out.extend(first);
    merged(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edit(span: Range<usize>, new: &str) -> Edit {
        Edit { span, id: Id(0), new: new.to_owned() }
    }

    #[test]
    fn two_rounds_of_edits_are_one() {
        let text = "abcdefghij";
        let first = vec![edit(1..3, "XXXX"), edit(5..6, "")];
        let made = apply(text, &first).unwrap();
        assert_eq!(made, "aXXXXdeghij");
        for (later, expected) in [
            (vec![edit(0..1, "-")], "-XXXXdeghij"),
            (vec![edit(1..5, "-")], "a-deghij"),
            (vec![edit(2..6, "-")], "a-eghij"),
            (vec![edit(0..2, "-")], "-deghij"),
            (vec![edit(5..8, "-"), edit(10..11, "+")], "aXXXX-hi+"),
            (vec![edit(8..9, "-")], "aXXXXdeg-ij"),
        ] {
            assert_eq!(apply(text, &composed(first.clone(), later)).unwrap(), expected);
        }
    }

    #[test]
    fn edits_that_overlap_become_one() {
        let edits = merged(vec![edit(4..8, "b"), edit(0..2, "a"), edit(6..9, "c")]);
        assert_eq!(edits, vec![edit(0..2, "a"), edit(4..9, "b")]);
    }

    #[test]
    fn a_span_that_cuts_a_character_is_no_edit() {
        assert_eq!(apply("é", &[edit(0..1, "")]), None);
    }
}
