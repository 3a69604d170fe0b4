//! Handles the messages of a client one after the other: the next one is read once the one before has its response.

use std::{rc::Rc, time::Duration};

use actix_ws::{CloseReason, Session};
use tokio::{sync::oneshot, task::yield_now, time::timeout};

use super::{
    events::UnansweredPings,
    incoming::{Incoming, Received},
    publish::Publisher,
};

/// How long a client that was sent a close may take to send its own.
const CLOSE_WAIT: Duration = Duration::from_secs(1);

/// How the connection is to end once everything has been sent.
#[derive(Debug, Clone, Copy)]
pub(super) enum Ending {
    /// Both sides have sent a close, or the client has had the time to: browsers wait for the end of the connection.
    Cut,
    /// The client has sent something invalid. What it sends further is discarded for a while: a connection that is
    /// closed with unread bytes is reset, and the reset may overtake the close with the reason.
    Linger,
}

/// The client's side of a socket.
pub(super) struct Client {
    pub(super) incoming: Incoming,
    pub(super) session: Session,
    pub(super) publisher: Publisher,
}

impl Client {
    /// Handles messages until either side closes the socket; the server does by a reason on `close`.
    pub(super) async fn handle_messages(
        self,
        unanswered: Rc<UnansweredPings>,
        mut close: oneshot::Receiver<CloseReason>,
    ) -> Ending {
        let Self {
            mut incoming,
            mut session,
            publisher,
        } = self;
        let reason = loop {
            let received = tokio::select! {
                biased;
                reason = &mut close => match reason {
                    Ok(reason) => break reason,
                    Err(_) => return Ending::Cut,
                },
                received = incoming.next() => received,
            };
            unanswered.reset();
            let sent = match received {
                Received::Text(message) => {
                    let response = publisher.respond(&message).await;
                    let sent = session.text(response).await;
                    // Lets other connections run, and responses be sent before there are more.
                    yield_now().await;
                    sent
                }
                Received::Ping(payload) => session.pong(&payload).await,
                Received::Pong => Ok(()),
                Received::Close(reason) => {
                    let _ = session.close(reason).await;
                    return Ending::Cut;
                }
                Received::Invalid(reason) => {
                    let _ = session.close(Some(reason)).await;
                    return Ending::Linger;
                }
                Received::Disconnected => return Ending::Cut,
            };
            if sent.is_err() {
                return Ending::Cut;
            }
        };
        if session.close(Some(reason)).await.is_ok() {
            let _ = timeout(CLOSE_WAIT, incoming.discard_until_end()).await;
        }
        Ending::Cut
    }
}
