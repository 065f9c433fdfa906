//! The rules.

/// One rule.
#[derive(Debug)]
pub struct Rule {
    /// Its stable id.
    pub id: &'static str,
}

/// All rules.
pub const RULES: &[Rule] = &[];
