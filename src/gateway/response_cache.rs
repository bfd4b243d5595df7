//! Hits of a gateway's response cache: answers that no model wrote at that moment.
//!
//! Owns the headers by which gateways report them. Must not know prompt caches, which are a provider's. Invariant: a header
//! that reports a miss is no hit.

/// A header of a gateway's response cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CacheHeader {
    /// The name, in lower case.
    pub name: &'static str,
    /// The gateway.
    pub vendor: &'static str,
    /// The documentation that states it.
    pub source: &'static str,
    /// True if the header is sent with hits alone, whatever its value.
    is_hit_alone: bool,
}

/// Every known header, in the order of the documents.
pub const CACHE_HEADERS: [CacheHeader; 8] = [
    header("x-openrouter-cache-status", "OpenRouter", "public clients"),
    header(
        "cf-aig-cache-status",
        "Cloudflare AI Gateway",
        "public clients",
    ),
    header("x-portkey-cache-status", "Portkey", "public clients"),
    header("helicone-cache", "Helicone", "unverified"),
    header(
        "x-ai-cache-status",
        "Apache APISIX",
        "plugin ai-cache (unverified)",
    ),
    header(
        "x-cache-status",
        "Kong",
        "plugin ai-semantic-cache (unverified)",
    ),
    header("x-cache", "HTTP caches", "Fastly, Varnish (unverified)"),
    CacheHeader {
        is_hit_alone: true,
        ..header("x-litellm-cache-key", "LiteLLM", "PyPI litellm 1.110.2")
    },
];

const fn header(name: &'static str, vendor: &'static str, source: &'static str) -> CacheHeader {
    CacheHeader {
        name,
        vendor,
        source,
        is_hit_alone: false,
    }
}

/// Returns true if these headers (names in any case) report a hit. `header` looks one up.
pub(super) fn is_hit<'a>(header: impl Fn(&str) -> Option<&'a str>) -> bool {
    CACHE_HEADERS.iter().any(|known| {
        header(known.name).is_some_and(|value| {
            // `SEMANTIC HIT`, `HIT-CLUSTER`, `Hit from cloudfront`; a chain of caches ends with the nearest.
            let last = value.rsplit(',').next().unwrap_or_default();
            let mut words = last.split(|c: char| !c.is_ascii_alphanumeric());
            known.is_hit_alone || words.any(|word| word.eq_ignore_ascii_case("hit"))
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hits_are_distinguished_from_misses() {
        // A replayed answer has no TTFT of the model; a miss that is taken for a hit loses a good sample.
        let hit = |name: &'static str, value: &'static str| {
            is_hit(move |header| (header == name).then_some(value))
        };
        for (name, value) in [
            ("cf-aig-cache-status", "HIT"),
            ("x-portkey-cache-status", "SEMANTIC HIT"),
            ("helicone-cache", "hit"),
            ("x-openrouter-cache-status", "HIT"),
            ("x-cache", "MISS, HIT"),
            ("x-cache", "Hit from cloudfront"),
            ("x-litellm-cache-key", "9f2c"),
        ] {
            assert!(hit(name, value), "{name}: {value}");
        }
        for (name, value) in [
            ("cf-aig-cache-status", "MISS"),
            ("x-portkey-cache-status", "SEMANTIC MISS"),
            ("x-cache", "HIT, MISS"),
            ("x-cache-status", "Bypass"),
            ("x-cache", ""),
            ("x-white-hit", "HIT"),
        ] {
            assert!(!hit(name, value), "{name}: {value}");
        }
    }
}
