//! The certificate that is served.

use std::time::{Duration, SystemTime};

use sse_broadcaster_acme::renewal;
use sse_broadcaster_tls::{CertificateDer, Pair};

/// How often the authority is asked whether it wants the certificate to be renewed early. So it cannot cause more orders
/// than these.
pub(super) const ASK_INTERVAL: Duration = Duration::from_secs(6 * 3_600);

/// The certificate that is served, and when it is renewed.
pub(super) struct Kept {
    pub(super) valid_until: SystemTime,
    pub(super) renewal: SystemTime,
    pub(super) has_all_names: bool,
    pub(super) certificate: Option<CertificateDer<'static>>,
    /// When the authority is asked about it next.
    pub(super) ask_at: SystemTime,
}

impl Kept {
    /// Of an order for these names.
    pub(super) fn new(pair: &Pair, names: &[String]) -> Self {
        Self {
            valid_until: pair.valid_until(),
            renewal: renewal(pair.valid_from(), pair.valid_until(), fastrand::f64()),
            has_all_names: names.iter().all(|name| pair.names().contains(name)),
            certificate: pair.certificate().cloned(),
            ask_at: SystemTime::now() + ASK_INTERVAL.mul_f64(fastrand::f64()),
        }
    }
}
