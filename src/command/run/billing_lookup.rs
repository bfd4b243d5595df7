//! Bills that an answer did not bring, looked up by its generation id after the run.
//!
//! Owns the endpoint, the number and the times of look-ups. Must not know how a bill is stored. Invariant: no
//! look-up runs while anything is timed, and look-ups end, whatever the endpoint answers.

use std::io::{self, Write};
use std::time::Duration;

use futures::future::join_all;
use tokio::time::sleep;

use crate::gateway::account::GenerationBill;
use crate::gateway::listing::{EndpointQuery, fetch};
use crate::record::{Amendment, Sample};
use crate::units::{ModelId, Usd};

use crate::command::base::endpoint::OpenEndpoint;
use crate::command::base::runtime::{interrupted, runtime};
use crate::command::base::stdio::stderr;

/// Hosts that have the route, and their subdomains.
const HOSTS: [&str; 2] = ["vercel.sh", "openrouter.ai"];
/// Waits before each look-up: a bill is available about nine seconds after its answer.
const WAITS: [Duration; 5] = [
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(4),
    Duration::from_secs(6),
    Duration::from_secs(10),
];
/// The simulator is queried once: its costs are invented, so there is nothing to wait for.
const WAITS_OF_THE_SIMULATOR: [Duration; 1] = [Duration::ZERO];
/// Maximum time of one look-up.
const PATIENCE: Duration = Duration::from_secs(3);
/// Maximum number of bills looked up after one run; the others stay unknown.
const MAX_LOOKUPS: usize = 200;
/// Look-ups side by side.
const AT_ONCE: usize = 8;

/// Answers without a bill.
#[derive(Debug, Default)]
pub(super) struct MissingBills {
    requests: Vec<BillRequest>,
    /// Beyond [`MAX_LOOKUPS`].
    more: usize,
}

/// One answer without a bill.
#[derive(Debug, Clone)]
struct BillRequest {
    trial: u64,
    request_id: String,
    model: ModelId,
    variant: String,
    /// The largest reported cost without a bill.
    known_cost: Option<Usd>,
    generation_id: String,
}

/// A bill that was found.
#[derive(Debug, Clone)]
pub(super) struct FoundBill {
    pub(super) model: ModelId,
    pub(super) variant: String,
    /// The cost known before.
    pub(super) known_cost: Option<Usd>,
    pub(super) amendment: Amendment,
}

impl MissingBills {
    /// Notes a sample that has a generation id and no bill.
    pub(super) fn note(&mut self, sample: &Sample) {
        let (None, Some(id)) = (sample.billed_usd, &sample.generation_id) else {
            return;
        };
        if self.requests.len() >= MAX_LOOKUPS {
            self.more += 1;
            return;
        }
        self.requests.push(BillRequest {
            trial: sample.trial,
            request_id: sample.request_id.clone(),
            model: sample.model.clone(),
            variant: sample.variant.clone(),
            known_cost: sample.spent(),
            generation_id: id.clone(),
        });
    }

    /// Looks up the bills at the endpoint, if it has the route, until all are found, the last look-up is over,
    /// or the process is requested to end.
    pub(super) fn look_up(self, opened: &OpenEndpoint, quiet: bool) -> io::Result<Vec<FoundBill>> {
        let Some(waits) = waits(opened) else {
            return Ok(Vec::new());
        };
        if self.requests.is_empty() {
            return Ok(Vec::new());
        }
        if !quiet && waits.len() > 1 {
            let count = self.requests.len();
            let more = match self.more {
                0 => String::new(),
                more => format!(" ({more} more remain unknown)"),
            };
            writeln!(
                stderr(),
                "looking up the cost of {count} answers that did not report it{more}"
            )?;
        }
        let mut bills = Vec::new();
        let ask = async |id: &str| {
            let answer = fetch(&opened.endpoint, EndpointQuery::Generation(id), PATIENCE).await;
            answer
                .ok()
                .and_then(|answer| GenerationBill::from_json(&answer))
        };
        let asking = ask_until_there(waits, self.requests, ask, &mut bills);
        runtime()?.block_on(async {
            tokio::select! {
                () = asking => {}
                () = interrupted() => {}
            }
        });
        Ok(bills)
    }
}

/// Looks up all after the first wait, the missing ones after the next one, and so on.
async fn ask_until_there(
    waits: &[Duration],
    mut requests: Vec<BillRequest>,
    ask: impl AsyncFn(&str) -> Option<GenerationBill>,
    bills: &mut Vec<FoundBill>,
) {
    for wait in waits {
        sleep(*wait).await;
        requests = ask_once(requests, &ask, bills).await;
        if requests.is_empty() {
            return;
        }
    }
}

/// Looks up each once; returns the missing ones.
async fn ask_once(
    requests: Vec<BillRequest>,
    ask: &impl AsyncFn(&str) -> Option<GenerationBill>,
    bills: &mut Vec<FoundBill>,
) -> Vec<BillRequest> {
    let mut left = Vec::new();
    for some in requests.chunks(AT_ONCE) {
        let asking = some.iter().map(|requests| ask(&requests.generation_id));
        for (requests, bill) in some.iter().zip(join_all(asking).await) {
            match bill {
                Some(bill) => bills.push(FoundBill {
                    model: requests.model.clone(),
                    variant: requests.variant.clone(),
                    known_cost: requests.known_cost,
                    amendment: Amendment {
                        version: Amendment::VERSION,
                        trial: requests.trial,
                        request_id: Some(requests.request_id.clone()),
                        billed_usd: Some(bill.billed),
                        market_usd: bill.market,
                        ..Amendment::default()
                    },
                }),
                None => left.push(requests.clone()),
            }
        }
    }
    left
}

/// The waits before look-ups; `None` if the endpoint has no such route.
fn waits(opened: &OpenEndpoint) -> Option<&'static [Duration]> {
    let Some(base_url) = &opened.record.base_url else {
        return Some(&WAITS_OF_THE_SIMULATOR);
    };
    has_route(base_url).then_some(&WAITS)
}

fn has_route(base_url: &str) -> bool {
    let host = base_url
        .split_once("://")
        .map_or(base_url, |(_, rest)| rest);
    let host = host.split(['/', ':']).next().unwrap_or_default();
    HOSTS.iter().any(|known| {
        let before = host.strip_suffix(known);
        before.is_some_and(|before| before.is_empty() || before.ends_with('.'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn requests(trial: u64) -> BillRequest {
        BillRequest {
            trial,
            request_id: format!("r-{trial}-1"),
            model: "a/x".parse().unwrap(),
            variant: "a/x".to_owned(),
            known_cost: None,
            generation_id: format!("gen_{trial}"),
        }
    }

    /// The times of the look-ups of each id, in seconds, if the bill of `gen_N` is available after N seconds.
    async fn request_times(ids: &[u64]) -> (Vec<u64>, Vec<(u64, u64)>) {
        let began = tokio::time::Instant::now();
        let times = std::cell::RefCell::new(Vec::new());
        let ask = async |id: &str| {
            let after: u64 = id.strip_prefix("gen_")?.parse().ok()?;
            let now = began.elapsed().as_secs();
            times.borrow_mut().push((after, now));
            (now >= after).then_some(GenerationBill {
                billed: Usd(1),
                market: None,
            })
        };
        let mut bills = Vec::new();
        let all = ids.iter().map(|id| requests(*id)).collect();
        ask_until_there(&WAITS, all, ask, &mut bills).await;
        let bills = bills.iter().map(|bills| bills.amendment.trial).collect();
        (bills, times.into_inner())
    }

    #[tokio::test(start_paused = true)]
    async fn a_late_bill_is_requested_repeatedly_but_not_for_ever() {
        // Nine seconds is what a bill was seen to take; one that never comes must not hold the run.
        let (bills, request_times) = request_times(&[0, 9, 1_000]).await;
        assert_eq!(bills, [0, 9]);
        let times = |id: u64| -> Vec<u64> {
            let of_id = request_times
                .iter()
                .filter(|(request_times, _)| *request_times == id);
            of_id.map(|(_, at)| *at).collect()
        };
        assert_eq!(times(0), [1]);
        assert_eq!(times(9), [1, 3, 7, 13]);
        assert_eq!(times(1_000), [1, 3, 7, 13, 23]);
    }

    #[test]
    fn requests_go_only_to_hosts_with_the_route() {
        // A key goes to the endpoint it is for; other servers would answer with an error, slowly.
        for (url, has) in [
            ("https://ai-gateway.vercel.sh/v1", true),
            ("https://openrouter.ai/api/v1", true),
            ("https://openrouter.ai:443/api/v1", true),
            ("https://notopenrouter.ai/api/v1", false),
            ("https://api.openai.com/v1", false),
            ("http://127.0.0.1:8000/vercel.sh", false),
        ] {
            assert_eq!(has_route(url), has, "{url}");
        }
    }
}
