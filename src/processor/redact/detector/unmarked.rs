//! Keys of vendors that have no mark of their own, only a length: they hang on the vendor's name.

use crate::processor::redact::detector::bytes::{before, run_end_within, word_starts};
use crate::processor::redact::detector::{Class, Confidence, Detector, Family, Find, Finder, SECRET, Verdict};

const fn key(
    id: &'static str,
    title: &'static str,
    find: Finder,
    context: &'static [&'static str],
    hits: &'static [&'static str],
    misses: &'static [&'static str],
) -> Detector {
    let (class, family, confidence) = (Class::Secret, Family::KnownSecret, Confidence::Medium);
    Detector { id, title, class, family, confidence, profiles: SECRET, find: Find::Near(find), context, hits, misses }
}

pub(super) static DISCORD: Detector = key(
    "discord-bot-token",
    "tokens of Discord bots, near a word for them",
    |text, at| parts(text, at, &[(23, 28), (6, 7), (27, 38)]),
    &["discord", "bot token", "bot"],
    &["discord token «MTE5ODYyMjQ4MzQ3MTkyNTI0OA.GabcdE.abcdefghijklmnopqrstuvwxyz0123456789AB»"],
    &["discord.js 14.7.1", "a discord server"],
);

pub(super) static TWILIO: Detector = key(
    "twilio-auth-token",
    "auth tokens of Twilio, near its name",
    |text, at| hex(text, at, &[32]),
    &["twilio", "twilio auth token"],
    &["twilio auth «0123456789abcdef0123456789abcdef»"],
    &["twilio 1.2.3", "0123456789abcdef0123456789abcdef"],
);

pub(super) static DATADOG: Detector = key(
    "datadog-key",
    "API and application keys of Datadog, near its name",
    |text, at| hex(text, at, &[32, 40]),
    &["datadog", "dd_api_key", "dd-api-key", "dd_app_key", "dd-application-key", "dd_application_key", "ddog"],
    &["DD-API-KEY: «0123456789abcdef0123456789abcdef»", "datadog app key «0123456789abcdef0123456789abcdef01234567»"],
    &["datadog-agent 7.50.0", "dd if=/dev/zero"],
);

pub(super) static OKTA: Detector = key(
    "okta-token",
    "API tokens of Okta, near its name",
    |text, at| if text[at..].starts_with(b"00") { word(text, at, 42) } else { Verdict::NO },
    &["okta", "ssws"],
    &["okta: «00Abc1def2GHI3jkl4MNO5pqr6STU7vwx8YZA9bcdE»"],
    &["okta 00", "okta-auth-js"],
);

pub(super) static ASANA: Detector = key(
    "asana-token",
    "personal access tokens of Asana, near its name",
    |text, at| match text[at..] {
        [b'1' | b'2', b'/', ..] => colon(text, at),
        _ => Verdict::NO,
    },
    &["asana"],
    &["asana «1/1200123456789012:0123456789abcdef0123456789abcdef»"],
    &["asana 1/2"],
);

pub(super) static MAILGUN: Detector = key(
    "mailgun-private-key",
    "private API keys of Mailgun in their newer form, near its name",
    dashed,
    &["mailgun", "mg_api_key"],
    &["mailgun: «0123456789abcdef0123456789abcdef-01234567-89abcdef»"],
    &["mailgun-js 0.22"],
);

pub(super) static SPLUNK: Detector = key(
    "splunk-hec-token",
    "tokens of Splunk's HTTP event collector, near a word for them",
    uuid,
    &["hec", "hec token", "splunk token", "splunk_token", "splunk hec"],
    &["HEC token: «12345678-1234-4234-8234-123456789012»"],
    &["hec port 8088", "id 12345678-1234-4234-8234-123456789012"],
);

pub(super) static AZURE_DEVOPS: Detector = key(
    "azure-devops-token",
    "personal access tokens of Azure DevOps in their older form, near a word for them",
    |text, at| word(text, at, 52),
    &["azure devops", "ado_pat", "azdo", "azure_devops_ext_pat", "vsts", "system_accesstoken"],
    &["AZURE_DEVOPS_EXT_PAT=«abcdefghijklmnopqrstuvwxyz234567abcdefghijklmnopqrst»"],
    &["azure devops pipeline"],
);

/// The end of a run of exactly so many bytes that stands whole.
fn whole(text: &[u8], at: usize, len: usize, is: fn(u8) -> bool) -> Option<usize> {
    let end = run_end_within(text, at, len + 1, is);
    let joined = matches!(before(text, at), Some(b'-' | b'_' | b'.')) || !word_starts(text, at);
    (end - at == len && !joined).then_some(end)
}

const fn is_hex(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'a'..=b'f')
}

const fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')
}

fn hex(text: &[u8], at: usize, lens: &[usize]) -> Verdict {
    Verdict::of(lens.iter().find_map(|len| whole(text, at, *len, is_hex)).map(|end| at..end))
}

fn word(text: &[u8], at: usize, len: usize) -> Verdict {
    let random = |end: &usize| {
        text[at..*end].iter().any(u8::is_ascii_digit) && text[at..*end].iter().any(u8::is_ascii_alphabetic)
    };
    Verdict::of(whole(text, at, len, is_word).filter(random).map(|end| at..end))
}

fn uuid(text: &[u8], at: usize) -> Verdict {
    let shaped = |end: &usize| {
        text[at..*end].iter().enumerate().all(|(index, byte)| (*byte == b'-') == matches!(index, 8 | 13 | 18 | 23))
    };
    Verdict::of(whole(text, at, 36, |byte| byte.is_ascii_hexdigit() || byte == b'-').filter(shaped).map(|end| at..end))
}

fn dashed(text: &[u8], at: usize) -> Verdict {
    let shaped = |end: &usize| {
        text[at..*end].iter().enumerate().all(|(index, byte)| (*byte == b'-') == matches!(index, 32 | 41))
    };
    Verdict::of(whole(text, at, 50, |byte| is_hex(byte) || byte == b'-').filter(shaped).map(|end| at..end))
}

/// `1/` or `2/`, digits, a colon, 32 letters and digits.
fn colon(text: &[u8], at: usize) -> Verdict {
    let digits = run_end_within(text, at + 2, 48, |byte| byte.is_ascii_digit() || byte == b'/');
    let end = run_end_within(text, digits + 1, 33, |byte| byte.is_ascii_alphanumeric());
    let fits = digits - at >= 12 && text.get(digits) == Some(&b':') && end - digits == 33;
    if fits && word_starts(text, at) { Verdict::Hit(at..end) } else { Verdict::NO }
}

/// Parts of base64url with dots between them.
fn parts(text: &[u8], at: usize, lens: &[(usize, usize)]) -> Verdict {
    let mut end = at;
    for (index, (min, max)) in lens.iter().enumerate() {
        let start = end + usize::from(index > 0);
        let stop = run_end_within(text, start, max + 1, is_word);
        if (index > 0 && text.get(end) != Some(&b'.')) || !(*min..=*max).contains(&(stop - start)) {
            return Verdict::NO;
        }
        end = stop;
    }
    if matches!(before(text, at), Some(b'-' | b'_' | b'.')) || !word_starts(text, at) {
        Verdict::NO
    } else {
        Verdict::Hit(at..end)
    }
}
