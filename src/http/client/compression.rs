//! Compressed request bodies. Levels are chosen for speed: telemetry repeats itself, so the first level already finds
//! most of what there is to find, at a fraction of the processor time of the usual sixth.

use std::io::{self, Write};

use flate2::write::{GzEncoder, ZlibEncoder};
use serde::Deserialize;

/// How a request body is compressed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Compression {
    /// gzip, which every OTLP server takes.
    #[default]
    Gzip,
    /// Zstandard: faster and smaller than gzip where the server takes it.
    Zstd,
    /// zlib, under HTTP's name for it.
    Deflate,
    /// Snappy's block format.
    Snappy,
    /// The bytes as they are.
    #[serde(alias = "")]
    None,
}

impl Compression {
    /// The word for it in `Content-Encoding` and `grpc-encoding`; `None` when nothing is compressed.
    #[must_use]
    pub const fn name(self) -> Option<&'static str> {
        match self {
            Self::Gzip => Some("gzip"),
            Self::Zstd => Some("zstd"),
            Self::Deflate => Some("deflate"),
            Self::Snappy => Some("snappy"),
            Self::None => None,
        }
    }

    /// Appends the compressed `body` to `out`.
    ///
    /// # Errors
    /// When a compressor fails, which it does for no input we know of (Snappy: above 4 GiB).
    pub fn compress(self, body: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
        let fast = flate2::Compression::fast();
        match self {
            Self::Gzip => {
                let mut gzip = GzEncoder::new(out, fast);
                gzip.write_all(body)?;
                gzip.finish().map(drop)
            }
            Self::Deflate => {
                let mut zlib = ZlibEncoder::new(out, fast);
                zlib.write_all(body)?;
                zlib.finish().map(drop)
            }
            Self::Zstd => {
                // In one piece, so that the frame says how long its content is.
                out.extend_from_slice(&zstd::bulk::compress(body, 1)?);
                Ok(())
            }
            Self::Snappy => {
                out.extend_from_slice(&snap::raw::Encoder::new().compress_vec(body).map_err(io::Error::other)?);
                Ok(())
            }
            Self::None => {
                out.extend_from_slice(body);
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::Compression;

    #[test]
    fn what_is_compressed_comes_back_behind_what_was_there() {
        let body = b"telemetry ".repeat(100);
        for compression in
            [Compression::Gzip, Compression::Zstd, Compression::Deflate, Compression::Snappy, Compression::None]
        {
            let mut out = b"12345".to_vec();
            compression.compress(&body, &mut out).unwrap();
            let (kept, compressed) = out.split_at(5);
            assert_eq!(kept, b"12345");
            let mut back = vec![];
            match compression {
                Compression::Gzip => {
                    flate2::read::GzDecoder::new(compressed).read_to_end(&mut back).unwrap();
                }
                Compression::Deflate => {
                    flate2::read::ZlibDecoder::new(compressed).read_to_end(&mut back).unwrap();
                }
                Compression::Zstd => back = zstd::stream::decode_all(compressed).unwrap(),
                Compression::Snappy => back = snap::raw::Decoder::new().decompress_vec(compressed).unwrap(),
                Compression::None => back = compressed.to_vec(),
            }
            assert_eq!(back, body, "{compression:?}");
            assert_eq!(compression == Compression::None, compressed.len() == body.len());
        }
    }
}
