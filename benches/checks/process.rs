//! What has a process used? CPU time in nanoseconds and resident memory, from /proc.

use std::fs;
use std::process::Command;
use std::time::Duration;

/// User and system time of all threads of `pid`.
pub fn cpu_time(pid: u32) -> Duration {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).expect("the server runs");
    let nanos = tasks.filter_map(|task| {
        let text = fs::read_to_string(task.ok()?.path().join("schedstat")).ok()?;
        text.split_whitespace().next()?.parse::<u64>().ok()
    });
    Duration::from_nanos(nanos.sum())
}

/// Resident memory of `pid` in megabytes.
pub fn resident_mb(pid: u32) -> f64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("the server runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
    line.split_whitespace().next().and_then(|kilobytes| kilobytes.parse::<f64>().ok()).unwrap_or_default() / 1024.0
}

/// Keeps the load off the server's core, which is core 0.
pub fn pin_self_to_last_core() {
    let last = std::thread::available_parallelism().map_or(1, std::num::NonZero::get) - 1;
    let pid = std::process::id().to_string();
    let pinned = Command::new("taskset").args(["-acp", &last.to_string(), &pid]).output();
    assert!(pinned.is_ok_and(|pinned| pinned.status.success()), "`taskset` (package util-linux) must be there");
}

/// A command that runs on core 0 alone.
pub fn on_first_core(program: &std::path::Path) -> Command {
    let mut command = Command::new("taskset");
    command.args(["-c", "0"]).arg(program);
    command
}
