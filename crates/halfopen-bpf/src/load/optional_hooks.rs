//! Hooks that are attached only while the settings ask for them, so that other hosts do not pay for them.

use crate::settings::Settings;
use crate::sys::cgroup::CgroupDir;
use libbpf_rs::libbpf_sys::{self, bpf_attach_type};
use libbpf_rs::{NF_INET_FORWARD, NFPROTO_IPV4, NFPROTO_IPV6};
use rustix::fs::unlink;
use std::ffi::CString;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// After the host's own filter (`NF_IP_PRI_FILTER`, 0): what that drops costs no credit.
const AFTER_FILTER: i32 = 1;

/// A hook that only some settings ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum OptionalHook {
    /// `[[deny]]`: `connect()` to an IPv4 address.
    DenyConnect4,
    /// `[[deny]]`: `connect()` of an IPv6 socket.
    DenyConnect6,
    /// `[[deny]]`: UDP messages that carry an IPv4 address of their own.
    DenySendmsg4,
    /// `[[deny]]`: UDP messages that carry an IPv6 address of their own.
    DenySendmsg6,
    /// `names` and first contacts over UDP: every packet that arrives at a socket.
    Ingress,
    /// `forwarded_tcp`: every IPv4 packet that the host forwards.
    Forward4,
    /// `forwarded_tcp`: every IPv6 packet that the host forwards.
    Forward6,
}

impl OptionalHook {
    /// All these hooks.
    pub const ALL: [Self; 7] = [
        Self::DenyConnect4,
        Self::DenyConnect6,
        Self::DenySendmsg4,
        Self::DenySendmsg6,
        Self::Ingress,
        Self::Forward4,
        Self::Forward6,
    ];

    /// Its name, which is also its pin's.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::DenyConnect4 => "deny_connect4",
            Self::DenyConnect6 => "deny_connect6",
            Self::DenySendmsg4 => "deny_sendmsg4",
            Self::DenySendmsg6 => "deny_sendmsg6",
            Self::Ingress => "ingress",
            Self::Forward4 => "forward4",
            Self::Forward6 => "forward6",
        }
    }

    /// The hook with this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|hook| hook.name() == name)
    }

    /// Whether `settings` ask for it; `forwards` is whether anything is to be limited that containers forward.
    pub(crate) fn is_wanted(self, settings: &Settings, forwards: bool) -> bool {
        match self {
            Self::DenyConnect4 | Self::DenyConnect6 => settings.denies(|_| true),
            Self::DenySendmsg4 | Self::DenySendmsg6 => settings.denies(|rule| rule.udp),
            Self::Ingress => settings.reads_names() || settings.limits_datagrams(),
            Self::Forward4 | Self::Forward6 => forwards,
        }
    }

    fn attach_type(self) -> bpf_attach_type {
        match self {
            Self::DenyConnect4 => libbpf_sys::BPF_CGROUP_INET4_CONNECT,
            Self::DenyConnect6 => libbpf_sys::BPF_CGROUP_INET6_CONNECT,
            Self::DenySendmsg4 => libbpf_sys::BPF_CGROUP_UDP4_SENDMSG,
            Self::DenySendmsg6 => libbpf_sys::BPF_CGROUP_UDP6_SENDMSG,
            Self::Ingress => libbpf_sys::BPF_CGROUP_INET_INGRESS,
            Self::Forward4 | Self::Forward6 => libbpf_sys::BPF_NETFILTER,
        }
    }

    /// On a hook of netfilter, in the network namespace of the process that attaches: the protocol family.
    pub(crate) fn netfilter_family(self) -> Option<u32> {
        match self {
            Self::Forward4 => Some(NFPROTO_IPV4 as u32),
            Self::Forward6 => Some(NFPROTO_IPV6 as u32),
            _ => None,
        }
    }

    /// Attaches `program` to `cgroup` on this hook, beside other programs. It stays attached as long as the
    /// link is kept.
    ///
    /// # Errors
    /// The kernel's error, such as when another program holds the hook exclusively.
    pub fn attach(self, program: BorrowedFd<'_>, cgroup: BorrowedFd<'_>) -> io::Result<OwnedFd> {
        let mut options = libbpf_sys::bpf_link_create_opts {
            sz: size_of::<libbpf_sys::bpf_link_create_opts>() as libbpf_sys::size_t,
            ..Default::default()
        };
        let mut target = cgroup.as_raw_fd();
        if let Some(pf) = self.netfilter_family() {
            target = 0;
            options.__bindgen_anon_1.netfilter =
                libbpf_sys::bpf_link_create_opts__bindgen_ty_1__bindgen_ty_5 {
                    pf,
                    hooknum: NF_INET_FORWARD as u32,
                    priority: AFTER_FILTER,
                    flags: 0,
                };
        }
        // SAFETY: descriptors and options that live through the call.
        let link = unsafe {
            libbpf_sys::bpf_link_create(program.as_raw_fd(), target, self.attach_type(), &raw const options)
        };
        if link < 0 {
            return Err(io::Error::from_raw_os_error(-link));
        }
        // SAFETY: a descriptor that was just made, which nothing else owns.
        Ok(unsafe { OwnedFd::from_raw_fd(link) })
    }

    /// Pins `link` in the directory `pins`: it stays attached as long as that file is there.
    ///
    /// # Errors
    /// The kernel's error.
    pub fn pin(self, link: BorrowedFd<'_>, pins: &Path) -> io::Result<()> {
        let file = CString::new(pins.join(self.name()).as_os_str().as_bytes())?;
        // SAFETY: a descriptor and a path that live through the call.
        let failed = unsafe { libbpf_sys::bpf_obj_pin(link.as_raw_fd(), file.as_ptr()) };
        if failed < 0 { Err(io::Error::from_raw_os_error(-failed)) } else { Ok(()) }
    }

    /// Removes its pin from the directory `pins`, which detaches it. Succeeds if there is none.
    ///
    /// # Errors
    /// If the file cannot be removed.
    pub fn unpin(self, pins: &Path) -> io::Result<()> {
        match unlink(pins.join(self.name())) {
            Err(rustix::io::Errno::NOENT) => Ok(()),
            removed => Ok(removed?),
        }
    }
}

/// Attaches to the limited cgroup on behalf of a limiter whose process may have given up the right to.
pub trait Attach {
    /// Attaches `program` on `hook`. Returns the link, or `None` if it is to be `pinned`.
    ///
    /// # Errors
    /// If that fails; nothing is left attached.
    fn attach(
        &mut self,
        hook: OptionalHook,
        program: BorrowedFd<'_>,
        pinned: bool,
    ) -> io::Result<Option<OwnedFd>>;

    /// Removes the pin of `hook`.
    ///
    /// # Errors
    /// If that fails.
    fn unpin(&mut self, hook: OptionalHook) -> io::Result<()>;
}

/// Attaches with the rights of the calling process.
#[derive(Debug)]
pub struct AttachHere<'a> {
    /// The limited cgroup.
    pub cgroup: &'a CgroupDir,
    /// The directory of pins.
    pub pins: PathBuf,
}

impl Attach for AttachHere<'_> {
    fn attach(
        &mut self,
        hook: OptionalHook,
        program: BorrowedFd<'_>,
        pinned: bool,
    ) -> io::Result<Option<OwnedFd>> {
        let link = hook.attach(program, self.cgroup.as_fd())?;
        if !pinned {
            return Ok(Some(link));
        }
        hook.pin(link.as_fd(), &self.pins).map(|()| None)
    }

    fn unpin(&mut self, hook: OptionalHook) -> io::Result<()> {
        hook.unpin(&self.pins)
    }
}
