//! Runs under random caps on the real simulator, through the engine and its connections, judged by the
//! simulator's own book.

use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use bakeoff::catalog::{Catalog, Offers, PriceBound, WorstCase};
use bakeoff::engine::{
    self, CacheUses, Cap, FinishedTrials, Pacer, RunContext, RunEnd, StopRequest,
};
use bakeoff::gateway::account::Credits;
use bakeoff::gateway::listing::{EndpointQuery, fetch};
use bakeoff::gateway::{Authorities, Endpoint, Transport};
use bakeoff::plan::{RatePacer, plan};
use bakeoff::sim::dialect::Dialect;
use bakeoff::sim::{Scenario, Simulator, SimulatorHandle};
use bakeoff::suite::{ClockSource, OwnPrice, RateLimits, Suite, Wording, parse_suite};
use bakeoff::units::Usd;
use rand::rngs::ChaCha8Rng;
use rand::seq::{IndexedRandom, SliceRandom};
use rand::{RngExt, SeedableRng};
use tokio::sync::{mpsc, watch};

/// Answers within milliseconds, of up to a few dozen tokens.
const SCENARIO: &str = r#"
[default]
ttft = { median_ms = 3, sigma = 0.5 }
gap = { median_ms = 0.2, sigma = 0.2 }
tokens = { median = 20, sigma = 0.6 }
prefill_ms_per_ktok = 0
reasoning = { median = 15, sigma = 0.5, display = "hidden" }
providers = [{ name = "first", failure_share = 0.2 }, { name = "second", price_factor = 1.3 }]
[models."anthropic/claude-haiku-4.5"]
reasoning = { median = 0, sigma = 0, display = "visible" }
[models."deepseek/deepseek-v3.2"]
reasoning = { median = 30, sigma = 0.5, display = "visible" }
"#;
/// The most expensive first.
const MODELS: [&str; 4] = [
    "anthropic/claude-haiku-4.5",
    "openai/gpt-5-mini",
    "deepseek/deepseek-v3.2",
    "openai/gpt-4.1-nano",
];
/// Faults of answers; several are billed without a report, and all that go on are retried.
const FAULTS: [&str; 16] = [
    "",
    "",
    "",
    "",
    "+no-usage",
    "+cut",
    "+cut-transport",
    "+cut-done",
    "+reset",
    "+reset-headers",
    "+stall",
    "+stall-headers",
    "+error-midstream",
    "+503+once",
    "+408",
    "+429+once",
];
/// Ways to report usage; half of the answers report it rightly. All but one are of any server; half of the completion tokens can
/// be known from a bill alone, which only the gateway's own dialect brings.
const USAGES: [&str; 16] = [
    "",
    "",
    "",
    "",
    "",
    "",
    "",
    "+no-usage",
    "+openai-usage",
    "+usage-zero",
    "+usage-no-prompt",
    "+usage-no-completion",
    "+usage-cached-above",
    "+reasoning-beside",
    "+reasoning-in-total",
    "+usage-half",
];
/// Up to this cap any model may be the one that never fails, which is left when the others are dropped. Above it that is
/// the most expensive one: a cheap one would need thousands of answers to use up the cap of all.
const SLOTS_OF_ANY_MODEL: i128 = 3;
/// Time limit of one request for the simulator's balance.
const PATIENCE: Duration = Duration::from_secs(10);

/// The result of one run.
#[derive(Debug)]
pub(crate) struct Capped {
    pub(crate) cap: Usd,
    /// By the simulator's trace.
    pub(crate) charged: Usd,
    /// By our ledger: settled, or reserved because the bill is unknown.
    pub(crate) spent_at_most: Usd,
    /// Worst-case slots that the cap holds.
    pub(crate) slots: i128,
    pub(crate) ending: RunEnd,
    /// The suite, for the message of a failure.
    pub(crate) suite: String,
}

fn suite_text(dice: &mut ChaCha8Rng, slots: i128) -> String {
    let mut models = MODELS;
    models.shuffle(dice);
    let count = dice.random_range(1..=models.len());
    if slots > SLOTS_OF_ANY_MODEL {
        models[..count].sort_by_key(|model| MODELS.iter().position(|one| one == model));
    }
    let models: Vec<String> = (models[..count].iter())
        .enumerate()
        .map(|(index, model)| {
            // One of them costs something for certain, or a run would never come to its cap.
            let fault = FAULTS.choose(dice).unwrap();
            let fault = if index == 0 { "" } else { fault };
            let usage = USAGES.choose(dice).unwrap();
            let dialects = Dialect::ALL.map(Dialect::name);
            let dialect = match dialects.choose(dice).unwrap() {
                // Counts below the real ones, without a bill: no cap holds against it.
                _ if *usage == "+usage-half" => String::new(),
                dialect if dice.random() => format!("+{dialect}"),
                _ => String::new(),
            };
            format!("\"{model}{fault}{usage}{dialect}\"")
        })
        .collect();
    let prompts: Vec<String> = (0..dice.random_range(1..4))
        .map(|number| {
            let words = "word ".repeat(dice.random_range(1..60));
            format!("[[prompts]]\nid = \"p{number}\"\nuser = \"{words}?\"\n")
        })
        .collect();
    format!(
        "name = \"capped\"\nmodels = [{}]\nrepetitions = 10000\nwarmup = {}\nconcurrency = {}\n\
         max_attempts = {}\npatience = \"300ms\"\ncache = \"{}\"\nseed = {}\n\
         timeouts = {{ headers = \"150ms\", gap = \"150ms\", total = \"1s\" }}\n\
         [parameters]\nmax_tokens = {}\n{}",
        models.join(", "),
        dice.random_range(0..3),
        dice.random_range(1..=64 / count),
        dice.random_range(1..4),
        ["as-is", "bust", "warm"].choose(dice).unwrap(),
        dice.random_range(0..1_000),
        dice.random_range(8..60),
        prompts.concat(),
    )
}

/// A run from this seed; its cap holds from none to a few dozen worst-case slots.
pub(crate) async fn run(seed: u64) -> Capped {
    let mut dice = ChaCha8Rng::seed_from_u64(seed);
    // A third of the caps hold fifty slots and more.
    let slots = *[0, 1, 3, 10, 50, 60].choose(&mut dice).unwrap();
    let text = suite_text(&mut dice, slots);
    let suite = parse_suite(&text).unwrap_or_else(|problems| panic!("{problems:?}\n{text}"));
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let running =
        Simulator::start(Scenario::parse(SCENARIO).unwrap(), listener, None, seed).unwrap();
    let endpoint = Endpoint {
        base_url: running.base_url(),
        key: Some("sim".to_owned().into()),
        key_header: None,
        headers: Vec::new(),
        proxy: None,
        authorities: Authorities::default(),
    };
    let bounds = bounds(&suite, &endpoint).await;
    let cold = Suite {
        warmup: 0,
        ..suite.clone()
    };
    let slot = Cap::new(Usd(i128::MAX), "", worst(&cold, &bounds))
        .min_cost(&plan(&suite), &FinishedTrials::default())
        .unwrap();
    let cap = Usd(slot.0 * slots + dice.random_range(0..slot.0));
    let cap = Arc::new(Cap::new(cap, "the test", worst(&suite, &bounds)));
    let (ending, charged) = carry_out(suite, bounds, &cap, &endpoint, running).await;
    Capped {
        cap: cap.limit(),
        charged,
        spent_at_most: cap.max_spent(),
        slots,
        ending,
        suite: text,
    }
}

/// The bounds, as `bakeoff run` finds them: of the most expensive provider that the simulator lists.
async fn bounds(suite: &Suite, endpoint: &Endpoint) -> Vec<PriceBound> {
    let mut bounds = Vec::new();
    for variant in &suite.variants {
        let plain = variant.model.as_str().split('+').next().unwrap();
        let plain = plain.parse().unwrap();
        let answer = fetch(endpoint, EndpointQuery::Providers(&plain), PATIENCE).await;
        let offers = Offers::read(&answer.unwrap()).unwrap();
        let bound = PriceBound::new(&plain, &Catalog::snapshot(), Some(&offers), &[]);
        bounds.push(bound.unwrap());
    }
    bounds
}

fn worst(suite: &Suite, bounds: &[PriceBound]) -> WorstCase {
    engine::worst_case(suite, Wording::default(), |variant, request| {
        bounds[variant].max_attempt_cost(request)
    })
}

/// The listed prices of the variants' models, under the ids that name their faults, too.
fn list_prices(suite: &Suite) -> Vec<OwnPrice> {
    let catalog = Catalog::snapshot();
    let prices = suite.variants.iter().map(|variant| {
        let plain = variant.model.as_str().split('+').next().unwrap();
        let listed = catalog.get(&plain.parse().unwrap()).unwrap();
        let rates = listed.prices.as_ref().unwrap().rates(0);
        OwnPrice {
            model: variant.model.clone(),
            input_usd: rates.input.unwrap(),
            output_usd: rates.output.unwrap(),
            cache_read_usd: rates.cache_read,
            cache_write_usd: rates.cache_write,
            cache_write_1h_usd: rates.cache_write_1h,
            cache_write_12h_usd: rates.cache_write_12h,
            service_tier: None,
        }
    });
    prices.collect()
}

async fn carry_out(
    suite: Suite,
    bounds: Vec<PriceBound>,
    cap: &Arc<Cap>,
    endpoint: &Endpoint,
    running: SimulatorHandle,
) -> (RunEnd, Usd) {
    let lanes = suite.variants.len() * suite.concurrency as usize;
    let (transport, failed) = Transport::open(endpoint, suite.timeouts, lanes, ClockSource::User)
        .await
        .unwrap();
    assert_eq!(failed, None);
    let orders = RunContext {
        run: "run".to_owned(),
        request_prefix: "run".to_owned(),
        finished: FinishedTrials::default(),
        plan: plan(&suite),
        prompt_digests: vec![String::new(); suite.prompts.len()],
        catalog: Arc::new(Catalog::snapshot().with_own_prices(&list_prices(&suite))),
        bounds: bounds.into_iter().map(Some).collect(),
        wording: Wording::default(),
        pacer: Arc::new(Pacer::new(
            &suite,
            RatePacer::new(&suite, &RateLimits::default()),
        )),
        looks: Vec::new(),
        cap: Some(Arc::clone(cap)),
        is_probing: false,
        cache_uses: CacheUses::default(),
        requests: None,
        sample_thread: None,
        grader: None,
        suite,
    };
    let (events, mut receiver) = mpsc::channel(1_024);
    let (_stop, stopped) = watch::channel(StopRequest::None);
    let (_answer, go_on) = mpsc::channel(1);
    let engine = engine::run(
        Arc::new(transport),
        Arc::new(orders),
        events,
        stopped,
        go_on,
    );
    let listen = async { while receiver.recv().await.is_some() {} };
    let (ending, ()) = tokio::join!(engine, listen);
    let answer = fetch(endpoint, EndpointQuery::Credits, PATIENCE)
        .await
        .unwrap();
    let charged = Credits::from_json(&answer).unwrap().used;
    drop(running);
    (ending, charged)
}

/// Judges a run: what no run may ever do.
pub(crate) fn judge(run: &Capped) -> Result<(), String> {
    let fail = |what: &str| Err(format!("{what}: {run:?}\n{}", run.suite));
    if run.charged > run.cap {
        return fail("the simulator charged more than the cap");
    }
    if run.charged > run.spent_at_most || run.spent_at_most > run.cap {
        return fail("our book is below the simulator's, or above the cap");
    }
    if !matches!(run.ending, RunEnd::Capped(_)) {
        return fail("it ended for another reason");
    }
    if run.slots >= 50 && run.spent_at_most.0 * 100 < run.cap.0 * 95 {
        return fail("less than 95 % of a cap of fifty slots was used");
    }
    Ok(())
}
