//! Many subscribers, fast publishers, and readers that are slow: nobody pays for another.

mod crowd;
mod fast;
mod memory;
mod pipelines;
mod replays;
mod signals;
mod slow;
