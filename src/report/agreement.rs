//! The agreement of graders with labels, as a table.
//!
//! Owns its words. Must not compute. Invariant: a kappa without an interval says so.

use super::aligned::{TableShape, align_columns};
use super::figure::Figure;
use crate::stats::kappa::Agreement;

/// The table of each grader's agreement with the labels.
pub fn agreement_table(graders: &[(String, Agreement)]) -> String {
    let heading = ["grader", "answers", "agreed", "kappa (95 % CI)"].map(str::to_owned);
    let rows = graders.iter().map(|(name, found)| {
        vec![
            name.clone(),
            found.answers.to_string(),
            Figure::from_option(Some(found.agreed), Figure::Share).shown(),
            kappa(found),
        ]
    });
    let rows: Vec<Vec<String>> = std::iter::once(heading.to_vec()).chain(rows).collect();
    align_columns(&rows, TableShape::FiguresThenText, None)
}

fn kappa(found: &Agreement) -> String {
    let Some(kappa) = found.kappa else {
        return "– (all grades are one and the same)".to_owned();
    };
    match (found.interval.lower, found.interval.upper) {
        (Some(low), Some(high)) => format!("{kappa:.2} ({low:.2} to {high:.2})"),
        _ => format!("{kappa:.2}, without an interval"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::interval::Interval;

    #[test]
    fn agreement_is_a_table() {
        let found = |kappa, interval| Agreement {
            answers: 40,
            agreed: 0.925,
            kappa,
            interval,
        };
        let table = agreement_table(&[
            (
                "judge".to_owned(),
                found(Some(0.8123), Interval::new(0.62, 1.0)),
            ),
            ("contains".to_owned(), found(Some(0.5), Interval::NONE)),
            ("exec".to_owned(), found(None, Interval::NONE)),
        ]);
        insta::assert_snapshot!(table, @"
        grader    answers  agreed  kappa (95 % CI)
        judge          40  92.5 %  0.81 (0.62 to 1.00)
        contains       40  92.5 %  0.50, without an interval
        exec           40  92.5 %  – (all grades are one and the same)
        ");
    }
}
