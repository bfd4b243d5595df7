//! The rules that a compiler does not check: which folder may use which, which may touch the
//! clock, network, files, terminal and randomness, and how a file must look.

#![allow(clippy::unwrap_used)] // A test says what is wrong by failing.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::support::imports::{Imports, ModulePath};

/// The rooms from the top of the house down. A room may use itself and those after it.
const ROOMS: [&str; 18] = [
    "cli",
    "command",
    "report",
    "verdict",
    "engine",
    "grade",
    "gateway",
    "record",
    "plan",
    "catalog",
    "suite",
    "stats",
    "sim",
    "input",
    "units",
    "renamed",
    "private_file",
    "threads",
];

/// The parts of `command/` from the top down: the commands themselves are whatever is none of the others.
const COMMAND: [&str; 2] = ["run", "base"];

/// The parts of `suite/` from the top down.
const SUITE: [&str; 4] = ["import", "parse", "model", "value"];

/// Lines of a file beyond which a reader no longer knows what it is about.
const LINES_MAX: usize = 600;

struct Source {
    path: PathBuf,
    room: String,
    /// The code above the tests of the file.
    code: String,
    lines: usize,
}

/// Every Rust file below `src/`; the code of a file ends where its own tests begin.
fn sources() -> Vec<Source> {
    fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    walk(&root, &mut found);
    found.sort();
    found
        .into_iter()
        .map(|path| {
            let text = fs::read_to_string(&path).unwrap();
            let inside = path.strip_prefix(&root).unwrap().to_path_buf();
            let first = inside.iter().next().unwrap().to_string_lossy().into_owned();
            Source {
                room: first.trim_end_matches(".rs").to_owned(),
                lines: text.lines().count(),
                code: text
                    .split("#[cfg(test)]\nmod tests {")
                    .next()
                    .unwrap()
                    .to_owned(),
                path: inside,
            }
        })
        .collect()
}

fn is_test(source: &Source) -> bool {
    let name = source.path.file_stem().unwrap().to_string_lossy();
    source.path.iter().any(|part| part == "tests") || name.ends_with("tests")
}

/// The rooms that a line of code names through `crate::`.
fn rooms_used(code: &str) -> Vec<(usize, String)> {
    let mut used = Vec::new();
    for (number, line) in code.lines().enumerate() {
        if line.trim_start().starts_with("//") {
            continue;
        }
        for part in line.split("crate::").skip(1) {
            let grouped = part.strip_prefix('{').unwrap_or(part);
            let names = if part.starts_with('{') {
                grouped.split(',')
            } else {
                part.split('\0')
            };
            for name in names {
                let word: String = name
                    .trim()
                    .chars()
                    .take_while(|c| c.is_alphanumeric() || *c == '_')
                    .collect();
                if ROOMS.contains(&word.as_str()) {
                    used.push((number + 1, word));
                }
            }
        }
    }
    used
}

#[test]
fn imports_point_down_the_house() {
    // A room that knows one above it can no longer be understood, or tested, alone.
    let place = |room: &str| ROOMS.iter().position(|name| *name == room);
    let mut wrong = Vec::new();
    for source in sources() {
        let Some(own) = place(&source.room) else {
            continue;
        };
        for (line, used) in rooms_used(&source.code) {
            let below = place(&used).unwrap();
            let sim_from_elsewhere = used == "sim" && !["command", "sim"].contains(&&*source.room);
            let sim_uses_more =
                source.room == "sim" && !["sim", "units", "renamed"].contains(&&*used);
            if below < own || sim_from_elsewhere || sim_uses_more {
                wrong.push(format!("{}:{line} uses {used}", source.path.display()));
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "imports that point up:\n{}",
        wrong.join("\n")
    );
}

/// Imports of a folder's files that point up its parts. What is in none of the parts stands above them all.
fn upward(imports: &Imports, folder: &str, parts: &[&str]) -> Vec<String> {
    let place = |module: &ModulePath| {
        let part = module
            .get(1)
            .and_then(|part| parts.iter().position(|name| name == part));
        part.map_or(0, |part| part + 1)
    };
    let inside = |module: &ModulePath| module.first().is_some_and(|first| first == folder);
    let edges = imports.edges().into_iter();
    let edges = edges.filter(|(from, _, to)| inside(from) && inside(to) && place(to) < place(from));
    edges
        .map(|(from, line, to)| format!("{}:{line} uses {}", from.join("/"), to.join("/")))
        .collect()
}

/// The files that are compiled for tests alone: their module is declared behind `#[cfg(test)]`.
fn test_modules(sources: &[Source]) -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    for source in sources {
        let face = ["mod.rs", "lib.rs"]
            .iter()
            .any(|face| source.path.ends_with(face));
        let folder = if face {
            source.path.parent().unwrap().to_path_buf()
        } else {
            source.path.with_extension("")
        };
        for declared in source.code.split("#[cfg(test)]\n").skip(1) {
            let line = declared.lines().next().unwrap_or_default();
            if let Some((_, name)) = line.trim_end_matches(';').rsplit_once("mod ") {
                found.insert(folder.join(name).with_extension("rs"));
            }
        }
    }
    found
}

fn imports() -> Imports {
    let sources = sources();
    let tests = test_modules(&sources);
    let code = sources.iter();
    let code = code.filter(|source| !is_test(source) && !tests.contains(&source.path));
    Imports::new(code.map(|source| (source.path.as_path(), source.code.as_str())))
}

#[test]
fn parts_of_a_folder_point_down() {
    // What every command needs must not know one of them, nor a type the way in which it is read.
    let imports = imports();
    let mut wrong = upward(&imports, "command", &COMMAND);
    wrong.extend(upward(&imports, "suite", &SUITE));
    assert!(
        wrong.is_empty(),
        "imports that point up:\n{}",
        wrong.join("\n")
    );
}

#[test]
fn no_imports_run_in_a_circle() {
    // Files that import each other can only be understood, and changed, together.
    let circles = imports().circles();
    assert!(
        circles.is_empty(),
        "imports in circles:\n{}",
        circles.join("\n")
    );
}

#[test]
fn side_effects_are_where_the_design_says() {
    // A clock, a socket, a file or a random number in a pure room makes its results a matter of luck.
    let rules: [(&str, &[&str]); 12] = [
        ("clap::", &["cli"]),
        (
            "reqwest",
            &[
                "gateway/endpoint.rs",
                "gateway/listing.rs",
                "gateway/location.rs",
                "gateway/otlp.rs",
                "gateway/proxy.rs",
            ],
        ),
        ("axum", &["sim/server"]),
        ("annotate_snippets", &["suite/parse/problem.rs"]),
        ("println!", &[]),
        ("stdout()", &["command"]),
        ("stderr()", &["command"]),
        (
            "Instant::now",
            &[
                "gateway/clock.rs",
                "engine",
                "sim/server",
                "command/base/signals.rs",
                "command/run/progress/table.rs",
            ],
        ),
        ("Timestamp::now", &["command", "engine"]),
        ("SystemTime::now", &["gateway/clock.rs", "sim/server"]),
        (
            "std::fs",
            &[
                "command",
                "input.rs",
                "catalog/cache",
                "record/journal",
                "record/ledger/closing",
                "record/requests",
                "record/folder",
                "record/run",
                "record/amendment",
                "gateway/descriptors.rs",
                "private_file",
            ],
        ),
        ("rand::random", &["command"]),
    ];
    let wrong = out_of_place(&rules);
    assert!(
        wrong.is_empty(),
        "side effects outside their folders:\n{}",
        wrong.join("\n")
    );
}

/// Every file that holds a word which belongs into other files.
fn out_of_place(rules: &[(&str, &[&str])]) -> Vec<String> {
    let mut wrong = Vec::new();
    for source in sources().iter().filter(|source| !is_test(source)) {
        let path = source.path.to_string_lossy().replace('\\', "/");
        for (word, places) in rules {
            let here = source
                .code
                .lines()
                .any(|line| line.contains(word) && !line.trim_start().starts_with("//"));
            if here && !places.iter().any(|place| path.starts_with(place)) {
                wrong.push(format!("{path} holds `{word}`"));
            }
        }
    }
    wrong
}

#[test]
fn text_from_outside_goes_through_one_filter() {
    // A text that goes around the filter may hold the key: what a server said is made in the gateway alone, and leaves
    // it as `Redacted`, which only the filter makes.
    let rules: [(&str, &[&str]); 10] = [
        ("Redacted(", &["suite/value/redactor.rs"]),
        (
            "from_stored(",
            &["suite/value/redactor.rs", "catalog/cache.rs"],
        ),
        ("read_as_it_came(", &["gateway/reading.rs"]),
        ("fetched(endpoint", &["gateway/listing.rs"]),
        (
            "ErrorReport {",
            // The last one: of an ending that was redacted.
            &[
                "gateway/ending.rs",
                "gateway/fault.rs",
                "gateway/outside.rs",
                "record/",
                "verdict/fixture.rs",
                "command/run/failure_hints.rs",
            ],
        ),
        (".body.bytes()", &["gateway"]),
        ("decode(response", &["gateway"]),
        // Whatever is printed goes through the sanitiser.
        ("io::stdout().write", &[]),
        ("io::stderr().write", &[]),
        ("fn one_line", &["units.rs"]),
    ];
    let wrong = out_of_place(&rules);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    for (file, signature) in [
        ("gateway/reading.rs", "streamed: bool) -> Redacted<Reading>"),
        (
            "gateway/listing.rs",
            ") -> Result<Redacted<String>, Redacted<FetchError>>",
        ),
        (
            "gateway/transport.rs",
            ") -> Result<(Self, Option<Redacted<ExchangeEnd>>), OpenError>",
        ),
        ("engine/prepared.rs", "reading: Redacted<Reading>,"),
        ("catalog/cache.rs", "pub list: Redacted<String>,"),
    ] {
        let text = fs::read_to_string(root.join(file)).unwrap();
        assert!(text.contains(signature), "{file} has no `{signature}`");
    }
}

#[test]
fn files_of_a_run_are_private() {
    // A file that is made in another way is open to every user of the machine.
    let rules: [(&str, &[&str]); 4] = [
        ("File::create(", &["private_file.rs"]),
        ("0o600", &["private_file.rs"]),
        // The user's own texts (a new suite, pages of the manual), and a name.
        ("fs::write(", &["command/pages.rs", "record/run.rs"]),
        (
            "OpenOptions::new()",
            &[
                "private_file.rs",
                "record/journal",
                // These open what is there already.
                "input.rs",
                "record/requests.rs",
                "record/run.rs",
                "command/base/github.rs",
                "command/init.rs",
                "command/import.rs",
            ],
        ),
    ];
    let wrong = out_of_place(&rules);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn files_say_what_they_own_and_stay_small() {
    // A reader must know what a file is for from its first lines, and hold it in the head.
    let mut wrong = Vec::new();
    for source in sources() {
        let path = source.path.display();
        if !source.code.starts_with("//!") && !is_test(&source) {
            wrong.push(format!("{path} does not open with what it owns"));
        }
        if source.lines > LINES_MAX && !is_test(&source) {
            wrong.push(format!("{path} has {} lines", source.lines));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn wire_types_keep_their_positions() {
    // `flatten` and `untagged` lose the place of an error in a TOML file. clap's `flatten` reads no file.
    for source in sources() {
        let code = source.code.replace("command(flatten)", "");
        for word in ["serde(flatten", "serde(untagged", "(flatten)", "(untagged)"] {
            assert!(
                !code.contains(word),
                "{} holds {word}",
                source.path.display()
            );
        }
    }
}

#[test]
fn nothing_of_a_machine_is_committed() {
    // A path of someone's machine, or a key, in a committed file is there for ever.
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let listed = std::process::Command::new("git")
        .args([
            "ls-files",
            "-z",
            "--cached",
            "--others",
            "--exclude-standard",
        ])
        .current_dir(root)
        .output();
    // Outside a checkout (a packaged crate) there is nothing to commit.
    let Ok(listed) = listed.map(|output| String::from_utf8(output.stdout).unwrap()) else {
        return;
    };
    let homes = [
        ["/ho", "me/"].concat(),
        ["/Us", "ers/"].concat(),
        ["/wo", "rk/"].concat(),
    ];
    for name in listed.split('\0').filter(|name| !name.is_empty()) {
        let Ok(text) = fs::read_to_string(root.join(name)) else {
            continue;
        };
        for home in &homes {
            assert!(
                !text.contains(home.as_str()),
                "{name} holds a path of a machine: {home}"
            );
        }
        let key = text.match_indices("vck_").find(|(at, _)| {
            text[at + 4..]
                .chars()
                .take_while(char::is_ascii_alphanumeric)
                .count()
                >= 24
        });
        assert!(key.is_none(), "{name} holds what looks like a key");
    }
}

/// Parts of identifiers that have too many meanings to be a name, or a plain term (expected, scenario, minimum).
const VAGUE_PARTS: [&str; 11] = [
    "told",
    "asked",
    "said",
    "kept",
    "beside",
    "wanted",
    "looked",
    "world",
    "salt",
    "fewest",
    "situation",
];

/// Words that no text of the project uses: each has a plain term (reported, more expensive, fastest, truncated, catalog).
const PRIVATE_WORDS: [&str; 23] = [
    "told",
    "dearer",
    "dearest",
    "sooner",
    "soonest",
    "nobody",
    "whoever",
    "reckon",
    "reckons",
    "reckoned",
    "torn",
    "catalogue",
    "catalogues",
    "foresight",
    "foreseen",
    "flying",
    "hopeless",
    "mould",
    "dispensable",
    "unsound",
    "unsayable",
    "afforded",
    "disappoint",
];

/// Names of version 0.1 that are still read, or named as old ones.
const STORED_NAMES: [&str; 2] = ["cache_told", "*.torn"];

/// Text that is not to be reworded: what version 0.1 wrote and printed, and this list.
const QUOTED_FILES: [&str; 2] = ["tests/stored_0_1/", "tests/it/tidy.rs"];

/// The share of doc comments that may begin with a question word, in percent.
const QUESTION_PERCENT_MAX: usize = 3;

/// The code of a file without its comments and strings.
fn without_prose(text: &str) -> String {
    let mut code = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(['"', '/']) {
        let (before, from) = rest.split_at(at);
        code.push_str(before);
        let fences = before.len() - before.trim_end_matches('#').len();
        let is_raw = before.trim_end_matches('#').ends_with('r');
        let is_character = before.ends_with(['\'', '\\']);
        let end = if from.starts_with("//") {
            from.find('\n')
        } else if from.starts_with('/') || is_character {
            Some(1)
        } else if is_raw {
            let close = format!("\"{}", "#".repeat(fences));
            from[1..].find(&close).map(|at| 1 + at + close.len())
        } else {
            string_end(from)
        };
        rest = &from[end.unwrap_or(from.len())..];
    }
    code + rest
}

/// The end of a string that begins here, behind its quotation mark.
fn string_end(text: &str) -> Option<usize> {
    let mut characters = text.char_indices().skip(1);
    loop {
        match characters.next()? {
            (_, '\\') => drop(characters.next()),
            (at, '"') => return Some(at + 1),
            _ => {}
        }
    }
}

#[test]
fn identifiers_have_one_meaning() {
    // A name such as `told` has to be looked up at each place where it stands.
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut wrong = Vec::new();
    let files = repository_files();
    let is_rust = |name: &&String| Path::new(name).extension().is_some_and(|end| end == "rs");
    for name in files.iter().filter(is_rust) {
        let code = without_prose(&fs::read_to_string(root.join(name)).unwrap_or_default());
        let identifiers = code.split(|c: char| !c.is_alphanumeric() && c != '_');
        for identifier in identifiers {
            let mut parts = identifier.split('_').map(str::to_lowercase);
            if parts.any(|part| VAGUE_PARTS.contains(&part.as_str())) {
                wrong.push(format!("{name} has `{identifier}`"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The names of the files in the repository; none outside a checkout (a packaged crate).
fn repository_files() -> Vec<String> {
    let listed = std::process::Command::new("git")
        .args([
            "ls-files",
            "-z",
            "--cached",
            "--others",
            "--exclude-standard",
        ])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output();
    let listed = listed.map(|output| String::from_utf8(output.stdout).unwrap());
    let listed = listed.unwrap_or_default();
    let names = listed.split('\0').filter(|name| !name.is_empty());
    names.map(str::to_owned).collect()
}

#[test]
fn texts_use_plain_words() {
    // A private dictionary has to be learned before the output can be read.
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut wrong = Vec::new();
    for name in repository_files() {
        if QUOTED_FILES.iter().any(|quoted| name.starts_with(quoted)) {
            continue;
        }
        let Ok(text) = fs::read_to_string(root.join(&name)) else {
            continue;
        };
        for (number, line) in text.lines().enumerate() {
            // The table of renamed names quotes the old ones.
            let is_table = name == "CHANGELOG.md" && line.starts_with('|');
            let line = STORED_NAMES
                .iter()
                .fold(line.to_owned(), |line, name| line.replace(name, ""));
            let parts = line.split('`').enumerate();
            let own = parts
                .filter(|(at, _)| !is_table || at % 2 == 0)
                .map(|(_, part)| part);
            let words = own.flat_map(|part| part.split(|c: char| !c.is_alphabetic()));
            for word in words.map(str::to_lowercase) {
                if PRIVATE_WORDS.contains(&word.as_str()) {
                    wrong.push(format!("{name}:{} has `{word}`", number + 1));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn doc_comments_begin_with_their_subject() {
    // A comment that begins with a question word makes its reader wait for what the item is.
    const WORDS: [&str; 11] = [
        "What", "Whether", "How", "Who", "Whose", "Of", "Where", "When", "That", "Which", "Why",
    ];
    let (mut comments, mut questions) = (0, 0);
    for source in sources() {
        let mut is_inside = false;
        for line in source.code.lines().map(str::trim_start) {
            let text = line.strip_prefix("///").or(line.strip_prefix("//!"));
            if let Some(text) = text.filter(|_| !is_inside) {
                comments += 1;
                let first = text.split_whitespace().next().unwrap_or_default();
                questions += usize::from(WORDS.contains(&first));
            }
            is_inside = text.is_some();
        }
    }
    assert!(
        questions * 100 < comments * QUESTION_PERCENT_MAX,
        "{questions} of {comments} doc comments begin with a question word"
    );
}

#[test]
fn a_type_name_is_defined_once() {
    // Two types of one name cannot be distinguished in a search, in a message of the compiler, or in a talk.
    const CONVENTIONAL: [&str; 10] = [
        "Options", "Error", "Args", "Err", "Item", "Value", "Response", "Output", "IntoIter",
        "Target",
    ];
    let mut defined = std::collections::BTreeMap::<String, BTreeSet<PathBuf>>::new();
    for source in sources().into_iter().filter(|source| !is_test(source)) {
        for line in source.code.lines().map(str::trim_start) {
            let line = line.strip_prefix("pub ").unwrap_or(line);
            let line = line.split_once(") ").map_or(line, |(before, after)| {
                if before.starts_with("pub(") {
                    after
                } else {
                    line
                }
            });
            let keyword = ["struct ", "enum ", "trait ", "type "];
            if let Some(rest) = keyword.iter().find_map(|word| line.strip_prefix(word)) {
                let name: String = rest.chars().take_while(|c| c.is_alphanumeric()).collect();
                defined.entry(name).or_default().insert(source.path.clone());
            }
        }
    }
    let doubled: Vec<_> = (defined.iter())
        .filter(|(name, files)| files.len() > 1 && !CONVENTIONAL.contains(&name.as_str()))
        .collect();
    assert!(doubled.is_empty(), "{doubled:#?}");
}
