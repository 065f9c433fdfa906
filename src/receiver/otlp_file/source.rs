//! One file, piece by piece: whole lines or whole requests, as OTLP.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use aws_lc_rs::digest::{Context, SHA256};
use bytes::Bytes;

use crate::otlp::{self, Signal};
use crate::stdx::durable;

/// Lines are taken together up to this size.
const PIECE_BYTES: usize = 2 << 20;
/// A longer line or request is refused.
const LINE_BYTES_MAX: usize = 64 << 20;
/// Of a file with a hash.
const HASH_BYTES_MAX: u64 = 4096;

/// What a file holds, by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Ndjson,
    Json,
    Proto(Signal),
}

impl Kind {
    /// `None` for files that are none of ours.
    pub(super) fn of(path: &Path) -> Option<Self> {
        let name = path.file_name()?.to_str()?;
        let plain = name.strip_suffix(".zst").or_else(|| name.strip_suffix(".gz")).unwrap_or(name);
        match plain.rsplit_once('.')?.1 {
            "ndjson" => Some(Self::Ndjson),
            "json" | "jsonl" => Some(Self::Json),
            // A request does not say of which signal it is; the exporter names its files after it.
            "binpb" => Signal::ALL.into_iter().find(|signal| name.starts_with(signal.name())).map(Self::Proto),
            _ => None,
        }
    }
}

/// Some records.
pub(super) struct Piece {
    pub(super) signal: Signal,
    pub(super) request: Bytes,
    /// The place behind them.
    pub(super) place: u64,
}

/// A file that is being read.
pub(super) struct Source {
    reader: Box<dyn Read + Send>,
    kind: Kind,
    buffer: Vec<u8>,
    place: u64,
    began_at: u64,
    is_at_end: bool,
}

impl Source {
    /// Opens a file behind `from`. `None` when there is nothing behind it.
    pub(super) fn open(path: &Path, from: u64, verify: bool) -> Result<Option<Self>, String> {
        let Some(kind) = Kind::of(path) else { return Ok(None) };
        let file = File::open(path).map_err(|error| format!("cannot be opened: {error}"))?;
        let name = path.to_string_lossy();
        let is_plain = !name.ends_with(".zst") && !name.ends_with(".gz");
        let len = file.metadata().map_err(|error| error.to_string())?.len();
        if is_plain && len <= from {
            return Ok(None);
        }
        if verify && from == 0 {
            check_hash(path)?;
        }
        let file = BufReader::with_capacity(1 << 18, file);
        let mut reader: Box<dyn Read + Send> = if name.ends_with(".zst") {
            Box::new(zstd::stream::read::Decoder::with_buffer(file).map_err(|error| error.to_string())?)
        } else if name.ends_with(".gz") {
            Box::new(flate2::bufread::MultiGzDecoder::new(file))
        } else {
            Box::new(file)
        };
        let skipped = std::io::copy(&mut (&mut reader).take(from), &mut std::io::sink());
        if skipped.map_err(|error| format!("cannot be read: {error}"))? < from {
            return Err("is shorter than it was".to_owned());
        }
        Ok(Some(Self { reader, kind, buffer: Vec::new(), place: from, began_at: from, is_at_end: false }))
    }

    pub(super) fn began_at(&self) -> u64 {
        self.began_at
    }

    /// The next whole lines or requests. What is half written at the end is left for later.
    pub(super) fn next(&mut self) -> Result<Option<Piece>, String> {
        loop {
            let found = if let Kind::Proto(signal) = self.kind { self.request(signal)? } else { self.lines()? };
            if let Some((signal, request, used)) = found {
                self.buffer.drain(..used);
                self.place += used as u64;
                if request.is_empty() {
                    continue;
                }
                return Ok(Some(Piece { signal, request, place: self.place }));
            }
            if self.is_at_end {
                return Ok(None);
            }
            self.fill()?;
        }
    }

    fn fill(&mut self) -> Result<(), String> {
        if self.buffer.len() > LINE_BYTES_MAX {
            return Err(format!("has more than {LINE_BYTES_MAX} bytes without an end behind byte {}", self.place));
        }
        let read = (&mut self.reader).take(PIECE_BYTES as u64).read_to_end(&mut self.buffer);
        self.is_at_end = read.map_err(|error| format!("cannot be read behind byte {}: {error}", self.place))? == 0;
        Ok(())
    }

    /// The lines of one signal at the beginning of the buffer: all that are whole, or one request.
    fn lines(&self) -> Result<Option<(Signal, Bytes, usize)>, String> {
        let whole = &self.buffer[..memchr::memrchr(b'\n', &self.buffer).map_or(0, |end| end + 1)];
        let Some(first) = whole.split_inclusive(|byte| *byte == b'\n').next() else { return Ok(None) };
        let fail = |error: &dyn std::fmt::Display| format!("behind byte {}: {error}", self.place);
        if self.kind == Kind::Json {
            let signal = signal_of_request(first).ok_or_else(|| fail(&"not an OTLP/JSON request"))?;
            let request = otlp::json::to_protobuf(signal, first).map_err(|error| fail(&error))?;
            return Ok(Some((signal, request.into(), first.len())));
        }
        let signal = signal_of_line(first).ok_or_else(|| fail(&"not a canonical line"))?;
        let mut end = 0;
        for line in whole.split_inclusive(|byte| *byte == b'\n') {
            if end + line.len() > PIECE_BYTES && end > 0 || signal_of_line(line) != Some(signal) {
                break;
            }
            end += line.len();
        }
        let request = otlp::line::to_otlp(signal, &whole[..end]).map_err(|error| fail(&error))?;
        Ok(Some((signal, request.into(), end)))
    }

    /// A request behind its length.
    fn request(&self, signal: Signal) -> Result<Option<(Signal, Bytes, usize)>, String> {
        let Some((prefix, rest)) = self.buffer.split_first_chunk::<4>() else { return Ok(None) };
        let len = u32::from_be_bytes(*prefix) as usize;
        if len > LINE_BYTES_MAX {
            return Err(format!(
                "has a request of {len} bytes behind byte {}, {LINE_BYTES_MAX} are allowed",
                self.place
            ));
        }
        Ok(rest.get(..len).map(|request| (signal, Bytes::copy_from_slice(request), 4 + len)))
    }
}

/// The last `"signal":` of a line is its own: behind it nothing stands that a sender can choose but a schema's address.
fn signal_of_line(line: &[u8]) -> Option<Signal> {
    const NAME: &[u8] = b"\"signal\":\"";
    let rest = &line[memchr::memmem::rfind(line, NAME)? + NAME.len()..];
    match rest {
        _ if rest.starts_with(b"log\"") => Some(Signal::Logs),
        _ if rest.starts_with(b"span\"") => Some(Signal::Traces),
        _ if rest.starts_with(b"metrics\"") => Some(Signal::Metrics),
        _ => None,
    }
}

/// The first member of a request.
fn signal_of_request(line: &[u8]) -> Option<Signal> {
    let head = &line[..line.len().min(64)];
    let names: [(&[u8], Signal); 3] = [
        (b"\"resourceLogs\"", Signal::Logs),
        (b"\"resourceMetrics\"", Signal::Metrics),
        (b"\"resourceSpans\"", Signal::Traces),
    ];
    names.into_iter().find(|(name, _)| memchr::memmem::find(head, name).is_some()).map(|(_, signal)| signal)
}

/// Compares a file with the hash beside it, where there is one.
fn check_hash(path: &Path) -> Result<(), String> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".sha256");
    let Some(text) = durable::read(Path::new(&beside), HASH_BYTES_MAX).map_err(|error| error.to_string())? else {
        return Ok(());
    };
    let wanted: String = String::from_utf8_lossy(&text).split_whitespace().next().unwrap_or_default().to_owned();
    let mut file = File::open(path).map_err(|error| error.to_string())?;
    let (mut hash, mut buffer) = (Context::new(&SHA256), vec![0; 1 << 18]);
    loop {
        match file.read(&mut buffer).map_err(|error| error.to_string())? {
            0 => break,
            read => hash.update(&buffer[..read]),
        }
    }
    let found: String = hash.finish().as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    if found == wanted.to_ascii_lowercase() {
        Ok(())
    } else {
        Err("is not what its .sha256 says: it was damaged or changed on the way".to_owned())
    }
}
