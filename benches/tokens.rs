//! What a token costs: verified, and found verified.
//! `cargo bench -p sse-broadcaster-access --bench tokens`

use std::{hint::black_box, time::SystemTime};

use criterion::{Criterion, criterion_group, criterion_main};
use serde_json::json;
use sse_broadcaster_access::{
    authorize::Tokens,
    issuer::{Issuer, Issuers, Purpose},
    keys::Keys,
    mint::{NewToken, SigningKey},
    token::{Context, verify},
};

const RSA: (&str, &str) = (
    include_str!("../crates/access/src/test_keys/rsa.pem"),
    include_str!("../crates/access/src/test_keys/rsa.pub.pem"),
);
const P256: (&str, &str) = (
    include_str!("../crates/access/src/test_keys/p256.pem"),
    include_str!("../crates/access/src/test_keys/p256.pub.pem"),
);
const P384: (&str, &str) = (
    include_str!("../crates/access/src/test_keys/p384.pem"),
    include_str!("../crates/access/src/test_keys/p384.pub.pem"),
);
const ED25519: (&str, &str) = (
    include_str!("../crates/access/src/test_keys/ed25519.pem"),
    include_str!("../crates/access/src/test_keys/ed25519.pub.pem"),
);
const SECRET: &str = "HS256 0123456789abcdef0123456789abcdef";

/// Different tokens, as of different users.
const TOKENS: usize = 1_000;

fn tokens(private: &str, algorithm: &str) -> Vec<String> {
    let key = SigningKey::parse(private).and_then(|key| {
        key.with_algorithm(algorithm)
            .map_err(|why| sse_broadcaster_access::keys::KeyError::NotAJwkSet(why.to_string()))
    });
    let key = key.expect("a key");
    let token = |n: usize| {
        let topic = format!("https://example.com/users/{n}/{{+rest}}");
        let claims = json!({"sub": n.to_string(), "sse": {"subscribe": [topic, "news"]}});
        NewToken::new(&claims).and_then(|new| new.create(&key))
    };
    (0..TOKENS).map(|n| token(n).expect("a token")).collect()
}

fn verifying(criterion: &mut Criterion) {
    for (algorithm, (private, public)) in [
        ("HS256", (SECRET, SECRET)),
        ("RS256", RSA),
        ("PS256", RSA),
        ("ES256", P256),
        ("ES384", P384),
        ("EdDSA", ED25519),
    ] {
        let tokens = tokens(private, algorithm);
        let issuers = Issuers::new([Issuer::new("i", Keys::parse(public).expect("a key"))]);
        let context = Context {
            purpose: Purpose::Subscribe,
            resource: None,
            base: None,
            now: SystemTime::now(),
        };
        let mut next = tokens.iter().cycle();
        criterion.bench_function(&format!("{algorithm}, not cached"), |bencher| {
            bencher.iter(|| {
                let token = next.next().expect("a cycle");
                black_box(verify(token, &issuers, context).expect("a good token"))
            });
        });
        let verifier = Tokens::new(issuers);
        for token in &tokens {
            let grants = verifier.verify_now(token, Purpose::Subscribe, None);
            grants.expect("a good token");
        }
        criterion.bench_function(&format!("{algorithm}, cached"), |bencher| {
            bencher.iter(|| {
                let token = next.next().expect("a cycle");
                let grants = verifier.verify_now(token, Purpose::Subscribe, None);
                black_box(grants.expect("a good token"))
            });
        });
        assert!(verifier.verified() <= TOKENS as u64, "each token once");
    }
}

criterion_group!(benches, verifying);
criterion_main!(benches);
