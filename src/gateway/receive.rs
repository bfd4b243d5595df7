//! The system call of a read, with the kernel's receive timestamp where it is asked for.
//!
//! Owns the socket option and the control messages. Must not know what the bytes are, nor how a timestamp becomes an
//! instant of the run. Invariant: a timestamp is that of the last byte of its read.

use std::io::{self, Write as _};
use std::net::{TcpListener, TcpStream as StdStream};
use std::num::NonZeroU64;
use std::path::Path;
use std::sync::LazyLock;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::Interest;
use tokio::net::TcpStream;

use crate::input::{open_regular, read_at_most};
use crate::suite::ClockSource;

/// Bytes that are sent to learn whether the kernel stamps, and the time between two of them: on a busy machine it begins late.
const PROBES: u32 = 1_000;
const PROBE_INTERVAL: Duration = Duration::from_millis(1);

/// More than the bytes of the system's counters of TCP.
const COUNTER_BYTES: u64 = 64 << 10;

/// A timestamp of the kernel: nanoseconds of wall-clock time since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct WallNanos(pub(super) NonZeroU64);

/// Returns the requested clock if this system has it, else the program's own.
pub fn supported_clock(requested: ClockSource) -> ClockSource {
    match requested {
        ClockSource::Kernel if STAMPED_SOCKET.is_none() => ClockSource::User,
        requested => requested,
    }
}

/// A socket whose bytes the kernel stamps, open as long as the process: without any, the kernel stops, and begins again a moment after
/// the next one asks for it.
static STAMPED_SOCKET: LazyLock<Option<StdStream>> =
    LazyLock::new(|| stamped_socket().ok().flatten());

/// The segments of TCP that this system has received out of order, on any connection; `None` where it does not count them.
pub(super) fn out_of_order_segments() -> Option<u64> {
    let file = open_regular(Path::new("/proc/self/net/netstat")).ok()?;
    let counters = read_at_most(file, COUNTER_BYTES).ok()??;
    counter(str::from_utf8(&counters).ok()?, "TCPOFOQueue")
}

/// A counter of `TcpExt`: one line has the names, the next one the values.
fn counter(counters: &str, name: &str) -> Option<u64> {
    let mut lines = counters
        .lines()
        .filter_map(|line| line.strip_prefix("TcpExt: "));
    let (names, values) = (lines.next()?, lines.next()?);
    let mut pairs = names.split(' ').zip(values.split(' '));
    pairs.find(|(found, _)| *found == name)?.1.parse().ok()
}

/// Sends bytes over a loopback connection until one is stamped. `None` if none is.
fn stamped_socket() -> io::Result<Option<StdStream>> {
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    let mut peer = StdStream::connect(listener.local_addr()?)?;
    peer.set_nodelay(true)?;
    let (stream, _) = listener.accept()?;
    request_stamps(&stream)?;
    for _ in 0..PROBES {
        peer.write_all(b"x")?;
        if receive(&stream, &mut [0; 1])?.1.is_some() {
            return Ok(Some(stream));
        }
        std::thread::sleep(PROBE_INTERVAL);
    }
    Ok(None)
}

#[cfg(target_os = "linux")]
mod system {
    use std::io::{self, IoSliceMut};
    use std::num::NonZeroU64;
    use std::os::fd::{AsFd, AsRawFd};

    use nix::sys::socket::{
        ControlMessageOwned, MsgFlags, SetSockOpt as _, TimestampingFlag, recvmsg, sockopt,
    };

    use super::WallNanos;

    /// Bytes for the control messages of a read: three times of 16 bytes behind a header of 16, and room for
    /// others.
    const CONTROL_BYTES: usize = 256;

    /// Makes the kernel stamp what arrives on a socket.
    pub(in crate::gateway) fn request_stamps(socket: &impl AsFd) -> io::Result<()> {
        let flags = TimestampingFlag::SOF_TIMESTAMPING_RX_SOFTWARE
            | TimestampingFlag::SOF_TIMESTAMPING_SOFTWARE;
        Ok(sockopt::Timestamping.set(socket, &flags)?)
    }

    /// Reads once. Returns the number of bytes and the timestamp of the last one.
    pub(super) fn receive(
        socket: &impl AsRawFd,
        buffer: &mut [u8],
    ) -> io::Result<(usize, Option<WallNanos>)> {
        let mut control = [0; CONTROL_BYTES];
        let mut parts = [IoSliceMut::new(buffer)];
        let flags = MsgFlags::empty();
        let message = recvmsg::<()>(socket.as_raw_fd(), &mut parts, Some(&mut control), flags)?;
        // Truncated messages are none.
        let mut messages = message.cmsgs().into_iter().flatten();
        let stamp = messages.find_map(|message| match message {
            ControlMessageOwned::ScmTimestampsns(stamps) => {
                let seconds = u64::try_from(stamps.system.tv_sec()).ok()?;
                let nanos = u64::try_from(stamps.system.tv_nsec()).ok()?;
                let wall = seconds.checked_mul(1_000_000_000)?.checked_add(nanos)?;
                NonZeroU64::new(wall).map(WallNanos)
            }
            _ => None,
        });
        Ok((message.bytes, stamp))
    }
}

#[cfg(not(target_os = "linux"))]
mod system {
    use std::io;

    use super::WallNanos;

    pub(in crate::gateway) fn request_stamps<S>(_socket: &S) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(super) fn receive<S>(
        _socket: &S,
        _buffer: &mut [u8],
    ) -> io::Result<(usize, Option<WallNanos>)> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

use system::receive;
pub(super) use system::request_stamps;

/// Reads once, with the timestamp, as soon as there is something to read.
pub(super) fn poll_receive(
    stream: &TcpStream,
    context: &mut Context<'_>,
    buffer: &mut [u8],
) -> Poll<io::Result<(usize, Option<WallNanos>)>> {
    loop {
        ready!(stream.poll_read_ready(context))?;
        let mut received = None;
        let tried = stream.try_io(Interest::READABLE, || {
            let (length, stamp) = receive(stream, buffer)?;
            received = Some((length, stamp));
            // A short read left nothing: the runtime need not try again to learn that.
            if length > 0 && length < buffer.len() {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            Ok(())
        });
        if let Some(received) = received {
            return Poll::Ready(Ok(received));
        }
        if let Err(error) = tried
            && error.kind() != io::ErrorKind::WouldBlock
        {
            return Poll::Ready(Err(error));
        }
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_counter_is_found_by_its_name() {
        let counters = "TcpExt: SyncookiesSent TCPOFOQueue TCPOFODrop\nTcpExt: 0 17 3\nIpExt: TCPOFOQueue\nIpExt: 5\n";
        assert_eq!(counter(counters, "TCPOFOQueue"), Some(17));
        assert_eq!(counter(counters, "TCPOFO"), None);
        assert_eq!(counter("TcpExt: TCPOFOQueue\n", "TCPOFOQueue"), None);
        assert!(out_of_order_segments().is_some());
    }

    #[test]
    fn every_new_socket_is_stamped_from_its_first_byte() {
        assert_eq!(supported_clock(ClockSource::Kernel), ClockSource::Kernel);
        for _ in 0..50 {
            let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
            let mut peer = StdStream::connect(listener.local_addr().unwrap()).unwrap();
            let (stream, _) = listener.accept().unwrap();
            request_stamps(&stream).unwrap();
            peer.write_all(b"x").unwrap();
            assert!(receive(&stream, &mut [0; 1]).unwrap().1.is_some());
        }
    }
}
