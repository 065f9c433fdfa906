//! Every encoding, whole, cut, damaged and too large.

use std::convert::Infallible;
use std::io::Write;

use proptest::prelude::*;

use super::*;

fn compress(encoding: Encoding, framed: bool, body: &[u8]) -> Vec<u8> {
    match encoding {
        Encoding::Identity => body.to_vec(),
        Encoding::Gzip => {
            let mut out = flate2::write::GzEncoder::new(vec![], flate2::Compression::default());
            out.write_all(body).expect("written");
            out.finish().expect("finished")
        }
        Encoding::Deflate => {
            let mut out = flate2::write::ZlibEncoder::new(vec![], flate2::Compression::default());
            out.write_all(body).expect("written");
            out.finish().expect("finished")
        }
        Encoding::Zstd if framed => zstd::stream::encode_all(body, 1).expect("compressed"),
        Encoding::Zstd => zstd::bulk::compress(body, 1).expect("compressed"),
        Encoding::Snappy if framed => {
            let mut out = snap::write::FrameEncoder::new(vec![]);
            out.write_all(body).expect("written");
            out.into_inner().expect("finished")
        }
        Encoding::Snappy => snap::raw::Encoder::new().compress_vec(body).expect("compressed"),
    }
}

/// Framed zstd: without the content size in the header.
const ALL: [(Encoding, bool); 7] = [
    (Encoding::Identity, false),
    (Encoding::Gzip, false),
    (Encoding::Deflate, false),
    (Encoding::Zstd, false),
    (Encoding::Zstd, true),
    (Encoding::Snappy, false),
    (Encoding::Snappy, true),
];

fn plain(encoding: Encoding, body: &[u8], max: usize) -> Result<Vec<u8>, DecompressError<Infallible>> {
    decompress(encoding, body, max, |_| Ok(()))
}

/// Text like telemetry: it repeats, but not entirely.
fn telemetry(len: usize) -> Vec<u8> {
    let mut text = vec![];
    let mut number = 17_u32;
    while text.len() < len {
        number = number.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        text.extend_from_slice(format!("service.name=checkout request={number} took {}ms; ", number >> 22).as_bytes());
    }
    text.truncate(len);
    text
}

#[test]
fn every_encoding_gives_back_what_went_in() {
    for len in [0, 1, 100, 20_000, 1_000_000] {
        let body = telemetry(len);
        for (encoding, framed) in ALL {
            let compressed = compress(encoding, framed, &body);
            assert_eq!(plain(encoding, &compressed, len).expect("whole"), body, "{encoding:?} {framed} {len}");
        }
    }
}

#[test]
fn one_byte_more_than_the_limit_is_too_large() {
    for len in [2, 100, 20_000, 1_000_000] {
        let body = telemetry(len);
        for (encoding, framed) in ALL {
            let compressed = compress(encoding, framed, &body);
            let error = plain(encoding, &compressed, len - 1).expect_err("too large");
            assert_eq!(error, DecompressError::TooLarge { max: len - 1 }, "{encoding:?} {framed} {len}");
        }
    }
}

#[test]
fn a_bomb_takes_no_more_memory_than_the_limit() {
    let body = vec![0; 8 << 20];
    for (encoding, framed) in ALL.into_iter().filter(|(encoding, _)| *encoding != Encoding::Identity) {
        let bomb = compress(encoding, framed, &body);
        let mut most = 0;
        let result = decompress(encoding, &bomb, 1 << 20, |bytes| {
            most = most.max(bytes);
            Ok::<_, Infallible>(())
        });
        assert_eq!(result, Err(DecompressError::TooLarge { max: 1 << 20 }), "{encoding:?} {framed}");
        assert!(most <= (1 << 20) + 1, "{encoding:?} {framed}: {most}");
    }
}

#[test]
fn a_body_that_ends_early_is_corrupt() {
    let body = telemetry(5_000);
    for (encoding, framed) in ALL.into_iter().filter(|(encoding, _)| *encoding != Encoding::Identity) {
        let compressed = compress(encoding, framed, &body);
        for len in (1..compressed.len()).step_by(97).chain([compressed.len() - 1]) {
            let cut = plain(encoding, &compressed[..len], 1 << 20);
            // A framed snappy body may end after any frame: there is no end mark.
            let ends_between_frames = encoding == Encoding::Snappy && framed && cut == Ok(vec![]);
            assert!(
                ends_between_frames || matches!(cut, Err(DecompressError::Corrupt { .. })),
                "{encoding:?} {framed} {len}"
            );
        }
        let garbage = plain(encoding, b"this is no compressed body", 1 << 20);
        assert!(garbage.is_err(), "{encoding:?}");
    }
}

#[test]
fn a_decompressor_is_as_good_as_new_after_a_damaged_body() {
    let body = telemetry(50_000);
    for (encoding, framed) in ALL.into_iter().filter(|(encoding, _)| *encoding != Encoding::Identity) {
        let compressed = compress(encoding, framed, &body);
        let _ = plain(encoding, &compressed[..compressed.len() / 2], 1 << 20);
        assert_eq!(plain(encoding, &compressed, 1 << 20).expect("whole"), body, "{encoding:?} {framed}");
    }
}

#[test]
fn gzip_members_and_zstd_frames_may_follow_each_other() {
    let (first, second) = (telemetry(3_000), telemetry(70_000));
    let whole = [first.as_slice(), &second].concat();
    for encoding in [Encoding::Gzip, Encoding::Zstd] {
        let joined = [compress(encoding, false, &first), compress(encoding, false, &second)].concat();
        assert_eq!(plain(encoding, &joined, 1 << 20).expect("whole"), whole, "{encoding:?}");
    }
    let twice = [compress(Encoding::Deflate, false, &first), vec![0]].concat();
    assert_eq!(plain(Encoding::Deflate, &twice, 1 << 20), Err(DecompressError::Corrupt { format: "deflate" }));
}

#[test]
fn memory_is_asked_for_before_it_is_taken_and_a_refusal_ends_it() {
    let body = telemetry(100_000);
    for (encoding, framed) in ALL {
        let compressed = compress(encoding, framed, &body);
        let refused =
            decompress(encoding, &compressed, 1 << 20, |bytes| if bytes > 50_000 { Err("full") } else { Ok(()) });
        assert_eq!(refused, Err(DecompressError::NoRoom("full")), "{encoding:?} {framed}");
    }
}

#[test]
fn a_zstd_frame_that_wants_a_large_window_is_refused() {
    let mut encoder = zstd::stream::write::Encoder::new(vec![], 1).expect("an encoder");
    encoder.window_log(27).expect("set");
    encoder.write_all(&telemetry(1_000)).expect("written");
    let frame = encoder.finish().expect("finished");
    assert_eq!(plain(Encoding::Zstd, &frame, 1 << 20), Err(DecompressError::Corrupt { format: "zstd" }));
}

#[test]
fn names_of_encodings_are_read_without_regard_to_case() {
    assert_eq!(Encoding::from_header(b" GZIP "), Some(Encoding::Gzip));
    assert_eq!(Encoding::from_header(b""), Some(Encoding::Identity));
    assert_eq!(Encoding::from_header(b"br"), None);
    assert_eq!(Encoding::from_header(b"gzip, zstd"), None);
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(body: Vec<u8>) {
        for (encoding, framed) in ALL {
            let _ = plain(encoding, &body, 10_000);
            let mut damaged = compress(encoding, framed, &body);
            for (index, byte) in body.iter().take(3).enumerate() {
                let len = damaged.len();
                if let Some(place) = damaged.get_mut(usize::from(*byte) * (index + 1) % len.max(1)) {
                    *place ^= *byte;
                }
            }
            let _ = plain(encoding, &damaged, 10_000);
        }
    }
}
