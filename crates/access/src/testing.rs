//! Keys, tokens and a transport for the tests.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use parking_lot::{Condvar, Mutex};
use serde_json::{Value, json};

use crate::{
    issuer::Purpose,
    mint::SigningKey,
    token::Context,
    transport::{Request, Response, Transport, TransportError},
};

pub(crate) const SECRET: &str = "HS256 0123456789abcdef0123456789abcdef";
pub(crate) const OTHER_SECRET: &str = "HS256 fedcba9876543210fedcba9876543210";

pub(crate) const RSA: &str = include_str!("test_keys/rsa.pem");
pub(crate) const RSA_PUBLIC: &str = include_str!("test_keys/rsa.pub.pem");
pub(crate) const P256: &str = include_str!("test_keys/p256.pem");
pub(crate) const P256_PUBLIC: &str = include_str!("test_keys/p256.pub.pem");
pub(crate) const P384: &str = include_str!("test_keys/p384.pem");
pub(crate) const P384_PUBLIC: &str = include_str!("test_keys/p384.pub.pem");
pub(crate) const ED25519: &str = include_str!("test_keys/ed25519.pem");
pub(crate) const ED25519_PUBLIC: &str = include_str!("test_keys/ed25519.pub.pem");

pub(crate) fn key(text: &str) -> SigningKey {
    SigningKey::parse(text).unwrap()
}

pub(crate) fn unix_now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.unwrap().as_secs()
}

/// `claims` with an `exp` an hour from now, unless it has one.
pub(crate) fn with_exp(mut claims: Value) -> Value {
    let object = claims.as_object_mut().unwrap();
    let exp = object.entry("exp");
    exp.or_insert(json!(unix_now() + 3_600));
    claims
}

/// A token by [`SECRET`].
pub(crate) fn token(claims: Value) -> String {
    let header = json!({"alg": "HS256", "typ": "JWT"});
    key(SECRET).sign(&header, &with_exp(claims)).unwrap()
}

/// A token by [`SECRET`], by the rules of Mercure 1.0.
pub(crate) fn access_token(claims: Value) -> String {
    let header = json!({"alg": "HS256", "typ": "at+jwt"});
    key(SECRET).sign(&header, &with_exp(claims)).unwrap()
}

/// The public key of a private one in PEM, as a JWK.
pub(crate) fn jwk(private: &str, id: Option<&str>) -> Value {
    use crate::keys::{PublicKey, pem, public_key};
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

    let public = match private {
        RSA => RSA_PUBLIC,
        P256 => P256_PUBLIC,
        other => panic!("no public key for {other}"),
    };
    let der = pem::blocks(public).unwrap().remove(0).der;
    let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let mut jwk = match public_key(&der).unwrap() {
        PublicKey::Rsa { modulus, exponent } => {
            json!({"kty": "RSA", "n": text(modulus), "e": text(exponent)})
        }
        PublicKey::P256(point) => {
            json!({"kty": "EC", "crv": "P-256", "x": text(&point[1..33]), "y": text(&point[33..])})
        }
        other => panic!("not used: {other:?}"),
    };
    if let Some(id) = id {
        jwk["kid"] = json!(id);
    }
    jwk
}

pub(crate) fn context(purpose: Purpose) -> Context<'static> {
    Context {
        purpose,
        resource: None,
        base: None,
        now: SystemTime::now(),
    }
}

/// Answers from a list, the last entry again and again, and counts.
#[derive(Debug, Default)]
pub(crate) struct Scripted {
    answers: Mutex<VecDeque<Result<(u16, String), String>>>,
    pub(crate) requests: Mutex<Vec<Request>>,
    running: AtomicUsize,
    pub(crate) most_running: AtomicUsize,
    is_held: Mutex<bool>,
    released: Condvar,
}

impl Scripted {
    pub(crate) fn new(answers: &[(u16, &str)]) -> Arc<Self> {
        let answers = answers
            .iter()
            .map(|(status, body)| Ok((*status, (*body).to_owned())));
        Arc::new(Self {
            answers: Mutex::new(answers.collect()),
            ..Self::default()
        })
    }

    pub(crate) fn answer(&self, answers: &[Result<(u16, &str), &str>]) {
        let answers = answers.iter().map(|answer| match answer {
            Ok((status, body)) => Ok((*status, (*body).to_owned())),
            Err(why) => Err((*why).to_owned()),
        });
        *self.answers.lock() = answers.collect();
    }

    pub(crate) fn count(&self) -> usize {
        self.requests.lock().len()
    }

    /// No request is answered until [`release`](Self::release).
    pub(crate) fn hold(&self) {
        *self.is_held.lock() = true;
    }

    pub(crate) fn release(&self) {
        *self.is_held.lock() = false;
        self.released.notify_all();
    }
}

impl Transport for Scripted {
    fn send(&self, request: &Request) -> Result<Response, TransportError> {
        self.requests.lock().push(request.clone());
        let running = self.running.fetch_add(1, Ordering::SeqCst) + 1;
        self.most_running.fetch_max(running, Ordering::SeqCst);
        let mut is_held = self.is_held.lock();
        while *is_held {
            self.released
                .wait_for(&mut is_held, Duration::from_secs(10));
        }
        drop(is_held);
        self.running.fetch_sub(1, Ordering::SeqCst);
        let mut answers = self.answers.lock();
        let answer = match answers.len() {
            0 => Err("no answer".to_owned()),
            1 => answers[0].clone(),
            _ => answers.pop_front().unwrap(),
        };
        let (status, body) = answer.map_err(TransportError)?;
        Ok(Response {
            status,
            body: body.into_bytes(),
        })
    }
}
