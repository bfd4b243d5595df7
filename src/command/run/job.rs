//! Everything that is known of a run before something is sent.
//!
//! Owns the flags and the suite as they leave it, the endpoint's profile, and what its catalogue says; makes of
//! them the engine's orders, the manifest and the words for what went wrong. Must not send anything.
//! Invariant: what is made here depends on nothing that happens during the run.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use crate::catalog::{Catalog, Offers, PriceBound, UnboundedCost};
use crate::engine::{self, Cap, Event, Orders, Pace, Warmth};
use crate::gateway::{self, Explanation, Situation, explain, request, settings};
use crate::plan::{Pacer, PacingLimit, Plan, plan};
use crate::record::ledger::{LedgerLine, Spending};
use crate::record::{
    ClientSetting, ErrorReport, Flag, Manifest, ModelPrices, Outcome, PriceSource, RequestLog,
    Sample, Selection, Status, UntilDecided,
};
use crate::suite::{
    CacheMode, Profile, ProjectBudget, Prompt, Redacted, Suite, Variant, Wording, prompt_canonical,
    select,
};
use crate::units::{ModelId, Usd, digest};
use crate::verdict::InterimLooks;

use crate::command::base::boundary::Reach;
use crate::command::base::endpoint::{self, Opened};
use crate::command::base::exposed;
use crate::command::base::failure::Failure;
use crate::command::base::files;
use crate::command::base::model_list::{Known, NEAREST_TOLD};
use crate::command::base::runtime::TOOL;

/// What `bakeoff run` was told.
#[derive(Debug, Clone)]
// Each field is the flag of the same name, documented by `--help`.
#[allow(missing_docs, clippy::struct_excessive_bools)]
pub struct Options {
    pub suite: PathBuf,
    pub endpoint: Option<String>,
    pub models: Vec<String>,
    pub prompts: Vec<String>,
    pub tags: Vec<String>,
    pub repetitions: Option<u32>,
    pub concurrency: Option<u32>,
    pub seed: Option<u64>,
    pub world: Option<PathBuf>,
    pub salt: Option<u64>,
    pub output: PathBuf,
    pub project: Option<PathBuf>,
    pub allow_outside: bool,
    pub history: Option<PathBuf>,
    pub environment: Option<String>,
    pub until_decided: bool,
    pub max_cost: Option<Usd>,
    pub mode: Mode,
    pub quiet: bool,
    pub json: bool,
    pub yes: bool,
    /// Whether the comparison is told beside the result, on standard error; no flag.
    pub aside: bool,
}

/// How far a run goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Print the plan.
    List,
    /// One trial per prompt and variant, no records.
    Verify,
    /// All of it.
    Measure,
}

/// What a run is to do, before anybody was asked about models.
pub(in crate::command) struct Asked {
    pub(in crate::command) suite: Suite,
    pub(in crate::command) plan: Plan,
    pub(in crate::command) profile: Profile,
    /// Expected cost above which a person is asked before the run.
    pub(in crate::command) confirm_above: Option<Usd>,
    /// What the project may spend.
    pub(super) budget: ProjectBudget,
    selection: Selection,
    /// The user's label of where the run is made.
    environment: Option<String>,
    /// Rounds after which the run looks whether its verdict is in; empty: it does not.
    looks: Vec<u32>,
}

/// What a run is to do, and what is known of those who are to do it.
pub(in crate::command) struct Job {
    pub(in crate::command) asked: Asked,
    /// Own prices already laid over the others.
    known: Known,
    /// Who serves its models, where that was asked.
    pub(in crate::command) offered: BTreeMap<ModelId, Offers>,
    /// What may be spent; absent: without a limit.
    pub(in crate::command) cap: Option<Arc<Cap>>,
}

impl Asked {
    /// Reads the suite and lays the flags over it.
    pub(in crate::command) fn read(options: &Options) -> Result<Self, Failure> {
        let mut suite = files::suite(&options.suite, Reach::from_flag(options.allow_outside))?;
        let project = files::project(options.project.as_deref())?;
        suite = select(&suite, &options.models, &options.prompts, &options.tags)
            .map_err(|error| Failure::usage(error.to_string()))?;
        suite.repetitions = options.repetitions.unwrap_or(suite.repetitions);
        suite.concurrency = options.concurrency.unwrap_or(suite.concurrency);
        suite.seed = options.seed.unwrap_or(suite.seed);
        if let Some(endpoint) = &options.endpoint {
            suite.endpoint.clone_from(endpoint);
        }
        if options.mode == Mode::Verify {
            (suite.repetitions, suite.warmup) = (1, 0);
            let modes = suite.variants.iter_mut().filter_map(|v| v.cache.as_mut());
            for mode in modes.chain([&mut suite.cache]) {
                if *mode == CacheMode::Warm {
                    *mode = CacheMode::AsIs;
                }
            }
        }
        let profile = endpoint::resolve(&project, &suite.endpoint)?;
        exposed::refuse(&suite, Some(&profile))?;
        if let Some(said) = unsayable(&suite, profile.wording) {
            return Err(Failure::usage(said));
        }
        let plan = plan(&suite);
        let looks = if options.until_decided {
            looks(&suite)?
        } else {
            Vec::new()
        };
        Ok(Self {
            environment: options.environment.clone(),
            looks,
            suite,
            plan,
            profile,
            confirm_above: project.confirm_above,
            budget: project.budget,
            selection: Selection {
                models: options.models.clone(),
                prompts: options.prompts.clone(),
                tags: options.tags.clone(),
            },
        })
    }
}

/// When a run of this suite looks whether its verdict is in.
fn looks(suite: &Suite) -> Result<Vec<u32>, Failure> {
    let candidates = suite.variants.len().saturating_sub(1);
    if candidates == 0 {
        return Err(Failure::usage(format!(
            "--until-decided compares with the reference, but `{}` is the only model: name another one",
            suite.reference
        )));
    }
    let gate = suite.gate.clone().unwrap_or_default();
    let looks = InterimLooks::new(suite.repetitions, candidates, &gate);
    if looks.rounds().len() < 2 {
        return Err(Failure::usage(format!(
            "--until-decided first looks after round 2, but there are {} repetitions: at least 3 are needed",
            suite.repetitions
        )));
    }
    Ok(looks.rounds().to_vec())
}

/// What of the suite the endpoint's route cannot carry, if there is such a thing.
fn unsayable(suite: &Suite, wording: Wording) -> Option<String> {
    let met = engine::unsayable(suite, wording);
    let lines: Vec<String> = met
        .iter()
        .map(|(what, place)| format!("{what} (first met in {place})"))
        .collect();
    (!lines.is_empty()).then(|| lines.join("\n"))
}

impl Job {
    /// Lays the endpoint's own prices over what is known of its models.
    pub(in crate::command) fn new(asked: Asked, known: Known) -> Self {
        let prices = known.prices.with_own_prices(&asked.profile.prices);
        Self {
            asked,
            known: Known { prices, ..known },
            offered: BTreeMap::new(),
            cap: None,
        }
    }

    /// What is worth knowing before a clock starts, as lines for standard error: where prices come
    /// from, and which ids the endpoint does not list. Those are asked all the same: a list may be
    /// old, or leave out what the endpoint answers to.
    pub(in crate::command) fn notes(&self) -> Vec<String> {
        let notes = self.known.notes.iter().map(|note| format!("note: {note}"));
        let missing = self
            .known
            .missing(&self.asked.suite, &self.asked.profile.name);
        let missing = missing.into_iter().map(|said| format!("warning: {said}"));
        notes.chain(missing).collect()
    }

    /// The list of models that knows the endpoint best.
    pub(in crate::command) fn catalog(&self) -> &Catalog {
        self.known.listed.as_ref().unwrap_or(&self.known.prices)
    }

    /// What models cost, own prices included.
    pub(in crate::command) fn prices(&self) -> &Catalog {
        &self.known.prices
    }

    /// The dearest that each variant's tokens can be, in the suite's order: by its list and by everybody who
    /// is known to serve it.
    pub(in crate::command) fn price_bounds(&self) -> Vec<Result<PriceBound, UnboundedCost>> {
        let bound = |model: &ModelId| {
            let offers = self.offered.get(model);
            PriceBound::new(model, self.prices(), offers, &self.asked.profile.surcharges)
        };
        let variants = self.asked.suite.variants.iter();
        variants.map(|variant| bound(&variant.model)).collect()
    }

    /// Requests that can be in flight at once.
    pub(super) fn lanes(&self) -> usize {
        self.asked.suite.variants.len() * self.asked.suite.concurrency as usize
    }

    pub(super) fn orders(&self, run: &str, requests: Option<Arc<RequestLog>>) -> Orders {
        let suite = &self.asked.suite;
        let prices = |variant: &Variant| self.known.prices.get(&variant.model)?.prices.clone();
        let profile = &self.asked.profile;
        Orders {
            run: run.to_owned(),
            suite: suite.clone(),
            plan: self.asked.plan,
            prompt_digests: self.prompt_digests(),
            prices: suite.variants.iter().map(prices).collect(),
            bounds: self.price_bounds().into_iter().map(Result::ok).collect(),
            wording: profile.wording,
            pace: Pace::new(self.pacer()),
            looks: self.asked.looks.clone(),
            cap: self.cap.clone(),
            warmth: Warmth::default(),
            requests,
        }
    }

    /// Counts what an event says was spent.
    pub(in crate::command) fn count(&self, event: &Event, spending: &mut Spending) {
        match event {
            Event::Finished(sample) => spending.add_sample(sample),
            Event::WarmedUp {
                variant,
                outcome,
                spent,
                ..
            } => {
                let model = &self.asked.suite.variants[*variant].model;
                spending.add_untimed(model, *outcome, *spent);
            }
            _ => {}
        }
    }

    /// The line of the ledger of a run: as its manifest says, that it goes on or how it ended.
    pub(super) fn ledger_line(&self, manifest: &Manifest, spending: Spending) -> LedgerLine {
        let mut line = LedgerLine {
            version: LedgerLine::VERSION,
            run: manifest.run.clone(),
            suite: manifest.suite.name.clone(),
            started_at: manifest.started_at,
            endpoint: manifest.endpoint.name.clone(),
            simulated: manifest.endpoint.world.is_some(),
            status: manifest.status.clone(),
            models: spending.into_models(),
            kept_usd: None,
            cap_usd: self.cap.as_ref().map(|cap| cap.limit()),
            estimate_usd: manifest
                .estimate
                .as_ref()
                .and_then(|told| told.expected_usd),
        };
        let kept = |cap: &Arc<Cap>| Usd(cap.spent_at_most().0 - line.spent().0);
        line.kept_usd = self.cap.as_ref().map(kept).filter(|kept| *kept > Usd::ZERO);
        line
    }

    fn pacer(&self) -> Pacer {
        Pacer::new(&self.asked.suite, &self.asked.profile.limits)
    }

    pub(in crate::command) fn prompt_digests(&self) -> Vec<String> {
        let canonical =
            |prompt: &Prompt| digest(prompt_canonical(&self.asked.suite, prompt).as_bytes());
        self.asked.suite.prompts.iter().map(canonical).collect()
    }

    pub(in crate::command) fn manifest(
        &self,
        opened: &Opened,
        run: String,
        started_at: jiff::Timestamp,
    ) -> Manifest {
        let source = self.known.prices.source();
        let resolved = serde_json::to_vec(&self.asked.suite).expect("a suite is always JSON");
        Manifest {
            version: Manifest::VERSION,
            tool: TOOL.to_owned(),
            run,
            started_at,
            status: Status::Running,
            suite_digest: digest(&resolved),
            suite: self.asked.suite.clone(),
            selection: self.asked.selection.clone(),
            endpoint: opened.record.clone(),
            prices: Some(PriceSource {
                source: source.words.clone(),
                date: source.date.clone(),
                digest: source.digest.clone(),
                models: self.prices_kept(),
            }),
            client: {
                let mut client = settings(self.asked.suite.timeouts, self.lanes());
                client.extend(request::settings(self.asked.profile.wording));
                client.extend(self.pacer().limits().map(limit_setting));
                client
            },
            environment: self.asked.environment.clone(),
            until_decided: (!self.asked.looks.is_empty()).then(|| UntilDecided {
                looks: self.asked.looks.clone(),
                decided_after: None,
            }),
            estimate: None,
            warming: Vec::new(),
            planned_trials: self.asked.plan.trial_count(),
            plan_digest: self.asked.plan.digest(),
            platform: format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
        }
    }

    /// What each model of the suite costs, once, where that is known.
    fn prices_kept(&self) -> Vec<ModelPrices> {
        let models: BTreeSet<&ModelId> =
            self.asked.suite.variants.iter().map(|v| &v.model).collect();
        let known = models.into_iter().filter_map(|model| {
            let prices = self.known.prices.get(model)?.prices.as_ref()?;
            let mut own = self.asked.profile.prices.iter();
            Some(ModelPrices {
                own: own.any(|own| own.model == *model),
                ..ModelPrices::new(model.clone(), prices)
            })
        });
        known.collect()
    }

    /// What went wrong with a sample and what to do about it, if anything did.
    pub(in crate::command) fn explain(
        &self,
        sample: &Sample,
        opened: &Opened,
    ) -> Option<Explanation> {
        self.explained(
            sample.outcome,
            sample.error.as_ref(),
            &sample.flags,
            &sample.model,
            opened,
        )
    }

    pub(in crate::command) fn unreachable(
        &self,
        ending: Redacted<gateway::Ending>,
        opened: &Opened,
    ) -> Failure {
        let (outcome, message) = match ending.into_inner() {
            gateway::Ending::TlsFailed(message) => (Outcome::TlsFailed, message),
            gateway::Ending::ConnectFailed(message) => (Outcome::ConnectFailed, message),
            _ => (Outcome::TimedOutConnect, String::new()),
        };
        let error = ErrorReport {
            message,
            ..ErrorReport::default()
        };
        let model = &self.asked.suite.variants[0].model;
        match self.explained(outcome, Some(&error), &[], model, opened) {
            Some(said) => Failure::incomplete(format!("{}\n  {}", said.what, said.remedy)),
            None => Failure::incomplete(error.message),
        }
    }

    fn explained(
        &self,
        outcome: Outcome,
        error: Option<&ErrorReport>,
        flags: &[Flag],
        model: &ModelId,
        opened: &Opened,
    ) -> Option<Explanation> {
        let nearest = self.catalog().nearest(model.as_str(), NEAREST_TOLD);
        let nearest: Vec<String> = nearest.into_iter().map(ToString::to_string).collect();
        explain(&Situation {
            outcome,
            error,
            flags,
            profile: &self.asked.profile.name,
            base_url: &opened.endpoint.base_url,
            key_variables: &self.asked.profile.key_variables,
            model,
            nearest: &nearest,
        })
    }
}

/// A rate limit as the manifest tells it: `requests_per_minute`, of one model with its id behind.
fn limit_setting(limit: PacingLimit) -> ClientSetting {
    let key = limit.unit.key();
    ClientSetting {
        name: match limit.model {
            Some(model) => format!("{key} {model}"),
            None => key.to_owned(),
        },
        value: limit.per_minute.to_string(),
        reason: "the endpoint's profile says so".to_owned(),
    }
}
