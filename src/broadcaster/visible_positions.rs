//! Positions as clients are sent them, and bring them back.

use std::sync::Arc;

use super::{replay::origin::Origin, start::Start};
use crate::{
    event::{EventId, Selector},
    history::Window,
    sse::{Position, PositionCipher},
};

/// Decides which positions a client may see.
pub(super) struct VisiblePositions {
    window: Arc<Window>,
    cipher: Option<Arc<dyn PositionCipher>>,
}

impl VisiblePositions {
    pub(super) fn new(window: Arc<Window>, cipher: Option<Arc<dyn PositionCipher>>) -> Self {
        Self { window, cipher }
    }

    /// Whether some positions are hidden from some clients, since they may not read everything.
    pub(super) fn are_hidden(&self) -> bool {
        self.cipher.is_some()
    }

    /// This position for the client of this selector: encrypted where it is the id of an event that the client
    /// may not read, or of one that the window does not hold, since that may be such an event.
    pub(super) fn shown(&self, id: EventId, selector: &Selector) -> Position {
        match &self.cipher {
            Some(cipher) if !self.may_see(id, selector) => Position::Encrypted(cipher.encrypt(id)),
            _ => Position::Id(id),
        }
    }

    fn may_see(&self, id: EventId, selector: &Selector) -> bool {
        // The sequence of events begins at 1: with 0 it is where a log began.
        id.seq() == 0
            || selector.admits_everything()
            || self
                .window
                .find(id)
                .is_some_and(|stored| selector.may_read(stored.event()))
    }

    /// The same of a position that a client brought as this text: it may see what it knows.
    pub(super) fn shown_again(&self, id: EventId, selector: &Selector, brought: &str) -> Position {
        match brought.parse() {
            Ok(Position::Id(known)) if known == id => Position::Id(id),
            _ => self.shown(id, selector),
        }
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
