//! The default memory budget for messages in transit.

use std::cell::Cell;
use std::fs;
use std::path::Path;

use crate::os::sys;

const MIB: usize = 1024 * 1024;
/// The need of several messages of the default size.
const LEAST: usize = 64 * MIB;
/// The most that a workstation or a small host can spare.
const MOST: usize = 256 * MIB;
/// Messages of the largest size that must fit at once: one input, one output, and one being
/// processed beside the bytes of other holders.
const MESSAGES: usize = 4;

/// The allocator returns its free memory if more than this was held at once and most is free again.
const TRIMMED: usize = 4 * MIB;

/// Watches the bytes held, and returns memory to the system when most of it is free.
#[derive(Debug, Default)]
pub(crate) struct HighWater(Cell<usize>);

impl HighWater {
    /// Records how many bytes are held now.
    pub(crate) fn record(&self, held: usize) {
        let high = self.0.get().max(held);
        let falls = high > TRIMMED && held < high / 4;
        self.0.set(if falls { held } else { high });
        if falls {
            sys::trim_memory();
        }
    }
}

/// The budget: the operator's value, or a quarter of the available memory.
pub(crate) fn budget(asked: Option<usize>, message: usize) -> Result<usize, String> {
    let needed = message.saturating_mul(MESSAGES);
    match asked {
        Some(asked) if asked < needed => Err(format!(
            "--max-memory must be {MESSAGES} times --max-message, {needed} bytes, or more"
        )),
        Some(asked) => Ok(asked),
        None => Ok(default(memory()).max(needed)),
    }
}

/// The share of this much memory.
fn default(memory: Option<usize>) -> usize {
    memory.map_or(MOST, |memory| (memory / 4).clamp(LEAST, MOST))
}

/// The memory of the machine, or the lowest limit of its control groups and of the process.
fn memory() -> Option<usize> {
    let text = fs::read_to_string("/proc/meminfo").ok();
    let machine = text.and_then(|text| total(&text));
    let group = fs::read_to_string("/proc/self/cgroup").ok().and_then(|text| of_groups(&text));
    machine.into_iter().chain(group).chain(sys::address_space()).min()
}

/// `MemTotal` of `/proc/meminfo`, in bytes.
fn total(meminfo: &str) -> Option<usize> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kib: usize = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}

/// The lowest limit of this process's control groups and their ancestors: of version 2, or of
/// version 1's memory controller.
fn of_groups(groups: &str) -> Option<usize> {
    let limits = groups.lines().flat_map(|line| {
        let mut parts = line.splitn(3, ':').skip(1);
        let (controllers, path) = (parts.next().unwrap_or_default(), parts.next().unwrap_or("/"));
        let (root, file) = match controllers {
            "" => ("/sys/fs/cgroup", "memory.max"),
            list if list.split(',').any(|one| one == "memory") => {
                ("/sys/fs/cgroup/memory", "memory.limit_in_bytes")
            }
            _ => return Vec::new(),
        };
        let groups = Path::new(path.trim_start_matches('/')).ancestors();
        groups.filter_map(|group| limit(&Path::new(root).join(group).join(file))).collect()
    });
    limits.min()
}

fn limit(file: &Path) -> Option<usize> {
    fs::read_to_string(file).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quarter_of_the_memory_is_taken_within_limits() {
        for (memory, taken) in [(100, 64), (400, 100), (512, 128), (4096, 256)] {
            assert_eq!(default(Some(memory * MIB)), taken * MIB);
        }
        assert_eq!(default(None), 256 * MIB);
        assert_eq!(total("MemFree: 1 kB\nMemTotal:    2048 kB\n"), Some(2 * MIB));
        assert!(memory().is_none_or(|memory| memory > 0));
    }

    #[test]
    fn what_is_asked_for_has_room_for_messages() {
        assert_eq!(budget(Some(64 * MIB), 16 * MIB), Ok(64 * MIB));
        assert!(budget(Some(64 * MIB - 1), 16 * MIB).is_err_and(|e| e.contains("--max-message")));
        assert_eq!(budget(None, 100 * MIB), Ok(400 * MIB));
    }
}
