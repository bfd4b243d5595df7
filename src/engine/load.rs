//! The loop of a load: each model's requests at their planned instants, or as earlier ones end.
//!
//! Owns when each request of a stage starts. Must not know the parts of a trial. Invariants: no model waits for
//! another; a request that is due is sent at once, unless as many as `concurrency` are in flight to its model, and keeps the
//! instant at which it was due; levels of a sweep never overlap; from the end of a timed loop on nothing is sent.

use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;

use crate::plan::{LoadPlan, PlannedStage, Slot, Trial};
use crate::suite::LoadStage;
use crate::units::Nanos;

use super::orders::{Client, RunContext, wait_for_any_stop};
use super::pacer::SlotChoice;
use super::slots::{EarlyEnd, SlotRunner};

/// The trials of one variant that are to be sent, in order.
struct TrialQueue {
    variant: usize,
    /// Those of the whole plan: each has its instant.
    slots: Box<dyn Iterator<Item = Slot> + Send>,
    /// The instants of the stages under way, since the run of them began; empty for a closed loop.
    arrivals: Box<dyn Iterator<Item = Nanos> + Send>,
    /// Slots of the stages under way that were not taken.
    left: u64,
    /// The instant at which the stage ends by time.
    end: Option<Nanos>,
    next: Option<DueTrial>,
}

/// A trial, and the instant at which it is due on the clock of the run; absent: as soon as there is room.
#[derive(Clone, Copy)]
struct DueTrial {
    trial: Trial,
    due: Option<Nanos>,
}

/// The turn of a queue.
enum QueueTurn {
    /// A trial was sent or left out: there may be another.
    Taken,
    /// Nothing before this instant, if it is known; else before a change.
    Wait(Option<Nanos>),
    /// It has no more trials.
    Empty,
}

/// Starts every request of a load, or stops early.
pub(super) async fn start_load<A: Client>(
    runner: &mut SlotRunner<'_, A>,
    load: &LoadPlan,
) -> Result<(), EarlyEnd> {
    let context = runner.context;
    let variants = 0..context.suite.variants.len();
    let mut queues: Vec<TrialQueue> = variants
        .map(|variant| TrialQueue::new(context, variant))
        .collect();
    let count = load.stages().len();
    let is_sweep = context
        .suite
        .load
        .as_ref()
        .is_some_and(|load| load.is_sweep);
    let together = if is_sweep { 1 } else { count.max(1) };
    for first in (0..count).step_by(together) {
        start_stages(runner, load, &mut queues, first..first + together).await?;
    }
    Ok(())
}

/// Starts the requests of stages that follow each other without a break, after all earlier ones have ended.
async fn start_stages<A: Client>(
    runner: &mut SlotRunner<'_, A>,
    load: &LoadPlan,
    queues: &mut [TrialQueue],
    stages: Range<usize>,
) -> Result<(), EarlyEnd> {
    runner.wait_until_idle().await?;
    let context = runner.context;
    let in_flight = match &load.stages()[stages.start].stage {
        LoadStage::Concurrency(stage) => stage.in_flight,
        LoadStage::Rate(_) | LoadStage::Trace(_) => context.suite.concurrency,
    };
    context.pacer.set_concurrency(in_flight);
    let began = runner.client.now();
    for queue in queues.iter_mut() {
        queue.start(load, stages.clone(), began);
    }
    // Kept while other things happen: the last part of a wait cannot be taken back.
    let client = Arc::clone(runner.client);
    let mut timer: Option<(Nanos, Pin<Box<_>>)> = None;
    loop {
        runner.reap()?;
        let mut changed = context.pacer.changes();
        let mut until: Option<Nanos> = None;
        let (mut is_waiting, mut is_taken) = (false, false);
        for queue in queues.iter_mut() {
            match queue.take_turn(runner).await? {
                QueueTurn::Taken => is_taken = true,
                QueueTurn::Empty => {}
                QueueTurn::Wait(at) => {
                    is_waiting = true;
                    until = [until, at].into_iter().flatten().min();
                }
            }
        }
        runner.events.send_changes(&context.pacer).await;
        if is_taken {
            continue;
        }
        if !is_waiting {
            return Ok(());
        }
        if timer.as_ref().map(|(at, _)| *at) != until {
            timer = until.map(|at| (at, Box::pin(client.wait_until(at))));
        }
        let over = async {
            match &mut timer {
                Some((_, timer)) => timer.as_mut().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = wait_for_any_stop(&mut runner.stop) => return Err(EarlyEnd::Interrupted),
            () = over => timer = None,
            Some(ended) = runner.in_flight.join_next() => runner.end_slot(ended)?,
            _ = changed.changed() => {}
        }
    }
}

impl TrialQueue {
    fn new(context: &RunContext, variant: usize) -> Self {
        Self {
            variant,
            slots: Box::new(context.plan.share(None).slots_to_send()),
            arrivals: Box::new(std::iter::empty()),
            left: 0,
            end: None,
            next: None,
        }
    }

    /// Begins these stages, at an instant on the clock of the run.
    fn start(&mut self, load: &LoadPlan, stages: Range<usize>, began: Nanos) {
        let planned = &load.stages()[stages.clone()];
        self.left = planned.iter().map(PlannedStage::max_slots).sum();
        let time = planned.iter().find_map(PlannedStage::time_limit);
        self.end = time.map(|time| Nanos(began.0.saturating_add(time.0)));
        let mut start = began;
        let mut arrivals: Vec<Box<dyn Iterator<Item = Nanos> + Send>> = Vec::new();
        for index in stages {
            let stage_start = start;
            if let LoadStage::Rate(stage) = load.stages()[index].stage {
                start = Nanos(start.0.saturating_add(stage.duration_ns.0));
            }
            if let Some(instants) = load.arrivals(index) {
                let later = move |at: Nanos| Nanos(stage_start.0.saturating_add(at.0));
                arrivals.push(Box::new(instants.map(later)));
            }
        }
        self.arrivals = Box::new(arrivals.into_iter().flatten());
    }

    /// The next trial, without those that an earlier part of the run has sent.
    fn peek(&mut self, context: &RunContext) -> Option<DueTrial> {
        let shard = context.plan.shard();
        while self.next.is_none() && self.left > 0 {
            let slot = self.slots.next()?;
            self.left -= 1;
            let due = self.arrivals.next();
            if shard.is_some_and(|shard| !shard.has_slot(slot.number)) {
                continue;
            }
            let trials = context.finished.remaining(&slot);
            let trial = trials
                .into_iter()
                .find(|trial| trial.variant == self.variant);
            self.next = trial.map(|trial| DueTrial { trial, due });
        }
        self.next
    }

    /// Sends the next trial if it is due and there is room for it.
    async fn take_turn<A: Client>(
        &mut self,
        runner: &mut SlotRunner<'_, A>,
    ) -> Result<QueueTurn, EarlyEnd> {
        let now = runner.client.now();
        if self.end.is_some_and(|end| end <= now) {
            return Ok(self.finish());
        }
        let Some(DueTrial { trial, due }) = self.peek(runner.context) else {
            return Ok(QueueTurn::Empty);
        };
        if let Some(due) = due.filter(|due| *due > now) {
            return Ok(QueueTurn::Wait(Some(due)));
        }
        let slot = match runner.context.pacer.choose_one(now, self.variant) {
            SlotChoice::Wait(until) => {
                let first = [until, self.end].into_iter().flatten().min();
                return Ok(QueueTurn::Wait(first));
            }
            SlotChoice::Nothing => {
                runner.count_unsent(self.variant);
                self.next = None;
                // The number of those that are left is not known.
                return Ok(match self.end {
                    Some(_) => self.finish(),
                    None => QueueTurn::Taken,
                });
            }
            SlotChoice::Start(slot) => slot,
        };
        match runner.launch_planned(&slot, trial, due, self.end).await {
            Ok(true) => self.next = None,
            // Requests in flight held the money that it takes, or its model was dropped meanwhile: again.
            Ok(false) => {}
            Err(EarlyEnd::TimeOver) => return Ok(self.finish()),
            Err(end) => return Err(end),
        }
        Ok(QueueTurn::Taken)
    }

    /// Ends the stage for this variant.
    fn finish(&mut self) -> QueueTurn {
        (self.left, self.next) = (0, None);
        QueueTurn::Empty
    }
}
