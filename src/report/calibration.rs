//! The calibration of this machine, as text.
//!
//! Owns its table and sentence. Must not decide what is carried. Invariant: each load that was tried has a row.

use crate::record::{Calibration, CalibrationLevel};
use crate::units::{Nanos, plural};

use super::aligned::{TableShape, align_columns};

/// Returns the table of a calibration and the sentence of what the machine carries.
pub fn calibration_text(calibration: &Calibration) -> String {
    let bound = calibration.bound_ns;
    let headings = [
        "streams",
        "answers",
        "failed",
        "TTFT error p50",
        "p99",
        "CPU",
    ];
    let mut headings: Vec<String> = headings.map(str::to_owned).to_vec();
    headings.push(format!("within {bound}"));
    let rows = calibration.levels.iter().map(|level| {
        let is_carried = calibration.is_carried(level);
        vec![
            level.streams.to_string(),
            level.answers.to_string(),
            level.failed.to_string(),
            error_words(level.error_p50_ns),
            error_words(level.error_p99_ns),
            level
                .cpu_share
                .map_or("-".to_owned(), |share| format!("{:.0} %", share * 100.0)),
            if is_carried { "yes" } else { "no" }.to_owned(),
        ]
    });
    let rows: Vec<Vec<String>> = std::iter::once(headings).chain(rows).collect();
    let table = align_columns(&rows, TableShape::OnlyFiguresThenText, None);
    format!("{table}\n{}\n", sentence(calibration))
}

fn sentence(calibration: &Calibration) -> String {
    let (carried, bound) = (calibration.carried(), calibration.bound_ns);
    let clock = calibration.clock.word();
    let is_too_much = |level: &&CalibrationLevel| level.streams > carried;
    let Some(level) = calibration.levels.iter().find(is_too_much) else {
        return format!(
            "This machine carries {}: the error of TTFT is at most {bound} (p99, clock `{clock}`).",
            plural(carried, "stream")
        );
    };
    let streams = plural(level.streams, "stream");
    let reason = match (level.failed, level.error_p99_ns) {
        (0, Some(error)) => {
            format!("the error of TTFT is {error} (p99, clock `{clock}`), above {bound}")
        }
        (failed, _) => format!("{failed} of {} answers failed", level.answers + failed),
    };
    let rest = match carried {
        0 => "Use a faster or a quieter machine.".to_owned(),
        carried => format!("It carries {carried}."),
    };
    format!("This machine cannot carry {streams} or more: {reason}. {rest}")
}

fn error_words(error: Option<Nanos>) -> String {
    error.map_or("-".to_owned(), |error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::suite::ClockSource;

    #[test]
    fn a_calibration_says_what_a_machine_cannot_carry() {
        let level = |streams, failed, error: u64| CalibrationLevel {
            streams,
            answers: 90,
            failed,
            error_p50_ns: Some(Nanos(error / 10)),
            error_p99_ns: Some(Nanos(error)),
            cpu_share: Some(0.251),
        };
        let calibration = |levels| Calibration {
            version: Calibration::VERSION,
            tool: "bakeoff 0.2.0".to_owned(),
            measured_at: jiff::Timestamp::UNIX_EPOCH,
            clock: ClockSource::User,
            bound_ns: Nanos::from_millis(10),
            levels,
        };
        let good = level(64, 0, 2_345_678);
        let text = calibration_text(&calibration(vec![
            good.clone(),
            level(1_000, 0, 52_000_000),
        ]));
        insta::assert_snapshot!(text, @"
        streams  answers  failed  TTFT error p50      p99   CPU  within 10.0 ms
             64       90       0          235 us  2.35 ms  25 %  yes
           1000       90       0         5.20 ms  52.0 ms  25 %  no

        This machine cannot carry 1000 streams or more: the error of TTFT is 52.0 ms (p99, clock `user`), above 10.0 ms. It carries 64.
        ");
        let text = sentence(&calibration(vec![good]));
        insta::assert_snapshot!(text, @"This machine carries 64 streams: the error of TTFT is at most 10.0 ms (p99, clock `user`).");
        let text = sentence(&calibration(vec![level(1, 9, 0)]));
        insta::assert_snapshot!(text, @"This machine cannot carry 1 stream or more: 9 of 99 answers failed. Use a faster or a quieter machine.");
    }
}
