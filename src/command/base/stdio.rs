//! Standard output and standard error, as every verb writes to them.
//!
//! Owns the handling of closed readers (`| head`, `| grep -q`), and of control characters that would act on a
//! terminal. Must not know what is printed. Invariants: a closed reader ends the printing and nothing else: the
//! command does the rest of its work and returns its exit code. Any other failure to write (a full disk) is an
//! error. Of control characters only line breaks, tabs and bakeoff's own colours pass.

use std::borrow::Cow;
use std::io::{self, IsTerminal, Stderr, Stdout, Write};

use crate::units::is_unsafe_char;

/// Longest escape sequence of a colour that is printed.
const COLOUR_BYTES_MAX: usize = 24;

/// A stream whose reader may close it.
#[derive(Debug)]
pub(in crate::command) struct Printed<W> {
    to: W,
    /// True if the reader has closed the stream.
    unread: bool,
    filter: Filter,
    /// The beginning of a character or of a colour whose rest has not arrived yet.
    pending: Vec<u8>,
}

/// The control characters that are printed unchanged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Filter {
    /// Line breaks and tabs.
    Plain,
    /// Colours, too: the reader is a terminal.
    Coloured,
    /// All of them: the user's own text, written to a file.
    Nothing,
}

/// Returns true if output to `stream` is coloured: it is a terminal, and `NO_COLOR` is not set.
pub(in crate::command) fn colour(stream: &impl IsTerminal) -> bool {
    let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
    stream.is_terminal() && !set("NO_COLOR") && !dumb
}

/// Returns true if a terminal shows more than ASCII: its locale is one of UTF-8, or none is set.
pub(in crate::command) fn unicode() -> bool {
    let set = |name: &&str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"].iter().find_map(set);
    locale.is_none_or(|locale| {
        let locale = locale.to_ascii_lowercase();
        locale.contains("utf-8") || locale.contains("utf8")
    })
}

/// Standard output.
pub(in crate::command) fn stdout() -> Printed<Stdout> {
    let out = io::stdout();
    let filter = Filter::of_colour(colour(&out));
    Printed::new(out, filter)
}

/// Standard output for the user's own text, unchanged.
pub(in crate::command) fn stdout_as_it_is() -> Printed<Stdout> {
    Printed::new(io::stdout(), Filter::Nothing)
}

/// Standard error.
pub(in crate::command) fn stderr() -> Printed<Stderr> {
    let err = io::stderr();
    let filter = Filter::of_colour(colour(&err));
    Printed::new(err, filter)
}

impl Filter {
    const fn of_colour(colour: bool) -> Self {
        if colour { Self::Coloured } else { Self::Plain }
    }
}

impl<W> Printed<W> {
    fn new(to: W, filter: Filter) -> Self {
        Self {
            to,
            unread: false,
            filter,
            pending: Vec::new(),
        }
    }

    /// The result of a write, or `unread` if the reader has closed the stream.
    fn unless_unread<T>(&mut self, result: io::Result<T>, unread: T) -> io::Result<T> {
        match result {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                self.unread = true;
                Ok(unread)
            }
            result => result,
        }
    }

    /// The bytes with every character that acts as an escape: `\u001b`, which JSON reads as that character again.
    fn harmless<'b>(&mut self, bytes: &'b [u8]) -> Cow<'b, [u8]> {
        let plain = |byte: &u8| matches!(byte, b' '..=b'~' | b'\n' | b'\t');
        let as_it_is = self.filter == Filter::Nothing;
        if as_it_is || (self.pending.is_empty() && bytes.iter().all(plain)) {
            return Cow::Borrowed(bytes);
        }
        let mut all = std::mem::take(&mut self.pending);
        all.extend_from_slice(bytes);
        let whole = match std::str::from_utf8(&all) {
            Err(error) if error.error_len().is_none() => error.valid_up_to(),
            _ => all.len(),
        };
        let text = String::from_utf8_lossy(&all[..whole]);
        let mut harmless = String::with_capacity(text.len());
        let mut rest = &*text;
        while let Some(c) = rest.chars().next() {
            let colours = c == '\u{1b}' && self.filter == Filter::Coloured;
            match colours.then(|| colour_length(rest)).flatten() {
                Some(length) if length > rest.len() => {
                    self.pending = rest.as_bytes().to_vec();
                    break;
                }
                Some(length) => {
                    harmless.push_str(&rest[..length]);
                    rest = &rest[length..];
                    continue;
                }
                None if c == '\n' || c == '\t' || !is_unsafe_char(c) => harmless.push(c),
                None => push_escaped(&mut harmless, c),
            }
            rest = &rest[c.len_utf8()..];
        }
        self.pending.extend_from_slice(&all[whole..]);
        Cow::Owned(harmless.into_bytes())
    }
}

/// Bytes of the colour that a text begins with, more than the text has where its rest is missing; `None` where it
/// begins with another escape sequence.
fn colour_length(text: &str) -> Option<usize> {
    let Some(codes) = text.strip_prefix("\u{1b}[") else {
        return (text.len() == 1).then_some(2);
    };
    let end = codes.find(|c: char| !c.is_ascii_digit() && c != ';');
    let length = text.len() - codes.len() + end.unwrap_or(codes.len()) + 1;
    let is_colour = end.is_none_or(|end| codes[end..].starts_with('m'));
    (is_colour && length <= COLOUR_BYTES_MAX).then_some(length)
}

fn push_escaped(text: &mut String, c: char) {
    use std::fmt::Write as _;

    for unit in c.encode_utf16(&mut [0; 2]) {
        write!(text, "\\u{unit:04x}").expect("a String can always grow");
    }
}

impl<W: Write> Write for Printed<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.unread {
            return Ok(bytes.len());
        }
        let harmless = self.harmless(bytes);
        let written = self.to.write_all(&harmless);
        self.unless_unread(written.map(|()| bytes.len()), bytes.len())
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
    use proptest::prelude::*;

    use super::*;

    /// The output for a text that is written in pieces, cut after every `size` bytes.
    fn printed(text: &str, filter: Filter, size: usize) -> String {
        let mut printed = Printed::new(Vec::new(), filter);
        for piece in text.as_bytes().chunks(size) {
            printed.write_all(piece).unwrap();
        }
        String::from_utf8(printed.to).unwrap()
    }

    #[test]
    fn colours_are_printed_on_a_terminal_alone() {
        // A server's text must not move the cursor, set the title or turn a line, whatever the stream is.
        let text = "a\u{1b}[1;31mb\u{1b}[0m\u{1b}]0;title\u{7}\u{1b}[2Jc\u{9b}\u{202e}d\u{200b}\t\u{e0041}\n";
        for size in [1, 2, 3, 100] {
            assert_eq!(
                printed(text, Filter::Plain, size),
                "a\\u001b[1;31mb\\u001b[0m\\u001b]0;title\\u0007\\u001b[2Jc\\u009b\\u202ed\\u200b\t\\udb40\\udc41\n"
            );
            assert_eq!(
                printed(text, Filter::Coloured, size),
                "a\u{1b}[1;31mb\u{1b}[0m\\u001b]0;title\\u0007\\u001b[2Jc\\u009b\\u202ed\\u200b\t\\udb40\\udc41\n"
            );
            assert_eq!(printed(text, Filter::Nothing, size), text);
        }
    }

    proptest! {
        // A document for programs is the same one after it was printed, and nothing in it acts.
        #[test]
        fn json_stays_what_it_is(words in any::<String>(), size in 1_usize..20) {
            let json = serde_json::to_string_pretty(&[&words]).unwrap();
            let printed = printed(&json, Filter::Plain, size);
            prop_assert!(!printed.contains(|c| is_unsafe_char(c) && c != '\n'), "{printed:?}");
            let read: Vec<String> = serde_json::from_str(&printed).unwrap();
            prop_assert_eq!(&read[0], &words);
        }
    }

    /// A writer that fails with a given error, and counts the writes.
    struct FailingWriter(io::ErrorKind, usize);

    impl Write for FailingWriter {
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
    fn a_closed_reader_is_no_error_and_gets_no_further_writes() {
        // The result of a command does not depend on a reader who reads to the end.
        let mut printed = Printed::new(FailingWriter(io::ErrorKind::BrokenPipe, 0), Filter::Plain);
        for _ in 0..3 {
            writeln!(printed, "a line").unwrap();
            printed.flush().unwrap();
        }
        assert_eq!(printed.to.1, 1);
        let mut flushed = Printed::new(FailingWriter(io::ErrorKind::BrokenPipe, 0), Filter::Plain);
        flushed.flush().unwrap();
        assert!(flushed.unread);
    }

    #[test]
    fn a_full_disk_is_an_error() {
        // A result that was to be stored and is not must not look like one.
        let mut printed = Printed::new(FailingWriter(io::ErrorKind::StorageFull, 0), Filter::Plain);
        let failed = writeln!(printed, "a line").unwrap_err();
        assert_eq!(failed.kind(), io::ErrorKind::StorageFull);
        let failed = printed.flush().unwrap_err();
        assert_eq!(failed.kind(), io::ErrorKind::StorageFull);
    }
}
