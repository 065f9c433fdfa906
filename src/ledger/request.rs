//! Requests to the process that writes a ledger: files in `orders/` of its folder, looked for once a second.
//!
//! Who may write there may ask for what adds to the ledger and takes nothing away: an entry about an export, a new epoch,
//! the key that wraps keys. The process removes `<name>.request`, does what it says, and puts `<name>.answer` in its place: a crash in between loses the
//! request, and never does it twice. Limits: [`REQUESTS_MAX`] requests at a time, [`REQUEST_BYTES_MAX`] bytes each.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::bodies::KeyId;
use super::control::Control;
use super::entry::Kind;
use super::members::Members;
use super::retain::ORDERS_DIR;
use super::writer::{Ledger, LedgerError};
use crate::stdx::clock::unix_nanos;
use crate::stdx::durable::{self, Mode};
use crate::stdx::json::write::write_str;

/// How many requests are done at one look.
pub const REQUESTS_MAX: usize = 64;
/// The largest request: 64 KiB.
pub const REQUEST_BYTES_MAX: u64 = 64 << 10;
/// An answer that nobody fetched goes after this long: 1 hour.
const ANSWER_NS: u64 = 3600 * 1_000_000_000;
/// How often who asked looks for the answer.
const LOOK_EVERY: Duration = Duration::from_millis(20);

const REQUEST: &str = "request";
const ANSWER: &str = "answer";

/// What can be asked for.
#[derive(Debug, Clone)]
pub enum Request {
    /// Records were handed out: an entry that says which.
    Export(Control),
    /// A new epoch: the key that signed until now is wiped.
    Rotate,
    /// Read the file of body keys again, and wrap the keys that are in use under its first one.
    Rewrap,
}

/// What the process says that was asked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Answer {
    /// How many entries the ledger has now.
    pub entries: u64,
    /// The epoch that signs now.
    pub epoch: u32,
    /// The body key that wraps the keys of new segments, where bodies are encrypted.
    pub body_key: Option<KeyId>,
}

/// Why nothing is known to be done.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// The disk refused.
    #[error(transparent)]
    File(#[from] durable::Error),
    /// The process refused.
    #[error("telseal refused: {0}")]
    Refused(String),
    /// Nobody took the request; it was withdrawn.
    #[error("telseal did not take the request within {0:?}; it was withdrawn")]
    NotTaken(Duration),
    /// It was taken, and no answer came.
    #[error("telseal took the request but did not answer within {0:?}; its own log says why")]
    NoAnswer(Duration),
}

impl Request {
    fn encode(&self) -> Vec<u8> {
        match self {
            Self::Export(event) => event.to_string().into_bytes(),
            Self::Rotate => br#"{"rotate":true}"#.to_vec(),
            Self::Rewrap => br#"{"rewrap":true}"#.to_vec(),
        }
    }

    /// Reads a request; it must be spelled as [`Request::encode`] does.
    fn parse(bytes: &[u8]) -> Option<Self> {
        for request in [Self::Rotate, Self::Rewrap] {
            if bytes == request.encode() {
                return Some(request);
            }
        }
        let event = read_export(&Members::read(bytes)?)?;
        (event.to_string().as_bytes() == bytes).then_some(Self::Export(event))
    }
}

/// The event with the members that it may have; what else stands there makes the comparison fail.
fn read_export(members: &Members<'_>) -> Option<Control> {
    let mut event = Control::new(Kind::Export);
    for name in ["actor", "count", "first", "format", "last", "sha256"] {
        event = match name {
            "count" => event.number(name, members.number(name)?),
            "first" | "last" => members.number(name).into_iter().fold(event, |event, seq| event.number(name, seq)),
            _ => event.text(name, &members.text(name)?),
        };
    }
    Some(event)
}

/// Leaves a request for the process that writes the ledger, or the next one. Where it stands.
///
/// # Errors
/// When the disk refuses.
pub fn leave(dir: &Path, request: &Request) -> durable::Result<PathBuf> {
    let orders = dir.join(ORDERS_DIR);
    durable::create_dir(&orders)?;
    let path = orders.join(format!("{}-{}.{REQUEST}", unix_nanos(), std::process::id()));
    durable::write_atomic(&path, &request.encode(), Mode::Shared)?;
    // A command of the administrator's must be readable for the process, which may be another user.
    durable::give_to_owner_of(&path, dir);
    Ok(path)
}

/// Asks the process that writes the ledger, and waits for its answer.
///
/// # Errors
/// When the disk or the process refuses, or no answer comes within `patience`.
pub fn ask(dir: &Path, request: &Request, patience: Duration) -> Result<Answer, AskError> {
    let path = leave(dir, request)?;
    let answer = path.with_extension(ANSWER);
    let until = Instant::now() + patience;
    loop {
        if let Some(text) = durable::read(&answer, REQUEST_BYTES_MAX)? {
            durable::remove(&answer)?;
            return read_answer(&text);
        }
        if Instant::now() >= until {
            return Err(if durable::remove(&path).is_ok() {
                AskError::NotTaken(patience)
            } else {
                AskError::NoAnswer(patience)
            });
        }
        std::thread::sleep(LOOK_EVERY);
    }
}

fn read_answer(text: &[u8]) -> Result<Answer, AskError> {
    let unknown = || AskError::Refused("its answer cannot be read".to_owned());
    let members = Members::read(text).ok_or_else(unknown)?;
    if let Some(error) = members.text("error") {
        return Err(AskError::Refused(error));
    }
    let epoch = members.number("epoch").and_then(|epoch| u32::try_from(epoch).ok());
    let (entries, epoch) = members.number("entries").zip(epoch).ok_or_else(unknown)?;
    let body_key = members.text("body_key").and_then(|key| KeyId::parse(&key));
    Ok(Answer { entries, epoch, body_key })
}

impl Ledger {
    /// Does what stands in `orders/`, and answers. Returns how many requests there were.
    ///
    /// # Errors
    /// When the disk refuses; it is tried again at the next look.
    pub fn serve_requests(&mut self) -> durable::Result<usize> {
        let orders = self.segments.dir().join(ORDERS_DIR);
        let mut done = 0;
        for path in durable::list(&orders)? {
            match path.extension().and_then(std::ffi::OsStr::to_str) {
                Some(REQUEST) if done < REQUESTS_MAX => {
                    done += 1;
                    self.serve(&path)?;
                }
                Some(ANSWER) if is_forgotten(&path, self.now_ns()) => durable::remove(&path)?,
                _ => {}
            }
        }
        Ok(done)
    }

    /// One request. One that cannot be read yet is still being given to us.
    fn serve(&mut self, path: &Path) -> durable::Result<()> {
        let read = durable::read(path, REQUEST_BYTES_MAX);
        if matches!(&read, Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied) {
            return Ok(());
        }
        durable::remove(path)?;
        let answer = match read.ok().flatten().as_deref().and_then(Request::parse) {
            Some(request) => self.do_as_asked(request).map_err(|error| error.to_string()),
            None => Err("this is no request".to_owned()),
        };
        durable::write_atomic(&path.with_extension(ANSWER), &answer_text(&answer), Mode::Shared)
    }

    fn do_as_asked(&mut self, request: Request) -> Result<Answer, LedgerError> {
        match request {
            Request::Export(event) => self.append_control(event)?,
            Request::Rotate => self.rotate()?,
            Request::Rewrap => self.rewrap()?,
        }
        Ok(self.answer())
    }
}

/// An answer's name begins with the time of its request.
fn is_forgotten(path: &Path, now_ns: u64) -> bool {
    let name = path.file_stem().and_then(std::ffi::OsStr::to_str).and_then(|name| name.split('-').next());
    let asked_ns: Option<u64> = name.and_then(|digits| digits.parse().ok());
    asked_ns.is_none_or(|asked| now_ns.saturating_sub(asked) > ANSWER_NS)
}

fn answer_text(answer: &Result<Answer, String>) -> Vec<u8> {
    match answer {
        Ok(Answer { entries, epoch, body_key }) => {
            let key = body_key.map(|key| format!("\"body_key\":\"{key}\",")).unwrap_or_default();
            format!("{{{key}\"entries\":{entries},\"epoch\":{epoch}}}").into_bytes()
        }
        Err(error) => {
            let mut text = b"{\"error\":".to_vec();
            write_str(&mut text, error);
            text.push(b'}');
            text
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::options::Options;
    use super::super::verify::{VerifyOptions, verify};
    use super::*;
    use crate::stdx::tasks;

    fn event() -> Control {
        let event = Control::new(Kind::Export).text("actor", "uid 0").number("count", 2).number("first", 5);
        event.text("format", "csv").number("last", 7).text("sha256", "ab")
    }

    fn open() -> (tempfile::TempDir, Ledger) {
        let dir = tempfile::tempdir().unwrap();
        let (ledger, ..) = Ledger::open(dir.path(), &Options::new("logs")).unwrap();
        (dir, ledger)
    }

    #[test]
    fn a_request_is_sealed_and_answered() {
        let (dir, mut ledger) = open();
        let place = dir.path().to_owned();
        let (sender, answers) = std::sync::mpsc::channel();
        let asked = tasks::thread("asks", move || {
            for request in [Request::Export(event()), Request::Rotate] {
                sender.send(ask(&place, &request, Duration::from_secs(60)).unwrap()).unwrap();
            }
        });
        let asked = asked.unwrap();
        while !asked.is_finished() {
            ledger.serve_requests().unwrap();
        }
        asked.join().unwrap();
        let (export, rotation) = (answers.recv().unwrap(), answers.recv().unwrap());
        assert_eq!(export.entries + 1, rotation.entries);
        assert_eq!(export.epoch + 1, rotation.epoch);
        assert!(durable::list(&dir.path().join(ORDERS_DIR)).unwrap().is_empty());
        ledger.finish().unwrap();
        let text = std::fs::read_to_string(dir.path().join("00000000000000000000.ndjson")).unwrap();
        assert_eq!(text.matches(r#"{"audit.control":"export","actor":"uid 0","count":2,"first":5,"#).count(), 1);
        verify(dir.path(), &VerifyOptions::default()).unwrap();
    }

    #[test]
    fn what_is_no_request_is_refused_and_leaves_no_entry() {
        let (dir, mut ledger) = open();
        let before = ledger.entries();
        let orders = dir.path().join(ORDERS_DIR);
        durable::create_dir(&orders).unwrap();
        let good = event().to_string();
        let wrong = [
            String::new(),
            "{}".to_owned(),
            good.replace("export", "end"),
            good.replace("\"count\":2", "\"count\":2.0"),
            good.replace("\"count\":2", "\"also\":1,\"count\":2"),
            good.replace('{', "{ "),
            Control::new(Kind::Retention).to_string(),
            "x".repeat(usize::try_from(REQUEST_BYTES_MAX).unwrap() + 1),
        ];
        for (index, text) in wrong.iter().enumerate() {
            let path = orders.join(format!("{}-{index}.request", u64::MAX));
            durable::write_atomic(&path, text.as_bytes(), Mode::Shared).unwrap();
            assert_eq!(ledger.serve_requests().unwrap(), 1);
            assert!(!path.exists(), "{index}");
        }
        assert_eq!(ledger.entries(), before);
        for path in durable::list(&orders).unwrap() {
            assert!(std::fs::read_to_string(&path).unwrap().contains("this is no request"));
        }
    }

    #[test]
    fn what_nobody_takes_is_withdrawn_and_old_answers_go() {
        let (dir, mut ledger) = open();
        let asked = ask(dir.path(), &Request::Rotate, Duration::ZERO);
        assert!(matches!(asked, Err(AskError::NotTaken(_))), "{asked:?}");
        let orders = dir.path().join(ORDERS_DIR);
        assert!(durable::list(&orders).unwrap().is_empty());
        durable::write_atomic(&orders.join("17-1.answer"), b"{}", Mode::Shared).unwrap();
        assert_eq!(ledger.serve_requests().unwrap(), 0);
        assert!(durable::list(&orders).unwrap().is_empty());
    }
}
