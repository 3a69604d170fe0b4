//! A parser of event streams, as the WHATWG specifies it.

use std::{
    io::{self, BufRead},
    time::Duration,
};

/// Most memory that one event may take before it is complete.
const MAX_EVENT_BYTES: usize = if cfg!(test) { 64 << 10 } else { 64 << 20 };

/// An event that has data.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Message {
    /// Empty for an event without a name.
    pub(crate) name: String,
    pub(crate) data: String,
}

/// Yields messages from a reader, and keeps what an `EventSource` keeps between them.
#[derive(Debug)]
pub(crate) struct EventStream<R> {
    reader: R,
    line: Vec<u8>,
    /// The line before ended with CR, so that an LF that follows is part of its end.
    after_cr: bool,
    at_start: bool,
    id: String,
    last_id: String,
    name: String,
    data: String,
    retry: Option<Duration>,
}

impl<R: BufRead> EventStream<R> {
    /// `last_id` is the last id until the stream sets one.
    pub(crate) fn new(reader: R, last_id: &str) -> Self {
        Self {
            reader,
            line: Vec::new(),
            after_cr: false,
            at_start: true,
            id: last_id.to_owned(),
            last_id: last_id.to_owned(),
            name: String::new(),
            data: String::new(),
            retry: None,
        }
    }

    /// What to resume from, as of the last complete block.
    pub(crate) fn last_id(&self) -> &str {
        &self.last_id
    }

    /// The reconnection time that the stream set, if it did.
    pub(crate) fn retry(&self) -> Option<Duration> {
        self.retry
    }

    /// The next message; `None` at the end of the stream, where an incomplete message is dropped.
    ///
    /// # Errors
    /// Those of the reader, and `InvalidData` for an event of more than 64 MiB.
    pub(crate) fn next(&mut self) -> io::Result<Option<Message>> {
        while self.read_line()? {
            let line = std::mem::take(&mut self.line);
            if line.is_empty() {
                if let Some(message) = self.dispatch() {
                    return Ok(Some(message));
                }
            } else {
                self.read_field(&String::from_utf8_lossy(&line));
            }
            // The allocation is kept for the next line.
            self.line = line;
            self.line.clear();
        }
        Ok(None)
    }

    /// Reads a line into `line`, without its end; false at the end of the stream.
    fn read_line(&mut self) -> io::Result<bool> {
        loop {
            let bytes = match self.reader.fill_buf() {
                Ok(bytes) => bytes,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            if bytes.is_empty() {
                return Ok(false);
            }
            if self.after_cr && bytes[0] == b'\n' {
                self.after_cr = false;
                self.reader.consume(1);
                continue;
            }
            self.after_cr = false;
            let end = bytes.iter().position(|byte| matches!(byte, b'\r' | b'\n'));
            let part = &bytes[..end.unwrap_or(bytes.len())];
            if self.line.len() + self.data.len() + part.len() > MAX_EVENT_BYTES {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidData,
                    format!("an event of more than {MAX_EVENT_BYTES} bytes"),
                ));
            }
            self.line.extend_from_slice(part);
            let Some(end) = end else {
                let read = bytes.len();
                self.reader.consume(read);
                continue;
            };
            self.after_cr = bytes[end] == b'\r';
            self.reader.consume(end + 1);
            self.skip_byte_order_mark();
            return Ok(true);
        }
    }

    fn skip_byte_order_mark(&mut self) {
        if std::mem::take(&mut self.at_start) && self.line.starts_with(b"\xEF\xBB\xBF") {
            self.line.drain(..3);
        }
    }

    fn read_field(&mut self, line: &str) {
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => value.clone_into(&mut self.name),
            "data" => {
                self.data.push_str(value);
                self.data.push('\n');
            }
            "id" if !value.contains('\0') => value.clone_into(&mut self.id),
            "retry" if !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit()) => {
                self.retry = value.parse().ok().map(Duration::from_millis).or(self.retry);
            }
            _ => {}
        }
    }

    /// The end of a block. One without data sets the last id, but is no message.
    fn dispatch(&mut self) -> Option<Message> {
        self.id.clone_into(&mut self.last_id);
        let name = std::mem::take(&mut self.name);
        let mut data = std::mem::take(&mut self.data);
        data.pop()?;
        Some(Message { name, data })
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufReader, Read};

    use super::*;

    fn stream(text: &str) -> EventStream<&[u8]> {
        EventStream::new(text.as_bytes(), "")
    }

    fn messages(stream: &mut EventStream<impl BufRead>) -> Vec<(String, String, String)> {
        let mut found = Vec::new();
        while let Some(Message { name, data }) = stream.next().unwrap() {
            found.push((stream.last_id().to_owned(), name, data));
        }
        found
    }

    fn data(text: &str) -> Vec<String> {
        let found = messages(&mut stream(text)).into_iter();
        found.map(|(_, _, data)| data).collect()
    }

    #[test]
    fn an_event_has_its_id_its_name_and_its_data_lines() {
        let mut stream = stream("id: 1-0\nevent: news\ndata: a\ndata:b\ndata:  c\n\ndata\n\n");
        let expected = [("1-0", "news", "a\nb\n c"), ("1-0", "", "")];
        let expected = expected.map(|(a, b, c)| (a.to_owned(), b.to_owned(), c.to_owned()));
        assert_eq!(messages(&mut stream), expected);
    }

    #[test]
    fn lf_cr_and_crlf_end_a_line_also_when_a_read_ends_within_a_crlf() {
        /// Gives one byte at a time.
        struct Slow<'a>(&'a [u8]);
        impl Read for Slow<'_> {
            fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
                let one = into.len().min(1);
                self.0.read(&mut into[..one])
            }
        }
        let text = "\u{FEFF}data: a\r\ndata: b\rdata: \u{e9}\n\r\n\rdata: d\r\n\r\n\ndata: e\r\r";
        let expected = ["a\nb\n\u{e9}", "d", "e"];
        assert_eq!(data(text), expected);
        let mut slow = EventStream::new(BufReader::with_capacity(1, Slow(text.as_bytes())), "");
        let found = messages(&mut slow).into_iter();
        assert_eq!(found.map(|(_, _, data)| data).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn comments_unknown_fields_and_incomplete_blocks_are_no_messages() {
        assert_eq!(
            data(": ping\ndata: a\nfoo: b\n : c\ndata : d\n\n: ping\n"),
            ["a"]
        );
        assert_eq!(data("data: whole\n\ndata: cut"), ["whole"]);
        assert_eq!(data("data: whole\n\ndata: cut\n"), ["whole"]);
        assert_eq!(data("\u{FEFF}\u{FEFF}data: a\n\ndata: b\n\n"), ["b"]);
    }

    #[test]
    fn an_id_counts_once_its_block_is_complete_and_never_with_a_nul() {
        let mut stream = stream("id: 1\n\nid: 2\0\ndata: x\n\nid\ndata: y\n\nid: 3\ndata: cut\n");
        assert_eq!(stream.next().unwrap().unwrap().data, "x");
        assert_eq!(stream.last_id(), "1");
        assert_eq!(stream.next().unwrap().unwrap().data, "y");
        assert_eq!(stream.last_id(), "");
        assert_eq!(stream.next().unwrap(), None);
        assert_eq!(stream.last_id(), "");
    }

    #[test]
    fn the_last_id_of_the_previous_stream_stays_until_there_is_another() {
        let mut stream = EventStream::new(&b"data: x\n\n"[..], "7-0");
        assert_eq!(stream.next().unwrap().unwrap().data, "x");
        assert_eq!(stream.last_id(), "7-0");
    }

    #[test]
    fn a_reconnection_time_is_digits_only() {
        let retry = |text| {
            let mut stream = stream(text);
            messages(&mut stream);
            stream.retry()
        };
        assert_eq!(retry("retry: 1500\n"), Some(Duration::from_millis(1500)));
        for bad in [
            "retry: 1.5\n",
            "retry: +1\n",
            "retry: 9s\n",
            "retry\n",
            "retry: \u{661}\n",
        ] {
            assert_eq!(retry(bad), None, "{bad}");
        }
        assert_eq!(
            retry("retry: 10\nretry: 99999999999999999999\n"),
            Some(Duration::from_millis(10))
        );
    }

    #[test]
    fn an_event_that_is_too_long_is_an_error() {
        let endless = io::repeat(b'x');
        let mut stream = EventStream::new(BufReader::new(endless), "");
        let error = stream.next().unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);

        let lines = "data: 0123456789\n".repeat(MAX_EVENT_BYTES / 8);
        let mut stream = EventStream::new(lines.as_bytes(), "");
        let error = stream.next().unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    }
}
