//! The client's half of the wire: the WHATWG's event stream parser, as far as a broadcaster uses it.

/// One dispatched block: what an `EventSource` turns into an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    pub id: Option<String>,
    pub name: Option<String>,
    pub data: String,
}

/// Takes bytes as they come, cut anywhere, and gives whole blocks.
#[derive(Debug, Default)]
pub struct Parser {
    line: Vec<u8>,
    id: Option<String>,
    name: Option<String>,
    data: Vec<String>,
}

impl Parser {
    pub fn feed(&mut self, bytes: impl IntoIterator<Item = u8>) -> Vec<Block> {
        let mut blocks = Vec::new();
        for byte in bytes {
            if byte == b'\n' {
                let line = std::mem::take(&mut self.line);
                blocks.extend(self.line(str::from_utf8(&line).expect("UTF-8")));
            } else {
                self.line.push(byte);
            }
        }
        blocks
    }

    fn line(&mut self, line: &str) -> Option<Block> {
        if line.is_empty() {
            return Some(self.dispatch());
        }
        let (field, value) = line.split_once(": ").expect("a field or a comment");
        match field {
            "id" => self.id = Some(value.into()),
            "event" => self.name = Some(value.into()),
            "data" => self.data.push(value.into()),
            "" | "retry" => {}
            _ => panic!("a field that is not of an event stream: {line:?}"),
        }
        None
    }

    fn dispatch(&mut self) -> Block {
        let data = std::mem::take(&mut self.data);
        assert!(
            !data.is_empty(),
            "a block without data fires an empty message in some clients"
        );
        Block {
            id: self.id.take(),
            name: self.name.take(),
            data: data.join("\n"),
        }
    }
}
