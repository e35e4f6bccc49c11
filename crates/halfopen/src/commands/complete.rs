//! What the completions of a shell offer. The scripts in packaging/completions ask for it at each key press that needs it,
//! so that keys, presets and accounts are those of this program and of this moment.

use crate::cli::Cli;
use crate::config::{Key, Preset, Table, Words, read_name, tables};
use crate::control::{Answer, Client, Request, ScopeKind, Status};
use crate::output;
use crate::runtime_dir::RuntimeDir;
use anyhow::Result;
use clap::builder::PossibleValue;
use clap::{Arg, ArgAction, Command, CommandFactory};
use halfopen_replay::assertion::METRICS;
use halfopen_sim::scenario::about_all;
use std::ffi::OsString;
use std::time::Duration;

/// A shell does not wait for long. Without an answer, what needs none is offered.
const PATIENCE: Duration = Duration::from_secs(1);
/// Instead of words: the shell offers files.
const FILES: &str = ":files";

/// A word, and what it means; that may be empty.
type Offer = (String, String);

/// Prints what can stand in place of the last of `words`, the first of which follows the program's name.
pub fn complete(words: &[OsString]) -> Result<()> {
    let words: Vec<String> = words.iter().map(|word| unquoted(&word.to_string_lossy())).collect();
    for (word, meaning) in offers(&joined(words), asked) {
        output::line(&if meaning.is_empty() { word } else { format!("{word}\t{meaning}") })?;
    }
    Ok(())
}

/// The numbers of the daemon, if it runs and this user may ask.
fn asked() -> Option<Status> {
    let mut client = Client::ask(&RuntimeDir::of_this_host(), &Request::Status, Some(PATIENCE)).ok()?;
    match client.answer().ok()? {
        Answer::Status(status) => Some(*status),
        _ => None,
    }
}

/// As the shell would read the word, but for variables and commands in it: those are not carried out.
fn unquoted(word: &str) -> String {
    let mut read = String::new();
    let (mut quote, mut letters) = (None, word.chars());
    while let Some(letter) = letters.next() {
        match (quote, letter) {
            (None, '\'' | '"') => quote = Some(letter),
            (Some(open), _) if open == letter => quote = None,
            (None | Some('"'), '\\') => read.extend(letters.next()),
            _ => read.push(letter),
        }
    }
    read
}

/// Bash takes `a=b` apart into three words.
fn joined(words: Vec<String>) -> Vec<String> {
    let mut whole: Vec<String> = Vec::new();
    for word in words {
        match whole.last_mut() {
            Some(last) if word == "=" || (last.ends_with('=') && last.len() > 1) => last.push_str(&word),
            _ => whole.push(word),
        }
    }
    whole
}

fn offers(words: &[String], status: impl Fn() -> Option<Status>) -> Vec<Offer> {
    let Some((current, before)) = words.split_last() else { return Vec::new() };
    let mut program = Cli::command();
    program.build();
    let Some((name, before)) = before.split_first() else {
        let all = if current.starts_with('-') { options(&program) } else { commands(&program) };
        return beginning(all, current);
    };
    let Some(command) = program.find_subcommand(name).filter(|command| !command.is_hide_set()) else {
        return Vec::new();
    };
    let all = match expected(command, before, current) {
        Expected::Nothing => Vec::new(),
        Expected::Option => options(command),
        Expected::Value(arg) => values(&program, command, arg, before, &status),
    };
    if all.iter().any(|(word, _)| word == FILES) { all } else { beginning(all, current) }
}

enum Expected<'a> {
    Nothing,
    Option,
    Value(&'a Arg),
}

/// What comes after the words `before` of `command`.
fn expected<'a>(command: &'a Command, before: &[String], current: &str) -> Expected<'a> {
    let takes_value = |word: &String| {
        let is_it = |arg: &&Arg| arg.get_long().is_some_and(|long| word.strip_prefix("--") == Some(long));
        command
            .get_arguments()
            .find(is_it)
            .filter(|arg| matches!(arg.get_action(), ArgAction::Set | ArgAction::Append))
    };
    let (mut places, mut words) = (0, before.iter());
    while let Some(word) = words.next() {
        if word == "--" {
            return command
                .get_positionals()
                .find(|arg| arg.is_last_set())
                .map_or(Expected::Nothing, Expected::Value);
        }
        match takes_value(word) {
            // The value is the next word: the one to complete, if there is none.
            Some(arg) if words.next().is_none() => return Expected::Value(arg),
            Some(_) => {}
            None if word.starts_with('-') => {}
            None => places += 1,
        }
    }
    if current.starts_with('-') {
        return Expected::Option;
    }
    let place = command.get_positionals().filter(|arg| !arg.is_last_set()).nth(places);
    place.map_or(Expected::Nothing, Expected::Value)
}

fn beginning(mut all: Vec<Offer>, with: &str) -> Vec<Offer> {
    all.retain(|(word, _)| word.starts_with(with));
    all
}

fn commands(program: &Command) -> Vec<Offer> {
    let shown = program.get_subcommands().filter(|command| !command.is_hide_set());
    let about = |command: &Command| command.get_about().map(ToString::to_string).unwrap_or_default();
    shown.map(|command| (command.get_name().to_owned(), about(command))).collect()
}

fn options(command: &Command) -> Vec<Offer> {
    let shown = command.get_arguments().filter(|arg| !arg.is_hide_set());
    let option = |arg: &Arg| {
        Some((format!("--{}", arg.get_long()?), arg.get_help().map(ToString::to_string).unwrap_or_default()))
    };
    shown.filter_map(option).collect()
}

/// What a value is, is known from what the usage calls it.
fn values(
    program: &Command,
    command: &Command,
    arg: &Arg,
    before: &[String],
    status: &impl Fn() -> Option<Status>,
) -> Vec<Offer> {
    let called = arg.get_value_names().and_then(|names| names.first()).map_or("", |name| name.as_str());
    let is_about = |whom: &str| called.split('|').any(|part| part == whom);
    match called {
        "FILE" | "PATH" | "CMD" | "PAGE" => vec![(FILES.to_owned(), String::new())],
        "COMMAND" => commands(program),
        "PRESET" | "POLICY" => presets(),
        "CONDITION" => metrics(),
        "SCENARIO" => about_all().map(|(name, about)| (name.to_owned(), about.to_owned())).collect(),
        "KEY" => keys(status().as_ref(), ""),
        "KEY=VALUE" => keys(status().as_ref(), "="),
        "VALUE" => {
            before.iter().find(|word| !word.starts_with('-')).map(|key| choices(key)).unwrap_or_default()
        }
        _ if is_about("ACCOUNT") || is_about("SCOPE") || is_about("NAME") || is_about("PID") => {
            let Some(status) = status() else { return Vec::new() };
            let mut names = accounts(&status, command.get_name() == "release");
            if is_about("NAME") || is_about("PID") {
                names.extend(programs(&status));
            }
            names
        }
        _ => words(arg),
    }
}

/// The words that an argument takes, if it takes certain ones only.
fn words(arg: &Arg) -> Vec<Offer> {
    let help = |value: &PossibleValue| value.get_help().map(ToString::to_string).unwrap_or_default();
    arg.get_possible_values().iter().map(|value| (value.get_name().to_owned(), help(value))).collect()
}

fn presets() -> Vec<Offer> {
    Preset::WORDS.iter().map(|(name, preset)| ((*name).to_owned(), preset.about().to_owned())).collect()
}

/// The beginnings of conditions.
fn metrics() -> Vec<Offer> {
    METRICS.iter().map(|metric| (metric.name.to_owned(), metric.meaning.to_owned())).collect()
}

/// The keys of the host, and of the rules that are in force.
fn keys(status: Option<&Status>, end: &str) -> Vec<Offer> {
    let offer = |of: &str, key: &Key| {
        let doc = key.doc();
        let meaning = doc.lines().next().and_then(|line| line.split(". ").next()).unwrap_or_default();
        (format!("{of}{}{end}", key.name), meaning.trim_end_matches('.').to_owned())
    };
    let of_table = |of: &str, table: Table| -> Vec<Offer> {
        let settable = tables::keys(table).into_iter().filter(|key| !key.makes_rule());
        settable.map(|key| offer(of, key)).collect()
    };
    let mut all = of_table("", Table::Top);
    all.extend(of_table("host.", Table::Host));
    for table in Table::OF_HOST.into_iter().filter(|table| ![Table::Top, Table::Host].contains(table)) {
        all.extend(of_table(&format!("{}.", table.name()), table));
    }
    for scope in status.iter().flat_map(|status| &status.scopes) {
        match scope.kind {
            ScopeKind::Rule => all.extend(of_table(&format!("scope.{}.", scope.name), Table::Scope)),
            ScopeKind::Interface => {
                all.extend(of_table(&format!("interface.{}.", scope.name), Table::Interface));
            }
            _ => {}
        }
    }
    for rule in status.iter().flat_map(|status| &status.deny) {
        all.extend(of_table(&format!("deny.{}.", rule.name), Table::Deny));
    }
    all
}

/// The words that a key takes.
fn choices(key: &str) -> Vec<Offer> {
    let Ok(name) = read_name(key) else { return Vec::new() };
    name.key.form.choices().into_iter().map(|word| (word.to_owned(), String::new())).collect()
}

/// Scopes and accounts; only suspects, where there are any and they are what is asked for.
fn accounts(status: &Status, suspects: bool) -> Vec<Offer> {
    let all = std::iter::once(&status.host).chain(&status.scopes);
    let offer = |since: bool| if since { "suspect".to_owned() } else { String::new() };
    let named: Vec<Offer> =
        all.map(|scope| (scope.name.clone(), offer(scope.trust.suspect_since.is_some()))).collect();
    let suspected: Vec<Offer> = named.iter().filter(|(_, meaning)| !meaning.is_empty()).cloned().collect();
    if suspects && !suspected.is_empty() { suspected } else { named }
}

/// Programs that had to wait.
fn programs(status: &Status) -> Vec<Offer> {
    let mut names: Vec<&str> = status.programs.iter().map(|program| program.comm.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    names.into_iter().map(|name| (name.to_owned(), "program".to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offered(words: &[&str]) -> Vec<String> {
        let words = joined(words.iter().map(|word| unquoted(word)).collect());
        offers(&words, || None).into_iter().map(|(word, _)| word).collect()
    }

    #[test]
    fn each_place_has_what_can_stand_there() {
        assert_eq!(offered(&["st"]), ["status"]);
        assert!(!offered(&[""]).iter().any(|word| word == "helper" || word == "complete"));
        assert_eq!(offered(&["--v"]), ["--version"]);
        assert_eq!(offered(&["status", "--w"]), ["--watch"]);
        assert_eq!(offered(&["preset", "xp"]), ["xp-sp2"]);
        assert_eq!(offered(&["preset", "xp-sp2", ""]), [""; 0]);
        assert_eq!(offered(&["help", "rel"]), ["release"]);
        assert_eq!(offered(&["get", "host.half"]), ["host.half_open"]);
        assert_eq!(offered(&["set", "--save", "mod"]), ["mode"]);
        assert_eq!(offered(&["set", "mode", "a"]), ["audit"]);
        assert_eq!(offered(&["set", "preset", "ad"]), ["adaptive"]);
        assert_eq!(offered(&["set", "half_open", "u"]), ["unlimited"]);
        assert_eq!(offered(&["set", "nothing", ""]), [""; 0]);
        assert_eq!(offered(&["run", "--set", "mod"]), ["mode="]);
        assert_eq!(offered(&["run", "--set", "mode", "=", "audit", "--con"]), ["--config"]);
        assert_eq!(offered(&["run", "--config", "/e"]), [FILES]);
        assert_eq!(offered(&["exec", "--half-open", "4", "--", "nm"]), [FILES]);
        for nothing in [&["status", ""][..], &["statsu", ""], &["helper", "-"], &["why", ""], &[]] {
            assert_eq!(offered(nothing), [""; 0], "{nothing:?}");
        }
    }

    #[test]
    fn every_argument_of_every_command_is_known() {
        const TYPED: [&str; 9] = ["T", "N", "R", "SIZE", "TURN", "ADDR", "NET", "THERE=HERE", "OFFSET"];
        let mut program = Cli::command();
        program.build();
        for command in program.get_subcommands().filter(|command| !command.is_hide_set()) {
            for arg in command.get_arguments().filter(|arg| arg.get_action().takes_values()) {
                let called = arg.get_value_names().and_then(|names| names.first()).unwrap().as_str();
                let offered = values(&program, command, arg, &["mode".into()], &|| None);
                let is_live =
                    called.contains("ACCOUNT") || called.contains("SCOPE") || called.contains("NAME|");
                assert!(
                    !offered.is_empty() || is_live || TYPED.contains(&called),
                    "nothing is offered for {called} of {}",
                    command.get_name()
                );
            }
        }
    }

    #[test]
    fn words_are_read_as_the_shell_would_and_nothing_in_them_is_carried_out() {
        assert_eq!(unquoted(r"adaptive\[/a\ b\]"), "adaptive[/a b]");
        assert_eq!(unquoted("'adaptive[/a b"), "adaptive[/a b");
        assert_eq!(unquoted(r#""a\"b'c""#), "a\"b'c");
        assert_eq!(unquoted("$(reboot)`id`"), "$(reboot)`id`");
        assert_eq!(unquoted(r"a\"), "a");
    }
}
