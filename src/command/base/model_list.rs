//! The list of an endpoint's models: from the cache, from the endpoint, or the one compiled in.
//!
//! Owns which of the three is used, and its maximum age. Must not know what is looked up in it. Invariant: a
//! list is fetched before a clock starts, on connections of its own; a failure to get a list is a note, and an
//! error only if a fresh one was requested.

use std::path::PathBuf;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::catalog::{CachedList, Catalog, ListCache, ListDiff, Offers};
use crate::gateway::listing::{EndpointQuery, fetch};
use crate::suite::{Profile, Redacted};
use crate::units::{ModelId, plural};

use super::endpoint::OpenEndpoint;
use super::failure::Failure;
use super::runtime::runtime;

/// Maximum age of a list before a look-up fetches it again: gateways change theirs several times a week.
const FRESH: SignedDuration = SignedDuration::from_hours(24);
/// The age from which a run reports the age of its prices.
const OLD: SignedDuration = SignedDuration::from_hours(7 * 24);
/// Maximum time that a look-up waits for an answer: lists of a megabyte come over slow lines too.
const PATIENCE: Duration = Duration::from_secs(15);
/// Maximum time that a run waits: it can do without the list.
pub(in crate::command) const PATIENCE_OF_A_RUN: Duration = Duration::from_secs(3);
/// Variable that names the folder of the cache.
const CACHE_VARIABLE: &str = "BAKEOFF_CACHE_DIR";

/// The maximum age of an acceptable list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::command) enum CachePolicy {
    /// A new one, or an error.
    New,
    /// One of the last 24 hours; failing that any, with a note.
    Fresh,
    /// Any cached one; only without one the endpoint is contacted, briefly.
    Any,
}

/// A list of models, and the notes about it.
pub(in crate::command) struct ModelList {
    pub(in crate::command) catalog: Catalog,
    /// True if it is the endpoint's own; otherwise it is the compiled-in one.
    pub(in crate::command) own: bool,
    /// True if the endpoint did not answer.
    pub(in crate::command) unreachable: bool,
    /// For standard error, one line each.
    pub(in crate::command) notes: Vec<String>,
    /// Time at which the endpoint returned it; absent for the compiled-in list.
    pub(in crate::command) obtained_at: Option<Timestamp>,
    /// Its age in the cache; absent if it was not read from there.
    since: Option<SignedDuration>,
}

/// The list of the endpoint's models.
///
/// # Errors
/// A new list was requested and could not be fetched.
pub(in crate::command) fn list(
    opened: &OpenEndpoint,
    policy: CachePolicy,
) -> Result<ModelList, Failure> {
    let now = Timestamp::now();
    let base_url = opened.record.base_url.as_deref();
    let place = base_url.zip(cache());
    let cached_list = base_url.and_then(read_cache);
    let will_do = |age: SignedDuration| match policy {
        CachePolicy::New => false,
        // A list from the future was stored under a wrong clock: its age is not known.
        CachePolicy::Fresh => (SignedDuration::ZERO..FRESH).contains(&age),
        CachePolicy::Any => true,
    };
    if let Some((catalog, age)) = cached_list.as_ref().filter(|(_, age)| will_do(*age)) {
        return Ok(ModelList {
            catalog: catalog.clone(),
            own: true,
            unreachable: false,
            notes: vec![format!("{} (kept {})", origin(catalog), ago(*age))],
            obtained_at: now.checked_sub(*age).ok(),
            since: Some(*age),
        });
    }
    let patience = if policy == CachePolicy::Any {
        PATIENCE_OF_A_RUN
    } else {
        PATIENCE
    };
    let failed = match fetch_list(opened, patience, now) {
        Ok((catalog, cached)) => {
            let mut notes = vec![origin(&catalog)];
            let changed =
                (cached_list.as_ref()).map(|(older, _)| (older, changes(older, &catalog)));
            notes.extend(changed.map(|(older, count)| changes_note(older, count, opened)));
            let differs = changed.is_some_and(|(_, count)| count > 0);
            if let Some((url, cache)) = &place
                && let Err(error) = cache.put(url, &cached, |_| differs)
            {
                notes.push(format!("cannot cache the list: {error}"));
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
    let failed = format!("cannot fetch the model list from {base_url}: {failed}");
    if policy == CachePolicy::New {
        return Err(Failure::incomplete(failed));
    }
    let (catalog, own, since) = match cached_list {
        Some((catalog, age)) => (catalog, true, Some(age)),
        None => (Catalog::snapshot(), false, None),
    };
    let instead = match since {
        Some(age) => format!("{} (kept {})", origin(&catalog), ago(age)),
        None => origin(&catalog),
    };
    let mut notes = vec![failed];
    if !own {
        notes.extend(opened.record.base_url.as_deref().and_then(unreadable_note));
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

/// The number of models that differ between two lists.
fn changes(older: &Catalog, newer: &Catalog) -> usize {
    ListDiff::new(older, newer).count()
}

fn changes_note(older: &Catalog, count: usize, opened: &OpenEndpoint) -> String {
    let date = &older.source().date;
    if count == 0 {
        return format!("no changes since the list of {date}");
    }
    let models = plural(count as u64, "model");
    format!(
        "{models} changed since the list of {date}: see `bakeoff models diff --endpoint {}`",
        opened.record.name
    )
}

/// The previous cached list of the endpoint's models, the last one that differed from the newest, if any, and
/// the time at which the endpoint returned it.
pub(in crate::command) fn previous_list(opened: &OpenEndpoint) -> Option<(Catalog, Timestamp)> {
    let base_url = opened.record.base_url.as_deref()?;
    let cached = cache()?.before(base_url)?;
    let catalog = read(Some(base_url), &cached).ok()?;
    Some((catalog, cached.fetched_at))
}

/// The lists that a run uses before it sends anything.
#[derive(Clone)]
pub(in crate::command) struct ModelListState {
    /// For costs, without own prices.
    pub(in crate::command) prices: Catalog,
    /// The endpoint's own list; absent where it could not be had.
    pub(in crate::command) listed: Option<Catalog>,
    /// For standard error, one line each.
    pub(in crate::command) notes: Vec<String>,
}

impl ModelListState {
    /// The state without a request: the compiled-in list.
    pub(in crate::command) fn compiled_in() -> Self {
        Self {
            prices: Catalog::snapshot(),
            listed: None,
            notes: Vec::new(),
        }
    }

    /// The state for an endpoint of a run. The embedded simulator charges by the compiled-in list, and knows
    /// more ids than any list: its list is not fetched.
    pub(in crate::command) fn from_endpoint(opened: &OpenEndpoint) -> Result<Self, Failure> {
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

    /// The state without a request to the endpoint: its cached list, else the compiled-in one.
    pub(in crate::command) fn from_cache(profile: &Profile) -> Self {
        let base_url = profile.base_url.as_deref();
        let Some((catalog, since)) = base_url.and_then(read_cache) else {
            return Self {
                notes: base_url.and_then(unreadable_note).into_iter().collect(),
                ..Self::compiled_in()
            };
        };
        Self::listed(catalog, Some(since), &profile.name)
    }

    /// The state for the endpoint's own list, and its age in the cache.
    fn listed(catalog: Catalog, since: Option<SignedDuration>, name: &str) -> Self {
        // A plain server's list has no prices: the compiled-in one may.
        let priced = catalog.has_prices();
        let old = since.filter(|age| priced && *age >= OLD).map(|age| {
            format!(
                "prices are of a list cached {}; `bakeoff models --endpoint {name} --refresh` gets a new one",
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

/// Fetches the list, and checks that it can be read before it is cached.
fn fetch_list(
    opened: &OpenEndpoint,
    patience: Duration,
    now: Timestamp,
) -> Result<(Catalog, CachedList), String> {
    let asking = fetch(&opened.endpoint, EndpointQuery::Models, patience);
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

/// The cached list of an endpoint's models, and its age.
fn read_cache(base_url: &str) -> Option<(Catalog, SignedDuration)> {
    let cached = cache()?.get(base_url)?;
    let catalog = read(Some(base_url), &cached).ok()?;
    Some((catalog, Timestamp::now().duration_since(cached.fetched_at)))
}

/// The note about a cached list of an endpoint's models that [`read_cache`] cannot read.
fn unreadable_note(base_url: &str) -> Option<String> {
    let there = cache()?.has_file(base_url);
    there.then(|| {
        format!(
            "the cached model list of {base_url} cannot be read and is not used; \
             `bakeoff models --endpoint {base_url} --refresh` gets a new one"
        )
    })
}

fn read(base_url: Option<&str>, cached: &CachedList) -> Result<Catalog, crate::catalog::ListError> {
    let words = match base_url {
        Some(url) => format!("model list of {url}"),
        None => "model list of the simulated gateway".to_owned(),
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
        (_, ..0) => "since a future time".to_owned(),
        (48.., _) => format!("for {} days", age.as_hours() / 24),
        (1.., _) => format!("for {} h", age.as_hours()),
        (_, minutes) => format!("for {minutes} min"),
    }
}

/// The key of a cached answer of an endpoint's other lists: the address that it came from.
fn offers_address(base_url: &str, model: &ModelId) -> String {
    format!("{base_url}/models/{model}/endpoints")
}

/// The cached providers of a model, if they are not older than a fresh list may be.
pub(in crate::command) fn cached_offers(base_url: &str, model: &ModelId) -> Option<Offers> {
    let cached = cache()?.get(&offers_address(base_url, model))?;
    let age = Timestamp::now().duration_since(cached.fetched_at);
    let fresh = (SignedDuration::ZERO..FRESH).contains(&age);
    fresh.then(|| Offers::read(&cached.list).ok())?
}

/// Caches the providers of a model, an answer that could be read. One that cannot be cached is fetched again.
pub(in crate::command) fn cache_offers(base_url: &str, model: &ModelId, answer: Redacted<String>) {
    let cached = CachedList {
        fetched_at: Timestamp::now(),
        list: answer,
    };
    if let Some(cache) = cache() {
        // Earlier versions of these are never read.
        let _ = cache.put(&offers_address(base_url, model), &cached, |_| false);
    }
}

/// The cache of this user, if there is a place for one.
fn cache() -> Option<ListCache> {
    cache_folder().map(ListCache::new)
}

/// The folder of the cache: the one that was named, else the platform's folder for such files.
pub(in crate::command) fn cache_folder() -> Option<PathBuf> {
    let folder = |name: &str| {
        let path = PathBuf::from(std::env::var_os(name)?);
        // A relative one would lie in whatever folder the user is in.
        path.is_absolute().then_some(path)
    };
    let named = std::env::var_os(CACHE_VARIABLE).filter(|value| !value.is_empty());
    if let Some(named) = named {
        return Some(PathBuf::from(named));
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
    Some(base.join("bakeoff"))
}
