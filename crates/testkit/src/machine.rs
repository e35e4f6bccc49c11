//! What the numbers were measured on.

use std::fs::read_to_string;
use std::thread::available_parallelism;

use serde_json::{Value, json};

/// The machine, as far as it matters to the numbers.
#[derive(Debug)]
pub struct Machine {
    cpu: String,
    cores: usize,
    in_hypervisor: bool,
    kernel: String,
    clock_source: String,
    memory_gib: u64,
    load_before: String,
}

impl Machine {
    /// Looks at the machine this runs on.
    #[must_use]
    pub fn look() -> Self {
        let cpuinfo = text("/proc/cpuinfo");
        let field = |name: &str| {
            let line = cpuinfo.lines().find(|line| line.starts_with(name))?;
            line.split_once(':').map(|(_, value)| value.trim().to_owned())
        };
        let uname = rustix::system::uname();
        let memory = text("/proc/meminfo").split_whitespace().nth(1).and_then(|kib| kib.parse::<u64>().ok());
        Self {
            cpu: field("model name").unwrap_or_else(|| uname.machine().to_string_lossy().into_owned()),
            cores: available_parallelism().map_or(0, usize::from),
            in_hypervisor: field("flags").is_some_and(|flags| flags.split(' ').any(|f| f == "hypervisor")),
            kernel: format!("{} {}", uname.sysname().to_string_lossy(), uname.release().to_string_lossy()),
            clock_source: text("/sys/devices/system/clocksource/clocksource0/current_clocksource"),
            memory_gib: memory.unwrap_or_default() >> 20,
            load_before: load(),
        }
    }

    /// One line for people; the load tells whether others used the machine too.
    #[must_use]
    pub fn line(&self) -> String {
        let kind = if self.in_hypervisor { " (virtual machine)" } else { "" };
        format!(
            "{}{kind}, {} cores, {} GiB, {}, clock source {}; load average {} before, {} after",
            self.cpu,
            self.cores,
            self.memory_gib,
            self.kernel,
            self.clock_source,
            self.load_before,
            load()
        )
    }

    /// The same for programs.
    #[must_use]
    pub fn to_json(&self) -> Value {
        json!({
            "cpu": self.cpu, "cores": self.cores, "virtual_machine": self.in_hypervisor, "kernel": self.kernel,
            "clock_source": self.clock_source, "memory_gib": self.memory_gib,
            "load_average": { "before": self.load_before, "after": load() },
        })
    }

    /// Whether the kernel keeps time spent in interrupts apart from that of the thread they interrupt; unknown counts as
    /// yes.
    #[must_use]
    pub fn keeps_interrupt_time_apart() -> bool {
        let release = rustix::system::uname().release().to_string_lossy().into_owned();
        let packed = std::process::Command::new("zcat").arg("/proc/config.gz").output();
        let config = match packed {
            Ok(output) if output.status.success() => String::from_utf8_lossy(&output.stdout).into_owned(),
            _ => text(&format!("/boot/config-{release}")),
        };
        config.is_empty() || config.lines().any(|line| line == "CONFIG_IRQ_TIME_ACCOUNTING=y")
    }
}

fn load() -> String {
    text("/proc/loadavg").split(' ').next().unwrap_or_default().to_owned()
}

fn text(path: &str) -> String {
    read_to_string(path).unwrap_or_default().trim().to_owned()
}
