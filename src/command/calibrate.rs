//! `bakeoff calibrate`: how well this machine times many streams at once.
//!
//! Owns the loads that are tried and the bound of their error. Must not know how a time is measured. Invariant: every
//! answer is timed by the transport of a run, against the server trace of the simulated gateway.

use std::collections::HashMap;
use std::io::Write as _;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use jiff::Timestamp;
use serde_json::json;

use crate::gateway::{Authorities, Endpoint, OutgoingRequest, Transport, read, supported_clock};
use crate::record::{Calibration, CalibrationLevel, Outcome};
use crate::report::calibration_text;
use crate::sim::trace::TraceRecord;
use crate::sim::{Scenario, Simulator};
use crate::stats::quantile::quantile_u64;
use crate::suite::{ClockSource, Timeouts};
use crate::units::{ModelId, Nanos};

use super::base::exit;
use super::base::failure::Failure;
use super::base::model_list::cache_folder;
use super::base::runtime::{TOOL, measuring_runtime};
use super::base::stdio::{stderr, stdout};

/// The numbers of streams that are tried, one after the other.
const LEVELS: [u32; 5] = [1, 64, 256, 1_000, 4_000];

/// The p99 of the error up to which a load is carried: 2.5 % of a TTFT of 400 ms.
const BOUND: Nanos = Nanos::from_millis(10);

/// The p99 of the error above which no more streams are tried.
const EXCESS: Nanos = Nanos::from_millis(100);

/// Most answers of a level: the simulator holds the trace of as many.
const ANSWERS: u32 = 4_000;

/// A fast model for one stream, so that its figures rest on more than a few answers.
const FAST: CalibrationLoad = CalibrationLoad {
    model: "sim/constant-50ms-10ms-8",
    answer: Duration::from_millis(120),
};

/// The pace of a hosted model: 20 tokens a second, for 1.75 s.
const ORDINARY: CalibrationLoad = CalibrationLoad {
    model: "sim/constant-200ms-50ms-32",
    answer: Duration::from_millis(1_750),
};

/// The answers of a level.
#[derive(Clone, Copy)]
struct CalibrationLoad {
    model: &'static str,
    /// The time from the request to the last token.
    answer: Duration,
}

/// The options of `bakeoff calibrate`.
#[derive(Debug)]
pub struct Options {
    /// The time to spend, divided among the levels.
    pub time: Nanos,
    /// Most streams to try.
    pub streams: u32,
    /// The clock to calibrate.
    pub clock: ClockSource,
}

/// Tries one level after the other, until one is far too much; prints and stores the result.
pub(crate) fn execute(options: &Options) -> Result<u8, Failure> {
    let clock = supported_clock(options.clock);
    if clock != options.clock {
        return Err(Failure::usage(
            "this system has no receive timestamps of the kernel: use `--clock user`",
        ));
    }
    let mut calibration = Calibration {
        version: Calibration::VERSION,
        tool: TOOL.to_owned(),
        measured_at: Timestamp::now(),
        clock,
        bound_ns: BOUND,
        levels: Vec::new(),
    };
    let levels = LEVELS.into_iter().filter(|level| *level <= options.streams);
    let levels: Vec<u32> = levels.collect();
    let count = u32::try_from(levels.len().max(1)).unwrap_or(u32::MAX);
    let span = Duration::from(options.time) / count;
    for streams in levels {
        writeln!(stderr(), "note: trying {streams} at once")?;
        let level = measure(streams, span, clock)?;
        let is_excessive = level.failed > 0 || level.error_p99_ns > Some(EXCESS);
        calibration.levels.push(level);
        if is_excessive {
            break;
        }
    }
    write!(stdout(), "{}", calibration_text(&calibration))?;
    if let Some(folder) = cache_folder() {
        // Without it no run warns.
        if let Err(error) = calibration.write(&folder) {
            writeln!(
                stderr(),
                "warning: the calibration could not be stored: {error}"
            )?;
        }
    }
    Ok(exit::DONE)
}

/// Measures the errors of so many streams at once, for about `span`.
fn measure(streams: u32, span: Duration, clock: ClockSource) -> Result<CalibrationLevel, Failure> {
    let simulator = TcpListener::bind(("127.0.0.1", 0))
        .and_then(|listener| Simulator::start(Scenario::built_in(), listener, None, 1))
        .map_err(|error| {
            Failure::incomplete(format!("the simulated gateway could not start: {error}"))
        })?;
    let endpoint = Endpoint {
        base_url: simulator.base_url(),
        key: None,
        key_header: None,
        headers: Vec::new(),
        proxy: None,
        authorities: Authorities::default(),
    };
    let load = if streams == 1 { FAST } else { ORDINARY };
    // What a machine cannot carry must end as well.
    let patience = Nanos::from(span + 10 * load.answer);
    let timeouts = Timeouts {
        connect_ns: patience,
        headers_ns: patience,
        gap_ns: patience,
        total_ns: patience,
    };
    let runtime = measuring_runtime()?;
    let (answers, cpu_share) = runtime.block_on(async {
        let lanes = streams as usize;
        let opened = Transport::open(&endpoint, timeouts, lanes, clock).await;
        let (transport, failed) = opened.map_err(|error| Failure::incomplete(error.to_string()))?;
        if failed.is_some() {
            return Err(Failure::incomplete(
                "the simulated gateway could not be reached",
            ));
        }
        let transport = Arc::new(transport);
        let cpu = processor_time();
        let begun = transport.clock().now();
        let until = Nanos(begun.0 + Nanos::from(span).0);
        let tasks = (0..streams).map(|stream| {
            let transport = Arc::clone(&transport);
            // Spread over one answer, so that they do not begin and end together.
            let delay = load.answer * stream / streams;
            tokio::spawn(async move {
                tokio::time::sleep(delay).await;
                answers_of_stream(&transport, (stream, ANSWERS / streams), load, until).await
            })
        });
        let answers = join_all(tasks).await.into_iter().flatten().flatten();
        let answers: Vec<TimedAnswer> = answers.collect();
        let share = |cpu: Duration| {
            let processors = std::thread::available_parallelism().map_or(1, usize::from);
            cpu.as_secs_f64()
                / transport.clock().now().since(begun).as_secs_f64()
                / processors as f64
        };
        let used = processor_time().zip(cpu);
        Ok((
            answers,
            used.map(|(after, before)| share(after.saturating_sub(before))),
        ))
    })?;
    Ok(level(streams, &answers, &simulator.trace(), cpu_share))
}

/// A request, and the time to its first token if its answer was complete.
struct TimedAnswer {
    request_id: String,
    ttft: Option<Nanos>,
}

/// Sends requests one after the other until the time is over, at least one and at most so many.
async fn answers_of_stream(
    transport: &Transport,
    (stream, most): (u32, u32),
    load: CalibrationLoad,
    until: Nanos,
) -> Vec<TimedAnswer> {
    let model: ModelId = load.model.parse().expect("it is a model of the simulator");
    let messages = json!([{ "role": "user", "content": "Why is the sky blue?" }]);
    let body = json!({ "model": load.model, "stream": true, "messages": messages });
    let body = body.to_string().into_bytes();
    let mut answers = Vec::new();
    for number in 0..most {
        if number > 0 && transport.clock().now() >= until {
            break;
        }
        let request_id = format!("calibrate-{stream}-{number}");
        let request = OutgoingRequest {
            path: "/chat/completions",
            request_id: request_id.clone(),
            body: body.clone(),
            first_sent: None,
        };
        let recording = transport.exchange(request).await;
        let reading = read(&recording, &model, true).into_inner();
        let is_complete = reading.outcome == Outcome::Complete;
        let ttft = reading.first_token.filter(|_| is_complete);
        answers.push(TimedAnswer {
            request_id,
            ttft: ttft.map(|first| first.since(recording.sent)),
        });
    }
    answers
}

/// The errors of these answers.
fn level(
    streams: u32,
    answers: &[TimedAnswer],
    trace: &[TraceRecord],
    cpu_share: Option<f64>,
) -> CalibrationLevel {
    let truth: HashMap<&str, Nanos> = trace
        .iter()
        .filter_map(|record| Some((record.request_id.as_deref()?, record.ttft()?)))
        .collect();
    let errors = answers.iter().filter_map(|answer| {
        let truth = truth.get(answer.request_id.as_str())?;
        Some(answer.ttft?.since(*truth).0)
    });
    let mut errors: Vec<u64> = errors.collect();
    errors.sort_unstable();
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // Between two of them.
    let at = |q| quantile_u64(&errors, q).map(|error| Nanos(error as u64));
    CalibrationLevel {
        streams,
        answers: errors.len() as u64,
        failed: (answers.len() - errors.len()) as u64,
        error_p50_ns: at(0.5),
        error_p99_ns: at(0.99),
        cpu_share,
    }
}

/// The processor time of this process, user's and system's.
#[cfg(unix)]
fn processor_time() -> Option<Duration> {
    use rustix::time::{ClockId, clock_gettime};
    Duration::try_from(clock_gettime(ClockId::ProcessCPUTime)).ok()
}

#[cfg(not(unix))]
fn processor_time() -> Option<Duration> {
    None
}
