//! The verbs of the program as `--help` prints them: a new one needs no change of the tests.

use std::sync::OnceLock;

use super::program::Home;

/// A verb that does something, such as `models show`.
#[derive(Debug)]
pub(crate) struct Verb {
    /// Its words.
    pub(crate) name: String,
    /// The output of its `--help`.
    pub(crate) help: String,
}

/// Every verb, in the order of the help; the program itself first, with an empty name. The program is run once for it.
pub(crate) fn verbs() -> &'static [Verb] {
    static VERBS: OnceLock<Vec<Verb>> = OnceLock::new();
    VERBS.get_or_init(|| {
        let home = Home::new();
        let mut found = Vec::new();
        add(&home, String::new(), &mut found);
        assert!(found.len() > 5, "the verbs were not found: {found:?}");
        found
    })
}

fn add(home: &Home, name: String, found: &mut Vec<Verb>) {
    // Wide enough that no line is broken.
    let help = home
        .bakeoff(&format!("{name} --help"))
        .env("COLUMNS", "1000")
        .run()
        .out;
    let below: Vec<String> = listed(&help)
        .map(|word| format!("{name} {word}").trim().to_owned())
        .collect();
    found.push(Verb { name, help });
    for name in below {
        add(home, name, found);
    }
}

/// The words that begin the lines of the list of commands.
fn listed(help: &str) -> impl Iterator<Item = &str> {
    let lines = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    let lines = lines.take_while(|line| !line.is_empty());
    let words = lines.filter_map(|line| line.strip_prefix("  ")?.split(' ').next());
    // It prints what `--help` of the others does.
    words.filter(|word| *word != "help")
}

impl Verb {
    /// The lines of its examples.
    pub(crate) fn examples(&self) -> impl Iterator<Item = &str> {
        // Lines of the usage stand deeper in.
        let lines = self.help.lines();
        let indented = lines.filter_map(|line| line.strip_prefix("  "));
        indented.filter(|line| line.starts_with("bakeoff "))
    }

    /// Returns true if it has this flag.
    pub(crate) fn has_flag(&self, flag: &str) -> bool {
        let mut words = self.help.lines().filter_map(|line| {
            let line = line.trim_start();
            line.starts_with('-').then(|| line.split([' ', ',']))
        });
        words.any(|mut words| words.any(|word| word == flag))
    }
}
