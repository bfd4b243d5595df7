//! `bakeoff models`: the models of an endpoint, their prices, and changes of both.

use std::io::{self, Write};
use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;

use crate::catalog::{Catalog, ListDiff, ListedModel, MAX_SUGGESTIONS, Offers, Retirement, Sort};
use crate::gateway::listing::{EndpointQuery, fetch};
use crate::record::ModelRetirement;
use crate::report::models::{diff_table, offers_table, page, table};
use crate::report::{
    ModelShownDocument, ModelsDiffDocument, ModelsDocument, model_sentence, retirement_line,
};
use crate::suite::{Profile, SIM};
use crate::units::ModelId;
use crate::verdict::ModelLint;

use super::base::endpoint::{self, OpenEndpoint};
use super::base::failure::Failure;
use super::base::json::print_json;
use super::base::model_list::{self, CachePolicy, ModelList};
use super::base::preflight::today;
use super::base::runtime::runtime;
use super::base::stdio::{stderr, stdout};
use super::base::{exit, files};

/// The longest that is waited for the providers of a model.
const PATIENCE: Duration = Duration::from_secs(15);

/// The options of `bakeoff models`.
#[derive(Debug)]
pub struct Options {
    /// List models, show one model, or show changes.
    pub what: ModelsAction,
    /// Name of a profile or a base URL; absent: the simulated gateway.
    pub endpoint: Option<String>,
    /// PEM file of further certificate authorities.
    pub ca_file: Option<PathBuf>,
    /// Project file.
    pub project: Option<PathBuf>,
    /// Fetch the list, whatever the cache holds.
    pub refresh: bool,
    /// Print JSON.
    pub json: bool,
}

/// The action of `bakeoff models`.
#[derive(Debug)]
pub enum ModelsAction {
    /// The models that fit every one of these words, in this order.
    List(Vec<String>, Sort),
    /// All about this one.
    Show(String),
    /// The changes since the previous list.
    Diff,
}

/// Carries out `bakeoff models`.
pub(crate) fn execute(options: &Options) -> Result<u8, Failure> {
    let project = files::project(options.project.as_deref())?;
    let profile = endpoint::resolve(
        &project,
        options.endpoint.as_deref().unwrap_or(SIM),
        options.ca_file.as_deref(),
    )?;
    let opened = endpoint::open_for_lists(&profile)?;
    let policy = if options.refresh {
        CachePolicy::New
    } else {
        CachePolicy::Fresh
    };
    let listed = model_list::list(&opened, policy)?;
    let mut err = stderr();
    for note in &listed.notes {
        writeln!(err, "{note}")?;
    }
    let unreadable = listed.catalog.unreadable_entries();
    if unreadable > 0 {
        writeln!(
            err,
            "note: skipped model entries without a valid id: {unreadable}"
        )?;
    }
    let priced = || {
        let listed_ids = listed.catalog.models().map(|model| &model.id);
        let own = profile.prices_of(listed_ids);
        listed.catalog.clone().with_own_prices(&own)
    };
    // Own prices settle what is doubtful.
    for doubt in priced().price_warnings() {
        writeln!(err, "{doubt}")?;
    }
    let json = options.json;
    match &options.what {
        ModelsAction::List(words, sort) => print_list(&priced(), words, *sort, &opened, json),
        ModelsAction::Show(id) => {
            let catalog = priced();
            let shown = find(&catalog, id, &profile)?;
            show(&catalog, shown, &opened, !listed.unreachable, json)
        }
        // Own prices would hide what the lists say.
        ModelsAction::Diff => diff(&listed, &opened, json),
    }
}

fn print_list(
    catalog: &Catalog,
    words: &[String],
    sort: Sort,
    opened: &OpenEndpoint,
    json: bool,
) -> Result<u8, Failure> {
    let mut models = catalog
        .search(words)
        .map_err(|error| Failure::usage(error.to_string()))?;
    if models.is_empty() && !words.is_empty() {
        return Err(nothing_found(catalog, words));
    }
    sort.apply(&mut models);
    let mut out = stdout();
    if json {
        let document = ModelsDocument::new(&opened.record.name, catalog, models);
        print_json(&mut out, &document)?;
        return Ok(exit::DONE);
    }
    let width = terminal_size::terminal_size_of(io::stdout());
    let width = width.map(|(width, _)| usize::from(width.0));
    write!(out, "{}", table(&models, sort, width))?;
    Ok(exit::DONE)
}

/// Prints the changes between the endpoint's newest list and the previous one that differed from it; if none is
/// cached, the compiled-in one.
fn diff(listed: &ModelList, opened: &OpenEndpoint, json: bool) -> Result<u8, Failure> {
    let name = &opened.record.name;
    if !listed.own {
        return Err(Failure::incomplete(format!(
            "no model list of `{name}` to compare: none is cached, and the endpoint did not answer"
        )));
    }
    let cached_list = model_list::previous_list(opened);
    let compiled_in = cached_list.is_none();
    let instant = cached_list.as_ref().map(|(_, fetched_at)| *fetched_at);
    if compiled_in {
        writeln!(
            stderr(),
            "no earlier list of `{name}` that differs is cached: compared with the built-in one"
        )?;
    }
    let before = cached_list.map_or_else(Catalog::snapshot, |(list, _)| list);
    let after = &listed.catalog;
    let diff = ListDiff::new(&before, after);
    let mut out = stdout();
    if json {
        let document = ModelsDiffDocument::new(name, (&before, compiled_in), after, &diff);
        print_json(&mut out, &document)?;
        return Ok(exit::DONE);
    }
    let (old, new) = dates(
        (&before.source().date, instant),
        (&after.source().date, listed.obtained_at),
    );
    let which = if compiled_in {
        "the built-in list"
    } else {
        "the list"
    };
    writeln!(
        out,
        "Models of `{name}`: the list of {new} compared with {which} of {old}"
    )?;
    write!(out, "\n{}", diff_table(&diff))?;
    Ok(exit::DONE)
}

/// Labels of two lists: their dates; within one day with the times, if known.
fn dates(
    (old, before): (&str, Option<Timestamp>),
    (new, after): (&str, Option<Timestamp>),
) -> (String, String) {
    let label = |date: &str, at: Option<Timestamp>| match at.filter(|_| old == new) {
        Some(at) => at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string(),
        None => date.to_owned(),
    };
    (label(old, before), label(new, after))
}

fn nothing_found(catalog: &Catalog, words: &[String]) -> Failure {
    let near = catalog.nearest(&words.join("-"), MAX_SUGGESTIONS);
    let near: Vec<String> = near.into_iter().map(|id| format!("`{id}`")).collect();
    let remedy = match near.as_slice() {
        [] => "`bakeoff models` lists all".to_owned(),
        near => format!("did you mean {}?", near.join(" or ")),
    };
    Failure::usage(format!(
        "none of {} models matches `{}`\n  {remedy}",
        catalog.models().count(),
        words.join(" ")
    ))
}

/// Finds a model by its id, with its retirement if that is known.
fn find<'c>(
    catalog: &'c Catalog,
    id: &str,
    profile: &Profile,
) -> Result<(&'c ListedModel, Option<Retirement>), Failure> {
    let id: ModelId = id
        .parse()
        .map_err(|error: crate::units::ModelIdError| Failure::usage(error.to_string()))?;
    let Some(model) = catalog.get(&id) else {
        let unlisted = ModelLint::unlisted(&id, catalog, &profile.name);
        return Err(Failure::usage(model_sentence(&unlisted)));
    };
    Ok((model, catalog.retirement(&id, &profile.retirements)))
}

fn show(
    catalog: &Catalog,
    (model, retirement): (&ListedModel, Option<Retirement>),
    opened: &OpenEndpoint,
    reachable: bool,
    json: bool,
) -> Result<u8, Failure> {
    // Figures of the last hour are never cached: they are fetched, or unknown.
    let offers = if reachable {
        providers(opened, &model.id)
    } else {
        Err("the endpoint did not answer".to_owned())
    };
    if let Some(retirement) = retirement.as_ref().filter(|one| one.is_near(today())) {
        let one = ModelRetirement::new(model.id.clone(), retirement.clone());
        writeln!(stderr(), "warning: {}", retirement_line(&one, today()))?;
    }
    let mut out = stdout();
    if json {
        let name = &opened.record.name;
        let offers = offers.as_ref().ok();
        let document = ModelShownDocument::new(name, catalog, model, retirement, offers);
        print_json(&mut out, &document)?;
    } else {
        write!(out, "{}", page(model, retirement.as_ref()))?;
    }
    match &offers {
        Ok(offers) if !json => write!(out, "\n{}", offers_table(model, offers))?,
        Ok(_) => {}
        Err(why) => writeln!(stderr(), "note: providers unknown: {why}")?,
    }
    Ok(exit::DONE)
}

fn providers(opened: &OpenEndpoint, id: &ModelId) -> Result<Offers, String> {
    let runtime = runtime().map_err(|error| error.to_string())?;
    let asking = fetch(&opened.endpoint, EndpointQuery::Providers(id), PATIENCE);
    let answer = runtime
        .block_on(asking)
        .map_err(|error| error.to_string())?;
    Offers::read(&answer).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_one_day_are_distinguished() {
        // "The list of today against the list of today" is no use to a reader.
        let at = |text: &str| Some(text.parse::<Timestamp>().unwrap());
        let (morning, noon) = (at("2026-11-22T08:05:06.7Z"), at("2026-11-22T12:00:00Z"));
        let today = "2026-11-22";
        assert_eq!(
            dates((today, morning), (today, noon)),
            (
                "2026-11-22 08:05:06 UTC".to_owned(),
                "2026-11-22 12:00:00 UTC".to_owned()
            )
        );
        let (old, new) = dates(("2026-11-21", morning), (today, noon));
        assert_eq!((old.as_str(), new.as_str()), ("2026-11-21", today));
    }
}
