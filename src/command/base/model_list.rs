//! The list of an endpoint's models: from the cache, from the endpoint, or the one compiled in.
//!
//! Owns which of the three is taken, and how old one may be. Must not know what is looked up in it.
//! Invariant: a list is fetched before a clock starts, on connections of its own; a list that cannot
//! be had is a note, an error only where a fresh one was asked for.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::catalog::{CachedList, Catalog, ListCache, ListDiff, Offers};
use crate::gateway::listing::{Listing, fetch};
use crate::suite::{Profile, Redacted, Suite};
use crate::units::{ModelId, plural};

use super::endpoint::Opened;
use super::failure::Failure;
use super::runtime::runtime;

/// How old a list may be before a look-up asks for it again: gateways change theirs several times a
/// week.
const FRESH: SignedDuration = SignedDuration::from_hours(24);
/// The age from which on a run says how old the prices are that it counts with.
const OLD: SignedDuration = SignedDuration::from_hours(7 * 24);
/// The longest that a look-up waits for an answer: lists of a megabyte come over slow lines too.
const PATIENCE: Duration = Duration::from_secs(15);
/// The longest that a run waits: it can do without the list.
pub(in crate::command) const PATIENCE_OF_A_RUN: Duration = Duration::from_secs(3);
/// Ids of other models that are offered for one that does not exist.
pub(in crate::command) const NEAREST_TOLD: usize = 3;
/// Variable that names the folder of the cache.
const CACHE_VARIABLE: &str = "BAKEOFF_CACHE_DIR";

/// Which list will do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::command) enum CachePolicy {
    /// A new one, or an error.
    New,
    /// One of the last 24 hours; failing that any, with a note.
    Fresh,
    /// Any that is there; only where there is none the endpoint is asked, briefly.
    Any,
}

/// A list, and what is to be said of it.
pub(in crate::command) struct ModelList {
    pub(in crate::command) catalog: Catalog,
    /// Whether it is the endpoint's own; otherwise the one that is compiled in.
    pub(in crate::command) own: bool,
    /// Whether the endpoint was found not to answer.
    pub(in crate::command) unreachable: bool,
    /// For standard error, one line each.
    pub(in crate::command) notes: Vec<String>,
    /// When the endpoint gave it; absent of the one that is compiled in.
    pub(in crate::command) obtained_at: Option<Timestamp>,
    /// Since when it is in the cache; absent where it was not taken from there.
    since: Option<SignedDuration>,
}

/// The list of the endpoint's models.
///
/// # Errors
/// Only where a new one was wished for and could not be had.
pub(in crate::command) fn list(opened: &Opened, wish: CachePolicy) -> Result<ModelList, Failure> {
    let now = Timestamp::now();
    let base_url = opened.record.base_url.as_deref();
    let place = base_url.zip(cache());
    let kept = base_url.and_then(kept);
    let will_do = |age: SignedDuration| match wish {
        CachePolicy::New => false,
        // A list from the future was stored under a wrong clock: its age is not known.
        CachePolicy::Fresh => (SignedDuration::ZERO..FRESH).contains(&age),
        CachePolicy::Any => true,
    };
    if let Some((catalog, age)) = kept.as_ref().filter(|(_, age)| will_do(*age)) {
        return Ok(ModelList {
            catalog: catalog.clone(),
            own: true,
            unreachable: false,
            notes: vec![format!("{} (kept {})", origin(catalog), ago(*age))],
            obtained_at: now.checked_sub(*age).ok(),
            since: Some(*age),
        });
    }
    let patience = if wish == CachePolicy::Any {
        PATIENCE_OF_A_RUN
    } else {
        PATIENCE
    };
    let failed = match fetched(opened, patience, now) {
        Ok((catalog, cached)) => {
            let mut notes = vec![origin(&catalog)];
            let changed = (kept.as_ref()).map(|(older, _)| (older, changes(older, &catalog)));
            notes.extend(changed.map(|(older, count)| told_changes(older, count, opened)));
            let differs = changed.is_some_and(|(_, count)| count > 0);
            if let Some((url, cache)) = &place
                && let Err(error) = cache.put(url, &cached, |_| differs)
            {
                notes.push(format!("the list could not be kept: {error}"));
            }
            return Ok(ModelList {
                catalog,
                own: true,
                unreachable: false,
                notes,
                obtained_at: Some(now),
                since: None,
            });
        }
        Err(failed) => failed,
    };
    let base_url = &opened.endpoint.base_url;
    let failed = format!("no list of models from {base_url}: {failed}");
    if wish == CachePolicy::New {
        return Err(Failure::incomplete(failed));
    }
    let (catalog, own, since) = match kept {
        Some((catalog, age)) => (catalog, true, Some(age)),
        None => (Catalog::snapshot(), false, None),
    };
    let instead = match since {
        Some(age) => format!("{} (kept {})", origin(&catalog), ago(age)),
        None => origin(&catalog),
    };
    let mut notes = vec![failed];
    if !own {
        notes.extend(opened.record.base_url.as_deref().and_then(damaged));
    }
    notes.push(format!("instead: {instead}"));
    Ok(ModelList {
        catalog,
        own,
        unreachable: true,
        notes,
        obtained_at: since.and_then(|age| now.checked_sub(age).ok()),
        since,
    })
}

/// How many models two lists tell differently.
fn changes(older: &Catalog, newer: &Catalog) -> usize {
    ListDiff::new(older, newer).count()
}

fn told_changes(older: &Catalog, count: usize, opened: &Opened) -> String {
    let date = &older.source().date;
    if count == 0 {
        return format!("nothing changed since the list of {date}");
    }
    let models = plural(count as u64, "model");
    format!(
        "{models} changed since the list of {date}: `bakeoff models diff --endpoint {}` says how",
        opened.record.name
    )
}

/// The last list of the endpoint's models before the newest one that differed from it, where one was
/// kept, and when the endpoint gave it.
pub(in crate::command) fn before(opened: &Opened) -> Option<(Catalog, Timestamp)> {
    let base_url = opened.record.base_url.as_deref()?;
    let cached = cache()?.before(base_url)?;
    let catalog = read(Some(base_url), &cached).ok()?;
    Some((catalog, cached.fetched_at))
}

/// What a run knows before it sends anything.
pub(in crate::command) struct ModelListState {
    /// For costs, without own prices.
    pub(in crate::command) prices: Catalog,
    /// The endpoint's own list; absent where it could not be had.
    pub(in crate::command) listed: Option<Catalog>,
    /// For standard error, one line each.
    pub(in crate::command) notes: Vec<String>,
}

impl ModelListState {
    /// What is known without asking anybody.
    pub(in crate::command) fn compiled_in() -> Self {
        Self {
            prices: Catalog::snapshot(),
            listed: None,
            notes: Vec::new(),
        }
    }

    /// Of an endpoint about to be asked. The embedded simulator charges by the compiled-in list, and
    /// knows more ids than any list: it is not asked.
    pub(in crate::command) fn of(opened: &Opened) -> Result<Self, Failure> {
        if opened.record.base_url.is_none() {
            return Ok(Self::compiled_in());
        }
        let ModelList {
            catalog,
            own,
            notes,
            since,
            unreachable: _,
            obtained_at: _,
        } = list(opened, CachePolicy::Any)?;
        if !own {
            return Ok(Self {
                notes,
                ..Self::compiled_in()
            });
        }
        Ok(Self::listed(catalog, since, &opened.record.name))
    }

    /// Of an endpoint that is not to be asked: the list of it that was kept, else the compiled-in one.
    pub(in crate::command) fn kept(profile: &Profile) -> Self {
        let base_url = profile.base_url.as_deref();
        let Some((catalog, since)) = base_url.and_then(kept) else {
            return Self {
                notes: base_url.and_then(damaged).into_iter().collect(),
                ..Self::compiled_in()
            };
        };
        Self::listed(catalog, Some(since), &profile.name)
    }

    /// What to say of each model of a suite that the endpoint's own list does not have, where there is such
    /// a list. `endpoint`: the profile's name.
    pub(in crate::command) fn missing(&self, suite: &Suite, endpoint: &str) -> Vec<String> {
        let models: BTreeSet<&ModelId> = suite.variants.iter().map(|v| &v.model).collect();
        let said = self.listed.iter().flat_map(|listed| {
            let missing = models.iter().filter(|model| !listed.offers(model));
            missing.map(|model| unlisted(listed, endpoint, model))
        });
        said.collect()
    }

    /// Of the endpoint's own list, and since when it was kept.
    fn listed(catalog: Catalog, since: Option<SignedDuration>, name: &str) -> Self {
        // A plain server's list has no prices: the compiled-in one may.
        let priced = catalog.has_prices();
        let old = since.filter(|age| priced && *age >= OLD).map(|age| {
            format!(
                "prices are of a list kept {}; `bakeoff models --endpoint {name} --refresh` gets a new one",
                ago(age)
            )
        });
        Self {
            prices: if priced {
                catalog.clone()
            } else {
                Catalog::snapshot()
            },
            listed: Some(catalog),
            notes: old.into_iter().collect(),
        }
    }
}

/// What to say of an id that a list does not have: where it went, or what it looks like.
pub(in crate::command) fn unlisted(catalog: &Catalog, endpoint: &str, id: &ModelId) -> String {
    let quoted = |ids: Vec<&ModelId>| {
        let ids: Vec<String> = ids.into_iter().map(|id| format!("`{id}`")).collect();
        ids.join(" or ")
    };
    let moved = catalog.moved(id.as_str());
    let nearest = catalog.nearest(id.as_str(), NEAREST_TOLD);
    let remedy = match (moved.is_empty(), nearest.is_empty()) {
        (false, _) => format!("; it lists that model as {}", quoted(moved)),
        (true, false) => format!("; did you mean {}?", quoted(nearest)),
        (true, true) => String::new(),
    };
    let date = &catalog.source().date;
    format!("`{endpoint}` does not list `{id}` (list of {date}){remedy}")
}

/// Asks the endpoint, and makes sure that what came is a list before it is kept.
fn fetched(
    opened: &Opened,
    patience: Duration,
    now: Timestamp,
) -> Result<(Catalog, CachedList), String> {
    let asking = fetch(&opened.endpoint, Listing::Models, patience);
    let runtime = runtime().map_err(|error| error.to_string())?;
    let list = runtime
        .block_on(asking)
        .map_err(|error| error.to_string())?;
    let cached = CachedList {
        fetched_at: now,
        list,
    };
    let catalog =
        read(opened.record.base_url.as_deref(), &cached).map_err(|error| error.to_string())?;
    Ok((catalog, cached))
}

/// The list of an endpoint's models that was kept, and since when.
fn kept(base_url: &str) -> Option<(Catalog, SignedDuration)> {
    let cached = cache()?.get(base_url)?;
    let catalog = read(Some(base_url), &cached).ok()?;
    Some((catalog, Timestamp::now().duration_since(cached.fetched_at)))
}

/// What to say where a list of an endpoint's models was kept that [`kept`] cannot read.
fn damaged(base_url: &str) -> Option<String> {
    let there = cache()?.has_file(base_url);
    there.then(|| {
        format!(
            "the list of models that was kept of {base_url} cannot be read, and is not used; \
             `bakeoff models --endpoint {base_url} --refresh` gets a new one"
        )
    })
}

fn read(base_url: Option<&str>, cached: &CachedList) -> Result<Catalog, crate::catalog::ListError> {
    let words = match base_url {
        Some(url) => format!("list of models of {url}"),
        None => "list of models of the simulated gateway".to_owned(),
    };
    let date = cached.fetched_at.strftime("%Y-%m-%d").to_string();
    Catalog::read(&cached.list, words, date)
}

fn origin(catalog: &Catalog) -> String {
    let source = catalog.source();
    format!("{}, {}", source.words, source.date)
}

fn ago(age: SignedDuration) -> String {
    match (age.as_hours(), age.as_mins()) {
        (_, ..0) => "since a time to come".to_owned(),
        (48.., _) => format!("for {} days", age.as_hours() / 24),
        (1.., _) => format!("for {} h", age.as_hours()),
        (_, minutes) => format!("for {minutes} min"),
    }
}

/// What a kept answer of an endpoint's other lists is called in the cache: the address that it came from.
fn offers_address(base_url: &str, model: &ModelId) -> String {
    format!("{base_url}/models/{model}/endpoints")
}

/// Who serves a model, as it was kept within the time that a look-up takes for fresh.
pub(in crate::command) fn kept_offers(base_url: &str, model: &ModelId) -> Option<Offers> {
    let cached = cache()?.get(&offers_address(base_url, model))?;
    let age = Timestamp::now().duration_since(cached.fetched_at);
    let fresh = (SignedDuration::ZERO..FRESH).contains(&age);
    fresh.then(|| Offers::read(&cached.list).ok())?
}

/// Keeps who serves a model, an answer that could be read. One that cannot be kept is asked for again.
pub(in crate::command) fn keep_offers(base_url: &str, model: &ModelId, answer: Redacted<String>) {
    let cached = CachedList {
        fetched_at: Timestamp::now(),
        list: answer,
    };
    if let Some(cache) = cache() {
        // Nobody asks what these were before.
        let _ = cache.put(&offers_address(base_url, model), &cached, |_| false);
    }
}

/// The cache of this user, where there is a place for one: the folder that was named, else the one
/// that the platform has for such files.
fn cache() -> Option<ListCache> {
    let folder = |name: &str| {
        let path = PathBuf::from(std::env::var_os(name)?);
        // A relative one would lie in whatever folder the user is in.
        path.is_absolute().then_some(path)
    };
    let named = std::env::var_os(CACHE_VARIABLE).filter(|value| !value.is_empty());
    if let Some(named) = named {
        return Some(ListCache::new(PathBuf::from(named)));
    }
    let platform = || {
        if cfg!(windows) {
            folder("LOCALAPPDATA")
        } else if cfg!(target_os = "macos") {
            folder("HOME").map(|home| home.join("Library").join("Caches"))
        } else {
            folder("HOME").map(|home| home.join(".cache"))
        }
    };
    let base = folder("XDG_CACHE_HOME").or_else(platform)?;
    Some(ListCache::new(base.join("bakeoff")))
}
