//! No run costs more than its cap, by the provider's own account. `cargo bench --bench cap` does the same with
//! a thousand runs.

#![allow(
    clippy::unwrap_used,
    reason = "a failed step of a test is a failed test"
)]

use futures::future::join_all;

use crate::support::capped_runs;

#[test]
fn no_run_costs_more_than_its_cap() {
    // Failures, time-outs, answers without usage, retries and up to 64 streams: everything billed without a
    // report must have been reserved.
    let runtime = tokio::runtime::Runtime::new().unwrap();
    // Side by side: most of their time is waits.
    let runs = runtime.block_on(join_all((0..24).map(capped_runs::run)));
    for (seed, run) in runs.iter().enumerate() {
        if let Err(why) = capped_runs::judge(run) {
            panic!("seed {seed}: {why}");
        }
    }
}
