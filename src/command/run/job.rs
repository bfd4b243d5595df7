//! The job of a run: everything that is known before a request is sent.
//!
//! Owns the flags and the suite as they change it, the endpoint's profile, and the catalog; makes of them the
//! engine's orders, the manifest and the explanations of failures. Must not send anything. Invariant: a job
//! depends on nothing that happens during the run.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use crate::catalog::{Catalog, Offers, PriceBound, UnboundedCost};
use crate::engine::{self, CacheUses, Cap, FinishedTrials, Pacer, RunContext, RunEvent};
use crate::gateway::{request, settings, supported_clock};
use crate::grade::Grader;
use crate::plan::{Plan, RatePacer, plan};
use crate::record::ledger::{LedgerLine, Spending};
use crate::record::{
    CliSelection, Manifest, ModelPrices, ModelRetirement, PriceSource, RequestLog, Status,
    UntilDecided,
};
use crate::report::model_sentence;
use crate::sim::Scenario;
use crate::suite::{
    CacheMode, ClockSource, Profile, ProjectBudget, Prompt, RateLimits, Suite, Variant, Wording,
    prompt_canonical, select,
};
use crate::units::{ModelId, Usd, digest, digest_of_json};
use crate::verdict::lint_unlisted;

use crate::command::base::boundary::Reach;
use crate::command::base::endpoint::{self, OpenEndpoint};
use crate::command::base::exposed;
use crate::command::base::failure::Failure;
use crate::command::base::files;
use crate::command::base::model_list::ModelListState;
use crate::command::base::preflight::{self, Facts};
use crate::command::base::runtime::TOOL;

use super::calibrated::calibrated_error;
use super::load::{
    LoadFlags, TraceFlag, apply_load, expect_requests, refuse_part_of_load, suite_of_trace,
    token_lengths_note,
};
pub(in crate::command) use super::options::{Mode, Options};
use super::rate_limits::{RunLimits, limits_of};
use super::until_decided::looks;

/// Printed where the kernel's clock is asked for in vain.
const NO_KERNEL_CLOCK: &str =
    "note: this system has no receive timestamps of the kernel: the clock is `user`";

/// A run as resolved from suite, flags and project, before any look-up of models.
pub(in crate::command) struct ResolvedRun {
    pub(in crate::command) suite: Suite,
    pub(in crate::command) plan: Plan,
    pub(in crate::command) profile: Profile,
    /// The rate limits that this process keeps: the endpoint's, or the part of a share.
    limits: RateLimits,
    /// Expected cost above which the run requires a confirmation.
    pub(in crate::command) confirm_above: Option<Usd>,
    /// The budget of the project.
    pub(super) budget: ProjectBudget,
    selection: CliSelection,
    /// Models that the command line added to those of the suite.
    added: Vec<ModelId>,
    /// The user's label of the environment of the run.
    environment: Option<String>,
    /// The clock that is asked for.
    clock: Option<ClockSource>,
    /// Rounds after which the run checks for a decision; empty: it does not.
    looks: Vec<u32>,
}

/// A resolved run, and the facts about its models.
pub(in crate::command) struct Job {
    pub(in crate::command) resolved: ResolvedRun,
    /// Own prices already override the others.
    known: ModelListState,
    /// Providers of its models, if they were looked up.
    pub(in crate::command) offered: BTreeMap<ModelId, Offers>,
    /// The cap on its cost; absent: without a limit.
    pub(in crate::command) cap: Option<Arc<Cap>>,
    /// The parts before this one, if the run is resumed.
    pub(super) earlier: Option<EarlierParts>,
    /// The clock that stamps what arrives: the one that is asked for, if this system has it.
    pub(super) clock: ClockSource,
    /// True if its requests find out whether token limits are honoured.
    pub(super) is_probing: bool,
}

/// The parts of a resumed run before this one.
#[derive(Debug, Clone)]
pub(super) struct EarlierParts {
    /// Name of the run.
    pub(super) run: String,
    /// Number of this part, from 2.
    pub(super) number: usize,
    /// Trials that are not sent again.
    pub(super) finished: FinishedTrials,
    /// The cap that they had, if they had one.
    pub(super) cap: Option<Usd>,
    /// The most that they cost: spent, or reserved for requests whose bill is unknown.
    pub(super) spent: Usd,
}

impl ResolvedRun {
    /// Reads the suite and lays the flags over it.
    pub(in crate::command) fn read(options: &Options) -> Result<Self, Failure> {
        let (mut suite, selection) = if let Some(file) = &options.suite {
            let suite = match &options.read_suite {
                Some(suite) => (**suite).clone(),
                None => files::suite(file, Reach::from_flag(options.allow_outside))?,
            };
            let selection = CliSelection {
                models: options.models.clone(),
                prompts: options.prompts.clone(),
                tags: options.tags.clone(),
            };
            (suite, selection)
        } else {
            let suite = match &options.trace {
                Some(_) if options.prompts.is_empty() => suite_of_trace(&options.models)?,
                _ => files::suite_of_texts(&options.prompts, &options.models)?,
            };
            (suite, CliSelection::default())
        };
        let project = files::project(options.project.as_deref())?;
        let own_labels: Vec<String> = suite.variants.iter().map(|v| v.label.clone()).collect();
        suite = select(&suite, &selection.models, &selection.prompts, &options.tags)
            .map_err(|error| Failure::usage(error.to_string()))?;
        let is_added = |variant: &&Variant| !own_labels.contains(&variant.label);
        let added = suite.variants.iter().filter(is_added);
        let added = added.map(|variant| variant.model.clone()).collect();
        suite.repetitions = options.repetitions.unwrap_or(suite.repetitions);
        suite.concurrency = options.concurrency.unwrap_or(suite.concurrency);
        suite.seed = options.seed.unwrap_or(suite.seed);
        suite.patience_ns = options.patience.unwrap_or(suite.patience_ns);
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
            suite.load = None;
        }
        apply_load(&mut suite, &load_flags(options)?)?;
        refuse_part_of_load(&suite, options.until_decided, options.shard.is_some())?;
        let profile = endpoint::resolve(&project, &suite.endpoint, options.ca_file.as_deref())?;
        exposed::refuse(&suite, Some(&profile))?;
        if let Some(message) = unsupported_parameters(&suite, profile.wording) {
            return Err(Failure::usage(message));
        }
        let plan = plan(&suite);
        let plan = match options.shard {
            Some(choice) => plan.share(Some(choice.resolve(&plan)?)),
            None => plan,
        };
        let limits = limits_of(&profile, &suite, &plan)?;
        if options.switch_gate {
            let gate = suite.gate.get_or_insert_default();
            gate.switch.get_or_insert_default();
        }
        refuse_switch_gate(&suite, options)?;
        let looks = if options.until_decided {
            looks(&suite)?
        } else {
            Vec::new()
        };
        Ok(Self {
            environment: options.environment.clone(),
            clock: options.clock,
            added,
            looks,
            suite,
            plan,
            profile,
            limits,
            confirm_above: project.confirm_above,
            budget: project.budget,
            selection,
        })
    }

    /// The rate limits that it keeps.
    fn run_limits(&self) -> RunLimits<'_> {
        RunLimits {
            suite: &self.suite,
            profile: &self.profile,
            plan: &self.plan,
            limits: &self.limits,
        }
    }
}

/// The flags about the load, with the trace read.
fn load_flags(options: &Options) -> Result<LoadFlags<'_>, Failure> {
    Ok(LoadFlags {
        settings: &options.load,
        trace: options.trace.as_ref().map(TraceFlag::read).transpose()?,
        is_made_of_trace: options.suite.is_none() && options.prompts.is_empty(),
        concurrency: options.concurrency,
        has_repetitions: options.repetitions.is_some(),
    })
}

/// Refuses a switch gate that has nothing to decide, or no plan of looks for a run that may end early.
fn refuse_switch_gate(suite: &Suite, options: &Options) -> Result<(), Failure> {
    if suite.gate.as_ref().is_none_or(|gate| gate.switch.is_none()) {
        return Ok(());
    }
    if options.until_decided {
        return Err(Failure::usage(
            "--until-decided has no looks for the switch gate: remove it, or `[gate.switch]`",
        ));
    }
    if suite.variants.len() < 2 && options.mode == Mode::Measure {
        return Err(Failure::usage(format!(
            "the switch gate compares with the reference, but `{}` is the only model: add another model",
            suite.reference
        )));
    }
    Ok(())
}

impl ResolvedRun {
    /// Takes the looks away: the run goes on to the end of its plan.
    pub(super) fn do_not_look(&mut self) {
        self.looks.clear();
    }

    /// The run of a manifest, as its first part resolved it.
    pub(in crate::command) fn from_manifest(
        manifest: &Manifest,
        project: Option<&Path>,
        ca_file: Option<&Path>,
    ) -> Result<Self, Failure> {
        let project = files::project(project)?;
        let suite = manifest.suite.clone();
        let looks = manifest.until_decided.as_ref();
        let profile = endpoint::resolve(&project, &suite.endpoint, ca_file)?;
        let plan = manifest.plan();
        Ok(Self {
            limits: limits_of(&profile, &suite, &plan)?,
            profile,
            plan,
            looks: looks.map_or_else(Vec::new, |planned| planned.looks.clone()),
            environment: manifest.environment.clone(),
            clock: Some(manifest.clock),
            selection: manifest.selection.clone(),
            added: Vec::new(),
            confirm_above: project.confirm_above,
            budget: project.budget,
            suite,
        })
    }
}

/// The parts of the suite that the endpoint's route cannot express, if any.
fn unsupported_parameters(suite: &Suite, wording: Wording) -> Option<String> {
    let met = engine::unsupported_parameters(suite, wording);
    let lines: Vec<String> = met
        .iter()
        .map(|(what, place)| format!("{what} (first met in {place})"))
        .collect();
    (!lines.is_empty()).then(|| lines.join("\n"))
}

impl Job {
    /// Lays the endpoint's own prices over what is known of its models.
    pub(in crate::command) fn new(resolved: ResolvedRun, known: ModelListState) -> Self {
        let own = resolved.profile.prices_of(resolved.suite.models());
        let prices = known.prices.with_own_prices(&own);
        Self {
            clock: supported_clock(resolved.clock.unwrap_or_default()),
            resolved,
            known: ModelListState { prices, ..known },
            offered: BTreeMap::new(),
            cap: None,
            earlier: None,
            is_probing: false,
        }
    }

    /// The job of other requests to the same endpoint, without a cap.
    pub(super) fn with_suite(&self, suite: Suite) -> Self {
        let ResolvedRun {
            profile, budget, ..
        } = &self.resolved;
        let resolved = ResolvedRun {
            plan: plan(&suite),
            suite,
            limits: self.resolved.limits.clone(),
            profile: profile.clone(),
            confirm_above: None,
            budget: *budget,
            selection: CliSelection::default(),
            added: Vec::new(),
            environment: None,
            clock: None,
            looks: Vec::new(),
        };
        Self::new(resolved, self.known.clone())
    }

    /// Sets the number of requests that a closed loop for a time is expected to send. `scenario`: the file of the
    /// simulated gateway's.
    ///
    /// # Errors
    /// If the scenario cannot be read.
    pub(in crate::command) fn expect_requests(
        &mut self,
        scenario: Option<&Path>,
    ) -> Result<(), Failure> {
        let ResolvedRun { suite, profile, .. } = &self.resolved;
        if suite.time_limit().is_none() {
            return Ok(());
        }
        let scenario = match profile.base_url {
            Some(_) => None,
            None => Some(endpoint::read_scenario(scenario)?.0),
        };
        let expected = preflight::expected_answers(suite, self.catalog(), scenario.as_ref());
        expect_requests(&mut self.resolved.suite, &expected);
        self.resolved.plan = plan(&self.resolved.suite);
        Ok(())
    }

    /// Notes before a clock starts, as lines for standard error: the source of prices, a clock that
    /// the system lacks, and the ids that the endpoint does not list. Those are requested all the same: a list may be old, or leave out models that
    /// the endpoint serves.
    pub(in crate::command) fn notes(&self) -> Vec<String> {
        let notes = self.known.notes.iter();
        let notes = notes.map(|note| format!("note: {note}"));
        let requested = self.resolved.clock.unwrap_or(self.clock);
        let clock = (requested != self.clock).then(|| NO_KERNEL_CLOCK.to_owned());
        let lengths = token_lengths_note(&self.resolved.suite);
        let limits = self.resolved.run_limits().notes();
        notes.chain(clock).chain(lengths).chain(limits).collect()
    }

    /// The facts that the suite is checked against before anything is sent.
    pub(super) fn facts<'a>(&'a self, scenario: Option<&'a Scenario>) -> Facts<'a> {
        Facts {
            profile: Some(&self.resolved.profile),
            listed: self.known.listed.as_ref(),
            catalog: self.catalog(),
            scenario,
        }
    }

    /// Checks the models that the command line added without a creator, such as `haiku`, against the endpoint's list,
    /// and those of the simulator against its scenario. A whole id that is not listed is requested all the same.
    ///
    /// # Errors
    /// If a model is not known, or the scenario cannot be read.
    pub(super) fn check_added_models(&self, scenario: Option<&Path>) -> Result<(), Failure> {
        let ResolvedRun { added, profile, .. } = &self.resolved;
        let added: Vec<&ModelId> = added
            .iter()
            .filter(|id| !id.as_str().contains('/'))
            .collect();
        let problem = if profile.base_url.is_some() {
            let list = self.known.listed.as_ref();
            list.and_then(|list| {
                let missing = lint_unlisted(added.iter().copied(), list, &profile.name);
                missing.into_iter().next()
            })
        } else if added.is_empty() {
            None
        } else {
            let (scenario, _) = endpoint::read_scenario(scenario)?;
            preflight::unplayed(added.iter().copied(), &scenario)
                .into_iter()
                .next()
        };
        let Some(problem) = problem else {
            return Ok(());
        };
        let problem = model_sentence(&problem);
        Err(Failure::usage(format!(
            "{problem}\n  To request a model that is not listed, add it to the suite's `models`."
        )))
    }

    /// The list of models that knows the endpoint best.
    pub(in crate::command) fn catalog(&self) -> &Catalog {
        self.known.listed.as_ref().unwrap_or(&self.known.prices)
    }

    /// The prices of models, own prices included.
    pub(in crate::command) fn prices(&self) -> &Catalog {
        &self.known.prices
    }

    /// The highest price of each variant's tokens, in the suite's order: by its list and by every provider that
    /// is known to serve it.
    pub(in crate::command) fn price_bounds(&self) -> Vec<Result<PriceBound, UnboundedCost>> {
        let bound = |model: &ModelId| {
            let offers = self.offered.get(model);
            PriceBound::new(
                model,
                self.prices(),
                offers,
                &self.resolved.profile.surcharges,
            )
            .map(|bound| bound.with_ignored_limit(self.resolved.profile.ignores_max_tokens(model)))
        };
        let variants = self.resolved.suite.variants.iter();
        variants.map(|variant| bound(&variant.model)).collect()
    }

    /// Frees the turns of its prompts, which it shares with the manifest of its run, after they were sent and stored.
    pub(super) fn release_turns(&mut self, manifest: &mut Manifest) {
        manifest.suite.prompts.release_turns();
        self.resolved.suite.prompts = manifest.suite.prompts.clone();
    }

    /// Trials that ended in earlier parts of the run.
    pub(super) fn finished(&self) -> FinishedTrials {
        let earlier = self.earlier.as_ref();
        earlier.map_or_else(FinishedTrials::default, |earlier| earlier.finished.clone())
    }

    /// The most that earlier parts of the run cost.
    pub(super) fn spent_before(&self) -> Usd {
        let earlier = self.earlier.as_ref();
        earlier.map_or(Usd::ZERO, |earlier| earlier.spent)
    }

    /// Requests that can be in flight at once.
    pub(super) fn lanes(&self) -> usize {
        self.resolved.suite.variants.len() * self.resolved.suite.concurrency as usize
    }

    pub(super) fn orders(&self, run: &str, requests: Option<Arc<RequestLog>>) -> RunContext {
        let suite = &self.resolved.suite;
        let profile = &self.resolved.profile;
        RunContext {
            run: run.to_owned(),
            request_prefix: match &self.earlier {
                Some(earlier) => format!("{run}-p{}", earlier.number),
                None => run.to_owned(),
            },
            finished: self.finished(),
            suite: suite.clone(),
            plan: self.resolved.plan,
            prompt_digests: self.prompt_digests(),
            catalog: Arc::new(self.known.prices.clone()),
            bounds: self.price_bounds().into_iter().map(Result::ok).collect(),
            wording: profile.wording,
            pacer: Arc::new(Pacer::new(suite, self.rates())),
            looks: self.resolved.looks.clone(),
            cap: self.cap.clone(),
            is_probing: self.is_probing,
            cache_uses: CacheUses::default(),
            requests,
            sample_thread: None,
            grader: Grader::new(suite).map(Arc::new),
        }
    }

    /// Counts the cost that an event reports.
    pub(in crate::command) fn count(&self, event: &RunEvent, spending: &mut Spending) {
        match event {
            RunEvent::Finished(sample) => spending.add_sample(sample),
            RunEvent::WarmedUp {
                variant,
                outcome,
                spent,
                ..
            } => {
                let Variant { model, label, .. } = &self.resolved.suite.variants[*variant];
                spending.add_untimed(model, Some(label), *outcome, *spent);
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
            resumed_at: manifest.parts.last().map(|part| part.started_at),
            endpoint: manifest.endpoint.name.clone(),
            simulated: manifest.endpoint.scenario.is_some(),
            status: manifest.status.clone(),
            models: spending.into_models(),
            reserved_usd: None,
            cap_usd: self.cap.as_ref().map(|cap| cap.limit()),
            estimate_usd: manifest
                .estimate
                .as_ref()
                .and_then(|estimate| estimate.expected_usd),
        };
        let reserve = |cap: &Arc<Cap>| Usd(cap.max_spent().0 - line.spent().0);
        line.reserved_usd = self
            .cap
            .as_ref()
            .map(reserve)
            .filter(|reserve| *reserve > Usd::ZERO);
        line
    }

    fn rates(&self) -> RatePacer {
        RatePacer::new(&self.resolved.suite, &self.resolved.limits)
    }

    pub(in crate::command) fn prompt_digests(&self) -> Vec<String> {
        let canonical =
            |prompt: &Prompt| digest(prompt_canonical(&self.resolved.suite, prompt).as_bytes());
        self.resolved.suite.prompts.iter().map(canonical).collect()
    }

    pub(in crate::command) fn manifest(
        &self,
        opened: &OpenEndpoint,
        run: String,
        started_at: jiff::Timestamp,
    ) -> Manifest {
        let source = self.known.prices.source();
        let ResolvedRun { suite, profile, .. } = &self.resolved;
        Manifest {
            version: Manifest::VERSION,
            tool: TOOL.to_owned(),
            run,
            started_at,
            status: Status::Running,
            suite_digest: digest_of_json(suite).expect("a suite is always JSON"),
            suite: suite.clone(),
            selection: self.resolved.selection.clone(),
            endpoint: opened.record.clone(),
            prices: Some(PriceSource {
                source: source.words.clone(),
                date: source.date.clone(),
                digest: source.digest.clone(),
                models: self.model_prices(),
            }),
            retirements: self.retirements(started_at),
            clock: self.clock,
            client: {
                let proxy = opened.endpoint.proxy.as_ref();
                let mut client = settings(suite.timeouts, self.lanes(), proxy, self.clock);
                client.extend(request::settings(profile.wording));
                client.extend(self.resolved.run_limits().settings());
                client
            },
            environment: self.resolved.environment.clone(),
            until_decided: (!self.resolved.looks.is_empty()).then(|| UntilDecided {
                looks: self.resolved.looks.clone(),
                decided_after: None,
            }),
            estimate: None,
            set_up: None,
            ttft_error: calibrated_error(self.clock, self.lanes()),
            warming: Vec::new(),
            yielding: Vec::new(),
            judging: None,
            embeddings: None,
            parts: Vec::new(),
            shard: self.resolved.plan.shard(),
            planned_trials: self.resolved.plan.trial_count(),
            plan_digest: self.resolved.plan.digest(),
            platform: format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
        }
    }

    /// The models of the suite whose retirement has come or is near at this time.
    pub(in crate::command) fn retirements(&self, at: jiff::Timestamp) -> Vec<ModelRetirement> {
        let ResolvedRun { suite, profile, .. } = &self.resolved;
        let today = at.to_zoned(jiff::tz::TimeZone::UTC).date();
        ModelRetirement::near(suite.models(), self.catalog(), &profile.retirements, today)
    }

    /// The prices of each model of the suite, once, if known.
    fn model_prices(&self) -> Vec<ModelPrices> {
        let variants = self.resolved.suite.variants.iter();
        let models: BTreeSet<&ModelId> = variants.map(|v| &v.model).collect();
        let known = models.into_iter().filter_map(|model| {
            let prices = self.known.prices.get(model)?.prices.as_ref()?;
            let own = self.resolved.profile.prices_of([model]);
            Some(ModelPrices {
                own: (own.iter()).any(|own| own.model == *model && own.service_tier.is_none()),
                ..ModelPrices::new(model.clone(), prices)
            })
        });
        known.collect()
    }
}
