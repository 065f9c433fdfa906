//! `bearertokenauth`: senders that present a token. Several, each with a name, stored as hashes.
//!
//! A token is random and long, so its SHA-256 tells nothing about it and needs no salt. Comparing is looking up the hash of
//! what was presented: how long that takes depends on a hash that no sender can steer.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use http::{HeaderMap, HeaderName, HeaderValue};
use serde::Deserialize;

use super::credentials::{File, hash, named, presented};
use super::{Denied, Identity, SetupError};
use crate::stdx::duration::Span;
use crate::stdx::problem::{At, Problems};
use crate::stdx::secret::Secret;

/// The shortest token, in bytes: 128 random bits in hex or base64 are longer.
const TOKEN_BYTES_MIN: usize = 16;

/// Senders that present a token.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// One token, in clear, of at least 16 bytes; its name is `token`. Better: `filename`.
    pub token: Secret,
    /// A file of tokens, one a line: `NAME sha256:HEX`, with `tenant=T` behind it for tokens that share limits. Empty lines
    /// and lines that begin with `#` are left out. Default: none.
    pub filename: Option<PathBuf>,
    /// The word before the token. Empty: none. Default: `Bearer`.
    pub scheme: String,
    /// The header with the token. Default: `authorization`.
    pub header: String,
    /// How often the file is looked at for changes. `0`: never. Default: `10s`.
    pub reload_interval: Span,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            token: Secret::default(),
            filename: None,
            scheme: "Bearer".to_owned(),
            header: "authorization".to_owned(),
            reload_interval: Span::secs(10),
        }
    }
}

impl Config {
    /// Notes what is wrong. Reads no file.
    pub fn check(&self, at: &At, problems: &mut Problems) {
        let token = self.token.reveal();
        match (token.is_empty(), &self.filename) {
            (true, None) => {
                problems.add_hint(
                    at,
                    "has no token",
                    "name a file of tokens in `filename`, one `NAME sha256:HEX` a line",
                );
            }
            (false, Some(_)) => problems.add(&at.key("token"), "stands beside `filename`: keep one of them"),
            (false, None) if token.len() < TOKEN_BYTES_MIN => {
                let hint = "`openssl rand -hex 32` makes a good one";
                problems.add_hint(&at.key("token"), format!("is shorter than {TOKEN_BYTES_MIN} bytes"), hint);
            }
            _ => {}
        }
        check_header(&self.header, at, problems);
        if self.scheme.contains(|c: char| !c.is_ascii_graphic()) {
            problems.add(&at.key("scheme"), "must be one word, or empty");
        }
    }
}

pub(super) fn check_header(header: &str, at: &At, problems: &mut Problems) {
    if header.parse::<HeaderName>().is_err() {
        problems.add(&at.key("header"), format!("`{header}` is no name of a header"));
    }
}

/// The tokens, by the SHA-256 of each.
type Tokens = HashMap<[u8; 32], Arc<Identity>>;

/// The authenticator.
#[derive(Debug)]
pub struct BearerTokenAuth {
    header: HeaderName,
    scheme: String,
    tokens: Source,
}

#[derive(Debug)]
enum Source {
    One(Arc<Tokens>),
    File(File<Tokens>),
}

impl BearerTokenAuth {
    /// Reads the file.
    ///
    /// # Errors
    /// When it cannot be read, or a line of it is wrong: names file and line.
    pub fn new(config: &Config) -> Result<Self, SetupError> {
        let header = config.header.parse().map_err(|_| SetupError(format!("`{}` is no header", config.header)))?;
        let tokens = match &config.filename {
            Some(path) => Source::File(File::open(path, config.reload_interval, parse)?),
            None => {
                let token = hash(config.token.reveal().as_bytes());
                Source::One(Arc::new(HashMap::from([(token, named("token"))])))
            }
        };
        Ok(Self { header, scheme: config.scheme.clone(), tokens })
    }

    pub(super) fn authenticate(&self, headers: &HeaderMap) -> Result<Arc<Identity>, Denied> {
        let hash = hash(presented(headers, &self.header, &self.scheme)?.as_bytes());
        let tokens = match &self.tokens {
            Source::One(tokens) => Arc::clone(tokens),
            Source::File(file) => file.current(),
        };
        let found = tokens.get_key_value(&hash).filter(|(known, _)| verify_slices_are_equal(*known, &hash).is_ok());
        found.map(|(_, identity)| Arc::clone(identity)).ok_or(Denied::Wrong("unknown"))
    }

    pub(super) fn challenge(&self) -> HeaderValue {
        let scheme = if self.scheme.is_empty() { "Bearer" } else { &self.scheme };
        HeaderValue::try_from(format!("{scheme} realm=\"telseal\""))
            .unwrap_or(HeaderValue::from_static("Bearer realm=\"telseal\""))
    }

    pub(super) async fn stay_fresh(&self, id: &str) {
        if let Source::File(file) = &self.tokens {
            file.stay_fresh(id).await;
        }
    }
}

fn parse(text: &str) -> Result<Tokens, String> {
    let mut tokens = Tokens::new();
    let lines = text.lines().enumerate().map(|(index, line)| (index + 1, line.trim()));
    for (number, line) in lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#')) {
        let (hash, identity) = entry(line).map_err(|error| format!("line {number}: {error}"))?;
        if tokens.insert(hash, Arc::new(identity)).is_some() {
            return Err(format!("line {number}: the same token stands above under another name"));
        }
    }
    if tokens.is_empty() { Err("there is no token in it".to_owned()) } else { Ok(tokens) }
}

/// One line. Errors never repeat it: it may be a token in clear.
fn entry(line: &str) -> Result<([u8; 32], Identity), &'static str> {
    const FORM: &str = "write `NAME sha256:HEX`; `printf %s \"$TOKEN\" | sha256sum` gives the HEX";
    let mut words = line.split_ascii_whitespace();
    let (Some(name), Some(hex)) = (words.next(), words.next().and_then(|word| word.strip_prefix("sha256:"))) else {
        return Err(FORM);
    };
    let hash = from_hex(hex).ok_or(FORM)?;
    let mut identity = Identity { name: name.to_owned(), ..Identity::default() };
    for word in words {
        match word.split_once('=') {
            Some(("tenant", tenant)) if !tenant.is_empty() => identity.tenant = Some(tenant.to_owned()),
            _ => return Err("behind the hash only `tenant=NAME` may stand"),
        }
    }
    Ok((hash, identity))
}

fn from_hex(hex: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    if hex.len() != 64 || !hex.is_ascii() {
        return None;
    }
    for (byte, at) in bytes.iter_mut().zip((0..).step_by(2)) {
        *byte = u8::from_str_radix(&hex[at..at + 2], 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use http::header::AUTHORIZATION;

    use super::*;

    /// SHA-256 of `correct-horse-battery`.
    fn line(name: &str, rest: &str) -> String {
        let hex: String = hash(b"correct-horse-battery").iter().map(|byte| format!("{byte:02x}")).collect();
        format!("{name} sha256:{hex}{rest}")
    }

    fn problems(yaml: &str) -> Vec<String> {
        let config: Config = serde_saphyr::from_str(yaml).unwrap();
        let mut problems = Problems::default();
        config.check(&At::new("x"), &mut problems);
        problems.0.into_iter().map(|problem| format!("{}: {}", problem.path, problem.message)).collect()
    }

    #[test]
    fn a_file_names_tokens_and_tenants_and_its_errors_repeat_no_line() {
        let tokens = parse(&format!("# agents\n\n{}\n", line("ci", " tenant=blue"))).unwrap();
        let identity = &tokens[&hash(b"correct-horse-battery")];
        assert_eq!((identity.name.as_str(), identity.tenant()), ("ci", "blue"));
        for (text, error) in [
            ("", "there is no token in it".to_owned()),
            ("plain-token-in-clear", "line 1: write `NAME sha256:HEX`".to_owned()),
            ("ci sha256:12", "line 1: write `NAME sha256:HEX`".to_owned()),
            (&line("ci", " blue"), "line 1: behind the hash only".to_owned()),
            (&format!("{}\n{}", line("a", ""), line("b", "")), "line 2: the same token stands above".to_owned()),
        ] {
            let found = parse(text).unwrap_err();
            assert!(found.starts_with(&error) && !found.contains("in-clear"), "{found}");
        }
    }

    #[test]
    fn one_token_is_recognised_and_no_other() {
        let config: Config = serde_saphyr::from_str("token: correct-horse-battery").unwrap();
        let bearer = BearerTokenAuth::new(&config).unwrap();
        let ask = |value: &str| {
            let headers = HeaderMap::from_iter([(AUTHORIZATION, HeaderValue::from_str(value).unwrap())]);
            bearer.authenticate(&headers).map(|identity| identity.name.clone())
        };
        assert_eq!(ask("Bearer correct-horse-battery"), Ok("token".into()));
        assert_eq!(ask("Bearer correct-horse-batterY"), Err(Denied::Wrong("unknown")));
        assert_eq!(ask("Basic correct-horse-battery"), Err(Denied::Missing));
        assert!(!format!("{bearer:?}{config:?}").contains("horse"));
    }

    #[test]
    fn settings_that_let_nobody_or_anybody_in_are_refused() {
        assert_eq!(problems("{filename: a}"), Vec::<String>::new());
        assert_eq!(problems("{}"), ["x: has no token"]);
        assert_eq!(problems("{token: short}"), ["x.token: is shorter than 16 bytes"]);
        assert_eq!(
            problems("{token: aaaaaaaaaaaaaaaaaaaa, filename: b, header: 'a b'}"),
            ["x.token: stands beside `filename`: keep one of them", "x.header: `a b` is no name of a header"]
        );
    }
}
