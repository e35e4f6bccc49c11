//! A router between client and world that translates the client's addresses to its own, as a provider's NAT box does.

mod entries;
mod journal;

use std::fmt::Write;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::atomic::{AtomicU16, Ordering};

use crate::tag::Tag;
use crate::world::{CLIENT_V4, CLIENT_V6, LINK, WORLD_V4, WORLD_V6};
use crate::{LabError, Namespace, Prefix};

pub use entries::{Entry, EntryState};
pub use journal::{Event, Journal, most_at_once};

/// The address that the world sees in place of the client's.
pub const NAT_V4: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 254);
/// The same of IPv6.
pub const NAT_V6: Ipv6Addr = Ipv6Addr::new(0xfd77, 0, 0, 0, 0, 0, 0, 0xfe);

/// The NAT box's interface towards the world.
const FAR: &str = "far0";
/// Guests have /24 networks from this one on.
const GUESTS: [u8; 4] = [10, 80, 0, 0];
/// Below what the kernel gives to those who ask for no certain port.
const FIRST_PORT: u16 = 10_000;

/// A NAT box at work. Its table of connections is that of the kernel's connection tracking.
#[derive(Debug)]
pub struct Nat {
    namespace: Namespace,
    guests: AtomicU16,
    ports: AtomicU16,
}

impl Nat {
    /// Puts it between the two, who keep their addresses and routes: it answers for each on the other's side.
    pub(crate) fn between(client: &Namespace, world: &Namespace, tag: Tag) -> Result<Self, LabError> {
        let namespace = Namespace::create(tag, "nat")?;
        crate::world::link_by_veth(client, &namespace)?;
        namespace.ip(&format!("link add {FAR} type veth peer name {LINK} netns {}\n", world.name()))?;
        for (name, value) in [
            ("net.ipv4.ip_forward", "1"),
            ("net.ipv6.conf.all.forwarding", "1"),
            ("net.ipv4.conf.all.rp_filter", "0"),
        ] {
            namespace.sysctl(name, value)?;
        }
        let mut batch = format!(
            "link set lo up\nlink set {LINK} txqueuelen 16384\nlink set {FAR} txqueuelen 16384\n\
             link set {LINK} up\nlink set {FAR} up\naddr add {NAT_V4}/32 dev {FAR}\naddr add {NAT_V6}/128 dev {FAR} nodad\n"
        );
        for (interface, v4, v6, others_v6) in
            [(LINK, CLIENT_V4, CLIENT_V6, WORLD_V6), (FAR, WORLD_V4, WORLD_V6, CLIENT_V6)]
        {
            for (name, value) in [
                (format!("net.ipv4.conf.{interface}.proxy_arp"), "1"),
                (format!("net.ipv6.conf.{interface}.proxy_ndp"), "1"),
                (format!("net.ipv4.neigh.{interface}.proxy_delay"), "0"),
                (format!("net.ipv6.neigh.{interface}.proxy_delay"), "0"),
            ] {
                namespace.sysctl(&name, value)?;
            }
            let _ = write!(
                batch,
                "route add {v4} dev {interface}\nroute add {v6} dev {interface}\n\
                 neigh add proxy {others_v6} dev {interface}\n"
            );
        }
        let (v4, v6) = (Prefix::WORLD_V4, Prefix::WORLD_V6);
        let _ = write!(
            batch,
            "route add {v4} via {WORLD_V4} dev {FAR} onlink\nroute add {v6} via {WORLD_V6} dev {FAR} onlink\n"
        );
        namespace.ip(&batch)?;
        namespace.nft(&rules())?;
        Ok(Self { namespace, guests: AtomicU16::new(0), ports: AtomicU16::new(FIRST_PORT) })
    }

    /// Its network namespace.
    #[must_use]
    pub fn namespace(&self) -> &Namespace {
        &self.namespace
    }

    /// The TCP connections that it keeps now, in whatever state.
    ///
    /// # Errors
    /// When the kernel does not list them.
    pub fn entries(&self) -> Result<Vec<Entry>, LabError> {
        self.namespace.run(entries::listed)?.map_err(LabError::io("list the connections of a NAT box"))
    }

    /// Begins to write down what becomes of each connection that it keeps.
    ///
    /// # Errors
    /// When `conntrack` does not start.
    pub fn journal(&self) -> Result<Journal<'_>, LabError> {
        Journal::start(&self.namespace)
    }

    /// Drops all segments from and to a port of the world before they are tracked, as if that host had vanished.
    ///
    /// # Errors
    /// When nftables refuses.
    pub fn cut(&self, port: u16) -> Result<(), LabError> {
        self.namespace.nft(&format!("add element inet nat cut {{ {port} }}\n")).map(drop)
    }

    /// Drops only the segments with a FIN from and to a port of the world, before they are tracked.
    ///
    /// # Errors
    /// When nftables refuses.
    pub fn cut_fins(&self, port: u16) -> Result<(), LabError> {
        self.namespace.nft(&format!("add element inet nat cut_fins {{ {port} }}\n")).map(drop)
    }

    /// Ends whatever has been cut of that port.
    ///
    /// # Errors
    /// When nftables refuses.
    pub fn mend(&self, port: u16) -> Result<(), LabError> {
        // Added first, since an element that is not there cannot be deleted.
        let mend = |set| {
            format!("add element inet nat {set} {{ {port} }}\ndelete element inet nat {set} {{ {port} }}\n")
        };
        self.namespace.nft(&(mend("cut") + &mend("cut_fins"))).map(drop)
    }

    /// A port of the world that no connection of this NAT box has gone to yet.
    pub(crate) fn fresh_port(&self) -> u16 {
        self.ports.fetch_add(1, Ordering::Relaxed)
    }

    /// A namespace of its own behind the NAT box, as a container beside the client has it.
    ///
    /// # Errors
    /// When the kernel refuses a part of it.
    pub fn guest(&self) -> Result<Guest<'_>, LabError> {
        let number = self.guests.fetch_add(1, Ordering::Relaxed);
        let namespace = Namespace::create(Tag::fresh(), "guest")?;
        let interface = format!("guest{number}");
        let network = u32::from_be_bytes(GUESTS) + (u32::from(number) << 8);
        let [guest, gateway] = [1, 2].map(|host| Ipv4Addr::from_bits(network + host));
        self.namespace.ip(&format!(
            "link add {interface} type veth peer name {LINK} netns {}\nlink set {interface} up\n\
             addr add {gateway}/24 dev {interface}\n",
            namespace.name()
        ))?;
        namespace.ip(&format!(
            "link set lo up\naddr add {guest}/24 dev {LINK}\nlink set {LINK} up\nroute add default via {gateway}\n"
        ))?;
        Ok(Guest { nat: self, interface, namespace })
    }
}

fn rules() -> String {
    // What connection tracking calls invalid leaves untranslated else, and is answered at the wrong address.
    format!(
        "table inet nat {{\n\
         set cut {{ type inet_service; }}\nset cut_fins {{ type inet_service; }}\n\
         chain wire {{ type filter hook prerouting priority raw;\n\
         tcp dport @cut drop\ntcp sport @cut drop\n\
         tcp flags & fin == fin tcp dport @cut_fins drop\ntcp flags & fin == fin tcp sport @cut_fins drop\n}}\n\
         chain through {{ type filter hook forward priority filter; ct state invalid drop\n}}\n\
         chain translated {{ type nat hook postrouting priority srcnat; oifname {FAR} masquerade\n}}\n}}\n"
    )
}

/// A namespace behind the NAT box. Dropping it ends what runs in it.
#[derive(Debug)]
pub struct Guest<'a> {
    nat: &'a Nat,
    interface: String,
    namespace: Namespace,
}

impl Guest<'_> {
    /// Its network namespace.
    #[must_use]
    pub fn namespace(&self) -> &Namespace {
        &self.namespace
    }

    /// Takes the carrier away from its interface, or gives it back.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn link(&self, up: bool) -> Result<(), LabError> {
        let up = if up { "up" } else { "down" };
        self.nat.namespace.ip(&format!("link set {} {up}\n", self.interface))
    }

    /// Removes its interface, as whoever removes a container does.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn unplug(&self) -> Result<(), LabError> {
        self.nat.namespace.ip(&format!("link delete {}\n", self.interface))
    }
}
