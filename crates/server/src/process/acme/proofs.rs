//! Where authorities get the proofs of names.

use std::sync::Arc;

use crate::http::tls::Orders;
use sse_broadcaster_acme::{ChallengeResponse, Responder};
use sse_broadcaster_tls::Current;

/// Where authorities get the proofs of names.
pub(super) struct Proofs {
    pub(super) current: Arc<Current>,
    pub(super) orders: Arc<Orders>,
}

impl Responder for Proofs {
    fn present(&self, response: ChallengeResponse) -> Result<(), String> {
        match response {
            ChallengeResponse::TlsAlpn {
                name,
                certificate,
                key,
            } => {
                let challenges = self.current.challenges();
                let inserted = challenges.insert(name, certificate, key);
                inserted.map_err(|error| error.to_string())
            }
            ChallengeResponse::Http { token, body } => {
                // One for each name of the order.
                self.orders.proofs.write().insert(token, body);
                Ok(())
            }
        }
    }

    fn withdraw(&self) {
        self.current.challenges().clear();
        self.orders.proofs.write().clear();
    }
}
