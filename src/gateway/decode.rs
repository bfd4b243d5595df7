//! Content encodings: a compressed body becomes a plain one whose frames keep their instants.
//!
//! Owns gzip, deflate and brotli. Must not know what the bytes mean. Invariants: each decoded byte has the
//! instant of the frame that released it, no more than [`BYTES_PER_ANSWER`] bytes are ever decoded, and how the
//! network cut the body changes no decoded byte.
//!
//! Requests ask for identity; if a proxy compresses anyway, the body is decoded and the sample is flagged.

use std::borrow::Cow;
use std::io::{self, Write};

use brotli_decompressor::DecompressorWriter;
use flate2::write::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};

use super::recording::{BYTES_PER_ANSWER, Body, Response};

/// Working memory of the brotli decoder, in bytes; the size affects only speed.
const BROTLI_BUFFER: usize = 8 << 10;

/// A decoded body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DecodedBody<'a> {
    /// The plain bytes; borrowed from the response if they were plain already.
    pub body: Cow<'a, Body>,
    /// True if the body was compressed.
    pub compressed: bool,
    /// The error that stopped decoding early; `body` holds the bytes before it.
    pub error: Option<DecodeError>,
}

/// The reason that a body could not be decoded to its end.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// An encoding that was not requested and is not supported.
    #[error("the body has the unknown content encoding `{0}`")]
    Unknown(String),
    /// Bytes that the encoding does not allow.
    #[error("the body is not valid {0}")]
    Corrupt(&'static str),
    /// A decompression bomb.
    #[error("the body decompresses to more than {BYTES_PER_ANSWER} bytes")]
    TooLarge,
}

/// Decodes the body by its `content-encoding` header. A truncated body is no error here: the bytes that could
/// be decoded are returned.
pub fn decode(response: &Response) -> DecodedBody<'_> {
    let name = response.header("content-encoding").unwrap_or("").trim();
    let body = &response.body;
    let encoding = name.to_ascii_lowercase();
    if matches!(&*encoding, "" | "identity") {
        return DecodedBody {
            body: Cow::Borrowed(body),
            compressed: false,
            error: None,
        };
    }
    let decoded = Codec::new(&encoding, body).map(|codec| run(codec, body, usize::MAX));
    let decoded = match decoded {
        // A decoder drops what it had decoded of the bytes in which it finds an error: how much that is must not
        // depend on the frames.
        Some((_, Some(DecodeError::Corrupt(_)))) => {
            Codec::new(&encoding, body).map(|codec| run(codec, body, 1))
        }
        decoded => decoded,
    };
    let (plain, error) = decoded.unwrap_or_else(|| {
        let unknown = DecodeError::Unknown(name.chars().take(40).collect());
        (Body::default(), Some(unknown))
    });
    DecodedBody {
        body: Cow::Owned(plain),
        compressed: true,
        error,
    }
}

/// Decodes frame by frame, at most `step` bytes at once; the bytes that a frame releases get its instant.
fn run(mut codec: Codec, body: &Body, step: usize) -> (Body, Option<DecodeError>) {
    let mut plain = Body::default();
    // A frame that releases nothing was still waited for: the next one that releases bytes inherits that.
    let mut waited = false;
    for (frame, piece) in body.pieces() {
        let written = piece.chunks(step).try_for_each(|part| codec.write(part));
        waited |= frame.waited;
        let released = std::mem::take(&mut codec.sink().bytes);
        if !released.is_empty() {
            if plain.push(frame.at, waited, &released).is_err() {
                return (plain, Some(DecodeError::TooLarge));
            }
            waited = false;
        }
        if written.is_err() {
            let error = if codec.sink().overflowed {
                DecodeError::TooLarge
            } else {
                DecodeError::Corrupt(codec.name())
            };
            return (plain, Some(error));
        }
    }
    (plain, None)
}

/// A zlib header: method 8, and a check that both bytes divide by 31 (RFC 1950, 2.2).
fn is_zlib(bytes: &[u8]) -> bool {
    match bytes {
        [method, flags, ..] => {
            method & 0x0f == 8 && (u16::from(*method) << 8 | u16::from(*flags)) % 31 == 0
        }
        _ => true,
    }
}

enum Codec {
    Gzip(MultiGzDecoder<Sink>),
    Zlib(ZlibDecoder<Sink>),
    Deflate(DeflateDecoder<Sink>),
    Brotli(Box<DecompressorWriter<Sink>>),
}

impl Codec {
    /// The decoder of an encoding for this body; `None` if it is not supported.
    fn new(encoding: &str, body: &Body) -> Option<Self> {
        let sink = Sink::default();
        Some(match encoding {
            "gzip" | "x-gzip" => Self::Gzip(MultiGzDecoder::new(sink)),
            // The name means zlib; some servers send the raw stream.
            "deflate" if is_zlib(body.bytes()) => Self::Zlib(ZlibDecoder::new(sink)),
            "deflate" => Self::Deflate(DeflateDecoder::new(sink)),
            "br" => Self::Brotli(Box::new(DecompressorWriter::new(sink, BROTLI_BUFFER))),
            _ => return None,
        })
    }

    /// Feeds a piece and flushes everything that can be decoded by now.
    fn write(&mut self, piece: &[u8]) -> io::Result<()> {
        let writer: &mut dyn Write = match self {
            Self::Gzip(decoder) => decoder,
            Self::Zlib(decoder) => decoder,
            Self::Deflate(decoder) => decoder,
            Self::Brotli(decoder) => decoder,
        };
        writer.write_all(piece)?;
        writer.flush()
    }

    fn sink(&mut self) -> &mut Sink {
        match self {
            Self::Gzip(decoder) => decoder.get_mut(),
            Self::Zlib(decoder) => decoder.get_mut(),
            Self::Deflate(decoder) => decoder.get_mut(),
            Self::Brotli(decoder) => decoder.get_mut(),
        }
    }

    const fn name(&self) -> &'static str {
        match self {
            Self::Gzip(_) => "gzip",
            Self::Zlib(_) | Self::Deflate(_) => "deflate",
            Self::Brotli(_) => "brotli",
        }
    }
}

/// The output of a decoder: the bytes that the current frame released, within the limit of a whole answer.
#[derive(Default)]
struct Sink {
    bytes: Vec<u8>,
    total: usize,
    overflowed: bool,
}

impl Write for Sink {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        if piece.len() > BYTES_PER_ANSWER - self.total {
            self.overflowed = true;
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.total += piece.len();
        self.bytes.extend_from_slice(piece);
        Ok(piece.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::Nanos;
    use flate2::Compression;
    use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
    use proptest::prelude::*;

    fn response(encoding: &str, pieces: &[&[u8]]) -> Response {
        let mut body = Body::default();
        for (index, piece) in pieces.iter().enumerate() {
            body.push(Nanos(index as u64), true, piece).unwrap();
        }
        Response {
            status: 200,
            headers: vec![("content-encoding".to_owned(), encoding.to_owned())],
            at: Nanos(0),
            body,
        }
    }

    /// Compressed pieces, one per text, each flushed so that it can be decoded at once.
    fn flushed(encoding: &str, texts: &[&str]) -> Vec<Vec<u8>> {
        let mut pieces: Vec<Vec<u8>> = Vec::new();
        macro_rules! through {
            ($encoder:expr) => {{
                let mut encoder = $encoder;
                for text in texts {
                    encoder.write_all(text.as_bytes()).unwrap();
                    encoder.flush().unwrap();
                    pieces.push(std::mem::take(encoder.get_mut()));
                }
                pieces.push(encoder.finish().unwrap());
            }};
        }
        match encoding {
            "gzip" => through!(GzEncoder::new(Vec::new(), Compression::fast())),
            "zlib" => through!(ZlibEncoder::new(Vec::new(), Compression::fast())),
            "raw" => through!(DeflateEncoder::new(Vec::new(), Compression::fast())),
            _ => pieces.extend(brotli(texts)),
        }
        pieces
    }

    /// Brotli with every text stored uncompressed (RFC 7932, 9.2): a test needs no compressor.
    fn brotli(texts: &[&str]) -> Vec<Vec<u8>> {
        let mut pieces = Vec::new();
        for (index, text) in texts.iter().enumerate() {
            let length = u32::try_from(text.len() - 1).unwrap();
            // Not last (0), four nibbles (00), length - 1 in 16 bits, uncompressed (1).
            let header = length << 3 | 1 << 19;
            // The first one begins with the window size: a single 0.
            let header = if index == 0 { header << 1 } else { header };
            let mut piece = header.to_le_bytes()[..3].to_vec();
            piece.extend_from_slice(text.as_bytes());
            pieces.push(piece);
        }
        pieces.push(vec![0b11]);
        pieces
    }

    #[test]
    fn stamps_stay_with_the_bytes_that_a_frame_released() {
        // A compressed stream that is flushed per event has the times of its frames.
        let texts = [
            "data: {\"a\":1}\n\n",
            "data: {\"b\":2}\n\n",
            "data: [DONE]\n\n",
        ];
        for (name, encoding) in [
            ("gzip", "gzip"),
            ("zlib", "deflate"),
            ("raw", "deflate"),
            ("br", "br"),
        ] {
            let pieces = flushed(name, &texts);
            let pieces: Vec<&[u8]> = pieces.iter().map(Vec::as_slice).collect();
            let response = response(encoding, &pieces);
            let decoded = decode(&response);
            assert!(decoded.compressed && decoded.error.is_none(), "{name}");
            let released: Vec<(u64, &str)> = decoded
                .body
                .pieces()
                .map(|(frame, piece)| (frame.at.0, std::str::from_utf8(piece).unwrap()))
                .collect();
            assert_eq!(
                released,
                [(0, texts[0]), (1, texts[1]), (2, texts[2])],
                "{name}"
            );
        }
    }

    #[test]
    fn a_held_back_frame_counts_as_waited_for() {
        // Frames that release nothing (a header, half a block) were waited for by the next bytes.
        let mut response = response("gzip", &[]);
        let piece = flushed("gzip", &["hello"]).concat();
        response.body.push(Nanos(1), true, &piece[..3]).unwrap();
        response.body.push(Nanos(2), false, &piece[3..]).unwrap();
        let decoded = decode(&response);
        let frames = decoded.body.frames();
        assert_eq!((frames[0].at, frames[0].waited), (Nanos(2), true));
    }

    #[test]
    fn plain_bodies_are_not_copied_and_unknown_encodings_are_named() {
        // An encoding that was not requested is the server's error and must be named.
        let plain = response("identity", &[b"x"]);
        let decoded = decode(&plain);
        assert!(matches!(decoded.body, Cow::Borrowed(_)) && !decoded.compressed);
        let zstd = response("zstd", &[b"x"]);
        assert_eq!(
            decode(&zstd).error,
            Some(DecodeError::Unknown("zstd".to_owned()))
        );
    }

    #[test]
    fn a_bomb_is_refused() {
        // A small body that expands to gigabytes ends in an error, within the limit.
        let zeros = vec![0; 1 << 20];
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        for _ in 0..=BYTES_PER_ANSWER >> 20 {
            encoder.write_all(&zeros).unwrap();
        }
        let bomb = encoder.finish().unwrap();
        let response = response("gzip", &[&bomb]);
        let decoded = decode(&response);
        assert_eq!(decoded.error, Some(DecodeError::TooLarge));
        assert!(decoded.body.bytes().len() <= BYTES_PER_ANSWER);
    }

    proptest! {
        // Bytes that claim to be compressed never cause a panic.
        #[test]
        fn arbitrary_bytes_never_panic(
            encoding in prop_oneof!["gzip", "deflate", "br", "\\PC{0,10}"],
            pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..6),
        ) {
            let pieces: Vec<&[u8]> = pieces.iter().map(Vec::as_slice).collect();
            decode(&response(&encoding, &pieces));
        }

        // Any cut of a damaged body decodes to the same bytes, too.
        #[test]
        fn cuts_of_damaged_bodies_do_not_matter(
            name in prop_oneof!["gzip", "zlib", "raw", "br"],
            text in "[a-z]{1,300}", at in any::<prop::sample::Index>(), byte in any::<u8>(), step in 1_usize..40,
        ) {
            let encoding = if name.len() == 2 || name == "gzip" { name.as_str() } else { "deflate" };
            let mut damaged = flushed(&name, &[&text, &text]).concat();
            *at.get_mut(&mut damaged) = byte;
            let pieces: Vec<&[u8]> = damaged.chunks(step).collect();
            let (cut, whole) = (response(encoding, &pieces), response(encoding, &[&damaged]));
            let (cut, whole) = (decode(&cut), decode(&whole));
            prop_assert_eq!(cut.body.bytes(), whole.body.bytes());
            prop_assert_eq!(cut.error, whole.error);
        }

        // Any cut of a compressed body decodes to the same bytes; truncation is no error.
        #[test]
        fn cuts_do_not_matter(
            name in prop_oneof!["gzip", "zlib", "raw", "br"],
            text in "[a-z]{1,300}", cut in 0_usize..400, length in 0_usize..400,
        ) {
            let encoding = if name.len() == 2 || name == "gzip" { name.as_str() } else { "deflate" };
            let whole = flushed(&name, &[&text]).concat();
            let cut = cut.min(whole.len());
            let response = response(encoding, &[&whole[..cut], &whole[cut..]]);
            let decoded = decode(&response);
            prop_assert_eq!(decoded.body.bytes(), text.as_bytes());
            prop_assert_eq!(decoded.error, None);
            // At least two bytes, so that a zlib stream can be distinguished from a raw one.
            let length = length.clamp(2, whole.len());
            let cut_off = self::response(encoding, &[&whole[..length]]);
            let decoded = decode(&cut_off);
            prop_assert_eq!(decoded.error, None);
            prop_assert!(text.as_bytes().starts_with(decoded.body.bytes()));
        }
    }
}
