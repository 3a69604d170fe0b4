//! Positions as clients are sent them, and bring them back.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use super::{replay::origin::Origin, start::Start};
use crate::{
    clock::unix_ms,
    event::{EventId, Selector},
    history::Window,
    sse::{Position, PositionCipher},
};

/// Decides which positions a client may see.
pub(super) struct VisiblePositions {
    window: Arc<Window>,
    cipher: Option<Arc<dyn PositionCipher>>,
    next_salt: AtomicU32,
}

/// Distinguishes the encrypted positions of one stream from those of others.
#[derive(Debug, Clone, Copy)]
pub(super) struct Salt(u32);

impl VisiblePositions {
    pub(super) fn new(window: Arc<Window>, cipher: Option<Arc<dyn PositionCipher>>) -> Self {
        Self {
            window,
            cipher,
            // Other nodes and later processes begin elsewhere.
            next_salt: AtomicU32::new(fastrand::u32(..)),
        }
    }

    /// Whether some positions are hidden from some clients, since they may not read everything.
    pub(super) fn are_hidden(&self) -> bool {
        self.cipher.is_some()
    }

    /// A salt for the positions of one stream: its client can compare them, and those of no other stream.
    pub(super) fn salt(&self) -> Salt {
        // Counted, since a random one would soon repeat.
        Salt(self.next_salt.fetch_add(1, Ordering::Relaxed))
    }

    /// This position for the client of this selector: encrypted where it is the id of an event that the client
    /// may not read, or of one that the window does not hold, since that may be such an event.
    pub(super) fn shown(&self, id: EventId, selector: &Selector, salt: Salt) -> Position {
        self.shown_if(|| self.may_see(id, selector), id, salt)
    }

    /// The same of the position where a read begins. The client may see what it brought. Where it chose a time, any id
    /// would show at which time something was published that it may not read.
    pub(super) fn shown_start(
        &self,
        id: EventId,
        start: &Start,
        selector: &Selector,
        salt: Salt,
    ) -> Position {
        let may_see = || match start {
            Start::After(text) if text.parse() == Ok(Position::Id(id)) => true,
            Start::Live | Start::After(_) => self.may_see(id, selector),
            _ => hides_nothing(id, selector),
        };
        self.shown_if(may_see, id, salt)
    }

    fn shown_if(&self, may_see: impl FnOnce() -> bool, id: EventId, salt: Salt) -> Position {
        match &self.cipher {
            Some(cipher) if !may_see() => Position::Encrypted(cipher.encrypt(id, salt.0)),
            _ => Position::Id(id),
        }
    }

    fn may_see(&self, id: EventId, selector: &Selector) -> bool {
        hides_nothing(id, selector)
            || self
                .window
                .find(id)
                .is_some_and(|stored| selector.may_read(stored.event()))
    }

    /// The id after which a stream that begins here is to have everything; the least one where a client brings what is
    /// no id.
    pub(super) fn id_before(&self, start: &Start) -> EventId {
        let id = match self.brought(start.clone()).start {
            Start::After(text) => text.parse().ok(),
            Start::Since(time) => Some(EventId::new(unix_ms(time), 0)),
            _ => None,
        };
        id.unwrap_or(EventId::new(0, 0))
    }

    /// Where a client that brings this is to begin: an encrypted position is decrypted, and anything else may be
    /// guessed.
    pub(super) fn brought(&self, start: Start) -> Origin {
        let (Start::After(text), Some(cipher)) = (&start, &self.cipher) else {
            return Origin::trusted(start);
        };
        if let Ok(Position::Encrypted(encrypted)) = text.parse() {
            let id = cipher.decrypt(encrypted);
            return Origin::trusted(Start::After(id.to_string()));
        }
        Origin {
            start,
            may_be_guessed: true,
        }
    }
}

/// Whether the position can be no event's that the client may not read.
fn hides_nothing(id: EventId, selector: &Selector) -> bool {
    // The sequence of events begins at 1: with 0 it is where a log began.
    id.seq() == 0 || selector.admits_everything()
}
