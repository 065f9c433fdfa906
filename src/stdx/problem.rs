//! What is wrong with a configuration: all of it at once, each with a place and a hint.

use std::fmt;

/// One finding. `path` is dotted, as in `service.pipelines.logs.exporters[1]`; the loader adds the line and column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where in the document: keys joined by dots, list items as `[n]`. Empty for the document itself.
    pub path: String,
    /// Line and column, both from 1, once known.
    pub place: Option<(usize, usize)>,
    /// What is wrong: lower case, no full stop.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

/// Findings collected on the way; never thrown early.
#[derive(Debug, Default)]
pub struct Problems(pub Vec<Problem>);

/// A place in the document, handed down to a component's `check`.
#[derive(Debug, Clone)]
pub struct At(String);

impl At {
    /// The place with this dotted path.
    #[must_use]
    pub fn new(path: impl Into<String>) -> Self {
        Self(path.into())
    }

    /// The member `key` below this place.
    #[must_use]
    pub fn key(&self, key: impl fmt::Display) -> Self {
        if self.0.is_empty() { Self(key.to_string()) } else { Self(format!("{}.{key}", self.0)) }
    }

    /// The list item below this place, from 0.
    #[must_use]
    pub fn item(&self, index: usize) -> Self {
        Self(format!("{}[{index}]", self.0))
    }

    /// The dotted path.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.0
    }
}

impl Problems {
    /// Notes a finding.
    pub fn add(&mut self, at: &At, message: impl Into<String>) {
        self.0.push(Problem { path: at.0.clone(), place: None, message: message.into(), hint: None });
    }

    /// Notes a finding and what to do about it.
    pub fn add_hint(&mut self, at: &At, message: impl Into<String>, hint: impl Into<String>) {
        self.0.push(Problem { path: at.0.clone(), place: None, message: message.into(), hint: Some(hint.into()) });
    }

    /// True while nothing was found.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// The word of `known` that `word` was probably meant to be.
#[must_use]
pub fn did_you_mean<'k>(word: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    known
        .into_iter()
        .map(|candidate| (edits(word, candidate), candidate))
        // A word that shares no letter with the other is no slip of the hand.
        .filter(|(distance, candidate)| *distance <= 1 + candidate.len() / 4 && *distance < candidate.len())
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Levenshtein distance by bytes, one row at a time. Both words are short: they are configuration keys.
fn edits(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.bytes().enumerate() {
            let keep = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = keep.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::{At, did_you_mean};

    #[test]
    fn suggests_the_word_that_was_meant() {
        let known = ["otlp_http/next", "file", "debug"];
        assert_eq!(did_you_mean("otlp_htp/next", known), Some("otlp_http/next"));
        assert_eq!(did_you_mean("fiel", known), None.or(Some("file")));
        assert_eq!(did_you_mean("splunk_hec", known), None);
        assert_eq!(did_you_mean("x", ["a"]), None);
    }

    #[test]
    fn paths_read_like_the_document() {
        assert_eq!(At::new("service").key("pipelines").key("logs").item(1).path(), "service.pipelines.logs[1]");
    }
}
