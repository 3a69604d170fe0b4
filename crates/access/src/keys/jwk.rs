use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::Algorithm;
use serde_json::{Map, Value};

use super::{Key, KeyError, der::PublicKey};

/// Whether secrets count: not in a set that is fetched, since everybody who can fetch it could sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Secrets {
    Allowed,
    Ignored,
}

/// The keys of a set that can verify a token. Others are ignored, as RFC 7517 asks, and named in the result.
pub(super) fn parse(text: &str, secrets: Secrets) -> Result<(Vec<Key>, Vec<String>), KeyError> {
    let not_a_set = |why: &str| KeyError::NotAJwkSet(why.to_owned());
    let json: Value = serde_json::from_str(text).map_err(|why| not_a_set(&why.to_string()))?;
    let Value::Object(mut object) = json else {
        return Err(not_a_set("it is not an object"));
    };
    let list = match object.remove("keys") {
        Some(Value::Array(list)) => list,
        None if object.contains_key("kty") => vec![Value::Object(object)],
        _ => return Err(not_a_set("it has no array \"keys\"")),
    };
    let (mut keys, mut ignored) = (Vec::new(), Vec::new());
    for (at, jwk) in list.iter().enumerate() {
        let read = jwk.as_object().ok_or("it is not an object".to_owned());
        match read.and_then(|jwk| read_key(jwk, secrets)) {
            Ok(key) => keys.push(key),
            Err(why) => {
                let id = jwk.get("kid").and_then(Value::as_str).unwrap_or_default();
                ignored.push(format!("key {} {id:?}: {why}", at + 1));
            }
        }
    }
    if list.is_empty() {
        return Err(KeyError::NoUsableKey("the set is empty".to_owned()));
    }
    if keys.is_empty() {
        return Err(KeyError::NoUsableKey(ignored.join("; ")));
    }
    Ok((keys, ignored))
}

fn read_key(jwk: &Map<String, Value>, secrets: Secrets) -> Result<Key, String> {
    let text = |name: &str| jwk.get(name).and_then(Value::as_str);
    let bytes = |name: &str| {
        let encoded = text(name).ok_or_else(|| format!("it has no {name:?}"))?;
        let decoded = URL_SAFE_NO_PAD.decode(encoded);
        decoded.map_err(|_| format!("{name:?} is not base64url"))
    };
    if text("use").is_some_and(|purpose| purpose != "sig") {
        return Err("its \"use\" is not \"sig\"".to_owned());
    }
    if let Some(Value::Array(operations)) = jwk.get("key_ops")
        && !operations.iter().any(|operation| operation == "verify")
    {
        return Err("its \"key_ops\" lack \"verify\"".to_owned());
    }
    let key = match (text("kty"), text("crv")) {
        (Some("oct"), _) if secrets == Secrets::Ignored => {
            return Err("it is a secret, which a public set must not have".to_owned());
        }
        (Some("oct"), _) => {
            let algorithm = match text("alg") {
                None | Some("HS256") => Algorithm::HS256,
                Some("HS384") => Algorithm::HS384,
                Some("HS512") => Algorithm::HS512,
                Some(other) => return Err(format!("its \"alg\" {other:?} is not for a secret")),
            };
            Key::secret(algorithm, &bytes("k")?).map_err(|why| why.to_string())?
        }
        (Some("RSA"), _) => {
            let (modulus, exponent) = (bytes("n")?, bytes("e")?);
            let first = modulus.iter().position(|byte| *byte != 0).unwrap_or(0);
            let modulus = &modulus[first..];
            public(&PublicKey::Rsa {
                modulus,
                exponent: &exponent,
            })?
        }
        (Some("EC"), Some("P-256")) => public(&PublicKey::P256(&point(&bytes, 32)?))?,
        (Some("EC"), Some("P-384")) => public(&PublicKey::P384(&point(&bytes, 48)?))?,
        (Some("OKP"), Some("Ed25519")) => {
            let key = bytes("x")?;
            if key.len() != 32 {
                return Err("its \"x\" is not 32 bytes long".to_owned());
            }
            public(&PublicKey::Ed25519(&key))?
        }
        (kind, curve) => {
            let names = (kind.unwrap_or_default(), curve.unwrap_or_default());
            return Err(format!(
                "kty {:?}, crv {:?} is not supported",
                names.0, names.1
            ));
        }
    };
    let key = match text("alg") {
        None => key,
        Some(name) => key
            .only(name)
            .ok_or_else(|| format!("its \"alg\" {name:?} is not for it"))?,
    };
    Ok(key.with_id(text("kid")))
}

fn public(key: &PublicKey<'_>) -> Result<Key, String> {
    Key::public(key).map_err(|why| why.to_string())
}

fn point(
    bytes: &impl Fn(&str) -> Result<Vec<u8>, String>,
    length: usize,
) -> Result<Vec<u8>, String> {
    let (x, y) = (bytes("x")?, bytes("y")?);
    if x.len() != length || y.len() != length {
        return Err(format!(
            "its \"x\" and \"y\" are not {length} bytes long each"
        ));
    }
    Ok([&[4], &*x, &*y].concat())
}
