//! `bakeoff run`: a suite goes in, a comparison comes out.

use std::collections::BTreeSet;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::num::{NonZeroU32, NonZeroU64};
use std::path::PathBuf;
use std::sync::Arc;

use tokio::runtime::Runtime;
use tokio::sync::{mpsc, watch};

use crate::catalog::Catalog;
use crate::engine::{self, Ending, Event, Orders};
use crate::gateway::{self, Explanation, Situation, Transport, explain, request, settings};
use crate::plan::{Pacer, Plan, plan};
use crate::record::{
    ErrorReport, Flag, Manifest, Outcome, PriceSource, Run, Sample, Selection, Status, Writer,
    run_name,
};
use crate::report::Report;
use crate::suite::{Profile, Prompt, Suite, Variant, Wording, prompt_canonical, select};
use crate::units::{ModelId, digest};

use super::catalogue::{Known, NEAREST_TOLD, unlisted};
use super::endpoint::{self, Opened};
use super::files;
use super::progress::{Progress, Show};
use super::remedies::Remedies;
use super::{Failure, exit, interrupted, report, runtime, unforeseen};

/// Events on their way to the journal: enough for a burst, little enough to notice a slow disk.
const EVENTS_WAITING: usize = 1_024;

/// What `bakeoff run` was told.
#[derive(Debug, Clone)]
#[allow(missing_docs)] // Each field is the flag of the same name, documented by `--help`.
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
    pub mode: Mode,
    pub quiet: bool,
    pub json: bool,
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

/// Everything that is known before something is sent.
struct Job {
    suite: Suite,
    plan: Plan,
    profile: Profile,
    /// Prices.
    catalog: Catalog,
    /// What the endpoint says it offers, where that is known.
    listed: Option<Catalog>,
}

/// Carries out `bakeoff run`.
pub(super) fn execute(options: &Options) -> Result<u8, Failure> {
    let mut job = prepare(options)?;
    if options.mode == Mode::List {
        return list(&job, options.json);
    }
    let opened = endpoint::open(&job.profile, options.world.as_deref(), options.salt)?;
    job.learn(&opened, options.quiet)?;
    match options.mode {
        Mode::Verify => verify(&job, &opened, options),
        _ => measure(&job, &opened, options),
    }
}

/// Prints the plan; it may be long, so it is written as it is made.
fn list(job: &Job, json: bool) -> Result<u8, Failure> {
    let mut out = BufWriter::new(io::stdout().lock());
    if json {
        serde_json::to_writer_pretty(&mut out, &job.plan.document(&job.suite))
            .map_err(io::Error::from)?;
        writeln!(out)?;
    } else {
        write!(out, "{}", job.plan.listing(&job.suite))?;
    }
    out.flush()?;
    Ok(exit::DONE)
}

/// Reads the suite and lays the flags over it.
fn prepare(options: &Options) -> Result<Job, Failure> {
    let mut suite = files::suite(&options.suite)?;
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
    }
    let profile = endpoint::resolve(&project, &suite.endpoint)?;
    if let Some(said) = unsayable(&suite, profile.wording) {
        return Err(Failure::usage(said));
    }
    let catalog = Catalog::snapshot().with_own_prices(&profile.prices);
    let plan = plan(&suite);
    Ok(Job {
        suite,
        plan,
        profile,
        catalog,
        listed: None,
    })
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

/// One trial per prompt and variant: says which did not complete, keeps nothing.
fn verify(job: &Job, opened: &Opened, options: &Options) -> Result<u8, Failure> {
    let session = Session::open(job, opened)?;
    let mut progress = Progress::new(&job.suite, job.suite.trials(), show(options));
    let mut samples = Vec::new();
    let ending = session.carry_out(job, "verify", |event| {
        progress.update(&event, &mut io::stderr());
        if let Event::Finished(sample) = event {
            samples.push(*sample);
        }
        Ok(())
    })?;
    progress.end();
    samples.sort_by_key(|sample| sample.trial);
    let mut out = io::stdout().lock();
    let incomplete = samples
        .iter()
        .filter_map(|sample| Some((sample, job.explain(sample, opened)?)));
    let mut told = 0;
    for (sample, said) in incomplete {
        told += 1;
        writeln!(
            out,
            "{} on {}: {} {}",
            sample.prompt, sample.variant, said.what, said.remedy
        )?;
    }
    let planned = job.suite.trials();
    let answered = samples
        .iter()
        .filter(|sample| sample.outcome.answered())
        .count() as u64;
    writeln!(out, "{answered} of {planned} trials completed")?;
    Ok(match ending {
        Ending::Interrupted => exit::INTERRUPTED,
        _ if answered == planned && told == 0 => exit::DONE,
        _ => exit::INCOMPLETE,
    })
}

/// The whole run: asks, records, reports.
fn measure(job: &Job, opened: &Opened, options: &Options) -> Result<u8, Failure> {
    let session = Session::open(job, opened)?;
    // To the second: it is a label, and part of the folder's name.
    let began =
        jiff::Timestamp::from_second(jiff::Timestamp::now().as_second()).unwrap_or_default();
    let name = run_name(began, unforeseen()?);
    let run = Run::create(&options.output, &job.suite.name, &name)?;
    let mut manifest = job.manifest(options, opened, name, began);
    run.write_manifest(&manifest)?;
    let mut journal = run.new_samples()?;
    let mut progress = Progress::new(&job.suite, manifest.planned_trials, show(options));
    let mut remedies = Remedies::default();
    let ending = session.carry_out(job, &manifest.run, |event| {
        if let Event::Finished(sample) = &event {
            journal.append(sample)?;
            remedies.add(sample, || job.explain(sample, opened));
        }
        progress.update(&event, &mut io::stderr());
        Ok(())
    });
    progress.end();
    // Whatever happened, what is finished is kept, and the folder says how it went.
    manifest.status = match &ending {
        Ok(Ending::Complete) => Status::Complete,
        Ok(Ending::Interrupted) => Status::Interrupted,
        Ok(Ending::Hopeless(reason)) => Status::Incomplete(reason.clone()),
        Err(failure) => Status::Incomplete(failure.to_string()),
    };
    let judged = close(&run, &journal, &manifest, options);
    remedies.tell(io::stderr());
    // What stopped the run is the first cause; what failed after it is its consequence.
    let ending = ending.map_err(|failure| kept(failure, &run))?;
    let judged = judged.map_err(|failure| kept(failure, &run))?;
    Ok(match ending {
        Ending::Interrupted => exit::INTERRUPTED,
        Ending::Complete if judged => exit::DONE,
        Ending::Complete | Ending::Hopeless(_) => exit::INCOMPLETE,
    })
}

/// Settles the records of a run that has ended, makes its reports and shows them. Returns whether
/// the variants can be judged.
fn close(
    run: &Run,
    journal: &Writer<Sample>,
    manifest: &Manifest,
    options: &Options,
) -> Result<bool, Failure> {
    journal.sync()?;
    run.write_manifest(manifest)?;
    run.point_latest()?;
    let report = report::make_files(run, manifest)?;
    tell(&report, run, options)?;
    Ok(can_be_judged(&report))
}

/// A failure of our own, with what is left of the run: nothing that was paid for is lost.
fn kept(failure: Failure, run: &Run) -> Failure {
    if failure.code == exit::DONE {
        return failure;
    }
    let folder = run.folder().display();
    Failure {
        message: format!(
            "{failure}\n  every finished sample is in {folder}; once the trouble is gone, \
             `bakeoff report {folder}` makes the reports"
        ),
        ..failure
    }
}

fn tell(report: &Report<'_>, run: &Run, options: &Options) -> Result<(), Failure> {
    if options.json {
        return report::print(report, report::Format::Json, io::stdout().lock());
    }
    report::show(report, io::stdout().lock())?;
    if options.quiet {
        return Ok(());
    }
    report::tell_paths(run.folder())
}

/// Whether each variant answered at least half of its trials: below that a comparison is about who
/// was left, not about the variants.
fn can_be_judged(report: &Report<'_>) -> bool {
    report
        .summary()
        .variants
        .iter()
        .all(|variant| variant.figures.counts.answered * 2 >= variant.figures.counts.planned)
}

/// A transport with its connections open, and the runtime it lives on.
struct Session {
    runtime: Runtime,
    transport: Arc<Transport>,
}

impl Session {
    /// Opens every connection that the run can need at once.
    fn open(job: &Job, opened: &Opened) -> Result<Self, Failure> {
        let runtime = runtime()?;
        let opening = Transport::open(&opened.endpoint, job.suite.timeouts, job.lanes());
        let (transport, failed) = runtime
            .block_on(opening)
            .map_err(|error| Failure::incomplete(error.to_string()))?;
        if let Some(ending) = failed {
            return Err(job.unreachable(ending, opened));
        }
        Ok(Self {
            runtime,
            transport: Arc::new(transport),
        })
    }

    /// Runs the engine and hands each event on, in order. When taking an event fails (the disk is
    /// full, perhaps) the run is stopped, and the failure returned once it has ended.
    fn carry_out(
        self,
        job: &Job,
        run: &str,
        mut take: impl FnMut(Event) -> Result<(), Failure>,
    ) -> Result<Ending, Failure> {
        let Self { runtime, transport } = self;
        let orders = Arc::new(job.orders(run));
        let (events, mut told) = mpsc::channel(EVENTS_WAITING);
        let (stop, stopped) = watch::channel(false);
        runtime.block_on(async {
            let engine = tokio::spawn(engine::run(transport, orders, events, stopped));
            let asked = async {
                interrupted().await;
                stop.send_replace(true);
                // A second request is for those who cannot wait.
                interrupted().await;
                std::process::exit(i32::from(exit::INTERRUPTED));
            };
            let taken = async {
                let mut failure = None;
                while let Some(event) = told.recv().await {
                    if failure.is_none()
                        && let Err(failed) = take(event)
                    {
                        failure = Some(failed);
                        stop.send_replace(true);
                    }
                }
                failure
            };
            let failure = tokio::select! {
                failure = taken => failure,
                () = asked => unreachable!("it ends the process"),
            };
            let ending = engine.await.expect("the engine never panics");
            failure.map_or(Ok(ending), Err)
        })
    }
}

impl Job {
    /// Takes the endpoint's own list in, before any clock starts, and says which ids it does not have.
    /// They are asked all the same: a list may be old, or leave out what the endpoint answers to.
    fn learn(&mut self, opened: &Opened, quiet: bool) -> Result<(), Failure> {
        let Known {
            prices,
            listed,
            notes,
        } = Known::of(opened)?;
        self.catalog = prices.with_own_prices(&self.profile.prices);
        self.listed = listed;
        if quiet {
            return Ok(());
        }
        let mut err = io::stderr();
        for note in notes {
            writeln!(err, "note: {note}")?;
        }
        let Some(listed) = &self.listed else {
            return Ok(());
        };
        let models: BTreeSet<&ModelId> = self.suite.variants.iter().map(|v| &v.model).collect();
        for model in models.into_iter().filter(|model| !listed.offers(model)) {
            let said = unlisted(listed, &self.profile.name, model);
            writeln!(err, "warning: {said}")?;
        }
        Ok(())
    }

    /// Requests that can be in flight at once.
    fn lanes(&self) -> usize {
        self.suite.variants.len() * self.suite.concurrency as usize
    }

    fn orders(&self, run: &str) -> Orders {
        let suite = &self.suite;
        let prices = |variant: &Variant| self.catalog.get(&variant.model)?.prices.clone();
        let profile = &self.profile;
        Orders {
            run: run.to_owned(),
            suite: suite.clone(),
            plan: self.plan,
            prompt_digests: self.prompt_digests(),
            prices: suite.variants.iter().map(prices).collect(),
            wording: profile.wording,
            pacer: Pacer::new(
                profile.requests_per_minute.and_then(NonZeroU32::new),
                profile.tokens_per_minute.and_then(NonZeroU64::new),
            ),
        }
    }

    fn prompt_digests(&self) -> Vec<String> {
        let canonical = |prompt: &Prompt| digest(prompt_canonical(&self.suite, prompt).as_bytes());
        self.suite.prompts.iter().map(canonical).collect()
    }

    fn manifest(
        &self,
        options: &Options,
        opened: &Opened,
        run: String,
        started_at: jiff::Timestamp,
    ) -> Manifest {
        let source = self.catalog.source();
        let resolved = serde_json::to_vec(&self.suite).expect("a suite is always JSON");
        Manifest {
            version: Manifest::VERSION,
            tool: concat!("bakeoff ", env!("CARGO_PKG_VERSION")).to_owned(),
            run,
            started_at,
            status: Status::Running,
            suite_digest: digest(&resolved),
            suite: self.suite.clone(),
            selection: Selection {
                models: options.models.clone(),
                prompts: options.prompts.clone(),
                tags: options.tags.clone(),
            },
            endpoint: opened.record.clone(),
            prices: Some(PriceSource {
                source: source.words.clone(),
                date: source.date.clone(),
                digest: source.digest.clone(),
            }),
            client: {
                let mut client = settings(self.suite.timeouts, self.lanes());
                client.extend(request::settings(self.profile.wording));
                client
            },
            planned_trials: self.plan.trial_count(),
            plan_digest: self.plan.digest(),
            platform: format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
        }
    }

    /// What went wrong with a sample and what to do about it, if anything did.
    fn explain(&self, sample: &Sample, opened: &Opened) -> Option<Explanation> {
        self.explained(
            sample.outcome,
            sample.error.as_ref(),
            &sample.flags,
            &sample.model,
            opened,
        )
    }

    fn unreachable(&self, ending: gateway::Ending, opened: &Opened) -> Failure {
        let (outcome, message) = match ending {
            gateway::Ending::TlsFailed(message) => (Outcome::TlsFailed, message),
            gateway::Ending::ConnectFailed(message) => (Outcome::ConnectFailed, message),
            _ => (Outcome::TimedOutConnect, String::new()),
        };
        let error = ErrorReport {
            message,
            ..ErrorReport::default()
        };
        let model = &self.suite.variants[0].model;
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
        let known = self.listed.as_ref().unwrap_or(&self.catalog);
        let nearest = known.nearest(model.as_str(), NEAREST_TOLD);
        let nearest: Vec<String> = nearest.into_iter().map(ToString::to_string).collect();
        explain(&Situation {
            outcome,
            error,
            flags,
            profile: &self.profile.name,
            base_url: &opened.endpoint.base_url,
            key_variables: &self.profile.key_variables,
            model,
            nearest: &nearest,
        })
    }
}

fn show(options: &Options) -> Show {
    match (options.quiet, io::stderr().is_terminal()) {
        (true, _) => Show::Nothing,
        (false, true) => Show::Bars,
        (false, false) => Show::Lines,
    }
}
