//! Bills that an answer did not bring, looked up by its generation id after the run.
//!
//! Owns whom to ask, how often and for how long. Must not know how a bill is kept. Invariant: nothing is
//! asked while anything is timed, and asking ends, whatever the endpoint says.

use std::io::{self, Write};
use std::time::Duration;

use futures::future::join_all;
use tokio::time::sleep;

use crate::gateway::account::Looked;
use crate::gateway::listing::{Listing, fetch};
use crate::record::{Amendment, Sample};
use crate::units::{ModelId, Usd};

use crate::command::base::endpoint::Opened;
use crate::command::base::runtime::{interrupted, runtime};
use crate::command::base::stdio::stderr;

/// Hosts that have the route, and their subdomains.
const HOSTS: [&str; 2] = ["vercel.sh", "openrouter.ai"];
/// How long to wait before each time of asking: a bill is there about nine seconds after its answer.
const WAITS: [Duration; 5] = [
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(4),
    Duration::from_secs(6),
    Duration::from_secs(10),
];
/// The simulator is asked once: nobody waits for invented money.
const WAITS_OF_THE_SIMULATOR: [Duration; 1] = [Duration::ZERO];
/// The longest that one look-up may take.
const PATIENCE: Duration = Duration::from_secs(3);
/// Bills that are looked up after one run; what is above stays unknown.
const MOST: usize = 200;
/// Look-ups side by side.
const AT_ONCE: usize = 8;

/// Answers without a bill.
#[derive(Debug, Default)]
pub(super) struct MissingBills {
    wanted: Vec<BillRequest>,
    /// Beyond [`MOST`].
    more: usize,
}

/// One answer without a bill.
#[derive(Debug, Clone)]
struct BillRequest {
    trial: u64,
    model: ModelId,
    /// The largest that is told of its cost without a bill.
    told: Option<Usd>,
    generation_id: String,
}

/// A bill that was found.
#[derive(Debug, Clone)]
pub(super) struct BillFound {
    pub(super) model: ModelId,
    /// What was told of the cost before.
    pub(super) told: Option<Usd>,
    pub(super) amendment: Amendment,
}

impl MissingBills {
    /// Notes a sample that has a generation id and no bill.
    pub(super) fn note(&mut self, sample: &Sample) {
        let (None, Some(id)) = (sample.billed_usd, &sample.generation_id) else {
            return;
        };
        if self.wanted.len() >= MOST {
            self.more += 1;
            return;
        }
        self.wanted.push(BillRequest {
            trial: sample.trial,
            model: sample.model.clone(),
            told: sample.spent(),
            generation_id: id.clone(),
        });
    }

    /// Asks the endpoint for them, where it has the route, until all are there, the last time of asking
    /// is over, or someone wants the process to end.
    pub(super) fn look_up(self, opened: &Opened, quiet: bool) -> io::Result<Vec<BillFound>> {
        let Some(waits) = waits(opened) else {
            return Ok(Vec::new());
        };
        if self.wanted.is_empty() {
            return Ok(Vec::new());
        }
        if !quiet && waits.len() > 1 {
            let count = self.wanted.len();
            let more = match self.more {
                0 => String::new(),
                more => format!(" ({more} more stay unknown)"),
            };
            writeln!(
                stderr(),
                "looking up {count} bills that answers did not bring{more}"
            )?;
        }
        let mut found = Vec::new();
        let ask = async |id: &str| {
            let answer = fetch(&opened.endpoint, Listing::Generation(id), PATIENCE).await;
            answer.ok().and_then(|answer| Looked::read(&answer))
        };
        let asking = ask_until_there(waits, self.wanted, ask, &mut found);
        runtime()?.block_on(async {
            tokio::select! {
                () = asking => {}
                () = interrupted() => {}
            }
        });
        Ok(found)
    }
}

/// Asks for all after the first wait, for those that were not there after the next one, and so on.
async fn ask_until_there(
    waits: &[Duration],
    mut wanted: Vec<BillRequest>,
    ask: impl AsyncFn(&str) -> Option<Looked>,
    found: &mut Vec<BillFound>,
) {
    for wait in waits {
        sleep(*wait).await;
        wanted = ask_once(wanted, &ask, found).await;
        if wanted.is_empty() {
            return;
        }
    }
}

/// Asks for each once; what was not there is returned.
async fn ask_once(
    wanted: Vec<BillRequest>,
    ask: &impl AsyncFn(&str) -> Option<Looked>,
    found: &mut Vec<BillFound>,
) -> Vec<BillRequest> {
    let mut left = Vec::new();
    for some in wanted.chunks(AT_ONCE) {
        let asking = some.iter().map(|wanted| ask(&wanted.generation_id));
        for (wanted, bill) in some.iter().zip(join_all(asking).await) {
            match bill {
                Some(bill) => found.push(BillFound {
                    model: wanted.model.clone(),
                    told: wanted.told,
                    amendment: Amendment {
                        version: Amendment::VERSION,
                        trial: wanted.trial,
                        billed_usd: Some(bill.billed),
                        market_usd: bill.market,
                        ..Amendment::default()
                    },
                }),
                None => left.push(wanted.clone()),
            }
        }
    }
    left
}

/// When to ask the endpoint; `None` where it has no such route.
fn waits(opened: &Opened) -> Option<&'static [Duration]> {
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

    fn wanted(trial: u64) -> BillRequest {
        BillRequest {
            trial,
            model: "a/x".parse().unwrap(),
            told: None,
            generation_id: format!("gen_{trial}"),
        }
    }

    /// When each id was asked for, in seconds, where the bill of `gen_N` is there after N seconds.
    async fn asked(ids: &[u64]) -> (Vec<u64>, Vec<(u64, u64)>) {
        let began = tokio::time::Instant::now();
        let times = std::cell::RefCell::new(Vec::new());
        let ask = async |id: &str| {
            let after: u64 = id.strip_prefix("gen_")?.parse().ok()?;
            let now = began.elapsed().as_secs();
            times.borrow_mut().push((after, now));
            (now >= after).then_some(Looked {
                billed: Usd(1),
                market: None,
            })
        };
        let mut found = Vec::new();
        let all = ids.iter().map(|id| wanted(*id)).collect();
        ask_until_there(&WAITS, all, ask, &mut found).await;
        let found = found.iter().map(|found| found.amendment.trial).collect();
        (found, times.into_inner())
    }

    #[tokio::test(start_paused = true)]
    async fn a_late_bill_is_asked_for_again_and_again_but_not_for_ever() {
        // Nine seconds is what a bill was seen to take; one that never comes must not hold the run.
        let (found, asked) = asked(&[0, 9, 1_000]).await;
        assert_eq!(found, [0, 9]);
        let times = |id: u64| -> Vec<u64> {
            let of_id = asked.iter().filter(|(asked, _)| *asked == id);
            of_id.map(|(_, at)| *at).collect()
        };
        assert_eq!(times(0), [1]);
        assert_eq!(times(9), [1, 3, 7, 13]);
        assert_eq!(times(1_000), [1, 3, 7, 13, 23]);
    }

    #[test]
    fn only_hosts_with_the_route_are_asked() {
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
