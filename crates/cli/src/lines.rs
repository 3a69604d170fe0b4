//! Standard input, line by line.

use std::{
    io::{self, BufRead, Read as _},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use parking_lot::{Condvar, Mutex};

use super::Failure;

/// Most bytes that are read ahead during a publish, and then sent with one request. So many fit into the buffers
/// of a connection, so that an early response can be read before all of the request was sent.
const BATCH_BYTES: usize = 64 << 10;
const MAX_LINE_BYTES: usize = 64 << 20;

/// Lines that a thread reads ahead.
#[derive(Debug, Clone, Default)]
pub(crate) struct Lines(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    read: Mutex<Read>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Read {
    lines: Vec<Vec<u8>>,
    bytes: usize,
    ended: bool,
    /// `stop` was called.
    stopped: bool,
    failed: Option<String>,
}

impl Lines {
    /// Reads in a thread of its own. A read that blocks at the end of the program is not waited for.
    pub(crate) fn of(input: impl io::Read + Send + 'static) -> Result<Self, Failure> {
        let lines = Self::default();
        let reader = lines.clone();
        thread::Builder::new()
            .name("lines".to_owned())
            .spawn(move || {
                let failed = reader.read_all(io::BufReader::new(input)).err();
                reader.finish(failed.map(|error| error.to_string()));
            })
            .map_err(|error| Failure::new(format!("standard input: {error}")))?;
        Ok(lines)
    }

    /// Ends the input after the lines that have been read.
    pub(crate) fn stop(&self) {
        self.0.read.lock().stopped = true;
        self.finish(None);
    }

    /// Waits for this time, or until [`stop`](Self::stop) is called; whether it was.
    pub(crate) fn pause(&self, time: Duration) -> bool {
        let deadline = Instant::now() + time;
        let mut read = self.0.read.lock();
        while !read.stopped {
            if self.0.changed.wait_until(&mut read, deadline).timed_out() {
                break;
            }
        }
        read.stopped
    }

    /// Waits for at least one line, and takes all that have been read; `None` at the end of the input.
    pub(crate) fn take(&self) -> Result<Option<Vec<Vec<u8>>>, Failure> {
        let mut read = self.0.read.lock();
        while read.lines.is_empty() && !read.ended {
            self.0.changed.wait(&mut read);
        }
        if read.lines.is_empty() {
            let failed = read.failed.take();
            return failed.map_or(Ok(None), |why| {
                Err(Failure::new(format!("standard input: {why}")))
            });
        }
        read.bytes = 0;
        self.0.changed.notify_all();
        Ok(Some(std::mem::take(&mut read.lines)))
    }

    fn read_all(&self, mut input: impl BufRead) -> io::Result<()> {
        while let Some(line) = read_line(&mut input)? {
            let mut read = self.0.read.lock();
            while read.bytes >= BATCH_BYTES && !read.ended {
                self.0.changed.wait(&mut read);
            }
            if read.ended {
                break;
            }
            read.bytes += line.len() + 1;
            read.lines.push(line);
            self.0.changed.notify_all();
        }
        Ok(())
    }

    fn finish(&self, failed: Option<String>) {
        let mut read = self.0.read.lock();
        read.ended = true;
        read.failed = read.failed.take().or(failed);
        self.0.changed.notify_all();
    }
}

/// A line without its LF or CRLF; `None` at the end of the input.
fn read_line(input: &mut impl BufRead) -> io::Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    let limit = MAX_LINE_BYTES as u64 + 1;
    input.take(limit).read_until(b'\n', &mut line)?;
    match line.last() {
        None => return Ok(None),
        Some(b'\n') => drop(line.pop()),
        Some(_) if line.len() > MAX_LINE_BYTES => {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                format!("a line of more than {MAX_LINE_BYTES} bytes"),
            ));
        }
        Some(_) => {}
    }
    if line.last() == Some(&b'\r') {
        line.pop();
    }
    Ok(Some(line))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    fn all(input: &'static [u8]) -> Vec<Vec<u8>> {
        let lines = Lines::of(input).unwrap();
        let mut found = Vec::new();
        while let Some(batch) = lines.take().unwrap() {
            found.extend(batch);
        }
        found
    }

    #[test]
    fn a_line_ends_with_lf_crlf_or_the_input() {
        assert_eq!(all(b"a\nb\r\n\nc\rd"), [&b"a"[..], b"b", b"", b"c\rd"]);
        assert_eq!(all(b"a\n"), [b"a"]);
        assert!(all(b"").is_empty());
    }

    #[test]
    fn all_lines_come_in_order_also_when_there_are_many() {
        let expected: Vec<_> = (0..50_000)
            .map(|n| format!("line {n}").into_bytes())
            .collect();
        assert!(all(expected.join(&b'\n').leak()) == expected);
    }

    #[test]
    fn an_endless_input_can_be_stopped() {
        let lines = Lines::of(io::repeat(b'\n')).unwrap();
        assert!(lines.take().unwrap().is_some());
        lines.stop();
        while lines.take().unwrap().is_some() {}
    }

    #[test]
    fn an_input_is_read_ahead_up_to_a_bound_only() {
        struct Counted(Arc<AtomicUsize>);
        impl io::Read for Counted {
            fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
                into.fill(b'\n');
                self.0.fetch_add(into.len(), Ordering::Relaxed);
                Ok(into.len())
            }
        }
        let read = Arc::<AtomicUsize>::default();
        let lines = Lines::of(Counted(read.clone())).unwrap();
        assert!(!lines.pause(Duration::from_millis(100)));
        let most = BATCH_BYTES + (16 << 10);
        assert!((1..=most).contains(&read.load(Ordering::Relaxed)));
        lines.stop();
        assert!(lines.pause(Duration::from_secs(600)));
    }

    #[test]
    fn lines_that_were_read_before_an_error_come_first() {
        struct Broken(bool);
        impl io::Read for Broken {
            fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
                if std::mem::replace(&mut self.0, true) {
                    return Err(io::Error::other("broken"));
                }
                into[..2].copy_from_slice(b"a\n");
                Ok(2)
            }
        }
        let lines = Lines::of(Broken(false)).unwrap();
        assert_eq!(lines.take().unwrap().unwrap(), [b"a"]);
        assert_eq!(lines.take().unwrap_err().line, "standard input: broken");
    }
}
