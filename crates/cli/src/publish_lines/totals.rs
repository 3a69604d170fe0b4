use std::fmt;

/// How many lines were read, and what the server has acknowledged of them.
#[derive(Debug, Default)]
pub(super) struct Totals {
    pub(super) lines: u64,
    events: u64,
    last_id: Option<String>,
    pub(super) signals: u64,
}

impl Totals {
    pub(super) fn add(&mut self, events: u64, last_id: Option<String>) {
        self.events += events;
        self.last_id = last_id.or(self.last_id.take());
    }
}

impl fmt::Display for Totals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let events = if self.events == 1 { "event" } else { "events" };
        write!(f, "published {} {events}", self.events)?;
        if let Some(id) = &self.last_id {
            write!(f, ", the last is {id}")?;
        }
        match self.signals {
            0 => Ok(()),
            1 => f.write_str("; set 1 signal"),
            more => write!(f, "; set {more} signals"),
        }
    }
}
