use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use super::*;
use crate::{
    issuer::Role,
    keys::Keys,
    testing::{
        ED25519, ED25519_PUBLIC, OTHER_SECRET, P256, P256_PUBLIC, P384, P384_PUBLIC, RSA,
        RSA_PUBLIC, SECRET, access_token, context, key, token, unix_now, with_exp,
    },
};

mod claims;
mod grants;

const RESOURCE: &str = "https://hub.example.com/.well-known/mercure";

fn keys(text: &str) -> Keys {
    Keys::parse(text).unwrap()
}

fn issuers() -> Issuers {
    Issuers::new([
        Issuer::new("any", keys(SECRET)),
        Issuer::new("login", keys(SECRET)).iss("https://login.example.com"),
    ])
}

fn code(token: &str) -> &'static str {
    let context = Context {
        resource: Some(RESOURCE),
        ..context(Purpose::Subscribe)
    };
    match verify(token, &issuers(), context) {
        Ok(_) => "ok",
        Err(why) => {
            let text = why.to_string();
            let begin = token.get(..20).unwrap_or("no such text");
            assert!(!text.contains(begin), "{text}");
            assert!(!why.client_message().is_empty());
            why.code()
        }
    }
}

fn signed(header: &Value, claims: Value) -> String {
    key(SECRET).sign(header, &with_exp(claims)).unwrap()
}

fn raw(header: &Value, claims: &Value, signature: &str) -> String {
    let encode = |json: &Value| URL_SAFE_NO_PAD.encode(json.to_string());
    format!("{}.{}.{signature}", encode(header), encode(claims))
}

#[test]
fn every_algorithm_verifies_with_its_key_and_with_no_other_one() {
    let keys = [
        (SECRET, SECRET, vec!["HS256"]),
        (
            RSA,
            RSA_PUBLIC,
            vec!["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"],
        ),
        (P256, P256_PUBLIC, vec!["ES256"]),
        (P384, P384_PUBLIC, vec!["ES384"]),
        (ED25519, ED25519_PUBLIC, vec!["EdDSA"]),
    ];
    for (private, public, algorithms) in &keys {
        for algorithm in algorithms {
            let key = key(private).with_algorithm(algorithm).unwrap();
            let token = key.sign(&json!({"alg": algorithm}), &with_exp(json!({"sub": "1"})));
            let token = token.unwrap();
            for (_, other, _) in &keys {
                let issuers = Issuers::new([Issuer::new("i", Keys::parse(other).unwrap())]);
                let verified = verify(&token, &issuers, context(Purpose::Subscribe));
                match verified {
                    Ok(_) => assert_eq!(other, public, "{algorithm}"),
                    Err(why) => {
                        assert_ne!(other, public, "{algorithm}: {why}");
                        assert_eq!(why.code(), "token_algorithm");
                    }
                }
            }
        }
    }
    for bits in ["HS384", "HS512"] {
        let line = format!("{bits} {}", "k".repeat(64));
        let token = key(&line)
            .sign(&json!({"alg": bits}), &with_exp(json!({})))
            .unwrap();
        let issuers = Issuers::new([Issuer::new("i", Keys::parse(&line).unwrap())]);
        assert!(verify(&token, &issuers, context(Purpose::Subscribe)).is_ok());
    }
    let ed = key(ED25519)
        .sign(&json!({"alg": "Ed25519"}), &with_exp(json!({})))
        .unwrap();
    let issuers = Issuers::new([Issuer::new("i", Keys::parse(ED25519_PUBLIC).unwrap())]);
    assert!(verify(&ed, &issuers, context(Purpose::Subscribe)).is_ok());
}

#[test]
fn no_algorithm_none_in_whatever_case_and_with_whatever_signature() {
    let claims = with_exp(json!({"sub": "1", "padding": "0123456789012345678901234567890"}));
    let tag = token(claims.clone());
    let tag = tag.rsplit_once('.').unwrap().1;
    for alg in [
        "none", "None", "NONE", "nOnE", "", "HS256 ", "hs256", "HS257",
    ] {
        let header = json!({"alg": alg, "typ": "JWT"});
        for signature in ["", "AA", tag] {
            let code = code(&raw(&header, &claims, signature));
            assert!(
                matches!(code, "token_algorithm" | "token_malformed"),
                "{alg} {code}"
            );
        }
    }
}

/// The public key is no secret: a server that takes its text for one can be lied to.
#[test]
fn no_hmac_under_a_public_key() {
    let der = crate::keys::pem::blocks(RSA_PUBLIC).unwrap().remove(0).der;
    let der = der.iter().map(|byte| char::from(*byte)).collect::<String>();
    for (public, secret) in [
        (RSA_PUBLIC, RSA_PUBLIC),
        (RSA_PUBLIC, RSA_PUBLIC.trim()),
        (RSA_PUBLIC, &der),
        (P256_PUBLIC, P256_PUBLIC),
        (ED25519_PUBLIC, ED25519_PUBLIC.trim_end()),
    ] {
        for algorithm in ["HS256", "HS384", "HS512"] {
            let token = hmac(algorithm, secret.as_bytes());
            let issuers = Issuers::new([Issuer::new("i", Keys::parse(public).unwrap())]);
            let refused = verify(&token, &issuers, context(Purpose::Subscribe)).unwrap_err();
            assert_eq!(refused.code(), "token_algorithm");
        }
    }
}

fn hmac(algorithm: &str, secret: &[u8]) -> String {
    crate::crypto::install();
    let claims = with_exp(json!({"sub": "1"}));
    let message = raw(&json!({"alg": algorithm}), &claims, "");
    let message = message.trim_end_matches('.');
    let key = jsonwebtoken::EncodingKey::from_secret(secret).unwrap();
    let tag = jsonwebtoken::crypto::sign(message.as_bytes(), &key, algorithm.parse().unwrap());
    format!("{message}.{}", tag.unwrap())
}

#[test]
fn keys_and_addresses_in_a_header_are_ignored() {
    let attacker = key(OTHER_SECRET);
    let jwk =
        json!({"kty": "oct", "k": URL_SAFE_NO_PAD.encode("fedcba9876543210fedcba9876543210")});
    for header in [
        json!({"alg": "HS256", "jwk": jwk}),
        json!({"alg": "HS256", "jku": "http://127.0.0.1:1/jwks.json"}),
        json!({"alg": "HS256", "x5u": "http://127.0.0.1:1/cert.pem", "x5c": ["AA"]}),
        json!({"alg": "HS256", "kid": "../../../dev/null"}),
        json!({"alg": "HS256", "kid": "http://127.0.0.1:1/"}),
    ] {
        let forged = attacker.sign(&header, &with_exp(json!({}))).unwrap();
        assert_eq!(code(&forged), "token_signature", "{header}");
        assert_eq!(code(&signed(&header, json!({}))), "ok");
    }
}

#[test]
fn what_is_no_token_is_malformed() {
    let good = token(json!({"sub": "0123456789012345678901234567890123456789"}));
    assert_eq!(code(&good), "ok");
    let (message, signature) = good.rsplit_once('.').unwrap();
    let (header, claims) = message.split_once('.').unwrap();
    let long = token(json!({"padding": "a".repeat(MAX_TOKEN_BYTES)}));
    let array = URL_SAFE_NO_PAD.encode("[1,2,3,4,5,6,7,8,9,10,11,12]");
    for bad in [
        "",
        "a",
        "a.b.c",
        &"a".repeat(41),
        &"é.".repeat(30),
        &".".repeat(41),
        &long,
        &format!("{message}."),
        message,
        &format!("{good}."),
        &format!(".{good}"),
        &format!("{good}.a"),
        &format!("{good}="),
        &format!("{good} "),
        &format!(" {good}"),
        &format!("{header}..{signature}"),
        &format!(".{claims}.{signature}"),
        &format!("{header}.{array}.{signature}"),
        &format!("{array}.{claims}.{signature}"),
        &good.replace('.', ".\n"),
        &format!("{message}.+{}", &signature[1..]),
        &format!(
            "{}.{claims}.{signature}",
            URL_SAFE_NO_PAD.encode("{\"alg\":\"HS256\",\"alg\":\"none\"}")
        ),
        &format!(
            "{}.{claims}.{signature}",
            URL_SAFE_NO_PAD.encode("{\"typ\":\"JWT\"}")
        ),
        &format!(
            "{}.{claims}.{signature}",
            URL_SAFE_NO_PAD.encode("{\"alg\":1}")
        ),
    ] {
        assert_eq!(code(bad), "token_malformed", "{bad}");
    }
    for header in [
        json!({"alg": "HS256", "crit": ["exp"], "exp": 1}),
        json!({"alg": "HS256", "crit": []}),
        json!({"alg": "HS256", "crit": ["b64"], "b64": true}),
        json!({"alg": "HS256", "b64": false}),
    ] {
        assert_eq!(
            code(&signed(&header, json!({}))),
            "token_malformed",
            "{header}"
        );
    }
}

#[test]
fn a_refusal_names_check_issuer_and_key_id_and_floods_no_log() {
    let long = "k".repeat(2_000);
    let token = signed(&json!({"alg": "HS256", "kid": long}), json!({"exp": 1}));
    let why = verify(&token, &issuers(), context(Purpose::Subscribe)).unwrap_err();
    let text = why.to_string();
    assert!(text.starts_with("token refused by check token_expired, issuer \"any\", key id \"kkk"));
    assert!(text.len() < 400, "{text}");
    let lines = signed(&json!({"alg": "x\ny", "kid": "a\nb"}), json!({}));
    let why = verify(&lines, &issuers(), context(Purpose::Subscribe)).unwrap_err();
    assert!(!why.to_string().contains('\n'));
}
