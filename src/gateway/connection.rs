//! One connection: a socket, with TLS where the URL asks for it.
//!
//! Owns the system calls and the stamp of each read. Must not know HTTP. Invariants: a read is stamped before
//! anything is done with its bytes; bytes of two reads never share a stamp; and nothing is written that was not
//! queued.

use std::cell::RefCell;
use std::io::{self, Read as _, Write as _};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use rustls::ClientConnection;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Instant;

use crate::units::Nanos;

use super::clock::Clock;
use super::receive::{WallNanos, poll_receive, request_stamps};
use super::recording::{OpeningTimes, ReadStamp};

/// Bytes of one read: more than a server's usual burst, so that a burst is one read.
const READ_BYTES: usize = 64 << 10;

thread_local! {
    /// Memory for the bytes of one read, raw and decrypted; they are copied before the next read of the thread.
    static BUFFERS: RefCell<(Vec<u8>, Vec<u8>)> = RefCell::new((vec![0; READ_BYTES], Vec::new()));
}

/// An open connection.
pub(super) struct Connection {
    stream: TcpStream,
    /// True if the kernel stamps what arrives.
    is_stamped: bool,
    tls: Option<Box<ClientConnection>>,
    /// Bytes for the socket, of which `written` are sent.
    queued: Vec<u8>,
    written: usize,
    /// True if TLS announced the end of the peer's bytes.
    peer_closed: bool,
    /// The instant from which the connection must not be used any more.
    expires: Option<Instant>,
    /// The times of the steps that opened it.
    pub(super) opening: OpeningTimes,
}

/// One successful read.
pub(super) enum Arrival<T> {
    /// Bytes came, and were handled with this result.
    Bytes(T),
    /// The peer will send no more. `is_clean`: it said so where the protocol can (TLS).
    Closed { at: Nanos, is_clean: bool },
}

impl Connection {
    /// Wraps a connected socket.
    pub(super) fn new(stream: TcpStream) -> Self {
        Self {
            stream,
            is_stamped: false,
            tls: None,
            queued: Vec::new(),
            written: 0,
            peer_closed: false,
            expires: None,
            opening: OpeningTimes::default(),
        }
    }

    /// Makes the kernel stamp what arrives from now on, where it can.
    pub(super) fn request_stamps(&mut self) {
        self.is_stamped = request_stamps(&self.stream).is_ok();
    }

    /// Performs the TLS handshake; everything after it is encrypted.
    pub(super) async fn start_tls(
        &mut self,
        tls: ClientConnection,
        clock: Clock,
    ) -> io::Result<()> {
        self.tls = Some(Box::new(tls));
        std::future::poll_fn(|context| self.poll_handshake(context, clock)).await
    }

    fn poll_handshake(&mut self, context: &mut Context<'_>, clock: Clock) -> Poll<io::Result<()>> {
        loop {
            let Some(tls) = &mut self.tls else {
                return Poll::Ready(Ok(()));
            };
            while tls.wants_write() {
                tls.write_tls(&mut self.queued)?;
            }
            let is_handshaking = tls.is_handshaking();
            let flushed = self.poll_flush(context)?;
            if !is_handshaking {
                return flushed.map(Ok);
            }
            match ready!(self.poll_read(context, clock, |_, _| ()))? {
                Arrival::Bytes(()) => {}
                Arrival::Closed { .. } => {
                    let message = "the server closed the connection during the TLS handshake";
                    return Poll::Ready(Err(io::Error::new(io::ErrorKind::UnexpectedEof, message)));
                }
            }
        }
    }

    /// Queues bytes, encrypted if the connection is.
    pub(super) fn queue(&mut self, bytes: Vec<u8>) -> io::Result<()> {
        match &mut self.tls {
            None if self.queued.is_empty() => self.queued = bytes,
            None => self.queued.extend_from_slice(&bytes),
            Some(tls) => {
                tls.set_buffer_limit(None);
                tls.writer().write_all(&bytes)?;
                while tls.wants_write() {
                    tls.write_tls(&mut self.queued)?;
                }
            }
        }
        Ok(())
    }

    /// Writes what is queued; ready once nothing is left.
    pub(super) fn poll_flush(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.written < self.queued.len() {
            let rest = &self.queued[self.written..];
            match ready!(Pin::new(&mut self.stream).poll_write(context, rest))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                written => self.written += written,
            }
        }
        self.queued = Vec::new();
        self.written = 0;
        Poll::Ready(Ok(()))
    }

    /// Reads once, stamps the read, and hands its bytes to `take`. A read that completes nothing (half a record
    /// of TLS, say) is not reported.
    pub(super) fn poll_read<T>(
        &mut self,
        context: &mut Context<'_>,
        clock: Clock,
        take: impl FnOnce(ReadStamp, &[u8]) -> T,
    ) -> Poll<io::Result<Arrival<T>>> {
        BUFFERS.with_borrow_mut(|(raw, plain)| {
            loop {
                if self.peer_closed {
                    let at = clock.now();
                    return Poll::Ready(Ok(Arrival::Closed { at, is_clean: true }));
                }
                let (length, kernel) = ready!(self.poll_raw(context, raw))?;
                let at = clock.now();
                let (bytes, stamp) = (&raw[..length], ReadStamp { at, kernel });
                if bytes.is_empty() {
                    let is_clean = self.tls.is_none();
                    return Poll::Ready(Ok(Arrival::Closed { at, is_clean }));
                }
                let Some(tls) = &mut self.tls else {
                    return Poll::Ready(Ok(Arrival::Bytes(take(stamp, bytes))));
                };
                plain.clear();
                let was_handshaking = tls.is_handshaking();
                self.peer_closed = decrypt(tls, bytes, plain, &mut self.queued)?;
                if !plain.is_empty() || was_handshaking {
                    return Poll::Ready(Ok(Arrival::Bytes(take(stamp, plain))));
                }
            }
        })
    }

    /// Reads once, whatever the bytes are; returns their number and the kernel's timestamp.
    fn poll_raw(
        &mut self,
        context: &mut Context<'_>,
        raw: &mut [u8],
    ) -> Poll<io::Result<(usize, Option<WallNanos>)>> {
        if self.is_stamped {
            return poll_receive(&self.stream, context, raw);
        }
        let mut buffer = ReadBuf::new(raw);
        ready!(Pin::new(&mut self.stream).poll_read(context, &mut buffer))?;
        Poll::Ready(Ok((buffer.filled().len(), None)))
    }

    /// Lets the connection rest until this instant, from which it is not used any more.
    pub(super) fn rest(&mut self, expires: Instant) {
        self.expires = Some(expires);
    }

    /// Returns true if the connection can carry a request now: it has not rested too long, and the peer has sent
    /// nothing (an end, an error, bytes without a request).
    pub(super) fn is_usable(&mut self, now: Instant) -> bool {
        if self.expires.is_some_and(|expires| now >= expires) {
            return false;
        }
        BUFFERS.with_borrow_mut(|(raw, plain)| {
            loop {
                let bytes = match read_now(&self.stream, raw) {
                    Err(error) => return error.kind() == io::ErrorKind::WouldBlock,
                    Ok(0) => return false,
                    Ok(length) => &raw[..length],
                };
                let Some(tls) = &mut self.tls else {
                    return false;
                };
                // Session tickets may come at any time.
                plain.clear();
                let decrypted = decrypt(tls, bytes, plain, &mut self.queued);
                if !matches!(decrypted, Ok(false)) || !plain.is_empty() {
                    return false;
                }
            }
        })
    }
}

/// Decrypts the bytes of a read into `plain` and queues what the protocol answers. Returns true if the peer
/// ended the stream.
fn decrypt(
    tls: &mut ClientConnection,
    mut bytes: &[u8],
    plain: &mut Vec<u8>,
    queued: &mut Vec<u8>,
) -> io::Result<bool> {
    let mut is_closed = false;
    while !bytes.is_empty() && !is_closed {
        if tls.read_tls(&mut bytes)? == 0 {
            break;
        }
        let processed = tls.process_new_packets();
        while tls.wants_write() {
            tls.write_tls(queued)?;
        }
        let state = processed.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        is_closed = state.peer_has_closed();
        let start = plain.len();
        plain.resize(start + state.plaintext_bytes_to_read(), 0);
        tls.reader().read_exact(&mut plain[start..])?;
    }
    Ok(is_closed)
}

/// Reads what has arrived, past the runtime: what it knows of the socket may be old.
#[cfg(unix)]
fn read_now(stream: &TcpStream, buffer: &mut [u8]) -> io::Result<usize> {
    use rustix::net::{RecvFlags, recv};
    let (_, length) = recv(stream, buffer, RecvFlags::DONTWAIT)?;
    Ok(length)
}

#[cfg(not(unix))]
fn read_now(stream: &TcpStream, buffer: &mut [u8]) -> io::Result<usize> {
    stream.try_read(buffer)
}
