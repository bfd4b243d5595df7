//! One HTTP exchange over a connection of our own: send, copy bytes, stamp.
//!
//! Owns the HTTP client, as the only module: another transport would replace this file. Must not know what the
//! bytes mean. Invariant: between two stamps nothing happens but copying bytes, and everything the client could
//! do on its own is disabled (see [`settings`]).
//!
//! A *lane* is a client that holds at most one connection and carries at most one exchange at a time. Lanes
//! guarantee two things that a shared pool leaves to chance: connections are open before the clock matters, and
//! it is known which exchange opened one.

use std::collections::VecDeque;
use std::error::Error as _;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, Once, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use futures::future::join_all;
use reqwest::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, Method, Request, Url};
use secrecy::{ExposeSecret, SecretString};
use tokio::time::{sleep, timeout, timeout_at};

use crate::record::ClientSetting;
use crate::suite::{Redacted, Redactor, Timeouts};
use crate::units::Nanos;

use super::clock::Clock;
use super::descriptors::{self, TooFewDescriptors};
use super::recording::{Body, Deadline, DoneWatch, ExchangeEnd, Recording, Response};
use super::request::host_headers;

/// After `[DONE]` the body should end at once; a server that leaves the connection open has this long before
/// the client hangs up (the connection is then lost, the answer is not).
const AFTER_DONE: Duration = Duration::from_millis(100);

/// A pooled connection that was idle longer than this is not used: gateways close theirs after 5 to 60 s, and
/// the client would silently resend a request on a dying connection.
const IDLE_MAX: Duration = Duration::from_secs(55);

/// Extra time beyond the connect deadline for the request that opens a connection. With equal deadlines, an
/// endpoint that swallows connections could pass for one that is only slow to answer, and every trial would
/// then wait for it.
const OPENING_ANSWER: Duration = Duration::from_secs(1);

/// A connection returns to its lane in the background, without a signal: before the clock starts it has this
/// long, so that the first exchanges find theirs.
const SETTLING: Duration = Duration::from_millis(20);

/// The target of requests, with the key.
pub struct Endpoint {
    /// The base URL without a trailing slash, `/v1` included; a query is sent with every request.
    pub base_url: String,
    /// The key; absent for a keyless endpoint.
    pub key: Option<SecretString>,
    /// The header that holds the bare key; absent: `authorization` with `Bearer`.
    pub key_header: Option<String>,
    /// Further headers, in order.
    pub headers: Vec<(String, String)>,
}

impl Endpoint {
    /// The filter for all text from this endpoint: it removes the key.
    pub fn redactor(&self) -> Redactor {
        Redactor::new(self.key.as_ref().map(ExposeSecret::expose_secret))
    }
}

/// The reason that a transport could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The base URL cannot be used.
    #[error("`{0}` is not a usable base URL")]
    Url(String),
    /// A header of the profile cannot be sent.
    #[error("the header `{0}` cannot be sent: its name or value has characters that HTTP forbids")]
    Header(String),
    /// The key cannot be sent; it is not shown.
    #[error("the key holds characters that no header may hold (a line break, perhaps)")]
    Key,
    /// The system allows fewer open files than the connections need.
    #[error(transparent)]
    Descriptors(TooFewDescriptors),
    /// The name of the host could not be resolved.
    #[error("the host `{0}` could not be found: {1}")]
    Host(String, String),
    /// The HTTP client could not be built, perhaps for lack of a certificate store.
    #[error("the HTTP client could not be set up: {0}")]
    Client(String),
}

/// A request: the path after the base URL, our id of the exchange, and the body.
pub struct OutgoingRequest {
    /// `/chat/completions`.
    pub path: &'static str,
    /// Sent as `x-request-id`.
    pub request_id: String,
    /// JSON.
    pub body: Vec<u8>,
}

/// Lanes to one endpoint.
pub struct Transport {
    clock: Clock,
    base_url: Url,
    redactor: Redactor,
    headers: HeaderMap,
    timeouts: Timeouts,
    idle_lanes: Mutex<VecDeque<Lane>>,
}

pub(super) struct Lane {
    pub(super) client: Client,
    /// Set by the connector while the lane's only exchange is in flight.
    connected: Arc<Mutex<Option<Nanos>>>,
}

impl Transport {
    /// Prepares `lanes` clients, opens a connection on each of them, and starts the clock.
    ///
    /// Returns the transport and, where no lane at all could connect, the failure of the first one.
    pub async fn open(
        endpoint: &Endpoint,
        timeouts: Timeouts,
        lanes: usize,
    ) -> Result<(Self, Option<Redacted<ExchangeEnd>>), OpenError> {
        let base_url = base_url(endpoint)?;
        let addresses = resolve(&base_url).await?;
        descriptors::reserve_descriptors(lanes, &addresses).map_err(OpenError::Descriptors)?;
        let idle_lanes = (0..lanes.max(1))
            .map(|_| new_lane(&base_url, &addresses, timeouts))
            .collect::<Result<VecDeque<_>, _>>()?;
        let mut transport = Self {
            clock: Clock::new(),
            headers: headers(endpoint)?,
            redactor: endpoint.redactor(),
            base_url,
            timeouts,
            idle_lanes: Mutex::new(idle_lanes),
        };
        let failed = transport.connect_lanes().await;
        transport.clock = Clock::new();
        let failed = failed.map(|ending| transport.redactor.apply(ending));
        Ok((transport, failed))
    }

    /// Opens every lane's connection with a request that costs nothing; its response is ignored. All at once,
    /// as the lanes are independent. OPTIONS, because its response is small everywhere and may have a body:
    /// after a HEAD some servers send one anyway, and the connection is lost.
    async fn connect_lanes(&self) -> Option<ExchangeEnd> {
        let lanes: Vec<Lane> = self.lanes().drain(..).collect();
        let url = self.url("/chat/completions");
        let connecting = lanes.iter().map(|lane| {
            let mut request = Request::new(Method::OPTIONS, url.clone());
            let connect = Duration::from(self.timeouts.connect_ns);
            *request.timeout_mut() = Some(connect.saturating_add(OPENING_ANSWER));
            async {
                let mut response = lane.client.execute(request).await?;
                // Read to its end, or the connection is not reused.
                while response.chunk().await?.is_some() {}
                Ok(())
            }
        });
        let results: Vec<reqwest::Result<()>> = join_all(connecting).await;
        let refused = |error: &reqwest::Error| error.is_connect().then(|| exchange_end(error));
        let failed: Option<Vec<ExchangeEnd>> = results
            .iter()
            .map(|result| result.as_ref().err().and_then(refused))
            .collect();
        sleep(SETTLING).await;
        for lane in &lanes {
            *lock(&lane.connected) = None;
        }
        self.lanes().extend(lanes);
        failed?.into_iter().next()
    }

    /// The clock of all stamps.
    pub fn clock(&self) -> Clock {
        self.clock
    }

    /// Sends one request and records the response. Never fails: failures are an [`ExchangeEnd`].
    ///
    /// The lane that was idle longest is taken, so that a connection has returned to its lane's pool (which
    /// happens in the background) before it is reused. If all lanes are in use the caller's concurrency is
    /// wrong; the exchange then ends as a failed connection.
    pub async fn exchange(&self, outgoing: OutgoingRequest) -> Recording {
        let Some(lane) = self.lanes().pop_front() else {
            let now = self.clock.now();
            let ending =
                ExchangeEnd::ConnectFailed("more requests in flight than lanes".to_owned());
            return Recording {
                sent: now,
                connect: None,
                response: None,
                end: now,
                ending,
                redactor: self.redactor.clone(),
            };
        };
        let request = self.request(outgoing);
        let sent = self.clock.now();
        let (response, end, ending) = self.record(&lane, request, sent).await;
        let connect = lock(&lane.connected).take();
        self.lanes().push_back(lane);
        Recording {
            sent,
            connect,
            response,
            end,
            ending,
            redactor: self.redactor.clone(),
        }
    }

    fn request(&self, outgoing: OutgoingRequest) -> Request {
        let mut request = Request::new(Method::POST, self.url(outgoing.path));
        *request.headers_mut() = self.headers.clone();
        if let Ok(id) = HeaderValue::from_str(&outgoing.request_id) {
            request.headers_mut().insert("x-request-id", id);
        }
        *request.body_mut() = Some(outgoing.body.into());
        request
    }

    async fn record(
        &self,
        lane: &Lane,
        request: Request,
        sent: Nanos,
    ) -> (Option<Response>, Nanos, ExchangeEnd) {
        let deadline = |span: Nanos| Nanos(sent.0.saturating_add(span.0));
        let total = deadline(self.timeouts.total_ns);
        let headers = deadline(self.timeouts.headers_ns).min(total);
        let exchange = timeout_at(self.clock.instant(headers), lane.client.execute(request));
        let answered = exchange.await;
        let at = self.clock.now();
        match answered {
            Err(_) if headers == total => (None, at, ExchangeEnd::TimedOut(Deadline::Total)),
            Err(_) => (None, at, ExchangeEnd::TimedOut(Deadline::Headers)),
            Ok(Err(error)) => (None, at, exchange_end(&error)),
            Ok(Ok(response)) => {
                let mut recorded = Response {
                    status: response.status().as_u16(),
                    headers: response.headers().iter().map(header_text).collect(),
                    at,
                    body: Body::default(),
                };
                let (end, ending) = self.record_body(response, &mut recorded.body, total).await;
                (Some(recorded), end, ending)
            }
        }
    }

    /// Copies frames until the body ends. A frame that was ready without waiting is marked: it was in our
    /// process before it was read, and its stamp does not show when the server sent it.
    async fn record_body(
        &self,
        mut response: reqwest::Response,
        body: &mut Body,
        total: Nanos,
    ) -> (Nanos, ExchangeEnd) {
        let mut done = DoneWatch::new();
        let mut last = self.clock.now();
        loop {
            let gap = Nanos(last.0.saturating_add(self.timeouts.gap_ns.0));
            let limit = self.clock.instant(gap.min(total));
            let mut next = std::pin::pin!(response.chunk());
            let (waited, frame) = match futures::poll!(next.as_mut()) {
                Poll::Ready(frame) => (false, Ok(frame)),
                Poll::Pending if done.done() => (true, timeout(AFTER_DONE, next).await),
                Poll::Pending => (true, timeout_at(limit, next).await),
            };
            let at = self.clock.now();
            match frame {
                Ok(Ok(Some(bytes))) => {
                    if body.push(at, waited, &bytes).is_err() {
                        return (at, ExchangeEnd::TooLarge);
                    }
                    done.feed(&bytes);
                    last = at;
                }
                Ok(Ok(None)) => return (at, ExchangeEnd::Complete),
                Err(_) | Ok(Err(_)) if done.done() => return (last, ExchangeEnd::Complete),
                Ok(Err(error)) => return (at, ExchangeEnd::ConnectionLost(text_of(&error))),
                Err(_) if gap < total => return (at, ExchangeEnd::TimedOut(Deadline::Gap)),
                Err(_) => return (at, ExchangeEnd::TimedOut(Deadline::Total)),
            }
        }
    }

    fn url(&self, path: &str) -> Url {
        let mut url = self.base_url.clone();
        let joined = format!("{}{path}", url.path().trim_end_matches('/'));
        url.set_path(&joined);
        url
    }

    fn lanes(&self) -> MutexGuard<'_, VecDeque<Lane>> {
        lock(&self.idle_lanes)
    }
}

/// A poisoned lock means another exchange panicked; what it guards is still whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(super) fn header_text((name, value): (&HeaderName, &HeaderValue)) -> (String, String) {
    (
        name.as_str().to_owned(),
        String::from_utf8_lossy(value.as_bytes()).into_owned(),
    )
}

pub(super) fn base_url(endpoint: &Endpoint) -> Result<Url, OpenError> {
    Url::parse(&endpoint.base_url)
        .ok()
        .filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
        .ok_or_else(|| OpenError::Url(endpoint.base_url.clone()))
}

pub(super) fn headers(endpoint: &Endpoint) -> Result<HeaderMap, OpenError> {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(
        ACCEPT,
        HeaderValue::from_static("text/event-stream, application/json"),
    );
    let url = base_url(endpoint)?;
    for (name, value) in host_headers(url.host_str().unwrap_or_default()) {
        headers.insert(*name, HeaderValue::from_static(value));
    }
    for (name, value) in &endpoint.headers {
        let wrong = || OpenError::Header(name.clone());
        let header = HeaderName::from_bytes(name.as_bytes()).map_err(|_| wrong())?;
        headers.insert(header, HeaderValue::from_str(value).map_err(|_| wrong())?);
    }
    // Last, so that no profile can ask for compression: a compressor holds events back.
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    if let Some(key) = &endpoint.key {
        let own = endpoint.key_header.as_deref();
        let scheme = if own.is_some() { "" } else { "Bearer " };
        let name = own.unwrap_or("authorization");
        let header = HeaderName::from_bytes(name.as_bytes());
        let header = header.map_err(|_| OpenError::Header(name.to_owned()))?;
        let text = format!("{scheme}{}", key.expose_secret());
        let mut value = HeaderValue::from_str(&text).map_err(|_| OpenError::Key)?;
        value.set_sensitive(true);
        headers.insert(header, value);
    }
    Ok(headers)
}

/// Resolves the host's addresses, once: a look-up inside an attempt would be timed as the model's.
pub(super) async fn resolve(url: &Url) -> Result<Vec<SocketAddr>, OpenError> {
    let host = url.host_str().unwrap_or_default();
    let host = host.trim_matches(['[', ']']).to_owned();
    let port = url.port_or_known_default().unwrap_or(443);
    let found = tokio::net::lookup_host((host.as_str(), port)).await;
    found
        .map(Iterator::collect)
        .map_err(|error| OpenError::Host(host.clone(), error.to_string()))
}

/// A client with every setting written out, even where it equals the default; [`settings`] gives the reasons in
/// the manifest.
pub(super) fn new_lane(
    base_url: &Url,
    addresses: &[SocketAddr],
    timeouts: Timeouts,
) -> Result<Lane, OpenError> {
    static TLS: Once = Once::new();
    TLS.call_once(|| {
        // An error here means that a provider is installed already, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
    let connected = Arc::new(Mutex::new(None));
    let mut builder = Client::builder()
        .user_agent(concat!("bakeoff/", env!("CARGO_PKG_VERSION")))
        .http1_only()
        .retry(reqwest::retry::never())
        .redirect(reqwest::redirect::Policy::none())
        .referer(false)
        .no_proxy()
        .no_gzip()
        .no_brotli()
        .no_zstd()
        .no_deflate()
        .tcp_nodelay(true)
        .pool_max_idle_per_host(1)
        .pool_idle_timeout(IDLE_MAX)
        .connect_timeout(timeouts.connect_ns.into())
        .resolve_to_addrs(base_url.host_str().unwrap_or_default(), addresses)
        .connector_layer(ConnectProbe {
            connected: Arc::clone(&connected),
        });
    if base_url.scheme() == "http" {
        // Without this the client looks for the machine's certificate store, and fails where there is none,
        // although plain HTTP needs no certificate.
        builder = builder.tls_certs_only([]);
    }
    let client = builder
        .build()
        .map_err(|error| OpenError::Client(text_of(&error)))?;
    Ok(Lane { client, connected })
}

/// The client's effective settings with the reason of each, for the manifest.
pub fn settings(timeouts: Timeouts, lanes: usize) -> Vec<ClientSetting> {
    let setting = |name: &str, value: String, reason: &str| ClientSetting {
        name: name.to_owned(),
        value,
        reason: reason.to_owned(),
    };
    let rows: [(&str, &str, &str); 11] = [
        (
            "http_version",
            "1.1",
            "one connection per request in flight: nothing queues behind another",
        ),
        (
            "client_retries",
            "none",
            "every retry is ours and a recorded attempt",
        ),
        (
            "redirects",
            "none",
            "a redirect times two requests and sends the key elsewhere",
        ),
        (
            "proxy",
            "none",
            "a proxy of the environment would be timed as the model's",
        ),
        (
            "accept_encoding",
            "identity",
            "a compressor holds events back",
        ),
        (
            "decompression",
            "ours, after the clock",
            "a compressed answer is decoded and flagged",
        ),
        ("tcp_nodelay", "true", "small requests leave at once"),
        (
            "connections_per_lane",
            "1",
            "an exchange knows whether it opened its connection",
        ),
        (
            "name_look_up",
            "once, before the run",
            "a look-up inside an attempt would be timed",
        ),
        (
            "descriptor_table",
            "grown before the run",
            "growing it stalls the whole process",
        ),
        (
            "stamps",
            "one monotonic clock, before parsing",
            "parsing is ours, not the model's",
        ),
    ];
    rows.into_iter()
        .map(|(name, value, reason)| setting(name, value.to_owned(), reason))
        .chain([
            setting(
                "lanes",
                lanes.to_string(),
                "variants times slots in flight, opened before the run",
            ),
            setting(
                "pool_idle_timeout",
                Nanos::from(IDLE_MAX).to_string(),
                "below the idle time after which gateways close a connection",
            ),
            setting(
                "connect_deadline",
                timeouts.connect_ns.to_string(),
                "the suite's",
            ),
            setting(
                "headers_deadline",
                timeouts.headers_ns.to_string(),
                "the suite's",
            ),
            setting("gap_deadline", timeouts.gap_ns.to_string(), "the suite's"),
            setting(
                "total_deadline",
                timeouts.total_ns.to_string(),
                "the suite's",
            ),
        ])
        .collect()
}

/// The end of an exchange that failed inside the client.
pub(super) fn exchange_end(error: &reqwest::Error) -> ExchangeEnd {
    if error.is_connect() && error.is_timeout() {
        return ExchangeEnd::TimedOut(Deadline::Connect);
    }
    if !error.is_connect() {
        return ExchangeEnd::ConnectionLost(text_of(error));
    }
    let tls = causes(error).any(|cause| cause.is::<rustls::Error>() || names_tls(cause));
    if tls {
        ExchangeEnd::TlsFailed(text_of(error))
    } else {
        ExchangeEnd::ConnectFailed(text_of(error))
    }
}

/// True if the error wraps a TLS error, or another I/O error that does, without naming it as its source.
fn names_tls(cause: &(dyn std::error::Error + 'static)) -> bool {
    let wrapped = cause
        .downcast_ref::<std::io::Error>()
        .and_then(std::io::Error::get_ref);
    wrapped.is_some_and(|inner| inner.is::<rustls::Error>() || names_tls(inner))
}

fn causes(error: &reqwest::Error) -> impl Iterator<Item = &(dyn std::error::Error + 'static)> {
    let mut next = error.source();
    std::iter::from_fn(move || {
        let cause = next?;
        next = cause.source();
        Some(cause)
    })
}

/// The innermost cause as text, without the URL: the reader knows the target, and a URL may hold text that
/// should not be stored.
fn text_of(error: &reqwest::Error) -> String {
    let causes_text: Vec<String> = causes(error).map(ToString::to_string).collect();
    match causes_text.as_slice() {
        [] => "the HTTP client failed without a cause".to_owned(),
        [.., last] => last.clone(),
    }
}

/// Times the opening of a lane's connection: name, TCP and TLS.
#[derive(Clone)]
struct ConnectProbe {
    connected: Arc<Mutex<Option<Nanos>>>,
}

impl<S> tower_layer::Layer<S> for ConnectProbe {
    type Service = TimedConnector<S>;

    fn layer(&self, inner: S) -> TimedConnector<S> {
        TimedConnector {
            inner,
            probe: self.clone(),
        }
    }
}

#[derive(Clone)]
struct TimedConnector<S> {
    inner: S,
    probe: ConnectProbe,
}

impl<S, Target> tower_service::Service<Target> for TimedConnector<S>
where
    S: tower_service::Service<Target>,
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, S::Error>> + Send + 'static>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, target: Target) -> Self::Future {
        let connected = Arc::clone(&self.probe.connected);
        let began = Clock::new();
        let connecting = self.inner.call(target);
        Box::pin(async move {
            let result = connecting.await;
            *lock(&connected) = Some(began.now());
            result
        })
    }
}
