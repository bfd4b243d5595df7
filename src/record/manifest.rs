//! The manifest: suite, settings and status of a run.

use serde::{Deserialize, Serialize};

use crate::catalog::TokenPrices;
use crate::plan::{Plan, Shard, plan};
use crate::suite::{ClockSource, Suite};
use crate::units::{ModelId, Nanos, Usd};

use super::{EstimateRecord, ModelPrices, ModelRetirement, TtftError};

/// `manifest.json` of a run. No key, no path of the machine.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// Version of this format: [`Manifest::VERSION`].
    pub version: u32,
    /// Name and version of the program that made the run, `bakeoff 0.1.0`.
    pub tool: String,
    /// Name of the run's folder.
    pub run: String,
    /// Start of the run, UTC: a label, never used for a difference.
    pub started_at: jiff::Timestamp,
    /// Its status.
    pub status: Status,
    /// Digest of the resolved suite.
    pub suite_digest: String,
    /// The suite after defaults, flags and selection.
    pub suite: Suite,
    /// The selection on the command line, as typed.
    pub selection: CliSelection,
    /// The endpoint that requests went to.
    pub endpoint: EndpointRecord,
    /// The source of list prices; absent when none was known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prices: Option<PriceSource>,
    /// Models of the run whose retirement had come or was near when it began.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub retirements: Vec<ModelRetirement>,
    /// The clock that stamped what arrived; absent in runs of older programs, whose clock was their own.
    #[serde(default)]
    pub clock: ClockSource,
    /// Every setting of the HTTP client, with its reason.
    pub client: Vec<ClientSetting>,
    /// The user's label of the environment of the run (`--environment`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
    /// The planned looks of a run with `--until-decided`; absent for any other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until_decided: Option<UntilDecided>,
    /// The share of the plan that the run has; absent: all of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shard: Option<Shard>,
    /// Number of trials of the run: those of the plan or of its share, or of its first rounds if every primary comparison was
    /// decided after them.
    pub planned_trials: u64,
    /// Digest of the order of all trials.
    pub plan_digest: String,
    /// Estimated and actual cost; absent in runs of older programs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub estimate: Option<EstimateRecord>,
    /// The times of opening the connections of the run; absent in runs of older programs, and in merged ones
    /// whose shares differ.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub set_up: Option<ConnectionSetUp>,
    /// The known error of its times to a first token; empty in runs of older programs.
    #[serde(default, skip_serializing_if = "TtftError::is_empty")]
    pub ttft_error: TtftError,
    /// Requests that warmed prompt caches, by the label of the variant; empty if there were none, and while the
    /// run goes on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warming: Vec<Warming>,
    /// The requests to the judge, whose costs are in no figure of a variant; absent if there were none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub judging: Option<Judging>,
    /// The requests for embeddings, of `similar` asserts, in the same form; absent if there were none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub embeddings: Option<Judging>,
    /// The halvings of the concurrency of each variant that yielded on 429, by label.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub yielding: Vec<Yielding>,
    /// The parts of a run that was resumed or merged, in order, the first one included; empty for a run in one piece.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<RunPart>,
    /// Operating system and processor, `linux x86_64`.
    pub platform: String,
}

/// The parts of a manifest that later runs read.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct ManifestOutline {
    /// Version of the format.
    pub version: u32,
    /// Start of the run, UTC.
    pub started_at: jiff::Timestamp,
    /// Status of the run.
    pub status: Status,
    /// The endpoint that requests went to.
    pub endpoint: EndpointRecord,
    /// Estimated and actual cost; absent in runs of older programs.
    #[serde(default)]
    pub estimate: Option<EstimateRecord>,
}

/// The halvings of the concurrency of one variant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Yielding {
    /// Label of the variant.
    pub variant: String,
    /// Their number.
    pub halvings: u64,
    /// The fewest requests that might be in flight after one.
    pub lowest: u64,
}

/// The verdicts of a judge, and their cost.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Judging {
    /// The judge.
    pub model: ModelId,
    /// Verdicts, those of the cache included.
    pub verdicts: u64,
    /// Verdicts from the cache, which cost nothing.
    #[serde(default)]
    pub cached: u64,
    /// Requests with an unknown cost.
    #[serde(default)]
    pub unknown: u64,
    /// The known cost of the requests.
    pub spent_usd: Usd,
    /// Verdicts that were requested twice; absent if there were none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repeats: Option<JudgeRepeats>,
}

/// Verdicts that were requested from a judge twice: how many answers passed by both, by one, by neither.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct JudgeRepeats {
    /// Passed twice.
    pub both: u64,
    /// Passed the first time alone.
    pub first: u64,
    /// Passed the second time alone.
    pub second: u64,
    /// Failed twice.
    pub neither: u64,
}

impl JudgeRepeats {
    /// Adds an answer that passed or failed the first and the second time.
    pub fn add(&mut self, first: bool, second: bool) {
        *match (first, second) {
            (true, true) => &mut self.both,
            (true, false) => &mut self.first,
            (false, true) => &mut self.second,
            (false, false) => &mut self.neither,
        } += 1;
    }

    /// The pairs, one for each answer.
    pub fn pairs(self) -> Vec<(bool, bool)> {
        let counts = [
            ((true, true), self.both),
            ((true, false), self.first),
            ((false, true), self.second),
            ((false, false), self.neither),
        ];
        let pairs = counts.into_iter().flat_map(|(pair, count)| {
            // No run repeats as many.
            let count = usize::try_from(count).unwrap_or(0).min(1_000_000);
            std::iter::repeat_n(pair, count)
        });
        pairs.collect()
    }

    fn sum(earlier: Option<Self>, later: Option<Self>) -> Option<Self> {
        let (Some(one), Some(other)) = (earlier, later) else {
            return earlier.or(later);
        };
        Some(Self {
            both: one.both + other.both,
            first: one.first + other.first,
            second: one.second + other.second,
            neither: one.neither + other.neither,
        })
    }
}

impl Judging {
    /// No verdicts yet.
    pub fn new(model: ModelId) -> Self {
        Self {
            model,
            verdicts: 0,
            cached: 0,
            unknown: 0,
            spent_usd: Usd::ZERO,
            repeats: None,
        }
    }

    /// The verdicts of both; the judge is the later one's.
    pub fn sum(earlier: Option<Self>, later: Option<Self>) -> Option<Self> {
        let (Some(earlier), Some(later)) = (&earlier, &later) else {
            return earlier.or(later);
        };
        Some(Self {
            model: later.model.clone(),
            verdicts: earlier.verdicts + later.verdicts,
            cached: earlier.cached + later.cached,
            unknown: earlier.unknown + later.unknown,
            spent_usd: [earlier.spent_usd, later.spent_usd].into_iter().sum(),
            repeats: JudgeRepeats::sum(earlier.repeats, later.repeats),
        })
    }
}

/// One part of a run: what one process sent of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunPart {
    /// Its share of the plan, in a merged run. Parts of different shares may have gone on at the same time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shard: Option<Shard>,
    /// Its start, UTC.
    pub started_at: jiff::Timestamp,
    /// Its start on the clock of the run: every instant of its samples is at or after it.
    pub start_ns: Nanos,
    /// Name and version of the program that made it.
    pub tool: String,
    /// Trials that it was to send.
    pub trials: u64,
    /// Failed trials among them, which were repeated on request: their earlier samples count in no figure.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub repeated_failures: u64,
    /// Differences from the part before it that the user accepted with `--force`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub differences: Vec<String>,
}

#[allow(clippy::trivially_copy_pass_by_ref)] // The signature is serde's.
fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// The untimed requests that warmed the caches of one variant: they are in no sample.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Warming {
    /// Its label.
    pub variant: String,
    /// Number of these requests.
    pub requests: u64,
    /// Requests whose cost is not known.
    pub unknown: u64,
    /// Cost of the others: billed or at list price, whichever is more.
    pub spent_usd: Usd,
}

impl Manifest {
    /// Version of the stored format.
    pub const VERSION: u32 = 2;

    /// The prices of a model when the run began; `None` if they were unknown or not stored.
    pub fn prices_of(&self, model: &ModelId) -> Option<TokenPrices> {
        let listed = self.prices.as_ref()?.models.iter();
        listed
            .filter(|listed| listed.model == *model)
            .find_map(ModelPrices::prices)
    }

    /// Counts a halving of the concurrency of this variant.
    pub fn add_yield(&mut self, variant: &str, in_flight: u64) {
        match self.yielding.iter_mut().find(|one| one.variant == variant) {
            Some(one) => {
                one.halvings += 1;
                one.lowest = one.lowest.min(in_flight);
            }
            None => self.yielding.push(Yielding {
                variant: variant.to_owned(),
                halvings: 1,
                lowest: in_flight,
            }),
        }
    }

    /// Counts a request that warmed a cache of this variant, and its cost.
    pub fn add_warming(&mut self, variant: &str, spent: Option<Usd>) {
        let label = |one: &Warming| one.variant.as_str().cmp(variant);
        let index = self
            .warming
            .binary_search_by(label)
            .unwrap_or_else(|index| {
                let first = Warming {
                    variant: variant.to_owned(),
                    requests: 0,
                    unknown: 0,
                    spent_usd: Usd::ZERO,
                };
                self.warming.insert(index, first);
                index
            });
        let warming = &mut self.warming[index];
        warming.requests += 1;
        match spent {
            Some(spent) => warming.spent_usd = [warming.spent_usd, spent].into_iter().sum(),
            None => warming.unknown += 1,
        }
    }

    /// The plan of the run, or its share.
    pub fn plan(&self) -> Plan {
        plan(&self.suite).share(self.shard)
    }

    /// Returns true if the run was merged from shares of one plan.
    pub fn is_merged(&self) -> bool {
        self.parts.iter().any(|part| part.shard.is_some())
    }

    /// The part of a run that was sent in one piece.
    pub fn only_part(&self) -> RunPart {
        RunPart {
            shard: None,
            started_at: self.started_at,
            start_ns: Nanos::ZERO,
            tool: self.tool.clone(),
            trials: self.planned_trials,
            repeated_failures: 0,
            differences: Vec::new(),
        }
    }

    /// Index of the part that an instant of the run belongs to; 0 for a run in one piece.
    pub fn part_at(&self, instant: Nanos) -> usize {
        let begun = self.parts.partition_point(|part| part.start_ns <= instant);
        begun.saturating_sub(1)
    }

    /// Number of rounds of the run: the suite's repetitions, or fewer if every primary comparison was decided
    /// before them.
    pub fn rounds(&self) -> u32 {
        let decided = self
            .until_decided
            .as_ref()
            .and_then(|looks| looks.decided_after);
        decided.unwrap_or(self.suite.repetitions)
    }
}

/// The looks of a run that ends when every primary comparison is decided. The threshold at each look depends on
/// all planned looks, so they are stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UntilDecided {
    /// Rounds after which it was to look, ascending; the last is the suite's repetitions.
    pub looks: Vec<u32>,
    /// The round after which it ended because every primary comparison was decided; absent where it
    /// went on to its last round, or ended for another reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decided_after: Option<u32>,
}

/// The status of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// It is running, or it was killed.
    Running,
    /// Every planned trial has a sample.
    Complete,
    /// The user stopped it; finished trials are stored.
    Interrupted,
    /// It ended before its plan did, for this reason.
    Incomplete(String),
}

/// The selection on the command line, as typed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CliSelection {
    /// `--model`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub models: Vec<String>,
    /// `--prompt`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub prompts: Vec<String>,
    /// `--tag`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
}

/// The endpoint that requests went to, without its key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndpointRecord {
    /// Name of the profile, or the URL.
    pub name: String,
    /// Base URL; absent for the embedded simulator, whose port means nothing later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_url: Option<String>,
    /// Name of the variable that held the key; absent: keyless.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_variable: Option<String>,
    /// For the simulator: digest of its scenario and the sim seed of this run.
    #[serde(default, alias = "world", skip_serializing_if = "Option::is_none")]
    pub scenario: Option<String>,
}

/// The source of list prices.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PriceSource {
    /// In words, `snapshot shipped with bakeoff`.
    pub source: String,
    /// Date of the list, `YYYY-MM-DD`.
    pub date: String,
    /// Digest of the list.
    pub digest: String,
    /// Prices of the models of the run, with own prices applied; a model without a price is absent, and so are
    /// all models in runs of older programs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub models: Vec<ModelPrices>,
}

/// The times of opening the connections of a run, before its first request: medians of those that could be opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConnectionSetUp {
    /// Connections opened.
    pub connections: u64,
    /// Time of the one look-up of the host's name; of the proxy's, if there is one.
    pub look_up_ns: Nanos,
    /// Time to connect to the server, or to the proxy in front of it.
    pub tcp_ns: Nanos,
    /// Time of the TLS handshake; absent without TLS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls_ns: Option<Nanos>,
}

/// One setting of the HTTP client, recorded so that a reader need not guess.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientSetting {
    /// `http_version`, `redirects`, ...
    pub name: String,
    /// Its effective value.
    pub value: String,
    /// The reason for the value.
    pub reason: String,
    /// The part of a rate limit that a share of a plan keeps; absent for all else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of_share: Option<u64>,
}

impl ClientSetting {
    /// The same, of a run that is no share.
    #[must_use]
    pub fn of_whole(&self) -> Self {
        Self {
            of_share: None,
            ..self.clone()
        }
    }

    /// Its value, with the part of a share: `480, of which this shard takes 60`.
    pub fn words(&self) -> String {
        let part = self
            .of_share
            .map(|part| format!(", of which this shard takes {part}"));
        format!("{}{}", self.value, part.unwrap_or_default())
    }
}
