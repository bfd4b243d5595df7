//! `bakeoff suite`: say every problem of suite files, what a suite without any can find, and what of it
//! will disappoint.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::catalog::Catalog;
use crate::plan::Caution;
use crate::report::forecast;
use crate::suite::Suite;
use crate::verdict::{TYPICAL_NOISE, power, worst_cost};

use super::{Failure, exit, files, foresight};

/// Checks each file and says what is wrong with it; all files are checked, whatever the first says.
/// What is only unwise is a warning and no failure.
pub(super) fn check(paths: &[PathBuf]) -> Result<u8, Failure> {
    let mut out = io::stdout().lock();
    let mut code = exit::DONE;
    for path in paths {
        match files::suite(path).and_then(|suite| Ok((prices(&suite, None)?, suite))) {
            Ok((catalog, suite)) => {
                writeln!(
                    out,
                    "{}: ok, {} prompts, {} models, {} trials",
                    path.display(),
                    suite.prompts.len(),
                    suite.variants.len(),
                    suite.trials(),
                )?;
                let cost = worst_cost(&suite, |model| catalog.get(model)?.prices.as_ref());
                let power = power(&suite, TYPICAL_NOISE);
                let told = forecast::check(&suite, &power, &cost, &catalog.source().date);
                write!(out, "{told}")?;
                for (caution, said) in foresight::warnings(&suite, &catalog) {
                    // How many prompts a verdict needs is among what a suite can find, above.
                    if !matches!(caution, Caution::FewPrompts { .. }) {
                        writeln!(io::stderr(), "warning: {}: {said}", path.display())?;
                    }
                }
            }
            Err(failure) => {
                code = failure.code;
                writeln!(io::stderr(), "{failure}")?;
            }
        }
    }
    Ok(code)
}

/// The prices that are known without asking anybody: those compiled in, and the project's own for
/// the suite's endpoint, where there is such an endpoint.
pub(super) fn prices(suite: &Suite, project: Option<&Path>) -> Result<Catalog, Failure> {
    let catalog = Catalog::snapshot();
    Ok(match files::project(project)?.resolve(&suite.endpoint) {
        Ok(profile) => catalog.with_own_prices(&profile.prices),
        Err(_) => catalog,
    })
}
