//! Commands of the user that score samples.
//!
//! Owns the process and the forms of its output. Must not know what a score decides. Invariants: no shell reads a command; a
//! command ends by its time limit, the processes of its group with it; and whatever it does is a grade, never a lost run.

use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};

use crate::grade::DeferredGrade;
use crate::units::{Nanos, one_line};

/// Bytes of its output that are read.
const OUTPUT_BYTES: u64 = 64 << 10;
/// Characters of its error output in a reason.
const ERROR_CHARS: usize = 200;

/// Runs a command with a sample, as one line of JSON, on its standard input.
pub(super) async fn score(command: &[String], timeout: Nanos, sample: &[u8]) -> DeferredGrade {
    let name = command.first().map_or("", String::as_str);
    match run(command, timeout, sample).await {
        Ok(output) => match read_output(&output) {
            Ok((score, reason)) => DeferredGrade::Score(score, reason),
            Err(problem) => DeferredGrade::Failed(format!("`{name}`: {problem}")),
        },
        Err(problem) => DeferredGrade::Failed(format!("`{name}` {problem}")),
    }
}

/// The standard output of a command that ended well, or the reason of its failure.
async fn run(command: &[String], timeout: Nanos, sample: &[u8]) -> Result<String, String> {
    let (program, arguments) = command.split_first().ok_or("names no program")?;
    let mut process = Command::new(program);
    process
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    #[cfg(unix)]
    process.process_group(0);
    let mut child = process
        .spawn()
        .map_err(|error| format!("could not be started: {error}"))?;
    let group = child.id();
    let ended = tokio::time::timeout(
        Duration::from_nanos(timeout.0),
        exchange(&mut child, sample),
    );
    let Ok(ended) = ended.await else {
        kill(group);
        return Err(format!("was stopped after {timeout}"));
    };
    let (status, output, errors) = ended.map_err(|error| format!("was lost: {error}"))?;
    if status.success() {
        return Ok(output);
    }
    let last = errors.lines().rev().find(|line| !line.trim().is_empty());
    let last: String = one_line(last.unwrap_or_default().trim())
        .chars()
        .take(ERROR_CHARS)
        .collect();
    Err(format!("ended with {status}: {last}"))
}

async fn exchange(
    child: &mut Child,
    sample: &[u8],
) -> std::io::Result<(std::process::ExitStatus, String, String)> {
    let (input, output, errors) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let write = async {
        if let Some(mut input) = input {
            // A command that reads nothing closes its input.
            let _ = input.write_all(sample).await;
        }
    };
    let ((), output, errors) = tokio::join!(write, read(output), read(errors));
    Ok((child.wait().await?, output, errors))
}

async fn read(source: Option<impl AsyncRead + Unpin>) -> String {
    let mut bytes = Vec::new();
    if let Some(source) = source {
        // What was read before an error is the output.
        let _ = source.take(OUTPUT_BYTES).read_to_end(&mut bytes).await;
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Ends the processes that a command started; the command itself ends when it is dropped.
#[cfg(unix)]
fn kill(group: Option<u32>) {
    let group = group.and_then(|id| rustix::process::Pid::from_raw(i32::try_from(id).ok()?));
    if let Some(group) = group {
        // It may have ended meanwhile.
        let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
    }
}

#[cfg(not(unix))]
fn kill(_: Option<u32>) {}

/// The score and the reason that a command printed: a score from 0 to 1, `true` or `false`, or an object with either.
fn read_output(text: &str) -> Result<(f64, String), String> {
    let output: Value = serde_json::from_str(text.trim()).unwrap_or_default();
    let score_of = |value: &Value| {
        let pass = value.as_bool().map(|pass| f64::from(u8::from(pass)));
        value.as_f64().or(pass)
    };
    let own = [Some(&output), output.get("score"), output.get("pass")];
    let Some(score) = own.into_iter().flatten().find_map(score_of) else {
        let message = "its output is no score from 0 to 1, neither `true` nor `false`, and no object with `score` or `pass`";
        return Err(message.to_owned());
    };
    if !(0.0..=1.0).contains(&score) {
        return Err(format!("its score is {score}, not from 0 to 1"));
    }
    let reason = output.get("reason").and_then(Value::as_str);
    Ok((score, reason.unwrap_or_default().to_owned()))
}

#[cfg(unix)]
#[cfg(test)]
mod tests {
    use super::*;

    fn graded(command: &[&str], timeout_ms: u64) -> DeferredGrade {
        let command: Vec<String> = command.iter().map(ToString::to_string).collect();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let timeout = Nanos::from_millis(timeout_ms);
        runtime.block_on(score(&command, timeout, b"{\"answer\": \"Paris\"}\n"))
    }

    #[test]
    fn outputs_are_read_or_refused() {
        // A grader that prints a sentence must not pass or fail every answer in silence.
        let read = |text| read_output(text).ok();
        let result = |score, reason: &str| Some((score, reason.to_owned()));
        for (text, expected) in [
            ("0.5\n", result(0.5, "")),
            ("1", result(1.0, "")),
            ("true", result(1.0, "")),
            ("false", result(0.0, "")),
            (
                "{\"score\": 0.25, \"reason\": \"short\"}",
                result(0.25, "short"),
            ),
            ("{\"pass\": true}", result(1.0, "")),
            ("{\"pass\": false, \"score\": 0.4}", result(0.4, "")),
            ("{}", None),
            ("7", None),
            ("-0.1", None),
            ("good", None),
            ("", None),
            ("1 2", None),
        ] {
            assert_eq!(read(text), expected, "{text}");
        }
    }

    #[test]
    fn a_command_reads_the_sample_and_no_shell_reads_the_command() {
        let reads = ["sh", "-c", "grep -q Paris && echo 1"];
        assert_eq!(
            graded(&reads, 60_000),
            DeferredGrade::Score(1.0, String::new())
        );
        let literal = ["printf", "%s", "{\"score\":0,\"reason\":\"$(id) `id`\"}"];
        assert_eq!(
            graded(&literal, 60_000),
            DeferredGrade::Score(0.0, "$(id) `id`".to_owned())
        );
    }

    #[test]
    fn a_command_that_fails_is_a_failed_grade_with_its_reason() {
        let reason = |grade| match grade {
            DeferredGrade::Failed(reason) => reason,
            DeferredGrade::Score(..) => panic!("{grade:?}"),
        };
        let failed = reason(graded(
            &["sh", "-c", "echo no such rule >&2; exit 3"],
            60_000,
        ));
        assert_eq!(failed, "`sh` ended with exit status: 3: no such rule");
        let missing = reason(graded(&["./no-such-program"], 60_000));
        assert!(
            missing.starts_with("`./no-such-program` could not be started"),
            "{missing}"
        );
        let slow = reason(graded(&["sh", "-c", "sleep 60 & sleep 60"], 20));
        assert_eq!(slow, "`sh` was stopped after 20.0 ms");
        let endless = reason(graded(&["yes"], 60_000));
        assert!(endless.contains("`yes`"), "{endless}");
    }
}
