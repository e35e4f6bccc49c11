//! Completions for shells, from the command line's definition.

use anyhow::{Context, Result};
use clap::CommandFactory;
use clap_complete::{Shell, generate_to};
use halfopen::cli::Cli;
use std::path::Path;

const SHELLS: [Shell; 3] = [Shell::Bash, Shell::Zsh, Shell::Fish];

/// Writes one file for each shell, under the name by which that shell finds it.
pub fn write(directory: &Path) -> Result<()> {
    for shell in SHELLS {
        generate_to(shell, &mut Cli::command(), "halfopen", directory)
            .with_context(|| format!("writing the completions for {shell} to {}", directory.display()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_shell_is_told_every_subcommand() {
        let directory = tempfile::tempdir().unwrap();
        write(directory.path()).unwrap();
        for name in ["halfopen.bash", "_halfopen", "halfopen.fish"] {
            let text = std::fs::read_to_string(directory.path().join(name)).unwrap();
            for command in Cli::command().get_subcommands().filter(|command| !command.is_hide_set()) {
                assert!(text.contains(command.get_name()), "{name} lacks {}", command.get_name());
            }
        }
    }
}
