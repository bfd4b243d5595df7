//! Untimed queries to an endpoint: its models, the providers of one of them, a balance, a bill.
//!
//! Owns the routes, their time limit and their size limit. Must not know what a response means. Invariant:
//! nothing here shares a connection or a clock with a timed exchange; certificates are verified as there.

use std::error::Error as _;
use std::time::Duration;

use reqwest::Client;
use reqwest::header::{HeaderName, HeaderValue};
use tokio::time::timeout;

use crate::catalog::MAX_LIST_BYTES;
use crate::suite::Redacted;
use crate::units::{ModelId, Nanos, one_line};

use super::connect::tls_config;
use super::decode::{DecodeError, decode};
use super::endpoint::{Endpoint, OpenError, base_url, headers, resolve};
use super::fault;
use super::location::Location;
use super::recording::{Body, Response};

/// A query to an endpoint.
#[derive(Debug, Clone, Copy)]
pub enum EndpointQuery<'a> {
    /// All models: `GET {base}/models`.
    Models,
    /// The providers of this model: `GET {base}/models/{id}/endpoints`.
    Providers(&'a ModelId),
    /// The balance of the account: `GET {base}/credits`.
    Credits,
    /// The cost of an answer, by its generation id: `GET {base}/generation?id=`.
    Generation(&'a str),
}

/// The reason that a query failed.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The request could not be set up.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// No connection could be opened; the client's message.
    #[error("{0}")]
    NotConnected(String),
    /// The connection broke; the client's message.
    #[error("{0}")]
    Connection(String),
    /// The time limit passed.
    #[error("no complete answer within {} s", .0.as_secs())]
    TimedOut(Duration),
    /// The endpoint returned an error.
    #[error("HTTP {status}{}", quote_message(.message))]
    Status {
        /// HTTP status.
        status: u16,
        /// The server's message.
        message: String,
    },
    /// The response is larger than [`MAX_LIST_BYTES`].
    #[error("the answer is larger than {MAX_LIST_BYTES} bytes")]
    TooLarge,
    /// The content encoding could not be decoded.
    #[error(transparent)]
    Encoding(#[from] DecodeError),
    /// The response is not UTF-8.
    #[error("the answer is not text")]
    NotText,
    /// The response is an HTML page, perhaps a log-in page.
    #[error("the answer is {0}")]
    Page(String),
}

fn quote_message(message: &str) -> String {
    if message.is_empty() {
        return String::new();
    }
    format!(": \"{message}\"")
}

/// Sends a query to the endpoint and returns the text of the response. Resolving the host, connecting and the
/// whole response must be done within `time_limit`.
pub async fn fetch(
    endpoint: &Endpoint,
    query: EndpointQuery<'_>,
    time_limit: Duration,
) -> Result<Redacted<String>, Redacted<FetchError>> {
    let redactor = endpoint.redactor();
    let fetch_text = fetch_text(endpoint, query, time_limit).await;
    fetch_text
        .map(|text| redactor.apply(text))
        .map_err(|error| redactor.apply(error))
}

/// Posts a JSON body to a path of the endpoint (`embeddings`) and returns the text of the response, as [`fetch`] does.
pub(super) async fn post(
    endpoint: &Endpoint,
    path: &str,
    request_id: &str,
    body: Vec<u8>,
    time_limit: Duration,
) -> Result<Redacted<String>, Redacted<FetchError>> {
    let redactor = endpoint.redactor();
    let sent = async {
        let mut url = base_url(endpoint)?;
        let location = Location::new(&url);
        let client = new_client(&location, endpoint, time_limit).await?;
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().push(path);
        }
        let mut headers = headers(endpoint)?;
        if let Ok(id) = HeaderValue::from_str(request_id) {
            headers.insert("x-request-id", id);
        }
        receive(client.post(url).headers(headers).body(body), time_limit).await
    };
    let response = timeout(time_limit, sent).await;
    let response = response.unwrap_or(Err(FetchError::TimedOut(time_limit)));
    let text = response.and_then(|response| text_of(&response));
    text.map(|text| redactor.apply(text))
        .map_err(|error| redactor.apply(error))
}

/// The text of the response, unfiltered.
async fn fetch_text(
    endpoint: &Endpoint,
    query: EndpointQuery<'_>,
    time_limit: Duration,
) -> Result<String, FetchError> {
    let response = timeout(time_limit, send_query(endpoint, query, time_limit))
        .await
        .map_err(|_| FetchError::TimedOut(time_limit))??;
    text_of(&response)
}

async fn send_query(
    endpoint: &Endpoint,
    query: EndpointQuery<'_>,
    time_limit: Duration,
) -> Result<Response, FetchError> {
    let mut url = base_url(endpoint)?;
    let location = Location::new(&url);
    let client = new_client(&location, endpoint, time_limit).await?;
    if let Ok(mut path) = url.path_segments_mut() {
        path.pop_if_empty();
        match query {
            EndpointQuery::Models => path.push("models"),
            // Segment by segment: characters of an id (`?`, `#`, `%`) must not change the URL.
            EndpointQuery::Providers(id) => (path.push("models"))
                .extend(id.as_str().split('/'))
                .push("endpoints"),
            EndpointQuery::Credits => path.push("credits"),
            EndpointQuery::Generation(_) => path.push("generation"),
        };
    }
    if let EndpointQuery::Generation(id) = query {
        url.query_pairs_mut().append_pair("id", id);
    }
    let mut headers = headers(endpoint)?;
    headers.remove("content-type");
    receive(client.get(url).headers(headers), time_limit).await
}

/// Sends a request and reads its whole response.
async fn receive(
    request: reqwest::RequestBuilder,
    time_limit: Duration,
) -> Result<Response, FetchError> {
    let lost = |error: reqwest::Error| {
        if error.is_connect() {
            FetchError::NotConnected(message_of(&error))
        } else if error.is_timeout() {
            FetchError::TimedOut(time_limit)
        } else {
            FetchError::Connection(message_of(&error))
        }
    };
    let mut answered = request.send().await.map_err(lost)?;
    let mut body = Body::default();
    while let Some(bytes) = answered.chunk().await.map_err(lost)? {
        if bytes.len() > MAX_LIST_BYTES - body.bytes().len() {
            return Err(FetchError::TooLarge);
        }
        // Nothing is timed here: every frame has the same instant.
        (body.push(Nanos::ZERO, false, &bytes)).map_err(|_| FetchError::TooLarge)?;
    }
    Ok(Response {
        status: answered.status().as_u16(),
        headers: answered.headers().iter().map(header_text).collect(),
        at: Nanos::ZERO,
        body,
    })
}

/// A client for one query, with every setting written out, even where it equals the default.
pub(super) async fn new_client(
    location: &Location,
    endpoint: &Endpoint,
    within: Duration,
) -> Result<Client, OpenError> {
    let failed = |error: reqwest::Error| OpenError::Client(message_of(&error));
    let builder = Client::builder()
        .user_agent(concat!("bakeoff/", env!("CARGO_PKG_VERSION")))
        .http1_only()
        .retry(reqwest::retry::never())
        .redirect(reqwest::redirect::Policy::none())
        .referer(false)
        .no_proxy()
        .no_gzip()
        .no_brotli()
        .no_zstd()
        .no_deflate()
        .tcp_nodelay(true)
        .connect_timeout(within)
        .tls_backend_preconfigured(tls_config(location.is_tls, &endpoint.authorities)?);
    let builder = if let Some(proxy) = &endpoint.proxy {
        let mut setting = reqwest::Proxy::all(proxy.to_string()).map_err(failed)?;
        let authorization = proxy.authorization();
        if let Some(mut value) = authorization.and_then(|text| text.parse::<HeaderValue>().ok()) {
            value.set_sensitive(true);
            setting = setting.custom_http_auth(value);
        }
        builder.proxy(setting)
    } else {
        let addresses = resolve(&location.host, location.port).await?;
        builder.resolve_to_addrs(&location.host, &addresses)
    };
    builder.build().map_err(failed)
}

fn header_text((name, value): (&HeaderName, &HeaderValue)) -> (String, String) {
    (
        name.as_str().to_owned(),
        String::from_utf8_lossy(value.as_bytes()).into_owned(),
    )
}

fn causes(error: &reqwest::Error) -> impl Iterator<Item = &(dyn std::error::Error + 'static)> {
    let mut next = error.source();
    std::iter::from_fn(move || {
        let cause = next?;
        next = cause.source();
        Some(cause)
    })
}

/// The innermost cause as text, without the URL: the reader knows the target, and a URL may hold text that
/// should not be stored.
pub(super) fn message_of(error: &reqwest::Error) -> String {
    let causes_text: Vec<String> = causes(error).map(ToString::to_string).collect();
    match causes_text.as_slice() {
        [] => "the HTTP client failed without a cause".to_owned(),
        [.., last] => last.clone(),
    }
}

/// The text of a successful response; an error where it cannot be a list.
fn text_of(response: &Response) -> Result<String, FetchError> {
    let decoded = decode(response);
    if let Some(error) = decoded.error {
        return Err(error.into());
    }
    let bytes = decoded.body.bytes();
    let message = || {
        let text = fault::from_body(bytes).message;
        let words: Vec<&str> = text.split_whitespace().collect();
        one_line(&words.join(" ")).into_owned()
    };
    if response.status != 200 {
        return Err(FetchError::Status {
            status: response.status,
            message: message(),
        });
    }
    if fault::is_html(bytes) {
        return Err(FetchError::Page(message()));
    }
    if bytes.len() > MAX_LIST_BYTES {
        return Err(FetchError::TooLarge);
    }
    String::from_utf8(bytes.to_vec()).map_err(|_| FetchError::NotText)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn response(status: u16, encoding: &str, bytes: &[u8]) -> Response {
        let mut body = Body::default();
        body.push(Nanos::ZERO, false, bytes).unwrap();
        Response {
            status,
            headers: vec![("content-encoding".to_owned(), encoding.to_owned())],
            at: Nanos::ZERO,
            body,
        }
    }

    #[test]
    fn an_answer_that_is_not_a_list_is_an_error() {
        // Each ends in words that the reader of a note understands, never in a page or a key.
        let message = |status, encoding, bytes: &[u8]| {
            text_of(&response(status, encoding, bytes))
                .unwrap_err()
                .to_string()
        };
        let lines = [
            message(401, "", br#"{"error":{"message":"No  key\nhere"}}"#),
            message(302, "", b""),
            message(404, "", b"<html><title>Gone</title></html>"),
            message(200, "", b" <!doctype html><h1>Log in</h1>"),
            message(200, "", b"\xff\xfe"),
            message(200, "zstd", b"x"),
        ];
        insta::assert_snapshot!(lines.join("\n"), @r#"
        HTTP 401: "No key here"
        HTTP 302
        HTTP 404: "an HTML page titled "Gone""
        the answer is an HTML page titled "Log in"
        the answer is not text
        the body has the unknown content encoding `zstd`
        "#);
    }

    #[test]
    fn a_compressed_list_is_read() {
        // Requests do not ask for compression, and some proxies compress anyway.
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        packed.write_all(b"{\"data\":[]}").unwrap();
        let bytes = packed.finish().unwrap();
        assert_eq!(
            text_of(&response(200, "gzip", &bytes)).unwrap(),
            "{\"data\":[]}"
        );
    }
}
