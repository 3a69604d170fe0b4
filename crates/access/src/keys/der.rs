//! As much of DER as leads to a public key, in a `SubjectPublicKeyInfo` or a certificate.

const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const OCTET_STRING: u8 = 0x04;
const OBJECT_IDENTIFIER: u8 = 0x06;
const SEQUENCE: u8 = 0x30;
/// The version of a certificate, which may be missing.
const CONTEXT_0: u8 = 0xA0;

const RSA: &[u8] = &[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x01, 0x01];
const EC: &[u8] = &[0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x02, 0x01];
const P256: &[u8] = &[0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x03, 0x01, 0x07];
const P384: &[u8] = &[0x2B, 0x81, 0x04, 0x00, 0x22];
const ED25519: &[u8] = &[0x2B, 0x65, 0x70];

/// What kind of key, and its bytes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum PublicKey<'a> {
    Rsa {
        modulus: &'a [u8],
        exponent: &'a [u8],
    },
    /// An uncompressed point.
    P256(&'a [u8]),
    P384(&'a [u8]),
    Ed25519(&'a [u8]),
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// The content of the next value, which must be of this type.
    fn read(&mut self, tag: u8) -> Option<&'a [u8]> {
        let (&found, rest) = self.0.split_first()?;
        let (&first, rest) = rest.split_first()?;
        let (length, rest) = match first {
            0..=0x7F => (usize::from(first), rest),
            0x81..=0x84 => {
                let (bytes, rest) = rest.split_at_checked(usize::from(first & 0x7F))?;
                let length = bytes
                    .iter()
                    .fold(0, |length, byte| length << 8 | usize::from(*byte));
                (length, rest)
            }
            _ => return None,
        };
        let (content, rest) = rest.split_at_checked(length)?;
        (found == tag).then(|| self.0 = rest)?;
        Some(content)
    }

    fn sequence(&mut self) -> Option<Self> {
        self.read(SEQUENCE).map(Self)
    }

    /// A number without its leading zero.
    fn unsigned(&mut self) -> Option<&'a [u8]> {
        let bytes = self.read(INTEGER)?;
        Some(bytes.strip_prefix(&[0]).unwrap_or(bytes))
    }
}

/// From a `SubjectPublicKeyInfo`: PEM `PUBLIC KEY`.
pub(crate) fn public_key(der: &[u8]) -> Option<PublicKey<'_>> {
    let mut info = Reader(der).sequence()?;
    let mut algorithm = info.sequence()?;
    let kind = algorithm.read(OBJECT_IDENTIFIER)?;
    let key = info.read(BIT_STRING)?.strip_prefix(&[0])?;
    if kind == RSA {
        return rsa_public_key(key);
    }
    if kind == ED25519 {
        return (key.len() == 32).then_some(PublicKey::Ed25519(key));
    }
    let curve = (kind == EC).then(|| algorithm.read(OBJECT_IDENTIFIER))??;
    // 4 stands for an uncompressed point.
    let is_point = |bytes: usize| key.len() == 1 + 2 * bytes && key[0] == 4;
    if curve == P256 && is_point(32) {
        return Some(PublicKey::P256(key));
    }
    (curve == P384 && is_point(48)).then_some(PublicKey::P384(key))
}

/// From PKCS #1: PEM `RSA PUBLIC KEY`.
pub(super) fn rsa_public_key(der: &[u8]) -> Option<PublicKey<'_>> {
    let mut key = Reader(der).sequence()?;
    let modulus = key.unsigned()?;
    let exponent = key.unsigned()?;
    Some(PublicKey::Rsa { modulus, exponent })
}

/// From an X.509 certificate, whose signature and dates are not checked: its file is trusted as a key's would be.
pub(super) fn of_certificate(der: &[u8]) -> Option<PublicKey<'_>> {
    let mut to_be_signed = Reader(der).sequence()?.sequence()?;
    let _version = to_be_signed.read(CONTEXT_0);
    let _serial_number = to_be_signed.read(INTEGER)?;
    let _signature = to_be_signed.read(SEQUENCE)?;
    let _issuer = to_be_signed.read(SEQUENCE)?;
    let _validity = to_be_signed.read(SEQUENCE)?;
    let _subject = to_be_signed.read(SEQUENCE)?;
    let info = to_be_signed.0;
    public_key(info)
}

/// What kind of private key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PrivateFamily {
    Rsa,
    P256,
    P384,
    Ed25519,
}

/// Of PKCS #8: PEM `PRIVATE KEY`.
pub(crate) fn private_family(der: &[u8]) -> Option<PrivateFamily> {
    let mut info = Reader(der).sequence()?;
    let _version = info.read(INTEGER)?;
    let mut algorithm = info.sequence()?;
    let kind = algorithm.read(OBJECT_IDENTIFIER)?;
    let _key = info.read(OCTET_STRING)?;
    if kind == RSA {
        return Some(PrivateFamily::Rsa);
    }
    if kind == ED25519 {
        return Some(PrivateFamily::Ed25519);
    }
    let curve = (kind == EC).then(|| algorithm.read(OBJECT_IDENTIFIER))??;
    if curve == P256 {
        return Some(PrivateFamily::P256);
    }
    (curve == P384).then_some(PrivateFamily::P384)
}
