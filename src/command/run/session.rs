//! A run in progress: connections, runtime, the engine, and the signals that end it.
//!
//! Owns the runtime and the signals of a run. Must not know how its events are used. Invariant: when a session
//! returns, the engine has ended and every event was handed on.

use std::ops::ControlFlow;
use std::sync::Arc;

use tokio::runtime::Runtime;
use tokio::sync::{mpsc, watch};

use crate::engine::{self, RunContext, RunEnd, RunEvent, StopRequest};
use crate::gateway::Transport;
use crate::record::{ClientDelay, ConnectionSetUp, RequestLog};

use super::job::Job;
use crate::command::base::endpoint::OpenEndpoint;
use crate::command::base::exit;
use crate::command::base::failure::Failure;
use crate::command::base::panics;
use crate::command::base::runtime::{measuring_runtime, sample_runtime};
use crate::command::base::signals::Signals;

/// Events on their way to the journal: enough for a burst, little enough to notice a slow disk.
const EVENTS_WAITING: usize = 1_024;

/// A transport with its connections open, and the runtime it lives on.
pub(super) struct Session {
    runtime: Runtime,
    transport: Arc<Transport>,
}

/// The end of a session.
#[derive(Debug)]
pub(super) struct SessionEnd {
    pub(super) ending: RunEnd,
    /// True if a second signal came: then no reports are made.
    pub(super) immediate: bool,
    /// The delay of the threads that read answers; absent for a run too short to tell.
    pub(super) client_delay: Option<ClientDelay>,
}

impl Session {
    /// Opens every connection that the run can need at once.
    pub(super) fn open(job: &Job, opened: &OpenEndpoint) -> Result<Self, Failure> {
        let runtime = measuring_runtime()?;
        let timeouts = job.resolved.suite.timeouts;
        let opening = Transport::open(&opened.endpoint, timeouts, job.lanes(), job.clock);
        let (transport, failed) = runtime
            .block_on(opening)
            .map_err(|error| Failure::incomplete(error.to_string()))?;
        if let Some(ending) = failed {
            return Err(job.unreachable(ending, opened));
        }
        Ok(Self {
            runtime,
            transport: Arc::new(transport),
        })
    }

    /// The times of opening the connections.
    pub(super) fn set_up(&self) -> Option<ConnectionSetUp> {
        self.transport.set_up()
    }

    /// Runs the engine and hands each event on, in order. A result of `Break` ends the run: after a
    /// [`RunEvent::Look`] as decided, otherwise as if a stop was requested. If handling an event fails (a full disk, perhaps) the run is
    /// stopped, and the first failure returned once it has ended; later events are handed on all the same,
    /// because they hold costs. Each request is written into `requests` before it is sent.
    ///
    /// A first signal starts nothing more and gives what is in flight a grace period, a second one ends that at
    /// once, and a third ends the process.
    pub(super) fn carry_out(
        self,
        job: &Job,
        run: &str,
        requests: Option<Arc<RequestLog>>,
        mut take: impl FnMut(RunEvent) -> Result<ControlFlow<()>, Failure>,
    ) -> Result<SessionEnd, Failure> {
        let Self { runtime, transport } = self;
        panics::note_requests();
        let samples = sample_runtime()?;
        let orders = Arc::new(RunContext {
            sample_thread: Some(samples.handle().clone()),
            ..job.orders(run, requests)
        });
        let (events, mut received) = mpsc::channel(EVENTS_WAITING);
        let (stop, stopped) = watch::channel(StopRequest::None);
        let (answer, go_on) = mpsc::channel(1);
        runtime.block_on(async {
            let mut signals = Signals::new();
            let client = Arc::clone(&transport);
            let engine = tokio::spawn(engine::run(client, orders, events, stopped, go_on));
            let stop_requests = async {
                for request in [StopRequest::Orderly, StopRequest::Immediate] {
                    signals.next().await;
                    stop.send_replace(request);
                }
                // For a user who cannot wait for a disk or a lock: every line of the journal is one write.
                signals.next().await;
                std::process::exit(i32::from(exit::INTERRUPTED));
            };
            let taken = async {
                let mut failure = None;
                while let Some(event) = received.recv().await {
                    let is_look = matches!(event, RunEvent::Look { .. });
                    let flow = panics::catch_panic(|| take(event));
                    let going_on =
                        failure.is_none() && matches!(flow, Ok(flow) if flow.is_continue());
                    if let Err(failed) = flow {
                        failure.get_or_insert(failed);
                        // A more urgent request stands.
                        stop.send_modify(|stop| *stop = StopRequest::Orderly.max(*stop));
                    }
                    if !is_look && !going_on {
                        stop.send_modify(|stop| *stop = StopRequest::Orderly.max(*stop));
                    }
                    if is_look {
                        // An engine that was stopped meanwhile no longer receives.
                        let _ = answer.send(going_on).await;
                    }
                }
                failure
            };
            let failure = tokio::select! {
                failure = taken => failure,
                () = stop_requests => unreachable!("it ends the process"),
            };
            let ended = engine.await.map_err(|_| panics::failure());
            if let Some(failure) = failure {
                return Err(failure);
            }
            Ok(SessionEnd {
                ending: ended?,
                immediate: *stop.borrow() == StopRequest::Immediate,
                client_delay: transport.client_delay(),
            })
        })
    }
}
