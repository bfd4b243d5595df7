//! From a profile to an open endpoint: the key from the environment, the embedded simulator started if it is
//! used.
//!
//! Owns the source of keys. Must not know the requests. Invariant: a key goes from a variable into a header and
//! nowhere else.

use std::net::TcpListener;
use std::path::Path;

use secrecy::SecretString;

use crate::gateway::explain::missing_key;
use crate::gateway::{Authorities, Endpoint, Proxy, request};
use crate::record::{EndpointRecord, digest};
use crate::sim::scenario::DEFAULT_SCENARIO;
use crate::sim::{Scenario, Simulator, SimulatorHandle};
use crate::suite::{Profile, Project};

use super::failure::Failure;
use super::files::{self, Variables};
use super::runtime::random_number;

/// An open endpoint, and the manifest's record of it.
pub(in crate::command) struct OpenEndpoint {
    pub(in crate::command) endpoint: Endpoint,
    pub(in crate::command) record: EndpointRecord,
    /// Held so that the simulator lives as long as the run.
    _simulator: Option<SimulatorHandle>,
}

/// The profile of a name or base URL; `ca_file` takes the place of its own.
pub(in crate::command) fn resolve(
    project: &Project,
    name: &str,
    ca_file: Option<&Path>,
) -> Result<Profile, Failure> {
    let mut profile = project.resolve(name).map_err(|error| match error.help() {
        Some(help) => Failure::usage(format!("{error}\n  {help}")),
        None => Failure::usage(error.to_string()),
    })?;
    if let Some(ca_file) = ca_file {
        let is_tls = |url: &String| url.starts_with("https:");
        if !profile.base_url.as_ref().is_some_and(is_tls) {
            return Err(Failure::usage(format!(
                "--ca-file is for endpoints with TLS, but `{}` has no `https` URL: leave it out",
                profile.name
            )));
        }
        profile.ca_file = Some(ca_file.to_owned());
    }
    Ok(profile)
}

/// Opens the endpoint of a profile for its lists. They often need no key, so a missing one is no
/// failure: the endpoint says so itself where it wants one.
pub(in crate::command) fn open_for_lists(profile: &Profile) -> Result<OpenEndpoint, Failure> {
    match &profile.base_url {
        Some(base_url) => at(profile, base_url, key(profile)?),
        None => simulated(profile, None, None),
    }
}

/// Opens the endpoint of a profile. `scenario` and `sim_seed` are for the embedded simulator.
pub(in crate::command) fn open(
    profile: &Profile,
    scenario: Option<&Path>,
    sim_seed: Option<u64>,
) -> Result<OpenEndpoint, Failure> {
    match &profile.base_url {
        Some(base_url) if scenario.is_none() && sim_seed.is_none() => remote(profile, base_url),
        Some(_) => Err(Failure::usage(format!(
            "--scenario and --sim-seed are for the simulated gateway, but the endpoint is `{}`: \
             leave them out, or say --endpoint sim",
            profile.name
        ))),
        None => simulated(profile, scenario, sim_seed),
    }
}

fn remote(profile: &Profile, base_url: &str) -> Result<OpenEndpoint, Failure> {
    let found = key(profile)?;
    if found.is_none() && !profile.key_variables.is_empty() {
        let explanation = missing_key(&profile.name, &profile.key_variables);
        return Err(Failure::usage(format!(
            "{}\n  {}",
            explanation.what, explanation.remedy
        )));
    }
    at(profile, base_url, found)
}

/// The key, and the variable that held it, if one is needed and found.
fn key(profile: &Profile) -> Result<Option<(String, SecretString)>, Failure> {
    if profile.key_variables.is_empty() {
        // A `.env` that cannot be read is no problem where no key is needed.
        return Ok(None);
    }
    let variables = Variables::read()?;
    let mut names = profile.key_variables.iter();
    Ok(names.find_map(|name| variables.get(name).map(|key| (name.clone(), key))))
}

fn at(
    profile: &Profile,
    base_url: &str,
    found: Option<(String, SecretString)>,
) -> Result<OpenEndpoint, Failure> {
    let (key_variable, key) = found.unzip();
    let proxy = Proxy::from_variables(base_url, |name| std::env::var(name).ok());
    let proxy = proxy.map_err(|error| Failure::usage(error.to_string()))?;
    Ok(OpenEndpoint {
        endpoint: Endpoint {
            base_url: with_version(base_url, profile),
            key,
            key_header: profile.key_header.clone(),
            headers: headers(profile),
            proxy,
            authorities: authorities(profile)?,
        },
        record: EndpointRecord {
            name: profile.name.clone(),
            base_url: Some(base_url.to_owned()),
            key_variable,
            scenario: None,
        },
        _simulator: None,
    })
}

/// The authorities of the profile's file.
fn authorities(profile: &Profile) -> Result<Authorities, Failure> {
    let Some(file) = &profile.ca_file else {
        return Ok(Authorities::default());
    };
    Authorities::from_pem(&files::bytes(file)?).map_err(|error| {
        let file = file.display();
        Failure::usage(format!(
            "`{file}` cannot be used for certificate authorities: {error}"
        ))
    })
}

/// The route's headers, then the profile's own, which win.
fn headers(profile: &Profile) -> Vec<(String, String)> {
    let route = request::headers(profile.wording.api).iter();
    let route = route.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    route.chain(profile.headers.iter().cloned()).collect()
}

/// The base URL with the version of the API that Azure wants in the query.
fn with_version(base_url: &str, profile: &Profile) -> String {
    match &profile.api_version {
        Some(version) => format!("{base_url}?api-version={version}"),
        None => base_url.to_owned(),
    }
}

fn simulated(
    profile: &Profile,
    scenario: Option<&Path>,
    sim_seed: Option<u64>,
) -> Result<OpenEndpoint, Failure> {
    let (scenario, text) = read_scenario(scenario)?;
    let sim_seed = sim_seed.map_or_else(random_number, Ok)?;
    let running = TcpListener::bind(("127.0.0.1", 0))
        .and_then(|listener| Simulator::start(scenario, listener, None, sim_seed))
        .map_err(|error| {
            Failure::incomplete(format!("the simulated gateway could not start: {error}"))
        })?;
    Ok(OpenEndpoint {
        endpoint: Endpoint {
            base_url: with_version(&running.base_url(), profile),
            // Any key will do there; this one is too short to be struck out of an answer.
            key: Some("sim".to_owned().into()),
            key_header: profile.key_header.clone(),
            headers: headers(profile),
            proxy: None,
            authorities: Authorities::default(),
        },
        record: EndpointRecord {
            name: profile.name.clone(),
            base_url: None,
            key_variable: None,
            scenario: Some(format!("{} sim seed {sim_seed}", scenario_digest(&text))),
        },
        _simulator: Some(running),
    })
}

/// Names a scenario: the built-in one and what is laid over it.
fn scenario_digest(text: &str) -> String {
    digest(format!("{DEFAULT_SCENARIO}\n{text}").as_bytes())
}

/// A scenario, and the text it was read from: empty for the built-in one, over which a file is laid.
pub(in crate::command) fn read_scenario(
    path: Option<&Path>,
) -> Result<(Scenario, String), Failure> {
    let text = match path {
        Some(path) => files::text(path)?,
        None => String::new(),
    };
    let name = path.map_or("the built-in scenario".into(), |path| {
        path.display().to_string()
    });
    let scenario = Scenario::parse(&text)
        .map_err(|error| Failure::usage(format!("{name} is not a scenario: {error}")))?;
    Ok((scenario, text))
}
