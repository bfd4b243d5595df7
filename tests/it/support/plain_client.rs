//! A client of a few lines that shares no code with the project's own.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use bakeoff::sim::SimulatorHandle;
use serde_json::{Value, json};

/// No test waits longer than this for bytes that do not come.
const PATIENCE: Duration = Duration::from_secs(20);

/// The response.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) head: String,
    /// The pieces of the body: HTTP chunks, or one piece where there are none.
    pub(crate) pieces: Vec<Vec<u8>>,
    /// True if the body ended as HTTP requires.
    pub(crate) whole: bool,
    /// The error that ended the reading.
    pub(crate) error: Option<ErrorKind>,
}

impl Reply {
    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.pieces.concat()).unwrap()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text()).unwrap()
    }

    pub(crate) fn has_header(&self, line: &str) -> bool {
        let head = self.head.to_ascii_lowercase();
        head.lines().any(|found| found == line)
    }
}

pub(crate) fn connect(running: &SimulatorHandle) -> TcpStream {
    let url = running.base_url();
    let address = url.strip_prefix("http://").unwrap().split('/').next();
    let stream = TcpStream::connect(address.unwrap()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

pub(crate) fn send(stream: &mut TcpStream, method: &str, path: &str, headers: &str, body: &str) {
    let length = body.len();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nhost: sim\r\nconnection: close\r\ncontent-length: {length}\r\n{headers}\r\n{body}"
    );
    stream.write_all(request.as_bytes()).unwrap();
}

/// Reads to the end of the connection.
pub(crate) fn receive(stream: &mut TcpStream) -> Reply {
    let mut bytes = Vec::new();
    let error = stream.read_to_end(&mut bytes).err().map(|e| e.kind());
    parse(&bytes, error)
}

/// The reply that these bytes are, and how reading them ended.
pub(crate) fn parse(bytes: &[u8], error: Option<ErrorKind>) -> Reply {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n");
    let (head, body) = match end {
        Some(end) => bytes.split_at(end + 4),
        None => (&[][..], bytes),
    };
    let head = String::from_utf8(head.to_vec()).unwrap();
    let status = head.get(9..12).map_or(0, |text| text.parse().unwrap());
    let chunked = head
        .to_ascii_lowercase()
        .contains("transfer-encoding: chunked");
    let (pieces, whole) = if chunked {
        dechunk(body)
    } else {
        (vec![body.to_vec()], error.is_none())
    };
    Reply {
        status,
        head,
        pieces,
        whole,
        error,
    }
}

/// HTTP chunks, and whether the last one came.
fn dechunk(mut body: &[u8]) -> (Vec<Vec<u8>>, bool) {
    let mut pieces = Vec::new();
    while let Some(line) = body.windows(2).position(|pair| pair == b"\r\n") {
        let size = std::str::from_utf8(&body[..line]).unwrap();
        let size = usize::from_str_radix(size, 16).unwrap();
        if size == 0 {
            return (pieces, true);
        }
        let begin = line + 2;
        let Some(piece) = body.get(begin..begin + size) else {
            break;
        };
        pieces.push(piece.to_vec());
        body = body.get(begin + size + 2..).unwrap_or_default();
    }
    (pieces, false)
}

pub(crate) fn get(running: &SimulatorHandle, path: &str) -> Reply {
    let mut stream = connect(running);
    send(&mut stream, "GET", path, "", "");
    receive(&mut stream)
}

pub(crate) fn chat_body(model: &str, stream: bool) -> String {
    let messages = json!([{ "role": "user", "content": "Why is the sky blue?" }]);
    json!({ "model": model, "stream": stream, "messages": messages }).to_string()
}

pub(crate) fn chat_with(running: &SimulatorHandle, headers: &str, body: &str) -> Reply {
    let mut stream = connect(running);
    send(&mut stream, "POST", "/v1/chat/completions", headers, body);
    receive(&mut stream)
}

pub(crate) fn chat(running: &SimulatorHandle, model: &str) -> Reply {
    chat_with(running, "", &chat_body(model, true))
}
