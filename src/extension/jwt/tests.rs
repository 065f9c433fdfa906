//! Right tokens, and everything known to be done with wrong ones.

use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256, RSA_PSS_SHA256,
    RsaKeyPair,
};

use super::*;

fn b64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// A token of these parts, signed by `sign`.
fn token(header: &str, claims: &str, sign: impl FnOnce(&[u8]) -> Vec<u8>) -> String {
    let message = format!("{}.{}", b64(header), b64(claims));
    let signature = sign(message.as_bytes());
    format!("{message}.{}", b64(signature))
}

struct Issuer {
    ec: EcdsaKeyPair,
    rsa: RsaKeyPair,
    ed: Ed25519KeyPair,
}

impl Issuer {
    fn new() -> Self {
        Self {
            ec: EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap(),
            rsa: RsaKeyPair::generate(KeySize::Rsa2048).unwrap(),
            ed: Ed25519KeyPair::generate().unwrap(),
        }
    }

    fn set(&self) -> String {
        let point = self.ec.public_key().as_ref();
        // DER of a key of 2048 bits: a header of 9 bytes, the modulus, and 65537.
        let n = &self.rsa.public_key().as_ref()[9..265];
        format!(
            r#"{{"keys":[
              {{"kty":"EC","crv":"P-256","kid":"ec","use":"sig","x":"{}","y":"{}"}},
              {{"kty":"RSA","kid":"rsa","alg":"RS256","n":"{}","e":"{}"}},
              {{"kty":"OKP","crv":"Ed25519","kid":"ed","x":"{}"}},
              {{"kty":"RSA","kid":"encrypts","use":"enc","n":"AQAB","e":"AQAB"}},
              {{"kty":"oct","kid":"shared","k":"c2VjcmV0"}}]}}"#,
            b64(&point[1..33]),
            b64(&point[33..]),
            b64(n),
            b64([1, 0, 1]),
            b64(self.ed.public_key().as_ref()),
        )
    }

    fn keys(&self) -> Keys {
        Keys::parse(&self.set()).unwrap()
    }

    fn es(&self, message: &[u8]) -> Vec<u8> {
        self.ec.sign(&SystemRandom::new(), message).unwrap().as_ref().to_vec()
    }

    fn rs(&self, padding: &'static dyn aws_lc_rs::signature::RsaEncoding, message: &[u8]) -> Vec<u8> {
        let mut signature = vec![0; self.rsa.public_modulus_len()];
        self.rsa.sign(padding, &SystemRandom::new(), message, &mut signature).unwrap();
        signature
    }
}

const ALL: [Algorithm; 4] = [Algorithm::RS256, Algorithm::PS256, Algorithm::ES256, Algorithm::EdDSA];
const CLAIMS: &str = r#"{"sub":"ci","exp":9999999999,"aud":["a","b"],"realm":{"roles":["x","y"]},"n":null}"#;

#[test]
fn tokens_of_each_kind_are_opened() {
    let issuer = Issuer::new();
    let keys = issuer.keys();
    let signed = [
        token(r#"{"alg":"ES256","kid":"ec"}"#, CLAIMS, |message| issuer.es(message)),
        token(r#"{"alg":"ES256"}"#, CLAIMS, |message| issuer.es(message)),
        token(r#"{"alg":"RS256","kid":"rsa","typ":"at+jwt"}"#, CLAIMS, |message| issuer.rs(&RSA_PKCS1_SHA256, message)),
        token(r#"{"alg":"EdDSA","kid":"ed"}"#, CLAIMS, |message| issuer.ed.sign(message).as_ref().to_vec()),
    ];
    for token in signed {
        let claims = keys.open(&token, &ALL).unwrap();
        assert_eq!((claims.text("sub"), claims.number("exp")), (Some("ci"), Some(9_999_999_999.0)));
        assert_eq!((claims.list("aud"), claims.list("realm.roles")), (vec!["a", "b"], vec!["x", "y"]));
        assert!(!claims.has("n") && claims.has("realm"));
    }
}

#[test]
fn what_is_signed_otherwise_is_refused() {
    let (issuer, stranger) = (Issuer::new(), Issuer::new());
    let keys = issuer.keys();
    let es = |header: &str| token(header, CLAIMS, |message| issuer.es(message));
    // The public key as the secret of an HMAC: what naive verifiers fall for.
    let confused = |secret: &[u8]| {
        token(r#"{"alg":"HS256","kid":"rsa"}"#, CLAIMS, |message| {
            hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), message).as_ref().to_vec()
        })
    };
    let good = es(r#"{"alg":"ES256","kid":"ec"}"#);
    let (message, signature) = good.rsplit_once('.').unwrap();
    let other_claims = format!("{}.{}.{signature}", b64(r#"{"alg":"ES256","kid":"ec"}"#), b64(r#"{"sub":"root"}"#));
    for (what, token, wrong) in [
        ("no signature", token(r#"{"alg":"none"}"#, CLAIMS, |_| vec![]), Wrong::Algorithm),
        ("None", token(r#"{"alg":"None","kid":"ec"}"#, CLAIMS, |_| vec![]), Wrong::Algorithm),
        ("a modulus as a secret", confused(issuer.rsa.public_key().as_ref()), Wrong::Algorithm),
        ("a set as a secret", confused(issuer.set().as_bytes()), Wrong::Algorithm),
        ("a key of another kind", es(r#"{"alg":"RS256","kid":"ec"}"#), Wrong::Algorithm),
        ("an EC signature under an RSA key", es(r#"{"alg":"ES256","kid":"rsa"}"#), Wrong::Algorithm),
        (
            "an algorithm that the key is not for",
            token(r#"{"alg":"PS256","kid":"rsa"}"#, CLAIMS, |message| issuer.rs(&RSA_PSS_SHA256, message)),
            Wrong::Algorithm,
        ),
        ("a shared secret in the set", es(r#"{"alg":"ES256","kid":"shared"}"#), Wrong::UnknownKey),
        ("an unknown key", es(r#"{"alg":"ES256","kid":"other"}"#), Wrong::UnknownKey),
        (
            "somebody else's key",
            token(r#"{"alg":"ES256","kid":"ec"}"#, CLAIMS, |message| stranger.es(message)),
            Wrong::Signature,
        ),
        ("other claims", other_claims, Wrong::Signature),
        ("a cut signature", format!("{message}.{}", &signature[..40]), Wrong::Signature),
        ("zeros", format!("{message}.{}", b64([0; 64])), Wrong::Signature),
        ("no signature at all", format!("{message}."), Wrong::Signature),
        ("padding", format!("{good}=="), Wrong::Malformed),
        ("something critical", es(r#"{"alg":"ES256","kid":"ec","crit":["exp"],"exp":1}"#), Wrong::Malformed),
        ("a name twice", es(r#"{"alg":"ES256","alg":"none"}"#), Wrong::Malformed),
        ("two parts", message.to_owned(), Wrong::Malformed),
        ("one part", "abc".to_owned(), Wrong::Malformed),
        ("nothing", String::new(), Wrong::Malformed),
        ("five parts", format!("{good}.a.b"), Wrong::Malformed),
    ] {
        assert_eq!(keys.open(&token, &ALL).unwrap_err(), wrong, "{what}");
    }
    assert_eq!(keys.open(&good, &[Algorithm::RS256]).unwrap_err(), Wrong::Algorithm, "only what is allowed");
}

#[test]
fn claims_that_are_no_object_are_refused_even_when_they_are_signed() {
    let issuer = Issuer::new();
    let deep = format!("{}1{}", r#"{"a":"#.repeat(9), "}".repeat(9));
    let many: Vec<String> = (0..300).map(|n| format!("\"c{n}\":1")).collect();
    for claims in ["[]", "1", "", "{}x", r#"{"exp":1,"exp":2}"#, &deep, &format!("{{{}}}", many.join(","))] {
        let token = token(r#"{"alg":"ES256"}"#, claims, |message| issuer.es(message));
        assert_eq!(issuer.keys().open(&token, &ALL).unwrap_err(), Wrong::Malformed, "{claims}");
    }
}

#[test]
fn a_set_without_keys_for_signatures_is_refused() {
    for text in [
        "{}",
        "[]",
        "x",
        r#"{"keys":{}}"#,
        r#"{"keys":[{"kty":"oct","k":"c2VjcmV0"}]}"#,
        r#"{"keys":[{"kty":"EC","crv":"P-256","x":"AQ","y":"AQ"}]}"#,
        r#"{"keys":[{"kty":"RSA","alg":"HS256","n":"AQAB","e":"AQAB"}]}"#,
    ] {
        assert!(Keys::parse(text).is_err(), "{text}");
    }
}
