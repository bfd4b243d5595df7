use super::*;
use crate::record::example::{manifest, plain_sample};
use crate::record::{PruneDecision, Retention};

/// A run of the suite `example` with two samples, the older the higher its number.
fn made(reports: &Path, number: i64) -> Run {
    let name = format!("run-{number}");
    let run = Run::create(reports, "example", &name).unwrap();
    let mut manifest = manifest(&name);
    manifest.tool = "bakeoff 0.1.0".to_owned();
    manifest.started_at = Timestamp::from_second(1_000_000 - number).unwrap();
    run.write_manifest(&manifest).unwrap();
    let mut samples = run.new_samples().unwrap();
    samples.append(&plain_sample(0)).unwrap();
    samples.append(&plain_sample(1)).unwrap();
    run
}

fn names(found: &StoredRuns) -> Vec<&str> {
    found.runs.iter().map(|run| run.run.as_str()).collect()
}

fn all_go() -> Retention {
    Retention {
        older_than: None,
        keep: Some(0),
    }
}

#[test]
fn runs_are_found_newest_first() {
    // In the folder of a suite and in that of all suites; with the facts that a list shows.
    let reports = tempfile::tempdir().unwrap();
    made(reports.path(), 2);
    made(reports.path(), 1).point_latest().unwrap();
    made(reports.path(), 3);
    for folder in [reports.path().to_owned(), reports.path().join("example")] {
        let found = find_runs(&folder).unwrap();
        assert_eq!(names(&found), ["run-1", "run-2", "run-3"]);
        assert!(found.unreadable.is_empty());
        let latest = found.runs.iter().map(|run| run.is_latest);
        assert!(latest.eq([true, false, false]));
    }
    let found = find_runs(reports.path()).unwrap();
    let progress = found.runs[0].progress().unwrap();
    assert_eq!((progress.samples, progress.answered), (2, 2));
    let sizes = ["manifest.json", "samples.jsonl"].map(|name| {
        let path = found.runs[0].folder.join(name);
        fs::metadata(path).unwrap().len()
    });
    assert_eq!(found.runs[0].size_bytes, sizes.iter().sum::<u64>());
}

#[test]
fn lines_that_are_no_samples_are_not_counted() {
    // A killed run ends in half a line, and one without samples has no journal at all.
    let reports = tempfile::tempdir().unwrap();
    let run = made(reports.path(), 1);
    let journal = run.folder().join("samples.jsonl");
    let mut text = fs::read_to_string(&journal).unwrap();
    text.push_str("{\"version\":1}\n{\"version\":1,\"outc");
    fs::write(&journal, text).unwrap();
    let found = find_runs(reports.path()).unwrap();
    assert_eq!(found.runs[0].progress().unwrap().samples, 2);
    fs::remove_file(&journal).unwrap();
    assert_eq!(found.runs[0].progress().unwrap(), RunProgress::default());
}

#[test]
fn what_is_no_run_is_not_found_as_one() {
    // Folders of other programs have manifests too, and a newer bakeoff's is not ours to judge.
    let reports = tempfile::tempdir().unwrap();
    made(reports.path(), 1);
    let of_another = made(reports.path(), 2);
    let mut manifest = of_another.manifest().unwrap();
    manifest.tool = "oven 1.0".to_owned();
    of_another.write_manifest(&manifest).unwrap();
    let newer = made(reports.path(), 3);
    fs::write(newer.folder().join(MANIFEST), "{\"version\": 9999}").unwrap();
    let extension = made(reports.path(), 4);
    fs::write(extension.folder().join(MANIFEST), "{\"name\": \"x\"}").unwrap();
    fs::create_dir_all(reports.path().join("notes/old")).unwrap();
    fs::write(reports.path().join("notes/old/a.txt"), "x").unwrap();

    let found = find_runs(reports.path()).unwrap();
    assert_eq!(names(&found), ["run-1"]);
    let messages: Vec<String> = found.unreadable.iter().map(ToString::to_string).collect();
    assert_eq!(messages.len(), 3, "{messages:?}");
    assert!(
        messages[0].contains("was not written by bakeoff"),
        "{messages:?}"
    );
    assert!(messages[1].contains("version 9999"), "{messages:?}");
}

#[test]
fn a_run_is_deleted_whole() {
    // Nothing of it stays, and everything next to it does.
    let reports = tempfile::tempdir().unwrap();
    made(reports.path(), 1).point_latest().unwrap();
    made(reports.path(), 2);
    let found = find_runs(reports.path()).unwrap();
    let old = &found.runs[1];
    old.delete().unwrap();
    assert!(!old.folder.exists());
    assert_eq!(names(&find_runs(reports.path()).unwrap()), ["run-1"]);
    assert!(Run::open(&reports.path().join("example/latest")).is_ok());
}

#[test]
fn a_run_that_changed_is_not_deleted() {
    // Between the plan and the deed: it became the latest, or somebody put a file there.
    let reports = tempfile::tempdir().unwrap();
    let latest = made(reports.path(), 1);
    let grown = made(reports.path(), 2);
    let found = find_runs(reports.path()).unwrap();
    latest.point_latest().unwrap();
    fs::write(grown.folder().join("notes.md"), "kept for the talk").unwrap();
    for run in &found.runs {
        let message = run.delete().unwrap_err().to_string();
        assert!(message.contains("nothing was deleted"), "{message}");
    }
    assert_eq!(find_runs(reports.path()).unwrap().runs.len(), 2);
    assert!(grown.folder().join("notes.md").exists());
}

#[test]
fn a_renamed_run_is_protected() {
    // A user who renames a run wants to keep it.
    let reports = tempfile::tempdir().unwrap();
    let run = made(reports.path(), 1);
    fs::rename(run.folder(), run.folder().with_file_name("before")).unwrap();
    let found = find_runs(reports.path()).unwrap();
    let decisions = all_go().judge(&found.runs, Timestamp::from_second(2_000_000).unwrap());
    assert!(
        matches!(decisions[..], [PruneDecision::Protected(_)]),
        "{decisions:?}"
    );
}

#[cfg(unix)]
#[test]
fn no_link_is_followed() {
    // A link in a folder of reports may lead to a home directory: it is neither read nor emptied.
    use std::os::unix::fs::symlink;

    let elsewhere = tempfile::tempdir().unwrap();
    let outside = made(elsewhere.path(), 9);
    let reports = tempfile::tempdir().unwrap();
    let linking = made(reports.path(), 1);
    symlink(elsewhere.path(), linking.folder().join("archive")).unwrap();
    symlink(outside.folder(), reports.path().join("example/run-9")).unwrap();
    symlink(
        elsewhere.path().join("example"),
        reports.path().join("other"),
    )
    .unwrap();
    let disguised = reports.path().join("example/disguised");
    fs::create_dir(&disguised).unwrap();
    symlink(outside.folder().join(MANIFEST), disguised.join(MANIFEST)).unwrap();

    let found = find_runs(reports.path()).unwrap();
    assert_eq!(names(&found), ["run-1"]);
    let decisions = all_go().judge(&found.runs, Timestamp::from_second(2_000_000).unwrap());
    let [PruneDecision::Protected(reason)] = &decisions[..] else {
        panic!("{decisions:?}");
    };
    assert!(reason.contains("`archive`"), "{reason}");

    // The folder itself becomes a link after it was looked at.
    made(reports.path(), 2);
    let found = find_runs(reports.path()).unwrap();
    let victim = &found.runs[1];
    fs::remove_dir_all(&victim.folder).unwrap();
    symlink(outside.folder(), &victim.folder).unwrap();
    assert!(victim.delete().is_err());
    assert_eq!(outside.samples().unwrap().count(), 2);
}
