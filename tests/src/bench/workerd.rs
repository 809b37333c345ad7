//! What the kernel says about workerd.

use std::fs;

/// Linux counts in hundredths of a second for user space, on every architecture (USER_HZ).
const TICKS_PER_SECOND: f64 = 100.0;

/// User and system time of all threads, so far; 0 where there is no /proc.
pub fn cpu_seconds(pid: u32) -> f64 {
    let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat")) else { return 0.0 };
    // The second field, the name in parentheses, may hold blanks: count from behind it (proc(5)).
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    let fields: Vec<&str> = after_name.split_whitespace().collect();
    let ticks = |index: usize| fields.get(index).and_then(|field| field.parse::<f64>().ok()).unwrap_or(0.0);
    (ticks(11) + ticks(12)) / TICKS_PER_SECOND
}
