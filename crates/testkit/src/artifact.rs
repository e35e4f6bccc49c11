use std::path::PathBuf;

use crate::LabError;

/// Where a program of this workspace is: the environment's `env` names it, else it lies in the target directory
/// beside the running test, bench or program.
///
/// # Errors
/// When it is in neither place.
pub fn artifact(name: &str, env: &str) -> Result<PathBuf, LabError> {
    if let Some(path) = std::env::var_os(env) {
        return Ok(path.into());
    }
    let running = std::env::current_exe().map_err(LabError::io("find the running program"))?;
    let missing =
        |searched: PathBuf| LabError::NoArtifact { name: name.to_owned(), searched, env: env.to_owned() };
    // Tests and benches run from target/<profile>/deps, examples from target/<profile>/examples.
    let mut places = running.ancestors().skip(1).take(2).map(|directory| directory.join(name));
    places
        .find(|path| path.is_file())
        .ok_or_else(|| missing(running.ancestors().nth(2).unwrap_or(&running).to_owned()))
}
