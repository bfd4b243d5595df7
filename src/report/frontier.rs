//! The frontier of quality, speed and cost, in words.
//!
//! Owns the sentence. Must not compute. Invariant: each variant with known figures is named once.

use crate::suite::Metric;
use crate::verdict::{Frontier, FrontierStanding, RunSummary};

use super::problems::RunProblem;

/// The frontier as a remark; nothing where answers were not graded, or for one variant.
pub(super) fn frontier_remark(
    summary: &RunSummary,
    frontier: &Frontier,
    speed: Metric,
) -> Option<RunProblem> {
    if !frontier.has_quality || summary.variants.len() < 2 {
        return None;
    }
    let label = |index: usize| summary.variants[index].label.clone();
    let (mut best, mut dominated, mut unknown) = (Vec::new(), Vec::new(), Vec::new());
    for (index, standing) in frontier.standings.iter().enumerate() {
        match standing {
            FrontierStanding::OnFrontier => best.push(label(index)),
            FrontierStanding::Dominated(by) => {
                dominated.push(format!("{} is dominated by {}", label(index), label(*by)));
            }
            FrontierStanding::Unknown => unknown.push(label(index)),
        }
    }
    if best.is_empty() {
        return None;
    }
    let speed = match speed {
        Metric::Ttft => "TTFT",
        Metric::Ttfa => "TTFA",
        _ => "latency",
    };
    let mut parts = vec![format!(
        "by pass rate, {speed} p50 and cost of a request: {}",
        best.join(", ")
    )];
    parts.extend(dominated);
    if !unknown.is_empty() {
        parts.push(format!("a figure is not known of {}", unknown.join(", ")));
    }
    Some(RunProblem {
        subject: "frontier".to_owned(),
        text: parts.join("; "),
        remedy: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verdict::RunFold;
    use crate::verdict::fixture::manifest;

    #[test]
    fn each_variant_is_named() {
        let run = manifest(&["a/x", "a/y", "a/z"], &["p"], 1);
        let summary = RunFold::new(&run).finish([]).summary;
        let standings = vec![
            FrontierStanding::OnFrontier,
            FrontierStanding::Dominated(0),
            FrontierStanding::Unknown,
        ];
        let text = |has_quality| {
            let frontier = Frontier {
                has_quality,
                standings: standings.clone(),
            };
            frontier_remark(&summary, &frontier, Metric::Ttft).map(|remark| remark.text)
        };
        insta::assert_snapshot!(text(true).unwrap(), @"by pass rate, TTFT p50 and cost of a request: a/x; a/y is dominated by a/x; a figure is not known of a/z");
        assert_eq!(text(false), None);
    }
}
