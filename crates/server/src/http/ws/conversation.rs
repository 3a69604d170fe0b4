//! What a client says on its socket, and what it is answered, one after the other: the next message is
//! read once the one before has been answered.

use std::{rc::Rc, time::Duration};

use actix_ws::{CloseReason, Session};
use tokio::{sync::oneshot, task::yield_now, time::timeout};

use super::{
    events::Unanswered,
    incoming::{Heard, Incoming},
    publish::Publisher,
};

/// How long a client that was sent a close may take to send its own.
const CLOSE_WAIT: Duration = Duration::from_secs(1);

/// How the connection is to end once all that was said has left.
#[derive(Debug, Clone, Copy)]
pub(super) enum Ending {
    /// Both sides have taken their leave, or the client has had the time to: browsers wait for this.
    Cut,
    /// What the client sends makes no sense any more. It is thrown away for a while, since a connection
    /// that is closed with something unread is reset, which may overtake why.
    Linger,
}

/// Goes on until the socket is closed by either side; `parting` is why it is by ours.
pub(super) async fn converse(
    (mut incoming, mut session, publisher): (Incoming, Session, Publisher),
    unanswered: Rc<Unanswered>,
    mut parting: oneshot::Receiver<CloseReason>,
) -> Ending {
    let reason = loop {
        let heard = tokio::select! {
            biased;
            reason = &mut parting => match reason {
                Ok(reason) => break reason,
                Err(_) => return Ending::Cut,
            },
            heard = incoming.next() => heard,
        };
        unanswered.forget();
        let sent = match heard {
            Heard::Text(message) => {
                let answer = publisher.answer(&message).await;
                let sent = session.text(answer).await;
                // For other connections, and so that answers do not pile up.
                yield_now().await;
                sent
            }
            Heard::Ping(payload) => session.pong(&payload).await,
            Heard::Pong => Ok(()),
            Heard::Close(reason) => {
                let _ = session.close(reason).await;
                return Ending::Cut;
            }
            Heard::Wrong(reason) => {
                let _ = session.close(Some(reason)).await;
                return Ending::Linger;
            }
            Heard::Gone => return Ending::Cut,
        };
        if sent.is_err() {
            return Ending::Cut;
        }
    };
    if session.close(Some(reason)).await.is_ok() {
        let _ = timeout(CLOSE_WAIT, incoming.ended()).await;
    }
    Ending::Cut
}
