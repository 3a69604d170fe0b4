use serde_json::json;

use super::*;
use crate::testing::{ED25519_PUBLIC, P256_PUBLIC, P384_PUBLIC, RSA, RSA_PUBLIC, SECRET};

fn key_file(name: &str) -> String {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/test_keys/");
    std::fs::read_to_string(format!("{folder}{name}")).unwrap()
}

fn algorithms(keys: &Keys) -> Vec<Vec<Algorithm>> {
    keys.0
        .keys
        .iter()
        .map(|key| key.algorithms.clone())
        .collect()
}

#[test]
fn each_form_of_a_key_is_bound_to_its_algorithms() {
    let rsa = AlgorithmFamily::Rsa.algorithms().to_vec();
    for (text, expected) in [
        (SECRET.to_owned(), vec![Algorithm::HS256]),
        (
            format!("# comment\n\n  HS512 {}\r\n", "a".repeat(64)),
            vec![Algorithm::HS512],
        ),
        (RSA_PUBLIC.to_owned(), rsa.clone()),
        (key_file("rsa.pkcs1.pub.pem"), rsa.clone()),
        (key_file("rsa.crt.pem"), rsa),
        (P256_PUBLIC.to_owned(), vec![Algorithm::ES256]),
        (P384_PUBLIC.to_owned(), vec![Algorithm::ES384]),
        (key_file("p384.crt.pem"), vec![Algorithm::ES384]),
        (ED25519_PUBLIC.to_owned(), vec![Algorithm::EdDSA]),
    ] {
        let keys = Keys::parse(&text).unwrap();
        assert_eq!(algorithms(&keys), [expected], "{text}");
    }
    let several = format!("{RSA_PUBLIC}\n{P256_PUBLIC}{ED25519_PUBLIC}");
    assert_eq!(Keys::parse(&several).unwrap().len(), 3);
}

#[test]
fn what_is_no_public_key_or_secret_is_refused_and_never_shown() {
    let secret = "hunter2hunter2";
    let bad = |text: &str| {
        let why = Keys::parse(text).unwrap_err();
        assert!(!why.to_string().contains(secret), "{why}");
        why
    };
    assert_eq!(bad(""), KeyError::Empty);
    assert_eq!(bad("# only a comment"), KeyError::Empty);
    assert!(matches!(
        bad(&format!("HS256 {secret}")),
        KeyError::ShortSecret {
            bytes: 14,
            needed: 32,
            ..
        }
    ));
    assert!(matches!(
        bad(&format!("HS384 {}", "a".repeat(47))),
        KeyError::ShortSecret { .. }
    ));
    assert!(matches!(
        bad(&format!("HS512 {}", "a".repeat(63))),
        KeyError::ShortSecret { .. }
    ));
    assert!(matches!(
        bad("HS256"),
        KeyError::ShortSecret { bytes: 0, .. }
    ));
    assert_eq!(bad(secret), KeyError::UnknownLine("…".to_owned()));
    assert_eq!(bad("RS256 x"), KeyError::UnknownLine("RS256".to_owned()));
    assert!(matches!(bad("none "), KeyError::UnknownLine(_)));
    assert!(matches!(bad(RSA), KeyError::PrivateKey(_)));
    assert!(matches!(
        bad(&key_file("p256.sec1.pem")),
        KeyError::PrivateKey(_)
    ));
    assert_eq!(
        bad(&key_file("rsa1024.pub.pem")),
        KeyError::RsaSize { bits: 1_024 }
    );
    assert!(matches!(
        bad(&key_file("p521.pub.pem")),
        KeyError::UnsupportedKey(_)
    ));
    assert_eq!(bad(&RSA_PUBLIC[..200]), KeyError::DamagedPem);
    assert_eq!(
        bad(&RSA_PUBLIC.replace("END PUBLIC", "END OTHER")),
        KeyError::DamagedPem
    );
    assert!(matches!(
        bad(&P256_PUBLIC.replace("PUBLIC KEY", "X509 CRL")),
        KeyError::UnsupportedKey(_)
    ));
    assert!(matches!(
        bad(&"a".repeat(MAX_KEY_TEXT_BYTES + 1)),
        KeyError::TooLong { .. }
    ));
    let lines = format!("HS256 {}\n", "a".repeat(32)).repeat(MAX_KEYS + 1);
    assert!(matches!(bad(&lines), KeyError::TooMany { .. }));
    let shown = format!("{:?}", Keys::parse(SECRET).unwrap());
    assert!(!shown.contains("0123"), "{shown}");
}

#[test]
fn damaged_der_is_refused_without_a_panic() {
    for file in [
        "rsa.pub.pem",
        "rsa.crt.pem",
        "p256.pub.pem",
        "ed25519.pub.pem",
    ] {
        let text = key_file(file);
        let block = &pem::blocks(&text).unwrap()[0];
        for length in 0..block.der.len() {
            let _ = der::public_key(&block.der[..length]);
            let _ = der::of_certificate(&block.der[..length]);
            let mut changed = block.der.clone();
            changed[length] ^= 0xFF;
            let _ = der::public_key(&changed);
            let _ = der::of_certificate(&changed);
            let _ = der::rsa_public_key(&changed);
            let _ = private_family(&changed);
        }
        let in_place = [der::public_key(&block.der), der::of_certificate(&block.der)];
        assert!(in_place.iter().flatten().count() == 1);
    }
}

const MODULUS: usize = 256;

fn rsa_jwk() -> serde_json::Value {
    json!({"kty": "RSA", "n": encoded(&[0xC3; MODULUS]), "e": "AQAB", "kid": "r"})
}

fn encoded(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes)
}

#[test]
fn a_jwk_set_gives_the_keys_that_can_verify_and_ignores_the_others() {
    let secret = json!({"kty": "oct", "k": encoded(&[7; 64]), "kid": "s"});
    let with = |jwk: &serde_json::Value, name: &str, value: serde_json::Value| {
        let mut jwk = jwk.clone();
        jwk[name] = value;
        jwk
    };
    let ec = json!({"kty": "EC", "crv": "P-256", "x": encoded(&[1; 32]), "y": encoded(&[2; 32])});
    let okp = json!({"kty": "OKP", "crv": "Ed25519", "x": encoded(&[1; 32])});
    let good = [
        (rsa_jwk(), AlgorithmFamily::Rsa.algorithms().to_vec()),
        (
            with(&rsa_jwk(), "alg", json!("PS384")),
            vec![Algorithm::PS384],
        ),
        (
            with(&rsa_jwk(), "use", json!("sig")),
            AlgorithmFamily::Rsa.algorithms().to_vec(),
        ),
        (
            with(&rsa_jwk(), "key_ops", json!(["verify"])),
            AlgorithmFamily::Rsa.algorithms().to_vec(),
        ),
        (secret.clone(), vec![Algorithm::HS256]),
        (with(&secret, "alg", json!("HS512")), vec![Algorithm::HS512]),
        (ec.clone(), vec![Algorithm::ES256]),
        (okp.clone(), vec![Algorithm::EdDSA]),
        (with(&okp, "alg", json!("Ed25519")), vec![Algorithm::EdDSA]),
    ];
    for (jwk, expected) in good {
        let keys = Keys::parse(&json!({"keys": [jwk]}).to_string()).unwrap();
        assert_eq!(algorithms(&keys), [expected], "{jwk}");
        assert_eq!(
            Keys::parse(&jwk.to_string()).unwrap().len(),
            1,
            "a bare JWK"
        );
    }
    let bad = [
        with(&rsa_jwk(), "use", json!("enc")),
        with(&rsa_jwk(), "key_ops", json!(["encrypt"])),
        with(&rsa_jwk(), "alg", json!("HS256")),
        with(&rsa_jwk(), "alg", json!("none")),
        with(&rsa_jwk(), "alg", json!("RSA-OAEP")),
        with(&rsa_jwk(), "n", json!(encoded(&[0xC3; 128]))),
        with(&rsa_jwk(), "n", json!("***")),
        with(&secret, "k", json!(encoded(&[7; 31]))),
        with(&secret, "alg", json!("RS256")),
        with(&ec, "crv", json!("P-521")),
        with(&ec, "x", json!(encoded(&[1; 31]))),
        with(&ec, "alg", json!("ES384")),
        with(&okp, "crv", json!("X25519")),
        with(&okp, "x", json!(encoded(&[1; 31]))),
        json!({"kty": "new"}),
        json!("text"),
        json!({}),
    ];
    for jwk in bad {
        let alone = Keys::parse(&json!({"keys": [jwk]}).to_string());
        assert!(matches!(alone, Err(KeyError::NoUsableKey(_))), "{jwk}");
        let both = Keys::parse(&json!({"keys": [jwk, rsa_jwk()]}).to_string()).unwrap();
        assert_eq!((both.len(), both.ignored().len()), (1, 1), "{jwk}");
    }
    for text in ["{", "{\"keys\": 1}", "{\"key\": []}", "{}"] {
        assert!(
            matches!(Keys::parse(text), Err(KeyError::NotAJwkSet(_))),
            "{text}"
        );
    }
    assert!(Keys::parse("{\"keys\": []}").is_err());
}

#[test]
fn a_secret_in_a_set_that_anybody_can_fetch_does_not_count() {
    let secret = json!({"kty": "oct", "k": encoded(&[7; 64])});
    let set = json!({"keys": [secret, rsa_jwk()]}).to_string();
    assert_eq!(Keys::parse(&set).unwrap().len(), 2);
    assert_eq!(Keys::parse_public_set(&set).unwrap().len(), 1);
    let only = json!({"keys": [secret]}).to_string();
    assert!(Keys::parse_public_set(&only).is_err());
}

#[test]
fn a_key_id_chooses_among_keys_and_keys_without_ids_are_tried_for_others() {
    let jwk = |id: Option<&str>| {
        let mut jwk = rsa_jwk();
        jwk["kid"] = json!(id);
        jwk
    };
    let set = json!({"keys": [jwk(Some("a")), jwk(Some("b")), jwk(None)]}).to_string();
    let keys = Keys::parse(&set).unwrap();
    let ids = |id| keys.candidates(id).map(Key::id).collect::<Vec<_>>();
    assert_eq!(ids(Some("a")), [Some("a")]);
    assert_eq!(ids(Some("c")), [None]);
    assert_eq!(ids(None), [Some("a"), Some("b"), None]);
}
