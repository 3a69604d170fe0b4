//! A page that holds documents, as clients do: it applies patches, and one that does not apply is a failure.

use std::collections::BTreeMap;

use json_patch::Patch;
use serde_json::Value;

/// One block of an event stream.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Block {
    pub id: Option<String>,
    pub event: Option<String>,
    pub data: String,
}

/// The whole blocks of what came so far, and what is left.
pub fn blocks(text: &str) -> (Vec<Block>, &str) {
    let mut rest = text;
    let mut blocks = Vec::new();
    while let Some((block, behind)) = rest.split_once("\n\n") {
        let mut read = Block::default();
        for line in block.lines() {
            match line.split_once(": ") {
                Some(("id", value)) => read.id = Some(value.to_owned()),
                Some(("event", value)) => read.event = Some(value.to_owned()),
                Some(("data", value)) => read.data.push_str(value),
                _ => {}
            }
        }
        blocks.push(read);
        rest = behind;
    }
    (blocks, rest)
}

#[derive(Debug, Default, Clone, PartialEq)]
pub struct Page {
    pub documents: BTreeMap<String, Value>,
    pub last_id: Option<String>,
    /// Patches that came with an id, and those that came without.
    pub changes: usize,
    pub wholes: usize,
    pub gaps: usize,
    pub connected: bool,
}

impl Page {
    /// Takes a block in the form that is asked for by default.
    pub fn take(&mut self, block: &Block) {
        match block.event.as_deref() {
            None => {
                let update: Value = serde_json::from_str(&block.data).unwrap();
                let patch: Patch = serde_json::from_value(update["patch"].clone()).unwrap();
                let name = update["name"].as_str().unwrap();
                let document = self.documents.entry(name.to_owned()).or_default();
                json_patch::patch(document, &patch)
                    .unwrap_or_else(|error| panic!("{block:?} on {document}: {error}"));
                match &block.id {
                    Some(_) => self.changes += 1,
                    None => self.wholes += 1,
                }
            }
            Some("deleted") => {
                let deleted: Value = serde_json::from_str(&block.data).unwrap();
                self.documents.remove(deleted["name"].as_str().unwrap());
            }
            Some("gap") => self.gaps += 1,
            Some("connected") => self.connected = true,
            Some("position") => {}
            Some(other) => panic!("an event {other}"),
        }
        if let Some(id) = &block.id {
            self.last_id = Some(id.clone());
        }
    }

    /// The same of `format=datastar`, whose language is JSON Merge Patch.
    pub fn take_datastar(&mut self, block: &Block) {
        if block.event.as_deref() == Some("datastar-patch-signals") {
            let patch = block.data.strip_prefix("signals ").unwrap();
            let patch: Value = serde_json::from_str(patch).unwrap();
            let mut held = self.held();
            json_patch::merge(&mut held, &patch);
            let Value::Object(held) = held else {
                panic!("{patch} leaves {held}");
            };
            self.documents = held.into_iter().collect();
        }
    }

    pub fn held(&self) -> Value {
        self.documents.clone().into_iter().collect()
    }
}
