//! Who has the rights of an operator, which the routes of administration need.

use sse_broadcaster_access::{AuthorizeError, Grants};

use super::bearer::{bearer, is_token};
use crate::{AppState, Refusal, RequestHead};

/// Checks that the client of a request has the rights of an operator: by a key of operators or a token that grants
/// them, as `Authorization: Bearer`. No cookie and no parameter counts, so that no page of another site can use the
/// rights of a browser's user.
///
/// # Errors
/// 401 `key_missing` or `wrong_key`; the errors of [`Authorization::client`](super::Authorization::client) for a token
/// that is not valid; 403 `admin_not_granted` for one without these rights.
pub async fn check_admin(state: &AppState, request: &impl RequestHead) -> Result<(), Refusal> {
    let authorization = &state.authorization;
    let sent = request.header("authorization").and_then(bearer);
    let sent = sent.ok_or_else(key_missing)?;
    if authorization.operator_key(request).is_some() {
        return Ok(());
    }
    if !authorization.is_enabled() {
        return Err(wrong_key());
    }
    match authorization.client_by_header(request).await {
        Ok(client) if client.grants().is_admin() => Ok(()),
        Ok(client) if client.is_identified() => Err(not_granted(client.grants())),
        Ok(_) => Err(wrong_key()),
        Err(AuthorizeError::Token(_)) if !is_token(sent) => Err(wrong_key()),
        Err(error) => Err(error.into()),
    }
}

fn key_missing() -> Refusal {
    Refusal::unauthorized(
        "key_missing",
        "this needs the rights of an operator: send the header \"Authorization: Bearer <key>\" with a key of \
         operators (--admin-key) or a token that grants them",
    )
}

fn wrong_key() -> Refusal {
    Refusal::unauthorized(
        "wrong_key",
        "the key is not one of this server's keys of operators (--admin-key); send one of these, or a token that \
         grants the rights of an operator",
    )
}

fn not_granted(grants: &std::sync::Arc<Grants>) -> Refusal {
    Refusal::forbidden(
        "admin_not_granted",
        "the token or session does not grant the rights of an operator; use one with \"admin\": true in its claim \
         \"sse\", or a key of operators (--admin-key)",
    )
    .of_client(grants)
}
