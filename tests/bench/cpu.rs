//! Processor time of a process and its children, from `/proc` (proc(5)).

use std::collections::BTreeMap;
use std::time::Duration;

/// `sysconf(_SC_CLK_TCK)` on every Linux: the unit of `/proc/PID/stat`.
const TICKS_PER_SECOND: u64 = 100;

/// Returns the processor time that a process and everything beneath it has used, in user and in kernel mode; of children
/// that have ended too, once they were waited for.
pub(crate) fn used_by_tree(root: u32) -> Duration {
    let processes: BTreeMap<u32, Stat> = std::fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter_map(|id| Some((id, Stat::read(id)?)))
        .collect();
    let is_beneath = |mut id: u32| {
        while id != root {
            match processes.get(&id) {
                Some(stat) => id = stat.parent,
                None => return false,
            }
        }
        true
    };
    let ticks: u64 = processes.iter().filter(|(id, _)| is_beneath(**id)).map(|(_, stat)| stat.ticks).sum();
    Duration::from_millis(ticks * 1000 / TICKS_PER_SECOND)
}

struct Stat {
    parent: u32,
    ticks: u64,
}

impl Stat {
    fn read(id: u32) -> Option<Self> {
        let text = std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
        // The second field is the name in parentheses and may contain anything; what follows it is numbered from 3.
        let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
        let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
        let ticks = field(14)? + field(15)? + field(16)? + field(17)?;
        Some(Self { parent: u32::try_from(field(4)?).ok()?, ticks })
    }
}
