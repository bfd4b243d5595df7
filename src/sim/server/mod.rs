//! The simulator at work: sockets, clock, routes.
//!
//! Owns everything in the room that touches the world; the rest of the room decides what is said.
//! Must not decide what a request gets. Invariant: a request is stamped as arrived once it has been
//! read whole, before anything is computed from it.

mod play;
mod socket;

use std::future::Future;
use std::io;
use std::io::Write;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::body::{Body, Bytes, HttpBody as _};
use axum::extract::{ConnectInfo, Path, Query, State};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use serde::Deserialize;
use tokio::sync::oneshot;

use self::play::Player;
use self::socket::{Door, Handle};
use super::answer::Moment;
use super::draw::digest;
use super::fault::Selection;
use super::listing;
use super::refusal::Refused;
use super::request::ChatRequest;
use super::script::Script;
use super::state;
use super::truth::{Log, Truth};
use super::world::{MissingKey, World};
use crate::units::{Nanos, Usd};

/// The largest request body, in bytes: room for a prompt of a million tokens with images, and a
/// bound on what a stranger can make us keep.
const MAX_BODY_BYTES: usize = 32 * 1024 * 1024;
/// The longest `x-request-id` that the truth log repeats, in bytes.
const MAX_REQUEST_ID_BYTES: usize = 200;

/// The simulator as a whole.
pub struct Simulator;

/// A simulator that runs on a thread of its own until it is dropped.
pub struct Running {
    address: SocketAddr,
    log: Arc<Log>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<io::Result<()>>>,
}

impl Simulator {
    /// Starts serving `world` on `listener`, on a thread with its own runtime, so that it shares no
    /// worker with the client that it answers. `truth` receives a JSON line per answer; `salt`
    /// makes this run's answers differ from another's, unless the world fixes it.
    pub fn start(
        world: World,
        listener: std::net::TcpListener,
        truth: Option<Box<dyn Write + Send>>,
        salt: u64,
    ) -> io::Result<Running> {
        let address = listener.local_addr()?;
        let log = Arc::new(Log::new(truth));
        let (stop, stopped) = oneshot::channel();
        let shared = Arc::new(Shared::new(world, Arc::clone(&log), salt));
        let run = move || {
            run(&shared, listener, async {
                // A dropped sender means the same as a sent word: stop.
                let _ = stopped.await;
            })
        };
        let thread = std::thread::Builder::new()
            .name("simulator".to_owned())
            .spawn(run)?;
        Ok(Running {
            address,
            log,
            stop: Some(stop),
            thread: Some(thread),
        })
    }
}

impl Running {
    /// Where it listens, `/v1` included, without a slash at the end.
    pub fn base_url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// What it answered so far, oldest first; only the newest
    /// [`MAX_RECORDS_IN_MEMORY`](super::truth::MAX_RECORDS_IN_MEMORY).
    pub fn truth(&self) -> Vec<Truth> {
        self.log.records()
    }

    /// Stops it and tells whether it ran and wrote its log without an error.
    pub fn stop(mut self) -> io::Result<()> {
        self.end()
    }

    fn end(&mut self) -> io::Result<()> {
        // Dropping the sender is what stops the thread.
        drop(self.stop.take());
        match self.thread.take().map(JoinHandle::join) {
            None => Ok(()),
            Some(Ok(result)) => result,
            Some(Err(_)) => Err(io::Error::other("the simulator's thread panicked")),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Whoever cares for the error calls `stop`.
        let _ = self.end();
    }
}

/// Serves `world` on `listener` until `stop` completes. Blocks; must not be called from within a
/// runtime. The error is that of the listener or of writing `truth`.
pub fn serve(
    world: World,
    listener: std::net::TcpListener,
    truth: Option<Box<dyn Write + Send>>,
    salt: u64,
    stop: impl Future<Output = ()>,
) -> io::Result<()> {
    let log = Arc::new(Log::new(truth));
    run(&Arc::new(Shared::new(world, log, salt)), listener, stop)
}

fn run(
    shared: &Arc<Shared>,
    listener: std::net::TcpListener,
    stop: impl Future<Output = ()>,
) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .max_blocking_threads(1)
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let door = Door::new(listener)?;
        let app = routes(Arc::clone(shared)).into_make_service_with_connect_info::<Handle>();
        tokio::select! {
            result = async { axum::serve(door, app).await } => result,
            () = stop => Ok(()),
        }
    })?;
    // Ends the streams in flight, which then write their records.
    drop(runtime);
    shared.log.take_failure().map_or(Ok(()), Err)
}

/// What all requests share.
struct Shared {
    world: World,
    salt: u64,
    log: Arc<Log>,
    state: Mutex<state::State>,
    /// Zero of the truth log's clock.
    began: Instant,
    /// The same instant on the wall, ms since 1970.
    began_unix_ms: u64,
    /// The body of `/v1/models`, which never changes.
    models: Bytes,
}

impl Shared {
    fn new(world: World, log: Arc<Log>, salt: u64) -> Self {
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH);
        let began_unix_ms = since_1970.map_or(0, |span| Nanos::from(span).0 / 1_000_000);
        Self {
            models: Bytes::from(listing::models(&world).to_string()),
            world,
            salt,
            log,
            state: Mutex::default(),
            began: Instant::now(),
            began_unix_ms,
        }
    }

    /// Now, on the truth log's clock.
    fn now(&self) -> Nanos {
        Nanos::from(self.began.elapsed())
    }

    /// An instant of the truth log's clock as wall time.
    fn unix_ms(&self, instant: Nanos) -> u64 {
        self.began_unix_ms + instant.0 / 1_000_000
    }

    fn with_state<T>(&self, use_it: impl FnOnce(&mut state::State) -> T) -> T {
        // A panic elsewhere leaves counts that are still counts.
        use_it(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn routes(shared: Arc<Shared>) -> Router {
    Router::new()
        .route("/v1/chat/completions", post(chat).head(alive))
        .route("/v1/models", get(models).head(alive))
        .route("/v1/models/{creator}/{model}", get(model).head(alive))
        .route(
            "/v1/models/{creator}/{model}/endpoints",
            get(endpoints).head(alive),
        )
        .route("/v1/credits", get(credits).head(alive))
        .route("/v1/generation", get(generation).head(alive))
        .route("/v1/report", get(report).head(alive))
        .fallback(elsewhere)
        .with_state(shared)
}

/// Some clients open connections with HEAD: it must cost nothing and succeed.
async fn alive() -> StatusCode {
    StatusCode::OK
}

async fn chat(
    State(shared): State<Arc<Shared>>,
    ConnectInfo(handle): ConnectInfo<Handle>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let read = read_whole(body).await;
    let arrival = shared.now();
    let request_id = header(&headers, "x-request-id");
    let request_id = request_id.filter(|id| id.len() <= MAX_REQUEST_ID_BYTES);
    let writer = Arc::clone(&shared);
    // Beside the thread that plays: a script takes longer to write than a chunk to send, and the
    // next request's arrival would be stamped late. One such thread, so that order is kept.
    let written = tokio::task::spawn_blocking(move || match &read {
        Some(body) => prepare(&writer, &headers, body, arrival),
        None => Asked::refused(Refused::too_large()),
    });
    let Ok(asked) = written.await else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let player = Player::new(shared, handle, arrival, asked, request_id);
    player.answer().await
}

/// A body within the limit; one that announces more is not even begun.
async fn read_whole(body: Body) -> Option<Bytes> {
    if body.size_hint().lower() > MAX_BODY_BYTES as u64 {
        return None;
    }
    axum::body::to_bytes(body, MAX_BODY_BYTES).await.ok()
}

/// A request and what it gets.
struct Asked {
    script: Script,
    /// The id asked for, where it could be read.
    model: Option<String>,
    ordinal: u64,
    /// A name for the key, which itself is not kept.
    key: u64,
}

impl Asked {
    fn refused(refused: Refused) -> Self {
        Self {
            script: Script::refused(refused),
            model: None,
            ordinal: 0,
            key: 0,
        }
    }
}

/// Everything between reading a request and playing its script, in the gateway's order: key,
/// body, model, limits, answer.
fn prepare(shared: &Shared, headers: &HeaderMap, body: &[u8], arrival: Nanos) -> Asked {
    let key = match admitted_key(&shared.world, headers) {
        Ok(key) => key,
        Err(refused) => return Asked::refused(refused),
    };
    let request = match ChatRequest::read(body) {
        Ok(request) => request,
        Err(wrong) => {
            return Asked::refused(Refused::bad_request(&wrong.message, wrong.param));
        }
    };
    let (script, ordinal) = scripted(shared, &request, key, arrival);
    Asked {
        script,
        model: Some(request.model),
        ordinal,
        key,
    }
}

/// A name for the key of a request that may pass.
fn admitted_key(world: &World, headers: &HeaderMap) -> Result<u64, Refused> {
    let bearer = header(headers, "authorization");
    let key = bearer.as_deref().and_then(|text| {
        let (scheme, key) = text.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then_some(key.trim())
    });
    let accepted = match key {
        None | Some("") => world.access.missing_key == MissingKey::Accept,
        Some(key) => {
            let keys = &world.access.keys;
            keys.is_empty() || keys.iter().any(|accepted| accepted == key)
        }
    };
    if accepted {
        Ok(digest(key.unwrap_or_default().as_bytes()))
    } else {
        Err(Refused::unauthenticated())
    }
}

/// The script of a request that could be read, and how many equal ones came before.
fn scripted(shared: &Shared, request: &ChatRequest, key: u64, arrival: Nanos) -> (Script, u64) {
    let world = &shared.world;
    let refused = |refused| (Script::refused(refused), 0);
    let Ok(selection) = request.model.parse::<Selection>() else {
        return refused(Refused::unknown_model(&request.model));
    };
    let Some(model) = world.model(&selection.model) else {
        return refused(Refused::unknown_model(&request.model));
    };
    if !model.language {
        let message = format!("Model '{}' is not a language model", model.id);
        return refused(Refused::bad_request(&message, "model"));
    }
    let unix_ms = shared.unix_ms(arrival);
    let admitted = shared.with_state(|state| {
        if let Some(limit) = &world.rate_limit
            && let Err(wait) = state.admit(&model.id, limit, arrival)
        {
            let seconds = wait.0.div_ceil(1_000_000_000);
            return Err(Refused::rate_limited(limit.retry_after, seconds, unix_ms));
        }
        let spent = state.spent(key);
        if let Some(budget) = world.budget
            && spent >= budget
        {
            return Err(Refused::over_budget(spent, budget));
        }
        let ordinal = state.ordinal(request.digest);
        let cache = state.look_up(&model, request);
        Ok(Moment {
            ordinal,
            salt: shared.salt,
            unix_ms,
            minutes: arrival.as_secs_f64() / 60.0,
            cached: cache.cached,
            written: cache.written,
        })
    });
    match admitted {
        Ok(moment) => {
            let script = Script::write(world, &model, &selection, request, &moment);
            (script, moment.ordinal)
        }
        Err(wrong) => refused(wrong),
    }
}

async fn models(State(shared): State<Arc<Shared>>) -> Response {
    respond(200, &json_type(), shared.models.clone())
}

async fn model(
    State(shared): State<Arc<Shared>>,
    Path((creator, model)): Path<(String, String)>,
) -> Response {
    let id = format!("{creator}/{model}");
    match shared.world.models().find(|model| model.id == id) {
        Some(model) => json(200, model.entry.to_string()),
        None => refuse(Refused::unknown_model(&id)),
    }
}

async fn endpoints(
    State(shared): State<Arc<Shared>>,
    Path((creator, model)): Path<(String, String)>,
) -> Response {
    let id = format!("{creator}/{model}");
    match shared.world.models().find(|model| model.id == id) {
        Some(model) => json(200, listing::endpoints(model).to_string()),
        None => refuse(Refused::unknown_model(&id)),
    }
}

async fn credits(State(shared): State<Arc<Shared>>, headers: HeaderMap) -> Response {
    if let Err(refused) = admitted_key(&shared.world, &headers) {
        return refuse(refused);
    }
    let used: Usd = shared.with_state(|state| state.total_spent());
    json(200, listing::credits(&shared.world, used).to_string())
}

#[derive(Deserialize)]
struct GenerationQuery {
    id: Option<String>,
}

async fn generation(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    Query(query): Query<GenerationQuery>,
) -> Response {
    if let Err(refused) = admitted_key(&shared.world, &headers) {
        return refuse(refused);
    }
    let (delay, now) = (shared.world.generation_delay, shared.now());
    let id = query.id.as_deref();
    let found = shared.with_state(|state| {
        let account = state.generation(id?, delay, now)?;
        Some(listing::generation(account))
    });
    match found {
        Some(body) => json(200, body.to_string()),
        None => refuse(listing::no_generation(id)),
    }
}

async fn report() -> Response {
    refuse(listing::report())
}

/// Unknown paths: JSON under `/v1`, a page elsewhere, as the real gateway's host answers.
async fn elsewhere(uri: Uri) -> Response {
    let path = uri.path();
    let below_v1 = path == "/v1" || path.starts_with("/v1/");
    refuse(if below_v1 {
        Refused::unknown_path(path)
    } else {
        Refused::html(404, "404: This page could not be found")
    })
}

fn header(headers: &HeaderMap, name: &str) -> Option<String> {
    let value = headers.get(name)?.to_str().ok()?;
    Some(value.to_owned())
}

fn json_type() -> Vec<(&'static str, String)> {
    vec![("content-type", "application/json".to_owned())]
}

fn json(status: u16, body: String) -> Response {
    respond(status, &json_type(), body)
}

fn refuse(refused: Refused) -> Response {
    respond(refused.status, &refused.headers, refused.body)
}

/// A response with those headers.
fn respond(status: u16, headers: &[(&'static str, String)], body: impl Into<Body>) -> Response {
    let mut response = Response::builder().status(status);
    for (name, value) in headers {
        response = response.header(*name, value);
    }
    response
        .body(body.into())
        .expect("statuses and headers are ours: valid numbers, names and visible characters")
}
