//! Certificates and keys in PEM (RFC 7468), and what is probably wrong with a file that has none.

use std::{
    fs::File,
    io::Read as _,
    path::{Path, PathBuf},
};

use rustls::pki_types::{
    CertificateDer, PrivateKeyDer,
    pem::{Error, PemObject},
};

use crate::PairError;

/// Most bytes of a file with certificates or a key.
const MAX_FILE_BYTES: u64 = 1 << 20;
/// What some editors begin a text with.
const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";
/// How anything in DER begins.
const DER_SEQUENCE: u8 = 0x30;
/// How a key that is protected by a password begins.
const ENCRYPTED: &[u8] = b"ENCRYPTED";

/// The content of a file.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, PairError> {
    let mut text = Vec::new();
    let file =
        File::open(path).and_then(|file| file.take(MAX_FILE_BYTES + 1).read_to_end(&mut text));
    let length = file.map_err(|error| PairError::Unreadable(path.to_owned(), error))?;
    if length as u64 > MAX_FILE_BYTES {
        return Err(PairError::TooLong(path.to_owned()));
    }
    Ok(text)
}

/// The certificates in a file in PEM, of authorities for example.
///
/// # Errors
/// Names the file, what is wrong with it, and what would be right.
pub fn certificates_in(path: &Path) -> Result<Vec<CertificateDer<'static>>, PairError> {
    certificates(path, &read(path)?)
}

pub(crate) fn certificates(
    path: &Path,
    text: &[u8],
) -> Result<Vec<CertificateDer<'static>>, PairError> {
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(without_mark(text)).collect();
    let path = path.to_owned();
    match chain {
        Ok(chain) if chain.is_empty() => Err(no_certificate(path, text)),
        Ok(chain) => Ok(chain),
        Err(error) => Err(PairError::BadCertificate {
            path,
            reason: why(&error),
        }),
    }
}

pub(crate) fn private_key(path: &Path, text: &[u8]) -> Result<PrivateKeyDer<'static>, PairError> {
    PrivateKeyDer::from_pem_slice(without_mark(text)).map_err(|error| {
        let path = path.to_owned();
        match error {
            _ if has(text, ENCRYPTED) => PairError::EncryptedKey(path),
            Error::NoItemsFound => no_key(path, text),
            error => PairError::BadKey {
                path,
                reason: why(&error),
            },
        }
    })
}

fn no_certificate(path: PathBuf, text: &[u8]) -> PairError {
    let hints = [
        "it has a private key; are the files of the certificate and the key swapped?",
        "it seems to be in DER; this converts it: openssl x509 -inform der -in FILE -out FILE",
        "it must be in PEM (-----BEGIN CERTIFICATE-----), followed by those of its authorities",
    ];
    let hint = hint(text, b"PRIVATE KEY-----", hints);
    PairError::NoCertificate { path, hint }
}

fn no_key(path: PathBuf, text: &[u8]) -> PairError {
    let hints = [
        "it has a certificate; are the files of the certificate and the key swapped?",
        "it seems to be in DER; this converts it: openssl pkey -inform der -in FILE -out FILE",
        "it must be in PEM (-----BEGIN PRIVATE KEY-----)",
    ];
    let hint = hint(text, b"CERTIFICATE-----", hints);
    PairError::NoKey { path, hint }
}

/// The hint for a file that has the `other` of the two, for one in DER, or for any other.
fn hint(text: &[u8], other: &[u8], [swapped, der, unknown]: [&'static str; 3]) -> &'static str {
    if has(text, other) {
        swapped
    } else if text.first() == Some(&DER_SEQUENCE) {
        der
    } else {
        unknown
    }
}

fn why(error: &Error) -> String {
    match error {
        Error::MissingSectionEnd { .. } => {
            "its line with -----END is missing; is the file complete?".to_owned()
        }
        Error::IllegalSectionStart { .. } => {
            "its line with -----BEGIN does not end with -----".to_owned()
        }
        Error::Base64Decode(_) => {
            "what stands between its lines with -----BEGIN and -----END is not Base64".to_owned()
        }
        error => error.to_string(),
    }
}

fn without_mark(text: &[u8]) -> &[u8] {
    text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text)
}

fn has(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}
