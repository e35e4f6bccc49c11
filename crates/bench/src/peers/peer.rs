use std::borrow::Cow;
use std::path::Path;

use crate::runs::{InForce, Limiter, Preset, RunError, configured};
use testkit::nat::Nat;
use testkit::{Lab, LabError};

use crate::peers::in_force::{Queue, Ruleset};

/// The cgroup below the lab's that rules for one cgroup limit, `{tenant}` in their text. It is there before they are.
pub const TENANT: &str = "tenant";

/// Something that limits.
#[derive(Clone, Debug)]
pub struct Peer {
    /// What to ask for it by.
    pub id: &'static str,
    /// What it does, in one line.
    pub says: &'static str,
    /// Its rules, if it has any.
    pub rules: Option<Rules>,
    /// What carries the rules out.
    pub means: Means,
    /// Numbers of its rules and what to put in their place where its cost is measured and it is not to limit.
    pub limits: &'static [(&'static str, &'static str)],
}

/// A file of rules.
#[derive(Clone, Debug)]
pub struct Rules {
    /// Its name in `src/rules`.
    pub file: &'static str,
    /// All of it.
    pub text: Cow<'static, str>,
}

/// What carries rules out.
#[derive(Clone, Debug)]
pub enum Means {
    /// Nothing: no limit.
    Nothing,
    /// `nft -f`.
    Nft {
        /// The table of the rules.
        table: &'static str,
    },
    /// `iptables-restore`.
    Iptables,
    /// `tc -batch`, on the root of the link.
    Tc,
    /// `iptables-restore`, and the program `peer-queue` with these arguments, separated by blanks.
    Queue(Cow<'static, str>),
    /// The program `halfopen` with this preset.
    Halfopen(&'static str),
    /// The program `halfopen` with the rules as its configuration.
    HalfopenWith,
    /// `nft -f` in the NAT box.
    NftOfRouter {
        /// The table of the rules.
        table: &'static str,
    },
    /// `iptables-restore` in the NAT box.
    IptablesOfRouter,
}

impl Rules {
    pub(crate) const fn of(file: &'static str, text: &'static str) -> Self {
        Self { file, text: Cow::Borrowed(text) }
    }
}

impl Peer {
    /// The same with limits that are out of reach: all that is left is its cost.
    #[must_use]
    pub fn unlimited(&self) -> Self {
        let raise = |text: &str| {
            self.limits
                .iter()
                .fold(text.to_owned(), |text, (limit, raised)| text.replace(limit, raised))
                .into()
        };
        let rules = self.rules.as_ref().map(|rules| Rules { file: rules.file, text: raise(&rules.text) });
        let means = match &self.means {
            Means::Queue(arguments) => Means::Queue(raise(arguments)),
            other => other.clone(),
        };
        Self { rules, means, ..self.clone() }
    }
}

impl Limiter for Peer {
    fn name(&self) -> &str {
        self.id
    }

    fn put_into(&self, lab: &Lab) -> Result<Box<dyn InForce>, RunError> {
        let rules = self.rules.as_ref().map_or("", |rules| &rules.text);
        let cgroup = lab.cgroup().path();
        let of_tenant = |cgroup: &Path| rules.replace("{tenant}", &cgroup.join(TENANT).to_string_lossy());
        // nft looks below this directory, wherever the hierarchy is mounted.
        let seen_by_nft = &of_tenant(cgroup.strip_prefix("/sys/fs/cgroup").unwrap_or(cgroup));
        let router = || lab.nat().map(Nat::namespace).ok_or(LabError::NoNat);
        match &self.means {
            Means::Nothing => Preset(crate::runs::NONE.to_owned()).put_into(lab),
            Means::Halfopen(preset) => Preset((*preset).to_owned()).put_into(lab),
            Means::Nft { table } => Ok(Box::new(Ruleset::nft(lab.client(), seen_by_nft, table)?)),
            Means::NftOfRouter { table } => Ok(Box::new(Ruleset::nft(router()?, rules, table)?.of_router())),
            Means::Iptables => Ok(Box::new(Ruleset::iptables(lab.client(), rules)?)),
            Means::IptablesOfRouter => Ok(Box::new(Ruleset::iptables(router()?, rules)?.of_router())),
            Means::HalfopenWith => {
                configured(lab, &of_tenant(Path::new(cgroup.file_name().unwrap_or_default())))
            }
            Means::Tc => Ok(Box::new(Ruleset::tc(lab, rules)?)),
            // The program first: rules without it would drop what it is to hold.
            Means::Queue(arguments) => Ok(Box::new(Queue::start(lab, self.id, arguments, rules)?)),
        }
    }
}
