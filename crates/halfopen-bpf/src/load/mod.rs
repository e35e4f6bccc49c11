//! Loads the kernel part, its pins, and the hooks that only some settings ask for.

pub(crate) mod optional_hooks;
pub(crate) mod pins;

use crate::abi::skeleton::{HalfopenSkel, HalfopenSkelBuilder};
use crate::error::{KernelError, bpf, hear_libbpf, heard, is_permitted};
use crate::load::pins::map_file;
use libbpf_rs::skel::{OpenSkel, SkelBuilder};
use libbpf_rs::{OpenObject, libbpf_sys};
use rustix::time::{ClockId, clock_getres};
use std::mem::MaybeUninit;
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

/// The most records in the table: 1 GiB of kernel memory.
pub(crate) const LARGEST_RECORDS: u32 = 1 << 21;

/// Opens and loads the kernel part without attaching it, on the maps that are pinned in `pins`, if given. A
/// new table has room for `records` records, clamped to 1..=[`LARGEST_RECORDS`] and rounded up to a power of
/// two.
pub(crate) fn load(pins: Option<&Path>, records: u32) -> Result<HalfopenSkel<'static>, KernelError> {
    if !Path::new("/sys/kernel/btf/vmlinux").exists() {
        return Err(KernelError::Lacks(
            "it has no BTF (/sys/kernel/btf/vmlinux): boot one built with CONFIG_DEBUG_INFO_BTF=y, as the distributions' are"
                .to_owned(),
        ));
    }
    hear_libbpf();
    // The skeleton borrows its object. Leaking these few bytes allows keeping it; it still unloads everything
    // when dropped.
    let object: &'static mut MaybeUninit<OpenObject> = Box::leak(Box::new(MaybeUninit::uninit()));
    let mut open =
        HalfopenSkelBuilder::default().open(object).map_err(|error| bpf("opening the kernel part", error))?;
    if let Some(rodata) = open.maps.rodata_data.as_deref_mut() {
        rodata.rto_max_settable = u8::from(rto_max_settable());
        rodata.hz = hz();
        rodata.host_netns = own_netns();
    }
    open.progs.on_forward.set_autoload(has_netfilter_programs());
    let records = records.clamp(1, LARGEST_RECORDS).next_power_of_two();
    let failed = |error| bpf("sizing the table of records", error);
    open.maps.records.set_max_entries(records).map_err(failed)?;
    open.maps.records_beside.set_max_entries((records / 4).max(1)).map_err(failed)?;
    for mut map in open.open_object_mut().maps_mut() {
        let name = map.name().to_string_lossy().into_owned();
        if let Some((dir, file)) = pins.zip(map_file(&name)) {
            let path = dir.join(file);
            map.reuse_pinned_map(&path)
                .map_err(|error| bpf(&format!("taking over {}", path.display()), error))?;
        }
    }
    let (records, beside) = (open.maps.records.max_entries(), open.maps.records_beside.max_entries());
    if let Some(rodata) = open.maps.rodata_data.as_deref_mut() {
        rodata.records_mask = records - 1;
        rodata.beside_most = beside;
    }
    open.load().map_err(|error| {
        let kernel = rustix::system::uname();
        KernelError::refused_to_load(error, is_permitted(), &heard(), &kernel.release().to_string_lossy())
    })
}

/// The inode number of this process's network namespace; 0 if it cannot be read.
fn own_netns() -> u32 {
    std::fs::metadata("/proc/self/ns/net").map_or(0, |meta| u32::try_from(meta.ino()).unwrap_or(0))
}

/// Whether the kernel has BPF programs on netfilter's hooks (Linux 6.4).
pub(crate) fn has_netfilter_programs() -> bool {
    // SAFETY: takes a number, and no options.
    unsafe {
        libbpf_sys::libbpf_probe_bpf_prog_type(libbpf_sys::BPF_PROG_TYPE_NETFILTER, std::ptr::null()) == 1
    }
}

/// The kernel's `CONFIG_HZ`: the coarse clock advances once per jiffy. The clock is asked because not every
/// host lets its kernel's configuration be read.
fn hz() -> u32 {
    let jiffy = Duration::try_from(clock_getres(ClockId::MonotonicCoarse)).unwrap_or_default();
    let jiffy_ns = jiffy.subsec_nanos().max(1);
    // Rounded to the nearest: the kernel has rounded the length of a jiffy.
    (1_000_000_000 + jiffy_ns / 2) / jiffy_ns
}

/// Whether the kernel knows `TCP_RTO_MAX_MS` (Linux 6.15): tried on an unconnected socket.
pub(crate) fn rto_max_settable() -> bool {
    const TCP_RTO_MAX_MS: i32 = 44;
    let Ok(socket) = std::net::TcpListener::bind(("127.0.0.1", 0)) else { return false };
    let value: i32 = 120_000;
    // SAFETY: the value lives through the call and has the size that is told.
    let set = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::IPPROTO_TCP,
            TCP_RTO_MAX_MS,
            (&raw const value).cast(),
            size_of::<i32>() as u32,
        )
    };
    set == 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn hz_is_what_the_kernel_was_built_with() {
        let told = Command::new("sh")
            .args(["-c", "zcat /proc/config.gz || cat \"/boot/config-$(uname -r)\""])
            .output()
            .unwrap();
        let told = String::from_utf8_lossy(&told.stdout);
        let Some(built_with) = told.lines().find_map(|line| line.strip_prefix("CONFIG_HZ=")) else {
            eprintln!("skipped: the kernel's configuration cannot be read");
            return;
        };
        assert_eq!(hz().to_string(), built_with);
    }
}
