//! The assignments of the presets.

use super::assignment::Assignment;
use super::file::{self, Layer};
use super::preset::Preset;
use super::value::Words;
use std::path::Path;
use std::sync::LazyLock;

static LAYERS: LazyLock<Vec<Layer>> = LazyLock::new(|| {
    let parsed = Preset::WORDS.iter().map(|(name, preset)| file::parse(Path::new(name), preset.text()));
    parsed.collect::<Result<_, _>>().expect("the presets are part of the program, and its tests read each")
});

/// The assignments of `preset`.
pub(super) fn layer(preset: Preset) -> impl Iterator<Item = &'static Assignment> {
    let at = Preset::WORDS.iter().position(|(_, known)| *known == preset);
    at.and_then(|at| LAYERS.get(at)).into_iter().flatten().map(|(assignment, _)| assignment)
}
