//! Memory as bytes: a line that names the version, the length of what follows and its CRC32C, then numbers of eight bytes and
//! texts with their length. Windows and sessions are sorted, so that the same memory gives the same bytes.

use super::super::sigma::correlation::state::{State, Window};
use super::session::{Session, Sessions};

const MAGIC: &[u8; 16] = b"telseal risk/1\n\0";
/// Lengths in a snapshot beyond this are damage.
const LEN_MAX: u64 = 1 << 22;

pub(super) fn write(windows: &State, sessions: &Sessions) -> Vec<u8> {
    let mut body = vec![];
    let mut sorted: Vec<(&[u8; 16], &Window)> = windows.windows().collect();
    sorted.sort_by_key(|(key, _)| **key);
    put(&mut body, sorted.len() as u64);
    for (key, window) in sorted {
        body.extend_from_slice(key);
        put(&mut body, window.silent_until);
        put(&mut body, window.touched);
        put(&mut body, window.marks.len() as u64);
        window.marks.iter().for_each(|(at, of)| [*at, *of].iter().for_each(|number| put(&mut body, *number)));
    }
    let mut sorted: Vec<(&str, &Session)> = sessions.each().collect();
    sorted.sort_by_key(|(vendor, session)| (*vendor, &session.id));
    put(&mut body, sorted.len() as u64);
    for (vendor, session) in sorted {
        put_text(&mut body, vendor);
        put_text(&mut body, &session.id);
        let flags = u64::from(session.started) | u64::from(session.ended) << 1 | u64::from(session.is_ahead) << 2;
        [session.highest, session.touched, flags, session.holes.len() as u64].iter().for_each(|n| put(&mut body, *n));
        session.holes.iter().for_each(|(from, to, since)| [*from, *to, *since].iter().for_each(|n| put(&mut body, *n)));
    }
    put(&mut body, sessions.enders.len() as u64);
    sessions.enders.iter().for_each(|vendor| put_text(&mut body, vendor));
    let mut out = MAGIC.to_vec();
    put(&mut out, body.len() as u64);
    put(&mut out, u64::from(crc32c::crc32c(&body)));
    out.extend_from_slice(&body);
    out
}

fn put(out: &mut Vec<u8>, number: u64) {
    out.extend_from_slice(&number.to_le_bytes());
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    put(out, text.len() as u64);
    out.extend_from_slice(text.as_bytes());
}

type Taken<T> = Result<T, &'static str>;
const DAMAGED: &str = "the file is damaged";

pub(super) fn read(bytes: &[u8]) -> Taken<(State, Sessions)> {
    let rest = bytes.strip_prefix(MAGIC).ok_or("it is no file of this version")?;
    let mut reader = Reader(rest);
    let (len, sum) = (reader.number()?, reader.number()?);
    if reader.0.len() as u64 != len || u64::from(crc32c::crc32c(reader.0)) != sum {
        return Err(DAMAGED);
    }
    let windows = windows(&mut reader)?;
    let mut sessions = Sessions::default();
    for _ in 0..reader.len()? {
        let (vendor, id) = (reader.text()?, reader.text()?);
        sessions.put(&vendor, Session { id: id.into(), ..session(&mut reader)? });
    }
    for _ in 0..reader.len()? {
        sessions.enders.push(reader.text()?);
    }
    Ok((windows, sessions))
}

fn windows(reader: &mut Reader<'_>) -> Taken<State> {
    let mut state = State::default();
    for _ in 0..reader.len()? {
        let key = reader.bytes(16)?.try_into().map_err(|_| DAMAGED)?;
        let (silent_until, touched) = (reader.number()?, reader.number()?);
        let mut marks = vec![];
        for _ in 0..reader.len()? {
            marks.push((reader.number()?, reader.number()?));
        }
        state.put(key, Window { marks, silent_until, touched });
    }
    Ok(state)
}

fn session(reader: &mut Reader<'_>) -> Taken<Session> {
    let (highest, touched, flags) = (reader.number()?, reader.number()?, reader.number()?);
    let mut holes = vec![];
    for _ in 0..reader.len()? {
        holes.push((reader.number()?, reader.number()?, reader.number()?));
    }
    let (started, ended, is_ahead) = (flags & 1 > 0, flags & 2 > 0, flags & 4 > 0);
    Ok(Session { highest, holes, started, ended, is_ahead, touched, ..Session::default() })
}

struct Reader<'b>(&'b [u8]);

impl<'b> Reader<'b> {
    fn bytes(&mut self, len: usize) -> Taken<&'b [u8]> {
        let (head, rest) = self.0.split_at_checked(len).ok_or(DAMAGED)?;
        self.0 = rest;
        Ok(head)
    }

    fn number(&mut self) -> Taken<u64> {
        let bytes = self.bytes(8)?.try_into().map_err(|_| DAMAGED)?;
        Ok(u64::from_le_bytes(bytes))
    }

    fn len(&mut self) -> Taken<usize> {
        let len = self.number()?;
        if len > LEN_MAX { Err(DAMAGED) } else { usize::try_from(len).map_err(|_| DAMAGED) }
    }

    fn text(&mut self) -> Taken<String> {
        let len = self.len()?;
        String::from_utf8(self.bytes(len)?.to_vec()).map_err(|_| DAMAGED)
    }
}
