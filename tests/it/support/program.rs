//! The program as its users start it: the built binary in a folder of its own, with an environment
//! that holds nothing of the machine's, bounded in time.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

/// A program that prints nothing for so long hangs; in a long check that may be a report.
fn patience() -> Duration {
    let is_long = std::env::var_os("BAKEOFF_TORTURE").is_some();
    Duration::from_mins(if is_long { 10 } else { 1 })
}

/// A scenario whose models answer within milliseconds.
pub(crate) const FAST_SCENARIO: &str = r"
[default]
ttft = { median_ms = 6, sigma = 0.2 }
gap = { median_ms = 1, sigma = 0.2 }
tokens = { median = 12, sigma = 0.3 }
prefill_ms_per_ktok = 0
";

/// A folder with a suite and what else a test puts there.
pub(crate) struct Home {
    folder: TempDir,
}

impl Home {
    /// A folder with the fast scenario as `scenario.toml`.
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let home = Self { folder };
        home.with("scenario.toml", FAST_SCENARIO)
    }

    /// Puts a file there.
    pub(crate) fn with(self, name: &str, text: &str) -> Self {
        std::fs::write(self.path(name), text).unwrap();
        self
    }

    /// Puts every file of a folder of the repository there, under the same path.
    pub(crate) fn with_folder(self, name: &str) -> Self {
        std::fs::create_dir_all(self.path(name)).unwrap();
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
        for entry in std::fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            std::fs::copy(entry.path(), self.path(name).join(entry.file_name())).unwrap();
        }
        self
    }

    /// A path in the folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The text of a file in the folder.
    pub(crate) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }

    /// The samples of the newest run of a suite, in the order of the plan.
    pub(crate) fn samples(&self, suite: &str) -> Vec<Value> {
        let text = self.read(&format!("reports/{suite}/latest/samples.jsonl"));
        let mut samples: Vec<Value> = text
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        samples.sort_by_key(|sample| sample["trial"].as_u64());
        samples
    }

    /// Every file below the folder.
    pub(crate) fn files(&self) -> Vec<PathBuf> {
        fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                // `latest` is a link: its files are found under their own name.
                match path.symlink_metadata().unwrap().file_type() {
                    kind if kind.is_dir() => walk(&path, found),
                    kind if kind.is_file() => found.push(path),
                    _ => {}
                }
            }
        }
        let mut found = Vec::new();
        walk(self.folder.path(), &mut found);
        found.sort();
        found
    }

    /// A call of the program in this folder; arguments are separated by spaces.
    pub(crate) fn bakeoff(&self, arguments: &str) -> Call {
        let mut command = Command::new(env!("CARGO_BIN_EXE_bakeoff"));
        command.args(arguments.split_whitespace());
        self.call(command)
    }

    /// A line for a POSIX shell that finds our `bakeoff`, in this folder.
    pub(crate) fn shell(&self, line: &str) -> Call {
        let mut command = Command::new("sh");
        command.args(["-c", line]);
        let program = Path::new(env!("CARGO_BIN_EXE_bakeoff"));
        let mut places = vec![program.parent().unwrap().to_path_buf()];
        places.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap()));
        self.call(command)
            .env("PATH", std::env::join_paths(places).unwrap())
    }

    fn call(&self, mut command: Command) -> Call {
        command
            .current_dir(self.folder.path())
            .env_clear()
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        Call {
            command,
            status: 0,
            alternative: None,
            out: Vec::new(),
            err: Vec::new(),
        }
    }
}

/// A call that is not made yet, and what is expected of it.
#[must_use = "nothing is started before `run`"]
pub(crate) struct Call {
    command: Command,
    status: i32,
    alternative: Option<i32>,
    out: Vec<String>,
    err: Vec<String>,
}

/// The output of a call.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ProgramOutput {
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Call {
    /// Sets a variable of its environment, which is empty otherwise.
    pub(crate) fn env(mut self, name: &str, value: impl AsRef<std::ffi::OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Expects this exit code; the default is 0.
    pub(crate) fn exits(self, status: i32) -> Self {
        Self { status, ..self }
    }

    /// Accepts this exit code, too.
    pub(crate) fn or_exits(self, status: i32) -> Self {
        Self {
            alternative: Some(status),
            ..self
        }
    }

    /// Expects a text on standard output.
    pub(crate) fn says(mut self, text: &str) -> Self {
        self.out.push(text.to_owned());
        self
    }

    /// Expects a text on standard error.
    pub(crate) fn complains(mut self, text: &str) -> Self {
        self.err.push(text.to_owned());
        self
    }

    /// Makes the call and checks what was expected.
    pub(crate) fn run(self) -> ProgramOutput {
        self.begin().end()
    }

    /// Makes the call with its standard output closed at the other end.
    pub(crate) fn begin_unread(mut self) -> Underway {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        self.command.stdout(writer);
        self.begin()
    }

    /// Makes the call with both outputs closed at the other end, and checks its exit code.
    pub(crate) fn run_unheard(mut self) {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        self.command.stderr(writer);
        self.begin_unread().end();
    }

    /// Makes the call and returns while it is running.
    pub(crate) fn begin(mut self) -> Underway {
        #[cfg(unix)]
        catch_ignored_signals();
        let mut child = self.command.spawn().unwrap();
        let out = child.stdout.take();
        let err = child.stderr.take();
        let (out_lines, out_receiver) = mpsc::channel();
        let (err_lines, err_receiver) = mpsc::channel();
        Underway {
            child,
            expected: self,
            out: std::thread::spawn(move || match out {
                Some(out) => all_text(out, &out_lines),
                None => String::new(),
            }),
            err: std::thread::spawn(move || match err {
                Some(err) => all_text(err, &err_lines),
                None => String::new(),
            }),
            out_receiver,
            err_receiver,
        }
    }
}

/// Catches the signals to end that this process was started to ignore, as under `nohup` and in background jobs: a child
/// inherits what is ignored, and the default in the place of what is caught.
#[cfg(unix)]
fn catch_ignored_signals() {
    use std::sync::Once;
    use tokio::signal::unix::{SignalKind, signal};
    static CAUGHT: Once = Once::new();
    CAUGHT.call_once(|| {
        // Where the system does not list them, nothing is known to be ignored.
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let ignored = status
            .lines()
            .find_map(|line| line.strip_prefix("SigIgn:"))
            .map_or(0, |mask| u64::from_str_radix(mask.trim(), 16).unwrap());
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .build()
            .unwrap();
        let _context = runtime.enter();
        for kind in [
            SignalKind::hangup(),
            SignalKind::interrupt(),
            SignalKind::terminate(),
        ] {
            if ignored >> (kind.as_raw_value() - 1) & 1 == 1 {
                // The handler stays for the rest of the process, whatever becomes of this runtime.
                drop(signal(kind).unwrap());
            }
        }
    });
}

/// Reads everything that a stream brings, and sends it line by line on the way.
fn all_text(stream: impl Read, lines: &mpsc::Sender<String>) -> String {
    let mut all = String::new();
    let mut stream = BufReader::new(stream);
    loop {
        let before = all.len();
        if stream.read_line(&mut all).unwrap() == 0 {
            return all;
        }
        // The receiver may be gone.
        let _ = lines.send(all[before..].to_owned());
    }
}

/// A call under way.
pub(crate) struct Underway {
    child: Child,
    expected: Call,
    out: JoinHandle<String>,
    err: JoinHandle<String>,
    out_receiver: mpsc::Receiver<String>,
    err_receiver: mpsc::Receiver<String>,
}

impl Underway {
    /// Waits for the next line on standard error.
    pub(crate) fn next_line(&self) -> String {
        let line = self.err_receiver.recv_timeout(patience());
        line.expect("it ended, or hangs, without a word")
    }

    /// Waits for the next line on standard output that names a URL, and returns this.
    pub(crate) fn next_url(&self) -> String {
        loop {
            let line = self
                .out_receiver
                .recv_timeout(patience())
                .expect("it names no URL");
            if let Some(url) = line
                .split_whitespace()
                .find(|word| word.starts_with("http://"))
            {
                return url.to_owned();
            }
        }
    }

    /// Sends a signal.
    #[cfg(unix)]
    pub(crate) fn signal(&self, signal: rustix::process::Signal) {
        let id = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(id, signal).unwrap();
    }

    /// Waits for its end and checks what was expected.
    pub(crate) fn end(mut self) -> ProgramOutput {
        // The pipes close when it ends; then nothing is left to wait for.
        let hangs = loop {
            match self.err_receiver.recv_timeout(patience()) {
                Ok(_) => {}
                Err(mpsc::RecvTimeoutError::Disconnected) => break false,
                Err(mpsc::RecvTimeoutError::Timeout) => break true,
            }
        };
        if hangs {
            self.child.kill().unwrap();
        }
        let status = self.child.wait().unwrap();
        let output = ProgramOutput {
            out: self.out.join().unwrap(),
            err: self.err.join().unwrap(),
        };
        assert!(!hangs, "it hangs: {output:#?}");
        let ProgramOutput { out, err } = &output;
        let code = status.code().unwrap_or(-1);
        let transcript = format!("exit code {code}\n--- stdout\n{out}\n--- stderr\n{err}");
        if self.expected.alternative != Some(code) {
            assert_eq!(code, self.expected.status, "{transcript}");
        }
        for text in &self.expected.out {
            assert!(out.contains(text), "no `{text}` on stdout: {transcript}");
        }
        for text in &self.expected.err {
            assert!(err.contains(text), "no `{text}` on stderr: {transcript}");
        }
        output
    }
}
