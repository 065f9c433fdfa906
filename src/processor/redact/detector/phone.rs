//! Phone numbers: in the international form, in the North American form with separators, and in any form beside a word
//! such as `phone`. A plain run of digits without such a word is none.

use crate::processor::redact::detector::bytes::before;
use crate::processor::redact::detector::code::{self, number};
use crate::processor::redact::detector::{Class, Confidence, Detector, Family, Find, PERSONAL, Shape, Verdict};

pub(super) static INTERNATIONAL: Detector = Detector {
    id: "phone-international",
    title: "phone numbers with `+` and a country code",
    class: Class::Personal,
    family: Family::Contact,
    confidence: Confidence::Medium,
    profiles: PERSONAL,
    find: Find::Digits(Shape::Like(&["+9"]), international),
    context: &[],
    hits: &["call «+1 415 555 2671»", "to «+442079460958»;", "(«+49 (0)30 901820»)", "«+1 (415) 555-2671»"],
    misses: &["+1 and +2", "1.0.0+20130313144700", "@@ -12,7 +12,9 @@", "+20261121", "x = 5 +1234567890"],
};

pub(super) static NORTH_AMERICAN: Detector = Detector {
    id: "phone-north-american",
    title: "phone numbers of the United States and Canada, with separators",
    class: Class::Personal,
    family: Family::Contact,
    confidence: Confidence::Medium,
    profiles: PERSONAL,
    find: Find::Digits(Shape::Like(&["999-9999"]), north_american),
    context: &[],
    hits: &["reach me at «415-555-2671».", "«(415) 555-2671»", "dial «1-800-555-0199»"],
    misses: &["123-456-7890", "415-155-2671", "415-555-26711", "9415-555-2671"],
};

pub(super) static NEAR: Detector = Detector {
    id: "phone",
    title: "phone numbers in any form, near a word for them",
    class: Class::Personal,
    family: Family::Contact,
    confidence: Confidence::Medium,
    profiles: PERSONAL,
    find: Find::Near(any),
    context: &[
        "phone",
        "telephone",
        "tel",
        "mobile",
        "cell",
        "cellphone",
        "fax",
        "whatsapp",
        "sms",
        "phone number",
        "msisdn",
        "handy",
        "telefon",
        "telefono",
        "teléfono",
        "téléphone",
        "portable",
        "móvil",
        "call me",
        "text me",
        "dial",
    ],
    hits: &["phone: «4155552671»", "tel. «020 7946 0958»", "mobile «0171-2345678»"],
    misses: &["phone: 12", "phone model 20261121", "4155552671", "tel 1.2.3.4"],
};

const DIGITS_MIN: usize = 8;
const DIGITS_MAX: usize = 15;
/// The shortest number in a country's own form.
pub(super) const LOCAL_DIGITS_MIN: usize = 7;
const LEN_MAX: usize = 26;
/// Fewer digits are no international number.
pub(in super::super) const INTERNATIONAL_DIGITS_MIN: u32 = 9;
const GROUPED_DIGITS_MIN: usize = INTERNATIONAL_DIGITS_MIN as usize;

/// `at` is the start of a run of digits, behind the plus.
fn international(text: &[u8], at: usize) -> Verdict {
    let Some(start) = at.checked_sub(1).filter(|start| text[*start] == b'+') else { return Verdict::NO };
    // `1.0.0+2013…` is a version, and behind a space after a word a plus is a sum.
    let led =
        before(text, start).is_none_or(|byte| !byte.is_ascii_alphanumeric() && !matches!(byte, b'+' | b'.' | b'_'));
    let Some(found) = led.then(|| scan(text, at)).flatten() else { return Verdict::NO };
    let digits = &found.digits[..found.len];
    let grouped = found.groups > 1;
    let enough = if grouped { GROUPED_DIGITS_MIN } else { GROUPED_DIGITS_MIN + 1 };
    if found.len < enough
        || !has_country(digits)
        || (!grouped && is_line_start(text, start))
        || is_sum(text, start, grouped)
    {
        return Verdict::NO;
    }
    Verdict::Hit(start..found.end)
}

/// Lines that start with a plus are a patch's.
fn is_line_start(text: &[u8], start: usize) -> bool {
    matches!(before(text, start), None | Some(b'\n')) && text.len() > start + LEN_MAX
}

/// `5 +1234567890`
fn is_sum(text: &[u8], start: usize, grouped: bool) -> bool {
    !grouped && before(text, start) == Some(b' ') && start > 1 && text[start - 2].is_ascii_digit()
}

/// Country codes of one to three digits; numbers of North America have ten more, the area not starting with 0 or 1.
fn has_country(digits: &[u8]) -> bool {
    const TWO: &[u8] = &[
        20, 27, 30, 31, 32, 33, 34, 36, 39, 40, 41, 43, 44, 45, 46, 47, 48, 49, 51, 52, 53, 54, 55, 56, 57, 58, 60, 61,
        62, 63, 64, 65, 66, 81, 82, 84, 86, 90, 91, 92, 93, 94, 95, 98,
    ];
    let two = (digits[0] - b'0') * 10 + (digits[1] - b'0');
    match digits[0] {
        b'1' => digits.len() == 11 && is_north_american(&digits[1..]),
        b'7' => digits.len() == 11,
        b'2'..=b'9' if TWO.contains(&two) => digits.len() >= 9,
        b'2' => matches!(digits[1], b'1'..=b'6' | b'9'),
        b'3' | b'4' | b'5' | b'6' | b'8' | b'9' => {
            matches!(two, 35 | 37 | 38 | 42 | 50 | 59 | 67 | 68 | 69 | 85 | 88 | 96 | 97 | 99)
        }
        _ => false,
    }
}

fn is_north_american(digits: &[u8]) -> bool {
    matches!(digits[0], b'2'..=b'9') && matches!(digits[3], b'2'..=b'9') && &digits[1..3] != b"11"
}

fn north_american(text: &[u8], at: usize) -> Verdict {
    // What stands behind the first group in each of the shapes.
    if !matches!(text[at..], [b'1', b'-', ..] | [_, _, _, b'-' | b')', ..]) {
        return Verdict::NO;
    }
    let opened = before(text, at) == Some(b'(');
    let start = at - usize::from(opened);
    let shapes: &[&str] = if opened { &["999) 999-9999", "999)999-9999"] } else { &["999-999-9999", "1-999-999-9999"] };
    let fits = |shape: &&str| {
        let (_, end) = dashed(text, at, shape)?;
        let digits: Vec<u8> = text[at..end].iter().copied().filter(u8::is_ascii_digit).collect();
        (code::ends(text, end) && is_north_american(&digits[digits.len() - 10..])).then_some(end)
    };
    if !code::starts(text, start) {
        return Verdict::NO;
    }
    Verdict::of(shapes.iter().find_map(fits).map(|end| start..end))
}

/// False when no number follows the plus at `at`, whatever stands around: the prefilter's question. A `/` may be written
/// with a backslash before it.
pub(in super::super) fn may_be_international(raw: &[u8], at: usize) -> bool {
    let separator = |byte: u8| matches!(byte, b' ' | b'-' | b'.' | b'(' | b')' | b'/' | b'\\');
    let rest = raw[at + 1..].iter().take(2 * LEN_MAX).take_while(|byte| byte.is_ascii_digit() || separator(**byte));
    rest.filter(|byte| byte.is_ascii_digit()).count() >= GROUPED_DIGITS_MIN
}

/// False when the seven digits at `at` do not end a number, whatever stands around.
pub(in super::super) fn may_be_north_american(raw: &[u8], at: usize) -> bool {
    let head = at.checked_sub(2).and_then(|start| raw.get(start..at));
    matches!(head, Some([b'0'..=b'9', b'-' | b')'] | b") "))
}

/// A shape in which dashes are dashes.
fn dashed(text: &[u8], at: usize, shape: &str) -> Option<(usize, usize)> {
    let found = text.get(at..at + shape.len())?;
    let fits = found.iter().zip(shape.bytes()).all(|(byte, kind)| match kind {
        b'9' => byte.is_ascii_digit(),
        other => *byte == other,
    });
    fits.then_some((at, at + shape.len()))
}

/// Digits in groups, with the separators of phone numbers between them.
struct Scanned {
    digits: [u8; DIGITS_MAX],
    len: usize,
    groups: usize,
    end: usize,
}

fn scan(text: &[u8], at: usize) -> Option<Scanned> {
    let mut found = Scanned { digits: [0; DIGITS_MAX], len: 0, groups: 1, end: at };
    let mut gap = 0;
    for (index, byte) in text.iter().enumerate().skip(at).take(LEN_MAX) {
        if byte.is_ascii_digit() {
            *found.digits.get_mut(found.len)? = *byte;
            found.len += 1;
            found.groups += usize::from(gap > 0);
            (gap, found.end) = (0, index + 1);
        } else if matches!(byte, b' ' | b'-' | b'.' | b'(' | b')' | b'/') && gap < 2 {
            gap += 1;
        } else {
            break;
        }
    }
    code::ends(text, found.end).then_some(found)
}

/// Near a word for it: seven digits and more, not a date, not a version.
fn any(text: &[u8], at: usize) -> Verdict {
    let first = at + usize::from(matches!(text[at], b'+' | b'('));
    if !text.get(first).is_some_and(u8::is_ascii_digit) || !code::starts(text, at) {
        return Verdict::NO;
    }
    let Some(found) = scan(text, first) else { return Verdict::NO };
    let digits = &found.digits[..found.len];
    let lead = usize::from(text[at] == b'+' || found.groups > 1);
    if found.len < LOCAL_DIGITS_MIN.max(DIGITS_MIN - lead) || is_date(digits) || is_dotted(text, first, found.end) {
        return Verdict::NO;
    }
    Verdict::Hit(at..found.end)
}

/// False when no number stands in these bytes, whatever stands around: the prefilter's question.
pub(in super::super) fn may_be_near(raw: &[u8]) -> bool {
    let mut digits = 0;
    raw.iter().any(|byte| {
        match byte {
            b'0'..=b'9' => digits += 1,
            b' ' | b'-' | b'.' | b'(' | b')' | b'/' | b'\\' => {}
            _ => digits = 0,
        }
        digits >= LOCAL_DIGITS_MIN
    })
}

/// `20261121…`
fn is_date(digits: &[u8]) -> bool {
    digits.len() == 8 && matches!(number(&digits[..4]), 1900..=2099) && code::is_day(&digits[4..6], &digits[6..])
}

/// `10.20.30.40`, `1.2.3`: groups of fewer than two digits, or four groups with dots alone.
fn is_dotted(text: &[u8], start: usize, end: usize) -> bool {
    let dots = text[start..end].iter().filter(|byte| **byte == b'.').count();
    let others = text[start..end].iter().filter(|byte| matches!(byte, b' ' | b'-' | b'/' | b'(')).count();
    dots >= 3 && others == 0 && text[start..end].split(|byte| *byte == b'.').any(|group| group.len() < 2)
}
