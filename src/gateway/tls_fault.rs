//! The faults of a TLS handshake, each with its remedy.
//!
//! Owns their words. Must not know how a handshake is carried out. Invariant: the remedy of a message is that of its
//! fault; a stored message has it too.

use rustls::{CertificateError, Error, InvalidMessage};

/// A fault: how its messages begin, and what to do.
type TlsFault = (&'static str, &'static str);

const UNKNOWN_AUTHORITY: TlsFault = (
    "its certificate is self-signed, or its authority is unknown here",
    "Name the authority's file with --ca-file or as `ca_file` of the endpoint (a company proxy may have its own).",
);
const EXPIRED: TlsFault = (
    "its certificate has expired",
    "Renew it, or correct this machine's clock.",
);
const NOT_VALID_YET: TlsFault = (
    "its certificate is not valid yet",
    "Correct this machine's clock.",
);
const OTHER_HOST: TlsFault = (
    "its certificate is for another host",
    "Use a host in the base URL that the certificate names.",
);
const NO_TLS: TlsFault = (
    "it does not speak TLS",
    "If the server speaks plain HTTP, write `http://` in the base URL.",
);

/// The fault in plain words, with the library's own.
pub(super) fn message(error: &Error) -> String {
    use CertificateError as Certificate;
    let (words, _) = match error {
        Error::InvalidCertificate(Certificate::UnknownIssuer) => UNKNOWN_AUTHORITY,
        Error::InvalidCertificate(Certificate::Expired | Certificate::ExpiredContext { .. }) => {
            EXPIRED
        }
        Error::InvalidCertificate(
            Certificate::NotValidYet | Certificate::NotValidYetContext { .. },
        ) => NOT_VALID_YET,
        Error::InvalidCertificate(
            Certificate::NotValidForName | Certificate::NotValidForNameContext { .. },
        ) => OTHER_HOST,
        Error::InvalidMessage(InvalidMessage::InvalidContentType) => NO_TLS,
        other => return other.to_string(),
    };
    format!("{words} ({error})")
}

/// The remedy of a fault, given its message.
pub(super) fn remedy(message: &str) -> &'static str {
    let faults = [
        UNKNOWN_AUTHORITY,
        EXPIRED,
        NOT_VALID_YET,
        OTHER_HOST,
        NO_TLS,
    ];
    let mut faults = faults.into_iter();
    let fault = faults.find(|(words, _)| message.contains(words));
    fault.map_or(
        "Check the URL and the certificate; if the server speaks plain HTTP, write `http://` in the base URL.",
        |(_, remedy)| remedy,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_fault_has_its_own_remedy() {
        // Installing an authority does not help where a certificate has expired.
        for (error, part) in [
            (CertificateError::UnknownIssuer, "--ca-file"),
            (CertificateError::Expired, "Renew it"),
            (CertificateError::NotValidYet, "clock"),
            (CertificateError::NotValidForName, "Use a host"),
            (CertificateError::Revoked, "Check the URL"),
        ] {
            let message = message(&Error::InvalidCertificate(error));
            assert!(remedy(&message).contains(part), "{message}");
        }
        let plain = Error::InvalidMessage(InvalidMessage::InvalidContentType);
        assert!(remedy(&message(&plain)).contains("`http://`"));
    }
}
