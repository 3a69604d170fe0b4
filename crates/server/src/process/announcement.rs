//! What the log says at the start.

use super::admission::Admission;
use crate::{config::Config, http::listen::Listeners};

/// Where and for whom it serves, in lines of the log.
pub(super) fn announcement(
    history: &str,
    listeners: &Listeners,
    admission: &Admission,
    config: &Config,
) -> Vec<String> {
    let scheme = if config.tls.is_enabled() {
        "https"
    } else {
        "http"
    };
    let public = listeners.public_addresses().into_iter();
    let public = public.map(|address| format!("{scheme}://{address}"));
    let admin = listeners.admin_addresses().into_iter();
    let addresses = public.chain(admin.map(|address| format!("http://{address}")));
    let paths = listeners.paths().into_iter();
    let paths = paths.map(|path| format!("unix:{}", path.display()));
    let addresses: Vec<_> = addresses.chain(paths).collect();
    let first = format!(
        "listening on {}, history {history}, who may read: {}, who may publish: {}",
        addresses.join(" "),
        admission.authorization.readers(),
        admission.publishers(config),
    );
    let redirects = listeners.redirects().into_iter();
    let redirects = redirects.map(|address| format!("redirecting to https from http://{address}"));
    std::iter::once(first).chain(redirects).collect()
}
