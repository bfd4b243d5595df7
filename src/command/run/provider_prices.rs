//! The providers of the models of a job, for the prices that bound the cost of a request.
//!
//! Owns which models are looked up, and the notes about failures. Must not know what is bounded. Invariant: a
//! model whose price is the user's own is not looked up; an unknown provider is a note, never a failure.

use std::collections::{BTreeMap, BTreeSet};

use futures::future::join_all;

use crate::catalog::Offers;
use crate::gateway::listing::{EndpointQuery, fetch};
use crate::suite::Profile;
use crate::units::ModelId;

use super::job::{Job, ResolvedRun};
use crate::command::base::endpoint::{self, OpenEndpoint};
use crate::command::base::failure::Failure;
use crate::command::base::model_list::{
    CachePolicy, PATIENCE_OF_A_RUN, cache_offers, cached_offers,
};
use crate::command::base::runtime::runtime;

/// Models that a note names; the others are counted.
const MODELS_NAMED: usize = 3;

/// Looks up every model of the job, stores the offers in it, and returns notes. Cached answers of the last 24
/// hours are enough if the `policy` is for a fresh list.
///
/// # Errors
/// Where nothing can be asked on this machine.
pub(in crate::command) fn ask(
    job: &mut Job,
    opened: &OpenEndpoint,
    policy: CachePolicy,
) -> Result<Vec<String>, Failure> {
    let base_url = opened.record.base_url.as_deref();
    let mut unpriced: Vec<ModelId> = models(&job.resolved).into_iter().cloned().collect();
    if let Some(base_url) = base_url.filter(|_| policy != CachePolicy::New) {
        unpriced.retain(|model| {
            let cached = cached_offers(base_url, model);
            let missing = cached.is_none();
            job.offered
                .extend(cached.map(|offers| (model.clone(), offers)));
            missing
        });
    }
    if unpriced.is_empty() {
        return Ok(Vec::new());
    }
    let asking = unpriced.iter().map(|model| {
        fetch(
            &opened.endpoint,
            EndpointQuery::Providers(model),
            PATIENCE_OF_A_RUN,
        )
    });
    let answers = runtime()?.block_on(join_all(asking));
    let mut unknown: BTreeMap<String, Vec<ModelId>> = BTreeMap::new();
    for (model, answer) in unpriced.into_iter().zip(answers) {
        let read = answer
            .map_err(|error| error.to_string())
            .and_then(|answer| match Offers::read(&answer) {
                Ok(offers) => Ok((offers, answer)),
                Err(error) => Err(error.to_string()),
            });
        match read {
            Ok((offers, answer)) => {
                if let Some(base_url) = base_url {
                    cache_offers(base_url, &model, answer);
                }
                job.offered.insert(model, offers);
            }
            Err(why) => unknown.entry(why).or_default().push(model),
        }
    }
    Ok(unknown.iter().map(not_known).collect())
}

/// The endpoint whose providers an estimate uses: one that the user named, and whose key is set or that is the
/// simulator. Otherwise nothing is sent, and a note may say so.
///
/// # Errors
/// Where the simulator cannot start, or the file with keys cannot be read.
pub(in crate::command) fn for_estimate(
    profile: &Profile,
    named: bool,
) -> Result<(Option<OpenEndpoint>, Option<String>), Failure> {
    if !named {
        return Ok((None, None));
    }
    let opened = endpoint::open_for_lists(profile)?;
    if profile.base_url.is_none() || opened.record.key_variable.is_some() {
        return Ok((Some(opened), None));
    }
    let note = (!profile.key_variables.is_empty()).then(|| {
        format!(
            "note: `{}` is not asked who serves a model, because {} is not set: the worst case takes list \
             prices for the most expensive",
            profile.name,
            profile.key_variables.join(" or ")
        )
    });
    Ok((None, note))
}

/// The models of a job whose price is not the user's own.
fn models(resolved: &ResolvedRun) -> BTreeSet<&ModelId> {
    let own = |model: &ModelId| {
        resolved
            .profile
            .prices
            .iter()
            .any(|own| own.model == *model)
    };
    let models = resolved.suite.variants.iter().map(|variant| &variant.model);
    models.filter(|model| !own(model)).collect()
}

fn not_known((why, models): (&String, &Vec<ModelId>)) -> String {
    let named = models.iter().take(MODELS_NAMED);
    let named: Vec<String> = named.map(|model| format!("`{model}`")).collect();
    let more = match models.len() - named.len() {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!(
        "note: who serves {}{more} is not known ({why}): the list price is taken for the highest",
        named.join(", ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_reason_is_reported_once() {
        // An endpoint that does not answer fails the same way twenty times: one line is enough.
        let models = |count: usize| -> Vec<ModelId> {
            (0..count)
                .map(|n| format!("m/{n}").parse().unwrap())
                .collect()
        };
        let note = |count| not_known((&"gone".to_owned(), &models(count)));
        insta::assert_snapshot!([note(1), note(3), note(20)].join("\n"), @"
        note: who serves `m/0` is not known (gone): the list price is taken for the highest
        note: who serves `m/0`, `m/1`, `m/2` is not known (gone): the list price is taken for the highest
        note: who serves `m/0`, `m/1`, `m/2` and 17 more is not known (gone): the list price is taken for the highest
        ");
    }
}
