//! What the operating system says of this process, from `/proc` and the control group.
//!
//! Where there is no `/proc` (other systems than Linux) nothing is known, and nothing exported.

use std::fs;
use std::path::{Path, PathBuf};

use forewarm_application::metrics::Metric;

/// Clock ticks a second in `/proc`: Linux shows every program 100, whatever its own clock.
const TICKS_PER_SECOND: f64 = 100.0;

/// A control group without a limit says so with a number near 2⁶³ in version 1.
const NO_LIMIT: u64 = 1 << 60;

/// The reader; its root is another one in tests.
#[derive(Debug)]
pub(super) struct Process {
    root: PathBuf,
}

impl Process {
    pub(super) fn new() -> Self {
        Self {
            root: PathBuf::from("/"),
        }
    }

    /// The figure of a metric about the process; `None` where it is not known.
    pub(super) fn read(&self, metric: Metric) -> Option<f64> {
        match metric {
            Metric::ResidentMemory => self.kilobytes("proc/self/status", "VmRSS:"),
            Metric::MemoryLimit => self.memory_limit(),
            Metric::CpuSeconds => {
                let ticks = self.stat(14)? + self.stat(15)?;
                Some(ticks / TICKS_PER_SECOND)
            }
            Metric::OpenFiles => {
                let open = fs::read_dir(self.root.join("proc/self/fd")).ok()?.count();
                // The folder itself was open while it was read.
                Some(open.saturating_sub(1) as f64)
            }
            Metric::MaxOpenFiles => {
                let limits = self.text("proc/self/limits")?;
                let line = limits
                    .lines()
                    .find(|line| line.starts_with("Max open files"))?;
                line.split_whitespace().nth(3)?.parse().ok()
            }
            Metric::StartTime => {
                let boot = self.text("proc/stat")?;
                let boot = boot.lines().find_map(|line| line.strip_prefix("btime "))?;
                Some(boot.trim().parse::<f64>().ok()? + self.stat(22)? / TICKS_PER_SECOND)
            }
            _ => None,
        }
    }

    /// Field `number` of `/proc/self/stat`, counted from 1 as in proc(5).
    fn stat(&self, number: usize) -> Option<f64> {
        let stat = self.text("proc/self/stat")?;
        // The second field is the program's name in brackets, which may hold anything.
        let (_, rest) = stat.rsplit_once(')')?;
        rest.split_whitespace().nth(number - 3)?.parse().ok()
    }

    fn memory_limit(&self) -> Option<f64> {
        let machine = self.kilobytes("proc/meminfo", "MemTotal:");
        let group = self.group_limit().map(|limit| limit as f64);
        match (machine, group) {
            (Some(machine), Some(group)) => Some(machine.min(group)),
            (known, None) | (None, known) => known,
        }
    }

    /// The smallest limit of the control group and the groups around it.
    fn group_limit(&self) -> Option<u64> {
        let groups = self.text("proc/self/cgroup")?;
        groups
            .lines()
            .filter_map(|line| {
                let mut parts = line.splitn(3, ':');
                let (_, controllers, path) = (parts.next()?, parts.next()?, parts.next()?);
                if controllers.is_empty() {
                    self.smallest_limit("sys/fs/cgroup", path, "memory.max")
                } else if controllers.split(',').any(|name| name == "memory") {
                    self.smallest_limit("sys/fs/cgroup/memory", path, "memory.limit_in_bytes")
                } else {
                    None
                }
            })
            .min()
    }

    fn smallest_limit(&self, mount: &str, path: &str, file: &str) -> Option<u64> {
        // Inside a container the group's own path may lie outside of what is mounted: the
        // groups that can't be read are passed over.
        Path::new(path.trim_start_matches('/'))
            .ancestors()
            .filter_map(|group| {
                let text = fs::read_to_string(self.root.join(mount).join(group).join(file)).ok()?;
                text.trim().parse().ok().filter(|limit| *limit < NO_LIMIT)
            })
            .min()
    }

    fn kilobytes(&self, path: &str, field: &str) -> Option<f64> {
        let text = self.text(path)?;
        let line = text.lines().find_map(|line| line.strip_prefix(field))?;
        let number: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
        Some(number * 1_024.0)
    }

    fn text(&self, path: &str) -> Option<String> {
        fs::read_to_string(self.root.join(path)).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine(files: &[(&str, &str)]) -> (tempfile::TempDir, Process) {
        let folder = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let root = folder.path().to_owned();
        (folder, Process { root })
    }

    const MEMORY: (&str, &str) = ("proc/meminfo", "MemTotal:  4096 kB\nMemFree: 1 kB\n");

    #[test]
    fn the_memory_limit_is_the_smallest_on_the_way_up() {
        let limit = |files: &[(&str, &str)]| {
            let (_folder, process) = machine(files);
            process.read(Metric::MemoryLimit)
        };
        assert_eq!(limit(&[MEMORY]), Some(4_096.0 * 1_024.0));
        let group = ("proc/self/cgroup", "0::/a/b\n");
        let max = ("sys/fs/cgroup/a/b/memory.max", "max\n");
        assert_eq!(limit(&[MEMORY, group, max]), Some(4_096.0 * 1_024.0));
        let above = ("sys/fs/cgroup/a/memory.max", "2000\n");
        assert_eq!(limit(&[MEMORY, group, max, above]), Some(2_000.0));
        let contained = ("sys/fs/cgroup/memory.max", "1000\n");
        assert_eq!(limit(&[MEMORY, group, contained]), Some(1_000.0));
        let beyond = ("sys/fs/cgroup/memory.max", "99999999999\n");
        assert_eq!(limit(&[MEMORY, group, beyond]), Some(4_096.0 * 1_024.0));
        let v1 = ("proc/self/cgroup", "4:cpu,memory:/x\n3:pids:/x\n");
        let v1_limit = ("sys/fs/cgroup/memory/x/memory.limit_in_bytes", "3000\n");
        assert_eq!(limit(&[MEMORY, v1, v1_limit]), Some(3_000.0));
        let none = (
            "sys/fs/cgroup/memory/x/memory.limit_in_bytes",
            "9223372036854771712\n",
        );
        assert_eq!(limit(&[MEMORY, v1, none]), Some(4_096.0 * 1_024.0));
    }

    #[test]
    fn a_program_with_spaces_and_brackets_in_its_name_is_read_right() {
        let mut fields: Vec<String> = (3..=30).map(|n| n.to_string()).collect();
        fields[14 - 3] = "250".into();
        fields[15 - 3] = "50".into();
        fields[22 - 3] = "700".into();
        let stat = format!("1 (a) b ) {}", fields.join(" "));
        let (_folder, process) = machine(&[
            ("proc/self/stat", &stat),
            ("proc/stat", "cpu 1\nbtime 1000\n"),
        ]);
        assert_eq!(process.read(Metric::CpuSeconds), Some(3.0));
        assert_eq!(process.read(Metric::StartTime), Some(1_007.0));
    }

    #[test]
    fn nothing_is_known_without_proc() {
        let (_folder, process) = machine(&[]);
        for metric in [
            Metric::ResidentMemory,
            Metric::MemoryLimit,
            Metric::CpuSeconds,
            Metric::OpenFiles,
            Metric::MaxOpenFiles,
            Metric::StartTime,
        ] {
            assert_eq!(process.read(metric), None);
        }
    }
}
