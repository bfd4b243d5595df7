//! Bad files and what is said about them: `tests/bad_suites/NAME.toml` beside `NAME.txt`.
//! Files whose names begin with `project_` are project files. `BAKEOFF_UPDATE=1` writes the texts.

#![allow(clippy::unwrap_used, reason = "a test ends where its own set-up fails")]

use std::path::{Path, PathBuf};

use bakeoff::suite::{Problems, parse_project, parse_suite, render};

fn bad_files() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/bad_suites");
    let entries = std::fs::read_dir(folder).unwrap();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| {
        path.extension()
            .is_some_and(|extension| extension == "toml")
    });
    files.sort();
    files
}

fn problems_of(path: &Path, text: &str) -> Problems {
    let name = path.file_name().unwrap().to_str().unwrap();
    let wrong = if name.starts_with("project_") {
        parse_project(text).err()
    } else {
        parse_suite(text).err()
    };
    wrong.unwrap_or_else(|| panic!("{name} was accepted"))
}

#[test]
fn bad_files_report_their_problems() {
    // Every problem with its line, its excerpt and what to write instead, as a person sees it.
    let mut changed = Vec::new();
    for path in bad_files() {
        let text = std::fs::read_to_string(&path).unwrap();
        let name = path.file_name().unwrap().to_str().unwrap();
        let rendered = render(&problems_of(&path, &text), name, &text, false);
        let expected = path.with_extension("txt");
        if std::env::var_os("BAKEOFF_UPDATE").is_some() {
            std::fs::write(&expected, &rendered).unwrap();
        }
        if std::fs::read_to_string(&expected).unwrap_or_default() != rendered {
            changed.push(format!("{name}:\n{rendered}"));
        }
    }
    assert!(
        changed.is_empty(),
        "the texts are others now:\n{}",
        changed.join("\n")
    );
}

#[test]
fn no_problem_is_repeated_and_all_are_in_place() {
    // A problem that is repeated, or that stands outside the file, costs the trust in all others.
    for path in bad_files() {
        let text = std::fs::read_to_string(&path).unwrap();
        let problems = problems_of(&path, &text);
        let all: Vec<_> = problems.iter().collect();
        for (index, problem) in all.iter().enumerate() {
            assert!(problem.span.start <= problem.span.end && problem.span.end <= text.len());
            assert!(
                !all[..index].contains(problem),
                "{}: {problem:?}",
                path.display()
            );
        }
        assert!(all.is_sorted_by_key(|problem| problem.place(&text)));
    }
}

#[test]
fn no_secret_is_shown() {
    // What is printed ends in logs of CI: the excerpt must not show the key it complains about.
    for path in bad_files() {
        let text = std::fs::read_to_string(&path).unwrap();
        for colour in [false, true] {
            let rendered = render(&problems_of(&path, &text), "file", &text, colour);
            for secret in ["hunter2", "0123456789abcdef"] {
                assert!(
                    !rendered.contains(secret),
                    "{}:\n{rendered}",
                    path.display()
                );
            }
        }
    }
}
