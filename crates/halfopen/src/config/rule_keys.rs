//! The tables of the keys that rules have besides their limits, and what documentation says about each kind of rule.

use super::form::Form;
use super::key::{Field, Key, Place, Table, fields, put};
use super::value::{Protocol, Typed};
use halfopen_bpf::{DenyRule, Per};
use halfopen_policy::Mode;

/// The keys that make a `[[scope]]`.
pub static SCOPE: [Key; 2] = [
    Key::new(
        Table::Scope,
        "match",
        Form::MATCH,
        "The programs that the rule is for. All conditions must hold.",
    ),
    Key::new(
        Table::Scope,
        "per",
        Form::words::<Per>(),
        "Gives an account with these limits to each \"cgroup\" that a pattern names, to each \"user\", or to each \
         \"process\" together with its children. Without it, all share one account if the rule names an amount, such \
         as half_open = 20; if it names none, they keep the accounts that they would have without the rule.",
    ),
];
/// `match`.
pub const MATCH: &Key = &SCOPE[0];
/// `per`.
pub const PER: &Key = &SCOPE[1];

macro_rules! at {
    ($field:ident) => {
        Place { get: |rule| rule.$field.value(), set: |rule, value| put(&mut rule.$field, value) }
    };
}

fields! {
    /// The keys of a `[[deny]]`.
    pub static DENY: DenyRule, in Table::Deny;

    /// The destinations that the rule refuses.
    to: Form::SOME_PREFIXES => at!(to);

    /// Destinations within these that it does not refuse.
    except: Form::PREFIXES => at!(except);

    /// "tcp": connections, "udp": datagrams, or "both".
    protocol: Form::words::<Protocol>() => Place {
        get: |rule| {
            let one = if rule.udp { Protocol::Udp } else { Protocol::Tcp };
            if rule.tcp && rule.udp { Protocol::Both } else { one }.value()
        },
        set: |rule, value| {
            let protocol = Protocol::of(value).unwrap_or(Protocol::Both);
            (rule.tcp, rule.udp) = (protocol != Protocol::Udp, protocol != Protocol::Tcp);
        },
    };

    /// The ports that it refuses: "all", or a list of at most 8 ports and ranges, such as [22, "6881-6889"].
    port: Form::PORTS => at!(ports);

    /// "enforce", "audit" or "off", limited by the mode at the top of the file.
    mode: Form::words::<Mode>() => at!(mode);
}

/// The rule of that name of which nothing else is said.
#[must_use]
pub fn bare_deny(name: &str) -> DenyRule {
    DenyRule {
        name: name.to_owned(),
        to: Vec::new(),
        except: Vec::new(),
        tcp: true,
        udp: true,
        ports: Vec::new(),
        mode: Mode::Enforce,
    }
}

/// What documentation says about a kind of rule, or about the accounts.
#[derive(Debug)]
pub struct Kind {
    /// Which.
    pub table: Table,
    /// In paragraphs.
    pub doc: &'static str,
    /// A rule, as a file writes it.
    pub example: &'static str,
}

/// All kinds of rules.
pub static KINDS: [Kind; 4] = [
    Kind {
        table: Table::Accounts,
        doc: "The limits of each account that the preset adaptive gives: of each service, user and container. They are \
              those of its rule: accounts.first_contacts and scope.adaptive.first_contacts are one key. Rules that \
              inherit from it have the new value too.",
        example: "first_contacts = 64",
    },
    Kind {
        table: Table::Scope,
        doc: "Rules give a part of the host limits of its own, in addition to the host's. Each attempt is charged to \
              the first rule that matches it; the rules of the preset come after yours. What a rule does not name it \
              inherits, key by key, from the next rule that matches all its programs: under adaptive at the latest \
              from the preset's rule. To free programs of the cost of first contacts, write first_contacts = \"off\". \
              Where there is no such rule, half_open, drain and queue are unlimited, max_wait is the program's, \
              first_contacts is off; slot_life, strict and overflow are the host's. `halfopen check` shows what each \
              rule inherits and loosens. A rule with the same name in a \
              file read later replaces this one; without match, it changes single limits.",
        example: "name = \"torrent\"\nmatch = { cgroup = \"/system.slice/transmission*.service\" }\nper = \
                  \"cgroup\"\nhalf_open = 4\ndrain = \"2/s\"",
    },
    Kind {
        table: Table::Interface,
        doc: "Limits what leaves through the interface of this name, in any network namespace.",
        example: "name = \"eth0\"\nhalf_open = 50",
    },
    Kind {
        table: Table::Deny,
        doc: "Deny rules name destinations to which nobody may connect or send UDP: the call fails at once with EPERM, \
              whoever makes it, and halfopen names the program (status, events 4228). Without such rules this costs \
              nothing. Hosts on rented networks are often reported for traffic to the private and shared ranges, which \
              no router on the way delivers to anybody.\n\
              WARNING: before you write such a rule, check what lives in these ranges: the resolvers in \
              /etc/resolv.conf, the gateway, the metadata service of your provider (169.254.169.254), its mirrors and \
              time servers, pods, containers, VPNs, your own other machines. Put those into except, and begin with \
              mode = \"audit\": it refuses nothing, and `halfopen status` shows what it would have refused.\n\
              You can leave out all keys but name and to; the defaults are both, all and enforce. A rule with the same \
              name in a file read later replaces this one; without to, it changes single keys, as deny.private.mode \
              does in `halfopen set`.",
        example: "name = \"private\"\nto = [\"10.0.0.0/8\", \"172.16.0.0/12\", \"192.168.0.0/16\", \"100.64.0.0/10\", \
                  \"169.254.0.0/16\", \"198.18.0.0/15\", \"fc00::/7\"]\nexcept = [\"10.0.0.2/32\"]\nprotocol = \
                  \"both\"\nport = \"all\"\nmode = \"audit\"",
    },
];
