//! The model name in a server's answer, compared with the requested id.
//!
//! Owns the comparison of two model ids. Must not know answers. Invariant: no path of a machine leaves this
//! module whole.

/// The file name, where a model is named by a path: a local server reports the file it loaded, whatever was
/// requested. Paths are not stored, and prove no fallback.
pub(super) fn file_name(served: &str) -> Option<&str> {
    let drive = served
        .get(1..3)
        .is_some_and(|after| after == ":\\" || after == ":/");
    let path = drive || served.starts_with(['/', '.', '~', '\\']);
    path.then(|| served.rsplit(['/', '\\']).next().unwrap_or_default())
}

/// True if two ids name one model: apart from a provider's prefix, and from a date or version at the end
/// (`gpt-4o` is served as `gpt-4o-2024-08-06`, `claude-haiku-4.5` as `claude-haiku-4-5-20251001`; `gpt-5` is
/// not `gpt-5.4` nor `gpt-5-mini`).
pub fn same_model(requested: &str, served: &str) -> bool {
    let bare = |id: &str| {
        let name = id.rsplit('/').next().unwrap_or(id).to_ascii_lowercase();
        // `:free` and the like are variants of serving, not models.
        let name = name
            .split(':')
            .next()
            .unwrap_or("")
            .replace(['.', '@'], "-");
        name.strip_suffix("-latest").unwrap_or(&name).to_owned()
    };
    let (requested, served) = (bare(requested), bare(served));
    let (short, long) = if requested.len() <= served.len() {
        (requested, served)
    } else {
        (served, requested)
    };
    match long.strip_prefix(&short) {
        Some("") => true,
        Some(rest) => rest.strip_prefix('-').is_some_and(is_version),
        None => false,
    }
}

/// True for `20241022`, `2024-08-06`, `0613`, `001`, `preview-05-20`: a number of at least three digits first,
/// or `preview`; shorter numbers are part of a model's name.
fn is_version(suffix: &str) -> bool {
    let number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let mut parts = suffix.split('-');
    let first = parts.next().unwrap_or("");
    let opens = first == "preview" || (number(first) && first.len() >= 3);
    opens && parts.all(number)
}
