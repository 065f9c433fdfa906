//! Who somebody is: dates of birth, papers, records, postal codes, names. None of it has a mark of its own, so all of it
//! hangs on words; postal codes and names, which hang on little, are in the profiles that want everything.

use crate::processor::redact::detector::bytes::{before, run_end, run_end_within};
use crate::processor::redact::detector::code::{self, is_day, number, value};
use crate::processor::redact::detector::{
    Class, Confidence, Detector, Family, Find, Finder, HEALTH, PERSONAL, Verdict, WIDE,
};

const fn near(
    id: &'static str,
    title: &'static str,
    family: Family,
    find: Finder,
    context: &'static [&'static str],
    hits: &'static [&'static str],
    misses: &'static [&'static str],
) -> Detector {
    let (class, confidence, profiles) = (Class::Personal, Confidence::Medium, PERSONAL);
    Detector { id, title, class, family, confidence, profiles, find: Find::Near(find), context, hits, misses }
}

pub(super) static DATE_OF_BIRTH: Detector = near(
    "date-of-birth",
    "dates of birth, near a word for them",
    Family::Identity,
    date,
    &[
        "dob",
        "d.o.b.",
        "date of birth",
        "birth date",
        "birthday",
        "born",
        "geburtsdatum",
        "geboren",
        "fecha de nacimiento",
        "date de naissance",
    ],
    &["DOB: «1987-06-05»", "born on «06/05/1987»", "date of birth «5 June 1987»", "geboren am «05.06.1987»"],
    &["released 1987-06-05", "DOB: 1987-16-05", "DOB: 1987"],
);

pub(super) static PASSPORT: Detector = near(
    "passport",
    "passport numbers, near a word for them",
    Family::GovernmentId,
    |text, at| mixed(text, at, 8, 9, 5),
    &["passport", "passport number", "passport no", "reisepass", "passeport", "pasaporte"],
    &["passport no. «533380006»", "Passport: «C01X00T47»", "passport number «AB1234567»"],
    &["passport.js 0.6.0", "passport 12"],
);

pub(super) static DRIVING_LICENCE: Detector = near(
    "driving-licence",
    "numbers of driving licences, near a word for them",
    Family::GovernmentId,
    |text, at| mixed(text, at, 7, 18, 5),
    &[
        "driver license",
        "drivers license",
        "driver's license",
        "driver licence",
        "driving licence",
        "driving license",
        "driver license number",
        "license number",
        "dl number",
        "führerschein",
        "permis de conduire",
    ],
    &["driver's license «D1234567»", "driving licence «MORGA657054SM9IJ»"],
    &["driver license agreement", "license number plate"],
);

pub(super) static MEDICAL_RECORD: Detector = near(
    "medical-record-number",
    "numbers of medical records, near a word for them",
    Family::Health,
    |text, at| mixed(text, at, 5, 14, 4),
    &["mrn", "medical record", "medical record number", "patient id", "patient number", "chart number"],
    &["MRN: «00123456»", "patient id «P-1029384»"],
    &["mrn: x", "medical record of 12"],
);

pub(super) static HEALTH_PLAN: Detector = near(
    "health-plan-number",
    "member and policy numbers of health plans, near a word for them",
    Family::Health,
    |text, at| mixed(text, at, 6, 16, 5),
    &[
        "health plan",
        "insurance id",
        "insurance number",
        "insurance policy",
        "subscriber id",
        "beneficiary number",
        "medicaid",
    ],
    &["subscriber id: «XEA123456789»"],
    &["health plan of 2026"],
);

pub(super) static VIN: Detector = near(
    "vehicle-identification-number",
    "vehicle identification numbers with their check digit, near a word for them",
    Family::Identity,
    |text, at| code::find(text, at, &["XXXXXXXXXXXXXXXXX"], is_vin),
    &["vin", "vehicle identification", "chassis number"],
    &["VIN «1HGBH41JXMN109186»"],
    &["VIN 1HGBH41JXMN109187"],
);

pub(super) static BANK_ACCOUNT: Detector = near(
    "bank-account-number",
    "numbers of bank accounts, near a word for them",
    Family::Financial,
    |text, at| {
        code::find(text, at, &["99999999", "999999999", "9999999999", "99999999999", "999999999999"], code::varies)
    },
    &["account number", "bank account", "account no", "acct number", "acct no", "kontonummer"],
    &["account number: «12345678»"],
    &["account number: 12", "12345678"],
);

pub(super) static BIC: Detector = near(
    "bank-identifier-code",
    "bank identifier codes, near a word for them",
    Family::Financial,
    |text, at| code::find(text, at, &["AAAAAAXXXXX", "AAAAAAXX"], |_| true),
    &["bic", "swift code", "swift/bic", "bic code"],
    &["BIC: «DEUTDEFF500»", "SWIFT code «NEDSZAJJ»"],
    &["BIC: DEUT"],
);

pub(super) static US_ZIP: Detector = Detector {
    profiles: HEALTH,
    confidence: Confidence::Low,
    ..near(
        "us-zip-code",
        "US ZIP codes, near a word for them or behind a state",
        Family::Identity,
        |text, at| code::find(text, at, &["99999-9999", "99999"], |_| true),
        &["zip", "zip code", "postal code", "zipcode"],
        &["zip code «90210»", "ZIP: «90210-1234»"],
        &["a zip file of 1024", "90210"],
    )
};

pub(super) static POSTAL_CODE: Detector = Detector {
    profiles: HEALTH,
    confidence: Confidence::Low,
    ..near(
        "postal-code",
        "postal codes of the United Kingdom, Canada, Germany and their like, near a word for them",
        Family::Identity,
        |text, at| {
            let shapes = [
                "AA9A 9AA", "A9A 9AA", "AA99 9AA", "AA9 9AA", "A99 9AA", "A9 9AA", "A9A-9A9", "9999-AA", "99999",
                "9999",
            ];
            code::find(text, at, &shapes, |_| true)
        },
        &["postcode", "postal code", "plz", "postleitzahl", "code postal", "código postal"],
        &["postcode «SW1A 1AA»", "PLZ: «10115»", "postal code «K1A 0B1»"],
        &["postcode: none", "SW1A 1AA"],
    )
};

pub(super) static COORDINATES: Detector = Detector {
    profiles: WIDE,
    ..near(
        "coordinates",
        "geographic coordinates with four decimals or more, near a word for them",
        Family::Identity,
        coordinate,
        &["lat", "latitude", "lon", "lng", "longitude", "latlng", "coordinates", "geo"],
        &["latitude: «52.520008»", "lng=«13.404954»"],
        &["lat 99.52", "latency 12.5200", "geo 1.2"],
    )
};

pub(super) static NAME: Detector = Detector {
    profiles: WIDE,
    confidence: Confidence::Low,
    ..near(
        "person-name",
        "names of persons behind a word for them",
        Family::Identity,
        |text, at| Verdict::of(name_end(text, at, true).map(|end| at..end)),
        &[
            "full name",
            "first name",
            "last name",
            "given name",
            "family name",
            "surname",
            "patient name",
            "customer name",
            "cardholder name",
            "cardholder",
            "maiden name",
            "employee name",
            "contact name",
            "display name",
        ],
        &["full name: «Jane Alice Doe»", "last_name=«O'Brien»", "patient name «Ana Müller»"],
        &["full name of the file", "first name: null"],
    )
};

pub(super) static TITLED_NAME: Detector = Detector {
    id: "person-name-titled",
    title: "names of persons behind a title or a common given name",
    class: Class::Personal,
    family: Family::Identity,
    confidence: Confidence::Low,
    profiles: WIDE,
    find: Find::Anchors(TITLES, titled),
    context: &[],
    hits: &["met Dr. «Jane Doe» today", "for «Alice Johnson»,", "Mr. «Smith»"],
    misses: &["Dr. No way", "alice johnson", "Alice went home", "Mr. x"],
};

/// Titles end with a dot; the others are common given names, which count when a second capitalised word follows.
const TITLES: &[&str] = &[
    "Mr.",
    "Mrs.",
    "Ms.",
    "Dr.",
    "Prof.",
    "Alice ",
    "Andrea ",
    "Andrew ",
    "Anna ",
    "Anthony ",
    "Barbara ",
    "Carlos ",
    "Charles ",
    "Christopher ",
    "Daniel ",
    "David ",
    "Deborah ",
    "Dorothy ",
    "Elizabeth ",
    "Emily ",
    "Emma ",
    "Fatima ",
    "Francisco ",
    "Hans ",
    "Hannah ",
    "Ivan ",
    "James ",
    "Jane ",
    "Jennifer ",
    "Jessica ",
    "Joanna ",
    "John ",
    "Jose ",
    "Joseph ",
    "Juan ",
    "Karen ",
    "Katarzyna ",
    "Klaus ",
    "Laura ",
    "Linda ",
    "Lisa ",
    "Margaret ",
    "Maria ",
    "Marie ",
    "Matthew ",
    "Michael ",
    "Mohammed ",
    "Nancy ",
    "Olga ",
    "Olivia ",
    "Patricia ",
    "Pedro ",
    "Peter ",
    "Pierre ",
    "Priya ",
    "Rachel ",
    "Richard ",
    "Robert ",
    "Sandra ",
    "Sarah ",
    "Sofia ",
    "Sophie ",
    "Stefan ",
    "Steven ",
    "Susan ",
    "Thomas ",
    "Wei ",
    "William ",
    "Yuki ",
];

fn titled(text: &[u8], at: usize) -> Verdict {
    let word = run_end_within(text, at, 16, |byte| byte.is_ascii_alphabetic());
    if before(text, at).is_some_and(|byte| byte.is_ascii_alphanumeric()) || !text[at].is_ascii_uppercase() {
        return Verdict::NO;
    }
    if text.get(word) == Some(&b'.') {
        let start = run_end_within(text, word + 1, 2, |byte| byte == b' ');
        let stop = ["No ", "Who ", "The "].iter().any(|stop| text[start..].starts_with(stop.as_bytes()));
        return Verdict::of(name_end(text, start, true).filter(|_| !stop).map(|end| start..end));
    }
    Verdict::of(name_end(text, at, false).map(|end| at..end))
}

/// Up to four capitalised words, at least two unless `single`.
fn name_end(text: &[u8], at: usize, single: bool) -> Option<usize> {
    let part = |byte: u8| byte.is_ascii_alphabetic() || matches!(byte, b'\'' | b'-') || !byte.is_ascii();
    let (mut end, mut next, mut words) = (at, at, 0);
    while words < 4 && text.get(next).is_some_and(|byte| byte.is_ascii_uppercase() || !byte.is_ascii()) {
        let to = run_end_within(text, next, 32, part);
        let small = text[next + 1..to].iter().any(|byte| byte.is_ascii_lowercase() || !byte.is_ascii());
        if to - next < 2 || !small {
            break;
        }
        (end, words) = (to, words + 1);
        next = to + usize::from(text.get(to) == Some(&b' '));
    }
    (words >= if single { 1 } else { 2 } && !before(text, at).is_some_and(|byte| byte.is_ascii_alphanumeric()))
        .then_some(end)
}

const MONTHS: &[&str] = &["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];

/// `1987-06-05`, `06/05/1987`, `5.6.87`, `5 June 1987`, `June 5, 1987`.
fn date(text: &[u8], at: usize) -> Verdict {
    let shapes = ["9999=99=99", "99=99=9999", "9=99=9999", "99=9=9999", "9=9=9999", "99=99=99", "99999999"];
    match code::find(text, at, &shapes, |_| true) {
        Verdict::Hit(span) if is_date(&text[span.clone()]) => Verdict::Hit(span),
        _ => Verdict::of(written_date(text, at).map(|end| at..end)),
    }
}

fn is_date(date: &[u8]) -> bool {
    let parts: Vec<&[u8]> = date.split(|byte| !byte.is_ascii_digit()).collect();
    let year = |part: &[u8]| part.len() == 2 || matches!(number(part), 1890..=2099);
    match parts[..] {
        [whole] => matches!(number(&whole[..4]), 1890..=2099) && is_day(&whole[4..6], &whole[6..]),
        [first, month, day] if first.len() == 4 => year(first) && is_day(month, day),
        [one, other, last] => year(last) && (is_day(one, other) || is_day(other, one)),
        _ => false,
    }
}

fn written_date(text: &[u8], at: usize) -> Option<usize> {
    let day_first = text[at].is_ascii_digit();
    let day = |at: usize| {
        let end = run_end_within(text, at, 2, |byte| byte.is_ascii_digit());
        let end = if matches!(text.get(end..end + 2), Some(b"st" | b"nd" | b"rd" | b"th")) { end + 2 } else { end };
        (end > at).then_some(end)
    };
    let month = |at: usize| {
        let end = run_end_within(text, at, 9, |byte| byte.is_ascii_alphabetic());
        let head = text.get(at..at + 3)?.to_ascii_lowercase();
        MONTHS.iter().any(|month| month.as_bytes() == head).then_some(end)
    };
    let gap = |at: usize| run_end_within(text, at, 2, |byte| matches!(byte, b' ' | b',' | b'.' | b'-'));
    let second = if day_first { month(gap(day(at)?))? } else { day(gap(month(at)?))? };
    let year = gap(second);
    let end = run_end(text, year, |byte| byte.is_ascii_digit());
    (end - year == 4 && code::starts(text, at)).then_some(end)
}

/// Capital letters, digits and dashes, so many characters, so many digits at least.
fn mixed(text: &[u8], at: usize, min: usize, max: usize, digits: usize) -> Verdict {
    let inside = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'-';
    let end = run_end_within(text, at, max, inside);
    let found = &text[at..end];
    let enough = found.iter().filter(|byte| byte.is_ascii_digit()).count() >= digits;
    let day = found.len() == 10 && is_date(found);
    if end - at >= min && enough && !day && code::starts(text, at) && code::ends(text, end) {
        return Verdict::Hit(at..end);
    }
    Verdict::NO
}

/// Letters have values, places have weights; the ninth place is the check, X for ten.
fn is_vin(code: &[u8]) -> bool {
    const VALUES: &[u8; 26] = b"12345678012345070923456789";
    const WEIGHTS: [u32; 17] = [8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2];
    let digit = |byte: u8| value(if byte.is_ascii_digit() { byte } else { VALUES[usize::from(byte - b'A')] });
    let sum: u32 = code.iter().zip(WEIGHTS).map(|(byte, weight)| digit(*byte) * weight).sum();
    !code.iter().any(|byte| b"IOQ".contains(byte)) && b"0123456789X"[(sum % 11) as usize] == code[8]
}

/// Degrees with four decimals and more.
fn coordinate(text: &[u8], at: usize) -> Verdict {
    let whole = run_end_within(text, at, 3, |byte| byte.is_ascii_digit());
    let end = run_end_within(text, whole + 1, 15, |byte| byte.is_ascii_digit());
    let start = at - usize::from(before(text, at) == Some(b'-'));
    let fits = whole > at && text.get(whole) == Some(&b'.') && end > whole + 4 && number(&text[at..whole]) <= 180;
    if fits && code::starts(text, start) && code::ends(text, end) { Verdict::Hit(start..end) } else { Verdict::NO }
}
