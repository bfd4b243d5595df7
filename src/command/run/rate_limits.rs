//! The rate limits that a run keeps: the endpoint's, or the part of them that its share of a plan may use.
//!
//! Owns what the manifest and the notes before a run say of them. Must not know how requests wait. Invariant: the shares of a
//! plan together keep the limits of the endpoint.

use crate::command::base::failure::Failure;
use crate::plan::{PacingLimit, Plan, RatePacer};
use crate::record::ClientSetting;
use crate::suite::{LoadProfile, Profile, RateLimits, Suite};

/// The rate limits of an endpoint for the models of a suite, or the part of them that a share of its plan may use.
///
/// # Errors
/// If a limit leaves nothing for the share.
pub(super) fn limits_of(
    profile: &Profile,
    suite: &Suite,
    plan: &Plan,
) -> Result<RateLimits, Failure> {
    let models: Vec<_> = suite.models().collect();
    let whole = profile.limits.of_models(&models);
    match plan.shard() {
        Some(shard) => (shard.part_of_limits(&whole))
            .map_err(|message| Failure::usage(format!("--shard: {message}"))),
        None => Ok(whole),
    }
}

/// The rate limits of a run with what they apply to.
pub(super) struct RunLimits<'a> {
    pub(super) suite: &'a Suite,
    pub(super) profile: &'a Profile,
    pub(super) plan: &'a Plan,
    /// Those that this process keeps, as [`limits_of`] returns them.
    pub(super) limits: &'a RateLimits,
}

impl RunLimits<'_> {
    /// The rate limits as the manifest has them: the endpoint's, and of a share its part of each.
    pub(super) fn settings(&self) -> Vec<ClientSetting> {
        let (whole, own) = (
            RatePacer::new(self.suite, &self.profile.limits),
            RatePacer::new(self.suite, self.limits),
        );
        let pairs = whole.limits().zip(own.limits());
        let setting = |(whole, own): (PacingLimit, PacingLimit)| {
            limit_setting(&whole, self.plan.shard().map(|_| own.per_minute))
        };
        pairs.map(setting).collect()
    }

    /// The part of a load and of each rate limit that a share has, as lines for standard error.
    pub(super) fn notes(&self) -> Vec<String> {
        let Some(shard) = self.plan.shard() else {
            return Vec::new();
        };
        let of_share = |setting: ClientSetting| {
            let (name, whole) = (setting.name.replace('_', " "), setting.value);
            let (part, endpoint) = (setting.of_share?, &self.profile.name);
            Some(format!(
                "note: shard {shard} takes {part} of {whole} {name} at `{endpoint}`"
            ))
        };
        let load = self.suite.load.as_ref();
        let of_load = load.is_some_and(LoadProfile::is_open_loop).then(|| {
            let (part, whole) = (self.plan.slot_count(), self.plan.whole_slot_count());
            format!("note: shard {shard} takes {part} of {whole} requests to each model, at their instants in the whole load")
        });
        let settings = self.settings().into_iter();
        of_load
            .into_iter()
            .chain(settings.filter_map(of_share))
            .collect()
    }
}

/// A rate limit as stored in the manifest: `requests_per_minute`, for one model with its id appended.
fn limit_setting(limit: &PacingLimit, of_share: Option<u64>) -> ClientSetting {
    let key = limit.unit.key();
    ClientSetting {
        name: match &limit.model {
            Some(model) => format!("{key} {model}"),
            None => key.to_owned(),
        },
        value: limit.per_minute.to_string(),
        reason: "the endpoint's profile says so".to_owned(),
        of_share,
    }
}
