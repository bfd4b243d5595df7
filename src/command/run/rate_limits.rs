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

/// The rate limits as the manifest has them: the endpoint's, and of a share the part that `limits` has of each.
pub(super) fn limit_settings(
    suite: &Suite,
    (profile, limits): (&Profile, &RateLimits),
    plan: &Plan,
) -> Vec<ClientSetting> {
    let (whole, own) = (
        RatePacer::new(suite, &profile.limits),
        RatePacer::new(suite, limits),
    );
    let pairs = whole.limits().zip(own.limits());
    let setting = |(whole, own): (PacingLimit, PacingLimit)| {
        limit_setting(&whole, plan.shard().map(|_| own.per_minute))
    };
    pairs.map(setting).collect()
}

/// The part of a load and of each rate limit that a share has, as lines for standard error.
pub(super) fn divided_limits(
    suite: &Suite,
    (profile, limits): (&Profile, &RateLimits),
    plan: &Plan,
) -> Vec<String> {
    let Some(shard) = plan.shard() else {
        return Vec::new();
    };
    let of_share = |setting: ClientSetting| {
        let (name, whole) = (setting.name.replace('_', " "), setting.value);
        let (part, endpoint) = (setting.of_share?, &profile.name);
        Some(format!(
            "note: shard {shard} takes {part} of {whole} {name} at `{endpoint}`"
        ))
    };
    let is_open_loop = suite.load.as_ref().is_some_and(LoadProfile::is_open_loop);
    let of_load = is_open_loop.then(|| {
        let (part, whole) = (plan.slot_count(), plan.whole_slot_count());
        format!("note: shard {shard} takes {part} of {whole} requests to each model, at their instants in the whole load")
    });
    let settings = limit_settings(suite, (profile, limits), plan).into_iter();
    of_load
        .into_iter()
        .chain(settings.filter_map(of_share))
        .collect()
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
