//! Messages for a receiver of OpenTelemetry data, over HTTP.
//!
//! Owns the POST and its further attempts. Must not know what a message holds. Invariant: nothing of the receiver's answer
//! is shown but its status.

use std::time::Duration;

use reqwest::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER};

use super::endpoint::{Endpoint, base_url, headers};
use super::listing::{FetchError, message_of, new_client};
use super::location::Location;

/// The most bytes of an answer that are read.
const MAX_ANSWER_BYTES: usize = 1 << 20;
/// The waits before further attempts where the receiver says that it is busy, and names no wait.
const WAITS: [Duration; 3] = [
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(4),
];
/// The longest wait that a receiver can ask for.
const MAX_WAIT: Duration = Duration::from_secs(30);

/// A connection to a receiver.
pub struct OtlpSender {
    client: reqwest::Client,
    receiver: Endpoint,
}

impl OtlpSender {
    /// A sender to this receiver; connecting and each answer must be done within `time_limit`.
    ///
    /// # Errors
    /// If its URL or one of its headers cannot be used.
    pub async fn open(receiver: Endpoint, time_limit: Duration) -> Result<Self, FetchError> {
        let location = Location::new(&base_url(&receiver)?);
        let client = new_client(&location, &receiver, time_limit).await?;
        Ok(Self { client, receiver })
    }

    /// Sends a message to the path below the receiver's base URL, and returns the answer.
    ///
    /// # Errors
    /// If the receiver does not accept it, or cannot be reached.
    pub async fn post(
        &self,
        path: &str,
        body: Vec<u8>,
        time_limit: Duration,
    ) -> Result<Vec<u8>, FetchError> {
        let mut waits = WAITS.into_iter();
        loop {
            let sent = tokio::time::timeout(time_limit, self.post_once(path, body.clone()));
            let (status, demanded, answer) =
                sent.await.map_err(|_| FetchError::TimedOut(time_limit))??;
            match status {
                200..=299 => return Ok(answer),
                429 | 502..=504 => {
                    if let Some(wait) = waits.next() {
                        tokio::time::sleep(demanded.unwrap_or(wait).min(MAX_WAIT)).await;
                        continue;
                    }
                }
                _ => {}
            }
            return Err(FetchError::Status {
                status,
                message: String::new(),
            });
        }
    }

    /// One attempt: the status, the wait that the receiver names, and its answer.
    async fn post_once(
        &self,
        path: &str,
        body: Vec<u8>,
    ) -> Result<(u16, Option<Duration>, Vec<u8>), FetchError> {
        let mut url = base_url(&self.receiver)?;
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path.split('/'));
        }
        let mut headers = headers(&self.receiver)?;
        headers.insert(
            CONTENT_TYPE,
            HeaderValue::from_static("application/x-protobuf"),
        );
        let failed = |error: reqwest::Error| FetchError::Connection(message_of(&error));
        let request = self.client.post(url).headers(headers).body(body);
        let mut response = request.send().await.map_err(failed)?;
        let status = response.status().as_u16();
        let demanded = response.headers().get(RETRY_AFTER);
        let demanded = demanded.and_then(|value| value.to_str().ok()?.parse().ok());
        let mut answer = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(failed)? {
            answer.extend_from_slice(&chunk);
            if answer.len() > MAX_ANSWER_BYTES {
                return Err(FetchError::TooLarge);
            }
        }
        Ok((status, demanded.map(Duration::from_secs), answer))
    }
}
