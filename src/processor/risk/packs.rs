//! The rules that come with telseal: the files of `config/rules`, embedded.

use std::borrow::Cow;

use super::sigma::{Compiled, Source, compile};

/// The name of all packs together in `risk.ruleset`, with their version: raised with every change of a rule.
pub const NAME: &str = "telseal-agent@2.3.0";

/// Every file, by pack and topic.
const FILES: &[(&str, &str)] = &[
    ("cloud/cloud.yml", include_str!("../../../config/rules/cloud/cloud.yml")),
    ("cloud/tools.yml", include_str!("../../../config/rules/cloud/tools.yml")),
    ("code/code.yml", include_str!("../../../config/rules/code/code.yml")),
    ("correlations/sessions.yml", include_str!("../../../config/rules/correlations/sessions.yml")),
    ("exfiltration/exfiltration.yml", include_str!("../../../config/rules/exfiltration/exfiltration.yml")),
    ("guardrails/guardrails.yml", include_str!("../../../config/rules/guardrails/guardrails.yml")),
    ("mcp/mcp.yml", include_str!("../../../config/rules/mcp/mcp.yml")),
    ("privilege/privilege.yml", include_str!("../../../config/rules/privilege/privilege.yml")),
    ("privilege/escape.yml", include_str!("../../../config/rules/privilege/escape.yml")),
    ("producer/producer.yml", include_str!("../../../config/rules/producer/producer.yml")),
    ("prompt/prompt.yml", include_str!("../../../config/rules/prompt/prompt.yml")),
    ("secrets/secrets.yml", include_str!("../../../config/rules/secrets/secrets.yml")),
    ("secrets/capture.yml", include_str!("../../../config/rules/secrets/capture.yml")),
    ("shell/destruction.yml", include_str!("../../../config/rules/shell/destruction.yml")),
    ("shell/execution.yml", include_str!("../../../config/rules/shell/execution.yml")),
    ("shell/system.yml", include_str!("../../../config/rules/shell/system.yml")),
    ("shell/persistence.yml", include_str!("../../../config/rules/shell/persistence.yml")),
    ("shell/network.yml", include_str!("../../../config/rules/shell/network.yml")),
    ("shell/tools.yml", include_str!("../../../config/rules/shell/tools.yml")),
];

/// The texts of all files.
#[must_use]
pub fn sources() -> Vec<Source> {
    FILES
        .iter()
        .map(|(name, text)| Source { name: format!("config/rules/{name}"), text: Cow::Borrowed(text) })
        .collect()
}

/// The shipped rules, without those whose id is in `disabled`, and `more` of the user's.
#[must_use]
pub fn load(disabled: &[String], more: &[Source]) -> Compiled {
    let all: Vec<Source> = sources().into_iter().chain(more.iter().cloned()).collect();
    compile(NAME, &all, disabled)
}

#[cfg(test)]
mod tests;
