//! What a complete roll is, on disk before anything of it is sent.
//!
//! The file `plan` in the exporter's scratch folder: one line `telseal roll 1`, one with the stretch of the log, and one an
//! object, its fields separated by tabs; it ends with `end`. It is replaced as a whole, and removed when the cursor is on disk behind it.

use std::fmt::Write as _;
use std::path::Path;
use std::str::FromStr;

use aws_lc_rs::digest::{Context, SHA256};

use crate::exporter::roll::Roll;
use crate::stdx::durable::{self, Mode, ReadFile};
use crate::stdx::segments::Position;

const NAME: &str = "plan";
const BYTES_MAX: u64 = 1 << 20;
const READ_BYTES: usize = 1 << 20;

/// A roll and its objects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Plan {
    pub(super) roll: Roll,
    pub(super) objects: Vec<Object>,
}

/// One object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Object {
    /// The file in the scratch folder.
    pub(super) file: String,
    pub(super) key: String,
    pub(super) bytes: u64,
    pub(super) sha256: [u8; 32],
    pub(super) records: u64,
    pub(super) first: u64,
    pub(super) last: u64,
    /// Where it is sent in parts.
    pub(super) upload_id: Option<String>,
    /// Confirmed in this run.
    pub(super) is_done: bool,
}

impl Object {
    pub(super) fn hash(&self) -> String {
        hex(&self.sha256)
    }

    fn line(&self) -> String {
        let upload = self.upload_id.as_deref().unwrap_or("-");
        format!(
            "object\t{}\t{}\t{}\t{}\t{}\t{}\t{}\t{upload}\n",
            self.file,
            self.key,
            self.bytes,
            self.hash(),
            self.records,
            self.first,
            self.last
        )
    }

    fn parse(line: &str) -> Option<Self> {
        let mut fields = line.strip_prefix("object\t")?.split('\t');
        let mut next = || fields.next();
        let (file, key) = (next()?.to_owned(), next()?.to_owned());
        let bytes = next()?.parse().ok()?;
        let sha256 = unhex(next()?)?;
        let (records, first, last) = (next()?.parse().ok()?, next()?.parse().ok()?, next()?.parse().ok()?);
        let upload_id = Some(next()?.to_owned()).filter(|id| id != "-");
        let is_plain = !file.contains('/') && next().is_none();
        is_plain.then_some(Self { file, key, bytes, sha256, records, first, last, upload_id, is_done: false })
    }

    /// Whether the scratch file is what it should be.
    fn is_whole(&self, dir: &Path) -> bool {
        let Ok(file) = ReadFile::open(&dir.join(&self.file)) else { return false };
        if !file.bytes_len().is_ok_and(|len| len == self.bytes) {
            return false;
        }
        let (mut hash, mut buffer, mut at) = (Context::new(&SHA256), vec![0; READ_BYTES], 0);
        while at < self.bytes {
            match file.read_at(&mut buffer, at) {
                Ok(read) if read > 0 => {
                    hash.update(&buffer[..read]);
                    at += read as u64;
                }
                _ => return false,
            }
        }
        hash.finish().as_ref() == self.sha256
    }
}

impl Plan {
    pub(super) fn store(&self, dir: &Path) -> durable::Result<()> {
        let Roll { from, to, records, .. } = &self.roll;
        let mut text = format!("telseal roll 1\n{from}\n{to}\n{records}\n");
        self.objects.iter().for_each(|object| text.push_str(&object.line()));
        text.push_str("end\n");
        durable::write_atomic(&dir.join(NAME), text.as_bytes(), Mode::Private)
    }

    /// The plan in a folder, if it is whole and all of its files are.
    pub(super) fn load(dir: &Path) -> durable::Result<Option<Self>> {
        let Some(bytes) = durable::read(&dir.join(NAME), BYTES_MAX)? else { return Ok(None) };
        let plan = String::from_utf8(bytes).ok().and_then(|text| Self::parse(&text));
        Ok(plan.filter(|plan| plan.objects.iter().all(|object| object.is_whole(dir))))
    }

    fn parse(text: &str) -> Option<Self> {
        let mut lines = text.strip_suffix("end\n")?.lines();
        let mut next = || lines.next();
        let is_ours = next()? == "telseal roll 1";
        let (from, to) = (Position::from_str(next()?).ok()?, Position::from_str(next()?).ok()?);
        let records = next()?.parse().ok()?;
        let objects = lines.map(Object::parse).collect::<Option<Vec<_>>>()?;
        is_ours.then_some(Self { roll: Roll { from, to, records, checkpoint: None }, objects })
    }

    /// Removes the plan first and then what it speaks of, and whatever else lies there.
    pub(super) fn clear(dir: &Path) -> durable::Result<()> {
        let files = durable::list(dir)?;
        let plan = dir.join(NAME);
        if files.contains(&plan) {
            durable::remove(&plan)?;
        }
        files.iter().filter(|path| **path != plan).try_for_each(|path| durable::remove(path))
    }
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut out, byte| {
        let _ = write!(out, "{byte:02x}");
        out
    })
}

fn unhex(text: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    for (at, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[at * 2..at * 2 + 2], 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_comes_back_and_half_of_one_does_not() {
        let dir = tempfile::tempdir().unwrap();
        durable::create_new(&dir.path().join("0"), b"content", Mode::Private).unwrap();
        let mut sha256 = [0; 32];
        sha256.copy_from_slice(aws_lc_rs::digest::digest(&SHA256, b"content").as_ref());
        let object = Object {
            file: "0".to_owned(),
            key: "a/b c.ndjson".to_owned(),
            bytes: 7,
            sha256,
            records: 2,
            first: 3,
            last: 5,
            upload_id: None,
            is_done: false,
        };
        let roll = Roll {
            from: Position { record: 3, segment: 1, offset: 9 },
            to: Position { record: 6, segment: 2, offset: 0 },
            records: 2,
            checkpoint: None,
        };
        let plan = Plan { roll, objects: vec![object.clone(), Object { upload_id: Some("x".to_owned()), ..object }] };
        plan.store(dir.path()).unwrap();
        assert_eq!(Plan::load(dir.path()).unwrap().as_ref(), Some(&plan));
        let text = String::from_utf8(durable::read(&dir.path().join(NAME), BYTES_MAX).unwrap().unwrap()).unwrap();
        for end in 0..text.len() {
            assert_eq!(Plan::parse(&text[..end]), None, "{end}");
        }
        durable::write_atomic(&dir.path().join("0"), b"contend", Mode::Private).unwrap();
        assert_eq!(Plan::load(dir.path()).unwrap(), None);
        Plan::clear(dir.path()).unwrap();
        assert!(durable::list(dir.path()).unwrap().is_empty());
    }
}
