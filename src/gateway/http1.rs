//! HTTP/1.1 as bytes: the head of a request, the head of a response, and the framing of its body.
//!
//! Owns the part of RFC 9112 that one exchange needs. Must not know sockets, clocks or the meaning of a body.
//! Invariant: the result does not depend on how the bytes were cut, the work is linear in them, and the memory
//! for a head is limited.

use std::time::Duration;

use memchr::memmem;

use super::recording::BodyTooLarge;

/// Most bytes of the head of a response, interim responses included.
const HEAD_BYTES: usize = 256 << 10;

/// Most headers of a response.
const HEADERS: usize = 256;

/// Most bytes of the extensions of one chunk, or of all trailers.
const SKIPPED_BYTES: usize = 16 << 10;

/// A violation of HTTP by the server.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HttpError {
    /// The first bytes are of another protocol.
    #[error("the server does not speak HTTP/1")]
    NotHttp,
    /// The head breaks the grammar.
    #[error("the head of the response is not valid HTTP: {0}")]
    Head(httparse::Error),
    /// The head has no end within the limit.
    #[error("the head of the response is larger than {HEAD_BYTES} bytes")]
    HeadTooLarge,
    /// The length of the body is no number, or there are several.
    #[error("the response has an invalid `content-length`")]
    Length,
    /// The connection speaks another protocol from here on.
    #[error("the server switched to another protocol (HTTP 101)")]
    Upgrade,
    /// The framing of the body breaks the grammar.
    #[error("the response has an invalid chunk")]
    Chunk,
}

/// The constant part of a lane's requests to one path: everything but the id and the body.
pub(super) struct RequestHead(Vec<u8>);

impl RequestHead {
    /// The head of a request to this target (path and query) of this host with these headers.
    pub(super) fn new<'a>(
        method: &str,
        target: &str,
        host: &str,
        headers: impl Iterator<Item = (&'a str, &'a [u8])>,
    ) -> Self {
        let mut head = format!("{method} {target} HTTP/1.1\r\nhost: {host}\r\n").into_bytes();
        let agent = concat!("bakeoff/", env!("CARGO_PKG_VERSION"));
        let mut has_agent = false;
        for (name, value) in headers {
            // These describe the message and its connection, which are the transport's.
            if ["host", "content-length", "transfer-encoding", "connection"].contains(&name) {
                continue;
            }
            has_agent |= name == "user-agent";
            add_field(&mut head, name, value);
        }
        if !has_agent {
            add_field(&mut head, "user-agent", agent.as_bytes());
        }
        Self(head)
    }

    /// A request without a body.
    pub(super) fn without_body(&self) -> Vec<u8> {
        [&self.0[..], b"\r\n"].concat()
    }

    /// A request with this `x-request-id` and body.
    pub(super) fn with_body(&self, request_id: &str, body: &[u8]) -> Vec<u8> {
        let mut request = Vec::with_capacity(self.0.len() + request_id.len() + body.len() + 64);
        request.extend_from_slice(&self.0);
        add_field(&mut request, "x-request-id", request_id.as_bytes());
        add_field(
            &mut request,
            "content-length",
            body.len().to_string().as_bytes(),
        );
        request.extend_from_slice(b"\r\n");
        request.extend_from_slice(body);
        request
    }
}

fn add_field(head: &mut Vec<u8>, name: &str, value: &[u8]) {
    for part in [name.as_bytes(), b": ", value, b"\r\n"] {
        head.extend_from_slice(part);
    }
}

/// The head of a final response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ResponseHead {
    pub(super) status: u16,
    /// In the order of arrival; names in lower case.
    pub(super) headers: Vec<(String, String)>,
    pub(super) framing: Framing,
    pub(super) persistence: Persistence,
}

/// The server's announcement about the connection after a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Persistence {
    /// It will be closed.
    Close,
    /// It stays open; for this long without a request, if that is known.
    Keep(Option<Duration>),
}

/// The bytes of a head so far.
#[derive(Debug, Default)]
pub(super) struct HeadReader {
    bytes: Vec<u8>,
    /// The bytes that cannot begin the end of the head.
    searched: usize,
}

impl HeadReader {
    /// Adds bytes. Returns the head, once it is complete, and the bytes after it. Interim responses (1xx) are
    /// skipped.
    pub(super) fn feed(
        &mut self,
        piece: &[u8],
    ) -> Result<Option<(ResponseHead, Vec<u8>)>, HttpError> {
        self.bytes.extend_from_slice(piece);
        loop {
            if !is_http(&self.bytes) {
                return Err(HttpError::NotHttp);
            }
            let Some(end) = head_end(&self.bytes, self.searched) else {
                self.searched = self.bytes.len().saturating_sub(3);
                if self.bytes.len() > HEAD_BYTES {
                    return Err(HttpError::HeadTooLarge);
                }
                return Ok(None);
            };
            let rest = self.bytes.split_off(end);
            let head = std::mem::replace(&mut self.bytes, rest);
            self.searched = 0;
            let head = parse_head(&head)?;
            match head.status {
                101 => return Err(HttpError::Upgrade),
                100..=199 => {}
                _ => return Ok(Some((head, std::mem::take(&mut self.bytes)))),
            }
        }
    }

    /// True if nothing has come.
    pub(super) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }
}

/// True if a response of HTTP/1 can begin with these bytes. Blank lines before it are allowed.
fn is_http(bytes: &[u8]) -> bool {
    const VERSION: &[u8] = b"HTTP/1.";
    let blank = |byte: &&u8| matches!(byte, b'\r' | b'\n');
    let start = &bytes[bytes.iter().take_while(blank).count()..];
    let length = start.len().min(VERSION.len());
    start[..length] == VERSION[..length]
}

/// Offset after the blank line that ends a head.
fn head_end(bytes: &[u8], searched: usize) -> Option<usize> {
    let start = bytes
        .iter()
        .take_while(|byte| matches!(byte, b'\r' | b'\n'))
        .count()
        .max(searched);
    let bytes = bytes.get(start..)?;
    let crlf = memmem::find(bytes, b"\n\r\n").map(|at| at + 3);
    let lf = memmem::find(bytes, b"\n\n").map(|at| at + 2);
    [crlf, lf]
        .into_iter()
        .flatten()
        .min()
        .map(|end| start + end)
}

fn parse_head(bytes: &[u8]) -> Result<ResponseHead, HttpError> {
    let mut fields = [httparse::EMPTY_HEADER; HEADERS];
    let mut parsed = httparse::Response::new(&mut fields);
    match parsed.parse(bytes).map_err(HttpError::Head)? {
        httparse::Status::Complete(_) => {}
        httparse::Status::Partial => return Err(HttpError::Head(httparse::Error::NewLine)),
    }
    let status = parsed.code.unwrap_or_default();
    let headers: Vec<(String, String)> = parsed
        .headers
        .iter()
        .map(|field| {
            let value = String::from_utf8_lossy(field.value).into_owned();
            (field.name.to_ascii_lowercase(), value)
        })
        .collect();
    let framing = framing(status, &headers)?;
    let persistence = persistence(parsed.version == Some(1), &headers);
    Ok(ResponseHead {
        status,
        headers,
        framing,
        persistence,
    })
}

/// The values of a header that may be a list, one by one, in lower case.
fn values<'a>(
    headers: &'a [(String, String)],
    name: &'a str,
) -> impl DoubleEndedIterator<Item = String> + 'a {
    let same = headers.iter().filter(move |(key, _)| key == name);
    same.flat_map(|(_, value)| value.split(','))
        .map(|value| value.trim().to_ascii_lowercase())
}

/// The framing of the body (RFC 9112, 6.3).
fn framing(status: u16, headers: &[(String, String)]) -> Result<Framing, HttpError> {
    if matches!(status, 204 | 304) {
        return Ok(Framing::Length(0));
    }
    if let Some(coding) = values(headers, "transfer-encoding").next_back() {
        return Ok(if coding == "chunked" {
            Framing::CHUNKED
        } else {
            Framing::UntilClose
        });
    }
    let mut lengths = values(headers, "content-length");
    let Some(length) = lengths.next() else {
        return Ok(Framing::UntilClose);
    };
    let is_number = !length.is_empty() && length.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number || lengths.any(|other| other != length) {
        return Err(HttpError::Length);
    }
    length
        .parse()
        .map(Framing::Length)
        .map_err(|_| HttpError::Length)
}

fn persistence(is_1_1: bool, headers: &[(String, String)]) -> Persistence {
    let has = |option: &str| values(headers, "connection").any(|value| value == option);
    if has("close") || !(is_1_1 || has("keep-alive")) {
        return Persistence::Close;
    }
    let timeout = values(headers, "keep-alive").find_map(|value| {
        let seconds = value.strip_prefix("timeout")?.trim_start();
        let seconds = seconds.strip_prefix('=')?.trim();
        seconds.trim_matches('"').parse().ok()
    });
    Persistence::Keep(timeout.map(Duration::from_secs))
}

/// The framing of a body, with the state of its reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// So many bytes are left.
    Length(u64),
    /// Chunks (RFC 9112, 7.1).
    Chunked(ChunkState),
    /// Everything until the server closes the connection.
    UntilClose,
}

/// The position within a chunked body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChunkState {
    /// In the size of a chunk.
    Size {
        /// The size so far.
        value: u64,
        /// Its number of digits, 255 at most.
        digits: u8,
    },
    /// In the rest of the line of a size, which is skipped.
    Extension {
        /// The size.
        value: u64,
        /// The bytes skipped so far.
        skipped: usize,
    },
    /// Before the line feed that ends the line of a size.
    SizeLf {
        /// The size.
        value: u64,
    },
    /// In the data, of which so many bytes are left.
    Data(u64),
    /// Before the line end after the data.
    DataCr,
    /// Before its line feed.
    DataLf,
    /// In the trailers, which are skipped.
    Trailers {
        /// True at the start of a line.
        line_start: bool,
        /// The bytes skipped so far.
        skipped: usize,
    },
    /// Before the line feed of the blank line that ends the body.
    LastLf,
    /// After the body.
    Done,
}

/// The reason that decoding stopped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DecodeStop {
    /// The server's framing is invalid.
    Http(HttpError),
    /// The body exceeds a limit.
    TooLarge(BodyTooLarge),
}

impl From<HttpError> for DecodeStop {
    fn from(error: HttpError) -> Self {
        Self::Http(error)
    }
}

impl From<BodyTooLarge> for DecodeStop {
    fn from(error: BodyTooLarge) -> Self {
        Self::TooLarge(error)
    }
}

impl Framing {
    /// Chunks, before the first one.
    pub const CHUNKED: Self = Self::Chunked(ChunkState::Size {
        value: 0,
        digits: 0,
    });

    /// True if nothing of the body is missing.
    pub fn is_done(&self) -> bool {
        matches!(self, Self::Length(0) | Self::Chunked(ChunkState::Done))
    }

    /// Hands the body's bytes in `piece` to `take` and returns the number of bytes that belong to the message:
    /// fewer than `piece` has if the body ended within it.
    pub fn decode(
        &mut self,
        piece: &[u8],
        mut take: impl FnMut(&[u8]) -> Result<(), BodyTooLarge>,
    ) -> Result<usize, DecodeStop> {
        match self {
            Self::UntilClose => take(piece)?,
            Self::Length(left) => {
                let length = clamp(piece, *left);
                take(&piece[..length])?;
                *left -= length as u64;
                return Ok(length);
            }
            Self::Chunked(state) => {
                let mut at = 0;
                while at < piece.len() && *state != ChunkState::Done {
                    if let ChunkState::Data(left) = state {
                        let length = clamp(&piece[at..], *left);
                        take(&piece[at..at + length])?;
                        at += length;
                        *left -= length as u64;
                        if *left == 0 {
                            *state = ChunkState::DataCr;
                        }
                    } else {
                        *state = state.next(piece[at])?;
                        at += 1;
                    }
                }
                return Ok(at);
            }
        }
        Ok(piece.len())
    }
}

fn clamp(piece: &[u8], left: u64) -> usize {
    usize::try_from(left).unwrap_or(usize::MAX).min(piece.len())
}

impl ChunkState {
    /// The state after a byte outside the data.
    fn next(self, byte: u8) -> Result<Self, HttpError> {
        let trailers = Self::Trailers {
            line_start: true,
            skipped: 0,
        };
        let data = |value: u64| {
            if value == 0 {
                trailers
            } else {
                Self::Data(value)
            }
        };
        Ok(match (self, byte) {
            (Self::Size { value, digits }, byte) if byte.is_ascii_hexdigit() => {
                let digit = char::from(byte).to_digit(16).unwrap_or_default();
                let value = value.checked_mul(16).ok_or(HttpError::Chunk)? + u64::from(digit);
                let digits = digits.saturating_add(1);
                Self::Size { value, digits }
            }
            (Self::Size { digits: 0, .. }, _) => return Err(HttpError::Chunk),
            (Self::Size { value, .. } | Self::Extension { value, .. }, b'\r') => {
                Self::SizeLf { value }
            }
            (
                Self::Size { value, .. } | Self::Extension { value, .. } | Self::SizeLf { value },
                b'\n',
            ) => data(value),
            (Self::Size { value, .. }, b';' | b' ' | b'\t') => {
                Self::Extension { value, skipped: 0 }
            }
            (Self::Extension { value, skipped }, _) if skipped < SKIPPED_BYTES => {
                let skipped = skipped + 1;
                Self::Extension { value, skipped }
            }
            (Self::DataCr, b'\r') => Self::DataLf,
            (Self::DataCr | Self::DataLf, b'\n') => Self::Size {
                value: 0,
                digits: 0,
            },
            (Self::Trailers { line_start, .. }, b'\r') if line_start => Self::LastLf,
            (Self::Trailers { line_start, .. }, b'\n') if line_start => Self::Done,
            (Self::Trailers { skipped, .. }, byte) if skipped < SKIPPED_BYTES => Self::Trailers {
                line_start: byte == b'\n',
                skipped: skipped + 1,
            },
            (Self::LastLf, b'\n') => Self::Done,
            _ => return Err(HttpError::Chunk),
        })
    }
}

#[cfg(test)]
#[path = "http1_tests.rs"]
mod tests;
