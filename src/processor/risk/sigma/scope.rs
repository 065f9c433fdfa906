//! Which events a rule is for, by its log source.

use super::super::event::{Event, Field};
use super::field::Dialect;

/// Which events a rule is for, and how its fields are called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Scope {
    pub(super) dialect: Dialect,
    /// Only events of this kind.
    pub(super) kind: Option<&'static str>,
    /// Only these operations on files; empty for all.
    pub(super) file_ops: &'static [&'static str],
    /// Only this vendor.
    pub(super) vendor: Option<String>,
}

/// Why a log source has no events here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Unfit {
    /// A mistake.
    Unknown(String),
    /// It is somebody else's.
    Foreign(String),
}

/// Categories of `product: ai_agent`. `risk` are rules about what other rules have found.
pub(super) const CATEGORIES: [&str; 13] = [
    "risk",
    "command",
    "file",
    "network",
    "permission",
    "mcp",
    "prompt",
    "session",
    "config",
    "git",
    "tool",
    "model",
    "hook",
];

/// The scope of a log source.
pub(super) fn scope(product: Option<&str>, category: Option<&str>, service: Option<&str>) -> Result<Scope, Unfit> {
    if product == Some("ai_agent") {
        return agent(category, service);
    }
    let said = || format!("{}/{}", product.unwrap_or("any product"), category.unwrap_or("any category"));
    if !matches!(product, None | Some("linux" | "macos")) || category.is_none() || service.is_some() {
        return Err(Unfit::Foreign(format!("agents report no events of {}", said())));
    }
    let plain = |dialect, kind, file_ops| Ok(Scope { dialect, kind, file_ops, vendor: None });
    match category.unwrap_or_default() {
        "process_creation" => plain(Dialect::Process, None, &[]),
        "file_event" | "file_change" | "file_rename" => {
            plain(Dialect::File, Some("file"), &["write", "create", "delete"])
        }
        "file_access" => plain(Dialect::File, Some("file"), &[]),
        "file_delete" => plain(Dialect::File, Some("file"), &["delete"]),
        "network_connection" | "dns_query" | "dns" | "proxy" => plain(Dialect::Network, None, &[]),
        _ => Err(Unfit::Foreign(format!("agents report no events of {}", said()))),
    }
}

fn agent(category: Option<&str>, service: Option<&str>) -> Result<Scope, Unfit> {
    let vendor = service.map(str::to_owned);
    let Some(category) = category else {
        return Ok(Scope { dialect: Dialect::Agent, kind: None, file_ops: &[], vendor });
    };
    let Some(kind) = CATEGORIES.into_iter().find(|known| *known == category) else {
        let known = CATEGORIES.join(", ");
        return Err(Unfit::Unknown(format!("product `ai_agent` has no category `{category}`: it has {known}")));
    };
    Ok(match kind {
        "command" => Scope { dialect: Dialect::AgentCommand, kind: None, file_ops: &[], vendor },
        _ => Scope { dialect: Dialect::Agent, kind: Some(kind), file_ops: &[], vendor },
    })
}

impl Scope {
    /// The rule is about what other rules have found.
    pub(super) fn is_second(&self) -> bool {
        self.kind == Some("risk")
    }

    /// True for an event that the rule is for.
    pub(super) fn has(&self, event: &Event<'_>) -> bool {
        self.kind.is_none_or(|kind| self.is_second() || event.has(Field::Kind, kind))
            && self.vendor.as_deref().is_none_or(|vendor| event.has(Field::Vendor, vendor))
            && (self.file_ops.is_empty() || self.file_ops.iter().any(|op| event.has(Field::FileOp, op)))
    }

    /// A filter of scope `self` may narrow rules of scope `other`.
    pub(super) fn covers(&self, other: &Self) -> bool {
        self.dialect == other.dialect
            && (self.kind.is_none() || self.kind == other.kind)
            && (self.vendor.is_none() || self.vendor == other.vendor)
    }
}
