//! The table of detectors: one entry here, one small file a detector or a close family below.
//!
//! A detector hangs on anchors, short literals found in one pass for all detectors together; only where its anchor
//! stands does it look closer. Its finder works on bytes, never looks back or forward without a bound unless it then
//! masks what it walked over (or says from where to go on), and so the whole scan stays linear in the length of the
//! text. What has no mark of its own (a passport's number) hangs on a word of context that must stand near.
//!
//! Digits are ASCII digits: a number in full-width or Arabic-Indic digits is none.

use std::ops::Range;
use std::sync::LazyLock;

use crate::processor::redact::detector::format::Format;
use crate::processor::redact::names;
use crate::processor::redact::text::spellings;

pub(super) mod assignment;
pub(super) mod aws;
pub(super) mod basic;
pub(super) mod bearer;
pub(super) mod bytes;
mod card_data;
mod code;
mod command;
mod cookie;
pub(super) mod email;
pub(super) mod format;
pub(super) mod github;
pub(super) mod iban;
mod identity;
pub(super) mod jwt;
pub(super) mod llm;
mod national;
mod network;
pub(super) mod payment_card;
pub(super) mod phone;
pub(super) mod private_key;
mod signed_url;
pub(super) mod slack;
mod unmarked;
pub(super) mod url;
pub(super) mod us_ssn;
pub(super) mod value;
mod vendor;

/// What a detector protects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    /// Credentials.
    Secret,
    /// Data about people.
    Personal,
}

/// What kind of thing a detector finds: the lines of the table of precision and recall.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Family {
    /// Secrets in a published format.
    KnownSecret,
    /// Secrets known by the name or header before them.
    GenericSecret,
    /// E-mail addresses and phone numbers.
    Contact,
    /// Payment cards and bank accounts.
    Financial,
    /// Numbers that a state gives to persons.
    GovernmentId,
    /// Numbers of patients and of those who treat them.
    Health,
    /// Addresses of networks and devices.
    Network,
    /// Names, dates of birth, postal codes.
    Identity,
}

/// How sure a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Confidence {
    /// Shape and words around.
    Low,
    /// A shape that seldom means something else.
    Medium,
    /// A mark or a check sum that hardly ever means something else.
    High,
}

/// The profiles that have a detector.
pub(super) type Profiles = &'static [&'static str];

/// Credentials: everywhere but where only personal data is wanted.
pub(super) const SECRET: Profiles = &["ai-agent", "secrets", "pci", "hipaa-safe-harbor", "gdpr", "strict"];
/// Data about people that is seldom mistaken.
pub(super) const PERSONAL: Profiles = &["ai-agent", "pii", "hipaa-safe-harbor", "gdpr", "strict"];
/// Data about people that developer text is full of as well.
pub(super) const WIDE: Profiles = &["pii", "hipaa-safe-harbor", "gdpr", "strict"];
/// What only those want who must remove all that says where somebody lives.
pub(super) const HEALTH: Profiles = &["hipaa-safe-harbor", "strict"];
/// Card data.
pub(super) const CARD: Profiles = &["ai-agent", "pii", "pci", "hipaa-safe-harbor", "gdpr", "strict"];

/// A detector.
#[derive(Debug)]
pub(super) struct Detector {
    /// The name in masks, configuration, metrics and the reference.
    pub(super) id: &'static str,
    /// What it finds, in one line.
    pub(super) title: &'static str,
    pub(super) class: Class,
    pub(super) family: Family,
    pub(super) confidence: Confidence,
    pub(super) profiles: Profiles,
    pub(super) find: Find,
    /// Words of which one must stand near, or in the key above the value. Not empty exactly for [`Find::Near`].
    pub(super) context: &'static [&'static str],
    /// Texts with a finding: the part to be masked stands between `«` and `»`.
    pub(super) hits: &'static [&'static str],
    /// Texts in which this detector finds nothing.
    #[cfg_attr(not(test), expect(dead_code, reason = "only tests ask what is not found"))]
    pub(super) misses: &'static [&'static str],
}

impl Detector {
    /// A secret in a published format.
    const fn token(
        id: &'static str,
        title: &'static str,
        formats: &'static [&'static str],
        hits: &'static [&'static str],
        misses: &'static [&'static str],
    ) -> Self {
        Self {
            id,
            title,
            class: Class::Secret,
            family: Family::KnownSecret,
            confidence: Confidence::High,
            profiles: SECRET,
            find: Find::Formats(formats),
            context: &[],
            hits,
            misses,
        }
    }

    /// How many digits a finding near a word of context has at least. Where the word is one of everyday's, a text with
    /// fewer needs no look.
    pub(super) fn digits_min(&self) -> usize {
        match self.id {
            "phone" => phone::LOCAL_DIGITS_MIN,
            "it-codice-fiscale" | "sg-nric" | "us-dea" => 7,
            "mx-rfc" => 6,
            "in-pan" => 4,
            _ => 0,
        }
    }

    /// The literals of which a text with a finding has one, in any case; none for digits.
    pub(super) fn literals(&self) -> Vec<String> {
        match self.find {
            Find::Anchors(anchors, _) => anchors.iter().map(|anchor| (*anchor).to_owned()).collect(),
            Find::Formats(formats) => formats.iter().flat_map(|format| Format::new(format).literals()).collect(),
            Find::Near(_) => self.context.iter().flat_map(|word| spellings(word)).collect(),
            Find::Key => names::WORDS.iter().map(|word| (*word).to_owned()).collect(),
            Find::Digits(..) => Vec::new(),
        }
    }
}

/// Looks at one place of a text.
pub(super) type Finder = fn(&[u8], usize) -> Verdict;

/// How a detector finds.
#[derive(Debug, Clone, Copy)]
pub(super) enum Find {
    /// At each of these literals (any case): the text, and where the literal starts.
    Anchors(&'static [&'static str], Finder),
    /// Where one of these published formats is; see [`format`] for how they are written.
    Formats(&'static [&'static str]),
    /// At the start of each run of digits; the shape is what the prefilter looks for.
    Digits(Shape, Finder),
    /// At each start of a word near one of the words of context.
    Near(Finder),
    /// By the key above a value.
    Key,
}

/// What a text with a finding of digits has in it, so that the prefilter may pass over the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// Thirteen digits or more, with single spaces or dashes between them at most.
    Long,
    /// One of these: `9` stands for a digit, `A` for a capital letter, all else for itself.
    Like(&'static [&'static str]),
    /// Any digit.
    Any,
}

/// What a finder says about a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// This is to be masked.
    Hit(Range<usize>),
    /// Nothing here, nor at any anchor of this detector before that place.
    Miss(usize),
}

impl Verdict {
    /// Nothing at this anchor.
    pub(super) const NO: Self = Self::Miss(0);

    /// A finding, or nothing.
    pub(super) fn of(span: Option<Range<usize>>) -> Self {
        span.map_or(Self::NO, Self::Hit)
    }
}

/// Which detector: its place in the table. Where findings overlap, the first gives its name to the mask.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Id(pub(super) u16);

impl Id {
    /// The name of a detector of ours.
    #[cfg(test)]
    pub(super) fn name(self) -> &'static str {
        DETECTORS[usize::from(self.0)].id
    }

    /// The mask of a detector of ours.
    #[cfg(test)]
    pub(super) fn mask(self) -> &'static str {
        &MASKS[usize::from(self.0)]
    }

    /// The index in tables over all detectors.
    pub(super) fn index(self) -> usize {
        usize::from(self.0)
    }
}

/// All detectors, the more telling ones first.
pub(super) static DETECTORS: &[&Detector] = &[
    &private_key::DETECTOR,
    &jwt::DETECTOR,
    &llm::ANTHROPIC,
    &llm::OPENAI,
    &github::DETECTOR,
    &slack::DETECTOR,
    &aws::ACCESS_KEY_ID,
    &aws::SECRET_ACCESS_KEY,
    &vendor::adobe::DETECTOR,
    &vendor::age::DETECTOR,
    &vendor::airtable::DETECTOR,
    &vendor::alibaba::DETECTOR,
    &vendor::amazon_appsync::DETECTOR,
    &vendor::amazon_bedrock::DETECTOR,
    &vendor::amazon_mws::DETECTOR,
    &vendor::amazon_session::DETECTOR,
    &vendor::atlassian::DETECTOR,
    &vendor::azure_ad::DETECTOR,
    &vendor::azure_identifiable::DETECTOR,
    &vendor::braintree::DETECTOR,
    &vendor::brevo::DETECTOR,
    &vendor::buildkite::DETECTOR,
    &vendor::cerebras::DETECTOR,
    &vendor::circleci::DETECTOR,
    &vendor::clickhouse::DETECTOR,
    &vendor::clojars::DETECTOR,
    &vendor::cloudflare::DETECTOR,
    &vendor::confluent::DETECTOR,
    &vendor::contentful::DETECTOR,
    &vendor::convex::DETECTOR,
    &vendor::crates_io::DETECTOR,
    &vendor::cursor::DETECTOR,
    &vendor::databricks::DETECTOR,
    &vendor::defined::DETECTOR,
    &vendor::digitalocean::DETECTOR,
    &vendor::discord_webhook::DETECTOR,
    &vendor::docker::DETECTOR,
    &vendor::doppler::DETECTOR,
    &vendor::dropbox::DETECTOR,
    &vendor::duffel::DETECTOR,
    &vendor::dynatrace::DETECTOR,
    &vendor::easypost::DETECTOR,
    &vendor::elevenlabs::DETECTOR,
    &vendor::facebook::DETECTOR,
    &vendor::factory::DETECTOR,
    &vendor::figma::DETECTOR,
    &vendor::firecrawl::DETECTOR,
    &vendor::fireworks::DETECTOR,
    &vendor::flutterwave::DETECTOR,
    &vendor::fly::DETECTOR,
    &vendor::frameio::DETECTOR,
    &vendor::gitlab::DETECTOR,
    &vendor::google::DETECTOR,
    &vendor::google_fcm::DETECTOR,
    &vendor::google_oauth::DETECTOR,
    &vendor::grafana::DETECTOR,
    &vendor::groq::DETECTOR,
    &vendor::harness::DETECTOR,
    &vendor::heroku::DETECTOR,
    &vendor::honeycomb::DETECTOR,
    &vendor::hubspot::DETECTOR,
    &vendor::huggingface::DETECTOR,
    &vendor::infracost::DETECTOR,
    &vendor::intercom::DETECTOR,
    &vendor::jfrog::DETECTOR,
    &vendor::jina::DETECTOR,
    &vendor::langfuse::DETECTOR,
    &vendor::langsmith::DETECTOR,
    &vendor::launchdarkly::DETECTOR,
    &vendor::linear::DETECTOR,
    &vendor::lob::DETECTOR,
    &vendor::localstack::DETECTOR,
    &vendor::mailchimp::DETECTOR,
    &vendor::mailersend::DETECTOR,
    &vendor::mailgun::DETECTOR,
    &vendor::mapbox::DETECTOR,
    &vendor::maxmind::DETECTOR,
    &vendor::mongodb::DETECTOR,
    &vendor::neon::DETECTOR,
    &vendor::netlify::DETECTOR,
    &vendor::newrelic::DETECTOR,
    &vendor::ngrok::DETECTOR,
    &vendor::nightfall::DETECTOR,
    &vendor::notion::DETECTOR,
    &vendor::npm::DETECTOR,
    &vendor::nuget::DETECTOR,
    &vendor::nvidia::DETECTOR,
    &vendor::onepassword::DETECTOR,
    &vendor::packagist::DETECTOR,
    &vendor::perplexity::DETECTOR,
    &vendor::pinecone::DETECTOR,
    &vendor::plaid::DETECTOR,
    &vendor::planetscale::DETECTOR,
    &vendor::posthog::DETECTOR,
    &vendor::postman::DETECTOR,
    &vendor::prefect::DETECTOR,
    &vendor::pulumi::DETECTOR,
    &vendor::pypi::DETECTOR,
    &vendor::razorpay::DETECTOR,
    &vendor::readme::DETECTOR,
    &vendor::render::DETECTOR,
    &vendor::replicate::DETECTOR,
    &vendor::resend::DETECTOR,
    &vendor::rubygems::DETECTOR,
    &vendor::scalingo::DETECTOR,
    &vendor::segment::DETECTOR,
    &vendor::sendgrid::DETECTOR,
    &vendor::sentry::DETECTOR,
    &vendor::settlemint::DETECTOR,
    &vendor::shippo::DETECTOR,
    &vendor::shopify::DETECTOR,
    &vendor::slack_webhook::DETECTOR,
    &vendor::sonar::DETECTOR,
    &vendor::sourcegraph::DETECTOR,
    &vendor::square::DETECTOR,
    &vendor::statsig::DETECTOR,
    &vendor::stripe::DETECTOR,
    &vendor::supabase::DETECTOR,
    &vendor::tailscale::DETECTOR,
    &vendor::tavily::DETECTOR,
    &vendor::teams_webhook::DETECTOR,
    &vendor::telegram::DETECTOR,
    &vendor::tencent::DETECTOR,
    &vendor::terraform::DETECTOR,
    &vendor::together::DETECTOR,
    &vendor::twilio::DETECTOR,
    &vendor::twitter::DETECTOR,
    &vendor::typeform::DETECTOR,
    &vendor::vault::DETECTOR,
    &vendor::vercel::DETECTOR,
    &vendor::voyage::DETECTOR,
    &vendor::wakatime::DETECTOR,
    &vendor::weights::DETECTOR,
    &vendor::xai::DETECTOR,
    &vendor::yandex::DETECTOR,
    &signed_url::DETECTOR,
    &unmarked::DISCORD,
    &unmarked::TWILIO,
    &unmarked::DATADOG,
    &unmarked::OKTA,
    &unmarked::ASANA,
    &unmarked::MAILGUN,
    &unmarked::SPLUNK,
    &unmarked::AZURE_DEVOPS,
    &card_data::TRACK,
    &payment_card::DETECTOR,
    &us_ssn::DETECTOR,
    &card_data::SECURITY_CODE,
    &card_data::EXPIRY,
    &iban::DETECTOR,
    &national::us::SSN_PLAIN,
    &national::us::ITIN,
    &national::us::EIN,
    &national::us::MBI,
    &national::us::NPI,
    &national::us::DEA,
    &national::us::ABA,
    &national::britain::NHS,
    &national::britain::NINO,
    &national::britain::SORT,
    &national::britain::UTR,
    &national::britain::PPS,
    &national::india::AADHAAR,
    &national::india::PAN,
    &national::india::GSTIN,
    &national::latin_america::CPF,
    &national::latin_america::CNPJ,
    &national::latin_america::CUIT,
    &national::latin_america::RUT,
    &national::latin_america::CURP,
    &national::latin_america::RFC,
    &national::southern_europe::DNI,
    &national::southern_europe::NIF_PT,
    &national::southern_europe::CODICE,
    &national::southern_europe::NIR,
    &national::southern_europe::AMKA,
    &national::southern_europe::AHV,
    &national::central_europe::STEUER_ID,
    &national::central_europe::BSN,
    &national::central_europe::NRN,
    &national::central_europe::PESEL,
    &national::central_europe::RODNE,
    &national::central_europe::CNP,
    &national::central_europe::EGN,
    &national::central_europe::OIB,
    &national::nordic::PERSONNUMMER,
    &national::nordic::FODSELSNUMMER,
    &national::nordic::CPR,
    &national::nordic::HETU,
    &national::asia::RRN,
    &national::asia::MY_NUMBER,
    &national::asia::NRIC,
    &national::asia::HKID,
    &national::asia::TCKN,
    &national::asia::TEUDAT,
    &national::asia::THAI,
    &national::commonwealth::SIN,
    &national::commonwealth::TFN,
    &national::commonwealth::MEDICARE,
    &national::commonwealth::IRD,
    &national::commonwealth::ZA,
    &phone::INTERNATIONAL,
    &phone::NORTH_AMERICAN,
    &phone::NEAR,
    &identity::DATE_OF_BIRTH,
    &identity::PASSPORT,
    &identity::DRIVING_LICENCE,
    &identity::MEDICAL_RECORD,
    &identity::HEALTH_PLAN,
    &identity::VIN,
    &identity::BANK_ACCOUNT,
    &identity::BIC,
    &identity::US_ZIP,
    &identity::POSTAL_CODE,
    &identity::COORDINATES,
    &identity::NAME,
    &identity::TITLED_NAME,
    &network::IPV4,
    &network::IPV6,
    &network::MAC,
    &network::IMEI,
    &network::ICCID,
    &url::DETECTOR,
    &command::CURL,
    &command::COMMAND,
    &command::SQL,
    &command::NETRC,
    &command::PGPASS,
    &command::DOCKER_AUTH,
    &command::PUTTY,
    &command::PASSWORD_HASH,
    &command::SEED_PHRASE,
    &basic::DETECTOR,
    &bearer::DETECTOR,
    &cookie::DETECTOR,
    &assignment::DETECTOR,
    &assignment::KEY_NAME,
    &email::DETECTOR,
];

/// The detectors that other parts ask for.
pub(super) mod ids {
    use super::{Id, id};

    pub(in super::super) const AWS_SECRET_ACCESS_KEY: Id = id("aws-secret-access-key");
    pub(in super::super) const BASIC_CREDENTIALS: Id = id("basic-credentials");
    pub(in super::super) const BEARER_CREDENTIALS: Id = id("bearer-credentials");
    pub(in super::super) const SECRET_ASSIGNMENT: Id = id("secret-assignment");
    pub(in super::super) const SECRET_KEY_NAME: Id = id("secret-key-name");
}

/// The place of a detector in the table, found by the compiler.
const fn id(name: &str) -> Id {
    let mut index = 0;
    while !same(DETECTORS[index].id.as_bytes(), name.as_bytes()) {
        index += 1;
    }
    Id(index as u16)
}

const fn same(one: &[u8], other: &[u8]) -> bool {
    let mut index = 0;
    while index < one.len() && index < other.len() && one[index] == other[index] {
        index += 1;
    }
    index == one.len() && index == other.len()
}

/// Stands in the place of a text that could not be scanned.
pub(super) const UNSCANNED: &str = "[REDACTED:unscanned]";

const MASK_START: &[u8] = b"[REDACTED:";

#[cfg(test)]
static MASKS: LazyLock<Vec<String>> =
    LazyLock::new(|| DETECTORS.iter().map(|detector| format!("[REDACTED:{}]", detector.id)).collect());

/// The names in our masks, in order.
static NAMES: LazyLock<Vec<&str>> = LazyLock::new(|| {
    let mut names: Vec<_> = DETECTORS.iter().map(|detector| detector.id).chain(["unscanned"]).collect();
    names.sort_unstable();
    names
});

/// No name of a detector is longer.
const NAME_LEN_MAX: usize = 64;

/// The length of the mask at the start of `bytes`, 0 when there is none. Only our own masks count: anybody could write
/// a secret between such brackets.
pub(super) fn mask_len(bytes: &[u8]) -> usize {
    let Some(rest) = bytes.strip_prefix(MASK_START) else { return 0 };
    let Some(end) = rest.iter().take(NAME_LEN_MAX).position(|byte| *byte == b']') else { return 0 };
    let ours = NAMES.binary_search_by(|name| name.as_bytes().cmp(&rest[..end])).is_ok();
    if ours { MASK_START.len() + end + 1 } else { 0 }
}

#[cfg(test)]
pub(super) mod tests;
