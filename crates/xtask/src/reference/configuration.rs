//! The reference of the configuration, from the tables of its keys.

use halfopen::config::rule_keys::{DENY, KINDS, bare_deny};
use halfopen::config::sample::{ABOUT, wrapped};
use halfopen::config::{Key, Preset, Resolved, Table, Value, Words, general, tables};

const HEAD: &str =
    "<!-- Written by `make reference` from crates/halfopen/src/config. Do not edit this page. -->

# Configuration
The program reads `/etc/halfopen/halfopen.toml`. The package installs a file there that shows every key. ";
const NAMES: &str = "`halfopen get KEY` and `halfopen set KEY VALUE` take the names of this page: `mode`, `host.drain` (or \
     `drain`), `accounts.drain`, `scope.NAME.drain`, `interface.NAME.drain`, `deny.NAME.mode`. A new value counts at once, and until the \
     next reload; `set --save` also writes it to `conf.d/90-local.toml`. A section below says so if a key differs. \
     [rules.md](../use/rules.md) explains rules by example.";
const LIMITS: &str = "The limits of the host. Each `[[scope]]` and `[[interface]]` takes the same keys; a key of first \
     contacts has no effect where `first_contacts` is off.";

const METRICS: &str = "What Prometheus can scrape; [metrics.md](../use/metrics.md) says how, and [the reference](metrics.md) \
     what each metric counts.";

const HISTORY: &str = "What is kept of the past; [history.md](../use/history.md) says what for.";
const DASHBOARD: &str =
    "The web page; [dashboard.md](../use/dashboard.md) says what it shows and who can see it.";
const EVENTS: &str =
    "Events for log shippers; [events-out.md](../use/events-out.md#a-file-for-a-log-shipper) has more.";

const OTLP: &str = "Events for a collector of OpenTelemetry; [events-out.md](../use/events-out.md) says what it gets, and what happens if it fails.";

const CONTAINERS: &str = "Where the names of containers and pods come from; \
     [containers.md](../use/containers.md#names-of-containers-and-pods) has more.";

pub fn page() -> String {
    let head = format!("{HEAD}{}", ABOUT.replacen("This file shows every key with its default. ", "", 1));
    let head: Vec<String> = head.lines().map(|line| wrapped("", line)).collect();
    let mut text = head.concat() + "\n" + &wrapped("", NAMES) + "\n## Above the first table\n";
    let presets: Vec<(&str, Resolved)> =
        Preset::WORDS.iter().map(|(name, preset)| (*name, Resolved::of_preset(*preset))).collect();
    for key in tables::keys(Table::Top) {
        text += &section(key, &presets);
    }
    text.extend([format!("\n## {}\n{}", Table::Host.written(), wrapped("", LIMITS))]);
    for key in tables::keys(Table::Host) {
        text += &section(key, &presets);
    }
    for (table, about) in [
        (Table::Metrics, METRICS),
        (Table::History, HISTORY),
        (Table::Events, EVENTS),
        (Table::Otlp, OTLP),
        (Table::Dashboard, DASHBOARD),
        (Table::Containers, CONTAINERS),
    ] {
        text.extend([format!("\n## {}\n{}", table.written(), wrapped("", about))]);
        for key in tables::keys(table) {
            text += &section(key, &presets);
        }
    }
    for kind in &KINDS {
        let (table, example) = (kind.table.written(), kind.example);
        text.extend([format!("\n## {table}\n{}\n```toml\n{table}\n{example}\n```\n", paragraphs(kind.doc))]);
        if kind.table != Table::Accounts {
            text += "\n### name\nThe rule's name, by which a later file, `get` and `set` find it.\n";
        }
        for key in tables::keys(kind.table).into_iter().filter(|key| key.table == kind.table) {
            text += &section(key, &presets);
        }
    }
    text
}

/// What there is to say about a key.
fn section(key: &'static Key, presets: &[(&str, Resolved)]) -> String {
    let mut text = format!("\n### {}\n{}", key.name, paragraphs(&key.doc()));
    let conditions = tables::conditions(key);
    if !conditions.is_empty() {
        text += "\n| in a table | means |\n| --- | --- |\n";
        text.extend(conditions.iter().map(|(condition, meaning)| format!("| `{condition}` | {meaning} |\n")));
    }
    text.extend([format!(
        "\n- Values: {}\n- Example: `{} = {}`\n",
        key.form.accepted(),
        key.name,
        key.form.example()
    )]);
    if key == general::PRESET {
        text.extend([format!("- Default: `{}`\n", key.form.toml(&Value::Word(Preset::default().word())))]);
    } else {
        text += &defaults(key, presets);
    }
    if let Some(field) = DENY.iter().find(|field| field.key == *key && !key.makes_rule()) {
        text.extend([format!("- Default: `{}`\n", key.form.toml(&(field.place.get)(&bare_deny(""))))]);
    }
    if let Some(when) = key.takes_effect {
        text.extend([format!("- A new value takes effect {when}.\n")]);
    } else if key.makes_rule() {
        text += "- Only a file can set it.\n";
    }
    text
}

/// The default of a key of the host, under each preset.
fn defaults(key: &'static Key, presets: &[(&str, Resolved)]) -> String {
    let of = |resolved: &Resolved| resolved.value(key).map(|value| format!("`{}`", key.form.toml(value)));
    let mut values: Vec<(String, Vec<&str>)> = Vec::new();
    for (name, resolved) in presets {
        let Some(value) = of(resolved) else { continue };
        match values.iter_mut().find(|(known, _)| *known == value) {
            Some((_, names)) => names.push(name),
            None => values.push((value, vec![name])),
        }
    }
    let mut text = match values.as_slice() {
        [] => String::new(),
        [(value, _)] => format!("- Default: {value}\n"),
        several => {
            let each = several.iter().map(|(value, names)| format!("{value} ({})", names.join(", ")));
            format!("- Default: {}\n", each.collect::<Vec<_>>().join(", "))
        }
    };
    for (name, resolved) in presets {
        for rule in resolved.rules().scopes() {
            if let Some((value, _)) = rule.said(key) {
                let value = key.form.toml(value);
                text.extend([format!(
                    "- In the rule `{}` of the preset {name}: `{value}`\n",
                    rule.name().leaf()
                )]);
            }
        }
    }
    text
}

/// With an empty line between each two, unless both stay as they are.
fn paragraphs(text: &str) -> String {
    let mut lines: Vec<&str> = Vec::new();
    for line in text.lines() {
        let goes_on = lines.last().is_some_and(|last| last.starts_with(' ') && line.starts_with(' '));
        if !lines.is_empty() && !goes_on {
            lines.push("");
        }
        lines.push(line);
    }
    wrapped("", &lines.join("\n"))
}
