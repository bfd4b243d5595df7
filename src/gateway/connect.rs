//! The opening of connections: addresses, TCP, TLS.
//!
//! Owns the TLS settings and the words for a connection that failed. Must not know HTTP. Invariant: addresses
//! were resolved before, and an opening ends by the connect deadline.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore};
use rustls_platform_verifier::Verifier;
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use super::authorities::Authorities;
use super::clock::Clock;
use super::connection::{Arrival, Connection};
use super::endpoint::{Endpoint, OpenError};
use super::http1::HeadReader;
use super::location::Location;
use super::recording::{Deadline, ExchangeEnd, OpeningTimes};
use super::tls_fault;

/// The head start of an address before the next one is tried as well (RFC 8305, 5, has 250 ms).
const HEAD_START: Duration = Duration::from_millis(250);

/// The peer of all connections.
pub(super) struct Peer {
    addresses: Vec<SocketAddr>,
    /// Index of the address that was reached last.
    preferred: AtomicUsize,
    /// The request for a tunnel, if there is a proxy, and the proxy's name.
    tunnel: Option<(Vec<u8>, String)>,
    tls: Option<(Arc<ClientConfig>, ServerName<'static>)>,
    limit: Duration,
}

impl Peer {
    /// The peer at these addresses, those of the proxy if there is one; a connection must be open within `limit`.
    pub(super) fn new(
        location: &Location,
        endpoint: &Endpoint,
        addresses: Vec<SocketAddr>,
        limit: Duration,
    ) -> Result<Self, OpenError> {
        let proxy = endpoint.proxy.as_ref();
        let tunnel = proxy.map(|proxy| (proxy.tunnel_request(location), proxy.to_string()));
        let tls = location.is_tls.then(|| {
            let name = ServerName::try_from(location.host.clone())
                .map_err(|_| OpenError::Url(location.host.clone()))?;
            Ok((Arc::new(tls_config(true, &endpoint.authorities)?), name))
        });
        Ok(Self {
            addresses,
            preferred: AtomicUsize::new(0),
            tunnel,
            tls: tls.transpose()?,
            limit,
        })
    }

    /// Opens a connection.
    pub(super) async fn connect(&self, clock: Clock) -> Result<Connection, ExchangeEnd> {
        timeout(self.limit, self.connect_in_time(clock))
            .await
            .unwrap_or(Err(ExchangeEnd::TimedOut(Deadline::Connect)))
    }

    async fn connect_in_time(&self, clock: Clock) -> Result<Connection, ExchangeEnd> {
        let failed = |error: io::Error| ExchangeEnd::ConnectFailed(error.to_string());
        let began = clock.now();
        let stream = self.connect_any().await.map_err(failed)?;
        let tcp = clock.now().since(began);
        // Small requests leave at once.
        stream.set_nodelay(true).map_err(failed)?;
        let mut connection = Connection::new(stream);
        if let Some((request, proxy)) = &self.tunnel {
            open_tunnel(&mut connection, request.clone(), clock)
                .await
                .map_err(|message| {
                    ExchangeEnd::ConnectFailed(format!("the proxy {proxy} {message}"))
                })?;
        }
        let tunnelled = clock.now();
        if let Some((config, name)) = &self.tls {
            let tls = ClientConnection::new(Arc::clone(config), name.clone());
            let tls = tls.map_err(|error| ExchangeEnd::TlsFailed(tls_fault::message(&error)))?;
            let shaken = connection.start_tls(tls, clock).await;
            shaken.map_err(|error| ExchangeEnd::TlsFailed(message(&error)))?;
        }
        let opened = clock.now();
        connection.opening = OpeningTimes {
            total: opened.since(began),
            tcp,
            tls: self.tls.as_ref().map(|_| opened.since(tunnelled)),
        };
        Ok(connection)
    }

    /// The first address that answers; each has a head start over the next.
    async fn connect_any(&self) -> io::Result<TcpStream> {
        let count = self.addresses.len();
        let first = self.preferred.load(Ordering::Relaxed);
        let mut left = (0..count).map(|step| (first + step) % count.max(1));
        let mut trying = FuturesUnordered::new();
        let mut failure = io::Error::new(io::ErrorKind::NotFound, "the host has no address");
        loop {
            if let Some(index) = left.next() {
                let address = self.addresses[index];
                trying.push(async move { (index, TcpStream::connect(address).await) });
            }
            let is_last = left.len() == 0;
            tokio::select! {
                reached = trying.next() => match reached {
                    Some((index, Ok(stream))) => {
                        self.preferred.store(index, Ordering::Relaxed);
                        return Ok(stream);
                    }
                    Some((_, Err(error))) => failure = error,
                    None => return Err(failure),
                },
                () = sleep(HEAD_START), if !is_last => {}
            }
        }
    }
}

/// Requests a tunnel and waits for it. The error completes a sentence about the proxy.
async fn open_tunnel(
    connection: &mut Connection,
    request: Vec<u8>,
    clock: Clock,
) -> Result<(), String> {
    let broken = |error: io::Error| format!("broke the connection ({error})");
    connection.queue(request).map_err(broken)?;
    let flushed = poll_fn(|context| connection.poll_flush(context)).await;
    flushed.map_err(broken)?;
    let mut head = HeadReader::default();
    loop {
        let read =
            poll_fn(|context| connection.poll_read(context, clock, |_, bytes| head.feed(bytes)));
        let fed = match read.await.map_err(broken)? {
            Arrival::Bytes(fed) => fed,
            Arrival::Closed { .. } => return Err("closed the connection".to_owned()),
        };
        match fed {
            Ok(None) => {}
            Ok(Some((head, _))) if (200..300).contains(&head.status) => return Ok(()),
            Ok(Some((head, _))) if head.status == 407 => {
                return Err("wants a user name and a password (HTTP 407): write `http://user:password@host:port` \
                            in the variable"
                    .to_owned());
            }
            Ok(Some((head, _))) => {
                return Err(format!("refused the connection (HTTP {})", head.status));
            }
            Err(error) => return Err(format!("did not answer as a proxy does ({error})")),
        }
    }
}

/// TLS for HTTP/1.1, trusting whom the system trusts, and these authorities. Without `is_used`, for a client that needs settings and will
/// not use them, it trusts no authority: a machine may have no certificates to look for.
pub(super) fn tls_config(
    is_used: bool,
    authorities: &Authorities,
) -> Result<ClientConfig, OpenError> {
    let failed = |error: rustls::Error| OpenError::Client(error.to_string());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(failed)?;
    let mut config = if is_used {
        let extra = authorities.certificates().iter().cloned();
        let verifier = Verifier::new_with_extra_roots(extra, provider).map_err(failed)?;
        let builder = builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier));
        builder.with_no_client_auth()
    } else {
        let none = RootCertStore::empty();
        builder.with_root_certificates(none).with_no_client_auth()
    };
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

/// The error as text; an error of TLS within it by its own words.
pub(super) fn message(error: &io::Error) -> String {
    let tls = error.get_ref().and_then(|inner| inner.downcast_ref());
    tls.map_or_else(|| error.to_string(), tls_fault::message)
}
