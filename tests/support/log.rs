//! The log of a child process. A thread reads it, so that the process never waits for a reader. Whoever asks for all of
//! it reads on first, so that no line is missing that the process has written by then, however busy the machine is.

use std::{
    mem,
    process::ChildStderr,
    sync::{Arc, Condvar, Mutex},
    time::{Duration, Instant},
};

use rustix::{
    event::{PollFd, PollFlags, poll},
    fs::{OFlags, fcntl_setfl},
    io::{Errno, read},
};

pub struct Log {
    pipe: Arc<Pipe>,
    /// How many lines were returned, or passed in search of another.
    passed: usize,
}

struct Pipe {
    stderr: ChildStderr,
    written: Mutex<Written>,
    changed: Condvar,
}

#[derive(Default)]
struct Written {
    lines: Vec<String>,
    /// The beginning of a line whose end is not written yet.
    rest: Vec<u8>,
    has_ended: bool,
}

impl Log {
    pub fn of(stderr: ChildStderr) -> Self {
        fcntl_setfl(&stderr, OFlags::NONBLOCK).expect("a pipe need not block");
        let pipe = Arc::new(Pipe {
            stderr,
            written: Mutex::default(),
            changed: Condvar::new(),
        });
        let reader = Arc::clone(&pipe);
        std::thread::spawn(move || {
            let mut has_ended = false;
            while !has_ended {
                // An error is a signal: it is tried again.
                let _ = poll(&mut [PollFd::new(&reader.stderr, PollFlags::IN)], None);
                let mut written = reader.written.lock().unwrap();
                written.read_on(&reader.stderr);
                has_ended = written.has_ended;
                reader.changed.notify_all();
            }
        });
        Self { pipe, passed: 0 }
    }

    /// Every line that is written by now.
    pub fn all(&mut self) -> String {
        let mut written = self.pipe.written.lock().unwrap();
        written.read_on(&self.pipe.stderr);
        self.passed = written.lines.len();
        written.lines.join("\n")
    }

    /// The next line with this text; `None` where the log ends without it, or none comes in time.
    pub fn find(&mut self, text: &str, patience: Duration) -> Option<String> {
        let deadline = Instant::now() + patience;
        let mut written = self.pipe.written.lock().unwrap();
        loop {
            while let Some(line) = written.lines.get(self.passed) {
                self.passed += 1;
                if line.contains(text) {
                    return Some(line.clone());
                }
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if written.has_ended || left.is_zero() {
                return None;
            }
            written = self.pipe.changed.wait_timeout(written, left).unwrap().0;
        }
    }
}

impl Written {
    /// Reads what is in the pipe, without waiting for more.
    fn read_on(&mut self, stderr: &ChildStderr) {
        let mut buffer = [0; 16 << 10];
        while !self.has_ended {
            match read(stderr, &mut buffer) {
                Ok(0) => self.has_ended = true,
                Ok(count) => self.take(&buffer[..count]),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return,
                Err(why) => panic!("the log cannot be read: {why}"),
            }
        }
        if !self.rest.is_empty() {
            self.take(b"\n");
        }
    }

    fn take(&mut self, bytes: &[u8]) {
        self.rest.extend_from_slice(bytes);
        let Some(end) = self.rest.iter().rposition(|&byte| byte == b'\n') else {
            return;
        };
        let rest = self.rest.split_off(end + 1);
        let whole = mem::replace(&mut self.rest, rest);
        let whole = String::from_utf8_lossy(&whole);
        self.lines.extend(whole.lines().map(ToOwned::to_owned));
    }
}
