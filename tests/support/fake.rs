//! A destination over HTTP that answers what a test tells it to, and keeps every request.

use std::collections::BTreeMap;
use std::io::Read;
use std::sync::{Arc, Mutex};

use telseal::stdx::tasks;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// One request.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    /// Method and path.
    pub(crate) line: String,
    /// By lower-case name.
    pub(crate) headers: BTreeMap<String, String>,
    /// Decompressed.
    pub(crate) body: Vec<u8>,
}

/// What the destination got so far.
pub(crate) type Requests = Arc<Mutex<Vec<Asked>>>;

/// Starts one; its base URL, and what it gets.
pub(crate) async fn fake(answer: impl FnMut(&Asked) -> (u16, String) + Send + 'static) -> (String, Requests) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let requests = Requests::default();
    let kept = requests.clone();
    let mut answer = answer;
    tasks::detached(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let Some(asked) = read(&mut stream).await else { continue };
            let (status, text) = answer(&asked);
            kept.lock().unwrap().push(asked);
            let head = format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", text.len());
            let text =
                if status == 204 { "HTTP/1.1 204 X\r\nconnection: close\r\n\r\n".to_owned() } else { head + &text };
            stream.write_all(text.as_bytes()).await.unwrap_or(());
        }
    });
    (url, requests)
}

async fn read(stream: &mut TcpStream) -> Option<Asked> {
    let mut bytes = vec![];
    let head_len = loop {
        if let Some(at) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break at + 4;
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8(bytes[..head_len].to_vec()).ok()?;
    let (line, rest) = head.split_once("\r\n")?;
    let headers: BTreeMap<String, String> = rest
        .lines()
        .filter_map(|line| line.split_once(": "))
        .map(|(key, value)| (key.to_ascii_lowercase(), value.to_owned()))
        .collect();
    let len: usize = headers.get("content-length").map_or(Some(0), |len| len.parse().ok())?;
    while bytes.len() < head_len + len {
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
    let body = decompressed(headers.get("content-encoding").map(String::as_str), &bytes[head_len..]);
    Some(Asked { line: line.trim_end_matches(" HTTP/1.1").to_owned(), headers, body })
}

fn decompressed(encoding: Option<&str>, body: &[u8]) -> Vec<u8> {
    let mut out = vec![];
    match encoding {
        None => return body.to_vec(),
        Some("gzip") => drop(flate2::read::GzDecoder::new(body).read_to_end(&mut out).unwrap()),
        Some("zstd") => return zstd::stream::decode_all(body).unwrap(),
        Some("snappy") => return snap::raw::Decoder::new().decompress_vec(body).unwrap(),
        Some(other) => panic!("content-encoding {other}"),
    }
    out
}
