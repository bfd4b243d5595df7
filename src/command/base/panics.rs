//! Panics: defects of the program itself, which end as an error like any other.
//!
//! Owns the handling of a panic on any thread, and its message. Must not know what the code was doing.
//! Invariants: the first panic is reported once, on one line and without what the code held; work that
//! catches one still ends in order.

use std::panic::{AssertUnwindSafe, Location, PanicHookInfo, catch_unwind, set_hook, take_hook};
use std::path::Path;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use super::exit;
use super::failure::Failure;
use super::signals::outlive_file_size_limit;

/// The place of the first panic of this process.
static FIRST: OnceLock<String> = OnceLock::new();

/// Set before a run sends its first request: from then on a defect leaves an incomplete run.
static REQUESTS_SENT: AtomicBool = AtomicBool::new(false);

/// Parts of a source file's path that a message shows: the folders of the machine that compiled it
/// are not among them.
const PATH_PARTS: usize = 3;

/// Notes that a run sends its requests from now on.
pub(in crate::command) fn note_requests() {
    REQUESTS_SENT.store(true, Ordering::Relaxed);
}

/// Carries out a whole command and returns the process's exit code. A failure, or a panic on any thread,
/// is printed. `at_once`: see [`install`].
pub(crate) fn carry_out(at_once: bool, work: impl FnOnce() -> Result<u8, Failure>) -> u8 {
    install(at_once);
    outlive_file_size_limit();
    let result = catch_panic(|| {
        provoke("start");
        work()
    });
    conclude(result).unwrap_or_else(|failure| failure.report())
}

/// Keeps the place of the first panic for the message, in place of the library's report, which
/// `RUST_BACKTRACE` turns on again. `at_once`: a command that goes on after a panic on another thread
/// than its own prints the message when it happens.
fn install(at_once: bool) {
    let report = take_hook();
    let is_backtrace_on = std::env::var_os("RUST_BACKTRACE").is_some_and(|value| value != "0");
    let own_thread = std::thread::current().id();
    set_hook(Box::new(move |panic: &PanicHookInfo<'_>| {
        let place = panic.location().map(place).unwrap_or_default();
        if is_backtrace_on {
            report(panic);
        }
        if at_once && std::thread::current().id() != own_thread {
            Failure::incomplete(message(&place)).report();
        } else {
            // A later panic is a consequence of the first.
            let _ = FIRST.set(place);
        }
    }));
}

/// The result of `work`, or the failure that a panic in it is.
pub(in crate::command) fn catch_panic<T>(
    work: impl FnOnce() -> Result<T, Failure>,
) -> Result<T, Failure> {
    // What a panic leaves half done is either dropped here or only appended to.
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| Err(failure()))
}

/// The result of a whole command, in which a panic on another thread is a failure.
fn conclude(result: Result<u8, Failure>) -> Result<u8, Failure> {
    let code = match result {
        Ok(code) if has_happened() => code,
        result => return result,
    };
    let failure = failure();
    match code {
        exit::DONE | exit::INCONCLUSIVE => Err(failure),
        // The code of a failed gate or of an interruption says more than this failure.
        code => Err(Failure { code, ..failure }),
    }
}

/// Reports if something panicked in this process.
pub(in crate::command) fn has_happened() -> bool {
    FIRST.get().is_some()
}

/// The failure that the first panic of this process is.
pub(in crate::command) fn failure() -> Failure {
    let place = FIRST.get().map(String::as_str).unwrap_or_default();
    let code = if REQUESTS_SENT.load(Ordering::Relaxed) {
        exit::INCOMPLETE
    } else {
        exit::USAGE
    };
    Failure {
        code,
        message: message(place),
    }
}

fn message(place: &str) -> String {
    let at = if place.is_empty() {
        String::new()
    } else {
        format!(" at `{place}`")
    };
    let version = env!("CARGO_PKG_VERSION");
    format!(
        "internal error{at} (bakeoff {version}): this is a defect of bakeoff\n  please report it with the command \
         that you ran; RUST_BACKTRACE=1 shows details, which can hold text of prompts and answers"
    )
}

/// `src/suite/glob.rs:10:5`.
fn place(location: &Location<'_>) -> String {
    let parts: Vec<_> = Path::new(location.file()).iter().collect();
    let shown = parts[parts.len().saturating_sub(PATH_PARTS)..].iter();
    let shown: Vec<_> = shown.map(|part| part.to_string_lossy()).collect();
    format!(
        "{}:{}:{}",
        shown.join("/"),
        location.line(),
        location.column()
    )
}

/// Panics where the variable `BAKEOFF_DEBUG_PANIC` names this point: for tests of a program that is
/// built with debug assertions. In a released program it does nothing.
pub(in crate::command) fn provoke(point: &str) {
    let is_named = || std::env::var_os("BAKEOFF_DEBUG_PANIC").is_some_and(|named| named == point);
    assert!(
        !(cfg!(debug_assertions) && is_named()),
        "provoked at {point}: sk-test-deadbeefdeadbeef0000"
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_a_failure_that_does_not_show_what_the_code_held() {
        // What a panic says may be a prompt or a key; the rest of the work must still be done.
        let failed = catch_panic::<()>(|| panic!("the key is hunter2")).unwrap_err();
        assert!(failed.message.starts_with("internal error"));
        assert!(!failed.message.contains("hunter2"));
        assert_eq!(failed.code, exit::USAGE);
        assert_eq!(catch_panic(|| Ok(7)), Ok(7));
    }

    #[test]
    fn the_message_says_where_and_what_to_do() {
        // A report without a place and a version is of no use; the folders of a machine are not shown.
        let text = message("suite/glob.rs:1:2").replace(env!("CARGO_PKG_VERSION"), "VERSION");
        insta::assert_snapshot!(text, @r"
        internal error at `suite/glob.rs:1:2` (bakeoff VERSION): this is a defect of bakeoff
          please report it with the command that you ran; RUST_BACKTRACE=1 shows details, which can hold text of prompts and answers
        ");
        let here = place(Location::caller());
        assert!(here.starts_with("command/base/panics.rs:"), "{here}");
    }
}
