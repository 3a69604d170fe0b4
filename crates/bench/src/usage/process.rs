//! What processes on this machine have used, read from `/proc`; unknown on systems without it.

use std::{
    fs,
    net::{IpAddr, SocketAddr},
    path::Path,
    process,
    time::Duration,
};

/// The unit of CPU times in `/proc`, whatever the tick of the kernel is.
const TICK: Duration = Duration::from_millis(10);

/// The processes that together are the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Processes(pub(crate) Vec<u32>);

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ProcessUsage {
    pub(crate) user: Duration,
    pub(crate) system: Duration,
    /// Bytes.
    pub(crate) resident: u64,
}

impl Processes {
    pub(crate) fn own() -> Self {
        Self(vec![process::id()])
    }

    /// The processes that listen at this address of this machine; `None` where they cannot be determined.
    pub(crate) fn listening_at(address: SocketAddr) -> Option<Self> {
        let tables = ["/proc/net/tcp", "/proc/net/tcp6"].map(fs::read_to_string);
        let listeners = tables
            .iter()
            .flatten()
            .flat_map(|table| table.lines().skip(1));
        let sockets: Vec<String> = listeners
            .filter_map(|line| listener_at(line, address))
            .map(|inode| format!("socket:[{inode}]"))
            .collect();
        if sockets.is_empty() {
            return None;
        }
        let all = fs::read_dir("/proc").ok()?.flatten();
        let numbers = all.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        let mut found: Vec<u32> = numbers.filter(|pid| has_socket(*pid, &sockets)).collect();
        found.sort_unstable();
        (!found.is_empty()).then_some(Self(found))
    }

    /// What they have used so far; `None` where that of one process cannot be read.
    pub(crate) fn usage(&self) -> Option<ProcessUsage> {
        let mut sum = ProcessUsage::default();
        for pid in &self.0 {
            let used = usage_of(*pid)?;
            sum.user += used.user;
            sum.system += used.system;
            sum.resident += used.resident;
        }
        Some(sum)
    }
}

impl ProcessUsage {
    pub(crate) fn cpu(&self) -> Duration {
        self.user + self.system
    }

    /// The CPU time used since `before`, and the memory of now.
    pub(crate) fn since(&self, before: &Self) -> Self {
        Self {
            user: self.user.saturating_sub(before.user),
            system: self.system.saturating_sub(before.system),
            resident: self.resident,
        }
    }
}

fn usage_of(pid: u32) -> Option<ProcessUsage> {
    let file = |name| fs::read_to_string(format!("/proc/{pid}/{name}")).ok();
    let (user, system) = times(&file("stat")?)?;
    let resident = resident(&file("status")?)?;
    Some(ProcessUsage {
        user,
        system,
        resident,
    })
}

fn times(stat: &str) -> Option<(Duration, Duration)> {
    // The name of the program, in parentheses, may hold spaces and parentheses.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let mut next = || Some(TICK * fields.next()?.parse().ok()?);
    Some((next()?, next()?))
}

fn resident(status: &str) -> Option<u64> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix(" kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

/// The inode of a socket that listens at this address, or at all addresses of this machine.
fn listener_at(line: &str, address: SocketAddr) -> Option<&str> {
    const LISTENING: &str = "0A";
    let fields: Vec<&str> = line.split_whitespace().collect();
    let (local, state, inode) = (fields.get(1)?, fields.get(3)?, fields.get(9)?);
    let (ip, port) = local.split_once(':')?;
    let ip = ip_of(ip)?.to_canonical();
    let matches = ip.is_unspecified() || ip == address.ip().to_canonical();
    let port = u16::from_str_radix(port, 16).ok()?;
    (*state == LISTENING && port == address.port() && matches).then_some(*inode)
}

/// An address as the kernel prints it: words of four bytes in this machine's order.
fn ip_of(hex: &str) -> Option<IpAddr> {
    let words = (0..hex.len()).step_by(8).map(|at| {
        let word = u32::from_str_radix(hex.get(at..at + 8)?, 16).ok()?;
        Some(word.to_ne_bytes())
    });
    let bytes = words.collect::<Option<Vec<_>>>()?.concat();
    if let Ok(four) = <[u8; 4]>::try_from(&bytes[..]) {
        return Some(four.into());
    }
    <[u8; 16]>::try_from(bytes).ok().map(Into::into)
}

fn has_socket(pid: u32, sockets: &[String]) -> bool {
    let Ok(open) = fs::read_dir(format!("/proc/{pid}/fd")) else {
        return false;
    };
    open.flatten().any(|file| {
        let is_found = |of: &Path| sockets.iter().any(|socket| of == Path::new(socket));
        fs::read_link(file.path()).is_ok_and(|of| is_found(&of))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_times_are_read_after_the_program_name_whatever_it_holds() {
        let stat = "7 (a) b (c) S 1 7 7 0 -1 4194560 99 0 0 0 12 345 0 0 20 0 4 0 1 2 3";
        let expected = (Duration::from_millis(120), Duration::from_millis(3_450));
        assert_eq!(times(stat), Some(expected));
        assert_eq!(times("7 (a) S 1"), None);
        assert_eq!(
            resident("Name:\tx\nVmRSS:\t    1536 kB\n"),
            Some(1_536 << 10)
        );
    }

    #[test]
    fn a_listener_is_found_at_its_own_address_and_at_all_addresses() {
        let line = |local: &str| {
            format!(
                "  0: {local} 00000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 4711 1"
            )
        };
        let words = |ip: IpAddr| -> String {
            let bytes = match ip {
                IpAddr::V4(ip) => ip.octets().to_vec(),
                IpAddr::V6(ip) => ip.octets().to_vec(),
            };
            let words = bytes.chunks(4).map(|word| {
                let word = <[u8; 4]>::try_from(word).unwrap();
                format!("{:08X}", u32::from_ne_bytes(word))
            });
            words.collect()
        };
        for (listens, asked, found) in [
            ("127.0.0.1", "127.0.0.1:8000", true),
            ("0.0.0.0", "127.0.0.1:8000", true),
            ("::", "127.0.0.1:8000", true),
            ("::ffff:127.0.0.1", "127.0.0.1:8000", true),
            ("::1", "[::1]:8000", true),
            ("127.0.0.2", "127.0.0.1:8000", false),
            ("127.0.0.1", "127.0.0.1:8001", false),
        ] {
            let local = format!("{}:1F40", words(listens.parse().unwrap()));
            let line = line(&local);
            let inode = listener_at(&line, asked.parse().unwrap());
            assert_eq!(inode, found.then_some("4711"), "{listens} {asked}");
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_process_that_listens_here_is_found() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let found = Processes::listening_at(listener.local_addr().unwrap());
        // A child that another test has just forked may hold the socket, too.
        assert!(found.unwrap().0.contains(&process::id()));
        assert!(Processes::own().usage().unwrap().resident > 0);
    }
}
