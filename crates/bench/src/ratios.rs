//! Rates and quotients; `None` where there is nothing to divide by.

use std::time::Duration;

#[allow(clippy::cast_precision_loss, reason = "no run counts so far")]
pub(crate) fn per_second(count: u64, time: Duration) -> f64 {
    if time.is_zero() {
        return 0.0;
    }
    count as f64 / time.as_secs_f64()
}

pub(crate) fn micros_each(time: Duration, count: u64) -> Option<f64> {
    each(time.as_secs_f64() * 1e6, count)
}

#[allow(clippy::cast_precision_loss, reason = "no run counts so far")]
pub(crate) fn each(whole: f64, count: u64) -> Option<f64> {
    (count > 0).then(|| whole / count as f64)
}

pub(crate) fn cores(cpu: Duration, took: Duration) -> Option<f64> {
    (!took.is_zero()).then(|| cpu.as_secs_f64() / took.as_secs_f64())
}
