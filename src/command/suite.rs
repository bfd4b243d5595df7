//! `bakeoff suite`: say every problem of suite files, and what of them will disappoint.

use std::io::{self, Write};
use std::path::PathBuf;

use crate::catalog::Catalog;

use super::{Failure, exit, files, foresight};

/// Checks each file and says what is wrong with it; all files are checked, whatever the first says.
pub(super) fn check(paths: &[PathBuf]) -> Result<u8, Failure> {
    let mut out = io::stdout().lock();
    // Which endpoint will be asked is not known, so that its own list cannot be.
    let catalog = Catalog::snapshot();
    let mut code = exit::DONE;
    for path in paths {
        match files::suite(path) {
            Ok(suite) => {
                writeln!(
                    out,
                    "{}: ok, {} prompts, {} models, {} trials",
                    path.display(),
                    suite.prompts.len(),
                    suite.variants.len(),
                    suite.trials(),
                )?;
                for (_, said) in foresight::warnings(&suite, &catalog) {
                    writeln!(io::stderr(), "warning: {}: {said}", path.display())?;
                }
                for (model, labels) in suite.shared_caches() {
                    writeln!(
                        io::stderr(),
                        "{}: note: {} variants ask `{model}` and share its prompt cache: in a slot one \
                         can read what another wrote; `cache = \"bust\"` keeps them apart",
                        path.display(),
                        labels.len(),
                    )?;
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
