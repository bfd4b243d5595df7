//! A table of figures: the one source of rows for every format.
//!
//! Owns which columns people see and which may be dropped first. Must not know how a table is
//! rendered. Invariant: every row has one cell per column.

use std::borrow::Cow;

use super::figure::{Figure, FigureCell};

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
    /// Its rows.
    pub rows: Vec<Vec<FigureCell>>,
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

    /// Appends the columns of every interval: `<name>_lower` and `<name>_upper`.
    fn put_intervals(&mut self) {
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
    }
}

impl FigureTable {
    /// Builds a table from rows with the same columns; those of intervals come last.
    pub(super) fn from_rows(rows: impl IntoIterator<Item = FigureRow>) -> Self {
        let mut table = Self::default();
        for mut row in rows {
            row.put_intervals();
            let (columns, cells): (Vec<_>, Vec<_>) = row.0.into_iter().unzip();
            debug_assert!(table.rows.is_empty() || table.columns == columns);
            table.columns = columns;
            table.rows.push(cells);
        }
        table
    }

    /// The indices of the columns that people see: displayed ones with at least one figure.
    pub fn shown(&self) -> Vec<(usize, ColumnDisplay)> {
        let any_figure = |&(index, _): &(usize, ColumnDisplay)| {
            let mut cells = self.rows.iter().map(|row| &row[index]);
            cells.any(|cell| cell.figure != Figure::Absent)
        };
        let columns = self.columns.iter().enumerate();
        columns
            .filter_map(|(index, column)| column.shown.map(|shown| (index, shown)))
            .filter(any_figure)
            .collect()
    }

    /// Returns true if the cells of a column are text, which is left-aligned.
    pub fn is_words(&self, index: usize) -> bool {
        let words = |cell: &FigureCell| {
            matches!(
                cell.figure,
                Figure::Text(_) | Figure::Label(..) | Figure::Verdict(..) | Figure::Absent
            )
        };
        self.rows.iter().all(|row| words(&row[index]))
    }

    /// The cell of a row in the column of this name.
    pub fn cell(&self, row: usize, name: &str) -> Option<&FigureCell> {
        let index = self.columns.iter().position(|column| column.name == name)?;
        self.rows.get(row)?.get(index)
    }
}
