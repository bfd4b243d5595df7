//! Independent pieces of work on the threads of this machine, and the values that they share.
//!
//! Owns how many threads there are, who takes what, and what a panic leaves behind a lock. Must not know the work. Invariant: results come in the order of
//! the items, so that the number of threads changes nothing.

use std::num::NonZero;
use std::panic::resume_unwind;
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};
use std::thread;

/// The most threads that share work: a report is made on machines that do other things, too, and more threads that read
/// wait for the one that writes.
const MAX_THREADS: usize = 8;

/// Waits for the value behind a lock. A thread that panicked with it ends its request or the program: what it left is read as
/// it is.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The value of a lock without other owners, as [`lock`] reads it.
pub(crate) fn unlock<T>(mutex: Mutex<T>) -> T {
    mutex.into_inner().unwrap_or_else(PoisonError::into_inner)
}

/// The results of both, the first on a thread of its own.
///
/// # Panics
/// With the panic of either.
pub(crate) fn join<A: Send, B>(
    other: impl FnOnce() -> A + Send,
    here: impl FnOnce() -> B,
) -> (A, B) {
    thread::scope(|scope| {
        let other = scope.spawn(other);
        let here = here();
        let other = other.join().unwrap_or_else(|panic| resume_unwind(panic));
        (other, here)
    })
}

/// A number of threads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Threads(usize);

impl Threads {
    /// The calling thread alone.
    pub(crate) const ONE: Self = Self(1);

    /// One for each processor.
    pub(crate) fn for_processors() -> Self {
        // The answer is in several files of the system.
        static PROCESSORS: LazyLock<usize> =
            LazyLock::new(|| thread::available_parallelism().map_or(1, NonZero::get));
        Self(MAX_THREADS.min(*PROCESSORS))
    }

    /// Their number.
    pub(crate) const fn count(self) -> usize {
        self.0
    }

    /// The results of `work` for each item, in the order of the items. Threads take the next item when they are done
    /// with one; the calling thread is one of them.
    ///
    /// # Panics
    /// With the panic of `work`.
    pub(crate) fn map<T: Send, R: Send>(
        self,
        items: impl IntoIterator<Item = T, IntoIter: Send>,
        work: impl Fn(T) -> R + Sync,
    ) -> Vec<R> {
        if self == Self::ONE {
            return items.into_iter().map(work).collect();
        }
        let queue = Mutex::new(items.into_iter().enumerate());
        // A panic in the iterator ends its own thread; the others find its queue as it left it.
        let next = || lock(&queue).next();
        let take = || {
            let taken = std::iter::from_fn(next);
            let done = taken.map(|(index, item)| (index, work(item)));
            done.collect::<Vec<(usize, R)>>()
        };
        let mut done = thread::scope(|scope| {
            let others: Vec<_> = (1..self.0).map(|_| scope.spawn(take)).collect();
            let mut done = take();
            for other in others {
                done.extend(other.join().unwrap_or_else(|panic| resume_unwind(panic)));
            }
            done
        });
        done.sort_unstable_by_key(|(index, _)| *index);
        done.into_iter().map(|(_, result)| result).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_in_the_order_of_items() {
        // However many threads there are, and however long each item takes.
        for threads in [1, 2, 7] {
            let results = Threads(threads).map(0..50_u64, |item| {
                let long = if item % 3 == 0 { 100_000 } else { 1 };
                (0..long).fold(item, |sum, _| std::hint::black_box(sum))
            });
            assert_eq!(results, (0..50).collect::<Vec<u64>>());
        }
    }
}
