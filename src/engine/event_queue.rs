//! The queue of a run's events, on whose way the samples are made.
//!
//! Owns the order of events, and the moment at which a sample is made: after its slot has freed its place, so that the
//! next one need not wait for it. Must not know what is sent. Invariants: events leave in the order in which they came,
//! and every trial that ended becomes one of them.

use std::sync::Arc;

use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::event::RunEvent;
use super::grading::graded;
use super::orders::RunContext;
use super::pacer::Pacer;
use super::trial_sample::{EndedTrial, sample};

/// Events that the queue holds at least: enough for a burst.
const MIN_ROOM: usize = 1_024;

/// The sending end of the queue. Where it is full, because the receiver of the events is slow, senders wait.
#[derive(Debug, Clone)]
pub(super) struct EventQueue(mpsc::Sender<QueuedEvent>);

#[derive(Debug)]
enum QueuedEvent {
    Event(RunEvent),
    Ended(Box<EndedTrial>),
}

impl EventQueue {
    /// Starts the task that hands events on, on the thread for samples if there is one. It ends when the last sender is
    /// dropped and every event was received.
    pub(super) fn start(
        context: &Arc<RunContext>,
        events: mpsc::Sender<RunEvent>,
    ) -> (Self, JoinHandle<()>) {
        let suite = &context.suite;
        let in_flight = suite.variants.len() * suite.concurrency as usize;
        // All that are in flight may end at once.
        let (sender, queued) = mpsc::channel(MIN_ROOM.max(2 * in_flight));
        let handing_on = hand_on(Arc::clone(context), queued, events);
        let task = match &context.sample_thread {
            Some(thread) => thread.spawn(handing_on),
            None => tokio::spawn(handing_on),
        };
        (Self(sender), task)
    }

    /// Sends an event. One that has no receiver any more is dropped: the run still ends in order.
    pub(super) async fn send(&self, event: RunEvent) {
        let _ = self.0.send(QueuedEvent::Event(event)).await;
    }

    /// Sends an event for each change of the sending to a model since the last call.
    pub(super) async fn send_changes(&self, pacer: &Pacer) {
        for event in pacer.take_events() {
            self.send(event).await;
        }
    }

    /// Sends the sample of a trial.
    pub(super) async fn send_ended(&self, trial: EndedTrial) {
        let _ = self.0.send(QueuedEvent::Ended(Box::new(trial))).await;
    }

    /// Returns true if samples can no longer be made, after a panic.
    pub(super) fn is_closed(&self) -> bool {
        self.0.is_closed()
    }
}

/// Hands events on, until nothing more can come.
async fn hand_on(
    context: Arc<RunContext>,
    mut queued: mpsc::Receiver<QueuedEvent>,
    events: mpsc::Sender<RunEvent>,
) {
    while let Some(event) = queued.recv().await {
        let event = match event {
            QueuedEvent::Event(event) => event,
            QueuedEvent::Ended(trial) => {
                let sample = graded(&context, sample(*trial, &context));
                RunEvent::Finished(Box::new(sample))
            }
        };
        // Without a receiver the run still ends in order.
        let _ = events.send(event).await;
    }
}
