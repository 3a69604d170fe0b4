//! A page that uses the crate, without a browser. What the crate does with a message is compiled for
//! `wasm32` alone, so its steps are taken here once more, with its own type for a message and its own
//! version of `json-patch`. Where the crate panics, and with it every signal of the page ends, there
//! is an error.

use std::{collections::HashMap, fmt::Display};

use json_patch::Patch;
use leptos_sse::ServerSignalUpdate;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;

/// One page and its signals.
#[derive(Debug, Default)]
pub struct Page {
    signals: HashMap<String, Signal>,
    queued: HashMap<String, Vec<Patch>>,
}

#[derive(Debug)]
struct Signal {
    document: Value,
    fits: fn(&Value) -> Result<(), String>,
}

/// A message as the crate's type has it, whose members are private.
#[derive(Deserialize)]
struct Update {
    name: String,
    patch: Patch,
}

impl Page {
    /// `create_sse_signal::<T>(name)`.
    ///
    /// # Panics
    /// Where the crate does: a default that is no JSON.
    pub fn create<T: Default + Serialize + DeserializeOwned>(&mut self, name: &str) {
        let signal = Signal {
            document: serde_json::to_value(T::default()).expect("a default is JSON"),
            fits: |document| {
                let fits = serde_json::from_value::<T>(document.clone());
                fits.map(drop).map_err(sentence)
            },
        };
        self.signals.insert(name.to_owned(), signal);
    }

    /// What the crate holds of a signal.
    #[must_use]
    pub fn document(&self, name: &str) -> Option<&Value> {
        self.signals.get(name).map(|signal| &signal.document)
    }

    /// Takes the data of an unnamed message. One that is no update of a signal is passed over.
    ///
    /// # Errors
    /// What the crate panics at: a patch that does not apply, or a document that is no `T`.
    pub fn take(&mut self, data: &str) -> Result<(), String> {
        let Some(Update { name, patch }) = read(data) else {
            return Ok(());
        };
        let Some(signal) = self.signals.get_mut(&name) else {
            self.queued.entry(name).or_default().push(patch);
            return Ok(());
        };
        if let Some(queued) = self.queued.remove(&name) {
            signal.apply(&queued)?;
        }
        signal.apply(&[patch])
    }

    /// How many updates wait for a signal that the page has not made.
    #[must_use]
    pub fn queued(&self) -> usize {
        self.queued.values().map(Vec::len).sum()
    }
}

impl Signal {
    fn apply(&mut self, patches: &[Patch]) -> Result<(), String> {
        for patch in patches {
            json_patch::patch(&mut self.document, patch).map_err(sentence)?;
        }
        (self.fits)(&self.document)
    }
}

fn read(data: &str) -> Option<Update> {
    let update: ServerSignalUpdate = serde_json::from_str(data).ok()?;
    serde_json::from_value(serde_json::to_value(update).ok()?).ok()
}

fn sentence(error: impl Display) -> String {
    error.to_string()
}
