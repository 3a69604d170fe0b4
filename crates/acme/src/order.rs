//! An order, from the account to the certificate.

use std::{fmt::Write as _, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use instant_acme::{
    AuthorizationHandle, AuthorizationStatus, Identifier, NewOrder, Order, OrderStatus, RetryPolicy,
};
use rcgen::{CertificateParams, DistinguishedName, KeyPair};
use rustls::pki_types::{CertificateDer, pem::PemObject as _};
use url::Url;

use crate::{
    ChallengeKind, OrderError, Responder, Store,
    account::{self, is_unknown},
    error::described,
    http::Budget,
};

/// Longest time of an order. Authorities check names within seconds.
const ORDER_TIMEOUT: Duration = Duration::from_secs(10 * 60);
/// How long the authority may take to check the names, and then to issue the certificate.
const STEP_TIMEOUT: Duration = Duration::from_secs(3 * 60);
/// Before the state of an order is looked at for the first time; it doubles each time.
const FIRST_POLL: Duration = Duration::from_millis(250);
/// Most certificates of a chain.
const MAX_CHAIN: usize = 10;
/// Most reasons that an error names.
const MAX_REASONS: usize = 3;
/// Length of a line of PEM (RFC 7468, section 2).
const PEM_LINE: usize = 64;

/// What is ordered, and where.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The authority's directory (RFC 8555, section 7.1.1).
    pub directory: Url,
    /// The authorities that its own certificate may be from; those of the system if there are none.
    pub roots: Vec<CertificateDer<'static>>,
    /// The names of the certificate, in lower case; the first stands for all of them in messages.
    pub names: Vec<String>,
    /// Where the authority writes to about the account.
    pub email: Option<String>,
    /// Whether the operator agrees to the authority's terms.
    pub agrees_to_terms: bool,
    /// How the authority checks the names.
    pub challenge: ChallengeKind,
}

/// What an order came to.
pub struct Issued {
    /// The certificate, followed by those of its authorities, in PEM, and nothing else.
    pub chain: String,
    /// Its key in PEM.
    pub key: String,
}

impl std::fmt::Debug for Issued {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Issued")
    }
}

/// Orders a certificate. Blocks for up to ten minutes.
///
/// # Errors
/// Why there is none, in one line.
pub fn order(
    settings: &Settings,
    store: &Store,
    responder: &dyn Responder,
) -> Result<Issued, OrderError> {
    let budget = Budget::new(ORDER_TIMEOUT);
    let issued = blocking(run(settings, store, responder, &budget))?;
    responder.withdraw();
    issued.map_err(|mut error| {
        error.retry_after = budget.retry_after();
        error
    })
}

/// Runs this on the thread.
pub(crate) fn blocking<T>(work: impl Future<Output = T>) -> Result<T, OrderError> {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_time().build().map_err(OrderError::new)?;
    Ok(runtime.block_on(work))
}

async fn run(
    settings: &Settings,
    store: &Store,
    responder: &dyn Responder,
    budget: &std::sync::Arc<Budget>,
) -> Result<Issued, OrderError> {
    let names = settings.names.iter().cloned().map(Identifier::Dns);
    let names: Vec<_> = names.collect();
    let new = NewOrder::new(&names);
    let account = account::open(settings, store, budget).await?;
    let mut order = match account.new_order(&new).await {
        // An authority for tests forgets its accounts.
        Err(error) if is_unknown(&error) => {
            let account = account::create(settings, store, budget).await?;
            account.new_order(&new).await?
        }
        order => order?,
    };
    prove(settings, responder, &mut order).await?;
    let polls = RetryPolicy::new()
        .initial_delay(FIRST_POLL)
        .timeout(STEP_TIMEOUT);
    match order.poll_ready(&polls).await {
        Ok(OrderStatus::Ready) => {}
        Err(error @ instant_acme::Error::Timeout(_)) => return Err(error.into()),
        failed => return Err(why_invalid(&mut order, failed.err()).await),
    }
    let key = KeyPair::generate().map_err(OrderError::new)?;
    order.finalize_csr(&request(settings, &key)?).await?;
    let chain = order.poll_certificate(&polls).await?;
    Ok(Issued {
        chain: only_certificates(&chain)?,
        key: key.serialize_pem(),
    })
}

/// Has the authority check each name.
async fn prove(
    settings: &Settings,
    responder: &dyn Responder,
    order: &mut Order,
) -> Result<(), OrderError> {
    let mut authorizations = order.authorizations();
    while let Some(authorization) = authorizations.next().await {
        let mut authorization = authorization?;
        match authorization.status {
            AuthorizationStatus::Valid => continue,
            AuthorizationStatus::Pending => {}
            _ => {
                let why = reason(&authorization);
                let why = why.unwrap_or_else(|| "the authority refuses a name".to_owned());
                return Err(OrderError::new(why));
            }
        }
        let name = name(&authorization);
        if !settings.names.contains(&name) {
            return Err(OrderError::new(format_args!(
                "the authority wants proof for {name}, which is not ordered"
            )));
        }
        let kind = settings.challenge;
        let mut challenge = authorization.challenge(kind.wanted()).ok_or_else(|| {
            let kind = kind.name();
            OrderError::new(format_args!(
                "the authority does not offer {kind} for {name}"
            ))
        })?;
        let proof = challenge.key_authorization();
        let response = kind.response(&name, &challenge.token, &proof)?;
        responder.present(response).map_err(OrderError::new)?;
        challenge.set_ready().await?;
    }
    Ok(())
}

/// Why an order has become invalid: what the authority found at the names says more than the order itself.
async fn why_invalid(order: &mut Order, failed: Option<instant_acme::Error>) -> OrderError {
    let mut reasons = Vec::new();
    let mut authorizations = order.authorizations();
    while let Some(authorization) = authorizations.next().await {
        let Ok(mut authorization) = authorization else {
            break;
        };
        if reasons.len() == MAX_REASONS || authorization.refresh().await.is_err() {
            break;
        }
        reasons.extend(reason(&authorization));
    }
    if !reasons.is_empty() {
        return OrderError::new(reasons.join("; "));
    }
    failed.map_or_else(
        || OrderError::new("the authority refuses the order, and does not say why"),
        OrderError::from,
    )
}

/// What the authority found at a name.
fn reason(authorization: &AuthorizationHandle<'_>) -> Option<String> {
    let mut problems = authorization.challenges.iter();
    let problem = problems.find_map(|challenge| challenge.error.as_ref())?;
    Some(format!("{}: {}", name(authorization), described(problem)))
}

fn name(authorization: &AuthorizationHandle<'_>) -> String {
    authorization.identifier().to_string().to_ascii_lowercase()
}

/// A signing request for these names alone.
fn request(settings: &Settings, key: &KeyPair) -> Result<Vec<u8>, OrderError> {
    let params = CertificateParams::new(settings.names.clone());
    let mut params = params.map_err(OrderError::new)?;
    params.distinguished_name = DistinguishedName::new();
    let request = params.serialize_request(key).map_err(OrderError::new)?;
    Ok(request.der().to_vec())
}

/// The certificates of a text, and nothing else that it may have, such as a key.
fn only_certificates(text: &str) -> Result<String, OrderError> {
    let mut pem = String::new();
    let mut count = 0;
    for certificate in CertificateDer::pem_slice_iter(text.as_bytes()) {
        let certificate = certificate.map_err(|error| {
            OrderError::new(format_args!("the authority's certificate: {error}"))
        })?;
        count += 1;
        if count > MAX_CHAIN {
            return Err(OrderError::new(format_args!(
                "the authority sends more than {MAX_CHAIN} certificates"
            )));
        }
        pem.push_str("-----BEGIN CERTIFICATE-----\n");
        let encoded = STANDARD.encode(&certificate);
        for line in encoded.as_bytes().chunks(PEM_LINE) {
            // Base64 is ASCII.
            let _ = writeln!(pem, "{}", String::from_utf8_lossy(line));
        }
        pem.push_str("-----END CERTIFICATE-----\n");
    }
    if count == 0 {
        return Err(OrderError::new("the authority sends no certificate"));
    }
    Ok(pem)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_what_an_authority_sends_only_certificates_are_kept() {
        let made = rcgen::generate_simple_self_signed(["a.example".to_owned()]).unwrap();
        let (certificate, key) = (made.cert.pem(), made.signing_key.serialize_pem());
        let kept = only_certificates(&format!("{key}\n{certificate}x\n{certificate}")).unwrap();
        let kept: Vec<_> = CertificateDer::pem_slice_iter(kept.as_bytes()).collect();
        assert_eq!(kept.len(), 2);
        assert_eq!(kept[1].as_ref().unwrap(), made.cert.der());
        assert!(only_certificates(&certificate.repeat(11)).is_err());
        for text in ["", &key, "-----BEGIN CERTIFICATE-----\nMIIB"] {
            assert!(only_certificates(text).is_err(), "{text}");
        }
    }
}
