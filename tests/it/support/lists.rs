//! A server of lists of models, and the program with a cache, a project file and a key of its own.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use bakeoff::sim::{Scenario, Simulator, SimulatorHandle};

use super::server::response;

/// A connection on which nothing comes for so long is given up, so that no thread is left behind.
const PATIENCE: Duration = Duration::from_secs(30);

/// Answers every GET by its path, and closes the connection.
pub(crate) struct Lists {
    address: SocketAddr,
    paths_log: Arc<Mutex<Vec<String>>>,
    thread: Option<JoinHandle<()>>,
}

impl Lists {
    pub(crate) fn start(answer: impl Fn(&str) -> Vec<u8> + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let paths_log: Arc<Mutex<Vec<String>>> = Arc::default();
        let paths = Arc::clone(&paths_log);
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming() {
                let path = path_of(&mut stream.unwrap());
                let Some((mut stream, path)) = path else {
                    return;
                };
                paths.lock().unwrap().push(path.clone());
                // A client that leaves early is no failure of the server's.
                let _ = stream.write_all(&answer(&path));
            }
        });
        Self {
            address,
            paths_log,
            thread: Some(thread),
        }
    }

    pub(crate) fn of(list: &'static str) -> Self {
        Self::start(move |_| json("200 OK", list))
    }

    pub(crate) fn base_url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    pub(crate) fn requested_paths(&self) -> Vec<String> {
        self.paths_log.lock().unwrap().clone()
    }
}

impl Drop for Lists {
    fn drop(&mut self) {
        // A connection without a request is the word to stop.
        drop(TcpStream::connect(self.address));
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// The path of a request; `None` where the client only opened the connection.
fn path_of(stream: &mut TcpStream) -> Option<(TcpStream, String)> {
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        if stream.read(&mut byte).ok()? == 0 {
            return None;
        }
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).unwrap();
    let path = head.split(' ').nth(1).unwrap().to_owned();
    Some((stream.try_clone().unwrap(), path))
}

pub(crate) fn json(status: &str, body: &str) -> Vec<u8> {
    response(
        status,
        "content-type: application/json\r\nconnection: close\r\n",
        body,
    )
}

pub(crate) fn bakeoff(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_bakeoff"))
        .args(arguments)
        .current_dir(folder)
        .env("BAKEOFF_CACHE_DIR", folder.join("cache"))
        .env("SIM_KEY", "any")
        .env_remove("OPENAI_API_KEY")
        .output()
        .unwrap()
}

pub(crate) fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

pub(crate) fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

pub(crate) fn done(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(0), "{}", err(output));
    out(output)
}

pub(crate) fn simulator() -> SimulatorHandle {
    let scenario = Scenario::parse("").unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    Simulator::start(scenario, listener, None, 7).unwrap()
}

/// A project with the endpoint `here`.
pub(crate) fn project(folder: &Path, base_url: &str) {
    let text = format!("[endpoints.here]\nbase_url = \"{base_url}\"\nkey = \"SIM_KEY\"\n");
    fs::write(folder.join("bakeoff.toml"), text).unwrap();
}
