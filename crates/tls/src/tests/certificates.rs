use rustls::{
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    version::TLS13,
};

use super::*;
use crate::{CHALLENGE_PROTOCOL, PairError, PrivateKeyDer, pairs_in};

#[test]
fn a_client_gets_the_certificate_of_the_name_that_it_asks_for() {
    let directory = tempfile::tempdir().unwrap();
    let first = make(&directory, "first", &["first.example"]);
    let other = make(&directory, "other", &["Other.example", "also.example"]);
    let wildcard = make(&directory, "wildcard", &["*.wild.example"]);
    let pairs = ["first", "other", "wildcard"].map(|name| pair(&directory, name));
    let current = Current::new(Certificates::new(&pairs));
    for (name, expected) in [
        ("first.example", &first),
        ("OTHER.example", &other),
        ("also.example", &other),
        ("a.wild.example", &wildcard),
        ("a.b.wild.example", &first),
        ("wild.example", &first),
        ("unknown.example", &first),
        ("192.0.2.1", &first),
    ] {
        assert_eq!(
            served(&current, name),
            expected.cert.der().as_ref(),
            "{name}"
        );
    }
    current.replace(Certificates::new(&pairs[1..2]));
    assert_eq!(served(&current, "first.example"), other.cert.der().as_ref());
}

/// The certificate that a client gets which asks for this name.
fn served(current: &Arc<Current>, name: &str) -> Vec<u8> {
    let connected = connected(current, name, &[], &[]).unwrap();
    connected.client.peer_certificates().unwrap()[0].to_vec()
}

/// A client that asks for this name, and offers these protocols to a server of those.
fn connected(
    current: &Arc<Current>,
    name: &str,
    protocols: &[&[u8]],
    offered: &[&[u8]],
) -> io::Result<Connected> {
    let provider = Arc::new(default_provider());
    let mut client = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13])
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(AcceptsAll))
        .with_no_client_auth();
    client.alpn_protocols = offered.iter().map(|protocol| protocol.to_vec()).collect();
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let pipe = Pipe::default();
    pipe.room.set(usize::MAX);
    pipe.per_read.set(usize::MAX);
    let config = server_config(current, protocols).unwrap();
    let mut connected = Connected {
        pipe,
        client: ClientConnection::new(Arc::new(client), name).unwrap(),
        session: Session::new(Arc::new(config)).unwrap(),
    };
    connected.shake_hands()?;
    Ok(connected)
}

#[derive(Debug)]
struct AcceptsAll;

impl ServerCertVerifier for AcceptsAll {
    fn verify_server_cert(
        &self,
        _: &rustls::pki_types::CertificateDer<'_>,
        _: &[rustls::pki_types::CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: rustls::pki_types::UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &rustls::pki_types::CertificateDer<'_>,
        _: &rustls::DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &rustls::pki_types::CertificateDer<'_>,
        _: &rustls::DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
        let provider = default_provider();
        provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}

#[test]
fn a_certificate_that_cannot_be_used_is_refused_with_its_file_and_what_would_be_right() {
    let directory = tempfile::tempdir().unwrap();
    let made = make(&directory, "own", &["localhost"]);
    make(&directory, "other", &["localhost"]);
    let path = |name: &str| directory.path().join(name);
    std::fs::write(path("empty"), "").unwrap();
    let broken = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n";
    std::fs::write(path("broken"), broken).unwrap();
    let encrypted =
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIIB\n-----END ENCRYPTED PRIVATE KEY-----\n";
    std::fs::write(path("encrypted"), encrypted).unwrap();
    let unsupported = "-----BEGIN PRIVATE KEY-----\nMIIB\n-----END PRIVATE KEY-----\n";
    std::fs::write(path("unsupported"), unsupported).unwrap();
    std::fs::write(path("der"), made.cert.der()).unwrap();
    for (name, text) in [
        ("crt", made.cert.pem()),
        ("key", made.signing_key.serialize_pem()),
    ] {
        let cut = &text[..text.len() / 2];
        std::fs::write(path("cut").with_extension(name), cut).unwrap();
        let damaged = text.replacen("MI", "?!", 1);
        std::fs::write(path("damaged").with_extension(name), damaged).unwrap();
    }
    std::fs::write(path("long"), vec![b' '; (1 << 20) + 1]).unwrap();
    for (certificate, key, expected) in [
        ("missing", "own.key", "missing cannot be read"),
        ("own.crt", "missing", "missing cannot be read"),
        (
            "empty",
            "own.key",
            "empty has no certificate: it must be in PEM",
        ),
        (
            "own.key",
            "own.crt",
            "own.key has no certificate: it has a private key; are the files of the certificate and the key swapped?",
        ),
        (
            "der",
            "own.key",
            "der has no certificate: it seems to be in DER; this converts it: openssl x509",
        ),
        (
            "own.crt",
            "der",
            "der has no private key: it seems to be in DER; this converts it: openssl pkey",
        ),
        (
            "cut.crt",
            "own.key",
            "cut.crt has a certificate that cannot be used: its line with -----END is missing",
        ),
        (
            "own.crt",
            "cut.key",
            "cut.key cannot be read: its line with -----END is missing",
        ),
        (
            "own.crt",
            "damaged.key",
            "damaged.key cannot be read: what stands between its lines with -----BEGIN and -----END is not Base64",
        ),
        (
            "own.crt",
            "empty",
            "empty has no private key: it must be in PEM",
        ),
        (
            "broken",
            "own.key",
            "broken has a certificate that cannot be used",
        ),
        (
            "own.crt",
            "own.crt",
            "own.crt has no private key: it has a certificate",
        ),
        (
            "own.crt",
            "encrypted",
            "encrypted has a password; this removes it: openssl pkey",
        ),
        (
            "own.crt",
            "unsupported",
            "unsupported is not supported: use ECDSA",
        ),
        (
            "own.crt",
            "other.key",
            "other.key is not that of the first certificate in",
        ),
        ("long", "own.key", "long has more than 1 MiB"),
    ] {
        let refused: PairError = Pair::read(&path(certificate), &path(key)).unwrap_err();
        assert!(refused.to_string().contains(expected), "{refused}");
    }
}

#[test]
fn a_certificate_and_its_key_may_be_in_one_file_and_written_by_an_editor_of_windows() {
    let directory = tempfile::tempdir().unwrap();
    let made = make(&directory, "own", &["localhost"]);
    let path = |name: &str| directory.path().join(name);
    let texts = [made.cert.pem(), made.signing_key.serialize_pem()];
    std::fs::write(path("both"), texts.concat()).unwrap();
    assert!(Pair::read(&path("both"), &path("both")).is_ok());
    let files = [path("windows.crt"), path("windows.key")];
    for (file, text) in files.iter().zip(texts) {
        std::fs::write(file, format!("\u{feff}{}", text.replace('\n', "\r\n"))).unwrap();
    }
    assert!(Pair::read(&files[0], &files[1]).is_ok());
}

#[test]
fn the_pairs_of_a_directory_are_found_as_certbot_and_kubernetes_have_them() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    for folder in ["b.example", "c.example", "d.example"] {
        std::fs::create_dir(path(folder)).unwrap();
    }
    let files = [
        "a.crt",
        "a.key",
        "a.txt",
        "lonely.crt",
        "lonely2.key",
        "e.pem",
        "e.key",
        "b.example/fullchain.pem",
        "b.example/privkey.pem",
        "b.example/cert.pem",
        "c.example/tls.crt",
        "c.example/tls.key",
        "d.example/tls.crt",
    ];
    for file in files {
        std::fs::write(path(file), "").unwrap();
    }
    let expected = [
        ("a.crt", "a.key"),
        ("b.example/fullchain.pem", "b.example/privkey.pem"),
        ("c.example/tls.crt", "c.example/tls.key"),
        ("e.pem", "e.key"),
    ];
    let expected = expected.map(|(certificate, key)| (path(certificate), path(key)));
    assert_eq!(pairs_in(directory.path()).unwrap(), expected);
    assert!(pairs_in(&path("missing")).is_err());
}

#[test]
fn an_ordered_certificate_is_preferred_for_its_names_and_alone_where_there_is_no_other() {
    let directory = tempfile::tempdir().unwrap();
    let own = make(&directory, "own", &["a.example", "own.example"]);
    let ordered = make(&directory, "ordered", &["a.example"]);
    let current = Current::new(Certificates::default());
    assert_eq!(current.valid_until(), None);
    current.replace_ordered(Certificates::new(&[pair(&directory, "ordered")]));
    assert_eq!(served(&current, "b.example"), ordered.cert.der().as_ref());
    current.replace(Certificates::new(&[pair(&directory, "own")]));
    for (name, expected) in [
        ("a.example", &ordered),
        ("own.example", &own),
        ("b.example", &own),
    ] {
        assert_eq!(
            served(&current, name),
            expected.cert.der().as_ref(),
            "{name}"
        );
    }
    assert!(current.valid_until().is_some());
}

#[test]
fn without_a_certificate_a_handshake_fails() {
    let current = Current::new(Certificates::default());
    assert!(connected(&current, "a.example", &[], &[]).is_err());
}

#[test]
fn a_challenge_certificate_is_served_to_the_protocol_of_authorities_alone_and_for_its_name() {
    let directory = tempfile::tempdir().unwrap();
    let own = make(&directory, "own", &["a.example"]);
    let key = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::new(["a.example".to_owned()]).unwrap();
    params.custom_extensions = vec![rcgen::CustomExtension::new_acme_identifier(&[7; 32])];
    let proof = params.self_signed(&key).unwrap();
    let current = Current::new(Certificates::new(&[pair(&directory, "own")]));
    let protocols = [b"http/1.1".as_slice(), CHALLENGE_PROTOCOL];
    let got = |name: &str, offered: &[&[u8]]| {
        let connected = connected(&current, name, &protocols, offered).ok()?;
        let certificate = connected.client.peer_certificates().unwrap()[0].to_vec();
        Some((
            certificate,
            connected.session.protocol().map(<[u8]>::to_vec),
        ))
    };
    let as_authority: &[&[u8]] = &[CHALLENGE_PROTOCOL];
    assert_eq!(got("a.example", as_authority), None, "nothing is pending");
    let certificate = proof.der().clone();
    let challenges = current.challenges();
    let pending = challenges.insert(
        "a.example".to_owned(),
        certificate,
        PrivateKeyDer::Pkcs8(key.serialize_der().into()),
    );
    pending.unwrap();
    let chosen = Some(CHALLENGE_PROTOCOL.to_vec());
    let expected = Some((proof.der().to_vec(), chosen));
    assert_eq!(got("A.example", as_authority), expected);
    assert_eq!(got("b.example", as_authority), None);
    assert_eq!(got("192.0.2.1", as_authority), None, "without a name");
    for offered in [
        [CHALLENGE_PROTOCOL, b"http/1.1"],
        [b"http/1.1", CHALLENGE_PROTOCOL],
    ] {
        assert_eq!(got("a.example", &offered), None, "{offered:?}");
    }
    let (certificate, protocol) = got("a.example", &[b"http/1.1"]).unwrap();
    assert_eq!(certificate, own.cert.der().to_vec());
    assert_eq!(protocol.as_deref(), Some(b"http/1.1".as_slice()));
    challenges.clear();
    assert_eq!(got("a.example", as_authority), None);
}
