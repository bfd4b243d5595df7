//! The requests for embeddings, one at a time, and the similarities that come of them.
//!
//! Owns the batches, their attempts and their place under the cap. Must not know which sample a similarity belongs to. Invariant:
//! nothing is sent whose bound the rest of the limit does not hold; a pair that was compared before is not sent.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use tokio::time::sleep;

use crate::catalog::{Catalog, TokenCounts, UnboundedCost, cost, max_input_cost};
use crate::gateway::embeddings::{EmbeddingsError, EmbeddingsReply, MAX_TEXTS, body, embed};
use crate::grade::{SimilarityRequest, cosine_similarity};
use crate::record::ledger::Spending;
use crate::record::{Judging, Outcome, RequestEvent, RequestLog};
use crate::units::{ModelId, Usd, digest};

use super::{DeferredInputs, verdict_cache};
use crate::command::base::failure::Failure;
use crate::command::base::runtime::{interrupted, random_number, runtime};

/// Wait before the second attempt of a request; it doubles with each further one.
const FIRST_WAIT: Duration = Duration::from_secs(1);

/// The similarities of some answers.
#[derive(Debug, Default)]
pub(super) struct EmbeddingsRun {
    /// From 0 to 1, by request; absent where texts have no embeddings.
    pub(super) similarities: BTreeMap<SimilarityRequest, f64>,
    pub(super) embeddings: Option<Judging>,
    pub(super) spending: Spending,
    /// Under a limit: the most that requests of unknown cost can cost.
    pub(super) reserved: Usd,
    /// The first reason for which there is no similarity.
    pub(super) problem: Option<String>,
    pub(super) interrupted: bool,
}

/// The rest of a limit; `None` without one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct RemainingBudget(Option<Usd>);

impl RemainingBudget {
    /// Takes an amount; false, and nothing is taken, if less is left.
    fn take(&mut self, amount: Usd) -> bool {
        match &mut self.0 {
            None => true,
            Some(left) if *left >= amount => {
                *left = Usd(left.0 - amount.0);
                true
            }
            Some(_) => false,
        }
    }

    fn give_back(&mut self, amount: Usd) {
        if let Some(left) = &mut self.0 {
            *left = Usd(left.0 + amount.0);
        }
    }
}

/// Everything that the requests of a run share.
struct Sender<'a> {
    inputs: &'a DeferredInputs<'a>,
    model: &'a ModelId,
    prices: Catalog,
    left: RemainingBudget,
    name: String,
    sent: u64,
    run: EmbeddingsRun,
    unknown: u64,
}

/// Requests the embeddings that these comparisons need.
pub(super) fn compare(
    inputs: &DeferredInputs<'_>,
    requests: &BTreeSet<SimilarityRequest>,
) -> Result<EmbeddingsRun, Failure> {
    let suite = inputs.suite;
    let Some(model) = suite
        .embedding_model
        .as_ref()
        .filter(|_| !requests.is_empty())
    else {
        return Ok(EmbeddingsRun::default());
    };
    let base_url = inputs.opened.record.base_url.as_deref();
    let name = |request: &SimilarityRequest, base_url: &str| key(request, base_url, model);
    let known = verdict_cache::read(base_url, requests, name).into_iter();
    let known: BTreeMap<_, f64> = known
        .map(|(request, (score, _))| (request, score))
        .collect();
    let new: Vec<&SimilarityRequest> = requests
        .iter()
        .filter(|one| !known.contains_key(*one))
        .collect();
    let profile = &inputs.job.resolved.profile;
    let own = profile.prices_of([model]);
    let left = inputs.limit.as_ref();
    let left = left.map(|(limit, spent)| Usd(limit.max.0 - spent.0).max(Usd::ZERO));
    let mut sender = Sender {
        inputs,
        model,
        prices: inputs.job.prices().clone().with_own_prices(&own),
        left: RemainingBudget(left),
        name: format!(
            "{}-embeddings-{:06x}",
            inputs.name,
            random_number()? & 0xff_ffff
        ),
        sent: 0,
        run: EmbeddingsRun::default(),
        unknown: 0,
    };
    let texts: BTreeSet<&String> = new
        .iter()
        .flat_map(|one| one.values.iter().chain([&one.answer]))
        .filter(|text| !text.trim().is_empty())
        .collect();
    let texts: Vec<String> = texts.into_iter().cloned().collect();
    let stopped = runtime()?.block_on(async {
        tokio::select! {
            vectors = sender.embed_all(&texts) => Ok(vectors),
            () = interrupted() => Err(()),
        }
    });
    let Sender {
        mut run, unknown, ..
    } = sender;
    run.interrupted = stopped.is_err();
    let vectors = stopped.unwrap_or_default();
    for request in &new {
        run.similarities
            .extend(similarity(request, &vectors).map(|found| ((*request).clone(), found)));
    }
    let found = run.similarities.iter();
    let found = found.map(|(request, score)| (request, *score, ""));
    verdict_cache::append(base_url, found, name);
    run.embeddings = Some(Judging {
        verdicts: (run.similarities.len() + known.len()) as u64,
        cached: known.len() as u64,
        unknown,
        spent_usd: run.spending.total(),
        ..Judging::new(model.clone())
    });
    run.similarities.extend(known);
    Ok(run)
}

/// The similarity of an answer to the most similar text. An answer without text is similar to nothing.
fn similarity(request: &SimilarityRequest, vectors: &HashMap<&str, Vec<f64>>) -> Option<f64> {
    if request.answer.trim().is_empty() {
        return Some(0.0);
    }
    let answer = vectors.get(&*request.answer)?;
    let values: Option<Vec<f64>> = request
        .values
        .iter()
        .map(|value| Some(cosine_similarity(answer, vectors.get(&**value)?)))
        .collect();
    values?.into_iter().reduce(f64::max)
}

impl Sender<'_> {
    /// The embeddings of the texts, up to the first request that fails for good.
    async fn embed_all<'t>(&mut self, texts: &'t [String]) -> HashMap<&'t str, Vec<f64>> {
        let mut vectors = HashMap::new();
        for batch in texts.chunks(MAX_TEXTS) {
            match self.embed_batch(batch).await {
                Ok(reply) => {
                    let batch = batch.iter().map(String::as_str);
                    vectors.extend(batch.zip(reply.vectors));
                }
                Err(problem) => {
                    self.run.problem = Some(problem);
                    break;
                }
            }
        }
        vectors
    }

    async fn embed_batch(&mut self, texts: &[String]) -> Result<EmbeddingsReply, String> {
        let body = body(self.model, texts);
        let mut wait = FIRST_WAIT;
        let max = self.inputs.suite.max_attempts;
        for attempt in 1.. {
            match self.attempt(&body, texts.len()).await? {
                Ok(reply) => return Ok(reply),
                Err(error) if attempt >= max || !may_succeed_later(error.outcome) => {
                    return Err(format!(
                        "no embeddings of `{}`: {}",
                        self.model, error.message
                    ));
                }
                Err(_) => {}
            }
            sleep(wait).await;
            wait *= 2;
        }
        unreachable!("the last attempt returns")
    }

    /// Sends one request.
    ///
    /// # Errors
    /// If the limit does not hold it, or it cannot be written down first.
    async fn attempt(
        &mut self,
        body: &[u8],
        texts: usize,
    ) -> Result<Result<EmbeddingsReply, EmbeddingsError>, String> {
        let bound = self.reserve(body.len() as u64)?;
        self.sent += 1;
        let id = format!("{}-{}", self.name, self.sent);
        let begun = RequestEvent::Sent {
            request_id: id.clone(),
            model: self.model.clone(),
            bound_usd: bound,
        };
        note(self.inputs.log.as_deref(), begun)?;
        let limit = Duration::from_nanos(self.inputs.suite.timeouts.total_ns.0);
        let endpoint = &self.inputs.opened.endpoint;
        let result = embed(endpoint, &id, (body.to_vec(), texts), limit).await;
        let (outcome, spent) = match &result {
            Ok(reply) => (Outcome::Complete, self.cost_of(reply)),
            Err(error) => (error.outcome, None),
        };
        let ended = RequestEvent::Ended {
            request_id: id,
            outcome,
            spent_usd: spent,
        };
        note(self.inputs.log.as_deref(), ended)?;
        self.settle(bound, outcome, spent);
        Ok(result)
    }

    /// Takes the bound of a request from what is left; returns it under a limit.
    fn reserve(&mut self, bytes: u64) -> Result<Option<Usd>, String> {
        let Some((limit, _)) = &self.inputs.limit else {
            return Ok(None);
        };
        let profile = &self.inputs.job.resolved.profile;
        let bound = max_input_cost(self.model, &self.prices, &profile.surcharges, bytes);
        let bound = bound.map_err(|unbounded: UnboundedCost| {
            format!(
                "under a cap nothing is sent whose cost is unbounded: {unbounded}; {}",
                unbounded.remedy(&profile.name)
            )
        })?;
        if self.left.take(bound) {
            return Ok(Some(bound));
        }
        Err(format!(
            "the cap of ${} ({}) does not hold the next request for embeddings, which can cost ${bound}",
            limit.max, limit.words
        ))
    }

    /// The cost of a reply: the larger of the bill and the list price.
    fn cost_of(&self, reply: &EmbeddingsReply) -> Option<Usd> {
        let prices = self.prices.get(self.model)?.prices.as_ref();
        let listed = prices
            .zip(reply.prompt_tokens)
            .and_then(|(prices, prompt)| {
                let counts = TokenCounts {
                    prompt,
                    ..TokenCounts::default()
                };
                cost(prices, &counts)
            });
        listed.max(reply.billed_usd)
    }

    /// Replaces the bound by the cost. A bound of an unknown cost stays taken.
    fn settle(&mut self, bound: Option<Usd>, outcome: Outcome, spent: Option<Usd>) {
        self.run
            .spending
            .add_untimed(self.model, None, outcome, spent);
        let is_free = spent.is_none() && outcome.is_rejected();
        self.unknown += u64::from(spent.is_none() && !is_free);
        let Some(bound) = bound else {
            return;
        };
        match spent {
            Some(spent) => self.left.give_back(Usd(bound.0 - spent.0)),
            None if is_free => self.left.give_back(bound),
            None => self.run.reserved = Usd(self.run.reserved.0 + bound.0),
        }
    }
}

/// Returns true if another attempt makes sense.
fn may_succeed_later(outcome: Outcome) -> bool {
    matches!(
        outcome,
        Outcome::ConnectFailed
            | Outcome::ConnectionLost
            | Outcome::RateLimited
            | Outcome::ServerError
            | Outcome::TimedOutTotal
    )
}

fn note(log: Option<&RequestLog>, event: RequestEvent) -> Result<(), String> {
    let Some(log) = log.filter(|log| !log.append(vec![event])) else {
        return Ok(());
    };
    let reason = log.failure();
    Err(reason.unwrap_or_else(|| "requests cannot be written down".to_owned()))
}

/// The name of a comparison in the cache.
fn key(request: &SimilarityRequest, base_url: &str, model: &ModelId) -> String {
    let request = (base_url, "similar", model, request);
    digest(&serde_json::to_vec(&request).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_most_similar_text_counts() {
        let request = |answer: &str| SimilarityRequest {
            answer: answer.to_owned(),
            values: vec!["far".to_owned(), "near".to_owned()],
        };
        let vectors = HashMap::from([
            ("a", vec![1.0, 0.0]),
            ("far", vec![0.0, 1.0]),
            ("near", vec![1.0, 1.0]),
        ]);
        let found = similarity(&request("a"), &vectors).unwrap();
        assert!((found - 0.5_f64.sqrt()).abs() < 1e-12);
        // An empty answer is wrong, not unknown; one whose embedding is missing is unknown.
        assert_eq!(similarity(&request(" \n"), &vectors), Some(0.0));
        assert_eq!(similarity(&request("b"), &vectors), None);
    }

    proptest! {
        // Whatever is taken and given back, what is spent and what is left are the limit.
        #[test]
        fn a_limit_is_never_exceeded(limit in 0_i128..1_000, costs in prop::collection::vec((0_i128..300, 0_i128..300), 0..20)) {
            let mut left = RemainingBudget(Some(Usd(limit)));
            let mut spent = 0;
            for (bound, cost) in costs {
                let cost = cost.min(bound);
                if left.take(Usd(bound)) {
                    left.give_back(Usd(bound - cost));
                    spent += cost;
                }
                prop_assert_eq!(left.0, Some(Usd(limit - spent)));
                prop_assert!(spent <= limit);
            }
        }
    }
}
