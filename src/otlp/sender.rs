//! What is known of who sent a request, besides its bytes: the address it came from, and the headers that a processor
//! asks for, and who it proved to be. Nothing is collected that nobody asks for.
//!
//! Only facts are proof: an address may be a proxy's, and a header says what its sender wants it to say.

use std::collections::BTreeSet;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

/// The longest header that is handed on, in bytes. W3C baggage may be as long; a longer one is taken as missing, since
/// a part of it would say something else.
pub const HEADER_BYTES_MAX: usize = 8 << 10;

/// What stands between the values of a header that was sent several times: `;` as in the Collector, and for lists, of
/// which W3C baggage is one, the comma of HTTP.
#[must_use]
pub fn separator(header: &str) -> char {
    if header == "baggage" { ',' } else { ';' }
}

/// What processors ask for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wanted {
    /// The address and port of the other end.
    pub peer: bool,
    /// Header names, in lower case. On gRPC they are called metadata.
    pub headers: BTreeSet<String>,
    /// What was proven of the sender: `auth.subject`, `auth.claims.email`, `tls.client.subject`.
    pub facts: BTreeSet<String>,
}

impl Wanted {
    /// True when nothing is asked for.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        !self.peer && self.headers.is_empty() && self.facts.is_empty()
    }

    /// Asks for what `other` asks for, too.
    pub fn merge(&mut self, other: Self) {
        self.peer |= other.peer;
        self.headers.extend(other.headers);
        self.facts.extend(other.facts);
    }
}

/// What is known of a sender. Clones share it.
#[derive(Clone, Default)]
pub struct Sender(Option<Arc<Known>>);

struct Known {
    address: Option<(String, u16)>,
    headers: Vec<(String, String)>,
    facts: Vec<(String, String)>,
}

impl fmt::Debug for Sender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(known) = &self.0 else { return f.write_str("Sender(unknown)") };
        let names: Vec<_> = known.headers.iter().map(|(name, _)| name).collect();
        f.debug_struct("Sender").field("address", &known.address).field("headers", &names).finish()
    }
}

/// The sender of what came from nowhere.
static UNKNOWN: Sender = Sender(None);

impl Sender {
    /// A sender at `peer` with these headers: names in lower case, each once.
    #[must_use]
    pub fn new(peer: Option<SocketAddr>, headers: Vec<(String, String)>) -> Self {
        // `::ffff:10.0.0.7` is how a socket that listens on both families sees an IPv4 sender.
        let address = peer.map(|peer| (peer.ip().to_canonical().to_string(), peer.port()));
        Self(Some(Arc::new(Known { address, headers, facts: vec![] })))
    }

    /// The same sender, of whom this was proven, each name once.
    #[must_use]
    pub fn with_facts(self, facts: Vec<(String, String)>) -> Self {
        let Some(known) = self.0 else { return Self(Some(Arc::new(Known { address: None, headers: vec![], facts }))) };
        let known = Arc::try_unwrap(known).unwrap_or_else(|shared| Known {
            address: shared.address.clone(),
            headers: shared.headers.clone(),
            facts: vec![],
        });
        Self(Some(Arc::new(Known { facts, ..known })))
    }

    /// Nobody in particular.
    #[must_use]
    pub fn unknown() -> &'static Self {
        &UNKNOWN
    }

    /// The IP address of the other end, without the port.
    #[must_use]
    pub fn address(&self) -> Option<&str> {
        self.known()?.address.as_ref().map(|(address, _)| address.as_str())
    }

    /// The port of the other end.
    #[must_use]
    pub fn port(&self) -> Option<u16> {
        self.known()?.address.as_ref().map(|(_, port)| *port)
    }

    /// The value of a header, by its name in lower case; of a repeated one all values, joined as [`separator`] says.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.known()?.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// What was proven under a name such as `auth.subject`.
    #[must_use]
    pub fn fact(&self, name: &str) -> Option<&str> {
        self.known()?.facts.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    fn known(&self) -> Option<&Known> {
        self.0.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use super::{Sender, Wanted};

    #[test]
    fn an_address_is_shown_as_its_own_family_writes_it() {
        let sender = Sender::new(Some("[::ffff:10.0.0.7]:4242".parse().unwrap()), vec![]);
        assert_eq!((sender.address(), sender.port()), (Some("10.0.0.7"), Some(4242)));
        assert_eq!(Sender::unknown().address(), None);
    }

    #[test]
    fn headers_are_found_by_name_and_never_printed() {
        let sender = Sender::new(None, vec![("x-tenant".into(), "secret-tenant".into())]);
        assert_eq!(sender.header("x-tenant"), Some("secret-tenant"));
        assert_eq!(sender.header("x-other"), None);
        assert!(!format!("{sender:?}").contains("secret-tenant"));
    }

    #[test]
    fn wishes_add_up() {
        let mut wanted = Wanted::default();
        assert!(wanted.is_empty());
        wanted.merge(Wanted { peer: true, headers: ["a".to_owned()].into(), ..Wanted::default() });
        wanted.merge(Wanted {
            headers: ["b".to_owned()].into(),
            facts: ["auth.subject".to_owned()].into(),
            ..Wanted::default()
        });
        assert!(wanted.peer && wanted.headers.len() == 2 && wanted.facts.len() == 1);
    }
}
