//! Where requests go. Addresses may carry credentials (`https://user:password@host`, `?api_key=..`), so they print
//! without them everywhere.

use std::fmt;
use std::net::IpAddr;

use reqwest::Url;
use serde::{Deserialize, Deserializer};

use crate::stdx::problem::{At, Problems};

/// A URL as configured. `Debug` and `Display` leave out user, password, query and fragment.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Address(String);

impl Address {
    /// The address with this text; [`Address::check`] says whether it is one.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// True when nothing was configured.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The text as configured, with whatever secrets are in it.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// The URL, when it is one that HTTP can use.
    #[must_use]
    pub fn url(&self) -> Option<Url> {
        let url = Url::parse(&self.0).ok()?;
        (matches!(url.scheme(), "http" | "https") && url.has_host()).then_some(url)
    }

    /// Notes what keeps this from being an `http://` or `https://` URL.
    pub fn check(&self, at: &At, problems: &mut Problems) {
        if self.url().is_some() {
            return;
        }
        let message = format!("`{self}` is not a URL");
        if self.0.contains("://") || self.to_string() != self.0 {
            problems.add_hint(at, message, "use `http://host:port` or `https://host:port`");
        } else {
            problems.add_hint(at, message, format!("did you mean `http://{self}` or `https://{self}`?"));
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.url() {
            Some(url) => write!(f, "{}://{}", url.scheme(), name(&url)),
            // No URL, so there is no telling where a password in it would end.
            None if self.0.contains(['@', '?', '#']) => f.write_str("<not shown>"),
            None => f.write_str(&self.0),
        }
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.to_string())
    }
}

impl<'de> Deserialize<'de> for Address {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        String::deserialize(input).map(Self)
    }
}

/// True when the host is this machine: what is sent there in clear does not leave it.
#[must_use]
pub fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let ip: Option<IpAddr> = host.trim_matches(['[', ']']).parse().ok();
    host == "localhost" || host.ends_with(".localhost") || ip.is_some_and(|ip| ip.is_loopback())
}

/// How errors name a URL: host, port and path.
#[must_use]
pub fn name(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    let path = if url.path() == "/" { "" } else { url.path() };
    match url.port() {
        Some(port) => format!("{host}:{port}{path}"),
        None => format!("{host}{path}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_prints_without_credentials_and_query() {
        for (text, shown) in [
            ("https://user:hunter2@example.com:4318/otlp?api_key=hunter2#hunter2", "https://example.com:4318/otlp"),
            ("https://host/p?email=a@b&key=hunter2", "https://host/p"),
            ("user:hunter2@example.com:4317", "<not shown>"),
            ("http://user:hunter2/@:hunter2@x/", "<not shown>"),
            ("localhost:4317", "localhost:4317"),
            ("http://[::1]:4318", "http://[::1]:4318"),
        ] {
            let address = Address::new(text);
            assert_eq!(address.to_string(), shown);
            assert_eq!(format!("{address:?}"), format!("{shown:?}"));
        }
    }

    #[test]
    fn names_have_host_port_and_path() {
        let url = Address::new("https://user:hunter2@example.com:4318/v1/logs?key=hunter2").url().unwrap();
        assert_eq!(name(&url), "example.com:4318/v1/logs");
        assert_eq!(name(&Address::new("https://example.com").url().unwrap()), "example.com");
    }

    #[test]
    fn what_is_no_url_is_reported_with_the_likely_one() {
        let mut problems = Problems::default();
        for text in ["localhost:4318", "ftp://host", "http://", ""] {
            Address::new(text).check(&At::new("exporters.otlp_http.endpoint"), &mut problems);
        }
        assert_eq!(problems.0.len(), 4);
        assert_eq!(
            problems.0[0].hint.as_deref(),
            Some("did you mean `http://localhost:4318` or `https://localhost:4318`?")
        );
    }

    #[test]
    fn loopback_is_this_machine_and_nothing_else() {
        for (text, loopback) in [
            ("http://localhost:1", true),
            ("http://127.0.0.9", true),
            ("http://[::1]", true),
            ("http://10.0.0.1", false),
            ("http://localhost.example.com", false),
        ] {
            assert_eq!(is_loopback(&Address::new(text).url().unwrap()), loopback, "{text}");
        }
    }
}
