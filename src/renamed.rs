//! Names of version 0.1 that later versions spell otherwise.
//!
//! Owns the table. Must not know who reads the names. Invariant: an old name is never read as the new one, but its
//! error names the new one.

/// The place where a name is typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NamePlace {
    /// A flag of the command line, with its dashes.
    Flag,
    /// A key of a scenario file of the simulator.
    ScenarioKey,
}

/// Every renamed name: place, old name, new name. Keys of suites and project files have their names of 0.1.
pub const RENAMED: [(NamePlace, &str, &str); 6] = [
    (NamePlace::Flag, "--world", "--scenario"),
    (NamePlace::Flag, "--salt", "--sim-seed"),
    (NamePlace::Flag, "--truth", "--trace"),
    (NamePlace::Flag, "--new-level", "--reset"),
    (NamePlace::ScenarioKey, "fixed_salt", "fixed_sim_seed"),
    (NamePlace::ScenarioKey, "shown", "display"),
];

/// Returns the error of a name that was renamed, or `None` for any other name.
pub fn renamed_error(place: NamePlace, name: &str) -> Option<String> {
    let mut names = RENAMED.iter();
    let (_, old, new) = names.find(|(at, old, _)| (*at, *old) == (place, name))?;
    Some(format!("`{old}` has been renamed: write `{new}`"))
}
