//! Buffers of the thread, which its sessions use in turn.

use std::{
    cell::RefCell,
    io::{IoSlice, Write as _},
};

use crate::session::MAX_RECORD;

/// Room for what was kept of a session, a record at most, and what arrives.
const INPUT_BYTES: usize = 2 * MAX_RECORD;
/// Room for a record of text, and for what is sent before it when keys change.
const OUTPUT_BYTES: usize = 2 * MAX_RECORD;

thread_local! {
    static INPUT: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
    static OUTPUT: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
    static TEXT: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

pub(crate) fn with_input<T>(use_it: impl FnOnce(&mut [u8]) -> T) -> T {
    INPUT.with_borrow_mut(|input| {
        input.resize(INPUT_BYTES, 0);
        use_it(input)
    })
}

pub(crate) fn with_output<T>(use_it: impl FnOnce(&mut [u8]) -> T) -> T {
    OUTPUT.with_borrow_mut(|output| {
        output.resize(OUTPUT_BYTES, 0);
        use_it(output)
    })
}

/// The first bytes of these pieces, at most `max`, in one piece.
pub(crate) fn with_text<T>(
    pieces: &[IoSlice<'_>],
    max: usize,
    use_it: impl FnOnce(&[u8]) -> T,
) -> T {
    let mut filled = pieces.iter().filter(|piece| !piece.is_empty());
    let first: &[u8] = filled.next().map_or(&[], |first| first);
    let rest = first.len() < max && filled.next().is_some();
    if !rest {
        return use_it(&first[..first.len().min(max)]);
    }
    TEXT.with_borrow_mut(|text| {
        text.resize(max, 0);
        let mut left = &mut text[..];
        for piece in pieces {
            // A slice takes what it has room for.
            let _ = left.write(piece);
        }
        let length = max - left.len();
        use_it(&text[..length])
    })
}
