//! Standard output and standard error, as every verb writes to them.
//!
//! Owns what becomes of a reader who went away (`| head`, `| grep -q`). Must not know what is printed.
//! Invariant: a reader who went away ends the printing and nothing else: the verb does the rest of its
//! work and keeps its exit code. Whatever else keeps a text from being written (a full disk) is an error.

use std::io::{self, Stderr, Stdout, Write};

/// A stream of which the reader may go away.
#[derive(Debug)]
pub(in crate::command) struct Printed<W> {
    to: W,
    /// Whether nobody reads any more.
    unread: bool,
}

/// Standard output.
pub(in crate::command) fn stdout() -> Printed<Stdout> {
    Printed::new(io::stdout())
}

/// Standard error.
pub(in crate::command) fn stderr() -> Printed<Stderr> {
    Printed::new(io::stderr())
}

impl<W> Printed<W> {
    fn new(to: W) -> Self {
        Self { to, unread: false }
    }

    /// The result of a write, or what counts as one where nobody reads.
    fn unless_unread<T>(&mut self, result: io::Result<T>, unread: T) -> io::Result<T> {
        match result {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                self.unread = true;
                Ok(unread)
            }
            result => result,
        }
    }
}

impl<W: Write> Write for Printed<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.unread {
            return Ok(bytes.len());
        }
        let written = self.to.write(bytes);
        self.unless_unread(written, bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.unread {
            return Ok(());
        }
        let flushed = self.to.flush();
        self.unless_unread(flushed, ())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fails as it is told to, and counts how often it was asked.
    struct Failing(io::ErrorKind, usize);

    impl Write for Failing {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            self.1 += 1;
            Err(self.0.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            self.1 += 1;
            Err(self.0.into())
        }
    }

    #[test]
    fn a_reader_who_went_away_is_no_error_and_is_not_asked_again() {
        // What a verb found out does not depend on who reads it to its end.
        let mut printed = Printed::new(Failing(io::ErrorKind::BrokenPipe, 0));
        for _ in 0..3 {
            writeln!(printed, "a line").unwrap();
            printed.flush().unwrap();
        }
        assert_eq!(printed.to.1, 1);
        let mut flushed = Printed::new(Failing(io::ErrorKind::BrokenPipe, 0));
        flushed.flush().unwrap();
        assert!(flushed.unread);
    }

    #[test]
    fn a_full_disk_is_an_error() {
        // A result that was to be kept and is not must not look like one.
        let mut printed = Printed::new(Failing(io::ErrorKind::StorageFull, 0));
        let failed = writeln!(printed, "a line").unwrap_err();
        assert_eq!(failed.kind(), io::ErrorKind::StorageFull);
        let failed = printed.flush().unwrap_err();
        assert_eq!(failed.kind(), io::ErrorKind::StorageFull);
    }
}
