//! Tokens that were changed in transit, or made up: none is admitted, and none makes the server panic.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use fastrand::Rng;
use serde_json::json;

use super::*;
use crate::{
    keys::Keys,
    testing::{ED25519, ED25519_PUBLIC, OTHER_SECRET, SECRET, context, key, with_exp},
};

const MUTATIONS: usize = 100_000;

struct Corpus {
    issuers: Issuers,
    good: Vec<String>,
    /// By keys that are not trusted.
    foreign: Vec<String>,
}

fn corpus() -> Corpus {
    let claims = [
        json!({"sub": "1", "sse": {"subscribe": ["a/{b}"]}}),
        json!({"sub": "2", "jti": "x", "mercure": {"publish": ["*"], "subscribe": ["*"]}}),
        json!({"iss": "login", "aud": "hub", "authorization_details": [{"type": "https://mercure.rocks/authorization-detail", "actions": ["subscribe"], "topics": [{"match": "*"}]}]}),
    ];
    let headers = [
        json!({"alg": "HS256", "typ": "JWT"}),
        json!({"alg": "HS256", "typ": "at+jwt", "kid": "k"}),
    ];
    let all = |signer: &str, alg: &str| {
        let mut tokens = Vec::new();
        for claims in &claims {
            for header in &headers {
                let mut header = header.clone();
                header["alg"] = json!(alg);
                let token = key(signer).sign(&header, &with_exp(claims.clone()));
                tokens.push(token.unwrap());
            }
        }
        tokens
    };
    let keys = |text| Keys::parse(text).unwrap();
    Corpus {
        issuers: Issuers::new([
            Issuer::new("s", keys(SECRET)),
            Issuer::new("e", keys(ED25519_PUBLIC)),
            Issuer::new("login", keys(SECRET)).iss("login"),
        ]),
        good: [all(SECRET, "HS256"), all(ED25519, "EdDSA")].concat(),
        foreign: all(OTHER_SECRET, "HS256"),
    }
}

fn pick<'a>(rng: &mut Rng, tokens: &'a [String]) -> &'a str {
    &tokens[rng.usize(..tokens.len())]
}

fn parts(token: &str) -> Vec<String> {
    token.split('.').map(ToOwned::to_owned).collect()
}

/// A JSON part with something in it changed.
fn edited(rng: &mut Rng, part: &str) -> String {
    let Ok(json) = URL_SAFE_NO_PAD.decode(part) else {
        return String::new();
    };
    let text = String::from_utf8_lossy(&json).into_owned();
    let edits = [
        ("HS256", "none"),
        ("HS256", "HS512"),
        ("HS256", "EdDSA"),
        ("EdDSA", "HS256"),
        ("EdDSA", "none"),
        ("JWT", "at+jwt"),
        ("at+jwt", "JWT"),
        ("\"kid\":\"k\"", "\"jwk\":{\"kty\":\"oct\",\"k\":\"AAAA\"}"),
        ("a/{b}", "*"),
        ("\"1\"", "\"2\""),
        ("login", "s"),
        ("\"sub\"", "\"iss\""),
        ("exp", "nbf"),
        ("[", "[\"*\","),
        ("{", "{\"crit\":[],"),
        ("subscribe", "publish"),
        ("mercure", "sse"),
    ];
    let (from, to) = edits[rng.usize(..edits.len())];
    URL_SAFE_NO_PAD.encode(text.replacen(from, to, 1))
}

fn mutated(rng: &mut Rng, corpus: &Corpus) -> String {
    let token = pick(rng, &corpus.good);
    let mut bytes = token.as_bytes().to_vec();
    let at = rng.usize(..bytes.len());
    match rng.u32(..9) {
        0 => {
            let chars = b"ABCXYZabcxyz019-_.=+/ \n%";
            bytes[at] = chars[rng.usize(..chars.len())];
        }
        1 => bytes[at] ^= 1 << rng.u32(..8),
        2 => bytes.truncate(at),
        3 => bytes.insert(at, rng.alphanumeric() as u8),
        4 => drop(bytes.remove(at)),
        5 => {
            let (mut parts, other) = (parts(token), parts(pick(rng, &corpus.good)));
            let from = rng.usize(..3);
            parts[from].clone_from(&other[from]);
            return parts.join(".");
        }
        6 | 7 => {
            let mut parts = parts(token);
            let part = rng.usize(..2);
            parts[part] = edited(rng, &parts[part].clone());
            return parts.join(".");
        }
        _ => {
            let mut parts = parts(pick(rng, &corpus.foreign));
            if rng.bool() {
                parts[2].clone_from(&self::parts(token)[2]);
            }
            return parts.join(".");
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[test]
fn none_of_a_hundred_thousand_mutated_tokens_is_admitted() {
    let corpus = corpus();
    let context = Context {
        resource: Some("hub"),
        ..context(Purpose::Subscribe)
    };
    let admitted = |token: &str| verify(token, &corpus.issuers, context);
    let expected = |token: &str| corpus.good.iter().any(|good| good == token);
    let good = corpus.good.iter().filter(|token| admitted(token).is_ok());
    assert_eq!(
        good.count(),
        6,
        "all but those for which the issuer or claims are wrong"
    );
    for seed in 0..MUTATIONS as u64 {
        let mut rng = Rng::with_seed(seed);
        let token = mutated(&mut rng, &corpus);
        if let Ok(verified) = admitted(&token) {
            assert!(expected(&token), "seed {seed}: {token} {verified:?}");
        }
    }
}
