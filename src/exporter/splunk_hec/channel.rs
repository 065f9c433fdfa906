//! What one endpoint knows us by: the channel that acknowledgements belong to, and the cookies with which a load balancer leads
//! the questions about them to the machine that has the answers.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use http::header::{AUTHORIZATION, COOKIE, HeaderName, SET_COOKIE};
use http::{HeaderMap, HeaderValue};

use crate::http::client::Answer;

/// How many cookies of an endpoint are kept, and how long each may be, name included.
const COOKIES_MAX: usize = 16;
const COOKIE_BYTES_MAX: usize = 4096;

const CHANNEL: HeaderName = HeaderName::from_static("x-splunk-request-channel");

/// The channels to all endpoints, in their order.
#[derive(Debug)]
pub(super) struct Channels(Vec<Mutex<Channel>>);

struct Channel {
    id: String,
    cookies: BTreeMap<String, String>,
}

impl std::fmt::Debug for Channel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Channel").field("id", &self.id).field("cookies", &self.cookies.len()).finish()
    }
}

impl Channels {
    /// A new channel to each endpoint.
    ///
    /// # Errors
    /// When the system gives no random numbers.
    pub(super) fn new(endpoints: usize) -> Result<Self, getrandom::Error> {
        let channel = || Ok(Mutex::new(Channel { id: guid()?, cookies: BTreeMap::new() }));
        (0..endpoints).map(|_| channel()).collect::<Result<_, _>>().map(Self)
    }

    fn lock(&self, at: usize) -> Option<MutexGuard<'_, Channel>> {
        self.0.get(at).map(|channel| channel.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The channel in use at an endpoint.
    pub(super) fn id(&self, at: usize) -> String {
        self.lock(at).map(|channel| channel.id.clone()).unwrap_or_default()
    }

    /// A new channel to an endpoint, unless it has another one than `old` already.
    pub(super) fn renew(&self, at: usize, old: &str) {
        if let (Some(mut channel), Ok(id)) = (self.lock(at), guid())
            && channel.id == old
        {
            channel.id = id;
        }
    }

    /// The headers of a request on this channel.
    pub(super) fn headers(&self, at: usize, token: &HeaderValue, id: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, token.clone());
        if let Ok(id) = HeaderValue::from_str(id) {
            headers.insert(CHANNEL, id);
        }
        let cookies = self.lock(at).map(|channel| {
            let pairs: Vec<_> = channel.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
            pairs.join("; ")
        });
        if let Some(mut cookie) =
            cookies.filter(|cookies| !cookies.is_empty()).and_then(|cookies| HeaderValue::from_str(&cookies).ok())
        {
            cookie.set_sensitive(true);
            headers.insert(COOKIE, cookie);
        }
        headers
    }

    /// Takes the cookies of an answer.
    pub(super) fn note(&self, at: usize, answer: &Answer) {
        let cookies = answer.headers.get_all(SET_COOKIE).iter().filter_map(|cookie| cookie.to_str().ok());
        for cookie in cookies.filter(|cookie| cookie.len() <= COOKIE_BYTES_MAX) {
            let (pair, attributes) = cookie.split_once(';').unwrap_or((cookie, ""));
            let (Some((name, value)), Some(mut channel)) = (pair.split_once('='), self.lock(at)) else { continue };
            let (name, value) = (name.trim(), value.trim());
            if is_expired(attributes) {
                channel.cookies.remove(name);
            } else if channel.cookies.len() < COOKIES_MAX || channel.cookies.contains_key(name) {
                channel.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
    }
}

/// The server takes the cookie back.
fn is_expired(attributes: &str) -> bool {
    attributes.split(';').filter_map(|attribute| attribute.split_once('=')).any(|(name, value)| {
        name.trim().eq_ignore_ascii_case("max-age") && value.trim().parse::<i64>().is_ok_and(|seconds| seconds <= 0)
    })
}

/// A random GUID (RFC 9562, version 4), as Splunk wants for a channel.
fn guid() -> Result<String, getrandom::Error> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes)?;
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let mut hex = Vec::with_capacity(36);
    for (place, byte) in bytes.iter().enumerate() {
        if [4, 6, 8, 10].contains(&place) {
            hex.push(b'-');
        }
        crate::stdx::json::write_hex(&mut hex, &[*byte]);
    }
    Ok(String::from_utf8(hex).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn cookies(channels: &Channels, set: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        for cookie in set {
            headers.append(SET_COOKIE, cookie.parse().unwrap());
        }
        let answer = Answer { status: 200, headers, trailers: HeaderMap::new(), body: Bytes::new() };
        channels.note(0, &answer);
        let headers = channels.headers(0, &HeaderValue::from_static("Splunk x"), "id");
        headers.get(COOKIE).map(|cookie| cookie.to_str().unwrap().to_owned()).unwrap_or_default()
    }

    #[test]
    fn cookies_are_kept_replaced_and_given_back() {
        let channels = Channels::new(1).unwrap();
        assert_eq!(cookies(&channels, &[]), "");
        assert_eq!(cookies(&channels, &["AWSALB=one; Path=/; Secure", "b=2"]), "AWSALB=one; b=2");
        assert_eq!(cookies(&channels, &["AWSALB=two; Max-Age=60"]), "AWSALB=two; b=2");
        assert_eq!(
            cookies(&channels, &["b=; Max-Age=0", "nonsense", &format!("c={}", "x".repeat(5000))]),
            "AWSALB=two"
        );
        let many: Vec<_> = (0..100).map(|n| format!("k{n}=v")).collect();
        let many: Vec<_> = many.iter().map(String::as_str).collect();
        assert_eq!(cookies(&channels, &many).split("; ").count(), COOKIES_MAX);
    }

    #[test]
    fn a_channel_is_a_random_guid_until_it_is_renewed() {
        let channels = Channels::new(2).unwrap();
        let (one, two) = (channels.id(0), channels.id(1));
        assert_ne!(one, two);
        assert_eq!(one.split('-').map(str::len).collect::<Vec<_>>(), [8, 4, 4, 4, 12]);
        assert_eq!(&one[14..15], "4");
        channels.renew(0, &two);
        assert_eq!(channels.id(0), one);
        channels.renew(0, &one);
        assert_ne!(channels.id(0), one);
        assert_eq!(channels.id(7), "");
    }
}
