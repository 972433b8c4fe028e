//! On which machine the numbers were measured.

use std::fs::read_to_string;
use std::thread::available_parallelism;

use tokio::process::Command;

/// One line: cores, memory, kernel, compiler.
pub async fn facts() -> String {
    let cores = available_parallelism().map_or(0, std::num::NonZero::get);
    let kernel = read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let compiler = match Command::new("rustc").arg("--version").output().await {
        Ok(output) => String::from_utf8_lossy(&output.stdout).trim().to_owned(),
        Err(_) => "no rustc".to_owned(),
    };
    let load = read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split(' ').next().unwrap_or("?").to_owned();
    format!(
        "{cores} cores ({}), {} of memory, Linux {}, {compiler}, load {load}",
        field("/proc/cpuinfo", "model name"),
        memory(&field("/proc/meminfo", "MemTotal")),
        kernel.trim(),
    )
}

/// The first value of a field in a file of `name: value` lines.
fn field(path: &str, name: &str) -> String {
    let text = read_to_string(path).unwrap_or_default();
    let value = text.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        (key.trim() == name).then(|| value.trim().to_owned())
    });
    value.unwrap_or_else(|| "unknown".to_owned())
}

/// `24000000 kB` in GiB.
fn memory(kibibytes: &str) -> String {
    let number = kibibytes.trim_end_matches(" kB").parse::<u64>();
    number.map_or_else(
        |_| kibibytes.to_owned(),
        |number| format!("{} GiB", (number + (1 << 19)) >> 20),
    )
}
