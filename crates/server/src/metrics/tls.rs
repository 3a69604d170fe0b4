//! Metrics of TLS.

use std::{fmt, sync::atomic::Ordering, time::UNIX_EPOCH};

use prometheus_client::{
    encoding::EncodeMetric as _,
    metrics::{MetricType, counter::ConstCounter},
};
use sse_broadcaster_tls::Outcome;

use super::output::Out;
use crate::http::tls::{Orders, Tls};

/// How handshakes ended, and how long the certificates are valid.
pub(super) fn encode(out: &mut Out<'_, '_>, tls: &Tls) -> fmt::Result {
    let help = "TLS handshakes, by how they ended";
    let mut family = out
        .0
        .encode_descriptor("tls_handshakes", help, None, MetricType::Counter)?;
    for outcome in Outcome::ALL {
        let counter = ConstCounter::new(tls.counts.get(outcome));
        counter.encode(family.encode_family(&[("outcome", outcome.label())])?)?;
    }
    if let Some(orders) = &tls.orders {
        encode_orders(out, orders)?;
    }
    // Without a certificate 0, which an alert for one that expires reports as well.
    let until = tls.certificates.valid_until().unwrap_or(UNIX_EPOCH);
    let until = until.duration_since(UNIX_EPOCH).unwrap_or_default();
    out.timestamp(
        "tls_certificate_expires",
        "When the first of the certificates is no longer valid",
        u64::try_from(until.as_millis()).unwrap_or(u64::MAX),
    )
}

/// How orders of certificates ended.
fn encode_orders(out: &mut Out<'_, '_>, orders: &Orders) -> fmt::Result {
    let help = "Orders of certificates by ACME, by how they ended";
    let mut family = out
        .0
        .encode_descriptor("acme_orders", help, None, MetricType::Counter)?;
    for (outcome, count) in [("issued", &orders.issued), ("failed", &orders.failed)] {
        let counter = ConstCounter::new(count.load(Ordering::Relaxed));
        counter.encode(family.encode_family(&[("outcome", outcome)])?)?;
    }
    Ok(())
}
