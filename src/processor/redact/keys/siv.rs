//! AES-SIV (RFC 5297) with two AES-256 keys, one string of associated data and no nonce: the same value gives the same
//! token, and a token that was changed does not open. AES and CMAC are the library's; this file only combines them.

use aws_lc_rs::cipher::{
    AES_256, DecryptingKey, DecryptionContext, EncryptingKey, EncryptionContext, UnboundCipherKey,
};
use aws_lc_rs::cmac;
use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::iv::FixedLength;

use super::KeyError;

const BLOCK_LEN: usize = 16;
type Block = [u8; BLOCK_LEN];

#[derive(Debug)]
pub(super) struct Siv {
    mac: cmac::Key,
    encrypt: EncryptingKey,
    decrypt: DecryptingKey,
}

impl Siv {
    /// Both keys have 32 bytes.
    pub(super) fn new(mac: &[u8], ctr: &[u8]) -> Result<Self, KeyError> {
        let key = || UnboundCipherKey::new(&AES_256, ctr).map_err(failed);
        Ok(Self {
            mac: cmac::Key::new(cmac::AES_256, mac).map_err(failed)?,
            encrypt: EncryptingKey::ctr(key()?).map_err(failed)?,
            decrypt: DecryptingKey::ctr(key()?).map_err(failed)?,
        })
    }

    /// The synthetic IV and the encrypted text.
    pub(super) fn seal(&self, associated: &[u8], plain: &[u8]) -> Result<Vec<u8>, KeyError> {
        let iv = self.s2v(associated, plain)?;
        let mut text = plain.to_vec();
        let context = EncryptionContext::Iv128(FixedLength::from(counter(iv)));
        self.encrypt.less_safe_encrypt(&mut text, context).map_err(failed)?;
        Ok([&iv[..], &text].concat())
    }

    pub(super) fn open(&self, associated: &[u8], sealed: &[u8]) -> Result<Vec<u8>, KeyError> {
        let (iv, text) = sealed.split_first_chunk::<BLOCK_LEN>().ok_or(KeyError::NotOurs)?;
        let mut text = text.to_vec();
        let context = DecryptionContext::Iv128(FixedLength::from(counter(*iv)));
        self.decrypt.decrypt(&mut text, context).map_err(failed)?;
        verify_slices_are_equal(&self.s2v(associated, &text)?, iv).map_err(|_| KeyError::NotOurs)?;
        Ok(text)
    }

    fn s2v(&self, associated: &[u8], plain: &[u8]) -> Result<Block, KeyError> {
        let d = doubled(self.cmac(&[0; BLOCK_LEN])?);
        let d = xor(d, self.cmac(associated)?);
        match plain.len().checked_sub(BLOCK_LEN) {
            Some(head) => {
                let mut text = plain.to_vec();
                text[head..].iter_mut().zip(d).for_each(|(byte, other)| *byte ^= other);
                self.cmac(&text)
            }
            None => {
                let mut padded = [0; BLOCK_LEN];
                padded[..plain.len()].copy_from_slice(plain);
                padded[plain.len()] = 0x80;
                self.cmac(&xor(doubled(d), padded))
            }
        }
    }

    fn cmac(&self, data: &[u8]) -> Result<Block, KeyError> {
        let tag = cmac::sign(&self.mac, data).map_err(failed)?;
        tag.as_ref().try_into().map_err(|_| KeyError::Crypto)
    }
}

fn failed(_: aws_lc_rs::error::Unspecified) -> KeyError {
    KeyError::Crypto
}

/// Two bits are cleared, so that adding to the counter carries over in no implementation.
const fn counter(mut iv: Block) -> Block {
    iv[8] &= 0x7f;
    iv[12] &= 0x7f;
    iv
}

fn xor(mut a: Block, b: Block) -> Block {
    a.iter_mut().zip(b).for_each(|(byte, other)| *byte ^= other);
    a
}

/// Doubling in the field of CMAC.
const fn doubled(block: Block) -> Block {
    let number = u128::from_be_bytes(block);
    let carry = if number >> 127 == 1 { 0x87 } else { 0 };
    (number << 1 ^ carry).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(hex: &str) -> Vec<u8> {
        (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
    }

    /// The key is 00 to 3f, the associated data `email`; what OpenSSL's AES-256-SIV makes of it.
    #[test]
    fn it_agrees_with_openssl() {
        let key: Vec<u8> = (0..64).collect();
        let siv = Siv::new(&key[..32], &key[32..]).unwrap();
        for (plain, sealed) in [
            ("a", "02f3fd80ddc238d76b29c363fb8e89d22a"),
            ("0123456789abcdef", "962748b77bcc69a82c233aa32a131c92bd7151796243f798035605acf6550823"),
            (
                "bob.tables.the.third@example.com",
                "94e85ed4d684d6bfd5218c47e5702465c057e3423a6ee70c1ee33b528a7704c970b1c40bb17b156d1bb86bab370d8743",
            ),
        ] {
            assert_eq!(siv.seal(b"email", plain.as_bytes()).unwrap(), bytes(sealed), "{plain}");
        }
    }

    #[test]
    fn tokens_open_only_with_the_same_key_and_detector_and_unchanged() {
        let siv = Siv::new(&[1; 32], &[2; 32]).unwrap();
        for plain in ["", "a", "4111 1111 1111 11", "bob@example.com", &"x".repeat(100)] {
            let sealed = siv.seal(b"email", plain.as_bytes()).unwrap();
            assert_eq!(sealed.len(), BLOCK_LEN + plain.len());
            assert_eq!(siv.open(b"email", &sealed).unwrap(), plain.as_bytes());
            assert_eq!(siv.open(b"phone", &sealed), Err(KeyError::NotOurs));
            for index in 0..sealed.len() {
                let mut changed = sealed.clone();
                changed[index] ^= 1;
                assert_eq!(siv.open(b"email", &changed), Err(KeyError::NotOurs));
            }
        }
        assert_eq!(siv.open(b"email", b"short"), Err(KeyError::NotOurs));
    }
}
