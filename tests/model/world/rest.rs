//! Runs a world until nothing is woken any more, and checks that every client has all that is due.

use super::World;
use crate::model::gate::Reads;

/// More rounds than anything needs to come to rest.
const ROUNDS: usize = 10_000;

impl World {
    /// Polls everything that was woken until nothing is, and checks that every client has all that is due.
    pub fn settle(&mut self) {
        self.set_reads(Reads::Immediate);
        let mut rounds = 0;
        while self.poll_woken() {
            rounds += 1;
            assert!(rounds < ROUNDS, "the world does not come to rest");
        }
        assert_eq!(
            self.publishers.len(),
            0,
            "a publisher waits though there is room"
        );
        assert_eq!(self.broadcaster.lag(), 0, "a shard was not rung");
        for client in 0..self.clients.len() {
            self.receive(client, usize::MAX);
            self.check_rest(client);
        }
        self.check_those_at_rest();
        let connected = self
            .clients
            .iter()
            .filter(|client| client.stream.is_some())
            .count();
        let stats = self.broadcaster.stats();
        assert_eq!(stats.subscribers.get(), connected as u64);
        assert_eq!(stats.behind.get(), 0, "nobody is behind");
    }

    fn poll_woken(&mut self) -> bool {
        let mut went_on = self.walk();
        went_on |= self.poll_publishers();
        for client in 0..self.clients.len() {
            went_on |= self.poll(client);
        }
        went_on
    }

    fn check_rest(&self, client: usize) {
        let client = &self.clients[client];
        let Some(stream) = &client.stream else { return };
        let at = stream.reader.at.expect("the stream has begun");
        let due = self
            .log
            .matching(client.interest, at, self.log.head())
            .next();
        assert!(due.is_none(), "{due:?} is due and was not sent");
        client.received.check(client.interest, &self.log);
        let until = stream.until.unwrap_or(at);
        assert!(
            at >= until,
            "the replay came to {at} and was to say so at {until}"
        );
    }

    /// A stream that is polled when it is woken can resume without a gap whenever it is cut, also while its shard
    /// is as far behind as it may be, and however quiet its topics are.
    pub fn check_those_at_rest(&self) {
        if !self.shape.is_strict() {
            return;
        }
        for stream in self
            .clients
            .iter()
            .filter_map(|client| client.stream.as_ref())
        {
            let at = stream.reader.at.filter(|_| !stream.woken.is_raised());
            let is_held = at.is_none_or(|at| self.is_held(at));
            assert!(
                is_held,
                "cut now, the stream at {at:?} would have a false gap"
            );
        }
    }

    /// The end of every sequence of steps: all clients reconnect, and all have everything.
    pub fn finish(&mut self) {
        self.set_reads(Reads::Immediate);
        for client in 0..self.clients.len() {
            self.connect(client);
        }
        self.settle();
        for client in 0..self.clients.len() {
            self.cut(client, 0);
        }
        self.walk();
        assert_eq!(self.broadcaster.stats().subscribers.get(), 0);
    }
}
