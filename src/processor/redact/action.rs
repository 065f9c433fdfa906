//! What is done with a finding: the configured action, and the coarser values that `generalize` puts in the place of
//! exact ones.

use std::net::{Ipv4Addr, Ipv6Addr};

use serde::Deserialize;

/// What is done with what a detector finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// It becomes `[REDACTED:<detector>]`.
    Mask,
    /// The attribute that holds it is removed; any other text becomes empty.
    Drop,
    /// Its first and last letters and digits stay, all between become `*`; separators stay. Refused for secrets.
    Partial(Ends),
    /// It becomes a pseudonym, `email:k3:…`: HMAC-SHA-256 under the first of `keys`, the same for the same value.
    Hash,
    /// It becomes a token, `email:k3:enc.…`: AES-SIV under the first of `keys`; `telseal detokenize` undoes it.
    Tokenize,
    /// It becomes less exact: an address its /24 or /48, a date its year, a postal code its first three digits.
    Generalize,
    /// It stays: the detector is not used.
    Keep,
}

/// How much `partial` leaves.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Ends {
    /// Letters and digits left at the start. Default: 0.
    pub first: usize,
    /// Letters and digits left at the end. Default: 0.
    pub last: usize,
}

/// The text with only its ends left; `None` when that would leave half of it or more.
pub(super) fn partial(text: &str, ends: Ends) -> Option<String> {
    let total = text.chars().filter(|c| c.is_alphanumeric()).count();
    let left = ends.first.saturating_add(ends.last);
    // A card of 16 digits may keep 6 and 4. Of what is shorter than 12, less than half may stay.
    if left >= total || (total < 12 && left * 2 >= total) {
        return None;
    }
    let mut seen = 0;
    let hide = |c: char| {
        if !c.is_alphanumeric() {
            return c;
        }
        seen += 1;
        if seen <= ends.first || seen > total - ends.last { c } else { '*' }
    };
    Some(text.chars().map(hide).collect())
}

/// Makes a value less exact; `None` when it cannot. The number is the present year.
pub(super) type Generalizer = fn(&str, u64) -> Option<String>;

/// How the findings of a detector are made less exact; `None` when they cannot be.
pub(super) fn generalizer(detector: &str) -> Option<Generalizer> {
    match detector {
        "ipv4-address" | "ipv6-address" => Some(network),
        "date-of-birth" => Some(year),
        "us-zip-code" => Some(zip3),
        _ => None,
    }
}

fn network(text: &str, _: u64) -> Option<String> {
    if let Ok(address) = text.parse::<Ipv4Addr>() {
        let [a, b, c, _] = address.octets();
        return Some(format!("{}/24", Ipv4Addr::new(a, b, c, 0)));
    }
    let [a, b, c, ..] = text.parse::<Ipv6Addr>().ok()?.segments();
    Some(format!("{}/48", Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0)))
}

/// The oldest age that may be told: 45 CFR 164.514(b)(2)(i)(C) has all above 89 in one group.
const AGE_MAX: u64 = 89;

/// The year of a date. A birth so long ago that it tells an age above 89 becomes the group of all such ages.
fn year(text: &str, now: u64) -> Option<String> {
    let numbers = text.split(|c: char| !c.is_ascii_digit()).filter(|digits| digits.len() == 4);
    let year = numbers.filter_map(|digits| digits.parse().ok()).find(|year: &u64| (1800..2200).contains(year))?;
    Some(if year + AGE_MAX < now { "90+".to_owned() } else { year.to_string() })
}

/// First three digits of ZIP codes under which live 20,000 people or fewer, by the census of 2000 or of 2010: 45 CFR
/// 164.514(b)(2)(i)(B) has them become 000.
const SMALL_ZIP3: &[&str] = &[
    "036", "059", "063", "102", "203", "205", "369", "556", "692", "753", "772", "790", "821", "823", "830", "831",
    "878", "879", "884", "890", "893",
];

fn zip3(text: &str, _: u64) -> Option<String> {
    let digits = text.get(..5).filter(|head| head.bytes().all(|byte| byte.is_ascii_digit()))?;
    let head = &digits[..3];
    Some(format!("{}**", if SMALL_ZIP3.contains(&head) { "000" } else { head }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_stay_and_separators_but_never_half_of_a_short_value() {
        let ends = |first, last| Ends { first, last };
        assert_eq!(partial("4111 1111-1111 1111", ends(6, 4)).as_deref(), Some("4111 11**-**** 1111"));
        assert_eq!(partial("jörg@example.com", ends(1, 3)).as_deref(), Some("j***@*******.com"));
        assert_eq!(partial("12345678", ends(2, 2)), None);
        assert_eq!(partial("123456789", ends(0, 4)).as_deref(), Some("*****6789"));
        assert_eq!(partial("123", ends(usize::MAX, 1)), None);
    }

    #[test]
    fn values_become_less_exact() {
        let general = |detector: &str, text| generalizer(detector).and_then(|make| make(text, 2026));
        for (detector, text, expected) in [
            ("ipv4-address", "10.1.2.3", Some("10.1.2.0/24")),
            ("ipv6-address", "2001:db8:1:2::3", Some("2001:db8:1::/48")),
            ("date-of-birth", "1987-06-05", Some("1987")),
            ("date-of-birth", "5/6/1931", Some("90+")),
            ("date-of-birth", "05.06.87", None),
            ("us-zip-code", "90210-1234", Some("902**")),
            ("us-zip-code", "03601", Some("000**")),
            ("us-zip-code", "SW1A 1AA", None),
            ("email", "bob@example.com", None),
        ] {
            assert_eq!(general(detector, text).as_deref(), expected, "{text}");
        }
    }
}
