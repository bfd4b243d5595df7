//! A process that is killed in mid-run leaves every sample it had appended.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use bakeoff::record::{JournalReader, JournalWriter, Sample};

/// Set for the process that is killed: the folder it writes its journal into.
const FOLDER: &str = "BAKEOFF_TEST_JOURNAL_FOLDER";
/// Prefix of the line that the process prints after each append, before the number of the trial.
const APPENDED: &str = "appended ";
/// Limit after which it ends by itself if it is not killed.
const MAX_SAMPLES: u64 = 1_000_000;
/// As many it may append before it is killed.
const KILLED_AFTER: u64 = 200;

fn sample(trial: u64) -> Sample {
    let text = format!(
        r#"{{"version":2,"trial":{trial},"slot":{trial},"round":1,"prompt":"p","prompt_digest":"d",
        "repetition":1,"variant":"v","model":"m","weight":1.0,"outcome":"complete",
        "request_id":"r","sent_ns":1,"scheduled_ns":1,
        "attempts":[{{"request_id":"r","sent_ns":1,"end_ns":2,"outcome":"complete"}}],
        "answer":"{}"}}"#,
        "some words ".repeat(200)
    );
    serde_json::from_str(&text).expect("a sample")
}

#[test]
fn the_process_that_is_killed() {
    // Not a test by itself: the other test starts this one in a process of its own and kills it.
    let Some(folder) = std::env::var_os(FOLDER) else {
        return;
    };
    let mut writer = JournalWriter::create(Path::new(&folder)).expect("a new journal");
    let mut out = std::io::stdout();
    for trial in 0..MAX_SAMPLES {
        writer.append(&sample(trial)).expect("an append");
        writeln!(out, "\n{APPENDED}{trial}").expect("somebody listens");
    }
}

#[test]
fn a_killed_process_leaves_every_sample_it_appended() {
    // The promise of the journal: what `append` returned from survives a kill, in order, and the
    // line that was being written harms no other.
    let folder = tempfile::tempdir().unwrap();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "journal_kill::the_process_that_is_killed",
            "--nocapture",
        ])
        .env(FOLDER, folder.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    // A number that was cut by the kill is below the one before it.
    let mut last_number: Option<u64> = None;
    let out = BufReader::new(child.stdout.take().unwrap());
    for line in out.lines().map_while(Result::ok) {
        let number = line.strip_prefix(APPENDED);
        last_number = last_number.max(number.and_then(|number| number.parse().ok()));
        if last_number >= Some(KILLED_AFTER) {
            child.kill().unwrap();
        }
    }
    child.wait().unwrap();

    let trials: Result<Vec<u64>, _> = JournalReader::<_, Sample>::open(folder.path())
        .unwrap()
        .map(|read| read.map(|sample| sample.trial))
        .collect();
    let trials = trials.expect("no line but a truncated last one is broken");
    assert!(last_number >= Some(KILLED_AFTER) && last_number < Some(MAX_SAMPLES - 1));
    assert!(trials.len() as u64 > last_number.unwrap_or_default());
    assert!(trials.iter().copied().eq(0..trials.len() as u64));
}
