//! A running command, which is killed with its handle.

use std::{
    io::{BufRead as _, BufReader, Read, Write as _},
    process::{Child, ChildStdin, Command, Stdio},
    sync::mpsc,
    thread,
    time::Instant,
};

use crate::support::{PATIENCE, command, wait_until};

pub struct Running {
    child: Child,
    input: Option<ChildStdin>,
    output: mpsc::Receiver<String>,
    complaints: mpsc::Receiver<String>,
}

/// What is left to read of a command that has ended.
#[derive(Debug)]
pub struct Ended {
    pub code: Option<i32>,
    pub output: Vec<String>,
    pub complaints: Vec<String>,
}

/// Runs to the end with nothing to read.
pub fn run(args: &[&str]) -> Ended {
    Running::start(args).end()
}

impl Running {
    pub fn start(args: &[&str]) -> Self {
        Self::spawn(command(args))
    }

    pub fn start_with(variables: &[(&str, &str)], args: &[&str]) -> Self {
        let mut command = command(args);
        command.envs(variables.iter().copied());
        Self::spawn(command)
    }

    pub fn spawn(mut command: Command) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        Self {
            input: child.stdin.take(),
            output: lines(child.stdout.take().unwrap()),
            complaints: lines(child.stderr.take().unwrap()),
            child,
        }
    }

    pub fn line(&self) -> String {
        let line = self.output.recv_timeout(PATIENCE);
        line.unwrap_or_else(|_| {
            panic!(
                "no line; {:?}",
                self.complaints.try_iter().collect::<Vec<_>>()
            )
        })
    }

    pub fn lines(&self, count: usize) -> Vec<String> {
        (0..count).map(|_| self.line()).collect()
    }

    pub fn complaint(&self) -> String {
        self.complaints
            .recv_timeout(PATIENCE)
            .expect("a line on standard error")
    }

    /// The next complaint that holds this text.
    pub fn complaint_with(&self, text: &str) -> String {
        std::iter::repeat_with(|| self.complaint())
            .find(|line| line.contains(text))
            .unwrap_or_default()
    }

    pub fn write(&mut self, text: &str) {
        self.write_bytes(text.as_bytes());
    }

    pub fn write_bytes(&mut self, bytes: &[u8]) {
        let input = self.input.as_mut().expect("its input is open");
        input.write_all(bytes).unwrap();
        input.flush().unwrap();
    }

    pub fn close_input(&mut self) {
        self.input = None;
    }

    /// Nobody reads its output any more.
    pub fn close_output(&mut self) {
        self.output = mpsc::channel().1;
    }

    pub fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(
            Command::new("kill")
                .args([name, &pid])
                .status()
                .unwrap()
                .success()
        );
    }

    /// Signals again and again: two that are not taken in between are one.
    pub fn signal_until_it_ends(&mut self, name: &str) {
        wait_until("it ends", || {
            let ended = self.child.try_wait().unwrap().is_some();
            if !ended {
                self.signal(name);
            }
            ended
        });
    }

    /// Closes its input and waits for it.
    pub fn end(mut self) -> Ended {
        self.close_input();
        let deadline = Instant::now() + PATIENCE;
        let left = || deadline.saturating_duration_since(Instant::now());
        let rest = |of: &mpsc::Receiver<String>| -> Vec<String> {
            std::iter::from_fn(|| of.recv_timeout(left()).ok()).collect()
        };
        let (output, complaints) = (rest(&self.output), rest(&self.complaints));
        assert!(
            !left().is_zero(),
            "it does not end; {output:?} {complaints:?}"
        );
        Ended {
            code: self.child.wait().unwrap().code(),
            output,
            complaints,
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Reads until nobody wants a line any more; then the pipe is closed.
fn lines(from: impl Read + Send + 'static) -> mpsc::Receiver<String> {
    let (send, lines) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(from).lines().map_while(Result::ok) {
            if send.send(line).is_err() {
                return;
            }
        }
    });
    lines
}

impl Ended {
    /// It has succeeded without a word on standard error; what it printed.
    pub fn succeeded(self) -> Vec<String> {
        assert_eq!(
            (self.code, &self.complaints[..]),
            (Some(0), &[][..]),
            "{self:?}"
        );
        self.output
    }

    /// It has failed with this code and one line on standard error, which is returned.
    pub fn failed(self, code: i32) -> String {
        assert_eq!(
            (self.code, self.complaints.len()),
            (Some(code), 1),
            "{self:?}"
        );
        let line = self.complaints[0].strip_prefix("sse-broadcaster: ");
        line.expect("it says who complains").to_owned()
    }
}
