//! JSON Web Tokens signed with public keys (RFC 7515, 7517, 7518, 7519): what is needed to recognise senders, and nothing else.
//!
//! Only algorithms with public keys exist here: `none` and those with shared secrets cannot be allowed, so that nobody can sign
//! with a key that everybody knows. A key serves algorithms of its own kind only. Addresses and keys in a token's header are
//! never looked at. Messages tell no value.

use std::collections::BTreeMap;

use aws_lc_rs::signature::{self, RsaParameters, RsaPublicKeyComponents, UnparsedPublicKey};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;

use crate::stdx::json::{Error, Reader, Text, Value};

/// Keys of one issuer, at most.
const KEYS_MAX: usize = 64;
/// Members of an object, at most, those within its objects included.
const MEMBERS_MAX: usize = 256;
/// How deep objects are followed.
const DEPTH_MAX: usize = 4;

/// How a token may be signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[expect(missing_docs, reason = "RFC 7518 and RFC 8037 name and describe them")]
pub enum Algorithm {
    RS256,
    RS384,
    RS512,
    PS256,
    PS384,
    PS512,
    ES256,
    ES384,
    EdDSA,
}

impl Algorithm {
    fn named(name: &str) -> Option<Self> {
        Some(match name {
            "RS256" => Self::RS256,
            "RS384" => Self::RS384,
            "RS512" => Self::RS512,
            "PS256" => Self::PS256,
            "PS384" => Self::PS384,
            "PS512" => Self::PS512,
            "ES256" => Self::ES256,
            "ES384" => Self::ES384,
            "EdDSA" => Self::EdDSA,
            _ => return None,
        })
    }

    /// For keys of 2048 to 8192 bits.
    const fn rsa(self) -> Option<&'static RsaParameters> {
        Some(match self {
            Self::RS256 => &signature::RSA_PKCS1_2048_8192_SHA256,
            Self::RS384 => &signature::RSA_PKCS1_2048_8192_SHA384,
            Self::RS512 => &signature::RSA_PKCS1_2048_8192_SHA512,
            Self::PS256 => &signature::RSA_PSS_2048_8192_SHA256,
            Self::PS384 => &signature::RSA_PSS_2048_8192_SHA384,
            Self::PS512 => &signature::RSA_PSS_2048_8192_SHA512,
            Self::ES256 | Self::ES384 | Self::EdDSA => return None,
        })
    }
}

/// Why a token is no proof.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wrong {
    /// It is no token of this kind.
    Malformed,
    /// It is signed in a way that is not allowed, or not by a key of that kind.
    Algorithm,
    /// It names a key that is not known.
    UnknownKey,
    /// The signature is not that of the key.
    Signature,
}

/// The public keys of an issuer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keys(Vec<Key>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Key {
    id: Option<String>,
    algorithm: Option<Algorithm>,
    material: Material,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Material {
    Rsa {
        n: Vec<u8>,
        e: Vec<u8>,
    },
    /// Uncompressed points.
    P256(Vec<u8>),
    P384(Vec<u8>),
    Ed25519(Vec<u8>),
}

impl Keys {
    /// Reads a JWK set. Keys of other kinds, and those that are not for signatures, are passed over.
    ///
    /// # Errors
    /// When it is none, or no key in it can be used.
    pub fn parse(text: &str) -> Result<Self, String> {
        const NO_SET: &str = "it is no JWK set: `{\"keys\":[..]}`";
        let read = || -> Result<Vec<Claims>, Error> {
            let mut reader = Reader::over(text);
            let mut keys = Vec::new();
            let Value::Object = reader.value()? else { return reader.fail(NO_SET) };
            while let Some(name) = reader.next_member()? {
                if name.plain() != Some("keys") {
                    reader.skip_value(DEPTH_MAX)?;
                    continue;
                }
                let Value::Array = reader.value()? else { return reader.fail(NO_SET) };
                while reader.next_element()? {
                    keys.push(Claims::read(&mut reader)?);
                }
            }
            reader.end()?;
            Ok(keys)
        };
        let found = read().map_err(|error| error.to_string())?;
        let keys: Vec<Key> = found.iter().filter_map(Key::of).collect();
        match keys.len() {
            0 => Err("there is no public key for signatures in it (RSA, P-256, P-384, Ed25519)".to_owned()),
            many @ KEYS_MAX.. => Err(format!("there are {many} keys in it, {KEYS_MAX} are too many")),
            _ => Ok(Self(keys)),
        }
    }

    /// What a token claims, once its signature is known to be good. Nothing of that is judged yet.
    ///
    /// # Errors
    /// When it is not signed by one of these keys in one of these ways.
    pub fn open(&self, token: &str, allowed: &[Algorithm]) -> Result<Claims, Wrong> {
        let (message, signature) = token.rsplit_once('.').ok_or(Wrong::Malformed)?;
        let (header, body) = message.split_once('.').ok_or(Wrong::Malformed)?;
        let header = Claims::decode(header).ok_or(Wrong::Malformed)?;
        // Extensions that must be understood are not.
        if header.has("crit") {
            return Err(Wrong::Malformed);
        }
        let algorithm = header.text("alg").and_then(Algorithm::named).filter(|own| allowed.contains(own));
        let algorithm = algorithm.ok_or(Wrong::Algorithm)?;
        let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| Wrong::Malformed)?;
        let named = |key: &&Key| match (header.text("kid"), &key.id) {
            (Some(wanted), Some(id)) => wanted == id,
            _ => true,
        };
        let candidates: Vec<&Key> = self.0.iter().filter(named).collect();
        if candidates.is_empty() {
            return Err(Wrong::UnknownKey);
        }
        let fitting: Vec<&&Key> = candidates.iter().filter(|key| key.serves(algorithm)).collect();
        if fitting.is_empty() {
            return Err(Wrong::Algorithm);
        }
        if !fitting.iter().any(|key| key.has_signed(algorithm, message.as_bytes(), &signature)) {
            return Err(Wrong::Signature);
        }
        Claims::decode(body).ok_or(Wrong::Malformed)
    }
}

impl Key {
    fn of(jwk: &Claims) -> Option<Self> {
        let bytes = |name: &str| URL_SAFE_NO_PAD.decode(jwk.text(name)?).ok();
        let point = |len: usize| {
            let (x, y) = (bytes("x")?, bytes("y")?);
            (x.len() == len && y.len() == len).then(|| [&[4][..], &x, &y].concat())
        };
        if jwk.text("use").is_some_and(|purpose| purpose != "sig") {
            return None;
        }
        let material = match (jwk.text("kty")?, jwk.text("crv")) {
            ("RSA", _) => Material::Rsa { n: bytes("n")?, e: bytes("e")? },
            ("EC", Some("P-256")) => Material::P256(point(32)?),
            ("EC", Some("P-384")) => Material::P384(point(48)?),
            ("OKP", Some("Ed25519")) => Material::Ed25519(bytes("x")?),
            _ => return None,
        };
        let algorithm = match jwk.text("alg") {
            Some(name) => Some(Algorithm::named(name)?),
            None => None,
        };
        Some(Self { id: jwk.text("kid").map(str::to_owned), algorithm, material })
    }

    fn serves(&self, algorithm: Algorithm) -> bool {
        let fits = match self.material {
            Material::Rsa { .. } => algorithm.rsa().is_some(),
            Material::P256(_) => algorithm == Algorithm::ES256,
            Material::P384(_) => algorithm == Algorithm::ES384,
            Material::Ed25519(_) => algorithm == Algorithm::EdDSA,
        };
        fits && self.algorithm.is_none_or(|own| own == algorithm)
    }

    fn has_signed(&self, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> bool {
        let verified = match &self.material {
            Material::Rsa { n, e } => match algorithm.rsa() {
                Some(parameters) => RsaPublicKeyComponents { n, e }.verify(parameters, message, signature),
                None => return false,
            },
            Material::P256(point) => {
                UnparsedPublicKey::new(&signature::ECDSA_P256_SHA256_FIXED, point).verify(message, signature)
            }
            Material::P384(point) => {
                UnparsedPublicKey::new(&signature::ECDSA_P384_SHA384_FIXED, point).verify(message, signature)
            }
            Material::Ed25519(key) => UnparsedPublicKey::new(&signature::ED25519, key).verify(message, signature),
        };
        verified.is_ok()
    }
}

/// The members of a JSON object; those of an object within it as `outer.inner`. A name that stands there twice is an error.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Claims(BTreeMap<String, Claim>);

/// A value.
#[derive(Debug, Clone, PartialEq)]
pub enum Claim {
    /// A string.
    Text(String),
    /// A number, as it is written.
    Number(String),
    /// `true` or `false`.
    Bool(bool),
    /// The strings and numbers of a list.
    List(Vec<String>),
}

impl Claims {
    fn decode(part: &str) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(part).ok()?;
        let mut reader = Reader::new(&bytes).ok()?;
        let claims = Self::read(&mut reader).ok()?;
        reader.end().ok()?;
        Some(claims)
    }

    /// Reads a JSON text that is one object.
    ///
    /// # Errors
    /// When it is none.
    pub fn parse(text: &[u8]) -> Result<Self, Error> {
        let mut reader = Reader::new(text)?;
        let claims = Self::read(&mut reader)?;
        reader.end()?;
        Ok(claims)
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Error> {
        let mut claims = Self::default();
        match reader.value()? {
            Value::Object => claims.members("", DEPTH_MAX, reader)?,
            _ => return reader.fail("expected an object"),
        }
        Ok(claims)
    }

    fn members(&mut self, prefix: &str, depth: usize, reader: &mut Reader<'_>) -> Result<(), Error> {
        while let Some(name) = reader.next_member()? {
            let name = format!("{prefix}{}", text(name));
            let claim = match reader.value()? {
                Value::Object if depth == 0 => return reader.fail("nested too deep"),
                Value::Object => {
                    self.members(&format!("{name}."), depth - 1, reader)?;
                    continue;
                }
                Value::Array => Claim::List(list(reader)?),
                Value::Str(value) => Claim::Text(text(value)),
                Value::Number(number) => Claim::Number(number.to_owned()),
                Value::Bool(value) => Claim::Bool(value),
                Value::Null => continue,
            };
            if self.0.len() >= MEMBERS_MAX || self.0.insert(name, claim).is_some() {
                return reader.fail("too many members, or one that stands there twice");
            }
        }
        Ok(())
    }

    /// A member that is a string.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        match self.0.get(name)? {
            Claim::Text(text) => Some(text),
            _ => None,
        }
    }

    /// A member that is a number.
    #[must_use]
    pub fn number(&self, name: &str) -> Option<f64> {
        match self.0.get(name)? {
            Claim::Number(number) => number.parse().ok().filter(|number: &f64| number.is_finite()),
            _ => None,
        }
    }

    /// A member that is a list, or a string as a list of one.
    #[must_use]
    pub fn list(&self, name: &str) -> Vec<&str> {
        match self.0.get(name) {
            Some(Claim::List(items)) => items.iter().map(String::as_str).collect(),
            Some(Claim::Text(text)) => vec![text],
            _ => Vec::new(),
        }
    }

    /// Whether there is such a member, or an object of that name.
    fn has(&self, name: &str) -> bool {
        self.0.keys().any(|known| known.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('.')))
    }

    /// All members.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Claim)> {
        self.0.iter().map(|(name, claim)| (name.as_str(), claim))
    }
}

impl Claim {
    /// As one text: a list with commas.
    #[must_use]
    pub fn joined(&self) -> String {
        match self {
            Self::Text(text) | Self::Number(text) => text.clone(),
            Self::Bool(value) => value.to_string(),
            Self::List(items) => items.join(","),
        }
    }
}

fn list(reader: &mut Reader<'_>) -> Result<Vec<String>, Error> {
    let mut items = Vec::new();
    while reader.next_element()? {
        let before = reader.clone();
        match reader.value()? {
            Value::Str(value) => items.push(text(value)),
            Value::Number(number) => items.push(number.to_owned()),
            Value::Object | Value::Array => {
                *reader = before;
                reader.skip_value(DEPTH_MAX)?;
            }
            Value::Bool(_) | Value::Null => {}
        }
    }
    Ok(items)
}

fn text(token: Text<'_>) -> String {
    token.read(&mut String::new()).to_owned()
}

#[cfg(test)]
#[path = "jwt/tests.rs"]
mod tests;
