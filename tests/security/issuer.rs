//! An issuer of tokens in the test's own process: discovery, keys and client credentials over plain HTTP on loopback.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use telseal::stdx::tasks::thread;

/// A key pair with a name.
pub(crate) struct Signer {
    id: String,
    pair: EcdsaKeyPair,
}

impl Signer {
    pub(crate) fn new(id: &str) -> Self {
        Self { id: id.to_owned(), pair: EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap() }
    }

    /// Its public key.
    pub(crate) fn jwk(&self) -> String {
        let point = self.pair.public_key().as_ref();
        let (x, y) = (URL_SAFE_NO_PAD.encode(&point[1..33]), URL_SAFE_NO_PAD.encode(&point[33..]));
        format!(r#"{{"kty":"EC","crv":"P-256","kid":"{}","x":"{x}","y":"{y}"}}"#, self.id)
    }

    /// A token with these claims.
    pub(crate) fn sign(&self, claims: &str) -> String {
        let header = format!(r#"{{"alg":"ES256","kid":"{}"}}"#, self.id);
        let message = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
        let signature = self.pair.sign(&SystemRandom::new(), message.as_bytes()).unwrap();
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

/// Claims of a token of `issuer` for telseal that ends in `seconds`.
pub(crate) fn claims(issuer: &str, audience: &str, seconds: i64) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let ends = i64::try_from(now).unwrap() + seconds;
    format!(
        r#"{{"iss":"{issuer}","aud":"{audience}","exp":{ends},"sub":"agent-7","team":"blue","groups":["dev","ops"],"email":"a@example.com"}}"#
    )
}

#[derive(Default)]
struct State {
    keys: Vec<String>,
    /// How often the keys were asked for.
    asked: usize,
    /// The bodies and credentials of requests for tokens.
    token_requests: Vec<String>,
    /// What is answered to the next ones; the last one for ever.
    tokens: Vec<(u16, String)>,
}

/// The issuer.
pub(crate) struct Issuer {
    pub(crate) url: String,
    state: Arc<Mutex<State>>,
}

impl Issuer {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let state: Arc<Mutex<State>> = Arc::default();
        let (own, at) = (state.clone(), url.clone());
        // It ends with the process.
        drop(
            thread("issuer", move || listener.incoming().flatten().for_each(|stream| serve(stream, &at, &own)))
                .unwrap(),
        );
        Self { url, state }
    }

    /// The keys that it has from here on.
    pub(crate) fn has(&self, keys: &[&Signer]) {
        self.state.lock().unwrap().keys = keys.iter().map(|key| key.jwk()).collect();
    }

    pub(crate) fn asked(&self) -> usize {
        self.state.lock().unwrap().asked
    }

    /// What it answers to requests for tokens.
    pub(crate) fn gives(&self, tokens: &[(u16, &str)]) {
        self.state.lock().unwrap().tokens = tokens.iter().map(|(status, body)| (*status, (*body).to_owned())).collect();
    }

    pub(crate) fn token_requests(&self) -> Vec<String> {
        self.state.lock().unwrap().token_requests.clone()
    }
}

fn serve(mut stream: std::net::TcpStream, url: &str, state: &Mutex<State>) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let (mut first, mut length, mut credentials) = (String::new(), 0, String::new());
    reader.read_line(&mut first).unwrap();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap_or(0) == 0 || line == "\r\n" {
            break;
        }
        if let Some((name, value)) = line.trim_end().split_once(": ") {
            match name.to_ascii_lowercase().as_str() {
                "content-length" => length = value.parse().unwrap(),
                "authorization" => credentials = value.to_owned(),
                _ => {}
            }
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    let mut state = state.lock().unwrap();
    let (status, answer) = match first.split(' ').nth(1).unwrap_or_default() {
        "/.well-known/openid-configuration" => (200, format!(r#"{{"issuer":"{url}","jwks_uri":"{url}/keys"}}"#)),
        "/keys" => {
            state.asked += 1;
            (200, format!(r#"{{"keys":[{}]}}"#, state.keys.join(",")))
        }
        "/token" => {
            state.token_requests.push(format!("{credentials} {}", String::from_utf8(body).unwrap()));
            if state.tokens.len() > 1 { state.tokens.remove(0) } else { state.tokens[0].clone() }
        }
        _ => (404, String::new()),
    };
    let head = format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", answer.len());
    let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(answer.as_bytes()));
}
