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
use axum::routing::{MethodRouter, get, post};
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::oneshot;

use self::play::Player;
use self::socket::{Door, Handle};
use super::answer::Moment;
use super::dialect::Dialect;
use super::draw::digest;
use super::fault::Selection;
use super::listing;
use super::refusal::Refused;
use super::request::{Api, ChatRequest};
use super::script::Script;
use super::state;
use super::truth::{Log, Truth};
use super::world::{MissingKey, Model, World};
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
    base_path: &'static str,
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
        let base_path = world.dialect.base_path();
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
            base_path,
            log,
            stop: Some(stop),
            thread: Some(thread),
        })
    }
}

impl Running {
    /// Where it listens, with the path of its dialect's vendor (mostly `/v1`, which answers in every
    /// dialect), without a slash at the end.
    pub fn base_url(&self) -> String {
        format!("http://{}{}", self.address, self.base_path)
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

/// The routes under `/v1`, and under the path of the dialect's vendor.
fn routes(shared: Arc<Shared>) -> Router {
    let dialect = shared.world.dialect;
    let mut api = Router::new()
        .route("/chat/completions", conversation(Api::Chat))
        .route("/messages", conversation(Api::Messages))
        .route("/responses", conversation(Api::Responses))
        .route("/models", get(models).head(alive))
        .route("/models/{creator}/{model}", get(model).head(alive));
    if matches!(dialect, Dialect::Vercel | Dialect::OpenRouter) {
        let endpoints_path = "/models/{creator}/{model}/endpoints";
        api = api
            .route(endpoints_path, get(endpoints).head(alive))
            .route("/credits", get(credits).head(alive))
            .route("/generation", get(generation).head(alive));
    }
    if dialect == Dialect::Vercel {
        api = api.route("/report", get(report).head(alive));
    }
    let router = Router::new().nest("/v1", api.clone());
    let router = match dialect.base_path() {
        "/v1" => router,
        "" => router.merge(api),
        path => router.nest(path, api),
    };
    router.fallback(elsewhere).with_state(shared)
}

/// Some clients open connections with HEAD: it must cost nothing and succeed.
async fn alive() -> StatusCode {
    StatusCode::OK
}

/// A route that answers conversations.
fn conversation(api: Api) -> MethodRouter<Arc<Shared>> {
    let answer = move |State(shared): State<Arc<Shared>>,
                       ConnectInfo(handle): ConnectInfo<Handle>,
                       headers: HeaderMap,
                       body: Body| converse(api, shared, handle, headers, body);
    post(answer).head(alive)
}

async fn converse(
    api: Api,
    shared: Arc<Shared>,
    handle: Handle,
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
    let written = tokio::task::spawn_blocking(move || {
        if let Some(body) = &read {
            return prepare(&writer, &headers, body, api, arrival);
        }
        let refused = Refused::too_large();
        Asked::refused(refused.told(writer.world.dialect, api))
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
fn prepare(shared: &Shared, headers: &HeaderMap, body: &[u8], api: Api, arrival: Nanos) -> Asked {
    let dialect = shared.world.dialect;
    let key = match admitted_key(&shared.world, headers, api) {
        Ok(key) => key,
        Err(refused) => return Asked::refused(refused.told(dialect, api)),
    };
    let request = match ChatRequest::read(body, api) {
        Ok(request) => request,
        Err(wrong) => {
            let refused = Refused::bad_request(&wrong.message, wrong.param);
            return Asked::refused(refused.told(dialect, api));
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

/// The key of a request: as a bearer, or as its route or dialect carries it.
fn key_of(dialect: Dialect, headers: &HeaderMap, api: Api) -> Option<String> {
    let bearer = header(headers, "authorization").and_then(|text| {
        let (scheme, key) = text.split_once(' ')?;
        let bears = scheme.eq_ignore_ascii_case("bearer");
        bears.then(|| key.trim().to_owned())
    });
    let anthropic = api == Api::Messages || dialect == Dialect::Anthropic;
    let own = match (anthropic, dialect.takes_api_key_header()) {
        (true, _) => header(headers, "x-api-key"),
        (false, true) => header(headers, "api-key"),
        (false, false) => None,
    };
    bearer.or(own).filter(|key| !key.is_empty())
}

/// A name for the key of a request that may pass.
fn admitted_key(world: &World, headers: &HeaderMap, api: Api) -> Result<u64, Refused> {
    let key = key_of(world.dialect, headers, api);
    let accepted = match &key {
        None => world.access.missing_key == MissingKey::Accept,
        Some(key) => world.access.keys.is_empty() || world.access.keys.contains(key),
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
    let told = |dialect, refused: Refused| (Script::refused(refused.told(dialect, request.api)), 0);
    let Ok(selection) = request.model.parse::<Selection>() else {
        return told(world.dialect, Refused::unknown_model(&request.model));
    };
    let Some(model) = world.model(&selection.model) else {
        let dialect = selection.dialect.unwrap_or(world.dialect);
        return told(dialect, Refused::unknown_model(&request.model));
    };
    let refused = |refused| told(world.dialect_of(&model, &selection), refused);
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
        let cache = state.look_up(&model, request, arrival);
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
    let told = |model: &_| listing::entry(model, shared.world.dialect);
    of_model(&shared, &format!("{creator}/{model}"), told)
}

/// What is told of the model of this id, if the world has it.
fn of_model(shared: &Shared, id: &str, told: impl FnOnce(&Model) -> Value) -> Response {
    match shared.world.models().find(|model| model.id == id) {
        Some(model) => json(200, told(model).to_string()),
        None => refuse(shared, Refused::unknown_model(id)),
    }
}

async fn endpoints(
    State(shared): State<Arc<Shared>>,
    Path((creator, model)): Path<(String, String)>,
) -> Response {
    of_model(&shared, &format!("{creator}/{model}"), listing::endpoints)
}

async fn credits(State(shared): State<Arc<Shared>>, headers: HeaderMap) -> Response {
    if let Err(refused) = admitted_key(&shared.world, &headers, Api::Chat) {
        return refuse(&shared, refused);
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
    if let Err(refused) = admitted_key(&shared.world, &headers, Api::Chat) {
        return refuse(&shared, refused);
    }
    let (delay, now) = (shared.world.generation_delay, shared.now());
    let id = query.id.as_deref();
    let found = shared.with_state(|state| {
        let account = state.generation(id?, delay, now)?;
        Some(listing::generation(account))
    });
    match found {
        Some(body) => json(200, body.to_string()),
        None => refuse(&shared, listing::no_generation(id)),
    }
}

async fn report(State(shared): State<Arc<Shared>>) -> Response {
    refuse(&shared, listing::report())
}

/// Unknown paths: JSON where the routes are, a page elsewhere, as the real gateway's host answers.
async fn elsewhere(State(shared): State<Arc<Shared>>, uri: Uri) -> Response {
    let path = uri.path();
    let bases = ["/v1", shared.world.dialect.base_path()];
    let below = |base: &str| {
        let rest = path.strip_prefix(base);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    let refused = if bases.into_iter().any(below) {
        Refused::unknown_path(path)
    } else {
        Refused::html(404, "404: This page could not be found")
    };
    let route = if path.ends_with("/messages") || path.contains("/messages/") {
        Api::Messages
    } else {
        Api::Chat
    };
    refuse_on(&shared, refused, route)
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

/// A refusal of a route that answers no conversation.
fn refuse(shared: &Shared, refused: Refused) -> Response {
    refuse_on(shared, refused, Api::Chat)
}

fn refuse_on(shared: &Shared, refused: Refused, api: Api) -> Response {
    let refused = refused.told(shared.world.dialect, api);
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
