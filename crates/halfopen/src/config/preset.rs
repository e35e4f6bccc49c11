//! The presets: configuration files that are part of this program.

use super::value::Words;

/// What a configuration starts from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Preset {
    /// No limits.
    None,
    /// Windows XP SP2.
    XpSp2,
    /// Windows Vista Home Basic.
    VistaHome,
    /// Williamson's virus throttle.
    VirusThrottle,
    /// Credit for first contacts.
    #[default]
    Adaptive,
    /// That, and limits on connections.
    Hosting,
}

impl Words for Preset {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("none", Self::None),
        ("xp-sp2", Self::XpSp2),
        ("vista-home", Self::VistaHome),
        ("virus-throttle", Self::VirusThrottle),
        ("adaptive", Self::Adaptive),
        ("hosting", Self::Hosting),
    ];
}

impl Preset {
    /// The preset of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::WORDS.iter().find(|(known, _)| *known == name).map(|(_, preset)| *preset)
    }

    /// The preset as a configuration file, with the reason for each number.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Self::None => include_str!("presets/none.toml"),
            Self::XpSp2 => include_str!("presets/xp-sp2.toml"),
            Self::VistaHome => include_str!("presets/vista-home.toml"),
            Self::VirusThrottle => include_str!("presets/virus-throttle.toml"),
            Self::Adaptive => include_str!("presets/adaptive.toml"),
            Self::Hosting => include_str!("presets/hosting.toml"),
        }
    }

    /// A short description: the first line of its text.
    #[must_use]
    pub fn about(self) -> &'static str {
        let first = self.text().lines().next().unwrap_or_default();
        first.split_once(": ").map_or(first, |(_, about)| about)
    }
}
