//! Metrics of the process from /proc, with the names of Prometheus' conventions: `process_*`.

use std::{
    fmt, fs,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric as _},
    metrics::{MetricType, counter::ConstCounter, gauge::ConstGauge},
    registry::Unit,
};
use rustix::{
    param::{clock_ticks_per_second, page_size},
    process::{Resource, getrlimit},
};

/// Figures that the system does not provide are left out.
#[derive(Debug)]
pub(super) struct Process {
    start: Option<Duration>,
}

/// Indexes of the fields of /proc/self/stat after the name of the program, from the state on (proc(5)).
const USER_TIME: usize = 11;
const SYSTEM_TIME: usize = 12;
const THREADS: usize = 17;
const START: usize = 19;
const VIRTUAL_BYTES: usize = 20;
const RESIDENT_PAGES: usize = 21;

struct Stat(Vec<u64>);

impl Stat {
    fn read() -> Option<Self> {
        Self::parse(&fs::read_to_string("/proc/self/stat").ok()?)
    }

    fn parse(stat: &str) -> Option<Self> {
        // The name of the program, in parentheses, may contain any character.
        let fields = stat.rsplit_once(')')?.1.split_whitespace();
        let numbers = fields.map(|field| field.parse().unwrap_or(0));
        Some(Self(numbers.collect())).filter(|stat| stat.0.len() > RESIDENT_PAGES)
    }

    fn number(&self, field: usize) -> u64 {
        self.0.get(field).copied().unwrap_or(0)
    }

    fn seconds(&self, field: usize) -> f64 {
        as_float(self.number(field)) / as_float(clock_ticks_per_second())
    }
}

#[allow(
    clippy::cast_precision_loss,
    reason = "figures of a process are far below 2^52"
)]
fn as_float(number: u64) -> f64 {
    number as f64
}

/// Bytes of memory that the process has; 0 where that is not known.
pub(super) fn resident_bytes() -> u64 {
    let pages = Stat::read().map_or(0, |stat| stat.number(RESIDENT_PAGES));
    pages * page_size() as u64
}

/// When the machine was started, in seconds of the Unix epoch.
fn boot() -> Option<u64> {
    let stat = fs::read_to_string("/proc/stat").ok()?;
    let line = stat.lines().find_map(|line| line.strip_prefix("btime "))?;
    line.trim().parse().ok()
}

/// Since Linux 6.2 the size of the directory is the count; before, the files are listed.
fn open_files() -> Option<u64> {
    const FILES: &str = "/proc/self/fd";
    match fs::metadata(FILES).ok()?.len() {
        // The listing itself is one.
        0 => Some((fs::read_dir(FILES).ok()?.count() as u64).saturating_sub(1)),
        count => Some(count),
    }
}

impl Process {
    pub(super) fn new() -> Self {
        let since_boot = || Some(Stat::read()?.seconds(START));
        let start = boot().zip(since_boot());
        let start = start.map(|(boot, since)| Duration::from_secs(boot).as_secs_f64() + since);
        let start = start.and_then(|start| Duration::try_from_secs_f64(start).ok());
        let now = || SystemTime::now().duration_since(UNIX_EPOCH).ok();
        Self {
            start: start.or_else(now),
        }
    }
}

impl Collector for Process {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let stat = Stat::read();
        let number = |field| stat.as_ref().map(|stat| as_float(stat.number(field)));
        let resident = number(RESIDENT_PAGES).map(|pages| pages * as_float(page_size() as u64));
        let max_files = getrlimit(Resource::Nofile).current;
        let (bytes, seconds) = (Some(Unit::Bytes), Some(Unit::Seconds));
        let begun = self.start.map(|start| start.as_secs_f64());
        let begun_help = "When the process was started, since the Unix epoch";
        for (name, help, unit, value) in [
            (
                "open_fds",
                "Open file descriptors",
                &None,
                open_files().map(as_float),
            ),
            (
                "max_fds",
                "Most open file descriptors",
                &None,
                max_files.map(as_float),
            ),
            ("resident_memory", "Resident memory", &bytes, resident),
            (
                "virtual_memory",
                "Virtual memory",
                &bytes,
                number(VIRTUAL_BYTES),
            ),
            ("threads", "Threads", &None, number(THREADS)),
            ("start_time", begun_help, &seconds, begun),
        ] {
            let Some(value) = value else { continue };
            let (name, unit) = (format!("process_{name}"), unit.as_ref());
            let gauge = encoder.encode_descriptor(&name, help, unit, MetricType::Gauge)?;
            ConstGauge::new(value).encode(gauge)?;
        }
        let Some(stat) = stat else {
            return Ok(());
        };
        let cpu = stat.seconds(USER_TIME) + stat.seconds(SYSTEM_TIME);
        let help = "User and system time";
        let unit = Some(&Unit::Seconds);
        let counter = encoder.encode_descriptor("process_cpu", help, unit, MetricType::Counter)?;
        ConstCounter::new(cpu).encode(counter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_may_have_any_name_in_proc() {
        let stat = "7 (a) b) S 1 2 3 4 5 6 7 8 9 10 110 120 13 14 15 16 17 18 19 20 21 22";
        let stat = Stat::parse(stat).unwrap();
        assert_eq!(
            (stat.number(USER_TIME), stat.number(SYSTEM_TIME)),
            (110, 120)
        );
        assert_eq!(stat.number(RESIDENT_PAGES), 21);
        assert!(Stat::parse("7 (a) S 1").is_none());
    }
}
