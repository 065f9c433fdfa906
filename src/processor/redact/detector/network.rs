//! Addresses of networks and devices: IPv4, IPv6, MAC, and the numbers of phones. Developer text is full of the first
//! three, so they are not in the profile `ai-agent`.

use std::net::Ipv6Addr;

use crate::processor::redact::detector::bytes::{before, run_end_within, word_starts};
use crate::processor::redact::detector::code::{self, luhn, varies};
use crate::processor::redact::detector::{Class, Confidence, Detector, Family, Find, PERSONAL, Shape, Verdict, WIDE};

pub(super) static IPV4: Detector = Detector {
    id: "ipv4-address",
    title: "IPv4 addresses that are not of this host and not unspecified",
    class: Class::Personal,
    family: Family::Network,
    confidence: Confidence::Medium,
    profiles: WIDE,
    find: Find::Digits(Shape::Any, ipv4),
    context: &[],
    hits: &["from «203.0.113.7» port 22", "http://«198.51.100.23»:8080/"],
    misses: &["version 1.2.3.4.5", "127.0.0.1", "0.0.0.0", "300.1.1.1", "1.2.3", "01.2.3.4"],
};

pub(super) static IPV6: Detector = Detector {
    id: "ipv6-address",
    title: "IPv6 addresses that are not of this host and not unspecified",
    class: Class::Personal,
    family: Family::Network,
    confidence: Confidence::Medium,
    profiles: WIDE,
    find: Find::Digits(Shape::Any, ipv6),
    context: &[],
    hits: &["from «2001:db8::8a2e:370:7334» port 22", "[«fe80::1ff:fe23:4567:890a»]:443"],
    misses: &["::1", "12:34:56", "a::b::1", "std::u8::MAX"],
};

pub(super) static MAC: Detector = Detector {
    id: "mac-address",
    title: "MAC addresses",
    class: Class::Personal,
    family: Family::Network,
    confidence: Confidence::Medium,
    profiles: WIDE,
    find: Find::Digits(Shape::Any, mac),
    context: &[],
    hits: &["ether «00:1a:2b:3c:4d:5e» txqueuelen", "«00-1A-2B-3C-4D-5E»"],
    misses: &["00:00:00:00:00:00", "00:1a:2b:3c:4d", "00:1a:2b:3c:4d:5e:6f"],
};

pub(super) static IMEI: Detector = Detector {
    id: "imei",
    title: "serial numbers of mobile devices, near a word for them",
    class: Class::Personal,
    family: Family::Network,
    confidence: Confidence::High,
    profiles: PERSONAL,
    find: Find::Near(|text, at| code::find(text, at, &["99-999999-999999-9"], |code| varies(code) && luhn(code))),
    context: &["imei"],
    hits: &["IMEI: «490154203237518»"],
    misses: &["IMEI: 490154203237519", "490154203237518"],
};

pub(super) static ICCID: Detector = Detector {
    id: "sim-number",
    title: "numbers of SIM cards, near a word for them",
    class: Class::Personal,
    family: Family::Network,
    confidence: Confidence::High,
    profiles: PERSONAL,
    find: Find::Near(|text, at| code::find(text, at, &["8999999999999999999", "89999999999999999999"], luhn)),
    context: &["iccid", "sim number", "sim card"],
    hits: &["ICCID «8944500102198304826»"],
    misses: &["ICCID 8944500102198304827"],
};

fn ipv4(text: &[u8], at: usize) -> Verdict {
    if before(text, at).is_some_and(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_'))
        && !word_starts(text, at)
        || before(text, at) == Some(b'.')
    {
        return Verdict::NO;
    }
    let mut end = at;
    for group in 0..4 {
        let from = end + usize::from(group > 0);
        let to = run_end_within(text, from, 4, |byte| byte.is_ascii_digit());
        let digits = text.get(from..to).unwrap_or_default();
        let fits = !digits.is_empty() && digits.len() <= 3 && code::number(digits) <= 255;
        if !fits || (digits.len() > 1 && digits[0] == b'0') || (group > 0 && text.get(end) != Some(&b'.')) {
            return Verdict::NO;
        }
        end = to;
    }
    let dotted = text.get(end) == Some(&b'.') && text.get(end + 1).is_some_and(u8::is_ascii_digit);
    let longer = text.get(end).is_some_and(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    let own = text[at..].starts_with(b"127.") || &text[at..end] == b"0.0.0.0" || &text[at..end] == b"255.255.255.255";
    if dotted || longer || own { Verdict::NO } else { Verdict::Hit(at..end) }
}

const IPV6_LEN_MAX: usize = 39;

/// `at` is the start of any run of digits in the address: the address is what stands around it.
fn ipv6(text: &[u8], at: usize) -> Verdict {
    let inside = |byte: u8| byte.is_ascii_hexdigit() || byte == b':';
    let start = crate::processor::redact::detector::bytes::run_start_within(text, at, IPV6_LEN_MAX, inside);
    let end = run_end_within(text, at, IPV6_LEN_MAX, inside);
    let around = |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if around(before(text, start)) || around(text.get(end).copied()) {
        return Verdict::NO;
    }
    let address = std::str::from_utf8(&text[start..end]).ok().and_then(|text| text.parse::<Ipv6Addr>().ok());
    match address {
        Some(address) if !address.is_loopback() && !address.is_unspecified() => Verdict::Hit(start..end),
        _ => Verdict::NO,
    }
}

const MAC_LEN: usize = 17;

/// `at` is the start of any run of digits in the address.
fn mac(text: &[u8], at: usize) -> Verdict {
    let inside = |byte: u8| byte.is_ascii_hexdigit() || matches!(byte, b':' | b'-');
    let start = crate::processor::redact::detector::bytes::run_start_within(text, at, MAC_LEN + 1, inside);
    let end = run_end_within(text, at, MAC_LEN + 1, inside);
    let address = &text[start..end];
    let shaped = address.len() == MAC_LEN
        && address.iter().enumerate().all(|(index, byte)| match index % 3 {
            2 => *byte == address[2] && !byte.is_ascii_alphanumeric(),
            _ => byte.is_ascii_hexdigit(),
        });
    let same = |byte: u8| address.iter().all(|other| *other == byte || !other.is_ascii_alphanumeric());
    if shaped && !same(b'0') && !same(b'f') && !same(b'F') { Verdict::Hit(start..end) } else { Verdict::NO }
}
