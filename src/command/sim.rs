//! `bakeoff sim`: the simulated gateway on its own, for any client.

use std::io::{self, LineWriter, Write};
use std::net::TcpListener;
use std::path::PathBuf;
use std::pin::pin;

use futures::poll;

use crate::private_file;
use crate::sim::Simulator;

use super::base::failure::Failure;
use super::base::runtime::{interrupted, random_number, runtime};
use super::base::stdio::stdout;
use super::base::{endpoint, exit};

/// The options of `bakeoff sim`.
#[derive(Debug)]
pub struct Options {
    /// Port on the loopback interface; 0 for any free one.
    pub port: u16,
    /// Scenario file; absent: the built-in scenario.
    pub scenario: Option<PathBuf>,
    /// File that the server trace is written to.
    pub trace: Option<PathBuf>,
    /// Sim seed of the answers; absent: a random one.
    pub sim_seed: Option<u64>,
}

/// Serves until it is interrupted.
pub(crate) fn execute(options: &Options) -> Result<u8, Failure> {
    let (scenario, _) = endpoint::read_scenario(options.scenario.as_deref())?;
    let trace: Option<Box<dyn Write + Send>> = match &options.trace {
        None => None,
        Some(path) => {
            let file = private_file::create(path).map_err(|error| {
                Failure::usage(format!("cannot create `{}`: {error}", path.display()))
            })?;
            Some(Box::new(LineWriter::new(file)))
        }
    };
    let listener = TcpListener::bind(("127.0.0.1", options.port)).map_err(|error| {
        Failure::usage(format!(
            "cannot listen on port {}: {error}\n  choose another one with --port, or 0 for a free one",
            options.port
        ))
    })?;
    let sim_seed = options.sim_seed.map_or_else(random_number, Ok)?;
    let running = Simulator::start(scenario, listener, trace, sim_seed)?;
    runtime()?.block_on(async {
        let mut ended = pin!(interrupted());
        // The first poll installs the signal handlers: a reader of the line may send a signal at once.
        if poll!(ended.as_mut()).is_pending() {
            let mut out = stdout();
            writeln!(
                out,
                "simulated gateway at {} (sim seed {sim_seed}); Ctrl-C stops it",
                running.base_url()
            )?;
            out.flush()?;
            ended.await;
        }
        Ok::<(), io::Error>(())
    })?;
    drop(running);
    Ok(exit::DONE)
}
