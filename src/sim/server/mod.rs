//! The server of the simulator: sockets, clock, routes.
//!
//! Owns all I/O of the folder; the other files decide the content. Must not decide the response to a request.
//! Invariant: a request is stamped as arrived once it has been read completely, before anything is computed
//! from it.

mod embed;
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
use self::socket::{Acceptor, ResetHandle};
use super::answer::Moment;
use super::delay;
use super::dialect::Dialect;
use super::draw::digest;
use super::fault::ModelSelector;
use super::listing;
use super::outage::with_outage;
use super::refusal::ErrorResponse;
use super::request::{ChatRequest, ChatRoute};
use super::scenario::{MissingKey, Scenario, SimulatedModel};
use super::script::Script;
use super::state;
use super::trace::{ServerTrace, TraceRecord};
use crate::units::{Nanos, Usd};

/// The maximum size of a request body, in bytes: room for a prompt of a million tokens with images, and a bound
/// on memory per request.
const MAX_BODY_BYTES: usize = 32 * 1024 * 1024;
/// The maximum length of the `x-request-id` that the server trace repeats, in bytes.
const MAX_REQUEST_ID_BYTES: usize = 200;

/// The simulator: starts servers on threads of their own.
pub struct Simulator;

/// A handle of a simulator that runs on its own thread until it is dropped.
pub struct SimulatorHandle {
    address: SocketAddr,
    base_path: &'static str,
    log: Arc<ServerTrace>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<io::Result<()>>>,
}

impl Simulator {
    /// Starts serving `scenario` on `listener`, on a thread with its own runtime, so that it shares no worker
    /// with the client that it answers. `trace` receives a JSON line per answer; `sim_seed` makes this run's
    /// answers differ from another's, unless the scenario fixes it.
    pub fn start(
        scenario: Scenario,
        listener: std::net::TcpListener,
        trace: Option<Box<dyn Write + Send>>,
        sim_seed: u64,
    ) -> io::Result<SimulatorHandle> {
        let address = listener.local_addr()?;
        let base_path = scenario.dialect.base_path();
        let log = Arc::new(ServerTrace::new(trace));
        let (stop, stopped) = oneshot::channel();
        let shared = Arc::new(ServerContext::new(scenario, Arc::clone(&log), sim_seed));
        let run = move || {
            run(&shared, listener, async {
                // A dropped sender means the same as a sent signal: stop.
                let _ = stopped.await;
            })
        };
        let thread = std::thread::Builder::new()
            .name("simulator".to_owned())
            .spawn(run)?;
        Ok(SimulatorHandle {
            address,
            base_path,
            log,
            stop: Some(stop),
            thread: Some(thread),
        })
    }
}

impl SimulatorHandle {
    /// Returns its address, with the base path of its dialect's vendor (mostly `/v1`, which answers in every
    /// dialect), without a slash at the end.
    pub fn base_url(&self) -> String {
        format!("http://{}{}", self.address, self.base_path)
    }

    /// Returns its records, oldest first; only the newest
    /// [`MAX_RECORDS_IN_MEMORY`](super::trace::MAX_RECORDS_IN_MEMORY).
    pub fn trace(&self) -> Vec<TraceRecord> {
        self.log.records()
    }

    /// Stops it. The error is that of the server or of writing the trace.
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

impl Drop for SimulatorHandle {
    fn drop(&mut self) {
        // Callers that need the error call `stop`.
        let _ = self.end();
    }
}

/// Serves `scenario` on `listener` until `stop` completes. Blocks; must not be called from within a runtime.
/// The error is that of the listener or of writing `trace`.
pub fn serve(
    scenario: Scenario,
    listener: std::net::TcpListener,
    trace: Option<Box<dyn Write + Send>>,
    sim_seed: u64,
    stop: impl Future<Output = ()>,
) -> io::Result<()> {
    let log = Arc::new(ServerTrace::new(trace));
    run(
        &Arc::new(ServerContext::new(scenario, log, sim_seed)),
        listener,
        stop,
    )
}

fn run(
    shared: &Arc<ServerContext>,
    listener: std::net::TcpListener,
    stop: impl Future<Output = ()>,
) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .max_blocking_threads(1)
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let acceptor = Acceptor::new(listener)?;
        let app = routes(Arc::clone(shared)).into_make_service_with_connect_info::<ResetHandle>();
        tokio::select! {
            result = async { axum::serve(acceptor, app).await } => result,
            () = stop => Ok(()),
        }
    })?;
    // Ends the streams in flight, which then write their records.
    drop(runtime);
    shared.log.take_failure().map_or(Ok(()), Err)
}

/// The context shared by all requests.
struct ServerContext {
    scenario: Scenario,
    sim_seed: u64,
    log: Arc<ServerTrace>,
    state: Mutex<state::SimulatorState>,
    /// Zero of the server trace's clock.
    began: Instant,
    /// The same instant as wall time, ms since 1970.
    began_unix_ms: u64,
    /// The body of `/v1/models`, which never changes.
    models: Bytes,
}

impl ServerContext {
    fn new(scenario: Scenario, log: Arc<ServerTrace>, sim_seed: u64) -> Self {
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH);
        let began_unix_ms = since_1970.map_or(0, |span| Nanos::from(span).0 / 1_000_000);
        Self {
            models: Bytes::from(listing::models(&scenario).to_string()),
            scenario,
            sim_seed,
            log,
            state: Mutex::default(),
            began: Instant::now(),
            began_unix_ms,
        }
    }

    /// Returns the current instant on the server trace's clock.
    fn now(&self) -> Nanos {
        Nanos::from(self.began.elapsed())
    }

    /// Converts an instant of the server trace's clock to wall time, ms since 1970.
    fn unix_ms(&self, instant: Nanos) -> u64 {
        self.began_unix_ms + instant.0 / 1_000_000
    }

    fn with_state<T>(&self, access: impl FnOnce(&mut state::SimulatorState) -> T) -> T {
        // After a panic elsewhere the counts are still valid.
        access(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Builds the routes under `/v1`, and under the base path of the dialect's vendor.
fn routes(shared: Arc<ServerContext>) -> Router {
    let dialect = shared.scenario.dialect;
    let mut api = Router::new()
        .route("/chat/completions", conversation(ChatRoute::Chat))
        .route("/messages", conversation(ChatRoute::Messages))
        .route("/responses", conversation(ChatRoute::Responses))
        .route("/embeddings", post(embed::embeddings).head(head))
        .route("/models", get(models).head(head))
        .route("/models/{creator}/{model}", get(model).head(head))
        // SDKs escape the slash of an id: `/models/openai%2Fgpt-5-mini`.
        .route("/models/{id}", get(model_by_id).head(head));
    if matches!(dialect, Dialect::Vercel | Dialect::OpenRouter) {
        let endpoints_path = "/models/{creator}/{model}/endpoints";
        api = api
            .route(endpoints_path, get(endpoints).head(head))
            .route("/credits", get(credits).head(head))
            .route("/generation", get(generation).head(head));
    }
    if dialect == Dialect::Vercel {
        api = api.route("/report", get(report).head(head));
    }
    let router = Router::new().nest("/v1", api.clone());
    let router = match dialect.base_path() {
        "/v1" => router,
        "" => router.merge(api),
        path => router.nest(path, api),
    };
    router.fallback(unknown_path).with_state(shared)
}

/// Answers HEAD, with which some clients open connections: it must cost nothing and succeed.
async fn head() -> StatusCode {
    StatusCode::OK
}

/// Builds a route that answers conversations.
fn conversation(api: ChatRoute) -> MethodRouter<Arc<ServerContext>> {
    let answer =
        move |State(shared): State<Arc<ServerContext>>,
              ConnectInfo(handle): ConnectInfo<ResetHandle>,
              headers: HeaderMap,
              body: Body| handle_connection(api, shared, handle, headers, body);
    post(answer).head(head)
}

async fn handle_connection(
    api: ChatRoute,
    shared: Arc<ServerContext>,
    handle: ResetHandle,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let read = read_whole(body).await;
    let arrival = shared.now();
    let request_id = header(&headers, "x-request-id");
    let request_id = request_id.filter(|id| id.len() <= MAX_REQUEST_ID_BYTES);
    let writer = Arc::clone(&shared);
    // On a thread other than the sending one: a script takes longer to write than a chunk to send, and the next
    // request's arrival would be stamped late. One such thread, so that the order is preserved.
    let written = tokio::task::spawn_blocking(move || {
        if let Some(body) = &read {
            return prepare(&writer, &headers, body, api, arrival);
        }
        let refused = ErrorResponse::too_large();
        PreparedResponse::from_error(refused.in_dialect(writer.scenario.dialect, api))
    });
    let Ok(prepared) = written.await else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let player = Player::new(shared, handle, arrival, prepared, request_id);
    player.answer().await
}

/// Reads a body within the limit; a body that announces more is not read at all.
async fn read_whole(body: Body) -> Option<Bytes> {
    if body.size_hint().lower() > MAX_BODY_BYTES as u64 {
        return None;
    }
    axum::body::to_bytes(body, MAX_BODY_BYTES).await.ok()
}

/// A prepared response to a request, with what the trace records of it.
struct PreparedResponse {
    script: Script,
    /// The requested model id; absent if it could not be read.
    model: Option<String>,
    /// A digest of the request's body; absent if it is no valid request.
    body_digest: Option<String>,
    ordinal: u64,
    /// A digest of the key; the key itself is not stored.
    key: u64,
}

impl PreparedResponse {
    fn from_error(refused: ErrorResponse) -> Self {
        Self {
            script: Script::from_error(refused),
            model: None,
            body_digest: None,
            ordinal: 0,
            key: 0,
        }
    }
}

/// Prepares the script of a request, in the gateway's order: key, body, model, limits, answer.
fn prepare(
    shared: &ServerContext,
    headers: &HeaderMap,
    body: &[u8],
    api: ChatRoute,
    arrival: Nanos,
) -> PreparedResponse {
    let dialect = shared.scenario.dialect;
    let key = match admitted_key(&shared.scenario, headers, api) {
        Ok(key) => key,
        Err(refused) => return PreparedResponse::from_error(refused.in_dialect(dialect, api)),
    };
    let request = match ChatRequest::from_body(body, api) {
        Ok(request) => request,
        Err(bad_request) => {
            let refused = ErrorResponse::bad_request(&bad_request.message, bad_request.param);
            return PreparedResponse::from_error(refused.in_dialect(dialect, api));
        }
    };
    let (script, ordinal) = write_script(shared, &request, key, arrival);
    PreparedResponse {
        script,
        model: Some(request.model),
        body_digest: Some(format!("{:016x}", request.digest)),
        ordinal,
        key,
    }
}

/// Returns the key of a request: as a bearer token, or as its route or dialect carries it.
fn key_of(dialect: Dialect, headers: &HeaderMap, api: ChatRoute) -> Option<String> {
    let bearer = header(headers, "authorization").and_then(|text| {
        let (scheme, key) = text.split_once(' ')?;
        let bears = scheme.eq_ignore_ascii_case("bearer");
        bears.then(|| key.trim().to_owned())
    });
    let anthropic = api == ChatRoute::Messages || dialect == Dialect::Anthropic;
    let own = match (anthropic, dialect.accepts_api_key_header()) {
        (true, _) => header(headers, "x-api-key"),
        (false, true) => header(headers, "api-key"),
        (false, false) => None,
    };
    bearer.or(own).filter(|key| !key.is_empty())
}

/// Returns a digest of the key of a request that is allowed.
fn admitted_key(
    scenario: &Scenario,
    headers: &HeaderMap,
    api: ChatRoute,
) -> Result<u64, ErrorResponse> {
    let key = key_of(scenario.dialect, headers, api);
    let accepted = match &key {
        None => scenario.access.missing_key == MissingKey::Accept,
        Some(key) => scenario.access.keys.is_empty() || scenario.access.keys.contains(key),
    };
    if accepted {
        Ok(digest(key.unwrap_or_default().as_bytes()))
    } else {
        Err(ErrorResponse::unauthenticated())
    }
}

/// Returns the script of a parsed request, and the number of equal ones before it.
fn write_script(
    shared: &ServerContext,
    request: &ChatRequest,
    key: u64,
    arrival: Nanos,
) -> (Script, u64) {
    let scenario = &shared.scenario;
    let refused_in = |dialect, refused: ErrorResponse| {
        (
            Script::from_error(refused.in_dialect(dialect, request.api)),
            0,
        )
    };
    let Ok(selector) = request.model.parse::<ModelSelector>() else {
        return refused_in(
            scenario.dialect,
            ErrorResponse::unknown_model(&request.model),
        );
    };
    let since_first = shared.with_state(|state| state.since_first(arrival));
    let selector = with_outage(&scenario.outages, selector, since_first);
    let Some(model) = scenario.model(&selector.model) else {
        let dialect = selector.dialect.unwrap_or(scenario.dialect);
        return refused_in(dialect, ErrorResponse::unknown_model(&request.model));
    };
    let refused = |refused| refused_in(scenario.dialect_for(&model, &selector), refused);
    if !model.language {
        let message = format!("Model '{}' is not a language model", model.id);
        return refused(ErrorResponse::bad_request(&message, "model"));
    }
    let unix_ms = shared.unix_ms(arrival);
    let admitted = shared.with_state(|state| {
        state.check_limits(scenario, (&model.id, key), (arrival, unix_ms))?;
        let ordinal = state.ordinal(request.digest);
        let cache = state.look_up(&model, request, arrival);
        Ok(Moment {
            ordinal,
            sim_seed: shared.sim_seed,
            unix_ms,
            minutes: arrival.as_secs_f64() / 60.0,
            cached: cache.cached,
            written: cache.written,
        })
    });
    match admitted {
        Ok(moment) => {
            let script = Script::write(scenario, &model, &selector, request, &moment);
            let script = match model.profile.capacity {
                // An error is sent at once.
                Some(capacity) if script.account.is_some() => {
                    let length = delay::duration(&script);
                    let wait = shared
                        .with_state(|state| state.enter(&model.id, capacity, arrival, length));
                    delay::delayed(script, wait)
                }
                _ => script,
            };
            let script = delay::with_pauses(script, &scenario.pauses, since_first);
            (script, moment.ordinal)
        }
        Err(bad_request) => refused(bad_request),
    }
}

async fn models(State(shared): State<Arc<ServerContext>>) -> Response {
    respond(200, &json_type(), shared.models.clone())
}

async fn model(
    State(shared): State<Arc<ServerContext>>,
    Path((creator, model)): Path<(String, String)>,
) -> Response {
    let entry = |model: &_| listing::entry(model, shared.scenario.dialect);
    respond_for_model(&shared, &format!("{creator}/{model}"), entry)
}

async fn model_by_id(State(shared): State<Arc<ServerContext>>, Path(id): Path<String>) -> Response {
    let entry = |model: &_| listing::entry(model, shared.scenario.dialect);
    respond_for_model(&shared, &id, entry)
}

/// Responds with `render` of the model with this id; 404 if the scenario lacks it.
fn respond_for_model(
    shared: &ServerContext,
    id: &str,
    render: impl FnOnce(&SimulatedModel) -> Value,
) -> Response {
    match shared.scenario.models().find(|model| model.id == id) {
        Some(model) => json(200, render(model).to_string()),
        None => refuse(shared, ErrorResponse::unknown_model(id)),
    }
}

async fn endpoints(
    State(shared): State<Arc<ServerContext>>,
    Path((creator, model)): Path<(String, String)>,
) -> Response {
    respond_for_model(&shared, &format!("{creator}/{model}"), listing::endpoints)
}

async fn credits(State(shared): State<Arc<ServerContext>>, headers: HeaderMap) -> Response {
    if let Err(refused) = admitted_key(&shared.scenario, &headers, ChatRoute::Chat) {
        return refuse(&shared, refused);
    }
    let used: Usd = shared.with_state(|state| state.total_spent());
    json(200, listing::credits(&shared.scenario, used).to_string())
}

#[derive(Deserialize)]
struct GenerationQuery {
    id: Option<String>,
}

async fn generation(
    State(shared): State<Arc<ServerContext>>,
    headers: HeaderMap,
    Query(query): Query<GenerationQuery>,
) -> Response {
    if let Err(refused) = admitted_key(&shared.scenario, &headers, ChatRoute::Chat) {
        return refuse(&shared, refused);
    }
    let (delay, now) = (shared.scenario.generation_delay, shared.now());
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

async fn report(State(shared): State<Arc<ServerContext>>) -> Response {
    refuse(&shared, listing::report())
}

/// Responds to unknown paths: JSON below the routes, a page elsewhere, as the real gateway's host does.
async fn unknown_path(State(shared): State<Arc<ServerContext>>, uri: Uri) -> Response {
    let path = uri.path();
    let bases = ["/v1", shared.scenario.dialect.base_path()];
    let below = |base: &str| {
        let rest = path.strip_prefix(base);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    let refused = if bases.into_iter().any(below) {
        ErrorResponse::unknown_path(path)
    } else {
        ErrorResponse::html(404, "404: This page could not be found")
    };
    let route = if path.ends_with("/messages") || path.contains("/messages/") {
        ChatRoute::Messages
    } else {
        ChatRoute::Chat
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

/// Responds with an error on a route that answers no conversation.
fn refuse(shared: &ServerContext, refused: ErrorResponse) -> Response {
    refuse_on(shared, refused, ChatRoute::Chat)
}

fn refuse_on(shared: &ServerContext, refused: ErrorResponse, api: ChatRoute) -> Response {
    let refused = refused.in_dialect(shared.scenario.dialect, api);
    respond(refused.status, &refused.headers, refused.body)
}

/// Builds a response with those headers.
fn respond(status: u16, headers: &[(&'static str, String)], body: impl Into<Body>) -> Response {
    let mut response = Response::builder().status(status);
    for (name, value) in headers {
        response = response.header(*name, value);
    }
    response
        .body(body.into())
        .expect("statuses and headers are ours: valid numbers, names and visible characters")
}
