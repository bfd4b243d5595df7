//! A table of figures: the one source of every format's rows.
//!
//! Owns which columns are for people and which may be dropped first. Must not know how a table is
//! written. Invariant: every row has one cell per column.

use std::borrow::Cow;

use super::figure::{Cell, Figure};

/// One column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Its name in CSV and JSON, with the unit.
    pub name: Cow<'static, str>,
    /// How people see it; `None`: only in CSV and JSON.
    pub shown: Option<Shown>,
}

/// How people see a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shown {
    /// Its heading.
    pub heading: &'static str,
    /// 0 for columns that always stay; the highest goes first where there is no room.
    pub dispensable: u8,
    /// The same for the intervals of its figures; `None`: they stand in CSV and JSON alone.
    pub interval: Option<u8>,
}

/// A table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Table {
    /// Its columns.
    pub columns: Vec<Column>,
    /// Its rows.
    pub rows: Vec<Vec<Cell>>,
}

/// A row while it is being made, with its columns.
#[derive(Debug, Default)]
pub(super) struct Row(Vec<(Column, Cell)>);

impl Row {
    /// Adds a cell that only CSV and JSON have.
    pub(super) fn put(&mut self, name: impl Into<Cow<'static, str>>, cell: Cell) {
        let column = Column {
            name: name.into(),
            shown: None,
        };
        self.0.push((column, cell));
    }

    /// Adds a figure that needs no interval, only for CSV and JSON.
    pub(super) fn put_figure(&mut self, name: impl Into<Cow<'static, str>>, figure: Figure) {
        self.put(name, Cell::certain(figure));
    }

    /// Shows the column of this name to people, without intervals.
    pub(super) fn show(&mut self, name: &str, heading: &'static str, dispensable: u8) {
        self.show_as(
            name,
            Shown {
                heading,
                dispensable,
                interval: None,
            },
        );
    }

    /// Shows the column of this name to people, with intervals where there is room for them.
    pub(super) fn show_within(
        &mut self,
        name: &str,
        heading: &'static str,
        dispensable: u8,
        interval: u8,
    ) {
        self.show_as(
            name,
            Shown {
                heading,
                dispensable,
                interval: Some(interval),
            },
        );
    }

    fn show_as(&mut self, name: &str, shown: Shown) {
        let column = self.0.iter_mut().find(|(column, _)| column.name == name);
        let (column, _) = column.expect("a column is shown after it was put");
        column.shown = Some(shown);
    }

    /// Adds, behind all others, the columns of every interval: `<name>_lower` and `<name>_upper`.
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

impl Table {
    /// From rows with the same columns; those of intervals come last.
    pub(super) fn from_rows(rows: impl IntoIterator<Item = Row>) -> Self {
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

    /// The places of the columns that people see: shown ones with at least one figure.
    pub fn shown(&self) -> Vec<(usize, Shown)> {
        let any_figure = |&(place, _): &(usize, Shown)| {
            let mut cells = self.rows.iter().map(|row| &row[place]);
            cells.any(|cell| cell.figure != Figure::Absent)
        };
        let columns = self.columns.iter().enumerate();
        columns
            .filter_map(|(place, column)| column.shown.map(|shown| (place, shown)))
            .filter(any_figure)
            .collect()
    }

    /// Whether the cells of a column are words, which stand on the left.
    pub fn is_words(&self, place: usize) -> bool {
        let words = |cell: &Cell| {
            matches!(
                cell.figure,
                Figure::Text(_) | Figure::Label(..) | Figure::Verdict(_) | Figure::Absent
            )
        };
        self.rows.iter().all(|row| words(&row[place]))
    }

    /// The cell of a row under a column's name.
    pub fn cell(&self, row: usize, name: &str) -> Option<&Cell> {
        let place = self.columns.iter().position(|column| column.name == name)?;
        self.rows.get(row)?.get(place)
    }
}
