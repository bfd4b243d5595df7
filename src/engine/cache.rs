//! Prompt caches within a run: the nonce that keeps a trial out of them, the request that fills them.
//!
//! Owns both. Must not know what a trial's sample is made of. Invariants: a nonce is a function of
//! the run's name and the trial's number, and always as long; what is sent here is no sample.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::mpsc;

use crate::suite::{CacheMode, Message, Role, Suite};
use crate::units::{Nanos, digest};

use super::event::Event;
use super::orders::{Ask, GiveUp, Orders, Stop, StopRequest, given_up, stopped};
use super::trial::{self, Ready};

/// Digits of a nonce: as many as 64 bits hold for certain. Digits, because tokenizers cut them in
/// even pieces: letters would make prompts of slightly different token counts.
const NONCE_DIGITS: usize = 18;

/// Numbers of so many digits.
const NONCES: u64 = 1_000_000_000_000_000_000;

/// Puts the trial's nonce in front of the system text, which every prompt begins with; a prompt
/// without one gets a system text that is the nonce.
pub(super) fn bust(messages: &mut Vec<Message>, run: &str, trial: u64) {
    let nonce = nonce(run, trial);
    match messages.first_mut() {
        Some(first) if first.role == Role::System => {
            first.content = format!("{nonce}\n\n{}", first.content);
        }
        _ => messages.insert(0, Message::text(Role::System, nonce)),
    }
}

/// A number for the trial: another one for every trial of every run, as far as chance allows.
fn nonce(run: &str, trial: u64) -> String {
    let drawn = digest(format!("{run} {trial}").as_bytes());
    let drawn = u64::from_str_radix(&drawn, 16).expect("a digest is 16 hex digits");
    format!("{:0NONCE_DIGITS$}", drawn % NONCES)
}

/// When what trials share was last used, as far as this run knows: for suites that say how long a cache
/// is trusted.
#[derive(Debug, Default)]
pub struct Warmth(Mutex<HashMap<Shared, Nanos>>);

/// What a trial shares with others: the variant, and the prompt where the suite has no prefix for all.
type Shared = (usize, Option<usize>);

impl Warmth {
    fn shared(suite: &Suite, ready: &Ready) -> Shared {
        let prompt = suite.reuse.prefix.is_none().then(|| ready.prompt());
        (ready.variant(), prompt)
    }

    /// Whether what the trial shares was used as short a time ago as the suite says.
    fn holds(&self, suite: &Suite, ready: &Ready, now: Nanos) -> bool {
        let Some(within) = suite.reuse.within_ns else {
            return false;
        };
        let uses = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let last = uses.get(&Self::shared(suite, ready));
        last.is_some_and(|last| now.since(*last) <= within)
    }

    /// Notes that an answered request, sent then, used what the trial shares. Providers count from a use
    /// that comes after its sending: what is trusted here is kept there.
    pub(super) fn used(&self, suite: &Suite, ready: &Ready, sent: Nanos) {
        if suite.reuse.within_ns.is_none() {
            return;
        }
        let mut uses = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let last = uses.entry(Self::shared(suite, ready)).or_default();
        *last = sent.max(*last);
    }
}

/// Where the suite wants warm caches: sends the request of each trial once, side by side, and waits
/// for the answers, whatever these are. `false` when the run was asked to stop meanwhile, and then those in
/// flight are abandoned, or where the requests cannot be written down.
pub(super) async fn warm<A: Ask>(
    trials: &[Ready],
    asker: &Arc<A>,
    orders: &Orders,
    events: &mpsc::Sender<Event>,
    (stop, give_up): &(Stop, GiveUp),
) -> bool {
    let cold = |ready: &&Ready| {
        let variant = &orders.suite.variants[ready.variant()];
        orders.suite.cache_of(variant) == CacheMode::Warm
            && !orders.warmth.holds(&orders.suite, ready, asker.now())
    };
    let cold: Vec<&Ready> = trials.iter().filter(cold).collect();
    if cold.is_empty() {
        return true;
    }
    // Attempts of the trial are numbered from 1.
    let requests = cold.iter().map(|ready| ready.announcement(orders, 0));
    if !orders.announce(requests.collect()).await {
        return false;
    }
    let warming = cold.into_iter().map(|ready| async move {
        let outgoing = ready.outgoing(orders, 0);
        let request_id = outgoing.request_id.clone();
        let (mut stop, mut give_up) = (stop.clone(), give_up.clone());
        let until = async {
            tokio::select! {
                () = stopped(&mut stop) => {}
                () = given_up(&mut give_up) => {}
            }
        };
        let (recording, reading) = ready.ask(&**asker, orders, outgoing, until).await;
        if reading.outcome.answered() {
            orders.warmth.used(&orders.suite, ready, recording.sent);
        }
        trial::untimed(orders, events, ready.variant(), request_id, &reading, true).await;
    });
    futures::future::join_all(warming).await;
    *stop.borrow() == StopRequest::None && !*give_up.borrow()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_nonce_opens_the_system_text() {
        // Caches go by the beginning of a prompt: whatever comes after another nonce is another prompt.
        let question = Message::text(Role::User, "Why?");
        let mut with = vec![Message::text(Role::System, "Be brief."), question.clone()];
        let mut without = vec![question.clone()];
        bust(&mut with, "run", 3);
        bust(&mut without, "run", 3);
        let nonce = nonce("run", 3);
        let text = |content: String| Message::text(Role::System, content);
        assert_eq!(
            with,
            [text(format!("{nonce}\n\nBe brief.")), question.clone()]
        );
        assert_eq!(without, [text(nonce), question]);
    }

    proptest! {
        // Every trial of every run has its own, and all cost the same to read.
        #[test]
        fn nonces_differ_and_are_as_long(run in "[0-9A-Z-]{1,30}", trial in 0..u64::MAX - 1) {
            let own = nonce(&run, trial);
            prop_assert_eq!(own.len(), NONCE_DIGITS);
            prop_assert!(own.bytes().all(|byte| byte.is_ascii_digit()));
            prop_assert_eq!(&own, &nonce(&run, trial));
            prop_assert_ne!(&own, &nonce(&run, trial + 1));
            prop_assert_ne!(own, nonce(&format!("{run}0"), trial));
        }
    }
}
