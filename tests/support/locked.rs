//! Encrypted bodies of the second writer, from section 9.5 of `docs/seal-format.md` alone, with keys and nonces that never
//! change.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};

use super::{Forge, Hash, b64, entry_of, hex, sha256};

/// How many records go into one box.
const RECORDS_A_BOX: usize = 3;

/// The id of a key.
pub(crate) fn key_id(key: &Hash) -> String {
    hex(&sha256(&[b"telseal key/v1\0", key])[..8])
}

/// A body key that everybody knows.
pub(crate) fn body_key(label: &str) -> Hash {
    sha256(&[b"telseal test body key ", label.as_bytes()])
}

/// Nonce, ciphertext and tag.
fn seal(key: &Hash, bound: &[u8], text: &[u8]) -> Vec<u8> {
    let nonce: [u8; 12] = sha256(&[b"nonce", bound, text])[..12].try_into().unwrap();
    let cipher = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key).unwrap());
    let mut sealed = text.to_vec();
    cipher.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(bound), &mut sealed).unwrap();
    [nonce.as_slice(), &sealed].concat()
}

/// A zstd frame of stored blocks: the same bytes whatever version of zstd there is.
pub(crate) fn stored(text: &[u8]) -> Vec<u8> {
    let mut frame =
        [&[0x28, 0xb5, 0x2f, 0xfd, 0xa0], u32::try_from(text.len()).unwrap().to_le_bytes().as_slice()].concat();
    let blocks: Vec<&[u8]> = text.chunks(1 << 16).collect();
    for (index, block) in blocks.iter().enumerate() {
        let header = u32::try_from(block.len() << 3 | usize::from(index + 1 == blocks.len())).unwrap();
        frame.extend(&header.to_le_bytes()[..3]);
        frame.extend(*block);
    }
    frame
}

/// What a box holds, and how it is told in its line.
pub(crate) struct Chest {
    pub(crate) count: usize,
    pub(crate) first: u64,
    pub(crate) text: Vec<u8>,
}

impl Forge {
    /// What everything encrypted in a segment is bound to.
    fn bound(&self, what: &str, segment: usize, inner: &str) -> Vec<u8> {
        let first = self.segments[segment].first;
        format!("telseal {what}/v1\n{}\n{}\n{first}\n{inner}", self.origin, self.stream_text()).into_bytes()
    }

    /// The key that encrypts the bodies of a segment.
    pub(crate) fn data_key(&self, segment: usize) -> Hash {
        sha256(&[b"telseal test data key ", &self.segments[segment].first.to_be_bytes()])
    }

    /// The line of a segment's key file: its key, wrapped under a body key.
    pub(crate) fn key_line(&self, segment: usize, under: &Hash) -> String {
        let key = self.data_key(segment);
        let inner = format!(r#"{{"id":"{}","under":"{}","v":1}}"#, key_id(&key), key_id(under));
        let wrapped = seal(under, &self.bound("segment-key", segment, &inner), &key);
        format!(r#"{{"audit.key":{inner},"wrapped":"{}"}}"#, b64(&wrapped))
    }

    pub(crate) fn key_file(&self, segment: usize) -> String {
        format!("{:020}.keys", self.segments[segment].first)
    }

    /// Writes the key file of a segment.
    pub(crate) fn wrap(&mut self, segment: usize, under: &Hash) {
        let line = self.key_line(segment, under) + "\n";
        self.beside.insert(self.key_file(segment), line.into_bytes());
    }

    /// A bodies line.
    pub(crate) fn bodies_line(&self, segment: usize, one: &Chest, packed: &[u8]) -> String {
        let key = self.data_key(segment);
        let Chest { count, first, text } = one;
        let bytes = text.len();
        let inner = format!(r#"{{"bytes":{bytes},"count":{count},"first":{first},"key":"{}","v":1}}"#, key_id(&key));
        let sealed = seal(&key, &self.bound("bodies", segment, &inner), packed);
        format!(r#"{{"audit.bodies":{inner},"box":"{}"}}"#, b64(&sealed))
    }

    /// What a box holds of these sealed lines.
    pub(crate) fn box_of(&self, lines: &[String]) -> Chest {
        let seq = |line: &str| u64::from_be_bytes(entry_of(line)[24..32].try_into().unwrap());
        let mut text = vec![];
        for line in lines {
            let made = &self.made[usize::try_from(seq(line)).unwrap()];
            let told = line
                .split_once(r#","audit.seal":{"disclosures":"#)
                .map_or("", |(_, rest)| rest.rsplit_once(r#","entry":""#).unwrap().0);
            text.extend(made.salt);
            text.extend(u32::try_from(told.len()).unwrap().to_be_bytes());
            text.extend(told.as_bytes());
            text.extend(made.body.as_bytes());
        }
        Chest { count: lines.len(), first: seq(&lines[0]), text }
    }

    /// Encrypts the records of a segment, under a body key.
    pub(crate) fn lock(&mut self, segment: usize, under: &Hash) {
        let mut lines = std::mem::take(&mut self.segments[segment].lines).into_iter().peekable();
        let (mut out, mut records) = (vec![], vec![]);
        while let Some(line) = lines.next() {
            let is_record = !line.starts_with("{\"audit.");
            let goes_on = lines.peek().is_some_and(|next| !next.starts_with("{\"audit."));
            if !is_record {
                out.push(line);
                continue;
            }
            records.push(line);
            if !goes_on || records.len() == RECORDS_A_BOX {
                let one = self.box_of(&records);
                out.push(self.bodies_line(segment, &one, &stored(&one.text)));
                out.extend(records.drain(..).map(|line| locked_line(&line)));
            }
        }
        self.segments[segment].lines = out;
        self.wrap(segment, under);
    }
}

/// The locked line of a sealed line.
pub(crate) fn locked_line(line: &str) -> String {
    format!(r#"{{"audit.locked":"{}"}}"#, b64(&entry_of(line)))
}
