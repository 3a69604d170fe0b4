//! The time between two requests of a connection.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, Waker},
    time::Duration,
};

use tokio::time::{Sleep, sleep};

use crate::http::connection::{capacity::Listed, settings::Settings};

#[derive(Debug, Default)]
pub(super) struct Idle {
    head_deadline: Option<Pin<Box<Sleep>>>,
    listed: Option<Listed>,
}

impl Idle {
    /// The dispatcher has parsed the head of a request.
    pub(super) fn end_head(&mut self) {
        self.head_deadline = None;
    }

    /// The last response has been sent, and nothing of a further request has arrived.
    pub(super) fn begin(&mut self, settings: &Settings, waker: &Waker) {
        self.listed = Some(settings.capacity.list(waker.clone()));
    }

    /// Bytes have arrived.
    pub(super) fn end(&mut self) {
        self.listed = None;
    }

    /// Fails once the connection is to make room for another.
    pub(super) fn check_displaced(&self) -> io::Result<()> {
        match &self.listed {
            Some(listed) if listed.is_displaced() => Err(io::ErrorKind::ConnectionAborted.into()),
            _ => Ok(()),
        }
    }

    /// Fails once a client has taken too long for a further head.
    pub(super) fn check_head(&mut self, timeout: Duration, cx: &mut Context<'_>) -> io::Result<()> {
        let deadline = self
            .head_deadline
            .get_or_insert_with(|| Box::pin(sleep(timeout)));
        match deadline.as_mut().poll(cx) {
            Poll::Ready(()) => Err(io::ErrorKind::TimedOut.into()),
            Poll::Pending => Ok(()),
        }
    }
}
