//! Completions for shells, from the command line's definition.

use anyhow::{Context, Result};
use clap::{Command, CommandFactory};
use clap_complete::{Shell, generate_to};
use halfopen::cli::Cli;
use std::path::Path;

const SHELLS: [Shell; 3] = [Shell::Bash, Shell::Zsh, Shell::Fish];

/// Writes one file for each shell, under the name by which that shell finds it.
pub fn write(directory: &Path) -> Result<()> {
    for shell in SHELLS {
        generate_to(shell, &mut for_people(), "halfopen", directory)
            .with_context(|| format!("writing the completions for {shell} to {}", directory.display()))?;
    }
    Ok(())
}

/// The command line without what is hidden: clap_complete would offer that too.
fn for_people() -> Command {
    let all = Cli::command();
    let shown = all.get_subcommands().filter(|command| !command.is_hide_set()).cloned();
    Command::new("halfopen")
        .version(env!("CARGO_PKG_VERSION"))
        .propagate_version(true)
        .disable_help_subcommand(true)
        .args(all.get_arguments().cloned())
        .subcommands(shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_shell_is_told_every_subcommand_that_is_not_hidden() {
        let directory = tempfile::tempdir().unwrap();
        write(directory.path()).unwrap();
        // How each of the three offers the subcommand NAME.
        let offers =
            [("halfopen.bash", "halfopen,NAME)"), ("_halfopen", "'NAME:"), ("halfopen.fish", "-a \"NAME\"")];
        for (file, offer) in offers {
            let text = std::fs::read_to_string(directory.path().join(file)).unwrap();
            for command in Cli::command().get_subcommands() {
                let offered = text.contains(&offer.replace("NAME", command.get_name()));
                assert_eq!(offered, !command.is_hide_set(), "{file}: {}", command.get_name());
            }
        }
    }
}
