//! Timed exchanges over connections of our own.
//!
//! Owns the lanes and the threads that serve them. Must not know what the bytes mean. Invariant: a lane carries at
//! most one exchange at a time, over one connection that stood before the exchange's clock started wherever the
//! server allowed it; nothing is resent, redirected or queued.
//!
//! A *lane* is the right to one connection. A transport has as many as requests can be in flight, so that no
//! request waits for another, and it is known which exchange had to open a connection.

use std::collections::{HashMap, VecDeque};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::stream;
use futures::{FutureExt as _, StreamExt as _};
use tokio::sync::{mpsc, oneshot};
use tokio::task::yield_now;

use crate::record::{ClientDelay, ConnectionSetUp};
use crate::suite::{ClockSource, Redacted, Redactor, Timeouts};
use crate::threads::lock;
use crate::units::Nanos;

use super::clock::Clock;
use super::connect::Peer;
use super::connection::Connection;
use super::descriptors;
use super::endpoint::{Endpoint, OpenError, base_url, headers, resolve};
use super::exchange::{Exchanged, Limits, exchange};
use super::first_sent::FirstSent;
use super::http1::{Persistence, RequestHead};
use super::kernel_clock::PairLog;
use super::location::Location;
use super::memory::MemoryLimit;
use super::pauses::PauseLog;
use super::recording::{ExchangeEnd, OpeningTimes, Recording};
use super::set_up;

/// A connection that rested longer than this is not used: gateways close theirs after 5 to 60 s.
pub(super) const REST_LIMIT: Duration = Duration::from_secs(55);

/// Time before the end of an announced `Keep-Alive: timeout` from which a connection is not used any more: the
/// request must arrive before the server closes.
const KEEP_ALIVE_MARGIN: Duration = Duration::from_secs(1);

/// Extra time beyond the connect deadline for the request that warms a new connection up.
const OPENING_ANSWER: Duration = Duration::from_secs(1);

/// Connections that are opened at the same time: a server's queue of connections is short.
const OPENINGS: usize = 256;

/// Twice the step of the runtime's timer.
const TIMER_MARGIN: Duration = Duration::from_millis(2);

/// Most threads that read: one of them reads some 100,000 chunks a second.
const THREADS_MAX: usize = 4;

/// Tasks that a thread takes before it looks for arrivals again: behind a thousand requests a token would wait until all are
/// written.
const TASKS_PER_TURN: usize = 2;

/// A request: the path after the base URL, our id of the exchange, and the body.
pub struct OutgoingRequest {
    /// `/chat/completions`.
    pub path: &'static str,
    /// Sent as `x-request-id`.
    pub request_id: String,
    /// JSON.
    pub body: Vec<u8>,
    /// The note of the first request of its slot, which each of them makes when it is sent.
    pub first_sent: Option<Arc<FirstSent>>,
}

/// Lanes to one endpoint.
pub struct Transport {
    shared: Arc<Shared>,
    redactor: Redactor,
    lanes: Arc<Lanes>,
    threads: Vec<IoThread>,
    location: Location,
    headers: Vec<(String, Vec<u8>)>,
    heads: Mutex<HashMap<&'static str, Arc<RequestHead>>>,
    clock: Clock,
    set_up: Option<ConnectionSetUp>,
}

/// The parts that all exchanges share.
struct Shared {
    peer: Peer,
    timeouts: Timeouts,
    pauses: PauseLog,
    /// For the kernel's clock.
    pairs: Option<PairLog>,
    memory: Arc<MemoryLimit>,
}

impl Shared {
    fn limits(&self, timeouts: Timeouts) -> Limits<'_> {
        Limits {
            timeouts,
            pauses: &self.pauses,
            memory: &self.memory,
        }
    }

    /// Opens a connection, stamped by the clock of the run.
    async fn connect(&self, clock: Clock) -> Result<Connection, ExchangeEnd> {
        let mut connection = self.peer.connect(clock).await?;
        if self.pairs.is_some() {
            connection.request_stamps();
        }
        Ok(connection)
    }

    /// Puts the instants of an exchange on the clock of the run. Returns false if they stay on the program's own, although the
    /// run's is the kernel's.
    fn put_on_clock(&self, exchanged: &mut Exchanged, clock: Clock, sent: Nanos) -> bool {
        let Some(pairs) = &self.pairs else {
            return true;
        };
        exchanged.use_kernel_stamps(|reads| pairs.instants(clock, sent, reads))
    }
}

impl Transport {
    /// Prepares `lanes` lanes, opens a connection on each of them, and starts the clock. `clock_source`: a
    /// [supported](super::supported_clock) one.
    ///
    /// Returns the transport and, where no lane at all could connect, the failure of the first one.
    pub async fn open(
        endpoint: &Endpoint,
        timeouts: Timeouts,
        lanes: usize,
        clock_source: ClockSource,
    ) -> Result<(Self, Option<Redacted<ExchangeEnd>>), OpenError> {
        let location = Location::new(&base_url(endpoint)?);
        let headers = headers(endpoint)?;
        let headers = headers
            .iter()
            .map(|(name, value)| (name.as_str().to_owned(), value.as_bytes().to_vec()))
            .collect();
        let proxy = endpoint.proxy.as_ref();
        let (host, port) = proxy.map_or((&location.host, location.port), |proxy| {
            (&proxy.host, proxy.port)
        });
        let look_up = Clock::new();
        let addresses = resolve(host, port).await?;
        let look_up = look_up.now();
        descriptors::reserve_descriptors(lanes, &addresses).map_err(OpenError::Descriptors)?;
        let peer = Peer::new(&location, endpoint, addresses, timeouts.connect_ns.into())?;
        let (threads, clock) = (start_threads()?, Clock::new());
        let count = threads.len();
        let shared = Arc::new(Shared {
            peer,
            timeouts,
            pauses: PauseLog::new(clock),
            pairs: (clock_source == ClockSource::Kernel).then(PairLog::new),
            memory: MemoryLimit::new(lanes),
        });
        let watched = Arc::clone(&shared);
        // It ends with its thread.
        threads[0].run(async move {
            let pairs = async {
                if let Some(pairs) = &watched.pairs {
                    pairs.watch().await;
                }
            };
            tokio::join!(watched.pauses.watch(clock), pairs);
        });
        let mut transport = Self {
            shared,
            redactor: endpoint.redactor(),
            lanes: Arc::new(Lanes::new((0..lanes.max(1)).map(|lane| lane % count))),
            threads,
            location,
            headers,
            heads: Mutex::default(),
            clock,
            set_up: None,
        };
        let (opened, failed) = transport.open_lanes().await;
        transport.set_up = set_up::summarize(look_up, &opened);
        transport.clock = Clock::new();
        transport.shared.pauses.restart_delays();
        let failed = failed.map(|ending| transport.redactor.apply(ending));
        Ok((transport, failed))
    }

    /// Opens every lane's connection and sends a request that costs nothing, so that what the server does for a
    /// new connection is done; its response is ignored. OPTIONS, because its response is small everywhere and may
    /// have a body: after a HEAD some servers send one anyway, and the connection is lost.
    ///
    /// Returns the times of those that could be opened, and the failure of the first one if none could.
    async fn open_lanes(&self) -> (Vec<OpeningTimes>, Option<ExchangeEnd>) {
        let target = self.location.target("/chat/completions");
        let accept = [("accept", &b"*/*"[..])].into_iter();
        let head = RequestHead::new("OPTIONS", &target, &self.location.authority, accept);
        let request = head.without_body();
        let connect = Duration::from(self.shared.timeouts.connect_ns);
        let within = Nanos::from(connect.saturating_add(OPENING_ANSWER));
        let timeouts = Timeouts {
            headers_ns: within,
            gap_ns: within,
            total_ns: within,
            ..self.shared.timeouts
        };
        let leases: Vec<Lease> = std::iter::from_fn(|| Lease::take(&self.lanes)).collect();
        let openings = leases.into_iter().map(|mut lease| {
            let (shared, request, clock) = (Arc::clone(&self.shared), request.clone(), self.clock);
            self.on_thread(lease.thread, async move {
                let mut connection = shared.connect(clock).await?;
                let opening = connection.opening;
                if connection.queue(request).is_ok() {
                    let limits = shared.limits(timeouts);
                    let answered = exchange(&mut connection, clock, limits, clock.now()).await;
                    lease.keep(connection, &answered, clock);
                }
                Ok(opening)
            })
        });
        let results: Vec<Option<Result<OpeningTimes, ExchangeEnd>>> =
            stream::iter(openings).buffered(OPENINGS).collect().await;
        // A lane whose task ended otherwise is opened before its first request.
        let has_failed = results.iter().all(|result| matches!(result, Some(Err(_))));
        let (mut opened, mut failed) = (Vec::new(), None);
        for result in results.into_iter().flatten() {
            match result {
                Ok(opening) => opened.push(opening),
                Err(ending) => failed = failed.or(Some(ending)),
            }
        }
        (opened, failed.filter(|_| has_failed))
    }

    /// The times of opening the connections; absent if none could be opened.
    pub fn set_up(&self) -> Option<ConnectionSetUp> {
        self.set_up
    }

    /// The clock of all stamps.
    pub fn clock(&self) -> Clock {
        self.clock
    }

    /// Returns once the clock has reached an instant, within a fraction of a millisecond. The runtime's timer rounds up to
    /// whole ones, so that a thread sleeps through the last two.
    pub async fn wait_until(&self, at: Nanos) {
        let clock = self.clock;
        let left = move || Duration::from(at.since(clock.now()));
        let coarse = left().saturating_sub(TIMER_MARGIN);
        if !coarse.is_zero() {
            tokio::time::sleep(coarse).await;
        }
        let rest = left();
        if !rest.is_zero() {
            // A runtime that shuts down cancels it: then nothing is waited for any more.
            let _ = tokio::task::spawn_blocking(move || std::thread::sleep(rest)).await;
        }
    }

    /// The delay of a thread that reads, since the start of the clock; `None` while it is too early for a percentile.
    pub fn client_delay(&self) -> Option<ClientDelay> {
        self.shared.pauses.delay()
    }

    /// The longest pause of this process that overlaps the time between two instants.
    pub fn longest_pause(&self, from: Nanos, to: Nanos) -> Nanos {
        let at = |at| self.clock.instant(at);
        let longest = self
            .shared
            .pauses
            .longest(at(from), at(to), at(self.clock.now()));
        Nanos::from(longest)
    }

    /// Sees to it that the next `count` exchanges find open connections: those that the server has closed, or is
    /// about to close, are opened again. A connection that cannot be opened is left to its exchange.
    pub async fn prepare(&self, count: usize) {
        let leases: Vec<Lease> = (0..count).map_while(|_| Lease::take(&self.lanes)).collect();
        let preparing = leases.into_iter().map(|lease| self.prepare_lane(lease));
        // Dropped together: their exchanges begin together.
        let mut prepared: Vec<Option<Lease>> = futures::future::join_all(preparing).await;
        for lease in prepared.iter_mut().flatten() {
            lease.is_prepared = true;
        }
    }

    /// Returns the lane with an open connection, as far as one can be had.
    async fn prepare_lane(&self, mut lease: Lease) -> Option<Lease> {
        let now = self.clock.instant(self.clock.now());
        let connection = lease.connection.as_mut();
        let is_open = connection.is_some_and(|connection| connection.is_usable(now));
        if is_open {
            return Some(lease);
        }
        lease.connection = None;
        let (shared, clock) = (Arc::clone(&self.shared), self.clock);
        self.on_thread(lease.thread, async move {
            lease.connection = shared.connect(clock).await.ok();
            lease
        })
        .await
    }

    /// Sends one request and records the response. Never fails: failures are an [`ExchangeEnd`].
    ///
    /// If all lanes are in use the caller's concurrency is wrong; the exchange then ends as a failed connection.
    pub async fn exchange(&self, outgoing: OutgoingRequest) -> Recording {
        let request = self
            .head(outgoing.path)
            .with_body(&outgoing.request_id, &outgoing.body);
        let lease = match Lease::take_prepared(&self.lanes) {
            // It was tried just now.
            Some(lease) if lease.connection.is_none() => Some(lease),
            prepared => match prepared.or_else(|| Lease::take(&self.lanes)) {
                Some(lease) => self.prepare_lane(lease).await,
                None => None,
            },
        };
        let Some(lease) = lease else {
            let ending =
                ExchangeEnd::ConnectFailed("more requests in flight than lanes".to_owned());
            return self.recording(Sent::now(self.clock), ending);
        };
        let (shared, clock) = (Arc::clone(&self.shared), self.clock);
        let (thread, outgoing) = (lease.thread, (request, outgoing.first_sent));
        let carried_out = self.on_thread(thread, carry_out(shared, lease, outgoing, clock));
        match carried_out.await {
            Some((sent, mut exchanged)) => {
                let is_on_clock = self.shared.put_on_clock(&mut exchanged, clock, sent.at);
                Recording {
                    sent: sent.at,
                    connect: sent.connect,
                    response: exchanged.response,
                    end: exchanged.end.at,
                    ending: exchanged.ending,
                    is_user_stamped: !is_on_clock,
                    redactor: self.redactor.clone(),
                }
            }
            None => self.recording(Sent::now(self.clock), ExchangeEnd::Abandoned),
        }
    }

    /// The recording of an exchange without a response.
    fn recording(&self, sent: Sent, ending: ExchangeEnd) -> Recording {
        Recording {
            sent: sent.at,
            connect: sent.connect,
            response: None,
            end: sent.at,
            ending,
            is_user_stamped: false,
            redactor: self.redactor.clone(),
        }
    }

    /// The head of requests to this path.
    fn head(&self, path: &'static str) -> Arc<RequestHead> {
        let new = || {
            let headers = self.headers.iter();
            let headers = headers.map(|(name, value)| (name.as_str(), value.as_slice()));
            let target = self.location.target(path);
            Arc::new(RequestHead::new(
                "POST",
                &target,
                &self.location.authority,
                headers,
            ))
        };
        Arc::clone(lock(&self.heads).entry(path).or_insert_with(new))
    }

    /// Runs a task on one of the threads; it is dropped there if the returned future is dropped. `None` if it panicked.
    fn on_thread<T: Send + 'static, F: Future<Output = T> + Send + 'static>(
        &self,
        thread: usize,
        task: F,
    ) -> impl Future<Output = Option<T>> + use<T, F> {
        let (mut result, ended) = oneshot::channel();
        self.threads[thread].run(async move {
            tokio::select! {
                biased;
                ended = task => {
                    // The receiver is gone if its run was given up meanwhile.
                    let _ = result.send(ended);
                }
                () = result.closed() => {}
            }
        });
        ended.map(Result::ok)
    }
}

/// The instant of a request, and the times of opening a connection, if its exchange opened one.
#[derive(Clone, Copy)]
struct Sent {
    at: Nanos,
    connect: Option<OpeningTimes>,
}

impl Sent {
    fn now(clock: Clock) -> Self {
        Self {
            at: clock.now(),
            connect: None,
        }
    }
}

/// Carries out an exchange on its lane. A connection that could not be opened before is opened now.
async fn carry_out(
    shared: Arc<Shared>,
    mut lease: Lease,
    (request, first_sent): (Vec<u8>, Option<Arc<FirstSent>>),
    clock: Clock,
) -> (Sent, Exchanged) {
    let mut sent = Sent::now(clock);
    let mut connection = match lease.connection.take() {
        Some(connection) => connection,
        // Boxed, as what is rare need not lie in every task.
        None => match Box::pin(shared.connect(clock)).await {
            Ok(connection) => {
                sent.connect = Some(connection.opening);
                connection
            }
            Err(ending) => return (sent, Exchanged::without_response(clock.now(), ending)),
        },
    };
    let queued = connection.queue(request);
    if sent.connect.is_none() {
        sent.at = clock.now();
    }
    if let Some(first_sent) = first_sent {
        first_sent.note(sent.at);
    }
    if let Err(error) = queued {
        let ending = ExchangeEnd::ConnectionLost(error.to_string());
        return (sent, Exchanged::without_response(clock.now(), ending));
    }
    let limits = shared.limits(shared.timeouts);
    let exchanged = exchange(&mut connection, clock, limits, sent.at).await;
    lease.keep(connection, &exchanged, clock);
    (sent, exchanged)
}

/// A lane: the thread that serves it, and its connection while it is open and idle.
struct Lane {
    thread: usize,
    connection: Option<Connection>,
}

/// The lanes that no exchange uses.
struct Lanes(Mutex<IdleLanes>);

#[derive(Default)]
struct IdleLanes {
    /// Lanes whose connections were just found, or made, open.
    prepared: VecDeque<Lane>,
    /// The others; the one that rested longest is the first.
    resting: VecDeque<Lane>,
}

impl Lanes {
    fn new(threads: impl Iterator<Item = usize>) -> Self {
        let lanes = threads.map(|thread| Lane {
            thread,
            connection: None,
        });
        Self(Mutex::new(IdleLanes {
            prepared: VecDeque::new(),
            resting: lanes.collect(),
        }))
    }
}

/// The use of a lane; when it is dropped the lane is idle again.
struct Lease {
    lanes: Arc<Lanes>,
    thread: usize,
    connection: Option<Connection>,
    is_prepared: bool,
}

impl Lease {
    /// The lane that rested longest.
    fn take(lanes: &Arc<Lanes>) -> Option<Self> {
        let mut idle = lock(&lanes.0);
        let lane = idle.resting.pop_front()?;
        Some(Self::new(lanes, lane))
    }

    /// A lane that was prepared.
    fn take_prepared(lanes: &Arc<Lanes>) -> Option<Self> {
        let lane = lock(&lanes.0).prepared.pop_front()?;
        Some(Self::new(lanes, lane))
    }

    fn new(lanes: &Arc<Lanes>, lane: Lane) -> Self {
        Self {
            lanes: Arc::clone(lanes),
            thread: lane.thread,
            connection: lane.connection,
            is_prepared: false,
        }
    }

    /// Keeps the connection for the next exchange, if it can carry one.
    fn keep(&mut self, mut connection: Connection, exchanged: &Exchanged, clock: Clock) {
        if let Persistence::Keep(announced) = exchanged.persistence {
            connection.rest(clock.instant(clock.now()) + rest_limit(announced));
            self.connection = Some(connection);
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let lane = Lane {
            thread: self.thread,
            connection: self.connection.take(),
        };
        let mut idle = lock(&self.lanes.0);
        if self.is_prepared {
            idle.prepared.push_back(lane);
        } else {
            idle.resting.push_back(lane);
        }
    }
}

/// The time for which a connection may rest, given the time that the server announced.
fn rest_limit(announced: Option<Duration>) -> Duration {
    let Some(announced) = announced else {
        return REST_LIMIT;
    };
    let margin = KEEP_ALIVE_MARGIN.min(announced / 2);
    REST_LIMIT.min(announced.saturating_sub(margin))
}

/// A task for a thread.
type ReadingTask = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A thread with a runtime of its own, which reads the connections of its lanes and does nothing else. It ends
/// when this is dropped.
///
/// Tasks come through a channel, since a runtime that is handed a task from outside is woken by a system call for each:
/// here by one for all that wait.
struct IoThread {
    tasks: mpsc::UnboundedSender<ReadingTask>,
}

fn start_threads() -> Result<Vec<IoThread>, OpenError> {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let count = (processors / 2).clamp(1, THREADS_MAX);
    (0..count)
        .map(|_| IoThread::start())
        .collect::<std::io::Result<_>>()
        .map_err(|error| OpenError::Client(error.to_string()))
}

impl IoThread {
    fn start() -> std::io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let (tasks, mut waiting) = mpsc::unbounded_channel::<ReadingTask>();
        std::thread::Builder::new()
            .name("connections".to_owned())
            .spawn(move || {
                // `None`: the sender was dropped, which is the end.
                runtime.block_on(async {
                    let mut taken = 0_usize;
                    while let Some(task) = waiting.recv().await {
                        tokio::spawn(task);
                        taken += 1;
                        if taken.is_multiple_of(TASKS_PER_TURN) {
                            yield_now().await;
                        }
                    }
                });
            })?;
        Ok(Self { tasks })
    }

    /// Runs a task, which is dropped if the thread ends before.
    fn run(&self, task: impl Future<Output = ()> + Send + 'static) {
        let _ = self.tasks.send(Box::pin(task));
    }
}
