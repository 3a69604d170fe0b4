//! How much memory the process may take: that of the machine, or what its control group allows (cgroup v2).

use std::{fs, path::Path};

/// The process's own group and those above it whose limits are read.
const MAX_GROUPS: usize = 32;

/// In bytes; `None` where the system does not tell.
pub(super) fn memory_limit() -> Option<u64> {
    let machine = fs::read_to_string("/proc/meminfo").ok();
    let machine = machine.and_then(|text| total(&text));
    let own = fs::read_to_string("/proc/self/cgroup").ok();
    let group =
        own.and_then(|text| group_limit(Path::new("/sys/fs/cgroup"), unified_group(&text)?));
    machine.into_iter().chain(group).min()
}

/// The memory of the machine, by /proc/meminfo.
fn total(meminfo: &str) -> Option<u64> {
    let line = meminfo
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kibibytes: u64 = line.trim().strip_suffix(" kB")?.trim().parse().ok()?;
    kibibytes.checked_mul(1024)
}

/// The path of the group in the one hierarchy of version 2, by /proc/self/cgroup.
fn unified_group(groups: &str) -> Option<&str> {
    groups.lines().find_map(|line| line.strip_prefix("0::/"))
}

/// The smallest limit of this group and those above it.
fn group_limit(root: &Path, group: &str) -> Option<u64> {
    let group = root.join(group);
    let groups = group.ancestors().take(MAX_GROUPS);
    groups
        .take_while(|path| path.starts_with(root))
        // "max" is none, and the topmost group of the machine has no such file.
        .filter_map(|path| {
            fs::read_to_string(path.join("memory.max"))
                .ok()?
                .trim()
                .parse()
                .ok()
        })
        .min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_memory_of_the_machine_is_read_in_bytes() {
        let text = "MemTotal:        4039488 kB\nMemFree:          123 kB\n";
        assert_eq!(total(text), Some(4_039_488 * 1024));
        assert_eq!(total("MemFree: 1 kB\n"), None);
        assert_eq!(total("MemTotal: many\n"), None);
    }

    #[test]
    fn the_smallest_limit_of_a_control_group_and_those_above_it_counts() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path();
        let group = root.join("system.slice/sse.service");
        fs::create_dir_all(&group).unwrap();
        assert_eq!(group_limit(root, "system.slice/sse.service"), None);
        fs::write(group.join("memory.max"), "max\n").unwrap();
        assert_eq!(group_limit(root, "system.slice/sse.service"), None);
        fs::write(root.join("system.slice/memory.max"), "536870912\n").unwrap();
        assert_eq!(
            group_limit(root, "system.slice/sse.service"),
            Some(512 << 20)
        );
        fs::write(group.join("memory.max"), "268435456\n").unwrap();
        assert_eq!(
            group_limit(root, "system.slice/sse.service"),
            Some(256 << 20)
        );
        // As in a container with a namespace of its own.
        fs::write(root.join("memory.max"), "134217728\n").unwrap();
        assert_eq!(group_limit(root, ""), Some(128 << 20));
    }

    #[test]
    fn the_control_group_is_that_of_version_2() {
        let groups = "4:memory:/old\n0::/system.slice/sse.service\n";
        assert_eq!(unified_group(groups), Some("system.slice/sse.service"));
        assert_eq!(unified_group("0::/\n"), Some(""));
        assert_eq!(unified_group("4:memory:/old\n"), None);
    }
}
