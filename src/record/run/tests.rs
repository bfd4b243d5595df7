use proptest::prelude::*;

use super::*;
use crate::record::Status;
use crate::record::example::{manifest, plain_sample};
use crate::units::Usd;

/// A run `name` of the suite `example` below `reports`, with its manifest and two samples.
fn made(reports: &Path, name: &str) -> Run {
    let run = Run::create(reports, "example", name).unwrap();
    run.write_manifest(&manifest(name)).unwrap();
    let mut samples = run.new_samples().unwrap();
    samples.append(&plain_sample(0)).unwrap();
    samples.append(&plain_sample(1)).unwrap();
    run
}

fn names_in(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<_> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// The error of opening `path`, with `reports` taken out of it.
fn refusal(reports: &Path, path: &str) -> String {
    let error = Run::open(&reports.join(path)).unwrap_err().to_string();
    error.replace(&format!("{}/", reports.display()), "")
}

#[test]
fn a_run_is_named_by_its_time() {
    // A listing of the folder is in order of time, and no file system refuses the name.
    let began: Timestamp = "2026-11-22T14:40:12.75+02:00".parse().unwrap();
    assert_eq!(run_name(began, 0), "20261122T124012Z-000000");
    assert_eq!(run_name(began, u64::MAX), "20261122T124012Z-zzzzzz");
    assert_eq!(run_name(began, 0x0102), "20261122T124012Z-000012");
}

#[test]
fn what_was_written_is_read() {
    // A run is its folder: everything comes back from it, and no other file is left there.
    let reports = tempfile::tempdir().unwrap();
    let run = made(reports.path(), "one");
    let opened = Run::open(run.folder()).unwrap();
    assert_eq!(opened.manifest().unwrap(), manifest("one"));
    let samples: Result<Vec<_>, _> = opened.samples().unwrap().collect();
    assert_eq!(samples.unwrap(), [plain_sample(0), plain_sample(1)]);
    assert_eq!(names_in(run.folder()), ["manifest.json", "samples.jsonl"]);
}

#[test]
fn the_last_manifest_fits_into_its_reserve() {
    // On a full disk a run must not be left as one that goes on.
    let reports = tempfile::tempdir().unwrap();
    let run = made(reports.path(), "one");
    run.reserve_manifest(&manifest("one")).unwrap();
    let ended = Manifest {
        status: Status::Incomplete("the disk is full".repeat(100)),
        ..manifest("one")
    };
    run.write_reserved(&ended).unwrap();
    assert_eq!(run.manifest().unwrap(), ended);
    run.reserve_manifest(&ended).unwrap();
    run.write_last_manifest(&manifest("one")).unwrap();
    assert_eq!(run.manifest().unwrap(), manifest("one"));
    assert_eq!(names_in(run.folder()), ["manifest.json", "samples.jsonl"]);
}

#[test]
fn no_run_is_overwritten() {
    // Two runs of one name: the second is refused, the first stays.
    let reports = tempfile::tempdir().unwrap();
    let run = made(reports.path(), "one");
    let error = Run::create(reports.path(), "example", "one").unwrap_err();
    assert!(matches!(error, RunError::System { .. }), "{error}");
    assert_eq!(run.samples().unwrap().count(), 2);
}

#[test]
fn names_cannot_lead_out_of_their_folder() {
    // A suite's name comes from a file somebody else may have written.
    let reports = tempfile::tempdir().unwrap();
    for name in ["..", ".", "", "a/b", "../x", "/etc", "a/"] {
        for (suite, run) in [(name, "run"), ("suite", name)] {
            let error = Run::create(reports.path(), suite, run).unwrap_err();
            assert!(matches!(error, RunError::Name(_)), "{suite} {run}: {error}");
        }
        let run = Run {
            folder: reports.path().to_owned(),
        };
        let error = run.write(name, |_| Ok(())).unwrap_err();
        assert!(matches!(error, RunError::Name(_)), "{name}: {error}");
    }
    assert!(names_in(reports.path()).is_empty());
}

#[test]
fn latest_points_at_the_newest() {
    // The link is replaced, stays relative so that the folder can be moved, and a run that was
    // opened through it stays the same one when a newer run begins.
    let reports = tempfile::tempdir().unwrap();
    let latest = reports.path().join("example/latest");
    let one = made(reports.path(), "one");
    one.point_latest().unwrap();
    let opened = Run::open(&latest).unwrap();
    made(reports.path(), "two").point_latest().unwrap();
    assert_eq!(opened, one);
    assert_eq!(Run::open(&latest).unwrap().manifest().unwrap().run, "two");
    let with_slash = reports.path().join("example/latest/");
    assert_eq!(
        Run::open(&with_slash).unwrap().folder(),
        reports.path().join("example/two")
    );
    assert_eq!(
        names_in(&reports.path().join("example")),
        ["latest", "one", "two"]
    );

    let moved = reports.path().join("moved");
    fs::rename(reports.path().join("example"), &moved).unwrap();
    assert_eq!(
        Run::open(&moved.join("latest"))
            .unwrap()
            .manifest()
            .unwrap()
            .run,
        "two"
    );
}

#[test]
fn latest_may_be_a_file() {
    // Where links are not to be had, or a folder was copied from there.
    let reports = tempfile::tempdir().unwrap();
    let one = made(reports.path(), "one");
    let latest = reports.path().join("example/latest");
    fs::write(&latest, "one\n").unwrap();
    assert_eq!(Run::open(&latest).unwrap(), one);
    for wrong in ["../../elsewhere", "", "/etc"] {
        fs::write(&latest, wrong).unwrap();
        let error = Run::open(&latest).unwrap_err();
        assert!(matches!(error, RunError::Name(_)), "{wrong}: {error}");
    }
    fs::write(&latest, "x".repeat(10_000)).unwrap();
    assert!(Run::open(&latest).is_err());
    one.point_latest().unwrap();
    assert_eq!(Run::open(&latest).unwrap(), one);
}

#[test]
fn what_is_not_a_run_says_what_is_missing() {
    // The message must tell a person what to type instead.
    let reports = tempfile::tempdir().unwrap();
    made(reports.path(), "one").point_latest().unwrap();
    fs::create_dir(reports.path().join("empty")).unwrap();
    let messages = [
        refusal(reports.path(), "nothing"),
        refusal(reports.path(), "empty"),
        refusal(reports.path(), "example"),
        refusal(reports.path(), "example/one/manifest.json"),
    ];
    insta::assert_snapshot!(messages.join("\n"), @"
    no run at `nothing`: no such file or folder
    no run at `empty`: it has no manifest.json
    no run at `example`: it is the folder of a suite; name one of its runs, or its `latest`
    no run at `example/one/manifest.json`: it is a file; name its folder
    ");
    fs::remove_dir_all(reports.path().join("example/one")).unwrap();
    insta::assert_snapshot!(refusal(reports.path(), "example/latest"), @"no run at `example/latest`: it points to a run that no longer exists");
}

#[test]
fn a_manifest_of_another_version_is_distinguished_from_a_broken_one() {
    // "Update the program" and "this file is damaged" are different news.
    let reports = tempfile::tempdir().unwrap();
    let run = made(reports.path(), "one");
    let message_of = |text: &str| {
        fs::write(run.folder().join(MANIFEST), text).unwrap();
        let error = run.manifest().unwrap_err().to_string();
        error.replace(&format!("{}/", run.folder().display()), "")
    };
    let messages = [
        message_of(r#"{"version": 3, "novelties": []}"#),
        message_of(r#"{"version": 1}"#),
        message_of(r#"{"version": 1, "#),
        message_of("[]"),
    ];
    insta::assert_snapshot!(messages.join("\n"), @"
    manifest.json: version 3, but this program reads up to version 2: read it with the program that wrote it, or a newer one
    manifest.json: missing field `tool` at line 1 column 14
    manifest.json: EOF while parsing a value at line 1 column 15
    manifest.json: invalid length 0, expected an object with a version at line 1 column 2
    ");
}

#[test]
fn a_failed_write_leaves_the_old_file() {
    // A report that could not be finished must not take the place of a whole one.
    let reports = tempfile::tempdir().unwrap();
    let run = made(reports.path(), "one");
    run.write("report.md", |file| file.write_all(b"whole"))
        .unwrap();
    let half = |file: &mut dyn Write| {
        file.write_all(b"half")?;
        Err(io::Error::other("out of words"))
    };
    let error = run.write("report.md", half).unwrap_err();
    assert!(
        error.to_string().ends_with("report.md: out of words"),
        "{error}"
    );
    assert_eq!(fs::read(run.folder().join("report.md")).unwrap(), b"whole");
    assert_eq!(
        names_in(run.folder()),
        ["manifest.json", "report.md", "samples.jsonl"]
    );
}

#[test]
fn samples_come_amended() {
    // Amendments are part of what every report sees; a broken amendment is reported before the samples and
    // costs neither them nor the other amendments.
    let reports = tempfile::tempdir().unwrap();
    let run = made(reports.path(), "one");
    let bill = |trial, pico| Amendment {
        version: Amendment::VERSION,
        trial,
        billed_usd: Some(Usd(pico)),
        ..Amendment::default()
    };
    run.amend().unwrap().append(&bill(1, 5)).unwrap();
    let path = run.folder().join("amendments.jsonl");
    let stump = fs::read_to_string(&path).unwrap() + r#"{"version":1,"#;
    fs::write(&path, stump).unwrap();
    run.amend().unwrap().append(&bill(1, 7)).unwrap();

    let mut samples = run.samples().unwrap();
    let problem = samples.next().unwrap().unwrap_err().to_string();
    assert!(problem.starts_with("amendments.jsonl:2: "), "{problem}");
    let billed: Vec<_> = samples
        .by_ref()
        .map(|read| read.unwrap().billed_usd)
        .collect();
    assert_eq!(billed, [None, Some(Usd(7))]);
    assert_eq!(samples.truncated_line(), None);
}

#[test]
fn problems_of_a_garbled_amendments_file_are_bounded() {
    // A wrong file of that name must not fill memory or the screen with problems.
    let reports = tempfile::tempdir().unwrap();
    let run = made(reports.path(), "one");
    fs::write(run.folder().join("amendments.jsonl"), "x\n".repeat(1_000)).unwrap();
    let problems = run.samples().unwrap().filter(Result::is_err).count();
    assert_eq!(problems, MAX_PROBLEMS);
}

proptest! {
    // Runs sort by name as they do by time, and the id is always six letters of the alphabet.
    #[test]
    fn names_sort_by_time(a in 0_i64..4_000_000_000, b in 0_i64..4_000_000_000, random: u64) {
        let name = |second| run_name(Timestamp::from_second(second).unwrap(), random);
        prop_assert_eq!(a.cmp(&b), name(a).cmp(&name(b)));
        let id = &name(a)[17..];
        prop_assert_eq!(id.len(), 6);
        prop_assert!(id.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit()));
    }
}
