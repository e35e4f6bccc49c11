//! The command line, from its definition.

use super::{table, title};
use clap::{Arg, Command, CommandFactory};
use halfopen::cli::Cli;
use halfopen::exit::CODES;
use std::fmt::Write;

pub fn page() -> String {
    let mut program = Cli::command();
    program.build();
    let mut page = title("Commands");
    page += "`halfopen COMMAND --help` shows the same. Every command takes `--help` and `--version`.\n\n";
    let shown: Vec<&Command> = program.get_subcommands().filter(|command| !command.is_hide_set()).collect();
    let listed = shown.iter().map(|command| {
        let name = command.get_name();
        [format!("[{name}](#halfopen-{name})"), styled(command.get_about())]
    });
    page += &table(["command", "what it does"], listed);
    page += "## Exit codes\n\n`halfopen exec` ends with the code of its program; see there. \
             [errors.md](errors.md#exit-codes) says what to do.\n\n";
    page +=
        &table(["code", "meaning"], CODES.map(|(code, meaning, _)| [code.to_string(), meaning.to_owned()]));
    for command in shown {
        section(&mut page, command);
    }
    format!("{}\n", page.trim_end())
}

fn section(page: &mut String, command: &Command) {
    let about = styled(command.get_long_about().or(command.get_about()));
    let usage = command.clone().render_usage().to_string();
    let usage = usage.trim_start_matches("Usage: ");
    let _ = write!(page, "## halfopen {}\n\n{about}\n\n```text\n{usage}\n```\n\n", command.get_name());
    let arguments: Vec<&Arg> = command.get_arguments().filter(|argument| is_own(argument)).collect();
    if !arguments.is_empty() {
        let rows =
            arguments.iter().map(|argument| [format!("`{}`", form(argument)), styled(argument.get_help())]);
        *page += &table(["argument", "meaning"], rows);
    }
    if let Some(notes) = command.get_after_help() {
        let notes = notes.to_string();
        let (examples, notes): (Vec<&str>, Vec<&str>) = notes
            .lines()
            .map(str::trim_start)
            .partition(|line| line.starts_with("Example: ") || line.starts_with("halfopen "));
        for note in notes {
            let _ = write!(page, "{note}\n\n");
        }
        let examples: Vec<&str> = examples.iter().map(|line| line.trim_start_matches("Example: ")).collect();
        if examples != [usage] {
            let _ = write!(page, "```sh\n{}\n```\n\n", examples.join("\n"));
        }
    }
}

/// Whether it is not one that every command has.
fn is_own(argument: &Arg) -> bool {
    !argument.is_hide_set() && !["help", "version"].contains(&argument.get_id().as_str())
}

/// As it stands on the command line.
fn form(argument: &Arg) -> String {
    let values = argument.get_value_names().unwrap_or_default().iter().map(ToString::to_string);
    let values = values.collect::<Vec<_>>().join(" ");
    let takes = argument.get_action().takes_values();
    match argument.get_long() {
        Some(long) if takes => format!("--{long} {values}"),
        Some(long) => format!("--{long}"),
        None if argument.is_last_set() => format!("-- {values}..."),
        None => values,
    }
}

fn styled(text: Option<&clap::builder::StyledStr>) -> String {
    text.map(ToString::to_string).unwrap_or_default()
}
