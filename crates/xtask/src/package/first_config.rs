//! The configuration that a package installs: the sample, but for what a host should begin with.

use anyhow::{Context, Result, ensure};
use halfopen::config::sample;

/// Its name.
pub const NAME: &str = "halfopen.toml";

/// What the sample says, and what a package says there. The program alone enforces; a package meets
/// hosts on which nobody knows yet what a limit would do, so it holds nothing until it is told to. The limit outlives the
/// daemon there, or each upgrade would let a scan pass.
const CHANGES: [(&str, &str); 2] =
    [("mode = \"enforce\"", "mode = \"audit\""), ("persist = false", "persist = true")];

/// Told on top, where the sample says that it shows the defaults.
const REMARK: &str = "# As the package ships it: mode and persist are not the program's defaults, and the \
                      limits are\n# those of the preset: the lines under [host] show its numbers as comments. What \
                      `halfopen set --save` sets goes to\n# conf.d/90-local.toml; no command edits this file.\n#\n";

/// The file's text.
pub fn text() -> Result<String> {
    let sample = sample();
    let mut lines: Vec<&str> = sample.lines().collect();
    for (sample, packaged) in CHANGES {
        let found = lines.iter().filter(|line| **line == sample).count();
        ensure!(found == 1, "the sample configuration has the line `{sample}` {found} times, not once");
        lines.iter_mut().filter(|line| **line == sample).for_each(|line| *line = packaged);
    }
    let host = lines.iter().position(|line| *line == HOST);
    let host = host.with_context(|| format!("the sample configuration has no line `{HOST}`"))?;
    let end = lines.iter().skip(host + 1).position(|line| line.starts_with('['));
    let limits = host + 1..end.map_or(lines.len(), |length| host + 1 + length);
    let written = lines.iter().enumerate().map(|(at, line)| {
        if limits.contains(&at) && is_said(line) { format!("#{line}") } else { (*line).to_owned() }
    });
    Ok(format!("{REMARK}{}\n", written.collect::<Vec<_>>().join("\n")))
}

/// The table of the host's limits. They stand as comments in a package's file: a preset named there would else change
/// none of them.
const HOST: &str = "[host]";

fn is_said(line: &str) -> bool {
    !line.starts_with('#') && line.contains(" = ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use halfopen::config::general::{MODE, PERSIST};
    use halfopen::config::{Assignment, Sources, Table, file};
    use std::path::Path;

    #[test]
    fn it_differs_from_the_sample_in_two_values_and_leaves_the_limits_to_the_preset() {
        let said = |text: &str| file::parse(Path::new(NAME), text).unwrap();
        let (sample, packaged) = (said(&sample()), said(&text().unwrap()));
        let key = |said: &Assignment| said.name().map(|name| name.key);
        let is_limit = |said: &Assignment| key(said).is_some_and(|key| key.table == Table::Host);
        let sample: Vec<_> = sample.into_iter().filter(|(said, _)| !is_limit(said)).collect();
        assert_eq!(sample.len(), packaged.len());
        let differ: Vec<_> = sample
            .iter()
            .zip(&packaged)
            .filter(|((a, _), (b, _))| a != b)
            .filter_map(|(_, (said, _))| key(said))
            .collect();
        assert_eq!(differ, [MODE, PERSIST]);
    }

    #[test]
    fn the_program_takes_it_as_audit_that_persists() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(NAME);
        std::fs::write(&path, text().unwrap()).unwrap();
        let effective = Sources::new(Some(path), &[]).unwrap().load().unwrap();
        let shown = |key| effective.shown_of_host(key).0;
        assert_eq!((shown(MODE).as_str(), shown(PERSIST).as_str()), ("audit", "true"));
    }
}
