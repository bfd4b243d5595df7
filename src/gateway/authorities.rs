//! Certificate authorities of the user's own.
//!
//! Owns their reading from PEM. Must not know files nor connections. Invariant: a file is trusted as a whole or not at all.

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

/// Certificate authorities that are trusted beside the system's; empty by default.
#[derive(Debug, Clone, Default)]
pub struct Authorities(Vec<CertificateDer<'static>>);

/// The reason why a file names no certificate authorities.
#[derive(Debug, thiserror::Error)]
pub enum BadAuthorities {
    /// It has no PEM section of a certificate.
    #[error("it has no certificate in PEM form (`-----BEGIN CERTIFICATE-----`)")]
    Empty,
    /// A section cannot be read.
    #[error("its certificate number {0} cannot be read")]
    Unreadable(usize),
}

impl Authorities {
    pub(super) fn certificates(&self) -> &[CertificateDer<'static>] {
        &self.0
    }

    /// The certificates of a PEM file; other sections are skipped.
    ///
    /// # Errors
    /// If there is none, or one that is no certificate: trusting less than the file says would surprise.
    pub fn from_pem(pem: &[u8]) -> Result<Self, BadAuthorities> {
        let mut store = RootCertStore::empty();
        let mut authorities = Vec::new();
        for (index, certificate) in CertificateDer::pem_slice_iter(pem).enumerate() {
            let unreadable = BadAuthorities::Unreadable(index + 1);
            let Ok(certificate) = certificate else {
                return Err(unreadable);
            };
            if store.add(certificate.clone()).is_err() {
                return Err(unreadable);
            }
            authorities.push(certificate);
        }
        if authorities.is_empty() {
            return Err(BadAuthorities::Empty);
        }
        Ok(Self(authorities))
    }
}
