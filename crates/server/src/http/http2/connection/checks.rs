//! What a connection does by the clock, and by what the client has sent: it notices clients that have stalled or vanished,
//! floods, and the end of the server, and closes connections that nobody uses.

use std::{
    task::{Context, Waker},
    time::Instant,
};

use h2::{Ping, Reason};

use super::{Closed, Connection};
use crate::http::{
    connection::settings::HEAD_TIMEOUT,
    direct::inbox::Slot,
    http2::{frames::Frames, limits::SILENT_PERIODS},
    routes::refusals,
};

impl Connection {
    /// Once streams are ended, further requests should go to another connection, to another server.
    pub(super) fn follow_drain(&mut self) {
        if !self.is_draining && self.http2.context.state.broadcaster.is_draining() {
            self.is_draining = true;
            self.must_poll = true;
            self.h2.graceful_shutdown();
            // It sends a PING.
            self.watch.with_frames(Frames::expect_ack);
        }
    }

    /// What is due by the clock, and by what the client has sent.
    pub(super) fn check(&mut self, now: Instant) -> Result<(), Closed> {
        if self.timers.is_closed(now) {
            return Err(Closed);
        }
        self.check_floods(now);
        self.check_stalls(now)?;
        if !self.watch.is_full() {
            while let Some(slot) = self.timers.take_cut(now) {
                self.cut(slot);
                self.follow_drain();
            }
        }
        match self.timers.is_silent(now, self.watch.last_read()) {
            Some(true) => self.ping(),
            Some(false) => {
                self.unanswered = 0;
                Ok(())
            }
            None => Ok(()),
        }
    }

    pub(super) fn check_floods(&mut self, now: Instant) {
        let (flood, head_since) = self
            .watch
            .with_frames(|frames| (frames.flood(), frames.head_since()));
        self.timers
            .set_head(head_since.map(|since| since + HEAD_TIMEOUT));
        let why = match flood {
            Some(flood) => format!("too many {flood:?}"),
            None if self.timers.is_head_late(now) => "no end of a head".to_owned(),
            None => return,
        };
        let peer = refusals::shown(self.peer);
        log::debug!("closing an HTTP/2 connection from {peer}: {why}");
        self.close(Reason::ENHANCE_YOUR_CALM);
    }

    fn check_stalls(&mut self, now: Instant) -> Result<(), Closed> {
        if !self.timers.takes_check(now) {
            return Ok(());
        }
        let settings = &self.http2.context.settings;
        if self.watch.has_stalled(settings.stall_timeout) {
            return Err(self.stalled());
        }
        let all = self.exchanges.iter_mut();
        let over =
            all.filter_map(|(slot, exchange)| exchange.check(settings).is_err().then_some(slot));
        for slot in over.collect::<Vec<_>>() {
            self.exchanges.remove(slot).cut();
        }
        if self.exchanges.iter().any(|(_, all)| all.is_blocked()) {
            self.timers.schedule_check();
        }
        Ok(())
    }

    pub(super) fn stalled(&mut self) -> Closed {
        for (_, exchange) in &mut self.exchanges {
            exchange.stalled();
        }
        Closed
    }

    /// Asks a client that was not heard of for an interval to respond.
    fn ping(&mut self) -> Result<(), Closed> {
        if self.exchanges.is_empty() {
            return Ok(());
        }
        let last_read = self.watch.last_read();
        if self.pinged.is_some_and(|pinged| pinged < last_read) {
            self.unanswered = 0;
        }
        if self.unanswered > SILENT_PERIODS {
            return Err(self.stalled());
        }
        self.unanswered += 1;
        self.pinged = Some(Instant::now());
        if let Some(ping_pong) = &mut self.ping_pong {
            let _ = ping_pong.poll_pong(&mut Context::from_waker(Waker::noop()));
            // Otherwise the last one has not been responded to, and is enough.
            if ping_pong.send_ping(Ping::opaque()).is_ok() {
                self.watch.with_frames(Frames::expect_ack);
            }
            self.must_poll = true;
        }
        Ok(())
    }

    /// Serves what has arrived completely when the client ends its side of the connection. At the end h2 drops all
    /// requests, so it reads the end after their responses.
    pub(super) fn check_end(&mut self) {
        if !self.watch.has_ended() || self.last_turn.leaves_requests() {
            return;
        }
        if self.watch.notices_end() {
            // Bodies that are incomplete fail.
            let slots = self
                .exchanges
                .iter()
                .filter_map(|(slot, _)| Slot::try_from(slot).ok());
            self.woken.extend(slots);
        }
        let streams = self
            .exchanges
            .iter()
            .filter(|(_, exchange)| exchange.is_stream());
        for slot in streams.map(|(slot, _)| slot).collect::<Vec<_>>() {
            self.exchanges.remove(slot).cut();
            self.must_poll = true;
        }
        if self.exchanges.is_empty() && !self.watch.is_full() {
            self.watch.pass_end();
            self.must_poll = true;
        }
    }

    /// Lists a connection without requests, and closes it when it is to make room or has been idle for too long.
    pub(super) fn check_idle(&mut self, cx: &mut Context<'_>, now: Instant) {
        if !self.exchanges.is_empty() {
            return;
        }
        let context = &self.http2.context;
        if let Some(listed) = &self.idle {
            if listed.is_displaced() || self.timers.is_idle_for_too_long(now) {
                self.close(Reason::NO_ERROR);
            }
        } else {
            self.idle = Some(context.settings.capacity.list(cx.waker().clone()));
            self.timers.set_idle(Some(now + context.keep_alive));
        }
        if self.is_draining {
            self.timers.close();
        }
    }

    /// Tells the client why the connection is closed, and drops it soon.
    fn close(&mut self, reason: Reason) {
        if std::mem::replace(&mut self.is_closing, true) {
            return;
        }
        self.must_poll = true;
        self.timers.set_idle(None);
        self.timers.set_head(None);
        self.timers.close();
        self.exchanges.clear();
        self.h2.abrupt_shutdown(reason);
    }
}
