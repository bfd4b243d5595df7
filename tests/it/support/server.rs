//! A server of a few lines that sends exactly what a test specifies, byte by byte, and records its requests.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

/// A connection on which nothing comes for so long is given up, so that no thread is left behind.
const PATIENCE: Duration = Duration::from_secs(30);

/// A request, as its bytes came.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    /// Number of the connection it came on, from 0.
    pub(crate) connection: usize,
    /// Request line and headers.
    pub(crate) head: String,
    /// The body.
    pub(crate) body: String,
}

impl Seen {
    /// The value of a header, by its name in lower case; `None` where it was not sent.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().skip(1);
        lines.find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then_some(value.trim())
        })
    }

    /// Returns true for a request for an answer; otherwise it only opens a connection.
    pub(crate) fn is_question(&self) -> bool {
        self.head.starts_with("POST ")
    }
}

/// The step after the bytes of a reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Then {
    /// The connection waits for the next request.
    Keep,
    /// The server closes the connection.
    Close,
    /// Nothing more, until the client leaves.
    Hold,
}

/// Returns the answer to a request, by its number from 0.
type Script = dyn Fn(usize, &Seen) -> (Vec<u8>, Then) + Send + Sync;

/// Returns the answer to a request for a list, a balance or a bill; `None`: an empty 204.
type Lists = dyn Fn(&Seen) -> Option<Vec<u8>> + Send + Sync;

/// The number of connections that have ended.
type Closed = (Mutex<usize>, Condvar);

/// Answers every question by a script until it is dropped; requests that ask nothing get an empty
/// 204.
pub(crate) struct Server {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
    connections: Arc<Mutex<Vec<TcpStream>>>,
    closed: Arc<Closed>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Begins to serve. The script gets each question and its number, from 0.
    pub(crate) fn start(
        script: impl Fn(usize, &Seen) -> (Vec<u8>, Then) + Send + Sync + 'static,
    ) -> Self {
        Self::start_with_lists(|_| None, script)
    }

    /// The same with lists, balances and bills.
    pub(crate) fn start_with_lists(
        lists: impl Fn(&Seen) -> Option<Vec<u8>> + Send + Sync + 'static,
        script: impl Fn(usize, &Seen) -> (Vec<u8>, Then) + Send + Sync + 'static,
    ) -> Self {
        let lists: Arc<Lists> = Arc::new(lists);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let seen: Arc<Mutex<Vec<Seen>>> = Arc::default();
        let connections: Arc<Mutex<Vec<TcpStream>>> = Arc::default();
        let script: Arc<Script> = Arc::new(script);
        let closed: Arc<Closed> = Arc::default();
        let counted = Arc::clone(&closed);
        let (requests, streams) = (Arc::clone(&seen), Arc::clone(&connections));
        let thread = std::thread::spawn(move || {
            for (number, stream) in listener.incoming().enumerate() {
                let Ok(stream) = stream else { return };
                let Ok(copy) = stream.try_clone() else { return };
                let mut open_streams = streams.lock().unwrap();
                // The word to stop, see `drop`.
                if open_streams.is_empty() && number > 0 {
                    return;
                }
                open_streams.push(copy);
                let (requests, script) = (Arc::clone(&requests), Arc::clone(&script));
                let (lists, closed) = (Arc::clone(&lists), Arc::clone(&counted));
                std::thread::spawn(move || {
                    // A client that leaves is no failure of the server's.
                    if handle_connection(stream, number, &requests, &*lists, &*script).is_ok() {
                        *closed.0.lock().unwrap() += 1;
                        closed.1.notify_all();
                    }
                });
            }
        });
        Self {
            address,
            seen,
            connections,
            closed,
            thread: Some(thread),
        }
    }

    /// `http://ADDRESS/v1`.
    pub(crate) fn base_url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// Every request so far, in the order of arrival.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// Returns once so many connections have ended.
    pub(crate) fn wait_until_closed(&self, count: usize) {
        let mut closed = self.closed.0.lock().unwrap();
        while *closed < count {
            let (next, wait) = self.closed.1.wait_timeout(closed, PATIENCE).unwrap();
            assert!(!wait.timed_out(), "no connection was closed");
            closed = next;
        }
    }

    /// The requests that asked something.
    pub(crate) fn questions(&self) -> Vec<Seen> {
        let seen = self.seen().into_iter();
        seen.filter(Seen::is_question).collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let connections = std::mem::take(&mut *self.connections.lock().unwrap());
        for stream in &connections {
            let _ = stream.shutdown(std::net::Shutdown::Both);
        }
        // Wakes the listener, which finds that there are no connections any more.
        let woken = TcpStream::connect(self.address);
        if let (Some(thread), true, false) =
            (self.thread.take(), woken.is_ok(), connections.is_empty())
        {
            let _ = thread.join();
        }
    }
}

fn handle_connection(
    mut stream: TcpStream,
    connection: usize,
    seen: &Mutex<Vec<Seen>>,
    lists: &Lists,
    script: &Script,
) -> std::io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.set_nodelay(true)?;
    let mut bytes = Vec::new();
    while let Some(request) = next_request(&mut stream, &mut bytes, connection)? {
        let number = {
            let mut seen = seen.lock().unwrap();
            seen.push(request.clone());
            seen.iter().filter(|seen| seen.is_question()).count()
        };
        let (reply, then) = if request.is_question() {
            script(number - 1, &request)
        } else {
            let listed = lists(&request).filter(|_| request.head.starts_with("GET "));
            let empty = || b"HTTP/1.1 204 No Content\r\n\r\n".to_vec();
            (listed.unwrap_or_else(empty), Then::Keep)
        };
        stream.write_all(&reply)?;
        match then {
            Then::Keep => {}
            Then::Close => return stream.shutdown(std::net::Shutdown::Both),
            Then::Hold => return stream.read_to_end(&mut bytes).map(drop),
        }
    }
    Ok(())
}

/// The next whole request; `None` when the client has left.
fn next_request(
    stream: &mut TcpStream,
    bytes: &mut Vec<u8>,
    connection: usize,
) -> std::io::Result<Option<Seen>> {
    let mut buffer = [0; 16 * 1024];
    loop {
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n");
        if let Some(end) = end {
            let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
            let mut seen = Seen {
                connection,
                head,
                body: String::new(),
            };
            let length = seen.header("content-length");
            let length = length.map_or(0, |length| length.parse().unwrap());
            let whole = end + 4 + length;
            if bytes.len() >= whole {
                seen.body = String::from_utf8_lossy(&bytes[end + 4..whole]).into_owned();
                bytes.drain(..whole);
                return Ok(Some(seen));
            }
        }
        match stream.read(&mut buffer)? {
            0 => return Ok(None),
            read => bytes.extend_from_slice(&buffer[..read]),
        }
    }
}

/// A response with a length.
pub(crate) fn response(status: &str, headers: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\n{headers}content-length: {length}\r\n\r\n{body}").into_bytes()
}

/// The events of a whole answer, one word long.
pub(crate) const ANSWER: &str = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"yes\"}}]}\n\n\
    data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}],\
    \"usage\":{\"prompt_tokens\":3,\"completion_tokens\":1}}\n\n\
    data: [DONE]\n\n";
