//! A lab limited by the real an attacker and an innocent, and what the far side sees.

use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::process::Command;
use std::time::Duration;
use testkit::desk::PATIENCE;
use testkit::rig::program::Program;
use testkit::{Cgroup, Family, HostKind, Hosts, Lab, Limiter, LimiterBuilder, Mix, Namespace, Prefix};

pub const ATTACKER: u32 = 4001;
pub const ACCOMPLICE: u32 = 4002;
pub const INNOCENT: u32 = 5001;

/// How long an attack is watched, where nothing else is said.
pub const WATCHED_S: u32 = 10;
/// A scanner reaches some 35 in ten seconds under the preset `adaptive`, and 19 more for a live address that it has met.
/// Fewer than this is no more than that, whatever else the machine is at.
pub const MOST: usize = 60;
/// Enough that they show what gets past.
pub const DEAD: usize = 400;
pub const LIVE: usize = 60;
/// An innocent's dials in the middle: an undisturbed one takes under 50 ms, a busy machine more.
pub const MEDIAN: Duration = Duration::from_millis(500);

const SEEN: &str = "table inet attacks {
    set v4 { type ipv4_addr; size 262144; flags dynamic; }
    set v6 { type ipv6_addr; size 262144; flags dynamic; }
    chain arrived { type filter hook prerouting priority -300;
        ip daddr 198.18.0.0/15 add @v4 { ip daddr }
        ip6 daddr 2001:db8::/32 add @v6 { ip6 daddr }
    }
}";

/// What an attacker may do on the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rights {
    /// None at all.
    User(u32),
    /// Those that Docker gives, as root.
    Docker,
    /// All, for what a plain user may do on other hosts alone.
    Root,
}

/// Dropped, it ends the limiter before the lab.
pub struct Scene {
    pub limiter: Limiter,
    pub attacker: Cgroup,
    pub innocent: Cgroup,
    pub hosts: Hosts,
    pub lab: Lab,
}

/// How an innocent's dials went.
#[derive(Debug)]
pub struct Waits {
    pub asked: usize,
    pub connected: usize,
    /// None where nothing has connected.
    pub median: Option<Duration>,
    pub longest: Option<Duration>,
}

impl Scene {
    /// Limited by the preset `adaptive`.
    pub fn adaptive() -> Self {
        Self::of(Mix { dead: DEAD, live: LIVE, ..Mix::default() }, |limiter| {
            limiter.set("preset", "adaptive")
        })
    }

    /// The same with addresses of IPv6.
    pub fn adaptive_v6() -> Self {
        let mix = Mix { dead: DEAD, live: LIVE, family: Family::V6, ..Mix::default() };
        Self::of(mix, |limiter| limiter.set("preset", "adaptive"))
    }

    /// Limited by the preset `xp-sp2`, as it is.
    pub fn xp() -> Self {
        Self::of(Mix { dead: 4_000, live: LIVE, ..Mix::default() }, |limiter| limiter.set("preset", "xp-sp2"))
    }

    pub fn of(mix: Mix, limiter: impl FnOnce(LimiterBuilder) -> LimiterBuilder) -> Self {
        let lab = Lab::new().unwrap();
        let (attacker, innocent) =
            (lab.cgroup().child("attacker").unwrap(), lab.cgroup().child("innocent").unwrap());
        let hosts = lab.draw(&mix).unwrap();
        lab.world().nft(SEEN).unwrap();
        let limiter = limiter(Limiter::builder(&lab)).start().unwrap();
        Self { limiter, attacker, innocent, hosts, lab }
    }

    pub fn addresses(&self, kind: HostKind) -> Vec<IpAddr> {
        self.hosts.of(kind).iter().map(std::net::SocketAddr::ip).collect()
    }

    pub fn dead(&self) -> Vec<IpAddr> {
        self.addresses(HostKind::Dead)
    }

    pub fn live(&self) -> Vec<IpAddr> {
        self.addresses(HostKind::Live)
    }

    /// More live hosts.
    pub fn more_live(&self, count: usize, family: Family, within: Option<Prefix>) -> Vec<IpAddr> {
        let drawn = self.lab.draw(&Mix { live: count, family, within, ..Mix::default() }).unwrap();
        drawn.all().iter().map(|host| host.address).collect()
    }

    /// Runs `what` of a program in tests/programs/attacks, as the attacker.
    pub fn attack(&self, source: &str, what: &str, arguments: &Value) -> Program {
        self.run(Rights::User(ATTACKER), &self.attacker, source, what, arguments)
    }

    pub fn run(
        &self,
        rights: Rights,
        cgroup: &Cgroup,
        source: &str,
        what: &str,
        arguments: &Value,
    ) -> Program {
        Self::run_in(self.lab.client(), rights, cgroup, source, what, arguments)
    }

    pub fn run_in(
        namespace: &Namespace,
        rights: Rights,
        cgroup: &Cgroup,
        source: &str,
        what: &str,
        arguments: &Value,
    ) -> Program {
        let mut command = namespace.command_in(cgroup, "setpriv");
        give(&mut command, rights);
        // Not from a file, and not any python3: a plain user need not be able to read the checkout or root's own programs.
        let source = format!("{}\n{source}\nmain()\n", include_str!("../programs/attacks/common.py"));
        command.args(["--", "/usr/bin/python3", "-c", &source, what]);
        let mut program = Program::spawn(command);
        program.tell(arguments);
        program
    }

    /// What an attack says in the end.
    pub fn carried_out(&self, source: &str, what: &str, arguments: &Value) -> Value {
        self.attack(source, what, arguments).hear(PATIENCE)
    }

    /// A scanner that knows nothing, for [`WATCHED_S`].
    pub fn scan(&self, dead: &[IpAddr]) -> Value {
        self.carried_out("", "scan_only", &json!({"dead": dead, "seconds": WATCHED_S}))
    }

    /// Gives the network namespace of a container a way out through the client's.
    pub fn connect(&self, container: &mut Program) {
        self.link(container);
        container.tell(&json!("connected"));
    }

    /// The same, without telling it.
    pub fn link(&self, container: &mut Program) {
        let pid = &container.hear(PATIENCE)["pid"];
        let client = self.lab.client();
        client.sysctl("net.ipv4.ip_forward", "1").unwrap();
        let made = format!("link add ct0 type veth peer name eth0 netns {pid}");
        client.ip(&format!("{made}\naddr add 10.78.0.1/24 dev ct0\nlink set ct0 up\n")).unwrap();
        self.lab.world().ip("route add 10.78.0.0/24 via 10.77.0.1\n").unwrap();
    }

    /// Which addresses of the world anything has arrived at.
    pub fn arrived_at(&self) -> BTreeSet<IpAddr> {
        let set = |name: &str| {
            let text = self.lab.world().feed("nft", &["-j", "list", "set", "inet", "attacks", name], "");
            let told: Value = serde_json::from_str(&text.unwrap()).unwrap();
            let elements = told["nftables"][1]["set"]["elem"].as_array().cloned().unwrap_or_default();
            elements.iter().map(|element| element.as_str().unwrap().parse().unwrap()).collect::<Vec<IpAddr>>()
        };
        set("v4").into_iter().chain(set("v6")).collect()
    }

    /// How many of the dead have been reached.
    pub fn reached(&self) -> usize {
        let arrived = self.arrived_at();
        self.dead().iter().filter(|address| arrived.contains(address)).count()
    }

    /// Tells how many dead were reached; they must be fewer than `most`.
    pub fn reached_fewer_than(&self, most: usize, what: &str) {
        let (reached, of) = (self.reached(), self.dead().len());
        println!("{what}: {reached} of {of} dead reached");
        assert!(reached < most, "{what}: {reached} of {of} dead reached, fewer than {most} allowed");
    }

    /// An innocent dials these, so many a second (0: all at once).
    pub fn visit(&self, live: &[IpAddr], per_s: u32) -> Waits {
        self.visit_from(&self.innocent, live, per_s)
    }

    pub fn visit_from(&self, cgroup: &Cgroup, live: &[IpAddr], per_s: u32) -> Waits {
        let asked = json!({"live": live, "per_s": per_s, "patience": 8});
        Waits::of(&self.run(Rights::User(INNOCENT), cgroup, "", "visit_only", &asked).hear(PATIENCE))
    }
}

impl Waits {
    pub fn of(said: &Value) -> Self {
        let ended = said.as_array().unwrap();
        let mut waited: Vec<f64> =
            ended.iter().filter(|ended| ended[0].is_null()).map(|ended| ended[1].as_f64().unwrap()).collect();
        waited.sort_by(f64::total_cmp);
        let at = |index: usize| waited.get(index).map(|seconds| Duration::from_secs_f64(*seconds));
        let (asked, connected) = (ended.len(), waited.len());
        Self { asked, connected, median: at(connected / 2), longest: at(connected.saturating_sub(1)) }
    }

    /// Tells of them; all must have connected, most of them soon.
    pub fn hardly_disturbed(&self, what: &str) {
        let Self { asked, connected, median, longest } = self;
        println!("{what}: {connected} of {asked} connected, median {median:?}, longest {longest:?}");
        assert_eq!(connected, asked, "{what}: connected, of those that dialled");
        assert!(median.is_none_or(|median| median < MEDIAN), "{what}: median {median:?}");
    }
}

fn give(command: &mut Command, rights: Rights) {
    match rights {
        Rights::User(user) => {
            command.args([&format!("--reuid={user}"), &format!("--regid={user}"), "--clear-groups"]);
        }
        Rights::Root => {}
        Rights::Docker => {
            let given = "-all,+chown,+dac_override,+fsetid,+fowner,+mknod,+net_raw,+setgid,+setuid,+setfcap,\
                         +setpcap,+net_bind_service,+sys_chroot,+kill,+audit_write";
            command.args(["--bounding-set", given, "--inh-caps", "-all"]);
        }
    }
}
