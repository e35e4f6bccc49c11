//! The assignments of the presets.

use super::assignment::Assignment;
use super::file::{self, Layer};
use super::general::PRESET;
use super::name::Name;
use super::preset::Preset;
use super::value::{Typed, Words};
use std::path::Path;
use std::sync::LazyLock;

static LAYERS: LazyLock<Vec<Layer>> = LazyLock::new(|| {
    let parsed = Preset::WORDS.iter().map(|(name, preset)| file::parse(Path::new(name), preset.text()));
    parsed.collect::<Result<_, _>>().expect("the presets are part of the program, and its tests read each")
});

/// What the text of `preset` says.
fn own(preset: Preset) -> impl Iterator<Item = &'static Assignment> {
    let at = Preset::WORDS.iter().position(|(_, known)| *known == preset);
    at.and_then(|at| LAYERS.get(at)).into_iter().flatten().map(|(assignment, _)| assignment)
}

/// The preset that `preset` changes; `None` if it says all itself.
#[must_use]
pub fn base(preset: Preset) -> Option<Preset> {
    let named = |assignment: &Assignment| match assignment {
        Assignment::Value(name, value) if *name == Name::of(None, PRESET) => Preset::of(value),
        _ => None,
    };
    own(preset).find_map(named).filter(|base| *base != Preset::None)
}

/// The assignments of `preset`, after those of the preset that it changes.
pub(super) fn layer(preset: Preset) -> impl Iterator<Item = &'static Assignment> {
    base(preset).into_iter().flat_map(own).chain(own(preset))
}
