//! Accepted connections, which can be broken on purpose.
//!
//! Owns the listener and the wrapper around each socket. Must not know HTTP. Invariant: every accepted socket
//! has `TCP_NODELAY`; without it the second small write of an answer waits for the client's delayed
//! acknowledgement, about 40 ms, and the recorded times would be wrong.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};

/// The pause after a failed accept: long enough for descriptors to be closed, short enough not to be noticed.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// The listener of the server.
pub(super) struct Acceptor {
    listener: TcpListener,
}

impl Acceptor {
    /// Creates an acceptor from a listener of the standard library. Needs a runtime.
    pub(super) fn new(listener: std::net::TcpListener) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        let listener = TcpListener::from_std(listener)?;
        Ok(Self { listener })
    }
}

impl Listener for Acceptor {
    type Io = Socket;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Socket, SocketAddr) {
        loop {
            // A connection that died while waiting, or a full descriptor table: both are temporary.
            let Ok((stream, address)) = self.listener.accept().await else {
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            };
            if stream.set_nodelay(true).is_ok() {
                let handle = ResetHandle::default();
                return (Socket { stream, handle }, address);
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// A handle that breaks a connection from within its request.
#[derive(Debug, Clone, Default)]
pub(super) struct ResetHandle {
    reset: Arc<AtomicBool>,
}

impl ResetHandle {
    /// Marks the connection: from now on nothing is written, and closing resets it.
    pub(super) fn reset(&self) {
        self.reset.store(true, Ordering::Relaxed);
    }

    fn is_reset(&self) -> bool {
        self.reset.load(Ordering::Relaxed)
    }
}

impl Connected<IncomingStream<'_, Acceptor>> for ResetHandle {
    fn connect_info(stream: IncomingStream<'_, Acceptor>) -> Self {
        stream.io().handle.clone()
    }
}

/// An accepted connection.
pub(super) struct Socket {
    stream: TcpStream,
    handle: ResetHandle,
}

impl Drop for Socket {
    fn drop(&mut self) {
        if self.handle.is_reset() {
            // Closing with a linger of zero sends RST. If it fails, the client sees an orderly end, which is a
            // cut too.
            let _ = self.stream.set_zero_linger();
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.handle.is_reset() {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.handle.is_reset() {
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.handle.is_reset() {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
