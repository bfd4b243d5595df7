//! The form of a response's body.
//!
//! Owns how it is detected. Must not know content types, which are often wrong. Invariant: any bytes have one form.

use memchr::memchr3;

/// The form of a body by its first bytes; content types are often wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BodyForm {
    Empty,
    Json,
    Events,
    Other,
}

/// Returns the form of this body.
pub(super) fn body_form(body: &[u8]) -> BodyForm {
    let body = body.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(body);
    let body = body.trim_ascii_start();
    let fields: [&[u8]; 6] = [b"", b"data", b"event", b"id", b"retry", b"error"];
    let name = &body[..memchr3(b':', b'\n', b'\r', body).unwrap_or(body.len())];
    match body.first() {
        None => BodyForm::Empty,
        Some(b'{' | b'[') => BodyForm::Json,
        Some(_) if fields.contains(&name) => BodyForm::Events,
        Some(_) => BodyForm::Other,
    }
}
