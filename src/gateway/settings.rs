//! The transport's settings, each with its reason, for the manifest.
//!
//! Owns their wording. Must not know how they are applied. Invariant: nothing here holds a secret.

use crate::record::ClientSetting;
use crate::suite::{ClockSource, Timeouts};
use crate::units::Nanos;

use super::proxy::Proxy;
use super::transport::REST_LIMIT;

/// The client's effective settings with the reason of each, for the manifest.
pub fn settings(
    timeouts: Timeouts,
    lanes: usize,
    proxy: Option<&Proxy>,
    clock: ClockSource,
) -> Vec<ClientSetting> {
    let stamps = match clock {
        ClockSource::User => "one monotonic clock, right after each read",
        ClockSource::Kernel => "the kernel's receive timestamps, on one monotonic clock",
    };
    let setting = |name: &str, value: String, reason: &str| ClientSetting {
        name: name.to_owned(),
        value,
        reason: reason.to_owned(),
        of_share: None,
    };
    let rows: [(&str, &str, &str); 10] = [
        (
            "http_version",
            "1.1",
            "one connection per request in flight: no request queues behind another",
        ),
        (
            "client_retries",
            "none",
            "every retry is a recorded attempt",
        ),
        (
            "redirects",
            "none",
            "a redirect would time two requests and send the key to another host",
        ),
        ("accept_encoding", "identity", "compression delays events"),
        (
            "decompression",
            "decoded after timing",
            "a compressed answer is decoded later and flagged",
        ),
        ("tcp_nodelay", "true", "small requests are sent immediately"),
        (
            "connections_per_lane",
            "1",
            "checked, and opened again if need be, before its exchange starts",
        ),
        (
            "name_look_up",
            "once, before the run",
            "a look-up inside an attempt would be timed",
        ),
        (
            "descriptor_table",
            "grown before the run",
            "growing it stalls the whole process",
        ),
        (
            "stamps",
            stamps,
            "parsing is not the model's time; what one read brings has one stamp",
        ),
    ];
    rows.into_iter()
        .map(|(name, value, reason)| setting(name, value.to_owned(), reason))
        .chain([
            setting(
                "proxy",
                proxy.map_or_else(|| "none".to_owned(), Proxy::to_string),
                "of HTTPS_PROXY or ALL_PROXY; it is timed as a part of the way",
            ),
            setting(
                "lanes",
                lanes.to_string(),
                "variants times slots in flight, opened before the run",
            ),
            setting(
                "connection_rest",
                Nanos::from(REST_LIMIT).to_string(),
                "below the idle time after which gateways close a connection; an announced shorter one is honoured",
            ),
            setting(
                "connect_deadline",
                timeouts.connect_ns.to_string(),
                "the suite's",
            ),
            setting(
                "headers_deadline",
                timeouts.headers_ns.to_string(),
                "the suite's",
            ),
            setting("gap_deadline", timeouts.gap_ns.to_string(), "the suite's"),
            setting(
                "total_deadline",
                timeouts.total_ns.to_string(),
                "the suite's",
            ),
        ])
        .collect()
}
