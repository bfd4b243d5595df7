//! The server's way to count reasoning, as far as an answer shows which server it is.
//!
//! Owns the signs by which a server is recognised. Must not know what follows from it. Invariant: without a sign it is the
//! standard way.

use super::recording::Response;
use super::transcript::Transcript;
use crate::record::UsageDialect;
use crate::units::ModelId;

/// The server's way to count reasoning.
pub(super) fn usage_dialect(
    transcript: &Transcript,
    is_vercel: bool,
    requested: &ModelId,
    response: &Response,
) -> UsageDialect {
    let models = [Some(requested.as_str()), transcript.model.as_deref()];
    let is_gemini = |id: &str| {
        let name = id.rsplit('/').next().unwrap_or_default();
        name.to_ascii_lowercase().starts_with("gemini")
    };
    let is_google = |id: &str| id.starts_with("google/") || is_gemini(id);
    let mut models = models.into_iter().flatten();
    if response.header("x-litellm-version").is_some()
        || response.header("x-litellm-call-id").is_some()
        || response.header("x-litellm-response-cost").is_some()
    {
        UsageDialect::Recounting
    } else if transcript.has_ticks {
        UsageDialect::Xai
    } else if is_vercel && models.clone().any(is_google) {
        UsageDialect::VercelGoogle
    } else if models.any(is_gemini) {
        UsageDialect::Gemini
    } else {
        UsageDialect::Standard
    }
}
