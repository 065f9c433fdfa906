//! Colour for a terminal, and none for anything else.

/// Puts colour around text, or leaves it alone. Pad first: escapes have no width.
#[derive(Debug, Clone, Copy)]
pub(super) struct Paint {
    on: bool,
}

impl Paint {
    pub(super) const fn new(on: bool) -> Self {
        Self { on }
    }

    pub(super) fn heading(self, text: &str) -> String {
        self.put("1;36", text)
    }

    pub(super) fn bold(self, text: &str) -> String {
        self.put("1", text)
    }

    pub(super) fn faint(self, text: &str) -> String {
        self.put("2", text)
    }

    pub(super) fn good(self, text: &str) -> String {
        self.put("1;32", text)
    }

    /// In the colour of a risk level.
    pub(super) fn level(self, level: &str, text: &str) -> String {
        match level {
            "critical" => self.put("1;31", text),
            "high" => self.put("31", text),
            "medium" => self.put("33", text),
            _ => self.put("36", text),
        }
    }

    fn put(self, code: &str, text: &str) -> String {
        if self.on { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}
