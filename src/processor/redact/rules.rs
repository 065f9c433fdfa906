//! The rules: one entry here, one small file each below.
//!
//! A rule hangs on anchors, short literals found in one pass for all rules together; only where its anchor stands does
//! it look closer. Its finder works on bytes, never looks back or forward without a bound unless it then masks what it
//! walked over (or says from where to go on), and so the whole scan stays linear in the length of the text.

use std::ops::Range;

pub(super) mod assignment;
pub(super) mod aws;
pub(super) mod basic;
pub(super) mod bearer;
pub(super) mod bytes;
pub(super) mod email;
pub(super) mod github;
pub(super) mod jwt;
pub(super) mod llm;
pub(super) mod payment_card;
pub(super) mod private_key;
pub(super) mod slack;
pub(super) mod url;
pub(super) mod us_ssn;

/// What a rule protects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    /// Credentials.
    Secret,
    /// Data about people.
    Personal,
}

/// Which rule. Where findings overlap, the one named first here gives its name to the mask.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[expect(clippy::enum_variant_names, reason = "an access key id is called that")]
pub(super) enum Id {
    PrivateKey,
    Jwt,
    AnthropicKey,
    OpenaiKey,
    GithubToken,
    SlackToken,
    AwsAccessKeyId,
    AwsSecretAccessKey,
    PaymentCard,
    UsSsn,
    UrlCredentials,
    BasicCredentials,
    BearerCredentials,
    SecretAssignment,
    SecretKeyName,
    Email,
}

/// How many rules there are.
pub(super) const COUNT: usize = Id::Email as usize + 1;

/// Stands in the place of a text that could not be scanned.
pub(super) const UNSCANNED: &str = "[REDACTED:unscanned]";

const MASK_START: &[u8] = b"[REDACTED:";

impl Id {
    /// The name used in masks, configuration and metrics.
    pub(super) const fn name(self) -> &'static str {
        let mask = self.mask();
        mask.split_at(mask.len() - 1).0.split_at(MASK_START.len()).1
    }

    /// What stands in the place of a finding.
    pub(super) const fn mask(self) -> &'static str {
        match self {
            Self::PrivateKey => "[REDACTED:private-key]",
            Self::Jwt => "[REDACTED:jwt]",
            Self::AnthropicKey => "[REDACTED:anthropic-key]",
            Self::OpenaiKey => "[REDACTED:openai-key]",
            Self::GithubToken => "[REDACTED:github-token]",
            Self::SlackToken => "[REDACTED:slack-token]",
            Self::AwsAccessKeyId => "[REDACTED:aws-access-key-id]",
            Self::AwsSecretAccessKey => "[REDACTED:aws-secret-access-key]",
            Self::PaymentCard => "[REDACTED:payment-card]",
            Self::UsSsn => "[REDACTED:us-ssn]",
            Self::UrlCredentials => "[REDACTED:url-credentials]",
            Self::BasicCredentials => "[REDACTED:basic-credentials]",
            Self::BearerCredentials => "[REDACTED:bearer-credentials]",
            Self::SecretAssignment => "[REDACTED:secret-assignment]",
            Self::SecretKeyName => "[REDACTED:secret-key-name]",
            Self::Email => "[REDACTED:email]",
        }
    }
}

/// The length of the mask at the start of `bytes`, 0 when there is none. Only our own masks count: anybody could write
/// a secret between such brackets.
pub(super) fn mask_len(bytes: &[u8]) -> usize {
    if !bytes.starts_with(MASK_START) {
        return 0;
    }
    let masks = RULES.iter().map(|rule| rule.id.mask()).chain([UNSCANNED]);
    masks.filter(|mask| bytes.starts_with(mask.as_bytes())).map(str::len).max().unwrap_or(0)
}

/// What a finder says about an anchor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// This is to be masked.
    Hit(Range<usize>, Id),
    /// Nothing here, nor at any anchor of this rule before that place.
    Miss(usize),
}

impl Verdict {
    /// Nothing at this anchor.
    pub(super) const NO: Self = Self::Miss(0);
}

/// How a rule is found.
#[derive(Debug, Clone, Copy)]
pub(super) enum Find {
    /// At each of these literals (any case): the text, and where the literal starts.
    Anchors(&'static [&'static str], fn(&[u8], usize) -> Verdict),
    /// At the start of each run of digits.
    Digits(fn(&[u8], usize) -> Verdict),
    /// By the key above a value.
    Key,
}

/// A rule.
#[derive(Debug)]
pub(super) struct Rule {
    pub(super) id: Id,
    pub(super) class: Class,
    pub(super) find: Find,
}

const fn secret(id: Id, anchors: &'static [&'static str], find: fn(&[u8], usize) -> Verdict) -> Rule {
    Rule { id, class: Class::Secret, find: Find::Anchors(anchors, find) }
}

const fn digits(id: Id, find: fn(&[u8], usize) -> Verdict) -> Rule {
    Rule { id, class: Class::Personal, find: Find::Digits(find) }
}

/// All rules.
pub(super) static RULES: [Rule; COUNT] = [
    secret(Id::PrivateKey, private_key::ANCHORS, private_key::find),
    secret(Id::Jwt, jwt::ANCHORS, jwt::find),
    secret(Id::AnthropicKey, llm::ANTHROPIC, llm::anthropic),
    secret(Id::OpenaiKey, llm::OPENAI, llm::openai),
    secret(Id::GithubToken, github::ANCHORS, github::find),
    secret(Id::SlackToken, slack::ANCHORS, slack::find),
    secret(Id::AwsAccessKeyId, aws::ANCHORS, aws::access_key_id),
    secret(Id::AwsSecretAccessKey, aws::SECRET_ANCHORS, aws::secret_access_key),
    digits(Id::PaymentCard, payment_card::find),
    digits(Id::UsSsn, us_ssn::find),
    secret(Id::UrlCredentials, url::ANCHORS, url::find),
    secret(Id::BasicCredentials, basic::ANCHORS, basic::find),
    secret(Id::BearerCredentials, bearer::ANCHORS, bearer::find),
    secret(Id::SecretAssignment, assignment::ANCHORS, assignment::find),
    Rule { id: Id::SecretKeyName, class: Class::Secret, find: Find::Key },
    Rule { id: Id::Email, class: Class::Personal, find: Find::Anchors(email::ANCHORS, email::find) },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_the_order_of_the_ids() {
        for (index, rule) in RULES.iter().enumerate() {
            assert_eq!(rule.id as usize, index);
        }
        assert_eq!(Id::AwsAccessKeyId.name(), "aws-access-key-id");
    }

    #[test]
    fn only_our_own_masks_are_masks() {
        assert_eq!(mask_len(b"[REDACTED:jwt] rest"), 14);
        assert_eq!(mask_len(UNSCANNED.as_bytes()), UNSCANNED.len());
        assert_eq!(mask_len(b"[REDACTED:hunter2]"), 0);
    }
}
