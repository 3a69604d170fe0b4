//! The signed requests of ACME (RFC 8555, section 6.2).

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::{
    digest::{SHA256, digest},
    signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey},
};
use serde_json::{Value, json};

use super::{
    authority::Inner,
    responses::{Reply, problem},
};

pub struct Jws {
    pub payload: Value,
    /// The public key of the account.
    pub key: Vec<u8>,
    pub thumbprint: String,
}

pub fn decode(text: &str) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(text).expect("base64url")
}

pub fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

impl Jws {
    /// A request for this URL, by one of these accounts.
    pub fn read(body: &[u8], url: &str, inner: &mut Inner) -> Result<Self, Reply> {
        let body: Value = serde_json::from_slice(body).expect("JSON");
        let part = |name: &str| body[name].as_str().expect("text");
        let header: Value = serde_json::from_slice(&decode(part("protected"))).expect("JSON");
        assert_eq!(header["alg"], "ES256");
        assert_eq!(header["url"], url);
        if !inner.use_nonce(header["nonce"].as_str().expect("a nonce")) {
            return Err(problem(400, "badNonce", "this nonce is not known"));
        }
        let key = if let Some(account) = header["kid"].as_str() {
            let number = account.rsplit('/').next().unwrap().parse::<usize>();
            inner.accounts[number.expect("an account")].clone()
        } else {
            let [x, y] = ["x", "y"].map(|name| decode(header["jwk"][name].as_str().unwrap()));
            [&[4], &*x, &*y].concat()
        };
        let signed = format!("{}.{}", part("protected"), part("payload"));
        UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, &key)
            .verify(signed.as_bytes(), &decode(part("signature")))
            .expect("the account's signature");
        let payload = decode(part("payload"));
        // In the order of RFC 7638, section 3.3, which is that of the alphabet.
        let (x, y) = (encode(&key[1..33]), encode(&key[33..]));
        let thumbprint = json!({"crv": "P-256", "kty": "EC", "x": x, "y": y}).to_string();
        Ok(Self {
            payload: serde_json::from_slice(&payload).unwrap_or_default(),
            key,
            thumbprint: encode(digest(&SHA256, thumbprint.as_bytes())),
        })
    }
}
