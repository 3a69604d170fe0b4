//! What processes use, read from `/proc`.

use std::{fs, path::Path};

/// Microseconds of CPU time that a process has used: the run times of its threads, since the times in
/// `stat` go by hundredths of a second. No server here ends a thread.
pub fn run_micros(pid: u32) -> f64 {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).expect("its threads");
    let threads = threads.filter_map(Result::ok);
    let nanos = threads.filter_map(|thread| run_nanos(&thread.path()));
    nanos.sum::<u64>() as f64 / 1e3
}

fn run_nanos(thread: &Path) -> Option<u64> {
    let times = fs::read_to_string(thread.join("schedstat")).ok()?;
    times.split(' ').next()?.parse().ok()
}

pub fn children(pid: u32) -> Vec<u32> {
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
    let children = children.unwrap_or_default();
    let children = children.split_whitespace();
    children.filter_map(|pid| pid.parse().ok()).collect()
}

/// In bytes.
pub fn resident(pid: u32) -> f64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("its status");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB"));
    let kib = kib.and_then(|kib| kib.parse::<u32>().ok());
    f64::from(kib.expect("so many kB")) * 1024.0
}
