//! The log on disk (`--data-dir`), as the real binary keeps it: over restarts, crashes, lost power,
//! disks that fail, and files that are damaged.

mod clock;
mod crash;
mod damage;
mod disconnects;
mod faults;
mod log;
mod power;
mod private;
mod refusals;
mod replays;
mod restart;
mod retention;
mod synced;
mod unreadable;
