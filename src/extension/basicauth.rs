//! `basicauth`: senders with a user name and a password, checked against an htpasswd file.
//!
//! Passwords are bcrypt (`htpasswd -B`); the older kinds of htpasswd are broken and refused. bcrypt is slow on purpose, so
//! what it said yes to is remembered by a keyed hash until the file changes, and only two passwords are tried at once: a
//! flood of wrong ones is asked to come back and costs two cores at most. A name that is not known takes as long as one that is.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use serde::Deserialize;
use tokio::sync::Semaphore;
use zeroize::Zeroizing;

use super::credentials::{File, Memory, named, presented};
use super::{Denied, Identity, SetupError};
use crate::stdx::duration::Span;
use crate::stdx::problem::{At, Problems};
use crate::stdx::secret::Secret;
use crate::stdx::tasks::blocking;

/// Passwords tried at once.
const TRIES_MAX: usize = 2;
/// Requests that wait for their password to be tried; more are asked to come back.
const WAITING_MAX: usize = 32;
const COME_BACK: Duration = Duration::from_secs(1);
/// A higher cost takes more than a second a try.
const COST_MAX: u32 = 15;

/// Senders with a user name and a password.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Who is let in.
    pub htpasswd: Htpasswd,
}

/// Users and the bcrypt hashes of their passwords.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Htpasswd {
    /// A file as `htpasswd -B` writes it, one `USER:$2y$..` a line.
    pub file: Option<PathBuf>,
    /// The same as text.
    pub inline: Secret,
    /// How often the file is looked at for changes. `0`: never. Default: `10s`.
    pub reload_interval: Span,
}

impl Default for Htpasswd {
    fn default() -> Self {
        Self { file: None, inline: Secret::default(), reload_interval: Span::secs(10) }
    }
}

impl Config {
    /// Notes what is wrong. Reads no file.
    pub fn check(&self, at: &At, problems: &mut Problems) {
        let at = at.key("htpasswd");
        let inline = self.htpasswd.inline.reveal();
        match (&self.htpasswd.file, inline.is_empty()) {
            (None, true) => {
                problems.add_hint(&at, "names no user", "write `htpasswd: {file: PATH}`; `htpasswd -B` makes the file")
            }
            (Some(_), false) => problems.add(&at.key("inline"), "stands beside `file`: keep one of them"),
            (None, false) => {
                if let Err(error) = parse(inline) {
                    problems.add(&at.key("inline"), error);
                }
            }
            (Some(_), true) => {}
        }
    }
}

/// Users, and the passwords that were right.
#[derive(Debug)]
struct Users {
    hashes: HashMap<String, String>,
    /// A hash to try for names that are not known.
    decoy: String,
    verified: Memory<Arc<Identity>>,
}

/// The authenticator.
#[derive(Debug)]
pub struct BasicAuth {
    users: Source,
    tries: Semaphore,
    waiting: AtomicUsize,
}

#[derive(Debug)]
enum Source {
    Inline(Arc<Users>),
    File(File<Users>),
}

impl BasicAuth {
    /// Reads the file.
    ///
    /// # Errors
    /// When it cannot be read, or a line of it is wrong: names file and line.
    pub fn new(config: &Config) -> Result<Self, SetupError> {
        let own = &config.htpasswd;
        let users = match &own.file {
            Some(path) => Source::File(File::open(path, own.reload_interval, parse)?),
            None => Source::Inline(Arc::new(parse(own.inline.reveal()).map_err(SetupError)?)),
        };
        Ok(Self { users, tries: Semaphore::new(TRIES_MAX), waiting: AtomicUsize::new(0) })
    }

    pub(super) async fn authenticate(&self, headers: &HeaderMap) -> Result<Arc<Identity>, Denied> {
        let encoded = presented(headers, &AUTHORIZATION, "Basic")?;
        let users = match &self.users {
            Source::Inline(users) => Arc::clone(users),
            Source::File(file) => file.current(),
        };
        let name = users.verified.name(encoded.as_bytes());
        if let Some(identity) = users.verified.get(&name) {
            return Ok(identity);
        }
        let decoded = Zeroizing::new(STANDARD.decode(encoded).map_err(|_| Denied::Wrong("malformed"))?);
        let decoded = std::str::from_utf8(&decoded).map_err(|_| Denied::Wrong("malformed"))?;
        let (user, password) = decoded.split_once(':').ok_or(Denied::Wrong("malformed"))?;
        let identity = self.attempt(&users, user, password).await?;
        users.verified.put(name, Arc::clone(&identity));
        Ok(identity)
    }

    async fn attempt(&self, users: &Users, user: &str, password: &str) -> Result<Arc<Identity>, Denied> {
        let _waiting = Waiting::enter(&self.waiting).ok_or(Denied::Later(COME_BACK))?;
        let _place = self.tries.acquire().await.map_err(|_| Denied::Later(COME_BACK))?;
        let hash = users.hashes.get(user);
        let tried = hash.unwrap_or(&users.decoy).clone();
        let password = Zeroizing::new(password.to_owned());
        let right = blocking(move || bcrypt::verify(password.as_bytes(), &tried).unwrap_or(false)).await;
        match (hash, right) {
            (Some(_), Ok(true)) => Ok(named(user)),
            (_, Err(_)) => Err(Denied::Later(COME_BACK)),
            _ => Err(Denied::Wrong("unknown")),
        }
    }

    pub(super) async fn stay_fresh(&self, id: &str) {
        if let Source::File(file) = &self.users {
            file.stay_fresh(id).await;
        }
    }
}

/// One of those who wait.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn enter(count: &'a AtomicUsize) -> Option<Self> {
        let waiting = Self(count);
        (count.fetch_add(1, Relaxed) < WAITING_MAX).then_some(waiting)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

fn parse(text: &str) -> Result<Users, String> {
    let mut hashes = HashMap::new();
    let lines = text.lines().enumerate().map(|(index, line)| (index + 1, line.trim()));
    for (number, line) in lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#')) {
        let (user, hash) = entry(line).map_err(|error| format!("line {number}: {error}"))?;
        if hashes.insert(user.to_owned(), hash.to_owned()).is_some() {
            return Err(format!("line {number}: the user stands above, too"));
        }
    }
    let decoy = hashes.values().next().cloned().ok_or("there is no user in it")?;
    Ok(Users { hashes, decoy, verified: Memory::new()? })
}

/// One line. Errors never repeat it: it may hold a password in clear.
fn entry(line: &str) -> Result<(&str, &str), String> {
    let (user, hash) = line.split_once(':').ok_or("write `USER:HASH`")?;
    let parts: bcrypt::HashParts =
        hash.parse().map_err(|_| "the password is not bcrypt: make the line with `htpasswd -nB USER`")?;
    if user.is_empty() {
        return Err("the user has no name".to_owned());
    }
    if parts.get_cost() > COST_MAX {
        return Err(format!("the cost of the hash is above {COST_MAX}: each try would take seconds"));
    }
    Ok((user, hash))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn basic() -> BasicAuth {
        let hash = bcrypt::hash("open sesame", 4).unwrap();
        let inline = Secret::new(format!("# users\nagent:{hash}\n"));
        let config = Config { htpasswd: Htpasswd { inline, ..Htpasswd::default() } };
        let mut problems = Problems::default();
        config.check(&At::new("x"), &mut problems);
        assert!(problems.is_empty());
        BasicAuth::new(&config).unwrap()
    }

    async fn ask(basic: &BasicAuth, credentials: &str) -> Result<String, Denied> {
        let value = HeaderValue::try_from(format!("Basic {}", STANDARD.encode(credentials))).unwrap();
        basic.authenticate(&HeaderMap::from_iter([(AUTHORIZATION, value)])).await.map(|identity| identity.name.clone())
    }

    #[tokio::test]
    async fn the_right_password_is_remembered_and_wrong_ones_are_not() {
        let basic = basic();
        assert_eq!(ask(&basic, "agent:open sesame").await, Ok("agent".into()));
        for wrong in ["agent:open sesamE", "agent:", "nobody:open sesame", ":"] {
            assert_eq!(ask(&basic, wrong).await, Err(Denied::Wrong("unknown")), "{wrong}");
        }
        assert_eq!(ask(&basic, "no colon").await, Err(Denied::Wrong("malformed")));
        // With no place to try a password, only what is remembered gets in, and a queue that is full says so.
        let _all = basic.tries.acquire_many(u32::try_from(TRIES_MAX).unwrap()).await.unwrap();
        basic.waiting.store(WAITING_MAX, Relaxed);
        assert_eq!(ask(&basic, "agent:open sesame").await, Ok("agent".into()));
        assert_eq!(ask(&basic, "agent:another").await, Err(Denied::Later(COME_BACK)));
        assert_eq!(basic.waiting.load(Relaxed), WAITING_MAX, "who is turned away does not wait");
    }

    #[test]
    fn hashes_that_are_broken_or_too_slow_are_refused_without_being_repeated() {
        for (line, error) in [
            ("agent:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=", "is not bcrypt"),
            ("agent:$apr1$abcdefgh$ijklmnopqrstuvwxyz", "is not bcrypt"),
            ("agent:password-in-clear", "is not bcrypt"),
            ("agent", "write `USER:HASH`"),
            ("", "there is no user in it"),
            ("agent:$2y$31$abcdefghijklmnopqrstuuabcdefghijklmnopqrstuvwxyzabcde", "cost of the hash is above 15"),
        ] {
            let found = parse(line).unwrap_err();
            assert!(found.contains(error) && !found.contains("in-clear"), "{line}: {found}");
        }
    }
}
