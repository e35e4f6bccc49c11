//! Whether this host can do what the limit needs: each probe tries it for real.

/// What a probe found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finding {
    /// It works. The detail is worth showing or empty.
    Good(String),
    /// The limit holds without it, with the loss that is named.
    Degraded(String),
    /// The limit cannot be enforced; the text says what to do.
    Missing(String),
}

/// One thing that was tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    /// What was tried, in a few words.
    pub name: &'static str,
    /// How it went.
    pub finding: Finding,
}

/// Tries everything the limit needs on `cgroup` (the root where `None`) and leaves nothing behind.
#[must_use]
pub fn probes(cgroup: Option<&std::path::Path>) -> Vec<Probe> {
    todo!("{cgroup:?}")
}
