//! Documents for programs, on standard output.
//!
//! Owns their form. Must not know their contents.

use std::io::{self, Write};

/// A document for programs, pretty-printed, with a line break at its end.
pub(in crate::command) fn print_json(
    out: &mut impl Write,
    document: &impl serde::Serialize,
) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, document)?;
    writeln!(out)
}
