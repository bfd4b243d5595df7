//! A run on its way: connections, runtime, the engine, and those who want it to end.
//!
//! Owns the runtime and the signals of a run. Must not know what becomes of its events. Invariant: when
//! a session returns, the engine has ended and every event was handed on.

use std::ops::ControlFlow;
use std::sync::Arc;

use tokio::runtime::Runtime;
use tokio::sync::{mpsc, watch};

use crate::engine::{self, Ending, Event};
use crate::gateway::Transport;

use super::job::Job;
use crate::command::base::endpoint::Opened;
use crate::command::base::exit;
use crate::command::base::failure::Failure;
use crate::command::base::panics;
use crate::command::base::runtime::{interrupted, runtime};

/// Events on their way to the journal: enough for a burst, little enough to notice a slow disk.
const EVENTS_WAITING: usize = 1_024;

/// A transport with its connections open, and the runtime it lives on.
pub(super) struct Session {
    runtime: Runtime,
    transport: Arc<Transport>,
}

impl Session {
    /// Opens every connection that the run can need at once.
    pub(super) fn open(job: &Job, opened: &Opened) -> Result<Self, Failure> {
        let runtime = runtime()?;
        let opening = Transport::open(&opened.endpoint, job.asked.suite.timeouts, job.lanes());
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

    /// Runs the engine and hands each event on, in order. What is returned for [`Event::Look`] says
    /// whether the run goes on; for other events it is not asked. When taking an event fails (the disk
    /// is full, perhaps) the run is stopped, and the failure returned once it has ended.
    pub(super) fn carry_out(
        self,
        job: &Job,
        run: &str,
        mut take: impl FnMut(Event) -> Result<ControlFlow<()>, Failure>,
    ) -> Result<Ending, Failure> {
        let Self { runtime, transport } = self;
        panics::note_requests();
        let orders = Arc::new(job.orders(run));
        let (events, mut told) = mpsc::channel(EVENTS_WAITING);
        let (stop, stopped) = watch::channel(false);
        let (answer, go_on) = mpsc::channel(1);
        runtime.block_on(async {
            let engine = tokio::spawn(engine::run(transport, orders, events, stopped, go_on));
            let asked = async {
                interrupted().await;
                stop.send_replace(true);
                // A second request is for those who cannot wait.
                interrupted().await;
                std::process::exit(i32::from(exit::INTERRUPTED));
            };
            let taken = async {
                let mut failure = None;
                while let Some(event) = told.recv().await {
                    let asked = matches!(event, Event::Look { .. });
                    let mut going_on = failure.is_none();
                    // After a defect what still ends is taken all the same: it was paid for.
                    if going_on || panics::has_happened() {
                        match panics::caught(|| take(event)) {
                            Ok(flow) => going_on &= flow.is_continue(),
                            Err(failed) => {
                                failure.get_or_insert(failed);
                                stop.send_replace(true);
                            }
                        }
                    }
                    if asked {
                        // An engine that was stopped meanwhile does not listen any more.
                        let _ = answer.send(going_on).await;
                    }
                }
                failure
            };
            let failure = tokio::select! {
                failure = taken => failure,
                () = asked => unreachable!("it ends the process"),
            };
            let ending = engine.await.map_err(|_| panics::failure());
            failure.map_or(ending, Err)
        })
    }
}
