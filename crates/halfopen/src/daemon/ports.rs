//! A set of ports. Its memory is bounded, however many ports a program dials: a bit for each.

use std::fmt;

/// A set of ports. An empty one has no memory.
#[derive(Default)]
pub(super) struct Ports {
    words: Vec<u64>,
}

impl Ports {
    pub fn insert(&mut self, port: u16) {
        self.words.resize(usize::from(u16::MAX) / 64 + 1, 0);
        self.words[usize::from(port) / 64] |= 1 << (port % 64);
    }

    pub fn count(&self) -> u64 {
        self.words.iter().map(|word| u64::from(word.count_ones())).sum()
    }
}

impl fmt::Debug for Ports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ports", self.count())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_port_counts_once() {
        let mut ports = Ports::default();
        assert_eq!(ports.count(), 0);
        (0..=u16::MAX).for_each(|port| ports.insert(port));
        ports.insert(80);
        assert_eq!(ports.count(), 65_536);
    }
}
