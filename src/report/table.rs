//! A table of figures: the one source of rows for every format.
//!
//! Owns which columns people see and which may be dropped first. Must not know how a table is
//! rendered. Invariants: every row has one cell per column; what is known of a column is of all rows, those that are not kept
//! included.

use std::borrow::Cow;

use super::figure::{Figure, FigureCell};

/// Maximum rows of a table of prompts: more would not fit a pull request. The comparison as JSON
/// has them all.
pub(super) const MAX_PROMPT_ROWS: usize = 200;

/// One column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Name in CSV and JSON, with the unit.
    pub name: Cow<'static, str>,
    /// Display for people; `None` for a column that only CSV and JSON have.
    pub shown: Option<ColumnDisplay>,
}

/// The display of a column for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ColumnDisplay {
    /// Heading.
    pub heading: &'static str,
    /// 0 for a column that always stays; the highest is dropped first if there is no room.
    pub drop_priority: u8,
    /// The same for the intervals of its figures; `None` if only CSV and JSON have them.
    pub interval: Option<u8>,
}

/// A table of figures.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FigureTable {
    /// Its columns.
    pub columns: Vec<Column>,
    /// Its rows, or the first of them.
    pub rows: Vec<Vec<FigureCell>>,
    /// Number of further rows, which are not kept.
    pub further_rows: usize,
    contents: Vec<ColumnContent>,
}

/// A summary of the cells of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct ColumnContent {
    /// True if any cell has a figure.
    has_figure: bool,
    /// True if all cells are text.
    is_words: bool,
    /// True if n is too low for an interval with two ends in any cell.
    has_low_n: bool,
}

/// A row under construction, with its columns.
#[derive(Debug, Default)]
pub(super) struct FigureRow(Vec<(Column, FigureCell)>);

impl FigureRow {
    /// Adds a cell for CSV and JSON only.
    pub(super) fn put(&mut self, name: impl Into<Cow<'static, str>>, cell: FigureCell) {
        let column = Column {
            name: name.into(),
            shown: None,
        };
        self.0.push((column, cell));
    }

    /// Adds a figure without an interval, for CSV and JSON only.
    pub(super) fn put_figure(&mut self, name: impl Into<Cow<'static, str>>, figure: Figure) {
        self.put(name, FigureCell::certain(figure));
    }

    /// Shows the column of this name to people, without intervals.
    pub(super) fn show(&mut self, name: &str, heading: &'static str, drop_priority: u8) {
        self.show_as(
            name,
            ColumnDisplay {
                heading,
                drop_priority,
                interval: None,
            },
        );
    }

    /// Shows the column of this name to people, with intervals if there is room for them.
    pub(super) fn show_within(
        &mut self,
        name: &str,
        heading: &'static str,
        drop_priority: u8,
        interval: u8,
    ) {
        self.show_as(
            name,
            ColumnDisplay {
                heading,
                drop_priority,
                interval: Some(interval),
            },
        );
    }

    fn show_as(&mut self, name: &str, shown: ColumnDisplay) {
        let column = self.0.iter_mut().find(|(column, _)| column.name == name);
        let (column, _) = column.expect("a column is shown after it was put");
        column.shown = Some(shown);
    }

    /// Its columns and cells; those of intervals, `<name>_lower` and `<name>_upper`, come last.
    pub(super) fn finish(mut self) -> (Vec<Column>, Vec<FigureCell>) {
        let ends: Vec<_> = self
            .0
            .iter()
            .filter_map(|(column, cell)| {
                let (lower, upper) = &**cell.interval.as_ref()?;
                Some((column.name.clone(), lower.clone(), upper.clone()))
            })
            .collect();
        for (name, lower, upper) in ends {
            self.put_figure(format!("{name}_lower"), lower);
            self.put_figure(format!("{name}_upper"), upper);
        }
        self.0.into_iter().unzip()
    }
}

impl FigureTable {
    /// Builds a table from rows with the same columns.
    pub(super) fn from_rows(rows: impl IntoIterator<Item = FigureRow>) -> Self {
        Self::from_first_rows(rows, usize::MAX)
    }

    /// The same, of which the first `max` rows are kept.
    pub(super) fn from_first_rows(rows: impl IntoIterator<Item = FigureRow>, max: usize) -> Self {
        let mut table = Self::default();
        for row in rows {
            let (columns, cells) = row.finish();
            debug_assert!(table.columns.is_empty() || table.columns == columns);
            if table.columns.is_empty() {
                table.columns = columns;
                table.contents = vec![ColumnContent::NOTHING; cells.len()];
            }
            for (content, cell) in table.contents.iter_mut().zip(&cells) {
                content.add(cell);
            }
            if table.rows.len() < max {
                table.rows.push(cells);
            } else {
                table.further_rows += 1;
            }
        }
        table
    }

    /// Number of all rows.
    pub fn row_count(&self) -> usize {
        self.rows.len() + self.further_rows
    }

    /// Returns true if n is too low for an interval with two ends in any cell that people see.
    pub fn has_low_n(&self) -> bool {
        let mut shown = self.shown().into_iter();
        shown.any(|(index, _)| self.contents[index].has_low_n)
    }

    /// The indices of the columns that people see: displayed ones with at least one figure.
    pub fn shown(&self) -> Vec<(usize, ColumnDisplay)> {
        let any_figure = |&(index, _): &(usize, ColumnDisplay)| self.contents[index].has_figure;
        let columns = self.columns.iter().enumerate();
        columns
            .filter_map(|(index, column)| column.shown.map(|shown| (index, shown)))
            .filter(any_figure)
            .collect()
    }

    /// Returns true if the cells of a column are text, which is left-aligned.
    pub fn is_words(&self, index: usize) -> bool {
        let content = self.contents.get(index);
        content.is_none_or(|content| content.is_words)
    }

    /// The cell of a row in the column of this name.
    pub fn cell(&self, row: usize, name: &str) -> Option<&FigureCell> {
        let index = self.columns.iter().position(|column| column.name == name)?;
        self.rows.get(row)?.get(index)
    }
}

impl ColumnContent {
    /// The content of no cell.
    const NOTHING: Self = Self {
        has_figure: false,
        is_words: true,
        has_low_n: false,
    };

    fn add(&mut self, cell: &FigureCell) {
        self.has_figure |= cell.figure != Figure::Absent;
        self.is_words &= matches!(
            cell.figure,
            Figure::Text(_) | Figure::Label(..) | Figure::Verdict(..) | Figure::Absent
        );
        self.has_low_n |= cell.low_n;
    }
}
