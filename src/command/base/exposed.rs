//! The refusal of a suite with a secret in its own text.
//!
//! Owns which variables are checked. Must not know where in a suite a string can stand. Invariant: a value is
//! never shown, and nothing was written or sent when a suite is refused.

use std::path::Path;

use secrecy::ExposeSecret;

use crate::suite::{NamedSecret, Profile, Suite, exposed_secrets};
use crate::units::plural;

use super::failure::Failure;
use super::files::Variables;

/// Places that a message names; the others are counted.
const PLACES_NAMED: usize = 10;

/// Refuses a suite that holds the endpoint's key or the value of a variable with a secret.
///
/// # Errors
/// Names each place and its variable.
pub(in crate::command) fn refuse(suite: &Suite, profile: Option<&Profile>) -> Result<(), Failure> {
    let found = exposed_secrets(suite, &secrets(profile));
    if found.is_empty() {
        return Ok(());
    }
    let mut lines = vec![format!(
        "the suite holds {}: remove the text, or unset the variable if its value is no secret",
        plural(found.len() as u64, "secret")
    )];
    let named = found.iter().take(PLACES_NAMED);
    lines.extend(named.map(|exposed| format!("  {exposed}")));
    if found.len() > PLACES_NAMED {
        lines.push(format!("  and {} more", found.len() - PLACES_NAMED));
    }
    Err(Failure::usage(lines.join("\n")))
}

/// The endpoint's key and every variable that holds a secret, by its name.
fn secrets(profile: Option<&Profile>) -> Vec<NamedSecret> {
    // Unreadable lines of `.env` are reported where a key is read from it.
    let variables = Variables::read_readable();
    let keys = profile.map_or(&[][..], |profile| &profile.key_variables);
    let all = variables.all();
    let secrets = all.iter().filter_map(|(name, value)| {
        let value = value.expose_secret();
        if keys.contains(name) {
            return NamedSecret::from_key(name, value);
        }
        // `SSH_KEY_FILE` and the like: a path that exists is no secret.
        let is_path = || Path::new(value.trim()).exists();
        NamedSecret::from_variable(name, value).filter(|_| !is_path())
    });
    secrets.collect()
}
