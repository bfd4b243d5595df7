//! A block of lines at the end of a terminal that is redrawn in place.
//!
//! Owns the escape sequences of a redraw. Must not know what the lines say. Invariants: between two redraws the cursor
//! stands below the block and no mode of the terminal is changed, so a process that dies leaves it as it should be;
//! a line is overwritten, never blanked first.

use std::fmt::Write as _;

use unicode_width::UnicodeWidthStr;

/// Begin and end of a synchronized update: a terminal that knows it shows the frame at once, others ignore it.
const SYNCHRONIZED: (&str, &str) = ("\x1b[?2026h", "\x1b[?2026l");
/// Erases the rest of a line, and of the screen.
const ERASE_LINE: &str = "\x1b[K";
const ERASE_BELOW: &str = "\x1b[J";

/// The block as it was drawn last.
#[derive(Debug, Default)]
pub(super) struct TerminalBlock {
    /// Columns of each of its lines.
    widths: Vec<usize>,
}

impl TerminalBlock {
    /// The bytes that put `lines` in the place of the block, below `notes`, which stay. `columns` is the width of the
    /// terminal now: if it became narrower, the terminal has wrapped the lines that are there.
    pub(super) fn redraw(&mut self, notes: &[String], lines: &[String], columns: usize) -> String {
        let rows_of = |width: &usize| width.div_ceil(columns.max(1)).max(1);
        let rows: usize = self.widths.iter().map(rows_of).sum();
        let mut bytes = SYNCHRONIZED.0.to_owned();
        if rows > 0 {
            write!(bytes, "\r\x1b[{rows}A").expect("a String can always grow");
        }
        for line in notes.iter().chain(lines) {
            bytes.push_str(line);
            bytes.push_str(ERASE_LINE);
            bytes.push('\n');
        }
        // Rows that are left over are blanked one by one: where the block begins in the first row of the screen,
        // tmux takes an erasure from there for a cleared screen, and keeps a copy of it in its history.
        let left_over = rows.saturating_sub(notes.len() + lines.len());
        for _ in 0..left_over {
            bytes.push_str(ERASE_LINE);
            bytes.push('\n');
        }
        bytes.push_str(ERASE_BELOW);
        if left_over > 0 {
            write!(bytes, "\x1b[{left_over}A").expect("a String can always grow");
        }
        bytes.push_str(SYNCHRONIZED.1);
        self.widths = lines
            .iter()
            .map(|line| width_without_colours(line))
            .collect();
        bytes
    }
}

/// Columns of a line with colours.
fn width_without_colours(line: &str) -> usize {
    let mut parts = line.split('\x1b');
    let first = parts.next().map_or(0, UnicodeWidthStr::width);
    let rest = parts.filter_map(|part| part.split_once('m'));
    first + rest.map(|(_, text)| text.width()).sum::<usize>()
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU16;

    use super::*;

    fn lines(text: &str) -> Vec<String> {
        text.lines().map(ToOwned::to_owned).collect()
    }

    /// The rows of a terminal after these bytes, and after each of its prefixes if `at_each_byte` looks.
    fn show(
        terminal: &mut vt100::Parser,
        bytes: &str,
        mut at_each_byte: impl FnMut(&vt100::Screen),
    ) {
        // The line discipline of a terminal.
        for byte in bytes.replace('\n', "\r\n").bytes() {
            terminal.process(&[byte]);
            at_each_byte(terminal.screen());
        }
    }

    #[test]
    fn a_redraw_changes_the_block_alone_and_blanks_nothing() {
        // Seen byte by byte, as over a slow line: what stood above stays, and no line of the block is ever empty.
        let [rows, columns] = [8, 20].map(|size| NonZeroU16::new(size).unwrap());
        let mut terminal = vt100::Parser::new(rows, columns, 100);
        show(&mut terminal, "$ bakeoff run\n", |_| {});
        let mut block = TerminalBlock::default();
        let first = block.redraw(&[], &lines("name 1/9\nname 2/9\n=== 3/18"), 20);
        show(&mut terminal, &first, |_| {});
        assert_eq!(
            terminal.screen().contents(),
            "$ bakeoff run\nname 1/9\nname 2/9\n=== 3/18"
        );
        let colours = lines("name 2/9\n\u{1b}[31mname\u{1b}[0m 2\n=== 4/18");
        let second = block.redraw(&[], &colours, 20);
        show(&mut terminal, &second, |screen| {
            let rows: Vec<String> = screen.rows(0, 20).take(4).collect();
            assert!(rows.iter().all(|row| !row.is_empty()), "{rows:?}");
            assert_eq!(rows[0], "$ bakeoff run");
        });
        let third = block.redraw(&lines("a note"), &lines("name 3/9\nname 2/9\n=== 5/18"), 20);
        show(&mut terminal, &third, |_| {});
        let rows = "$ bakeoff run\na note\nname 3/9\nname 2/9\n=== 5/18";
        assert_eq!(terminal.screen().contents(), rows);
        assert_eq!(terminal.screen().cursor_position(), (5, 0));
        // At the end the block goes, and what is printed next takes its place.
        let end = block.redraw(&[], &[], 20);
        show(&mut terminal, &format!("{end}result\n"), |_| {});
        assert_eq!(
            terminal.screen().contents(),
            "$ bakeoff run\na note\nresult"
        );
    }

    #[test]
    fn a_narrower_terminal_has_wrapped_the_block() {
        // As in tmux and most others, which rewrap what they show when they are resized.
        let mut block = TerminalBlock::default();
        block.redraw(&[], &lines("0123456789012345678\nshort\n012345678901"), 20);
        let bytes = block.redraw(&[], &lines("012345678\nshort\n0123"), 10);
        assert!(bytes.contains("\r\u{1b}[5A"), "{bytes:?}");
        let bytes = block.redraw(&[], &[], 10);
        assert!(bytes.contains("\r\u{1b}[3A"), "{bytes:?}");
        assert!(
            bytes.contains("\n\u{1b}[J\u{1b}[3A"),
            "nothing is erased from the first row on: {bytes:?}"
        );
        assert_eq!(
            width_without_colours("\u{1b}[1mab\u{1b}[0m c\u{1b}[31m\u{1b}[0m"),
            4
        );
    }
}
