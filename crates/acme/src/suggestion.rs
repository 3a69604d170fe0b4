//! When the authority wants a certificate to be renewed (RFC 9773): early, for example, if it has to revoke it.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use instant_acme::{CertificateIdentifier, Error};
use rustls::pki_types::CertificateDer;

use crate::{OrderError, Settings, Store, account, http::Budget, order::blocking};

/// Longest time of all requests together.
const TIMEOUT: Duration = Duration::from_secs(60);

/// A time in the window that the authority suggests, by `jitter`, from 0 to 1; `None` if it suggests none. Blocks for up
/// to a minute.
///
/// # Errors
/// Why there is no response that can be used.
pub fn suggested_renewal(
    settings: &Settings,
    store: &Store,
    certificate: &CertificateDer<'_>,
    jitter: f64,
) -> Result<Option<SystemTime>, OrderError> {
    let budget = Budget::new(TIMEOUT);
    let window = blocking(ask(settings, store, certificate, &budget))??;
    Ok(window.and_then(|[start, end]| {
        let length = end.duration_since(start).unwrap_or_default();
        start.checked_add(length.mul_f64(jitter.clamp(0.0, 1.0)))
    }))
}

async fn ask(
    settings: &Settings,
    store: &Store,
    certificate: &CertificateDer<'_>,
    budget: &Arc<Budget>,
) -> Result<Option<[SystemTime; 2]>, OrderError> {
    let id = CertificateIdentifier::try_from(certificate).map_err(OrderError::new)?;
    let Some(account) = account::kept(settings, store, budget).await? else {
        return Ok(None);
    };
    match account.renewal_info(&id).await {
        Ok((info, _)) => {
            let window = info.suggested_window;
            let seconds = [window.start.unix_timestamp(), window.end.unix_timestamp()];
            let times = seconds.map(|seconds| {
                let seconds = u64::try_from(seconds).unwrap_or_default();
                SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds))
            });
            let [Some(start), Some(end)] = times else {
                return Ok(None);
            };
            Ok(Some([start, end]))
        }
        Err(Error::Unsupported(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}
