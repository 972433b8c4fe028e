//! The processor time of other processes.

use anyhow::Context as _;

/// What the kernel counts in: hundredths of a second, whatever the machine.
const TICKS: f64 = 100.0;

/// The seconds of processor time that a process has had, of all its threads.
///
/// # Errors
///
/// If it has ended.
pub fn cpu(process: u32) -> anyhow::Result<f64> {
    let path = format!("/proc/{process}/stat");
    let stat =
        std::fs::read_to_string(&path).with_context(|| format!("failed to read `{path}`"))?;
    seconds(&stat).with_context(|| format!("`{path}` is `{stat}`"))
}

/// User and system time of a `stat`. The program's name, in brackets, may hold anything.
fn seconds(stat: &str) -> Option<f64> {
    let (_, fields) = stat.rsplit_once(')')?;
    let ticks = fields.split_whitespace().skip(11).take(2);
    let ticks: Vec<f64> = ticks.map(str::parse).collect::<Result<_, _>>().ok()?;
    (ticks.len() == 2).then(|| ticks.iter().sum::<f64>() / TICKS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_and_system_time_are_added_up() {
        let stat = "12 (a b) c) S 1 12 12 0 -1 4194560 1 2 3 4 250 50 7 8 20 0 9 0 1";

        assert_eq!(seconds(stat), Some(3.0));
        assert_eq!(seconds("12 (a) S 1"), None);
        assert!(cpu(std::process::id()).is_ok());
    }
}
