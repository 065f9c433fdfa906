//! `type/name`: how a configuration calls its components.

use std::fmt;

/// The key of a component: its kind, and a name where there are several of a kind.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id {
    /// The part before the slash, as written.
    pub kind: String,
    /// The part after the slash.
    pub name: Option<String>,
}

impl Id {
    /// Reads `otlp` or `otlp/edge`; `None` when it is neither.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (kind, name) = text.split_once('/').map_or((text, None), |(kind, name)| (kind, Some(name)));
        let kind_is_word = kind.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        (!kind.is_empty() && kind_is_word && name.is_none_or(is_name))
            .then(|| Self { kind: kind.to_owned(), name: name.map(str::to_owned) })
    }
}

/// Names become folders, files and labels: nothing that means something there.
pub(super) fn is_name(name: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    !name.is_empty() && name.len() <= 64 && !name.starts_with('.') && name.bytes().all(fits)
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(name) => write!(f, "{}/{name}", self.kind),
            None => f.write_str(&self.kind),
        }
    }
}
